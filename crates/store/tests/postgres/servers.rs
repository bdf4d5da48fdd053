//! Several servers that write one database, also one whose transactions fail when they cross.

use super::*;

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

/// On a database whose transactions are serializable by default, as on the engines that know
/// nothing else, transactions that cross fail with 40001: the store tries them again, and callers
/// hear of few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_cannot_be_serialized_are_tried_again() {
    const DEVICES: i64 = 10;
    // PostgreSQL counts late, and what was rolled back when the servers opened the store may still
    // come.
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

/// Counts one up in the device's report, as often as it takes. How often the store gave up after
/// collisions in a row; nothing was written then.
async fn increment(store: &dyn Store, name: &str) -> u64 {
    let mut gave_up = 0;
    loop {
        let (guard, life, version) = match store.load(&id(name)).await.unwrap() {
            Some(stored) => {
                let version: u32 = stored.device.report.version.parse().unwrap();
                (WriteGuard::At(stored.revision), None, version)
            }
            None => (WriteGuard::Absent, Some(approved().into()), 0),
        };
        let report = Some(report(&(version + 1).to_string()).into());
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

/// Changes of two servers, and reads between them, on a database where they fail with 40001 when
/// they cross.
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
