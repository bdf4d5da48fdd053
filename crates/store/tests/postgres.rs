//! What only a database that others share can do: several servers, a stop, a lock that stays, a move, TLS.

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

use std::{fs, path::Path, sync::Arc, time::Duration};

use flotta_store::{
    Bounds, DocumentsWrite, Revision, Store, StoreError, Write, WriteGuard,
    postgres::{ConnectOptions, PostgresStore, inspect},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::{
    documents::*,
    place::{Place as _, PostgresPlace},
    *,
};
use tempfile::TempDir;
use testkit::{
    postgres::Postgres,
    process::{account, is_root},
};

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

/// Writes device `a`, deciding anew each time: an attempt that failed may have been made all the same.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_write_one_fleet() {
    const DEVICES: usize = 20;
    let place = PostgresPlace::new().await;
    let servers = [place.open().await, place.open().await];
    assert!(!servers[0].is_exclusive());
    let names: Vec<String> = (0..DEVICES).map(|number| format!("d{number}")).collect();
    let mut tasks = Vec::new();
    for server in &servers {
        for task in 0..4 {
            let (server, mut names) = (Arc::clone(server), names.clone());
            // Each in another order, so that transactions of both servers cross.
            names.rotate_left(task * 5);
            tasks.push(tokio::spawn(async move {
                for name in &names {
                    assert_eq!(0, increment(&*server, name).await, "rows are locked in order");
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    for name in &names {
        let events = servers[0].events(&id(name)).await.unwrap();
        assert_eq!(8, events[0].count, "{name}: each write once, none lost");
        let stored = servers[1].load(&id(name)).await.unwrap();
        assert_eq!("8", stored.unwrap().device.report.version);
    }

    // A follower that reads again from before what it has seen misses nothing.
    let changes = servers[1].changes(Revision(0), 1000).await.unwrap();
    assert_eq!(DEVICES, changes.len());
    assert!(changes.is_sorted_by_key(|change| change.revision));
}

/// On a database whose transactions are serializable by default, as on the engines that know nothing else, transactions that
/// cross fail with 40001: the store tries them again, and callers hear of few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_cannot_be_serialized_are_tried_again() {
    const DEVICES: i64 = 10;
    // PostgreSQL counts late, and what was rolled back when the servers opened the store may still come.
    const CROSSED: u64 = 20;
    let place = PostgresPlace::new().await;
    let database = place.sql("SELECT current_database()");
    place.sql(&format!(
        "ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'"
    ));
    let servers = [place.open().await, place.open().await];
    let rolled_back = || -> u64 {
        let count = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        place.sql(count).parse().unwrap()
    };
    let before = rolled_back();
    let (mut rounds, mut heard) = (0, 0);
    // Whether two transactions cross is chance, so they go on until some did.
    while rolled_back() < before + CROSSED {
        rounds += 1;
        let tasks: Vec<_> = servers
            .iter()
            .map(|server| {
                let server = Arc::clone(server);
                tokio::spawn(async move {
                    let mut heard = 0;
                    for number in 0..DEVICES {
                        heard += increment(&*server, &format!("d{number}")).await;
                    }
                    heard
                })
            })
            .collect();
        for task in tasks {
            heard += task.await.unwrap();
        }
        assert!(rounds < 200, "no two transactions crossed");
    }
    assert!(heard <= CROSSED / 4, "{heard} callers were told of a crossing");
    for number in 0..DEVICES {
        let events = servers[0].events(&id(&format!("d{number}"))).await.unwrap();
        assert_eq!(rounds * 2, events[0].count, "each write once, none lost");
    }
}

/// Counts one up in the device's report, as often as it takes. How often the store gave up after collisions in a row; nothing
/// was written then.
async fn increment(store: &dyn Store, name: &str) -> u64 {
    let mut gave_up = 0;
    loop {
        let (guard, life, version) = match store.load(&id(name)).await.unwrap() {
            Some(stored) => {
                let version: u32 = stored.device.report.version.parse().unwrap();
                (WriteGuard::At(stored.revision), None, version)
            }
            None => (WriteGuard::Absent, Some(approved()), 0),
        };
        let report = Some(report(&(version + 1).to_string()));
        let events = vec![event("Step", "")];
        let presence = Some(fleet::Presence::default().polled(at(i64::from(version))));
        match store
            .commit(Write {
                life,
                report,
                events,
                presence,
                ..write(name, guard, at(0))
            })
            .await
        {
            Ok(_) => return gave_up,
            Err(StoreError::Conflict) => {}
            Err(StoreError::Unavailable { reason, .. }) if reason.contains("40001") => gave_up += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_change_of_the_documents_reaches_the_other_server() {
    let place = PostgresPlace::new().await;
    let servers = [place.open().await, place.open().await];
    let first = put(&*servers[0], vec![document("ConfigMap", "a", "1")]).await;
    assert_eq!(first, servers[1].documents_revision().await.unwrap());
    let second = put(&*servers[1], vec![document("ConfigMap", "a", "2")]).await;
    assert!(first < second);
    assert_eq!(
        servers[1].documents().await.unwrap(),
        servers[0].documents().await.unwrap()
    );
    let late = servers[0].apply_documents(change(first)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
}

/// Changes of two servers, and reads between them, on a database where they fail with 40001 when they cross.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_the_documents_that_cross_are_tried_again() {
    const CHANGES: usize = 15;
    let place = PostgresPlace::new().await;
    let database = place.sql("SELECT current_database()");
    place.sql(&format!(
        "ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'"
    ));
    let servers = [place.open().await, place.open().await];
    let tasks: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(server, store)| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut made = 0;
                while made < CHANGES {
                    let before = store.documents().await.unwrap();
                    let name = format!("{server}-{made}");
                    let write = DocumentsWrite {
                        put: vec![document("ConfigMap", &name, "{}")],
                        renderings: Some(vec![rendering(&name, "{}")]),
                        ..change(before.revision)
                    };
                    match store.apply_documents(write).await {
                        Ok(_) => made += 1,
                        Err(StoreError::Conflict) => {}
                        // So many collisions in a row that the store gave up: nothing was written.
                        Err(StoreError::Unavailable { reason, .. }) if reason.contains("40001") => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let kept = servers[0].documents().await.unwrap();
    assert_eq!((2 * CHANGES, 1), (kept.documents.len(), kept.renderings.len()));
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
    assert_eq!((None, vec![1, 2, 3]), (nothing.schema, nothing.pending));
    assert_eq!(
        "0",
        place.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    );

    let store = place.open().await;
    let seen = inspect(&place.url(), &PostgresPlace::options()).await.unwrap();
    assert_eq!(
        (Some(store.identity()), Some(3), true),
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

/// A certificate authority, as PEM, and a server certificate that it issued for a name.
struct Material {
    authority: String,
    certificate: String,
    key: String,
}

fn material(name: &str) -> Material {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    Material {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn install(server: &Postgres, folder: &Path, material: &Material) {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    for (name, text, setting) in [
        ("server.pem", &material.certificate, "ssl_cert_file"),
        ("key.pem", &material.key, "ssl_key_file"),
    ] {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if is_root() {
            let owner = account("postgres").or_else(|| account("nobody")).unwrap();
            chown(&file, Some(owner.uid), Some(owner.gid)).unwrap();
        }
        server
            .sql(
                "postgres",
                &format!("ALTER SYSTEM SET {setting} = '{}'", file.display()),
            )
            .unwrap();
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    server.sql("postgres", "ALTER SYSTEM SET ssl = on").unwrap();
}

/// As `require` and the others of libpq are described, tried on a server whose certificate names another host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_means_what_it_means_to_libpq() {
    let folder = TempDir::new().unwrap();
    let (here, elsewhere) = (material("127.0.0.1"), material("elsewhere.example"));
    for (name, material) in [("here.pem", &here), ("elsewhere.pem", &elsewhere)] {
        fs::write(folder.path().join(name), &material.authority).unwrap();
    }
    let mut server = Postgres::start().await.unwrap();
    let url = server.create_database().unwrap();
    let connects = async |parameters: &str| {
        let url = format!(
            "{url}?{}",
            parameters.replace("DIR", &folder.path().display().to_string())
        );
        PostgresStore::connect(&url, PostgresPlace::options())
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert!(connects("sslmode=prefer").await.is_ok(), "a server without TLS");
    assert!(connects("sslmode=require").await.is_err());

    install(&server, folder.path(), &here);
    server.stop().unwrap();
    server.start_again().await.unwrap();
    for good in [
        "sslmode=disable",
        "sslmode=prefer",
        "sslmode=require",
        "sslmode=require&sslrootcert=DIR/here.pem",
        "sslmode=verify-ca&sslrootcert=DIR/here.pem",
        "sslmode=verify-full&sslrootcert=DIR/here.pem",
    ] {
        assert_eq!(Ok(()), connects(good).await, "{good}");
    }
    for bad in [
        "sslmode=require&sslrootcert=DIR/elsewhere.pem",
        "sslmode=verify-ca&sslrootcert=DIR/elsewhere.pem",
        "sslmode=verify-full&sslrootcert=DIR/elsewhere.pem",
        "sslmode=verify-full&sslrootcert=DIR/missing.pem",
    ] {
        assert!(connects(bad).await.is_err(), "{bad}");
    }

    install(&server, folder.path(), &elsewhere);
    server.stop().unwrap();
    server.start_again().await.unwrap();
    assert_eq!(
        Ok(()),
        connects("sslmode=verify-ca&sslrootcert=DIR/elsewhere.pem").await
    );
    assert!(
        connects("sslmode=verify-full&sslrootcert=DIR/elsewhere.pem")
            .await
            .is_err(),
        "another name"
    );
}
