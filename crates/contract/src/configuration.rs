//! `DeviceConfigurationMessage`: what a device is told to be.
//!
//! The agent crashes when `configuration`, `configuration.heartbeat` or
//! `configuration.heartbeat.hardware_profile` is missing, and takes a message without workloads as
//! the order to remove them all. The types can express both, because the wire can; who builds a
//! configuration is responsible (see `fleet`).

use std::collections::BTreeMap;

use crate::absent::wire_objects;
use crate::confidential::Confidential;
use crate::hardware::Mount;
use crate::workload::{Secret, Workload};

wire_objects! {
    /// Answer to `GET .../configuration`, also as an error.
    pub struct DeviceConfigurationEnvelope {
        /// The configuration; written also when it is empty, as Flotta does.
        #[serde(rename = "device-configuration")]
        device_configuration: DeviceConfigurationMessage,
        /// For a person, in an error.
        message: String,
    }

    /// A device's configuration with all that it is to run.
    pub struct DeviceConfigurationMessage {
        /// The device.
        device_id: String,
        /// Opaque; the device repeats it in its heartbeats.
        version: String,
        /// Settings. Must be present.
        configuration: Option<DeviceConfiguration>,
        /// What to run. None means: remove what runs.
        workloads: Vec<Workload>,
        /// Secrets of the workloads.
        secrets: Vec<Secret>,
        /// In seconds; neither set by Flotta nor used by its agent.
        workloads_monitoring_interval: i64,
    }

    /// Settings of a device.
    pub struct DeviceConfiguration {
        /// Heartbeats. Must be present.
        heartbeat: Option<HeartbeatConfiguration>,
        /// Polling for playbooks.
        #[serde(rename = "ansible-manager")]
        ansible_manager: Option<AnsibleManagerConfiguration>,
        /// Metrics.
        metrics: Option<MetricsConfiguration>,
        /// Where the device uploads data to.
        storage: Option<StorageConfiguration>,
        /// Operating system.
        os: Option<OsInformation>,
        /// Mounts to make. `None` and an empty list are different configurations to the agent;
        /// Flotta always sends a list.
        mounts: Option<Vec<Mount>>,
        /// Log targets by name; a workload's `log_collection` names one.
        #[serde(rename = "log-collection")]
        log_collection: BTreeMap<String, LogsCollectionInformation>,
    }

    /// Heartbeats.
    pub struct HeartbeatConfiguration {
        /// Period in seconds.
        period_seconds: i64,
        /// What of the hardware they carry. Must be present, if only as `{}`.
        hardware_profile: Option<HardwareProfile>,
    }

    /// What of the hardware a heartbeat carries.
    pub struct HardwareProfile {
        /// Whether it carries any.
        include: bool,
        /// `full` or `delta`.
        scope: String,
    }

    /// Polling for playbooks.
    pub struct AnsibleManagerConfiguration {
        /// Period in seconds; the agent's default is 60.
        period_seconds: i64,
    }

    /// Operating system.
    pub struct OsInformation {
        /// Whether the device upgrades by itself.
        automatically_upgrade: bool,
        /// Commit to run.
        commit_id: String,
        /// Where the commits come from.
        hosted_objects_url: String,
    }

    /// A target of logs.
    pub struct LogsCollectionInformation {
        /// Kind of target, `syslog`.
        kind: String,
        /// Buffer in KiB.
        buffer_size: i32,
        /// The syslog server.
        syslog_config: Option<SyslogConfig>,
    }

    /// A syslog server.
    pub struct SyslogConfig {
        /// Host and port.
        address: String,
        /// `tcp` or `udp`.
        protocol: String,
    }

    /// Metrics of a device.
    pub struct MetricsConfiguration {
        /// Where they go.
        receiver: Option<MetricsReceiverConfiguration>,
        /// How long the device keeps them.
        retention: Option<MetricsRetention>,
        /// The system's own.
        system: Option<ComponentMetricsConfiguration>,
        /// Those of the data upload.
        #[serde(rename = "data-transfer")]
        data_transfer: Option<ComponentMetricsConfiguration>,
    }

    /// A receiver of metrics (Prometheus remote write).
    pub struct MetricsReceiverConfiguration {
        /// URL.
        url: String,
        /// Samples per request.
        request_num_samples: i64,
        /// Timeout of a request in seconds.
        timeout_seconds: i64,
        /// The receiver's CA certificates as PEM text.
        #[serde(rename = "caCert")]
        ca_cert: String,
    }

    /// How long a device keeps metrics.
    pub struct MetricsRetention {
        /// At most so many MiB.
        max_mib: i32,
        /// At most so many hours.
        max_hours: i32,
    }

    /// Metrics of one component.
    pub struct ComponentMetricsConfiguration {
        /// Period in seconds.
        interval: i32,
        /// Whether they are switched off.
        disabled: bool,
        /// Which metrics; all when absent.
        allow_list: Option<MetricsAllowList>,
    }

    /// A choice of metrics.
    pub struct MetricsAllowList {
        /// Their names.
        names: Option<Vec<String>>,
    }

    /// Where a device uploads data to.
    pub struct StorageConfiguration {
        /// A bucket.
        s3: Option<S3StorageConfiguration>,
    }

    /// A bucket. Keys and CA bundle are base64.
    pub struct S3StorageConfiguration {
        /// Host.
        bucket_host: String,
        /// Port.
        bucket_port: i32,
        /// Bucket.
        bucket_name: String,
        /// Region.
        bucket_region: String,
        /// Access key id.
        aws_access_key_id: Confidential,
        /// Secret access key.
        aws_secret_access_key: Confidential,
        /// CA certificates of the host.
        aws_ca_bundle: String,
    }
}
