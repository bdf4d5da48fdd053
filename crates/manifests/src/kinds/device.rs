//! EdgeDevice, EdgeDeviceSet, EdgeDeviceSignedRequest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::NameRef;

/// An EdgeDevice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeDevice {
    /// What the device shall be.
    pub spec: DeviceSettings,
    /// Of the status only what a person sets.
    pub status: EdgeDeviceStatus,
}

/// The part of an EdgeDevice's status that is an input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EdgeDeviceStatus {
    /// The ObjectBucketClaim whose bucket it uploads to; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_obc: String,
}

/// An EdgeDeviceSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeDeviceSet {
    /// What its members shall be.
    pub spec: DeviceSettings,
}

/// The six sections that a device has of its own or from its set. An absent section is not the same
/// as an empty one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceSettings {
    /// Heartbeats.
    pub heartbeat: Option<Heartbeat>,
    /// Operating system.
    pub os_information: Option<OsInformation>,
    /// Where data is uploaded to.
    pub storage: Option<Storage>,
    /// Metrics.
    pub metrics: Option<Metrics>,
    /// Log targets by name.
    pub log_collection: Option<BTreeMap<String, LogCollection>>,
    /// Mounts to make; Flotta passes over null entries.
    pub mounts: Option<Vec<Option<Mount>>>,
}

/// Heartbeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Heartbeat {
    /// Period in seconds; 0 is unset.
    pub period_seconds: i64,
    /// What of the hardware they carry.
    pub hardware_profile: Option<HardwareProfile>,
}

/// What of the hardware a heartbeat carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HardwareProfile {
    /// Whether it carries any.
    pub include: bool,
    /// `full` or `delta`; not validated by Flotta.
    pub scope: String,
}

/// Operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OsInformation {
    /// Whether the device upgrades by itself.
    pub automatically_upgrade: bool,
    /// Commit to run.
    #[serde(rename = "commitID")]
    pub commit_id: String,
    /// Where commits come from.
    #[serde(rename = "hostedObjectsURL")]
    pub hosted_objects_url: String,
}

/// Where data is uploaded to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// A bucket.
    pub s3: Option<S3>,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct S3 {
    /// Secret with its keys.
    pub secret_name: String,
    /// ConfigMap with its place.
    pub config_map_name: String,
    /// Whether Flotta's operator would make a claim. This server makes none.
    #[serde(rename = "createOBC")]
    pub create_obc: bool,
}

/// Metrics of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// How long they are kept on the device.
    pub retention: Option<MetricsRetention>,
    /// The system's.
    pub system: Option<ComponentMetrics>,
    /// Those of data transfer.
    pub data_transfer: Option<ComponentMetrics>,
    /// Where they go.
    pub receiver_configuration: Option<MetricsReceiver>,
}

/// How long metrics are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsRetention {
    /// At most so many MiB.
    #[serde(rename = "maxMiB")]
    pub max_mib: i32,
    /// At most so many hours.
    #[serde(rename = "maxHours")]
    pub max_hours: i32,
}

/// Metrics of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentMetrics {
    /// Period in seconds; the schema's default is 60.
    pub interval: i32,
    /// ConfigMap with the names allowed.
    pub allow_list: Option<NameRef>,
    /// Whether they are off.
    pub disabled: bool,
}

/// Where metrics go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricsReceiver {
    /// Samples per request; 0 is unset.
    pub request_num_samples: i64,
    /// Timeout of a request in seconds; 0 is unset.
    pub timeout_seconds: i64,
    /// URL of the remote write endpoint; empty for none.
    pub url: String,
    /// Secret with the CA certificates of that URL.
    pub ca_secret_name: String,
}

/// A log target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogCollection {
    /// `syslog`, or empty.
    pub kind: String,
    /// Buffer in KiB; the schema's default is 12.
    pub buffer_size: i32,
    /// ConfigMap with the server's address.
    pub syslog_config: Option<NameRef>,
}

/// A mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Block device.
    pub device: String,
    /// Directory; `directory` on the wire.
    pub folder: String,
    /// Type of file system.
    pub r#type: String,
    /// Options.
    pub options: String,
}

/// An EdgeDeviceSignedRequest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeDeviceSignedRequest {
    /// What was asked for and decided.
    pub spec: SignedRequestSpec,
}

/// `spec` of an [`EdgeDeviceSignedRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SignedRequestSpec {
    /// Where the device shall live.
    pub target_namespace: String,
    /// Which set it shall belong to; empty for none.
    pub target_set: String,
    /// Whether a person approved it.
    pub approved: bool,
}
