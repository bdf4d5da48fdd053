//! The values that cross the boundary of a store.

use std::sync::Arc;

use contract::{DeviceId, HeapSize as _, Namespace};
use fleet::{Connectivity, Device, Epoch, Event, Life, Phase, Presence, Report, Watch};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Position of a write in the change feed; grows with every write of a device.
///
/// Microseconds since the Unix epoch, moved on by one where the clock has not: no sequence is
/// needed, and a value tells when.
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
    /// The device is there and cannot be read; the write replaces it whole and must carry a
    /// [`Life`].
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
    pub life: Option<Arc<Life>>,
    /// A new report, if it changed.
    pub report: Option<Arc<Report>>,
    /// Times, joined into those that are kept.
    pub presence: Option<Presence>,
    /// What happened, each kind once. Each is counted once, however often the write is tried.
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

/// A part of a list, as it is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// Begin after this id. One that cannot be read may have an id that is none.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list, as it is answered: by [`Page::limit`] and by the bytes of its documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// In the order of their ids, those that cannot be read among them.
    pub devices: Vec<Result<Listed, Unreadable>>,
    /// After this id, which is told as it is stored, there may be more. `None` is the end of the
    /// list, and nothing else is: a short part may be followed by another.
    pub next: Option<String>,
}

/// A row of a list.
pub(crate) struct ListedRow {
    /// Its id as it is stored.
    pub(crate) id: String,
    /// Bytes of its document as it is stored.
    pub(crate) bytes: usize,
    pub(crate) entry: Result<Listed, Unreadable>,
}

/// A part of a list ends with the device by which its documents reach so many bytes, as text or in
/// memory: a short text can become a hundred times its size. One that cannot be read counts as its
/// text.
pub(crate) const LISTED_BYTES: usize = 4 * 1024 * 1024;

/// Writes that wait together share a commit up to so many bytes, so that none waits for many large
/// ones.
pub(crate) const COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// Whether so many rows of so many bytes are a part of a list, so that there may be more.
pub(crate) fn is_full(rows: usize, limit: usize, bytes: usize) -> bool {
    rows >= limit || bytes >= LISTED_BYTES
}

impl Listing {
    /// As many of these rows as make a part of at most so many.
    pub(crate) fn gather<E>(
        limit: usize,
        rows: impl IntoIterator<Item = Result<ListedRow, E>>,
    ) -> Result<Self, E> {
        let (mut listing, mut bytes) = (Self::default(), 0);
        for row in rows {
            let row = row?;
            bytes += row.weight();
            listing.devices.push(row.entry);
            if is_full(listing.devices.len(), limit, bytes) {
                listing.next = Some(row.id);
                break;
            }
        }
        Ok(listing)
    }
}

impl Write {
    /// Bytes that it takes in memory, which are about those of its rows.
    pub(crate) fn weight(&self) -> usize {
        self.life.heap_size() + self.report.heap_size() + self.events.heap_size()
    }
}

impl ListedRow {
    fn weight(&self) -> usize {
        let in_memory = self.entry.as_ref().map_or(0, |listed| listed.life.heap_size());
        self.bytes.max(in_memory)
    }
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

    /// Of one at which a look stops, since what it needs is damaged: what that is, and where it
    /// goes on.
    pub(crate) fn stopped(&self) -> (String, Option<Self>) {
        match self {
            Self::Devices(after) if after.is_empty() => ("the devices".to_owned(), Some(Self::Documents)),
            Self::Devices(after) => (
                format!("the devices behind {}", after.escape_debug()),
                Some(Self::Documents),
            ),
            Self::Documents => ("the documents".to_owned(), Some(Self::Table(0))),
            Self::Table(_) => ("the list of tables".to_owned(), None),
        }
    }
}

impl Examined {
    /// What is told of such a portion.
    pub(crate) fn stopped(portion: &Portion, why: &str) -> Self {
        let (what, next) = portion.stopped();
        Self {
            damaged: vec![format!(
                "{what} cannot be looked through, for the database is damaged there ({why}); restore a backup"
            )],
            summed: 0,
            next,
        }
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

/// Devices of which there is nothing yet but a request to join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newcomers {
    /// Those that wait for a person, and approved ones that have never polled.
    pub count: usize,
    /// Bytes of their documents and events, and of those of rejected ones.
    pub bytes: usize,
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
    /// Ids of the keys that its sealed values need; [`crate::Keyring::lacking`] says which of them
    /// are not at hand.
    pub key_ids: Vec<String>,
    /// How many confidential values are stored plain.
    pub unsealed: u64,
    /// Whether its files may hold confidential texts as they were before, see
    /// [`crate::Store::is_unerased`].
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
