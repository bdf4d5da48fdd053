//! Where a fleet is kept: one trait, [`Store`], with SQLite and PostgreSQL behind it, and one
//! contract suite that runs over both (`tests/contract.rs`).
//!
//! A store knows documents, times and revisions; what they mean is the business of `fleet`. Each
//! write names the revision it was decided on and fails with [`StoreError::Conflict`] when the
//! device has changed since, so a decision is never applied to a state that it has not seen,
//! whichever server wrote it.

mod checksum;
mod defects;
mod documents;
mod error;
pub mod migrations;
mod model;
pub mod postgres;
mod record;
mod sealing;
pub mod sqlite;

use async_trait::async_trait;
use contract::DeviceId;
use fleet::{Phase, RecordedEvent, Stray, Watch};
use jiff::Timestamp;

pub use documents::{
    Body, Document, DocumentKey, DocumentPut, Documents, DocumentsWrite, Rekeyed, Rendering, RenderingKey,
    RenderingPut, Source, SourceWrite,
};
pub use error::StoreError;
pub use model::{
    Bounds, Census, Changed, Examined, Identity, Inspection, Listed, Listing, Newcomers, Page, Portion,
    Revision, Sighting, Stored, Unreadable, Write, WriteGuard,
};
pub use sealing::{KeyFileFault, Keyring, Loaded};

/// A fleet's memory.
///
/// Every method either does what it says or returns an error; none answers from a guess.
/// [`StoreError::Unavailable`] means that nothing is known about the effect of a write, so a caller
/// repeats it: all writes can be repeated.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Which store this is; made once, and again after a restore (the epoch).
    fn identity(&self) -> Identity;

    /// True when no other process can write while this store is open, so what was read may be kept
    /// in memory.
    fn is_exclusive(&self) -> bool;

    /// Why nothing may be answered from this store now, also from what was read of it before: its
    /// files are not those that were opened. Every other call fails meanwhile. Never waits.
    fn misplaced(&self) -> Option<String> {
        None
    }

    /// What of its own work has ended by a defect of this program, so that only a restart helps.
    /// Never waits.
    fn defect(&self) -> Option<String> {
        None
    }

    /// One device with its revision; `None` if it was never known here. One that is there and
    /// cannot be read, or is not what was written, is [`StoreError::Corrupt`].
    async fn load(&self, id: &DeviceId) -> Result<Option<Stored>, StoreError>;

    /// The same, and the revision of [`Store::documents`] at that moment, also for a device that is
    /// not known: one round trip for one who answers by both.
    async fn load_beside_documents(&self, id: &DeviceId) -> Result<(Option<Stored>, Revision), StoreError>;

    /// Writes one change and returns once it is durable. Concurrent writes are committed together.
    async fn commit(&self, write: Write) -> Result<Revision, StoreError>;

    /// Joins times and strays into what is kept; order and repetition do not matter. Changes no
    /// revision. A sighting of a device that is not known is dropped. The number of strays stays
    /// within [`Bounds::strays`], the oldest go first.
    async fn observe(&self, sightings: Vec<Sighting>, strays: Vec<Stray>) -> Result<(), StoreError>;

    /// Devices in the order of their ids, at most `page.limit`, after `page.after`, and as many as
    /// their size allows. Those that cannot be read are among them; reports are not looked at.
    /// Whether there are more is said by [`Listing::next`] alone.
    async fn list(&self, phase: Option<Phase>, page: Page) -> Result<Listing, StoreError>;

    /// Those of which there is nothing yet but a request to join: how many there are, and what they
    /// take. Reads the sizes of their rows and the times of all devices.
    async fn newcomers(&self) -> Result<Newcomers, StoreError>;

    /// Where each of these devices is in its life, as far as it is known here; no order.
    async fn phases(
        &self,
        ids: Vec<DeviceId>,
    ) -> Result<Vec<(DeviceId, Result<Phase, Unreadable>)>, StoreError>;

    /// The events of one device, latest first.
    async fn events(&self, id: &DeviceId) -> Result<Vec<RecordedEvent>, StoreError>;

    /// The ids that were heard and are no approved device, latest first, at most `limit`.
    async fn strays(&self, limit: usize) -> Result<Vec<Stray>, StoreError>;

    /// One stray.
    async fn stray(&self, id: &DeviceId) -> Result<Option<Stray>, StoreError>;

    /// Devices whose revision is above `after`, in ascending order of revision, at most `limit`:
    /// the change feed.
    ///
    /// On PostgreSQL revisions come from the clocks of several servers: a follower reads again from
    /// a few seconds before the last one that it has seen, or before its own clock if that is
    /// earlier (another server's clock may be ahead). Repeated rows are expected and harmless.
    /// Devices of one revision are never split, so there may be a few more than `limit`.
    async fn changes(&self, after: Revision, limit: usize) -> Result<Vec<Changed>, StoreError>;

    /// How many devices there are, by phase and, as the rule of the fleet has it, by connectivity;
    /// and how many strays.
    ///
    /// The times and periods of all approved devices are read for it, and no document, so that the
    /// rule need not be written again in SQL. With 100,000 devices that took 0.4 s on SQLite and up
    /// to 1.2 s on PostgreSQL, in an unoptimised build on two busy cores. May take longer than a
    /// request.
    async fn census(&self, watch: Watch) -> Result<Census, StoreError>;

    /// A setting, by name.
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Sets, or with `None` removes, a setting.
    async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError>;

    /// All documents, renderings and sources, at one revision. A text that cannot be read is
    /// [`Body::Unreadable`] and no error. May take longer than a request.
    async fn documents(&self) -> Result<Documents, StoreError>;

    /// The revision of [`Store::documents`], for one who has read them and asks whether they have
    /// changed.
    async fn documents_revision(&self) -> Result<Revision, StoreError>;

    /// Makes one change of the documents, as a whole, and returns their revision once it is
    /// durable; the present one if there is nothing to change. [`StoreError::Conflict`] if they are
    /// at another revision than the change was decided on. May take longer than a request.
    async fn apply_documents(&self, write: DocumentsWrite) -> Result<Revision, StoreError>;

    /// Seals every confidential text with the first key, all of them or none, and then removes what
    /// was there before from the store's files. Changes no revision. May take minutes.
    async fn rekey(&self) -> Result<Rekeyed, StoreError>;

    /// Whether the store's files may still hold confidential texts as they were before they were
    /// sealed as they are now: a [`Store::rekey`] was cut short or could not erase them, or plain
    /// ones were replaced or removed by a server with keys. They are erased by the next rekey.
    async fn is_unerased(&self) -> Result<bool, StoreError> {
        Ok(self.setting(record::UNERASED).await?.is_some())
    }

    /// Removes events that happened last before `now` minus [`Bounds::event_age`], and returns how
    /// many. Before that, times of devices, events and strays that are ahead of `now` by more than
    /// clocks may differ become `now` ([`fleet::clock`]): they would be the latest until then,
    /// whatever happens.
    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Looks at one portion of what is kept: tells what is damaged, and gives rows that have no
    /// checksum one. May take longer than a request, and is made for the background.
    async fn examine(&self, portion: Portion) -> Result<Examined, StoreError>;

    /// Whether devices can be read.
    async fn answers(&self) -> Result<(), StoreError>;

    /// Whether it can be written. Devices may be read all the same, as on a full disk.
    async fn probe(&self) -> Result<(), StoreError>;

    /// How many writes wait for a commit.
    fn queue_depth(&self) -> usize;

    /// Finishes what was accepted and closes. Later calls fail.
    async fn close(&self);
}
