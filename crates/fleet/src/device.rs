//! What the fleet knows about one device id, in the two documents in which it is kept.
//!
//! [`Life`] is what was decided about the device and changes rarely; [`Report`] is what the device
//! says of itself and changes with heartbeats. [`Presence`] is the third part: times only, written
//! seldom.

use std::{collections::BTreeMap, sync::Arc};

use contract::{Cut, DeviceId, Namespace};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    AUTOMATIC_APPROVAL, Connectivity, Context, Delivery, Presence, Report, Watch, clock,
    key_gate::Registration, labels,
};

/// Everything that is known about one device id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// The canonical, lower-case id; unique in the fleet, whatever the namespace.
    pub id: DeviceId,
    /// What was decided about it. Shared: a poll looks at it without copying it.
    pub life: Arc<Life>,
    /// What it says of itself. Shared, for the same reason.
    pub report: Arc<Report>,
    /// When it was last heard.
    pub presence: Presence,
}

/// What was decided about a device, and what it asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// The spelling of the id that was used last, for display.
    pub spelling: String,
    /// Approved: where the device lives. Waiting or rejected: where it asked to be. Deleted: where
    /// it was.
    pub namespace: Namespace,
    /// Where in its life it is.
    pub state: State,
    /// Its latest request to join, if it ever made one here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<EnrolmentRequest>,
    /// The registration gate: which keys may register.
    #[serde(default)]
    pub registration: Registration,
    /// It was adopted: a backend before this one has it too, so it may register while the fleet is
    /// on hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_over: bool,
    /// Labels given by an administrator. Those that follow from hardware are in the report, those
    /// of a manifest in the manifest; see [`labels::join`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub assigned_labels: BTreeMap<String, String>,
    /// Labels given by its approval.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approval_labels: BTreeMap<String, String>,
    /// Which configuration it is to have, and which it has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub delivery: Delivery,
}

/// Where a device is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "camelCase")]
pub enum State {
    /// It has enrolled and waits for a person.
    #[serde(rename_all = "camelCase")]
    Waiting {
        /// Since when.
        since: Timestamp,
        /// It was removed by an administrator before, so even automatic approval waits for a
        /// person.
        #[serde(default)]
        returned: bool,
    },
    /// A person said no; it waits until a person says otherwise.
    #[serde(rename_all = "camelCase")]
    Rejected {
        /// When.
        at: Timestamp,
        /// Who said so.
        by: String,
    },
    /// It belongs to the fleet.
    #[serde(rename_all = "camelCase")]
    Approved {
        /// When it was approved or adopted.
        at: Timestamp,
        /// Who did, `automatic approval` if no person.
        by: String,
        /// Its configuration is withheld, since what it runs is not known here: set by adoption.
        #[serde(default)]
        configuration_withheld: bool,
    },
    /// An administrator deleted it; what remains is its tombstone.
    Deleted(Tombstone),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Device {
    /// Its labels of all origins; `manifest` are those of its EdgeDevice document.
    pub fn labels(&self, manifest: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let life = &self.life;
        labels::join(
            &self.report.hardware_labels,
            &life.approval_labels,
            manifest,
            &life.assigned_labels,
        )
    }

    /// With the times at which it was heard as what they count as at `now`, see [`clock`]. Whoever
    /// keeps devices gives them to rules so.
    #[must_use]
    pub fn settled(self, now: Timestamp) -> Self {
        Self {
            presence: self.presence.settled(now),
            ..self
        }
    }

    /// Whether there is more to this approved device than its request to join: a person or a
    /// document has named it, or it has polled since, for which it needs the certificate that it
    /// registered for. Whoever may enrol can invent ids, with automatic approval they are approved,
    /// and anybody with a certificate of this Flotta can send heartbeats in their name.
    pub fn is_vouched_for(&self) -> bool {
        let State::Approved { at, by, .. } = &self.life.state else {
            return false;
        };
        by != AUTOMATIC_APPROVAL
            || self.life.registration.seen.is_some()
            || self.presence.polled.is_some_and(|polled| polled >= *at)
    }

    /// Whether it is heard at `context.now`; see [`Life::connectivity`].
    pub fn connectivity(&self, context: &Context<'_>) -> Option<Connectivity> {
        self.life.connectivity(&self.presence, context)
    }
}

impl Life {
    /// Whether the device of this life, last heard at these times, is heard at `context.now`.
    /// `None` once it was deleted: it is to fall silent, so its silence is no news, and that it was
    /// heard before says nothing of it now.
    pub fn connectivity(&self, presence: &Presence, context: &Context<'_>) -> Option<Connectivity> {
        let is_deleted = matches!(self.state, State::Deleted(_));
        (!is_deleted).then(|| Watch::of(context).connectivity(presence, self.delivery.applied_period()))
    }
}

/// Name of a [`State`] without its details, for lists, columns and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// [`State::Waiting`].
    Waiting,
    /// [`State::Rejected`].
    Rejected,
    /// [`State::Approved`].
    Approved,
    /// [`State::Deleted`].
    Deleted,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Rejected, Self::Approved, Self::Deleted];

    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
            Self::Approved => "approved",
            Self::Deleted => "deleted",
        }
    }
}

impl State {
    /// With the time of an approval as what it counts as at `now`, see [`clock`]: what came since
    /// is told apart from what was before. The times of a tombstone are judged where they are used.
    #[must_use]
    pub(crate) fn settled(&self, now: Timestamp) -> Self {
        let mut settled = self.clone();
        if let Self::Approved { at, .. } = &mut settled {
            clock::settle(at, now);
        }
        settled
    }

    /// The name of this state.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Waiting { .. } => Phase::Waiting,
            Self::Rejected { .. } => Phase::Rejected,
            Self::Approved { .. } => Phase::Approved,
            Self::Deleted(_) => Phase::Deleted,
        }
    }
}

/// A device's request to join the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentRequest {
    /// When this request was first made. Repetitions change nothing.
    pub at: Timestamp,
    /// Where the device asked to be.
    pub namespace: Namespace,
    /// What it said about itself, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<contract::Features>,
    /// The fields of which it said more than is kept.
    #[serde(default, skip_serializing_if = "Cut::is_empty")]
    pub cut: Cut,
}

/// What remains of a device that an administrator deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    /// When it was deleted.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What a later enrolment means.
    pub mode: DeletionMode,
    /// The store's epoch in which the deletion was made, or confirmed. In any other epoch it
    /// disconnects nobody.
    pub epoch: Epoch,
    /// It was never approved here, so it holds no certificate of ours and nobody can tell it: its
    /// enrolment counts at once.
    #[serde(default)]
    pub never_approved: bool,
    /// When the device was first answered `unregistered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
    /// Until then a device that came back after a silence hears `unknown`, so that its enrolment
    /// can leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_until: Option<Timestamp>,
}

/// What a deletion means for a later enrolment of the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletionMode {
    /// It waits for a person, even with automatic approval.
    #[default]
    Remove,
    /// The ordinary rules apply.
    Forget,
}

impl DeletionMode {
    /// The word as it is given on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Forget => "forget",
        }
    }
}

/// A span of a store's life in which nothing that it acknowledged was taken back. A restored backup
/// begins a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub uuid::Uuid);

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
