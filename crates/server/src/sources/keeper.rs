//! Keeps the catalogue that devices are configured by, and what is to be said about its sources.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Revision, Store};

use super::{Current, Settling, Share, WATCHED, outcome::Outcome};
use crate::{metrics::Metrics, service::Clock};

/// The catalogue that devices are configured by.
pub struct Reloader {
    pub(super) store: Arc<dyn Store>,
    pub(super) strict: bool,
    pub(super) allowed: Share,
    /// Held while a source is being taken over.
    pub(super) applying: tokio::sync::Mutex<()>,
    /// Held while the store is read, so that an earlier reading never comes after a later one.
    pub(super) reading: tokio::sync::Mutex<()>,
    /// The store holds something that was written here and not read since.
    pub(super) behind: AtomicBool,
    /// Whether `--manifests` was given: then nobody is configured before it was taken over once.
    watched: bool,
    clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) current: ArcSwapOption<Current>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Why the catalogue in the store cannot be used, or could not be read yet.
    pub(super) fault: Option<String>,
    /// At which revision it cannot be used.
    pub(super) damaged: Option<Revision>,
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
    /// What it holds now and waits for the source to rest, since it takes something away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settling: Option<Settling>,
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
    /// The documents have changed and cannot be read or used.
    #[error("no device is configured: the manifests in the store have changed and cannot be read: {0}")]
    Behind(String),
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

impl Reloader {
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

    /// A catalogue, if a device may be configured by it. Until `--manifests` was taken over once
    /// only one may that was given a configuration by this store before: it goes on with that, and
    /// any other one would get half of what it needs.
    pub fn released(
        &self,
        current: Arc<Current>,
        was_given_one: bool,
    ) -> Result<Arc<Current>, NotConfigured> {
        if !was_given_one && self.is_never_taken_over(&current) {
            let state = self.state();
            let faults = state.sources.get(WATCHED).map(|source| source.faults.join("; "));
            let faults = faults.filter(|faults| !faults.is_empty());
            return Err(NotConfigured::NeverLoaded(
                faults.unwrap_or_else(|| "it is being read".to_owned()),
            ));
        }
        Ok(current)
    }

    fn is_never_taken_over(&self, current: &Current) -> bool {
        self.watched && !current.applied.iter().any(|source| source.name == WATCHED)
    }

    /// Why no Edge API should be switched to this server yet, if so: devices that come over would
    /// get no configuration. For anybody, so nothing is named.
    pub fn switch_waits_for(&self) -> Option<String> {
        match self.catalogue() {
            Ok(current) if self.is_never_taken_over(&current) => Some(
                "its manifests were never taken over, so devices that come would get no configuration; 'edge-config-server \
                 manifests status' says why"
                    .to_owned(),
            ),
            // Then it is not ready, and says so.
            Ok(_) | Err(_) => None,
        }
    }

    /// Whether anybody is asked about losses.
    pub fn asks(&self) -> bool {
        self.allowed.asks()
    }

    /// The catalogue of the store, whether or not devices may be configured by it.
    pub fn catalogue(&self) -> Result<Arc<Current>, NotConfigured> {
        self.current.load_full().ok_or_else(|| {
            let fault = self.state().fault.clone();
            NotConfigured::Unread(fault.unwrap_or_else(|| "the store's documents are being read".to_owned()))
        })
    }

    /// Why devices cannot all be configured as they should: for readiness, whose caller may be
    /// anybody, so objects are counted and not named. A source that was never taken over is no
    /// reason: who is not ready hears no heartbeat either.
    pub fn not_ready_because(&self) -> Option<String> {
        match self.catalogue() {
            Ok(current) if current.unreadable.is_empty() => None,
            Ok(current) => Some(format!(
                "{} secret values in the store cannot be read; 'edge-config-server manifests status' names them",
                current.unreadable.len()
            )),
            Err(reason) => Some(reason.to_string()),
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
            source
                .settling
                .take_if(|settling| settling.digest == applied.digest);
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

    /// Remembers how taking a source over went.
    pub(super) fn remember(&self, name: &str, outcome: &Outcome) {
        let mut state = self.state();
        let source = state.sources.entry(name.to_owned()).or_default();
        source.unconfirmed = None;
        source.settling = None;
        source.faults.clear();
        match outcome {
            Outcome::Applied(applied) => source.warnings.clone_from(&applied.warnings),
            Outcome::Settling(settling) => source.settling = Some(settling.clone()),
            Outcome::Unconfirmed(digest, fault) => {
                source.unconfirmed = Some(digest.clone());
                source.faults = vec![fault.clone()];
            }
            Outcome::Rejected(faults) => source.faults.clone_from(faults),
        }
        self.metrics.source(name, matches!(outcome, Outcome::Applied(_)));
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}
