//! What the store holds, as the catalogue that devices are configured by.

use std::{collections::BTreeMap, sync::Arc};

use configuration::{Catalogue, LastGood, Policy, SealedAway, UnreadableRendering};
use contract::{DeviceId, Namespace};
use fleet::enrolment::Preapproval;
use manifests::{Key, Kind, Object, kinds::EdgeDeviceSignedRequest};
use store::{Body, DocumentKey, Documents, Revision};

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
    /// Devices that have an EdgeDeviceSignedRequest.
    requests: BTreeMap<DeviceId, Request>,
    contents: Contents,
}

/// An EdgeDeviceSignedRequest.
#[derive(Clone, Debug)]
struct Request {
    approved: bool,
    says: Preapproval,
}

/// What is in the store, read as far as it can be.
#[derive(Clone, Debug, Default)]
struct Contents {
    objects: BTreeMap<Key, Arc<Object>>,
    /// Which source each object is from, also of those that cannot be read.
    sources: BTreeMap<Key, String>,
    /// Documents of kinds that this program does not know, with their sources.
    foreign: Vec<(DocumentKey, String)>,
    sealed: Vec<SealedAway>,
    last_good: Vec<LastGood>,
    lost: Vec<UnreadableRendering>,
}

/// What the store holds is not whole. Nobody can be configured without knowing all of it: a device
/// that it says nothing about would lose what it runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// A document that is no Secret cannot be read.
    #[error(
        "{key} in the store cannot be read: {reason}; restore the store from a backup, or take source {source_name:?} over \
         again and confirm it"
    )]
    Document {
        /// Which one.
        key: Key,
        /// Why not.
        reason: String,
        /// Where it is from.
        source_name: String,
    },
    /// A row is not what was written, so that nobody knows which document it is, or was.
    #[error(
        "{0}; restore the store from a backup, or take the source that it belongs to over again and confirm it"
    )]
    Row(String),
    /// A source has not as many documents as were written.
    #[error(
        "the store holds {found} of the {written} objects of source {source_name:?}; restore the whole store from a backup, or \
         take that source over again and confirm it"
    )]
    Incomplete {
        /// The source.
        source_name: String,
        /// How many were written.
        written: usize,
        /// How many are there.
        found: usize,
    },
    /// Something was written once, and nothing is there, though nobody has emptied a source.
    #[error(
        "the store holds no manifest although it was given some; restore the whole store from a backup, or take all sources \
         over again and confirm it"
    )]
    Gone,
    /// There is a last good form of a workload that is not there.
    #[error(
        "the store holds the last good form of EdgeWorkload {namespace}/{name} and not the workload; restore the whole store \
         from a backup, or take the source of the workload over again and confirm it"
    )]
    Orphan {
        /// The workload's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Current {
    /// Reads the documents of a store.
    pub fn read(documents: Documents, strict: bool) -> Result<Self, Damaged> {
        let (current, damage) = Self::salvage(documents, strict);
        match damage.into_iter().next() {
            Some(damaged) => Err(damaged),
            None => Ok(current),
        }
    }

    /// What can be read of the documents of a store, and what is wrong with the rest. No device may
    /// be configured by it unless nothing is.
    pub(super) fn salvage(documents: Documents, strict: bool) -> (Self, Vec<Damaged>) {
        let mut contents = Contents::default();
        let mut damage = incomplete(&documents);
        damage.extend(documents.damaged_sources.into_iter().map(Damaged::Row));
        for document in documents.documents {
            // Before anything of it is looked at: what it calls itself may be what is wrong.
            if let Body::Damaged { why } = document.body {
                damage.push(Damaged::Row(why));
                continue;
            }
            // Of a newer program that also said it can be worked on without it.
            let Some(kind) = Kind::named(&document.key.kind) else {
                contents.foreign.push((document.key, document.source));
                continue;
            };
            let key = Key::new(kind, document.key.namespace.clone(), document.key.name.clone());
            match object(&key, &document.body) {
                Ok(object) => {
                    contents.objects.insert(key.clone(), Arc::new(object));
                }
                Err(why) if kind == Kind::Secret => contents.sealed.push(SealedAway {
                    key: key.clone(),
                    why,
                }),
                Err(reason) => damage.push(Damaged::Document {
                    key: key.clone(),
                    reason,
                    source_name: document.source.clone(),
                }),
            }
            contents.sources.insert(key, document.source);
        }
        for rendering in documents.renderings {
            if let Body::Damaged { why } = rendering.body {
                damage.push(Damaged::Row(why));
                continue;
            }
            let (namespace, workload) = (rendering.key.namespace, rendering.key.name);
            let key = Key::new(Kind::EdgeWorkload, namespace.clone(), workload.clone());
            if !contents.sources.contains_key(&key) {
                // The store keeps what nobody here could read, also of a workload that was removed
                // since.
                if matches!(rendering.body, Body::Plain(_)) {
                    damage.push(Damaged::Orphan {
                        namespace,
                        name: workload,
                    });
                }
                continue;
            }
            let read = match rendering.body {
                // The error's text could show a value.
                Body::Plain(text) => serde_json::from_str(&text).map_err(|_| "it is no JSON".to_owned()),
                Body::Unreadable { why, .. } | Body::Damaged { why } => Err(why),
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
        let current = Self::of(contents, documents.revision, documents.sources, strict);
        (current, damage)
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
            requests: requests(&contents),
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
        self.requests
            .get(id)
            .filter(|request| request.approved)
            .map(|request| &request.says)
    }

    /// What a manifest says of a device's approval, given or not.
    pub fn request(&self, id: &DeviceId) -> Option<&Preapproval> {
        self.requests.get(id).map(|request| &request.says)
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

    /// The documents of a source that are of no known kind, so that its next change removes them.
    pub(super) fn foreign<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a DocumentKey> {
        self.contents
            .foreign
            .iter()
            .filter(move |(_, of)| of == source)
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

fn object(key: &Key, body: &Body) -> Result<Object, String> {
    match body {
        Body::Plain(text) => match serde_json::from_str::<Object>(text) {
            Ok(object) if object.key == *key => Ok(object),
            Ok(other) => Err(format!("it calls itself {}", other.key)),
            // The error's text could show a value of a Secret.
            Err(_) if key.kind == Kind::Secret => {
                Err("it is no Secret as this server writes them".to_owned())
            }
            Err(error) => Err(error.to_string()),
        },
        Body::Unreadable { why, .. } | Body::Damaged { why } => Err(why.clone()),
    }
}

/// What is missing, as far as it can be seen: sources have as many documents as their last change
/// left.
fn incomplete(documents: &Documents) -> Vec<Damaged> {
    let found = |source: &str| {
        let of = documents
            .documents
            .iter()
            .filter(|document| document.source == source);
        of.count()
    };
    let differs = |source: &store::Source| {
        let written: usize = source.state.parse().ok()?;
        let found = found(&source.name);
        (found != written).then(|| Damaged::Incomplete {
            source_name: source.name.clone(),
            written,
            found,
        })
    };
    // That sources were emptied is in their rows.
    let was_emptied =
        !documents.sources.is_empty() && documents.sources.iter().all(|source| source.state == "0");
    let gone = (documents.documents.is_empty() && documents.revision != Revision::default() && !was_emptied)
        .then_some(Damaged::Gone);
    gone.into_iter()
        .chain(documents.sources.iter().filter_map(differs))
        .collect()
}

/// By device. Of several in different namespaces one that approves counts before one that does not.
fn requests(contents: &Contents) -> BTreeMap<DeviceId, Request> {
    let mut found = BTreeMap::<DeviceId, Request>::new();
    for (id, request) in contents.objects.values().filter_map(|object| request(object)) {
        if request.approved || !found.get(&id).is_some_and(|before| before.approved) {
            found.insert(id, request);
        }
    }
    found
}

/// An EdgeDeviceSignedRequest. Its own namespace does not matter, as in Flotta: it names the
/// target.
fn request(object: &Object) -> Option<(DeviceId, Request)> {
    if object.key.kind != Kind::EdgeDeviceSignedRequest {
        return None;
    }
    let request: EdgeDeviceSignedRequest = object.read().ok()?;
    let namespace = Namespace::parse(&request.spec.target_namespace).ok()?;
    let set = Some(request.spec.target_set).filter(|set| !set.is_empty());
    Some((
        DeviceId::parse(&object.key.name).ok()?,
        Request {
            approved: request.spec.approved,
            says: Preapproval { namespace, set },
        },
    ))
}
