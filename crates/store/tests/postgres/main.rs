//! What only a database that others share can do: several servers, a stop, a lock that stays, a
//! move, TLS.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]
#![allow(
    dead_code,
    reason = "the support is shared with the contract suite, which uses all of it"
)]

mod servers;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::{sync::Arc, time::Duration};

use flotta_store::{
    Bounds, DocumentsWrite, Revision, Store, StoreError, Write, WriteGuard,
    postgres::{ConnectOptions, PostgresStore, inspect},
};
use support::{
    documents::*,
    place::{Place as _, PostgresPlace},
    *,
};
use testkit::postgres::Postgres;

fn unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::Unavailable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Not patient at all.
fn quick() -> ConnectOptions {
    ConnectOptions {
        timeout: Duration::from_millis(300),
        ..ConnectOptions::default()
    }
}

/// Repeats until it is done; the deadline is for a test that would never end.
async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let tries = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(StoreError::Unavailable { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), tries).await.unwrap()
}

/// Writes device `a`, deciding anew each time: an attempt that failed may have been made all the
/// same.
async fn write_again(store: &dyn Store) {
    eventually(async || {
        let revision = store.load(&id("a")).await?.unwrap().revision;
        match store.commit(write("a", WriteGuard::At(revision), at(1))).await {
            Err(StoreError::Conflict) => Err(StoreError::unavailable("an earlier attempt was made")),
            outcome => outcome,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_on_nothing_make_one_store() {
    let place = Arc::new(PostgresPlace::new().await);
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let place = Arc::clone(&place);
            tokio::spawn(async move { place.open().await.identity() })
        })
        .collect();
    let mut identities = Vec::new();
    for start in starts {
        identities.push(start.await.unwrap());
    }
    identities.dedup();
    assert_eq!(1, identities.len());
    assert_eq!("1", place.sql("SELECT count(*) FROM meta"));
}

#[tokio::test]
async fn devices_of_one_revision_are_not_torn_apart() {
    let place = PostgresPlace::new().await;
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        create(&*store, name, waiting()).await;
    }
    assert_eq!(3, store.changes(Revision(0), 1).await.unwrap().len());
}

#[tokio::test]
async fn a_store_in_another_place_was_restored() {
    let place = PostgresPlace::new().await;
    let store = place.open().await;
    let before = store.identity();
    store.close().await;

    // What cannot be known is no evidence, and is filled in.
    place
        .run("UPDATE meta SET system_identifier = NULL, database_oid = NULL")
        .await;
    let store = place.open().await;
    assert_eq!(before, store.identity());
    store.close().await;
    assert_eq!(
        "t",
        place.sql("SELECT system_identifier IS NOT NULL AND database_oid IS NOT NULL FROM meta")
    );

    let mut epoch = before.epoch;
    for elsewhere in ["system_identifier = '1'", "database_oid = 1"] {
        place.run(&format!("UPDATE meta SET {elsewhere}")).await;
        let store = place.open().await;
        assert_eq!(before.id, store.identity().id);
        assert_ne!(epoch, store.identity().epoch, "{elsewhere}");
        epoch = store.identity().epoch;
        store.close().await;
        let store = place.open().await;
        assert_eq!(epoch, store.identity().epoch, "found once");
        store.close().await;
    }
}

#[tokio::test]
async fn a_new_epoch_reaches_the_servers_that_run() {
    let place = PostgresPlace::new().await;
    let running = place.open().await;
    let restored = place.open_as(Bounds::default(), true).await.unwrap();
    assert_ne!(running.identity(), restored.identity());
    running.changes(Revision(0), 1).await.unwrap();
    assert_eq!(running.identity(), restored.identity());
}

#[tokio::test]
async fn another_store_under_the_same_name_is_not_served() {
    let place = PostgresPlace::new().await;
    let store = place.open().await;
    store.probe().await.unwrap();
    place
        .run("UPDATE meta SET store_id = '00000000-0000-0000-0000-000000000001'")
        .await;
    assert!(unavailable(store.probe().await).contains("another store"));
    assert!(unavailable(store.changes(Revision(0), 1).await).contains("another store"));
}

#[tokio::test]
async fn a_store_can_be_looked_at() {
    let place = PostgresPlace::new().await;
    let nothing = inspect(&place.url(), &PostgresPlace::options()).await.unwrap();
    assert_eq!((None, vec![1, 2, 3, 4]), (nothing.schema, nothing.pending));
    assert_eq!(
        "0",
        place.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    );

    let store = place.open().await;
    let seen = inspect(&place.url(), &PostgresPlace::options()).await.unwrap();
    assert_eq!(
        (Some(store.identity()), Some(4), true),
        (seen.identity, seen.schema, seen.pending.is_empty())
    );
}

#[tokio::test]
async fn what_waiting_cannot_mend_says_what_to_do() {
    let place = PostgresPlace::new().await;
    for (url, remedy) in [
        (place.server.url("nowhere"), "create the database"),
        (
            format!("{}?options=-csearch_path%3Dnone", place.url()),
            "create the schema",
        ),
    ] {
        let refused = PostgresStore::connect(&url, PostgresPlace::options())
            .await
            .unwrap_err();
        assert!(
            matches!(refused, StoreError::Open { .. }) && refused.to_string().contains(remedy),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_table_of_somebody_else_is_left_alone() {
    let place = PostgresPlace::new().await;
    place.run("CREATE TABLE meta (theirs text)").await;
    let refused = place.open_as(Bounds::default(), false).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Open { .. }),
        "waiting does not help: {refused:?}"
    );
    assert!(refused.to_string().contains("schema_number"), "{refused}");
    assert_eq!(
        "1",
        place.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_an_error_until_it_is_back() {
    let mut server = Postgres::start().await.unwrap();
    let url = server.create_database().unwrap();
    let store = PostgresStore::connect(&url, PostgresPlace::options())
        .await
        .unwrap();
    let revision = create(&store, "a", approved()).await;

    server.stop().unwrap();
    unavailable(store.load(&id("a")).await);
    unavailable(store.commit(write("a", WriteGuard::At(revision), at(1))).await);
    unavailable(
        store
            .observe(vec![sighting("a", fleet::Presence::default())], Vec::new())
            .await,
    );
    unavailable(store.probe().await);
    unavailable(PostgresStore::connect(&url, quick()).await);

    server.start_again().await.unwrap();
    eventually(async || store.probe().await).await;
    let stored = eventually(async || store.load(&id("a")).await).await.unwrap();
    assert_eq!(revision, stored.revision);
    write_again(&store).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_holds_nobody() {
    let place = PostgresPlace::new().await;
    let store = PostgresStore::connect(&place.url(), quick()).await.unwrap();
    let patient = place.open().await;
    let created = create(&*patient, "a", approved()).await;

    let (other, connection) = tokio_postgres::connect(&place.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    other
        .batch_execute("BEGIN; LOCK TABLE device IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    // More of them than there are connections.
    let store = Arc::new(store);
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                if number % 2 == 0 {
                    store.load(&id("a")).await.map(drop)
                } else {
                    store
                        .commit(creation(&format!("n{number}"), waiting(), at(0)))
                        .await
                        .map(drop)
                }
            })
        })
        .collect();
    for call in calls {
        unavailable(call.await.unwrap());
    }
    other.batch_execute("ROLLBACK").await.unwrap();
    let stored = eventually(async || store.load(&id("a")).await).await.unwrap();
    assert_eq!(created, stored.revision);
    write_again(&*store).await;
    drop(other);
    connection.await.unwrap().unwrap();
}
