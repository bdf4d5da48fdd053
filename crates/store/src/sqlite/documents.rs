//! Documents, renderings and sources: read in one snapshot, changed in one savepoint of the writer.

use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, params};

use super::apply::{self, Failure};
use crate::{
    Document, DocumentKey, Documents, DocumentsWrite, Keyring, Rendering, RenderingKey, Revision, Source,
    SourceWrite, StoreError,
    documents::{Kept, Place, Plan, Row},
    record::{UNERASED, instant, nanos},
};

type Result<T> = std::result::Result<T, Failure>;

pub(super) fn read(connection: &Connection, keyring: &Keyring) -> Result<Documents> {
    // One snapshot, so that everything belongs together.
    let transaction = connection.unchecked_transaction()?;
    let documents = transaction
        .prepare_cached(
            "SELECT confidential, key_id, body, kind, namespace, name, source, revision FROM document
             ORDER BY kind, namespace, name",
        )?
        .query_map([], |row| {
            let (key, text) = (document_key(row)?, text(row)?);
            Ok(Document {
                source: row.get(6)?,
                revision: Revision(row.get(7)?),
                confidential: text.confidential,
                body: text.read(keyring, Place::Document(&key)),
                key,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let renderings = renderings(&transaction)?
        .into_iter()
        .map(|(key, text)| Rendering {
            confidential: text.confidential,
            body: text.read(keyring, Place::Rendering(&key)),
            key,
        })
        .collect();
    let sources = transaction
        .prepare_cached("SELECT name, digest, applied_at, state FROM source ORDER BY name")?
        .query_map([], |row| {
            Ok(Source {
                name: row.get(0)?,
                digest: row.get(1)?,
                applied_at: instant(row.get(2)?),
                state: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Documents {
        revision: revision(&transaction)?,
        documents,
        renderings,
        sources,
    })
}

pub(super) fn revision(connection: &Connection) -> Result<Revision> {
    let revision = connection
        .prepare_cached("SELECT revision FROM document_revision")?
        .query_row([], |row| row.get(0))?;
    Ok(Revision(revision))
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
    })
}

pub(super) fn renderings(connection: &Connection) -> rusqlite::Result<Vec<(RenderingKey, Row)>> {
    connection
        .prepare_cached(
            "SELECT confidential, key_id, body, namespace, name FROM rendering ORDER BY namespace, name",
        )?
        .query_map([], |row| {
            let key = RenderingKey {
                namespace: row.get(3)?,
                name: row.get(4)?,
            };
            Ok((key, text(row)?))
        })?
        .collect()
}

pub(super) fn confidential_documents(connection: &Connection) -> rusqlite::Result<Vec<(DocumentKey, Row)>> {
    connection
        .prepare_cached(
            "SELECT confidential, key_id, body, kind, namespace, name FROM document WHERE confidential",
        )?
        .query_map([], |row| Ok((document_key(row)?, text(row)?)))?
        .collect()
}

/// Makes the change at the revision `next`; returns that, or the present one if nothing changes.
pub(super) fn apply(
    connection: &Connection,
    keyring: &Keyring,
    write: &DocumentsWrite,
    next: Revision,
) -> Result<Revision> {
    let present = revision(connection)?;
    if present != write.expected {
        return Err(StoreError::Conflict.into());
    }
    let plan = Plan::of(write, keyring, &kept(connection, keyring, write)?)?;
    let changes = plan.changes();
    perform(connection, write, &plan, next)?;
    if plan.leaves_plain {
        apply::set_setting(connection, UNERASED, Some("true"))?;
    }
    if !changes {
        return Ok(present);
    }
    connection
        .prepare_cached("UPDATE document_revision SET revision = ?1")?
        .execute([next.0])?;
    Ok(next)
}

fn kept(connection: &Connection, keyring: &Keyring, write: &DocumentsWrite) -> Result<Kept> {
    let mut kept = Kept {
        any_sealed: Plan::would_expose(write, keyring) && any_sealed(connection)?,
        source: connection
            .prepare_cached("SELECT digest, state FROM source WHERE name = ?1")?
            .query_row([&write.source.name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?,
        ..Kept::default()
    };
    let mut document = connection.prepare_cached(
        "SELECT confidential, key_id, body, source FROM document
         WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
    )?;
    for key in write.put.iter().map(|put| &put.key).chain(&write.remove) {
        let row = document
            .query_row([&key.kind, &key.namespace, &key.name], |row| {
                Ok((row.get(3)?, text(row)?))
            })
            .optional()?;
        if let Some(row) = row {
            kept.documents.insert(key.clone(), row);
        }
    }
    if write.renderings.is_some() {
        kept.renderings = renderings(connection)?.into_iter().collect();
    }
    Ok(kept)
}

/// The ids of the keys that sealed texts need, and how many confidential ones are plain.
pub(super) fn keys(connection: &Connection) -> rusqlite::Result<(Vec<String>, u64)> {
    let ids = connection
        .prepare(
            "SELECT key_id FROM document WHERE key_id IS NOT NULL
             UNION SELECT key_id FROM rendering WHERE key_id IS NOT NULL ORDER BY 1",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let plain: i64 = connection.query_row(
        "SELECT (SELECT count(*) FROM document WHERE confidential AND key_id IS NULL)
              + (SELECT count(*) FROM rendering WHERE confidential AND key_id IS NULL)",
        [],
        |row| row.get(0),
    )?;
    Ok((ids, plain.unsigned_abs()))
}

fn any_sealed(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM document WHERE key_id IS NOT NULL
             UNION ALL SELECT 1 FROM rendering WHERE key_id IS NOT NULL LIMIT 1",
        )?
        .exists([])
}

fn perform(
    connection: &Connection,
    write: &DocumentsWrite,
    plan: &Plan,
    next: Revision,
) -> rusqlite::Result<()> {
    for DocumentKey {
        kind,
        namespace,
        name,
    } in &plan.removed_documents
    {
        connection
            .prepare_cached("DELETE FROM document WHERE kind = ?1 AND namespace = ?2 AND name = ?3")?
            .execute([kind, namespace, name])?;
    }
    for (key, row) in &plan.documents {
        put_document(connection, key, row, &write.source.name, next)?;
    }
    for RenderingKey { namespace, name } in &plan.removed_renderings {
        connection
            .prepare_cached("DELETE FROM rendering WHERE namespace = ?1 AND name = ?2")?
            .execute([namespace, name])?;
    }
    for (key, row) in &plan.renderings {
        put_rendering(connection, key, row)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO source (name, digest, applied_at, state) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET
                 digest = excluded.digest, applied_at = excluded.applied_at, state = excluded.state",
        )?
        .execute(params![
            write.source.name,
            write.source.digest,
            nanos(write.at),
            write.source.state
        ])?;
    for SourceWrite { name, digest, state } in &write.others {
        connection
            .prepare_cached("UPDATE source SET digest = ?2, state = ?3 WHERE name = ?1")?
            .execute([name, digest, state])?;
    }
    Ok(())
}

fn put_document(
    connection: &Connection,
    key: &DocumentKey,
    row: &Row,
    source: &str,
    next: Revision,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO document (kind, namespace, name, source, revision, confidential, key_id, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (kind, namespace, name) DO UPDATE SET
                 source = excluded.source, revision = excluded.revision,
                 confidential = excluded.confidential, key_id = excluded.key_id, body = excluded.body",
        )?
        .execute(params![
            key.kind,
            key.namespace,
            key.name,
            source,
            next.0,
            row.confidential,
            row.key_id,
            row.body
        ])?;
    Ok(())
}

pub(super) fn put_rendering(connection: &Connection, key: &RenderingKey, row: &Row) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO rendering (namespace, name, confidential, key_id, body) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (namespace, name) DO UPDATE SET
                 confidential = excluded.confidential, key_id = excluded.key_id, body = excluded.body",
        )?
        .execute(params![
            key.namespace,
            key.name,
            row.confidential,
            row.key_id,
            row.body
        ])?;
    Ok(())
}
