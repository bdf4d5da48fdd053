//! Rows that are not what was written: unreadable, told, and in nobody's way.

use fleet::Phase;
use flotta_store::{Body, DocumentsWrite, Page, Portion, Revision, Store, StoreError, Write, WriteGuard};

use crate::support::{documents::*, place::Place, *};

/// Looks through everything: what is damaged, and how many rows were given a checksum.
pub(crate) async fn examined(store: &dyn Store) -> (Vec<String>, u64) {
    let (mut damaged, mut summed) = (Vec::new(), 0);
    let mut next = Some(Portion::first());
    while let Some(portion) = next {
        let examined = store.examine(portion).await.unwrap();
        damaged.extend(examined.damaged);
        summed += examined.summed;
        next = examined.next;
    }
    (damaged, summed)
}

/// Everything is what was written, and says so.
pub(crate) async fn all_is_sound(store: &dyn Store) {
    assert_eq!((Vec::new(), 0), examined(store).await);
}

fn is_corrupt<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::Corrupt { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn with_report(store: &dyn Store, name: &str) -> Revision {
    let write = Write {
        report: Some(report("7").into()),
        ..creation(name, with_period(Some(60)), at(0))
    };
    store.commit(write).await.unwrap()
}

pub(crate) async fn a_devices_row_that_was_changed_is_unreadable(place: &dyn Place) {
    let store = place.open().await;
    create(&*store, "a", approved()).await;
    create(&*store, "z", waiting()).await;
    for (number, change) in [
        "namespace = 'edgf'",
        "phase = 'waiting'",
        "spelling = ''",
        "life = replace(life, 'alice', 'alicf')",
        "life = '{}'",
        "epoch = 'x'",
        "heartbeat_seconds = 61",
        "heartbeat_seconds = NULL",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("d{number}");
        let revision = with_report(&*store, &name).await;
        place
            .run(&format!("UPDATE device SET {change} WHERE id = '{name}'"))
            .await;
        let said = is_corrupt(store.load(&id(&name)).await);
        assert!(said.contains(&name), "{change}: {said}");
        is_corrupt(store.load_beside_documents(&id(&name)).await);

        // It is among the others, and they are as they were.
        let listed = store.list(None, all()).await.unwrap().devices;
        let found: Vec<_> = listed
            .iter()
            .map(|entry| (listed_id(entry), entry.is_ok()))
            .filter(|(id, _)| *id == name || *id == "a" || *id == "z")
            .collect();
        assert_eq!([("a", true), (&*name, false), ("z", true)], found[..], "{change}");
        let phases = store
            .phases(vec![id("a"), id(&name), id("nobody")])
            .await
            .unwrap();
        assert_eq!(2, phases.len());
        for (of, phase) in phases {
            assert_eq!((of == id("a")).then_some(Phase::Approved), phase.ok(), "{change}");
        }

        // Nothing but the word of a person replaces it, and no checksum is put on it.
        for life in [None, Some(approved().into())] {
            let beat = Write {
                life,
                report: Some(report("8").into()),
                ..write(&name, WriteGuard::At(revision), at(9))
            };
            is_corrupt(store.commit(beat).await);
        }
        let enrolment = store.commit(creation(&name, approved(), at(9))).await;
        assert!(matches!(enrolment, Err(StoreError::Conflict)), "{enrolment:?}");
        is_corrupt(store.load(&id(&name)).await);
        let (damaged, _) = examined(&*store).await;
        assert!(damaged.iter().any(|said| said.contains(&name)), "{damaged:?}");
        assert_eq!(damaged, place.inspect().await.problems);
        is_corrupt(store.load(&id(&name)).await);

        let replacement = Write {
            events: vec![event("Replaced", "")],
            ..write(&name, WriteGuard::Unreadable, at(10))
        };
        assert!(
            store.commit(replacement.clone()).await.is_err(),
            "it says nothing of its life"
        );
        let replacement = Write {
            life: Some(rejected().into()),
            ..replacement
        };
        let revision = store.commit(replacement).await.unwrap();
        let stored = store.load(&id(&name)).await.unwrap().unwrap();
        assert_eq!(
            (rejected(), fleet::Report::default(), revision),
            (
                (*stored.device.life).clone(),
                (*stored.device.report).clone(),
                stored.revision
            ),
            "{change}"
        );
        store
            .commit(write(&name, WriteGuard::At(revision), at(11)))
            .await
            .unwrap();
    }
    all_is_sound(&*store).await;
    assert!(place.inspect().await.problems.is_empty());
}

pub(crate) async fn a_report_that_was_changed_makes_its_device_unreadable(place: &dyn Place) {
    let store = place.open().await;
    let revision = with_report(&*store, "d").await;
    place
        .run("UPDATE report SET report = '{}' WHERE device_id = 'd'")
        .await;
    let said = is_corrupt(store.load(&id("d")).await);
    assert!(said.contains("report of device d"), "{said}");
    let (damaged, _) = examined(&*store).await;
    assert_eq!(1, damaged.len());
    assert!(
        damaged[0].contains("device d") && damaged[0].contains("adopt"),
        "{damaged:?}"
    );
    // A write that does not touch it leaves it so. Where the device may be in memory, decided on as
    // if it could be read, the write is refused.
    let beside = store.commit(write("d", WriteGuard::At(revision), at(1))).await;
    if store.is_exclusive() {
        is_corrupt(beside);
    } else {
        beside.unwrap();
    }
    is_corrupt(store.load(&id("d")).await);
    let replacement = Write {
        life: Some(approved().into()),
        report: Some(report("9").into()),
        ..write("d", WriteGuard::Unreadable, at(2))
    };
    store.commit(replacement).await.unwrap();
    assert!(store.load(&id("d")).await.unwrap().is_some());
    all_is_sound(&*store).await;

    // One that is gone is none that says nothing: what the device has would count as never
    // reported.
    place.run("DELETE FROM report WHERE device_id = 'd'").await;
    let said = is_corrupt(store.load(&id("d")).await);
    assert!(
        said.contains("report of device d") && said.contains("missing"),
        "{said}"
    );
    assert_eq!(1, examined(&*store).await.0.len());
}

pub(crate) async fn only_what_cannot_be_read_is_replaced(place: &dyn Place) {
    let store = place.open().await;
    with_report(&*store, "d").await;
    for name in ["d", "nobody"] {
        let replacement = Write {
            life: Some(rejected().into()),
            ..write(name, WriteGuard::Unreadable, at(2))
        };
        let refused = store.commit(replacement).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    let stored = store.load(&id("d")).await.unwrap().unwrap();
    assert_eq!(
        (with_period(Some(60)), report("7")),
        ((*stored.device.life).clone(), (*stored.device.report).clone())
    );
    assert!(store.load(&id("nobody")).await.unwrap().is_none());
}

pub(crate) async fn lists_go_on_behind_what_cannot_be_read(place: &dyn Place) {
    let store = place.open().await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        create(&*store, name, approved()).await;
    }
    place
        .run(
            "UPDATE device SET life = 'x' WHERE id IN ('b', 'd'); UPDATE device SET id = 'C ' WHERE id = 'c'",
        )
        .await;
    for phase in [None, Some(Phase::Approved)] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(phase, Page { after, limit: 1 }).await.unwrap();
            let entries = page.devices.iter();
            found.extend(entries.map(|entry| (listed_id(entry).to_owned(), entry.is_ok())));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        let expected = [
            ("C ", false),
            ("a", true),
            ("b", false),
            ("d", false),
            ("e", true),
        ]
        .map(|(id, readable)| (id.to_owned(), readable));
        assert_eq!(expected, found[..]);
    }
    let census = store.census(watch(at(1))).await.unwrap();
    assert!(census.phases.contains(&(Phase::Approved, 5)), "{census:?}");
}

/// One of each, of the source `manifests`.
async fn documents(store: &dyn Store) -> Revision {
    put(
        store,
        vec![
            document("ConfigMap", "c", "plain"),
            document("Secret", "s", "sealed"),
        ],
    )
    .await;
    render(store, vec![rendering("w", "{}")]).await
}

pub(crate) async fn a_document_that_was_changed_is_damaged(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    let mut expected = documents(&*store).await;
    for change in [
        "document SET kind = 'ConfigMaq' WHERE kind = 'ConfigMap'",
        "document SET namespace = 'edgf' WHERE kind = 'ConfigMap'",
        "document SET name = 'd' WHERE kind = 'ConfigMap'",
        "document SET source = 'manifestt' WHERE kind = 'ConfigMap'",
        "document SET confidential = NOT confidential WHERE kind = 'ConfigMap'",
        "document SET key_id = 'k1' WHERE kind = 'ConfigMap'",
        "document SET body = 'plaim' WHERE kind = 'ConfigMap'",
        "document SET key_id = 'k2' WHERE kind = 'Secret'",
        "document SET source = '' WHERE kind = 'Secret'",
        "rendering SET namespace = ''",
        "rendering SET name = 'v'",
        "rendering SET body = ''",
        "source SET name = 'manifestt' WHERE name = 'manifests'",
        "source SET digest = 'x' WHERE name = 'manifests'",
        "source SET state = 'x' WHERE name = 'manifests'",
    ] {
        // In SQLite a boolean is a number.
        let change = if place.is_sqlite() {
            change.replace("NOT confidential", "1 - confidential")
        } else {
            change.to_owned()
        };
        place.run(&format!("UPDATE {change}")).await;
        let kept = store.documents().await.unwrap();
        let bodies = kept.documents.iter().map(|document| &document.body);
        let bodies = bodies.chain(kept.renderings.iter().map(|rendering| &rendering.body));
        let damaged = bodies.filter(|body| matches!(body, Body::Damaged { .. })).count();
        assert_eq!(1, damaged + kept.damaged_sources.len(), "{change}: {kept:?}");
        let (told, _) = examined(&*store).await;
        assert_eq!(1, told.len(), "{change}: {told:?}");
        assert_eq!(told, place.inspect().await.problems);
        // What is confidential is not sealed anew as if it were good.
        let plain_is_good = kept
            .documents
            .iter()
            .any(|kept| !kept.confidential && kept.body == plain("plain"));
        let seals = plain_is_good || change.contains("confidential = ");
        if seals && !change.starts_with("source") {
            assert!(store.rekey().await.is_err(), "{change}");
        }

        // A change of something else leaves it damaged; an administrator's confirmation removes it,
        // and the rest is written anew.
        let elsewhere = DocumentsWrite {
            put: vec![document("EdgeConfig", "e", &change)],
            ..change_by_other(expected)
        };
        expected = store.apply_documents(elsewhere).await.unwrap();
        assert_eq!(1, examined(&*store).await.0.len(), "{change}");
        let discarding = DocumentsWrite {
            put: vec![
                document("ConfigMap", "c", "plain"),
                document("Secret", "s", "sealed"),
            ],
            renderings: Some(vec![rendering("w", "{}")]),
            discard_damaged: true,
            ..self::change(expected)
        };
        expected = store.apply_documents(discarding).await.unwrap();
        all_is_sound(&*store).await;
        let kept = store.documents().await.unwrap();
        assert_eq!(
            (3, 1, 2),
            (kept.documents.len(), kept.renderings.len(), kept.sources.len()),
            "{change}"
        );
        assert!(
            kept.documents
                .iter()
                .all(|document| matches!(document.body, Body::Plain(_)))
        );
    }
    assert!(place.inspect().await.problems.is_empty());
}

fn change_by_other(expected: Revision) -> DocumentsWrite {
    DocumentsWrite {
        source: source("other", "digest"),
        ..change(expected)
    }
}

pub(crate) async fn rows_without_a_checksum_are_accepted_and_get_one(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    with_report(&*store, "d").await;
    create(&*store, "e", waiting()).await;
    documents(&*store).await;
    all_is_sound(&*store).await;
    for table in ["device", "report", "document", "rendering", "source"] {
        place.run(&format!("UPDATE {table} SET checksum = NULL")).await;
    }
    let before = (
        store.load(&id("d")).await.unwrap(),
        store.documents().await.unwrap(),
    );
    assert_eq!((Vec::new(), 2 + 2 + 2 + 1 + 1), examined(&*store).await);
    all_is_sound(&*store).await;
    assert_eq!(
        before,
        (
            store.load(&id("d")).await.unwrap(),
            store.documents().await.unwrap()
        )
    );
    place
        .run("UPDATE device SET namespace = 'edgf' WHERE id = 'e'")
        .await;
    is_corrupt(store.load(&id("e")).await);

    // One that nobody can read gets none, and is told.
    place
        .run("UPDATE device SET life = 'x', checksum = NULL WHERE id = 'e'")
        .await;
    let (told, summed) = examined(&*store).await;
    assert_eq!((1, 0), (told.len(), summed));
}

/// During an upgrade of several servers, and after a way back, a program writes that knows no
/// checksums: it leaves them as they are, and moves revisions and times on.
pub(crate) async fn rows_of_a_program_without_checksums_are_accepted(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    let revision = with_report(&*store, "d").await;
    documents(&*store).await;
    let newer = r#"UPDATE device SET revision = revision + 7, spelling = 'other' WHERE id = 'd';
        UPDATE report SET report = replace(report, '"7"', '"8"') WHERE device_id = 'd';"#;
    place.run(newer).await;
    let read = async || store.load(&id("d")).await.unwrap().unwrap();
    assert_eq!(report("8"), *read().await.device.report);
    // What this program writes of the device says nothing for its report.
    let revision = store
        .commit(write("d", WriteGuard::At(Revision(revision.0 + 7)), at(9)))
        .await
        .unwrap();
    assert_eq!(
        (report("8"), revision),
        ((*read().await.device.report).clone(), read().await.revision)
    );
    assert_eq!((Vec::new(), 2), examined(&*store).await);
    all_is_sound(&*store).await;

    place
        .run(
            "UPDATE document SET body = 'newer', revision = revision + 1 WHERE kind = 'ConfigMap';
             UPDATE rendering SET key_id = NULL, body = '[]';
             UPDATE source SET digest = 'newer', applied_at = applied_at + 1;
             UPDATE document_revision SET revision = revision + 1",
        )
        .await;
    let kept = store.documents().await.unwrap();
    assert_eq!(
        (plain("newer"), plain("[]"), "newer"),
        (
            kept.documents[0].body.clone(),
            kept.renderings[0].body.clone(),
            &*kept.sources[0].digest
        )
    );
    // The same for a change by this program that leaves them as they are.
    put(&*store, vec![document("ConfigMap", "another", "")]).await;
    let kept = store.documents().await.unwrap();
    assert_eq!(plain("[]"), kept.renderings[0].body);
    assert!(
        kept.documents
            .iter()
            .all(|document| matches!(document.body, Body::Plain(_)))
    );
    let (damaged, summed) = examined(&*store).await;
    assert_eq!(Vec::<String>::new(), damaged);
    assert!(summed >= 2, "{summed}");
    all_is_sound(&*store).await;

    // A source that loses documents to another one is written without being applied.
    let handed_over =
        "UPDATE source SET digest = 'less'; UPDATE document_revision SET revision = revision + 1";
    for by_this_program in [false, true] {
        place.run(handed_over).await;
        if by_this_program {
            put(&*store, vec![document("ConfigMap", "one more", "")]).await;
        } else {
            assert_eq!("less", store.documents().await.unwrap().sources[0].digest);
        }
        assert_eq!(Vec::<String>::new(), examined(&*store).await.0);
        all_is_sound(&*store).await;
    }
}

pub(crate) async fn whatever_writes_a_row_writes_its_checksum(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    let revision = with_report(&*store, "d").await;
    documents(&*store).await;
    all_is_sound(&*store).await;
    let revision = store
        .commit(Write {
            presence: Some(fleet::Presence::default().polled(at(5))),
            events: vec![event("Step", "")],
            ..write("d", WriteGuard::At(revision), at(5))
        })
        .await
        .unwrap();
    store
        .observe(
            vec![sighting("d", fleet::Presence::default().beat(at(6)))],
            vec![stray("s", at(6))],
        )
        .await
        .unwrap();
    all_is_sound(&*store).await;
    let moved = Write {
        life: Some(waiting().into()),
        report: Some(report("9").into()),
        ..write("d", WriteGuard::At(revision), at(7))
    };
    store.commit(moved).await.unwrap();
    all_is_sound(&*store).await;
    store.close().await;
    let store = place.open_with_keys(keyring(&[2, 1])).await;
    store.rekey().await.unwrap();
    all_is_sound(&*store).await;
    let again = put(&*store, vec![document("ConfigMap", "c", "plain")]).await;
    all_is_sound(&*store).await;
    let removal = DocumentsWrite {
        remove: vec![key("ConfigMap", "c")],
        renderings: Some(Vec::new()),
        ..change(again)
    };
    store.apply_documents(removal).await.unwrap();
    all_is_sound(&*store).await;
}
