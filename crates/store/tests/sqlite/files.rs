//! Files that are removed or exchanged, under a running server and before a start.

use std::process::Command;

use super::*;

/// Until the store says the same as `expected` of its files; it looks every second.
async fn until_misplaced(store: &dyn Store, expected: Option<&str>) {
    let told = async {
        loop {
            match (store.misplaced(), expected) {
                (None, None) => return,
                (Some(reason), Some(part)) if reason.contains(part) => return,
                _ => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
    };
    let patience = std::time::Duration::from_mins(1);
    assert!(
        tokio::time::timeout(patience, told).await.is_ok(),
        "{:?}",
        store.misplaced()
    );
}

fn is_unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>, part: &str) {
    let told = match result {
        Err(error @ StoreError::Unavailable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(told.contains(part), "{told}");
}

/// A store with a device `a`, and the path of its file.
async fn running() -> (SqlitePlace, Arc<dyn Store>) {
    let place = SqlitePlace::new();
    let store = place.open().await;
    advance(&*store, 2).await;
    (place, store)
}

#[tokio::test]
async fn what_went_into_a_removed_file_is_not_acknowledged() {
    for suffix in ["", ".lock", "-wal"] {
        let (place, store) = running().await;
        let file = beside(&place.path(), suffix);
        fs::remove_file(&file).unwrap();
        let told = format!("fleet.db{suffix} was removed while the server had it open");
        is_unavailable(store.commit(creation("b", approved(), at(1))).await, &told);
        // From here on nothing is answered at all, also of what could be read.
        is_unavailable(store.load(&id("a")).await, &told);
        is_unavailable(store.documents().await, &told);
        is_unavailable(store.probe().await, &told);
        assert!(store.misplaced().is_some_and(|reason| reason.contains(&told)));
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_that_went_away_is_missed_without_a_write() {
    let (place, store) = running().await;
    let away = place.path().with_file_name("away.db");
    fs::rename(place.path(), &away).unwrap();
    until_misplaced(&*store, Some("was removed")).await;
    is_unavailable(store.load(&id("a")).await, "was removed");
    // It is the same file that comes back.
    fs::rename(&away, place.path()).unwrap();
    until_misplaced(&*store, None).await;
    store.commit(creation("b", approved(), at(1))).await.unwrap();
    store.close().await;
    let store = place.open().await;
    assert!(store.load(&id("b")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_that_came_in_its_place_is_neither_read_nor_written() {
    let (place, store) = running().await;
    // The mark follows commits, a little later.
    store.close().await;
    let store = place.open().await;
    let mark = fs::read(beside(&place.path(), ".mark")).unwrap();
    let (other, theirs) = running().await;
    theirs.close().await;
    let before = fs::read(other.path()).unwrap();
    fs::rename(other.path(), place.path()).unwrap();
    is_unavailable(
        store.commit(creation("b", approved(), at(1))).await,
        "was replaced",
    );
    is_unavailable(store.load(&id("a")).await, "was replaced");
    store.close().await;
    assert!(before == fs::read(place.path()).unwrap());
    assert_eq!(mark, fs::read(beside(&place.path(), ".mark")).unwrap());
    // The next start finds it as well.
    let refused = refusal(&place.path());
    assert!(refused.contains("put that store's file back"), "{refused}");
}

#[tokio::test]
async fn of_two_servers_that_share_a_file_the_one_whose_lock_is_gone_stops() {
    let (place, first) = running().await;
    fs::remove_file(beside(&place.path(), ".lock")).unwrap();
    let second = place.open().await;
    is_unavailable(
        first.commit(creation("b", approved(), at(1))).await,
        "fleet.db.lock was replaced",
    );
    second.commit(creation("b", approved(), at(2))).await.unwrap();
    first.close().await;
    second.commit(creation("c", approved(), at(3))).await.unwrap();
    second.close().await;
    let third = place.open().await;
    assert_eq!(second.identity(), third.identity(), "no restore is seen in it");
}

#[tokio::test]
async fn another_stores_id_is_found_in_the_mark_and_in_the_file() {
    let (other, theirs) = running().await;
    let id = theirs.identity().id.to_string();
    theirs.close().await;
    for suffix in [".mark", ""] {
        let (place, store) = running().await;
        // What is in the log counts before what is in the database, and nothing is left in it at
        // the end of a store.
        store.close().await;
        let store = place.open().await;
        // By another process: this one must not open and close the database's file.
        let copied = Command::new("cp")
            .arg(beside(&other.path(), suffix))
            .arg(beside(&place.path(), suffix))
            .status();
        assert!(copied.unwrap().success());
        until_misplaced(&*store, Some(&format!("is of store {id} now"))).await;
        is_unavailable(store.probe().await, &id);
        store.close().await;
    }
}

#[tokio::test]
async fn another_stores_file_is_refused_until_a_person_says_that_it_is_meant() {
    let (place, store) = running().await;
    let identity = store.identity();
    store.close().await;
    let (other, theirs) = running().await;
    theirs.close().await;
    let mark = beside(&place.path(), ".mark");
    fs::copy(beside(&other.path(), ".mark"), &mark).unwrap();

    let refused = refusal(&place.path());
    for part in [
        identity.id.to_string(),
        theirs.identity().id.to_string(),
        "--restored".to_owned(),
    ] {
        assert!(refused.contains(&part), "{refused}");
    }
    assert!(inspect(&place.path()).unwrap().problems[0].contains("--restored"));
    let store = place.open_as(Bounds::default(), true).await.unwrap();
    assert_eq!(identity.id, store.identity().id);
    assert_ne!(identity.epoch, store.identity().epoch);
    store.close().await;
    place.open().await.close().await;
}

#[tokio::test]
async fn a_mark_that_cannot_be_read_is_not_an_absent_one() {
    let (place, store) = running().await;
    let identity = store.identity();
    store.close().await;
    let mark = beside(&place.path(), ".mark");
    fs::write(&mark, "{").unwrap();
    let refused = refusal(&place.path());
    assert!(
        refused.contains("cannot be read") && refused.contains("--restored"),
        "{refused}"
    );
    assert!(inspect(&place.path()).unwrap().problems[0].contains("cannot be read"));
    let store = place.open_as(Bounds::default(), true).await.unwrap();
    assert_ne!(identity.epoch, store.identity().epoch);
    store.close().await;

    fs::remove_file(&mark).unwrap();
    let before = store.identity();
    let store = place.open().await;
    assert_eq!(before, store.identity(), "where there is none, nothing is known");
    store.close().await;
}

#[tokio::test]
async fn a_mark_that_becomes_unreadable_is_written_again() {
    let (place, store) = running().await;
    let mark = beside(&place.path(), ".mark");
    let known = store.identity().id.to_string();
    fs::write(&mark, "{").unwrap();
    let written = async {
        while !fs::read_to_string(&mark).unwrap().contains(&known) {
            assert_eq!(None, store.misplaced());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), written)
        .await
        .unwrap();
    store.commit(creation("b", approved(), at(1))).await.unwrap();
    store.close().await;
    place.open().await.close().await;
}

#[tokio::test]
async fn an_emptied_file_is_no_new_fleet() {
    let (place, store) = running().await;
    store.close().await;
    fs::write(place.path(), "").unwrap();
    for restored in [false, true] {
        let refused = place.open_as(Bounds::default(), restored).await.unwrap_err();
        assert!(refused.to_string().contains("is empty, though"), "{refused}");
    }
    let problems = place.inspect().await.problems;
    assert!(
        problems
            .iter()
            .any(|told| told.starts_with("it is empty, though")),
        "{problems:?}"
    );
    fs::remove_file(place.path()).unwrap();
    fs::write(beside(&place.path(), ".mark"), "{").unwrap();
    for restored in [false, true] {
        let refused = place.open_as(Bounds::default(), restored).await.unwrap_err();
        assert!(refused.to_string().contains("cannot be read"), "{refused}");
    }
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_file_of_two_names_is_not_opened_by_either() {
    let (place, store) = running().await;
    store.close().await;
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("fleet.db");
    fs::hard_link(place.path(), &link).unwrap();
    for path in [&place.path(), &link] {
        let refused = refusal(path);
        assert!(
            refused.contains("fleet.db cannot be opened: it has 2 names")
                && refused.contains("find -samefile"),
            "{refused}"
        );
        let problems = inspect(path).unwrap().problems;
        assert!(problems[0].contains("it has 2 names"), "{problems:?}");
    }
    fs::remove_file(&link).unwrap();
    place.open().await.close().await;
}

fn cut(path: &Path, length: u64) {
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length)
        .unwrap();
}

#[tokio::test]
async fn what_went_behind_a_log_that_was_cut_off_is_not_acknowledged() {
    for length in [0, 32, 5000] {
        let (place, store) = running().await;
        cut(&beside(&place.path(), "-wal"), length);
        let told = "fleet.db-wal does not hold what was written to it";
        is_unavailable(store.commit(creation("b", approved(), at(1))).await, told);
        is_unavailable(store.load(&id("a")).await, told);
        store.close().await;
    }
}

#[tokio::test]
async fn a_log_that_was_cut_off_is_missed_without_a_write() {
    let (place, store) = running().await;
    cut(&beside(&place.path(), "-wal"), 0);
    until_misplaced(&*store, Some("fleet.db-wal does not hold")).await;
    store.close().await;
}

#[tokio::test]
async fn a_log_that_others_empty_or_write_in_order_is_no_fault() {
    let (place, store) = running().await;
    let path = place.path();
    let others = std::thread::spawn(move || {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_mins(1))
            .unwrap();
        for round in 0..200 {
            let mode = ["TRUNCATE", "RESTART", "PASSIVE"][round % 3];
            // It may be busy.
            let _ = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
            connection
                .execute(
                    "INSERT OR REPLACE INTO setting VALUES ('other', ?1)",
                    [round.to_string()],
                )
                .unwrap();
            if round % 50 == 7 {
                connection.execute_batch("VACUUM").unwrap();
            }
        }
        connection
    });
    let mut times = 0;
    while !others.is_finished() || times < 50 {
        // It may be busy as well.
        let observed = store.observe(Vec::new(), vec![stray("s", at(times))]).await;
        times += i64::from(observed.is_ok());
        assert_eq!(None, store.misplaced());
    }
    drop(others.join().unwrap());
    advance(&*store, 3).await;
    assert_eq!(None, store.misplaced());
    store.close().await;
}

#[tokio::test]
async fn a_backup_that_is_copied_over_the_file_is_an_earlier_state() {
    let (place, store) = running().await;
    store.close().await;
    let backup = place.path().with_file_name("backup.db");
    fs::copy(place.path(), &backup).unwrap();
    let store = place.open().await;
    let before = store.identity();
    advance(&*store, 3).await;
    // What is in the log counts before what is in the database.
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let left = || {
        connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)
            })
            .ok()
    };
    // The mark follows commits as well.
    let mark = beside(&place.path(), ".mark");
    let revision = store
        .load(&id("a"))
        .await
        .unwrap()
        .unwrap()
        .revision
        .0
        .to_string();
    while left() != Some(0) || !fs::read_to_string(&mark).unwrap().contains(&revision) {
        tokio::task::yield_now().await;
    }
    drop(connection);
    let copied = Command::new("cp").arg(&backup).arg(place.path()).status();
    assert!(copied.unwrap().success());
    until_misplaced(&*store, Some("fleet.db is an earlier state of this store now")).await;
    is_unavailable(
        store.commit(creation("b", approved(), at(1))).await,
        "an earlier state",
    );
    is_unavailable(store.load(&id("a")).await, "an earlier state");
    store.close().await;
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(&place.path(), suffix));
    }
    fs::copy(&backup, place.path()).unwrap();
    let store = place.open().await;
    assert_ne!(before.epoch, store.identity().epoch);
    store.close().await;
}

/// A backup, for one: it is closed after the server, and SQLite then finishes and removes the log.
#[tokio::test]
async fn a_log_that_a_reader_finishes_after_an_orderly_end_is_not_missed() {
    let (place, store) = running().await;
    let reader = rusqlite::Connection::open(place.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM device")
        .unwrap();
    let revision = advance(&*store, 3).await;
    store.close().await;
    let log = beside(&place.path(), "-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    // Without the log something is missing as long as it is not in the database.
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("fleet.db");
    for suffix in ["", ".mark", ".lock"] {
        let copied = Command::new("cp")
            .arg(beside(&place.path(), suffix))
            .arg(beside(&copy, suffix))
            .status();
        assert!(copied.unwrap().success());
    }
    let problems = inspect(&copy).unwrap().problems;
    assert!(problems[0].contains("-wal is missing"), "{problems:?}");

    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    assert!(!log.exists());
    assert_eq!(place.inspect().await.problems, [""; 0]);
    let store = place.open().await;
    assert_eq!(revision, store.load(&id("a")).await.unwrap().unwrap().revision.0);
    store.close().await;
}

#[tokio::test]
async fn a_look_at_a_store_leaves_the_proof_that_its_log_is_missing() {
    let (place, store) = running().await;
    store.close().await;
    let store = place.open().await;
    advance(&*store, 1).await;
    assert!(inspect(&place.path()).unwrap().problems.is_empty());
    // As after a crash, with a name that means something in a URI.
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a%20?b#.db");
    for suffix in ["", ".mark", ".lock"] {
        let copied = Command::new("cp")
            .arg(beside(&place.path(), suffix))
            .arg(beside(&path, suffix))
            .status();
        assert!(copied.unwrap().success());
    }
    store.close().await;
    let names = || fs::read_dir(folder.path()).unwrap().count();
    for _ in 0..2 {
        let inspection = inspect(&path).unwrap();
        assert_eq!(Some(store.identity()), inspection.identity);
        let problems = inspection.problems;
        assert!(
            problems.len() == 1
                && problems[0].contains("-wal is missing although the server was not stopped in order"),
            "{problems:?}"
        );
        assert_eq!(3, names());
    }
    fs::write(beside(&path, "-wal"), "odd").unwrap();
    let problems = inspect(&path).unwrap().problems;
    assert!(problems[0].contains("-wal is damaged"), "{problems:?}");
    assert!(inspect(&place.path()).unwrap().problems.is_empty());
}
