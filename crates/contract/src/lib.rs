//! Project Flotta as types: what the Edge API says to a backend, what a backend answers, and what a
//! device makes of it.
//!
//! The types know how each field is written when it has no value, and read everything that the Edge
//! API can send. They hold no rules of the life cycle (see the `fleet` crate) and do no IO. Shapes
//! and names are those of flotta-operator `3591f8dd` (`models/` and `backend/models/`); none of its
//! enums and limits is enforced there, so none is here.
//!
//! Types are written by hand, not generated from Flotta's API description: the description does not
//! say which fields are written as `null`, which are left out, and what the zero date looks like,
//! and devices depend on all three.

mod absent;
pub mod bounded;
mod confidential;
mod configuration;
mod enrolment;
mod envelope;
mod hardware;
pub mod heap;
mod heartbeat;
mod id;
pub mod labels;
mod playbook;
pub mod repeated;
mod time;
mod workload;

pub use bounded::{Bounds, Cut};
pub use confidential::Confidential;
pub use configuration::{
    AnsibleManagerConfiguration, ComponentMetricsConfiguration, DeviceConfiguration,
    DeviceConfigurationEnvelope, DeviceConfigurationMessage, HardwareProfile, HeartbeatConfiguration,
    LogsCollectionInformation, MetricsAllowList, MetricsConfiguration, MetricsReceiverConfiguration,
    MetricsRetention, OsInformation, S3StorageConfiguration, StorageConfiguration, SyslogConfig,
};
pub use enrolment::{EnrolmentInfo, ErrorMessage, Features, RegistrationInfo, RegistrationStatus};
pub use envelope::{Command, Message, MessageResponse, RegistrationResponse};
pub use hardware::{
    Boot, Cpu, Disk, Gpu, HardwareInfo, HostDevice, Interface, IoPerf, Memory, Mount, SystemVendor,
};
pub use heap::HeapSize;
pub use heartbeat::{EventInfo, Heartbeat, PlaybookExecutionStatus, UpgradeStatus, WorkloadStatus};
pub use id::{DeviceId, InvalidDeviceId, InvalidNamespace, MAX_NAME, Namespace, PROBE_PREFIX};
pub use playbook::PlaybookExecution;
pub use repeated::Repeated;
pub use time::{DateTime, InvalidDateTime};
pub use workload::{
    ContainerMetrics, DataConfiguration, DataPath, ImageRegistries, Secret, Workload, WorkloadMetrics,
};
