//! Random objects of few names, so that they meet, and changes of them.

use std::fmt;

use manifests::{Key, Kind, Object};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

pub(crate) const NAMESPACE: &str = "plant";
pub(crate) const WORKLOADS: [&str; 5] = ["w0", "w1", "w2", "w3", "w4"];
pub(crate) const MAPS: [&str; 3] = ["c0", "c1", "c2"];
pub(crate) const SECRETS: [&str; 3] = ["s0", "s1", "s2"];
const SETS: [&str; 2] = ["m0", "m1"];
const KEYS: [&str; 2] = ["k0", "k1"];

/// A change of what there is.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Shown),
    Remove(Key),
    /// A Secret can no longer be read, or can be again.
    Seal(Key, bool),
}

/// An object whose document is shown when a case fails; nothing in it is secret here.
#[derive(Clone)]
pub(crate) struct Shown(pub(crate) Object);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.0.key, self.0.labels, self.0.document)
    }
}

/// Puts are the most frequent, so that there is something to take away.
pub(crate) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => object().prop_map(put),
        3 => breakage(),
        1 => select(&WORKLOADS[..]).prop_map(|name| Change::Remove(key(Kind::EdgeWorkload, name))),
    ]
}

/// What takes a referenced object away or makes it useless, and what fixes it; workloads change,
/// but do not go.
pub(crate) fn breakage() -> impl Strategy<Value = Change> {
    let referenced = prop_oneof![
        select(&MAPS[..]).prop_map(|name| key(Kind::ConfigMap, name)),
        select(&SECRETS[..]).prop_map(|name| key(Kind::Secret, name)),
        select(&SETS[..]).prop_map(|name| key(Kind::EdgeDeviceSet, name)),
    ];
    prop_oneof![
        3 => referenced.prop_map(Change::Remove),
        3 => (select(&SECRETS[..]), prop::bool::weighted(0.7)).prop_map(|(name, sealed)| Change::Seal(key(Kind::Secret, name), sealed)),
        4 => prop_oneof![map(), secret()].prop_map(put),
        2 => workload().prop_map(put),
    ]
}

fn put(object: Object) -> Change {
    Change::Put(Shown(object))
}

pub(crate) fn key(kind: Kind, name: &str) -> Key {
    Key::new(kind, NAMESPACE, name)
}

fn object() -> impl Strategy<Value = Object> {
    let settings = |kind: Kind, names: &'static [&'static str]| {
        (select(names), settings()).prop_map(move |(name, spec)| of(kind, name, json!({"spec": spec})))
    };
    prop_oneof![
        4 => workload(),
        2 => map(),
        2 => secret(),
        1 => settings(Kind::EdgeDeviceSet, &SETS),
        1 => settings(Kind::EdgeDevice, &super::world::DEVICES),
    ]
}

fn of(kind: Kind, name: &str, document: Value) -> Object {
    Object {
        key: key(kind, name),
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        document,
    }
}

fn map() -> impl Strategy<Value = Object> {
    let list = select(vec![
        "{}",
        "names: []",
        "names: [up]",
        "names: [up, down]",
        "names: {",
        "[]",
    ]);
    (
        select(&MAPS[..]),
        option::of("[ab]"),
        option::of("[ab]"),
        option::of(list),
    )
        .prop_map(|(name, one, other, list)| {
            let mut data = Map::new();
            for (key, text) in [
                ("k0", one),
                ("k1", other),
                ("metrics_list.yaml", list.map(str::to_owned)),
            ] {
                data.extend(text.map(|text| (key.to_owned(), text.into())));
            }
            of(Kind::ConfigMap, name, json!({"data": data}))
        })
}

fn secret() -> impl Strategy<Value = Object> {
    let value = || option::of(select(vec!["", "YQ==", "Yg=="]));
    (select(&SECRETS[..]), [value(), value(), value(), value()]).prop_map(|(name, values)| {
        let keys = ["k0", "k1", ".dockerconfigjson", "ca.crt"];
        let data: Map<String, Value> = keys
            .into_iter()
            .zip(values)
            .filter_map(|(key, value)| Some((key.to_owned(), value?.into())))
            .collect();
        of(Kind::Secret, name, json!({"data": data}))
    })
}

fn selector() -> impl Strategy<Value = Value> {
    let value = || select(vec!["", "1", "2"]);
    let expression = (
        select(vec!["a", "b", "flotta/member-of"]),
        0..4,
        vec(value(), 1..3),
    )
        .prop_map(|(key, operator, values)| match operator {
            0 => json!({"key": key, "operator": "In", "values": values}),
            1 => json!({"key": key, "operator": "NotIn", "values": values}),
            2 => json!({"key": key, "operator": "Exists"}),
            _ => json!({"key": key, "operator": "DoesNotExist"}),
        });
    let labels = option::of((select(vec!["a", "b"]), value()));
    (labels, vec(expression, 0..2)).prop_map(|(labels, expressions)| {
        let labels: Map<String, Value> = labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        json!({"matchLabels": labels, "matchExpressions": expressions})
    })
}

fn reference() -> impl Strategy<Value = Value> {
    let name = |map: bool| {
        if map {
            select(&MAPS[..])
        } else {
            select(&SECRETS[..])
        }
    };
    (any::<bool>(), any::<bool>(), option::of(any::<bool>()))
        .prop_flat_map(move |(map, whole, optional)| (name(map), select(&KEYS[..]), Just((map, whole, optional))))
        .prop_map(|(name, key, (map, whole, optional))| {
            let mut reference = json!({"name": name});
            if let Some(optional) = optional {
                reference["optional"] = optional.into();
            }
            if whole {
                return json!({(if map { "configMapRef" } else { "secretRef" }): reference});
            }
            reference["key"] = key.into();
            json!({"name": "V", "valueFrom": {(if map { "configMapKeyRef" } else { "secretKeyRef" }): reference}})
        })
}

pub(crate) fn workload() -> impl Strategy<Value = Object> {
    (
        select(&WORKLOADS[..]),
        option::weighted(0.2, select(&super::world::DEVICES[..])),
        option::weighted(0.9, selector()),
        vec(reference(), 0..3),
        (
            option::weighted(0.2, select(&SECRETS[..])),
            option::weighted(0.3, option::of(select(&MAPS[..]))),
        ),
        option::of(select(vec![
            json!({}),
            json!({"ingress": []}),
            json!({"egress": [{"source": "a", "target": "b"}]}),
        ])),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |(name, device, selector, references, (registry, metrics), data, (podman, label))| {
                let (whole, single): (Vec<Value>, Vec<Value>) = references
                    .into_iter()
                    .partition(|reference| reference.get("valueFrom").is_none());
                let container = json!({"name": "c", "image": "i", "envFrom": whole, "env": single});
                let mut spec = json!({"type": "pod", "pod": {"spec": {"containers": [container]}}});
                let parts = [
                    ("device", device.map(Value::from)),
                    ("deviceSelector", selector),
                    ("data", data),
                    (
                        "imageRegistries",
                        registry.map(|name| json!({"secretRef": {"name": name}})),
                    ),
                    (
                        "metrics",
                        metrics.map(|list| match list {
                            Some(name) => {
                                json!({"port": 9, "path": "/", "interval": 60, "allowList": {"name": name}})
                            }
                            None => json!({"port": 0, "allowList": {"name": "c0"}}),
                        }),
                    ),
                ];
                for (key, part) in parts {
                    if let Some(part) = part {
                        spec[key] = part;
                    }
                }
                let mut object = of(Kind::EdgeWorkload, name, json!({"spec": spec}));
                object
                    .labels
                    .extend(podman.then(|| ("podman/x".to_owned(), "y".to_owned())));
                object
                    .labels
                    .extend(label.then(|| ("team".to_owned(), "y".to_owned())));
                object
            },
        )
}

fn settings() -> impl Strategy<Value = Value> {
    let metrics = (option::of(select(&SECRETS[..])), option::of(select(&MAPS[..]))).prop_map(|(ca, list)| {
        let mut metrics =
            json!({"receiverConfiguration": {"url": "https://m", "caSecretName": ca.unwrap_or_default()}});
        if let Some(list) = list {
            metrics["system"] = json!({"interval": 60, "allowList": {"name": list}});
        }
        metrics
    });
    (
        option::of(select(vec![
            json!({}),
            json!({"periodSeconds": 5}),
            json!({"hardwareProfile": {"include": true}}),
        ])),
        option::of(select(vec![json!([]), json!([null, {"folder": "/f"}])])),
        option::weighted(0.4, metrics),
    )
        .prop_map(|(heartbeat, mounts, metrics)| {
            let mut spec = json!({});
            for (key, part) in [("heartbeat", heartbeat), ("mounts", mounts), ("metrics", metrics)] {
                if let Some(part) = part {
                    spec[key] = part;
                }
            }
            spec
        })
}
