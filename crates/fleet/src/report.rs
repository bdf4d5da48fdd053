//! What a device says of itself: the sum of its registrations and heartbeats.

use std::collections::BTreeMap;

use contract::{Cut, HardwareInfo, PlaybookExecutionStatus, UpgradeStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Digest, Epoch, EverReported, clock, duplicate_identity::IdentityTrail, runs::Runs};

/// What a device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its own word for how it is; `up` at this version of the agent.
    #[serde(default)]
    pub status: String,
    /// Version of the configuration that it last applied; empty before the first.
    #[serde(default)]
    pub version: String,
    /// Its hardware, merged from everything that it ever sent: partial reports wipe nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<HardwareInfo>,
    /// Labels that follow from its hardware; never removed, as in Flotta.
    #[serde(default)]
    pub hardware_labels: BTreeMap<String, String>,
    /// Its workloads, by name, as its last heartbeat listed them.
    #[serde(default)]
    pub workloads: BTreeMap<String, WorkloadReport>,
    /// All workloads that it ever listed; see [`Report::has_reported`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub ever_reported: EverReported,
    /// Its playbook executions, by name, as it says. What is known of those that it was given is in
    /// `runs`.
    #[serde(default)]
    pub playbooks: BTreeMap<String, PlaybookExecutionStatus>,
    /// The playbooks that it was given, or is to be given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runs: Runs,
    /// Its operating system upgrade, as its last heartbeat had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<UpgradeStatus>,
    /// The last heartbeats that were recorded as more than a time, for recognising copies.
    #[serde(default)]
    pub recent: Vec<Recent>,
    /// What could show that two machines use this id.
    #[serde(default)]
    pub identity: IdentityTrail,
    /// The fields of which it said more than is kept.
    #[serde(default, skip_serializing_if = "Cut::is_empty")]
    pub cut: Cut,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Report {
    /// That of a device that begins anew in this epoch of the store.
    pub(crate) fn begun(epoch: Epoch) -> Self {
        Self {
            ever_reported: EverReported::nothing(epoch),
            ..Self::default()
        }
    }

    /// Makes each time what it counts as at `now`, see [`clock`].
    pub fn settle(&mut self, now: Timestamp) {
        let changed = self
            .workloads
            .values_mut()
            .filter_map(|workload| workload.changed.as_mut());
        clock::settle_all(changed, now);
        // Nothing can be a copy of these.
        self.recent.retain(|recent| !clock::is_ahead(recent.at, now));
        self.runs.settle(now);
        self.identity.settle_times(now);
    }

    /// Whether the device may ever have reported this workload. Where that is not known it may: the
    /// store was restored or the device adopted and no heartbeat has come since, or it listed more
    /// names than are kept.
    pub fn has_reported(&self, name: &str, epoch: Epoch) -> bool {
        self.workloads.contains_key(name) || self.ever_reported.contains(name, epoch)
    }
}

/// A workload as the device reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadReport {
    /// Free text: podman's pod states, capitalised, in practice.
    pub status: String,
    /// When the status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Timestamp>,
    /// When it last uploaded data; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_data_upload: Option<Timestamp>,
}

/// A heartbeat that was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// Digest of its content.
    pub digest: Digest,
    /// When it was recorded.
    pub at: Timestamp,
}
