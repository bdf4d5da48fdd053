//! Damage of what is kept of one device is the trouble of that device alone: nobody else's write
//! fails, nobody becomes absent, and a person can put something in its place.

use std::io::{Seek as _, SeekFrom, Write as _};

use flotta_store::Portion;
use rusqlite::{Connection, params};
use tokio::task::JoinSet;

use super::*;

fn is_corrupt<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::Corrupt { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// What a look through all of it tells; it comes to an end.
async fn examined(store: &dyn Store) -> Vec<String> {
    let mut damaged = Vec::new();
    let mut next = Some(Portion::first());
    while let Some(portion) = next {
        let examined = store.examine(portion).await.unwrap();
        damaged.extend(examined.damaged);
        next = examined.next;
    }
    damaged
}

/// Runs statements that leave an index as it is, so that it does not fit its table afterwards.
fn behind_index(path: &Path, index: &str, sql: &str) {
    let schema = || {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        connection
    };
    let hides = schema();
    let (table, root, made): (String, i64, String) = hides
        .query_row(
            "SELECT tbl_name, rootpage, sql FROM sqlite_master WHERE type = 'index' AND name = ?1",
            [index],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    let hidden = hides.execute("DELETE FROM sqlite_master WHERE name = ?1", [index]);
    assert_eq!(hidden, Ok(1));
    drop(hides);
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
    schema()
        .execute(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('index', ?1, ?2, ?3, ?4)",
            params![index, table, root, made],
        )
        .unwrap();
}

/// Runs statements that put into a table what its types do not allow.
fn loosely(path: &Path, table: &str, sql: &str) {
    let define = |made: &str| {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        let changed = connection.execute("UPDATE sqlite_master SET sql = ?2 WHERE name = ?1", [table, made]);
        assert_eq!(changed, Ok(1));
    };
    let strict: String = Connection::open(path)
        .unwrap()
        .query_row("SELECT sql FROM sqlite_master WHERE name = ?1", [table], |row| {
            row.get(0)
        })
        .unwrap();
    define(&strict.replace("STRICT, ", ""));
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
    define(&strict);
}

/// How much a flipped bit of a revision is.
const FLIPPED: i64 = 1 << 40;

/// A bit of the device's revision flips, and no index follows.
fn flip_revision(path: &Path, name: &str) {
    behind_index(
        path,
        "device_by_revision",
        &format!("UPDATE device SET revision = revision + {FLIPPED} WHERE id = '{name}'"),
    );
}

/// Makes these writes of `name` and of the others at once; the others must succeed.
async fn commit_beside(
    store: &Arc<dyn Store>,
    name: &str,
    at_revision: Revision,
    others: &[(String, Revision)],
) {
    let mut tasks = JoinSet::new();
    for (other, revision) in others {
        for (name, revision) in [(name, at_revision), (other.as_str(), *revision)] {
            let (store, write) = (Arc::clone(store), write(name, WriteGuard::At(revision), at(1)));
            tasks.spawn(async move {
                let name = write.id.to_string();
                (name, store.commit(write).await)
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        let (of, outcome) = done.unwrap();
        if of == name {
            let told = is_corrupt(outcome);
            assert!(told.contains(name), "{told}");
        } else {
            outcome.unwrap();
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_changed_is_the_error_of_its_device() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    let revision = create(&*store, "d", approved()).await;
    let mut others = Vec::new();
    for number in 0..20 {
        let name = format!("e{number}");
        let revision = create(&*store, &name, approved()).await;
        others.push((name, revision));
    }
    flip_revision(&place.path(), "d");
    let now = store.load(&id("d")).await.unwrap().unwrap().revision;
    assert_eq!(Revision(revision.0 + FLIPPED), now);
    commit_beside(&store, "d", now, &others).await;
    // A look through all of it gives no checksum to such a row, says so, and goes on.
    let damaged = examined(&*store).await;
    assert!(
        damaged.iter().any(|told| told.contains("device d")),
        "{damaged:?}"
    );
}

/// One row fills a page.
fn long() -> fleet::Life {
    life(fleet::State::Approved {
        at: start(),
        by: "x".repeat(3000),
        configuration_withheld: false,
    })
}

/// Destroys the page of the table `device` that holds what `marks` it, of a store that is closed.
fn destroy_page(path: &Path, mark: &str) {
    let bytes = fs::read(path).unwrap();
    let found: Vec<usize> = bytes
        .windows(mark.len())
        .enumerate()
        .filter_map(|(place, part)| (part == mark.as_bytes()).then_some(place / 4096))
        .collect();
    assert_eq!(found.len(), 1, "{mark} is on one page");
    destroy(path, found[0] as u64);
}

fn destroy(path: &Path, page: u64) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(page * 4096)).unwrap();
    file.write_all(&[0; 8]).unwrap();
}

/// A store of twenty devices, each on a page of its own, with that of `d` destroyed.
async fn with_a_destroyed_page() -> (SqlitePlace, Arc<dyn Store>, Revision, Vec<(String, Revision)>) {
    let place = SqlitePlace::new();
    let store = place.open().await;
    let mut others = Vec::new();
    let mut of_d = Revision(0);
    for number in 0..20 {
        let name = if number == 7 {
            "d".to_owned()
        } else {
            format!("e{number}")
        };
        let mut life = long();
        life.spelling = format!("mark-of-{name}!");
        let revision = create(&*store, &name, life).await;
        if name == "d" {
            of_d = revision;
        } else {
            others.push((name, revision));
        }
    }
    store.close().await;
    // Once in a column, and once in the document.
    place
        .run("UPDATE device SET spelling = 'alone-' || id || '!', checksum = NULL WHERE id = 'd'")
        .await;
    let connection = Connection::open(place.path()).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    destroy_page(&place.path(), "alone-d!");
    let store = place.open().await;
    (place, store, of_d, others)
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_the_error_of_those_on_it() {
    let (_place, store, revision, others) = with_a_destroyed_page().await;
    is_corrupt(store.load(&id("d")).await);
    commit_beside(&store, "d", revision, &others).await;
    let listed = store.list(None, all()).await.unwrap().devices;
    let unreadable: Vec<_> = listed.iter().filter(|entry| entry.is_err()).collect();
    assert_eq!((20, 1), (listed.len(), unreadable.len()));
}

#[tokio::test]
async fn a_revision_with_a_flipped_bit_is_written_again_after_a_start() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    let revision = create(&*store, "d", approved()).await;
    let other = create(&*store, "e", approved()).await;
    store.close().await;
    flip_revision(&place.path(), "d");
    let store = place.open().await;
    let stored = store.load(&id("d")).await.unwrap().unwrap();
    assert_eq!(Revision(revision.0 + FLIPPED), stored.revision);
    for (name, revision) in [("d", stored.revision), ("e", other)] {
        store
            .commit(write(name, WriteGuard::At(revision), at(1)))
            .await
            .unwrap();
    }
    assert!(place.inspect().await.problems.is_empty());
    store.close().await;

    // Of two devices of one revision, which no index can have, both are served.
    behind_index(
        &place.path(),
        "device_by_revision",
        "UPDATE device SET revision = (SELECT revision FROM device WHERE id = 'd') WHERE id = 'e'",
    );
    let store = place.open().await;
    for name in ["d", "e"] {
        let stored = store.load(&id(name)).await.unwrap().unwrap();
        assert_eq!(approved(), *stored.device.life);
    }
}

/// Right after an upgrade no row has a checksum that could tell which of both is damaged.
#[tokio::test]
async fn an_index_is_made_again_for_a_row_that_it_lost_and_not_for_one_that_changed() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    create(&*store, "d", approved()).await;
    create(&*store, "e", approved()).await;
    store.close().await;
    let approved_ids = async |store: &dyn Store| -> Vec<String> {
        let listed = store
            .list(Some(fleet::Phase::Approved), all())
            .await
            .unwrap()
            .devices;
        ids(&listed).into_iter().map(ToOwned::to_owned).collect()
    };

    // The row says something else than the index, which has it as it was.
    behind_index(
        &place.path(),
        "device_by_phase",
        "UPDATE device SET phase = 'approvee', checksum = NULL WHERE id = 'd'",
    );
    let store = place.open().await;
    assert_eq!(["d", "e"], approved_ids(&*store).await[..]);
    store.close().await;
    behind_index(
        &place.path(),
        "device_by_phase",
        "UPDATE device SET phase = 'approved' WHERE id = 'd'",
    );

    // The index does not have the row at all.
    behind_index(
        &place.path(),
        "device_by_phase",
        "INSERT INTO device (id, namespace, phase, spelling, revision, life)
         SELECT 'n', namespace, phase, spelling, revision + 100, life FROM device WHERE id = 'd'",
    );
    let store = place.open().await;
    assert_eq!(["d", "e", "n"], approved_ids(&*store).await[..]);
    store.close().await;
    assert!(place.inspect().await.problems.is_empty());
}

#[tokio::test]
async fn a_time_that_is_none_is_in_nobodys_way() {
    let polled = |millis| fleet::Presence::default().polled(at(millis));
    for value in ["x'00'", "'later'"] {
        let place = SqlitePlace::new();
        let store = place.open().await;
        for name in ["d", "e"] {
            create(&*store, name, approved()).await;
        }
        let damage = || {
            loosely(
                &place.path(),
                "presence",
                &format!("UPDATE presence SET polled = {value} WHERE device_id = 'd'"),
            );
        };
        let heard = async |name: &str| store.load(&id(name)).await.unwrap().unwrap().device.presence;
        store
            .observe(
                vec![sighting("d", fleet::Presence::default().beat(at(1)))],
                Vec::new(),
            )
            .await
            .unwrap();
        damage();
        let presence = heard("d").await;
        assert_eq!((None, Some(at(1))), (presence.polled, presence.beat), "{value}");
        assert!(
            store
                .list(None, all())
                .await
                .unwrap()
                .devices
                .iter()
                .all(Result::is_ok)
        );

        // What is heard of it and of others is written.
        let sightings = vec![sighting("d", polled(2)), sighting("e", polled(3))];
        store.observe(sightings, Vec::new()).await.unwrap();
        assert_eq!(Some(at(2)), heard("d").await.polled, "{value}");
        assert_eq!(Some(at(3)), heard("e").await.polled, "{value}");

        // It is later than any time, and pruning comes to an end all the same.
        damage();
        store.prune(at(4)).await.unwrap();
        assert_eq!(None, heard("d").await.polled, "{value}");

        // Whoever puts something in the place of a device begins anew.
        damage();
        place.run("UPDATE device SET life = 'x' WHERE id = 'd'").await;
        is_corrupt(store.load(&id("d")).await);
        let replacement = Write {
            life: Some(rejected().into()),
            ..write("d", WriteGuard::Unreadable, at(5))
        };
        store.commit(replacement).await.unwrap();
        assert_eq!(fleet::Presence::default(), heard("d").await, "{value}");
        store
            .observe(vec![sighting("d", polled(6))], Vec::new())
            .await
            .unwrap();
        assert_eq!(Some(at(6)), heard("d").await.polled, "{value}");
    }
}

#[tokio::test]
async fn an_event_or_a_stray_that_cannot_be_changed_is_in_nobodys_way() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    let revision = advance(&*store, 1).await;
    let strays = |millis| vec![stray("s", at(millis)), stray("t", at(millis))];
    store.observe(Vec::new(), strays(1)).await.unwrap();
    behind_index(
        &place.path(),
        "event_by_age",
        "UPDATE event SET last_at = last_at - 1",
    );
    behind_index(
        &place.path(),
        "stray_by_age",
        "UPDATE stray SET last_at = last_at - 1 WHERE id = 's'",
    );
    let again = Write {
        life: Some(waiting().into()),
        events: vec![event("Step", "")],
        ..write("a", WriteGuard::At(Revision(revision)), at(2))
    };
    let revision = store.commit(again).await.unwrap();
    assert_eq!(
        waiting(),
        *store.load(&id("a")).await.unwrap().unwrap().device.life
    );
    store.observe(Vec::new(), strays(3)).await.unwrap();
    assert_eq!(at(3), store.stray(&id("t")).await.unwrap().unwrap().last);
    let approval = Write {
        life: Some(approved().into()),
        ..write("a", WriteGuard::At(revision), at(4))
    };
    store.commit(approval).await.unwrap();
}

fn replacement(name: &str) -> Write {
    Write {
        life: Some(rejected().into()),
        ..write(name, WriteGuard::Unreadable, at(5))
    }
}

#[tokio::test]
async fn a_device_is_replaced_whatever_else_is_damaged() {
    let (place, store, _, others) = with_a_destroyed_page().await;
    let (other, revision) = &others[0];
    place
        .run(&format!("UPDATE device SET life = 'x' WHERE id = '{other}'"))
        .await;
    is_corrupt(store.commit(write(other, WriteGuard::At(*revision), at(1))).await);
    store.commit(replacement(other)).await.unwrap();
    assert_eq!(
        rejected(),
        *store.load(&id(other)).await.unwrap().unwrap().device.life
    );
    // In the place of one whose page is destroyed nothing can be put.
    let told = is_corrupt(store.commit(replacement("d")).await);
    assert!(told.contains("restore a backup"), "{told}");
    is_corrupt(store.load(&id("d")).await);
    store.probe().await.unwrap();
}

#[tokio::test]
async fn what_an_index_does_not_let_go_of_is_replaced_and_makes_nobody_absent() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    for name in ["d", "e", "f"] {
        create(&*store, name, approved()).await;
    }
    let refused = store.commit(replacement("d")).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    // The first cannot be written, and of the second the index says that it is approved.
    flip_revision(&place.path(), "d");
    behind_index(
        &place.path(),
        "device_by_phase",
        "UPDATE device SET phase = 'approvee' WHERE id = 'e'",
    );
    let revision = store.commit(replacement("d")).await.unwrap();
    let stored = store.load(&id("d")).await.unwrap().unwrap();
    assert_eq!((&rejected(), revision), (&*stored.device.life, stored.revision));
    store
        .commit(write("d", WriteGuard::At(revision), at(6)))
        .await
        .unwrap();
    let listed = store
        .list(Some(fleet::Phase::Approved), all())
        .await
        .unwrap()
        .devices;
    assert_eq!(["e", "f"], ids(&listed)[..]);
    is_corrupt(store.load(&id("e")).await);
}

#[tokio::test]
async fn damage_that_stops_a_look_is_told_and_the_rest_is_looked_at() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    create(&*store, "d", approved()).await;
    put(&*store, vec![document("ConfigMap", "c", "1")]).await;
    store.close().await;
    place.run("UPDATE document SET body = 'x'").await;
    let connection = Connection::open(place.path()).unwrap();
    let root: u32 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_device_1'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    destroy(&place.path(), u64::from(root) - 1);
    let store = place.open().await;
    let damaged = examined(&*store).await;
    for part in [
        "the devices cannot be looked through",
        "ConfigMap",
        "table device",
    ] {
        assert!(
            damaged.iter().any(|told| told.contains(part)),
            "{part}: {damaged:?}"
        );
    }
    let problems = place.inspect().await.problems;
    assert!(
        problems.iter().any(|told| told.contains("ConfigMap")),
        "{problems:?}"
    );
}
