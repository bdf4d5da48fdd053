//! What would a source change, and how is that written?

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use manifests::{
    Key, Kind, Object,
    source::{self, SourceReading},
};
use store::{DocumentKey, DocumentPut, DocumentsWrite, RenderingKey, RenderingPut, SourceWrite};

use super::{Applied, ApplyError, Current, cut};

/// What a source changes.
pub(super) struct Change {
    pub(super) put: BTreeMap<Key, Arc<Object>>,
    pub(super) remove: Vec<Key>,
    /// Those of `put` that were another source's.
    taken: BTreeSet<Key>,
    /// What is not in those of `put` that were there before, one for each.
    missing: Vec<String>,
}

impl Change {
    /// From what a source holds. Objects of the source `from` may become its own.
    pub(super) fn between(
        before: &Current,
        source: &str,
        objects: &[Object],
        from: Option<&str>,
    ) -> Result<Self, ApplyError> {
        let mut put = BTreeMap::new();
        let mut taken = BTreeSet::new();
        let mut listed = BTreeSet::new();
        let mut missing = Vec::new();
        for object in objects {
            let owner = before.source(&object.key).filter(|owner| *owner != source);
            if let Some(owner) = owner {
                if from != Some(owner) {
                    return Err(ApplyError::Owned {
                        key: object.key.clone(),
                        owner: owner.to_owned(),
                        asked: source.to_owned(),
                    });
                }
                taken.insert(object.key.clone());
            }
            listed.insert(&object.key);
            let known = before.object(&object.key);
            if owner.is_some() || known.is_none_or(|known| **known != *object) {
                let lacks = known.and_then(|known| cut::missing(known, object));
                missing.extend(lacks.map(|lacks| format!("{lacks} of {}", object.key)));
                put.insert(object.key.clone(), Arc::new(object.clone()));
            }
        }
        let remove = before
            .of_source(source)
            .filter(|key| !listed.contains(key))
            .cloned()
            .collect();
        Ok(Self {
            put,
            remove,
            taken,
            missing,
        })
    }

    /// What the source had and has no more, if anything: objects, or something of an object.
    pub(super) fn lacks(&self) -> Option<String> {
        let removed = self.remove.first().map(ToString::to_string);
        let first = removed.or_else(|| self.missing.first().cloned())?;
        Some(match self.remove.len() + self.missing.len() - 1 {
            0 => first,
            more => format!("{first} and {more} more"),
        })
    }

    pub(super) fn write(
        &self,
        before: &Current,
        after: &Current,
        source: &str,
        reading: &SourceReading,
        at: jiff::Timestamp,
    ) -> Result<DocumentsWrite, ApplyError> {
        let put = self
            .put
            .values()
            .map(|object| {
                Ok(DocumentPut {
                    key: place(&object.key),
                    confidential: object.key.kind == Kind::Secret,
                    body: serde_json::to_string(&**object)?,
                })
            })
            .collect::<Result<_, serde_json::Error>>()?;
        let renderings = after
            .catalogue
            .renderings()
            .into_iter()
            .map(|rendering| {
                Ok(RenderingPut {
                    key: RenderingKey {
                        namespace: rendering.namespace,
                        name: rendering.workload,
                    },
                    confidential: true,
                    body: serde_json::to_string(&rendering.document)?,
                })
            })
            .collect::<Result<_, serde_json::Error>>()?;
        Ok(DocumentsWrite {
            expected: before.revision,
            source: SourceWrite {
                name: source.to_owned(),
                digest: reading.digest.clone(),
                state: reading.objects.len().to_string(),
            },
            others: self.others(before),
            put,
            remove: self
                .remove
                .iter()
                .map(place)
                .chain(before.foreign(source).cloned())
                .collect(),
            renderings: Some(renderings),
            discard_damaged: false,
            at,
        })
    }

    /// Sources that lose objects to this one, as they are from then on.
    fn others(&self, before: &Current) -> Vec<SourceWrite> {
        let names: BTreeSet<&str> = self.taken.iter().filter_map(|key| before.source(key)).collect();
        let left = |name: &str| {
            let keys: Vec<&Key> = before
                .of_source(name)
                .filter(|key| !self.taken.contains(*key))
                .collect();
            let objects: Vec<&Object> = keys
                .iter()
                .filter_map(|key| before.object(key))
                .map(|object| &**object)
                .collect();
            SourceWrite {
                name: name.to_owned(),
                digest: source::digest(objects),
                state: (keys.len() + before.foreign(name).count()).to_string(),
            }
        };
        names.into_iter().map(left).collect()
    }

    pub(super) fn told(&self, source: &str, reading: &SourceReading) -> Applied {
        Applied {
            source: source.to_owned(),
            objects: reading.objects.len(),
            changed: self.put.keys().map(ToString::to_string).collect(),
            removed: self.remove.iter().map(ToString::to_string).collect(),
            warnings: reading.warned(),
        }
    }
}

fn place(key: &Key) -> DocumentKey {
    DocumentKey {
        kind: key.kind.as_str().to_owned(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}
