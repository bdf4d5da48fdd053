//! Rows of devices and their reports: the one place where they are written, with their checksums.

use contract::DeviceId;
use fleet::Life;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    apply::Failure,
    decode::{DEVICE, decoded, device, is_corrupt},
    read,
};
use crate::{
    Revision, StoreError, Write,
    checksum::Standing,
    record::{KeptDevice, LifeColumns, summed_report, unreadable_device},
};

pub(super) fn insert_device(
    connection: &Connection,
    id: &DeviceId,
    life: &Life,
    next: Revision,
) -> Result<(), Failure> {
    let columns = LifeColumns::of(id, life)?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO device (id, namespace, phase, spelling, revision, life, epoch, heartbeat_seconds, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            id.as_str(),
            columns.namespace,
            columns.phase,
            columns.spelling,
            next.0,
            columns.document,
            columns.epoch,
            columns.heartbeat_seconds,
            columns.summed(id.as_str(), next).checksum()
        ])?;
    if inserted == 0 {
        return Err(StoreError::Conflict.into());
    }
    connection
        .prepare_cached("INSERT INTO presence (device_id) VALUES (?1) ON CONFLICT (device_id) DO NOTHING")?
        .execute([id.as_str()])?;
    Ok(())
}

/// The device's row as it is stored. An error, and that of this device alone, if it cannot be read.
pub(super) fn kept_device(connection: &Connection, id: &str) -> Result<Option<KeptDevice>, Failure> {
    let kept = connection
        .prepare_cached(&format!("SELECT {DEVICE} FROM device d WHERE d.id = ?1"))?
        .query_row([id], |row| decoded(device(row)))
        .optional();
    match kept {
        Ok(None) => Ok(None),
        Ok(Some(Ok(kept))) => Ok(Some(kept)),
        Ok(Some(Err(reason))) => Err(unreadable_device(id, &reason).into()),
        Err(error) if is_corrupt(&error) => Err(unreadable_device(id, &error.to_string()).into()),
        Err(error) => Err(error.into()),
    }
}

/// Only what was written is built upon: a damaged row that gets a new checksum would be taken for
/// good. So is the report, unless it is replaced: what the device is told is decided by it, from
/// memory perhaps, where nobody has seen that it is damaged.
pub(super) fn update_device(
    connection: &Connection,
    write: &Write,
    at: Revision,
    next: Revision,
) -> Result<(), Failure> {
    let id = write.id.as_str();
    let kept = match &write.report {
        Some(_) => kept_device(connection, id)?,
        None => read::row(connection, id)?
            .map(|row| row.verify().map(|_| row.kept))
            .transpose()?,
    };
    let kept = kept
        .filter(|kept| kept.revision == at.0)
        .ok_or(StoreError::Conflict)?;
    if kept.verify()? == Standing::Unsummed && write.report.is_none() {
        // It may be of a program without checksums, and its report too.
        connection
            .prepare_cached("UPDATE report SET checksum = NULL WHERE device_id = ?1")?
            .execute([id])?;
    }
    match &write.life {
        Some(life) => put_device(connection, id, &LifeColumns::of(&write.id, life)?, next)?,
        None => {
            connection
                .prepare_cached("UPDATE device SET revision = ?2, checksum = ?3 WHERE id = ?1")?
                .execute(params![id, next.0, kept.columns.summed(id, next).checksum()])?;
        }
    }
    Ok(())
}

fn put_device(
    connection: &Connection,
    id: &str,
    columns: &LifeColumns,
    next: Revision,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE device SET namespace = ?2, phase = ?3, spelling = ?4, revision = ?5, life = ?6, epoch = ?7,
                 heartbeat_seconds = ?8, checksum = ?9
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            columns.namespace,
            columns.phase,
            columns.spelling,
            next.0,
            columns.document,
            columns.epoch,
            columns.heartbeat_seconds,
            columns.summed(id, next).checksum()
        ])?;
    Ok(())
}

pub(super) fn put_report(connection: &Connection, id: &str, document: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO report (device_id, report, checksum) VALUES (?1, ?2, ?3)
             ON CONFLICT (device_id) DO UPDATE SET report = excluded.report, checksum = excluded.checksum",
        )?
        .execute(params![id, document, summed_report(id, document).checksum()])?;
    Ok(())
}

/// Fails unless a device is there and cannot be read, or be written. Not to be asked in a
/// transaction, in which nothing can be written behind a damaged page.
pub(super) fn check_unusable(connection: &Connection, id: &DeviceId, next: Revision) -> Result<(), Failure> {
    let usable = match read::row(connection, id.as_str()).map(|row| row.map(|row| (row.verify(), row))) {
        Ok(None) => true,
        Ok(Some((Ok(_), row))) => {
            let transaction = connection.unchecked_transaction()?;
            let written = put_device(&transaction, id.as_str(), &row.kept.columns, next);
            drop(transaction);
            match written {
                Err(error) if is_corrupt(&error) => false,
                written => written.map(|()| row.read().is_ok())?,
            }
        }
        Ok(Some((Err(_), _))) | Err(Failure::Refused(StoreError::Corrupt { .. })) => false,
        Err(failure) => return Err(failure),
    };
    if usable {
        return Err(StoreError::Conflict.into());
    }
    Ok(())
}

/// Makes room for a device that cannot be used.
pub(super) fn remove(connection: &Connection, id: &DeviceId) -> rusqlite::Result<()> {
    for table in [
        "device WHERE id",
        "report WHERE device_id",
        "presence WHERE device_id",
    ] {
        connection.execute(&format!("DELETE FROM {table} = ?1"), [id.as_str()])?;
    }
    Ok(())
}

/// The numbers of a device's rows, as the indexes have them.
#[derive(Default)]
pub(super) struct RowsOf {
    pub(super) device: Option<i64>,
    pub(super) report: Option<i64>,
}

impl RowsOf {
    pub(super) fn find(connection: &Connection, id: &DeviceId) -> rusqlite::Result<Self> {
        let number = |select: &str| {
            connection
                .query_row(select, [id.as_str()], |row| row.get(0))
                .optional()
        };
        Ok(Self {
            device: number("SELECT rowid FROM device WHERE id = ?1")?,
            report: number("SELECT rowid FROM report WHERE device_id = ?1")?,
        })
    }

    pub(super) fn remove(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute("DELETE FROM device WHERE rowid = ?1", [self.device])?;
        connection.execute("DELETE FROM report WHERE rowid = ?1", [self.report])?;
        Ok(())
    }
}

/// Gives device and report the checksums that they lack; returns how many.
pub(super) fn sum_device(connection: &Connection, id: &str) -> Result<i64, Failure> {
    let Some(row) = read::row(connection, id)? else {
        return Ok(0);
    };
    // What is damaged stays so, and is told by whoever asked for this.
    if !matches!(row.verify(), Ok(Standing::Unsummed)) {
        return Ok(0);
    }
    put_device(connection, id, &row.kept.columns, Revision(row.kept.revision))?;
    let Some((report, _)) = &row.report else {
        return Ok(1);
    };
    put_report(connection, id, report)?;
    Ok(2)
}
