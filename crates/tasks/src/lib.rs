//! Tasks that a program cannot do without, each with a name: whether one of them has ended before
//! it was to, and why.
//!
//! A task that ends leaves its work to nobody, and that is noticed when the work is missed: when a
//! certificate that was replaced long ago expires, or a Lease runs out. So what works for as long
//! as the program does is started here. An early end (it returns, fails, panics or is aborted) is
//! logged once, liveness tells it ([`Tasks::early`]), and the program, which waits for it beside
//! the signal to stop ([`Tasks::ended`]), stops in order and fails ([`Tasks::outcome`]).
//!
//! What has an end of its own, such as a request, a connection or an act, is none of these: whoever
//! waits for it tells what came of it. `tests/sources.rs` lists all that is spawned elsewhere.
//!
//! Rejected: a `JoinSet`, since somebody would have to poll it throughout, also while the store is
//! opened and while the program stops; and beginning a task anew, which hides a defect and goes on
//! with whatever state it left. A restart of the process begins with none.

#[cfg(test)]
mod tests;

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

/// The tasks of a program, shared by all who start or ask.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    running: Mutex<BTreeMap<&'static str, AbortHandle>>,
    /// The first early end.
    early: watch::Sender<Option<Ended>>,
}

/// A task has ended before it was to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{task} has ended: {reason}; nothing does its work any more, so the process ends. Start it again, and report this with \
     the log"
)]
pub struct Ended {
    /// Its name, with its article.
    pub task: &'static str,
    /// What it said last.
    pub reason: String,
}

impl Ended {
    /// The same for whoever asks, without the reason: that may quote what others sent.
    pub fn sentence(&self) -> String {
        format!(
            "{} has ended, and the process ends with it; the log says why",
            self.task
        )
    }
}

/// What a task returns.
pub trait Outcome {
    /// Why it failed, if it did.
    fn fault(self) -> Option<String>;
}

impl Outcome for () {
    fn fault(self) -> Option<String> {
        None
    }
}

impl<E: fmt::Display> Outcome for Result<(), E> {
    fn fault(self) -> Option<String> {
        self.err().map(|error| format!("{error:#}"))
    }
}

impl<T: Outcome> Outcome for Option<T> {
    fn fault(self) -> Option<String> {
        self.and_then(T::fault)
    }
}

impl Tasks {
    /// Starts a task that ends by itself once `until` is cancelled, and must not before. A failure
    /// or a panic counts at any time. The handle ends with the task, whatever became of it.
    pub fn start<W>(&self, name: &'static str, until: &CancellationToken, work: W) -> JoinHandle<()>
    where
        W: Future<Output: Outcome + Send> + Send + 'static,
    {
        let work = tokio::spawn(work);
        self.running().insert(name, work.abort_handle());
        let (tasks, until) = (self.clone(), until.clone());
        tokio::spawn(async move {
            let outcome = work.await;
            tasks.running().remove(name);
            if let Some(reason) = reason(outcome, until.is_cancelled()) {
                tasks.note(Ended { task: name, reason });
            }
        })
    }

    /// The same for one that would go on for ever: it is dropped once `until` is cancelled.
    pub fn start_endless<W>(&self, name: &'static str, until: &CancellationToken, work: W) -> JoinHandle<()>
    where
        W: Future<Output: Outcome + Send> + Send + 'static,
    {
        let end = until.clone();
        self.start(name, until, async move { end.run_until_cancelled(work).await })
    }

    /// The first early end, if there was one. Never waits.
    pub fn early(&self) -> Option<Ended> {
        self.0.early.borrow().clone()
    }

    /// Waits for the first early end.
    pub async fn ended(&self) -> Ended {
        let mut early = self.0.early.subscribe();
        let found = early.wait_for(Option::is_some).await;
        let found = found.ok().and_then(|ended| ended.clone());
        match found {
            Some(ended) => ended,
            // Nobody is left who could tell of one; not while there is `self`.
            None => pending().await,
        }
    }

    /// An error if there was an early end.
    pub fn outcome(&self) -> Result<(), Ended> {
        self.early().map_or(Ok(()), Err)
    }

    /// Those that work now, by their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.running().keys().copied().collect()
    }

    /// Ends one as if by an accident. For tests, which look at what comes of it.
    pub fn abort(&self, name: &str) {
        if let Some(task) = self.running().get(name) {
            task.abort();
        }
    }

    fn note(&self, ended: Ended) {
        tracing::error!(
            task = ended.task,
            reason = ended.reason,
            "a task has ended that the program cannot do without; the process ends"
        );
        self.0.early.send_if_modified(|early| {
            let is_first = early.is_none();
            if is_first {
                *early = Some(ended);
            }
            is_first
        });
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<&'static str, AbortHandle>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the end of a task is an early one, if it is.
fn reason<T: Outcome>(outcome: Result<T, JoinError>, is_due: bool) -> Option<String> {
    let early = |reason: &str| (!is_due).then(|| reason.to_owned());
    match outcome.map_err(JoinError::try_into_panic) {
        Ok(outcome) => outcome.fault().or_else(|| early("it returned")),
        Err(Ok(panic)) => Some(format!("it panicked: {}", panic_message(&*panic))),
        Err(Err(_)) => early("it was aborted"),
    }
}

/// What a panic said.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
