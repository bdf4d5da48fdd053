//! What is read, on connections that cannot write.

use contract::DeviceId;
use fleet::{Epoch, Phase, RecordedEvent, Stray, Watch};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    apply::{Failure, read_stray, stray_row},
    decode::{DEVICE, DEVICE_COLUMNS, LIFE, bytes, decoded, device, is_corrupt, lossy, times},
    devices::kept_device,
};
use crate::{
    Census, Changed, Listing, Newcomers, Page, Revision, StoreError, Stored, Unreadable,
    model::{LISTED_BYTES, ListedRow, is_full},
    record::{self, DeviceRow, EventRow, unreadable_device},
};

type Result<T> = std::result::Result<T, Failure>;

pub(super) fn load(connection: &Connection, id: &DeviceId) -> Result<Option<Stored>> {
    Ok(row(connection, id.as_str())?.map(DeviceRow::read).transpose()?)
}

/// A device with its report; an error, and that of this device alone, if it cannot be taken out of
/// the database.
pub(super) fn row(connection: &Connection, id: &str) -> Result<Option<DeviceRow>> {
    let select = format!(
        "SELECT {DEVICE}, r.report, r.checksum, p.polled, p.asked, p.beat, p.beating_since
         FROM device d
         LEFT JOIN report r ON r.device_id = d.id
         LEFT JOIN presence p ON p.device_id = d.id
         WHERE d.id = ?1"
    );
    let reason = match found(connection, &select, true, [id]).map(|mut rows| rows.pop()) {
        Ok(None) => return Ok(None),
        Ok(Some(Found { row: Ok(row), .. })) => return Ok(Some(row)),
        Ok(Some(Found { row: Err(reason), .. })) => reason,
        Err(error) if is_corrupt(&error) => error.to_string(),
        Err(error) => return Err(error.into()),
    };
    Err(unreadable_device(id, &reason).into())
}

/// A device by the id that is stored, or why it cannot be taken out of the database.
pub(super) struct Found {
    pub(super) id: String,
    /// Of its documents.
    pub(super) bytes: usize,
    pub(super) row: std::result::Result<DeviceRow, String>,
}

/// The rows of a query, as many as their size allows.
fn found(
    connection: &Connection,
    select: &str,
    with_report: bool,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Found>> {
    let read = |row: &Row<'_>| {
        let report: Option<String> = if with_report {
            row.get(DEVICE_COLUMNS)?
        } else {
            None
        };
        let checksum = if with_report {
            row.get(DEVICE_COLUMNS + 1)?
        } else {
            None
        };
        let first = DEVICE_COLUMNS + if with_report { 2 } else { 0 };
        Ok(DeviceRow {
            kept: device(row)?,
            report: report.map(|report| (report, checksum)),
            times: times(row, first)?,
        })
    };
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query(parameters)?;
    let (mut all, mut sum) = (Vec::new(), 0);
    while sum < LISTED_BYTES
        && let Some(row) = rows.next()?
    {
        let report = if with_report {
            bytes(row, DEVICE_COLUMNS)?
        } else {
            0
        };
        let found = Found {
            id: lossy(row, 0)?,
            bytes: bytes(row, LIFE)? + report,
            row: decoded(read(row))?,
        };
        sum += found.bytes;
        all.push(found);
    }
    Ok(all)
}

pub(super) fn newcomers(connection: &Connection) -> Result<Newcomers> {
    Ok(connection
        .prepare_cached(
            "SELECT coalesce(sum(n.counts), 0), coalesce(sum(n.bytes
                 + coalesce((SELECT octet_length(report) FROM report WHERE device_id = n.id), 0)
                 + coalesce((SELECT sum(octet_length(body)) FROM event WHERE device_id = n.id), 0)), 0)
             FROM (
                 SELECT id, phase = 'waiting' AS counts, octet_length(life) AS bytes
                 FROM device WHERE phase IN ('waiting', 'rejected')
                 UNION ALL
                 SELECT d.id, 1, octet_length(d.life)
                 FROM presence p JOIN device d ON d.id = p.device_id
                 WHERE p.polled IS NULL AND d.phase = 'approved') n",
        )?
        .query_row([], |row| {
            Ok(Newcomers {
                count: record::size(row.get(0)?),
                bytes: record::size(row.get(1)?),
            })
        })?)
}

/// Devices behind an id, in the order of their ids, with their reports if it is said: at most so
/// many, and as many as their size allows. Where a page of the database is damaged, each by itself,
/// so that it is the damage of those on it alone.
pub(super) fn page(
    connection: &Connection,
    phase: Option<Phase>,
    after: &str,
    limit: usize,
    with_report: bool,
) -> Result<Vec<Found>> {
    let (report, join) = if with_report {
        (
            ", r.report, r.checksum",
            "LEFT JOIN report r ON r.device_id = d.id",
        )
    } else {
        ("", "")
    };
    let select = |condition: &str| {
        format!(
            "SELECT {DEVICE}{report}, p.polled, p.asked, p.beat, p.beating_since
             FROM device d {join} LEFT JOIN presence p ON p.device_id = d.id WHERE {condition}"
        )
    };
    let (of_phase, limit) = (phase.map(Phase::as_str), record::limit(limit));
    // Each has an index of its own, from which the ids are known even where rows cannot be read.
    let (which, index) = match phase {
        None => ("d.id > ?1 AND ?2 IS NULL", "sqlite_autoindex_device_1"),
        Some(_) => ("d.phase = ?2 AND d.id > ?1", "device_by_phase"),
    };
    let in_order = format!("{which} ORDER BY d.id LIMIT ?3");
    let parameters = params![after, of_phase, limit];
    match found(connection, &select(&in_order), with_report, parameters) {
        Err(error) if is_corrupt(&error) => {}
        outcome => return ascending(after, outcome?),
    }
    let ids = connection
        .prepare_cached(&format!(
            "SELECT d.id FROM device d INDEXED BY {index} WHERE {in_order}"
        ))?
        .query_map(parameters, |row| lossy(row, 0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let (mut page, mut sum) = (Vec::with_capacity(ids.len()), 0);
    for id in ids {
        let row = match found(connection, &select("d.id = ?1"), with_report, [&id]) {
            Ok(mut rows) => rows
                .pop()
                .ok_or_else(|| "its row is not found by its id".to_owned()),
            Err(error) if is_corrupt(&error) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let row = row.unwrap_or_else(|reason| Found {
            id,
            bytes: 0,
            row: Err(reason),
        });
        sum += row.bytes;
        page.push(row);
        if is_full(page.len(), usize::MAX, sum) {
            break;
        }
    }
    ascending(after, page)
}

/// Whoever goes on behind the last one must come to an end, whatever an index has become.
fn ascending(after: &str, page: Vec<Found>) -> Result<Vec<Found>> {
    match page.last() {
        Some(last) if last.id.as_str() <= after => Err(StoreError::Corrupt {
            what: "the index of devices".to_owned(),
            reason: "it is not in order; restore a backup".to_owned(),
        }
        .into()),
        _ => Ok(page),
    }
}

/// What is said of a device that cannot be read.
pub(super) fn unreadable(id: String, error: &StoreError) -> Unreadable {
    Unreadable {
        id,
        reason: error.to_string(),
    }
}

pub(super) fn list(connection: &Connection, phase: Option<Phase>, part: &Page) -> Result<Listing> {
    let after = part.after.as_deref().unwrap_or_default();
    let rows = page(connection, phase, after, part.limit, false)?;
    let listed = rows.into_iter().map(|Found { id, bytes, row }| {
        let entry = row
            .map_err(|reason| unreadable_device(&id, &reason))
            .and_then(DeviceRow::listed)
            .map_err(|error| unreadable(id.clone(), &error));
        Ok(ListedRow { id, bytes, entry })
    });
    Listing::gather(part.limit, listed)
}

pub(super) fn phases(
    connection: &Connection,
    ids: &[DeviceId],
) -> Result<Vec<(DeviceId, std::result::Result<Phase, Unreadable>)>> {
    // One snapshot, so that the answers belong together.
    let transaction = connection.unchecked_transaction()?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let phase = match kept_device(&transaction, id.as_str()) {
            Ok(None) => continue,
            Ok(Some(kept)) => kept.verify().and_then(|_| record::phase(&kept.columns.phase)),
            Err(Failure::Refused(error)) => Err(error),
            Err(failure) => return Err(failure),
        };
        let phase = phase.map_err(|error| unreadable(id.to_string(), &error));
        found.push((id.clone(), phase));
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
        .query_map([record::limit(limit)], |row| decoded(stray_row(row)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // One that cannot be read decides nothing, and hides none of the others.
    Ok(rows.into_iter().filter_map(|row| row.ok()?.read().ok()).collect())
}

pub(super) fn stray(connection: &Connection, id: &DeviceId) -> Result<Option<Stray>> {
    let kept = decoded(read_stray(connection, id.as_str()))?.unwrap_or_default();
    Ok(kept.and_then(|row| row.read().ok()))
}

pub(super) fn changes(connection: &Connection, after: Revision, limit: usize) -> Result<Vec<Changed>> {
    let rows = connection
        .prepare_cached("SELECT id, revision FROM device WHERE revision > ?1 ORDER BY revision LIMIT ?2")?
        .query_map(params![after.0, record::limit(limit)], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // Nobody can ask for a device by an id that is none.
    let changed = rows.into_iter().filter_map(|(id, revision)| {
        Some(Changed {
            id: record::device_id(&id).ok()?,
            revision: Revision(revision),
        })
    });
    Ok(changed.collect())
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
        .query_map([], |row| Ok((lossy(row, 0)?, row.get::<_, i64>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (phase, count) in phases {
        // That of a damaged row counts nowhere.
        if let Ok(phase) = record::phase(&phase) {
            census.set_phase(phase, count.unsigned_abs());
        }
    }
    let mut approved = transaction.prepare_cached(
        "SELECT p.polled, p.asked, p.beat, p.beating_since, d.heartbeat_seconds
         FROM device d LEFT JOIN presence p ON p.device_id = d.id WHERE d.phase = 'approved'",
    )?;
    let mut rows = approved.query([])?;
    while let Some(row) = rows.next()? {
        let heard = times(row, 0)?;
        let period = decoded(row.get(4))?.unwrap_or_default();
        census.count(watch, &record::presence(heard), period);
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
