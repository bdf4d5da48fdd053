//! What happens beside the writes: checkpoints and the mark.
//!
//! The log is copied into the database by passive checkpoints on a connection of their own, which
//! never make a writer wait. They cannot shrink the log while writes go on; when it has grown large
//! and little of it is left to copy, the writer itself truncates it between two transactions.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::Connection;

use super::{
    connection::{self, Access},
    files::Files,
    mark::{self, Mark},
};
use crate::{Identity, defects::Defects};

/// Pause between two rounds; also the most that the mark is behind.
const PAUSE: Duration = Duration::from_millis(500);

/// Between two looks whether the mark is to be written again, where nothing is committed.
const LOOK: Duration = Duration::from_secs(1);

/// Pages of the log from which on it is truncated: 64 MiB.
const LARGE: i64 = 16 * 1024;

/// Pages left to copy that hold up a writer for a moment only.
const LITTLE: i64 = 1024;

/// The writer's end of the thread.
pub(super) struct Housekeeper {
    truncation_wanted: Arc<AtomicBool>,
    thread: Option<Thread>,
}

struct Thread {
    committed: mpsc::SyncSender<()>,
    /// Dropped to end a pause.
    running: mpsc::Sender<()>,
    handle: JoinHandle<()>,
}

/// Why there is something to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Something was committed.
    Committed,
    /// Nothing was, for a while.
    Quiet,
}

impl Housekeeper {
    pub(super) fn start(
        files: &Arc<Files>,
        path: &Path,
        identity: Identity,
        durable: Arc<AtomicI64>,
        defects: &Defects,
    ) -> std::io::Result<Self> {
        let truncation_wanted = Arc::new(AtomicBool::new(false));
        let marked = durable.load(Ordering::Acquire);
        let mut house = House {
            path: path.to_owned(),
            files: Arc::clone(files),
            identity,
            durable,
            marked,
            connection: None,
            truncation_wanted: Arc::clone(&truncation_wanted),
        };
        Self::begin(truncation_wanted, defects, move |turn| match turn {
            Turn::Committed => house.round(),
            Turn::Quiet => house.renew_mark(),
        })
    }

    /// The thread, with what it does at each turn.
    fn begin(
        truncation_wanted: Arc<AtomicBool>,
        defects: &Defects,
        mut round: impl FnMut(Turn) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (committed, wake) = mpsc::sync_channel(1);
        let (running, pause) = mpsc::channel::<()>();
        let work = move || {
            loop {
                match wake.recv_timeout(LOOK) {
                    Ok(()) => round(Turn::Committed),
                    Err(mpsc::RecvTimeoutError::Timeout) => round(Turn::Quiet),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
                if pause.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Disconnected) {
                    break;
                }
            }
        };
        let defects = defects.clone();
        let handle = thread::Builder::new()
            .name("store-housekeeper".to_owned())
            .spawn(move || defects.watch("the keeper of the store's log", work))?;
        Ok(Self {
            truncation_wanted,
            thread: Some(Thread {
                committed,
                running,
                handle,
            }),
        })
    }

    /// Says that there is something to do. Never waits.
    pub(super) fn committed(&self) {
        if let Some(thread) = &self.thread {
            // A full channel has said so already.
            let _ = thread.committed.try_send(());
        }
    }

    /// Whether the log should be truncated; asked once each time.
    pub(super) fn take_truncation_wish(&self) -> bool {
        self.truncation_wanted.swap(false, Ordering::AcqRel)
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&mut self) {
        let Some(Thread {
            committed,
            running,
            handle,
        }) = self.thread.take()
        else {
            return;
        };
        drop((committed, running));
        // What it ended by is told by `Store::defect`.
        let _ = handle.join();
    }
}

struct House {
    path: PathBuf,
    files: Arc<Files>,
    identity: Identity,
    durable: Arc<AtomicI64>,
    marked: i64,
    connection: Option<Connection>,
    truncation_wanted: Arc<AtomicBool>,
}

impl House {
    fn round(&mut self) {
        // The mark beside another store's file is evidence, and that file is not ours to write.
        if self.files.usable().is_err() || self.files.check_log(self.connection.as_ref()).is_err() {
            return;
        }
        if let Err(error) = self.checkpoint() {
            self.connection = None;
            tracing::warn!(store = %self.path.display(), %error, "the log of the store could not be copied into it");
        }
        self.mark();
    }

    /// Writes the mark where nobody can read it any more.
    fn renew_mark(&mut self) {
        if self.files.usable().is_ok() {
            self.mark();
        }
    }

    fn mark(&mut self) {
        let revision = self.durable.load(Ordering::Acquire);
        if !self.files.take_mark_wish() && revision == self.marked {
            return;
        }
        match mark::write(
            &self.path,
            &Mark {
                store: self.identity,
                revision,
                open: true,
                ended: false,
            },
        ) {
            Ok(()) => self.marked = revision,
            Err(error) => {
                tracing::warn!(store = %self.path.display(), %error, "the mark of the store could not be written");
            }
        }
    }

    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connection::connect(&self.path, Access::Write)?,
        };
        let (log, copied) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        self.connection = Some(connection);
        if log > LARGE && log - copied < LITTLE {
            self.truncation_wanted.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// Copies what is left of the log and truncates it, unless a reader or a checkpoint is in the way
/// for so long.
pub(super) fn truncate(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    let result = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(connection::BUSY)?;
    match result {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_thread_by_a_defect_is_told() {
        for defective in [false, true] {
            let defects = Defects::default();
            let round = move |_| assert!(!defective, "a defect");
            let mut housekeeper = Housekeeper::begin(Arc::default(), &defects, round).unwrap();
            housekeeper.committed();
            // What was said before is heard.
            housekeeper.stop();
            let told = defects
                .sentence()
                .is_some_and(|said| said.contains("the keeper of the store's log"));
            assert_eq!(told, defective);
        }
    }
}
