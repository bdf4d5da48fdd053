//! A fleet in one SQLite file, for one server.
//!
//! | Question | Module |
//! |---|---|
//! | May this process use the file, and what is in it? | `open`, `mark`, `log`, `inspect` |
//! | Is it still that file? | `files` |
//! | How does a write become durable? | `writer`, `apply`, `devices` |
//! | What keeps the log small? | `housekeeper` |
//! | What can be done on a full disk? | `reserve`, `writer` |
//! | How is it read? | `read`, `readers`, `decode` |
//! | What are devices configured from? | `documents`, `stored`, `rekey` |
//! | Is it what was written? | `examine`, `sums` |
//!
//! Rejected: an async wrapper (a pool of connections that all write) — writers would wait for each
//! other inside SQLite, each with an `fsync` of its own; and `locking_mode=EXCLUSIVE` — it would
//! shut out backups and `check`.

mod apply;
mod connection;
mod decode;
mod devices;
mod documents;
mod examine;
mod files;
mod housekeeper;
mod indexes;
mod inspect;
mod log;
mod mark;
mod open;
mod read;
mod readers;
mod rekey;
mod reserve;
mod stored;
mod sums;
mod writer;

use std::{
    fmt,
    fs::OpenOptions as FileOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicI64},
    thread,
};

use async_trait::async_trait;
use contract::DeviceId;
use fleet::{Phase, RecordedEvent, Stray, Watch};
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::{
    apply::Failure,
    files::Files,
    housekeeper::Housekeeper,
    readers::Readers,
    writer::{Job, Work, Writer},
};
use crate::{
    Bounds, Census, Changed, Documents, DocumentsWrite, Examined, Identity, Keyring, Listing, Newcomers,
    Page, Portion, Rekeyed, Revision, Sighting, Store, StoreError, Stored, Unreadable, Write,
    defects::Defects, record,
};

pub use crate::Inspection;
pub use inspect::inspect;

/// Writes that may wait for a commit. More are refused at once.
const QUEUE: usize = 4096;

/// Rows of one job of [`Store::observe`] or [`Store::prune`]: others must not wait for thousands.
const PORTION: usize = 500;

/// How to open a store.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// How much is kept.
    pub bounds: Bounds,
    /// It is a restored backup, though it may not look like one: begin a new epoch.
    pub restored: bool,
    /// Keys of confidential texts; without one they are stored plain.
    pub keyring: Keyring,
}

/// A fleet in one SQLite file. The file belongs to this process until [`Store::close`], or until
/// the process ends.
pub struct SqliteStore {
    path: PathBuf,
    identity: Identity,
    bounds: Bounds,
    keyring: Keyring,
    queue: mpsc::Sender<Job>,
    readers: Arc<Readers>,
    files: Arc<Files>,
    defects: Defects,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store, creates or migrates it. Blocks; not for an async task.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, StoreError> {
        let opened = open::open(path.as_ref(), options.restored)?;
        let path = opened.path;
        let failed = |reason: String| StoreError::Open {
            location: path.display().to_string(),
            reason,
        };
        let no_thread = |error: std::io::Error| {
            failed(format!(
                "no thread could be started ({error}); raise the limit of processes"
            ))
        };
        let durable = Arc::new(AtomicI64::new(opened.revision));
        let files = Files::new(&path, &opened.lock, opened.identity.id, Arc::clone(&durable))
            .map_err(|error| failed(format!("it went away while it was opened ({error}); start again")))?;
        let (files, defects) = (Arc::new(files), Defects::default());
        let housekeeper = Housekeeper::start(&files, &path, opened.identity, Arc::clone(&durable), &defects)
            .map_err(no_thread)?;
        let watch = files::Watch::start(Arc::clone(&files), &defects).map_err(no_thread)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let writer = Writer {
            path: path.clone(),
            files: Arc::clone(&files),
            lock: opened.lock,
            connection: Some(opened.writer),
            reserve: opened.reserve,
            identity: opened.identity,
            revision: opened.revision,
            durable,
            bounds: options.bounds,
            keyring: options.keyring.clone(),
            housekeeper,
            watch: Some(watch),
        };
        let of_writer = defects.clone();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || of_writer.watch("the writer of the store", || writer.run(jobs)))
            .map_err(no_thread)?;
        Ok(Self {
            readers: Arc::new(Readers::new(path.clone(), Arc::clone(&files))),
            path,
            identity: opened.identity,
            bounds: options.bounds,
            keyring: options.keyring,
            queue,
            files,
            defects,
            writer: Mutex::new(Some(thread)),
        })
    }

    fn submit(&self, work: Work) -> Result<oneshot::Receiver<Result<i64, StoreError>>, StoreError> {
        self.files.usable()?;
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Job { work, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    StoreError::unavailable("too many writes wait for the disk")
                }
                mpsc::error::TrySendError::Closed(_) => closed(),
            })?;
        Ok(answer)
    }

    async fn perform(&self, work: Work) -> Result<i64, StoreError> {
        self.submit(work)?.await.map_err(|_| closed())?
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(query).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    fn misplaced(&self) -> Option<String> {
        self.files.lost()
    }

    fn defect(&self) -> Option<String> {
        self.defects.sentence()
    }

    async fn load(&self, id: &DeviceId) -> Result<Option<Stored>, StoreError> {
        let id = id.clone();
        self.read(move |connection| read::load(connection, &id)).await
    }

    async fn load_beside_documents(&self, id: &DeviceId) -> Result<(Option<Stored>, Revision), StoreError> {
        let id = id.clone();
        self.read(move |connection| {
            // One snapshot, so that both belong together.
            let transaction = connection.unchecked_transaction()?;
            Ok((read::load(&transaction, &id)?, documents::revision(&transaction)?))
        })
        .await
    }

    async fn commit(&self, write: Write) -> Result<Revision, StoreError> {
        self.perform(Work::Write(Box::new(write))).await.map(Revision)
    }

    async fn observe(&self, sightings: Vec<Sighting>, strays: Vec<Stray>) -> Result<(), StoreError> {
        for portion in sightings.chunks(PORTION) {
            self.perform(Work::Observe(portion.to_vec(), Vec::new())).await?;
        }
        for portion in strays.chunks(PORTION) {
            self.perform(Work::Observe(Vec::new(), portion.to_vec())).await?;
        }
        Ok(())
    }

    async fn list(&self, phase: Option<Phase>, page: Page) -> Result<Listing, StoreError> {
        self.read(move |connection| read::list(connection, phase, &page))
            .await
    }

    async fn newcomers(&self) -> Result<Newcomers, StoreError> {
        self.read(read::newcomers).await
    }

    async fn phases(
        &self,
        ids: Vec<DeviceId>,
    ) -> Result<Vec<(DeviceId, Result<Phase, Unreadable>)>, StoreError> {
        self.read(move |connection| read::phases(connection, &ids)).await
    }

    async fn events(&self, id: &DeviceId) -> Result<Vec<RecordedEvent>, StoreError> {
        let id = id.clone();
        self.read(move |connection| read::events(connection, &id)).await
    }

    async fn strays(&self, limit: usize) -> Result<Vec<Stray>, StoreError> {
        self.read(move |connection| read::strays(connection, limit)).await
    }

    async fn stray(&self, id: &DeviceId) -> Result<Option<Stray>, StoreError> {
        let id = id.clone();
        self.read(move |connection| read::stray(connection, &id)).await
    }

    async fn changes(&self, after: Revision, limit: usize) -> Result<Vec<Changed>, StoreError> {
        self.read(move |connection| read::changes(connection, after, limit))
            .await
    }

    async fn census(&self, watch: Watch) -> Result<Census, StoreError> {
        let epoch = self.identity.epoch;
        self.read(move |connection| read::census(connection, epoch, &watch))
            .await
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| read::setting(connection, &name))
            .await
    }

    async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        record::check_setting(name, value)?;
        self.perform(Work::Setting(name.to_owned(), value.map(str::to_owned)))
            .await
            .map(drop)
    }

    async fn documents(&self) -> Result<Documents, StoreError> {
        let keyring = self.keyring.clone();
        self.read(move |connection| documents::read(connection, &keyring))
            .await
    }

    async fn documents_revision(&self) -> Result<Revision, StoreError> {
        self.read(documents::revision).await
    }

    async fn apply_documents(&self, write: DocumentsWrite) -> Result<Revision, StoreError> {
        write.check()?;
        self.perform(Work::Documents(Box::new(write))).await.map(Revision)
    }

    async fn rekey(&self) -> Result<Rekeyed, StoreError> {
        let (report, rekeyed) = oneshot::channel();
        drop(self.submit(Work::Rekey(report))?);
        rekeyed.await.map_err(|_| closed())?
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        while self.perform(Work::Settle(now, PORTION)).await? > 0 {}
        let before = now
            .saturating_sub(self.bounds.event_age)
            .unwrap_or(Timestamp::MIN);
        let mut removed = 0;
        loop {
            let portion = self.perform(Work::Prune(before, PORTION)).await?.unsigned_abs();
            removed += portion;
            if portion < PORTION as u64 {
                return Ok(removed);
            }
        }
    }

    async fn examine(&self, portion: Portion) -> Result<Examined, StoreError> {
        let is_long = matches!(portion, Portion::Table(_));
        let look = move |connection: &Connection| examine::look(connection, &portion);
        let seen = if is_long {
            self.readers.read_long(look).await?
        } else {
            self.read(look).await?
        };
        let mut examined = seen.examined;
        // Asked for all at once, so that they share a commit.
        let asked = seen.devices_to_sum.into_iter();
        let asked: Vec<_> = asked
            .map(|id| self.submit(Work::SumDevice(id)))
            .collect::<Result<_, _>>()?;
        for answer in asked {
            match answer.await.map_err(|_| closed())? {
                Ok(summed) => examined.summed += summed.unsigned_abs(),
                Err(error @ StoreError::Corrupt { .. }) => examined.damaged.push(error.of_device()),
                Err(error) => return Err(error),
            }
        }
        if seen.sum_documents {
            match self.perform(Work::SumDocuments).await {
                Ok(summed) => examined.summed += summed.unsigned_abs(),
                Err(error @ StoreError::Corrupt { .. }) => {
                    examined.damaged.push(format!("{error}; restore a backup"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(examined)
    }

    async fn answers(&self) -> Result<(), StoreError> {
        self.read(|connection| read::setting(connection, "").map(drop))
            .await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.perform(Work::Probe).await.map(drop)
    }

    fn queue_depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        // Waits for a place: a full queue is no reason not to finish it.
        if self
            .queue
            .send(Job {
                work: Work::Close,
                reply,
            })
            .await
            .is_ok()
        {
            self.readers.close().await;
            let _ = answer.await;
        }
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // What it ended by is told by `defect`.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

fn closed() -> StoreError {
    StoreError::unavailable("it is closed")
}

/// SQLite's word for it. Its errors name no content.
fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::unavailable(error.to_string())
}

fn failure(failure: Failure) -> StoreError {
    match failure {
        Failure::Refused(error) => error,
        Failure::Sqlite(error) => unavailable(&error),
    }
}

/// A file beside the database, named after it.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Files are for their owner alone.
fn private() -> FileOptions {
    let mut options = FileOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_the_writer_by_a_defect_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("fleet.db"), OpenOptions::default()).unwrap();
        store.probe().await.unwrap();
        assert_eq!(None, store.defect());
        assert!(store.perform(Work::Defect).await.is_err());
        let thread = store.writer.lock().unwrap().take().unwrap();
        thread.join().unwrap();
        assert!(
            store
                .defect()
                .is_some_and(|said| said.contains("the writer of the store"))
        );
        assert!(store.probe().await.is_err());
    }

    #[tokio::test]
    async fn the_end_of_a_store_is_no_defect() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("fleet.db"), OpenOptions::default()).unwrap();
        store.close().await;
        assert_eq!(None, store.defect());
    }
}
