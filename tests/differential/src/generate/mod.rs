//! Fleets that follow from a seed and a number.

mod content;
mod device;
pub mod odd;
mod refused;
mod schema;
mod selector;
mod workload;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::fleet::Fleet;

/// Flotta's group and version.
pub(crate) const FLOTTA: &str = "management.project-flotta.io/v1alpha1";

/// The schemas that Flotta's definitions give, as far as cases are made from them.
#[derive(Debug)]
pub struct Schemas {
    /// Of a pod's spec.
    pod: Value,
}

impl Schemas {
    /// From Flotta's published definitions.
    pub fn published() -> Result<Self> {
        let definitions = testkit::flotta_kinds::definitions()?;
        let workload = definitions
            .iter()
            .find(|definition| definition["spec"]["names"]["kind"] == "EdgeWorkload");
        let pod = workload.and_then(|definition| {
            definition.pointer(
                "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/pod/properties/spec",
            )
        });
        let pod = pod.context("the definition of EdgeWorkload has no schema of a pod")?;
        Ok(Self { pod: pod.clone() })
    }

    /// Of a pod's spec.
    pub fn pod(&self) -> &Value {
        &self.pod
    }
}

/// What a fleet is made of, for the parts that refer to each other.
struct Maker<'a> {
    dice: Dice,
    schemas: &'a Schemas,
    namespace: String,
    /// Whether references may lead nowhere and contents be wrong.
    sloppy: bool,
    /// Whether containers may have environment variables with plain values.
    plain_env: bool,
    devices: Vec<String>,
    sets: Vec<String>,
    content: content::Content,
    objects: Vec<Value>,
}

impl Maker<'_> {
    /// In a sloppy fleet true in so many of a hundred cases, in a careful one never.
    fn slip(&mut self, chance: u32) -> bool {
        self.sloppy && self.dice.percent(chance)
    }

    fn object(&mut self, api_version: &str, kind: &str, name: &str) -> Value {
        json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
        })
    }

    /// A name of these, or in a sloppy fleet one that does not exist.
    fn reference(&mut self, names: &[String]) -> String {
        if names.is_empty() || self.slip(12) {
            return "missing".to_owned();
        }
        self.dice.pick(names).clone()
    }
}

/// The fleet of this seed and number.
pub fn fleet(seed: u64, number: u64, schemas: &Schemas) -> Fleet {
    let mut dice = Dice::new(seed, number);
    let devices: Vec<String> = (0..dice.count(2..5)).map(|_| dice.hex(32)).collect();
    let sets = (0..dice.count(0..3))
        .map(|index| format!("set-{index}"))
        .collect();
    let mut maker = Maker {
        sloppy: dice.percent(14),
        plain_env: dice.percent(12),
        namespace: format!("fleet-{number:06}"),
        dice,
        schemas,
        devices,
        sets,
        content: content::Content::default(),
        objects: Vec::new(),
    };
    maker.add_contents();
    maker.add_sets();
    let hardware = maker.add_devices();
    maker.add_workloads();
    maker.add_known_oddities(number);
    maker.add_bystanders();
    let refused = if maker.dice.percent(10) {
        maker.refused()
    } else {
        Vec::new()
    };
    let Maker {
        mut dice,
        namespace,
        mut objects,
        ..
    } = maker;
    dice.shuffle(&mut objects);
    Fleet {
        seed,
        number,
        namespace,
        objects,
        refused,
        hardware,
    }
}

impl Maker<'_> {
    fn add_sets(&mut self) {
        for name in self.sets.clone() {
            let mut set = self.object(FLOTTA, "EdgeDeviceSet", &name);
            set["spec"] = self.device_spec();
            self.objects.push(set);
        }
    }

    fn add_devices(&mut self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (index, id) in self.devices.clone().into_iter().enumerate() {
            let device = self.device(&id);
            self.objects.push(device);
            all.insert(id, self.hardware(index));
        }
        all
    }

    fn add_workloads(&mut self) {
        for index in 0..self.dice.count(1..6) {
            let workload = self.workload(index);
            self.objects.push(workload);
        }
    }

    /// What Flotta is known to do oddly, so often that also a small run meets it.
    fn add_known_oddities(&mut self, number: u64) {
        let pod = |container: Value| json!({"spec": {"containers": [container]}});
        if number % 20 == 3 {
            // go-yaml finds each of these keys before the next, and the last before the first.
            let mut map = self.object("v1", "ConfigMap", "circle");
            map["data"] = json!({"1e3": "a", "2": "b", "10": "c"});
            let mut workload = self.object(FLOTTA, "EdgeWorkload", "circle");
            let source = json!({"configMapRef": {"name": "circle"}});
            workload["spec"] = json!({
                "type": "pod", "deviceSelector": {},
                "pod": pod(json!({"name": "c0", "image": "i", "envFrom": [source]})),
            });
            self.objects.extend([map, workload]);
        }
        if number % 20 == 7 {
            let mut workload = self.object(FLOTTA, "EdgeWorkload", "unlisted");
            let unlisted = json!({"key": "no-device-has-it", "operator": "NotIn", "values": ["x"]});
            workload["spec"] = json!({
                "type": "pod", "deviceSelector": {"matchExpressions": [unlisted]},
                "pod": pod(json!({"name": "c0", "image": "i"})),
            });
            self.objects.push(workload);
        }
    }

    /// Objects that say nothing about a configuration.
    fn add_bystanders(&mut self) {
        if self.dice.percent(20) {
            let mut config = self.object(FLOTTA, "EdgeConfig", "ntp");
            config["spec"] = json!({"edgePlaybook": {"playbooks": [{"content": "LSBob3N0czogYWxsCg=="}]}});
            self.objects.push(config);
        }
    }
}

/// Objects outside of all fleets that Flotta reads for bucket claims; which of them are there
/// follows from the dice.
pub fn world(dice: &mut Dice) -> Vec<Value> {
    let mut objects = Vec::new();
    if dice.percent(85) {
        objects.push(json!({
            "apiVersion": "route.openshift.io/v1", "kind": "Route",
            "metadata": {"name": "s3", "namespace": "openshift-storage"},
            "spec": {"host": "s3.apps.example", "to": {"kind": "Service", "name": "s3"}},
        }));
    }
    if dice.percent(85) {
        let data = if dice.percent(70) {
            json!({"tls.crt": "Q0EK"})
        } else {
            json!({"other": "Q0EK"})
        };
        objects.push(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "router-ca", "namespace": "openshift-ingress-operator"},
            "data": data,
        }));
    }
    objects
}
