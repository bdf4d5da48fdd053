//! The statements of a transaction that writes devices. Each takes all rows at once, as arrays.

use std::collections::{BTreeMap, HashSet};

use deadpool_postgres::{ClientWrapper, Transaction};
use fleet::{Phase, Presence};
use tokio_postgres::types::ToSql;

use super::{
    devices::{Kept, distrust, insert, is_known, lock, put_reports, remove_unreadable, update},
    failure::Failure,
    read,
};
use crate::{
    Bounds, Revision, StoreError, Write, WriteGuard,
    record::{self, LifeColumns, nanos},
};

/// What became of one write.
pub(super) type Outcome = Result<Revision, StoreError>;

type Parameters<'a> = [&'a (dyn ToSql + Sync)];

const COUNT_EVENTS: &str =
    "INSERT INTO event AS kept (device_id, origin, kind, count, first_at, last_at, body)
    SELECT device_id, origin, kind, count, at, at, body
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
        AS new (device_id, origin, kind, count, at, body)
    ON CONFLICT (device_id, origin, kind) DO UPDATE SET
        count = kept.count + excluded.count,
        first_at = least(kept.first_at, excluded.first_at),
        last_at = greatest(kept.last_at, excluded.last_at),
        body = CASE WHEN excluded.last_at >= kept.last_at THEN excluded.body ELSE kept.body END";

const TRIM_EVENTS: &str = "DELETE FROM event e USING (
        SELECT device_id, origin, kind,
            row_number() OVER latest_first AS place,
            sum(octet_length(kind) + octet_length(body)) OVER latest_first AS bytes
        FROM event WHERE device_id = ANY($1)
        WINDOW latest_first AS (
            PARTITION BY device_id, origin ORDER BY last_at DESC, kind ROWS UNBOUNDED PRECEDING)) ranked
    WHERE (ranked.place > $2 OR (ranked.place > 1 AND ranked.bytes > $3))
        AND e.device_id = ranked.device_id AND e.origin = ranked.origin AND e.kind = ranked.kind";

const LOCK_PRESENCE: &str =
    "SELECT device_id FROM presence WHERE device_id = ANY($1) ORDER BY device_id FOR UPDATE";

/// The meaning of [`Presence::join`]; `greatest` and `least` pass over NULL, and a poll that never
/// was is the earliest.
const JOIN_PRESENCE: &str = "UPDATE presence kept SET
        polled = greatest(kept.polled, new.polled),
        asked = greatest(kept.asked, new.asked),
        beat = greatest(kept.beat, new.beat),
        beating_since = CASE
            WHEN kept.polled IS NOT DISTINCT FROM new.polled THEN least(kept.beating_since, new.beating_since)
            WHEN new.polled IS NULL OR kept.polled > new.polled THEN kept.beating_since
            ELSE new.beating_since END
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        AS new (id, polled, asked, beat, beating_since)
    WHERE kept.device_id = new.id";

const REMOVE_STRAYS: &str = "DELETE FROM stray
    WHERE id IN (SELECT id FROM stray WHERE id = ANY($1) ORDER BY id FOR UPDATE)";

/// Makes these writes, each of another device, in one transaction.
pub(super) async fn transact(
    client: &mut ClientWrapper,
    writes: &[Write],
    bounds: &Bounds,
) -> Result<Vec<Outcome>, Failure> {
    let transaction = client.transaction().await?;
    let kept = lock(&transaction, writes).await?;
    let mut outcomes = decide(&transaction, writes, &kept).await?;
    let mut lives = Vec::new();
    for (write, outcome) in writes.iter().zip(&mut outcomes) {
        match (outcome.as_ref().ok().copied(), &write.life) {
            (Some(revision), Some(life)) => match LifeColumns::of(&write.id, life) {
                Ok(columns) => lives.push((write, columns, revision)),
                Err(error) => *outcome = Err(error),
            },
            (Some(_), None) if !is_known(write) => {
                *outcome = Err(record::without_life(&write.id));
            }
            _ => {}
        }
    }
    let (known, new): (Vec<_>, Vec<_>) = lives.into_iter().partition(|(write, ..)| is_known(write));
    remove_unreadable(&transaction, &new).await?;
    let inserted = insert(&transaction, &new).await?;
    for (write, outcome) in writes.iter().zip(&mut outcomes) {
        if outcome.is_ok() && !is_known(write) && !inserted.contains(write.id.as_str()) {
            *outcome = Err(StoreError::Conflict);
        }
    }
    let made: Vec<(&Write, Revision)> = writes
        .iter()
        .zip(&outcomes)
        .filter_map(|(write, outcome)| Some((write, *outcome.as_ref().ok()?)))
        .collect();
    distrust(&transaction, &made, &kept).await?;
    update(&transaction, &made, &known, &kept).await?;
    record_rest(&transaction, &made, bounds).await?;
    transaction.commit().await?;
    Ok(outcomes)
}

/// Finds which writes were decided on what is there. Only what was written is built upon: a damaged
/// row that gets a new checksum would be taken for good.
async fn decide(
    transaction: &Transaction<'_>,
    writes: &[Write],
    kept: &Kept,
) -> Result<Vec<Outcome>, Failure> {
    let replaced: Vec<&str> = writes
        .iter()
        .filter(|write| write.guard == WriteGuard::Unreadable)
        .map(|write| write.id.as_str())
        .collect();
    let mut unreadable = HashSet::new();
    if !replaced.is_empty() {
        for row in read::locked(transaction, &replaced).await? {
            let id = row.kept.id.clone();
            if row.read().is_err() {
                unreadable.insert(id);
            }
        }
    }
    let decide = |write: &Write| {
        let at = write.at.as_microsecond();
        match (write.guard, kept.get(write.id.as_str())) {
            (WriteGuard::Absent, None) => Ok(Revision(at)),
            (WriteGuard::At(Revision(decided)), Some(now)) if decided == now.revision => {
                now.verify()?;
                Ok(Revision(at.max(now.revision.saturating_add(1))))
            }
            // A revision that cannot be relied on bounds nothing.
            (WriteGuard::Unreadable, Some(_)) if unreadable.contains(write.id.as_str()) => Ok(Revision(at)),
            _ => Err(StoreError::Conflict),
        }
    };
    Ok(writes.iter().map(decide).collect())
}

/// Reports, times, events and strays of the writes that were made.
async fn record_rest(
    transaction: &Transaction<'_>,
    made: &[(&Write, Revision)],
    bounds: &Bounds,
) -> Result<(), Failure> {
    let mut reports = Vec::new();
    let mut presences = Vec::new();
    let mut approved = Vec::new();
    for (write, _) in made {
        if let Some(report) = &write.report {
            let document = record::document(&format!("the report of device {}", write.id), report)?;
            reports.push((write.id.as_str(), document));
        }
        if let Some(presence) = write.presence {
            presences.push((write.id.as_str(), presence));
        }
        if write
            .life
            .as_ref()
            .is_some_and(|life| life.state.phase() == Phase::Approved)
        {
            approved.push(write.id.as_str());
        }
    }
    put_reports(transaction, &reports).await?;
    count_events(transaction, made, bounds).await?;
    if !approved.is_empty() {
        execute(transaction, REMOVE_STRAYS, &[&approved]).await?;
    }
    join_presences(transaction, &presences).await
}

async fn count_events(
    transaction: &Transaction<'_>,
    made: &[(&Write, Revision)],
    bounds: &Bounds,
) -> Result<(), Failure> {
    // A statement must not touch a row twice, so the repetitions within a write are added up first.
    let mut counted = BTreeMap::<(&str, &str, &str), (i64, i64, String)>::new();
    for (write, _) in made {
        for event in &write.events {
            let key = (
                write.id.as_str(),
                record::origin(event.origin),
                event.kind.as_str(),
            );
            let entry = counted.entry(key).or_default();
            let count = entry.0.saturating_add(record::count(event.count));
            *entry = (count, nanos(write.at), record::event_body(event)?);
        }
    }
    if counted.is_empty() {
        return Ok(());
    }
    let (mut ids, mut origins, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut counts, mut times, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for ((id, origin, kind), (count, at, body)) in counted {
        ids.push(id);
        origins.push(origin);
        kinds.push(kind);
        counts.push(count);
        times.push(at);
        bodies.push(body);
    }
    execute(
        transaction,
        COUNT_EVENTS,
        &[&ids, &origins, &kinds, &counts, &times, &bodies],
    )
    .await?;
    ids.dedup();
    execute(
        transaction,
        TRIM_EVENTS,
        &[
            &ids,
            &record::limit(bounds.events),
            &record::limit(bounds.event_bytes),
        ],
    )
    .await?;
    Ok(())
}

/// Joins times, each of another device, into those that are kept. Devices that are not known are
/// passed over.
pub(super) async fn join_presences(
    transaction: &Transaction<'_>,
    presences: &[(&str, Presence)],
) -> Result<(), Failure> {
    if presences.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = presences.iter().map(|(id, _)| *id).collect();
    let mut columns = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for (_, presence) in presences {
        for (column, time) in columns.iter_mut().zip(record::times(presence)) {
            column.push(time);
        }
    }
    let statement = transaction.prepare_cached(LOCK_PRESENCE).await?;
    transaction.query(&statement, &[&ids]).await?;
    let [polled, asked, beat, beating_since] = &columns;
    execute(
        transaction,
        JOIN_PRESENCE,
        &[&ids, polled, asked, beat, beating_since],
    )
    .await?;
    Ok(())
}

pub(super) async fn execute(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &Parameters<'_>,
) -> Result<u64, Failure> {
    let statement = transaction.prepare_cached(sql).await?;
    Ok(transaction.execute(&statement, parameters).await?)
}
