//! After the first proof: whether each pod of the Edge API is still proven to use our server, and
//! what is said when the calls do not show it.

use jiff::SignedDuration;

use super::{
    proof::{self, Proof},
    restart, rollout,
    server::trusted_material,
};
use crate::{
    api::{ConditionStatus, ConditionType, Reason},
    edge_api::EdgeDeployment,
    memory::Calls,
    report::{Report, SOON, Step},
    view::View,
};

/// The whole way is proven so often without a cause.
const PROOF_AGE: SignedDuration = SignedDuration::from_mins(10);

/// And so often while it fails.
const PROVE_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// Whether every pod of the Edge API is proven to use us.
pub(super) fn verify(view: &View<'_>, report: &mut Report, may_restart: bool, steps: &mut Vec<Step>) -> bool {
    let Some(deployment) = view.deployment else {
        return false;
    };
    let started = deployment.inputs();
    if started.is_none() || !view.all_pods_run(started) {
        let begun = view.restart().and_then(|restart| restart.restarted.clone());
        let allowed = SignedDuration::from_secs(i64::from(view.spec.edge_api.rollout_seconds));
        if begun.as_ref().is_some_and(|begun| view.since(begun) > allowed) {
            report.degraded(Reason::RolloutFailed, rollout::unfinished(view));
        }
        report.fails(
            ConditionType::Switched,
            Reason::RollingOut,
            "pods of the Edge API are being replaced",
        );
        unknown(
            report,
            Reason::RollingOut,
            "pods of the Edge API are being replaced; they are called when they are ready",
        );
        steps.push(SOON);
        return false;
    }
    report.holds(
        ConditionType::Switched,
        "the settings and every pod of the Edge API are those of the remote backend",
    );
    if trusted_material(view).is_none() {
        // What lies in the Secrets is not what the pods were started with, so a call made with it
        // proves nothing.
        return untestable(view, report);
    }
    match proof::proof(view, PROVE_AGAIN, PROOF_AGE) {
        Proof::Holds => {
            let started = started.unwrap_or_default();
            let pods: Vec<_> = {
                let mut pods: Vec<_> = view
                    .edge_pods()
                    .map(|pod| pod.reference().uid().to_owned())
                    .collect();
                pods.sort();
                pods
            };
            let known = view
                .memory
                .verified()
                .is_some_and(|verified| verified.pods == pods && verified.inputs == started);
            // Pods that were started with something else than what lies in the Secrets now say
            // nothing about that.
            if (!known || view.restart().is_some())
                && view
                    .inputs
                    .as_deref()
                    .is_some_and(|inputs| restart::is_started_with(Some(started), inputs))
            {
                proof::establish(view, report, started);
                steps.push(Step::Persist);
            }
            proven(report, proof_text(view));
            true
        }
        Proof::Fails(why) => {
            unproven(view, report, may_restart, why);
            false
        }
        Proof::Call(step, Some(why)) => {
            unproven(view, report, may_restart, why);
            steps.push(step);
            false
        }
        Proof::Call(step, None) => {
            let before = view.memory.switched().map(|switched| &switched.calls);
            let was_proven = before == Some(&Calls::Proof);
            if was_proven {
                // Nothing speaks against it; it is only looked at again.
                proven(report, proof_text(view));
            } else {
                unknown(
                    report,
                    Reason::Verifying,
                    "the Edge API is being called as a device would",
                );
            }
            steps.push(step);
            was_proven
        }
    }
}

/// The calls do not show what they should. Pods that were started with something else than what
/// lies in the Secrets now cannot show it: they are restarted.
fn unproven(view: &View<'_>, report: &mut Report, may_restart: bool, why: String) {
    let started = view.deployment.and_then(EdgeDeployment::inputs);
    let wanted = view.inputs.as_deref();
    let current = wanted.is_none_or(|inputs| restart::is_started_with(started, inputs));
    if may_restart && !current {
        let text = "pods of the Edge API have the former certificates or settings; they are restarted with the new ones as soon \
                    as the server knows those";
        fails(view, report, Reason::RollingOut, text);
        return;
    }
    fails(view, report, Reason::VerificationFailed, &why);
    report.degraded(Reason::VerificationFailed, why);
}

fn proof_text(view: &View<'_>) -> &'static str {
    if view.is_https() {
        "a call through each pod of the Edge API reached our server, with the host certificate"
    } else {
        "a call through each pod of the Edge API reached our server; with plain HTTP its identity is not checked"
    }
}

/// Tells that it is proven, and remembers it.
fn proven(report: &mut Report, text: &str) {
    report.holds(ConditionType::Verified, text);
    remember(report, Calls::Proof);
}

/// Tells that nothing is known, and remembers it.
fn unknown(report: &mut Report, reason: Reason, text: &str) {
    report.set(ConditionType::Verified, ConditionStatus::Unknown, reason, text);
    remember(report, Calls::Nothing);
}

/// Tells that the calls fail, and remembers since when.
fn fails(view: &View<'_>, report: &mut Report, reason: Reason, why: &str) {
    report.fails(ConditionType::Verified, reason, why);
    let since = match view.memory.switched().map(|switched| &switched.calls) {
        Some(Calls::Failure { since, .. }) => since.clone(),
        _ => view.o.now.to_string(),
    };
    let why = why.to_owned();
    remember(report, Calls::Failure { since, why });
}

fn remember(report: &mut Report, calls: Calls) {
    if let Some(switched) = report.memory.switched_mut() {
        switched.calls = calls;
    }
}

/// No call can be made; pods that were proven before are the same pods still.
fn untestable(view: &View<'_>, report: &mut Report) -> bool {
    let known = view.memory.verified().is_some_and(|verified| {
        view.edge_pods()
            .all(|pod| verified.pods.iter().any(|known| known == pod.reference().uid()))
    });
    if known {
        proven(
            report,
            "every pod of the Edge API was proven before its Secrets were changed; it goes on with what it has in memory",
        );
    } else {
        unknown(
            report,
            Reason::MaterialUntrusted,
            "the Edge API cannot be called as a device would while its Secrets hold something else than what was verified",
        );
    }
    known
}
