//! A volume that is full: what is refused, what is made all the same, and how a server starts on
//! it.

use std::{fs, path::Path};

use flotta_store::{
    Store, StoreError, Write, WriteGuard,
    sqlite::{OpenOptions, SqliteStore},
};
use testkit::{disk::SmallDisk, process::is_root};

use super::{beside, open};
use crate::support::*;

/// A disk with a store of some devices, or none where nobody may mount one.
async fn disk() -> Option<SmallDisk> {
    if !is_root() {
        skipped();
        return None;
    }
    let disk = SmallDisk::mount(16).unwrap();
    let store = open(&database(&disk)).unwrap();
    for number in 0..40 {
        let name = format!("device-{number}");
        let write = Write {
            report: Some(report("v").into()),
            events: vec![event("Created", "")],
            ..creation(&name, approved(), at(0))
        };
        store.commit(write).await.unwrap();
    }
    store.close().await;
    Some(disk)
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped() {
    eprintln!("SKIPPED: only root can mount a small disk");
}

fn database(disk: &SmallDisk) -> std::path::PathBuf {
    disk.path().join("fleet.db")
}

/// Writes of ordinary devices until one is refused.
async fn until_refused(store: &dyn Store, disk: &SmallDisk) -> u64 {
    let mut written = 0;
    loop {
        disk.fill().unwrap();
        let stored = store.load(&id("device-0")).await.unwrap().unwrap();
        let write = Write {
            report: Some(report(&written.to_string().repeat(2000)).into()),
            events: vec![event("Beat", "")],
            ..write("device-0", WriteGuard::At(stored.revision), at(1))
        };
        match store.commit(write).await {
            Ok(_) => written += 1,
            Err(StoreError::Unavailable { .. }) => return written,
            Err(other) => panic!("{other}"),
        }
    }
}

async fn delete(store: &dyn Store, name: &str) -> Result<(), StoreError> {
    delete_with(store, name, 0).await
}

/// A deletion with so much beside it.
async fn delete_with(store: &dyn Store, name: &str, bytes: usize) -> Result<(), StoreError> {
    let stored = store.load(&id(name)).await?.unwrap();
    let write = Write {
        life: Some(deleted(store.identity().epoch).into()),
        report: (bytes > 0).then(|| report(&"x".repeat(bytes)).into()),
        events: vec![event("Deleted", "")],
        ..write(name, WriteGuard::At(stored.revision), at(2))
    };
    store.commit(write).await.map(drop)
}

async fn has_room(store: &dyn Store) -> bool {
    for _ in 0..100 {
        if store.probe().await.is_ok() {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    false
}

fn reserve(disk: &SmallDisk) -> u64 {
    fs::metadata(beside(&database(disk), ".reserve")).map_or(0, |file| file.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_devices_are_read_deleted_and_nothing_acknowledged_is_lost() {
    let Some(disk) = disk().await else { return };
    let store = open(&database(&disk)).unwrap();
    let written = until_refused(&store, &disk).await;
    assert!(reserve(&disk) > 0, "it is not for what can wait");
    assert!(store.probe().await.is_err());
    store.answers().await.unwrap();
    // More than fits the room at once: each gives back what it took.
    for number in 1..40 {
        let name = format!("device-{number}");
        delete(&store, &name).await.unwrap();
    }
    assert!(reserve(&disk) > 0, "it is taken again");
    store.prune(at(0)).await.unwrap();
    let events = store.events(&id("device-0")).await.unwrap();
    let beats = events.iter().find(|event| event.kind == "Beat");
    assert_eq!(
        beats.map_or(0, |beats| beats.count),
        written,
        "none made room for another"
    );
    for number in 1..40 {
        let events = store.events(&id(&format!("device-{number}"))).await.unwrap();
        assert_eq!(events.len(), 2);
    }
    disk.make_room().unwrap();
    assert!(has_room(&store).await);
    store.close().await;
}

/// Others' files take the room that a deletion was to have. Then deletions fail, but what little
/// room comes is theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_wait_waits_until_the_room_for_deletions_is_there_again() {
    let Some(disk) = disk().await else { return };
    let store = open(&database(&disk)).unwrap();
    until_refused(&store, &disk).await;
    delete(&store, "device-1").await.unwrap();
    fs::remove_file(beside(&database(&disk), ".reserve")).unwrap();
    until_refused(&store, &disk).await;
    let refused = delete_with(&store, "device-2", 3 << 20).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable { .. })),
        "{refused:?}"
    );
    disk.make_room().unwrap();
    assert!(has_room(&store).await);
    assert!(reserve(&disk) > 0, "taken before anything else is written");
    disk.fill().unwrap();
    delete(&store, "device-3").await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_full_disk_serves_and_one_that_has_to_write_refuses() {
    let Some(disk) = disk().await else { return };
    disk.fill().unwrap();
    let path = database(&disk);
    let store = open(&path).unwrap();
    assert_eq!(store.list(None, all()).await.unwrap().devices.len(), 40);
    store.answers().await.unwrap();
    delete(&store, "device-1").await.unwrap();
    store.close().await;

    disk.fill().unwrap();
    let restored = OpenOptions {
        restored: true,
        ..OpenOptions::default()
    };
    let refused = SqliteStore::open(&path, restored.clone())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("the disk is full") && refused.contains("free space"),
        "{refused}"
    );
    assert!(reserve(&disk) > 0, "what it took to look is kept again");
    // Nothing has begun: it is the same store.
    let store = open(&path).unwrap();
    let epoch = store.identity().epoch;
    store.close().await;
    disk.make_room().unwrap();
    let store = SqliteStore::open(&path, restored).unwrap();
    assert_ne!(store.identity().epoch, epoch);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_on_a_full_disk_is_refused_in_a_sentence() {
    let Some(disk) = disk().await else { return };
    let path = database(&disk);
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema-1.db");
    fs::remove_file(beside(&path, ".mark")).unwrap();
    fs::copy(&old, &path).unwrap();
    disk.fill().unwrap();
    let refused = open(&path).unwrap_err().to_string();
    assert!(
        refused.contains("migrated") && refused.contains("free space"),
        "{refused}"
    );
    assert!(
        fs::read(&old).unwrap() == fs::read(&path).unwrap(),
        "it is left as it was"
    );
    disk.make_room().unwrap();
    open(&path).unwrap().close().await;
}
