//! A look at what is kept, one portion at a time: which rows are not what was written, and what
//! SQLite finds wrong with its pages. The same for `check` and for a running server, which also
//! gives rows their checksums.

use rusqlite::Connection;

use super::{
    apply::Failure,
    decode::{is_corrupt, is_damage},
    read::{self, Found},
    stored, sums,
};
use crate::{
    Body, Examined, Keyring, Portion, StoreError,
    checksum::Standing,
    documents::{Place, damaged_source},
    model::is_full,
    record::{of_documents, unreadable_device},
};

type Result<T> = std::result::Result<T, Failure>;

/// Devices of one portion.
const DEVICES: usize = 200;

/// Most lines about one table.
const LINES: usize = 10;

/// What was found, and which devices lack a checksum.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) examined: Examined,
    pub(super) devices_to_sum: Vec<String>,
    pub(super) sum_documents: bool,
}

/// What cannot be looked through is damaged, and is told as that; the look goes on behind it.
pub(super) fn look(connection: &Connection, portion: &Portion) -> Result<Seen> {
    let seen = match portion {
        Portion::Devices(after) => devices(connection, after),
        Portion::Documents => documents(connection),
        Portion::Table(number) => table(connection, *number),
    };
    let why = match seen {
        Err(Failure::Sqlite(error)) if is_damage(&error) => error.to_string(),
        Err(Failure::Refused(error @ StoreError::Corrupt { .. })) => error.to_string(),
        seen => return seen,
    };
    Ok(Seen {
        examined: Examined::stopped(portion, &why),
        ..Seen::default()
    })
}

fn devices(connection: &Connection, after: &str) -> Result<Seen> {
    let rows = read::page(connection, None, after, DEVICES, true)?;
    let mut seen = Seen::default();
    let bytes = rows.iter().map(|found| found.bytes).sum();
    seen.examined.next = Some(match rows.last() {
        Some(last) if is_full(rows.len(), DEVICES, bytes) => Portion::Devices(last.id.clone()),
        _ => Portion::Documents,
    });
    for Found { id, row, .. } in rows {
        let standing = row
            .map_err(|reason| unreadable_device(&id, &reason))
            .and_then(|row| {
                let standing = row.verify()?;
                row.read().map(|_| standing)
            });
        match standing {
            Ok(Standing::Unsummed) => seen.devices_to_sum.push(id),
            Ok(_) => {}
            Err(error) => seen.examined.damaged.push(error.of_device()),
        }
    }
    Ok(seen)
}

fn documents(connection: &Connection) -> Result<Seen> {
    let transaction = connection.unchecked_transaction()?;
    let mut seen = Seen::default();
    // Whether a sealed text opens is the business of whoever has keys.
    let keyring = Keyring::default();
    let documents = stored::documents(&transaction)?.into_iter();
    let documents = documents.map(|kept| kept.row.read(&keyring, Place::Document(&kept.key)));
    let renderings = stored::renderings(&transaction)?.into_iter();
    let renderings = renderings.map(|(key, row)| row.read(&keyring, Place::Rendering(&key)));
    let texts = documents.chain(renderings).filter_map(|body| match body {
        Body::Damaged { why } => Some(why),
        Body::Plain(_) | Body::Unreadable { .. } => None,
    });
    let sources = stored::sources(&transaction)?.into_iter();
    let sources = sources.filter_map(|(name, kept)| kept.is_none().then(|| damaged_source(&name)));
    let damaged = texts.chain(sources).map(|why| of_documents(&why));
    seen.examined.damaged.extend(damaged);
    seen.sum_documents = sums::lacks_sums(&transaction)?;
    seen.examined.next = Some(Portion::Table(0));
    Ok(seen)
}

fn table(connection: &Connection, number: usize) -> Result<Seen> {
    let names = connection
        .prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut seen = Seen::default();
    let Some(name) = names.get(number) else {
        return Ok(seen);
    };
    let mut check = connection.prepare("SELECT * FROM pragma_quick_check(?1) LIMIT ?2")?;
    let told = check.query_map((name, crate::record::limit(LINES)), |row| row.get::<_, String>(0))?;
    let mut lines = Vec::new();
    for line in told {
        lines.push(match line {
            Err(error) if is_corrupt(&error) => error.to_string(),
            line => line?,
        });
    }
    let damaged = lines.into_iter().filter(|line| line != "ok");
    seen.examined.damaged.extend(
        damaged.map(|line| format!("the database is damaged (table {name}: {line}); restore a backup")),
    );
    seen.examined.next = Some(Portion::Table(number + 1));
    Ok(seen)
}
