//! The dangerous direction: from here back to what was before. Flotta's custom resources disconnect
//! every device that they lack, and it removes all its workloads.

use jiff::SignedDuration;

use super::{
    preflight::{self, FIX},
    restore::restore,
    rollout,
    server::{self, Prepared},
};
use crate::{
    action::Action,
    api::{ConditionStatus, ConditionType, LeavingDevices, Phase, Reason},
    memory::Memory,
    names::ASSUME_PREVIOUS_ANNOTATION,
    report::{IDLE, Report, SOON, Step},
    server::{Admission, alive},
    view::View,
};

/// The count that the way back is begun on is not older than this.
const FRESH: SignedDuration = SignedDuration::from_secs(30);

/// Rolls back to what was before, and stays there.
pub(super) fn roll_back(view: &View<'_>, report: &mut Report) -> Step {
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
        return rollout::save_previous(view);
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
