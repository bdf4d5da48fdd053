//! What an administrator sees of a device.

use std::collections::BTreeMap;

use contract::{DeviceId, Namespace};
use fleet::{
    AppliedBy, Connectivity, Context, Delivery, Device, EnrolmentRequest, Phase, Presence, RecordedEvent,
    Report, State, Stray,
    condition::{Condition, conditions},
    key_gate::Registration,
};
use serde::{Deserialize, Serialize};
use store::{Listed, Revision, Unreadable};

use super::inspection::Inspected;

/// One device, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// The canonical id.
    pub id: DeviceId,
    /// The spelling that was used last.
    pub spelling: String,
    /// Where it lives, asked to be, or was.
    pub namespace: Namespace,
    /// Where in its life it is, with details.
    pub state: State,
    /// Whether it is heard; absent once it was deleted.
    pub connectivity: Option<Connectivity>,
    /// What a person should know.
    pub conditions: Vec<Condition>,
    /// Its request to join.
    pub enrolment: Option<EnrolmentRequest>,
    /// Which configuration it is to have, and which it has.
    pub delivery: Delivery,
    /// How it is known that it has what it is to have; absent if it is not known.
    pub applied_by: Option<AppliedBy>,
    /// The version of the configuration that it gets at its next poll, where it gets one. As
    /// manifests change it is ahead of the one that it is to have as of its last poll.
    #[serde(default)]
    pub offered: Option<String>,
    /// Keys that may register.
    pub registration: Registration,
    /// Whether any key could register now.
    pub registration_open: bool,
    /// Labels from hardware, and those given by an administrator, which win.
    pub labels: BTreeMap<String, String>,
    /// What it says of itself.
    pub report: Report,
    /// When it was heard.
    pub presence: Presence,
    /// Position of its last change in the change feed.
    pub revision: Revision,
    /// What happened, latest first.
    pub events: Vec<RecordedEvent>,
}

/// A device in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedView {
    /// The canonical id.
    pub id: DeviceId,
    /// Where it lives, asked to be, or was.
    pub namespace: Namespace,
    /// Where in its life it is.
    pub phase: Phase,
    /// Where in its life it is, with details.
    pub state: State,
    /// Whether it is heard; absent once it was deleted.
    pub connectivity: Option<Connectivity>,
    /// When it was heard.
    pub presence: Presence,
    /// Deleted before the store was restored, and not confirmed since.
    pub earlier_epoch: bool,
}

/// A device that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableView {
    /// Its id as it is stored, which may be none.
    pub id: String,
    /// Why not, one sentence.
    pub unreadable: String,
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ListEntry {
    /// A device.
    Device(Box<ListedView>),
    /// One that cannot be read.
    Unreadable(UnreadableView),
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedPage {
    /// In the order of their ids.
    pub devices: Vec<ListEntry>,
    /// After this id there may be more; absent at the end. It is told as it is stored, and may be
    /// none.
    pub next: Option<String>,
}

/// An id that was heard and is no approved device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StrayView {
    /// What was heard.
    #[serde(flatten)]
    pub stray: Stray,
    /// What is known of the id; absent for one never enrolled here.
    pub phase: Option<Phase>,
}

impl DeviceView {
    pub(super) fn new(
        device: &Device,
        revision: Revision,
        events: Vec<RecordedEvent>,
        inspected: Inspected,
        context: &Context<'_>,
    ) -> Self {
        let (life, report) = (&device.life, &device.report);
        Self {
            id: device.id.clone(),
            spelling: life.spelling.clone(),
            namespace: life.namespace.clone(),
            state: life.state.clone(),
            connectivity: device.connectivity(context),
            conditions: conditions(device, inspected.conditions, context),
            enrolment: life.enrolment.clone(),
            delivery: life.delivery.clone(),
            applied_by: life.delivery.applied_by(),
            offered: inspected.offered,
            registration: life.registration.clone(),
            registration_open: life.registration.open(context.now) && life.state.phase() == Phase::Approved,
            labels: inspected.labels,
            report: (**report).clone(),
            presence: device.presence,
            revision,
            events,
        }
    }
}

impl ListEntry {
    pub(super) fn new(entry: Result<Listed, Unreadable>, context: &Context<'_>) -> Self {
        match entry {
            Ok(listed) => Self::Device(Box::new(ListedView::new(listed, context))),
            Err(Unreadable { id, reason }) => Self::Unreadable(UnreadableView {
                id,
                unreadable: reason,
            }),
        }
    }

    /// The id as it is stored.
    pub fn id(&self) -> &str {
        match self {
            Self::Device(device) => device.id.as_str(),
            Self::Unreadable(unreadable) => &unreadable.id,
        }
    }

    /// The device, if it can be read.
    pub fn device(self) -> Option<ListedView> {
        match self {
            Self::Device(device) => Some(*device),
            Self::Unreadable(_) => None,
        }
    }
}

impl ListedView {
    pub(super) fn new(listed: Listed, context: &Context<'_>) -> Self {
        let earlier_epoch = matches!(&listed.life.state, State::Deleted(tombstone)
            if fleet::condition::of_earlier_epoch(tombstone, context));
        Self {
            phase: listed.life.state.phase(),
            connectivity: listed.life.connectivity(&listed.presence, context),
            namespace: listed.life.namespace,
            state: listed.life.state,
            presence: listed.presence,
            id: listed.id,
            earlier_epoch,
        }
    }
}
