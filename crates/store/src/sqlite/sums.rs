//! Documents that are not what was written, or say nothing about it: found, removed when a person
//! has said so, and given their checksums.

use rusqlite::{Connection, Row as SqlRow};

use super::{
    apply::Failure,
    stored::{
        DOCUMENT, RENDERING, SOURCE, documents, is_checked, kept_document, kept_rendering, kept_source,
        put_document, put_rendering, put_source, renderings, sources,
    },
};
use crate::checksum::Standing;

type Result<T> = std::result::Result<T, Failure>;

pub(super) fn is_damaged(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(documents(connection)?.iter().any(|kept| kept.row.is_damaged())
        || renderings(connection)?.iter().any(|(_, row)| row.is_damaged())
        || sources(connection)?.iter().any(|(_, source)| source.is_none()))
}

/// Removes every row that is not what was written. By its number, since its key is not relied on;
/// and what an index says of it may be something else.
pub(super) fn discard_damaged(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("REINDEX document; REINDEX rendering; REINDEX source")?;
    let is_checked = is_checked(connection)?;
    let damaged = |columns: &str, table: &str, is_damaged: &dyn Fn(&SqlRow<'_>) -> rusqlite::Result<bool>| {
        let numbers = connection
            .prepare(&format!("SELECT {columns}, rowid FROM {table}"))?
            .query_map([], |row| {
                let number: i64 = row.get("rowid")?;
                Ok(is_damaged(row)?.then_some(number))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for number in numbers.into_iter().flatten() {
            connection.execute(&format!("DELETE FROM {table} WHERE rowid = ?1"), [number])?;
        }
        Ok::<_, rusqlite::Error>(())
    };
    damaged(DOCUMENT, "document", &|row| {
        Ok(kept_document(row)?.row.is_damaged())
    })?;
    damaged(RENDERING, "rendering", &|row| {
        Ok(kept_rendering(row, is_checked)?.1.is_damaged())
    })?;
    damaged(SOURCE, "source", &|row| {
        Ok(kept_source(row, is_checked)?.1.is_none())
    })
}

/// Gives the rows that lack one their checksum; returns how many.
pub(super) fn sum(connection: &Connection) -> Result<i64> {
    let mut summed = 0;
    for kept in documents(connection)? {
        if kept.row.standing == Standing::Unsummed {
            put_document(connection, &kept.key, &kept.row, &kept.source, kept.revision)?;
            summed += 1;
        }
    }
    for (key, row) in renderings(connection)? {
        if row.standing == Standing::Unsummed {
            put_rendering(connection, &key, &row)?;
            summed += 1;
        }
    }
    for (_, kept) in sources(connection)? {
        if let Some((source, Standing::Unsummed)) = kept {
            put_source(connection, &source)?;
            summed += 1;
        }
    }
    connection.execute("UPDATE document_revision SET checked = revision", [])?;
    Ok(summed)
}

/// Whether there is a row that [`sum`] would write.
pub(super) fn lacks_sums(connection: &Connection) -> rusqlite::Result<bool> {
    let lacks = |standing| standing == Standing::Unsummed;
    Ok(!is_checked(connection)?
        || documents(connection)?.iter().any(|kept| lacks(kept.row.standing))
        || renderings(connection)?.iter().any(|(_, row)| lacks(row.standing))
        || sources(connection)?
            .iter()
            .any(|(_, source)| source.as_ref().is_some_and(|(_, standing)| lacks(*standing))))
}
