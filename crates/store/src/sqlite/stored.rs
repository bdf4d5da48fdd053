//! Rows of documents, renderings and sources as they are stored: taken out with what their
//! checksums say, and put in with their checksums. Nothing else writes them.

use rusqlite::{Connection, Row as SqlRow, params};

use super::decode::{decoded, lossy};
use crate::{
    DocumentKey, RenderingKey, Revision, Source,
    checksum::Standing,
    documents::{KeptDocument, Row, summed_source},
    record::{instant, nanos},
};

/// The columns of a document, in the order of [`kept_document`].
pub(super) const DOCUMENT: &str =
    "confidential, key_id, body, kind, namespace, name, source, revision, checksum";

/// Whether the documents were written last by a program that knows checksums, so that those of
/// renderings and sources count.
pub(super) fn is_checked(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT revision = checked FROM document_revision")?
        .query_row([], |row| row.get(0))
}

/// The fourth to sixth column.
fn document_key(row: &SqlRow<'_>) -> rusqlite::Result<DocumentKey> {
    Ok(DocumentKey {
        kind: row.get(3)?,
        namespace: row.get(4)?,
        name: row.get(5)?,
    })
}

/// The first three columns.
fn text(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        confidential: row.get(0)?,
        key_id: row.get(1)?,
        body: row.get(2)?,
        standing: Standing::Unsummed,
    })
}

pub(super) fn kept_document(row: &SqlRow<'_>) -> rusqlite::Result<KeptDocument> {
    let decode = || {
        let mut kept = KeptDocument {
            key: document_key(row)?,
            source: row.get(6)?,
            revision: Revision(row.get(7)?),
            row: text(row)?,
        };
        let stored: Option<Vec<u8>> = row.get(8)?;
        kept.row.standing = kept
            .row
            .summed_document(&kept.key, &kept.source, kept.revision)
            .standing(stored.as_deref());
        Ok(kept)
    };
    Ok(match decoded(decode())? {
        Ok(kept) => kept,
        Err(_) => KeptDocument {
            key: DocumentKey {
                kind: lossy(row, 3)?,
                namespace: lossy(row, 4)?,
                name: lossy(row, 5)?,
            },
            source: lossy(row, 6)?,
            revision: Revision::default(),
            row: Row::undecoded(),
        },
    })
}

pub(super) fn documents(connection: &Connection) -> rusqlite::Result<Vec<KeptDocument>> {
    connection
        .prepare_cached(&format!(
            "SELECT {DOCUMENT} FROM document ORDER BY kind, namespace, name"
        ))?
        .query_map([], kept_document)?
        .collect()
}

/// The columns of a rendering, in the order of [`kept_rendering`].
pub(super) const RENDERING: &str = "confidential, key_id, body, namespace, name, checksum";

pub(super) fn kept_rendering(row: &SqlRow<'_>, is_checked: bool) -> rusqlite::Result<(RenderingKey, Row)> {
    let decode = || {
        let key = RenderingKey {
            namespace: row.get(3)?,
            name: row.get(4)?,
        };
        let (mut kept, stored): (Row, Option<Vec<u8>>) = (text(row)?, row.get(5)?);
        kept.standing = kept
            .summed_rendering(&key)
            .standing(stored.as_deref())
            .if_it(is_checked);
        Ok((key, kept))
    };
    if let Ok(kept) = decoded(decode())? {
        return Ok(kept);
    }
    let key = RenderingKey {
        namespace: lossy(row, 3)?,
        name: lossy(row, 4)?,
    };
    Ok((key, Row::undecoded()))
}

pub(super) fn renderings(connection: &Connection) -> rusqlite::Result<Vec<(RenderingKey, Row)>> {
    let is_checked = is_checked(connection)?;
    connection
        .prepare_cached(&format!(
            "SELECT {RENDERING} FROM rendering ORDER BY namespace, name"
        ))?
        .query_map([], |row| kept_rendering(row, is_checked))?
        .collect()
}

/// A source by its name; `None` if it is not what was written.
pub(super) type KeptSource = (String, Option<(Source, Standing)>);

/// The columns of a source, in the order of [`kept_source`].
pub(super) const SOURCE: &str = "name, digest, applied_at, state, checksum";

pub(super) fn kept_source(row: &SqlRow<'_>, is_checked: bool) -> rusqlite::Result<KeptSource> {
    let decode = || {
        let (name, digest, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let (applied_at, stored): (i64, Option<Vec<u8>>) = (row.get(2)?, row.get(4)?);
        let standing = summed_source(&name, &digest, applied_at, &state)
            .standing(stored.as_deref())
            .if_it(is_checked);
        let source = Source {
            name,
            digest,
            applied_at: instant(applied_at),
            state,
        };
        Ok((standing != Standing::Damaged).then_some((source, standing)))
    };
    Ok((lossy(row, 0)?, decoded(decode())?.unwrap_or_default()))
}

pub(super) fn sources(connection: &Connection) -> rusqlite::Result<Vec<KeptSource>> {
    let is_checked = is_checked(connection)?;
    connection
        .prepare_cached(&format!("SELECT {SOURCE} FROM source ORDER BY name"))?
        .query_map([], |row| kept_source(row, is_checked))?
        .collect()
}

pub(super) fn confidential_documents(connection: &Connection) -> rusqlite::Result<Vec<KeptDocument>> {
    connection
        .prepare_cached(&format!("SELECT {DOCUMENT} FROM document WHERE confidential"))?
        .query_map([], kept_document)?
        .collect()
}

pub(super) fn put_source(connection: &Connection, source: &Source) -> rusqlite::Result<()> {
    let Source {
        name, digest, state, ..
    } = source;
    let applied_at = nanos(source.applied_at);
    connection
        .prepare_cached(
            "INSERT INTO source (name, digest, applied_at, state, checksum) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, applied_at = excluded.applied_at,
                 state = excluded.state, checksum = excluded.checksum",
        )?
        .execute(params![
            name,
            digest,
            applied_at,
            state,
            summed_source(name, digest, applied_at, state).checksum()
        ])?;
    Ok(())
}

pub(super) fn put_document(
    connection: &Connection,
    key: &DocumentKey,
    row: &Row,
    source: &str,
    next: Revision,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO document (kind, namespace, name, source, revision, confidential, key_id, body, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (kind, namespace, name) DO UPDATE SET
                 source = excluded.source, revision = excluded.revision, confidential = excluded.confidential,
                 key_id = excluded.key_id, body = excluded.body, checksum = excluded.checksum",
        )?
        .execute(params![
            key.kind,
            key.namespace,
            key.name,
            source,
            next.0,
            row.confidential,
            row.key_id,
            row.body,
            row.summed_document(key, source, next).checksum()
        ])?;
    Ok(())
}

pub(super) fn put_rendering(connection: &Connection, key: &RenderingKey, row: &Row) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO rendering (namespace, name, confidential, key_id, body, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (namespace, name) DO UPDATE SET confidential = excluded.confidential,
                 key_id = excluded.key_id, body = excluded.body, checksum = excluded.checksum",
        )?
        .execute(params![
            key.namespace,
            key.name,
            row.confidential,
            row.key_id,
            row.body,
            row.summed_rendering(key).checksum()
        ])?;
    Ok(())
}
