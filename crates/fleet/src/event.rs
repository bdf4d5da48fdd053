//! Events on a device: what happened to it or what it reported, kept once per kind.
//!
//! As in Kubernetes, an event that repeats is one event with a count and its first and last time. A device that retries
//! every ten seconds thus pushes nothing else out of the bounded list.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Who says so. The bound on kept events counts for each origin, so that no device can push out the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The server observed it.
    Server,
    /// The device reported it in a heartbeat.
    Device,
}

/// How serious it is, as Kubernetes names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// For information.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Something that happened, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who says so.
    pub origin: Origin,
    /// Events of one origin and kind are one event with a count.
    pub kind: String,
    /// How serious it is.
    pub severity: Severity,
    /// One word in CamelCase, for programs.
    pub reason: String,
    /// A sentence for people; of repeated events the latest is kept.
    pub message: String,
}

/// An event as it is kept: all its repetitions in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedEvent {
    /// Who says so.
    pub origin: Origin,
    /// Key of repetitions.
    pub kind: String,
    /// How serious it is.
    pub severity: Severity,
    /// One word for programs.
    pub reason: String,
    /// The latest message.
    pub message: String,
    /// How often it happened.
    pub count: u64,
    /// When it happened first.
    pub first: Timestamp,
    /// When it happened last.
    pub last: Timestamp,
}

impl Event {
    /// Something that the server observed; its reason is its kind.
    pub fn server(severity: Severity, reason: &str, message: impl Into<String>) -> Self {
        Self {
            origin: Origin::Server,
            kind: reason.to_owned(),
            severity,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    /// Something that a device reported. Only `warn` is a warning, as in Flotta; the same words are the same kind.
    pub fn device(info: &contract::EventInfo) -> Self {
        let mut hash = Sha256::new();
        for part in [&info.r#type, &info.reason, &info.message] {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self {
            origin: Origin::Device,
            kind: crate::hex(&hash.finalize()[..16]),
            severity: if info.r#type == "warn" {
                Severity::Warning
            } else {
                Severity::Normal
            },
            reason: info.reason.clone(),
            message: info.message.clone(),
        }
    }
}
