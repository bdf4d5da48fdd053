//! Heard from, but not ours: ids that speak to the server and are no approved device.
//!
//! A device that the store lost keeps running, gets an error on every call and never enrols again
//! by itself. Without this list nobody would know.

use contract::{DeviceId, Namespace};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The operations of the Edge Configuration API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// `POST .../enrolment`
    Enrolment,
    /// `GET .../registration`
    RegistrationStatus,
    /// `PUT .../registration`
    Registration,
    /// `GET .../configuration`
    Configuration,
    /// `PUT .../heartbeat`
    Heartbeat,
    /// `GET .../playbookexecutions`
    Playbooks,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Enrolment,
        Self::RegistrationStatus,
        Self::Registration,
        Self::Configuration,
        Self::Heartbeat,
        Self::Playbooks,
    ];

    /// The name as it is stored, logged and counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::RegistrationStatus => "registration-status",
            Self::Registration => "registration",
            Self::Configuration => "configuration",
            Self::Heartbeat => "heartbeat",
            Self::Playbooks => "playbooks",
        }
    }
}

/// An id that speaks to the server and is no approved device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stray {
    /// The id.
    pub id: DeviceId,
    /// The namespace of its last request's path: where it was when its certificate was issued.
    pub namespace: Namespace,
    /// What it asked for last.
    pub operation: Operation,
    /// When it was first heard.
    pub first: Timestamp,
    /// When it was last heard.
    pub last: Timestamp,
    /// How often.
    pub count: u64,
}

impl Stray {
    /// One request.
    pub fn heard(id: DeviceId, namespace: Namespace, operation: Operation, now: Timestamp) -> Self {
        Self {
            id,
            namespace,
            operation,
            first: now,
            last: now,
            count: 1,
        }
    }

    /// The union of two sightings of one id, in any order.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let (older, newer) = if self.rank() <= other.rank() {
            (self, other)
        } else {
            (other, self)
        };
        Self {
            first: older.first.min(newer.first),
            count: older.count.saturating_add(newer.count),
            ..newer
        }
    }

    /// Of sightings at the same instant one has to be the newer, whichever is asked first.
    fn rank(&self) -> (Timestamp, Operation, &Namespace) {
        (self.last, self.operation, &self.namespace)
    }
}
