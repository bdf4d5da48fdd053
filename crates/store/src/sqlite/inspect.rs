//! Looking at a database without opening it as a store; works while a server has it open.

use std::path::Path;

use super::{
    documents,
    open::{self, Access},
    read,
};
use crate::{Inspection, StoreError, migrations, record};

/// Looks at a database and changes nothing in it. Reads the whole file to find damage.
pub fn inspect(path: &Path) -> Result<Inspection, StoreError> {
    if !path.exists() {
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
            problems: Vec::new(),
        });
    }
    let failed = |error: &rusqlite::Error| open::cannot_open(path, error);
    let connection = open::connect(path, Access::Read).map_err(|error| failed(&error))?;
    let meta = open::meta(&connection, path)?;
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
    let mut check = connection
        .prepare("PRAGMA quick_check(10)")
        .map_err(|error| failed(&error))?;
    let problems = check
        .query_map([], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(|error| failed(&error))?
        .into_iter()
        .filter(|line| line != "ok")
        .map(|line| format!("the database is damaged ({line}); restore a backup"))
        .collect();
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
