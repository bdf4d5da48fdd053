//! When the store's documents are read: at the start, after a change that was made here, and after
//! one of another server.
//!
//! A change takes effect at the next poll of each device that it touches, at whichever server it
//! was made: where other servers may write, the read of the device brings the revision of the
//! documents with it ([`Reloader::at`]). Looking for changes every second as well
//! ([`Reloader::follow`]) keeps what is said about the sources up to date while nobody polls.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use store::{Revision, StoreError};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Current, NotConfigured, Reloader, current::Damaged};
use crate::telemetry;

/// How often another server's changes are looked for.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// How long a request waits for a reading that another has begun. Its caller is gone by then; where
/// the store hangs, this keeps requests from waiting in a row, each for its own failure.
const PATIENCE: Duration = Duration::from_secs(1);

impl Reloader {
    /// Reads the store's documents if they have changed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _in_order = self.reading.lock().await;
        self.read_in_turn().await.map(drop)
    }

    /// The catalogue of the store, which was just seen to hold its documents at this revision.
    ///
    /// If it cannot be read there is none, so that the device gets 503 and keeps what it has. An
    /// earlier catalogue may be at hand, and by it the device would seem to be served; but another
    /// server may have handed the later one to it already. Going back would take a workload off it
    /// that came with the change, with the data of it, and it would come again with the next poll.
    /// To wait costs nothing but time: the device asks again within seconds.
    pub async fn at(&self, revision: Revision) -> Result<Arc<Current>, NotConfigured> {
        if let Some(settled) = self.settled(revision) {
            return settled;
        }
        let Ok(_in_order) = timeout(PATIENCE, self.reading.lock()).await else {
            return Err(NotConfigured::Behind("they are being read".to_owned()));
        };
        // Whoever had the turn before may have read them.
        if let Some(settled) = self.settled(revision) {
            return settled;
        }
        match self.read_in_turn().await {
            // It may be another revision than was seen, and then a later one.
            Ok(true) => self.catalogue(),
            Ok(false) => Err(NotConfigured::Behind(self.fault())),
            Err(error) => Err(NotConfigured::Behind(error.to_string())),
        }
    }

    /// What is known of this revision without reading it. What cannot be used is not read again for
    /// each poll; it may be fixed under the same revision, which [`Reloader::follow`] finds.
    fn settled(&self, revision: Revision) -> Option<Result<Arc<Current>, NotConfigured>> {
        let current = self.current.load_full();
        if let Some(current) = current.filter(|current| current.revision == revision) {
            return Some(Ok(current));
        }
        let damaged = self.state().damaged == Some(revision);
        damaged.then(|| Err(NotConfigured::Behind(self.fault())))
    }

    fn fault(&self) -> String {
        self.state().fault.clone().unwrap_or_default()
    }

    /// Whether the catalogue is what the store holds now; it is not where that cannot be used.
    async fn read_in_turn(&self) -> Result<bool, StoreError> {
        // Before it is read: what is written from here on is another's to read.
        let behind = self.behind.swap(false, Ordering::AcqRel);
        let outcome = self.read().await;
        if outcome.is_err() && behind {
            self.behind.store(true, Ordering::Release);
        }
        outcome
    }

    async fn read(&self) -> Result<bool, StoreError> {
        let known = self.current.load().as_ref().map(|current| current.revision);
        if known.is_some() && known == Some(self.store.documents_revision().await?) {
            return Ok(true);
        }
        let documents = self.store.documents().await?;
        let revision = documents.revision;
        match Current::read(documents, self.strict) {
            Ok(current) => {
                self.metrics.documents(&current);
                tracing::info!(
                    revision = current.revision.0,
                    objects = current.objects().count(),
                    "devices are configured by what the store holds"
                );
                for unreadable in &current.unreadable {
                    tracing::error!(reason = unreadable, "devices that need it get no configuration");
                }
                let mut state = self.state();
                state.fault = None;
                state.damaged = None;
                self.current.store(Some(Arc::new(current)));
                Ok(true)
            }
            Err(damaged) => {
                self.damaged(&damaged, revision);
                Ok(false)
            }
        }
    }

    /// Reads what was written here just now. If that fails, [`Reloader::follow`] tries again: it is
    /// written, whatever comes.
    pub(super) async fn catch_up(&self) {
        self.behind.store(true, Ordering::Release);
        if let Err(error) = self.refresh().await {
            tracing::warn!(
                error = telemetry::chain(&error),
                "what was taken over is stored and cannot be read yet; devices get it as soon as it can be"
            );
        }
    }

    /// A catalogue that was good stays, for those who do not ask for this revision.
    fn damaged(&self, damaged: &Damaged, revision: Revision) {
        let mut state = self.state();
        let fault = damaged.to_string();
        if state.fault.as_ref() != Some(&fault) {
            tracing::error!(reason = %fault, "the documents in the store cannot be used");
        }
        state.fault = Some(fault);
        state.damaged = Some(revision);
    }

    /// Follows what other servers write, until `shutdown`.
    pub async fn follow(self: Arc<Self>, shutdown: CancellationToken) {
        let mut tick = interval(FOLLOW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
            }
            // An exclusive store has no other writer.
            if self.store.is_exclusive()
                && self.current.load().is_some()
                && !self.behind.load(Ordering::Acquire)
            {
                continue;
            }
            // In a task of its own: a defect that some content meets must not end this one.
            let keeper = Arc::clone(&self);
            let outcome = match tokio::spawn(async move { keeper.refresh().await }).await {
                Ok(outcome) => outcome,
                Err(_) => Err(StoreError::unavailable(
                    "reading the documents met a defect in this program; please report it with the log",
                )),
            };
            if let Err(error) = &outcome {
                if !failing {
                    tracing::warn!(
                        error = telemetry::chain(error),
                        "the documents in the store cannot be read now"
                    );
                }
                if self.current.load().is_none() {
                    self.state().fault = Some(error.to_string());
                }
            }
            failing = outcome.is_err();
        }
    }
}
