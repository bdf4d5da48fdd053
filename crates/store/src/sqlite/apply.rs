//! What a write does to the tables, inside the writer's transaction.
//!
//! Joins of times and strays are read, joined by `fleet`'s own rule and written back: this
//! connection is the only one that writes, so there is nothing to race with, and the rule exists
//! once.

use contract::DeviceId;
use fleet::{Event, Origin, Phase, Presence, Stray};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    decode::{decoded, is_of_row, lossy, times},
    devices::{self, insert_device, put_report, update_device},
};
use crate::{
    Bounds, Revision, Sighting, StoreError, Write, WriteGuard,
    record::{self, StrayRow, Times, nanos},
};

/// Why a single write was not made.
#[derive(Debug)]
pub(super) enum Failure {
    /// The write itself is at fault, or comes too late.
    Refused(StoreError),
    /// SQLite could not.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// One write of one device at the revision `next`.
pub(super) fn write(
    connection: &Connection,
    write: &Write,
    next: Revision,
    bounds: &Bounds,
) -> Result<(), Failure> {
    match write.guard {
        WriteGuard::Absent => {
            let life = write
                .life
                .as_ref()
                .ok_or_else(|| record::without_life(&write.id))?;
            insert_device(connection, &write.id, life, next)?;
        }
        WriteGuard::At(revision) => update_device(connection, write, revision, next)?,
        WriteGuard::Unreadable => {
            let life = write
                .life
                .as_ref()
                .ok_or_else(|| record::without_life(&write.id))?;
            devices::remove(connection, &write.id)?;
            insert_device(connection, &write.id, life, next)?;
        }
    }
    if let Some(report) = &write.report {
        let document = record::document(&format!("the report of device {}", write.id), report)?;
        put_report(connection, write.id.as_str(), &document)?;
    }
    if let Some(presence) = write.presence {
        join_presence(connection, &write.id, presence)?;
    }
    if !write.events.is_empty() {
        let what = format!("an event of device {}", write.id);
        dispensable(connection, &what, || record_events(connection, write, bounds))?;
    }
    if write
        .life
        .as_ref()
        .is_some_and(|life| life.state.phase() == Phase::Approved)
    {
        let what = format!("the removal of stray {}", write.id);
        dispensable(connection, &what, || {
            Ok(connection
                .prepare_cached("DELETE FROM stray WHERE id = ?1")?
                .execute([write.id.as_str()])?)
        })?;
    }
    Ok(())
}

fn record_events(connection: &Connection, write: &Write, bounds: &Bounds) -> Result<(), Failure> {
    for event in &write.events {
        count_event(connection, &write.id, event, write.at)?;
    }
    for origin in [Origin::Server, Origin::Device] {
        if write.events.iter().any(|event| event.origin == origin) {
            trim_events(connection, &write.id, origin, bounds)?;
        }
    }
    Ok(())
}

/// Joins times into those that are kept; a device that is not known is passed over.
fn join_presence(connection: &Connection, id: &DeviceId, presence: Presence) -> Result<(), Failure> {
    let kept = connection
        .prepare_cached("SELECT polled, asked, beat, beating_since FROM presence WHERE device_id = ?1")?
        .query_row([id.as_str()], |row| times(row, 0))
        .optional()?;
    let Some(kept) = kept else { return Ok(()) };
    let joined = record::times(&record::presence(kept).join(presence));
    if joined == kept {
        return Ok(());
    }
    write_presence(connection, id.as_str(), joined).map(drop)
}

/// Returns how many rows it found by this id.
fn write_presence(connection: &Connection, id: &str, times: Times) -> Result<usize, Failure> {
    let [polled, asked, beat, beating_since] = times;
    Ok(connection
        .prepare_cached(
            "UPDATE presence SET polled = ?2, asked = ?3, beat = ?4, beating_since = ?5 WHERE device_id = ?1",
        )?
        .execute(params![id, polled, asked, beat, beating_since])?)
}

/// Makes what decides nothing: where a damaged row is in its way it is left out, and the rest is
/// made.
fn dispensable<T: Default>(
    connection: &Connection,
    what: &str,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.execute_batch("SAVEPOINT dispensable")?;
    match act() {
        Ok(made) => {
            connection.execute_batch("RELEASE dispensable")?;
            Ok(made)
        }
        Err(Failure::Sqlite(error)) if is_of_row(&error) && !connection.is_autocommit() => {
            connection.execute_batch("ROLLBACK TO dispensable; RELEASE dispensable")?;
            tracing::warn!(%error, "{what} cannot be written: a row of it in the store is damaged; restore a backup");
            Ok(T::default())
        }
        // Rolled back by whoever made the rest.
        Err(failure) => Err(failure),
    }
}

fn count_event(connection: &Connection, id: &DeviceId, event: &Event, at: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO event (device_id, origin, kind, count, first_at, last_at, body)
             VALUES (?1, ?2, ?3, ?6, ?4, ?4, ?5)
             ON CONFLICT (device_id, origin, kind) DO UPDATE SET
                 count = count + excluded.count,
                 first_at = min(first_at, excluded.first_at),
                 last_at = max(last_at, excluded.last_at),
                 body = CASE WHEN excluded.last_at >= last_at THEN excluded.body ELSE body END",
        )?
        .execute(params![
            id.as_str(),
            record::origin(event.origin),
            event.kind,
            nanos(at),
            record::event_body(event)?,
            record::count(event.count)
        ])?;
    Ok(())
}

fn trim_events(
    connection: &Connection,
    id: &DeviceId,
    origin: Origin,
    bounds: &Bounds,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "DELETE FROM event WHERE device_id = ?1 AND origin = ?2 AND kind IN (
                 SELECT kind FROM (
                     SELECT kind, row_number() OVER latest_first AS place,
                         sum(octet_length(kind) + octet_length(body)) OVER latest_first AS bytes
                     FROM event WHERE device_id = ?1 AND origin = ?2
                     WINDOW latest_first AS (ORDER BY last_at DESC, kind ROWS UNBOUNDED PRECEDING))
                 WHERE place > ?3 OR (place > 1 AND bytes > ?4))",
        )?
        .execute(params![
            id.as_str(),
            record::origin(origin),
            record::limit(bounds.events),
            record::limit(bounds.event_bytes)
        ])?;
    Ok(())
}

/// Joins times and strays.
pub(super) fn observe(
    connection: &Connection,
    sightings: &[Sighting],
    strays: &[Stray],
    bounds: &Bounds,
) -> Result<(), Failure> {
    for sighting in sightings {
        join_presence(connection, &sighting.id, sighting.presence)?;
    }
    for stray in strays {
        let what = format!("stray {}", stray.id);
        dispensable(connection, &what, || join_stray(connection, stray))?;
    }
    if !strays.is_empty() {
        dispensable(connection, "the removal of the oldest strays", || {
            Ok(connection
                .prepare_cached(
                    "DELETE FROM stray WHERE id IN (
                         SELECT id FROM stray ORDER BY last_at DESC, id LIMIT -1 OFFSET ?1)",
                )?
                .execute([record::limit(bounds.strays)])?)
        })?;
    }
    Ok(())
}

/// An id that was approved since it was heard is no stray any more.
fn join_stray(connection: &Connection, stray: &Stray) -> Result<(), Failure> {
    let id = stray.id.as_str();
    let approved = connection
        .prepare_cached("SELECT 1 FROM device WHERE id = ?1 AND phase = 'approved'")?
        .exists([id])?;
    if approved {
        return Ok(());
    }
    // One that cannot be read is replaced: it decides nothing, and the times of others wait behind
    // it.
    let joined = match decoded(read_stray(connection, id))?.map(|row| row.map(StrayRow::read)) {
        Ok(Some(Ok(kept))) => kept.join(stray.clone()),
        Ok(Some(Err(_)) | None) | Err(_) => stray.clone(),
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO stray (id, namespace, operation, first_at, last_at, count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            id,
            joined.namespace.as_str(),
            joined.operation.as_str(),
            nanos(joined.first),
            nanos(joined.last),
            record::count(joined.count)
        ])?;
    Ok(())
}

pub(super) fn read_stray(connection: &Connection, id: &str) -> rusqlite::Result<Option<StrayRow>> {
    connection
        .prepare_cached("SELECT id, namespace, operation, first_at, last_at, count FROM stray WHERE id = ?1")?
        .query_row([id], stray_row)
        .optional()
}

pub(super) fn stray_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<StrayRow> {
    Ok(StrayRow {
        id: row.get(0)?,
        namespace: row.get(1)?,
        operation: row.get(2)?,
        first: row.get(3)?,
        last: row.get(4)?,
        count: row.get(5)?,
    })
}

pub(super) fn set_setting(connection: &Connection, name: &str, value: Option<&str>) -> Result<(), Failure> {
    match value {
        Some(value) => connection
            .prepare_cached(
                "INSERT INTO setting (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute([name, value])?,
        None => connection
            .prepare_cached("DELETE FROM setting WHERE name = ?1")?
            .execute([name])?,
    };
    Ok(())
}

/// Makes times that are ahead of `now` what they count as, of at most `limit` rows of each table.
/// Returns of how many.
pub(super) fn settle(connection: &Connection, now: Timestamp, limit: usize) -> Result<usize, Failure> {
    let (latest, limit) = (record::latest(now), record::limit(limit));
    let heard = connection
        .prepare_cached(
            "SELECT device_id, polled, asked, beat, beating_since FROM presence
             WHERE polled > ?1 OR asked > ?1 OR beat > ?1 OR beating_since > ?1 LIMIT ?2",
        )?
        .query_map([latest, limit], |row| Ok((lossy(row, 0)?, times(row, 1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut count = 0;
    for (id, times) in heard {
        let settled = record::presence(times).settled(now);
        // One that is not found by its id stays, and must not be asked for again and again.
        count += write_presence(connection, &id, record::times(&settled))?;
    }
    for statement in [
        "UPDATE event SET first_at = min(first_at, ?1), last_at = ?1 WHERE (device_id, origin, kind) IN (
             SELECT device_id, origin, kind FROM event WHERE last_at > ?2 LIMIT ?3)",
        "UPDATE stray SET first_at = min(first_at, ?1), last_at = ?1 WHERE id IN (
             SELECT id FROM stray WHERE last_at > ?2 LIMIT ?3)",
    ] {
        count += dispensable(connection, "a time that is ahead", || {
            Ok(connection
                .prepare_cached(statement)?
                .execute([nanos(now), latest, limit])?)
        })?;
    }
    Ok(count)
}

/// Removes at most `limit` events that happened last before `before`.
pub(super) fn prune(connection: &Connection, before: Timestamp, limit: usize) -> Result<usize, Failure> {
    Ok(connection
        .prepare_cached(
            "DELETE FROM event WHERE (device_id, origin, kind) IN (
                 SELECT device_id, origin, kind FROM event WHERE last_at < ?1 LIMIT ?2)",
        )?
        .execute(params![nanos(before), record::limit(limit)])?)
}

/// Writes, to know that it can.
pub(super) fn probe(connection: &Connection) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE meta SET probes = probes + 1")?
        .execute([])?;
    Ok(())
}
