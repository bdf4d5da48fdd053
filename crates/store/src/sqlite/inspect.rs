//! Looking at a database without opening it as a store; works while a server has it open.

use std::path::Path;

use rusqlite::Connection;

use super::{
    apply::Failure,
    connection::{self, Access},
    decode::is_corrupt,
    documents, examine, indexes, mark, open, read,
};
use crate::{Identity, Inspection, Portion, StoreError, migrations, record};

/// Looks at a database and changes nothing in it. Reads the whole file to find damage.
pub fn inspect(path: &Path) -> Result<Inspection, StoreError> {
    if !path.exists() {
        // Where a start could make none, for there is no such folder, it is said as a start says
        // it.
        let path = &open::canonical(path)?;
        let pending = migrations::pending(0, 0)?
            .iter()
            .map(|migration| migration.number)
            .collect();
        return Ok(Inspection {
            schema: None,
            oldest_program: 0,
            identity: None,
            pending,
            key_ids: Vec::new(),
            unsealed: 0,
            unerased: false,
            problems: odd_mark(path, Err("is gone")).into_iter().collect(),
        });
    }
    let path = &open::canonical(path)?;
    let log = open::log_path(path);
    // Before SQLite makes one: an empty log is no longer a missing one, and the next start would
    // warn of nothing.
    let lost = open::lost_log(path);
    if lost.is_none() || log.exists() {
        return inspect_by(path, Access::Read, lost);
    }
    let inspection = inspect_by(path, Access::Frozen, lost);
    if log.exists() {
        // A server has begun meanwhile, and wrote what was looked at.
        return inspect_by(path, Access::Read, None);
    }
    inspection
}

fn inspect_by(path: &Path, access: Access, lost_log: Option<String>) -> Result<Inspection, StoreError> {
    let failed = |error: &rusqlite::Error| connection::cannot_open(path, error);
    let connection = connection::connect(path, access).map_err(|error| failed(&error))?;
    let meta = connection::meta(&connection, path)?;
    let (schema, oldest_program) = meta.map_or((0, 0), |meta| (meta.schema, meta.oldest_program));
    let pending = migrations::pending(schema, oldest_program)?;
    let (key_ids, unsealed) = if schema < migrations::WITH_DOCUMENTS {
        (Vec::new(), 0)
    } else {
        documents::keys(&connection).map_err(|error| failed(&error))?
    };
    let unerased = schema > 0
        && read::setting(&connection, record::UNERASED)
            .map_err(super::failure)?
            .is_some();
    let several = open::other_names(path).map(|reason| format!("{}: {reason}", path.display()));
    let odd = odd_mark(path, meta.map(|meta| meta.identity).ok_or("is empty"));
    let mut problems: Vec<String> = several.into_iter().chain(odd).chain(lost_log).collect();
    problems.extend(pages(&connection).map_err(|error| failed(&error))?);
    if schema >= migrations::WITH_CHECKSUMS {
        let looked = indexes::look_at_all(&connection).map_err(|error| failed(&error))?;
        problems.extend(looked.lacking.iter().map(indexes::Lacking::describe));
        // Mostly the pages have told why.
        if problems.is_empty() {
            problems.extend(looked.unknown);
        }
    }
    match rows(&connection, schema) {
        Ok(damaged) => problems.extend(damaged),
        // The pages have told it.
        Err(Failure::Sqlite(error)) if is_corrupt(&error) && !problems.is_empty() => {}
        Err(Failure::Sqlite(error)) => return Err(failed(&error)),
        Err(failure) => return Err(super::failure(failure)),
    }
    Ok(Inspection {
        schema: meta.map(|meta| meta.schema),
        oldest_program,
        identity: meta.map(|meta| meta.identity),
        pending: pending.iter().map(|migration| migration.number).collect(),
        key_ids,
        unsealed,
        unerased,
        problems,
    })
}

/// What SQLite finds wrong with the file.
fn pages(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare("PRAGMA quick_check(10)")?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    let damaged = |what: &str| format!("the database is damaged ({what}); restore a backup");
    let told = lines.filter_map(|line| match line {
        Ok(line) if line == "ok" => None,
        // One finding is one line.
        Ok(line) => Some(Ok(damaged(&line.trim().replace('\n', ", ")))),
        Err(error) if is_corrupt(&error) => Some(Ok(damaged(&error.to_string()))),
        Err(error) => Some(Err(error)),
    });
    told.collect()
}

/// Which rows are not what was written.
fn rows(connection: &Connection, schema: u32) -> Result<Vec<String>, Failure> {
    let mut damaged = Vec::new();
    let mut next = (schema >= migrations::WITH_CHECKSUMS).then(Portion::first);
    while let Some(portion) = next.filter(|portion| !matches!(portion, Portion::Table(_))) {
        let seen = examine::look(connection, &portion)?.examined;
        damaged.extend(seen.damaged);
        next = seen.next;
    }
    Ok(damaged)
}

/// Why a start would refuse the database for what its mark says.
fn odd_mark(path: &Path, found: Result<Identity, &str>) -> Option<String> {
    let kept = match mark::read(path) {
        Ok(kept) => kept?,
        Err(reason) => return Some(mark::unreadable(path, &reason)),
    };
    match found {
        Ok(found) => kept.contradicts(path, found),
        Err(how) => (kept.revision > 0).then(|| open::gone(path, &kept, how)),
    }
}
