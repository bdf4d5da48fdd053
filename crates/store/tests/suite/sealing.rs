//! Confidential texts: sealed with a key, bound to their place, never taken for absent.

use flotta_store::{Body, DocumentsWrite, Keyring, Revision, Store, StoreError};

use crate::support::{documents::*, place::Place};

const SECRET: &str = "{\"password\":\"correct horse\"}";

fn unreadable(body: &Body) -> (&str, &str) {
    match body {
        Body::Unreadable { key_id, why } => (key_id, why),
        Body::Damaged { why } => panic!("{why}"),
        Body::Plain(_) => panic!("it could be read"),
    }
}

async fn write(store: &dyn Store) -> Revision {
    put(
        store,
        vec![document("ConfigMap", "c", "{}"), document("Secret", "s", SECRET)],
    )
    .await;
    render(store, vec![rendering("w", SECRET)]).await
}

pub(crate) async fn a_confidential_text_is_sealed_where_it_is_kept(place: &dyn Place) {
    // Without a key it is plain, and `check` counts it.
    let store = place.open().await;
    write(&*store).await;
    store.close().await;
    let seen = place.inspect().await;
    assert_eq!((0, 2), (seen.key_ids.len(), seen.unsealed));
    assert!(!seen.unerased, "nothing was ever sealed");

    // What changes is sealed; the rest stays until it is rekeyed.
    let store = place.open_with_keys(keyring(&[1])).await;
    put(&*store, vec![document("Secret", "s", "other")]).await;
    store.close().await;
    let seen = place.inspect().await;
    assert_eq!((vec!["k1".to_owned()], 1), (seen.key_ids.clone(), seen.unsealed));
    assert!(seen.unerased, "the files still hold the plain one");
    assert_eq!(vec!["k1"], Keyring::default().lacking(&seen.key_ids));
    assert_eq!(vec!["k1"], keyring(&[2, 3]).lacking(&seen.key_ids));
    assert!(keyring(&[2, 1]).lacking(&seen.key_ids).is_empty());
}

pub(crate) async fn a_text_without_its_key_is_unreadable_and_not_absent(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    write(&*store).await;
    store.close().await;
    // A key of the same id that is another key: its line with another's bytes.
    let impostor = Keyring::parse(&KEYS[1].replace("k2", "k1")).unwrap();
    for (keys, word) in [
        (Keyring::default(), "the key file lacks"),
        (keyring(&[2]), "the key file lacks"),
        (impostor, "does not open"),
    ] {
        let store = place.open_with_keys(keys).await;
        let texts = texts(&*store).await;
        assert_eq!(("ConfigMap c".to_owned(), plain("{}")), texts[0]);
        let (key_id, why) = unreadable(&texts[1].1);
        assert_eq!("k1", key_id);
        assert!(why.contains("Secret edge/s") && why.contains(word), "{why}");
        let rendered = rendered(&*store).await;
        let (_, why) = unreadable(&rendered[0].1);
        assert!(why.contains("rendering of edge/w"), "{why}");
        store.close().await;
    }
    let store = place.open_with_keys(keyring(&[2, 1])).await;
    assert_eq!(plain(SECRET), texts(&*store).await[1].1, "the key is back");
}

pub(crate) async fn a_text_opens_in_its_own_place_alone(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    put(
        &*store,
        vec![
            document("Secret", "a", "1"),
            document("Secret", "b", "2"),
            document("Secret", "c", "3"),
        ],
    )
    .await;
    render(&*store, vec![rendering("a", "4")]).await;
    // The seal tells it also where no checksum does.
    let moves = [
        "UPDATE document SET checksum = NULL",
        "UPDATE rendering SET checksum = NULL",
        "UPDATE document SET body = (SELECT body FROM document WHERE name = 'a') WHERE name = 'b'",
        "UPDATE document SET body = (SELECT body FROM rendering) WHERE name = 'a'",
        "UPDATE document SET body = 'AAAA' || substr(body, 5) WHERE name = 'c'",
        "UPDATE rendering SET body = 'no base64'",
    ];
    for statement in moves {
        place.run(statement).await;
    }
    for (name, body) in texts(&*store).await.iter().chain(&rendered(&*store).await) {
        assert!(unreadable(body).1.contains("damaged or moved"), "{name}");
    }
    // To write it again fixes it.
    put(&*store, vec![document("Secret", "a", "1")]).await;
    assert_eq!(plain("1"), texts(&*store).await[0].1);
}

pub(crate) async fn a_server_without_keys_does_not_uncover_secrets(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    let revision = write(&*store).await;
    store.close().await;
    let store = place.open().await;
    for uncovering in [
        DocumentsWrite {
            put: vec![document("Secret", "s", SECRET)],
            ..change(revision)
        },
        DocumentsWrite {
            renderings: Some(vec![rendering("w", SECRET)]),
            ..change(revision)
        },
    ] {
        let refused = store.apply_documents(uncovering).await.unwrap_err();
        assert!(matches!(refused, StoreError::Keys { .. }), "{refused:?}");
        assert!(refused.to_string().contains("name the key file"), "{refused}");
    }
    put(&*store, vec![document("ConfigMap", "c", "changed")]).await;
    assert_eq!(plain("changed"), texts(&*store).await[0].1, "the rest goes on");
}

pub(crate) async fn any_key_opens_and_the_first_seals(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    put(&*store, vec![document("Secret", "a", "1")]).await;
    store.close().await;
    let store = place.open_with_keys(keyring(&[2, 1])).await;
    put(
        &*store,
        vec![document("Secret", "a", "1"), document("Secret", "b", "2")],
    )
    .await;
    let all = texts(&*store).await;
    assert_eq!([plain("1"), plain("2")], [all[0].1.clone(), all[1].1.clone()]);
    store.close().await;
    assert_eq!(["k1", "k2"], place.inspect().await.key_ids[..]);
}

pub(crate) async fn everything_is_sealed_anew_or_nothing(place: &dyn Place) {
    let store = place.open().await;
    write(&*store).await;
    let refused = store.rekey().await.unwrap_err().to_string();
    assert!(refused.contains("name the key file"), "{refused}");
    store.close().await;

    let store = place.open_with_keys(keyring(&[1])).await;
    put(&*store, vec![document("Secret", "t", SECRET)]).await;
    store.close().await;
    // One of the three cannot be read: nothing is sealed.
    let store = place.open_with_keys(keyring(&[2])).await;
    let refused = store.rekey().await.unwrap_err();
    assert!(matches!(refused, StoreError::Keys { .. }), "{refused:?}");
    let refused = refused.to_string();
    assert!(
        refused.contains("Secret edge/t") && refused.contains("\"k1\"") && !refused.contains("horse"),
        "{refused}"
    );
    store.close().await;
    assert_eq!(2, place.inspect().await.unsealed);

    let store = place.open_with_keys(keyring(&[2, 1])).await;
    let before = store.documents().await.unwrap();
    let rekeyed = store.rekey().await.unwrap();
    assert_eq!(
        ("k2", 1, 2),
        (&*rekeyed.key_id, rekeyed.resealed, rekeyed.newly_sealed)
    );
    assert_eq!(None, rekeyed.leftover);
    assert_eq!(
        before,
        store.documents().await.unwrap(),
        "the same texts, the same revision"
    );
    let again = store.rekey().await.unwrap();
    assert_eq!((0, 0), (again.resealed, again.newly_sealed));
    store.close().await;
    let seen = place.inspect().await;
    assert_eq!((vec!["k2".to_owned()], 0), (seen.key_ids, seen.unsealed));
    let store = place.open_with_keys(keyring(&[2])).await;
    assert_eq!(
        before,
        store.documents().await.unwrap(),
        "the earlier key is not needed any more"
    );
}

pub(crate) async fn what_cannot_be_read_is_not_removed_as_unnamed(place: &dyn Place) {
    let store = place.open_with_keys(keyring(&[1])).await;
    render(&*store, vec![rendering("a", "1"), rendering("b", "1")]).await;
    store.close().await;
    let store = place.open_with_keys(keyring(&[2])).await;
    render(&*store, vec![rendering("b", "2")]).await;
    store.close().await;
    let store = place.open_with_keys(keyring(&[2, 1])).await;
    let all = rendered(&*store).await;
    assert_eq!(
        vec![("a".to_owned(), plain("1")), ("b".to_owned(), plain("2"))],
        all
    );
    render(&*store, Vec::new()).await;
    assert!(rendered(&*store).await.is_empty());
}
