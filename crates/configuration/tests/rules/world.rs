//! Objects as users write them, and devices that ask for their configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use configuration::{
    Assembly, Catalogue, LastGood, Policy, Refusal, SealedAway, Subject, UnreadableRendering,
};
use contract::{DeviceConfigurationEnvelope, DeviceConfigurationMessage, DeviceId, Namespace};
use manifests::{Key, Kind, Object};

/// Everything that a catalogue is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) objects: BTreeMap<Key, Arc<Object>>,
    pub(crate) sealed: BTreeSet<Key>,
    /// As the store keeps it: text.
    pub(crate) last_good: BTreeMap<(String, String), String>,
    pub(crate) lost: BTreeSet<(String, String)>,
    pub(crate) strict: bool,
}

impl World {
    /// From manifests that have no fault.
    pub(crate) fn of(manifests: &str) -> Self {
        let mut world = Self::default();
        world.apply(manifests);
        world
    }

    pub(crate) fn apply(&mut self, manifests: &str) {
        let reading = manifests::read(manifests, "test");
        assert!(reading.faults.is_empty(), "{:?}", reading.faults);
        assert!(!reading.objects.is_empty(), "no object in {manifests:?}");
        for object in reading.objects {
            self.objects.insert(object.key.clone(), Arc::new(object));
        }
    }

    /// An object that is in the store although admission would refuse it.
    pub(crate) fn force(&mut self, manifest: &str, change: impl FnOnce(&mut Object)) {
        let reading = manifests::read(manifest, "test");
        let mut object = reading.objects.into_iter().next().expect("an object");
        change(&mut object);
        self.objects.insert(object.key.clone(), Arc::new(object));
    }

    pub(crate) fn remove(&mut self, kind: Kind, name: &str) {
        let key = Key::new(kind, "default", name);
        assert!(self.objects.remove(&key).is_some(), "there is no {key}");
    }

    /// Makes a Secret one that is there and cannot be read.
    pub(crate) fn seal(&mut self, name: &str) {
        let key = Key::new(Kind::Secret, "default", name);
        assert!(self.objects.remove(&key).is_some(), "there is no {key}");
        self.sealed.insert(key);
    }

    pub(crate) fn catalogue(&self) -> Catalogue {
        let why = || "it is sealed with key 7, which is not at hand".to_owned();
        let sealed = self.sealed.iter().map(|key| SealedAway {
            key: key.clone(),
            why: why(),
        });
        let last_good = self
            .last_good
            .iter()
            .map(|((namespace, workload), text)| LastGood {
                namespace: namespace.clone(),
                workload: workload.clone(),
                document: serde_json::from_str(text).expect("kept as JSON"),
            });
        let lost = self.lost.iter().map(|(namespace, workload)| UnreadableRendering {
            namespace: namespace.clone(),
            workload: workload.clone(),
            why: why(),
        });
        Catalogue::new(
            self.objects.values().cloned().collect(),
            sealed.collect(),
            last_good.collect(),
            lost.collect(),
            Policy { strict: self.strict },
        )
    }

    /// What a server does with each change: the renderings are stored with the objects.
    pub(crate) fn store(&mut self) {
        let renderings = self.catalogue().renderings();
        self.last_good = renderings
            .into_iter()
            .map(|kept| ((kept.namespace, kept.workload), kept.document.to_string()))
            .collect();
    }
}

/// A device of the namespace `default` that never reported a workload.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) namespace: Namespace,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) reported: BTreeSet<String>,
}

impl Device {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: DeviceId::parse(id).unwrap(),
            namespace: Namespace::parse("default").unwrap(),
            labels: BTreeMap::new(),
            reported: BTreeSet::new(),
        }
    }

    pub(crate) fn labelled(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn having_reported(mut self, workload: &str) -> Self {
        self.reported.insert(workload.to_owned());
        self
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            id: &self.id,
            namespace: &self.namespace,
            labels: &self.labels,
            reported: Box::new(|workload| self.reported.contains(workload)),
        }
    }

    pub(crate) fn ask(&self, world: &World) -> Result<Assembly, Refusal> {
        world.catalogue().assemble(&self.subject())
    }

    /// The configuration of a device that gets one.
    pub(crate) fn gets(&self, world: &World) -> DeviceConfigurationMessage {
        message(&self.ask(world).expect("a configuration"))
    }
}

/// The body of the answer.
pub(crate) fn text(assembly: &Assembly) -> String {
    String::from_utf8(assembly.segments.concat()).expect("UTF-8")
}

/// The answer as the Edge API reads it.
pub(crate) fn message(assembly: &Assembly) -> DeviceConfigurationMessage {
    let envelope: DeviceConfigurationEnvelope = serde_json::from_str(&text(assembly)).expect("an envelope");
    envelope.device_configuration
}

/// The names of the workloads in an answer.
pub(crate) fn names(message: &DeviceConfigurationMessage) -> Vec<&str> {
    message
        .workloads
        .iter()
        .map(|workload| workload.name.as_str())
        .collect()
}

/// JSON text with a line for each element and nothing else changed, for golden files.
pub(crate) fn in_lines(json: &str) -> String {
    let (mut lines, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if quoted {
            lines.push(letter);
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        let next = letters.peek().copied();
        match letter {
            '{' | '[' if matches!(next, Some('}' | ']')) => lines.push(letter),
            '{' | '[' => {
                depth += 1;
                lines.push(letter);
                lines.push('\n');
                lines.push_str(&"  ".repeat(depth));
            }
            '}' | ']' => {
                if !lines.ends_with(['{', '[']) {
                    depth -= 1;
                    lines.push('\n');
                    lines.push_str(&"  ".repeat(depth));
                }
                lines.push(letter);
            }
            ',' => {
                lines.push_str(",\n");
                lines.push_str(&"  ".repeat(depth));
            }
            _ => {
                quoted = letter == '"';
                lines.push(letter);
            }
        }
    }
    lines
}
