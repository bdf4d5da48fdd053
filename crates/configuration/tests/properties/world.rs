//! What there is after some changes, and devices that look at it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use configuration::{Assembly, Catalogue, LastGood, Policy, SealedAway, Subject, UnreadableRendering};
use contract::{DeviceConfigurationEnvelope, DeviceId, Namespace};
use manifests::{Key, Object};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::Value;

use crate::objects::{Change, NAMESPACE, Shown, change};

pub(crate) const DEVICES: [&str; 3] = ["d0", "d1", "d2"];

pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) objects: BTreeMap<Key, Object>,
    pub(crate) sealed: BTreeSet<Key>,
}

impl World {
    pub(crate) fn after(changes: &[Change]) -> Self {
        let mut world = Self::default();
        for change in changes {
            world.apply(change);
        }
        world
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(Shown(object)) => {
                self.objects.insert(object.key.clone(), object.clone());
            }
            Change::Remove(key) => {
                self.objects.remove(key);
            }
            Change::Seal(key, true) if self.objects.contains_key(key) => {
                self.sealed.insert(key.clone());
            }
            Change::Seal(key, _) => {
                self.sealed.remove(key);
            }
        }
        self.sealed.retain(|key| self.objects.contains_key(key));
    }

    pub(crate) fn catalogue(
        &self,
        last_good: Vec<LastGood>,
        lost: Vec<UnreadableRendering>,
        policy: Policy,
    ) -> Catalogue {
        let readable = self
            .objects
            .values()
            .filter(|object| !self.sealed.contains(&object.key));
        let sealed = self.sealed.iter().map(|key| SealedAway {
            key: key.clone(),
            why: "no key".to_owned(),
        });
        Catalogue::new(
            readable.cloned().map(Arc::new).collect(),
            sealed.collect(),
            last_good,
            lost,
            policy,
        )
    }
}

pub(crate) fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    vec(change(), 0..most)
}

/// Labels of each device.
pub(crate) fn labels() -> impl Strategy<Value = [Labels; 3]> {
    let one = || {
        let value = || option::of(select(vec!["", "1", "2"]));
        let set = option::of(select(vec!["m0", "m1", "m2"]));
        (value(), value(), set).prop_map(|(a, b, set)| {
            [("a", a), ("b", b), ("flotta/member-of", set)]
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
                .collect()
        })
    };
    [one(), one(), one()]
}

pub(crate) fn subject<'a>(
    device: &str,
    labels: &'a Labels,
    reported: impl Fn(&str) -> bool + 'a,
) -> Subject<'a> {
    static IDS: LazyLock<BTreeMap<&str, DeviceId>> =
        LazyLock::new(|| DEVICES.into_iter().map(|id| (id, id.parse().unwrap())).collect());
    static PLACE: LazyLock<Namespace> = LazyLock::new(|| NAMESPACE.parse().unwrap());
    Subject {
        id: &IDS[device],
        namespace: &PLACE,
        labels,
        reported: Box::new(reported),
    }
}

/// What reaches the device: read and written again by the Edge API, without the version.
pub(crate) fn message(assembly: &Assembly) -> Value {
    let envelope: Value = serde_json::from_slice(&assembly.segments.concat()).unwrap();
    assert_eq!(envelope["device-configuration"]["version"], assembly.version);
    through_the_edge_api(&envelope["device-configuration"])
}

/// The message as the Edge API reads it and writes it again, without the version.
pub(crate) fn through_the_edge_api(message: &Value) -> Value {
    let envelope = serde_json::json!({"device-configuration": message});
    let mut envelope: DeviceConfigurationEnvelope = serde_json::from_value(envelope).unwrap();
    envelope.device_configuration.version.clear();
    serde_json::to_value(envelope.device_configuration).unwrap()
}
