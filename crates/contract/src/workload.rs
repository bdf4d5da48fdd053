//! `Workload` and `Secret`: what a device runs, and what its containers may read.

use std::collections::BTreeMap;

use crate::absent::wire_objects;
use crate::confidential::Confidential;
use crate::configuration::MetricsAllowList;

wire_objects! {
    /// A workload of a device.
    pub struct Workload {
        /// Name, once per device.
        name: String,
        /// Namespace that it comes from.
        namespace: String,
        /// Labels of its pod.
        labels: BTreeMap<String, String>,
        /// Annotations of its pod.
        annotations: BTreeMap<String, String>,
        /// A Kubernetes PodSpec as YAML or JSON text; it begins at `containers:`.
        specification: String,
        /// Paths that are synchronised with the device's bucket.
        data: Option<DataConfiguration>,
        /// Access to image registries.
        #[serde(rename = "imageRegistries")]
        image_registries: Option<ImageRegistries>,
        /// Metrics of its containers.
        metrics: Option<WorkloadMetrics>,
        /// ConfigMaps that it uses, each as a YAML document.
        configmaps: Vec<String>,
        /// Log target, a key of the configuration's `log-collection`.
        log_collection: String,
    }

    /// Paths that are synchronised with the device's bucket.
    pub struct DataConfiguration {
        /// From the bucket to the device.
        ingress: Option<Vec<DataPath>>,
        /// From the device to the bucket.
        egress: Option<Vec<DataPath>>,
    }

    /// A pair of paths.
    pub struct DataPath {
        /// From.
        source: String,
        /// To.
        target: String,
    }

    /// Access to image registries.
    pub struct ImageRegistries {
        /// Text of a Docker auth file.
        #[serde(rename = "authFile")]
        auth_file: Confidential,
    }

    /// Metrics of a workload's containers.
    pub struct WorkloadMetrics {
        /// HTTP path of the metrics.
        path: String,
        /// Port of the metrics.
        port: i32,
        /// Period in seconds.
        interval: i32,
        /// Which metrics; all when absent.
        allow_list: Option<MetricsAllowList>,
        /// What differs for single containers, by name.
        containers: BTreeMap<String, ContainerMetrics>,
    }

    /// Metrics of one container.
    pub struct ContainerMetrics {
        /// Whether they are switched off.
        disabled: bool,
        /// HTTP path.
        path: String,
        /// Port.
        port: i32,
    }

    /// A secret of a device.
    pub struct Secret {
        /// Name, once per device.
        name: String,
        /// A JSON object as text: key to base64 value (standard alphabet, padded), keys sorted.
        data: Confidential,
    }
}
