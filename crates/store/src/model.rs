//! The values that cross the boundary of a store.

use contract::{DeviceId, Namespace};
use fleet::{Connectivity, Device, Epoch, Event, Life, Phase, Presence, Report, Watch};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Position of a write in the change feed; grows with every write of a device.
///
/// Microseconds since the Unix epoch, moved on by one where the clock has not: no sequence is needed, and a value tells
/// when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

/// Which store this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Made once, with the store.
    pub id: Uuid,
    /// Made with the store, and anew when it is a restored backup.
    pub epoch: Epoch,
}

/// A device as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The device.
    pub device: Device,
    /// The revision to name in a write that is decided on it.
    pub revision: Revision,
}

/// What a write was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteGuard {
    /// The device was not known; the write must carry a [`Life`].
    Absent,
    /// The device was at this revision.
    At(Revision),
    /// The device is there and cannot be read; the write replaces it whole and must carry a [`Life`].
    Unreadable,
}

/// One change of one device.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which device.
    pub id: DeviceId,
    /// What it was decided on.
    pub guard: WriteGuard,
    /// New decisions, if they changed.
    pub life: Option<Life>,
    /// A new report, if it changed.
    pub report: Option<Report>,
    /// Times, joined into those that are kept.
    pub presence: Option<Presence>,
    /// What happened. Each is counted once, however often the write is tried.
    pub events: Vec<Event>,
    /// When.
    pub at: Timestamp,
}

/// Times of one device that are not worth a write of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which device.
    pub id: DeviceId,
    /// When it was heard.
    pub presence: Presence,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Begin after this id. One that cannot be read may have an id that is none.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A device in a list: without its report.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The canonical id.
    pub id: DeviceId,
    /// What was decided.
    pub life: Life,
    /// When it was heard.
    pub presence: Presence,
    /// Its revision.
    pub revision: Revision,
}

/// A device that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id as it is stored, which may be none.
    pub id: String,
    /// Why not, one sentence.
    pub reason: String,
}

/// The id that the next page begins after.
pub fn cursor(entry: &Result<Listed, Unreadable>) -> &str {
    match entry {
        Ok(listed) => listed.id.as_str(),
        Err(unreadable) => &unreadable.id,
    }
}

/// Which portion of a store is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Portion {
    /// Devices behind this id.
    Devices(String),
    /// Documents, renderings and sources.
    Documents,
    /// What SQLite itself finds wrong with its table of this number.
    Table(usize),
}

impl Portion {
    /// Where it begins.
    pub fn first() -> Self {
        Self::Devices(String::new())
    }
}

/// What a look at a portion has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// What is damaged, one sentence each.
    pub damaged: Vec<String>,
    /// How many rows were given the checksum that they lacked.
    pub summed: u64,
    /// What is to be looked at next; `None` at the end.
    pub next: Option<Portion>,
}

/// A row of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which device.
    pub id: DeviceId,
    /// Its revision now.
    pub revision: Revision,
}

/// How many devices there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// By phase; every phase is listed.
    pub phases: Vec<(Phase, u64)>,
    /// Approved devices by connectivity; every value is listed.
    pub connectivity: Vec<(Connectivity, u64)>,
    /// Ids heard that are no approved device.
    pub strays: u64,
    /// Tombstones that disconnect nobody until an administrator confirms them.
    pub tombstones_of_earlier_epochs: u64,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events per device and origin.
    pub events: usize,
    /// Bytes of them. The latest one stays, however long it is.
    pub event_bytes: usize,
    /// Age at which an event is removed.
    pub event_age: SignedDuration,
    /// Stray ids in all.
    pub strays: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            events: 256,
            event_bytes: 256 * 1024,
            event_age: SignedDuration::from_hours(24 * 30),
            strays: 10_000,
        }
    }
}

/// What `edge-config-server check` says about a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Its schema number; `None` if there is none yet, and a start would create it.
    pub schema: Option<u32>,
    /// The lowest program level that can work on it.
    pub oldest_program: u32,
    /// Which store it is.
    pub identity: Option<Identity>,
    /// Numbers of the migrations that a start would apply.
    pub pending: Vec<u32>,
    /// Ids of the keys that its sealed values need; [`crate::Keyring::lacking`] says which of them are not at hand.
    pub key_ids: Vec<String>,
    /// How many confidential values are stored plain.
    pub unsealed: u64,
    /// Whether its files may hold confidential texts as they were before, see [`crate::Store::is_unerased`].
    pub unerased: bool,
    /// What is wrong with its content, one sentence each; empty if nothing was found.
    pub problems: Vec<String>,
}

impl Listed {
    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.life.namespace
    }
}

impl Default for Census {
    fn default() -> Self {
        Self {
            phases: Phase::ALL.map(|phase| (phase, 0)).to_vec(),
            connectivity: Connectivity::ALL.map(|connectivity| (connectivity, 0)).to_vec(),
            strays: 0,
            tombstones_of_earlier_epochs: 0,
        }
    }
}

impl Census {
    pub(crate) fn set_phase(&mut self, phase: Phase, count: u64) {
        for entry in self.phases.iter_mut().filter(|entry| entry.0 == phase) {
            entry.1 = count;
        }
    }

    /// Counts an approved device.
    pub(crate) fn count(&mut self, watch: &Watch, presence: &Presence, period_seconds: Option<i64>) {
        let connectivity = watch.connectivity(presence, period_seconds);
        for entry in self
            .connectivity
            .iter_mut()
            .filter(|entry| entry.0 == connectivity)
        {
            entry.1 += 1;
        }
    }
}
