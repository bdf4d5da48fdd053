//! Sealing everything anew, and leaving nothing of what was there before in the tables' files.
//!
//! Out of reach are the write-ahead log, its archive and base backups: PostgreSQL recycles the log,
//! the rest is the business of whoever runs it (`docs/store.md`).

use std::time::{Duration, Instant};

use deadpool_postgres::ClientWrapper;

use super::{
    documents::{self, allow},
    failure::{Failure, describe},
    stored, upkeep,
};
use crate::{
    Keyring, Rekeyed,
    documents::{Place, Resealing},
    record::UNERASED,
};

/// Whether every transaction of this database that began before the given one has ended. Rewriting
/// a table keeps what they can still see.
const EARLIER_ENDED: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND greatest(age(backend_xmin), age(backend_xid)) > age($1::text::xid))";

/// How long they are waited for.
const EARLIER: Duration = Duration::from_secs(5);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the tables are waited for: who reads them now holds up the erasure, and it everybody
/// else.
const LOCK_TIMEOUT: &str = "SET statement_timeout = 0; SET lock_timeout = '5s'";

/// Seals all confidential texts with the first key, or none.
pub(super) async fn reseal(
    client: &mut ClientWrapper,
    keyring: &Keyring,
    patience: Duration,
) -> Result<Rekeyed, Failure> {
    let mut resealing = Resealing::new(keyring)?;
    let transaction = client.transaction().await?;
    allow(&transaction, patience).await?;
    documents::lock(&transaction).await?;
    let mut resealed = Vec::new();
    for kept in stored::documents(&transaction).await? {
        let (key, source, revision) = (kept.key, kept.source, kept.revision);
        if kept.row.confidential
            && let Some(row) = resealing.row(Place::Document(&key), kept.row)?
        {
            resealed.push((key, source, revision, row));
        }
    }
    let mut renderings = Vec::new();
    for (key, row) in stored::renderings(&transaction).await? {
        if row.confidential
            && let Some(row) = resealing.row(Place::Rendering(&key), row)?
        {
            renderings.push((key, row));
        }
    }
    let rekeyed = resealing.finish()?;
    let documents: Vec<_> = resealed
        .iter()
        .map(|(key, source, revision, row)| (key, source.as_str(), *revision, row))
        .collect();
    stored::put_documents(&transaction, &documents).await?;
    stored::put_renderings(&transaction, &renderings).await?;
    if rekeyed.resealed + rekeyed.newly_sealed > 0 {
        upkeep::set_setting(&*transaction, UNERASED, Some("true")).await?;
    }
    transaction.commit().await?;
    Ok(rekeyed)
}

/// Writes the tables anew without what is free in them. The error says what may be left, and the
/// remedy. The connection must not be used for anything else afterwards.
pub(super) async fn erase(client: &ClientWrapper) -> Result<(), String> {
    let left = |table: &str, reason: &str| {
        format!(
            "the file of the table '{table}' may still hold earlier values ({reason}); rekey again as its owner while nobody \
             else reads it"
        )
    };
    client
        .batch_execute(LOCK_TIMEOUT)
        .await
        .map_err(|error| left("document", &describe(&error)))?;
    match earlier_ended(client).await {
        Ok(true) => {}
        Ok(false) => {
            return Err(left(
                "document",
                "a transaction that began before still runs, such as a dump",
            ));
        }
        Err(error) => return Err(left("document", &describe(&error))),
    }
    for table in ["document", "rendering"] {
        match rewrite(client, table).await {
            Ok(true) => {}
            Ok(false) => return Err(left(table, "this user may not rewrite it")),
            Err(error) => return Err(left(table, &describe(&error))),
        }
    }
    Ok(())
}

async fn earlier_ended(client: &ClientWrapper) -> Result<bool, tokio_postgres::Error> {
    let now = client
        .query_one("SELECT pg_current_xact_id()::xid::text", &[])
        .await?;
    let now: String = now.try_get(0)?;
    let deadline = Instant::now() + EARLIER;
    loop {
        let ended: bool = client.query_one(EARLIER_ENDED, &[&now]).await?.try_get(0)?;
        if ended || Instant::now() >= deadline {
            return Ok(ended);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the table has another file now: without the right to it, `VACUUM` warns and does
/// nothing.
async fn rewrite(client: &ClientWrapper, table: &str) -> Result<bool, tokio_postgres::Error> {
    let file = format!("SELECT pg_relation_filenode('{table}')::bigint");
    let before: Option<i64> = client.query_one(&file, &[]).await?.try_get(0)?;
    client.batch_execute(&format!("VACUUM FULL {table}")).await?;
    let after: Option<i64> = client.query_one(&file, &[]).await?.try_get(0)?;
    Ok(before != after)
}
