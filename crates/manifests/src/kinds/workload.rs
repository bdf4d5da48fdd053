//! EdgeWorkload.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An EdgeWorkload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeWorkload {
    /// Its `spec`.
    pub spec: WorkloadSpec,
}

/// `spec` of an [`EdgeWorkload`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// What runs; a workload without it runs nothing.
    pub pod: Option<Pod>,
    /// The one device that it is for; empty for none, and then `device_selector` counts.
    pub device: String,
    /// Which devices it is for.
    pub device_selector: Option<LabelSelector>,
    /// Paths that are synchronised.
    pub data: Option<DataConfiguration>,
    /// Access to image registries.
    pub image_registries: Option<ImageRegistries>,
    /// Metrics of its containers.
    pub metrics: Option<WorkloadMetrics>,
    /// Log target, a key of the device's `logCollection`.
    pub log_collection: String,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// A Kubernetes PodSpec (`k8s.io/api` 0.23), as the schema lets it through.
    pub spec: Value,
}

/// A Kubernetes label selector; all its parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    pub match_labels: BTreeMap<String, String>,
    /// Expressions.
    pub match_expressions: Vec<SelectorRequirement>,
}

/// An expression of a [`LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelectorRequirement {
    /// Label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values of `In` and `NotIn`.
    pub values: Vec<String>,
}

/// A reference by name, in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NameRef {
    /// The name.
    pub name: String,
}

/// Paths that are synchronised with the device's bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataConfiguration {
    /// From the bucket to the device.
    pub ingress: Option<Vec<DataPath>>,
    /// From the device to the bucket.
    pub egress: Option<Vec<DataPath>>,
}

/// A pair of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataPath {
    /// From.
    pub source: String,
    /// To.
    pub target: String,
}

/// Access to image registries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageRegistries {
    /// Secret with a `.dockerconfigjson`.
    pub secret_ref: Option<NameRef>,
}

/// Metrics of a workload's containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadMetrics {
    /// HTTP path; the schema's default is `/`.
    pub path: String,
    /// Port; without one Flotta drops the whole section.
    pub port: i32,
    /// Period in seconds; the schema's default is 60.
    pub interval: i32,
    /// ConfigMap with the names allowed.
    pub allow_list: Option<NameRef>,
    /// What differs for single containers.
    pub containers: BTreeMap<String, ContainerMetrics>,
}

/// Metrics of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerMetrics {
    /// HTTP path; the schema's default is `/`.
    pub path: String,
    /// Port.
    pub port: i32,
    /// Whether they are off.
    pub disabled: bool,
}
