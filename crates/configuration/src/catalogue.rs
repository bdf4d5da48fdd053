//! Everything that configurations follow from, read whole and never changed: a change of an object makes another catalogue.
//!
//! What does not depend on the device is made here, once: the wire form of each workload, and each selector.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use contract::{DeviceId, Namespace};
use manifests::{
    Key, Kind, Object,
    kinds::{EdgeDevice, EdgeDeviceSet, EdgeWorkload},
};
use serde_json::Value;

use crate::{
    fault::{Fault, Trouble},
    former::Former,
    lookup::Objects,
    render::{self, Rendering},
    sections,
    selector::Selector,
};

/// An object that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedAway {
    /// Which one.
    pub key: Key,
    /// Why it cannot be read, and what to do.
    pub why: String,
}

/// A workload as it could last be rendered, with all that belongs to it. `Debug` does not show it: Secrets are in it.
#[derive(Clone, PartialEq)]
pub struct LastGood {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub workload: String,
    /// To be kept as it is, and to be given back.
    pub document: Value,
}

impl std::fmt::Debug for LastGood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LastGood({}/{})", self.namespace, self.workload)
    }
}

/// A last good form that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRendering {
    /// Namespace of the workload.
    pub namespace: String,
    /// Its name.
    pub workload: String,
    /// Why it cannot be read, and what to do.
    pub why: String,
}

/// What can be set about assembly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// One broken workload fails the whole configuration of each device that runs it, as in Flotta.
    pub strict: bool,
}

/// A device, as far as its configuration follows from it.
pub struct Subject<'a> {
    /// Its id; the name of its EdgeDevice.
    pub id: &'a DeviceId,
    /// Where it lives.
    pub namespace: &'a Namespace,
    /// Its labels of all origins.
    pub labels: &'a BTreeMap<String, String>,
    /// Whether it ever reported a workload of this name, or might have.
    pub reported: Box<dyn Fn(&str) -> bool + 'a>,
}

/// All objects, indexed, with every workload rendered.
pub struct Catalogue {
    pub(crate) objects: Objects,
    pub(crate) policy: Policy,
    namespaces: BTreeMap<String, InNamespace>,
    devices: HashMap<(String, String), Described>,
    faults: Vec<Fault>,
    /// Last good forms of workloads that have no form now, because something cannot be read.
    carried: Vec<LastGood>,
}

/// The labels of an EdgeDevice, and what it says.
type Described = (BTreeMap<String, String>, Result<EdgeDevice, Trouble>);

#[derive(Default)]
struct InNamespace {
    workloads: BTreeMap<String, Candidate>,
    /// Names of workloads for one device each.
    by_device: HashMap<String, Vec<String>>,
    /// Names of workloads whose devices all have this label.
    by_label: HashMap<(String, String), Vec<String>>,
    /// Names of the others that select any.
    others: Vec<String>,
    /// Workloads of which nobody can say whom they select.
    unclear: Option<Trouble>,
}

/// A workload of a namespace.
pub(crate) struct Candidate {
    pub(crate) key: Key,
    selector: Option<Selector>,
    pub(crate) state: State,
}

/// What there is of a workload to hand out.
pub(crate) enum State {
    /// It could be rendered.
    Good(Arc<Rendering>),
    /// It cannot be rendered now; this is its last good form.
    Stale(Arc<Rendering>, Trouble),
    /// There never was a good form.
    Broken(Trouble),
    /// There is something that cannot be read.
    Unreadable(Trouble),
}

impl State {
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Good(_) => None,
            Self::Stale(_, trouble) | Self::Broken(trouble) | Self::Unreadable(trouble) => Some(trouble),
        }
    }
}

impl Catalogue {
    /// From everything that there is: a workload that cannot be rendered from the objects keeps its last good form.
    pub fn new(
        objects: Vec<Arc<Object>>,
        sealed: Vec<SealedAway>,
        last_good: Vec<LastGood>,
        lost: Vec<UnreadableRendering>,
        policy: Policy,
    ) -> Self {
        let objects = Objects::new(objects, sealed);
        let mut former = Former::new(last_good, lost);
        let mut namespaces: BTreeMap<String, InNamespace> = BTreeMap::new();
        let mut devices = HashMap::new();
        let mut faults = Vec::new();
        for object in objects.iter() {
            match object.key.kind {
                Kind::EdgeWorkload => {
                    let place = namespaces.entry(object.key.namespace.clone()).or_default();
                    add(place, object, &mut former, &objects, &mut faults);
                }
                Kind::EdgeDevice => {
                    let place = (object.key.namespace.clone(), object.key.name.clone());
                    let device = object.read::<EdgeDevice>().map_err(|error| {
                        let trouble = Trouble::new("ObjectInvalid", error.to_string());
                        faults.push(fault(
                            &object.key,
                            &trouble,
                            "the device keeps the configuration it has",
                        ));
                        trouble
                    });
                    devices.insert(place, (object.labels.clone(), device));
                }
                Kind::EdgeDeviceSet => {
                    let set: EdgeDeviceSet = object.read().unwrap_or_default();
                    if let Err(trouble) = sections::of(&set.spec, &object.key.namespace, &objects) {
                        faults.push(fault(
                            &object.key,
                            &trouble,
                            "its members keep the configuration they have",
                        ));
                    }
                }
                _ => {}
            }
        }
        Self {
            objects,
            policy,
            namespaces,
            devices,
            faults,
            carried: former.carried,
        }
    }

    /// What is wrong with workloads and sets, whichever devices they are for.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// All workloads, as namespace and name.
    pub fn workloads(&self) -> impl Iterator<Item = (&str, &str)> {
        self.namespaces.iter().flat_map(|(namespace, place)| {
            place
                .workloads
                .keys()
                .map(move |name| (namespace.as_str(), name.as_str()))
        })
    }

    /// The last good form of every workload that has one, to be kept with the objects; also of one that is not delivered now
    /// because a Secret cannot be read.
    pub fn renderings(&self) -> Vec<LastGood> {
        let candidates = self
            .namespaces
            .values()
            .flat_map(|place| place.workloads.values());
        candidates
            .filter_map(|candidate| match &candidate.state {
                State::Good(rendering) | State::Stale(rendering, _) => Some(LastGood {
                    namespace: candidate.key.namespace.clone(),
                    workload: candidate.key.name.clone(),
                    document: rendering.kept().ok()?,
                }),
                State::Broken(_) | State::Unreadable(_) => None,
            })
            .chain(self.carried.iter().cloned())
            .collect()
    }

    /// The labels in a device's EdgeDevice; none if it has none.
    pub fn manifest_labels(&self, namespace: &str, id: &str) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.device(namespace, id).map_or(&NONE, |(labels, _)| labels)
    }

    pub(crate) fn device(&self, namespace: &str, id: &str) -> Option<&Described> {
        self.devices.get(&(namespace.to_owned(), id.to_owned()))
    }

    /// The names of the workloads that are selected for a device.
    pub fn selected(&self, subject: &Subject<'_>) -> BTreeSet<String> {
        self.candidates(subject)
            .into_iter()
            .map(|candidate| candidate.key.name.clone())
            .collect()
    }

    /// The workloads that are selected for a device, in the order of their names.
    pub(crate) fn candidates(&self, subject: &Subject<'_>) -> Vec<&Candidate> {
        let Some(place) = self.namespaces.get(subject.namespace.as_str()) else {
            return Vec::new();
        };
        let by_device = place.by_device.get(subject.id.as_str()).into_iter().flatten();
        let by_label = subject.labels.iter().flat_map(|(key, value)| {
            let pair = (key.clone(), value.clone());
            place.by_label.get(&pair).into_iter().flatten()
        });
        let matching = by_label
            .chain(&place.others)
            .filter(|name| place.selects(name, subject.labels));
        let names: BTreeSet<&String> = by_device.chain(matching).collect();
        names
            .into_iter()
            .filter_map(|name| place.workloads.get(name))
            .collect()
    }

    /// Why nobody can say which workloads are selected in a namespace, if so.
    pub(crate) fn unclear(&self, namespace: &str) -> Option<&Trouble> {
        self.namespaces.get(namespace)?.unclear.as_ref()
    }
}

impl InNamespace {
    fn selects(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.workloads
            .get(name)
            .and_then(|candidate| candidate.selector.as_ref())
            .is_some_and(|selector| selector.matches(labels))
    }
}

fn add(
    place: &mut InNamespace,
    object: &Object,
    former: &mut Former,
    objects: &Objects,
    faults: &mut Vec<Fault>,
) {
    let key = object.key.clone();
    let read = object
        .read::<EdgeWorkload>()
        .map_err(|error| Trouble::new("ObjectInvalid", error.to_string()));
    let workload = match read {
        Ok(workload) => workload,
        Err(trouble) => {
            faults.push(fault(
                &key,
                &trouble,
                "the namespace's devices keep what they have",
            ));
            place.unclear = Some(trouble);
            former.carry(&key);
            return;
        }
    };
    let name = key.name.clone();
    let mut selector = None;
    if !workload.spec.device.is_empty() {
        place
            .by_device
            .entry(workload.spec.device.clone())
            .or_default()
            .push(name.clone());
    } else if let Some(written) = &workload.spec.device_selector {
        match Selector::parse(written) {
            Ok(valid) => {
                let list = match valid.pair() {
                    Some((key, value)) => place
                        .by_label
                        .entry((key.to_owned(), value.to_owned()))
                        .or_default(),
                    None => &mut place.others,
                };
                list.push(name.clone());
                selector = Some(valid);
            }
            Err(invalid) => {
                let trouble = Trouble::new("SelectorInvalid", format!("spec.deviceSelector: {invalid}"));
                faults.push(fault(
                    &key,
                    &trouble,
                    "the namespace's devices keep what they have",
                ));
                place.unclear = Some(trouble);
            }
        }
    }
    let state = match render::workload(object, &workload, objects) {
        Ok(rendering) => State::Good(Arc::new(rendering)),
        Err(trouble) => former.state(&key, trouble, objects),
    };
    if let Some(trouble) = state.trouble() {
        let follows = match &state {
            State::Stale(..) => "devices get it in its last good form",
            _ => "devices get it when that is mended",
        };
        faults.push(fault(&key, trouble, follows));
    }
    place.workloads.insert(name, Candidate { key, selector, state });
}

fn fault(object: &Key, trouble: &Trouble, follows: &str) -> Fault {
    Fault {
        object: object.clone(),
        reason: trouble.reason,
        message: format!("{}; {follows}", trouble.message),
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue")
            .field("workloads", &self.workloads().count())
            .field("devices", &self.devices.len())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
