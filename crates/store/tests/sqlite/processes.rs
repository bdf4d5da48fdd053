//! What happens to a store when its whole process suffers: killed in the midst of writes, on a full
//! disk.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
};

use super::*;

const PATH: &str = "STORE_TEST_PATH";

/// This test binary again, running one of its ignored tests on a database.
fn again(test: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    // A write beyond the limit of a file's size shall be an error and no signal.
    command
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg(format!("processes::{test}"));
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
        let status = child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "it had ended by itself: {status}\n{text}"
        );
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
        // Nothing may be written, not even what is in the log already: after a checkpoint SQLite
        // begins it anew.
        limit_file_size("0");

        let kept = store.load(&id("a")).await.unwrap().unwrap();
        for _ in 0..3 {
            let large = Write {
                report: Some(report(&"x".repeat(100_000)).into()),
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
