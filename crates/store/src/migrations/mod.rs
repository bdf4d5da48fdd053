//! The numbered migrations, one list for both stores, one file for each number and dialect.
//!
//! A store says which schema it has and which program is the oldest that can still work on it. So
//! servers of two versions can run side by side while one replaces the other, as long as a
//! migration only adds what the older one does not need to know; statements therefore always name
//! their columns. A migration that an older program would damage raises
//! [`Migration::oldest_program`], and that program then refuses to start.
//!
//! A migration that was released is never edited: `tests/fixtures` holds a store of each number.

use crate::StoreError;

/// The level of this program. It grows by one with each migration that a program has to know about.
pub const PROGRAM_LEVEL: u32 = 2;

/// The schema number from which on there are documents.
pub(crate) const WITH_DOCUMENTS: u32 = 2;

/// The schema number from which on rows have checksums.
pub(crate) const WITH_CHECKSUMS: u32 = 4;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, counted from 1 without gaps; the schema number of a store that has it.
    pub number: u32,
    /// What it is for.
    pub name: &'static str,
    /// The lowest [`PROGRAM_LEVEL`] that can work on the result.
    pub oldest_program: u32,
    /// Its SQL for each store.
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// All of them, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "fleet",
        oldest_program: 1,
        sqlite: include_str!("0001_fleet.sqlite.sql"),
        postgres: include_str!("0001_fleet.postgres.sql"),
    },
    Migration {
        number: 2,
        name: "documents",
        // A program that does not know workloads would tell devices that they have none, and they
        // would remove them.
        oldest_program: 2,
        sqlite: include_str!("0002_documents.sqlite.sql"),
        postgres: include_str!("0002_documents.postgres.sql"),
    },
    Migration {
        number: 3,
        name: "periods",
        oldest_program: 2,
        sqlite: include_str!("0003_periods.sqlite.sql"),
        postgres: include_str!("0003_periods.postgres.sql"),
    },
    Migration {
        number: 4,
        name: "checksums",
        // One that writes a row without its checksum leaves one with another stamp behind, see
        // `crate::checksum`.
        oldest_program: 2,
        sqlite: include_str!("0004_checksums.sqlite.sql"),
        postgres: include_str!("0004_checksums.postgres.sql"),
    },
];

/// The migrations still to be applied to a store of this schema (0: empty), or that this program
/// must not touch it.
pub(crate) fn pending(schema: u32, oldest_program: u32) -> Result<&'static [Migration], StoreError> {
    if oldest_program > PROGRAM_LEVEL {
        return Err(StoreError::TooNew {
            needed: oldest_program,
            ours: PROGRAM_LEVEL,
        });
    }
    let first = MIGRATIONS.iter().position(|migration| migration.number > schema);
    Ok(first.map_or(&[], |first| &MIGRATIONS[first..]))
}

/// What a store says about itself once these migrations are applied: its schema number and its
/// oldest program.
pub(crate) fn after(schema: u32, oldest_program: u32, applied: &[Migration]) -> (u32, u32) {
    applied
        .iter()
        .fold((schema, oldest_program), |(schema, oldest), migration| {
            (schema.max(migration.number), oldest.max(migration.oldest_program))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_gap_and_this_program_can_work_on_the_result() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.number as usize, index + 1);
            assert!(migration.oldest_program <= PROGRAM_LEVEL, "{}", migration.name);
        }
    }
}
