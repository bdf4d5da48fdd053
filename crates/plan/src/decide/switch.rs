//! From Flotta's custom resources to the remote backend, up to the call that proves it; and back
//! again when none does.

use jiff::SignedDuration;

use super::{
    field_conflict,
    preflight::{self, FIX},
    prepare,
    proof::{self, Proof},
    restore, rollout, server,
};
use crate::{
    action::Action,
    api::{Attempt, ConditionType, Failures, Mode, Phase, Reason},
    memory::{Progress, Rollback, Switched},
    report::{IDLE, Report, SOON, Step},
    settings,
    view::View,
};

/// A switch is tried so often for the same inputs.
const ATTEMPTS: u32 = 3;

/// Between two attempts, times their number.
const PAUSE: SignedDuration = SignedDuration::from_secs(15);

/// After the restart the proof has this long: rules of Services and the first calls take their
/// time.
const PROOF: SignedDuration = SignedDuration::from_secs(60);

/// A failed proof is tried again after this time.
const PROVE_AGAIN: SignedDuration = SignedDuration::from_secs(3);

/// Switches to the remote backend, up to the proof.
pub(super) fn switch(view: &View<'_>, report: &mut Report) -> Step {
    if view.spec.mode == Mode::Observe && !view.is_engaged() {
        return observe(view, report);
    }
    if runs_already(view) {
        report.memory.progress = Progress::Switched(Switched::default());
        report.phase(
            Phase::Verifying,
            Reason::Verifying,
            "found an earlier switch; verifying it",
        );
        return Step::Persist;
    }
    advance(view, report)
}

/// A switch that this resource knows nothing of: made by a former installation, or by hand. It may
/// be old and devices may have come since, so it is never rolled back.
fn runs_already(view: &View<'_>) -> bool {
    let still_ours = view.is_engaged()
        && view
            .deployment
            .is_some_and(|deployment| deployment.has_anything_of_ours(&view.desired));
    view.switching().is_none() && (view.is_told_remote() || still_ours)
}

fn observe(view: &View<'_>, report: &mut Report) -> Step {
    match prepare::prepare(view, report) {
        Ok(()) => {
            report.ready(
                Phase::Observing,
                Reason::Observing,
                "mode Observe: everything is ready for a switch",
            );
            report.fails(
                ConditionType::Switched,
                Reason::Observing,
                "mode Observe: nothing was switched",
            );
            "mode Remote would switch now".clone_into(&mut report.status.next_action);
            IDLE
        }
        Err(step) => step,
    }
}

fn advance(view: &View<'_>, report: &mut Report) -> Step {
    let Some(attempt) = view.switching() else {
        if let Err(step) = prepare::prepare(view, report) {
            return step;
        }
        if let Some(step) = exhausted(view, report) {
            return step;
        }
        return begin(view, report);
    };
    let Some(inputs) = view.inputs.clone() else {
        // Somebody changed the material meanwhile. Nothing may be restarted on it, so the switch
        // cannot be finished.
        let fault = view.material.faults().next().cloned().unwrap_or_default();
        return fail(view, report, &fault);
    };
    if attempt.inputs != inputs {
        // What was prepared is not what would be switched to now.
        return fail(
            view,
            report,
            "the settings or certificates of the Edge API changed during the switch",
        );
    }
    preflight::trusted(view, report);
    report.phase(
        Phase::Switching,
        Reason::Switching,
        "writes the settings and restarting the Edge API",
    );
    report.fails(
        ConditionType::Switched,
        Reason::Switching,
        "the Edge API is being switched",
    );
    if let Some(step) = write(view, report, &inputs) {
        return step;
    }
    if let Some(step) = roll_out(view, report, &inputs) {
        return step;
    }
    prove(view, report, &inputs)
}

/// Whether this was tried often enough, or just now.
fn exhausted(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let key = view.attempt_key();
    let failures = view
        .memory
        .failures
        .as_ref()
        .filter(|failures| failures.inputs == key)?;
    let passed = view.since(&failures.at);
    let retried = format!(
        "the switch was rolled back {} times; the last reason: {}",
        failures.count, failures.last
    );
    report.fails(
        ConditionType::Verified,
        Reason::VerificationFailed,
        failures.last.clone(),
    );
    if failures.count >= ATTEMPTS {
        report.blocked(
            Phase::SwitchFailed,
            Reason::SwitchFailed,
            "waiting for annotation companion.project-flotta.io/retry or a change of the spec",
            vec![retried],
        );
        report.degraded(Reason::SwitchFailed, failures.last.clone());
        return Some(IDLE);
    }
    let waits = PAUSE
        .checked_mul(i32::try_from(failures.count).unwrap_or(i32::MAX))
        .unwrap_or(SignedDuration::MAX);
    if passed < waits {
        report.blocked(
            Phase::Preparing,
            Reason::SwitchFailed,
            "trying the switch again soon",
            vec![retried],
        );
        return Some(SOON);
    }
    // None without a fresh preflight.
    let fresh = view
        .o
        .evidence
        .backend
        .as_ref()
        .is_some_and(|call| call.at.duration_until(view.o.now) < passed);
    if fresh {
        None
    } else {
        let called = server::backend(view, report, SignedDuration::ZERO);
        prepare::ready(report, "calling the backend as the Edge API does", called).err()
    }
}

/// Writes down that a switch begins, and what was before it.
fn begin(view: &View<'_>, report: &mut Report) -> Step {
    report.phase(
        Phase::Switching,
        Reason::Switching,
        "saving the previous settings",
    );
    if let Some(Err(error)) = &view.previous {
        report.blocked(
            Phase::Blocked,
            Reason::PreviousUnknown,
            "waiting for a fix",
            vec![error.to_string()],
        );
        return FIX;
    }
    if !view.has_finalizer() {
        return Step::act(Action::SetFinalizer(true));
    }
    let Some(inputs) = view.inputs.clone() else {
        return SOON;
    };
    report.memory.progress = Progress::Switching(Attempt {
        inputs,
        begun: view.o.now.to_string(),
        resumed: view.is_engaged(),
        ..Attempt::default()
    });
    Step::Persist
}

/// Saves what was before, then writes settings, then the Deployment.
fn write(view: &View<'_>, report: &mut Report, inputs: &str) -> Option<Step> {
    if view.previous.is_none() {
        return Some(rollout::save_previous(view));
    }
    let (config, deployment) = (view.config?, view.deployment?);
    if !config.is_as(&view.desired) {
        if view
            .switching()
            .is_some_and(|attempt| attempt.restarted.is_some())
            && let Some(step) = field_conflict::settings(view, report)
        {
            return Some(step);
        }
        return Some(Step::act(Action::Write(config.write(&view.desired))));
    }
    if deployment.inputs() != Some(inputs)
        || !deployment.differences(&view.desired).is_empty()
        || deployment.is_outdated(&view.desired)
    {
        if let Some(step) = restarted(view, report) {
            return Some(step);
        }
        return Some(Step::act(Action::Write(deployment.write(inputs, &view.desired))));
    }
    None
}

/// Writes down that the Edge API is told to restart, before it is.
pub(super) fn restarted(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let attempt = report.memory.switching_mut()?;
    if attempt.restarted.is_some() {
        return None;
    }
    attempt.restarted = Some(view.o.now.to_string());
    Some(Step::Persist)
}

/// Waits until every pod of the Edge API runs with these inputs.
fn roll_out(view: &View<'_>, report: &mut Report, inputs: &str) -> Option<Step> {
    let attempt = view.switching()?;
    if view.all_pods_run(Some(inputs)) {
        if attempt.rolled_out.is_none() {
            verifying(report);
            if let Some(attempt) = report.memory.switching_mut() {
                attempt.rolled_out = Some(view.o.now.to_string());
            }
            return Some(Step::Persist);
        }
        return None;
    }
    report.phase(
        Phase::Switching,
        Reason::RollingOut,
        "waiting until the Edge API has restarted",
    );
    let begun = attempt.restarted.as_deref().unwrap_or(&attempt.begun);
    let allowed = SignedDuration::from_secs(i64::from(view.spec.edge_api.rollout_seconds));
    if view.since(begun) > allowed {
        return Some(fail(view, report, &rollout::unfinished(view)));
    }
    Some(SOON)
}

fn verifying(report: &mut Report) {
    report.phase(
        Phase::Verifying,
        Reason::Verifying,
        "verifying: calling the Edge API as a device does",
    );
}

fn prove(view: &View<'_>, report: &mut Report, inputs: &str) -> Step {
    verifying(report);
    report.fails(
        ConditionType::Switched,
        Reason::Verifying,
        "switched, and not verified yet",
    );
    match proof::proof(view, PROVE_AGAIN, SignedDuration::MAX) {
        Proof::Call(step, _) => step,
        Proof::Holds => {
            proof::establish(view, report, inputs);
            Step::Persist
        }
        Proof::Fails(why) => {
            report.fails(ConditionType::Verified, Reason::VerificationFailed, why.clone());
            let begun = view
                .switching()
                .and_then(|attempt| attempt.rolled_out.clone())
                .unwrap_or_default();
            if view.since(&begun) > PROOF {
                fail(view, report, &why)
            } else {
                SOON
            }
        }
    }
}

/// The switch cannot be verified. It is written down before anything is rolled back.
pub(super) fn fail(view: &View<'_>, report: &mut Report, why: &str) -> Step {
    let lost = matches!(&view.previous, Some(Ok(previous)) if previous.settings.values.get(settings::BACKEND)
        == Some(&crate::previous::Former::Lost));
    if lost || view.switching().is_some_and(|attempt| attempt.resumed) {
        // Nothing to take it back to that is known: it stays, and is reported.
        report.memory.progress = Progress::Switched(Switched::default());
    } else if let Some(attempt) = report.memory.switching_mut() {
        let attempt = attempt.clone();
        let why = why.to_owned();
        report.memory.progress = Progress::RollingBack(Rollback { attempt, why });
    }
    report.phase(Phase::RollingBack, Reason::RollingBack, "rolling the switch back");
    report.degraded(Reason::RollingBack, why);
    Step::Persist
}

pub(super) fn roll_back(view: &View<'_>, report: &mut Report, rollback: &Rollback) -> Step {
    let why = rollback.why.clone();
    report.phase(Phase::RollingBack, Reason::RollingBack, "rolling the switch back");
    report.fails(
        ConditionType::Switched,
        Reason::RollingBack,
        "the switch is being rolled back",
    );
    report.fails(ConditionType::Verified, Reason::VerificationFailed, why.clone());
    report.degraded(Reason::RollingBack, why.clone());
    preflight::trusted(view, report);
    if let Some(step) = restore::restore(view, report) {
        return step;
    }
    let key = view.attempt_key();
    let before = view
        .memory
        .failures
        .as_ref()
        .filter(|failures| failures.inputs == key)
        .map_or(0, |failures| failures.count);
    report.memory.progress = Progress::NotSwitched;
    report.memory.failures = Some(Failures {
        inputs: key,
        count: before + 1,
        last: why,
        at: view.o.now.to_string(),
    });
    Step::Persist
}
