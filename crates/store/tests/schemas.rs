//! Stores that earlier programs wrote, in `tests/fixtures`.

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
    path::{Path, PathBuf},
};

use flotta_store::{
    DocumentPut, Documents, Portion, Store, Write, WriteGuard,
    migrations::{MIGRATIONS, PROGRAM_LEVEL},
};
use support::{
    documents::*,
    place::{Place as _, SqlitePlace},
    *,
};

/// Where the store of a schema number is kept, as the program that made the number wrote it.
fn fixture(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/schema-{schema}.db"))
}

/// Writes the fixture anew: `cargo test -p flotta-store --test schemas -- --ignored
/// writes_the_fixture`. Only for a new schema number, into a file of its own; a released one stays
/// as it is.
#[tokio::test]
#[ignore = "makes a file that is committed"]
async fn writes_the_fixture() {
    let place = SqlitePlace::new();
    let store = place.open_with_keys(keyring(&[1])).await;
    store
        .commit(Write {
            report: Some(report("7").into()),
            presence: Some(fleet::Presence::default().polled(at(1)).beat(at(2))),
            events: vec![event("Joined", "by \u{1F980}"), device_event("k1")],
            ..creation("a", approved(), at(3))
        })
        .await
        .unwrap();
    create(&*store, "b", waiting()).await;
    create(&*store, "c", rejected()).await;
    create(&*store, "d", deleted(store.identity().epoch)).await;
    store.observe(Vec::new(), vec![stray("s", at(4))]).await.unwrap();
    store.set_setting("approval", Some("manual")).await.unwrap();
    put(&*store, documents_of_the_fixture()).await;
    render(&*store, vec![rendering("w", "{\"kind\":\"Pod\"}")]).await;
    store.close().await;
    let newest = MIGRATIONS.last().unwrap().number;
    fs::copy(place.path(), fixture(newest)).unwrap();
}

fn documents_of_the_fixture() -> Vec<DocumentPut> {
    vec![
        document("ConfigMap", "c", "{\"data\":{\"\u{1F980}\":\"1\"}}"),
        document("Secret", "s", "{\"data\":{\"password\":\"MQ==\"}}"),
    ]
}

#[tokio::test]
async fn a_store_of_schema_1_is_read() {
    let place = SqlitePlace::new();
    fs::copy(fixture(1), place.path()).unwrap();
    let store = place.open().await;
    check_fleet_of_the_fixture(&*store).await;
    assert_eq!(Documents::default(), store.documents().await.unwrap());
    // It can be written, too.
    let revision = store.load(&id("a")).await.unwrap().unwrap().revision;
    store
        .commit(write("a", WriteGuard::At(revision), at(9)))
        .await
        .unwrap();
    put(&*store, documents_of_the_fixture()).await;
    store.close().await;
    assert_eq!(
        PROGRAM_LEVEL,
        place.inspect().await.oldest_program,
        "a program that knows no workloads must not serve it any more"
    );
}

#[tokio::test]
async fn a_store_of_schema_2_is_read() {
    reads_documents_of_the_fixture(2).await;
}

#[tokio::test]
async fn a_store_of_schema_3_is_read() {
    reads_documents_of_the_fixture(3).await;
}

#[tokio::test]
async fn a_store_of_schema_4_is_read() {
    reads_documents_of_the_fixture(4).await;
}

#[tokio::test]
async fn rows_of_every_schema_get_their_checksums() {
    for schema in 1..=4 {
        let place = SqlitePlace::new();
        fs::copy(fixture(schema), place.path()).unwrap();
        let store = place.open_with_keys(keyring(&[1])).await;
        let mut next = Some(Portion::first());
        let mut summed = 0;
        while let Some(portion) = next {
            let examined = store.examine(portion).await.unwrap();
            assert!(examined.damaged.is_empty(), "{schema}: {:?}", examined.damaged);
            summed += examined.summed;
            next = examined.next;
        }
        // Four devices, a report; two documents, a rendering and a source.
        assert_eq!([5, 9, 9, 0][schema as usize - 1], summed, "{schema}");
        check_fleet_of_the_fixture(&*store).await;
        store.close().await;
        assert!(place.inspect().await.problems.is_empty());
    }
}

async fn reads_documents_of_the_fixture(schema: u32) {
    let place = SqlitePlace::new();
    fs::copy(fixture(schema), place.path()).unwrap();
    let store = place.open_with_keys(keyring(&[1])).await;
    check_fleet_of_the_fixture(&*store).await;
    let kept = store.documents().await.unwrap();
    for (written, read) in documents_of_the_fixture().iter().zip(&kept.documents) {
        assert_eq!(
            (&written.key, plain(&written.body)),
            (&read.key, read.body.clone())
        );
        assert_eq!(
            (written.confidential, "manifests"),
            (read.confidential, &*read.source)
        );
    }
    assert_eq!(2, kept.documents.len());
    assert_eq!(plain("{\"kind\":\"Pod\"}"), kept.renderings[0].body);
    assert_eq!("digest", kept.sources[0].digest);
    assert!(kept.documents[0].revision < kept.revision);
    put(&*store, vec![document("Secret", "s", "other")]).await;
}

async fn check_fleet_of_the_fixture(store: &dyn Store) {
    let stored = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(at(3).as_microsecond(), stored.revision.0);
    assert_eq!(
        (approved(), report("7")),
        ((*stored.device.life).clone(), (*stored.device.report).clone())
    );
    assert_eq!(
        fleet::Presence::default().polled(at(1)).beat(at(2)),
        stored.device.presence
    );
    for (name, life) in [
        ("b", waiting()),
        ("c", rejected()),
        ("d", deleted(store.identity().epoch)),
    ] {
        assert_eq!(life, *store.load(&id(name)).await.unwrap().unwrap().device.life);
    }
    let events = store.events(&id("a")).await.unwrap();
    let said: Vec<_> = events
        .iter()
        .map(|event| (&*event.kind, &*event.message, event.count))
        .collect();
    assert_eq!([("k1", "reported", 1), ("Joined", "by \u{1F980}", 1)], said[..]);
    assert_eq!(Some(stray("s", at(4))), store.stray(&id("s")).await.unwrap());
    assert_eq!(
        Some("manual".to_owned()),
        store.setting("approval").await.unwrap()
    );
}
