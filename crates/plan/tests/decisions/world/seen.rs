//! What the companion observes of the cluster in memory.

use std::collections::BTreeMap;

use plan::{
    Observed,
    object::Read,
    observed::{ServerPod, ServerReport},
};
use serde_json::{Value, json};

use super::{OurPod, World};

impl World {
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
                "metadata": {
                    "name": uid, "namespace": "flotta", "uid": uid, "resourceVersion": "1", "annotations": {},
                },
                "status": { "phase": "Running", "podIP": ip, "conditions": [{ "type": "Ready", "status": "True" }] },
            });
            if let Some(value) = annotation.1 {
                pod["metadata"]["annotations"][annotation.0] = json!(value);
            }
            pod
        };
        Observed {
            now: self.now,
            resource: Read::new(self.resource.clone()).unwrap(),
            elder: self.elder.clone(),
            leave: self.leave,
            namespace_ending: self.ending,
            unreadable: Vec::new(),
            deployment: deployment.map(read),
            edge_pods: self
                .edge
                .iter()
                .map(|edge| {
                    let annotation = ("companion.project-flotta.io/inputs", edge.inputs.as_ref());
                    let mut pod = pod(&edge.uid, annotation, "10.0.0.1");
                    pod["metadata"]["creationTimestamp"] = json!(edge.created.to_string());
                    read(pod)
                })
                .collect(),
            config: typed(&self.config).map(read),
            ca: typed(&self.ca).map(secret).map(read),
            host: typed(&self.host).map(secret).map(read),
            server_secret: typed(&self.server_secret).map(secret).map(read),
            server_service: None,
            server_pods: self
                .ours
                .iter()
                .map(|ours| ServerPod {
                    pod: {
                        let annotation = ("companion.project-flotta.io/nudge", ours.nudge.as_ref());
                        read(pod(&ours.uid, annotation, "10.0.0.2"))
                    },
                    report: Self::report(ours),
                })
                .collect(),
            previous: typed(&self.previous).map(read),
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
            let certificates = pki::Certificate::all_in_go(file.as_bytes()).into_iter();
            certificates
                .map(|certificate| certificate.facts().fingerprint.to_string())
                .collect()
        };
        let faults = |key: &str| {
            let file = pod.loaded.get(key).cloned().unwrap_or_default();
            let faults = pki::pem::certificates(file.as_bytes()).err().unwrap_or_default();
            faults
                .into_iter()
                .map(|fault| format!("/etc/tls/{key}: {fault}"))
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
            switch_waits_for: pod.manifests.switch_waits_for.clone(),
            faulty_sources: pod.manifests.faulty,
            unconfirmed_sources: pod.manifests.unconfirmed,
            store_not_writable: pod.store_not_writable.clone(),
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
            material_faults: faults("ca.crt"),
            store_id: Some(pod.store.clone()),
            admission: file["admission"].as_str().map(str::to_owned),
            admission_store_id: recorded,
            probes: Vec::new(),
        })
    }
}

fn read<T: kube::Resource + serde::de::DeserializeOwned>(object: Value) -> Read<T> {
    Read::new(serde_json::from_value(object).unwrap()).unwrap()
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
