//! Documents, renderings and sources: read in one snapshot, changed in one savepoint of the writer.

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    apply::{self, Failure},
    decode::lossy,
    stored::{
        DOCUMENT, documents, is_checked, kept_document, put_document, put_rendering, put_source, renderings,
        sources,
    },
    sums,
};
use crate::{
    Document, DocumentKey, Documents, DocumentsWrite, Keyring, Rendering, RenderingKey, Revision, StoreError,
    documents::{Kept, Place, Plan, damaged_source},
    record::UNERASED,
};

type Result<T> = std::result::Result<T, Failure>;

pub(super) fn read(connection: &Connection, keyring: &Keyring) -> Result<Documents> {
    // One snapshot, so that everything belongs together.
    let transaction = connection.unchecked_transaction()?;
    let documents = documents(&transaction)?
        .into_iter()
        .map(|kept| Document {
            source: kept.source,
            revision: kept.revision,
            confidential: kept.row.confidential,
            body: kept.row.read(keyring, Place::Document(&kept.key)),
            key: kept.key,
        })
        .collect();
    let renderings = renderings(&transaction)?
        .into_iter()
        .map(|(key, text)| Rendering {
            confidential: text.confidential,
            body: text.read(keyring, Place::Rendering(&key)),
            key,
        })
        .collect();
    let mut read = Documents {
        revision: revision(&transaction)?,
        documents,
        renderings,
        ..Documents::default()
    };
    for (name, kept) in sources(&transaction)? {
        match kept {
            Some((source, _)) => read.sources.push(source),
            None => read.damaged_sources.push(damaged_source(&name)),
        }
    }
    Ok(read)
}

pub(super) fn revision(connection: &Connection) -> Result<Revision> {
    let revision = connection
        .prepare_cached("SELECT revision FROM document_revision")?
        .query_row([], |row| row.get(0))?;
    Ok(Revision(revision))
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
    if changes && !is_checked(connection)? {
        // What a program without checksums left behind says nothing of its renderings and sources.
        connection
            .execute_batch("UPDATE rendering SET checksum = NULL; UPDATE source SET checksum = NULL")?;
    }
    perform(connection, write, &plan, next)?;
    if plan.leaves_plain {
        apply::set_setting(connection, UNERASED, Some("true"))?;
    }
    if !changes {
        return Ok(present);
    }
    connection
        .prepare_cached("UPDATE document_revision SET revision = ?1, checked = ?1")?
        .execute([next.0])?;
    Ok(next)
}

fn kept(connection: &Connection, keyring: &Keyring, write: &DocumentsWrite) -> Result<Kept> {
    let mut kept = Kept {
        any_sealed: Plan::would_expose(write, keyring) && any_sealed(connection)?,
        is_damaged: write.discard_damaged && sums::is_damaged(connection)?,
        ..Kept::default()
    };
    kept.source = sources(connection)?
        .into_iter()
        .filter(|(name, _)| *name == write.source.name)
        .find_map(|(_, source)| source.map(|(source, _)| (source.digest, source.state)));
    let mut document = connection.prepare_cached(&format!(
        "SELECT {DOCUMENT} FROM document WHERE kind = ?1 AND namespace = ?2 AND name = ?3"
    ))?;
    for key in write.put.iter().map(|put| &put.key).chain(&write.remove) {
        let row = document
            .query_row([&key.kind, &key.namespace, &key.name], kept_document)
            .optional()?;
        if let Some(row) = row {
            kept.documents.insert(key.clone(), (row.source, row.row));
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
        .query_map([], |row| lossy(row, 0))?
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
    if plan.discards_damaged {
        sums::discard_damaged(connection)?;
    }
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
    put_source(connection, &write.source.applied(write.at))?;
    for (source, _) in sources(connection)?.into_iter().filter_map(|(_, kept)| kept) {
        if let Some(other) = write.others.iter().find(|other| other.name == source.name) {
            put_source(connection, &other.applied(source.applied_at))?;
        }
    }
    Ok(())
}
