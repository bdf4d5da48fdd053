//! Rows as they come out of SQLite, where a damaged one may hold what nobody wrote into it.

use rusqlite::{Error, ErrorCode, Row, ffi, types::ValueRef};

use crate::record::{KeptDevice, LifeColumns, Times};

/// A row, or why it cannot be taken out of the database: a type or a text that nobody writes is the
/// damage of one row and no failure of the call.
pub(super) fn decoded<T>(row: rusqlite::Result<T>) -> rusqlite::Result<Result<T, String>> {
    match row {
        Ok(row) => Ok(Ok(row)),
        Err(error) if is_undecoded(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

fn is_undecoded(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..)
    )
}

/// A text, whatever it holds.
pub(super) fn lossy(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("({})", other.data_type()),
    })
}

/// Bytes of a text, whatever it holds.
pub(super) fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        _ => 0,
    })
}

/// Whether a page of the database is damaged, so that rows on it cannot even be found: it is none,
/// or the disk cannot read it. Where a disk reads nothing at all, nobody is found either.
pub(super) fn is_corrupt(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DatabaseCorrupt || UNREADABLE.contains(&error.extended_code)
    })
}

/// What SQLite says of a sector that cannot be read, of a page that ends too early and of a file
/// system that finds itself damaged. Other failures of a disk are not those of one page.
const UNREADABLE: [i32; 3] = [
    ffi::SQLITE_IOERR_READ,
    ffi::SQLITE_IOERR_SHORT_READ,
    ffi::SQLITE_IOERR_CORRUPTFS,
];

/// Whether it is an index that does not fit its table: all pages can be read, and written.
pub(super) fn is_of_index(error: &Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_CORRUPT_INDEX)
}

/// Whether it is one row, of a table or an index, that does not let itself be changed: everything
/// else can still be written.
pub(super) fn is_of_row(error: &Error) -> bool {
    let of_type = |error: &ffi::Error| error.extended_code == ffi::SQLITE_CONSTRAINT_DATATYPE;
    is_of_index(error) || is_undecoded(error) || error.sqlite_error().is_some_and(of_type)
}

/// Whether something that is stored is damaged.
pub(super) fn is_damage(error: &Error) -> bool {
    is_corrupt(error) || is_undecoded(error)
}

/// The columns of `device`, in the order of [`device`].
pub(super) const DEVICE: &str =
    "d.id, d.namespace, d.phase, d.spelling, d.revision, d.life, d.epoch, d.heartbeat_seconds, d.checksum";

/// How many these are.
pub(super) const DEVICE_COLUMNS: usize = 9;

/// Which of them is the document.
pub(super) const LIFE: usize = 5;

pub(super) fn device(row: &Row<'_>) -> rusqlite::Result<KeptDevice> {
    Ok(KeptDevice {
        id: row.get(0)?,
        revision: row.get(4)?,
        columns: LifeColumns {
            namespace: row.get(1)?,
            phase: row.get(2)?,
            spelling: row.get(3)?,
            document: row.get(LIFE)?,
            epoch: row.get(6)?,
            heartbeat_seconds: row.get(7)?,
        },
        checksum: row.get(8)?,
    })
}

/// Times; what is none, in a damaged row, counts as never. They decide over nobody's workloads, and
/// the next one that is heard is written over it.
pub(super) fn times(row: &Row<'_>, first: usize) -> rusqlite::Result<Times> {
    let time = |column: usize| -> rusqlite::Result<Option<i64>> {
        Ok(match row.get_ref(column)? {
            ValueRef::Integer(at) => Some(at),
            _ => None,
        })
    };
    Ok([time(first)?, time(first + 1)?, time(first + 2)?, time(first + 3)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_that_cannot_be_read_is_the_damage_of_what_is_on_it() {
        let said = |code| is_corrupt(&Error::SqliteFailure(ffi::Error::new(code), None));
        for code in UNREADABLE {
            assert!(said(code), "{code}");
        }
        assert!(said(ffi::SQLITE_CORRUPT) && said(ffi::SQLITE_CORRUPT_INDEX));
        for code in [
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_LOCK,
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_NOTADB,
        ] {
            assert!(!said(code), "{code}");
        }
    }
}
