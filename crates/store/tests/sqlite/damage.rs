//! Bits of the file that flip: what is read is what was written, or an error.

use flotta_store::{Body, Documents, Portion, Stored};

use super::*;

const NAMES: [&str; 3] = ["d1", "d2", "d3"];

const SELECTED: &str = r#"{"spec":{"deviceSelector":{"matchLabels":{"line":"press"}}}}"#;

struct Written {
    folder: TempDir,
    bytes: Vec<u8>,
    devices: Vec<Stored>,
    documents: Documents,
}

/// A store that was closed in order.
async fn written() -> Written {
    let place = SqlitePlace::new();
    let store = place.open().await;
    for name in NAMES {
        let write = Write {
            report: Some(report("7").into()),
            ..creation(name, with_period(Some(60)), at(0))
        };
        store.commit(write).await.unwrap();
    }
    put(
        &*store,
        vec![
            document("EdgeWorkload", "w", SELECTED),
            document("Secret", "s", "secret"),
        ],
    )
    .await;
    render(&*store, vec![rendering("w", "{}")]).await;
    let mut devices = Vec::new();
    for name in NAMES {
        devices.push(store.load(&id(name)).await.unwrap().unwrap());
    }
    let documents = store.documents().await.unwrap();
    store.close().await;
    Written {
        folder: TempDir::new().unwrap(),
        bytes: fs::read(place.path()).unwrap(),
        devices,
        documents,
    }
}

impl Written {
    /// Opens it with one bit flipped and checks that nothing is told that was not written. How many
    /// things were found damaged, or a thousand where it could not be opened.
    async fn with_flipped(&self, position: usize, bit: usize) -> usize {
        let path = self.folder.path().join("fleet.db");
        for suffix in ["", "-wal", "-shm", ".mark"] {
            let _ = fs::remove_file(beside(&path, suffix));
        }
        let mut bytes = self.bytes.clone();
        bytes[position] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let Ok(store) = open(&path) else { return 1000 };
        let what = format!("bit {bit} of byte {position}");
        let mut damaged = 0;
        for (name, written) in NAMES.iter().zip(&self.devices) {
            match store.load(&id(name)).await {
                Ok(Some(stored)) => assert_eq!(
                    (&written.device.life, &written.device.report),
                    (&stored.device.life, &stored.device.report),
                    "{what}"
                ),
                Ok(None) => panic!("{what}: {name} is absent"),
                Err(_) => damaged += 1,
            }
        }
        if let Ok(kept) = store.documents().await {
            for document in &kept.documents {
                match &document.body {
                    Body::Plain(_) => {
                        let same = |other: &&flotta_store::Document| {
                            (&other.key, &other.source, &other.body)
                                == (&document.key, &document.source, &document.body)
                        };
                        assert!(
                            self.documents.documents.iter().any(|other| same(&other)),
                            "{what}: {document:?}"
                        );
                    }
                    _ => damaged += 1,
                }
            }
            for rendering in &kept.renderings {
                match &rendering.body {
                    Body::Plain(_) => assert_eq!(&self.documents.renderings[0], rendering, "{what}"),
                    _ => damaged += 1,
                }
            }
            damaged += kept.damaged_sources.len();
        } else {
            damaged += 1;
        }
        // Whatever it is, a look through all of it ends.
        let mut next = Some(Portion::first());
        while let Some(portion) = next {
            next = store
                .examine(portion)
                .await
                .map_or(None, |examined| examined.next);
        }
        store.close().await;
        damaged
    }
}

#[tokio::test]
async fn no_flipped_bit_of_what_was_written_is_taken_for_it() {
    let written = written().await;
    let word = b"deviceSelector";
    let found = written
        .bytes
        .windows(word.len())
        .position(|part| part == word)
        .unwrap();
    for offset in 0..word.len() {
        let damaged = written.with_flipped(found + offset, offset % 8).await;
        assert!(damaged > 0, "byte {offset} of the word");
    }
}

#[tokio::test]
async fn no_flipped_bit_anywhere_changes_what_is_read() {
    let written = written().await;
    let length = written.bytes.len();
    let mut damaged = 0;
    for round in 0..120 {
        // Both strides have no divisor in common with the length, a power of two times a few pages.
        damaged += usize::from(written.with_flipped(round * 10_007 % length, round * 5 % 8).await > 0);
    }
    assert!(damaged > 0);
}

#[tokio::test]
async fn the_highest_of_all_revisions_is_damage_and_no_defect() {
    let place = SqlitePlace::new();
    let store = place.open().await;
    advance(&*store, 1).await;
    store.close().await;
    place
        .run(&format!("UPDATE device SET revision = {}", i64::MAX))
        .await;
    let store = place.open().await;
    let create = store.commit(creation("b", approved(), at(1))).await.map(drop);
    let documents = store
        .apply_documents(DocumentsWrite {
            put: vec![document("ConfigMap", "a", "1")],
            ..change(Revision(0))
        })
        .await
        .map(drop);
    for refused in [create, documents] {
        let told = refused.unwrap_err().to_string();
        assert!(
            told.contains("it is damaged: a row has revision") && told.contains("restore a backup"),
            "{told}"
        );
    }
    assert_eq!(None, store.defect());
    store.close().await;
}

/// The head of each page says how many rows are on it, and where: of a table and of an index alike.
#[tokio::test]
async fn no_flipped_bit_in_the_head_of_a_page_makes_a_row_absent() {
    let written = written().await;
    // Pages have 4 KiB. The first begins with the head of the file.
    let pages = (1..written.bytes.len() / 4096).map(|page| page * 4096);
    for page in pages {
        for offset in 0..16 {
            for bit in [offset % 8, (offset + 4) % 8] {
                written.with_flipped(page + offset, bit).await;
            }
        }
        for bit in 0..8 {
            written.with_flipped(page + 4, bit).await;
        }
    }
}
