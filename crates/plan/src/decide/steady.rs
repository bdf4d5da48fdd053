//! After the first proof: keep it so. Nothing leads back from here but a person's word, since devices have come that the
//! custom resources lack; and nothing is restarted on material that we would not have written ourselves.

use jiff::SignedDuration;

use super::{
    contest, preflight,
    proof::{self, Proof},
    restart,
    server::{self, Prepared, trusted_material},
    switch,
};
use crate::{
    api::{ConditionStatus, ConditionType, Phase, Reason},
    managers,
    report::{IDLE, LATER, Report, SOON, Step},
    server::Admission,
    settings,
    view::View,
};

/// The backend is called so often while all is well.
pub(super) const CALL_AGE: SignedDuration = SignedDuration::from_secs(60);

/// And so often while a pod of the server is not as it should be.
const CALL_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Devices are counted so often.
const COUNT_AGE: SignedDuration = SignedDuration::from_mins(5);

/// The whole way is proven so often without a cause.
const PROOF_AGE: SignedDuration = SignedDuration::from_mins(10);

/// And so often while it fails.
const PROVE_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// Keeps the Edge API on the remote backend.
pub(super) fn keep(view: &View<'_>, report: &mut Report) -> Step {
    // What a person sees when nothing below says otherwise.
    report.ready(
        Phase::Remote,
        Reason::AsExpected,
        "the Edge API serves its devices from the remote backend, proven by a call through each of its pods",
    );
    if let Some(step) = foundations(view, report) {
        return step;
    }
    let mut steps = Vec::new();
    let trusted = trust(view, report);
    let loaded = serve(view, report, &mut steps);
    let contested = contest::is_on(view, report);
    if steps.is_empty()
        && !contested
        && let Some(step) = settings(view, report)
    {
        steps.push(step);
    }
    let ready_to_restart = trusted && loaded;
    if steps.is_empty()
        && !contested
        && let Some(step) = restart::restart(view, report, ready_to_restart)
    {
        steps.push(step);
    }
    next_start(view, report);
    let proven = verify(view, report, &mut steps);
    if let Some(step) = restart::undo(view, report) {
        steps.insert(0, step);
    }
    watch(view, report, loaded, &mut steps);
    conclude(view, report, proven);
    let trouble = report.status.phase != Phase::Remote;
    // What waits must not keep anything from being looked at.
    let acts = |step: &Step| !matches!(step, Step::Wait(_));
    let first = steps.iter().position(acts).unwrap_or(0);
    if first < steps.len() {
        return steps.swap_remove(first);
    }
    if trouble { LATER } else { IDLE }
}

/// What everything else stands on.
fn foundations(view: &View<'_>, report: &mut Report) -> Option<Step> {
    if !view.has_finalizer() && !view.is_deleting() {
        return Some(Step::act(crate::action::Action::SetFinalizer(true)));
    }
    let absent: Vec<_> = preflight::absent(view)
        .into_iter()
        .map(|blocker| blocker.sentence)
        .filter(|_| view.deployment.is_none() || view.config.is_none())
        .collect();
    if !absent.is_empty() {
        report.degraded(Reason::WaitingForEdgeApi, absent[0].clone());
        report.blocked(
            Phase::Degraded,
            Reason::WaitingForEdgeApi,
            "waits for Flotta's Edge API",
            absent,
        );
        return Some(LATER);
    }
    match &view.previous {
        None => return Some(switch::save_previous(view)),
        Some(Err(error)) => report.status.warnings.push(error.to_string()),
        Some(Ok(previous)) if previous.is_lost() => report.status.warnings.push(
            "what the Edge API used before the switch is not known; mode Crd will ask for it".to_owned(),
        ),
        Some(Ok(_)) => {}
    }
    preflight::rights(view)
}

/// Whether CA and host certificate are such that we would have written them ourselves.
fn trust(view: &View<'_>, report: &mut Report) -> bool {
    preflight::trusted(view, report);
    if trusted_material(view).is_some() {
        return true;
    }
    let verified = view.status.verified.as_ref();
    let fault = view.material.faults().next().cloned().or_else(|| {
        let facts = view.material.facts.as_ref()?;
        let foreign = verified.is_some_and(|verified| verified.ca_public_key != facts.ca.key.to_string());
        foreign
            .then(|| {
                format!(
                    "Secret {} holds another CA than the one that was verified",
                    view.spec.edge_api.ca_secret
                )
            })
            .or_else(|| view.material.nameless.first().cloned())
    });
    let by = [&view.o.ca, &view.o.host]
        .into_iter()
        .flatten()
        .filter_map(|secret| managers::other(&secret.metadata, &["f:data"]))
        .max_by(|a, b| a.at.cmp(&b.at))
        .map(|manager| format!(" (last known writer: {})", manager.name))
        .unwrap_or_default();
    let text = format!(
        "{}{by}: {}; put the former content back, or make the new one whole",
        fault.unwrap_or_default(),
        view.material.danger()
    );
    let reason = if view.material.facts.is_some() {
        Reason::MaterialUntrusted
    } else {
        Reason::MaterialUnusable
    };
    report.fails(ConditionType::Trusted, reason, text.clone());
    report.degraded(reason, text);
    false
}

/// Our server: its Secret, its pods, its store, its answer.
fn serve(view: &View<'_>, report: &mut Report, steps: &mut Vec<Step>) -> bool {
    if let Some(step) = server::record_store(view, report) {
        steps.push(step);
        return false;
    }
    for prepared in [
        server::prepare(view, report, Admission::Open),
        server::store(view),
    ] {
        match prepared {
            Prepared::Yes => {}
            Prepared::Step(step) => {
                steps.push(step);
                return false;
            }
            Prepared::Blocked(blocker) => {
                if blocker.reason != Reason::LoadingMaterial {
                    report.degraded(blocker.reason, blocker.sentence);
                }
                steps.push(SOON);
                return false;
            }
        }
    }
    true
}

/// Our settings, set right again.
fn settings(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let config = view.config?;
    let differences = config.differences(&view.desired);
    if differences.is_empty() && !config.has_leftovers(&view.desired) {
        report
            .status
            .write_backs
            .retain(|entry| view.since(&entry.at) < SignedDuration::from_mins(10));
        return None;
    }
    let told_remote = config.get(settings::BACKEND) == Some("remote");
    let foreign = differences.iter().any(|(key, _)| !config_is_ours(view, key));
    if foreign {
        if let Some((key, Some(manager))) = differences.first() {
            report.degraded(
                Reason::ChangedByOthers,
                format!(
                    "{} changed {key} in ConfigMap {}; it is set right",
                    manager.name, view.spec.edge_api.config_map
                ),
            );
        }
        if let Some(step) = contest::settings(view, report) {
            return Some(step);
        }
    } else if told_remote {
        // The spec has changed. The new backend has to answer before the Edge API hears of it.
        match server::backend(view, report, CALL_AGE) {
            Prepared::Yes => {}
            Prepared::Step(step) => return Some(step),
            Prepared::Blocked(blocker) => {
                report.degraded(blocker.reason, blocker.sentence);
                return None;
            }
        }
    }
    Some(Step::act(crate::action::Action::Write(
        config.write(&view.desired),
    )))
}

fn config_is_ours(view: &View<'_>, key: &str) -> bool {
    let Some(config) = &view.o.config else {
        return false;
    };
    managers::is_ours(&config.metadata, &["f:data", &format!("f:{key}")])
}

/// Settings of others that would end the Edge API's process at its next start: nothing happens until then.
fn next_start(view: &View<'_>, report: &mut Report) {
    for fault in settings::faults(&view.effective) {
        report.degraded(Reason::SettingsUnusable, fault);
    }
}

/// Whether every pod of the Edge API is proven to use us.
fn verify(view: &View<'_>, report: &mut Report, steps: &mut Vec<Step>) -> bool {
    let Some(deployment) = view.deployment else {
        return false;
    };
    let started = deployment.inputs();
    if started.is_none() || !view.all_pods_run(started) {
        let begun = view.attempt().and_then(|attempt| attempt.restarted.clone());
        let allowed = SignedDuration::from_secs(i64::from(view.spec.edge_api.rollout_seconds));
        if begun.as_ref().is_some_and(|begun| view.since(begun) > allowed) {
            report.degraded(Reason::RolloutFailed, switch::unfinished(view));
        }
        report.fails(
            ConditionType::Switched,
            Reason::RollingOut,
            "pods of the Edge API are being replaced",
        );
        report.set(
            ConditionType::Verified,
            ConditionStatus::Unknown,
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
        // What lies in the Secrets is not what the pods were started with, so a call made with it proves nothing.
        return untestable(view, report);
    }
    match proof::proof(view, PROVE_AGAIN, PROOF_AGE) {
        Proof::Holds => {
            let started = started.unwrap_or_default();
            let pods: Vec<_> = {
                let mut pods: Vec<_> = view
                    .edge_pods()
                    .filter_map(|pod| pod.metadata.uid.clone())
                    .collect();
                pods.sort();
                pods
            };
            let known = view
                .status
                .verified
                .as_ref()
                .is_some_and(|verified| verified.pods == pods && verified.inputs == started);
            // Pods that were started with something else than what lies in the Secrets now say nothing about that.
            if (!known || view.attempt().is_some())
                && view
                    .inputs
                    .as_deref()
                    .is_some_and(|inputs| restart::is_started_with(Some(started), inputs))
            {
                proof::establish(view, report, started);
                steps.push(Step::Persist);
            }
            let text = if view.is_https() {
                "a call through each pod of the Edge API reached our server, with the host certificate"
            } else {
                "a call through each pod of the Edge API reached our server; with plain HTTP its identity is not checked"
            };
            report.holds(ConditionType::Verified, text);
            true
        }
        Proof::Fails(why) => {
            report.fails(ConditionType::Verified, Reason::VerificationFailed, why.clone());
            report.degraded(Reason::VerificationFailed, why);
            false
        }
        Proof::Call(step, Some(why)) => {
            report.fails(ConditionType::Verified, Reason::VerificationFailed, why.clone());
            report.degraded(Reason::VerificationFailed, why);
            steps.push(step);
            false
        }
        Proof::Call(step, None) => {
            let told = view
                .status
                .conditions
                .iter()
                .find(|told| told.type_ == ConditionType::Verified.as_str());
            let former = told.is_some_and(|told| told.status == ConditionStatus::True.as_str());
            if former {
                // Nothing speaks against it; it is only looked at again.
                report.holds(
                    ConditionType::Verified,
                    told.map(|told| told.message.clone()).unwrap_or_default(),
                );
            } else {
                report.set(
                    ConditionType::Verified,
                    ConditionStatus::Unknown,
                    Reason::Verifying,
                    "the Edge API is being called as a device would",
                );
            }
            steps.push(step);
            former
        }
    }
}

/// No call can be made; pods that were proven before are the same pods still.
fn untestable(view: &View<'_>, report: &mut Report) -> bool {
    let known = view.status.verified.as_ref().is_some_and(|verified| {
        view.edge_pods().all(|pod| {
            let uid = pod.metadata.uid.as_deref();
            verified.pods.iter().any(|known| Some(known.as_str()) == uid)
        })
    });
    if known {
        report.holds(
            ConditionType::Verified,
            "every pod of the Edge API was proven before its Secrets were changed; it goes on with what it has in memory",
        );
    } else {
        report.set(
            ConditionType::Verified,
            ConditionStatus::Unknown,
            Reason::MaterialUntrusted,
            "the Edge API cannot be called as a device would while its Secrets hold something else than what was verified",
        );
    }
    known
}

/// The backend and the devices, from time to time.
fn watch(view: &View<'_>, report: &mut Report, loaded: bool, steps: &mut Vec<Step>) {
    if trusted_material(view).is_none() {
        // The calls are made with the host certificate and the CA.
        return;
    }
    // Where something is wrong with the server already, its last answer does not count for long.
    let age = if loaded { CALL_AGE } else { CALL_AGAIN };
    match server::backend(view, report, age) {
        Prepared::Yes => {}
        Prepared::Step(step) => steps.push(step),
        Prepared::Blocked(blocker) => report.degraded(blocker.reason, blocker.sentence),
    }
    match server::devices(view, report, COUNT_AGE) {
        Prepared::Yes => {}
        Prepared::Step(step) => steps.push(step),
        Prepared::Blocked(blocker) => report.status.warnings.push(blocker.sentence),
    }
    for right in view.o.evidence.rights.iter().flat_map(|rights| &rights.value) {
        report.degraded(Reason::MissingPermission, right.clone());
    }
}

/// One word for all of it.
fn conclude(view: &View<'_>, report: &mut Report, proven: bool) {
    if matches!(report.status.phase, Phase::Contested) {
        return;
    }
    let degraded = report.is_true(ConditionType::Degraded);
    let blocked = std::mem::take(&mut report.status.blocked_by);
    if !proven && !degraded {
        let phase = if report.is_true(ConditionType::Switched) {
            Phase::Verifying
        } else {
            Phase::Switching
        };
        report.phase(
            phase,
            Reason::Verifying,
            "calls the Edge API as a device would when its pods are ready",
        );
    } else if degraded {
        let first = blocked.first().cloned().unwrap_or_default();
        report.phase(Phase::Degraded, Reason::Degraded, format!("mend: {first}"));
        // Devices are served as long as the proof holds.
        if proven && report.is_true(ConditionType::BackendReachable) {
            report.set(
                ConditionType::Ready,
                ConditionStatus::True,
                Reason::Degraded,
                format!("devices are served; something should be mended: {first}"),
            );
        }
    }
    report.status.blocked_by = blocked;
    if view.status.established && report.status.phase == Phase::Remote {
        "nothing".clone_into(&mut report.status.next_action);
    }
}
