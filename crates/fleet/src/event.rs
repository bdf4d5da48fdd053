//! Events on a device: what happened to it or what it reported, kept once per kind.
//!
//! As in Kubernetes, an event that repeats is one event with a count and its first and last time. A
//! device that retries every ten seconds thus pushes nothing else out of the bounded list.

use std::collections::HashMap;

use contract::{Bounds, EventInfo, Repeated, repeated};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many kinds of events of one report are recorded: as many as are kept of a device unless it
/// is set.
pub const MAX_REPORTED: usize = 256;

/// Longest reason of a device's that is kept, in bytes. It is one word.
const LONGEST_REASON: usize = 256;

/// Longest message of a device's that is kept, in bytes: what is read of any text. The agent's own
/// are a sentence with an error of podman's.
const LONGEST_MESSAGE: usize = Bounds::RECEIVED.text;

/// Who says so. The bound on kept events counts for each origin, so that no device can push out the
/// server's.
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

/// Something that happened.
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
    /// How often it happened.
    pub count: u64,
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
            count: 1,
        }
    }

    /// Something that a device reported. Only `warn` is a warning, as in Flotta; the same words are
    /// the same kind. What is kept of them is cut.
    pub fn device(info: &EventInfo) -> Self {
        Self::told(info, repeated::Kind::of(info), 1)
    }

    /// The same, told so often; `info` may have been cut, and the kind was not.
    fn told(info: &EventInfo, kind: repeated::Kind, count: u64) -> Self {
        Self {
            origin: Origin::Device,
            kind: sha256::hexadecimal(&kind.0),
            severity: if info.r#type == "warn" {
                Severity::Warning
            } else {
                Severity::Normal
            },
            reason: repeated::cut(&info.reason, LONGEST_REASON),
            message: repeated::cut(&info.message, LONGEST_MESSAGE),
            count,
        }
    }
}

impl From<&EventInfo> for Event {
    fn from(info: &EventInfo) -> Self {
        Self::device(info)
    }
}

impl From<&Repeated> for Event {
    fn from(told: &Repeated) -> Self {
        Self::told(&told.event, told.kind, told.count)
    }
}

/// The events of one report, those of the same words added up, and whether all of them are there:
/// of more than [`MAX_REPORTED`] kinds the last are kept. As many as there are rows to write, so
/// that one report never takes the time in which all others are written.
pub(crate) fn added_up(reported: impl Iterator<Item = Event>) -> (Vec<Event>, bool) {
    let mut events: Vec<Event> = Vec::new();
    let mut places = HashMap::new();
    for event in reported {
        if let Some(&place) = places.get(&event.kind) {
            let known: &mut Event = &mut events[place];
            known.count = known.count.saturating_add(event.count);
        } else {
            places.insert(event.kind.clone(), events.len());
            events.push(event);
        }
    }
    let excess = events.len().saturating_sub(MAX_REPORTED);
    events.drain(..excess);
    (events, excess == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_of_a_device_its_beginning_is_kept() {
        let info = |message: String| EventInfo {
            r#type: "warn".into(),
            reason: "Failed".into(),
            message,
        };
        let whole = Event::device(&info("é".repeat(LONGEST_MESSAGE / 2)));
        assert_eq!(whole.message.len(), LONGEST_MESSAGE);
        let long = Event::device(&info("é".repeat(LONGEST_MESSAGE)));
        assert!(long.message.ends_with("é…"));
        assert!((LONGEST_MESSAGE - 3..=LONGEST_MESSAGE).contains(&long.message.len()));
        let other = Event::device(&info("é".repeat(LONGEST_MESSAGE) + "another end"));
        assert_eq!(long.message, other.message);
        assert_ne!(long.kind, other.kind, "another text is another event");
    }
}
