//! Documents, renderings and sources: one revision, changed as a whole or not at all.

use std::{collections::BTreeMap, sync::Arc};

use flotta_store::{
    Document, DocumentKey, Documents, DocumentsWrite, Rendering, Revision, Source, StoreError,
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::damage::all_is_sound;
use crate::support::{documents::*, place::Place, *};

pub(crate) async fn a_change_is_read_as_a_whole(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(Documents::default(), store.documents().await.unwrap());
    let odd = "{\"a\":\"\\u0000 \u{1F980} ' \\\\\"}";
    let revision = store
        .apply_documents(DocumentsWrite {
            put: vec![
                document("Secret", "s", odd),
                document("ConfigMap", "b", "{}"),
                document("ConfigMap", "B", "{}"),
                document("ConfigMap", "a-b", "{}"),
                document("ConfigMap", "s", "earlier"),
                document("ConfigMap", "s", "later"),
            ],
            renderings: Some(vec![rendering("w", odd)]),
            ..change(Revision(0))
        })
        .await
        .unwrap();
    assert_eq!(at(0).as_microsecond(), revision.0);

    let kept = |kind, name, body| Document {
        key: key(kind, name),
        source: "manifests".to_owned(),
        revision,
        confidential: kind == "Secret",
        body: plain(body),
    };
    let expected = Documents {
        revision,
        documents: vec![
            kept("ConfigMap", "B", "{}"),
            kept("ConfigMap", "a-b", "{}"),
            kept("ConfigMap", "b", "{}"),
            kept("ConfigMap", "s", "later"),
            kept("Secret", "s", odd),
        ],
        renderings: vec![Rendering {
            key: rendering_key("w"),
            confidential: true,
            body: plain(odd),
        }],
        sources: vec![Source {
            name: "manifests".to_owned(),
            digest: "digest".to_owned(),
            applied_at: at(0),
            state: "{}".to_owned(),
        }],
        damaged_sources: Vec::new(),
    };
    assert_eq!(expected, store.documents().await.unwrap());
    assert_eq!(revision, store.documents_revision().await.unwrap());
    assert!(
        !format!("{expected:?}").contains("u0000"),
        "Debug shows no text of any"
    );
    store.close().await;
    assert_eq!(expected, place.open().await.documents().await.unwrap());
}

pub(crate) async fn a_change_names_what_it_was_decided_on(place: &dyn Place) {
    let store = place.open().await;
    let first = put(&*store, vec![document("ConfigMap", "a", "1")]).await;
    for stale in [Revision(0), Revision(first.0 - 1), Revision(first.0 + 1)] {
        let late = DocumentsWrite {
            put: vec![document("ConfigMap", "a", "2")],
            remove: vec![key("ConfigMap", "a")],
            renderings: Some(vec![rendering("w", "{}")]),
            ..change(stale)
        };
        let refused = store.apply_documents(late).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    let kept = store.documents().await.unwrap();
    assert_eq!(
        (first, 1, 0),
        (kept.revision, kept.documents.len(), kept.renderings.len())
    );

    // The clock stands still or goes back; revisions grow.
    let mut last = first;
    for time in [0, -5000] {
        let write = DocumentsWrite {
            put: vec![document("ConfigMap", "a", &time.to_string())],
            remove: vec![key("ConfigMap", "a"), key("ConfigMap", "missing")],
            at: at(time),
            ..change(last)
        };
        let next = store.apply_documents(write).await.unwrap();
        assert!(next > last);
        last = next;
    }
    assert_eq!(
        vec![("ConfigMap a".to_owned(), plain("-5000"))],
        texts(&*store).await,
        "what is removed and put is there"
    );
}

pub(crate) async fn what_stays_the_same_is_not_written(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    let all = || vec![document("ConfigMap", "a", "1"), document("Secret", "a", "2")];
    let first = put(&*store, all()).await;
    let again = DocumentsWrite {
        put: all(),
        remove: vec![key("ConfigMap", "missing")],
        renderings: Some(Vec::new()),
        at: at(5),
        ..change(first)
    };
    assert_eq!(first, store.apply_documents(again).await.unwrap());
    assert_eq!(at(5), store.documents().await.unwrap().sources[0].applied_at);

    let mut changed = all();
    changed[1] = document("Secret", "a", "3");
    let second = put(&*store, changed.clone()).await;
    let revisions = |documents: &Documents| -> Vec<Revision> {
        documents
            .documents
            .iter()
            .map(|document| document.revision)
            .collect()
    };
    assert_eq!(vec![first, second], revisions(&store.documents().await.unwrap()));

    // Another source takes one over, and the first one is left as one that was not applied again.
    let taken_over = DocumentsWrite {
        source: source("admin", "1"),
        others: vec![source("manifests", "less")],
        put: vec![document("ConfigMap", "a", "1")],
        at: at(9),
        ..change(second)
    };
    let third = store.apply_documents(taken_over).await.unwrap();
    let kept = store.documents().await.unwrap();
    let left: Vec<_> = kept
        .sources
        .iter()
        .map(|source| (&*source.name, &*source.digest, source.applied_at))
        .collect();
    assert_eq!([("admin", "1", at(9)), ("manifests", "less", at(0))], left[..]);
    assert_eq!(vec![third, second], revisions(&kept));
    let sources: Vec<_> = kept.documents.iter().map(|document| &*document.source).collect();
    assert_eq!(["admin", "manifests"], sources[..]);
    all_is_sound(&*store).await;
    // The first one's digest changes, which others want to know.
    let digest = DocumentsWrite {
        source: source("manifests", "other"),
        ..change(third)
    };
    assert!(third < store.apply_documents(digest).await.unwrap());
    let names: Vec<_> = store.documents().await.unwrap().sources;
    assert_eq!(["1", "other"], [&*names[0].digest, &*names[1].digest]);

    // What was confidential and is not any more is another document.
    let mut open = changed.remove(1);
    open.confidential = false;
    put(&*store, vec![open]).await;
    assert!(!store.documents().await.unwrap().documents[1].confidential);
}

pub(crate) async fn renderings_are_replaced_as_a_set(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let names = async || -> Vec<String> {
        rendered(&*store)
            .await
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    let first = render(&*store, vec![rendering("a", "1"), rendering("b", "1")]).await;
    assert_eq!(
        first,
        render(&*store, vec![rendering("b", "1"), rendering("a", "1")]).await
    );
    let second = render(&*store, vec![rendering("b", "2"), rendering("c", "1")]).await;
    assert!(first < second);
    assert_eq!(owned(&["b", "c"]), names().await);
    put(&*store, vec![document("ConfigMap", "a", "1")]).await;
    assert_eq!(owned(&["b", "c"]), names().await, "not named at all");
    assert!(second < render(&*store, Vec::new()).await);
    assert!(names().await.is_empty());
}

pub(crate) async fn of_many_changes_one_wins_each_revision(place: &dyn Place) {
    const ROUNDS: usize = 10;
    const WRITERS: usize = 6;
    let store = place.open().await;
    let mut revision = Revision(0);
    for round in 0..ROUNDS {
        let tries: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = Arc::clone(&store);
                let write = DocumentsWrite {
                    put: vec![
                        document("ConfigMap", "a", &format!("{round} {writer}")),
                        document("ConfigMap", &format!("{round}-{writer}"), "1"),
                    ],
                    ..change(revision)
                };
                tokio::spawn(async move { (writer, store.apply_documents(write).await) })
            })
            .collect();
        let mut winners = Vec::new();
        for attempt in tries {
            match attempt.await.unwrap() {
                (writer, Ok(made)) => winners.push((writer, made)),
                (_, Err(StoreError::Conflict)) => {}
                (_, Err(error)) => panic!("{error}"),
            }
        }
        let [(winner, made)] = winners[..] else {
            panic!("round {round}: {winners:?}")
        };
        let kept = store.documents().await.unwrap();
        assert_eq!((made, round + 2), (kept.revision, kept.documents.len()));
        let won = kept.documents.iter().find(|document| document.key.name == "a");
        assert_eq!(plain(&format!("{round} {winner}")), won.unwrap().body);
        revision = made;
    }
}

pub(crate) async fn a_change_that_cannot_be_made_leaves_nothing(place: &dyn Place) {
    let store = place.open().await;
    let odd = [
        document("ConfigMap", "a\0", "{}"),
        document("ConfigMap", "a", "\0"),
    ];
    for odd in odd {
        let write = DocumentsWrite {
            put: vec![document("ConfigMap", "b", "{}"), odd],
            ..change(Revision(0))
        };
        let refused = store.apply_documents(write).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    }
    let remove = DocumentsWrite {
        remove: vec![key("\0", "a")],
        ..change(Revision(0))
    };
    assert!(store.apply_documents(remove).await.is_err());
    assert_eq!(Documents::default(), store.documents().await.unwrap());

    // Half way: the last statement of a change fails.
    place.run("ALTER TABLE source RENAME TO elsewhere").await;
    let write = DocumentsWrite {
        put: vec![document("ConfigMap", "b", "{}")],
        renderings: Some(vec![rendering("w", "{}")]),
        ..change(Revision(0))
    };
    assert!(store.apply_documents(write).await.is_err());
    place.run("ALTER TABLE elsewhere RENAME TO source").await;
    store.close().await;
    let store = place.open().await;
    assert_eq!(Documents::default(), store.documents().await.unwrap());
    put(&*store, vec![document("ConfigMap", "b", "{}")]).await;
}

pub(crate) async fn a_restored_store_has_its_documents(place: &dyn Place) {
    let store = place.open().await;
    put(&*store, vec![document("Secret", "s", "1")]).await;
    render(&*store, vec![rendering("w", "2")]).await;
    let before = store.documents().await.unwrap();
    store.close().await;
    let restored = place
        .open_as(flotta_store::Bounds::default(), true)
        .await
        .unwrap();
    assert_eq!(before, restored.documents().await.unwrap());
    restored.close().await;
    let unavailable = |error| matches!(error, StoreError::Unavailable { .. });
    assert!(restored.documents().await.is_err_and(unavailable));
    assert!(restored.documents_revision().await.is_err_and(unavailable));
    let late = restored.apply_documents(change(before.revision)).await;
    assert!(late.is_err_and(unavailable));
    assert!(restored.rekey().await.is_err());
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(u8, u8, bool)>),
    Remove(Vec<u8>),
    Render(Vec<(u8, u8)>),
    Rekey,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let puts = proptest::collection::vec((0..6_u8, 0..3_u8, any::<bool>()), 0..5).prop_map(Step::Put);
    let removals = proptest::collection::vec(0..6_u8, 0..3).prop_map(Step::Remove);
    let renderings = proptest::collection::vec((0..4_u8, 0..3_u8), 0..4).prop_map(Step::Render);
    prop_oneof![6 => puts, 3 => removals, 3 => renderings, 1 => Just(Step::Rekey), 1 => Just(Step::Reopen)]
}

/// Of the documents text and confidentiality, of the renderings texts.
#[derive(Default)]
struct Model {
    documents: BTreeMap<DocumentKey, (String, bool)>,
    renderings: BTreeMap<String, String>,
}

impl Model {
    /// The write of a step, made in the model at once.
    fn write(&mut self, step: &Step, expected: Revision) -> DocumentsWrite {
        let mut write = change(expected);
        match step {
            Step::Put(puts) => {
                for (name, body, confidential) in puts {
                    let mut put = document("ConfigMap", &name.to_string(), &body.to_string());
                    put.confidential = *confidential;
                    self.documents
                        .insert(put.key.clone(), (put.body.clone(), put.confidential));
                    write.put.push(put);
                }
            }
            Step::Remove(names) => {
                write.remove = names
                    .iter()
                    .map(|name| key("ConfigMap", &name.to_string()))
                    .collect();
                for key in &write.remove {
                    self.documents.remove(key);
                }
            }
            Step::Render(renderings) => {
                self.renderings = renderings
                    .iter()
                    .map(|(name, body)| (name.to_string(), body.to_string()))
                    .collect();
                let all = renderings
                    .iter()
                    .map(|(name, body)| rendering(&name.to_string(), &body.to_string()));
                write.renderings = Some(all.collect());
            }
            Step::Rekey | Step::Reopen => {}
        }
        write
    }
}

pub(crate) async fn any_changes_leave_what_the_model_says(place: &dyn Place) {
    // Each start has another key first.
    let keys = [[1, 2, 3], [2, 3, 1], [3, 1, 2]];
    let mut starts = 0;
    let mut store = place.open_with_keys(keyring(&keys[0])).await;
    let mut model = Model::default();
    let steps = proptest::collection::vec(any_step(), 120)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    for step in steps {
        let before = store.documents().await.unwrap();
        match &step {
            Step::Rekey => {
                let rekeyed = store.rekey().await.unwrap();
                assert_eq!(None, rekeyed.leftover);
            }
            Step::Reopen => {
                store.close().await;
                starts += 1;
                store = place.open_with_keys(keyring(&keys[starts % 3])).await;
            }
            _ => {
                let write = model.write(&step, before.revision);
                store.apply_documents(write).await.unwrap();
            }
        }
        let after = store.documents().await.unwrap();
        let documents: BTreeMap<_, _> = after
            .documents
            .iter()
            .map(|document| {
                let text = document.body.text().unwrap().to_owned();
                (document.key.clone(), (text, document.confidential))
            })
            .collect();
        assert_eq!(model.documents, documents, "{step:?}");
        let renderings: BTreeMap<_, _> = after
            .renderings
            .iter()
            .map(|rendering| {
                let text = rendering.body.text().unwrap().to_owned();
                (rendering.key.name.clone(), text)
            })
            .collect();
        assert_eq!(model.renderings, renderings, "{step:?}");
        let same = before.documents == after.documents && before.renderings == after.renderings;
        let first = before.sources.is_empty() && !after.sources.is_empty();
        assert_eq!(
            !same || first,
            before.revision < after.revision,
            "the revision tells of each change: {step:?}"
        );
    }
    assert!(starts > 2, "the steps must have tried every key");
}
