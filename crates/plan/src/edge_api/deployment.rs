//! The Edge API's Deployment: five things in it are ours, and are written and taken away together,
//! so that the Edge API is restarted once.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Container, EnvVar, PodSpec},
};
use serde_json::{Value, json};

use crate::{
    action::{How, Kind, Purpose, Write},
    api::EdgeApi,
    managers::{self, Manager},
    names::{CA_MOUNT, CA_VOLUME, INPUTS_ANNOTATION, MANAGER, RESTORE_MANAGER},
    object::Read,
    previous::{Former, Owned, Previous},
    settings,
};

/// Directories with additional root certificates (Go's `crypto/x509`).
const CERT_DIR: &str = "SSL_CERT_DIR";

/// What `kubectl rollout restart` writes into the pod template.
const RESTARTED_ANNOTATION: &str = "kubectl.kubernetes.io/restartedAt";

/// Settings that the Deployment carries itself: whatever becomes of the ConfigMap, and of the
/// companion, a pod that starts uses our server.
const CARRIED: [&str; 2] = [settings::BACKEND, settings::URL];

/// Settings that are wanted.
type Settings = BTreeMap<&'static str, String>;

/// Whose a setting of the container is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing<'a> {
    /// Nobody's: it is not there.
    Absent,
    /// As it is wanted.
    Ours,
    /// Written by us, and not as it is wanted now.
    Outdated,
    /// Somebody else's.
    Foreign(&'a EnvVar),
}

/// The Deployment as it was observed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EdgeDeployment<'a> {
    object: &'a Read<Deployment>,
    names: &'a EdgeApi,
}

impl<'a> EdgeDeployment<'a> {
    /// Of this object.
    pub(crate) fn new(object: &'a Read<Deployment>, names: &'a EdgeApi) -> Self {
        Self { object, names }
    }

    /// What keeps us from writing to it, one sentence each.
    pub(crate) fn faults(self, desired: &Settings) -> Vec<String> {
        let (deployment, name) = (&self.names.deployment, &self.names.container);
        let Some(container) = self.container() else {
            return vec![format!(
                "Deployment {deployment} has no container {name}; name it in spec.edgeApi.container"
            )];
        };
        let mut faults = Vec::new();
        let begun = self.has_anything_of_ours(desired);
        for key in CARRIED {
            let Standing::Foreign(found) = self.standing(container, key, desired) else {
                continue;
            };
            // What somebody makes of a value of ours later is a change, and is reverted.
            if !begun || found.value_from.is_some() {
                faults.push(format!(
                    "container {name} of Deployment {deployment} sets {key} itself; remove it from the Deployment"
                ));
            }
        }
        if variable(container, CERT_DIR).is_some_and(|found| found.value_from.is_some()) {
            faults.push(format!(
                "container {name} of Deployment {deployment} takes {CERT_DIR} from elsewhere (valueFrom), so nothing can be \
                 added to it; give it a plain value or remove it"
            ));
        }
        faults
    }

    /// Whether it was available once: an Edge API that never was is still being installed.
    pub(crate) fn was_available(self) -> bool {
        let Some(status) = &self.object.status else {
            return false;
        };
        status.available_replicas.unwrap_or(0) > 0
            || status.conditions.iter().flatten().any(|condition| {
                condition.type_ == "Progressing"
                    && condition.reason.as_deref() == Some("NewReplicaSetAvailable")
            })
    }

    /// How many pods it should have.
    pub(crate) fn replicas(self) -> i32 {
        self.object
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1)
    }

    /// Whether its controller says that all pods are of the present template and available.
    pub(crate) fn is_rolled_out(self) -> bool {
        let Some(status) = &self.object.status else {
            return false;
        };
        let wanted = self.replicas();
        status.observed_generation == self.object.metadata.generation
            && status.replicas.unwrap_or(0) == wanted
            && status.updated_replicas.unwrap_or(0) == wanted
            && status.available_replicas.unwrap_or(0) == wanted
    }

    /// What its controller says about a restart that does not come to its end.
    pub(crate) fn trouble(self) -> Option<String> {
        let conditions = self.object.status.as_ref()?.conditions.iter().flatten();
        conditions
            .filter(|condition| condition.status == "False" || condition.type_ == "ReplicaFailure")
            .find_map(|condition| condition.message.clone())
    }

    /// What its pods were, or will be, started with.
    pub(crate) fn inputs(self) -> Option<&'a str> {
        self.annotation(INPUTS_ANNOTATION)
    }

    fn annotation(self, name: &str) -> Option<&'a str> {
        let template = &self.object.spec.as_ref()?.template;
        let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
        annotations.get(name).map(String::as_str)
    }

    /// Settings as the container gets them: those of the ConfigMap, and over them plain values of
    /// its own.
    pub(crate) fn effective(self, mut settings: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let variables = self.container().and_then(|container| container.env.as_ref());
        for variable in variables.into_iter().flatten() {
            if let Some(value) = &variable.value {
                settings.insert(variable.name.clone(), value.clone());
            }
        }
        settings
    }

    /// What of ours is missing or changed by others, with whoever did it. The annotation is not
    /// among it.
    pub(crate) fn differences(self, desired: &Settings) -> Vec<(&'static str, Option<Manager>)> {
        let Some(container) = self.container() else {
            return Vec::new();
        };
        let mut missing = Vec::new();
        for key in CARRIED {
            if matches!(
                self.standing(container, key, desired),
                Standing::Absent | Standing::Foreign(_)
            ) {
                missing.push(key);
            }
        }
        if !variable(container, CERT_DIR).is_some_and(has_our_directory) {
            missing.push(CERT_DIR);
        }
        let mounts = container.volume_mounts.iter().flatten();
        if !mounts
            .into_iter()
            .any(|mount| mount.name == CA_VOLUME && mount.mount_path == CA_MOUNT)
        {
            missing.push("volumeMounts");
        }
        if !self.has_our_volume() {
            missing.push("volumes");
        }
        let culprit = managers::other(&self.object.metadata, &["f:spec", "f:template"]);
        missing
            .into_iter()
            .map(|field| (field, culprit.clone()))
            .collect()
    }

    /// Whether a setting in it is ours and not as it is wanted now: the spec has changed, or the
    /// version before wrote it, as a reference to the ConfigMap.
    pub(crate) fn is_outdated(self, desired: &Settings) -> bool {
        self.container().is_some_and(|container| {
            CARRIED
                .iter()
                .any(|key| self.standing(container, key, desired) == Standing::Outdated)
        })
    }

    /// Whether anything of ours is in it.
    pub(crate) fn has_anything_of_ours(self, desired: &Settings) -> bool {
        self.inputs().is_some() || self.differences(desired).len() < 5
    }

    /// Writes all that is ours. A change of `inputs` restarts the Edge API, and so does anything
    /// that was missing.
    pub(crate) fn write(self, inputs: &str, desired: &Settings) -> Write {
        let directories = match self
            .container()
            .and_then(|container| variable(container, CERT_DIR))
        {
            Some(found) if has_our_directory(found) => found.value.clone().unwrap_or_default(),
            Some(EnvVar {
                value: Some(value), ..
            }) if !value.is_empty() => format!("{value}:{CA_MOUNT}"),
            _ => CA_MOUNT.to_owned(),
        };
        let container = json!({
            "name": self.names.container,
            "env": [
                { "name": settings::BACKEND, "value": desired.get(settings::BACKEND) },
                { "name": settings::URL, "value": desired.get(settings::URL) },
                { "name": CERT_DIR, "value": directories },
            ],
            "volumeMounts": [{ "name": CA_VOLUME, "mountPath": CA_MOUNT, "readOnly": true }],
        });
        let volume = json!({
            "name": CA_VOLUME,
            "secret": {
                "secretName": self.names.ca_secret,
                // Without its CA a new pod must not start: it would make another one, and lock
                // every device out.
                "optional": false,
                "items": [{ "key": "ca.crt", "path": "ca.crt" }],
            },
        });
        let template = json!({
            "metadata": { "annotations": { INPUTS_ANNOTATION: inputs } },
            "spec": { "containers": [container], "volumes": [volume] },
        });
        self.apply(Some(&template), Purpose::Rollout)
    }

    /// What is there now, as what was before.
    pub(crate) fn save(self) -> Owned {
        let found = self
            .container()
            .and_then(|container| variable(container, CERT_DIR));
        let former = match found {
            None => Former::Absent,
            Some(found) if has_our_directory(found) => Former::Lost,
            Some(found) => Former::Value {
                value: found.value.clone().unwrap_or_default(),
                manager: managers::other(&self.object.metadata, &["f:spec", "f:template"])
                    .map(|manager| manager.name),
            },
        };
        Owned {
            name: self.object.reference().name().to_owned(),
            uid: self.object.reference().uid().to_owned(),
            values: BTreeMap::from([(CERT_DIR.to_owned(), former)]),
        }
    }

    /// Takes away all that is ours in one write, with one restart. None when nothing of ours is
    /// there.
    pub(crate) fn restore(self, previous: &Previous, desired: &Settings) -> Option<Write> {
        if !self.has_anything_of_ours(desired) {
            return None;
        }
        let container = self.container()?;
        let mut variables = Vec::new();
        for key in CARRIED {
            let standing = self.standing(container, key, desired);
            if matches!(standing, Standing::Ours | Standing::Outdated) {
                variables.push(json!({ "name": key, "$patch": "delete" }));
            }
        }
        if variable(container, CERT_DIR).is_some_and(has_our_directory) {
            variables.push(match previous.environment.values.get(CERT_DIR) {
                Some(Former::Value { value, .. }) => json!({ "name": CERT_DIR, "value": value }),
                _ => json!({ "name": CERT_DIR, "$patch": "delete" }),
            });
        }
        let mut patch = json!({ "name": self.names.container });
        if !variables.is_empty() {
            patch["env"] = json!(variables);
        }
        let mounted = container
            .volume_mounts
            .iter()
            .flatten()
            .any(|mount| mount.mount_path == CA_MOUNT);
        if mounted {
            patch["volumeMounts"] = json!([{ "mountPath": CA_MOUNT, "$patch": "delete" }]);
        }
        let mut spec = json!({ "containers": [patch] });
        if self.pod().is_some_and(|pod| {
            pod.volumes
                .iter()
                .flatten()
                .any(|volume| volume.name == CA_VOLUME)
        }) {
            spec["volumes"] = json!([{ "name": CA_VOLUME, "$patch": "delete" }]);
        }
        let template = json!({ "metadata": { "annotations": { INPUTS_ANNOTATION: null } }, "spec": spec });
        Some(Write {
            kind: Kind::Deployment,
            object: self.object.reference().clone(),
            how: How::StrategicMerge {
                manager: RESTORE_MANAGER,
            },
            document: json!({ "metadata": self.object.reference().precondition(), "spec": { "template": template } }),
            purpose: Purpose::RestoreRollout,
        })
    }

    /// When it was restarted by the annotation that `kubectl rollout restart` uses.
    pub(crate) fn restarted_at(self) -> Option<&'a str> {
        self.annotation(RESTARTED_ANNOTATION)
    }

    /// Restarts it as `kubectl rollout restart` does, where nothing of ours is left to change.
    pub(crate) fn restart(self, now: &str) -> Write {
        let template = json!({ "metadata": { "annotations": { RESTARTED_ANNOTATION: now } } });
        Write {
            kind: Kind::Deployment,
            object: self.object.reference().clone(),
            how: How::StrategicMerge {
                manager: RESTORE_MANAGER,
            },
            document: json!({ "metadata": self.object.reference().precondition(), "spec": { "template": template } }),
            purpose: Purpose::RestoreRollout,
        }
    }

    /// Gives up what our manager still holds beside others; changes no value. None when it holds
    /// nothing.
    pub(crate) fn release(self) -> Option<Write> {
        managers::anything_ours(&self.object.metadata).then(|| self.apply(None, Purpose::Release))
    }

    fn pod(self) -> Option<&'a PodSpec> {
        self.object.spec.as_ref()?.template.spec.as_ref()
    }

    fn container(self) -> Option<&'a Container> {
        self.pod()?
            .containers
            .iter()
            .find(|container| container.name == self.names.container)
    }

    fn has_our_volume(self) -> bool {
        let volumes = self.pod().and_then(|pod| pod.volumes.as_ref());
        volumes.into_iter().flatten().any(|volume| {
            volume.name == CA_VOLUME
                && volume.secret.as_ref().is_some_and(|secret| {
                    secret.secret_name.as_deref() == Some(&self.names.ca_secret)
                        && secret.optional != Some(true)
                        && secret.items.as_ref().is_some_and(|items| {
                            items.len() == 1 && items[0].key == "ca.crt" && items[0].path == "ca.crt"
                        })
                })
        })
    }

    fn standing(self, container: &'a Container, key: &str, desired: &Settings) -> Standing<'a> {
        let Some(found) = variable(container, key) else {
            return Standing::Absent;
        };
        let path = [
            "f:spec",
            "f:template",
            "f:spec",
            "f:containers",
            &named(&self.names.container),
            "f:env",
            &named(key),
            "f:value",
        ];
        if found.value_from.is_none() && found.value.as_ref() == desired.get(key) {
            Standing::Ours
        } else if self.is_former_reference(found) || managers::is_ours(&self.object.metadata, &path) {
            Standing::Outdated
        } else {
            Standing::Foreign(found)
        }
    }

    /// The version before let the setting come from the ConfigMap.
    fn is_former_reference(self, variable: &EnvVar) -> bool {
        let source = variable
            .value_from
            .as_ref()
            .and_then(|source| source.config_map_key_ref.as_ref());
        source.is_some_and(|source| {
            source.name == self.names.config_map
                && source.key == variable.name
                && source.optional == Some(false)
        })
    }

    fn apply(self, template: Option<&Value>, purpose: Purpose) -> Write {
        let metadata = self.object.reference().metadata();
        let mut document = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata });
        if let Some(template) = template {
            document["spec"] = json!({ "template": template });
        }
        Write {
            kind: Kind::Deployment,
            object: self.object.reference().clone(),
            how: How::Apply {
                manager: MANAGER,
                force: template.is_some(),
            },
            document,
            purpose,
        }
    }
}

/// An item of a list in `managedFields`, by its name.
fn named(name: &str) -> String {
    format!("k:{}", json!({ "name": name }))
}

fn variable<'a>(container: &'a Container, name: &str) -> Option<&'a EnvVar> {
    // The last one counts where one is written twice.
    container
        .env
        .iter()
        .flatten()
        .rfind(|variable| variable.name == name)
}

fn has_our_directory(variable: &EnvVar) -> bool {
    variable
        .value
        .as_deref()
        .is_some_and(|value| value.split(':').any(|directory| directory == CA_MOUNT))
}
