//! What the documents say, as types. They hold what somebody here reads, no more; a document is
//! complete, with its defaults (see [`crate::Object`]). Names and meaning are those of Flotta's
//! `api/v1alpha1`.

mod core;
mod device;
mod playbook;
mod workload;

pub use self::core::{ConfigMap, ObjectBucketClaim, Route, RouteSpec, Secret};
pub use device::{
    ComponentMetrics, DeviceSettings, EdgeDevice, EdgeDeviceSet, EdgeDeviceSignedRequest, EdgeDeviceStatus,
    HardwareProfile, Heartbeat, LogCollection, Metrics, MetricsReceiver, MetricsRetention, Mount,
    OsInformation, S3, SignedRequestSpec, Storage,
};
pub use playbook::{
    EdgeConfig, EdgeConfigSpec, EdgePlaybook, ExecutionStrategy, Playbook, PlaybookExecution,
    PlaybookExecutionSpec,
};
pub use workload::{
    ContainerMetrics, DataConfiguration, DataPath, EdgeWorkload, ImageRegistries, LabelSelector, NameRef,
    Pod, SelectorRequirement, WorkloadMetrics, WorkloadSpec,
};
