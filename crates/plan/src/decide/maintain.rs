//! After the first proof: keep it so. Nothing rolls back from here but a person's decision, since
//! devices have come that the custom resources lack; and nothing is restarted on material that we
//! would not have written ourselves.

use jiff::SignedDuration;

use super::{
    field_conflict, preflight, restart, rollout,
    server::{self, CALL_AGE, Prepared, trusted_material},
    verify::verify,
};
use crate::{
    api::{ConditionStatus, ConditionType, Mode, Phase, Reason},
    managers,
    report::{IDLE, LATER, Report, SOON, Step},
    server::{Admission, alive},
    settings,
    view::{View, is_ready},
};

/// And so often while a pod of the server is not as it should be.
const CALL_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Devices are counted so often.
const COUNT_AGE: SignedDuration = SignedDuration::from_mins(5);

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
    let served = serve(view, report, &mut steps);
    let loaded = served == Served::Yes;
    let contested = field_conflict::is_on(view, report);
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
    let proven = verify(view, report, !contested, &mut steps);
    if let Some(step) = restart::undo(view, report) {
        steps.insert(0, step);
    }
    watch(view, report, served, &mut steps);
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
            "waiting for Flotta's Edge API",
            absent,
        );
        return Some(LATER);
    }
    match &view.previous {
        None => return Some(rollout::save_previous(view)),
        Some(Err(error)) => report.status.warnings.push(error.to_string()),
        Some(Ok(previous)) if previous.is_lost() => report
            .status
            .warnings
            .push("the settings of before the switch are not known; mode Crd will ask for them".to_owned()),
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
    let verified = view.memory.verified();
    // A foreign CA first: whoever renews the host certificate for it makes things worse.
    let foreign = view.material.facts.as_ref().and_then(|facts| {
        let known = match verified {
            Some(verified) if verified.ca_public_key == facts.ca.key.to_string() => return None,
            Some(_) => "the one that was verified",
            None if view.material.faults().next().is_some() => return None,
            None => "the first that our server has in its Secret",
        };
        let name = &view.spec.edge_api.ca_secret;
        Some(format!("Secret {name} holds another CA than {known}"))
    });
    let fault = foreign
        .or_else(|| view.material.faults().next().cloned())
        .or_else(|| view.material.nameless.first().cloned());
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

/// Whether our server has what it needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    /// It has.
    Yes,
    /// It is being given that, or is about to load it: it does not know yet what is new.
    Soon,
    /// Something is in the way.
    No,
}

/// Our server: its Secret, its pods, its store, its answer.
fn serve(view: &View<'_>, report: &mut Report, steps: &mut Vec<Step>) -> Served {
    if let Some(step) = server::record_store(view, report) {
        steps.push(step);
        return Served::Soon;
    }
    for prepared in [
        server::prepare(view, report, Admission::Open),
        server::store(view),
    ] {
        match prepared {
            Prepared::Yes => {}
            Prepared::Step(step) => {
                steps.push(step);
                return Served::Soon;
            }
            Prepared::Blocked(blocker) => {
                steps.push(SOON);
                if blocker.reason == Reason::LoadingMaterial {
                    return Served::Soon;
                }
                report.degraded(blocker.reason, blocker.sentence);
                return Served::No;
            }
        }
    }
    Served::Yes
}

/// Our settings, reverted.
fn settings(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let config = view.config?;
    let differences = config.differences(&view.desired);
    if config.is_as(&view.desired) {
        report
            .memory
            .write_backs
            .retain(|entry| view.since(&entry.at) < SignedDuration::from_mins(10));
        return None;
    }
    let told_remote = config.get(settings::BACKEND) == Some("remote");
    let foreign = differences.iter().any(|(key, _)| is_changed_by_others(view, key));
    if foreign {
        if let Some((key, Some(manager))) = differences.first() {
            report.degraded(
                Reason::ChangedByOthers,
                format!(
                    "{} changed {key} in ConfigMap {}; it has no effect on the pods{}",
                    manager.name,
                    view.spec.edge_api.config_map,
                    what_becomes_of_it(view)
                ),
            );
        }
        if let Some(step) = field_conflict::settings(view, report) {
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

/// Whether a key that was ours is no more. One that the spec asks for now and did not before was
/// never ours.
fn is_changed_by_others(view: &View<'_>, key: &str) -> bool {
    let was_ours = view.memory.verified().map_or(key != settings::DAYS, |verified| {
        verified.settings.contains_key(key)
    });
    let is_ours = view
        .o
        .config
        .as_ref()
        .is_some_and(|config| managers::is_ours(&config.metadata, &["f:data", &format!("f:{key}")]));
    was_ours && !is_ours
}

fn what_becomes_of_it(view: &View<'_>) -> &'static str {
    if view.is_paused() {
        ", and is reverted after the pause"
    } else if view.goal() == Mode::Observe {
        "; mode Observe reverts nothing"
    } else {
        ", and is reverted"
    }
}

/// Settings of others that would end the Edge API's process at its next start: nothing happens
/// until then.
fn next_start(view: &View<'_>, report: &mut Report) {
    for fault in settings::faults(&view.effective) {
        report.degraded(Reason::SettingsUnusable, fault);
    }
}

/// The backend and the devices, from time to time.
fn watch(view: &View<'_>, report: &mut Report, served: Served, steps: &mut Vec<Step>) {
    if trusted_material(view).is_none() {
        // The calls are made with the host certificate and the CA.
        return;
    }
    // Where something is wrong with the server already, its last answer does not count for long.
    let age = if served == Served::Yes {
        CALL_AGE
    } else {
        CALL_AGAIN
    };
    match server::backend(view, report, age) {
        Prepared::Step(step) => steps.push(step),
        Prepared::Blocked(blocker) if served != Served::Soon => {
            report.degraded(blocker.reason, blocker.sentence);
        }
        Prepared::Yes | Prepared::Blocked(_) => {}
    }
    let last = view.o.evidence.backend.as_ref();
    if served == Served::Soon
        && report.is_false(ConditionType::BackendReachable)
        && let Some(Err(error)) = last.map(|last| &last.value)
    {
        // The call is made with what is new.
        report.set(
            ConditionType::BackendReachable,
            ConditionStatus::Unknown,
            Reason::LoadingMaterial,
            format!("the server has not loaded the new certificates yet: {error}"),
        );
    }
    for blocker in server::pending_manifests(view)
        .into_iter()
        .chain(server::rejected_manifests(view))
    {
        report.degraded(blocker.reason, blocker.sentence);
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
    if report.is_false(ConditionType::BackendReachable) && report.is_true(ConditionType::Verified) {
        report.set(
            ConditionType::Verified,
            ConditionStatus::Unknown,
            Reason::BackendUnreachable,
            "the backend does not answer; before that, a call through each pod of the Edge API reached it",
        );
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
            "waiting for the Edge API's pods, then verifying",
        );
    } else if degraded {
        let first = blocked.first().cloned().unwrap_or_default();
        report.phase(Phase::Degraded, Reason::Degraded, format!("fix: {first}"));
        // Devices are served as long as the proof holds and a pod of the server is there.
        let answers = alive(&view.o.server_pods).any(|pod| is_ready(&pod.pod));
        if proven && answers && report.is_true(ConditionType::BackendReachable) {
            report.set(
                ConditionType::Ready,
                ConditionStatus::True,
                Reason::Degraded,
                format!("devices are served, but needs a fix: {first}"),
            );
        }
    }
    report.status.blocked_by = blocked;
    if view.is_switched() && report.status.phase == Phase::Remote {
        "nothing".clone_into(&mut report.status.next_action);
    }
}
