//! A store in memory, as simple as it can be said: what the real ones are compared with.

use std::collections::BTreeMap;

use contract::DeviceId;
use fleet::{Device, Origin, Phase, RecordedEvent, Report, Stray};
use flotta_store::{Bounds, Revision, Sighting, Stored, Write, WriteGuard};

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) bounds: Bounds,
    pub(crate) devices: BTreeMap<DeviceId, Stored>,
    pub(crate) events: BTreeMap<(DeviceId, Origin, String), RecordedEvent>,
    pub(crate) strays: BTreeMap<DeviceId, Stray>,
}

/// As it is stored.
fn body(event: &RecordedEvent) -> String {
    let RecordedEvent {
        severity,
        reason,
        message,
        ..
    } = event;
    serde_json::json!({"severity": severity, "reason": reason, "message": message}).to_string()
}

impl Model {
    /// True if the write was made; the revision is the store's choice.
    pub(crate) fn commit(&mut self, write: &Write, chosen: Option<Revision>) -> bool {
        let present = self.devices.get(&write.id);
        let passes = match write.guard {
            WriteGuard::Absent => present.is_none(),
            WriteGuard::At(revision) => present.is_some_and(|stored| stored.revision == revision),
            // Nothing is damaged here.
            WriteGuard::Unreadable => false,
        };
        let Some(revision) = chosen.filter(|_| passes) else {
            return false;
        };
        let before = present.cloned();
        let mut device = match before {
            Some(stored) => {
                assert!(revision > stored.revision, "the revision must grow");
                stored.device
            }
            None => Device {
                id: write.id.clone(),
                life: write.life.clone().unwrap(),
                report: Report::default().into(),
                presence: fleet::Presence::default(),
            },
        };
        if let Some(life) = &write.life {
            device.life = life.clone();
        }
        if let Some(report) = &write.report {
            device.report = report.clone();
        }
        if let Some(presence) = write.presence {
            device.presence = device.presence.join(presence);
        }
        if write.life.is_some() && device.life.state.phase() == Phase::Approved {
            self.strays.remove(&write.id);
        }
        self.devices.insert(write.id.clone(), Stored { device, revision });
        self.count_events(write);
        true
    }

    fn count_events(&mut self, write: &Write) {
        for event in &write.events {
            let key = (write.id.clone(), event.origin, event.kind.clone());
            let recorded = self.events.entry(key).or_insert_with(|| RecordedEvent {
                origin: event.origin,
                kind: event.kind.clone(),
                severity: event.severity,
                reason: event.reason.clone(),
                message: event.message.clone(),
                count: 0,
                first: write.at,
                last: write.at,
            });
            recorded.count += event.count;
            recorded.first = recorded.first.min(write.at);
            if write.at >= recorded.last {
                recorded.last = write.at;
                recorded.severity = event.severity;
                recorded.reason.clone_from(&event.reason);
                recorded.message.clone_from(&event.message);
            }
        }
        for origin in [Origin::Server, Origin::Device] {
            if write.events.iter().any(|event| event.origin == origin) {
                let mut of_origin = self.events_of(&write.id);
                of_origin.retain(|event| event.origin == origin);
                let mut bytes = 0;
                for (place, event) in of_origin.into_iter().enumerate() {
                    bytes += event.kind.len() + body(&event).len();
                    if place >= self.bounds.events || (place > 0 && bytes > self.bounds.event_bytes) {
                        self.events.remove(&(write.id.clone(), origin, event.kind));
                    }
                }
            }
        }
    }

    pub(crate) fn observe(&mut self, sightings: &[Sighting], strays: &[Stray]) {
        for sighting in sightings {
            if let Some(stored) = self.devices.get_mut(&sighting.id) {
                stored.device.presence = stored.device.presence.join(sighting.presence);
            }
        }
        for stray in strays {
            let device = self.devices.get(&stray.id);
            if device.is_some_and(|stored| stored.device.life.state.phase() == Phase::Approved) {
                continue;
            }
            let joined = match self.strays.remove(&stray.id) {
                Some(kept) => kept.join(stray.clone()),
                None => stray.clone(),
            };
            self.strays.insert(stray.id.clone(), joined);
        }
        for stray in self.strays_latest_first().into_iter().skip(self.bounds.strays) {
            self.strays.remove(&stray.id);
        }
    }

    /// Latest first, then in the order that both stores use for what happened at once.
    pub(crate) fn events_of(&self, id: &DeviceId) -> Vec<RecordedEvent> {
        let mut events: Vec<_> = self
            .events
            .iter()
            .filter(|(key, _)| key.0 == *id)
            .map(|(_, event)| event.clone())
            .collect();
        let name = |origin: Origin| u8::from(origin == Origin::Server);
        events.sort_by(|a, b| {
            b.last
                .cmp(&a.last)
                .then(name(a.origin).cmp(&name(b.origin)))
                .then(a.kind.cmp(&b.kind))
        });
        events
    }

    pub(crate) fn strays_latest_first(&self) -> Vec<Stray> {
        let mut strays: Vec<_> = self.strays.values().cloned().collect();
        strays.sort_by(|a, b| b.last.cmp(&a.last).then(a.id.cmp(&b.id)));
        strays
    }
}
