//! Sealing everything anew, and leaving nothing of what was there before in the files.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};

use super::{
    apply::{self, Failure},
    stored,
};
use crate::{
    Keyring, Rekeyed, StoreError,
    documents::{Place, Resealing},
    record::UNERASED,
};

/// How long the log is tried to be emptied while others read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two tries: a checkpoint of the housekeeper takes about as long.
const PAUSE: Duration = Duration::from_millis(20);

/// Seals all confidential texts with the first key, or none, and erases what was there before.
pub(super) fn rekey(connection: &mut Connection, keyring: &Keyring) -> Result<Rekeyed, StoreError> {
    let mut rekeyed = reseal(connection, keyring).map_err(super::failure)?;
    // Also if all was sealed already: the erasure of an earlier call may have failed.
    rekeyed.leftover = erase(connection).err();
    if rekeyed.leftover.is_none() {
        apply::set_setting(connection, UNERASED, None).map_err(super::failure)?;
    }
    Ok(rekeyed)
}

fn reseal(connection: &mut Connection, keyring: &Keyring) -> Result<Rekeyed, Failure> {
    let mut resealing = Resealing::new(keyring)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for kept in stored::confidential_documents(&transaction)? {
        let (key, source) = (kept.key, kept.source);
        if let Some(row) = resealing.row(Place::Document(&key), kept.row)? {
            stored::put_document(&transaction, &key, &row, &source, kept.revision)?;
        }
    }
    for (key, row) in stored::renderings(&transaction)? {
        if row.confidential
            && let Some(row) = resealing.row(Place::Rendering(&key), row)?
        {
            stored::put_rendering(&transaction, &key, &row)?;
        }
    }
    let rekeyed = resealing.finish()?;
    if rekeyed.resealed + rekeyed.newly_sealed > 0 {
        apply::set_setting(&transaction, UNERASED, Some("true"))?;
    }
    transaction.commit()?;
    Ok(rekeyed)
}

/// Writes the file anew without what is free in it, then empties the log. The error says what may
/// be left, and the remedy.
fn erase(connection: &Connection) -> Result<(), String> {
    let left = |what: &str, reason: &dyn std::fmt::Display, remedy: &str| {
        format!("{what} may still hold earlier values ({reason}); {remedy} and rekey again")
    };
    vacuum(connection).map_err(|error| {
        left(
            "the database file",
            &error,
            "make room for a second copy of it, end other programs that have it open",
        )
    })?;
    empty_log(connection).map_err(|reason| {
        left(
            "the database's log",
            &reason,
            "end other programs that have it open",
        )
    })
}

fn vacuum(connection: &Connection) -> rusqlite::Result<()> {
    // The unused part of a new page shall be zeros and not what its memory held before.
    connection.pragma_update(None, "secure_delete", "ON")?;
    let result = connection.execute_batch("VACUUM");
    connection.pragma_update(None, "secure_delete", "OFF")?;
    result
}

fn empty_log(connection: &Connection) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let checkpoint =
        || connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    loop {
        // Readers in the way are a column, another checkpoint is an error.
        let reason = match checkpoint() {
            Ok(0) => return Ok(()),
            Ok(_) => "somebody reads from it".to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            return Err(reason);
        }
        thread::sleep(PAUSE);
    }
}
