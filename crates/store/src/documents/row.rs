//! A text in the form in which it is kept.

use super::{Body, DocumentKey, RenderingKey};
use crate::{
    StoreError,
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
        Ok(match sealed {
            Some(Sealed { key_id, body }) => Self {
                confidential,
                key_id: Some(key_id),
                body,
            },
            None => Self {
                confidential,
                key_id: None,
                body: text.to_owned(),
            },
        })
    }

    pub(crate) fn read(self, keyring: &Keyring, place: Place<'_>) -> Body {
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
}
