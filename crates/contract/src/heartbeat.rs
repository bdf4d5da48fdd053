//! `Heartbeat`: what a device tells once a period.
//!
//! Texts that Flotta's API description declares as enums are free text here, because they are in
//! practice: a workload's status is whatever podman calls the pod's state (`Running`, `Exited`,
//! ...), not the documented lower-case list.

use crate::absent::wire_objects;
use crate::hardware::HardwareInfo;
use crate::time::DateTime;

wire_objects! {
    /// Body of `PUT .../heartbeat`. The same one can arrive up to four times, unmarked.
    pub struct Heartbeat {
        /// Documented as `up` or `degraded`; the agent always sends `up`.
        status: String,
        /// Version of the configuration that the device applied last, empty before the first.
        /// Events can arrive with the version before the one that caused them.
        version: String,
        /// State of the workloads.
        workloads: Option<Vec<WorkloadStatus>>,
        /// State of the playbook executions.
        #[serde(rename = "playbook-executions")]
        playbook_executions: Option<Vec<PlaybookExecutionStatus>>,
        /// The device's hardware, if its configuration asks for it; possibly only a part.
        hardware: Option<HardwareInfo>,
        /// What happened since the last heartbeat.
        events: Option<Vec<EventInfo>>,
        /// State of the operating system's upgrade.
        upgrade: Option<UpgradeStatus>,
    }

    /// State of one workload.
    pub struct WorkloadStatus {
        /// The workload, or the pod if the agent does not know it.
        name: String,
        /// podman's name for the pod's state.
        status: String,
        /// When data was last uploaded for it; the zero time means never.
        last_data_upload: DateTime,
    }

    /// State of one playbook execution.
    pub struct PlaybookExecutionStatus {
        /// The execution.
        name: String,
        /// `Deploying`, `TargetVerification`, `Running`, `SuccessfullyCompleted` or
        /// `CompletedWithError`.
        status: String,
        /// Not used by the agent.
        last_data_upload: DateTime,
    }

    /// Something that happened on a device.
    pub struct EventInfo {
        /// `warn` means a warning, everything else is normal.
        r#type: String,
        /// One word.
        reason: String,
        /// For a person.
        message: String,
    }

    /// State of the operating system's upgrade.
    pub struct UpgradeStatus {
        /// Commit that runs; `unknown` when the device has no rpm-ostree.
        #[serde(rename = "current_commit_ID")]
        current_commit_id: String,
        /// `succeeded` or `failed`.
        last_upgrade_status: String,
        /// Free text in Go's default form, `2022-05-06 13:19:24 +0000 UTC`; not RFC 3339.
        last_upgrade_time: String,
    }
}

impl EventInfo {
    /// Whether the event is a warning.
    pub fn is_warning(&self) -> bool {
        self.r#type == "warn"
    }
}
