//! A cluster in memory: objects with versions and field managers, an Edge API that restarts when its template changes and
//! reads its settings and Secrets only then, and our server. It does what a [`plan::Plan`] says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plan::{
    Action, Observed, Plan,
    action::{CertificateWrite, How, Kind},
    api::{Phase, RemoteBackend, RemoteBackendStatus},
    observed::{Dated, DeviceComparison, Evidence, PodVerdict, ProbeOutcome, ServerPod, ServerReport},
};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use testkit::pki::{Authority, KeyKind, Profile};

use crate::merge;

/// Flotta's material: a CA and a host certificate.
#[derive(Clone)]
pub(crate) struct Material {
    pub ca: Authority,
    pub ca_secret: BTreeMap<String, String>,
    pub host_secret: BTreeMap<String, String>,
    pub host_key: String,
}

impl Material {
    pub(crate) fn new() -> Self {
        Self::of(Authority::new(KeyKind::P256).unwrap())
    }

    /// A new host certificate of the same CA.
    pub(crate) fn rotated(&self) -> Self {
        Self::of(self.ca.clone())
    }

    /// A new certificate of the same CA and key, and a host certificate of it.
    pub(crate) fn renewed(&self) -> Self {
        Self::of(self.ca.renewed().unwrap())
    }

    fn of(ca: Authority) -> Self {
        let profile = Profile::host()
            .with_names(&["project-flotta.io", "127.0.0.1", "::1"])
            .unwrap();
        let host = ca.issue(&profile).unwrap();
        let pair = |certificate: (&str, String), key: (&str, String)| {
            BTreeMap::from([
                (certificate.0.to_owned(), certificate.1),
                (key.0.to_owned(), key.1),
            ])
        };
        Self {
            ca_secret: pair(("ca.crt", ca.pem()), ("ca.key", ca.key_pem().unwrap())),
            host_secret: pair(
                ("server.crt", host.certificate_pem()),
                ("server.key", host.key().traditional_pem().unwrap()),
            ),
            host_key: host.key().fingerprint(),
            ca,
        }
    }
}

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

/// A pod of our server: what it has loaded.
#[derive(Clone, Debug)]
pub(crate) struct OurPod {
    pub uid: String,
    pub loaded: BTreeMap<String, String>,
    pub nudge: Option<String>,
    pub store: String,
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
                "metadata": { "name": "flotta", "namespace": "flotta", "uid": "rb", "generation": 1 },
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
                uid: "server-0".into(),
                loaded: BTreeMap::new(),
                nudge: None,
                store: "store-a".into(),
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

    pub(crate) fn setting(&self, key: &str) -> Option<String> {
        self.config.as_ref()?["data"][key].as_str().map(str::to_owned)
    }

    /// What the Deployment's controller and the kubelet do: a changed template makes a new pod, which reads everything.
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

    /// Devices poll: those that the custom resources lack are told to disconnect where these are in force.
    pub(crate) fn poll(&mut self) {
        for pod in &self.edge {
            if pod.backend == "crd" {
                let lacking = self.here.difference(&self.custom_resources).cloned();
                self.disconnected.extend(lacking);
            }
        }
    }

    /// Whether a device gets its configuration from our server.
    pub(crate) fn serves_remotely(&self) -> bool {
        !self.edge.is_empty() && self.edge.iter().all(|pod| self.reaches_us(pod))
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

    pub(crate) fn observe(&self) -> Observed {
        let typed = |object: &Option<Value>| object.clone();
        let deployment = self.deployment.clone().map(|mut deployment| {
            let fresh = deployment["spec"]["template"] == self.template;
            deployment["status"] = json!({
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": if fresh { 1 } else { 2 }, "updatedReplicas": 1, "availableReplicas": 1,
            });
            deployment
        });
        let pod = |uid: &str, annotation: (&str, Option<&String>), ip: &str| {
            let mut pod = json!({
                "metadata": { "name": uid, "uid": uid, "annotations": {} },
                "status": { "phase": "Running", "podIP": ip, "conditions": [{ "type": "Ready", "status": "True" }] },
            });
            if let Some(value) = annotation.1 {
                pod["metadata"]["annotations"][annotation.0] = json!(value);
            }
            pod
        };
        Observed {
            now: self.now,
            resource: self.resource.clone(),
            elder: self.elder.clone(),
            leave: self.leave,
            namespace_ending: self.ending,
            unreadable: Vec::new(),
            deployment: deployment.map(|object| serde_json::from_value(object).unwrap()),
            edge_pods: self
                .edge
                .iter()
                .map(|edge| {
                    let annotation = ("companion.project-flotta.io/inputs", edge.inputs.as_ref());
                    let mut pod = pod(&edge.uid, annotation, "10.0.0.1");
                    pod["metadata"]["creationTimestamp"] = json!(edge.created.to_string());
                    serde_json::from_value(pod).unwrap()
                })
                .collect(),
            config: typed(&self.config).map(|object| serde_json::from_value(object).unwrap()),
            ca: typed(&self.ca).map(|object| serde_json::from_value(secret(object)).unwrap()),
            host: typed(&self.host).map(|object| serde_json::from_value(secret(object)).unwrap()),
            server_secret: typed(&self.server_secret)
                .map(|object| serde_json::from_value(secret(object)).unwrap()),
            server_service: None,
            server_pods: self
                .ours
                .iter()
                .map(|ours| ServerPod {
                    pod: {
                        let annotation = ("companion.project-flotta.io/nudge", ours.nudge.as_ref());
                        serde_json::from_value(pod(&ours.uid, annotation, "10.0.0.2")).unwrap()
                    },
                    report: Self::report(ours),
                })
                .collect(),
            previous: typed(&self.previous).map(|object| serde_json::from_value(object).unwrap()),
            evidence: self.evidence.clone(),
        }
    }

    fn report(pod: &OurPod) -> Result<ServerReport, String> {
        if !pod.up {
            return Err("connection refused".into());
        }
        let file: Value = pod
            .loaded
            .get("admission")
            .map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
        let fingerprint = |key: &str| -> Vec<String> {
            let file = pod.loaded.get(key).cloned().unwrap_or_default();
            let certificates = pki::pem::certificates(file.as_bytes()).unwrap_or_default();
            certificates
                .iter()
                .map(|der| pki::Fingerprint::of(der).to_string())
                .collect()
        };
        let recorded = file["storeId"].as_str().map(str::to_owned);
        let foreign = recorded.as_ref().is_some_and(|recorded| *recorded != pod.store);
        Ok(ServerReport {
            not_ready_because: if foreign {
                vec!["another store is recorded".into()]
            } else {
                Vec::new()
            },
            insecure_http: false,
            certificate: fingerprint("tls.crt").into_iter().next(),
            client_cas: fingerprint("ca.crt"),
            pins: pod
                .loaded
                .get("pins")
                .map(|pins| {
                    pins.lines()
                        .filter(|line| !line.starts_with('#'))
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default(),
            store_id: Some(pod.store.clone()),
            admission: file["admission"].as_str().map(str::to_owned),
            admission_store_id: recorded,
            probes: Vec::new(),
        })
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.settle();
        self.poll();
    }

    pub(crate) fn phase(&self) -> Phase {
        self.status().phase
    }

    pub(crate) fn status(&self) -> RemoteBackendStatus {
        self.resource.status.clone().unwrap_or_default()
    }

    pub(crate) fn condition(&self, kind: &str) -> (String, String, String) {
        let status = self.status();
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
            .unwrap();
        (found.status.clone(), found.reason.clone(), found.message.clone())
    }

    /// One round of the companion: look, decide, say, do.
    pub(crate) fn round(&mut self) -> Plan {
        let plan = plan::plan(&self.observe());
        self.resource.status = Some(plan.status.clone());
        if let Some(action) = &plan.action {
            self.act(action);
        }
        self.settle();
        self.poll();
        plan
    }

    /// Rounds and time until nothing happens any more, or for `seconds`.
    pub(crate) fn run(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        let mut streak = 0;
        while self.now < end {
            let plan = self.round();
            if plan.wake.is_zero() {
                streak += 1;
                assert!(
                    streak < 60,
                    "it never rests: {:?}",
                    self.done.iter().rev().take(20).collect::<Vec<_>>()
                );
            } else {
                streak = 0;
                self.wait(i64::try_from(plan.wake.as_secs().max(1)).unwrap());
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each action")]
    pub(crate) fn act(&mut self, action: &Action) {
        self.done.push(action.name());
        let dated = |about: &str, now| Dated {
            at: now,
            about: about.to_owned(),
            value: (),
        };
        match action {
            Action::SetFinalizer(wanted) => {
                self.resource.metadata.finalizers =
                    wanted.then(|| vec!["companion.project-flotta.io/restore".to_owned()]);
            }
            Action::CheckRights => {
                self.evidence.rights = Some(Dated {
                    at: self.now,
                    about: String::new(),
                    value: self.missing_rights.clone(),
                });
            }
            Action::WriteServerSecret(write) => {
                let secret = self.server_secret.as_mut().unwrap();
                let mut data = BTreeMap::new();
                match &write.certificate {
                    CertificateWrite::Keep { chain, key } => {
                        data.insert("tls.crt", String::from_utf8(chain.clone()).unwrap());
                        data.insert("tls.key", String::from_utf8(key.clone()).unwrap());
                    }
                    CertificateWrite::Issue { names, .. } => {
                        let names: Vec<_> = names
                            .iter()
                            .map(|name| ServerName::try_from(name.clone()).unwrap())
                            .collect();
                        let ca = &self.ca.as_ref().unwrap()["data"];
                        let ca = pki::edge_api::Ca::accept(pki::edge_api::Pair {
                            certificate: ca["ca.crt"].as_str().map(str::as_bytes),
                            key: ca["ca.key"].as_str().map(str::as_bytes),
                        });
                        let identity = ca.unwrap().issuer().unwrap().server(&names, self.now).unwrap();
                        data.insert("tls.crt", identity.chain_pem());
                        data.insert("tls.key", identity.key_pem());
                    }
                    CertificateWrite::None => {}
                }
                data.insert("ca.crt", String::from_utf8(write.ca.clone()).unwrap());
                data.insert("pins", write.pins.clone());
                data.insert("admission", write.admission.clone());
                secret["data"] = json!(data);
                self.version += 1;
                secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
            }
            Action::Nudge { pods, value } => {
                let data: BTreeMap<String, String> =
                    serde_json::from_value(self.server_secret.as_ref().unwrap()["data"].clone()).unwrap();
                for pod in &mut self.ours {
                    if pods.iter().any(|(_, uid)| *uid == pod.uid) {
                        pod.nudge = Some(value.clone());
                        pod.loaded = data.clone();
                    }
                }
            }
            Action::CallBackend { about, url } => {
                let answers = !self.unreachable
                    && self.ours.iter().any(|pod| pod.up)
                    && (url == URL || self.answers_at.as_ref() == Some(url));
                let value = if answers {
                    Ok(())
                } else {
                    Err("the URL does not answer: connection refused".into())
                };
                let Dated { at, about, .. } = dated(about, self.now);
                self.evidence.backend = Some(Dated { at, about, value });
            }
            Action::CompareDevices { about, .. } => {
                let missing: Vec<_> = self.custom_resources.difference(&self.here).cloned().collect();
                let only: Vec<_> = self.here.difference(&self.custom_resources).cloned().collect();
                let value = if self.ours.iter().any(|pod| pod.up) {
                    Ok(DeviceComparison {
                        custom_resources: self.custom_resources.len() as u64,
                        here: self.here.len() as u64,
                        only_in_custom_resources: (missing.len() as u64, missing),
                        only_here: (only.len() as u64, only),
                    })
                } else {
                    Err("the server does not answer".into())
                };
                let Dated { at, about, .. } = dated(about, self.now);
                self.evidence.devices = Some(Dated { at, about, value });
            }
            Action::SavePrevious(document) => {
                if self.previous.is_none() {
                    let mut object = self.object("v1", "ConfigMap", "flotta-companion-previous");
                    object["data"] = document["data"].clone();
                    self.previous = Some(object);
                }
            }
            Action::Write(write) => {
                self.version += 1;
                let version = json!(self.version.to_string());
                let object = match write.kind {
                    Kind::ConfigMap => self.config.as_mut().unwrap(),
                    Kind::Deployment => self.deployment.as_mut().unwrap(),
                };
                let expected = &write.document["metadata"];
                assert_eq!(expected["uid"], object["metadata"]["uid"]);
                assert_eq!(expected["resourceVersion"], object["metadata"]["resourceVersion"]);
                let now = self.now.to_string();
                match write.how {
                    How::Apply { manager, .. } => merge::apply(object, &write.document, manager, &now),
                    How::StrategicMerge { manager } => {
                        merge::strategic(object, &write.document, manager, &now);
                    }
                }
                prune(&mut object["spec"]);
                let generation = object["metadata"]["generation"].as_u64().unwrap();
                object["metadata"]["generation"] = json!(generation + 1);
                object["metadata"]["resourceVersion"] = version;
            }
            Action::Verify { about, pods, .. } => {
                let value = pods
                    .iter()
                    .map(|(name, uid, _)| {
                        let pod = self.edge.iter().find(|pod| pod.uid == *uid);
                        let outcome = match pod {
                            None => ProbeOutcome::Failed("it is gone".into()),
                            Some(pod) if pod.backend == "crd" => ProbeOutcome::Crd,
                            Some(pod) if self.reaches_us(pod) => ProbeOutcome::Remote {
                                from: Some(pki_key(&pod.host)),
                            },
                            Some(_) => ProbeOutcome::Failed("the backend did not answer".into()),
                        };
                        PodVerdict {
                            uid: uid.clone(),
                            name: name.clone(),
                            outcome,
                        }
                    })
                    .collect();
                self.evidence.verification = Some(Dated {
                    at: self.now,
                    about: about.clone(),
                    value,
                });
            }
            Action::DeletePrevious { .. } => self.previous = None,
        }
    }
}

fn pki_key(certificate: &str) -> String {
    let der = pki::pem::certificates(certificate.as_bytes()).unwrap().remove(0);
    pki::Certificate::parse(der).unwrap().facts().key.to_string()
}

fn put(secret: &mut Value, data: &BTreeMap<String, String>, manager: &str, now: &str) {
    secret["data"] = json!(data);
    merge::note(secret, manager, "Update", &json!({ "data": data }), now);
}

/// Data in base64, as objects have it.
fn secret(mut object: Value) -> Value {
    let data = object["data"].as_object().cloned().unwrap_or_default();
    let encoded: BTreeMap<_, _> = data
        .iter()
        .map(|(key, value)| {
            let bytes = k8s_openapi::ByteString(value.as_str().unwrap().as_bytes().to_vec());
            (key.clone(), serde_json::to_value(bytes).unwrap())
        })
        .collect();
    object["data"] = json!(encoded);
    object
}

/// Empty lists and maps are not kept by an API server.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, value| *value != json!([]) && *value != json!({}));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}
