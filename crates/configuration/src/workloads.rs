//! The workloads of a namespace: in which form each can be handed out, and which of them a device
//! gets.
//!
//! Selectors are evaluated as they are written; the two indexes only spare those that cannot match.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use manifests::{Key, Object, kinds::EdgeWorkload};
use serde_json::Value;

use crate::{
    fault::{Fault, Trouble},
    last_good::Former,
    lookup::Objects,
    parts::{self, Parts},
    render::{self, Rendering},
    selector::Selector,
};

/// What follows for the devices of a namespace with a workload of which nobody can say whom it
/// selects.
const NAMESPACE_WAITS: &str = "until it is fixed the devices of its namespace keep what they have";

/// The workloads of a namespace.
#[derive(Default)]
pub(crate) struct Workloads {
    by_name: BTreeMap<String, Candidate>,
    /// Names of workloads for one device each.
    by_device: HashMap<String, Vec<String>>,
    /// Names of workloads whose devices all have this label.
    by_label: HashMap<(String, String), Vec<String>>,
    /// Names of the others that select any.
    others: Vec<String>,
    /// By name, those of which nobody can say whom they select.
    unclear: BTreeMap<String, Unclear>,
}

/// A workload of which nobody can say whom it selects.
struct Unclear {
    key: Key,
    trouble: Trouble,
    /// The named parts of its pod, as far as that can be read.
    parts: Option<Arc<Parts>>,
}

/// A workload of a namespace.
pub(crate) struct Candidate {
    pub(crate) key: Key,
    /// The one device that it is for; empty for none, and then the selector counts.
    device: String,
    selector: Option<Selector>,
    pub(crate) state: State,
    /// The named parts of what devices have of it, as far as they are known.
    pub(crate) parts: Option<Arc<Parts>>,
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

impl Candidate {
    /// It and the parts of what devices have of it, as far as they are known.
    pub(crate) fn holding(&self) -> (String, Option<Arc<Parts>>) {
        (self.key.name.clone(), self.parts.clone())
    }

    /// Whether both are for the same devices, whichever there are.
    pub(crate) fn selects_as(&self, other: &Self) -> bool {
        (&self.device, &self.selector) == (&other.device, &other.selector)
    }
}

impl Workloads {
    /// Adds a workload, and says what is wrong with it.
    pub(crate) fn add(
        &mut self,
        object: &Object,
        former: &mut Former,
        objects: &Objects,
        faults: &mut Vec<Fault>,
    ) {
        let key = &object.key;
        let workload: EdgeWorkload = match object.read() {
            Ok(workload) => workload,
            Err(error) => {
                self.set_unclear(object, Trouble::misread(&error), faults);
                former.carry(key);
                return;
            }
        };
        let selector = self.index(object, &workload, faults);
        let state = match render::workload(object, &workload, objects) {
            Ok(rendering) => State::Good(Arc::new(rendering)),
            Err(trouble) => former.state(key, trouble, objects),
        };
        match &state {
            State::Good(_) => {}
            State::Stale(_, trouble) => {
                faults.push(trouble.fault(key, "devices get it in its last good form"));
            }
            State::Broken(trouble) | State::Unreadable(trouble) => {
                faults.push(trouble.fault(key, "devices get it when that is fixed"));
            }
        }
        let parts = match &state {
            State::Good(rendering) | State::Stale(rendering, _) => rendering.parts.clone(),
            // What cannot be read is a Secret or a last good form; this is what it was made of.
            State::Unreadable(_) => parts_of(&object.document["spec"]["pod"]["spec"]),
            State::Broken(_) => None,
        };
        let candidate = Candidate {
            key: key.clone(),
            device: workload.spec.device,
            selector,
            state,
            parts,
        };
        self.by_name.insert(key.name.clone(), candidate);
    }

    fn index(
        &mut self,
        object: &Object,
        workload: &EdgeWorkload,
        faults: &mut Vec<Fault>,
    ) -> Option<Selector> {
        let name = object.key.name.clone();
        if !workload.spec.device.is_empty() {
            let device = workload.spec.device.clone();
            self.by_device.entry(device).or_default().push(name);
            return None;
        }
        match Selector::parse(workload.spec.device_selector.as_ref()?) {
            Ok(selector) => {
                match selector.pair() {
                    Some((key, value)) => {
                        let pair = (key.to_owned(), value.to_owned());
                        self.by_label.entry(pair).or_default().push(name);
                    }
                    None => self.others.push(name),
                }
                Some(selector)
            }
            Err(invalid) => {
                let trouble = Trouble::new("SelectorInvalid", format!("spec.deviceSelector: {invalid}"));
                self.set_unclear(object, trouble, faults);
                None
            }
        }
    }

    fn set_unclear(&mut self, object: &Object, trouble: Trouble, faults: &mut Vec<Fault>) {
        faults.push(trouble.fault(&object.key, NAMESPACE_WAITS));
        let unclear = Unclear {
            key: object.key.clone(),
            trouble,
            parts: parts_of(&object.document["spec"]["pod"]["spec"]),
        };
        self.unclear.insert(object.key.name.clone(), unclear);
    }

    /// Why nobody can say which workloads a device gets, if so: a workload and what is wrong with
    /// it.
    pub(crate) fn unclear(&self) -> Option<(&Key, &Trouble)> {
        let unclear = self.unclear.values().next_back()?;
        Some((&unclear.key, &unclear.trouble))
    }

    /// The workloads of which nobody can say whom they select, with the named parts of their pods
    /// as far as these can be read.
    pub(crate) fn all_unclear(&self) -> impl Iterator<Item = (&String, Option<&Arc<Parts>>)> {
        let all = self.unclear.iter();
        all.map(|(name, unclear)| (name, unclear.parts.as_ref()))
    }

    /// The workloads for a device, in the order of their names.
    pub(crate) fn selected(&self, device: &str, labels: &BTreeMap<String, String>) -> Vec<&Candidate> {
        let by_device = self.by_device.get(device).into_iter().flatten();
        let by_label = labels.iter().flat_map(|(key, value)| {
            let pair = (key.clone(), value.clone());
            self.by_label.get(&pair).into_iter().flatten()
        });
        let matching = by_label.chain(&self.others).filter(|name| {
            let candidate = self.by_name.get(*name);
            let selector = candidate.and_then(|candidate| candidate.selector.as_ref());
            selector.is_some_and(|selector| selector.matches(labels))
        });
        let names: BTreeSet<&String> = by_device.chain(matching).collect();
        names
            .into_iter()
            .filter_map(|name| self.by_name.get(name))
            .collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Candidate> {
        self.by_name.get(name)
    }

    /// All of them, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.by_name.values()
    }
}

/// The named parts of a PodSpec; `None` if it has no container, so that nobody knows what runs.
fn parts_of(pod: &Value) -> Option<Arc<Parts>> {
    (!parts::is_empty(pod)).then(|| Arc::new(parts::of(pod)))
}
