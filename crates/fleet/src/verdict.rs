//! What a rule returns: an answer, and what has to be recorded before the answer may be given.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{Admission, Device, Epoch, Event, Life, Policy, Presence, Report};

/// What a rule may look at beside the device.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// Whom the fleet takes in now.
    pub admission: Admission,
    /// The store's present epoch.
    pub epoch: Epoch,
    /// Since when this server has served devices without interruption: nobody can be missed who
    /// could not be heard.
    pub serving_since: Timestamp,
    /// The time of the request.
    pub now: Timestamp,
}

/// An answer and its price.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict<A> {
    /// What is answered, once the change is recorded.
    pub answer: A,
    /// What has to be recorded first.
    pub change: Change,
}

/// What a rule wants recorded of one device. Empty parts stay as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// New decisions.
    pub life: Option<Life>,
    /// A new report.
    pub report: Option<Report>,
    /// New times. Alone they may reach the store late; see [`Change::is_times_only`].
    pub presence: Option<Presence>,
    /// What happened.
    pub events: Vec<Event>,
}

impl<A> Verdict<A> {
    /// An answer that changes nothing.
    pub fn only(answer: A) -> Self {
        Self {
            answer,
            change: Change::default(),
        }
    }
}

impl Change {
    /// Nothing to record.
    pub fn is_empty(&self) -> bool {
        self.is_times_only() && self.presence.is_none()
    }

    /// Nothing but times: the answer need not wait for the store.
    pub fn is_times_only(&self) -> bool {
        self.life.is_none() && self.report.is_none() && self.events.is_empty()
    }

    /// The device with this change applied.
    #[must_use]
    pub fn apply(&self, device: &Device) -> Device {
        Device {
            id: device.id.clone(),
            life: self.life.clone().map_or_else(|| device.life.clone(), Arc::new),
            report: self
                .report
                .clone()
                .map_or_else(|| device.report.clone(), Arc::new),
            presence: self
                .presence
                .map_or(device.presence, |presence| device.presence.join(presence)),
        }
    }
}
