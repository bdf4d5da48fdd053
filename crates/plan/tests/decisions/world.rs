//! A cluster in memory: objects with versions and field managers, an Edge API that restarts when
//! its template changes and reads its settings and Secrets only then, and our server. What people
//! do to it is here; what the companion does, and what it sees, is in modules of their own.

mod acts;
mod asked;
mod material;
mod seen;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plan::{
    api::{Paused, RemoteBackend, RemoteBackendSpec},
    names::RETRY_ANNOTATION,
    observed::Evidence,
};
use serde_json::{Value, json};

pub(crate) use self::material::Material;
use crate::merge;

/// A pod of the Edge API: what it was started with.
#[derive(Clone, Debug)]
pub(crate) struct EdgePod {
    pub uid: String,
    pub created: Timestamp,
    pub inputs: Option<String>,
    pub backend: String,
    pub url: String,
    pub ca: String,
    pub host: String,
    /// Whether it has our CA among its roots.
    pub trusts_ca: bool,
}

/// What a pod of our server says of its manifests.
#[derive(Clone, Debug, Default)]
pub(crate) struct OurManifests {
    pub switch_waits_for: Vec<String>,
    pub faulty: u64,
    pub unconfirmed: u64,
}

/// A pod of our server: what it has loaded.
#[derive(Clone, Debug)]
pub(crate) struct OurPod {
    pub manifests: OurManifests,
    pub uid: String,
    pub loaded: BTreeMap<String, String>,
    pub nudge: Option<String>,
    pub store: String,
    /// Why it cannot write it.
    pub store_not_writable: Option<String>,
    pub up: bool,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "faults that are on or off, each by itself"
)]
pub(crate) struct World {
    pub now: Timestamp,
    pub resource: RemoteBackend,
    pub config: Option<Value>,
    pub deployment: Option<Value>,
    pub ca: Option<Value>,
    pub host: Option<Value>,
    pub server_secret: Option<Value>,
    pub previous: Option<Value>,
    pub edge: Vec<EdgePod>,
    pub ours: Vec<OurPod>,
    pub custom_resources: BTreeSet<String>,
    pub here: BTreeSet<String>,
    pub evidence: Evidence,
    pub material: Material,
    /// The Edge API's pods cannot start.
    pub stuck: bool,
    /// Another URL that answers the companion, though not the Edge API.
    pub answers_at: Option<String>,
    /// The URL does not answer.
    pub unreachable: bool,
    pub missing_rights: Vec<String>,
    pub leave: bool,
    pub elder: Option<String>,
    pub ending: bool,
    /// Sentences of the status are lost, as if all of them were worded otherwise.
    pub without_sentences: bool,
    /// Everything that was done, by name.
    pub done: Vec<&'static str>,
    /// Devices that an Edge API on custom resources told to disconnect.
    pub disconnected: BTreeSet<String>,
    pub starts: usize,
    template: Value,
    version: u64,
    serial: u64,
}

pub(crate) const URL: &str = "https://edge-config-server.flotta.svc:8443/api/flotta-backend/v1";

impl World {
    /// Flotta as its users have it, and our chart freshly installed.
    pub(crate) fn new() -> Self {
        let material = Material::new();
        let mut world = Self {
            now: "2026-06-01T00:00:00Z".parse().unwrap(),
            resource: serde_json::from_value(json!({
                "apiVersion": "companion.project-flotta.io/v1alpha1", "kind": "RemoteBackend",
                "metadata": { "name": "flotta", "namespace": "flotta", "uid": "rb", "resourceVersion": "1", "generation": 1 },
                "spec": {},
            }))
            .unwrap(),
            config: None,
            deployment: None,
            ca: None,
            host: None,
            server_secret: None,
            previous: None,
            edge: Vec::new(),
            ours: vec![OurPod {
                manifests: OurManifests::default(),
                uid: "server-0".into(),
                loaded: BTreeMap::new(),
                nudge: None,
                store: "store-a".into(),
                store_not_writable: None,
                up: true,
            }],
            custom_resources: BTreeSet::new(),
            here: BTreeSet::new(),
            evidence: Evidence::default(),
            material,
            stuck: false,
            answers_at: None,
            unreachable: false,
            missing_rights: Vec::new(),
            leave: false,
            without_sentences: false,
            elder: None,
            ending: false,
            done: Vec::new(),
            disconnected: BTreeSet::new(),
            starts: 0,
            template: Value::Null,
            version: 100,
            serial: 0,
        };
        world.config = Some(world.object("v1", "ConfigMap", "flotta-edge-api-config"));
        world.edit_config(
            "kubectl-client-side-apply",
            &[
                ("METRICS_ADDR", Some(":8080")),
                ("PROBE_ADDR", Some(":8081")),
                ("LOG_LEVEL", Some("info")),
            ],
        );
        world.deploy();
        world.ca = Some(world.object("v1", "Secret", "flotta-ca"));
        world.host = Some(world.object("v1", "Secret", "flotta-host-certificate"));
        world.put_material(&world.material.clone(), "flotta-edge-api");
        world.server_secret = Some(world.object("v1", "Secret", "edge-config-server-tls"));
        world.settle();
        world.starts = 0;
        world
    }

    fn object(&mut self, version: &str, kind: &str, name: &str) -> Value {
        self.serial += 1;
        self.version += 1;
        json!({
            "apiVersion": version, "kind": kind,
            "metadata": {
                "name": name, "namespace": "flotta", "uid": format!("{name}-{}", self.serial),
                "resourceVersion": self.version.to_string(), "generation": 1, "managedFields": [],
            },
        })
    }

    /// Flotta's own manifest, applied anew: as `kubectl replace` does, with nothing of ours left.
    pub(crate) fn deploy(&mut self) {
        let mut deployment = self.object("apps/v1", "Deployment", "flotta-edge-api");
        if let Some(former) = &self.deployment {
            deployment["metadata"]["uid"] = former["metadata"]["uid"].clone();
            let generation = former["metadata"]["generation"].as_u64().unwrap();
            deployment["metadata"]["generation"] = json!(generation + 1);
        }
        let spec = json!({
            "replicas": 1,
            "selector": { "matchLabels": { "app": "flotta-edge-api" } },
            "template": {
                "metadata": { "labels": { "app": "flotta-edge-api" } },
                "spec": { "containers": [
                    { "name": "http", "image": "flotta-edge-api",
                      "envFrom": [{ "configMapRef": { "name": "flotta-edge-api-config" } }] },
                    { "name": "kube-rbac-proxy", "image": "proxy" },
                ] },
            },
        });
        deployment["spec"] = spec.clone();
        let now = self.now.to_string();
        merge::note(
            &mut deployment,
            "kubectl-replace",
            "Update",
            &json!({ "spec": { "replicas": 1 } }),
            &now,
        );
        self.deployment = Some(deployment);
    }

    /// Somebody changes settings.
    pub(crate) fn edit_config(&mut self, manager: &str, entries: &[(&str, Option<&str>)]) {
        let data: BTreeMap<_, _> = entries.iter().copied().collect();
        let now = self.now.to_string();
        merge::strategic(
            self.config.as_mut().unwrap(),
            &json!({ "data": data }),
            manager,
            &now,
        );
        self.touch_config();
    }

    fn touch_config(&mut self) {
        self.version += 1;
        self.config.as_mut().unwrap()["metadata"]["resourceVersion"] = json!(self.version.to_string());
    }

    /// Somebody changes the spec.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut RemoteBackendSpec)) {
        let before = self.resource.spec.clone();
        change(&mut self.resource.spec);
        if self.resource.spec != before {
            let generation = self.resource.metadata.generation.unwrap();
            self.resource.metadata.generation = Some(generation + 1);
        }
    }

    /// Somebody begins a pause, or ends it.
    pub(crate) fn pause(&mut self, yes: bool) {
        self.change(|spec| spec.paused = yes.then(Paused::default));
    }

    /// Somebody asks to try again, for the `n`-th time.
    pub(crate) fn ask_to_retry(&mut self, n: u32) {
        self.resource.metadata.annotations = Some([(RETRY_ANNOTATION.to_owned(), n.to_string())].into());
    }

    /// Somebody writes both Secrets.
    pub(crate) fn put_material(&mut self, material: &Material, manager: &str) {
        let now = self.now.to_string();
        put(self.ca.as_mut().unwrap(), &material.ca_secret, manager, &now);
        put(self.host.as_mut().unwrap(), &material.host_secret, manager, &now);
    }

    /// Somebody writes the CA's Secret alone.
    pub(crate) fn put_ca(&mut self, data: &BTreeMap<String, String>, manager: &str) {
        let now = self.now.to_string();
        put(self.ca.as_mut().unwrap(), data, manager, &now);
    }

    /// What the Deployment's controller and the kubelet do: a changed template makes a new pod,
    /// which reads everything.
    pub(crate) fn settle(&mut self) {
        let Some(deployment) = self.deployment.clone() else {
            self.edge.clear();
            return;
        };
        let template = deployment["spec"]["template"].clone();
        if template != self.template
            && !self.stuck
            && let Some(pod) = self.start(&template)
        {
            self.template = template;
            self.edge = vec![pod];
        }
    }

    /// Somebody, or the node, restarts the Edge API's pod.
    pub(crate) fn restart_pod(&mut self) {
        let template = self.deployment.as_ref().unwrap()["spec"]["template"].clone();
        if let Some(pod) = self.start(&template) {
            self.template = template;
            self.edge = vec![pod];
        }
    }

    fn start(&mut self, template: &Value) -> Option<EdgePod> {
        let container = &template["spec"]["containers"][0];
        let mut settings: BTreeMap<String, String> = self
            .config
            .as_ref()?
            .get("data")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        for variable in container["env"].as_array().into_iter().flatten() {
            let name = variable["name"].as_str().unwrap().to_owned();
            if let Some(value) = variable["value"].as_str() {
                settings.insert(name, value.to_owned());
            } else {
                let reference = &variable["valueFrom"]["configMapKeyRef"];
                // `optional: false`: without the key the container does not start.
                settings.insert(name, self.setting(reference["key"].as_str()?)?);
            }
        }
        let certificate = |secret: &Option<Value>, key: &str| {
            let data = secret.as_ref()?["data"][key].as_str()?.to_owned();
            Some(data)
        };
        self.serial += 1;
        self.starts += 1;
        Some(EdgePod {
            uid: format!("edge-{}", self.serial),
            created: self.now,
            inputs: template["metadata"]["annotations"]["companion.project-flotta.io/inputs"]
                .as_str()
                .map(str::to_owned),
            backend: settings.get("BACKEND").cloned().unwrap_or_else(|| "crd".into()),
            url: settings.get("REMOTE_BACKEND_URL").cloned().unwrap_or_default(),
            ca: certificate(&self.ca, "ca.crt")?,
            host: certificate(&self.host, "server.crt")?,
            trusts_ca: settings.get("SSL_CERT_DIR").is_some_and(|directories| {
                directories
                    .split(':')
                    .any(|one| one == "/etc/flotta-companion/ca")
            }),
        })
    }

    /// Devices poll: those that the custom resources lack are told to disconnect where these are in
    /// force.
    pub(crate) fn poll(&mut self) {
        for pod in &self.edge {
            if pod.backend == "crd" {
                let lacking = self.here.difference(&self.custom_resources).cloned();
                self.disconnected.extend(lacking);
            }
        }
    }

    fn reaches_us(&self, pod: &EdgePod) -> bool {
        let server = self.ours.iter().find(|server| server.up);
        pod.backend == "remote"
            && pod.url == URL
            && pod.trusts_ca
            && !self.unreachable
            && server.is_some_and(|server| {
                server.loaded.get("ca.crt") == Some(&pod.ca)
                    && server
                        .loaded
                        .get("tls.crt")
                        .is_some_and(|certificate| certificate.starts_with("-----BEGIN"))
            })
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.settle();
        self.poll();
    }
}

fn put(secret: &mut Value, data: &BTreeMap<String, String>, manager: &str, now: &str) {
    secret["data"] = json!(data);
    merge::note(secret, manager, "Update", &json!({ "data": data }), now);
}
