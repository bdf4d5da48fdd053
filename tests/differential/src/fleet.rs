//! A case: the objects of one namespace, as users write them, and what its devices say of
//! themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The objects of one namespace.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The seed it was made from, and its number: together they make it again.
    pub seed: u64,
    /// See `seed`.
    pub number: u64,
    /// The namespace that all objects are in.
    pub namespace: String,
    /// The objects, as for `kubectl apply`.
    pub objects: Vec<Value>,
    /// Objects that an API server accepts and our admission must refuse, with what its fault must
    /// name.
    pub refused: Vec<Refused>,
    /// What the devices tell of their hardware, by id.
    pub hardware: BTreeMap<String, Value>,
}

/// An object that must be refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The object.
    pub object: Value,
    /// A part of the path that its fault must name.
    pub path: String,
}

/// Kind and name of an object.
pub fn key(object: &Value) -> (&str, &str) {
    let kind = object["kind"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    (kind, name)
}

impl Fleet {
    /// An object by kind and name.
    pub fn object(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.iter().find(|object| key(object) == (kind, name))
    }

    /// All objects of a kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| key(object).0 == kind)
    }

    /// The ids of its devices.
    pub fn devices(&self) -> Vec<String> {
        self.of("EdgeDevice")
            .map(|device| key(device).1.to_owned())
            .collect()
    }

    /// The labels that a device has in the end: those of its object and those of its hardware.
    pub fn labels(&self, id: &str) -> BTreeMap<String, String> {
        let own = self
            .object("EdgeDevice", id)
            .map(|device| &device["metadata"]["labels"]);
        let own = own.and_then(Value::as_object).into_iter().flatten();
        let mut labels: BTreeMap<String, String> = own
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        if let Some(hardware) = self.hardware.get(id) {
            labels.extend(hardware_labels(hardware));
        }
        labels
    }

    /// The same fleet in another namespace, with other ids for its devices, so that both can be
    /// played at once.
    #[must_use]
    pub fn moved(&self, suffix: &str) -> Self {
        self.renamed(format!("{}-{suffix}", self.namespace), suffix)
    }

    /// The same for one of many smaller variants of a case: their names do not grow.
    #[must_use]
    pub fn variant(&self, name: &str) -> Self {
        self.renamed(format!("fleet-{:06}-{name}", self.number), name)
    }

    fn renamed(&self, namespace: String, suffix: &str) -> Self {
        let mut changes = vec![(self.namespace.clone(), namespace.clone())];
        let mut ids = self.devices();
        ids.extend(self.hardware.keys().cloned());
        for id in ids {
            changes.push((id.clone(), other_id(&id, suffix)));
        }
        let change = |value: &Value| {
            let text = changes
                .iter()
                .fold(value.to_string(), |text, (from, to)| text.replace(from, to));
            serde_json::from_str(&text).unwrap_or_default()
        };
        let refused = self.refused.iter().map(|refused| Refused {
            object: change(&refused.object),
            path: refused.path.clone(),
        });
        Self {
            seed: self.seed,
            number: self.number,
            namespace,
            objects: self.objects.iter().map(change).collect(),
            refused: refused.collect(),
            hardware: self
                .hardware
                .iter()
                .map(|(id, hardware)| (other_id(id, suffix), change(hardware)))
                .collect(),
        }
    }
}

/// An id of 32 hexadecimal digits that follows from another one.
fn other_id(id: &str, suffix: &str) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in id.bytes().chain(suffix.bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{hash:032x}")
}

/// The lists of containers that Flotta looks through.
pub const CONTAINERS: [&str; 2] = ["initContainers", "containers"];

/// The containers of a pod that Flotta looks through: init containers first.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    CONTAINERS
        .iter()
        .flat_map(move |list| pod[list].as_array().into_iter().flatten())
}

/// The labels that Flotta gives a device for its hardware. The generator's values need no
/// normalisation.
fn hardware_labels(hardware: &Value) -> BTreeMap<String, String> {
    const LABELS: [(&str, &str); 6] = [
        ("device.hostname", "/hostname"),
        ("device.cpu-architecture", "/cpu/architecture"),
        ("device.cpu-model", "/cpu/model_name"),
        ("device.system-manufacturer", "/system_vendor/manufacturer"),
        ("device.system-product", "/system_vendor/product_name"),
        ("device.system-serial", "/system_vendor/serial_number"),
    ];
    let label = |(label, pointer): &(&str, &str)| {
        let value = hardware.pointer(pointer)?.as_str()?;
        (!value.is_empty()).then(|| ((*label).to_owned(), value.to_owned()))
    };
    LABELS.iter().filter_map(label).collect()
}

/// The object with its status as the operator would keep it: what was claimed, and these workloads.
pub fn status(device: &Value, workloads: &[String]) -> Value {
    let entries: Vec<Value> = workloads
        .iter()
        .map(|name| json!({"name": name, "phase": "Deploying"}))
        .collect();
    let mut status = device["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    status["workloads"] = json!(entries);
    status
}
