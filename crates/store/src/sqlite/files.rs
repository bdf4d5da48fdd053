//! Whether the files of an open store are still those that were opened.
//!
//! A file that is removed or replaced under a running server stays open, and what is written to it
//! is found by nobody. So the numbers of the files (by `stat`) are looked at around each commit.
//! Every second so are the id in the mark and, by a connection of SQLite's, the id and the highest
//! revision in the database: a backup may be copied over it. The database file is never opened
//! otherwise: closing any descriptor of it would drop SQLite's locks.
//!
//! A log that is cut off in place is the same file. So it is also looked at whether it holds what
//! was written. Others may have emptied or begun it anew in order, by a checkpoint: what differs
//! counts only if SQLite, which all of them tell, says that it has to be there.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};
use uuid::Uuid;

use super::{
    connection::{self, Access},
    log::Extent,
    mark, open,
};
use crate::{StoreError, defects::Defects};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a log is looked at that others write meanwhile.
const TRIES: usize = 3;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    /// Of what is there, if anything.
    fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::of)
    }

    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            number: metadata.ino(),
        }
    }
}

/// The files that were opened, and why they may not be used any more.
#[derive(Debug)]
pub(super) struct Files {
    database: PathBuf,
    id: Uuid,
    /// The highest revision that was acknowledged.
    durable: Arc<AtomicI64>,
    opened: [(PathBuf, Inode); 2],
    log: PathBuf,
    /// The log of the writer's connection. Without a connection there need not be one, and where
    /// the file system does not allow for it there never is.
    written: Mutex<Option<Inode>>,
    /// What that log held after the last commit, if it could be seen.
    extent: Mutex<Option<Extent>>,
    /// Whether the mark is to be written again, for nobody can read it.
    is_mark_wanted: AtomicBool,
    /// Whether there is something in `lost`: asked with every request.
    is_lost: AtomicBool,
    lost: Mutex<Option<String>>,
}

impl Files {
    /// To be made while the lock is held and SQLite has the database open.
    pub(super) fn new(database: &Path, lock: &File, id: Uuid, durable: Arc<AtomicI64>) -> io::Result<Self> {
        let opened = Inode::of(&fs::metadata(database)?);
        let locked = Inode::of(&lock.metadata()?);
        let log = open::log_path(database);
        let written = Mutex::new(Inode::at(&log));
        Ok(Self {
            database: database.to_owned(),
            id,
            durable,
            opened: [(database.to_owned(), opened), (open::lock_path(database), locked)],
            log,
            written,
            extent: Mutex::default(),
            is_mark_wanted: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            lost: Mutex::default(),
        })
    }

    /// Why nothing may be read or written; as it was found last.
    pub(super) fn lost(&self) -> Option<String> {
        if !self.is_lost.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.lost).clone()
    }

    /// Fails if nothing may be read or written; as it was found last.
    pub(super) fn usable(&self) -> Result<(), StoreError> {
        self.lost()
            .map_or(Ok(()), |reason| Err(StoreError::unavailable(reason)))
    }

    /// Looks at the files by their numbers alone, for whoever opens or has just written one.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let found = self.numbers();
        if let Err(reason) = &found {
            self.note(Some(reason.clone()));
        }
        found.map_err(StoreError::unavailable)
    }

    /// The same for whoever is about to write the log: what is written behind a part that was cut
    /// off is found by nobody.
    pub(super) fn check_log(&self, writer: Option<&Connection>) -> Result<(), StoreError> {
        self.check()?;
        if self.is_log_held() {
            return Ok(());
        }
        writer.map_or(Ok(()), |writer| self.check_extent(writer))
    }

    /// The same after a commit, which has written the log.
    pub(super) fn check_written(&self, writer: Option<&Connection>) -> Result<(), StoreError> {
        {
            let mut written = lock(&self.written);
            if written.is_none() {
                *written = Inode::at(&self.log);
            }
        }
        self.check()?;
        writer.map_or(Ok(()), |writer| self.check_extent(writer))
    }

    fn check_extent(&self, writer: &Connection) -> Result<(), StoreError> {
        let found = self.extent_by(writer);
        match found {
            Ok(extent) => {
                *lock(&self.extent) = extent;
                Ok(())
            }
            Err(reason) => {
                self.note(Some(reason.clone()));
                Err(StoreError::unavailable(reason))
            }
        }
    }

    /// The writer's connection is about to be closed, and its log may go with it; or what is in the
    /// log is about to be written anew.
    pub(super) fn forget_log(&self) {
        *lock(&self.written) = None;
        *lock(&self.extent) = None;
    }

    /// Whether the log holds what it held. What cannot be looked at is told by whoever needs it.
    fn is_log_held(&self) -> bool {
        let extent = *lock(&self.extent);
        extent.is_none_or(|extent| extent.is_held(&self.log).unwrap_or(true))
    }

    /// What the log holds; fails if that is not what SQLite says. `None` if it cannot be said.
    fn extent_by(&self, connection: &Connection) -> Result<Option<Extent>, String> {
        let before = *lock(&self.extent);
        let Some(frames) = frames(connection) else {
            return Ok(None);
        };
        let looked = |frames| match Extent::of(&self.log, frames) {
            Ok(Some(extent)) => match before {
                Some(before) if extent.continues(&before) && !before.is_held(&self.log).unwrap_or(true) => {
                    Err(())
                }
                _ => Ok(Some(extent)),
            },
            Ok(None) => Err(()),
            Err(_) => Ok(None),
        };
        if let Ok(extent) = looked(frames) {
            return Ok(extent);
        }
        // Another program may be at it. Nobody is as long as this connection is the one that may
        // write.
        for _ in 0..TRIES {
            let Some(frames) = self::frames(connection) else {
                return Ok(None);
            };
            if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
                return if is_unreadable(&error) {
                    Err(self.cut_off())
                } else {
                    Ok(None)
                };
            }
            let extent = looked(frames);
            let ended = connection.execute_batch("ROLLBACK");
            match extent {
                Ok(extent) => return Ok(extent),
                Err(()) if ended.is_ok() && self::frames(connection) == Some(frames) => {
                    return Err(self.cut_off());
                }
                Err(()) => {}
            }
        }
        Ok(None)
    }

    /// The same for the watch, by a connection of its own.
    fn extent(&self) -> Result<(), String> {
        if self.is_log_held() {
            return Ok(());
        }
        let read = connection::connect(&self.database, Access::Join).and_then(|connection| {
            // SQLite opens the log with the first read.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        });
        match read {
            Ok(connection) => self.extent_by(&connection).map(drop),
            Err(error) if is_unreadable(&error) => Err(self.cut_off()),
            Err(_) => Ok(()),
        }
    }

    fn cut_off(&self) -> String {
        format!(
            "{} does not hold what was written to it any more, so that what was written last may be lost; stop the server, \
             restore the store and start it",
            self.log.display()
        )
    }

    fn numbers(&self) -> Result<(), String> {
        for (path, opened) in &self.opened {
            same(path, *opened)?;
        }
        let written = *lock(&self.written);
        written.map_or(Ok(()), |written| same(&self.log, written))
    }

    /// Looks at the files, the mark and the database's own word.
    fn look(&self) {
        let found = self
            .numbers()
            .and_then(|()| self.extent())
            .and_then(|()| self.ids());
        self.note(found.err());
    }

    fn ids(&self) -> Result<(), String> {
        let unread = match mark::read(&self.database) {
            Ok(Some(found)) if found.store.id != self.id => {
                return Err(self.another(&mark::path(&self.database), found.store.id));
            }
            // An absent one is written again with the next commit.
            Ok(_) => None,
            Err(reason) => Some(reason),
        };
        let is_ours = self.is_database_ours()?;
        let Some(reason) = unread else { return Ok(()) };
        let path = mark::path(&self.database);
        if !is_ours {
            return Err(format!(
                "{} cannot be read ({reason}); restore it",
                path.display()
            ));
        }
        if !self.is_mark_wanted.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                mark = %path.display(),
                reason,
                "the mark of the store cannot be read; it is written again, since the database says that it is this store"
            );
        }
        Ok(())
    }

    /// Whether the database says that it is this store, and has what was acknowledged; fails if it
    /// says something else. What cannot be read is told by whoever needs it.
    fn is_database_ours(&self) -> Result<bool, String> {
        let acknowledged = self.durable.load(Ordering::Acquire);
        let Ok(connection) = connection::connect(&self.database, Access::Read) else {
            return Ok(false);
        };
        match connection::meta(&connection, &self.database) {
            Ok(Some(meta)) if meta.identity.id != self.id => {
                Err(self.another(&self.database, meta.identity.id))
            }
            Ok(Some(_)) => match open::highest_revision(&connection) {
                Ok(found) if found < acknowledged => Err(self.earlier(found, acknowledged)),
                found => Ok(found.is_ok()),
            },
            _ => Ok(false),
        }
    }

    /// Whether the mark is to be written again; asked once each time.
    pub(super) fn take_mark_wish(&self) -> bool {
        self.is_mark_wanted.swap(false, Ordering::AcqRel)
    }

    fn earlier(&self, found: i64, acknowledged: i64) -> String {
        format!(
            "{} is an earlier state of this store now (its highest revision is {found}, and {acknowledged} was written), as if a \
             backup was copied over it while the server had it open; stop the server, restore the backup again and start it",
            self.database.display()
        )
    }

    fn another(&self, path: &Path, found: Uuid) -> String {
        format!(
            "{} is of store {found} now, and store {} was opened; stop the server, bring that store's files back and start it",
            path.display(),
            self.id
        )
    }

    fn note(&self, found: Option<String>) {
        let mut lost = lock(&self.lost);
        if *lost == found {
            return;
        }
        match &found {
            Some(reason) => tracing::error!(
                reason,
                "the store's files are not those that were opened: nothing is answered"
            ),
            None => {
                tracing::info!(store = %self.database.display(), "the store's files are those that were opened again");
            }
        }
        self.is_lost.store(found.is_some(), Ordering::Release);
        *lost = found;
    }
}

/// How many frames SQLite says are in the log.
fn frames(connection: &Connection) -> Option<u64> {
    let frames = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(1));
    // Where there is no log they are -1.
    frames.ok().and_then(|frames| u64::try_from(frames).ok())
}

/// Whether SQLite could not read what it had written, and does not merely wait for others.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn same(path: &Path, opened: Inode) -> Result<(), String> {
    let remedy = "stop the server, restore the store and start it";
    match fs::metadata(path) {
        Ok(metadata) if Inode::of(&metadata) == opened => Ok(()),
        Ok(_) => Err(format!(
            "{} was replaced while the server had it open, so that what is written may be lost; {remedy}",
            path.display()
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "{} was removed while the server had it open, so that what is written may be lost; {remedy}",
            path.display()
        )),
        Err(error) => Err(format!(
            "{} cannot be looked at ({error}); look at its volume",
            path.display()
        )),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that looks every second.
pub(super) struct Watch {
    /// Dropped to end a pause.
    running: mpsc::Sender<()>,
    handle: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(files: Arc<Files>, defects: &Defects) -> io::Result<Self> {
        Self::begin(PAUSE, defects, move || files.look())
    }

    fn begin(period: Duration, defects: &Defects, look: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (running, pause) = mpsc::channel();
        let work = move || {
            while pause.recv_timeout(period) == Err(mpsc::RecvTimeoutError::Timeout) {
                look();
            }
        };
        let defects = defects.clone();
        let handle = thread::Builder::new()
            .name("store-watch".to_owned())
            .spawn(move || defects.watch("the look at the store's files", work))?;
        Ok(Self { running, handle })
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(self) {
        drop(self.running);
        // What it ended by is told by `Store::defect`.
        let _ = self.handle.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_thread_by_a_defect_is_told() {
        let defects = Defects::default();
        let look = || assert!(std::hint::black_box(false), "a defect");
        let watch = Watch::begin(Duration::ZERO, &defects, look).unwrap();
        watch.handle.join().unwrap();
        assert!(
            defects
                .sentence()
                .is_some_and(|said| said.contains("the look at the store's files"))
        );
    }

    #[test]
    fn an_end_that_was_asked_for_is_none() {
        let defects = Defects::default();
        Watch::begin(Duration::ZERO, &defects, || ()).unwrap().stop();
        assert_eq!(None, defects.sentence());
    }
}
