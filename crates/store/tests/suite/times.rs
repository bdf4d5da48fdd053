//! Times and strays: joined in any order, as often as they come.

use fleet::{Operation, Presence, Stray};
use flotta_store::Write;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use crate::support::{place::Place, *};

/// Sightings of one kind each, as requests make them.
pub(crate) fn any_presence() -> impl Strategy<Value = Presence> {
    (0..4_u8, 0..400_i64).prop_map(|(kind, second)| {
        let now = at(second * 1000);
        match kind {
            0 => Presence::default().polled(now),
            1 => Presence::default().asked(now),
            2 => Presence::default().beat(now),
            _ => Presence::default().polled(now).beat(at(second * 1000 + 5)),
        }
    })
}

pub(crate) async fn times_join_in_any_order(place: &dyn Place) {
    let store = place.open().await;
    let cases = proptest::collection::vec(any_presence(), 1..12);
    let mut runner = TestRunner::deterministic();
    for case in 0..30 {
        let presences = cases.new_tree(&mut runner).unwrap().current();
        let expected = presences
            .iter()
            .fold(Presence::default(), |joined, next| joined.join(*next));
        let name = format!("device-{case}");
        create(&*store, &name, approved()).await;
        let (first, second) = presences.split_at(presences.len() / 2);
        // Backwards, in two calls, with a repetition in each.
        for part in [second, first] {
            let sightings = part
                .iter()
                .rev()
                .chain(part)
                .map(|p| sighting(&name, *p))
                .collect();
            store.observe(sightings, Vec::new()).await.unwrap();
        }
        let stored = store.load(&id(&name)).await.unwrap().unwrap();
        assert_eq!(expected, stored.device.presence, "{presences:?}");
        assert_eq!(
            at(0).as_microsecond() / 1000,
            stored.revision.0 / 1000,
            "times are no revision"
        );
    }
}

pub(crate) async fn unknown_devices_are_passed_over(place: &dyn Place) {
    let store = place.open().await;
    create(&*store, "known", approved()).await;
    let seen = Presence::default().polled(at(1));
    store
        .observe(
            vec![sighting("unknown", seen), sighting("known", seen)],
            Vec::new(),
        )
        .await
        .unwrap();
    assert!(store.load(&id("unknown")).await.unwrap().is_none());
    assert_eq!(
        seen,
        store.load(&id("known")).await.unwrap().unwrap().device.presence
    );
    assert_eq!(1, store.list(None, all()).await.unwrap().devices.len());

    create(&*store, "unknown", approved()).await;
    let stored = store.load(&id("unknown")).await.unwrap().unwrap();
    assert_eq!(Presence::default(), stored.device.presence);
}

pub(crate) async fn strays_are_joined_and_bounded(place: &dyn Place) {
    let store = place.open_with(few()).await;
    store
        .observe(Vec::new(), vec![stray("s1", at(10)), stray("s1", at(5))])
        .await
        .unwrap();
    let moved = Stray::heard(id("s1"), namespace("moved"), Operation::Configuration, at(7));
    store.observe(Vec::new(), vec![moved.clone()]).await.unwrap();
    let expected = Stray {
        first: at(5),
        count: 3,
        ..stray("s1", at(10))
    };
    assert_eq!(
        Some(expected),
        store.stray(&id("s1")).await.unwrap(),
        "the latest says where and what"
    );

    let latest = Stray {
        last: at(11),
        first: at(11),
        ..moved
    };
    store.observe(Vec::new(), vec![latest.clone()]).await.unwrap();
    let expected = Stray {
        first: at(5),
        count: 4,
        ..latest
    };
    assert_eq!(Some(expected), store.stray(&id("s1")).await.unwrap());

    let more = vec![
        stray("s2", at(20)),
        stray("s3", at(1)),
        stray("s4", at(30)),
        stray("s5", at(2)),
    ];
    store.observe(Vec::new(), more).await.unwrap();
    let names: Vec<_> = store
        .strays(10)
        .await
        .unwrap()
        .into_iter()
        .map(|stray| stray.id)
        .collect();
    assert_eq!([id("s4"), id("s2"), id("s1")], names[..]);
    assert_eq!(2, store.strays(2).await.unwrap().len());
    assert_eq!(None, store.stray(&id("s3")).await.unwrap());
}

pub(crate) async fn an_approved_device_is_no_stray(place: &dyn Place) {
    let store = place.open().await;
    store
        .observe(Vec::new(), vec![stray("a", at(1)), stray("b", at(1))])
        .await
        .unwrap();
    let revision = create(&*store, "a", waiting()).await;
    assert!(store.stray(&id("a")).await.unwrap().is_some(), "it only waits");
    let approval = Write {
        life: Some(approved().into()),
        ..write("a", flotta_store::WriteGuard::At(revision), at(2))
    };
    store.commit(approval).await.unwrap();
    assert_eq!(None, store.stray(&id("a")).await.unwrap());
    // What was heard before the approval and comes after it.
    store
        .observe(Vec::new(), vec![stray("a", at(1)), stray("b", at(2))])
        .await
        .unwrap();
    let names: Vec<_> = store
        .strays(10)
        .await
        .unwrap()
        .into_iter()
        .map(|stray| stray.id)
        .collect();
    assert_eq!([id("b")], names[..]);
    assert_eq!(1, store.census(watch(at(3))).await.unwrap().strays);
}

/// Two days ahead, and by less than the clocks of two servers may differ.
pub(crate) async fn times_that_a_clock_has_put_ahead_grow_old_from_the_next_pruning_on(place: &dyn Place) {
    let store = place.open_with(few()).await;
    let now = at(60_000);
    let (ahead, little) = (
        now + fleet::clock::DIFFERENCE * 500,
        now + fleet::clock::DIFFERENCE,
    );
    let presences = [
        Presence::default().polled(ahead).asked(at(10)).beat(ahead),
        Presence::default().polled(at(10)).beat(at(20)),
        Presence::default().polled(little).beat(little),
        Presence::default().polled(at(10)).beat(ahead),
    ];
    let names: Vec<String> = (0..12).map(|number| format!("device-{number}")).collect();
    for (name, presence) in names.iter().zip(presences.iter().cycle()) {
        let write = Write {
            presence: Some(*presence),
            ..creation(name, approved(), at(0))
        };
        store.commit(write).await.unwrap();
    }
    let strays = vec![stray("lost", ahead), stray("late", at(20))];
    store.observe(Vec::new(), strays).await.unwrap();
    let revision = store.load(&id("device-0")).await.unwrap().unwrap().revision;
    let of_the_future = Write {
        events: vec![event("Ahead", "")],
        ..write("device-0", flotta_store::WriteGuard::At(revision), ahead)
    };
    store.commit(of_the_future).await.unwrap();

    store.prune(now).await.unwrap();
    for (name, presence) in names.iter().zip(presences.iter().cycle()) {
        let kept = store.load(&id(name)).await.unwrap().unwrap().device.presence;
        assert_eq!(presence.settled(now), kept, "{name}");
    }
    let events = store.events(&id("device-0")).await.unwrap();
    assert_eq!((now, now), (events[0].first, events[0].last));
    let strays = store.strays(10).await.unwrap();
    assert_eq!(["lost", "late"], [strays[0].id.as_str(), strays[1].id.as_str()]);
    assert_eq!((now, at(20)), (strays[0].last, strays[1].last));
    // From here on what comes is later.
    store.prune(now + few().event_age).await.unwrap();
    assert_eq!(1, store.events(&id("device-0")).await.unwrap().len());
    store.prune(at(60_001) + few().event_age).await.unwrap();
    assert!(store.events(&id("device-0")).await.unwrap().is_empty());
}
