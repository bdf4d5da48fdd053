//! Which store it is, across restarts, restores and program levels.

use flotta_store::{Bounds, StoreError, migrations::PROGRAM_LEVEL};

use crate::support::{place::Place, *};

pub(crate) async fn a_store_is_the_same_when_opened_again(place: &dyn Place) {
    let store = place.open().await;
    let identity = store.identity();
    create(&*store, "a", approved()).await;
    let before = store.load(&id("a")).await.unwrap();
    store.close().await;

    let store = place.open().await;
    assert_eq!(identity, store.identity());
    assert_eq!(before, store.load(&id("a")).await.unwrap());
    store.probe().await.unwrap();
}

pub(crate) async fn a_restored_store_begins_an_epoch(place: &dyn Place) {
    let store = place.open().await;
    let before = store.identity();
    create(&*store, "a", deleted(before.epoch)).await;
    assert_eq!(
        0,
        store
            .census(watch(at(1)))
            .await
            .unwrap()
            .tombstones_of_earlier_epochs
    );
    store.close().await;

    let store = place.open_as(Bounds::default(), true).await.unwrap();
    let restored = store.identity();
    assert_eq!(before.id, restored.id);
    assert_ne!(before.epoch, restored.epoch);
    assert_eq!(
        1,
        store
            .census(watch(at(1)))
            .await
            .unwrap()
            .tombstones_of_earlier_epochs
    );
    store.close().await;

    assert_eq!(
        restored,
        place.open().await.identity(),
        "an epoch lasts until the next restore"
    );
}

pub(crate) async fn a_newer_store_is_used_or_left_alone(place: &dyn Place) {
    let store = place.open().await;
    let identity = store.identity();
    store.close().await;

    place
        .run("UPDATE meta SET schema_number = 99; ALTER TABLE device ADD COLUMN later TEXT DEFAULT 'x'")
        .await;
    let store = place.open().await;
    create(&*store, "a", approved()).await;
    assert!(store.load(&id("a")).await.unwrap().is_some());
    store.close().await;

    let newer = PROGRAM_LEVEL + 1;
    place
        .run(&format!("UPDATE meta SET oldest_program = {newer}"))
        .await;
    for restored in [false, true] {
        match place.open_as(Bounds::default(), restored).await {
            Err(StoreError::TooNew { needed, ours }) => assert_eq!((newer, PROGRAM_LEVEL), (needed, ours)),
            other => panic!("{other:?}"),
        }
    }
    place
        .run(&format!("UPDATE meta SET oldest_program = {PROGRAM_LEVEL}"))
        .await;
    assert_eq!(identity, place.open().await.identity());
}

pub(crate) async fn what_was_closed_answers_nothing(place: &dyn Place) {
    let store = place.open().await;
    create(&*store, "a", approved()).await;
    store.close().await;
    store.close().await;
    let unavailable = |result: Result<(), StoreError>| matches!(result, Err(StoreError::Unavailable { .. }));
    assert!(unavailable(store.load(&id("a")).await.map(drop)));
    assert!(unavailable(
        store.commit(creation("b", approved(), at(1))).await.map(drop)
    ));
    assert!(unavailable(
        store.observe(Vec::new(), vec![stray("s", at(1))]).await
    ));
    assert!(unavailable(store.probe().await));
}
