//! What is read, on connections that cannot write.

use contract::DeviceId;
use fleet::{Epoch, Phase, RecordedEvent, Stray, Watch};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::apply::{Failure, read_stray, stray_row};
use crate::{
    Census, Changed, Listed, Page, Revision, Stored,
    record::{self, DeviceRow, EventRow},
};

type Result<T> = std::result::Result<T, Failure>;

pub(super) fn load(connection: &Connection, id: &DeviceId) -> Result<Option<Stored>> {
    let row = connection
        .prepare_cached(
            "SELECT d.life, d.revision, r.report, p.polled, p.asked, p.beat, p.beating_since
             FROM device d
             LEFT JOIN report r ON r.device_id = d.id
             LEFT JOIN presence p ON p.device_id = d.id
             WHERE d.id = ?1",
        )?
        .query_row([id.as_str()], |row| {
            Ok(DeviceRow {
                life: row.get(0)?,
                revision: row.get(1)?,
                report: row.get(2)?,
                times: times(row, 3)?,
            })
        })
        .optional()?;
    Ok(row.map(|row| row.read(id)).transpose()?)
}

fn times(row: &Row<'_>, first: usize) -> rusqlite::Result<record::Times> {
    Ok([
        row.get(first)?,
        row.get(first + 1)?,
        row.get(first + 2)?,
        row.get(first + 3)?,
    ])
}

/// Of a device in a list.
const COLUMNS: &str = "SELECT d.id, d.life, d.revision, p.polled, p.asked, p.beat, p.beating_since
     FROM device d LEFT JOIN presence p ON p.device_id = d.id";

pub(super) fn list(connection: &Connection, phase: Option<Phase>, page: &Page) -> Result<Vec<Listed>> {
    let after = page.after.as_ref().map_or("", DeviceId::as_str);
    let read = |row: &Row<'_>| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            times(row, 3)?,
        ))
    };
    let limit = record::limit(page.limit);
    let rows = match phase {
        Some(phase) => connection
            .prepare_cached(&format!(
                "{COLUMNS} WHERE d.phase = ?1 AND d.id > ?2 ORDER BY d.id LIMIT ?3"
            ))?
            .query_map(params![phase.as_str(), after, limit], read)?
            .collect::<rusqlite::Result<Vec<_>>>()?,
        None => connection
            .prepare_cached(&format!("{COLUMNS} WHERE d.id > ?1 ORDER BY d.id LIMIT ?2"))?
            .query_map(params![after, limit], read)?
            .collect::<rusqlite::Result<Vec<_>>>()?,
    };
    rows.into_iter()
        .map(|(id, life, revision, times)| Ok(record::listed(&id, &life, times, revision)?))
        .collect()
}

pub(super) fn phases(connection: &Connection, ids: &[DeviceId]) -> Result<Vec<(DeviceId, Phase)>> {
    // One snapshot, so that the answers belong together.
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare_cached("SELECT phase FROM device WHERE id = ?1")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let phase = statement
            .query_row([id.as_str()], |row| row.get::<_, String>(0))
            .optional()?;
        if let Some(phase) = phase {
            found.push((id.clone(), record::phase(&phase)?));
        }
    }
    Ok(found)
}

pub(super) fn events(connection: &Connection, id: &DeviceId) -> Result<Vec<RecordedEvent>> {
    let rows = connection
        .prepare_cached(
            "SELECT origin, kind, count, first_at, last_at, body FROM event WHERE device_id = ?1
             ORDER BY last_at DESC, origin, kind",
        )?
        .query_map([id.as_str()], |row| {
            Ok(EventRow {
                origin: row.get(0)?,
                kind: row.get(1)?,
                count: row.get(2)?,
                first: row.get(3)?,
                last: row.get(4)?,
                body: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(|row| Ok(row.read(id)?)).collect()
}

pub(super) fn strays(connection: &Connection, limit: usize) -> Result<Vec<Stray>> {
    let rows = connection
        .prepare_cached(
            "SELECT id, namespace, operation, first_at, last_at, count FROM stray
             ORDER BY last_at DESC, id LIMIT ?1",
        )?
        .query_map([record::limit(limit)], stray_row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

pub(super) fn stray(connection: &Connection, id: &DeviceId) -> Result<Option<Stray>> {
    Ok(read_stray(connection, id.as_str())?
        .map(record::StrayRow::read)
        .transpose()?)
}

pub(super) fn changes(connection: &Connection, after: Revision, limit: usize) -> Result<Vec<Changed>> {
    let rows = connection
        .prepare_cached("SELECT id, revision FROM device WHERE revision > ?1 ORDER BY revision LIMIT ?2")?
        .query_map(params![after.0, record::limit(limit)], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter()
        .map(|(id, revision)| {
            Ok(Changed {
                id: record::device_id(&id)?,
                revision: Revision(revision),
            })
        })
        .collect()
}

pub(super) fn setting(connection: &Connection, name: &str) -> Result<Option<String>> {
    Ok(connection
        .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(super) fn census(connection: &Connection, epoch: Epoch, watch: &Watch) -> Result<Census> {
    // One snapshot, so that the numbers belong together.
    let transaction = connection.unchecked_transaction()?;
    let mut census = Census::default();
    let phases = transaction
        .prepare_cached("SELECT phase, count(*) FROM device GROUP BY phase")?
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (phase, count) in phases {
        census.set_phase(record::phase(&phase)?, count.unsigned_abs());
    }
    let mut approved = transaction.prepare_cached(
        "SELECT p.polled, p.asked, p.beat, p.beating_since, d.heartbeat_seconds
         FROM device d LEFT JOIN presence p ON p.device_id = d.id WHERE d.phase = 'approved'",
    )?;
    let mut rows = approved.query([])?;
    while let Some(row) = rows.next()? {
        census.count(watch, &record::presence(times(row, 0)?), row.get(4)?);
    }
    let (strays, tombstones) = transaction
        .prepare_cached(
            "SELECT (SELECT count(*) FROM stray),
                    (SELECT count(*) FROM device WHERE phase = 'deleted' AND epoch <> ?1)",
        )?
        .query_row([epoch.to_string()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
    census.strays = strays.unsigned_abs();
    census.tombstones_of_earlier_epochs = tombstones.unsigned_abs();
    Ok(census)
}
