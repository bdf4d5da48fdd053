//! What a write changes, given what is there: the same for both stores.

use std::collections::{BTreeMap, BTreeSet};

use super::{Body, DocumentKey, DocumentsWrite, Place, RenderingKey, Row, SourceWrite};
use crate::{StoreError, sealing::Keyring};

/// What is there, as far as a write touches it.
#[derive(Default)]
pub(crate) struct Kept {
    /// Source and text of the documents that the write names.
    pub(crate) documents: BTreeMap<DocumentKey, (String, Row)>,
    /// All renderings, if the write replaces them.
    pub(crate) renderings: BTreeMap<RenderingKey, Row>,
    /// Digest and state of the write's source; `None` also if that is not what was written.
    pub(crate) source: Option<(String, String)>,
    /// Whether there is anything that is not what was written; need only be known if the write is
    /// to discard it.
    pub(crate) is_damaged: bool,
    /// Whether anything at all is sealed; need only be known if [`Plan::would_expose`].
    pub(crate) any_sealed: bool,
}

/// The rows to write and to remove.
pub(crate) struct Plan {
    pub(crate) documents: Vec<(DocumentKey, Row)>,
    pub(crate) removed_documents: Vec<DocumentKey>,
    pub(crate) renderings: Vec<(RenderingKey, Row)>,
    pub(crate) removed_renderings: Vec<RenderingKey>,
    /// Whether a server with keys replaces or removes confidential texts that were stored plain:
    /// what the files still hold of them is erased by a rekey.
    pub(crate) leaves_plain: bool,
    /// Whether everything that is not what was written is to be removed, before the rest is done.
    pub(crate) discards_damaged: bool,
    source_changes: bool,
}

impl Plan {
    /// Whether a write puts confidential texts without a key.
    pub(crate) fn would_expose(write: &DocumentsWrite, keyring: &Keyring) -> bool {
        let renderings = write.renderings.as_deref().unwrap_or_default();
        keyring.is_empty()
            && (write.put.iter().any(|put| put.confidential) || renderings.iter().any(|put| put.confidential))
    }

    pub(crate) fn of(write: &DocumentsWrite, keyring: &Keyring, kept: &Kept) -> Result<Self, StoreError> {
        if kept.any_sealed && Self::would_expose(write, keyring) {
            return Err(StoreError::Keys {
                reason: "it holds sealed values and this server was given no key, so it would store secrets plain; name the key file"
                    .to_owned(),
            });
        }
        let (documents, removed_documents) = documents(write, keyring, kept)?;
        let (renderings, removed_renderings) = renderings(write, keyring, kept)?;
        let SourceWrite { digest, state, .. } = &write.source;
        let source_changes = kept
            .source
            .as_ref()
            .is_none_or(|(kept_digest, kept_state)| (kept_digest, kept_state) != (digest, state))
            || !write.others.is_empty();
        let touched_documents = documents.iter().map(|(key, _)| key).chain(&removed_documents);
        let touched_renderings = renderings.iter().map(|(key, _)| key).chain(&removed_renderings);
        let mut touched = touched_documents
            .filter_map(|key| kept.documents.get(key).map(|(_, row)| row))
            .chain(touched_renderings.filter_map(|key| kept.renderings.get(key)));
        let leaves_plain = !keyring.is_empty() && touched.any(|row| row.confidential && row.key_id.is_none());
        Ok(Self {
            documents,
            removed_documents,
            renderings,
            removed_renderings,
            leaves_plain,
            discards_damaged: write.discard_damaged && kept.is_damaged,
            source_changes,
        })
    }

    /// Whether anything changes; when a source was applied again is no change.
    pub(crate) fn changes(&self) -> bool {
        self.source_changes
            || self.discards_damaged
            || !(self.documents.is_empty()
                && self.removed_documents.is_empty()
                && self.renderings.is_empty()
                && self.removed_renderings.is_empty())
    }
}

type Changes<K> = (Vec<(K, Row)>, Vec<K>);

fn documents(
    write: &DocumentsWrite,
    keyring: &Keyring,
    kept: &Kept,
) -> Result<Changes<DocumentKey>, StoreError> {
    let puts: BTreeMap<_, _> = write.put.iter().map(|put| (&put.key, put)).collect();
    let mut rows = Vec::new();
    for (key, put) in &puts {
        let place = Place::Document(key);
        let same = kept.documents.get(key).is_some_and(|(source, row)| {
            *source == write.source.name && is_same(row, keyring, place, put.confidential, &put.body)
        });
        if !same {
            let row = Row::of(keyring, place, put.confidential, &put.body)?;
            rows.push(((*key).clone(), row));
        }
    }
    let removed: BTreeSet<_> = write
        .remove
        .iter()
        .filter(|key| kept.documents.contains_key(key) && !puts.contains_key(key))
        .collect();
    Ok((rows, removed.into_iter().cloned().collect()))
}

fn renderings(
    write: &DocumentsWrite,
    keyring: &Keyring,
    kept: &Kept,
) -> Result<Changes<RenderingKey>, StoreError> {
    let Some(wanted) = &write.renderings else {
        return Ok((Vec::new(), Vec::new()));
    };
    let puts: BTreeMap<_, _> = wanted.iter().map(|put| (&put.key, put)).collect();
    let mut rows = Vec::new();
    for (key, put) in &puts {
        let place = Place::Rendering(key);
        let same = kept
            .renderings
            .get(key)
            .is_some_and(|row| is_same(row, keyring, place, put.confidential, &put.body));
        if !same {
            let row = Row::of(keyring, place, put.confidential, &put.body)?;
            rows.push(((*key).clone(), row));
        }
    }
    let readable = |key: &RenderingKey, row: &Row| {
        matches!(row.clone().read(keyring, Place::Rendering(key)), Body::Plain(_))
    };
    let removed = kept
        .renderings
        .iter()
        .filter(|(key, row)| !puts.contains_key(key) && readable(key, row))
        .map(|(key, _)| key.clone())
        .collect();
    Ok((rows, removed))
}

/// Equal as a text; the key that it is sealed with, if any, is the business of `rekey`.
fn is_same(row: &Row, keyring: &Keyring, place: Place<'_>, confidential: bool, text: &str) -> bool {
    row.confidential == confidential
        && (row.key_id.is_some() || row.body.len() == text.len())
        && row.clone().read(keyring, place).text() == Some(text)
}

/// A text that PostgreSQL could not hold is refused by both stores.
impl DocumentsWrite {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let odd = |parts: &[&str]| parts.iter().any(|part| part.contains('\0'));
        let refuse = |what: String| {
            Err(StoreError::Corrupt {
                what,
                reason: "it must not contain U+0000".to_owned(),
            })
        };
        for SourceWrite { name, digest, state } in self.others.iter().chain([&self.source]) {
            if odd(&[name, digest, state]) {
                return refuse(format!("the source {name:?}"));
            }
        }
        for put in &self.put {
            let DocumentKey {
                kind,
                namespace,
                name,
            } = &put.key;
            if odd(&[kind, namespace, name, &put.body]) {
                return refuse(format!("the document {:?}", put.key));
            }
        }
        for put in self.renderings.iter().flatten() {
            if odd(&[&put.key.namespace, &put.key.name, &put.body]) {
                return refuse(format!("the rendering {:?}", put.key));
            }
        }
        for key in &self.remove {
            if odd(&[&key.kind, &key.namespace, &key.name]) {
                return refuse(format!("the document {key:?}"));
            }
        }
        Ok(())
    }
}
