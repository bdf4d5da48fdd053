//! Restarts of the Edge API after the first proof: for what is new, for what was lost, for pods
//! that others started on an accident, and to undo a change of ours.

use jiff::SignedDuration;

use super::{
    field_conflict, rollout,
    server::{self, CALL_AGE, Prepared},
};
use crate::{
    api::{Attempt, Phase, Reason, Rejected},
    memory::Calls,
    report::{Report, Step},
    settings,
    view::View,
};

/// A proof that fails for so long, while the backend answers, is the pods' fault.
const FAILS_FOR_LONG: SignedDuration = SignedDuration::from_secs(60);

/// The Deployment, reverted or restarted with what is new.
pub(super) fn restart(view: &View<'_>, report: &mut Report, ready: bool) -> Option<Step> {
    let deployment = view.deployment?;
    let missing = !deployment.differences(&view.desired).is_empty();
    let inputs = view.inputs.as_deref();
    let current = inputs.is_none_or(|inputs| is_started_with(deployment.inputs(), inputs))
        && !deployment.is_outdated(&view.desired);
    // A pod would start on what somebody else has written there.
    if view
        .config
        .is_some_and(|config| !config.differences(&view.desired).is_empty())
    {
        return None;
    }
    if !missing && current {
        return restart_again(view, report, ready);
    }
    if let Some(fault) = deployment.faults(&view.desired).into_iter().next() {
        report.degraded(Reason::SettingsUnusable, fault);
        return None;
    }
    let mut effective = view.effective.clone();
    effective.extend(
        view.desired
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    if let Some(fault) = settings::faults(&effective).into_iter().next() {
        report.degraded(Reason::SettingsUnusable, fault);
        return None;
    }
    if missing {
        let what: Vec<_> = deployment
            .differences(&view.desired)
            .iter()
            .map(|(field, _)| *field)
            .collect();
        let text = format!(
            "Deployment {} has lost {}",
            view.spec.edge_api.deployment,
            what.join(", ")
        );
        report.degraded(Reason::ChangedByOthers, text);
        if let Some(step) = field_conflict::deployment(view, report) {
            return Some(step);
        }
    }
    if !ready {
        return None;
    }
    match server::backend(view, report, CALL_AGE) {
        Prepared::Yes => {}
        Prepared::Step(step) => return Some(step),
        // What is missing is put back in any case: without it the Edge API cannot reach any
        // backend.
        Prepared::Blocked(_) if missing => {}
        Prepared::Blocked(blocker) => {
            report.degraded(blocker.reason, blocker.sentence);
            return None;
        }
    }
    let inputs = inputs?;
    if view.restart().is_none_or(|restart| restart.inputs != inputs) {
        return Some(begin(view, report, inputs.to_owned()));
    }
    report.phase(Phase::Switching, Reason::RollingOut, "restarting the Edge API");
    Some(Step::act(crate::action::Action::Write(
        deployment.write(inputs, &view.desired),
    )))
}

/// A change of our settings that cannot be verified is undone; those that were verified last take
/// its place. Tells of one that was.
pub(super) fn undo(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let generation = view.o.resource.metadata.generation;
    let retry = view.retry().map(str::to_owned);
    let switched = view.memory.switched()?;
    if let Some(rejected) = &switched.rejected {
        if rejected.generation != generation || rejected.retry != retry {
            report.memory.switched_mut()?.rejected = None;
            return Some(Step::Persist);
        }
        report.degraded(
            Reason::VerificationFailed,
            format!(
                "the settings of the spec were tried and reverted: {}; the previous settings are in use, correct the spec",
                rejected.why
            ),
        );
        return None;
    }
    let (attempt, verified) = (switched.restart.as_ref()?, switched.verified.as_ref()?);
    let desired = view.desired.iter();
    let changed = !verified.settings.is_empty()
        && desired
            .clone()
            .any(|(key, value)| verified.settings.get(*key) != Some(value));
    let restarted = view.since(attempt.restarted.as_deref()?);
    let allowed = SignedDuration::from_secs(i64::from(view.spec.edge_api.rollout_seconds));
    let why = if restarted > allowed && !view.all_pods_run(Some(&attempt.inputs)) {
        rollout::unfinished(view)
    } else {
        fails_for_long(view)?.to_owned()
    };
    if !changed {
        return None;
    }
    let switched = report.memory.switched_mut()?;
    switched.restart = None;
    switched.rejected = Some(Rejected {
        generation,
        retry,
        why,
    });
    Some(Step::Persist)
}

/// Records that the Edge API is told to restart, before it is.
fn begin(view: &View<'_>, report: &mut Report, inputs: String) -> Step {
    if let Some(switched) = report.memory.switched_mut() {
        switched.restart = Some(Attempt {
            inputs,
            begun: view.o.now.to_string(),
            restarted: Some(view.o.now.to_string()),
            ..Attempt::default()
        });
    }
    Step::Persist
}

/// Why the calls through the Edge API's pods fail, where they do so for long.
fn fails_for_long<'a>(view: &'a View<'_>) -> Option<&'a str> {
    match &view.memory.switched()?.calls {
        Calls::Failure { since, why } if view.since(since) > FAILS_FOR_LONG => Some(why),
        _ => None,
    }
}

/// Whether these are the inputs, of a first restart or of one that repeated it.
pub(super) fn is_started_with(annotation: Option<&str>, inputs: &str) -> bool {
    annotation.is_some_and(|annotation| annotation.split('-').next() == Some(inputs))
}

/// Pods that do not use us although all they should have been started with is right: somebody
/// restarted them while something else lay there. They are restarted once; if that does not help, a
/// person is needed.
fn restart_again(view: &View<'_>, report: &mut Report, ready: bool) -> Option<Step> {
    let (deployment, inputs) = (view.deployment?, view.inputs.as_deref()?);
    if !ready || fails_for_long(view).is_none() || !view.all_pods_run(deployment.inputs()) {
        return None;
    }
    match server::backend(view, report, CALL_AGE) {
        Prepared::Yes => {}
        // Not the Edge API's fault.
        Prepared::Step(_) | Prepared::Blocked(_) => return None,
    }
    let again = format!("{inputs}-{}", view.o.now.as_second());
    match view.restart() {
        None => Some(begin(view, report, again)),
        Some(attempt) if is_started_with(Some(&attempt.inputs), inputs) && attempt.inputs != inputs => {
            (deployment.inputs() != Some(&attempt.inputs)).then(|| {
                report.phase(Phase::Switching, Reason::RollingOut, "restarting the Edge API");
                Step::act(crate::action::Action::Write(
                    deployment.write(&attempt.inputs, &view.desired),
                ))
            })
        }
        Some(_) => None,
    }
}
