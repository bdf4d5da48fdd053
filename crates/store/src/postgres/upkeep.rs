//! Writes that are not of one device: times and strays that were observed, settings, and the
//! removal of old events.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use fleet::{Operation, Stray};
use jiff::Timestamp;
use tokio_postgres::GenericClient;

use super::{
    failure::Failure,
    write::{execute, join_presences},
};
use crate::{
    Bounds, Sighting, StoreError,
    record::{self, nanos},
};

/// The meaning of [`Stray::join`]. An id that was approved since it was heard is no stray any more.
const JOIN_STRAYS: &str = "INSERT INTO stray AS kept (id, namespace, operation, first_at, last_at, count)
    SELECT new.* FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS new (id, namespace, operation, first_at, last_at, count)
    WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.id = new.id AND d.phase = 'approved')
    ORDER BY new.id COLLATE \"C\"
    ON CONFLICT (id) DO UPDATE SET
        namespace = CASE WHEN NEWER THEN excluded.namespace ELSE kept.namespace END,
        operation = CASE WHEN NEWER THEN excluded.operation ELSE kept.operation END,
        first_at = least(kept.first_at, excluded.first_at),
        last_at = greatest(kept.last_at, excluded.last_at),
        count = kept.count + excluded.count";

/// Of sightings at one instant the later operation counts as newer, in the order of the seventh
/// parameter.
const NEWER: &str =
    "(excluded.last_at, array_position($7::text[], excluded.operation), excluded.namespace COLLATE \"C\")
    >= (kept.last_at, array_position($7::text[], kept.operation), kept.namespace COLLATE \"C\")";

const TRIM_STRAYS: &str =
    "DELETE FROM stray WHERE id IN (SELECT id FROM stray ORDER BY last_at DESC, id OFFSET $1)";

/// Passes over events that a write is just counting: they are not old any more.
const PRUNE: &str = "DELETE FROM event WHERE (device_id, origin, kind) IN (
    SELECT device_id, origin, kind FROM event WHERE last_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// In the order in which other transactions lock these rows.
const AHEAD: &str = "SELECT device_id, polled, asked, beat, beating_since FROM presence
    WHERE polled > $1 OR asked > $1 OR beat > $1 OR beating_since > $1
    ORDER BY device_id LIMIT $2 FOR UPDATE";

const SETTLE_PRESENCE: &str = "UPDATE presence kept
    SET polled = new.polled, asked = new.asked, beat = new.beat, beating_since = new.beating_since
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        AS new (id, polled, asked, beat, beating_since)
    WHERE kept.device_id = new.id";

const SETTLE_EVENTS: &str = "UPDATE event SET first_at = least(first_at, $1), last_at = $1
    WHERE (device_id, origin, kind) IN (
        SELECT device_id, origin, kind FROM event WHERE last_at > $2 LIMIT $3 FOR UPDATE SKIP LOCKED)";

const SETTLE_STRAYS: &str = "UPDATE stray SET first_at = least(first_at, $1), last_at = $1
    WHERE id IN (SELECT id FROM stray WHERE last_at > $2 ORDER BY id LIMIT $3 FOR UPDATE)";

pub(super) async fn observe_times(client: &mut ClientWrapper, sightings: &[Sighting]) -> Result<(), Failure> {
    // A statement must not touch a row twice.
    let mut joined = BTreeMap::new();
    for sighting in sightings {
        joined
            .entry(sighting.id.as_str())
            .and_modify(|presence: &mut fleet::Presence| *presence = presence.join(sighting.presence))
            .or_insert(sighting.presence);
    }
    let joined: Vec<_> = joined.into_iter().collect();
    let transaction = client.transaction().await?;
    join_presences(&transaction, &joined).await?;
    Ok(transaction.commit().await?)
}

/// Each id at most once.
pub(super) async fn observe_strays(
    client: &mut ClientWrapper,
    strays: &[Stray],
    bounds: &Bounds,
) -> Result<(), Failure> {
    let ids: Vec<&str> = strays.iter().map(|stray| stray.id.as_str()).collect();
    let namespaces: Vec<&str> = strays.iter().map(|stray| stray.namespace.as_str()).collect();
    let operations: Vec<&str> = strays.iter().map(|stray| stray.operation.as_str()).collect();
    let first: Vec<i64> = strays.iter().map(|stray| nanos(stray.first)).collect();
    let last: Vec<i64> = strays.iter().map(|stray| nanos(stray.last)).collect();
    let counts: Vec<i64> = strays.iter().map(|stray| record::count(stray.count)).collect();
    let transaction = client.transaction().await?;
    let order = Operation::ALL.map(Operation::as_str).to_vec();
    let join = JOIN_STRAYS.replace("NEWER", NEWER);
    execute(
        &transaction,
        &join,
        &[&ids, &namespaces, &operations, &first, &last, &counts, &order],
    )
    .await?;
    execute(&transaction, TRIM_STRAYS, &[&record::limit(bounds.strays)]).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn set_setting(
    client: &impl GenericClient,
    name: &str,
    value: Option<&str>,
) -> Result<(), Failure> {
    let changed = match value {
        Some(value) => {
            let sql = "INSERT INTO setting (name, value) VALUES ($1, $2)
                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            client.execute(sql, &[&name, &value]).await
        }
        None => {
            client
                .execute("DELETE FROM setting WHERE name = $1", &[&name])
                .await
        }
    };
    changed?;
    Ok(())
}

/// Makes times that are ahead of `now` what they count as, of at most `limit` rows of each table.
/// Returns of how many.
pub(super) async fn settle(client: &mut ClientWrapper, now: Timestamp, limit: usize) -> Result<u64, Failure> {
    let (latest, limit) = (record::latest(now), record::limit(limit));
    let transaction = client.transaction().await?;
    let (mut ids, mut columns) = (Vec::<String>::new(), <[Vec<Option<i64>>; 4]>::default());
    for row in transaction.query(AHEAD, &[&latest, &limit]).await? {
        ids.push(row.try_get(0)?);
        let kept = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
        let settled = record::times(&record::presence(kept).settled(now));
        for (column, time) in columns.iter_mut().zip(settled) {
            column.push(time);
        }
    }
    let mut count = ids.len() as u64;
    if !ids.is_empty() {
        let [polled, asked, beat, beating_since] = &columns;
        execute(
            &transaction,
            SETTLE_PRESENCE,
            &[&ids, polled, asked, beat, beating_since],
        )
        .await?;
    }
    for sql in [SETTLE_EVENTS, SETTLE_STRAYS] {
        count += execute(&transaction, sql, &[&nanos(now), &latest, &limit]).await?;
    }
    transaction.commit().await?;
    Ok(count)
}

/// Removes at most `limit` events that happened last before `before`; returns how many.
pub(super) async fn prune(
    client: &mut ClientWrapper,
    before: Timestamp,
    limit: usize,
) -> Result<u64, Failure> {
    Ok(client
        .execute(PRUNE, &[&nanos(before), &record::limit(limit)])
        .await?)
}

/// Whether the server takes writes: one that follows another does not.
pub(super) async fn probe(client: &mut ClientWrapper) -> Result<(), Failure> {
    let row = client.query_one("SHOW transaction_read_only", &[]).await?;
    if row.try_get::<_, &str>(0)? == "on" {
        return Err(StoreError::unavailable(
            "PostgreSQL is read-only (a standby?); name the primary in the URL, or all hosts with target_session_attrs=read-write",
        )
        .into());
    }
    Ok(())
}
