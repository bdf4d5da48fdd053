//! Rows of devices and their reports: the one place where they are written, with their checksums.
//! Each statement takes all rows at once, as arrays.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::{
    failure::Failure,
    read::{DEVICE, kept_device},
    write::execute,
};
use crate::{
    Revision, Write, WriteGuard,
    checksum::Standing,
    record::{KeptDevice, LifeColumns, summed_report},
};

const INSERT: &str =
    "INSERT INTO device (id, namespace, phase, spelling, revision, life, epoch, heartbeat_seconds, checksum)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
        $9::bytea[]) AS new (id, namespace, phase, spelling, revision, life, epoch, heartbeat_seconds, checksum)
    ORDER BY id COLLATE \"C\"
    ON CONFLICT (id) DO NOTHING RETURNING id";

const UPDATE_LIFE: &str = "UPDATE device d
    SET namespace = new.namespace, phase = new.phase, spelling = new.spelling, revision = new.revision,
        life = new.life, epoch = new.epoch, heartbeat_seconds = new.heartbeat_seconds, checksum = new.checksum
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
        $9::bytea[]) AS new (id, namespace, phase, spelling, revision, life, epoch, heartbeat_seconds, checksum)
    WHERE d.id = new.id";

const UPDATE_REVISION: &str = "UPDATE device d SET revision = new.revision, checksum = new.checksum
    FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS new (id, revision, checksum) WHERE d.id = new.id";

const REMOVE_REPORTS: &str = "DELETE FROM report WHERE device_id = ANY($1)";

const REMOVE_PRESENCE: &str = "DELETE FROM presence WHERE device_id = ANY($1)";

const DISTRUST_REPORTS: &str = "UPDATE report SET checksum = NULL WHERE device_id = ANY($1)";

const INSERT_PRESENCE: &str =
    "INSERT INTO presence (device_id) SELECT unnest($1::text[]) ON CONFLICT (device_id) DO NOTHING";

const UPSERT_REPORT: &str = "INSERT INTO report (device_id, report, checksum)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
    ON CONFLICT (device_id) DO UPDATE SET report = excluded.report, checksum = excluded.checksum";

/// Whether the row of the device stays, changed.
pub(super) fn is_known(write: &Write) -> bool {
    matches!(write.guard, WriteGuard::At(_))
}

/// What is there of each device, by its id.
pub(super) type Kept = HashMap<String, KeptDevice>;

pub(super) async fn lock(transaction: &Transaction<'_>, writes: &[Write]) -> Result<Kept, Failure> {
    let ids: Vec<&str> = writes.iter().map(|write| write.id.as_str()).collect();
    let select = format!("SELECT {DEVICE} FROM device d WHERE d.id = ANY($1) ORDER BY d.id FOR UPDATE");
    let statement = transaction.prepare_cached(&select).await?;
    let mut kept = Kept::new();
    for row in transaction.query(&statement, &[&ids]).await? {
        let device = kept_device(&row)?;
        kept.insert(device.id.clone(), device);
    }
    Ok(kept)
}

/// Makes room for devices that are there and cannot be read.
pub(super) async fn remove_unreadable(
    transaction: &Transaction<'_>,
    lives: &[(&Write, LifeColumns, Revision)],
) -> Result<(), Failure> {
    let ids: Vec<&str> = lives
        .iter()
        .filter(|(write, ..)| write.guard == WriteGuard::Unreadable)
        .map(|(write, ..)| write.id.as_str())
        .collect();
    if !ids.is_empty() {
        execute(transaction, "DELETE FROM device WHERE id = ANY($1)", &[&ids]).await?;
        execute(transaction, REMOVE_REPORTS, &[&ids]).await?;
        execute(transaction, REMOVE_PRESENCE, &[&ids]).await?;
    }
    Ok(())
}

/// A device without a checksum may be of a program that knows none, and its report too.
pub(super) async fn distrust(
    transaction: &Transaction<'_>,
    made: &[(&Write, Revision)],
    kept: &Kept,
) -> Result<(), Failure> {
    let ids: Vec<&str> = made
        .iter()
        .filter(|(write, _)| is_known(write) && write.report.is_none())
        .filter_map(|(write, _)| kept.get(write.id.as_str()))
        .filter(|kept| kept.standing() == Standing::Unsummed)
        .map(|kept| kept.id.as_str())
        .collect();
    if !ids.is_empty() {
        execute(transaction, DISTRUST_REPORTS, &[&ids]).await?;
    }
    Ok(())
}

/// Lives as columns, one array each.
#[derive(Default)]
struct LifeArrays<'a> {
    ids: Vec<&'a str>,
    namespaces: Vec<&'a str>,
    phases: Vec<&'a str>,
    spellings: Vec<&'a str>,
    revisions: Vec<i64>,
    documents: Vec<&'a str>,
    epochs: Vec<Option<&'a str>>,
    heartbeat_seconds: Vec<Option<i64>>,
    checksums: Vec<Vec<u8>>,
}

impl<'a> LifeArrays<'a> {
    fn of(lives: &'a [(&Write, LifeColumns, Revision)]) -> Self {
        let mut arrays = Self::default();
        for (write, columns, revision) in lives {
            arrays.ids.push(write.id.as_str());
            arrays.namespaces.push(&columns.namespace);
            arrays.phases.push(&columns.phase);
            arrays.spellings.push(&columns.spelling);
            arrays.revisions.push(revision.0);
            arrays.documents.push(&columns.document);
            arrays.epochs.push(columns.epoch.as_deref());
            arrays.heartbeat_seconds.push(columns.heartbeat_seconds);
            arrays
                .checksums
                .push(columns.summed(write.id.as_str(), *revision).checksum());
        }
        arrays
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.ids,
            &self.namespaces,
            &self.phases,
            &self.spellings,
            &self.revisions,
            &self.documents,
            &self.epochs,
            &self.heartbeat_seconds,
            &self.checksums,
        ]
    }
}

/// Returns the ids that were inserted; the others exist since a moment ago.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    lives: &[(&Write, LifeColumns, Revision)],
) -> Result<HashSet<String>, Failure> {
    if lives.is_empty() {
        return Ok(HashSet::new());
    }
    let statement = transaction.prepare_cached(INSERT).await?;
    let rows = transaction
        .query(&statement, &LifeArrays::of(lives).parameters())
        .await?;
    let inserted = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<String>, tokio_postgres::Error>>()?;
    execute(transaction, INSERT_PRESENCE, &[&inserted]).await?;
    Ok(inserted.into_iter().collect())
}

pub(super) async fn update(
    transaction: &Transaction<'_>,
    made: &[(&Write, Revision)],
    lives: &[(&Write, LifeColumns, Revision)],
    kept: &Kept,
) -> Result<(), Failure> {
    if !lives.is_empty() {
        execute(transaction, UPDATE_LIFE, &LifeArrays::of(lives).parameters()).await?;
    }
    let (mut ids, mut revisions, mut checksums) = (Vec::new(), Vec::new(), Vec::new());
    for (write, revision) in made.iter().filter(|(write, _)| write.life.is_none()) {
        let id = write.id.as_str();
        if let Some(kept) = kept.get(id) {
            ids.push(id);
            revisions.push(revision.0);
            checksums.push(kept.columns.summed(id, *revision).checksum());
        }
    }
    if !ids.is_empty() {
        execute(transaction, UPDATE_REVISION, &[&ids, &revisions, &checksums]).await?;
    }
    Ok(())
}

pub(super) async fn put_reports(
    transaction: &Transaction<'_>,
    reports: &[(&str, String)],
) -> Result<(), Failure> {
    if reports.is_empty() {
        return Ok(());
    }
    let (ids, documents): (Vec<&str>, Vec<&str>) = reports
        .iter()
        .map(|(id, document)| (*id, document.as_str()))
        .unzip();
    let checksums: Vec<Vec<u8>> = reports
        .iter()
        .map(|(id, document)| summed_report(id, document).checksum())
        .collect();
    execute(transaction, UPSERT_REPORT, &[&ids, &documents, &checksums]).await?;
    Ok(())
}
