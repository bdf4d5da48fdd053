//! What a rekey leaves in the files of a store: nothing of what was there before.

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

use std::{fs, path::PathBuf, sync::Arc};

use flotta_store::{
    DocumentsWrite, Store,
    postgres::{ConnectOptions, PostgresStore},
};
use support::{
    documents::*,
    place::{Place as _, PostgresPlace, SqlitePlace},
    *,
};

/// Which of the store's files hold a text.
fn files_with(place: &SqlitePlace, text: &str) -> Vec<&'static str> {
    ["", "-wal", "-shm", ".mark"]
        .into_iter()
        .filter(|suffix| {
            let bytes =
                fs::read(PathBuf::from(format!("{}{suffix}", place.path().display()))).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .collect()
}

/// What was stored plain, what it was before, and what was removed: in the file, in its free space
/// and in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rekey_leaves_no_plaintext_in_the_files() {
    const SECRETS: [&str; 4] = [
        "first-horse-battery",
        "second-horse-battery",
        "removed-horse-battery",
        "rendered-horse-battery",
    ];
    // Long ones as well, which have pages of their own.
    let long = |text: &str| format!("{{\"data\":\"{}\"}}", text.repeat(2000));
    let place = SqlitePlace::new();
    let store = place.open().await;
    let secrets = |text: &str| {
        vec![
            document("Secret", "short", text),
            document("Secret", "long", &long(text)),
        ]
    };
    let gone = || vec![document("Secret", "gone", &long(SECRETS[2]))];
    put(&*store, [secrets(SECRETS[0]), gone()].concat()).await;
    render(
        &*store,
        vec![rendering("w", &long(SECRETS[3])), rendering("v", SECRETS[3])],
    )
    .await;
    store.close().await;
    let store = place.open().await;
    put(&*store, secrets(SECRETS[1])).await;
    store.close().await;

    let store = place.open_with_keys(keyring(&[1])).await;
    let remove = DocumentsWrite {
        remove: vec![key("Secret", "gone")],
        ..change(store.documents_revision().await.unwrap())
    };
    store.apply_documents(remove).await.unwrap();
    // Changed by hand it would count as damaged.
    place
        .run("UPDATE rendering SET body = body || ' logged-horse-battery', checksum = NULL WHERE name = 'v'")
        .await;
    for secret in SECRETS {
        assert!(
            files_with(&place, secret).contains(&""),
            "{secret} must be there to be found"
        );
    }
    assert!(files_with(&place, "logged-horse-battery").contains(&"-wal"));
    let before = store.documents().await.unwrap();

    // Somebody reads meanwhile, and for a while.
    let reader = rusqlite::Connection::open(place.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM document")
        .unwrap();
    let rekeyed = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.rekey().await.unwrap() }
    });
    while place.inspect().await.unsealed > 0 {
        tokio::task::yield_now().await;
    }
    assert!(place.inspect().await.unerased, "the log still has it");
    reader.execute_batch("COMMIT").unwrap();
    let rekeyed = rekeyed.await.unwrap();
    assert!(!place.inspect().await.unerased);
    assert_eq!((4, None), (rekeyed.newly_sealed, rekeyed.leftover));
    let found = || -> Vec<_> {
        SECRETS
            .into_iter()
            .chain(["logged-horse-battery"])
            .flat_map(|secret| files_with(&place, secret))
            .collect()
    };
    assert_eq!(Vec::<&str>::new(), found());
    assert_eq!(before, store.documents().await.unwrap());

    // Nothing comes back by later writes and the end.
    put(&*store, secrets(SECRETS[0])).await;
    create(&*store, "a", approved()).await;
    store.close().await;
    assert_eq!(Vec::<&str>::new(), found());
}

/// Which of the files of the database's tables hold a text.
fn tables_with(place: &PostgresPlace, text: &str) -> usize {
    place.sql("CHECKPOINT");
    let folder = place.sql(
        "SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database WHERE datname = current_database()",
    );
    fs::read_dir(folder)
        .unwrap()
        .filter(|file| {
            let bytes = fs::read(file.as_ref().unwrap().path()).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .count()
}

#[tokio::test]
async fn rekey_leaves_no_plaintext_in_the_tables() {
    let place = PostgresPlace::new().await;
    let store = place.open().await;
    let texts = [
        "first-horse-battery",
        "second-horse-battery",
        "rendered-horse-battery",
    ];
    put(&*store, vec![document("Secret", "s", texts[0])]).await;
    put(&*store, vec![document("Secret", "s", texts[1])]).await;
    render(&*store, vec![rendering("w", texts[2])]).await;
    store.close().await;
    let store = place.open_with_keys(keyring(&[1])).await;
    for text in texts {
        assert!(tables_with(&place, text) > 0, "{text} must be there to be found");
    }
    let before = store.documents().await.unwrap();

    // Who began before the change may still see what was there: it cannot be removed yet.
    let (mut other, connection) = tokio_postgres::connect(&place.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let dump = other
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await
        .unwrap();
    dump.query("SELECT 1 FROM device", &[]).await.unwrap();
    let rekeyed = store.rekey().await.unwrap();
    assert_eq!(2, rekeyed.newly_sealed);
    let leftover = rekeyed.leftover.unwrap();
    assert!(leftover.contains("such as a dump"), "{leftover}");
    assert!(tables_with(&place, texts[1]) > 0);
    assert!(store.is_unerased().await.unwrap());
    dump.commit().await.unwrap();
    drop(other);
    connection.await.unwrap().unwrap();

    let rekeyed = store.rekey().await.unwrap();
    assert_eq!(
        (0, None),
        (rekeyed.newly_sealed, rekeyed.leftover),
        "erased at last"
    );
    assert!(!store.is_unerased().await.unwrap());
    for text in texts {
        assert_eq!(0, tables_with(&place, text), "{text}");
    }
    assert_eq!(before, store.documents().await.unwrap());
}

/// Who may write a table and does not own it may not rewrite it either; that is told, and what was
/// sealed stays sealed.
#[tokio::test]
async fn a_rekey_that_may_not_rewrite_the_tables_says_so() {
    let place = PostgresPlace::new().await;
    let store = place.open().await;
    put(&*store, vec![document("Secret", "s", "1")]).await;
    store.close().await;
    let role = format!("guest_{}", place.sql("SELECT current_database()"));
    place.sql(&format!("CREATE ROLE {role} LOGIN"));
    place.sql(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"));
    let (_, address) = place.url().split_once('@').map_or_else(
        || panic!("the URL names no user"),
        |(user, address)| (user.to_owned(), address.to_owned()),
    );
    let options = ConnectOptions {
        keyring: keyring(&[1]),
        ..PostgresPlace::options()
    };
    let store = PostgresStore::connect(&format!("postgres://{role}@{address}"), options)
        .await
        .unwrap();
    let rekeyed = store.rekey().await.unwrap();
    let leftover = rekeyed.leftover.unwrap();
    assert!(
        leftover.contains("'document'") && leftover.contains("as its owner"),
        "{leftover}"
    );
    assert_eq!(1, rekeyed.newly_sealed);
    let seen = place.inspect().await;
    assert_eq!((0, true), (seen.unsealed, seen.unerased));
    store.probe().await.unwrap();
    store.close().await;
    place.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
