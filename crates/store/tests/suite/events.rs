//! Events: counted once each, bounded by number and age.

use flotta_store::{Store, Write, WriteGuard};
use jiff::Timestamp;

use crate::support::{place::Place, *};

async fn record(store: &dyn Store, now: Timestamp, events: Vec<fleet::Event>) {
    let revision = store.load(&id("a")).await.unwrap().unwrap().revision;
    store
        .commit(Write {
            events,
            ..write("a", WriteGuard::At(revision), now)
        })
        .await
        .unwrap();
}

async fn kinds(store: &dyn Store) -> Vec<String> {
    store
        .events(&id("a"))
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect()
}

pub(crate) async fn events_are_counted_and_latest_first(place: &dyn Place) {
    let store = place.open().await;
    create(&*store, "a", approved()).await;
    create(&*store, "b", approved()).await;
    record(&*store, at(10), vec![event("Refused", "one"), event("Other", "")]).await;
    record(
        &*store,
        at(20),
        vec![event("Refused", "two"), event("Refused", "three")],
    )
    .await;
    // A write that was decided earlier but comes later.
    record(&*store, at(5), vec![event("Refused", "zero")]).await;

    let events = store.events(&id("a")).await.unwrap();
    assert_eq!(["Refused", "Other"], [&*events[0].kind, &*events[1].kind]);
    assert_eq!(4, events[0].count);
    assert_eq!("three", events[0].message);
    assert_eq!((at(5), at(20)), (events[0].first, events[0].last));
    assert_eq!(fleet::Severity::Warning, events[0].severity);
    assert_eq!(2, events.len());
    assert!(store.events(&id("b")).await.unwrap().is_empty());
}

pub(crate) async fn the_oldest_events_go_first(place: &dyn Place) {
    let store = place.open_with(few()).await;
    create(&*store, "a", approved()).await;
    record(&*store, at(1), vec![event("Server", "")]).await;
    for (number, kind) in ["k1", "k2", "k3", "k1", "k4"].into_iter().enumerate() {
        record(
            &*store,
            at(10 + i64::try_from(number).unwrap()),
            vec![device_event(kind)],
        )
        .await;
    }
    assert_eq!(
        ["k4", "k1", "k3", "Server"],
        kinds(&*store).await[..],
        "a repeated event is young again"
    );

    record(
        &*store,
        at(20),
        ["n1", "n2", "n3", "n4", "n5"].map(device_event).into(),
    )
    .await;
    assert_eq!(
        ["n1", "n2", "n3", "Server"],
        kinds(&*store).await[..],
        "bounded for each origin"
    );
}

pub(crate) async fn old_events_are_pruned(place: &dyn Place) {
    let bounds = few();
    let store = place.open_with(bounds).await;
    create(&*store, "a", approved()).await;
    record(&*store, at(0), vec![event("Old", "")]).await;
    record(&*store, at(10), vec![event("Young", "")]).await;
    assert_eq!(0, store.prune(at(0) + bounds.event_age).await.unwrap());
    assert_eq!(1, store.prune(at(1) + bounds.event_age).await.unwrap());
    assert_eq!(["Young"], kinds(&*store).await[..]);
}

pub(crate) async fn any_text_of_a_device_is_kept(place: &dyn Place) {
    let store = place.open().await;
    let odd = "\0 \u{1F980} \"quoted\" \\ \u{202E}";
    let mut said = report(odd);
    said.hardware_labels.insert(odd.to_owned(), odd.to_owned());
    let write = Write {
        report: Some(said.clone().into()),
        events: vec![event("Odd", odd)],
        ..creation("a", approved(), at(0))
    };
    store.commit(write).await.unwrap();
    assert_eq!(said, *store.load(&id("a")).await.unwrap().unwrap().device.report);
    assert_eq!(odd, store.events(&id("a")).await.unwrap()[0].message);
}

pub(crate) async fn events_are_bounded_by_their_bytes(place: &dyn Place) {
    let bounds = flotta_store::Bounds {
        events: 100,
        event_bytes: 10_000,
        ..few()
    };
    let store = place.open_with(bounds).await;
    create(&*store, "a", approved()).await;
    create(&*store, "b", approved()).await;
    record(&*store, at(1), vec![event("Server", &"s".repeat(9000))]).await;
    let long = |kind: &str, bytes: usize| fleet::Event {
        message: "é".repeat(bytes / 2),
        ..device_event(kind)
    };
    for (number, kind) in ["k1", "k2", "k3", "k4"].into_iter().enumerate() {
        let number = i64::try_from(number).unwrap();
        record(&*store, at(10 + number), vec![long(kind, 3000)]).await;
    }
    assert_eq!(["k4", "k3", "k2", "Server"], kinds(&*store).await[..]);
    record(&*store, at(20), vec![long("k5", 6500)]).await;
    assert_eq!(["k5", "k4", "Server"], kinds(&*store).await[..]);
    record(&*store, at(30), vec![long("k6", 20_000)]).await;
    assert_eq!(["k6", "Server"], kinds(&*store).await[..], "the latest one stays");
    record(&*store, at(40), vec![long("k7", 100)]).await;
    assert_eq!(["k7", "Server"], kinds(&*store).await[..]);
    let revision = store.load(&id("b")).await.unwrap().unwrap().revision;
    let other = Write {
        events: vec![long("of-b", 9000)],
        ..write("b", WriteGuard::At(revision), at(50))
    };
    store.commit(other).await.unwrap();
    assert_eq!(
        ["k7", "Server"],
        kinds(&*store).await[..],
        "each device has its own"
    );
}

pub(crate) async fn an_event_counts_for_as_often_as_it_says(place: &dyn Place) {
    let store = place.open().await;
    create(&*store, "a", approved()).await;
    let often = |count| fleet::Event {
        count,
        ..device_event("often")
    };
    record(&*store, at(1), vec![often(45_000)]).await;
    record(&*store, at(2), vec![often(2), device_event("once"), often(3)]).await;
    let counts: Vec<_> = store
        .events(&id("a"))
        .await
        .unwrap()
        .into_iter()
        .map(|event| (event.kind, event.count))
        .collect();
    assert_eq!([("often".to_owned(), 45_005), ("once".to_owned(), 1)], counts[..]);
}
