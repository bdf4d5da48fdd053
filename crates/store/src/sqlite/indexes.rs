//! Whether each device and each report is found by its keys.
//!
//! Checksums say of a row that it is what was written, and nothing of one that is not found: with
//! one flipped bit in an index a device or its report is absent, and absence would be answered with
//! fewer workloads. The tables are scanned at a start, so that an index that lacks rows is known,
//! and is made again from them.
//!
//! A row that an index has under another key than its own may be the one that is damaged. Then the
//! index leads to it by what it was, and would not any more if it were made again: so it is not,
//! unless a checksum says that the row is whole.

use std::{collections::HashSet, fmt::Write as _, path::Path};

use rusqlite::{Connection, Row, TransactionBehavior};

use super::{
    connection::cannot_open,
    decode::{DEVICE, decoded, device, is_corrupt},
    devices::RowsOf,
};
use crate::{StoreError, checksum::Standing, record::summed_report};

/// A table with what its rows are verified by, in the order of the function.
struct Table {
    name: &'static str,
    columns: &'static str,
    /// The column that every write moves on, if any. With a flipped bit in it a row looks like one
    /// of a program without checksums. Nobody is looked for by it.
    stamp: Option<&'static str>,
    standing: fn(&Row<'_>) -> rusqlite::Result<Standing>,
}

/// Tables that are found by an index and whose rows are looked for by their keys. All documents are
/// read together, and counted.
const TABLES: [Table; 2] = [
    Table {
        name: "device",
        columns: DEVICE,
        stamp: Some("revision"),
        standing: |row| Ok(device(row)?.standing()),
    },
    Table {
        name: "report",
        columns: "d.device_id, d.report, d.checksum",
        stamp: None,
        standing: |row| {
            let (id, report): (String, String) = (row.get(0)?, row.get(1)?);
            let checksum: Option<Vec<u8>> = row.get(2)?;
            Ok(summed_report(&id, &report).standing(checksum.as_deref()))
        },
    },
];

/// An index that does not lead to all rows of its table.
pub(super) struct Lacking {
    table: &'static str,
    index: String,
    /// Whether it is that of the stamp alone.
    is_of_stamp: bool,
    /// Rows that are not found by it and have to be: they are what was written, or say nothing
    /// about it and are not in the index at all.
    whole: usize,
    /// Rows, by their numbers, that are not found by it and are not what was written, or say
    /// nothing about it and are in the index under another key: it may be their keys that are
    /// damaged, and that the index has right.
    doubtful: Vec<i64>,
}

impl Lacking {
    /// A sentence about it.
    pub(super) fn describe(&self) -> String {
        let Self { table, index, .. } = self;
        let rows = self.whole + self.doubtful.len();
        if self.whole == 0 {
            return format!(
                "{rows} rows of table {table} are not found by index {index}, and seem to be damaged themselves"
            );
        }
        format!("index {index} is damaged: {rows} rows of table {table} are not found by it")
    }

    /// Makes it again, unless that could make a row absent other than those of these numbers.
    pub(super) fn make_again(&self, connection: &Connection, own: &RowsOf) -> rusqlite::Result<()> {
        let own = match self.table {
            "device" => own.device,
            _ => own.report,
        };
        if self.doubtful.iter().any(|number| Some(*number) != own) {
            return Ok(());
        }
        reindex(connection, &self.index)
    }
}

/// What a look at all indexes has found.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) lacking: Vec<Lacking>,
    /// Of which indexes it cannot be said, a sentence each.
    pub(super) unknown: Vec<String>,
}

/// All such indexes. A page that cannot be read is no reason not to serve: who is on it gets
/// errors.
pub(super) fn look_at_all(connection: &Connection) -> rusqlite::Result<Looked> {
    let mut all = Looked::default();
    for table in &TABLES {
        let indexes = format!(
            "SELECT name FROM pragma_index_list('{}') WHERE NOT partial",
            table.name
        );
        for index in names(connection, &indexes)? {
            match look(connection, table, &index) {
                Ok(found) if found.whole + found.doubtful.len() > 0 => all.lacking.push(found),
                Ok(_) => {}
                Err(error) if is_corrupt(&error) => all.unknown.push(format!(
                    "whether index {index} leads to all rows of table {} is not known ({error})",
                    table.name
                )),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(all)
}

/// Makes indexes again where rows have to be found by them. Fails where one would stay absent.
pub(super) fn restore(writer: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let Looked { lacking, unknown } = look_at_all(writer).map_err(|error| cannot_open(path, &error))?;
    for what in unknown {
        tracing::warn!(
            store = %path.display(),
            "{what}; devices on pages that cannot be read get errors: run 'edge-config-server check', and restore a backup"
        );
    }
    for index in lacking {
        let what = index.describe();
        if index.whole == 0 {
            // By the index they are found, and are unreadable or what they were.
            tracing::warn!(store = %path.display(), "{what}; 'edge-config-server check' names their devices");
            continue;
        }
        let refused = |why: &str| StoreError::Open {
            location: path.display().to_string(),
            reason: format!("{what}, {why}; restore a backup"),
        };
        if !index.doubtful.is_empty() {
            return Err(refused("and some of them are damaged themselves"));
        }
        match restored(writer, &index.index) {
            Ok(()) => tracing::warn!(
                store = %path.display(),
                "{what}; it was made again from the table. The file may be damaged elsewhere: run 'edge-config-server check'"
            ),
            // Two devices of one revision, for one: nobody is absent by it.
            Err(error) if index.is_of_stamp => tracing::warn!(
                store = %path.display(),
                "{what}, and it cannot be made again ({error}); the devices of these rows are read, and perhaps not written: restore \
                 a backup if they get errors"
            ),
            Err(error) => return Err(refused(&format!("and it cannot be made again ({error})"))),
        }
    }
    Ok(())
}

fn restored(writer: &mut Connection, index: &str) -> rusqlite::Result<()> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    reindex(&transaction, index)?;
    transaction.commit()
}

fn reindex(connection: &Connection, index: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("REINDEX \"{index}\""))
}

fn names(connection: &Connection, select: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(select)?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn look(connection: &Connection, table: &Table, index: &str) -> rusqlite::Result<Lacking> {
    let Table { name, columns, .. } = table;
    let keys = names(
        connection,
        &format!("SELECT name FROM pragma_index_info('{index}')"),
    )?;
    let mut same = String::new();
    for key in &keys {
        let _ = write!(same, " AND k.\"{key}\" IS d.\"{key}\"");
    }
    let select = format!(
        "SELECT {columns}, d.rowid AS number FROM {name} d NOT INDEXED WHERE NOT EXISTS
           (SELECT 1 FROM {name} k INDEXED BY \"{index}\" WHERE k.rowid = d.rowid{same})"
    );
    let is_of_stamp = table.stamp.is_some_and(|stamp| keys == [stamp]);
    let (mut whole, mut doubtful, mut unsummed) = (0, Vec::new(), HashSet::new());
    let mut statement = connection.prepare(&select)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match decoded((table.standing)(row))? {
            // Whichever of both is damaged, the row is served by its id.
            _ if is_of_stamp => whole += 1,
            Ok(Standing::Verified) => whole += 1,
            Ok(Standing::Unsummed) => {
                unsummed.insert(row.get("number")?);
            }
            Ok(Standing::Damaged) | Err(_) => doubtful.push(row.get("number")?),
        }
    }
    let displaced = displaced(connection, name, index, &unsummed)?;
    whole += unsummed.len() - displaced.len();
    doubtful.extend(displaced);
    Ok(Lacking {
        table: name,
        index: index.to_owned(),
        is_of_stamp,
        whole,
        doubtful,
    })
}

/// Which of these rows, by their numbers, an index has, and so under another key than their own.
fn displaced(
    connection: &Connection,
    table: &str,
    index: &str,
    rows: &HashSet<i64>,
) -> rusqlite::Result<HashSet<i64>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let mut statement = connection.prepare(&format!("SELECT rowid FROM {table} INDEXED BY \"{index}\""))?;
    let mut numbers = statement.query([])?;
    let mut found = HashSet::new();
    while let Some(row) = numbers.next()? {
        let number: i64 = row.get(0)?;
        if rows.contains(&number) {
            found.insert(number);
        }
    }
    Ok(found)
}
