//! Writes of devices: those that come while others are under way share a transaction of set-based
//! statements.
//!
//! A few tasks take from one bounded queue. A transaction locks its devices in the order of their
//! ids, so two of them (here or on another server) wait for each other and never deadlock; which
//! writes came too late follows from the revisions that were locked. Rejected: one transaction per
//! write, whose round trips and `fsync`s add up.

use std::{collections::HashSet, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use contract::DeviceId;
use deadpool_postgres::Pool;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{
    failure::Failure,
    pool::Lease,
    write::{self, Outcome},
};
use crate::{Bounds, Revision, StoreError, Write, model::COMMIT_BYTES};

/// Most writes of one transaction.
const GROUP: usize = 256;

/// When a transaction that collided with another is tried again, all of it well within the time of
/// a call. Without chance in the pauses those that collided once would do so again, in step.
const AGAIN: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(5))
    .with_max_delay(Duration::from_millis(80))
    .with_max_times(6)
    .with_jitter();

/// A write and where its answer goes.
pub(super) struct Job {
    pub(super) write: Write,
    pub(super) reply: oneshot::Sender<Result<Revision, StoreError>>,
}

/// One of the tasks that write.
#[derive(Clone)]
pub(super) struct Batcher {
    pub(super) pool: Pool,
    pub(super) queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    pub(super) bounds: Bounds,
    pub(super) timeout: Duration,
}

impl Batcher {
    /// Works until the queue is closed and empty.
    pub(super) async fn run(self) {
        loop {
            let mut jobs = Vec::new();
            if self.queue.lock().await.recv_many(&mut jobs, GROUP).await == 0 {
                return;
            }
            while !jobs.is_empty() {
                let (batch, rest) = share(jobs);
                self.perform(batch).await;
                jobs = rest;
            }
        }
    }

    async fn perform(&self, jobs: Vec<Job>) {
        // Whoever gave up was told that the effect is unknown and may have decided anew; it is
        // better not to write. Where writes are acknowledged early nobody ever waits.
        let waits = |job: &Job| cfg!(flotta_acknowledges_early) || !job.reply.is_closed();
        let jobs: Vec<Job> = jobs.into_iter().filter(waits).collect();
        if jobs.is_empty() {
            return;
        }
        let (writes, replies): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.write, job.reply)).unzip();
        match self.transact(&writes).await {
            Ok(outcomes) => answer(replies, outcomes),
            Err(failure) if failure.blames_data() && writes.len() > 1 => {
                let mut outcomes = Vec::with_capacity(writes.len());
                for write in writes {
                    let alone = self.transact(std::slice::from_ref(&write)).await;
                    outcomes.push(match alone {
                        Ok(mut outcomes) => outcomes.pop().unwrap_or(Err(StoreError::Conflict)),
                        Err(failure) => Err(failure.into()),
                    });
                }
                answer(replies, outcomes);
            }
            Err(failure) => {
                let reason = StoreError::from(failure).reason();
                // For callers to report; while the database is gone there would be a line for every
                // batch.
                tracing::debug!(%reason, writes = writes.len(), "the store could not commit");
                for reply in replies {
                    let _ = reply.send(Err(StoreError::unavailable(reason.clone())));
                }
            }
        }
    }

    async fn transact(&self, writes: &[Write]) -> Result<Vec<Outcome>, Failure> {
        let attempts = retried(|| async {
            let mut lease = Lease::take(&self.pool).await?;
            let result = write::transact(lease.client()?, writes, &self.bounds).await;
            lease.done(result)
        });
        tokio::time::timeout(self.timeout, attempts)
            .await
            .unwrap_or_else(|_| Err(StoreError::unavailable("PostgreSQL did not answer in time").into()))
    }
}

/// Runs a transaction again when it collided with another (40001, 40P01).
pub(super) async fn retried<T, F: Future<Output = Result<T, Failure>>>(
    transaction: impl FnMut() -> F,
) -> Result<T, Failure> {
    transaction.retry(AGAIN).when(Failure::can_be_retried).await
}

/// The next transaction, and what is left. Of two writes of one device the later can only fail, or
/// was decided on the earlier: it goes into a later one. So does what would make it too large; the
/// first is in it whatever its size.
fn share(jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let mut seen = HashSet::<DeviceId>::new();
    let mut bytes = 0;
    jobs.into_iter().partition(|job| {
        let first = seen.is_empty();
        if !seen.insert(job.write.id.clone()) {
            return false;
        }
        let with_it = bytes + job.write.weight();
        let fits = first || with_it <= COMMIT_BYTES;
        if fits {
            bytes = with_it;
        }
        fits
    })
}

fn answer(replies: Vec<oneshot::Sender<Result<Revision, StoreError>>>, outcomes: Vec<Outcome>) {
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        let _ = reply.send(outcome);
    }
}
