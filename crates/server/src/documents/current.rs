//! What the store holds, as the catalogue that devices are configured by.

use std::{collections::BTreeMap, sync::Arc};

use configuration::{Catalogue, LastGood, Policy, SealedAway, UnreadableRendering};
use contract::{DeviceId, Namespace};
use fleet::enrolment::Preapproval;
use manifests::{Key, Kind, Object, kinds::EdgeDeviceSignedRequest};
use store::{Body, Document, Documents, Revision};

/// Everything that configurations follow from, at one revision of the store's documents.
#[derive(Debug)]
pub struct Current {
    /// That revision.
    pub revision: Revision,
    /// What devices are configured by.
    pub catalogue: Catalogue,
    /// Secrets and renderings that are there and cannot be read, one sentence each.
    pub unreadable: Vec<String>,
    /// The sources as they were last applied.
    pub applied: Vec<store::Source>,
    /// Devices whose EdgeDeviceSignedRequest says that they are approved.
    approvals: BTreeMap<DeviceId, Preapproval>,
    contents: Contents,
}

/// What is in the store, read as far as it can be.
#[derive(Clone, Debug, Default)]
struct Contents {
    objects: BTreeMap<Key, Arc<Object>>,
    /// Which source each object is from, also of those that cannot be read.
    sources: BTreeMap<Key, String>,
    sealed: Vec<SealedAway>,
    last_good: Vec<LastGood>,
    lost: Vec<UnreadableRendering>,
}

/// A document that is no Secret and cannot be read. Nobody can be configured without knowing what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{place} in the store cannot be read: {reason}; restore the store from a backup, or apply the source of this object again"
)]
pub struct Damaged {
    place: String,
    reason: String,
}

impl Current {
    /// Reads the documents of a store.
    pub fn read(documents: Documents, strict: bool) -> Result<Self, Damaged> {
        let mut contents = Contents::default();
        for document in documents.documents {
            // Of a newer program that also said it can be worked on without it.
            let Some(kind) = Kind::named(&document.key.kind) else {
                continue;
            };
            let key = Key::new(kind, document.key.namespace.clone(), document.key.name.clone());
            match object(&key, &document)? {
                Read::Object(object) => {
                    contents.objects.insert(key.clone(), Arc::new(object));
                }
                Read::Sealed { why } => contents.sealed.push(SealedAway {
                    key: key.clone(),
                    why,
                }),
            }
            contents.sources.insert(key, document.source);
        }
        for rendering in documents.renderings {
            let (namespace, workload) = (rendering.key.namespace, rendering.key.name);
            let read = match rendering.body {
                Body::Plain(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
                Body::Unreadable { why, .. } => Err(why),
            };
            match read {
                Ok(document) => contents.last_good.push(LastGood {
                    namespace,
                    workload,
                    document,
                }),
                Err(why) => contents.lost.push(UnreadableRendering {
                    namespace,
                    workload,
                    why,
                }),
            }
        }
        Ok(Self::of(contents, documents.revision, documents.sources, strict))
    }

    /// What the store would hold after a change.
    #[must_use]
    pub fn with(&self, source: &str, put: &BTreeMap<Key, Arc<Object>>, remove: &[Key], strict: bool) -> Self {
        let mut contents = self.contents.clone();
        for key in remove {
            contents.objects.remove(key);
            contents.sources.remove(key);
        }
        for (key, object) in put {
            contents.objects.insert(key.clone(), Arc::clone(object));
            contents.sources.insert(key.clone(), source.to_owned());
        }
        contents
            .sealed
            .retain(|sealed| !put.contains_key(&sealed.key) && !remove.contains(&sealed.key));
        Self::of(contents, self.revision, self.applied.clone(), strict)
    }

    fn of(contents: Contents, revision: Revision, applied: Vec<store::Source>, strict: bool) -> Self {
        let sealed = contents
            .sealed
            .iter()
            .map(|sealed| format!("{} cannot be read: {}", sealed.key, sealed.why));
        let lost = contents.lost.iter().map(|lost| {
            format!(
                "the last good form of EdgeWorkload {}/{} cannot be read: {}",
                lost.namespace, lost.workload, lost.why
            )
        });
        Self {
            revision,
            unreadable: sealed.chain(lost).collect(),
            applied,
            approvals: contents
                .objects
                .values()
                .filter_map(|object| approval(object))
                .collect(),
            catalogue: Catalogue::new(
                contents.objects.values().cloned().collect(),
                contents.sealed.clone(),
                contents.last_good.clone(),
                contents.lost.clone(),
                Policy { strict },
            ),
            contents,
        }
    }

    /// Whether a device was approved by a manifest before it came.
    pub fn preapproval(&self, id: &DeviceId) -> Option<&Preapproval> {
        self.approvals.get(id)
    }

    /// The source that an object is from.
    pub fn source(&self, key: &Key) -> Option<&str> {
        self.contents.sources.get(key).map(String::as_str)
    }

    /// The objects of a source, also those that cannot be read.
    pub fn of_source<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a Key> {
        self.contents
            .sources
            .iter()
            .filter(move |(_, of)| *of == source)
            .map(|(key, _)| key)
    }

    /// Every object with its source, also of those that cannot be read.
    pub fn keys(&self) -> impl Iterator<Item = (&Key, &str)> {
        self.contents
            .sources
            .iter()
            .map(|(key, source)| (key, source.as_str()))
    }

    /// Every object that could be read.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = &Arc<Object>> {
        self.contents.objects.values()
    }

    /// One object.
    pub fn object(&self, key: &Key) -> Option<&Arc<Object>> {
        self.contents.objects.get(key)
    }
}

enum Read {
    Object(Object),
    Sealed { why: String },
}

fn object(key: &Key, document: &Document) -> Result<Read, Damaged> {
    let reason = match &document.body {
        Body::Plain(text) => match serde_json::from_str::<Object>(text) {
            Ok(object) if object.key == *key => return Ok(Read::Object(object)),
            Ok(other) => format!("it calls itself {}", other.key),
            Err(error) => error.to_string(),
        },
        Body::Unreadable { why, .. } => why.clone(),
    };
    if key.kind == Kind::Secret {
        Ok(Read::Sealed { why: reason })
    } else {
        Err(Damaged {
            place: key.to_string(),
            reason,
        })
    }
}

/// An approval in an EdgeDeviceSignedRequest. Its own namespace does not matter, as in Flotta: it names the target.
fn approval(object: &Object) -> Option<(DeviceId, Preapproval)> {
    if object.key.kind != Kind::EdgeDeviceSignedRequest {
        return None;
    }
    let request: EdgeDeviceSignedRequest = object.read().ok()?;
    if !request.spec.approved {
        return None;
    }
    let namespace = Namespace::parse(&request.spec.target_namespace).ok()?;
    let set = Some(request.spec.target_set).filter(|set| !set.is_empty());
    Some((
        DeviceId::parse(&object.key.name).ok()?,
        Preapproval { namespace, set },
    ))
}
