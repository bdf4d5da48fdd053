//! EdgeWorkloads: pods of every shape that the schema admits, brought into the form that admission
//! asks for.

use serde_json::{Map, Value, json};

use super::{FLOTTA, Maker, odd, schema};
use crate::fleet::CONTAINERS;

/// What admission forbids in a container.
const FORBIDDEN: [&str; 5] = [
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "volumeDevices",
];

impl Maker<'_> {
    pub(super) fn workload(&mut self, index: usize) -> Value {
        let name = format!("{}-{index}", self.dice.pick(&["web", "db", "a.b", "x"]));
        let mut workload = self.object(FLOTTA, "EdgeWorkload", &name);
        self.add_podman(&mut workload["metadata"]);
        let kind = if self.dice.percent(95) { "pod" } else { "other" };
        let mut spec = json!({"type": kind});
        spec["pod"] = json!({"spec": self.pod()});
        if self.dice.percent(25) {
            spec["device"] = json!(self.dice.pick(&self.devices));
        }
        if self.dice.percent(85) {
            spec["deviceSelector"] = self.selector();
        }
        if self.dice.percent(25) {
            spec["data"] = self.data();
        }
        if self.dice.percent(20) {
            let registries = self.content.registries.clone();
            spec["imageRegistries"] = if self.dice.percent(10) {
                json!({})
            } else {
                json!({"secretRef": {"name": self.reference(&registries)}})
            };
        }
        if self.dice.percent(30) {
            spec["metrics"] = self.workload_metrics();
        }
        if self.dice.percent(20) {
            spec["logCollection"] = json!(self.dice.pick(&["central", "", "other"]));
        }
        workload["spec"] = spec;
        workload
    }

    fn add_podman(&mut self, metadata: &mut Value) {
        if self.dice.percent(35) {
            let mut labels = Map::new();
            for _ in 0..self.dice.count(0..3) {
                let (key, value) = (odd::label_key(&mut self.dice), odd::label_value(&mut self.dice));
                let key = if self.dice.percent(60) && !key.contains('/') {
                    format!("podman/{key}")
                } else {
                    key.to_owned()
                };
                labels.insert(key, json!(value));
            }
            metadata["labels"] = json!(labels);
        }
        if self.dice.percent(30) {
            let mut annotations = Map::new();
            for _ in 0..self.dice.count(0..3) {
                let key = *self
                    .dice
                    .pick(&["podman/a", "podman/b.c", "Podman/a", "podman.io/a", "note"]);
                annotations.insert(key.into(), json!(odd::text(&mut self.dice)));
            }
            metadata["annotations"] = json!(annotations);
        }
    }

    fn data(&mut self) -> Value {
        let mut data = json!({});
        for list in ["ingress", "egress"] {
            if self.dice.percent(60) {
                let paths = (0..self.dice.count(0..3)).map(|index| {
                    let source = *self.dice.pick(&["", "reports", "a b"]);
                    json!({"source": source, "target": format!("t/{index}")})
                });
                data[list] = paths.collect();
            }
        }
        data
    }

    fn workload_metrics(&mut self) -> Value {
        let mut metrics = json!({});
        if self.dice.percent(85) {
            metrics["port"] = json!(self.dice.pick(&[0, 1, 9113, 65535]));
        }
        if self.dice.percent(50) {
            metrics["path"] = json!(self.dice.pick(&["", "/", "/metrics?a=<b>&c"]));
        }
        if self.dice.percent(50) {
            metrics["interval"] = json!(self.dice.pick(&[0, 1, 300]));
        }
        if self.dice.percent(40) {
            metrics["allowList"] = self.allow_list();
        }
        if self.dice.percent(40) {
            let mut containers = json!({});
            for _ in 0..self.dice.count(0..3) {
                let name = *self.dice.pick(&["c0", "c1", "other"]);
                let mut container = json!({});
                if self.dice.percent(50) {
                    container["port"] = json!(self.dice.pick(&[0, 8080]));
                }
                if self.dice.percent(50) {
                    container["path"] = json!(self.dice.pick(&["", "/m"]));
                }
                if self.dice.percent(50) {
                    container["disabled"] = json!(self.dice.percent(50));
                }
                containers[name] = container;
            }
            metrics["containers"] = containers;
        }
        metrics
    }

    fn pod(&mut self) -> Value {
        let mut pod = schema::value(&self.schemas.pod, 0, &mut self.dice);
        let mut index = 0;
        for list in CONTAINERS {
            // A workload without containers is refused.
            let count = if list == "containers" {
                self.dice.count(1..4)
            } else {
                0
            };
            if list == "containers" && pod[list].as_array().is_none_or(Vec::is_empty) && count > 0 {
                let item = self.schemas.pod["properties"][list]["items"].clone();
                pod[list] = (0..count)
                    .map(|_| schema::value(&item, 1, &mut self.dice))
                    .collect();
            }
            let Some(containers) = pod.get_mut(list).and_then(Value::as_array_mut) else {
                continue;
            };
            let mut containers = std::mem::take(containers);
            for container in &mut containers {
                self.admissible(container, index);
                index += 1;
            }
            // The network of the device has all ports.
            if list == "containers" && pod["hostNetwork"] == true {
                for container in containers.iter_mut().filter_map(Value::as_object_mut) {
                    container.remove("ports");
                }
            }
            pod[list] = json!(containers);
        }
        self.volumes(&mut pod);
        if pod["hostname"].is_string() {
            pod["hostname"] = json!(odd::host_name(&mut self.dice));
        }
        for container in pod
            .get_mut("ephemeralContainers")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            for field in FORBIDDEN {
                container.as_object_mut().map(|container| container.remove(field));
            }
            container["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
        }
        pod
    }

    /// Volumes of the host, and what is mounted of them.
    fn volumes(&mut self, pod: &mut Value) {
        let mut names = Vec::new();
        if pod["volumes"].is_array() {
            let volumes: Vec<Value> = (0..self.dice.count(0..3))
                .map(|index| {
                    let mut volume = json!({"name": format!("v{index}"), "hostPath": {"path": "/var/x"}});
                    if self.dice.percent(60) {
                        volume["hostPath"]["type"] = json!(self.dice.pick(&["", "Directory", "BlockDevice"]));
                    }
                    volume
                })
                .collect();
            names.extend((0..volumes.len()).map(|index| format!("v{index}")));
            pod["volumes"] = json!(volumes);
        }
        for list in CONTAINERS {
            for container in pod
                .get_mut(list)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let mounts = container.get_mut("volumeMounts").and_then(Value::as_array_mut);
                for (index, mount) in mounts.into_iter().flatten().enumerate() {
                    mount["mountPath"] = json!(format!("/mnt/{index}"));
                    if mount["mountPropagation"].is_string() {
                        let modes = ["None", "HostToContainer", "Bidirectional"];
                        mount["mountPropagation"] = json!(self.dice.pick(&modes));
                    }
                    if !names.is_empty() {
                        mount["name"] = json!(self.dice.pick(&names));
                    }
                }
                if names.is_empty()
                    && let Some(container) = container.as_object_mut()
                {
                    container.remove("volumeMounts");
                }
            }
        }
    }

    /// A container as admission wants it, with references that lead somewhere.
    fn admissible(&mut self, container: &mut Value, index: usize) {
        let Some(fields) = container.as_object_mut() else {
            return;
        };
        for field in FORBIDDEN {
            fields.remove(field);
        }
        if let Some(resources) = fields.get_mut("resources").and_then(Value::as_object_mut) {
            for (_, values) in resources.iter_mut() {
                *values = json!({});
            }
        }
        fields.insert("name".into(), json!(format!("c{index}")));
        let image = if fields.get("image").is_some_and(Value::is_string) {
            odd::image(&mut self.dice)
        } else {
            "registry.example/image:1"
        };
        fields.insert("image".into(), json!(image));
        if let Some(policy) = fields
            .get_mut("imagePullPolicy")
            .filter(|policy| policy.is_string())
        {
            *policy = json!(self.dice.pick(&["", "Always", "IfNotPresent", "Never", "newer"]));
        }
        if let Some(capabilities) = fields
            .get_mut("securityContext")
            .and_then(|context| context.get_mut("capabilities"))
        {
            let added = ["NET_ADMIN", "cap_kill", "CAP_SYS_TIME"];
            for (list, names) in [("add", added), ("drop", ["ALL", "chown", "NET_RAW"])] {
                let list = capabilities.get_mut(list).and_then(Value::as_array_mut);
                for name in list.into_iter().flatten() {
                    *name = json!(self.dice.pick(&names));
                }
            }
        }
        if fields.contains_key("ports") {
            let ports: Vec<Value> = (0..self.dice.count(0..3))
                .map(|port| self.port(index, port))
                .collect();
            fields.insert("ports".into(), json!(ports));
        }
        fields.remove("env");
        fields.remove("envFrom");
        if self.dice.percent(45) {
            let env: Vec<Value> = (0..self.dice.count(0..4))
                .map(|index| self.variable(index))
                .collect();
            fields.insert("env".into(), json!(env));
        }
        if self.dice.percent(40) {
            let sources: Vec<Value> = (0..self.dice.count(0..3)).map(|_| self.env_source()).collect();
            fields.insert("envFrom".into(), json!(sources));
        }
    }

    fn port(&mut self, container: usize, port: usize) -> Value {
        let number = 1000 + 10 * container + port;
        let mut value = json!({"containerPort": number, "hostPort": number});
        if self.dice.percent(40) {
            value["protocol"] = json!(self.dice.pick(&["TCP", "UDP", "SCTP"]));
        }
        if self.dice.percent(20) {
            value["hostIP"] = json!(odd::address(&mut self.dice));
        }
        if self.dice.percent(20) {
            value["name"] = json!(format!("p{port}"));
        }
        value
    }

    fn variable(&mut self, index: usize) -> Value {
        let name = format!("VAR_{index}");
        if self.plain_env && self.dice.percent(40) {
            return if self.dice.percent(85) {
                json!({"name": name, "value": odd::text(&mut self.dice)})
            } else {
                json!({"name": name})
            };
        }
        let from_map = self.dice.percent(50);
        let pool = if from_map {
            &self.content.maps
        } else {
            &self.content.secrets
        };
        let (mut object, keys) = self.dice.pick(pool).clone();
        let optional = self.dice.percent(25) || (keys.is_empty() && !self.sloppy);
        let mut key = if keys.is_empty() || (optional && self.dice.percent(30)) || self.slip(10) {
            "no-such-key".to_owned()
        } else {
            self.dice.pick(&keys).clone()
        };
        if (optional && self.dice.percent(30)) || self.slip(10) {
            "missing".clone_into(&mut object);
        }
        if self.dice.percent(5) && optional {
            key.clear();
        }
        let mut reference = json!({"name": object, "key": key});
        if optional || self.dice.percent(20) {
            reference["optional"] = json!(optional);
        }
        let field = if from_map {
            "configMapKeyRef"
        } else {
            "secretKeyRef"
        };
        json!({"name": name, "valueFrom": {field: reference}})
    }

    fn env_source(&mut self) -> Value {
        let from_map = self.dice.percent(50);
        let pool = if from_map {
            &self.content.maps
        } else {
            &self.content.secrets
        };
        let (mut object, _) = self.dice.pick(pool).clone();
        let optional = self.dice.percent(30);
        if (optional && self.dice.percent(40)) || self.slip(10) {
            "missing".clone_into(&mut object);
        }
        let mut reference = json!({"name": object});
        if optional || self.dice.percent(20) {
            reference["optional"] = json!(optional);
        }
        let field = if from_map { "configMapRef" } else { "secretRef" };
        let mut source = json!({field: reference});
        if self.dice.percent(30) {
            source["prefix"] = json!(self.dice.pick(&["", "P_", "x y"]));
        }
        source
    }
}
