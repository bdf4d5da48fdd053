//! Restores the previous settings, for a rollback that a person asks for and for a switch that
//! could not be verified.

use jiff::SignedDuration;

use super::{preflight::FIX, proof};
use crate::{
    action::{Action, Write},
    api::Reason,
    edge_api::SettingsMap,
    observed::{PodVerdict, ProbeOutcome},
    previous::{Former, Previous},
    report::{Report, SOON, Step},
    settings,
    view::View,
};

/// A failed proof is tried again after this time.
const PROVE_AGAIN: SignedDuration = SignedDuration::from_secs(3);

/// A pod that has run for so long answers for good as it does now.
const SETTLED: SignedDuration = SignedDuration::from_secs(20);

/// Pods that were left behind are restarted so often at most.
const RESTART_AGAIN: SignedDuration = SignedDuration::from_mins(2);

/// Puts back what was before, restarts, proves it, forgets. `None` when that is done.
pub(super) fn restore(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let previous = match &view.previous {
        None => return None,
        Some(Err(error)) => {
            report.blocked(
                report.status.phase,
                Reason::PreviousUnknown,
                "waiting for a fix",
                vec![error.to_string()],
            );
            return Some(FIX);
        }
        Some(Ok(previous)) => previous,
    };
    if let Some(write) = view
        .config
        .and_then(|config| config.restore(previous, &view.desired))
    {
        return Some(Step::act(Action::Write(write)));
    }
    if let Some(deployment) = view.deployment {
        if let Some(write) = deployment.restore(previous, &view.desired) {
            return Some(Step::act(Action::Write(write)));
        }
        if !view.all_pods_run(None) {
            "waiting until the Edge API has restarted".clone_into(&mut report.status.next_action);
            return Some(SOON);
        }
        if was_crd(previous)
            && let Some(step) = prove(view, report)
        {
            return Some(step);
        }
        if let Some(write) = deployment.release() {
            return Some(Step::act(Action::Write(write)));
        }
    }
    if let Some(write) = view.config.and_then(SettingsMap::release) {
        return Some(Step::act(Action::Write(write)));
    }
    let saved = view.o.previous.as_ref()?.reference().clone();
    Some(Step::act(Action::DeletePrevious(saved)))
}

fn was_crd(previous: &Previous) -> bool {
    match previous.settings.values.get(settings::BACKEND) {
        Some(Former::Value { value, .. }) => value == "crd" || value.is_empty(),
        Some(Former::Absent | Former::Lost) | None => true,
    }
}

/// Every pod answers as the custom resources do, and none of our servers sees the call.
fn prove(view: &View<'_>, report: &mut Report) -> Option<Step> {
    // Without pods there is nobody to ask, and nobody who could answer wrongly.
    view.edge_pods().next()?;
    let about = view.pods_key();
    let last = view.last_calls();
    let not_crd = |pod: &&PodVerdict| pod.outcome != ProbeOutcome::Crd;
    "verifying: calling the Edge API as a device does".clone_into(&mut report.status.next_action);
    let failed = last.and_then(|last| last.value.iter().find(not_crd));
    if let Some(pod) = failed {
        let why = match &pod.outcome {
            ProbeOutcome::Failed(why) => why,
            _ => "it still uses our server",
        };
        report.hindered(Reason::VerificationFailed, format!("pod {}: {why}", pod.name));
    }
    if failed.is_some()
        && let Some(write) = left_behind(view)
    {
        return Some(Step::act(Action::Write(write)));
    }
    match last {
        Some(_) if failed.is_none() => None,
        Some(last) if last.at.duration_until(view.o.now) <= PROVE_AGAIN => Some(SOON),
        _ => Some(Step::act(proof::call_pods(view, about))),
    }
}

/// Pods that do not use what was put back: they were started by somebody else before it was, from a
/// template without anything of ours, so taking ours away did not restart them.
fn left_behind(view: &View<'_>) -> Option<Write> {
    let deployment = view.deployment?;
    let old = view.edge_pods().all(|pod| {
        let created = pod.metadata.creation_timestamp.as_ref();
        created.is_some_and(|created| view.since(&created.0.to_string()) > SETTLED)
    });
    let lately = deployment
        .restarted_at()
        .is_some_and(|at| view.since(at) < RESTART_AGAIN);
    (old && !lately).then(|| deployment.restart(&view.o.now.to_string()))
}
