//! Is our server ready for the Edge API: certificate, pins and admission loaded by every pod, the
//! recorded store behind it, the URL answering, every device known?

use std::collections::BTreeSet;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;

use super::preflight::Blocker;
use crate::{
    action::Action,
    api::{ConditionType, DeviceCounts, EnteringDevices, Reason},
    observed::ServerReport,
    report::{Report, Step},
    server::{self, Admission, Wanted},
    view::View,
};

/// What came of bringing our server to a state.
pub(super) enum Prepared {
    /// Every pod has it.
    Yes,
    /// First this.
    Step(Step),
    /// Something stands in the way.
    Blocked(Blocker),
}

/// The backend is called so often while all is well.
pub(super) const CALL_AGE: SignedDuration = SignedDuration::from_secs(60);

/// Names of this many devices are told.
const TOLD: usize = 5;

/// Brings the Secret and all pods of the server to this admission.
pub(super) fn prepare(view: &View<'_>, report: &mut Report, admission: Admission) -> Prepared {
    let blocked = |reason, sentence: String| Prepared::Blocked(Blocker { reason, sentence });
    let backend = &view.spec.backend;
    let Some(secret) = &view.o.server_secret else {
        return blocked(
            Reason::ServerNotReady,
            format!(
                "Secret {} is not there; 'helm -n {} upgrade' of the chart's release makes it again",
                backend.secret,
                view.o.resource.reference().namespace()
            ),
        );
    };
    if let Some(write) = wanted(view, admission).write(secret, trusted_material(view), view.o.now) {
        return Prepared::Step(Step::act(Action::WriteServerSecret(write)));
    }
    let digest = server::digest(secret);
    let pods: Vec<_> = server::alive(&view.o.server_pods).collect();
    let https = view.is_https();
    let has_loaded = |pod: &&&crate::observed::ServerPod| {
        pod.report
            .as_ref()
            .is_ok_and(|report| server::not_loaded(report, secret, https).is_empty())
    };
    let loaded = pods.iter().filter(has_loaded).count();
    report.status.served.pods = format!("{loaded}/{}", pods.len());
    if pods.is_empty() {
        return blocked(
            Reason::ServerNotReady,
            format!(
                "no pod is behind Service {}; look at the server's workload",
                backend.service
            ),
        );
    }
    for pod in &pods {
        // Before it has loaded anything, what is missing is on its way.
        if let Ok(said) = &pod.report
            && said.certificate.is_some()
        {
            let name = pod.pod.reference().name();
            for fault in &said.material_faults {
                report.degraded(Reason::MaterialUnusable, format!("pod {name} says: {fault}"));
            }
        }
    }
    let slow: Vec<_> = pods
        .iter()
        .filter(|pod| !has_loaded(pod) && !server::is_nudged(&pod.pod, &digest))
        .map(|pod| pod.pod.reference().clone())
        .collect();
    if !slow.is_empty() {
        return Prepared::Step(Step::act(Action::Nudge {
            pods: slow,
            value: digest,
        }));
    }
    for pod in &pods {
        let name = pod.pod.reference().name();
        let said = match &pod.report {
            Err(error) => {
                let sentence = match waits_because(&pod.pod) {
                    Some(reason) => format!(
                        "pod {name} does not run ({reason}); 'kubectl -n {} logs {name} --previous' and 'describe pod {name}' \
                         say why",
                        pod.pod.reference().namespace()
                    ),
                    None => format!("pod {name} does not answer: {error}"),
                };
                return blocked(Reason::ServerNotReady, sentence);
            }
            Ok(said) => said,
        };
        let missing = server::not_loaded(said, secret, https);
        if !missing.is_empty() {
            return blocked(
                Reason::LoadingMaterial,
                format!("pod {name} has not loaded the new {} yet", missing.join(", ")),
            );
        }
    }
    Prepared::Yes
}

/// Why a container of a pod is not running, as the kubelet says it: `CrashLoopBackOff`,
/// `ImagePullBackOff`.
fn waits_because(pod: &Pod) -> Option<&str> {
    let containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    containers
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.as_deref())
        .find(|reason| *reason != "ContainerCreating")
}

/// Records the store that all pods have, when none is recorded, or a person's decision for another
/// one. It is in the Secret from its first version on.
pub(super) fn record_store(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let mut ids = BTreeSet::new();
    for pod in server::alive(&view.o.server_pods) {
        ids.insert(pod.report.as_ref().ok()?.store_id.clone()?);
    }
    let found = ids.first().filter(|_| ids.len() == 1)?;
    if view.memory.store_id.as_ref() == Some(found)
        || view.recorded_store().is_some_and(|recorded| recorded != *found)
    {
        return None;
    }
    report.memory.store_id = Some(found.clone());
    Some(Step::Persist)
}

/// Whether our pods are ready, with the store that is recorded, and can write it.
pub(super) fn store(view: &View<'_>) -> Prepared {
    let blocked = |reason, sentence: String| Prepared::Blocked(Blocker { reason, sentence });
    let reports: Vec<_> = reports(view).collect();
    let ids: BTreeSet<_> = reports
        .iter()
        .filter_map(|(_, report)| report.store_id.as_deref())
        .collect();
    let recorded = view.recorded_store();
    if ids.len() > 1 {
        return blocked(
            Reason::StoreChanged,
            format!(
                "the server's pods have different stores ({}); give them one",
                join(&ids)
            ),
        );
    }
    if let (Some(recorded), Some(found)) = (&recorded, ids.first())
        && recorded != found
    {
        return blocked(
            Reason::StoreChanged,
            format!(
                "the server has store {found}, and this fleet was recorded in store {recorded}; bring its volume or database \
                 back, or say that the other one is to serve: spec.backend.acceptStoreId: {found}"
            ),
        );
    }
    if view.url.is_ok()
        && reports
            .iter()
            .any(|(_, report)| report.insecure_http == view.is_https())
    {
        return blocked(
            Reason::UrlUnusable,
            "the URL and the server do not agree about https; set server.insecureHttp and spec.backend.url to the same"
                .to_owned(),
        );
    }
    for (name, said) in &reports {
        if let Some(why) = said.not_ready_because.first() {
            return blocked(Reason::ServerNotReady, format!("pod {name} is not ready: {why}"));
        }
    }
    for (name, said) in &reports {
        if let Some(why) = &said.store_not_writable {
            return blocked(
                Reason::StoreNotWritable,
                format!("pod {name} answers devices and cannot write its store: {why}"),
            );
        }
    }
    Prepared::Yes
}

/// Why no switch should begin, as a pod of ours says it: what comes over would get no
/// configuration.
pub(super) fn pending_manifests(view: &View<'_>) -> Option<Blocker> {
    reports(view).find_map(|(name, report)| {
        let why = report.switch_waits_for.first()?;
        Some(Blocker {
            reason: Reason::ManifestsPending,
            sentence: format!("pod {name} cannot configure devices that come over: {why}"),
        })
    })
}

/// That a pod of ours does not take over what its manifests hold now.
pub(super) fn rejected_manifests(view: &View<'_>) -> Option<Blocker> {
    let namespace = view.o.resource.reference().namespace();
    reports(view).find(|(_, report)| report.faulty_sources > 0).map(|(name, report)| {
        let why = if report.unconfirmed_sources > 0 {
            "what they would remove from devices waits for a confirmation"
        } else {
            "they have faults"
        };
        Blocker {
            reason: Reason::ManifestsRejected,
            sentence: format!(
                "pod {name} does not take its manifests over, and devices keep what they have: {why}; 'kubectl -n {namespace} exec \
                 {name} -- /edge-config-server manifests status' says what to do"
            ),
        }
    })
}

fn reports<'a>(view: &'a View<'_>) -> impl Iterator<Item = (&'a str, &'a ServerReport)> {
    server::alive(&view.o.server_pods)
        .filter_map(|pod| Some((pod.pod.reference().name(), pod.report.as_ref().ok()?)))
}

/// Calls the URL as the Edge API would, when the last call is older than `age`; tells what came of
/// it.
pub(super) fn backend(view: &View<'_>, report: &mut Report, age: SignedDuration) -> Prepared {
    let about = backend_key(view);
    let last = view
        .o
        .evidence
        .backend
        .as_ref()
        .filter(|call| call.about == about);
    let retry = SignedDuration::from_secs(5);
    let due = last.is_none_or(|call| {
        let passed = call.at.duration_until(view.o.now);
        passed > age || (call.value.is_err() && passed > retry)
    });
    match last.map(|call| &call.value) {
        None => {}
        Some(Ok(())) => report.holds(
            ConditionType::BackendReachable,
            "the URL answers as the Edge API needs it, called with its certificate and its CA",
        ),
        Some(Err(error)) => report.fails(
            ConditionType::BackendReachable,
            Reason::BackendUnreachable,
            error.clone(),
        ),
    }
    if due {
        return Prepared::Step(Step::act(Action::CallBackend {
            about,
            url: view.spec.backend.url.clone(),
        }));
    }
    match last.map(|call| &call.value) {
        Some(Err(error)) => Prepared::Blocked(Blocker {
            reason: Reason::BackendUnreachable,
            sentence: error.clone(),
        }),
        _ => Prepared::Yes,
    }
}

/// Counts devices here and there, when the last count is older than `age`.
pub(super) fn devices(view: &View<'_>, report: &mut Report, age: SignedDuration) -> Prepared {
    let about = devices_key(view);
    let last = view
        .o
        .evidence
        .devices
        .as_ref()
        .filter(|count| count.about == about);
    let retry = SignedDuration::from_secs(5);
    let due = last.is_none_or(|count| {
        let passed = count.at.duration_until(view.o.now);
        passed > age || (count.value.is_err() && passed > retry)
    });
    if let Some(Ok(count)) = last.map(|count| &count.value) {
        let counted = last.map(|count| count.at.to_string()).unwrap_or_default();
        report.status.found.devices = Some(DeviceCounts {
            custom_resources: count.custom_resources,
            here: count.here,
            only_in_custom_resources: count.only_in_custom_resources.0,
            only_here: count.only_here.0,
            counted,
        });
    }
    if due {
        return Prepared::Step(Step::act(Action::CompareDevices {
            about,
            url: view.spec.backend.url.clone(),
        }));
    }
    match last.map(|count| &count.value) {
        Some(Err(error)) => Prepared::Blocked(Blocker {
            reason: Reason::DevicesUnknown,
            sentence: format!("devices could not be counted: {error}"),
        }),
        _ => Prepared::Yes,
    }
}

/// What a switch would do to devices that the custom resources have and the store would not serve.
pub(super) fn lost_devices(view: &View<'_>) -> Option<Blocker> {
    if view.spec.devices.entering == EnteringDevices::LeaveThemWithoutConfiguration {
        return None;
    }
    let count = view.o.evidence.devices.as_ref()?.value.as_ref().ok()?;
    let (number, ids) = &count.only_in_custom_resources;
    (*number > 0).then(|| Blocker {
        reason: Reason::DevicesWouldBeLost,
        sentence: format!(
            "{number} of {} devices in the custom resources are not known to the server ({}) and would get no configuration; \
             adopt them there (edge-config-server device adopt), or set spec.devices.entering to LeaveThemWithoutConfiguration",
            count.custom_resources,
            some(ids)
        ),
    })
}

/// Some ids, for people.
pub(super) fn some(ids: &[String]) -> String {
    let mut text = ids.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    if ids.len() > TOLD {
        text.push_str(", ...");
    }
    text
}

/// What evidence about the backend's URL is about.
fn backend_key(view: &View<'_>) -> String {
    let inputs = view.inputs.as_deref().unwrap_or("none");
    let served = view.o.server_secret.as_deref().and_then(server::certificate);
    let served = served
        .map(|facts| facts.fingerprint.to_string())
        .unwrap_or_default();
    format!("{} {inputs} {served}", view.spec.backend.url)
}

/// What a count of devices is about: the store, and who is let in meanwhile, by the version of the
/// Secret that says so.
pub(super) fn devices_key(view: &View<'_>) -> String {
    let version = view
        .o
        .server_secret
        .as_ref()
        .map_or("none", |secret| secret.reference().version());
    format!("{} {version}", view.recorded_store().unwrap_or_default())
}

fn wanted(view: &View<'_>, admission: Admission) -> Wanted {
    let secret = view.o.server_secret.as_deref();
    let namespace = view.o.resource.reference().namespace();
    let backend = &view.spec.backend;
    let names = match &view.url {
        Ok(url) => server::certificate_names(url, &backend.server_names, &backend.service, namespace),
        Err(_) => Vec::new(),
    };
    let mut pins = BTreeSet::new();
    let mut bundle = secret
        .and_then(|secret| crate::material::entry(Some(secret), "ca.crt"))
        .unwrap_or_default()
        .to_vec();
    match trusted_material(view) {
        Some(facts) => {
            pins.insert(facts.host.key.to_string());
            bundle.clone_from(&view.material.bundle);
            // The Edge API goes on with the former one until it is seen with the new one.
            if let Some(verified) = view.memory.verified() {
                pins.insert(verified.host_public_key.clone());
            }
        }
        // What is loaded goes on: material that is not understood is not passed on.
        None => pins.extend(secret.map(server::pins).unwrap_or_default()),
    }
    Wanted {
        names,
        bundle,
        pins,
        admission,
        store_id: view.recorded_store(),
    }
}

/// Material that is usable, and of the CA that was verified if one was.
pub(super) fn trusted_material<'a>(view: &'a View<'_>) -> Option<&'a pki::fitness::MaterialFacts> {
    let facts = view.material.usable()?;
    let verified = view.memory.verified();
    let ca = facts.ca.key.to_string();
    let same_ca = if let Some(verified) = verified {
        verified.ca_public_key == ca
    } else {
        // Where the status was lost, what our server trusts is what was trusted.
        let secret = view.o.server_secret.as_ref().filter(|_| view.is_switched());
        secret.is_none_or(|secret| server::may_trust(secret, &ca))
    };
    // A new host certificate has to have the names; the one that was verified may lack a name that
    // was set later.
    let same_host = verified.is_none_or(|verified| verified.host_public_key == facts.host.key.to_string());
    (same_ca && (same_host || view.material.nameless.is_empty())).then_some(facts)
}

fn join(ids: &BTreeSet<&str>) -> String {
    ids.iter().copied().collect::<Vec<_>>().join(", ")
}
