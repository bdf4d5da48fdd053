//! The one thread that writes, with group commit: whatever waits is one transaction and one
//! `fsync`.
//!
//! Each job has a savepoint of its own, so that a conflict of one does not harm the others, and is
//! answered only after the `COMMIT`. One that meets damage of the file may end the transaction for
//! all: it is left out, and the others are made without it. The queue is bounded; who finds it full
//! is told so at once instead of waiting for a disk that is stuck.
//!
//! On a full disk a group fails as a whole, and what cannot wait in it, deletions and pruning, is
//! made with the room that is kept for them ([`Reserve`]). Nothing that was acknowledged is ever
//! removed to make room.

use std::{
    fs::{self, File},
    iter::Peekable,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use fleet::{Phase, Stray};
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    apply::{self, Failure},
    connection::{self, Access},
    decode::{is_corrupt, is_damage, is_of_index},
    devices::{self, RowsOf},
    documents,
    files::{Files, Watch},
    housekeeper::{self, Housekeeper},
    indexes::{self, Lacking},
    mark::{self, Mark},
    open, rekey,
    reserve::Reserve,
    sums,
};
use crate::{
    Bounds, DocumentsWrite, Identity, Keyring, Rekeyed, Revision, Sighting, StoreError, Write, WriteGuard,
    model::COMMIT_BYTES, record::unreadable_device,
};

/// Most jobs of one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 512;

/// How late a commit is in the build for the crash test, which acknowledges before it: nothing else
/// is wrong with that build, so a kill within this time is the only way in which it loses what it
/// acknowledged.
const SLOW_DISK: Duration = Duration::from_millis(50);

/// Why what can wait has to.
const FULL: &str =
    "its disk is full, and what little room there is is kept for deletions; free space or enlarge the volume";

/// What the writer is asked to do.
pub(super) enum Work {
    Write(Box<Write>),
    Observe(Vec<Sighting>, Vec<Stray>),
    Setting(String, Option<String>),
    /// Of at most so many rows, times that are ahead become this.
    Settle(Timestamp, usize),
    /// Removes at most so many events older than this.
    Prune(Timestamp, usize),
    Probe,
    Documents(Box<DocumentsWrite>),
    /// Gives this device the checksums that it lacks.
    SumDevice(String),
    /// The same for documents, renderings and sources.
    SumDocuments,
    /// Alone, between two transactions; answered here.
    Rekey(oneshot::Sender<Result<Rekeyed, StoreError>>),
    /// Finishes what was accepted and ends.
    Close,
    #[cfg(test)]
    Defect,
}

/// A job and where its answer goes: the new revision of a write, the number of rows of a removal,
/// else nothing.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: Reply,
}

impl Work {
    /// Whether it makes room, or a device leave the fleet: the reserve is for these. A tombstone is
    /// also written when the device was told of it.
    fn cannot_wait(&self) -> bool {
        match self {
            Self::Write(write) => write
                .life
                .as_ref()
                .is_some_and(|life| life.state.phase() == Phase::Deleted),
            Self::Settle(..) | Self::Prune(..) => true,
            Self::Observe(..)
            | Self::Setting(..)
            | Self::Probe
            | Self::Documents(_)
            | Self::SumDevice(_)
            | Self::SumDocuments
            | Self::Rekey(_)
            | Self::Close => false,
            #[cfg(test)]
            Self::Defect => false,
        }
    }
}

impl Job {
    fn weight(&self) -> usize {
        match &self.work {
            Work::Write(write) => write.weight(),
            _ => 0,
        }
    }
}

type Reply = oneshot::Sender<Result<i64, StoreError>>;

/// The state of the writer's thread.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) files: Arc<Files>,
    /// Held until the last write is done.
    pub(super) lock: File,
    /// Absent after an error that may have left it unusable; opened again for the next group.
    pub(super) connection: Option<Connection>,
    pub(super) reserve: Reserve,
    pub(super) identity: Identity,
    /// The highest revision that was given away.
    pub(super) revision: i64,
    /// The highest revision that is durable.
    pub(super) durable: Arc<AtomicI64>,
    pub(super) bounds: Bounds,
    pub(super) keyring: Keyring,
    pub(super) housekeeper: Housekeeper,
    pub(super) watch: Option<Watch>,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        let mut closed = Vec::new();
        while queue.blocking_recv_many(&mut group, GROUP) > 0 {
            let mut jobs = Vec::with_capacity(group.len());
            let mut rekeys = Vec::new();
            for job in group.drain(..) {
                match job.work {
                    Work::Close => {
                        queue.close();
                        closed.push(job.reply);
                    }
                    Work::Rekey(report) => rekeys.push(report),
                    _ => jobs.push(job),
                }
            }
            let mut jobs = jobs.into_iter().peekable();
            while jobs.peek().is_some() {
                self.commit(share(&mut jobs));
            }
            for report in rekeys {
                let _ = report.send(self.rekey());
            }
        }
        self.finish();
        for reply in closed {
            let _ = reply.send(Ok(0));
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let jobs = if self.reserve.is_wanting(Instant::now()) {
            let (urgent, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.work.cannot_wait());
            for job in rest {
                let _ = job.reply.send(Err(StoreError::unavailable(FULL)));
            }
            urgent
        } else {
            jobs
        };
        if let Some((jobs, error)) = self.try_commit(jobs) {
            let (urgent, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.work.cannot_wait());
            for job in rest {
                let _ = job.reply.send(Err(super::unavailable(&error)));
            }
            self.commit_from_reserve(urgent);
        }
        if self.housekeeper.take_truncation_wish() {
            self.truncate_log(Duration::ZERO);
        }
    }

    /// Makes what cannot wait with the room that is kept for it, and takes that room again.
    fn commit_from_reserve(&mut self, urgent: Vec<Job>) {
        if urgent.is_empty() {
            return;
        }
        if let Err(error) = self.reserve.give() {
            tracing::warn!(store = %self.path.display(), %error, "the room for deletions could not be given up");
        }
        if let Some((jobs, error)) = self.try_commit(urgent) {
            for job in jobs {
                let _ = job.reply.send(Err(super::unavailable(&error)));
            }
        }
        // What was written is in the log, and its room is free again once it is in the database.
        self.truncate_log(connection::BUSY);
        self.reserve.retake();
    }

    /// Makes these and answers them: as one transaction, or where one of them ends it, those before
    /// it and those behind it as one each. So each is made twice at most. Returns what the disk had
    /// no room for, with the error.
    fn try_commit(&mut self, jobs: Vec<Job>) -> Option<(Vec<Job>, rusqlite::Error)> {
        // The next one is the last.
        let mut parts = vec![jobs];
        while let Some(jobs) = parts.pop() {
            if jobs.is_empty() {
                continue;
            }
            match self.make(jobs) {
                Made::Answered => {}
                Made::Parts { before, behind } => parts.extend([behind, before]),
                Made::Not(jobs, error) => {
                    let left = parts.into_iter().rev().flatten();
                    let left: Vec<Job> = jobs.into_iter().chain(left).collect();
                    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
                        return Some((left, error));
                    }
                    for job in left {
                        let _ = job.reply.send(Err(super::unavailable(&error)));
                    }
                    return None;
                }
            }
        }
        None
    }

    /// Makes these as one transaction and answers them, if it can be.
    fn make(&mut self, jobs: Vec<Job>) -> Made {
        let (works, mut replies): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.work, job.reply)).unzip();
        if let Err(error) = self.files.check_log(self.connection.as_ref()) {
            refuse(replies, &error);
            return Made::Answered;
        }
        let undone = match self.transact(&works, &mut replies) {
            Ok((outcomes, reached)) => {
                // What went into a file that nobody finds again is not durable.
                if let Err(error) = self.files.check_written(self.connection.as_ref()) {
                    refuse(replies, &error);
                    return Made::Answered;
                }
                self.durable.fetch_max(reached, Ordering::AcqRel);
                self.housekeeper.committed();
                answer(replies, outcomes);
                return Made::Answered;
            }
            Err(undone) => undone,
        };
        // For callers to report; while the disk is full there would be a line for every group.
        tracing::debug!(store = %self.path.display(), ?undone, writes = works.len(), "the store could not commit");
        if undone.keeps_connection() {
            self.roll_back();
        } else {
            self.files.forget_log();
            self.connection = None;
        }
        let jobs = works.into_iter().zip(replies);
        let mut jobs: Vec<Job> = jobs.map(|(work, reply)| Job { work, reply }).collect();
        match undone {
            Undone::All(error) => Made::Not(jobs, error),
            Undone::By(place, failure) => {
                let behind = jobs.split_off(jobs.len().min(place + 1));
                if let Some(Job { work, reply }) = jobs.pop() {
                    let _ = reply.send(Err(told(&work, failure)));
                }
                Made::Parts { before: jobs, behind }
            }
        }
    }

    /// The outcomes, and the highest revision among them: one that was given away in a transaction
    /// that failed is nowhere.
    fn transact(
        &mut self,
        works: &[Work],
        replies: &mut Vec<Reply>,
    ) -> Result<(Vec<Result<i64, StoreError>>, i64), Undone> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connection::connect(&self.path, Access::Write)?,
        };
        let result = match works {
            [Work::Write(write)] if write.guard == WriteGuard::Unreadable => self
                .replace(&mut connection, write)
                .map(|made| (vec![Ok(made)], made)),
            _ => self.transact_on(&mut connection, works, replies),
        };
        self.connection = Some(connection);
        result
    }

    /// Puts something in the place of a device that cannot be used. Where an index does not let go
    /// of it, that is made again before.
    fn replace(&mut self, connection: &mut Connection, write: &Write) -> Result<i64, Undone> {
        let refused = |failure| Undone::By(0, failure);
        let next = self.next_revision(write.at).map_err(refused)?;
        devices::check_unusable(connection, &write.id, Revision(next)).map_err(refused)?;
        let mut indexes = Vec::new();
        loop {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let made = replace_by(&transaction, write, Revision(next), &indexes, &self.bounds);
            let error = match made {
                Ok(()) => {
                    transaction.commit()?;
                    self.revision = next;
                    return Ok(next);
                }
                Err(Failure::Sqlite(error)) if !concerns_all(&error) => error,
                Err(Failure::Sqlite(error)) => return Err(error.into()),
                Err(failure) => return Err(refused(failure)),
            };
            drop(transaction);
            // Looked for outside of a transaction, as before.
            if indexes.is_empty() {
                indexes = indexes::look_at_all(connection)?.lacking;
            } else {
                indexes.clear();
            }
            if indexes.is_empty() {
                let reason = format!(
                    "nothing can be put in its place, for the file is damaged there ({error}); restore a backup"
                );
                return Err(refused(unreadable_device(write.id.as_str(), &reason).into()));
            }
        }
    }

    fn transact_on(
        &mut self,
        connection: &mut Connection,
        works: &[Work],
        replies: &mut Vec<Reply>,
    ) -> Result<(Vec<Result<i64, StoreError>>, i64), Undone> {
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(works.len());
        let mut reached = 0;
        for (place, work) in works.iter().enumerate() {
            let savepoint = transaction.savepoint()?;
            let outcome = match self.apply(&savepoint, work) {
                Ok(value) => {
                    savepoint.commit()?;
                    if matches!(work, Work::Write(_) | Work::Documents(_)) {
                        reached = value.max(reached);
                    }
                    Ok(value)
                }
                Err(Failure::Sqlite(error)) if concerns_all(&error) => return Err(error.into()),
                Err(failure) if savepoint.is_autocommit() || ends_transaction(&failure) => {
                    return Err(Undone::By(place, failure));
                }
                Err(failure) => {
                    // Rolls back to the savepoint and releases it.
                    savepoint.finish()?;
                    Err(told(work, failure))
                }
            };
            outcomes.push(outcome);
        }
        if cfg!(flotta_acknowledges_early) {
            answer(std::mem::take(replies), std::mem::take(&mut outcomes));
            std::thread::sleep(SLOW_DISK);
        }
        transaction.commit()?;
        Ok((outcomes, reached))
    }

    fn apply(&mut self, connection: &Connection, work: &Work) -> Result<i64, Failure> {
        match work {
            Work::Write(write) => {
                let next = self.next_revision(write.at)?;
                apply::write(connection, write, Revision(next), &self.bounds)?;
                self.revision = next;
                Ok(next)
            }
            Work::Observe(sightings, strays) => {
                apply::observe(connection, sightings, strays, &self.bounds)?;
                Ok(0)
            }
            Work::Setting(name, value) => {
                apply::set_setting(connection, name, value.as_deref())?;
                Ok(0)
            }
            Work::Settle(now, limit) => {
                let settled = apply::settle(connection, *now, *limit)?;
                Ok(i64::try_from(settled).unwrap_or(i64::MAX))
            }
            Work::Prune(before, limit) => {
                let removed = apply::prune(connection, *before, *limit)?;
                Ok(i64::try_from(removed).unwrap_or(i64::MAX))
            }
            Work::Probe => {
                apply::probe(connection)?;
                Ok(0)
            }
            Work::Documents(write) => {
                let next = Revision(self.next_revision(write.at)?);
                let made = documents::apply(connection, &self.keyring, write, next)?;
                self.revision = self.revision.max(made.0);
                Ok(made.0)
            }
            Work::SumDevice(id) => devices::sum_device(connection, id),
            Work::SumDocuments => sums::sum(connection),
            Work::Rekey(_) | Work::Close => Ok(0),
            #[cfg(test)]
            Work::Defect => std::panic::panic_any("a defect"),
        }
    }

    /// Above all that were given away.
    fn next_revision(&self, now: Timestamp) -> Result<i64, Failure> {
        let above = self.revision.checked_add(1).ok_or_else(|| {
            StoreError::unavailable(format!(
                "it is damaged: a row has revision {}, and none comes after it; stop the server, run 'edge-config-server check', \
                 which names damaged rows, and restore a backup",
                self.revision
            ))
        })?;
        Ok(now.as_microsecond().max(above))
    }

    fn rekey(&mut self) -> Result<Rekeyed, StoreError> {
        self.files.check()?;
        self.files.forget_log();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                connection::connect(&self.path, Access::Write).map_err(|error| super::unavailable(&error))?
            }
        };
        // After an error it is not used again.
        let rekeyed = rekey::rekey(&mut connection, &self.keyring)?;
        self.connection = Some(connection);
        Ok(rekeyed)
    }

    fn roll_back(&self) {
        let Some(connection) = &self.connection else {
            return;
        };
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction of the store could not be rolled back");
        }
    }

    /// Between two transactions, when hardly anything of the log is left to copy.
    fn truncate_log(&self, patience: Duration) {
        let Some(connection) = &self.connection else {
            return;
        };
        if let Err(error) = housekeeper::truncate(connection, patience) {
            tracing::warn!(store = %self.path.display(), %error, "the log of the store could not be truncated");
        }
    }

    fn finish(mut self) {
        if let Some(watch) = self.watch.take() {
            watch.stop();
        }
        self.housekeeper.stop();
        let whole = self.files.usable().is_ok() && self.files.check_log(self.connection.as_ref()).is_ok();
        if whole {
            self.truncate_log(Duration::ZERO);
        }
        let in_place = whole && self.files.check().is_ok();
        // Where somebody reads, something may be left in it that belongs to the database. Whoever
        // reads last brings it there, and removes the log.
        let left = fs::metadata(open::log_path(&self.path)).is_ok_and(|log| log.len() > 0);
        let mark = Mark {
            store: self.identity,
            revision: self.durable.load(Ordering::Acquire),
            open: left,
            ended: true,
        };
        if in_place && let Err(error) = mark::write(&self.path, &mark) {
            tracing::warn!(store = %self.path.display(), %error, "the mark of the store could not be written");
        }
        drop(self.connection);
        drop(self.lock);
    }
}

fn refuse(replies: Vec<Reply>, error: &StoreError) {
    for reply in replies {
        let _ = reply.send(Err(StoreError::unavailable(error.reason())));
    }
}

/// What [`Writer::replace`] does in one transaction.
fn replace_by(
    transaction: &Connection,
    write: &Write,
    next: Revision,
    indexes: &[Lacking],
    bounds: &Bounds,
) -> Result<(), Failure> {
    if !indexes.is_empty() {
        // Found before, by what the indexes say until then.
        let rows = RowsOf::find(transaction, &write.id)?;
        for index in indexes {
            index.make_again(transaction, &rows)?;
        }
        rows.remove(transaction)?;
    }
    apply::write(transaction, write, next, bounds)
}

/// The next transaction: as many as are not too large together, and one whatever its size. One that
/// puts something in the place of a device is alone: it may need several.
fn share(jobs: &mut Peekable<impl Iterator<Item = Job>>) -> Vec<Job> {
    let (mut share, mut bytes) = (Vec::new(), 0);
    while let Some(job) = jobs.peek() {
        let alone = matches!(&job.work, Work::Write(write) if write.guard == WriteGuard::Unreadable);
        bytes += job.weight();
        if !share.is_empty() && (alone || bytes > COMMIT_BYTES) {
            break;
        }
        share.extend(jobs.next());
        if alone {
            break;
        }
    }
    share
}

fn answer(replies: Vec<Reply>, outcomes: Vec<Result<i64, StoreError>>) {
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        let _ = reply.send(outcome);
    }
}

/// Whether the error says something about the database and not about one write: that its disk is
/// full, or that it cannot be written now. Damage is that of whoever meets it, and so is what has
/// no code, for it was found by reading a row.
fn concerns_all(error: &rusqlite::Error) -> bool {
    !is_corrupt(error)
        && error.sqlite_error_code().is_some_and(|code| {
            !matches!(
                code,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
            )
        })
}

/// Whether others cannot be written behind it, though the transaction is still there: SQLite
/// refuses every write once it has met a damaged page in it, also where that was read and told as
/// the damage of one device. Only of an index that does not fit its table it is certain that it
/// does not.
fn ends_transaction(failure: &Failure) -> bool {
    match failure {
        Failure::Sqlite(error) => is_corrupt(error) && !is_of_index(error),
        Failure::Refused(error) => matches!(error, StoreError::Corrupt { .. }),
    }
}

/// A failure of one job, in the words for whoever asked for it.
fn told(work: &Work, failure: Failure) -> StoreError {
    let error = match failure {
        Failure::Sqlite(error) if is_damage(&error) => error,
        failure => return super::failure(failure),
    };
    let reason = format!("what is kept of it cannot be changed ({error})");
    match work {
        Work::Write(write) => unreadable_device(write.id.as_str(), &reason),
        Work::SumDevice(id) => unreadable_device(id, &reason),
        Work::SumDocuments => StoreError::Corrupt {
            what: "a document".to_owned(),
            reason,
        },
        _ => super::unavailable(&error),
    }
}

/// Why a transaction was not made.
#[derive(Debug)]
enum Undone {
    /// Whatever is written, it cannot be now.
    All(rusqlite::Error),
    /// The job at this place has ended it.
    By(usize, Failure),
}

impl From<rusqlite::Error> for Undone {
    fn from(error: rusqlite::Error) -> Self {
        Self::All(error)
    }
}

impl Undone {
    /// Whether the connection is as good as before once the transaction is rolled back. Where a
    /// page could not be read it has to be read again.
    fn keeps_connection(&self) -> bool {
        match self {
            Self::All(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ),
            Self::By(..) => false,
        }
    }
}

/// What became of jobs that were to be one transaction.
enum Made {
    /// They are answered.
    Answered,
    /// One was answered and has ended the transaction; the others are to be made without it.
    Parts { before: Vec<Job>, behind: Vec<Job> },
    /// None can be made now.
    Not(Vec<Job>, rusqlite::Error),
}
