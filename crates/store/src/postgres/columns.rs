//! Documents and renderings as statements take them: columns, one array each.

use crate::{DocumentKey, RenderingKey, documents::Row};

/// Keys of documents.
#[derive(Default)]
pub(super) struct KeyArrays<'a> {
    pub(super) kinds: Vec<&'a str>,
    pub(super) namespaces: Vec<&'a str>,
    pub(super) names: Vec<&'a str>,
}

impl<'a> KeyArrays<'a> {
    pub(super) fn of(keys: impl IntoIterator<Item = &'a DocumentKey>) -> Self {
        let mut arrays = Self::default();
        for key in keys {
            arrays.kinds.push(&key.kind);
            arrays.namespaces.push(&key.namespace);
            arrays.names.push(&key.name);
        }
        arrays
    }
}

/// Namespaces and names of renderings.
pub(super) fn rendering_arrays<'a>(
    keys: impl IntoIterator<Item = &'a RenderingKey>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    keys.into_iter()
        .map(|key| (key.namespace.as_str(), key.name.as_str()))
        .unzip()
}

/// Texts.
#[derive(Default)]
pub(super) struct TextArrays<'a> {
    pub(super) confidential: Vec<bool>,
    pub(super) key_ids: Vec<Option<&'a str>>,
    pub(super) bodies: Vec<&'a str>,
    pub(super) checksums: Vec<Vec<u8>>,
}

impl<'a> TextArrays<'a> {
    /// Each with its checksum.
    pub(super) fn of(rows: impl IntoIterator<Item = (&'a Row, Vec<u8>)>) -> Self {
        let mut arrays = Self::default();
        for (row, checksum) in rows {
            arrays.confidential.push(row.confidential);
            arrays.key_ids.push(row.key_id.as_deref());
            arrays.bodies.push(&row.body);
            arrays.checksums.push(checksum);
        }
        arrays
    }
}
