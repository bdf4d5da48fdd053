//! Two machines with one id: what shows it, and the condition that says so.
//!
//! Cloned disks carry one `/etc/machine-id`. The machines then speak as one device, and what it
//! reports jumps between their values: each value *returns* soon after it was replaced. One return
//! of a host name or serial number is proof enough to say so. An applied version also returns when
//! a configuration is taken back, so of it two returns in a row are asked for. Nothing is ever
//! disconnected for it.

use std::collections::BTreeMap;

use contract::{HeapSize, heap_size};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock;

/// Returns of a value count as one alternation only within this span.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// So many values before the current one are remembered: more machines than that do not share an id
/// by accident.
const REMEMBERED: usize = 4;

/// Longest value that is remembered, in characters; what is longer is compared by its beginning.
const LONGEST: usize = 128;

/// Names that a machine has while it has none, and what the agent writes where the firmware tells
/// no serial number.
const SAYS_NOTHING: [&str; 3] = ["localhost", "localhost.localdomain", "unknown"];

/// The condition ends when nothing showed it for this long.
pub const EVIDENCE_LASTS: SignedDuration = SignedDuration::from_hours(1);

/// What could differ between two machines of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trait {
    /// A registration with a key that is not the device's was refused.
    Key,
    /// `hostname` of the hardware.
    Hostname,
    /// `serial_number` of the system vendor.
    SystemSerial,
    /// Version of the configuration that was applied last.
    AppliedVersion,
}

impl Trait {
    /// The name as a person reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Hostname => "hostname",
            Self::SystemSerial => "system serial",
            Self::AppliedVersion => "applied version",
        }
    }

    /// How many returns in a row are proof.
    fn proof(self) -> u32 {
        match self {
            Self::AppliedVersion => 2,
            Self::Key | Self::Hostname | Self::SystemSerial => 1,
        }
    }
}

/// What was seen of the traits, kept with the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityTrail {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trails: BTreeMap<Trait, Trail>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    evidence: BTreeMap<Trait, Evidence>,
}

impl HeapSize for Trait {
    fn heap_size(&self) -> usize {
        0
    }
}

heap_size! {
    IdentityTrail { trails, evidence }
    Trail { current, before; returns }
    Former { value; until }
    Evidence { values; first, last }
}

/// The last values of one trait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trail {
    current: String,
    /// Those before it, latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<Former>,
    /// How many of the last changes in a row were returns.
    #[serde(default)]
    returns: u32,
}

/// A value that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    value: String,
    /// When it was.
    until: Timestamp,
}

impl Trail {
    /// Another value than the current one came.
    fn change(&mut self, value: &str, now: Timestamp) {
        let former = self.before.iter().position(|former| former.value == value);
        let former = former.map(|index| self.before.remove(index));
        let returned = former.is_some_and(|former| now.duration_since(former.until) <= WINDOW);
        self.returns = if returned {
            self.returns.saturating_add(1)
        } else {
            0
        };
        let replaced = std::mem::replace(&mut self.current, value.to_owned());
        self.before.insert(
            0,
            Former {
                value: replaced,
                until: now,
            },
        );
        self.before.truncate(REMEMBERED);
    }

    /// All values that were current within the window, sorted.
    fn values(&self, now: Timestamp) -> Vec<String> {
        let recent = self
            .before
            .iter()
            .filter(|former| now.duration_since(former.until) <= WINDOW);
        let mut values: Vec<String> = recent.map(|former| former.value.clone()).collect();
        values.push(self.current.clone());
        values.sort();
        values
    }
}

/// What showed that two machines use one id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The values, or the refused key.
    pub values: Vec<String>,
    /// When it was seen first.
    pub first: Timestamp,
    /// When it was seen last.
    pub last: Timestamp,
}

/// The condition `DuplicateIdentity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateIdentity {
    /// Since when.
    pub since: Timestamp,
    /// What differs, in a sentence.
    pub message: String,
}

impl IdentityTrail {
    /// A heartbeat showed this value. True if it is a further proof of two machines.
    pub fn observe(&mut self, what: Trait, value: &str, now: Timestamp) -> bool {
        let value: String = value.chars().take(LONGEST).collect();
        if value.is_empty() || SAYS_NOTHING.contains(&value.as_str()) {
            return false;
        }
        let Some(trail) = self.trails.get_mut(&what) else {
            let trail = Trail {
                current: value,
                before: Vec::new(),
                returns: 0,
            };
            self.trails.insert(what, trail);
            return false;
        };
        if trail.current == value {
            return false;
        }
        trail.change(&value, now);
        if trail.returns < what.proof() {
            return false;
        }
        let values = trail.values(now);
        self.prove(what, values, now);
        true
    }

    /// A registration with a key that is not the device's was refused.
    pub fn foreign_key(&mut self, fingerprint: &str, now: Timestamp) {
        self.prove(Trait::Key, vec![fingerprint.to_owned()], now);
    }

    /// An administrator settled it: what was seen so far proves nothing any more.
    pub fn settle(&mut self) {
        *self = Self::default();
    }

    /// Makes each time what it counts as at `now`, see [`clock`].
    pub(crate) fn settle_times(&mut self, now: Timestamp) {
        let former = self.trails.values_mut().flat_map(|trail| &mut trail.before);
        clock::settle_all(former.map(|former| &mut former.until), now);
        for evidence in self.evidence.values_mut() {
            clock::settle_all([&mut evidence.first, &mut evidence.last], now);
        }
    }

    fn prove(&mut self, what: Trait, values: Vec<String>, now: Timestamp) {
        let entry = self.evidence.entry(what).or_insert_with(|| Evidence {
            values: Vec::new(),
            first: now,
            last: now,
        });
        if now.duration_since(entry.last) >= EVIDENCE_LASTS {
            entry.first = now;
        }
        entry.values = values;
        entry.last = entry.last.max(now);
    }

    /// The condition, if it holds at `now`.
    pub fn duplicate(&self, now: Timestamp) -> Option<DuplicateIdentity> {
        let fresh: Vec<_> = self
            .evidence
            .iter()
            .filter(|(_, evidence)| now.duration_since(evidence.last) < EVIDENCE_LASTS)
            .collect();
        let since = fresh.iter().map(|(_, evidence)| evidence.first).min()?;
        let parts: Vec<String> = fresh
            .iter()
            .map(|(what, evidence)| match what {
                Trait::Key => {
                    format!(
                        "a registration with the foreign key {} was refused",
                        evidence.values.join(", ")
                    )
                }
                _ => format!(
                    "its {} alternates between {}",
                    what.as_str(),
                    evidence.values.join(" and ")
                ),
            })
            .collect();
        Some(DuplicateIdentity {
            since,
            message: format!("two machines may be using this id: {}", parts.join("; ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn two_hosts_that_take_turns_are_found_and_named() {
        let mut trail = IdentityTrail::default();
        let found: Vec<bool> = [(0, "a"), (30, "b"), (60, "a"), (90, "b"), (120, "a")]
            .iter()
            .map(|&(second, host)| trail.observe(Trait::Hostname, host, at(second)))
            .collect();
        assert_eq!(found, [false, false, true, true, true]);
        let condition = trail.duplicate(at(150)).unwrap();
        assert_eq!(
            condition.message,
            "two machines may be using this id: its hostname alternates between a and b"
        );
        assert_eq!(trail.duplicate(at(120) + EVIDENCE_LASTS), None);
    }

    #[test]
    fn a_change_that_is_taken_back_once_proves_nothing() {
        let mut trail = IdentityTrail::default();
        for (second, version) in [(0, "1"), (1, "2"), (2, "1")] {
            assert!(!trail.observe(Trait::AppliedVersion, version, at(second)));
        }
        assert_eq!(trail.duplicate(at(3)), None);
    }

    #[test]
    fn slow_returns_and_empty_values_prove_nothing() {
        let mut trail = IdentityTrail::default();
        for n in 0..6 {
            let host = if n % 2 == 0 { "a" } else { "b" };
            assert!(!trail.observe(Trait::Hostname, host, at(n * (WINDOW.as_secs() + 1))));
            assert!(!trail.observe(Trait::SystemSerial, "", at(n)));
        }
    }
}
