//! The dangerous direction: from here back to what was before. Flotta's custom resources disconnect
//! every device that they lack, and it removes all its workloads.

use jiff::SignedDuration;

use super::{
    preflight::{self, FIX},
    proof,
    server::{self, Prepared},
    switch,
};
use crate::{
    action::Action,
    api::{ConditionStatus, ConditionType, LeavingDevices, Phase, Reason},
    memory::Memory,
    names::ASSUME_PREVIOUS_ANNOTATION,
    observed::{PodVerdict, ProbeOutcome},
    previous::{Former, Previous},
    report::{IDLE, Report, SOON, Step},
    server::{Admission, alive},
    settings,
    view::View,
};

/// The count that the way back is begun on is not older than this.
const FRESH: SignedDuration = SignedDuration::from_secs(30);

/// A failed proof is tried again after this time.
const PROVE_AGAIN: SignedDuration = SignedDuration::from_secs(3);

/// A pod that has run for so long answers for good as it does now.
const SETTLED: SignedDuration = SignedDuration::from_secs(20);

/// Pods that were left behind are restarted so often at most.
const RESTART_AGAIN: SignedDuration = SignedDuration::from_mins(2);

/// Rolls back to what was before, and stays there.
pub(super) fn back(view: &View<'_>, report: &mut Report) -> Step {
    preflight::trusted(view, report);
    if !view.is_engaged() && !view.is_told_remote() {
        return arrived(view, report);
    }
    report.phase(
        Phase::Restoring,
        Reason::Restoring,
        "rolling the Edge API back to its previous settings",
    );
    report.fails(
        ConditionType::Switched,
        Reason::Restoring,
        "the Edge API is being rolled back",
    );
    if let Some(sentence) = unknown_previous(view) {
        report.blocked(
            Phase::Restoring,
            Reason::PreviousUnknown,
            "waiting for annotation companion.project-flotta.io/assume-previous",
            vec![sentence],
        );
        return FIX;
    }
    if view.previous.is_none() {
        // A person said what was before; from here on it is written down.
        return switch::save_previous(view);
    }
    // Once the settings are back, the rest follows whatever the count would be now.
    let begun = !view.is_told_remote();
    if !begun && let Some(step) = may_leave(view, report) {
        return step;
    }
    if let Some(step) = restore(view, report) {
        return step;
    }
    arrived(view, report)
}

/// There: the Edge API uses its previous settings, or was never switched.
fn arrived(view: &View<'_>, report: &mut Report) -> Step {
    report.memory = Memory {
        store_id: report.memory.store_id.clone(),
        retry: report.memory.retry.clone(),
        ..Memory::default()
    };
    report.fails(
        ConditionType::Switched,
        Reason::Restored,
        "the Edge API uses its previous settings",
    );
    report.fails(
        ConditionType::Verified,
        Reason::Restored,
        "there is nothing of ours to verify",
    );
    report.set(
        ConditionType::BackendReachable,
        ConditionStatus::Unknown,
        Reason::Restored,
        "not called while the Edge API does not use it",
    );
    report.ready(
        Phase::Crd,
        Reason::Restored,
        "the Edge API uses its previous settings",
    );
    if (view.is_deleting() || view.o.leave) && view.has_finalizer() {
        return Step::act(Action::SetFinalizer(false));
    }
    // The next switch begins with a hold. Where the server is gone there is nothing to tell.
    if !view.o.leave && !view.is_deleting() && !view.o.server_pods.is_empty() {
        match server::prepare(view, report, Admission::Hold) {
            Prepared::Step(step) => return step,
            Prepared::Yes | Prepared::Blocked(_) => {}
        }
    }
    IDLE
}

fn unknown_previous(view: &View<'_>) -> Option<String> {
    let ask = format!(
        "the settings of before the switch are lost; if the Edge API used Flotta's custom resources, say so: \
         kubectl annotate remotebackend {} {ASSUME_PREVIOUS_ANNOTATION}=crd",
        view.o.resource.reference().name()
    );
    match &view.previous {
        None => (!view.assumes_previous()).then_some(ask),
        Some(Err(error)) => Some(error.to_string()),
        Some(Ok(previous)) => previous.is_lost().then_some(ask),
    }
}

/// Whether every device of the store has a custom resource: counted, then closed, then counted
/// again. A step while that is not certain.
fn may_leave(view: &View<'_>, report: &mut Report) -> Option<Step> {
    if view.spec.devices.leaving == LeavingDevices::DisconnectThemAndRemoveTheirWorkloads {
        return None;
    }
    let alive = alive(&view.o.server_pods).count();
    if alive == 0 {
        return nobody_there(view, report);
    }
    // First without closing: a refusal must not keep devices out.
    let closed = view
        .o
        .server_secret
        .as_deref()
        .and_then(crate::server::admission)
        .as_deref()
        == Some("Closed");
    if !closed {
        match server::devices(view, report, FRESH) {
            Prepared::Step(step) => return Some(step),
            Prepared::Blocked(blocker) => {
                if let Some(step) = unanswered(view, report) {
                    return Some(step);
                }
                return Some(refuse(view, report, blocker.reason, blocker.sentence));
            }
            Prepared::Yes => {}
        }
        if let Some(sentence) = disconnected(view) {
            return Some(refuse(view, report, Reason::DevicesWouldBeDisconnected, sentence));
        }
    }
    match server::prepare(view, report, Admission::Closed) {
        Prepared::Step(step) => return Some(step),
        Prepared::Blocked(blocker) => {
            report.blocked(
                Phase::Restoring,
                blocker.reason,
                "waiting until every pod of the server has stopped accepting devices",
                vec![blocker.sentence],
            );
            return Some(SOON);
        }
        Prepared::Yes => {}
    }
    // The count that is about the closed store; every pod has confirmed it by now.
    match server::devices(view, report, FRESH) {
        Prepared::Step(step) => Some(step),
        Prepared::Blocked(blocker) => Some(refuse(view, report, blocker.reason, blocker.sentence)),
        Prepared::Yes => disconnected(view)
            .map(|sentence| refuse(view, report, Reason::DevicesWouldBeDisconnected, sentence)),
    }
}

/// Devices that the custom resources would disconnect.
fn disconnected(view: &View<'_>) -> Option<String> {
    let about = server::devices_key(view);
    let count = view
        .o
        .evidence
        .devices
        .as_ref()
        .filter(|count| count.about == about)?
        .value
        .as_ref()
        .ok()?;
    let (number, ids) = &count.only_here;
    (*number > 0).then(|| {
        format!(
            "{number} of {} devices of the server have no custom resource ({}); Flotta would tell them to disconnect and they \
             would remove all their workloads; make EdgeDevices of them, or set spec.devices.leaving to \
             DisconnectThemAndRemoveTheirWorkloads",
            count.here,
            server::some(ids)
        )
    })
}

/// The server has no pods, so nothing can enrol; what was counted last counts.
fn nobody_there(view: &View<'_>, report: &mut Report) -> Option<Step> {
    match &view.status.found.devices {
        Some(count) if count.only_here == 0 => None,
        Some(count) => {
            let sentence = format!(
                "the server has no pods, and when it was asked last ({}), {} of its {} devices had no custom resource; start it, \
                 or set spec.devices.leaving to DisconnectThemAndRemoveTheirWorkloads",
                count.counted, count.only_here, count.here
            );
            Some(refuse(view, report, Reason::DevicesWouldBeDisconnected, sentence))
        }
        None => {
            let sentence = "the server has no pods and its devices were never counted; start it, or set spec.devices.leaving \
                            to DisconnectThemAndRemoveTheirWorkloads";
            Some(refuse(view, report, Reason::DevicesUnknown, sentence.to_owned()))
        }
    }
}

/// The server has pods and none of them is ready: nothing can enrol either. `None` when one may be.
fn unanswered(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let ready = alive(&view.o.server_pods).any(|pod| crate::view::is_ready(&pod.pod));
    if ready { None } else { nobody_there(view, report) }
}

/// No way back: the server takes devices again.
fn refuse(view: &View<'_>, report: &mut Report, reason: Reason, sentence: String) -> Step {
    let admission = if view.is_switched() {
        Admission::Open
    } else {
        Admission::Hold
    };
    let step = match server::prepare(view, report, admission) {
        Prepared::Step(step) => step,
        Prepared::Yes | Prepared::Blocked(_) => FIX,
    };
    report.blocked(
        Phase::Restoring,
        reason,
        "waiting until no device would be disconnected",
        vec![sentence],
    );
    step
}

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
    if let Some(write) = view.config.and_then(crate::edge_api::SettingsMap::release) {
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
    let last = view
        .o
        .evidence
        .verification
        .as_ref()
        .filter(|last| last.about == about && !last.value.is_empty());
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
fn left_behind(view: &View<'_>) -> Option<crate::action::Write> {
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
