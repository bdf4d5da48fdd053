//! Documents, renderings and sources: read in one snapshot; changed in one transaction, which locks their revision first,
//! so that changes of several servers come one after the other.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::{Client, IsolationLevel, Row as SqlRow};

use super::{
    columns::{KeyArrays, TextArrays, rendering_arrays},
    failure::Failure,
    upkeep,
    write::execute,
};
use crate::{
    Document, DocumentKey, Documents, DocumentsWrite, Keyring, Rendering, RenderingKey, Revision, Source,
    SourceWrite, StoreError,
    documents::{Kept, Place, Plan, Row},
    record::{UNERASED, instant, nanos},
};

type Result<T> = std::result::Result<T, Failure>;

const DOCUMENTS: &str =
    "SELECT confidential, key_id, body, kind, namespace, name, source, revision FROM document
    ORDER BY kind, namespace, name";

const RENDERINGS: &str =
    "SELECT confidential, key_id, body, namespace, name FROM rendering ORDER BY namespace, name";

const KEPT: &str = "SELECT d.confidential, d.key_id, d.body, d.kind, d.namespace, d.name, d.source
    FROM document d JOIN unnest($1::text[], $2::text[], $3::text[]) AS named (kind, namespace, name)
        ON d.kind = named.kind AND d.namespace = named.namespace AND d.name = named.name";

const ANY_SEALED: &str = "SELECT EXISTS (SELECT FROM document WHERE key_id IS NOT NULL)
    OR EXISTS (SELECT FROM rendering WHERE key_id IS NOT NULL)";

const LOCK: &str = "SELECT revision FROM document_revision FOR UPDATE";

const PUT_DOCUMENTS: &str =
    "INSERT INTO document (kind, namespace, name, source, revision, confidential, key_id, body)
    SELECT kind, namespace, name, $4, $5, confidential, key_id, body
    FROM unnest($1::text[], $2::text[], $3::text[], $6::bool[], $7::text[], $8::text[])
        AS new (kind, namespace, name, confidential, key_id, body)
    ON CONFLICT (kind, namespace, name) DO UPDATE SET
        source = excluded.source, revision = excluded.revision,
        confidential = excluded.confidential, key_id = excluded.key_id, body = excluded.body";

const REMOVE_DOCUMENTS: &str = "DELETE FROM document d
    USING unnest($1::text[], $2::text[], $3::text[]) AS gone (kind, namespace, name)
    WHERE d.kind = gone.kind AND d.namespace = gone.namespace AND d.name = gone.name";

const PUT_RENDERINGS: &str = "INSERT INTO rendering (namespace, name, confidential, key_id, body)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bool[], $4::text[], $5::text[])
        AS new (namespace, name, confidential, key_id, body)
    ON CONFLICT (namespace, name) DO UPDATE SET
        confidential = excluded.confidential, key_id = excluded.key_id, body = excluded.body";

const REMOVE_RENDERINGS: &str = "DELETE FROM rendering r
    USING unnest($1::text[], $2::text[]) AS gone (namespace, name)
    WHERE r.namespace = gone.namespace AND r.name = gone.name";

const PUT_SOURCE: &str = "INSERT INTO source (name, digest, applied_at, state) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO UPDATE SET
        digest = excluded.digest, applied_at = excluded.applied_at, state = excluded.state";

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
    let mut documents = Vec::new();
    for row in transaction.query(DOCUMENTS, &[]).await? {
        let (key, text) = (document_key(&row)?, text(&row)?);
        documents.push(Document {
            source: row.try_get(6)?,
            revision: Revision(row.try_get(7)?),
            confidential: text.confidential,
            body: text.read(keyring, Place::Document(&key)),
            key,
        });
    }
    let renderings = renderings(&transaction)
        .await?
        .into_iter()
        .map(|(key, text)| Rendering {
            confidential: text.confidential,
            body: text.read(keyring, Place::Rendering(&key)),
            key,
        })
        .collect();
    let mut sources = Vec::new();
    let rows = transaction
        .query(
            "SELECT name, digest, applied_at, state FROM source ORDER BY name",
            &[],
        )
        .await?;
    for row in rows {
        sources.push(Source {
            name: row.try_get(0)?,
            digest: row.try_get(1)?,
            applied_at: instant(row.try_get(2)?),
            state: row.try_get(3)?,
        });
    }
    transaction.commit().await?;
    Ok(Documents {
        revision: Revision(revision.try_get(0)?),
        documents,
        renderings,
        sources,
    })
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

/// The first three columns.
pub(super) fn text(row: &SqlRow) -> Result<Row> {
    Ok(Row {
        confidential: row.try_get(0)?,
        key_id: row.try_get(1)?,
        body: row.try_get(2)?,
    })
}

/// The fourth to sixth column.
pub(super) fn document_key(row: &SqlRow) -> Result<DocumentKey> {
    Ok(DocumentKey {
        kind: row.try_get(3)?,
        namespace: row.try_get(4)?,
        name: row.try_get(5)?,
    })
}

pub(super) async fn renderings(transaction: &Transaction<'_>) -> Result<Vec<(RenderingKey, Row)>> {
    let mut renderings = Vec::new();
    for row in transaction.query(RENDERINGS, &[]).await? {
        let key = RenderingKey {
            namespace: row.try_get(3)?,
            name: row.try_get(4)?,
        };
        renderings.push((key, text(&row)?));
    }
    Ok(renderings)
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
    perform(&transaction, write, &plan, next).await?;
    if plan.leaves_plain {
        upkeep::set_setting(&*transaction, UNERASED, Some("true")).await?;
    }
    if next != present {
        execute(
            &transaction,
            "UPDATE document_revision SET revision = $1",
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
    let source = "SELECT digest, state FROM source WHERE name = $1";
    if let Some(row) = transaction.query_opt(source, &[&write.source.name]).await? {
        kept.source = Some((row.try_get(0)?, row.try_get(1)?));
    }
    let named = KeyArrays::of(write.put.iter().map(|put| &put.key).chain(&write.remove));
    let rows = transaction
        .query(KEPT, &[&named.kinds, &named.namespaces, &named.names])
        .await?;
    for row in rows {
        kept.documents
            .insert(document_key(&row)?, (row.try_get(6)?, text(&row)?));
    }
    if write.renderings.is_some() {
        kept.renderings = renderings(transaction).await?.into_iter().collect();
    }
    Ok(kept)
}

async fn perform(
    transaction: &Transaction<'_>,
    write: &DocumentsWrite,
    plan: &Plan,
    next: Revision,
) -> Result<()> {
    if !plan.removed_documents.is_empty() {
        let gone = KeyArrays::of(&plan.removed_documents);
        execute(
            transaction,
            REMOVE_DOCUMENTS,
            &[&gone.kinds, &gone.namespaces, &gone.names],
        )
        .await?;
    }
    if !plan.documents.is_empty() {
        let keys = KeyArrays::of(plan.documents.iter().map(|(key, _)| key));
        let texts = TextArrays::of(plan.documents.iter().map(|(_, row)| row));
        execute(
            transaction,
            PUT_DOCUMENTS,
            &[
                &keys.kinds,
                &keys.namespaces,
                &keys.names,
                &write.source.name,
                &next.0,
                &texts.confidential,
                &texts.key_ids,
                &texts.bodies,
            ],
        )
        .await?;
    }
    if !plan.removed_renderings.is_empty() {
        let (namespaces, names) = rendering_arrays(&plan.removed_renderings);
        execute(transaction, REMOVE_RENDERINGS, &[&namespaces, &names]).await?;
    }
    put_renderings(transaction, &plan.renderings).await?;
    execute(
        transaction,
        PUT_SOURCE,
        &[
            &write.source.name,
            &write.source.digest,
            &nanos(write.at),
            &write.source.state,
        ],
    )
    .await?;
    for SourceWrite { name, digest, state } in &write.others {
        let update = "UPDATE source SET digest = $2, state = $3 WHERE name = $1";
        execute(transaction, update, &[name, digest, state]).await?;
    }
    Ok(())
}

pub(super) async fn put_renderings(
    transaction: &Transaction<'_>,
    rows: &[(RenderingKey, Row)],
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (namespaces, names) = rendering_arrays(rows.iter().map(|(key, _)| key));
    let texts = TextArrays::of(rows.iter().map(|(_, row)| row));
    execute(
        transaction,
        PUT_RENDERINGS,
        &[
            &namespaces,
            &names,
            &texts.confidential,
            &texts.key_ids,
            &texts.bodies,
        ],
    )
    .await?;
    Ok(())
}
