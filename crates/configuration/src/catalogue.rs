//! Everything that configurations follow from, read whole and never changed: a change of an object
//! makes another catalogue.
//!
//! What does not depend on the device is made here, once: the wire form of each workload, and each
//! selector.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use contract::{DeviceId, Namespace};
use manifests::{
    Key, Kind, Object,
    kinds::{DeviceSettings, EdgeDevice},
};
use serde_json::Value;

use crate::{
    fault::{Fault, Trouble},
    last_good::Former,
    lookup::Objects,
    parts::{Holdings, Lost, lost},
    settings::{Sets, Settings},
    workloads::{Candidate, State, Workloads},
};

/// An object that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedAway {
    /// Which one.
    pub key: Key,
    /// Why it cannot be read, and what to do.
    pub why: String,
}

/// A workload as it could last be rendered, with all that belongs to it. `Debug` does not show it:
/// Secrets are in it.
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
    /// By namespace.
    workloads: BTreeMap<String, Workloads>,
    devices: HashMap<(String, String), Described>,
    pub(crate) sets: Sets,
    /// Of a device that neither a set nor an EdgeDevice says anything for.
    pub(crate) defaults: Settings,
    faults: Vec<Fault>,
    /// Last good forms of workloads that have no form now, because something cannot be read.
    carried: Vec<LastGood>,
}

/// The labels of an EdgeDevice, and what it says.
type Described = (BTreeMap<String, String>, Result<EdgeDevice, Trouble>);

impl Catalogue {
    /// From everything that there is: a workload that cannot be rendered from the objects keeps its
    /// last good form.
    pub fn new(
        objects: Vec<Arc<Object>>,
        sealed: Vec<SealedAway>,
        last_good: Vec<LastGood>,
        lost: Vec<UnreadableRendering>,
        policy: Policy,
    ) -> Self {
        let objects = Objects::new(objects, sealed);
        let mut former = Former::new(last_good, lost);
        let mut workloads: BTreeMap<String, Workloads> = BTreeMap::new();
        let mut devices = HashMap::new();
        let mut sets = Sets::default();
        let mut faults = Vec::new();
        for object in objects.iter() {
            match object.key.kind {
                Kind::EdgeWorkload => {
                    let of_namespace = workloads.entry(object.key.namespace.clone()).or_default();
                    of_namespace.add(object, &mut former, &objects, &mut faults);
                }
                Kind::EdgeDevice => {
                    let place = (object.key.namespace.clone(), object.key.name.clone());
                    let device = object.read::<EdgeDevice>().map_err(|error| {
                        let trouble = Trouble::misread(&error);
                        faults.push(trouble.fault(&object.key, "the device keeps the configuration it has"));
                        trouble
                    });
                    devices.insert(place, (object.labels.clone(), device));
                }
                Kind::EdgeDeviceSet => {
                    if let Err(trouble) = sets.add(&object.key, &objects) {
                        faults
                            .push(trouble.fault(&object.key, "its members keep the configuration they have"));
                    }
                }
                _ => {}
            }
        }
        let defaults = Settings::read(&DeviceSettings::default(), "", &objects);
        Self {
            objects,
            policy,
            workloads,
            devices,
            sets,
            defaults,
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
        let all = self.workloads.values().flat_map(Workloads::iter);
        all.map(|workload| (workload.key.namespace.as_str(), workload.key.name.as_str()))
    }

    /// How many bytes of wire forms of workloads there are, each held once for all devices that get
    /// it.
    pub fn shared_bytes(&self) -> usize {
        let all = self.workloads.values().flat_map(Workloads::iter);
        all.map(|candidate| match &candidate.state {
            State::Good(rendering) | State::Stale(rendering, _) => rendering.json.len(),
            State::Broken(_) | State::Unreadable(_) => 0,
        })
        .sum()
    }

    /// The last good form of every workload that has one, to be kept with the objects; also of one
    /// that is not delivered now because a Secret cannot be read.
    pub fn renderings(&self) -> Vec<LastGood> {
        let all = self.workloads.values().flat_map(Workloads::iter);
        all.filter_map(|candidate| match &candidate.state {
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

    /// What a device has by this catalogue: the same with the parts of each, as far as they are
    /// known, which of a workload that never had a good form they are not.
    ///
    /// While nobody can say whom a workload selects, the devices of its namespace keep what they
    /// have. So it is among what a device has that reported it.
    pub fn holdings(&self, subject: &Subject<'_>) -> Holdings {
        let workloads = self.workloads.get(subject.namespace.as_str());
        let unclear = workloads.into_iter().flat_map(Workloads::all_unclear);
        let kept = unclear.filter(|(name, _)| (subject.reported)(name));
        self.candidates(subject)
            .into_iter()
            .map(Candidate::holding)
            .chain(kept.map(|(name, parts)| (name.clone(), parts.cloned())))
            .collect()
    }

    /// The first thing that a device could lose where this catalogue is followed by another, if
    /// nothing is known of it but its name: of a workload that is gone, or is for other devices, or
    /// of any in a namespace where its EdgeDevice has other labels, it may have been one that has
    /// it.
    pub fn may_lose(&self, after: &Self, device: &str) -> Option<Lost> {
        self.workloads.iter().find_map(|(namespace, workloads)| {
            let labels = |of: &Self| of.manifest_labels(namespace, device).clone();
            let then = after.workloads.get(namespace);
            let then = then.filter(|_| labels(self) == labels(after));
            workloads.iter().find_map(|candidate| {
                let then = then.and_then(|then| then.get(&candidate.key.name));
                let then = then.filter(|then| then.selects_as(candidate));
                let has = then.into_iter().map(Candidate::holding).collect();
                lost(&Holdings::from([candidate.holding()]), &has)
                    .into_iter()
                    .next()
            })
        })
    }

    /// The workloads that are selected for a device, in the order of their names.
    pub(crate) fn candidates(&self, subject: &Subject<'_>) -> Vec<&Candidate> {
        match self.workloads.get(subject.namespace.as_str()) {
            Some(workloads) => workloads.selected(subject.id.as_str(), subject.labels),
            None => Vec::new(),
        }
    }

    /// Why nobody can say which workloads are selected in a namespace, if so: a workload and what
    /// is wrong with it.
    pub(crate) fn unclear(&self, namespace: &str) -> Option<(&Key, &Trouble)> {
        self.workloads.get(namespace)?.unclear()
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
