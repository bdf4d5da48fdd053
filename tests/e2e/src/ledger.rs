//! What a device was told, held against what the store has: event by event, key by key.
//!
//! An acknowledged write must be there exactly once. One that was not acknowledged may be there,
//! once: the answer may have been lost, or the Edge API's next try of the same heartbeat may have
//! succeeded. Anything else was made up.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use testkit::device::{Acknowledged, Device, heartbeat_with_event, quiet_heartbeat};

use crate::Held;

/// How old last-seen times may be after a crash.
pub const TIMES_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// A way in which the store differs from what the device was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// The device.
    pub device: String,
    /// Which way.
    pub kind: Kind,
    /// Of what.
    pub what: String,
}

/// In which way the store differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was acknowledged and is not there.
    Lost,
    /// It is there more than once.
    Doubled,
    /// It was never sent.
    Invented,
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}: {}", self.device, self.kind, self.what)
    }
}

/// A device that gives each event a reason of its own and remembers which it has sent.
#[derive(Debug)]
pub struct Member {
    /// The device; its record says what was acknowledged.
    pub device: Device,
    sent: u64,
    /// When it sent each heartbeat that was acknowledged since [`Member::forget_beats`], oldest
    /// first.
    beats: Vec<Timestamp>,
}

impl Member {
    /// A device that has sent no events yet.
    pub fn new(device: Device) -> Self {
        Self {
            device,
            sent: 0,
            beats: Vec::new(),
        }
    }

    /// Sends a heartbeat with a new event. Whether it was acknowledged.
    pub async fn report(&mut self) -> Result<bool> {
        let reason = reason(self.device.id(), self.sent);
        self.sent += 1;
        self.beat(heartbeat_with_event("info", &reason, "something new happened"))
            .await
    }

    /// Sends a heartbeat that says nothing but that the device is there. Whether it was
    /// acknowledged.
    pub async fn stay(&mut self) -> Result<bool> {
        self.beat(quiet_heartbeat()).await
    }

    async fn beat(&mut self, content: serde_json::Value) -> Result<bool> {
        let sent = Timestamp::now();
        let answer = self.device.heartbeat(content).await?;
        ensure!(
            matches!(answer.status, 200 | 500),
            "a heartbeat was answered {} {}",
            answer.status,
            answer.text()
        );
        let acknowledged = answer.status == 200;
        if acknowledged {
            self.beats.push(sent);
        }
        Ok(acknowledged)
    }

    /// Times that an earlier crash was allowed to lose are lost.
    pub fn forget_beats(&mut self) {
        self.beats.clear();
    }

    /// When the first and the last heartbeat that was acknowledged were sent.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((*self.beats.first()?, *self.beats.last()?))
    }

    /// What is wrong with what the store holds of this device.
    pub fn compare(&self, held: Option<&Held>) -> Result<Vec<Discrepancy>> {
        let mut found = Vec::new();
        let mut tell = |kind, what: String| {
            found.push(Discrepancy {
                device: self.device.id().to_owned(),
                kind,
                what,
            });
        };
        let mut stored = held.map(device_events).transpose()?.unwrap_or_default();
        let keys = held.map(Held::keys).unwrap_or_default();
        let mut acknowledged = Vec::new();
        for told in self.device.record() {
            match told {
                Acknowledged::Enrolment { .. } if held.is_none() => tell(Kind::Lost, "its enrolment".into()),
                Acknowledged::Enrolment { status: 208 }
                    if held.is_some_and(|held| held.phase() != "approved") =>
                {
                    tell(Kind::Lost, "its approval".into());
                }
                Acknowledged::Registration { key } if !keys.contains(key) => {
                    tell(Kind::Lost, format!("its registration with the key {key}"));
                }
                Acknowledged::Heartbeat(content) => {
                    acknowledged.extend(
                        content
                            .pointer("/events/0/reason")
                            .and_then(|reason| reason.as_str()),
                    );
                }
                _ => {}
            }
        }
        for reason in acknowledged {
            if !stored.contains_key(reason) {
                tell(Kind::Lost, format!("event {reason}"));
            }
        }
        for sent in 0..self.sent {
            let reason = reason(self.device.id(), sent);
            if stored.remove(&reason).is_some_and(|count| count != 1) {
                tell(Kind::Doubled, format!("event {reason}"));
            }
        }
        for reason in stored.into_keys() {
            tell(Kind::Invented, format!("event {reason}"));
        }
        Ok(found)
    }

    /// Checks the time of the last heartbeat in the store after a crash: no heartbeat older than
    /// five seconds then is missing.
    pub fn check_times(&self, held: &Held, crashed: Timestamp) -> Result<()> {
        let must_be_there = self
            .beats
            .iter()
            .rev()
            .find(|beat| crashed.duration_since(**beat) > TIMES_WITHIN);
        must_be_there.map_or(Ok(()), |beat| self.check_seen_since(held, *beat))
    }

    /// Checks that no acknowledged heartbeat is newer than what the store says.
    pub fn check_last_time(&self, held: &Held) -> Result<()> {
        self.beats
            .last()
            .map_or(Ok(()), |beat| self.check_seen_since(held, *beat))
    }

    fn check_seen_since(&self, held: &Held, beat: Timestamp) -> Result<()> {
        let stored = held
            .at("/presence/beat")
            .as_str()
            .context("the store has no time of a heartbeat")?;
        let stored: Timestamp = stored.parse()?;
        ensure!(
            stored >= beat,
            "the store saw {} last at {stored}, but a heartbeat of {beat} was acknowledged",
            self.device.id()
        );
        Ok(())
    }
}

fn reason(device: &str, number: u64) -> String {
    format!("{device}-{number}")
}

/// Events that the device reported: reason and count. Reasons are unique, so a second kind of one
/// counts as a repetition.
fn device_events(held: &Held) -> Result<BTreeMap<String, u64>> {
    let events = held
        .at("/events")
        .as_array()
        .context("a device has a list of events")?;
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| event["origin"] == "device") {
        let reason = event["reason"].as_str().context("an event has a reason")?;
        let count = event["count"].as_u64().context("an event has a count")?;
        *counts.entry(reason.to_owned()).or_insert(0) += count;
    }
    Ok(counts)
}
