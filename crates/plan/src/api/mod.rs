//! The `RemoteBackend` resource: what a person asks for (`spec`) and what they are told (`status`).
//!
//! The schema is made from these types; its descriptions are what `kubectl explain` shows.

mod crd;
mod reason;
mod spec;
mod status;

pub use crd::definition;
pub use reason::Reason;
pub use spec::{
    Backend, Devices, EdgeApi, EnteringDevices, LeavingDevices, Mode, Paused, RemoteBackend,
    RemoteBackendSpec,
};
pub use status::{
    Attempt, BackendInForce, CertificateStatus, ConditionStatus, ConditionType, Contest, DeviceCounts,
    Failures, Found, Phase, Rejected, RemoteBackendStatus, Served, Verified, WriteBack,
};
