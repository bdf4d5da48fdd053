//! Connections with the settings that all of them share, and what the database at the other end
//! says about itself.

use std::{os::unix::ffi::OsStrExt as _, path::Path, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::{Identity, StoreError, record};

/// `FLOC` in the header of the file: no other program's database is taken for ours.
pub(super) const APPLICATION_ID: i32 = 0x464C_4F43;

/// How long a statement waits for another process (`sqlite3`, a backup) that holds the database.
pub(super) const BUSY: Duration = Duration::from_millis(250);

/// What a database says about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub(super) schema: u32,
    pub(super) oldest_program: u32,
    pub(super) identity: Identity,
}

/// What a connection may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// Reads what is in the database alone, and makes no files beside it. Only where nobody has it
    /// open.
    Frozen,
    /// What a look at the log needs, without changing how the database is kept.
    Join,
    Write,
}

/// A connection with the settings that all of them share.
pub(super) fn connect(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let mode = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Frozen => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        Access::Join | Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let frozen = (access == Access::Frozen).then(|| frozen_uri(path));
    let name = frozen.as_deref().map_or(path, Path::new);
    let connection = Connection::open_with_flags(name, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    if access == Access::Write {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    }
    Ok(connection)
}

/// Of a path that is absolute.
fn frozen_uri(path: &Path) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.');
    format!(
        "file:{}?immutable=1",
        percent_encode(path.as_os_str().as_bytes(), PLAIN)
    )
}

/// What the database says about itself; `None` if it is empty.
pub(super) fn meta(connection: &Connection, path: &Path) -> Result<Option<Meta>, StoreError> {
    read_meta(connection)
        .map_err(|error| cannot_open(path, &error))?
        .transpose()
        .map_err(|reason| StoreError::Open {
            location: path.display().to_string(),
            reason,
        })
}

fn read_meta(connection: &Connection) -> rusqlite::Result<Option<Result<Meta, String>>> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Ok(Some(Err(
            "it is another program's database; name another file".to_owned()
        )));
    }
    let row = connection
        .query_row(
            "SELECT schema_number, oldest_program, store_id, epoch FROM meta",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, String>(3)?,
                ))
            },
        )
        .optional()?;
    let Some((schema, oldest_program, store_id, epoch)) = row else {
        return Ok(Some(Err(
            "it does not say which store it is; restore a backup".to_owned()
        )));
    };
    Ok(Some(match record::identity(&store_id, &epoch) {
        Ok(identity) => Ok(Meta {
            schema,
            oldest_program,
            identity,
        }),
        Err(error) => Err(format!("{error}; restore a backup")),
    }))
}

pub(super) fn cannot_open(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => "restore a backup",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "end the program that holds it, such as sqlite3"
        }
        Some(ErrorCode::DiskFull) => "free space on its volume",
        // SQLite says no more of a file beside the database for which there is no space.
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            "check that the file and its folder are readable and writable for this user, and that its volume is neither full nor \
             failing"
        }
        _ => "check that the file and its folder are readable and writable for this user",
    };
    StoreError::Open {
        location: path.display().to_string(),
        reason: format!("{error}; {remedy}"),
    }
}
