//! Guards, revisions and concurrent writers.

use flotta_store::{Revision, StoreError, Write, WriteGuard};

use crate::support::{place::Place, *};

pub(crate) async fn what_was_written_is_read(place: &dyn Place) {
    let store = place.open().await;
    assert!(store.load(&id("a")).await.unwrap().is_none());

    let presence = fleet::Presence::default().polled(at(1)).beat(at(2));
    let full = Write {
        report: Some(report("7").into()),
        presence: Some(presence),
        ..creation("a", approved(), at(3))
    };
    let revision = store.commit(full).await.unwrap();
    let stored = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(revision, stored.revision);
    assert_eq!(Revision(at(3).as_microsecond()), revision);
    assert_eq!(approved(), *stored.device.life);
    assert_eq!(report("7"), *stored.device.report);
    assert_eq!(presence, stored.device.presence);

    let life_only = Write {
        life: Some(rejected().into()),
        ..write("a", WriteGuard::At(revision), at(4))
    };
    let revision = store.commit(life_only).await.unwrap();
    let stored = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(rejected(), *stored.device.life);
    assert_eq!(
        report("7"),
        *stored.device.report,
        "a part that is not written stays"
    );
    assert_eq!(presence, stored.device.presence);
    assert_eq!(revision, stored.revision);
}

pub(crate) async fn a_write_names_what_it_was_decided_on(place: &dyn Place) {
    let store = place.open().await;
    let never = write("a", WriteGuard::At(Revision(1)), at(0));
    assert!(
        matches!(store.commit(never).await, Err(StoreError::Conflict)),
        "not known"
    );

    let first = create(&*store, "a", waiting()).await;
    assert!(matches!(
        store.commit(creation("a", approved(), at(1))).await,
        Err(StoreError::Conflict)
    ));

    let second = store
        .commit(write("a", WriteGuard::At(first), at(1)))
        .await
        .unwrap();
    let stale = Write {
        life: Some(rejected().into()),
        report: Some(report("9").into()),
        presence: Some(fleet::Presence::default().polled(at(9))),
        events: vec![event("Stale", "must not be counted")],
        ..write("a", WriteGuard::At(first), at(2))
    };
    assert!(matches!(store.commit(stale).await, Err(StoreError::Conflict)));
    let stored = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(second, stored.revision);
    assert_eq!(waiting(), *stored.device.life);
    assert_eq!(report(""), *stored.device.report);
    assert_eq!(fleet::Presence::default(), stored.device.presence);
    assert!(store.events(&id("a")).await.unwrap().is_empty());
}

pub(crate) async fn a_repeated_write_counts_nothing_twice(place: &dyn Place) {
    let store = place.open().await;
    let write = Write {
        events: vec![event("Joined", "")],
        ..creation("a", approved(), at(0))
    };
    store.commit(write.clone()).await.unwrap();
    assert!(matches!(store.commit(write).await, Err(StoreError::Conflict)));
    assert_eq!(1, store.events(&id("a")).await.unwrap()[0].count);
}

pub(crate) async fn of_many_writers_one_wins_each_revision(place: &dyn Place) {
    const WRITERS: usize = 16;
    const ROUNDS: usize = 10;
    let store = place.open().await;
    create(&*store, "bystander", waiting()).await;
    let mut revision = create(&*store, "a", waiting()).await;
    for round in 0..ROUNDS {
        let now = at(i64::try_from(round).unwrap());
        let tries: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = std::sync::Arc::clone(&store);
                let write = Write {
                    report: Some(report(&writer.to_string()).into()),
                    events: vec![event("Won", "")],
                    ..write("a", WriteGuard::At(revision), now)
                };
                tokio::spawn(async move { (writer, store.commit(write).await) })
            })
            .collect();
        // Somebody else's writes in the same commits are not harmed.
        let current = store.load(&id("bystander")).await.unwrap().unwrap().revision;
        store
            .commit(write("bystander", WriteGuard::At(current), now))
            .await
            .unwrap();

        let mut winners = Vec::new();
        for attempt in tries {
            match attempt.await.unwrap() {
                (writer, Ok(revision)) => winners.push((writer, revision)),
                (_, Err(StoreError::Conflict)) => {}
                (_, Err(error)) => panic!("{error}"),
            }
        }
        let [(winner, next)] = winners[..] else {
            panic!("round {round}: {winners:?}")
        };
        assert!(next > revision);
        let stored = store.load(&id("a")).await.unwrap().unwrap();
        assert_eq!(
            (next, winner.to_string()),
            (stored.revision, stored.device.report.version.clone())
        );
        revision = next;
    }
    assert_eq!(ROUNDS as u64, store.events(&id("a")).await.unwrap()[0].count);
}

pub(crate) async fn a_new_device_needs_a_life(place: &dyn Place) {
    let store = place.open().await;
    let lifeless = write("a", WriteGuard::Absent, at(0));
    assert!(matches!(
        store.commit(lifeless).await,
        Err(StoreError::Corrupt { .. })
    ));
    assert!(store.load(&id("a")).await.unwrap().is_none());
}

pub(crate) async fn revisions_grow_though_the_clock_does_not(place: &dyn Place) {
    let store = place.open().await;
    let first = create(&*store, "a", waiting()).await;
    let same_time = store
        .commit(write("a", WriteGuard::At(first), at(0)))
        .await
        .unwrap();
    let earlier = store
        .commit(write("a", WriteGuard::At(same_time), at(-5000)))
        .await
        .unwrap();
    assert!(first < same_time && same_time < earlier);
    store.close().await;

    let store = place.open().await;
    let restarted = store
        .commit(write("a", WriteGuard::At(earlier), at(-5000)))
        .await
        .unwrap();
    assert!(earlier < restarted);
    if store.is_exclusive() {
        let other = store.commit(creation("b", waiting(), at(-5000))).await.unwrap();
        assert!(restarted < other, "one server's revisions are one order");
    }
}

/// They wait together and are committed in several parts, in order for each device.
pub(crate) async fn writes_that_are_too_large_for_one_commit_are_all_made(place: &dyn Place) {
    let store = place.open().await;
    let writes: Vec<_> = (0..7)
        .map(|number| {
            let store = std::sync::Arc::clone(&store);
            let mut life = approved();
            life.spelling = "x".repeat(1_500_000);
            tokio::spawn(async move {
                let name = format!("d{number}");
                let first = store.commit(creation(&name, life, at(0))).await.unwrap();
                store
                    .commit(Write {
                        report: Some(report("7").into()),
                        ..write(&name, WriteGuard::At(first), at(1))
                    })
                    .await
                    .unwrap();
                name
            })
        })
        .collect();
    for write in writes {
        let name = write.await.unwrap();
        let stored = store.load(&id(&name)).await.unwrap().unwrap();
        assert_eq!(1_500_000, stored.device.life.spelling.len());
        assert_eq!("7", stored.device.report.version);
    }
}
