//! A text in the form in which it is kept.

use super::{Body, DocumentKey, RenderingKey};
use crate::{
    Revision, StoreError,
    checksum::{DAMAGED, Standing, Summed},
    sealing::{Keyring, Sealed},
};

/// Which row a text belongs to. A sealed text opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Document(&'a DocumentKey),
    Rendering(&'a RenderingKey),
}

impl Place<'_> {
    /// What is authenticated with the text: the parts, which hold no U+0000, each ended by one.
    pub(crate) fn binding(self) -> Vec<u8> {
        let parts = match self {
            Self::Document(key) => vec!["document", &key.kind, &key.namespace, &key.name],
            Self::Rendering(key) => vec!["rendering", &key.namespace, &key.name],
        };
        parts
            .into_iter()
            .flat_map(|part| part.bytes().chain([0]))
            .collect()
    }

    /// For people.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Document(DocumentKey {
                kind,
                namespace,
                name,
            }) => format!("{kind} {namespace}/{name}"),
            Self::Rendering(RenderingKey { namespace, name }) => {
                format!("the rendering of {namespace}/{name}")
            }
        }
    }
}

/// The columns of a text.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) confidential: bool,
    /// Of the key that `body` is sealed with.
    pub(crate) key_id: Option<String>,
    pub(crate) body: String,
    pub(crate) standing: Standing,
}

impl Row {
    /// Sealed, if it is confidential and there is a key.
    pub(crate) fn of(
        keyring: &Keyring,
        place: Place<'_>,
        confidential: bool,
        text: &str,
    ) -> Result<Self, StoreError> {
        let sealed = if confidential {
            keyring.seal(&place.binding(), text)?
        } else {
            None
        };
        let (key_id, body) = match sealed {
            Some(Sealed { key_id, body }) => (Some(key_id), body),
            None => (None, text.to_owned()),
        };
        Ok(Self {
            confidential,
            key_id,
            body,
            standing: Standing::Verified,
        })
    }

    /// One of which something could not even be taken out of the database.
    pub(crate) fn undecoded() -> Self {
        Self {
            confidential: false,
            key_id: None,
            body: String::new(),
            standing: Standing::Damaged,
        }
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.standing == Standing::Damaged
    }

    pub(crate) fn read(self, keyring: &Keyring, place: Place<'_>) -> Body {
        if self.is_damaged() {
            return Body::Damaged {
                why: format!("{}: {DAMAGED}", place.describe().escape_debug()),
            };
        }
        let Some(key_id) = self.key_id else {
            return Body::Plain(self.body);
        };
        match keyring.open(&key_id, &place.binding(), &self.body) {
            Ok(text) => Body::Plain(text),
            Err(fault) => Body::Unreadable {
                why: format!("{}: {fault}", place.describe()),
                key_id,
            },
        }
    }

    /// A row of `document`, for its checksum.
    pub(crate) fn summed_document<'a>(
        &'a self,
        key: &'a DocumentKey,
        source: &'a str,
        revision: Revision,
    ) -> Summed<'a, 8> {
        Summed {
            table: "document",
            stamp: revision.0,
            columns: [
                key.kind.as_str().into(),
                key.namespace.as_str().into(),
                key.name.as_str().into(),
                source.into(),
                revision.0.into(),
                self.confidential.into(),
                self.key_id.as_deref().into(),
                self.body.as_str().into(),
            ],
        }
    }

    /// A row of `rendering`, for its checksum.
    pub(crate) fn summed_rendering<'a>(&'a self, key: &'a RenderingKey) -> Summed<'a, 5> {
        Summed {
            table: "rendering",
            stamp: 0,
            columns: [
                key.namespace.as_str().into(),
                key.name.as_str().into(),
                self.confidential.into(),
                self.key_id.as_deref().into(),
                self.body.as_str().into(),
            ],
        }
    }
}

/// A document as it is stored.
pub(crate) struct KeptDocument {
    pub(crate) key: DocumentKey,
    pub(crate) source: String,
    pub(crate) revision: Revision,
    pub(crate) row: Row,
}

/// A row of `source`, for its checksum; the time is in the form in which it is stored.
pub(crate) fn summed_source<'a>(
    name: &'a str,
    digest: &'a str,
    applied_at: i64,
    state: &'a str,
) -> Summed<'a, 4> {
    Summed {
        table: "source",
        stamp: applied_at,
        columns: [name.into(), digest.into(), applied_at.into(), state.into()],
    }
}

/// What is said of a source that is not what was written.
pub(crate) fn damaged_source(name: &str) -> String {
    format!("source {name:?}: {DAMAGED}")
}
