//! Opening a database: the lock, the schema, who it is, and whether it was put back from a backup.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use fleet::Epoch;
use rusqlite::{Connection, TransactionBehavior, params};
use uuid::Uuid;

use super::{
    connection::{self, APPLICATION_ID, Access, Meta, cannot_open},
    indexes,
    log::{self, Log},
    mark::{self, Mark},
    reserve::Reserve,
};
use crate::{
    Identity, StoreError,
    migrations::{self, Migration},
};

/// A database that is open for this process alone.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) lock: File,
    pub(super) writer: Connection,
    pub(super) reserve: Reserve,
    pub(super) identity: Identity,
    pub(super) revision: i64,
}

pub(super) fn open(path: &Path, restored: bool) -> Result<Opened, StoreError> {
    let path = canonical(path)?;
    let refused = |reason: String| StoreError::Open {
        location: path.display().to_string(),
        reason,
    };
    let lock = lock(&path)?;
    if let Some(reason) = other_names(&path) {
        return Err(refused(reason));
    }
    let mark = match mark::read(&path) {
        Ok(mark) => mark,
        // A person says that the database is to count, whatever the mark said.
        Err(_) if restored && path.exists() => None,
        Err(reason) => return Err(refused(mark::unreadable(&path, &reason))),
    };
    create_file(&path, mark.as_ref())?;
    if let Some(warning) = left_behind(&path, mark.as_ref(), restored) {
        tracing::warn!(store = %path.display(), "{warning}");
    }
    let reserve = Reserve::beside(&path);
    // What a start writes beyond that has to find room of its own.
    let scarce = reserve.lend();
    let opened = open_with(&path, mark.as_ref(), restored, scarce);
    if scarce || opened.is_ok() {
        reserve.take();
    }
    let (writer, identity, revision) = opened?;
    Ok(Opened {
        path,
        lock,
        writer,
        reserve,
        identity,
        revision,
    })
}

fn open_with(
    path: &Path,
    kept: Option<&Mark>,
    restored: bool,
    scarce: bool,
) -> Result<(Connection, Identity, i64), StoreError> {
    // Looked at through a connection that cannot write, so that a store of a newer program stays as
    // it is.
    let before = {
        let reader = connection::connect(path, Access::Read).map_err(|error| cannot_open(path, &error))?;
        connection::meta(&reader, path)?
    };
    let (schema, oldest) = before.map_or((0, 0), |meta| (meta.schema, meta.oldest_program));
    let pending = migrations::pending(schema, oldest)?;
    if let Some(reason) = contradiction(path, kept, before.as_ref(), restored) {
        return Err(StoreError::Open {
            location: path.display().to_string(),
            reason,
        });
    }
    if scarce && (restored || !pending.is_empty()) {
        return Err(no_room(
            path,
            "the store has to be migrated or begins a new epoch",
        ));
    }

    let mut writer = connection::connect(path, Access::Write).map_err(|error| cannot_open(path, &error))?;
    let failed = |error: rusqlite::Error| cannot_open(path, &error);
    let identity = match before {
        Some(before) if pending.is_empty() && !restored => {
            // The usual start writes nothing, so that it needs no room on the disk.
            if !was_restored(&writer, kept, before.identity).map_err(failed)? {
                before.identity
            } else if scarce {
                return Err(no_room(
                    path,
                    "the store was restored, with which a new epoch begins",
                ));
            } else {
                prepare(&mut writer, path, Some(before), pending, kept, restored).map_err(failed)?
            }
        }
        before => prepare(&mut writer, path, before, pending, kept, restored).map_err(failed)?,
    };
    indexes::restore(&mut writer, path)?;
    let revision = highest_revision(&writer).map_err(failed)?;
    let mark = Mark {
        store: identity,
        revision,
        open: true,
        ended: false,
    };
    leave_mark(path, kept, &mark)?;
    Ok((writer, identity, revision))
}

/// After a restore the mark must follow the database, or each start would find a restored backup
/// again. One that is merely behind is so by what it is for.
fn leave_mark(path: &Path, kept: Option<&Mark>, mark: &Mark) -> Result<(), StoreError> {
    if kept == Some(mark) {
        return Ok(());
    }
    match mark::write(path, mark) {
        Ok(()) => Ok(()),
        Err(error) if kept.is_some_and(|kept| kept.store == mark.store) => {
            tracing::warn!(store = %path.display(), %error, "the mark of the store could not be written");
            Ok(())
        }
        Err(error) => Err(StoreError::Open {
            location: path.display().to_string(),
            reason: format!(
                "its mark {} cannot be written ({error}); {}",
                mark::path(path).display(),
                remedy(&error)
            ),
        }),
    }
}

/// Why the mark forbids to open this database.
fn contradiction(path: &Path, kept: Option<&Mark>, before: Option<&Meta>, restored: bool) -> Option<String> {
    match (before, kept) {
        (None, Some(mark)) if mark.revision > 0 => Some(gone(path, mark, "is empty")),
        (Some(before), Some(mark)) if !restored => mark.contradicts(path, before.identity),
        _ => None,
    }
}

fn no_room(path: &Path, why: &str) -> StoreError {
    StoreError::Open {
        location: path.display().to_string(),
        reason: format!("the disk is full and {why}; free space or enlarge the volume"),
    }
}

/// Creates or migrates, and settles identity and epoch.
fn prepare(
    writer: &mut Connection,
    path: &Path,
    before: Option<Meta>,
    pending: &[Migration],
    mark: Option<&Mark>,
    restored: bool,
) -> rusqlite::Result<Identity> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in pending {
        tracing::info!(
            number = migration.number,
            name = migration.name,
            "migrating the store"
        );
        transaction.execute_batch(migration.sqlite)?;
    }
    let (schema, oldest) = before.map_or((0, 0), |meta| (meta.schema, meta.oldest_program));
    let (schema, oldest) = migrations::after(schema, oldest, pending);
    let Some(before) = before else {
        let identity = Identity {
            id: Uuid::new_v4(),
            epoch: Epoch(Uuid::new_v4()),
        };
        transaction.execute(
            "INSERT INTO meta (one, schema_number, oldest_program, store_id, epoch) VALUES (1, ?1, ?2, ?3, ?4)",
            params![schema, oldest, identity.id.to_string(), identity.epoch.to_string()],
        )?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
        return Ok(identity);
    };
    transaction.execute(
        "UPDATE meta SET schema_number = ?1, oldest_program = ?2",
        params![schema, oldest],
    )?;
    let identity = if restored || was_restored(&transaction, mark, before.identity)? {
        let identity = Identity {
            epoch: Epoch(Uuid::new_v4()),
            ..before.identity
        };
        tracing::warn!(
            store = %path.display(),
            epoch = %identity.epoch,
            "the store is a restored backup: a new epoch begins, deletions of earlier epochs disconnect nobody until confirmed"
        );
        transaction.execute("UPDATE meta SET epoch = ?1", params![identity.epoch.to_string()])?;
        identity
    } else {
        before.identity
    };
    transaction.commit()?;
    Ok(identity)
}

fn was_restored(connection: &Connection, mark: Option<&Mark>, found: Identity) -> rusqlite::Result<bool> {
    let Some(mark) = mark else {
        return Ok(false);
    };
    Ok(mark.shows_restore(found, highest_revision(connection)?))
}

/// What the log of a store that was not closed lacks, and what to do. The end of a last transaction
/// may be torn: nobody was told that it is kept.
fn left_behind(path: &Path, mark: Option<&Mark>, restored: bool) -> Option<String> {
    let log = log_path(path);
    let why = match log::look(&log) {
        Ok(Log::Whole) => return None,
        Ok(Log::Missing) if restored || mark.is_none_or(|mark| !mark.open || is_all_there(path, mark)) => {
            return None;
        }
        Ok(Log::Missing) => "is missing although the server was not stopped in order".to_owned(),
        Ok(Log::Damaged(why)) => format!("is damaged: {why}"),
        Err(error) => format!("cannot be read ({error})"),
    };
    Some(format!(
        "the log {} {why}; what was written last may be lost with it: look at 'edge-config-server device list' and 'manifests \
         status', approve, delete and apply again what is missing, or restore a backup",
        log.display()
    ))
}

/// Whether a server ended in order, and the database has all that it had written: whoever was
/// reading then has brought it there, and removed the log. Looked at without SQLite making a log.
fn is_all_there(path: &Path, mark: &Mark) -> bool {
    mark.ended
        && connection::connect(path, Access::Frozen)
            .and_then(|connection| highest_revision(&connection))
            .is_ok_and(|found| found >= mark.revision)
}

/// The same for whoever only looks. Of the log of a server that is at work, or has just ended in
/// order, nothing is told.
pub(super) fn lost_log(path: &Path) -> Option<String> {
    let seen = || left_behind(path, mark::read(path).ok().flatten().as_ref(), false);
    seen()?;
    match File::open(lock_path(path)) {
        // Held for so long as there is doubt already: a server that starts just now would be
        // refused.
        Ok(lock) => match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => None,
            _ => seen(),
        },
        Err(_) => seen(),
    }
}

pub(super) fn highest_revision(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT max(revision, (SELECT coalesce(max(revision), 0) FROM device)) FROM document_revision",
        [],
        |row| row.get(0),
    )
}

pub(super) fn canonical(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |reason: String| StoreError::Open {
        location: path.display().to_string(),
        reason,
    };
    if path.exists() {
        return fs::canonicalize(path).map_err(|error| failed(error.to_string()));
    }
    let Some(name) = path.file_name() else {
        return Err(failed(
            "it names no file; name the file of the database".to_owned(),
        ));
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::canonicalize(folder)
        .map(|folder| folder.join(name))
        .map_err(|error| {
            failed(format!(
                "the folder {} cannot be used ({error}); create it",
                folder.display()
            ))
        })
}

/// The file that keeps a second server away.
pub(super) fn lock_path(database: &Path) -> PathBuf {
    super::beside(database, ".lock")
}

/// SQLite's log.
pub(super) fn log_path(database: &Path) -> PathBuf {
    super::beside(database, "-wal")
}

/// Why a file with several names is not opened: lock, log and mark go by the name, so that a server
/// on each name would write to the same database with a log of its own.
pub(super) fn other_names(path: &Path) -> Option<String> {
    let names = fs::metadata(path).ok()?.nlink();
    (names > 1).then(|| {
        format!(
            "it has {names} names (hard links), and what keeps a second server away goes by the name; remove the others, which \
             'find -samefile {}' shows, or put a copy in its place",
            path.display()
        )
    })
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |reason: String| StoreError::Open {
        location: path.display().to_string(),
        reason,
    };
    let name = lock_path(path);
    let file = super::private()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(|error| {
            failed(format!(
                "{} cannot be created ({error}); {}",
                name.display(),
                remedy(&error)
            ))
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(failed(
            "another process has it open; stop that server, or give this one a file of its own or PostgreSQL"
                .to_owned(),
        )),
        Err(TryLockError::Error(error)) => Err(failed(format!(
            "{} cannot be locked ({error}); put the database on a file system with locks",
            name.display()
        ))),
    }
}

/// Creates the database's file, for its owner alone: it holds certificate requests and what devices
/// say of themselves.
fn create_file(path: &Path, mark: Option<&Mark>) -> Result<(), StoreError> {
    let failed = |reason: String| StoreError::Open {
        location: path.display().to_string(),
        reason,
    };
    if path.exists() {
        return Ok(());
    }
    if let Some(mark) = mark.filter(|mark| mark.revision > 0) {
        return Err(failed(gone(path, mark, "is gone")));
    }
    match super::private().write(true).create_new(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(format!(
            "it cannot be created ({error}); {}",
            remedy(&error)
        ))),
        _ => Ok(()),
    }
}

pub(super) fn gone(path: &Path, mark: &Mark, how: &str) -> String {
    let (mark, store) = (mark::path(path), mark.store.id);
    format!(
        "it {how}, though {mark} shows that store {store} was kept here; restore a backup, or remove {mark} to begin with an empty \
         fleet, to which every device is unknown",
        mark = mark.display()
    )
}

/// What to do where a file cannot be created or written.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on its volume",
        io::ErrorKind::ReadOnlyFilesystem => "mount its volume writable",
        _ => "make the folder writable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_missing_is_missed_only_where_it_has_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.db");
        let mark = |open| Mark {
            store: Identity {
                id: Uuid::from_u128(1),
                epoch: Epoch(Uuid::from_u128(2)),
            },
            revision: 1,
            open,
            ended: false,
        };
        for (kept, restored) in [
            (None, false),
            (Some(mark(false)), false),
            (Some(mark(true)), true),
        ] {
            assert_eq!(None, left_behind(&path, kept.as_ref(), restored));
        }
        let said = left_behind(&path, Some(&mark(true)), false).unwrap();
        assert!(
            said.contains("fleet.db-wal is missing") && said.contains("restore a backup"),
            "{said}"
        );
        fs::write(log_path(&path), "").unwrap();
        assert_eq!(None, left_behind(&path, Some(&mark(true)), false));
        fs::write(log_path(&path), "odd").unwrap();
        let said = left_behind(&path, None, false).unwrap();
        assert!(said.contains("fleet.db-wal is damaged"), "{said}");
    }

    #[test]
    fn a_full_disk_is_not_called_unwritable() {
        let told = |kind: io::ErrorKind| remedy(&kind.into());
        assert_eq!(told(io::ErrorKind::StorageFull), "free space on its volume");
        assert_eq!(told(io::ErrorKind::QuotaExceeded), "free space on its volume");
        assert_eq!(
            told(io::ErrorKind::ReadOnlyFilesystem),
            "mount its volume writable"
        );
        assert_eq!(told(io::ErrorKind::PermissionDenied), "make the folder writable");
        let full =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        assert!(
            cannot_open(Path::new("fleet.db"), &full)
                .to_string()
                .contains("free space")
        );
    }
}
