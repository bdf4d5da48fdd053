//! What is read.

use std::time::Duration;

use contract::DeviceId;
use deadpool_postgres::{ClientWrapper, Transaction};
use fleet::{Epoch, Phase, RecordedEvent, Stray, Watch};
use tokio_postgres::{GenericClient, IsolationLevel, Row, types::ToSql};

use super::{documents::allow, failure::Failure};
use crate::{
    Census, Changed, Listing, Newcomers, Page, Revision, StoreError, Stored, Unreadable,
    model::{LISTED_BYTES, ListedRow},
    record::{self, DeviceRow, EventRow, KeptDevice, LifeColumns, StrayRow},
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

/// The columns of `device`, in the order of [`kept_device`].
pub(super) const DEVICE: &str =
    "d.id, d.namespace, d.phase, d.spelling, d.revision, d.life, d.epoch, d.heartbeat_seconds, d.checksum";

/// Those of a device with report and times, in the order of [`device_row`].
const WHOLE: &str = "r.report, r.checksum AS report_checksum, p.polled, p.asked, p.beat, p.beating_since";

const JOINED: &str = "LEFT JOIN report r ON r.device_id = d.id LEFT JOIN presence p ON p.device_id = d.id";

/// A row of `device`.
pub(super) fn kept_device(row: &Row) -> Result<KeptDevice> {
    Ok(KeptDevice {
        id: row.try_get(0)?,
        revision: row.try_get(4)?,
        columns: LifeColumns {
            namespace: row.try_get(1)?,
            phase: row.try_get(2)?,
            spelling: row.try_get(3)?,
            document: row.try_get(5)?,
            epoch: row.try_get(6)?,
            heartbeat_seconds: row.try_get(7)?,
        },
        checksum: row.try_get(8)?,
    })
}

fn device_row(row: &Row) -> Result<DeviceRow> {
    let report: Option<String> = row.try_get(9)?;
    let checksum: Option<Vec<u8>> = row.try_get(10)?;
    Ok(DeviceRow {
        kept: kept_device(row)?,
        report: report.map(|report| (report, checksum)),
        times: times(row, 11)?,
    })
}

pub(super) async fn load(client: &ClientWrapper, id: &DeviceId) -> Result<Option<Stored>> {
    let select = format!("SELECT {DEVICE}, {WHOLE} FROM device d {JOINED} WHERE d.id = $1");
    let rows = query(client, &select, &[&id.as_str()]).await?;
    rows.first().map_or(Ok(None), device)
}

/// The same statement from the other side: one row, whether or not the device is known.
pub(super) async fn load_beside_documents(
    client: &ClientWrapper,
    id: &DeviceId,
) -> Result<(Option<Stored>, Revision)> {
    let select = format!(
        "SELECT {DEVICE}, {WHOLE}, c.revision FROM document_revision c LEFT JOIN device d ON d.id = $1 {JOINED}"
    );
    let rows = query(client, &select, &[&id.as_str()]).await?;
    let row = rows.first().ok_or_else(|| StoreError::Corrupt {
        what: "the revision of the documents".to_owned(),
        reason: "table 'document_revision' is empty; restore the whole store from a backup".to_owned(),
    })?;
    Ok((device(row)?, Revision(row.try_get(15)?)))
}

/// The device of a row; `None` where it has none.
fn device(row: &Row) -> Result<Option<Stored>> {
    if row.try_get::<_, Option<&str>>(0)?.is_none() {
        return Ok(None);
    }
    Ok(Some(device_row(row)?.read()?))
}

/// What is said of a device that cannot be read.
fn unreadable(id: &str, error: &StoreError) -> Unreadable {
    Unreadable {
        id: id.to_owned(),
        reason: error.to_string(),
    }
}

/// A page of rows, as far as the documents before each are not too many bytes already.
fn bounded(rows: &str, document: &str, bound: &str) -> String {
    format!(
        "SELECT * FROM (
            SELECT *, sum({document}) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - ({document}) AS before
            FROM ({rows}) page) summed
         WHERE before < {bound} ORDER BY id"
    )
}

pub(super) async fn list(client: &ClientWrapper, phase: Option<Phase>, page: &Page) -> Result<Listing> {
    let rows = format!(
        "SELECT {DEVICE}, NULL::text AS report, NULL::bytea AS report_checksum, p.polled, p.asked, p.beat, p.beating_since
         FROM device d LEFT JOIN presence p ON p.device_id = d.id
         WHERE ($1::text IS NULL OR d.phase = $1) AND d.id > $2 ORDER BY d.id LIMIT $3"
    );
    let select = bounded(&rows, "octet_length(life)", "$4");
    let after = page.after.as_deref().unwrap_or_default();
    let phase = phase.map(Phase::as_str);
    let bound = record::limit(LISTED_BYTES);
    let rows = query(
        client,
        &select,
        &[&phase, &after, &record::limit(page.limit), &bound],
    )
    .await?;
    let listed = rows.iter().map(|row| {
        let row = device_row(row)?;
        let (id, bytes) = (row.kept.id.clone(), row.bytes());
        let entry = row.listed().map_err(|error| unreadable(&id, &error));
        Ok(ListedRow { id, bytes, entry })
    });
    Listing::gather(page.limit, listed)
}

pub(super) async fn newcomers(client: &ClientWrapper) -> Result<Newcomers> {
    let rows = query(
        client,
        "SELECT coalesce(sum(n.counts), 0)::bigint, coalesce(sum(n.bytes
             + coalesce((SELECT octet_length(report) FROM report WHERE device_id = n.id), 0)
             + coalesce((SELECT sum(octet_length(body)) FROM event WHERE device_id = n.id), 0)), 0)::bigint
         FROM (
             SELECT id, CASE WHEN phase = 'waiting' THEN 1 ELSE 0 END AS counts, octet_length(life)::bigint AS bytes
             FROM device WHERE phase IN ('waiting', 'rejected')
             UNION ALL
             SELECT d.id, 1, octet_length(d.life)
             FROM presence p JOIN device d ON d.id = p.device_id
             WHERE p.polled IS NULL AND d.phase = 'approved') n",
        &[],
    )
    .await?;
    let Some(row) = rows.first() else {
        return Ok(Newcomers::default());
    };
    Ok(Newcomers {
        count: record::size(row.try_get(0)?),
        bytes: record::size(row.try_get(1)?),
    })
}

/// Devices with their reports, for a look at their checksums: at most so many, and as many as their
/// size allows.
pub(super) async fn whole(client: &impl GenericClient, after: &str, limit: usize) -> Result<Vec<DeviceRow>> {
    let rows =
        format!("SELECT {DEVICE}, {WHOLE} FROM device d {JOINED} WHERE d.id > $1 ORDER BY d.id LIMIT $2");
    let select = bounded(
        &rows,
        "octet_length(life) + coalesce(octet_length(report), 0)",
        "$3",
    );
    let bound = record::limit(LISTED_BYTES);
    let rows = client
        .query(select.as_str(), &[&after, &record::limit(limit), &bound])
        .await?;
    rows.iter().map(device_row).collect()
}

/// The same of these, which are locked.
pub(super) async fn locked(transaction: &Transaction<'_>, ids: &[&str]) -> Result<Vec<DeviceRow>> {
    let select = format!(
        "SELECT {DEVICE}, {WHOLE} FROM device d {JOINED} WHERE d.id = ANY($1) ORDER BY d.id FOR UPDATE OF d"
    );
    let rows = transaction.query(select.as_str(), &[&ids]).await?;
    rows.iter().map(device_row).collect()
}

pub(super) async fn phases(
    client: &ClientWrapper,
    ids: &[DeviceId],
) -> Result<Vec<(DeviceId, std::result::Result<Phase, Unreadable>)>> {
    let names: Vec<_> = ids.iter().map(DeviceId::as_str).collect();
    let select = format!("SELECT {DEVICE} FROM device d WHERE d.id = ANY($1)");
    let rows = query(client, &select, &[&names]).await?;
    rows.iter()
        .map(|row| {
            let kept = kept_device(row)?;
            let phase = kept
                .verify()
                .and_then(|_| record::phase(&kept.columns.phase))
                .map_err(|error| unreadable(&kept.id, &error));
            Ok((record::device_id(&kept.id)?, phase))
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

/// A sighting that crossed an approval on another server may have left a row behind; it is no
/// stray.
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
    let rows = query(client, &sql, &[&record::limit(limit)]).await?;
    // One that cannot be read decides nothing, and hides none of the others.
    Ok(rows.iter().filter_map(|row| stray_row(row).ok()).collect())
}

pub(super) async fn stray(client: &ClientWrapper, id: &DeviceId) -> Result<Option<Stray>> {
    let sql = format!("{STRAYS} AND s.id = $1");
    let rows = query(client, &sql, &[&id.as_str()]).await?;
    Ok(rows.first().and_then(|row| stray_row(row).ok()))
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
    let mut changed = Vec::with_capacity(rows.len());
    for row in &rows {
        let revision = Revision(row.try_get(1)?);
        // Nobody can ask for a device by an id that is none.
        if let Ok(id) = record::device_id(row.try_get(0)?) {
            changed.push(Changed { id, revision });
        }
    }
    Ok(changed)
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
            // That of a damaged row counts nowhere.
            "phase" => {
                if let Ok(phase) = record::phase(value) {
                    census.set_phase(phase, number);
                }
            }
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
