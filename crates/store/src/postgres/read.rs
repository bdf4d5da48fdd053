//! What is read.

use std::time::Duration;

use contract::DeviceId;
use deadpool_postgres::ClientWrapper;
use fleet::{Epoch, Phase, RecordedEvent, Stray, Watch};
use tokio_postgres::{IsolationLevel, Row, types::ToSql};

use super::{documents::allow, failure::Failure};
use crate::{
    Census, Changed, Listed, Page, Revision, StoreError, Stored,
    record::{self, DeviceRow, EventRow, StrayRow},
};

type Result<T> = std::result::Result<T, Failure>;

async fn query(client: &ClientWrapper, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, parameters).await?)
}

fn times(row: &Row, first: usize) -> Result<record::Times> {
    Ok([
        row.try_get(first)?,
        row.try_get(first + 1)?,
        row.try_get(first + 2)?,
        row.try_get(first + 3)?,
    ])
}

pub(super) async fn load(client: &ClientWrapper, id: &DeviceId) -> Result<Option<Stored>> {
    let rows = query(
        client,
        "SELECT d.life, d.revision, r.report, p.polled, p.asked, p.beat, p.beating_since
         FROM device d
         LEFT JOIN report r ON r.device_id = d.id
         LEFT JOIN presence p ON p.device_id = d.id
         WHERE d.id = $1",
        &[&id.as_str()],
    )
    .await?;
    rows.first().map_or(Ok(None), |row| device(row, id))
}

/// The same statement from the other side: one row, whether or not the device is known.
pub(super) async fn load_beside_documents(
    client: &ClientWrapper,
    id: &DeviceId,
) -> Result<(Option<Stored>, Revision)> {
    let rows = query(
        client,
        "SELECT d.life, d.revision, r.report, p.polled, p.asked, p.beat, p.beating_since, c.revision
         FROM document_revision c
         LEFT JOIN device d ON d.id = $1
         LEFT JOIN report r ON r.device_id = d.id
         LEFT JOIN presence p ON p.device_id = d.id",
        &[&id.as_str()],
    )
    .await?;
    let row = rows.first().ok_or_else(|| StoreError::Corrupt {
        what: "the revision of the documents".to_owned(),
        reason: "table 'document_revision' is empty; restore the whole store from a backup".to_owned(),
    })?;
    Ok((device(row, id)?, Revision(row.try_get(7)?)))
}

/// The device of a row; `None` where it has none.
fn device(row: &Row, id: &DeviceId) -> Result<Option<Stored>> {
    let Some(life) = row.try_get(0)? else {
        return Ok(None);
    };
    let row = DeviceRow {
        life,
        revision: row.try_get(1)?,
        report: row.try_get(2)?,
        times: times(row, 3)?,
    };
    Ok(Some(row.read(id)?))
}

pub(super) async fn list(client: &ClientWrapper, phase: Option<Phase>, page: &Page) -> Result<Vec<Listed>> {
    let after = page.after.as_ref().map_or("", DeviceId::as_str);
    let rows = query(
        client,
        "SELECT d.id, d.life, d.revision, p.polled, p.asked, p.beat, p.beating_since
         FROM device d LEFT JOIN presence p ON p.device_id = d.id
         WHERE ($1::text IS NULL OR d.phase = $1) AND d.id > $2 ORDER BY d.id LIMIT $3",
        &[&phase.map(Phase::as_str), &after, &record::limit(page.limit)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let (id, life): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            Ok(record::listed(id, life, times(row, 3)?, row.try_get(2)?)?)
        })
        .collect()
}

pub(super) async fn phases(client: &ClientWrapper, ids: &[DeviceId]) -> Result<Vec<(DeviceId, Phase)>> {
    let names: Vec<_> = ids.iter().map(DeviceId::as_str).collect();
    let rows = query(
        client,
        "SELECT id, phase FROM device WHERE id = ANY($1)",
        &[&names],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok((
                record::device_id(row.try_get(0)?)?,
                record::phase(row.try_get(1)?)?,
            ))
        })
        .collect()
}

pub(super) async fn events(client: &ClientWrapper, id: &DeviceId) -> Result<Vec<RecordedEvent>> {
    let rows = query(
        client,
        "SELECT origin, kind, count, first_at, last_at, body FROM event WHERE device_id = $1
         ORDER BY last_at DESC, origin, kind",
        &[&id.as_str()],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let row = EventRow {
                origin: row.try_get(0)?,
                kind: row.try_get(1)?,
                count: row.try_get(2)?,
                first: row.try_get(3)?,
                last: row.try_get(4)?,
                body: row.try_get(5)?,
            };
            Ok(row.read(id)?)
        })
        .collect()
}

/// A sighting that crossed an approval on another server may have left a row behind; it is no stray.
const STRAYS: &str = "SELECT id, namespace, operation, first_at, last_at, count FROM stray s
    WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.id = s.id AND d.phase = 'approved')";

fn stray_row(row: &Row) -> Result<Stray> {
    let row = StrayRow {
        id: row.try_get(0)?,
        namespace: row.try_get(1)?,
        operation: row.try_get(2)?,
        first: row.try_get(3)?,
        last: row.try_get(4)?,
        count: row.try_get(5)?,
    };
    Ok(row.read()?)
}

pub(super) async fn strays(client: &ClientWrapper, limit: usize) -> Result<Vec<Stray>> {
    let sql = format!("{STRAYS} ORDER BY last_at DESC, id LIMIT $1");
    query(client, &sql, &[&record::limit(limit)])
        .await?
        .iter()
        .map(stray_row)
        .collect()
}

pub(super) async fn stray(client: &ClientWrapper, id: &DeviceId) -> Result<Option<Stray>> {
    let sql = format!("{STRAYS} AND s.id = $1");
    query(client, &sql, &[&id.as_str()])
        .await?
        .first()
        .map(stray_row)
        .transpose()
}

/// Devices of equal revision are never torn apart by the limit, or a follower would miss the rest.
pub(super) async fn changes(client: &ClientWrapper, after: Revision, limit: usize) -> Result<Vec<Changed>> {
    let rows = query(
        client,
        "SELECT id, revision FROM device
         WHERE revision > $1 AND revision <= (
             SELECT max(revision) FROM (
                 SELECT revision FROM device WHERE revision > $1 ORDER BY revision LIMIT $2) part)
         ORDER BY revision, id",
        &[&after.0, &record::limit(limit)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let id = record::device_id(row.try_get(0)?)?;
            Ok(Changed {
                id,
                revision: Revision(row.try_get(1)?),
            })
        })
        .collect()
}

pub(super) async fn setting(client: &ClientWrapper, name: &str) -> Result<Option<String>> {
    let rows = query(client, "SELECT value FROM setting WHERE name = $1", &[&name]).await?;
    Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
}

const COUNTS: &str = "
    SELECT 'phase' AS subject, phase AS value, count(*) AS number FROM device GROUP BY phase
    UNION ALL
    SELECT 'strays', '', count(*) FROM stray s
    WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.id = s.id AND d.phase = 'approved')
    UNION ALL
    SELECT 'tombstones', '', count(*) FROM device WHERE phase = 'deleted' AND epoch <> $1";

const APPROVED: &str = "SELECT p.polled, p.asked, p.beat, p.beating_since, d.heartbeat_seconds
    FROM device d LEFT JOIN presence p ON p.device_id = d.id WHERE d.phase = 'approved'";

pub(super) async fn census(
    client: &mut ClientWrapper,
    epoch: Epoch,
    watch: &Watch,
    patience: Duration,
) -> Result<Census> {
    // One snapshot, so that the numbers belong together.
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    allow(&transaction, patience).await?;
    let mut census = Census::default();
    for row in transaction.query(COUNTS, &[&epoch.to_string()]).await? {
        let (subject, value): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let number = row.try_get::<_, i64>(2)?.unsigned_abs();
        match subject {
            "phase" => census.set_phase(record::phase(value)?, number),
            "strays" => census.strays = number,
            _ => census.tombstones_of_earlier_epochs = number,
        }
    }
    for row in transaction.query(APPROVED, &[]).await? {
        census.count(watch, &record::presence(times(&row, 0)?), row.try_get(4)?);
    }
    transaction.commit().await?;
    Ok(census)
}
