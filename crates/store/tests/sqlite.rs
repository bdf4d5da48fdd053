//! What only a file can suffer: two servers, a kill, a restored copy, a full disk, other people's databases.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]
#![allow(
    dead_code,
    reason = "the support is shared with the contract suite, which uses all of it"
)]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use flotta_store::{
    DocumentsWrite, Revision, Store, StoreError, Write, WriteGuard,
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
async fn a_mark_that_says_nothing_is_no_evidence() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    advance(&*store, 1).await;
    let identity = store.identity();
    store.close().await;
    let mark = beside(&place.path(), ".mark");

    let other = SqlitePlace::new();
    let store = other.open().await;
    advance(&*store, 50).await;
    store.close().await;
    for content in [fs::read(beside(&other.path(), ".mark")).unwrap(), b"{".to_vec()] {
        fs::write(&mark, content).unwrap();
        let store = place.open().await;
        assert_eq!(identity, store.identity());
        store.close().await;
    }
    fs::remove_file(&mark).unwrap();
    let store = place.open().await;
    assert_eq!(identity, store.identity());
    store.close().await;
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
        refused.contains(".mark") && refused.contains("restore it"),
        "{refused}"
    );
    assert!(!place.path().exists());
    fs::remove_file(beside(&place.path(), ".mark")).unwrap();
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
        .run("INSERT INTO stray VALUES ('s2', 'lost', 'nonsense', 1, 1, 1)")
        .await;
    let half_way = store.observe(Vec::new(), vec![stray("s1", at(1)), stray("s2", at(1))]);
    let (refused, created, other) = tokio::join!(
        half_way,
        store.commit(creation("a", waiting(), at(1))),
        store.observe(Vec::new(), vec![stray("s3", at(1))])
    );
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert_eq!(None, store.stray(&id("s1")).await.unwrap());
    assert!(created.is_ok() && other.is_ok());
    assert!(store.load(&id("a")).await.unwrap().is_some() && store.stray(&id("s3")).await.unwrap().is_some());
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
    assert_eq!((None, vec![1, 2, 3]), (nothing.schema, nothing.pending));
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

/// A reader that stays keeps the log from being used again; once it is gone, the log shrinks while writes go on.
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
        let large = Some(report(&letter.repeat(1 << 20)));
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

const PATH: &str = "STORE_TEST_PATH";

/// This test binary again, running one of its ignored tests on a database.
fn again(test: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    // A write beyond the limit of a file's size shall be an error and no signal.
    command
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", test]);
    command.env(PATH, path);
    command
}

/// A change that touches each table, with one number everywhere.
async fn apply_everywhere(store: &dyn Store, number: u64) -> Revision {
    let number = number.to_string();
    let write = DocumentsWrite {
        source: source("manifests", &number),
        put: vec![
            document("ConfigMap", "a", &number),
            document("Secret", "a", &number),
        ],
        renderings: Some(vec![rendering("w", &number)]),
        ..change(store.documents_revision().await.unwrap())
    };
    store.apply_documents(write).await.unwrap()
}

/// That all of it, or nothing, is there.
async fn check_everywhere(store: &dyn Store) -> Revision {
    let kept = store.documents().await.unwrap();
    if let Some(source) = kept.sources.first() {
        assert_eq!((2, 1), (kept.documents.len(), kept.renderings.len()));
        for document in &kept.documents {
            assert_eq!(
                (plain(&source.digest), kept.revision),
                (document.body.clone(), document.revision)
            );
        }
        assert_eq!(plain(&source.digest), kept.renderings[0].body);
    }
    kept.revision
}

/// Says what was acknowledged until it is killed.
#[test]
#[allow(clippy::print_stderr, reason = "the process that kills this one reads it")]
#[ignore = "run by kill_minus_nine_loses_nothing_acknowledged in a process of its own"]
fn writes_until_killed() {
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(open(&path).unwrap());
        let [first, ..] = ["a", "b", "c"].map(|name| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                loop {
                    let known = store.load(&id(name)).await.unwrap();
                    let next = match known {
                        Some(stored) => write(name, WriteGuard::At(stored.revision), at(0)),
                        None => creation(name, approved(), at(0)),
                    };
                    let revision = store
                        .commit(Write {
                            events: vec![event("Step", "")],
                            ..next
                        })
                        .await
                        .unwrap();
                    eprintln!("acknowledged {name} {}", revision.0);
                }
            })
        });
        let documents = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0_u64.. {
                eprintln!("applied {}", apply_everywhere(&*documents, number).await.0);
            }
        });
        first.await.unwrap();
    });
}

#[tokio::test]
async fn kill_minus_nine_loses_nothing_acknowledged() {
    const ROUNDS: usize = 5;
    let place = SqlitePlace::new();
    let mut identity = None;
    let mut acknowledged = std::collections::BTreeMap::<String, (u64, i64)>::new();
    let mut applied = 0;
    for round in 0..ROUNDS {
        let mut child = again("writes_until_killed", &place.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        // Killed in the midst of writes; what was said before that is read to its end.
        let mut text = String::new();
        for _ in 0..100 + round * 17 {
            said.read_line(&mut text).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        said.read_to_string(&mut text).unwrap();
        let whole_lines = &text[..=text.rfind('\n').unwrap()];
        for line in whole_lines.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["acknowledged", name, revision] => {
                    let entry = acknowledged.entry(name.to_owned()).or_default();
                    *entry = (entry.0 + 1, revision.parse().unwrap());
                }
                ["applied", revision] => applied = revision.parse().unwrap(),
                _ => panic!("{line}"),
            }
        }

        let store = place.open().await;
        assert_eq!(
            *identity.get_or_insert(store.identity()),
            store.identity(),
            "a crash is no restore"
        );
        let kept = check_everywhere(&*store).await;
        assert!(kept.0 >= applied, "{applied} was acknowledged, {} kept", kept.0);
        for (name, (count, revision)) in &acknowledged {
            let stored = store.load(&id(name)).await.unwrap().unwrap();
            assert!(
                stored.revision.0 >= *revision,
                "{name}: {revision} was acknowledged"
            );
            let kept = store.events(&id(name)).await.unwrap()[0].count;
            // Each kill may have come between a commit and its acknowledgement.
            let at_most = count + 1 + round as u64;
            assert!(
                (*count..=at_most).contains(&kept),
                "{name}: {count} acknowledged, {kept} kept"
            );
        }
        store.close().await;
    }
    assert_eq!(3, acknowledged.len());
    assert!(applied > 0);
}

fn limit_file_size(limit: &str) {
    let pid = std::process::id().to_string();
    let limited = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={limit}:")])
        .status()
        .unwrap();
    assert!(limited.success());
}

#[test]
#[ignore = "run by a_full_disk_is_an_error_until_there_is_room in a process of its own"]
fn meets_a_full_disk() {
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&path).unwrap();
        advance(&store, 5).await;
        store.probe().await.unwrap();
        // Nothing may be written, not even what is in the log already: after a checkpoint SQLite begins it anew.
        limit_file_size("0");

        let kept = store.load(&id("a")).await.unwrap().unwrap();
        for _ in 0..3 {
            let large = Write {
                report: Some(report(&"x".repeat(100_000))),
                ..write("a", WriteGuard::At(kept.revision), at(99))
            };
            let refused = store.commit(large).await;
            assert!(
                matches!(refused, Err(StoreError::Unavailable { .. })),
                "{refused:?}"
            );
            assert!(matches!(store.probe().await, Err(StoreError::Unavailable { .. })));
            assert_eq!(
                kept,
                store.load(&id("a")).await.unwrap().unwrap(),
                "reading goes on"
            );
        }
        limit_file_size("unlimited");
        store.probe().await.unwrap();
        advance(&store, 5).await;
        store.close().await;
    });
}

#[tokio::test]
async fn a_full_disk_is_an_error_until_there_is_room() {
    let place = SqlitePlace::new();
    let output = again("meets_a_full_disk", &place.path()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let store = place.open().await;
    assert_eq!(10, store.events(&id("a")).await.unwrap()[0].count);
}
