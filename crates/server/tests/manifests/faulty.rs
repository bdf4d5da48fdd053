//! A store whose calls can be counted and made to fail.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use contract::DeviceId;
use fleet::{Phase, RecordedEvent, Stray, Watch};
use jiff::Timestamp;
use store::{
    Census, Changed, Documents, DocumentsWrite, Examined, Identity, Listing, Newcomers, Page, Portion,
    Rekeyed, Revision, Sighting, Store, StoreError, Stored, Unreadable, Write,
};
use tokio::sync::Notify;

/// What is to go wrong. It outlives the stores that it wraps.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Calls until one fails; below zero none does.
    left: AtomicI64,
    /// How many fail from then on.
    run: AtomicI64,
    /// Whether a failing write is made all the same, so that its caller does not know.
    effect: AtomicBool,
    /// Only calls of this name count.
    only: Mutex<Option<&'static str>>,
    commits: Mutex<BTreeMap<String, usize>>,
    /// Which call hangs, once.
    hanging: Mutex<Option<&'static str>>,
    hung: AtomicBool,
    release: Notify,
    /// Whether every call fails.
    gone: AtomicBool,
    /// Which call panics, once.
    panicking: Mutex<Option<&'static str>>,
    /// Whether what writes has ended by a defect.
    pub(crate) ended: AtomicBool,
    /// How often all documents were read.
    pub(crate) readings: AtomicUsize,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            left: AtomicI64::new(i64::MAX),
            run: AtomicI64::new(0),
            effect: false.into(),
            only: Mutex::default(),
            commits: Mutex::default(),
            hanging: Mutex::default(),
            hung: AtomicBool::new(false),
            release: Notify::new(),
            gone: AtomicBool::new(false),
            panicking: Mutex::default(),
            ended: AtomicBool::new(false),
            readings: AtomicUsize::new(0),
        }
    }
}

impl Faults {
    /// Lets `run` calls fail after `after` that succeed.
    pub(crate) fn fail(&self, after: i64, run: i64, effect: bool) {
        self.only.lock().unwrap().take();
        self.effect.store(effect, Ordering::SeqCst);
        self.run.store(run, Ordering::SeqCst);
        self.left.store(after, Ordering::SeqCst);
    }

    /// Lets the next `run` calls of this name fail.
    pub(crate) fn fail_only(&self, name: &'static str, run: i64) {
        self.fail(0, run, false);
        *self.only.lock().unwrap() = Some(name);
    }

    /// Lets every call fail, or none.
    pub(crate) fn gone(&self, gone: bool) {
        self.gone.store(gone, Ordering::SeqCst);
    }

    /// Lets the next call of this name hang after it has done its work.
    pub(crate) fn hang(&self, name: &'static str) {
        self.hung.store(false, Ordering::SeqCst);
        *self.hanging.lock().unwrap() = Some(name);
    }

    /// Lets the next call of this name panic.
    pub(crate) fn panic(&self, name: &'static str) {
        *self.panicking.lock().unwrap() = Some(name);
    }

    /// Whether that call hangs.
    pub(crate) fn hangs(&self) -> bool {
        self.hung.load(Ordering::SeqCst)
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.release.notify_one();
    }

    async fn pause(&self, name: &'static str) {
        {
            let mut hanging = self.hanging.lock().unwrap();
            if *hanging != Some(name) {
                return;
            }
            *hanging = None;
        }
        self.hung.store(true, Ordering::SeqCst);
        self.release.notified().await;
    }

    /// No call fails any more; whether one has.
    pub(crate) fn lift(&self) -> bool {
        self.run.store(0, Ordering::SeqCst);
        self.left.swap(i64::MAX, Ordering::SeqCst) < 0
    }

    /// Writes of devices since the last time that this was asked, by device.
    pub(crate) fn commits(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.commits.lock().unwrap())
    }

    fn fails(&self, name: &'static str) -> bool {
        if self.gone.load(Ordering::SeqCst) {
            return true;
        }
        if self.only.lock().unwrap().is_some_and(|only| only != name) {
            return false;
        }
        if self.left.load(Ordering::SeqCst) == i64::MAX {
            return false;
        }
        self.left.fetch_sub(1, Ordering::SeqCst) <= 0 && self.run.fetch_sub(1, Ordering::SeqCst) > 0
    }

    fn check(&self, name: &'static str) -> Result<(), StoreError> {
        let panics = self.panicking.lock().unwrap().take_if(|call| *call == name);
        assert!(panics.is_none(), "a test let {name} panic");
        if self.fails(name) {
            return Err(gone());
        }
        Ok(())
    }
}

fn gone() -> StoreError {
    StoreError::unavailable("a test took it away")
}

#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) faults: Arc<Faults>,
}

#[async_trait]
impl Store for Faulty {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }
    fn is_exclusive(&self) -> bool {
        self.inner.is_exclusive()
    }
    fn misplaced(&self) -> Option<String> {
        self.inner.misplaced()
    }
    fn defect(&self) -> Option<String> {
        let ended = self.faults.ended.load(Ordering::SeqCst);
        ended.then(|| "the writer has ended".to_owned())
    }
    async fn load(&self, id: &DeviceId) -> Result<Option<Stored>, StoreError> {
        self.faults.check("load")?;
        let done = self.inner.load(id).await;
        self.faults.pause("load").await;
        done
    }
    async fn load_beside_documents(&self, id: &DeviceId) -> Result<(Option<Stored>, Revision), StoreError> {
        self.faults.check("load")?;
        let done = self.inner.load_beside_documents(id).await;
        self.faults.pause("load").await;
        done
    }
    async fn commit(&self, write: Write) -> Result<Revision, StoreError> {
        *self
            .faults
            .commits
            .lock()
            .unwrap()
            .entry(write.id.to_string())
            .or_default() += 1;
        if self.faults.fails("commit") {
            if self.faults.effect.load(Ordering::SeqCst) {
                self.inner.commit(write).await?;
            }
            return Err(gone());
        }
        self.inner.commit(write).await
    }
    async fn observe(&self, sightings: Vec<Sighting>, strays: Vec<Stray>) -> Result<(), StoreError> {
        if self.faults.gone.load(Ordering::SeqCst) {
            return Err(gone());
        }
        self.inner.observe(sightings, strays).await
    }
    async fn list(&self, phase: Option<Phase>, page: Page) -> Result<Listing, StoreError> {
        self.faults.check("list")?;
        let done = self.inner.list(phase, page).await;
        self.faults.pause("list").await;
        done
    }
    async fn newcomers(&self) -> Result<Newcomers, StoreError> {
        self.inner.newcomers().await
    }
    async fn phases(
        &self,
        ids: Vec<DeviceId>,
    ) -> Result<Vec<(DeviceId, Result<Phase, Unreadable>)>, StoreError> {
        self.inner.phases(ids).await
    }
    async fn events(&self, id: &DeviceId) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.events(id).await
    }
    async fn strays(&self, limit: usize) -> Result<Vec<Stray>, StoreError> {
        self.inner.strays(limit).await
    }
    async fn stray(&self, id: &DeviceId) -> Result<Option<Stray>, StoreError> {
        self.inner.stray(id).await
    }
    async fn changes(&self, after: Revision, limit: usize) -> Result<Vec<Changed>, StoreError> {
        self.inner.changes(after, limit).await
    }
    async fn census(&self, watch: Watch) -> Result<Census, StoreError> {
        self.inner.census(watch).await
    }
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.inner.setting(name).await
    }
    async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.inner.set_setting(name, value).await
    }
    async fn documents(&self) -> Result<Documents, StoreError> {
        self.faults.check("documents")?;
        self.faults.readings.fetch_add(1, Ordering::SeqCst);
        let done = self.inner.documents().await;
        self.faults.pause("documents").await;
        done
    }
    async fn documents_revision(&self) -> Result<Revision, StoreError> {
        self.faults.check("documents_revision")?;
        let done = self.inner.documents_revision().await;
        self.faults.pause("documents_revision").await;
        done
    }
    async fn apply_documents(&self, write: DocumentsWrite) -> Result<Revision, StoreError> {
        if self.faults.fails("apply_documents") {
            if self.faults.effect.load(Ordering::SeqCst) {
                self.inner.apply_documents(write).await?;
            }
            return Err(gone());
        }
        let done = self.inner.apply_documents(write).await;
        self.faults.pause("apply_documents").await;
        done
    }
    async fn rekey(&self) -> Result<Rekeyed, StoreError> {
        self.inner.rekey().await
    }
    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune(now).await
    }
    async fn answers(&self) -> Result<(), StoreError> {
        self.inner.answers().await
    }

    async fn examine(&self, portion: Portion) -> Result<Examined, StoreError> {
        self.inner.examine(portion).await
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.inner.probe().await
    }
    fn queue_depth(&self) -> usize {
        self.inner.queue_depth()
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}
