//! The rows of "typical zero values", and the other objects that are not simply `{}`.

use contract::*;

use crate::{golden, text};

#[test]
fn heartbeat() {
    golden("zero_heartbeat", &Heartbeat::default());
}

#[test]
fn hardware_with_a_hostname() {
    golden(
        "zero_hardware",
        &HardwareInfo {
            hostname: text("h"),
            ..HardwareInfo::default()
        },
    );
}

#[test]
fn cpu() {
    golden("zero_cpu", &Cpu::default());
}

#[test]
fn interface() {
    golden("zero_interface", &Interface::default());
}

#[test]
fn configuration_of_flotta_s_defaults() {
    golden(
        "zero_configuration",
        &DeviceConfiguration {
            heartbeat: Some(HeartbeatConfiguration {
                period_seconds: 60,
                hardware_profile: Some(HardwareProfile::default()),
            }),
            metrics: Some(MetricsConfiguration {
                receiver: Some(MetricsReceiverConfiguration {
                    request_num_samples: 30_000,
                    timeout_seconds: 10,
                    ..MetricsReceiverConfiguration::default()
                }),
                ..MetricsConfiguration::default()
            }),
            mounts: Some(Vec::new()),
            ..DeviceConfiguration::default()
        },
    );
}

#[test]
fn configuration() {
    golden(
        "zero_configuration_without_lists",
        &DeviceConfiguration::default(),
    );
}

#[test]
fn configuration_envelope() {
    golden(
        "zero_configuration_envelope",
        &DeviceConfigurationEnvelope::default(),
    );
}

#[test]
fn data_configuration() {
    golden("zero_data_configuration", &DataConfiguration::default());
}

#[test]
fn allow_list() {
    golden("zero_allow_list", &MetricsAllowList::default());
}

#[test]
fn statuses_have_a_date_all_the_same() {
    golden("zero_workload_status", &WorkloadStatus::default());
    golden(
        "zero_playbook_execution_status",
        &PlaybookExecutionStatus::default(),
    );
    golden("zero_playbook_execution", &PlaybookExecution::default());
    golden("zero_message", &Message::default());
}

#[test]
fn enrolment() {
    golden("zero_enrolment", &EnrolmentInfo::default());
    // Pointers are written when they are set, whatever they point to.
    golden(
        "zero_enrolment_pointers",
        &EnrolmentInfo {
            features: Some(Features {
                hardware: Some(HardwareInfo::default()),
                ..Features::default()
            }),
            target_namespace: Some(String::new()),
        },
    );
}

#[test]
fn error() {
    golden("zero_error", &ErrorMessage::default());
}

#[test]
fn everything_else_is_an_empty_object() {
    let written = [
        serde_json::to_string(&Features::default()),
        serde_json::to_string(&RegistrationInfo::default()),
        serde_json::to_string(&RegistrationStatus::default()),
        serde_json::to_string(&Boot::default()),
        serde_json::to_string(&Memory::default()),
        serde_json::to_string(&SystemVendor::default()),
        serde_json::to_string(&Disk::default()),
        serde_json::to_string(&IoPerf::default()),
        serde_json::to_string(&Gpu::default()),
        serde_json::to_string(&HostDevice::default()),
        serde_json::to_string(&Mount::default()),
        serde_json::to_string(&EventInfo::default()),
        serde_json::to_string(&UpgradeStatus::default()),
        serde_json::to_string(&DeviceConfigurationMessage::default()),
        serde_json::to_string(&HeartbeatConfiguration::default()),
        serde_json::to_string(&HardwareProfile::default()),
        serde_json::to_string(&AnsibleManagerConfiguration::default()),
        serde_json::to_string(&OsInformation::default()),
        serde_json::to_string(&LogsCollectionInformation::default()),
        serde_json::to_string(&SyslogConfig::default()),
        serde_json::to_string(&MetricsConfiguration::default()),
        serde_json::to_string(&MetricsReceiverConfiguration::default()),
        serde_json::to_string(&MetricsRetention::default()),
        serde_json::to_string(&ComponentMetricsConfiguration::default()),
        serde_json::to_string(&StorageConfiguration::default()),
        serde_json::to_string(&S3StorageConfiguration::default()),
        serde_json::to_string(&Workload::default()),
        serde_json::to_string(&DataPath::default()),
        serde_json::to_string(&ImageRegistries::default()),
        serde_json::to_string(&WorkloadMetrics::default()),
        serde_json::to_string(&ContainerMetrics::default()),
        serde_json::to_string(&Secret::default()),
        serde_json::to_string(&MessageResponse::default()),
        serde_json::to_string(&RegistrationResponse::default()),
    ];
    for object in written {
        assert_eq!(object.unwrap(), "{}");
    }
}
