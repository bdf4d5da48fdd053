//! Whether each device and each report is found by its keys.
//!
//! Checksums say of a row that it is what was written, and nothing of one that is not found: with
//! one flipped bit in an index a device or its report is absent, and absence would be answered with
//! fewer workloads. The tables are scanned at a start, so that an index that lacks rows is known,
//! and is made again from them.

use std::{fmt::Write as _, path::Path};

use rusqlite::{Connection, Row, TransactionBehavior};

use super::{
    connection::cannot_open,
    decode::{DEVICE, decoded, device, is_corrupt},
};
use crate::{StoreError, checksum::Standing, record::summed_report};

/// A table with what its rows are verified by, in the order of the function.
struct Table {
    name: &'static str,
    columns: &'static str,
    standing: fn(&Row<'_>) -> rusqlite::Result<Standing>,
}

/// Tables that are found by an index and whose rows are looked for by their keys. All documents are
/// read together, and counted.
const TABLES: [Table; 2] = [
    Table {
        name: "device",
        columns: DEVICE,
        standing: |row| Ok(device(row)?.standing()),
    },
    Table {
        name: "report",
        columns: "d.device_id, d.report, d.checksum",
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
    /// Rows that are not found by it and are what was written.
    whole: usize,
    /// Rows that are not found by it and are not, or that are so old that this cannot be told: it
    /// may be their keys that are damaged, and that the index has right.
    doubtful: usize,
}

impl Lacking {
    /// A sentence about it.
    pub(super) fn describe(&self) -> String {
        let Self { table, index, .. } = self;
        let rows = self.whole + self.doubtful;
        format!("index {index} is damaged: {rows} rows of table {table} are not found by it")
    }
}

/// All such indexes.
pub(super) fn lacking(connection: &Connection) -> rusqlite::Result<Vec<Lacking>> {
    let mut all = Vec::new();
    for table in &TABLES {
        let indexes = format!(
            "SELECT name FROM pragma_index_list('{}') WHERE NOT partial",
            table.name
        );
        for index in names(connection, &indexes)? {
            match look(connection, table, index) {
                Ok(found) if found.whole + found.doubtful > 0 => all.push(found),
                Ok(_) => {}
                // A page that cannot be read is told by whoever needs it.
                Err(error) if is_corrupt(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(all)
}

/// Makes indexes again from rows that are what was written. Fails where a row would stay absent.
pub(super) fn restore(writer: &mut Connection, path: &Path) -> Result<(), StoreError> {
    for index in lacking(writer).map_err(|error| cannot_open(path, &error))? {
        if index.whole == 0 {
            // Read by the index they are unreadable, which is right.
            continue;
        }
        let what = index.describe();
        let refused = |why: &str| StoreError::Open {
            location: path.display().to_string(),
            reason: format!("{what}, {why}; restore a backup"),
        };
        if index.doubtful > 0 {
            return Err(refused("and some of them are damaged themselves"));
        }
        reindex(writer, &index.index)
            .map_err(|error| refused(&format!("and it cannot be made again ({error})")))?;
        tracing::warn!(
            store = %path.display(),
            "{what}; it was made again from the table. The file may be damaged elsewhere: run 'edge-config-server check'"
        );
    }
    Ok(())
}

fn reindex(writer: &mut Connection, index: &str) -> rusqlite::Result<()> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(&format!("REINDEX \"{index}\""))?;
    transaction.commit()
}

fn names(connection: &Connection, select: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(select)?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn look(connection: &Connection, table: &Table, index: String) -> rusqlite::Result<Lacking> {
    let Table { name, columns, .. } = table;
    let mut same = String::new();
    for column in names(
        connection,
        &format!("SELECT name FROM pragma_index_info('{index}')"),
    )? {
        let _ = write!(same, " AND k.\"{column}\" IS d.\"{column}\"");
    }
    let select = format!(
        "SELECT {columns} FROM {name} d NOT INDEXED WHERE NOT EXISTS
           (SELECT 1 FROM {name} k INDEXED BY \"{index}\" WHERE k.rowid = d.rowid{same})"
    );
    let mut found = Lacking {
        table: name,
        index,
        whole: 0,
        doubtful: 0,
    };
    let mut statement = connection.prepare(&select)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match decoded((table.standing)(row))? {
            Ok(Standing::Verified) => found.whole += 1,
            _ => found.doubtful += 1,
        }
    }
    Ok(found)
}
