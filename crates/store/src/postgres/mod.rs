//! A fleet in PostgreSQL, for any number of servers.
//!
//! | Question | Module |
//! |---|---|
//! | Which database, and how to speak with it? | `options` |
//! | Which store is in it, and is it still that one? | `open`, `pool` |
//! | How does a write become durable? | `batch`, `write`, `devices`, `upkeep` |
//! | How is it read? | `read` |
//! | What are devices configured from? | `documents`, `stored`, `columns`, `rekey` |
//! | Is it what was written? | `examine`, `sums` |
//! | What does an error mean? | `failure` |
//!
//! Every call ends within [`ConnectOptions::timeout`], or within `PATIENCE` if it is about all
//! documents or devices, whatever the database does. [`Store::rekey`] alone takes as long as it
//! takes to write the tables anew. Nothing here is made once for all servers (a sequence, an
//! advisory lock), so the same schema runs on a distributed engine.

mod batch;
mod certificates;
mod columns;
mod devices;
mod documents;
mod examine;
mod failure;
mod open;
mod options;
mod pool;
mod read;
mod rekey;
mod stored;
mod sums;
mod upkeep;
mod write;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use contract::DeviceId;
use deadpool_postgres::Pool;
use fleet::{Phase, RecordedEvent, Stray, Watch};
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use self::{
    batch::{Batcher, Job, retried},
    options::Target,
    pool::{Known, Lease},
};
use crate::{
    Bounds, Census, Changed, Documents, DocumentsWrite, Examined, Identity, Keyring, Listing, Newcomers,
    Page, Portion, Rekeyed, Revision, Sighting, Store, StoreError, Stored, Unreadable, Write,
    defects::Defects, record,
};

pub use open::inspect;
pub use options::ConnectOptions;

/// Writes that may wait for a transaction. More are refused at once.
const QUEUE: usize = 4096;

/// Transactions of writes at a time.
const BATCHERS: usize = 4;

/// Rows of one transaction of [`Store::observe`] or [`Store::prune`].
const PORTION: usize = 500;

/// Within this a call about all documents or all devices ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fleet in PostgreSQL. Any number of servers may open it.
pub struct PostgresStore {
    location: String,
    known: Arc<Known>,
    options: ConnectOptions,
    pool: Pool,
    /// Gone once the store is closed.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    batchers: Mutex<Vec<JoinHandle<()>>>,
    defects: Defects,
}

/// One call on one connection, with the bound on its time, and again if it collided with another.
macro_rules! call {
    ($store:expr, |$client:ident| $work:expr) => {
        call!($store, within $store.options.timeout, |$client| $work)
    };
    ($store:expr, within $time:expr, |$client:ident| $work:expr) => {{
        let calls = retried(|| async {
            let mut lease = Lease::take(&$store.pool).await?;
            let $client = lease.client()?;
            let result = $work.await;
            lease.done(result)
        });
        match tokio::time::timeout($time, calls).await {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(late()),
        }
    }};
}

impl PostgresStore {
    /// Opens the store at a URL such as
    /// `postgres://user:password@host/database?sslmode=verify-full`, creates or migrates it. An
    /// unreachable server is [`StoreError::Unavailable`], anything that waiting cannot fix is
    /// [`StoreError::Open`].
    pub async fn connect(url: &str, options: ConnectOptions) -> Result<Self, StoreError> {
        let target = Target::parse(url, &options)?;
        let (identity, place) = open::open(&target, options.restored).await?;
        let known = Arc::new(Known::new(identity, place));
        let pool = pool::pool(&target, &known, &options)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let batcher = Batcher {
            pool: pool.clone(),
            queue: Arc::new(tokio::sync::Mutex::new(jobs)),
            bounds: options.bounds,
            timeout: options.timeout,
        };
        let defects = Defects::default();
        let work = || defects.watch_task("a writer of the store", batcher.clone().run());
        let batchers = (0..BATCHERS).map(|_| work()).collect();
        Ok(Self {
            location: target.location,
            known,
            options,
            pool,
            queue: Mutex::new(Some(queue)),
            batchers: Mutex::new(batchers),
            defects,
        })
    }

    fn keyring(&self) -> &Keyring {
        &self.options.keyring
    }

    fn bounds(&self) -> &Bounds {
        &self.options.bounds
    }

    fn queue(&self) -> Option<mpsc::Sender<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Store for PostgresStore {
    /// The epoch follows other servers: as [`Store::changes`] and [`Store::probe`] see it.
    fn identity(&self) -> Identity {
        self.known.identity()
    }

    fn is_exclusive(&self) -> bool {
        false
    }

    fn defect(&self) -> Option<String> {
        self.defects.sentence()
    }

    async fn load(&self, id: &DeviceId) -> Result<Option<Stored>, StoreError> {
        call!(self, |client| read::load(client, id))
    }

    async fn load_beside_documents(&self, id: &DeviceId) -> Result<(Option<Stored>, Revision), StoreError> {
        call!(self, |client| read::load_beside_documents(client, id))
    }

    async fn commit(&self, write: Write) -> Result<Revision, StoreError> {
        let at = write.at;
        let (reply, answer) = oneshot::channel();
        let queue = self.queue().ok_or_else(closed)?;
        queue
            .try_send(Job { write, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    StoreError::unavailable("too many writes wait for PostgreSQL")
                }
                mpsc::error::TrySendError::Closed(_) => closed(),
            })?;
        if cfg!(flotta_acknowledges_early) {
            return Ok(Revision(at.as_microsecond()));
        }
        match tokio::time::timeout(self.options.timeout, answer).await {
            Ok(outcome) => outcome.map_err(|_| closed())?,
            Err(_) => Err(late()),
        }
    }

    async fn observe(&self, sightings: Vec<Sighting>, strays: Vec<Stray>) -> Result<(), StoreError> {
        for portion in sightings.chunks(PORTION) {
            call!(self, |client| upkeep::observe_times(client, portion))?;
        }
        for portion in record::joined_strays(strays).chunks(PORTION) {
            call!(self, |client| upkeep::observe_strays(
                client,
                portion,
                self.bounds()
            ))?;
        }
        Ok(())
    }

    async fn list(&self, phase: Option<Phase>, page: Page) -> Result<Listing, StoreError> {
        call!(self, |client| read::list(client, phase, &page))
    }

    async fn newcomers(&self) -> Result<Newcomers, StoreError> {
        call!(self, |client| read::newcomers(client))
    }

    async fn phases(
        &self,
        ids: Vec<DeviceId>,
    ) -> Result<Vec<(DeviceId, Result<Phase, Unreadable>)>, StoreError> {
        call!(self, |client| read::phases(client, &ids))
    }

    async fn events(&self, id: &DeviceId) -> Result<Vec<RecordedEvent>, StoreError> {
        call!(self, |client| read::events(client, id))
    }

    async fn strays(&self, limit: usize) -> Result<Vec<Stray>, StoreError> {
        call!(self, |client| read::strays(client, limit))
    }

    async fn stray(&self, id: &DeviceId) -> Result<Option<Stray>, StoreError> {
        call!(self, |client| read::stray(client, id))
    }

    async fn changes(&self, after: Revision, limit: usize) -> Result<Vec<Changed>, StoreError> {
        call!(self, |client| async {
            self.known.check(client).await?;
            read::changes(client, after, limit).await
        })
    }

    async fn census(&self, watch: Watch) -> Result<Census, StoreError> {
        let epoch = self.identity().epoch;
        call!(self, within PATIENCE, |client| read::census(
            client, epoch, &watch, PATIENCE
        ))
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        call!(self, |client| read::setting(client, name))
    }

    async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        record::check_setting(name, value)?;
        call!(self, |client| upkeep::set_setting(&***client, name, value))
    }

    async fn documents(&self) -> Result<Documents, StoreError> {
        call!(self, within PATIENCE, |client| async {
            self.known.check(client).await?;
            documents::read(client, self.keyring(), PATIENCE).await
        })
    }

    async fn documents_revision(&self) -> Result<Revision, StoreError> {
        call!(self, |client| async {
            self.known.check(client).await?;
            documents::revision(client).await
        })
    }

    async fn apply_documents(&self, write: DocumentsWrite) -> Result<Revision, StoreError> {
        write.check()?;
        call!(self, within PATIENCE, |client| documents::apply(
            client,
            self.keyring(),
            &write,
            PATIENCE
        ))
    }

    async fn rekey(&self) -> Result<Rekeyed, StoreError> {
        let mut rekeyed = call!(self, within PATIENCE, |client| rekey::reseal(
            client,
            self.keyring(),
            PATIENCE
        ))?;
        // Thrown away at the end, since its settings are others now.
        let mut lease = Lease::take(&self.pool).await.map_err(StoreError::from)?;
        rekeyed.leftover = rekey::erase(lease.client()?).await.err();
        if rekeyed.leftover.is_none() {
            self.set_setting(record::UNERASED, None).await?;
        }
        Ok(rekeyed)
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        while call!(self, |client| upkeep::settle(client, now, PORTION))? > 0 {}
        let before = now
            .saturating_sub(self.bounds().event_age)
            .unwrap_or(Timestamp::MIN);
        let mut removed = 0;
        loop {
            let portion = call!(self, |client| upkeep::prune(client, before, PORTION))?;
            removed += portion;
            if portion < PORTION as u64 {
                return Ok(removed);
            }
        }
    }

    async fn examine(&self, portion: Portion) -> Result<Examined, StoreError> {
        call!(self, within PATIENCE, |client| examine::examine(client, &portion, PATIENCE))
    }

    async fn answers(&self) -> Result<(), StoreError> {
        call!(self, |client| async {
            // It reads a row, of this store.
            self.known.check(client).await
        })
    }

    async fn probe(&self) -> Result<(), StoreError> {
        call!(self, |client| async {
            self.known.check(client).await?;
            upkeep::probe(client).await
        })
    }

    fn queue_depth(&self) -> usize {
        self.queue()
            .map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let batchers = std::mem::take(&mut *self.batchers.lock().unwrap_or_else(PoisonError::into_inner));
        for batcher in batchers {
            // What it ended by is told by `defect`.
            let _ = batcher.await;
        }
        self.pool.close();
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("location", &self.location)
            .field("identity", &self.known.identity())
            .finish_non_exhaustive()
    }
}

fn closed() -> StoreError {
    StoreError::unavailable("it is closed")
}

fn late() -> StoreError {
    StoreError::unavailable("PostgreSQL did not answer in time")
}
