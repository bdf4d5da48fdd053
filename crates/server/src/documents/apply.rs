//! A source becomes what the store holds: as a whole, in one transaction, or not at all.
//!
//! What disappeared from a source is removed only if the source was read whole and is not empty: an unmounted volume and an
//! emptied directory look alike, and neither is an order to remove what devices run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fleet::Phase;
use manifests::{Key, Kind, Object, source::SourceReading};
use serde::{Deserialize, Serialize};
use store::{
    DocumentKey, DocumentPut, DocumentsWrite, Page, RenderingKey, RenderingPut, SourceWrite, Store,
    StoreError,
};

use super::{Current, Keeper, Loss};
use crate::service::selected;

/// How often a change is decided anew because another server changed the documents meanwhile.
const ROUNDS: usize = 4;

/// Devices that are read at a time for the review.
const PAGE: usize = 500;

/// A source was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The source.
    pub source: String,
    /// How many objects it has.
    pub objects: usize,
    /// Those that were added or changed.
    pub changed: Vec<String>,
    /// Those that were removed, since the source has them no more.
    pub removed: Vec<String>,
    /// What was passed over in them, one sentence each.
    pub warnings: Vec<String>,
}

/// Why a source was not taken over. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It has no object.
    #[error(
        "source {0:?} holds no object, so nothing was removed; an empty source is taken for one that failed: remove objects by \
         name, or leave one in it"
    )]
    Empty(String),
    /// An object is another source's.
    #[error("{key} belongs to source {owner:?}; remove it there first, or take it out of source {source:?}", source = .asked)]
    Owned {
        /// The object.
        key: Key,
        /// Whose it is.
        owner: String,
        /// Who wants it.
        asked: String,
    },
    /// A person has to say that what it takes away is meant.
    #[error(
        "source {source_name:?} waits for a person: {objection}. If that is meant: 'edge-config-server manifests confirm {digest}'; \
         until then devices keep what they have"
    )]
    Unconfirmed {
        /// The source.
        source_name: String,
        /// What it holds.
        digest: String,
        /// What it would take away.
        objection: String,
    },
    /// The store could not read or write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object could not be written as JSON.
    #[error("an object cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Keeper {
    /// Takes a source over. `confirmed` is the digest of what a person has said may take workloads away.
    pub async fn apply(
        &self,
        source: &str,
        reading: &SourceReading,
        confirmed: Option<&str>,
    ) -> Result<Applied, ApplyError> {
        if reading.is_empty() {
            return Err(ApplyError::Empty(source.to_owned()));
        }
        let _one_at_a_time = self.applying.lock().await;
        for _ in 0..ROUNDS {
            let (before, damage) = Current::salvage(self.store.documents().await?, self.strict);
            let change = Change::between(&before, source, &reading.objects)?;
            let after = before.with(source, &change.put, &change.remove, self.strict);
            let objection = match damage.first() {
                // Nobody can compute what devices would lose, whatever share of them may.
                Some(damaged) => Some(damaged.to_string()),
                None => loss(&*self.store, &before, &after).await?.objection(self.allowed),
            };
            if let Some(objection) = objection.filter(|_| confirmed != Some(reading.digest.as_str())) {
                return Err(ApplyError::Unconfirmed {
                    source_name: source.to_owned(),
                    digest: reading.digest.clone(),
                    objection,
                });
            }
            let write = change.write(&before, &after, source, reading, self.now())?;
            match self.store.apply_documents(write).await {
                Ok(_) => {
                    self.catch_up().await;
                    return Ok(change.told(source, reading));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::unavailable("the documents are changed faster than they can be read").into())
    }
}

/// What a source changes.
struct Change {
    put: BTreeMap<Key, Arc<Object>>,
    remove: Vec<Key>,
}

impl Change {
    fn between(before: &Current, source: &str, objects: &[Object]) -> Result<Self, ApplyError> {
        let mut put = BTreeMap::new();
        let mut listed = BTreeSet::new();
        for object in objects {
            if let Some(owner) = before.source(&object.key).filter(|owner| *owner != source) {
                return Err(ApplyError::Owned {
                    key: object.key.clone(),
                    owner: owner.to_owned(),
                    asked: source.to_owned(),
                });
            }
            listed.insert(&object.key);
            if before.object(&object.key).is_none_or(|known| **known != *object) {
                put.insert(object.key.clone(), Arc::new(object.clone()));
            }
        }
        let remove = before
            .of_source(source)
            .filter(|key| !listed.contains(key))
            .cloned()
            .collect();
        Ok(Self { put, remove })
    }

    fn write(
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
            put,
            remove: self
                .remove
                .iter()
                .map(place)
                .chain(before.foreign(source).cloned())
                .collect(),
            renderings: Some(renderings),
            at,
        })
    }

    fn told(&self, source: &str, reading: &SourceReading) -> Applied {
        Applied {
            source: source.to_owned(),
            objects: reading.objects.len(),
            changed: self.put.keys().map(ToString::to_string).collect(),
            removed: self.remove.iter().map(ToString::to_string).collect(),
            warnings: reading.warnings.iter().map(ToString::to_string).collect(),
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

/// What every approved device would lose.
async fn loss(store: &dyn Store, before: &Current, after: &Current) -> Result<Loss, StoreError> {
    let mut loss = Loss::default();
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    loop {
        let listed = store.list(Some(Phase::Approved), page.clone()).await?;
        for device in &listed {
            if let Some(stored) = store.load(&device.id).await? {
                loss.count(
                    &device.id,
                    &selected(&stored.device, before),
                    &selected(&stored.device, after),
                );
            }
        }
        match listed.last() {
            Some(last) if listed.len() == page.limit => page.after = Some(last.id.clone()),
            _ => return Ok(loss),
        }
    }
}
