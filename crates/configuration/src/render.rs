//! A workload as it goes to every device that runs it. It does not depend on the device, so it is
//! made once and shared.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use contract::{ContainerMetrics, DataConfiguration, DataPath, ImageRegistries, Workload, WorkloadMetrics};
use manifests::{
    Kind, Object,
    kinds::{self, EdgeWorkload, Secret},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha256::Digest;

use crate::{
    fault::{Trouble, Troubles},
    go_yaml,
    lookup::{Objects, decoded, text, value},
    parts::{self, Parts},
    podspec,
    references::{self, Need},
};

/// Prefix of labels and annotations that go to podman.
const PODMAN: &str = "podman/";
/// Key of an image registry's Secret.
const DOCKER_CONFIG: &str = ".dockerconfigjson";
/// Key of an allow list's ConfigMap.
const METRICS_LIST: &str = "metrics_list.yaml";

/// A workload in its wire form, with the Secrets that its pod refers to.
#[derive(Clone)]
pub(crate) struct Rendering {
    pub(crate) workload: Workload,
    /// The workload as JSON; shared by all that hand it out.
    pub(crate) json: Bytes,
    pub(crate) digest: Digest,
    /// By name, those that are there.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// The named parts of its pod; `None` where the text of a last good form cannot be read.
    pub(crate) parts: Option<Arc<Parts>>,
}

/// A rendering as the store keeps it. What a later version adds has to have a default: a form that
/// cannot be read is an error for every device that needs it.
#[derive(Serialize, Deserialize)]
struct Kept {
    workload: Workload,
    secrets: BTreeMap<String, Secret>,
}

impl Rendering {
    fn new(
        workload: Workload,
        secrets: BTreeMap<String, Secret>,
        parts: Option<Parts>,
    ) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_vec(&workload)?;
        Ok(Self {
            workload,
            digest: Digest::of(&json),
            json: json.into(),
            secrets,
            parts: parts.map(Arc::new),
        })
    }

    /// From what the store kept. `None` if it has no container: an earlier version took such a form
    /// for a good one.
    pub(crate) fn from_kept(kept: &Value) -> Result<Option<Self>, serde_json::Error> {
        let Kept { workload, secrets } = Kept::deserialize(kept)?;
        let pod = manifests::written(&workload.specification);
        if pod.as_ref().is_some_and(parts::is_empty) {
            return Ok(None);
        }
        let parts = pod.as_ref().map(parts::of);
        Self::new(workload, secrets, parts).map(Some)
    }

    /// With the Secrets as they are now, key by key; what they lost stays, so that nothing that
    /// runs loses a key. The error is of a Secret that cannot be read.
    pub(crate) fn with_present_secrets(mut self, objects: &Objects) -> Result<Self, Trouble> {
        for (name, kept) in &mut self.secrets {
            let present: Result<Option<Secret>, Trouble> =
                objects.get(Kind::Secret, &self.workload.namespace, name);
            match present {
                Ok(Some(present)) => kept.data.extend(present.data),
                Err(trouble) if trouble.unreadable => return Err(trouble),
                Ok(None) | Err(_) => {}
            }
        }
        Ok(self)
    }

    /// As the store keeps it.
    pub(crate) fn kept(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(Kept {
            workload: self.workload.clone(),
            secrets: self.secrets.clone(),
        })
    }
}

/// Renders a workload.
pub(crate) fn workload(
    object: &Object,
    spec: &EdgeWorkload,
    objects: &Objects,
) -> Result<Rendering, Trouble> {
    let namespace = object.key.namespace.as_str();
    let spec = &spec.spec;
    let pod = spec.pod.as_ref().map_or(&Value::Null, |pod| &pod.spec);
    let references = references::of(pod);
    let mut troubles = Troubles::default();
    if parts::is_empty(pod) {
        let place = if spec.pod.is_none() {
            "spec.pod is missing"
        } else {
            "spec.pod.spec.containers is empty"
        };
        let message = format!("{place}, and a device would remove the containers that it runs");
        troubles.note(Err::<(), _>(Trouble::new("NoContainers", message)));
    }
    let specification =
        podspec::text(pod).map_err(|invalid| Trouble::new("PodInvalid", format!("spec.pod.spec.{invalid}")));
    let workload = Workload {
        name: object.key.name.clone(),
        namespace: namespace.to_owned(),
        labels: for_podman(&object.labels),
        annotations: for_podman(&object.annotations),
        specification: troubles.note(specification),
        data: spec.data.as_ref().map(data),
        image_registries: troubles.note(registries(spec.image_registries.as_ref(), namespace, objects)),
        metrics: troubles.note(metrics(spec.metrics.as_ref(), namespace, objects)),
        configmaps: config_maps(&references.config_maps, namespace, objects, &mut troubles),
        log_collection: spec.log_collection.clone(),
    };
    let secrets = secrets(&references.secrets, namespace, objects, &mut troubles);
    troubles.none()?;
    Rendering::new(workload, secrets, Some(parts::of(pod)))
        .map_err(|error| Trouble::new("WorkloadInvalid", error.to_string()))
}

fn for_podman(entries: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    entries
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(PODMAN)?.to_owned(), value.clone())))
        .collect()
}

fn data(data: &kinds::DataConfiguration) -> DataConfiguration {
    let paths = |paths: &Option<Vec<kinds::DataPath>>| {
        // Flotta makes no difference between a list that is empty and one that is not given.
        paths.as_ref().filter(|paths| !paths.is_empty()).map(|paths| {
            let path = |path: &kinds::DataPath| DataPath {
                source: path.source.clone(),
                target: path.target.clone(),
            };
            paths.iter().map(path).collect()
        })
    };
    DataConfiguration {
        ingress: paths(&data.ingress),
        egress: paths(&data.egress),
    }
}

fn registries(
    registries: Option<&kinds::ImageRegistries>,
    namespace: &str,
    objects: &Objects,
) -> Result<Option<ImageRegistries>, Trouble> {
    let Some(reference) = registries.and_then(|registries| registries.secret_ref.as_ref()) else {
        return Ok(None);
    };
    let secret = objects.secret(namespace, &reference.name)?;
    let file = decoded(&secret, &format!("{namespace}/{}", reference.name), DOCKER_CONFIG)?;
    Ok((!file.is_empty()).then(|| ImageRegistries {
        auth_file: file.into(),
    }))
}

/// Without a positive port Flotta drops the whole section.
fn metrics(
    metrics: Option<&kinds::WorkloadMetrics>,
    namespace: &str,
    objects: &Objects,
) -> Result<Option<WorkloadMetrics>, Trouble> {
    let Some(metrics) = metrics.filter(|metrics| metrics.port > 0) else {
        return Ok(None);
    };
    let container = |(name, metrics): (&String, &kinds::ContainerMetrics)| {
        let metrics = ContainerMetrics {
            disabled: metrics.disabled,
            path: metrics.path.clone(),
            port: metrics.port,
        };
        (name.clone(), metrics)
    };
    Ok(Some(WorkloadMetrics {
        path: metrics.path.clone(),
        port: metrics.port,
        interval: metrics.interval,
        allow_list: allow_list(metrics.allow_list.as_ref(), namespace, objects)?,
        containers: metrics.containers.iter().map(container).collect(),
    }))
}

/// An allow list of metrics, of a device or of a workload.
pub(crate) fn allow_list(
    reference: Option<&kinds::NameRef>,
    namespace: &str,
    objects: &Objects,
) -> Result<Option<contract::MetricsAllowList>, Trouble> {
    let Some(reference) = reference else {
        return Ok(None);
    };
    let place = format!("{namespace}/{}", reference.name);
    let map = objects.config_map(namespace, &reference.name)?;
    let list = text(&map, &place, METRICS_LIST)?;
    let names = manifests::metrics_list(list).map_err(|reason| {
        Trouble::new(
            "AllowListInvalid",
            format!("key {METRICS_LIST} of ConfigMap {place} is no list of metrics: {reason}"),
        )
    })?;
    Ok(Some(contract::MetricsAllowList { names }))
}

fn config_maps(
    needs: &BTreeMap<String, Need>,
    namespace: &str,
    objects: &Objects,
    troubles: &mut Troubles,
) -> Vec<String> {
    let mut documents = Vec::new();
    for (name, need) in needs {
        let found = needed::<kinds::ConfigMap>(Kind::ConfigMap, namespace, name, need, objects);
        let Some(map) = troubles.note(found) else { continue };
        let place = format!("{namespace}/{name}");
        for key in &need.keys {
            troubles.note(text(&map, &place, key));
        }
        documents.push(go_yaml::config_map(name, &map));
    }
    documents
}

fn secrets(
    needs: &BTreeMap<String, Need>,
    namespace: &str,
    objects: &Objects,
    troubles: &mut Troubles,
) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for (name, need) in needs {
        let found = needed::<Secret>(Kind::Secret, namespace, name, need, objects);
        let Some(secret) = troubles.note(found) else {
            continue;
        };
        let place = format!("{namespace}/{name}");
        for key in &need.keys {
            troubles.note(value(&secret, &place, key));
        }
        secrets.insert(name.clone(), secret);
    }
    secrets
}

/// An object that a pod refers to; it may be missing if every reference to it is optional.
fn needed<T: DeserializeOwned>(
    kind: Kind,
    namespace: &str,
    name: &str,
    need: &Need,
    objects: &Objects,
) -> Result<Option<T>, Trouble> {
    if need.required {
        objects.required(kind, namespace, name).map(Some)
    } else {
        objects.get(kind, namespace, name)
    }
}
