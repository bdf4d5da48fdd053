//! Keeps the newest good order, whatever happens to the file.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_swap::ArcSwapOption;
use fleet::Admission;
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::file::{self, Fault, Order};
use crate::{files, metrics::Metrics};

/// The newest good order, and what is wrong with the file now.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    current: ArcSwapOption<Order>,
    state: Mutex<State>,
    /// Held while the file is read, so that `state` never is.
    looking: Mutex<()>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    /// The contents that were judged last, or why there were none.
    judged: Option<Result<Vec<u8>, String>>,
    fault: Option<Fault>,
    /// When the present fault was first seen.
    since: Option<Timestamp>,
    /// Orders that were replaced, oldest first: each lives until the last decision under it is
    /// recorded.
    replaced: Vec<Weak<Order>>,
}

/// The order that one decision is made under. To be held until the decision is recorded: only then
/// is it over.
#[derive(Debug, Default)]
pub struct Ruling {
    /// Whom to take in.
    pub admission: Admission,
    _order: Option<Arc<Order>>,
}

/// Why no device is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServing {
    /// There never was an order.
    #[error("waiting for the admission file: {0}")]
    Waiting(String),
    /// The fleet was recorded in another store.
    #[error(
        "this is store {present}, but the fleet is recorded in store {recorded}: bring back that store's volume or database, \
         or have a person accept this store in its place (acceptStoreId of the RemoteBackend, else storeId in the admission \
         file)"
    )]
    OtherStore {
        /// The store that is open.
        present: Uuid,
        /// The store of the order.
        recorded: Uuid,
    },
}

impl NotServing {
    /// The reason in a word, for metrics.
    pub fn because(&self) -> &'static str {
        match self {
            Self::Waiting(_) => "no-admission",
            Self::OtherStore { .. } => "other-store",
        }
    }
}

/// What a program or a person asks a keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The order in force; `null` before the first. A new one is in force when the last decision
    /// under the one before is recorded: whoever reads `Closed` here may count.
    pub admission: Option<Admission>,
    /// The store that it names.
    pub store_id: Option<Uuid>,
    /// What is wrong with the file now; the order above stays.
    pub faults: Vec<String>,
    /// Since when.
    pub faults_since: Option<Timestamp>,
}

impl Reloader {
    /// A keeper that has not looked yet.
    pub fn new(path: PathBuf, metrics: Arc<Metrics>) -> Arc<Self> {
        metrics.admission(None);
        Arc::new(Self {
            path,
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
            looking: Mutex::default(),
            metrics,
        })
    }

    /// The order for one decision on this store.
    pub fn rule(&self, store: Uuid) -> Result<Ruling, NotServing> {
        let order = self.current.load_full().ok_or_else(|| self.waiting())?;
        match order.store {
            Some(recorded) if recorded != store => Err(NotServing::OtherStore {
                present: store,
                recorded,
            }),
            _ => Ok(Ruling {
                admission: order.admission,
                _order: Some(order),
            }),
        }
    }

    /// Why there is no order, if there is none.
    pub fn missing(&self) -> Option<NotServing> {
        self.current.load().is_none().then(|| self.waiting())
    }

    fn waiting(&self) -> NotServing {
        let fault = self.state().fault.as_ref().map(ToString::to_string);
        NotServing::Waiting(fault.unwrap_or_else(|| "not looked yet".to_owned()))
    }

    /// The order in force and what is wrong.
    pub fn status(&self) -> Status {
        let state = self.state();
        let order = state
            .replaced
            .iter()
            .find_map(Weak::upgrade)
            .or_else(|| self.current.load_full());
        Status {
            admission: order.as_ref().map(|order| order.admission),
            store_id: order.and_then(|order| order.store),
            faults: state.fault.iter().map(ToString::to_string).collect(),
            faults_since: state.since,
        }
    }

    /// Looks at the file and takes its order, if it is new and good. Blocks for as long as reading
    /// takes.
    pub fn look(&self, now: Timestamp) {
        let _one_at_a_time = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = file::contents(&self.path);
        if self.state().judged.as_ref() == Some(&contents) {
            return;
        }
        if file::contents(&self.path) != contents {
            // Somebody is writing; the next look sees the rest.
            return;
        }
        let outcome = contents
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|document| file::parse(document));
        let mut state = self.state();
        state.judged = Some(contents);
        match outcome {
            Ok(order) => self.publish(&mut state, order),
            Err(reason) => self.remember(&mut state, reason, now),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, state: &mut State, order: Order) {
        state.fault = None;
        state.since = None;
        self.metrics.admission(Some(order.admission));
        if self.current.load().as_deref() == Some(&order) {
            return;
        }
        let store = order.store.map(|id| id.to_string());
        tracing::info!(admission = %order.admission, store, "admission loaded");
        let before = self.current.swap(Some(Arc::new(order)));
        state.replaced.retain(|order| order.strong_count() > 0);
        state.replaced.extend(before.as_ref().map(Arc::downgrade));
    }

    fn remember(&self, state: &mut State, reason: String, now: Timestamp) {
        let fault = Fault {
            path: self.path.clone(),
            reason,
        };
        if self.current.load().is_some() {
            tracing::error!(%fault, "the new admission was refused; the old one stays");
        } else {
            tracing::warn!(%fault, "waiting for the admission file; no device is served until it is there");
        }
        self.metrics.admission_refused();
        state.fault = Some(fault);
        state.since = Some(now);
    }

    /// Looks at the file every second and on SIGHUP, until `shutdown` is cancelled.
    pub async fn watch(self: Arc<Self>, shutdown: CancellationToken) -> std::io::Result<()> {
        files::watch("admission file", move || self.look(Timestamp::now()), shutdown).await
    }
}
