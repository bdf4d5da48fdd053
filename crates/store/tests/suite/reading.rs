//! Lists, the change feed, settings and the census.

use fleet::{Connectivity, Epoch, Phase, Presence, Watch};
use flotta_store::{Page, Revision, Store, Write, WriteGuard};
use jiff::{SignedDuration, Timestamp};

use crate::support::{documents::*, place::Place, *};

pub(crate) async fn lists_come_in_pages(place: &dyn Place) {
    let store = place.open().await;
    // Byte order, in which '-' and '.' come before digits and letters; a language's collation would
    // differ.
    let names = ["a", "a-b", "a.b", "a0", "aa", "b"];
    for name in names.iter().rev() {
        let life = if *name == "aa" { waiting() } else { approved() };
        create(&*store, name, life).await;
    }
    let seen = Presence::default().polled(at(1));
    store
        .observe(vec![sighting("a", seen)], Vec::new())
        .await
        .unwrap();

    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(None, Page { after, limit: 2 }).await.unwrap();
        assert!(page.devices.len() <= 2);
        found.extend(page.devices.into_iter().map(Result::unwrap));
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(
        names,
        found.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>()[..]
    );
    assert_eq!(seen, found[0].presence);
    assert_eq!(approved(), *std::sync::Arc::new(found[0].life.clone()));
    assert_eq!(
        store.load(&id("a")).await.unwrap().unwrap().revision,
        found[0].revision
    );

    let only_waiting = store.list(Some(Phase::Waiting), all()).await.unwrap().devices;
    assert_eq!(["aa"], ids(&only_waiting)[..]);
    let rest = store
        .list(
            Some(Phase::Approved),
            Page {
                after: Some("a-b".to_owned()),
                limit: 2,
            },
        )
        .await
        .unwrap()
        .devices;
    assert_eq!(["a.b", "a0"], ids(&rest)[..]);
}

pub(crate) async fn phases_are_those_of_the_devices_that_are_known(place: &dyn Place) {
    let store = place.open().await;
    assert!(store.phases(Vec::new()).await.unwrap().is_empty());
    create(&*store, "a", approved()).await;
    create(&*store, "w", waiting()).await;
    create(&*store, "r", rejected()).await;
    create(&*store, "d", deleted(store.identity().epoch)).await;
    create(&*store, "not-asked-for", approved()).await;
    store.observe(Vec::new(), vec![stray("s", at(1))]).await.unwrap();
    let asked = ["a", "w", "nobody", "r", "d", "s"].map(id).to_vec();
    let found = store.phases(asked).await.unwrap();
    let mut found: Vec<_> = found
        .into_iter()
        .map(|(id, phase)| (id, phase.unwrap()))
        .collect();
    found.sort();
    let expected = [
        (id("a"), Phase::Approved),
        (id("d"), Phase::Deleted),
        (id("r"), Phase::Rejected),
        (id("w"), Phase::Waiting),
    ];
    assert_eq!(expected, found[..]);
}

pub(crate) async fn the_change_feed_is_in_order(place: &dyn Place) {
    let store = place.open().await;
    for (number, name) in ["c", "a", "b"].into_iter().enumerate() {
        store
            .commit(creation(name, waiting(), at(i64::try_from(number).unwrap())))
            .await
            .unwrap();
    }
    let all = store.changes(Revision(0), 10).await.unwrap();
    assert_eq!(
        [id("c"), id("a"), id("b")],
        all.iter().map(|c| c.id.clone()).collect::<Vec<_>>()[..]
    );

    let revision = store
        .commit(write("c", WriteGuard::At(all[0].revision), at(9)))
        .await
        .unwrap();
    let later = store.changes(all[0].revision, 2).await.unwrap();
    assert_eq!(
        [id("a"), id("b")],
        later.iter().map(|c| c.id.clone()).collect::<Vec<_>>()[..]
    );
    let last = store.changes(later[1].revision, 10).await.unwrap();
    assert_eq!((id("c"), revision), (last[0].id.clone(), last[0].revision));
    assert!(store.changes(revision, 10).await.unwrap().is_empty());
}

pub(crate) async fn settings_are_set_and_removed(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(None, store.setting("approval").await.unwrap());
    store.set_setting("approval", Some("manual")).await.unwrap();
    store.set_setting("approval", Some("automatic")).await.unwrap();
    store.set_setting("other", Some("")).await.unwrap();
    assert_eq!(
        Some("automatic".to_owned()),
        store.setting("approval").await.unwrap()
    );
    assert_eq!(Some(String::new()), store.setting("other").await.unwrap());
    store.set_setting("approval", None).await.unwrap();
    store.set_setting("approval", None).await.unwrap();
    assert_eq!(None, store.setting("approval").await.unwrap());
    assert!(
        store.set_setting("odd", Some("\0")).await.is_err(),
        "not every store could keep it"
    );
}

pub(crate) async fn the_census_agrees_with_the_rules(place: &dyn Place) {
    let store = place.open().await;
    let now = at(3_600_000);
    let ago = |seconds: i64| now - SignedDuration::from_secs(seconds);
    let none = Presence::default();
    let presences = [
        none,
        none.polled(ago(1)),
        none.asked(ago(1)),
        none.beat(ago(180)),
        none.polled(ago(180) + SignedDuration::from_nanos(1)),
        none.polled(ago(3000)).beat(ago(120)).beat(ago(0)),
        none.beat(ago(119)).beat(ago(0)),
        none.polled(ago(60))
            .join(Presence {
                beating_since: Some(ago(170)),
                ..none
            })
            .beat(ago(1)),
        none.polled(ago(400)).beat(ago(399)).beat(ago(300)),
        none.polled(ago(-5)),
    ];
    let periods = [None, Some(1), Some(60), Some(600), Some(i64::MAX)];
    let mut kept = Vec::new();
    for (number, presence) in presences.into_iter().enumerate() {
        for (of, period) in periods.into_iter().enumerate() {
            let joined = Write {
                presence: Some(presence),
                ..creation(&format!("d{number}-{of}"), with_period(period), at(0))
            };
            store.commit(joined).await.unwrap();
            kept.push((presence, period));
        }
    }
    create(&*store, "w", waiting()).await;
    create(&*store, "now", deleted(store.identity().epoch)).await;
    create(&*store, "before", deleted(Epoch(uuid::Uuid::from_u128(1)))).await;
    store.observe(Vec::new(), vec![stray("s", now)]).await.unwrap();

    for silent_after_periods in [1, 3] {
        for since in [Timestamp::MIN, ago(130), now] {
            let watch = Watch {
                silent_after_periods,
                since,
                now,
            };
            let mut expected = Connectivity::ALL.map(|connectivity| (connectivity, 0));
            for (presence, period) in &kept {
                let connectivity = watch.connectivity(presence, *period);
                let entry = expected.iter_mut().find(|entry| entry.0 == connectivity);
                entry.unwrap().1 += 1;
            }
            if since == Timestamp::MIN {
                assert!(expected.iter().all(|entry| entry.1 > 0), "{expected:?}");
            }
            let census = store.census(watch).await.unwrap();
            assert_eq!(expected, census.connectivity[..], "{watch:?}");
        }
    }
    let census = store.census(watch(now)).await.unwrap();
    let phases = [
        (Phase::Waiting, 1),
        (Phase::Rejected, 0),
        (Phase::Approved, kept.len() as u64),
        (Phase::Deleted, 2),
    ];
    assert_eq!(phases, census.phases[..]);
    assert_eq!((1, 1), (census.strays, census.tombstones_of_earlier_epochs));
}

pub(crate) async fn a_device_is_read_beside_the_revision_of_the_documents(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(
        (None, Revision(0)),
        store.load_beside_documents(&id("d")).await.unwrap()
    );
    let written = Write {
        report: Some(report("7").into()),
        presence: Some(Presence::default().polled(at(1))),
        ..creation("d", approved(), at(0))
    };
    store.commit(written).await.unwrap();
    let mut before = Revision(0);
    for text in ["1", "2"] {
        let revision = put(&*store, vec![document("ConfigMap", "c", text)]).await;
        assert!(revision > before);
        before = revision;
        let expected = store.load(&id("d")).await.unwrap();
        assert!(expected.is_some());
        assert_eq!(
            (expected, revision),
            store.load_beside_documents(&id("d")).await.unwrap()
        );
        assert_eq!(
            (None, revision),
            store.load_beside_documents(&id("other")).await.unwrap()
        );
    }
}

/// A store that an earlier program wrote, and that has periods in lives alone.
pub(crate) async fn the_periods_of_before_are_counted_by(place: &dyn Place) {
    let store = place.open().await;
    let periods = [None, Some(1), Some(600), Some(i64::MAX)];
    for (number, period) in periods.into_iter().enumerate() {
        let heard = Write {
            presence: Some(Presence::default().polled(at(0))),
            ..creation(&format!("d{number}"), with_period(period), at(0))
        };
        store.commit(heard).await.unwrap();
    }
    create(&*store, "n", approved()).await;
    let silent = async |store: &dyn Store| {
        let mut silent = Vec::new();
        for seconds in [59, 60, 179, 180, 1799, 1800] {
            let now = at(0) + SignedDuration::from_secs(seconds);
            let census = store.census(watch(now)).await.unwrap();
            silent.extend(
                census
                    .connectivity
                    .iter()
                    .find(|entry| entry.0 == Connectivity::Silent)
                    .map(|entry| entry.1),
            );
        }
        silent
    };
    assert_eq!([0, 1, 1, 2, 2, 3], silent(&*store).await[..]);
    // As when its life is written again.
    let revision = store.load(&id("d1")).await.unwrap().unwrap().revision;
    let again = Write {
        life: Some(with_period(Some(60)).into()),
        ..write("d1", WriteGuard::At(revision), at(1))
    };
    store.commit(again).await.unwrap();
    assert_eq!([0, 0, 0, 2, 2, 3], silent(&*store).await[..]);
    store.close().await;
    place
        .run(
            "ALTER TABLE device DROP COLUMN heartbeat_seconds; ALTER TABLE device DROP COLUMN checksum;
             ALTER TABLE report DROP COLUMN checksum; ALTER TABLE document DROP COLUMN checksum;
             ALTER TABLE rendering DROP COLUMN checksum; ALTER TABLE source DROP COLUMN checksum;
             ALTER TABLE document_revision DROP COLUMN checked; UPDATE meta SET schema_number = 2",
        )
        .await;
    let store = place.open().await;
    assert_eq!([0, 0, 0, 2, 2, 3], silent(&*store).await[..]);
}

/// A device may say megabytes of itself: a page of five hundred of them must not be made.
pub(crate) async fn a_page_ends_where_its_documents_are_many_bytes(place: &dyn Place) {
    const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
    let store = place.open().await;
    for name in NAMES {
        let mut life = if name == "g" { approved() } else { waiting() };
        life.spelling = "x".repeat(1_500_000);
        create(&*store, name, life).await;
    }
    for (phase, names) in [(None, &NAMES[..]), (Some(Phase::Waiting), &NAMES[..6])] {
        let (mut found, mut parts) = (Vec::new(), Vec::new());
        let mut page = all();
        loop {
            let listing = store.list(phase, page.clone()).await.unwrap();
            parts.push(listing.devices.len());
            found.extend(listing.devices);
            let Some(next) = listing.next else { break };
            page.after = Some(next);
        }
        assert_eq!(names, ids(&found));
        assert_eq!([3, 3, names.len() - 6], parts[..]);
    }
    // A device that is too large for any page is a page.
    let mut huge = approved();
    huge.spelling = "x".repeat(5_000_000);
    create(&*store, "aa", huge).await;
    let after_first = Page {
        after: Some("a".to_owned()),
        limit: 5,
    };
    let alone = store.list(None, after_first).await.unwrap();
    assert_eq!((1, Some("aa".to_owned())), (alone.devices.len(), alone.next));
}

/// Whatever its text has become, it is read.
pub(crate) async fn a_page_ends_where_what_cannot_be_read_is_many_bytes(place: &dyn Place) {
    let store = place.open().await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        let mut life = waiting();
        life.spelling = "x".repeat(1_500_000);
        create(&*store, name, life).await;
    }
    place.run("UPDATE device SET spelling = 'damaged'").await;
    let (mut found, mut parts) = (Vec::new(), Vec::new());
    let mut page = all();
    loop {
        let listing = store.list(None, page.clone()).await.unwrap();
        parts.push(listing.devices.len());
        found.extend(listing.devices);
        let Some(next) = listing.next else { break };
        page.after = Some(next);
    }
    assert_eq!(names, ids(&found)[..]);
    assert!(found.iter().all(Result::is_err));
    assert_eq!([3, 2], parts[..]);
}

/// What it says of itself can take a hundred times its text.
pub(crate) async fn a_page_ends_where_its_devices_take_much_memory(place: &dyn Place) {
    let store = place.open().await;
    let disks = vec![serde_json::json!({}); 700];
    let said =
        serde_json::json!({"at": at(0), "namespace": "default", "features": {"hardware": {"disks": disks}}});
    for number in 0..40 {
        let mut life = waiting();
        life.enrolment = Some(serde_json::from_value(said.clone()).unwrap());
        create(&*store, &format!("d{number:02}"), life).await;
    }
    let (mut page, mut found) = (all(), 0);
    loop {
        let listing = store.list(None, page.clone()).await.unwrap();
        assert!(listing.devices.len() <= 20, "{}", listing.devices.len());
        found += listing.devices.len();
        let Some(next) = listing.next else { break };
        page.after = Some(next);
    }
    assert_eq!(found, 40);
}

pub(crate) async fn those_who_only_ask_to_join_are_counted_with_what_they_take(place: &dyn Place) {
    let store = place.open().await;
    for (name, life) in [
        ("a", waiting()),
        ("b", approved()),
        ("c", waiting()),
        ("d", rejected()),
        ("e", approved()),
        ("f", deleted(store.identity().epoch)),
    ] {
        create(&*store, name, life).await;
    }
    let before = store.newcomers().await.unwrap();
    assert_eq!(4, before.count);

    // One that has polled is more than that, and takes what it takes.
    let seen = Presence::default().polled(at(1));
    store
        .observe(vec![sighting("e", seen)], Vec::new())
        .await
        .unwrap();
    let after = store.newcomers().await.unwrap();
    assert_eq!(3, after.count);
    let life = serde_json::to_string(&approved()).unwrap();
    assert!(before.bytes - after.bytes >= life.len());

    let revision = store.load(&id("b")).await.unwrap().unwrap().revision;
    let long = "x".repeat(10_000);
    let told = Write {
        report: Some(report(&long).into()),
        events: vec![event("Told", &long)],
        ..write("b", WriteGuard::At(revision), at(2))
    };
    store.commit(told).await.unwrap();
    let with_both = store.newcomers().await.unwrap();
    assert_eq!(3, with_both.count);
    assert!(with_both.bytes - after.bytes >= 2 * long.len());
}
