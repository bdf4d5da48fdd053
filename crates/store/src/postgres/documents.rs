//! Documents, renderings and sources: read in one snapshot; changed in one transaction, which locks
//! their revision first, so that changes of several servers come one after the other.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::{Client, IsolationLevel};

use super::{failure::Failure, stored, sums, upkeep, write::execute};
use crate::{
    Document, Documents, DocumentsWrite, Keyring, Rendering, Revision, StoreError,
    checksum::Standing,
    documents::{Kept, Place, Plan, damaged_source},
    record::UNERASED,
};

type Result<T> = std::result::Result<T, Failure>;

const ANY_SEALED: &str = "SELECT EXISTS (SELECT FROM document WHERE key_id IS NOT NULL)
    OR EXISTS (SELECT FROM rendering WHERE key_id IS NOT NULL)";

const LOCK: &str = "SELECT revision FROM document_revision FOR UPDATE";

/// For the rest of the transaction, other bounds than those of a request.
pub(super) async fn allow(transaction: &Transaction<'_>, patience: Duration) -> Result<()> {
    let millis = patience.as_millis();
    transaction
        .batch_execute(&format!(
            "SET LOCAL statement_timeout = {millis}; SET LOCAL idle_in_transaction_session_timeout = {millis}"
        ))
        .await?;
    Ok(())
}

pub(super) async fn read(
    client: &mut ClientWrapper,
    keyring: &Keyring,
    patience: Duration,
) -> Result<Documents> {
    // One snapshot, so that everything belongs together.
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    allow(&transaction, patience).await?;
    let revision = transaction
        .query_one("SELECT revision FROM document_revision", &[])
        .await?;
    let documents = stored::documents(&transaction)
        .await?
        .into_iter()
        .map(|kept| Document {
            source: kept.source,
            revision: kept.revision,
            confidential: kept.row.confidential,
            body: kept.row.read(keyring, Place::Document(&kept.key)),
            key: kept.key,
        })
        .collect();
    let renderings = stored::renderings(&transaction)
        .await?
        .into_iter()
        .map(|(key, text)| Rendering {
            confidential: text.confidential,
            body: text.read(keyring, Place::Rendering(&key)),
            key,
        })
        .collect();
    let mut read = Documents {
        revision: Revision(revision.try_get(0)?),
        documents,
        renderings,
        ..Documents::default()
    };
    for (source, standing) in stored::sources(&transaction).await? {
        if standing == Standing::Damaged {
            read.damaged_sources.push(damaged_source(&source.name));
        } else {
            read.sources.push(source);
        }
    }
    transaction.commit().await?;
    Ok(read)
}

pub(super) async fn revision(client: &ClientWrapper) -> Result<Revision> {
    let statement = client
        .prepare_cached("SELECT revision FROM document_revision")
        .await?;
    Ok(Revision(client.query_one(&statement, &[]).await?.try_get(0)?))
}

/// The ids of the keys that sealed texts need, and how many confidential ones are plain.
pub(super) async fn keys(client: &Client) -> Result<(Vec<String>, u64)> {
    let ids = "SELECT key_id FROM document WHERE key_id IS NOT NULL
        UNION SELECT key_id FROM rendering WHERE key_id IS NOT NULL ORDER BY 1";
    let plain = "SELECT (SELECT count(*) FROM document WHERE confidential AND key_id IS NULL)
        + (SELECT count(*) FROM rendering WHERE confidential AND key_id IS NULL)";
    let mut key_ids = Vec::new();
    for row in client.query(ids, &[]).await? {
        key_ids.push(row.try_get(0)?);
    }
    let plain: i64 = client.query_one(plain, &[]).await?.try_get(0)?;
    Ok((key_ids, plain.unsigned_abs()))
}

/// Locks the documents against other changes; returns their revision.
pub(super) async fn lock(transaction: &Transaction<'_>) -> Result<Revision> {
    Ok(Revision(transaction.query_one(LOCK, &[]).await?.try_get(0)?))
}

/// Makes the change; returns its revision, or the present one if nothing changes.
pub(super) async fn apply(
    client: &mut ClientWrapper,
    keyring: &Keyring,
    write: &DocumentsWrite,
    patience: Duration,
) -> Result<Revision> {
    let transaction = client.transaction().await?;
    allow(&transaction, patience).await?;
    let present = lock(&transaction).await?;
    if present != write.expected {
        return Err(StoreError::Conflict.into());
    }
    let plan = Plan::of(write, keyring, &kept(&transaction, keyring, write).await?)?;
    let next = if plan.changes() {
        Revision(write.at.as_microsecond().max(present.0 + 1))
    } else {
        present
    };
    if next != present && !stored::is_checked(&transaction).await? {
        // What a program without checksums left behind says nothing of its renderings and sources.
        execute(&transaction, "UPDATE rendering SET checksum = NULL", &[]).await?;
        execute(&transaction, "UPDATE source SET checksum = NULL", &[]).await?;
    }
    perform(&transaction, write, &plan, next).await?;
    if plan.leaves_plain {
        upkeep::set_setting(&*transaction, UNERASED, Some("true")).await?;
    }
    if next != present {
        execute(
            &transaction,
            "UPDATE document_revision SET revision = $1, checked = $1",
            &[&next.0],
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(next)
}

async fn kept(transaction: &Transaction<'_>, keyring: &Keyring, write: &DocumentsWrite) -> Result<Kept> {
    let mut kept = Kept::default();
    if Plan::would_expose(write, keyring) {
        kept.any_sealed = transaction.query_one(ANY_SEALED, &[]).await?.try_get(0)?;
    }
    kept.is_damaged = write.discard_damaged && sums::is_damaged(transaction).await?;
    for (source, standing) in stored::sources(transaction).await? {
        if source.name == write.source.name && standing != Standing::Damaged {
            kept.source = Some((source.digest, source.state));
        }
    }
    for row in stored::named(
        transaction,
        write.put.iter().map(|put| &put.key).chain(&write.remove),
    )
    .await?
    {
        kept.documents.insert(row.key, (row.source, row.row));
    }
    if write.renderings.is_some() {
        kept.renderings = stored::renderings(transaction).await?.into_iter().collect();
    }
    Ok(kept)
}

async fn perform(
    transaction: &Transaction<'_>,
    write: &DocumentsWrite,
    plan: &Plan,
    next: Revision,
) -> Result<()> {
    if plan.discards_damaged {
        sums::discard_damaged(transaction).await?;
    }
    stored::remove_documents(transaction, &plan.removed_documents).await?;
    let documents: Vec<_> = plan
        .documents
        .iter()
        .map(|(key, row)| (key, write.source.name.as_str(), next, row))
        .collect();
    stored::put_documents(transaction, &documents).await?;
    stored::remove_renderings(transaction, &plan.removed_renderings).await?;
    stored::put_renderings(transaction, &plan.renderings).await?;
    stored::put_source(transaction, &write.source.applied(write.at)).await?;
    if write.others.is_empty() {
        return Ok(());
    }
    for (source, standing) in stored::sources(transaction).await? {
        let other = write.others.iter().find(|other| other.name == source.name);
        if let Some(other) = other.filter(|_| standing != Standing::Damaged) {
            stored::put_source(transaction, &other.applied(source.applied_at)).await?;
        }
    }
    Ok(())
}
