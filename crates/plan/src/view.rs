//! What one look at the cluster means, worked out once: what is wanted, what is there, what may be
//! used.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, Secret};
use sha256::{Digest, Hashing};

use crate::{
    api::{Attempt, BackendInForce, Mode, RemoteBackendSpec, RemoteBackendStatus},
    edge_api::{EdgeDeployment, SettingsMap},
    material::Material,
    memory::{self, Memory, Progress},
    names::{
        ASSUME_PREVIOUS_ANNOTATION, FINALIZER, INPUTS_ANNOTATION, RETIRING_ANNOTATION, RETRY_ANNOTATION,
    },
    object::Read,
    observed::{Dated, Observed, PodVerdict, ProbeOutcome},
    previous::{Previous, Unreadable},
    server, settings,
    url::{BackendUrl, UnusableUrl},
};

/// What one look at the cluster means.
pub(crate) struct View<'a> {
    /// The look itself.
    pub o: &'a Observed,
    /// What is asked for.
    pub spec: &'a RemoteBackendSpec,
    /// What was told last.
    pub status: RemoteBackendStatus,
    /// What is remembered.
    pub memory: Memory,
    /// Why it could not be read; nothing may be decided then.
    pub unreadable_memory: Option<memory::Unreadable>,
    /// The Edge API's settings, if there are any.
    pub config: Option<SettingsMap<'a>>,
    /// Its Deployment.
    pub deployment: Option<EdgeDeployment<'a>>,
    /// Settings as its container gets them.
    pub effective: BTreeMap<String, String>,
    /// Settings that we want.
    pub desired: BTreeMap<&'static str, String>,
    /// The URL that we want.
    pub url: Result<BackendUrl, UnusableUrl>,
    /// Its certificates.
    pub material: Material,
    /// What was before the switch; none when no switch was begun.
    pub previous: Option<Result<Previous, Unreadable>>,
    /// Hash of everything that the Edge API is started with and that we answer for; none without
    /// usable material.
    pub inputs: Option<String>,
}

impl<'a> View<'a> {
    /// Works it out.
    pub(crate) fn of(o: &'a Observed) -> Self {
        let spec = &o.resource.spec;
        let config = o.config.as_ref().map(SettingsMap::new);
        let deployment = o
            .deployment
            .as_ref()
            .map(|object| EdgeDeployment::new(object, &spec.edge_api));
        let found = config.map(SettingsMap::all).unwrap_or_default();
        let status = o.resource.status.clone().unwrap_or_default();
        let (memory, unreadable_memory) = match Memory::of(&status) {
            Ok(memory) => (memory, None),
            Err(unreadable) => (Memory::default(), Some(unreadable)),
        };
        let desired = undone(o, &memory).unwrap_or_else(|| settings::desired(spec, &found));
        let effective = match deployment {
            Some(deployment) => deployment.effective(found),
            None => found,
        };
        let names = [
            spec.edge_api.ca_secret.as_str(),
            spec.edge_api.host_certificate_secret.as_str(),
        ];
        let material = Material::judge(o.ca.as_deref(), o.host.as_deref(), names, &effective, o.now);
        let inputs = material
            .usable()
            .is_some()
            .then(|| inputs(&desired, o.ca.as_deref(), o.host.as_deref()));
        let previous = o
            .previous
            .as_ref()
            .map(|object| Previous::read(object, &spec.edge_api.config_map, &spec.edge_api.deployment));
        let previous = previous.map(|previous| {
            let assumed = annotation(o, ASSUME_PREVIOUS_ANNOTATION) == Some("crd");
            previous.map(|previous| {
                if assumed {
                    previous.assume_absent()
                } else {
                    previous
                }
            })
        });
        Self {
            o,
            spec,
            status,
            memory,
            unreadable_memory,
            config,
            deployment,
            effective,
            url: BackendUrl::parse(&spec.backend.url),
            desired,
            material,
            previous,
            inputs,
        }
    }

    /// Where the Edge API is to be led.
    pub(crate) fn goal(&self) -> Mode {
        if self.o.leave || self.is_deleting() {
            Mode::Crd
        } else {
            self.spec.mode
        }
    }

    /// Whether the resource is being deleted.
    pub(crate) fn is_deleting(&self) -> bool {
        self.o.resource.metadata.deletion_timestamp.is_some()
    }

    /// Whether its deletion waits for us.
    pub(crate) fn has_finalizer(&self) -> bool {
        self.o
            .resource
            .metadata
            .finalizers
            .iter()
            .flatten()
            .any(|finalizer| finalizer == FINALIZER)
    }

    /// Whether it is being uninstalled.
    pub(crate) fn is_retiring(&self) -> bool {
        annotation(self.o, RETIRING_ANNOTATION).is_some()
    }

    /// An administrator says that Flotta's custom resources were used before.
    pub(crate) fn assumes_previous(&self) -> bool {
        annotation(self.o, ASSUME_PREVIOUS_ANNOTATION) == Some("crd")
    }

    /// Value with which a person asks to try again.
    pub(crate) fn retry(&self) -> Option<&'a str> {
        annotation(self.o, RETRY_ANNOTATION)
    }

    /// Whether a pause is on.
    pub(crate) fn is_paused(&self) -> bool {
        let Some(paused) = &self.spec.paused else {
            return false;
        };
        // An end that cannot be read is none: the schema keeps it out, and a pause is the careful
        // reading.
        let end = paused
            .until
            .as_deref()
            .and_then(|until| until.parse::<Timestamp>().ok());
        end.is_none_or(|end| self.o.now < end)
    }

    /// Whether connections to the backend are encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.url.as_ref().is_ok_and(|url| url.https)
    }

    /// What failed switches are counted by: with other inputs, another spec or a person's decision
    /// the count begins anew.
    pub(crate) fn attempt_key(&self) -> String {
        let mut hash = Hashing::default();
        hash.update(self.inputs.as_deref().unwrap_or_default());
        hash.update([0]);
        hash.update(
            self.o
                .resource
                .metadata
                .generation
                .unwrap_or_default()
                .to_be_bytes(),
        );
        hash.update(self.retry().unwrap_or_default());
        short(hash.finish())
    }

    /// The switch that is under way and was never verified.
    pub(crate) fn switching(&self) -> Option<&Attempt> {
        match &self.memory.progress {
            Progress::Switching(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// The restart of a switched Edge API that is under way.
    pub(crate) fn restart(&self) -> Option<&Attempt> {
        self.memory.switched()?.restart.as_ref()
    }

    /// Whether a switch was verified once, or found: it stays.
    pub(crate) fn is_switched(&self) -> bool {
        self.memory.switched().is_some()
    }

    /// Time since a time that was written down; a long time when it cannot be read.
    pub(crate) fn since(&self, then: &str) -> SignedDuration {
        then.parse::<Timestamp>()
            .map_or(SignedDuration::MAX, |then| then.duration_until(self.o.now))
    }

    /// Pods of the Edge API that run, or will.
    pub(crate) fn edge_pods(&self) -> impl Iterator<Item = &'a Read<Pod>> + use<'a> {
        self.o.edge_pods.iter().filter(|pod| server::is_alive(pod))
    }

    /// Whether every pod of the Edge API was started with these inputs, is ready, and no other is
    /// left.
    pub(crate) fn all_pods_run(&self, inputs: Option<&str>) -> bool {
        let Some(deployment) = self.deployment else {
            return false;
        };
        let gone = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            matches!(phase, Some("Succeeded" | "Failed"))
        };
        let pods: Vec<_> = self.o.edge_pods.iter().filter(|pod| !gone(pod)).collect();
        deployment.is_rolled_out()
            && i32::try_from(pods.len()) == Ok(deployment.replicas())
            && pods.iter().all(|pod| {
                pod.metadata.deletion_timestamp.is_none()
                    && started_with(pod) == inputs
                    && is_ready(pod)
                    && address(pod).is_some()
            })
    }

    /// What evidence of calls through the Edge API's pods is about: what they were started with,
    /// and which they are.
    pub(crate) fn pods_key(&self) -> String {
        let mut pods: Vec<_> = self.edge_pods().map(|pod| pod.reference().uid()).collect();
        pods.sort_unstable();
        let started = self
            .edge_pods()
            .find_map(|pod| started_with(pod))
            .unwrap_or_default();
        format!("{started}/{}", pods.join(","))
    }

    /// What the last calls through these pods have shown, if there were any.
    pub(crate) fn last_calls(&self) -> Option<&'a Dated<Vec<PodVerdict>>> {
        let last = self.o.evidence.verification.as_ref();
        last.filter(|last| !last.value.is_empty() && last.about == self.pods_key())
    }

    /// What the Edge API uses now, as far as it can be told.
    pub(crate) fn backend_in_force(&self) -> BackendInForce {
        if let Some(shown) = self.last_calls() {
            if shown
                .value
                .iter()
                .all(|pod| matches!(pod.outcome, ProbeOutcome::Remote { .. }))
            {
                return BackendInForce::Remote;
            }
            if shown.value.iter().all(|pod| pod.outcome == ProbeOutcome::Crd) {
                return BackendInForce::Crd;
            }
        }
        let ours: Vec<_> = self.edge_pods().map(|pod| started_with(pod).is_some()).collect();
        match (ours.iter().any(|ours| *ours), ours.iter().all(|ours| *ours)) {
            _ if ours.is_empty() => BackendInForce::Unknown,
            (true, true) => BackendInForce::Remote,
            (true, false) => BackendInForce::Changing,
            (false, _) => match self.effective.get(settings::BACKEND).map(String::as_str) {
                // Set, but these pods were started before it was.
                Some("remote") if self.effective.get(settings::URL) == self.desired.get(settings::URL) => {
                    if self.is_engaged() {
                        BackendInForce::Changing
                    } else {
                        BackendInForce::Remote
                    }
                }
                Some("remote") => BackendInForce::OtherRemote,
                Some("crd" | "") | None => BackendInForce::Crd,
                Some(_) => BackendInForce::Unknown,
            },
        }
    }

    /// Whether the Edge API is told to use our backend, or would be at its next start.
    pub(crate) fn is_told_remote(&self) -> bool {
        let told = |key: &str| self.effective.get(key).map(String::as_str);
        told(settings::BACKEND) == Some("remote")
            && told(settings::URL) == self.desired.get(settings::URL).map(String::as_str)
    }

    /// Whether anything of ours is in force in this Edge API. What was before in another one says
    /// nothing about it.
    pub(crate) fn is_engaged(&self) -> bool {
        !matches!(&self.previous, None | Some(Err(Unreadable::Others { .. })))
    }

    /// The store that is recorded: in the status, or where that was lost, in the Secret; a person's
    /// word goes before.
    pub(crate) fn recorded_store(&self) -> Option<String> {
        let accepted = self.spec.backend.accept_store_id.clone();
        accepted
            .or_else(|| self.memory.store_id.clone())
            .or_else(|| self.o.server_secret.as_deref().and_then(server::recorded_store))
    }
}

/// What a pod was started with.
pub(crate) fn started_with(pod: &Pod) -> Option<&str> {
    pod.metadata
        .annotations
        .as_ref()?
        .get(INPUTS_ANNOTATION)
        .map(String::as_str)
}

/// Whether a pod is ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The address of a pod.
pub(crate) fn address(pod: &Pod) -> Option<&str> {
    pod.status
        .as_ref()?
        .pod_ip
        .as_deref()
        .filter(|address| !address.is_empty())
}

/// The settings that were verified last, where a change of them was undone.
fn undone(o: &Observed, memory: &Memory) -> Option<BTreeMap<&'static str, String>> {
    let rejected = memory.switched()?.rejected.as_ref()?;
    let same = rejected.generation == o.resource.metadata.generation
        && rejected.retry.as_deref() == annotation(o, RETRY_ANNOTATION);
    let settings = &memory.verified().filter(|_| same)?.settings;
    let of = |key: &'static str| Some((key, settings.get(key)?.clone()));
    let found: BTreeMap<_, _> = settings::OWNABLE.into_iter().filter_map(of).collect();
    (!found.is_empty()).then_some(found)
}

fn annotation<'a>(o: &'a Observed, name: &str) -> Option<&'a str> {
    o.resource
        .metadata
        .annotations
        .as_ref()?
        .get(name)
        .map(String::as_str)
}

fn inputs(desired: &BTreeMap<&'static str, String>, ca: Option<&Secret>, host: Option<&Secret>) -> String {
    let mut hash = Hashing::default();
    for (key, value) in desired {
        for text in [key, value.as_str()] {
            hash.update(text);
            hash.update([0]);
        }
    }
    for secret in [ca, host].into_iter().flatten() {
        for (key, value) in secret.data.iter().flatten() {
            hash.update(key);
            // A hash of a hash: nothing of a private key can be tried out against it.
            hash.update(Digest::of(&value.0).as_bytes());
        }
        hash.update([1]);
    }
    short(hash.finish())
}

/// The first 16 hexadecimal digits: enough to tell states of one object apart.
pub(crate) fn short(digest: Digest) -> String {
    let mut text = digest.to_string();
    text.truncate(16);
    text
}
