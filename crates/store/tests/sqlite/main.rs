//! What only a file can suffer: two servers, a kill, a restored copy, a full disk, other people's
//! databases.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]
#![allow(
    dead_code,
    reason = "the support is shared with the contract suite, which uses all of it"
)]

mod alone;
mod damage;
mod disk;
mod files;
mod processes;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use flotta_store::{
    Bounds, DocumentsWrite, Revision, Store, StoreError, Write, WriteGuard,
    migrations::{MIGRATIONS, PROGRAM_LEVEL},
    sqlite::{OpenOptions, SqliteStore, inspect},
};
use support::{
    documents::*,
    place::{Place as _, SqlitePlace},
    *,
};
use tempfile::TempDir;

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, OpenOptions::default())
}

fn refusal(path: &Path) -> String {
    open(path).unwrap_err().to_string()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Commits one write each time and returns the store's highest revision.
async fn advance(store: &dyn Store, times: i64) -> i64 {
    let mut revision = match store.load(&id("a")).await.unwrap() {
        Some(stored) => stored.revision,
        None => create(store, "a", approved()).await,
    };
    for step in 0..times {
        let events = vec![event("Step", "")];
        let write = Write {
            events,
            ..write("a", WriteGuard::At(revision), at(step))
        };
        revision = store.commit(write).await.unwrap();
    }
    revision.0
}

#[tokio::test]
async fn a_second_server_is_refused_in_a_sentence() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    let refused = refusal(&place.path());
    assert!(
        refused.contains("fleet.db") && refused.contains("stop that server"),
        "{refused}"
    );
    let link = place.path().with_file_name("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert!(
        refusal(&link).contains("stop that server"),
        "the same file by another name"
    );
    store.close().await;
    place.open().await.close().await;
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    advance(&*store, 1).await;
    for suffix in ["", "-wal", ".lock", ".mark"] {
        let file = beside(&place.path(), suffix);
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(0o600, mode, "{}", file.display());
    }
}

#[tokio::test]
async fn an_earlier_copy_is_found_to_be_a_restored_backup() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    advance(&*store, 3).await;
    let before = store.identity();
    store.close().await;
    let backup = place.path().with_extension("backup");
    fs::copy(place.path(), &backup).unwrap();

    // Opened again without a restore, with and without writes, it stays in its epoch.
    let store = place.open().await;
    advance(&*store, 3).await;
    store.close().await;
    let store = place.open().await;
    assert_eq!(before, store.identity());
    store.close().await;

    fs::copy(&backup, place.path()).unwrap();
    let store = place.open().await;
    let restored = store.identity();
    assert_eq!(before.id, restored.id);
    assert_ne!(before.epoch, restored.epoch);
    store.close().await;
    let store = place.open().await;
    assert_eq!(restored, store.identity(), "found once");
    advance(&*store, 9).await;
    store.close().await;

    // Documents alone tell it as well.
    let documents = place.path().with_extension("documents");
    let store = place.open().await;
    let before = store.identity();
    put(&*store, vec![document("ConfigMap", "a", "1")]).await;
    store.close().await;
    fs::copy(place.path(), &documents).unwrap();
    let store = place.open().await;
    put(&*store, vec![document("ConfigMap", "a", "2")]).await;
    store.close().await;
    fs::copy(&documents, place.path()).unwrap();
    let store = place.open().await;
    assert_ne!(before.epoch, store.identity().epoch);
    assert_eq!(plain("1"), texts(&*store).await[0].1);
    advance(&*store, 9).await;
    store.close().await;

    // The same backup again: of another epoch, so it is an earlier state whatever its revision.
    fs::copy(&backup, place.path()).unwrap();
    let store = place.open().await;
    assert!(![before.epoch, restored.epoch].contains(&store.identity().epoch));
}

#[tokio::test]
async fn a_database_that_went_missing_is_not_replaced_by_an_empty_one() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    advance(&*store, 1).await;
    store.close().await;
    fs::remove_file(place.path()).unwrap();
    let refused = refusal(&place.path());
    assert!(
        refused.contains(".mark") && refused.contains("restore a backup"),
        "{refused}"
    );
    assert!(!place.path().exists());
    let problems = place.inspect().await.problems;
    assert!(problems[0].starts_with("it is gone, though"), "{problems:?}");
    fs::remove_file(beside(&place.path(), ".mark")).unwrap();
    assert_eq!(place.inspect().await.problems, [""; 0]);
    place.open().await.close().await;
}

#[tokio::test]
async fn a_store_of_a_newer_program_stays_as_it_is() {
    let place = SqlitePlace::new();
    place.open().await.close().await;
    place
        .run(&format!("UPDATE meta SET oldest_program = {}", PROGRAM_LEVEL + 1))
        .await;
    let mark = beside(&place.path(), ".mark");
    let before = (fs::read(place.path()).unwrap(), fs::read(&mark).unwrap());
    let refused = refusal(&place.path());
    assert!(
        refused.contains("install a newer edge-config-server"),
        "{refused}"
    );
    assert!(inspect(&place.path()).is_err());
    assert!(before == (fs::read(place.path()).unwrap(), fs::read(&mark).unwrap()));
}

#[tokio::test]
async fn a_write_that_fails_half_way_leaves_nothing_and_harms_nobody() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    place
        .run("CREATE TRIGGER half_way BEFORE INSERT ON stray WHEN NEW.id = 's2' BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    let half_way = store.observe(Vec::new(), vec![stray("s1", at(1)), stray("s2", at(1))]);
    let (refused, created, other) = tokio::join!(
        half_way,
        store.commit(creation("a", waiting(), at(1))),
        store.observe(Vec::new(), vec![stray("s3", at(1))])
    );
    assert!(
        matches!(refused, Err(StoreError::Unavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(None, store.stray(&id("s1")).await.unwrap());
    assert!(created.is_ok() && other.is_ok());
    assert!(store.load(&id("a")).await.unwrap().is_some() && store.stray(&id("s3")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_revision_of_a_transaction_that_failed_is_not_missed() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    let before = store.identity();
    place
        .run("CREATE TRIGGER all_of_it BEFORE INSERT ON stray WHEN NEW.id = 's' BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
        .await;
    // Both may be in one transaction, which ends after the device was written: it is written again.
    for number in 0..50 {
        let name = format!("d{number}");
        let (created, refused) = tokio::join!(
            store.commit(creation(&name, waiting(), at(1))),
            store.observe(Vec::new(), vec![stray("s", at(1))])
        );
        assert!(refused.is_err());
        let created = created.unwrap();
        assert_eq!(created, store.load(&id(&name)).await.unwrap().unwrap().revision);
    }
    store.probe().await.unwrap();
    store.close().await;
    let store = place.open().await;
    assert_eq!(before, store.identity(), "no restore is seen in it");
    store.close().await;
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(
        &text,
        "not a database, but long enough to be taken for the header of one by its size alone ".repeat(9),
    )
    .unwrap();
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE meta (x)")
        .unwrap();
    for (path, word) in [(&text, "restore a backup"), (&foreign, "another program's")] {
        let before = fs::read(path).unwrap();
        let refused = refusal(path);
        assert!(refused.contains(word), "{refused}");
        assert!(inspect(path).unwrap_err().to_string().contains(word));
        assert!(before == fs::read(path).unwrap());
    }
    let refused = refusal(&folder.path().join("missing/fleet.db"));
    assert!(refused.contains("create it"), "{refused}");
}

#[tokio::test]
async fn a_running_server_can_be_looked_at() {
    let place = SqlitePlace::new();
    let nothing = inspect(&place.path()).unwrap();
    assert_eq!((None, vec![1, 2, 3, 4]), (nothing.schema, nothing.pending));
    assert!(!place.path().exists(), "a look creates nothing");

    let store = place.open().await;
    advance(&*store, 1).await;
    let seen = inspect(&place.path()).unwrap();
    assert_eq!(Some(store.identity()), seen.identity);
    assert_eq!(MIGRATIONS.last().map(|migration| migration.number), seen.schema);
    assert_eq!(
        (2, true, true),
        (
            seen.oldest_program,
            seen.pending.is_empty(),
            seen.problems.is_empty()
        )
    );
    store.close().await;

    // A page in the middle is torn.
    let mut bytes = fs::read(place.path()).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(place.path(), bytes).unwrap();
    let problems = inspect(&place.path()).map(|seen| seen.problems.join("\n"));
    let said = problems.unwrap_or_else(|error| error.to_string());
    assert!(said.contains("restore a backup"), "{said}");
}

/// The log is empty after a clean end, so that copying the file is copying the store.
#[tokio::test]
async fn a_closed_store_is_one_file() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    let revision = advance(&*store, 20).await;
    store.close().await;
    let log = fs::metadata(beside(&place.path(), "-wal")).map_or(0, |log| log.len());
    assert_eq!(0, log);
    let copy = place.path().with_file_name("copy.db");
    fs::copy(place.path(), &copy).unwrap();
    let copy = open(&copy).unwrap();
    assert_eq!(revision, copy.load(&id("a")).await.unwrap().unwrap().revision.0);
}

/// A reader that stays keeps the log from being used again; once it is gone, the log shrinks while
/// writes go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grew_large_is_truncated() {
    const LARGE: u64 = 64 << 20;
    let place = SqlitePlace::new();
    let store = place.open().await;
    let mut revision = create(&*store, "a", approved()).await;
    let log = beside(&place.path(), "-wal");
    let size = || fs::metadata(&log).unwrap().len();

    let reader = rusqlite::Connection::open(place.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM device")
        .unwrap();
    // SQLite does not write pages that stay the same, so each report is another.
    for letter in ["x", "y"].into_iter().cycle() {
        if size() > LARGE + (4 << 20) {
            break;
        }
        let large = Some(report(&letter.repeat(1 << 20)).into());
        let write = Write {
            report: large,
            ..write("a", WriteGuard::At(revision), at(1))
        };
        revision = store.commit(write).await.unwrap();
    }
    reader.execute_batch("COMMIT").unwrap();
    let shrinks = async {
        while size() > LARGE {
            revision = store
                .commit(write("a", WriteGuard::At(revision), at(1)))
                .await
                .unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), shrinks)
        .await
        .unwrap();
    store.close().await;
}
