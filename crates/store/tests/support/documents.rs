//! Short names for documents, and keys that hide nothing.

use flotta_store::{
    Body, DocumentKey, DocumentPut, DocumentsWrite, Keyring, RenderingKey, RenderingPut, Revision,
    SourceWrite, Store,
};

use super::at;

/// 32 bytes of 1, 2 and 3 in base64.
pub(crate) const KEYS: [&str; 3] = [
    "k1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "k2 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
    "k3 AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
];

/// Of keys by their numbers, the one that seals first.
pub(crate) fn keyring(numbers: &[usize]) -> Keyring {
    let lines: Vec<_> = numbers.iter().map(|number| KEYS[number - 1]).collect();
    Keyring::parse(&lines.join("\n")).unwrap()
}

pub(crate) fn key(kind: &str, name: &str) -> DocumentKey {
    DocumentKey {
        kind: kind.to_owned(),
        namespace: "edge".to_owned(),
        name: name.to_owned(),
    }
}

pub(crate) fn rendering_key(name: &str) -> RenderingKey {
    RenderingKey {
        namespace: "edge".to_owned(),
        name: name.to_owned(),
    }
}

pub(crate) fn document(kind: &str, name: &str, body: &str) -> DocumentPut {
    DocumentPut {
        key: key(kind, name),
        confidential: kind == "Secret",
        body: body.to_owned(),
    }
}

pub(crate) fn rendering(name: &str, body: &str) -> RenderingPut {
    RenderingPut {
        key: rendering_key(name),
        confidential: true,
        body: body.to_owned(),
    }
}

/// A change that changes nothing yet.
pub(crate) fn change(expected: Revision) -> DocumentsWrite {
    DocumentsWrite {
        expected,
        source: source("manifests", "digest"),
        others: Vec::new(),
        put: Vec::new(),
        remove: Vec::new(),
        renderings: None,
        discard_damaged: false,
        at: at(0),
    }
}

pub(crate) fn source(name: &str, digest: &str) -> SourceWrite {
    SourceWrite {
        name: name.to_owned(),
        digest: digest.to_owned(),
        state: "{}".to_owned(),
    }
}

/// Puts documents on top of what is there.
pub(crate) async fn put(store: &dyn Store, put: Vec<DocumentPut>) -> Revision {
    let expected = store.documents_revision().await.unwrap();
    let write = DocumentsWrite {
        put,
        ..change(expected)
    };
    store.apply_documents(write).await.unwrap()
}

/// Replaces the renderings.
pub(crate) async fn render(store: &dyn Store, renderings: Vec<RenderingPut>) -> Revision {
    let expected = store.documents_revision().await.unwrap();
    let write = DocumentsWrite {
        renderings: Some(renderings),
        ..change(expected)
    };
    store.apply_documents(write).await.unwrap()
}

pub(crate) fn plain(text: &str) -> Body {
    Body::Plain(text.to_owned())
}

/// The texts of all documents, by kind and name.
pub(crate) async fn texts(store: &dyn Store) -> Vec<(String, Body)> {
    let documents = store.documents().await.unwrap().documents;
    documents
        .into_iter()
        .map(|document| {
            (
                format!("{} {}", document.key.kind, document.key.name),
                document.body,
            )
        })
        .collect()
}

/// The texts of all renderings, by name.
pub(crate) async fn rendered(store: &dyn Store) -> Vec<(String, Body)> {
    let renderings = store.documents().await.unwrap().renderings;
    renderings
        .into_iter()
        .map(|rendering| (rendering.key.name, rendering.body))
        .collect()
}
