//! Random instances of every wire object, as proptest strategies.
//!
//! Texts, numbers and lists take the value that means "absent" often, since that is where the rules
//! differ.

use std::{collections::BTreeMap, fmt::Debug};

use contract::*;
use proptest::{collection, prelude::*};
use serde_json::Value;

/// A type with random instances.
pub(crate) trait Instances: Sized {
    /// Its instances.
    fn instances() -> BoxedStrategy<Self>;
}

/// Declares the instances of objects. Every field has to be named: a missing one does not compile.
macro_rules! instances {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Instances for $name {
            fn instances() -> BoxedStrategy<Self> {
                let $name { $($field: _),* } = $name::default();
                let instance = Just($name::default()).boxed();
                $(
                    let instance = (instance, Instances::instances())
                        .prop_map(|(mut instance, value)| {
                            instance.$field = value;
                            instance
                        })
                        .boxed();
                )*
                instance
            }
        }
    )*};
}

instances! {
    EnrolmentInfo { features, target_namespace }
    Features { hardware, model_name }
    RegistrationInfo { certificate_request, hardware }
    RegistrationStatus { status, namespace, message }
    ErrorMessage { message }
    HardwareInfo { hostname, boot, cpu, memory, system_vendor, disks, gpus, interfaces, host_devices, mounts }
    Boot { current_boot_mode, pxe_interface }
    Cpu { architecture, model_name, count, frequency, flags }
    Memory { physical_bytes, usable_bytes }
    SystemVendor { manufacturer, product_name, serial_number, r#virtual }
    Disk {
        id, by_id, by_path, drive_type, hctl, model, name, path, serial, smart, vendor, wwn, size_bytes, bootable,
        is_installation_media, io_perf,
    }
    IoPerf { sync_duration }
    Gpu { address, device_id, name, vendor, vendor_id }
    Interface {
        name, biosdevname, client_id, mac_address, product, vendor, mtu, speed_mbps, has_carrier, flags, ipv4_addresses,
        ipv6_addresses,
    }
    HostDevice { path, device_type, uid, gid, major, minor }
    Mount { device, directory, r#type, options }
    Heartbeat { status, version, workloads, playbook_executions, hardware, events, upgrade }
    WorkloadStatus { name, status, last_data_upload }
    PlaybookExecutionStatus { name, status, last_data_upload }
    EventInfo { r#type, reason, message }
    UpgradeStatus { current_commit_id, last_upgrade_status, last_upgrade_time }
    DeviceConfigurationEnvelope { device_configuration, message }
    DeviceConfigurationMessage {
        device_id, version, configuration, workloads, secrets, workloads_monitoring_interval,
    }
    DeviceConfiguration { heartbeat, ansible_manager, metrics, storage, os, mounts, log_collection }
    HeartbeatConfiguration { period_seconds, hardware_profile }
    HardwareProfile { include, scope }
    AnsibleManagerConfiguration { period_seconds }
    OsInformation { automatically_upgrade, commit_id, hosted_objects_url }
    LogsCollectionInformation { kind, buffer_size, syslog_config }
    SyslogConfig { address, protocol }
    MetricsConfiguration { receiver, retention, system, data_transfer }
    MetricsReceiverConfiguration { url, request_num_samples, timeout_seconds, ca_cert }
    MetricsRetention { max_mib, max_hours }
    ComponentMetricsConfiguration { interval, disabled, allow_list }
    MetricsAllowList { names }
    StorageConfiguration { s3 }
    S3StorageConfiguration {
        bucket_host, bucket_port, bucket_name, bucket_region, aws_access_key_id, aws_secret_access_key, aws_ca_bundle,
    }
    Workload {
        name, namespace, labels, annotations, specification, data, image_registries, metrics, configmaps,
        log_collection,
    }
    DataConfiguration { ingress, egress }
    DataPath { source, target }
    ImageRegistries { auth_file }
    WorkloadMetrics { path, port, interval, allow_list, containers }
    ContainerMetrics { disabled, path, port }
    Secret { name, data }
    PlaybookExecution { name, ansible_playbook_string, last_data_upload }
    Message { r#type, message_id, response_to, version, sent, directive, metadata, content }
    MessageResponse { message_id, directive, content, metadata }
    RegistrationResponse { certificate }
}

impl Instances for String {
    fn instances() -> BoxedStrategy<Self> {
        prop_oneof![
            2 => Just(String::new()),
            2 => "[A-Za-z][A-Za-z0-9-]{0,8}",
            1 => "\\PC{0,8}",
            1 => any::<String>(),
        ]
        .boxed()
    }
}

impl Instances for Confidential {
    fn instances() -> BoxedStrategy<Self> {
        String::instances().prop_map(Self::from).boxed()
    }
}

impl Instances for bool {
    fn instances() -> BoxedStrategy<Self> {
        any::<bool>().boxed()
    }
}

impl Instances for i32 {
    fn instances() -> BoxedStrategy<Self> {
        prop_oneof![Just(0), Just(-1), Just(Self::MIN), Just(Self::MAX), any::<Self>()].boxed()
    }
}

impl Instances for i64 {
    fn instances() -> BoxedStrategy<Self> {
        prop_oneof![Just(0), Just(-1), Just(Self::MIN), Just(Self::MAX), any::<Self>()].boxed()
    }
}

impl Instances for f64 {
    fn instances() -> BoxedStrategy<Self> {
        use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
        prop_oneof![
            Just(0.0),
            Just(3600.0),
            Just(1e21),
            NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE
        ]
        .boxed()
    }
}

impl Instances for DateTime {
    fn instances() -> BoxedStrategy<Self> {
        let day = (0..=9999, 1..=12, 1..=28);
        let time = (0..24, 0..60, 0..60, 0..1000);
        let offset = prop_oneof![Just(0), -24 * 60 - 59..=24 * 60 + 59];
        let told =
            (day, time, offset).prop_map(|((year, month, day), (hour, minute, second, milli), offset)| {
                let sign = if offset < 0 { '-' } else { '+' };
                let (offset_hours, offset_minutes) = (i32::abs(offset) / 60, i32::abs(offset) % 60);
                format!(
                    "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}\
                 {sign}{offset_hours:02}:{offset_minutes:02}"
                )
                .parse()
                .unwrap()
            });
        prop_oneof![1 => Just(DateTime::ZERO), 2 => told].boxed()
    }
}

impl<T: Instances + Clone + Debug + 'static> Instances for Option<T> {
    fn instances() -> BoxedStrategy<Self> {
        proptest::option::of(T::instances()).boxed()
    }
}

impl<T: Instances + Clone + Debug + 'static> Instances for Vec<T> {
    fn instances() -> BoxedStrategy<Self> {
        collection::vec(T::instances(), 0..3).boxed()
    }
}

impl<T: Instances + Clone + Debug + 'static> Instances for BTreeMap<String, T> {
    fn instances() -> BoxedStrategy<Self> {
        collection::btree_map(String::instances(), T::instances(), 0..3).boxed()
    }
}

impl Instances for Value {
    /// Content of an envelope. Not `null`, which is the same as none; integers that Go's float64
    /// holds.
    fn instances() -> BoxedStrategy<Self> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-(1_i64 << 53)..1 << 53).prop_map(Value::from),
            String::instances().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                collection::vec(prop_oneof![1 => Just(Value::Null), 4 => inner.clone()], 0..3)
                    .prop_map(Value::from),
                collection::btree_map(String::instances(), inner, 0..3).prop_map(Value::from_iter),
            ]
        })
        .boxed()
    }
}
