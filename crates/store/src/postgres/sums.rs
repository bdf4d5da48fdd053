//! Documents that are not what was written, or say nothing about it: found, removed when a person
//! has said so, and given their checksums.

use deadpool_postgres::Transaction;
use tokio_postgres::Transaction as Snapshot;

use super::{failure::Failure, stored, write::execute};
use crate::{
    Body, DocumentKey, Keyring, RenderingKey,
    checksum::Standing,
    documents::{Place, damaged_source},
    record,
};

type Result<T> = std::result::Result<T, Failure>;

/// What is damaged, one sentence each.
pub(super) async fn damaged(transaction: &Snapshot<'_>) -> Result<Vec<String>> {
    let keyring = Keyring::default();
    let mut damaged = Vec::new();
    for kept in stored::documents(transaction).await? {
        if let Body::Damaged { why } = kept.row.read(&keyring, Place::Document(&kept.key)) {
            damaged.push(why);
        }
    }
    for (key, row) in stored::renderings(transaction).await? {
        if let Body::Damaged { why } = row.read(&keyring, Place::Rendering(&key)) {
            damaged.push(why);
        }
    }
    for (source, standing) in stored::sources(transaction).await? {
        if standing == Standing::Damaged {
            damaged.push(damaged_source(&source.name));
        }
    }
    Ok(damaged.iter().map(|why| record::of_documents(why)).collect())
}

pub(super) async fn is_damaged(transaction: &Snapshot<'_>) -> Result<bool> {
    Ok(!damaged(transaction).await?.is_empty())
}

/// Removes every row that is not what was written.
pub(super) async fn discard_damaged(transaction: &Transaction<'_>) -> Result<()> {
    let documents: Vec<DocumentKey> = stored::documents(transaction)
        .await?
        .into_iter()
        .filter(|kept| kept.row.is_damaged())
        .map(|kept| kept.key)
        .collect();
    stored::remove_documents(transaction, &documents).await?;
    let renderings: Vec<RenderingKey> = stored::renderings(transaction)
        .await?
        .into_iter()
        .filter(|(_, row)| row.is_damaged())
        .map(|(key, _)| key)
        .collect();
    stored::remove_renderings(transaction, &renderings).await?;
    let sources: Vec<String> = stored::sources(transaction)
        .await?
        .into_iter()
        .filter(|(_, standing)| *standing == Standing::Damaged)
        .map(|(source, _)| source.name)
        .collect();
    execute(
        transaction,
        "DELETE FROM source WHERE name = ANY($1)",
        &[&sources],
    )
    .await?;
    Ok(())
}

/// Gives the rows that lack one their checksum; returns how many. The documents are locked.
pub(super) async fn sum(transaction: &Transaction<'_>) -> Result<u64> {
    let lacking = |standing: &Standing| *standing == Standing::Unsummed;
    let mut kept = stored::documents(transaction).await?;
    kept.retain(|kept| lacking(&kept.row.standing));
    let documents: Vec<_> = kept
        .iter()
        .map(|kept| (&kept.key, kept.source.as_str(), kept.revision, &kept.row))
        .collect();
    stored::put_documents(transaction, &documents).await?;
    let mut renderings = stored::renderings(transaction).await?;
    renderings.retain(|(_, row)| lacking(&row.standing));
    stored::put_renderings(transaction, &renderings).await?;
    let mut sources = stored::sources(transaction).await?;
    sources.retain(|(_, standing)| lacking(standing));
    for (source, _) in &sources {
        stored::put_source(transaction, source).await?;
    }
    execute(
        transaction,
        "UPDATE document_revision SET checked = revision WHERE checked <> revision",
        &[],
    )
    .await?;
    Ok((documents.len() + renderings.len() + sources.len()) as u64)
}
