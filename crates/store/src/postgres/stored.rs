//! Rows of documents, renderings and sources as they are stored: taken out with what their
//! checksums say, and put in with their checksums. Nothing else writes them.

use deadpool_postgres::Transaction;
use tokio_postgres::{Row as SqlRow, Transaction as Snapshot};

use super::{
    columns::{KeyArrays, TextArrays, rendering_arrays},
    failure::Failure,
    write::execute,
};
use crate::{
    DocumentKey, RenderingKey, Revision, Source,
    checksum::Standing,
    documents::{KeptDocument, Row, summed_source},
    record::{instant, nanos},
};

type Result<T> = std::result::Result<T, Failure>;

const DOCUMENTS: &str =
    "SELECT confidential, key_id, body, kind, namespace, name, source, revision, checksum FROM document
    ORDER BY kind, namespace, name";

const NAMED: &str =
    "SELECT d.confidential, d.key_id, d.body, d.kind, d.namespace, d.name, d.source, d.revision, d.checksum
    FROM document d JOIN unnest($1::text[], $2::text[], $3::text[]) AS named (kind, namespace, name)
        ON d.kind = named.kind AND d.namespace = named.namespace AND d.name = named.name";

const RENDERINGS: &str =
    "SELECT confidential, key_id, body, namespace, name, checksum FROM rendering ORDER BY namespace, name";

const SOURCES: &str = "SELECT name, digest, applied_at, state, checksum FROM source ORDER BY name";

const PUT_DOCUMENTS: &str =
    "INSERT INTO document (kind, namespace, name, source, revision, confidential, key_id, body, checksum)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bool[], $7::text[], $8::text[],
        $9::bytea[]) AS new (kind, namespace, name, source, revision, confidential, key_id, body, checksum)
    ON CONFLICT (kind, namespace, name) DO UPDATE SET
        source = excluded.source, revision = excluded.revision, confidential = excluded.confidential,
        key_id = excluded.key_id, body = excluded.body, checksum = excluded.checksum";

const REMOVE_DOCUMENTS: &str = "DELETE FROM document d
    USING unnest($1::text[], $2::text[], $3::text[]) AS gone (kind, namespace, name)
    WHERE d.kind = gone.kind AND d.namespace = gone.namespace AND d.name = gone.name";

const PUT_RENDERINGS: &str = "INSERT INTO rendering (namespace, name, confidential, key_id, body, checksum)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bool[], $4::text[], $5::text[], $6::bytea[])
        AS new (namespace, name, confidential, key_id, body, checksum)
    ON CONFLICT (namespace, name) DO UPDATE SET confidential = excluded.confidential,
        key_id = excluded.key_id, body = excluded.body, checksum = excluded.checksum";

const REMOVE_RENDERINGS: &str = "DELETE FROM rendering r
    USING unnest($1::text[], $2::text[]) AS gone (namespace, name)
    WHERE r.namespace = gone.namespace AND r.name = gone.name";

const PUT_SOURCE: &str =
    "INSERT INTO source (name, digest, applied_at, state, checksum) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, applied_at = excluded.applied_at,
        state = excluded.state, checksum = excluded.checksum";

/// Whether the documents were written last by a program that knows checksums, so that those of
/// renderings and sources count.
pub(super) async fn is_checked(transaction: &Snapshot<'_>) -> Result<bool> {
    let row = transaction
        .query_one("SELECT revision = checked FROM document_revision", &[])
        .await?;
    Ok(row.try_get(0)?)
}

/// The first three columns.
fn text(row: &SqlRow) -> Result<Row> {
    Ok(Row {
        confidential: row.try_get(0)?,
        key_id: row.try_get(1)?,
        body: row.try_get(2)?,
        standing: Standing::Unsummed,
    })
}

fn kept_document(row: &SqlRow) -> Result<KeptDocument> {
    let mut kept = KeptDocument {
        key: DocumentKey {
            kind: row.try_get(3)?,
            namespace: row.try_get(4)?,
            name: row.try_get(5)?,
        },
        source: row.try_get(6)?,
        revision: Revision(row.try_get(7)?),
        row: text(row)?,
    };
    let stored: Option<&[u8]> = row.try_get(8)?;
    kept.row.standing = kept
        .row
        .summed_document(&kept.key, &kept.source, kept.revision)
        .standing(stored);
    Ok(kept)
}

pub(super) async fn documents(transaction: &Snapshot<'_>) -> Result<Vec<KeptDocument>> {
    let rows = transaction.query(DOCUMENTS, &[]).await?;
    rows.iter().map(kept_document).collect()
}

pub(super) async fn named<'a>(
    transaction: &Transaction<'_>,
    keys: impl IntoIterator<Item = &'a DocumentKey>,
) -> Result<Vec<KeptDocument>> {
    let keys = KeyArrays::of(keys);
    let rows = transaction
        .query(NAMED, &[&keys.kinds, &keys.namespaces, &keys.names])
        .await?;
    rows.iter().map(kept_document).collect()
}

pub(super) async fn renderings(transaction: &Snapshot<'_>) -> Result<Vec<(RenderingKey, Row)>> {
    let is_checked = is_checked(transaction).await?;
    let mut renderings = Vec::new();
    for row in transaction.query(RENDERINGS, &[]).await? {
        let key = RenderingKey {
            namespace: row.try_get(3)?,
            name: row.try_get(4)?,
        };
        let mut kept = text(&row)?;
        let stored: Option<&[u8]> = row.try_get(5)?;
        kept.standing = kept.summed_rendering(&key).standing(stored).if_it(is_checked);
        renderings.push((key, kept));
    }
    Ok(renderings)
}

pub(super) async fn sources(transaction: &Snapshot<'_>) -> Result<Vec<(Source, Standing)>> {
    let is_checked = is_checked(transaction).await?;
    let mut sources = Vec::new();
    for row in transaction.query(SOURCES, &[]).await? {
        let (name, digest, applied_at, state): (String, String, i64, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let stored: Option<&[u8]> = row.try_get(4)?;
        let standing = summed_source(&name, &digest, applied_at, &state)
            .standing(stored)
            .if_it(is_checked);
        let source = Source {
            name,
            digest,
            applied_at: instant(applied_at),
            state,
        };
        sources.push((source, standing));
    }
    Ok(sources)
}

/// Each with its source and revision.
pub(super) async fn put_documents(
    transaction: &Transaction<'_>,
    documents: &[(&DocumentKey, &str, Revision, &Row)],
) -> Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let keys = KeyArrays::of(documents.iter().map(|(key, ..)| *key));
    let (sources, revisions): (Vec<&str>, Vec<i64>) = documents
        .iter()
        .map(|(_, source, revision, _)| (*source, revision.0))
        .unzip();
    let texts = TextArrays::of(documents.iter().map(|(key, source, revision, row)| {
        let checksum = row.summed_document(key, source, *revision).checksum();
        (*row, checksum)
    }));
    execute(
        transaction,
        PUT_DOCUMENTS,
        &[
            &keys.kinds,
            &keys.namespaces,
            &keys.names,
            &sources,
            &revisions,
            &texts.confidential,
            &texts.key_ids,
            &texts.bodies,
            &texts.checksums,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn remove_documents(transaction: &Transaction<'_>, gone: &[DocumentKey]) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let gone = KeyArrays::of(gone);
    execute(
        transaction,
        REMOVE_DOCUMENTS,
        &[&gone.kinds, &gone.namespaces, &gone.names],
    )
    .await?;
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
    let texts = TextArrays::of(
        rows.iter()
            .map(|(key, row)| (row, row.summed_rendering(key).checksum())),
    );
    execute(
        transaction,
        PUT_RENDERINGS,
        &[
            &namespaces,
            &names,
            &texts.confidential,
            &texts.key_ids,
            &texts.bodies,
            &texts.checksums,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn remove_renderings(transaction: &Transaction<'_>, gone: &[RenderingKey]) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let (namespaces, names) = rendering_arrays(gone);
    execute(transaction, REMOVE_RENDERINGS, &[&namespaces, &names]).await?;
    Ok(())
}

pub(super) async fn put_source(transaction: &Transaction<'_>, source: &Source) -> Result<()> {
    let Source {
        name, digest, state, ..
    } = source;
    let applied_at = nanos(source.applied_at);
    let checksum = summed_source(name, digest, applied_at, state).checksum();
    execute(
        transaction,
        PUT_SOURCE,
        &[name, digest, &applied_at, state, &checksum],
    )
    .await?;
    Ok(())
}
