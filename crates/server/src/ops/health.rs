//! Whether the process can do its work, and if not, why.
//!
//! Ready means that devices can be read, and so answered. A store that cannot be written is told
//! beside that.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use store::Store;
use tasks::Tasks;

use super::{probes::Probes, shared::Shared, status::Status, written::Written};
use crate::{intake, service::Service, sources, tls};

/// The store has this long to answer a question.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// What it has answered is told for so long.
const PROBE_AGE: Duration = Duration::from_secs(1);

/// The parts that readiness depends on.
#[derive(Debug)]
pub struct Health {
    started: Timestamp,
    /// `None` with plain HTTP.
    keeper: Option<Arc<tls::Reloader>>,
    /// `None` without an admission file.
    admission: Option<Arc<intake::Reloader>>,
    store: OnceLock<Arc<dyn Store>>,
    documents: OnceLock<Arc<sources::Reloader>>,
    service: OnceLock<Service>,
    /// Why the store is not open yet.
    waiting: Mutex<String>,
    probes: Arc<Probes>,
    /// What must not end before the process does.
    tasks: Tasks,
    stopping: AtomicBool,
    /// Why devices cannot be read.
    answered: Shared<Result<(), String>>,
    /// Why the store cannot be written.
    written: Written,
}

impl Health {
    /// Of a process that has just started and has no store yet. Without a keeper of TLS material it
    /// serves plain HTTP, without one of the admission it takes in whomever the rules let in.
    pub fn new(
        keeper: Option<Arc<tls::Reloader>>,
        admission: Option<Arc<intake::Reloader>>,
        probes: Arc<Probes>,
        now: Timestamp,
    ) -> Self {
        let stopping = AtomicBool::new(false);
        Self {
            started: now,
            keeper,
            admission,
            store: OnceLock::new(),
            documents: OnceLock::new(),
            service: OnceLock::new(),
            waiting: Mutex::new("the store is not open yet".to_owned()),
            probes,
            tasks: Tasks::default(),
            stopping,
            answered: Shared::new(PROBE_AGE),
            written: Written::default(),
        }
    }

    /// The same of a process with these tasks.
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// The store is open. Only the first call has an effect.
    pub fn set_store(&self, store: Arc<dyn Store>) {
        let _ = self.store.set(store);
    }

    /// What devices are configured by. Only the first call has an effect.
    pub fn set_documents(&self, documents: Arc<sources::Reloader>) {
        let _ = self.documents.set(documents);
    }

    /// Who knows how many devices there are. Only the first call has an effect.
    pub fn set_service(&self, service: Service) {
        let _ = self.service.set(service);
    }

    /// The store cannot be opened yet, for this reason.
    pub fn set_waiting_for_store(&self, reason: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = format!("waiting for the store: {reason}");
    }

    /// The process is about to end: it is not ready from here on.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn service(&self) -> Option<&Service> {
        self.service.get()
    }

    /// What only a restart of the process cures, if anything.
    pub(super) fn dead_because(&self) -> Option<String> {
        // The store's own word names the part of it.
        let defect = self.store.get().and_then(|store| store.defect());
        defect.or_else(|| self.tasks.early().map(|ended| ended.sentence()))
    }

    /// Whether another server may serve the fleet meanwhile.
    pub(crate) fn is_one_of_several(&self) -> bool {
        self.store.get().is_some_and(|store| !store.is_exclusive())
    }

    /// Why requests cannot be answered now; empty when they can.
    pub async fn not_ready_because(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            reasons.push("the server is stopping".to_owned());
        }
        match self.store.get() {
            None => reasons.push(
                self.waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            ),
            // Known at once, and true of what a probe would say of it.
            Some(store) if store.misplaced().is_some() => reasons.extend(store.misplaced()),
            Some(store) => {
                let store = Arc::clone(store);
                let question = || async move { store.answers().await.map_err(|error| error.to_string()) };
                match self.answered.ask(PROBE_TIME, question).await {
                    Some(Ok(())) => {}
                    Some(Err(reason)) => reasons.push(reason),
                    None => reasons.push("the store does not answer".to_owned()),
                }
            }
        }
        reasons.extend(
            self.documents
                .get()
                .into_iter()
                .filter_map(|documents| documents.not_ready_because()),
        );
        reasons.extend(self.not_serving().map(|reason| reason.to_string()));
        if let Some(keeper) = &self.keeper
            && keeper.current().is_none()
        {
            let faults = keeper.status(Timestamp::now()).faults;
            let faults = if faults.is_empty() {
                "not looked yet".to_owned()
            } else {
                faults.join("; ")
            };
            reasons.push(format!("waiting for TLS material: {faults}"));
        }
        reasons
    }

    /// Why the store cannot be written, as it was found last. That is no reason to be not ready:
    /// polls are answered from what is there, and without a server devices would get nothing but
    /// errors.
    pub fn store_not_writable(&self) -> Option<String> {
        self.written.fault()
    }

    /// A write to the store has ended: what is known of it without asking.
    pub fn wrote(&self, outcome: Result<(), String>) {
        self.written.tried(outcome);
    }

    /// Looks from time to time whether the store can be written, once it is open; for as long as it
    /// is polled.
    pub async fn watch_store(&self) {
        let Some(store) = self.store.get() else {
            return;
        };
        let look = || async { store.probe().await.map_err(|error| error.to_string()) };
        self.written.watch(look).await;
    }

    fn not_serving(&self) -> Option<intake::NotServing> {
        let keeper = self.admission.as_ref()?;
        match self.store.get() {
            None => keeper.missing(),
            Some(store) => keeper.rule(store.identity().id).err(),
        }
    }

    /// All that a person asks first; with a nonce, of verification calls only those that carried
    /// it.
    pub(super) async fn status(&self, now: Timestamp, nonce: Option<&str>) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            not_ready_because: self.not_ready_because().await,
            switch_waits_for: self
                .documents
                .get()
                .and_then(|documents| documents.switch_waits_for())
                .into_iter()
                .collect(),
            store_not_writable: self.store_not_writable(),
            insecure_http: self.keeper.is_none(),
            tls: self.keeper.as_ref().map(|keeper| keeper.status(now)),
            store: self.store.get().map(|store| store.identity()),
            admission: self.admission.as_ref().map(|keeper| keeper.status()),
            manifests: self.documents.get().map(|documents| documents.summary()),
            probes: nonce.map_or_else(|| self.probes.latest(), |nonce| self.probes.with(nonce)),
        }
    }
}
