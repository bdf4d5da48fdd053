//! Keeps the catalogue that devices are configured by, and what is to be said about its sources.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Applied, ApplyError, Current, Share, WATCHED, current::Damaged};
use crate::{metrics::Metrics, service::Clock, telemetry};

/// How often another server's changes are looked for. Devices poll every 5 s.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// The catalogue that devices are configured by.
pub struct Keeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) strict: bool,
    pub(super) allowed: Share,
    /// Held while a source is being taken over.
    pub(super) applying: tokio::sync::Mutex<()>,
    /// Held while the store is read, so that an earlier reading never comes after a later one.
    reading: tokio::sync::Mutex<()>,
    /// The store holds something that was written here and not read since.
    behind: AtomicBool,
    /// Whether `--manifests` was given: then nobody is configured before it was taken over once.
    watched: bool,
    clock: Clock,
    metrics: Arc<Metrics>,
    current: ArcSwapOption<Current>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Why the catalogue in the store cannot be used, or could not be read yet.
    fault: Option<String>,
    sources: BTreeMap<String, SourceStatus>,
}

/// What is to be said about a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Digest of what was taken over last; absent if it never was.
    pub digest: Option<String>,
    /// When that was.
    pub applied_at: Option<Timestamp>,
    /// How many objects are from it.
    pub objects: usize,
    /// What was passed over, one sentence each.
    pub warnings: Vec<String>,
    /// Why what it holds now was not taken over, one sentence each.
    pub faults: Vec<String>,
    /// What waits for a person, as the digest to confirm.
    pub unconfirmed: Option<String>,
}

/// What a person or a program asks a keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Position of the last change in the store; 0 for none.
    pub revision: i64,
    /// The sources.
    pub sources: Vec<SourceStatus>,
    /// What is in the store and cannot be read.
    pub unreadable: Vec<String>,
}

/// A [`Status`] in numbers, for anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Position of the last change in the store; 0 for none.
    pub revision: i64,
    /// How many objects there are.
    pub objects: usize,
    /// From how many sources.
    pub sources: usize,
    /// How many sources hold something that was not taken over.
    pub faulty_sources: usize,
    /// How many of these wait for a person.
    pub unconfirmed_sources: usize,
    /// How many Secrets and renderings cannot be read.
    pub unreadable: usize,
}

/// Why no device is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConfigured {
    /// The documents were not read, or cannot be used.
    #[error("no device is configured: {0}")]
    Unread(String),
    /// `--manifests` was never taken over.
    #[error("no device is configured: --manifests was never taken over: {0}")]
    NeverLoaded(String),
}

/// How a keeper works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether `--manifests` is given.
    pub watched: bool,
    /// Whether one broken workload fails a device's whole configuration.
    pub strict: bool,
    /// What a source may take away unasked.
    pub allowed: Share,
}

impl Keeper {
    /// A keeper that has not read the store yet.
    pub fn new(store: Arc<dyn Store>, options: Options, clock: Clock, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            store,
            strict: options.strict,
            allowed: options.allowed,
            applying: tokio::sync::Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            behind: AtomicBool::new(false),
            watched: options.watched,
            clock,
            metrics,
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
        })
    }

    /// The catalogue, if devices may be configured by it.
    pub fn current(&self) -> Result<Arc<Current>, NotConfigured> {
        let current = self.catalogue()?;
        if self.watched && !current.applied.iter().any(|source| source.name == WATCHED) {
            let state = self.state();
            let faults = state.sources.get(WATCHED).map(|source| source.faults.join("; "));
            let faults = faults.filter(|faults| !faults.is_empty());
            return Err(NotConfigured::NeverLoaded(
                faults.unwrap_or_else(|| "it is being read".to_owned()),
            ));
        }
        Ok(current)
    }

    /// The catalogue of the store, whether or not devices may be configured by it.
    pub fn catalogue(&self) -> Result<Arc<Current>, NotConfigured> {
        self.current.load_full().ok_or_else(|| {
            let fault = self.state().fault.clone();
            NotConfigured::Unread(fault.unwrap_or_else(|| "the store's documents are being read".to_owned()))
        })
    }

    /// Why devices cannot all be configured as they should: for readiness, whose caller may be anybody, so objects are
    /// counted and not named.
    pub fn not_ready_because(&self) -> Option<String> {
        match self.current() {
            Ok(current) if current.unreadable.is_empty() => None,
            Ok(current) => Some(format!(
                "{} secret values in the store cannot be read; 'edge-config-server manifests status' names them",
                current.unreadable.len()
            )),
            Err(reason @ NotConfigured::Unread(_)) => Some(reason.to_string()),
            Err(NotConfigured::NeverLoaded(_)) => Some(
                "--manifests was never taken over; 'edge-config-server manifests status' says why".to_owned(),
            ),
        }
    }

    /// What is known of the sources, in numbers.
    pub fn summary(&self) -> Summary {
        let Status {
            revision,
            sources,
            unreadable,
        } = self.status();
        Summary {
            revision,
            objects: sources.iter().map(|source| source.objects).sum(),
            sources: sources.len(),
            faulty_sources: sources.iter().filter(|source| !source.faults.is_empty()).count(),
            unconfirmed_sources: sources
                .iter()
                .filter(|source| source.unconfirmed.is_some())
                .count(),
            unreadable: unreadable.len(),
        }
    }

    /// What is known of the sources.
    pub fn status(&self) -> Status {
        let current = self.current.load_full();
        let mut sources = self.state().sources.clone();
        for applied in current.iter().flat_map(|current| &current.applied) {
            let source = sources.entry(applied.name.clone()).or_default();
            source.digest = Some(applied.digest.clone());
            source.applied_at = Some(applied.applied_at);
            // It was confirmed at another server of this store.
            if source.unconfirmed.as_ref() == Some(&applied.digest) {
                source.unconfirmed = None;
                source.faults.clear();
            }
        }
        for (name, source) in &mut sources {
            source.name.clone_from(name);
            source.objects = current
                .as_ref()
                .map_or(0, |current| current.of_source(name).count());
        }
        Status {
            revision: current.as_ref().map_or(0, |current| current.revision.0),
            sources: sources.into_values().collect(),
            unreadable: current.map_or_else(Vec::new, |current| current.unreadable.clone()),
        }
    }

    /// Reads the store's documents if they have changed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _in_order = self.reading.lock().await;
        // Before it is read: what is written from here on is another's to read.
        let behind = self.behind.swap(false, Ordering::AcqRel);
        let outcome = self.read().await;
        if outcome.is_err() && behind {
            self.behind.store(true, Ordering::Release);
        }
        outcome
    }

    async fn read(&self) -> Result<(), StoreError> {
        let known = self.current.load().as_ref().map(|current| current.revision);
        if known.is_some() && known == Some(self.store.documents_revision().await?) {
            return Ok(());
        }
        let documents = self.store.documents().await?;
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
                self.state().fault = None;
                self.current.store(Some(Arc::new(current)));
            }
            Err(damaged) => self.damaged(&damaged),
        }
        Ok(())
    }

    /// Reads what was written here just now. If that fails, [`Keeper::follow`] tries again: it is written, whatever comes.
    pub(super) async fn catch_up(&self) {
        self.behind.store(true, Ordering::Release);
        if let Err(error) = self.refresh().await {
            tracing::warn!(
                error = telemetry::chain(&error),
                "what was taken over is stored and cannot be read yet; devices get it as soon as it can be"
            );
        }
    }

    /// A catalogue that was good stays.
    fn damaged(&self, damaged: &Damaged) {
        let mut state = self.state();
        let fault = damaged.to_string();
        if state.fault.as_ref() != Some(&fault) {
            tracing::error!(reason = %fault, "the documents in the store cannot be used");
        }
        state.fault = Some(fault);
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
            let outcome = self.refresh().await;
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

    /// Remembers how taking a source over went.
    pub(super) fn remember(
        &self,
        name: &str,
        outcome: &Result<Applied, Vec<String>>,
        unconfirmed: Option<String>,
    ) {
        let mut state = self.state();
        let source = state.sources.entry(name.to_owned()).or_default();
        source.unconfirmed = unconfirmed;
        match outcome {
            Ok(applied) => {
                source.warnings.clone_from(&applied.warnings);
                source.faults.clear();
            }
            Err(faults) => source.faults.clone_from(faults),
        }
        self.metrics.source(name, outcome.is_ok());
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApplyError {
    /// What waits for a person, as the digest to confirm.
    pub fn unconfirmed(&self) -> Option<String> {
        match self {
            Self::Unconfirmed { digest, .. } => Some(digest.clone()),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}
