//! Stand-ins for the controllers and the kubelet, which make ReplicaSets and pods of the Edge API's
//! Deployment.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{calls::Scripted, world::TICK};

/// Which backend the Edge API uses.
const BACKEND: &str = "BACKEND";

/// The Edge API's Deployment, as `config/edge-api` of flotta-operator has it, as far as it matters
/// here.
pub fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "flotta-edge-api"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "flotta-edge-api"}},
            "template": {
                "metadata": {"labels": {"app": "flotta-edge-api"}},
                "spec": {"containers": [
                    {"name": "kube-rbac-proxy", "image": "kube-rbac-proxy"},
                    {"name": "http", "image": "flotta-edge-api", "command": ["/flotta-edge-api"],
                     "envFrom": [{"configMapRef": {"name": "flotta-edge-api-config"}}]},
                ]},
            },
        },
    })
}

/// Makes ReplicaSets and pods of the Edge API's Deployment, and says in its status that it did.
pub async fn run(admin: Client, namespace: String, calls: Arc<Scripted>) {
    let stage = Stage {
        deployments: Api::namespaced(admin.clone(), &namespace),
        sets: Api::namespaced(admin.clone(), &namespace),
        pods: Api::namespaced(admin.clone(), &namespace),
        configs: Api::namespaced(admin, &namespace),
        calls,
        addresses: Mutex::new(0),
    };
    loop {
        // Objects come and go under its hands: the next look reverts it.
        let _ = stage.look().await;
        tokio::time::sleep(TICK).await;
    }
}

struct Stage {
    deployments: Api<Deployment>,
    sets: Api<ReplicaSet>,
    pods: Api<Pod>,
    configs: Api<ConfigMap>,
    calls: Arc<Scripted>,
    addresses: Mutex<u32>,
}

impl Stage {
    async fn look(&self) -> Result<()> {
        let deployment = self.deployments.get("flotta-edge-api").await?;
        let done = deployment
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        if done == deployment.metadata.generation || self.calls.is_stuck() {
            return Ok(());
        }
        let template = deployment
            .spec
            .clone()
            .context("a Deployment has a spec")?
            .template;
        let template = serde_json::to_value(template)?;
        let written = template.to_string();
        let known = self.sets.list(&ListParams::default()).await?;
        let same = known.iter().find(|set| {
            set.annotations()
                .get("template")
                .is_some_and(|known| *known == written)
        });
        let set = match same {
            Some(set) => set.clone(),
            None => {
                self.replica_set(&deployment, &template, known.items.len() + 1)
                    .await?
            }
        };
        self.roll(&set, &template).await?;
        let status = json!({"status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""}],
        }});
        self.deployments
            .patch_status("flotta-edge-api", &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    async fn replica_set(
        &self,
        deployment: &Deployment,
        template: &Value,
        number: usize,
    ) -> Result<ReplicaSet> {
        let hash = number.to_string();
        let mut template_of_set = template.clone();
        template_of_set["metadata"]["labels"]["pod-template-hash"] = json!(hash);
        let set = json!({
            "metadata": {
                "name": format!("flotta-edge-api-{hash}"),
                "labels": {"app": "flotta-edge-api", "pod-template-hash": hash},
                "annotations": {"deployment.kubernetes.io/revision": hash, "template": template.to_string()},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.name_any(),
                                     "uid": deployment.uid(), "controller": true}],
            },
            "spec": {"replicas": 1, "template": template_of_set,
                     "selector": {"matchLabels": {"app": "flotta-edge-api", "pod-template-hash": hash}}},
        });
        Ok(self
            .sets
            .create(&PostParams::default(), &serde_json::from_value(set)?)
            .await?)
    }

    /// One pod of this set, and none of another.
    async fn roll(&self, set: &ReplicaSet, template: &Value) -> Result<()> {
        let pods = self
            .pods
            .list(&ListParams::default().labels("app=flotta-edge-api"))
            .await?;
        let owned = |pod: &Pod| {
            pod.owner_references()
                .iter()
                .any(|owner| Some(&owner.uid) == set.uid().as_ref())
        };
        if !pods.iter().any(owned) {
            let mut pod = template.clone();
            let number = {
                let mut addresses = self.addresses.lock().unwrap();
                *addresses += 1;
                *addresses
            };
            pod["metadata"]["name"] = json!(format!("{}-{number}", set.name_any()));
            pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "name": set.name_any(), "uid": set.uid(), "controller": true}]);
            let address = format!("10.2.{}.{}", number / 250, number % 250 + 1);
            let backend = self.backend(template).await?;
            self.calls.started(&address, backend);
            let pod: Pod = self
                .pods
                .create(&PostParams::default(), &serde_json::from_value(pod)?)
                .await?;
            start(&self.pods, &pod, &address).await?;
        }
        for pod in pods.iter().filter(|pod| !owned(pod)) {
            self.pods
                .delete(&pod.name_any(), &DeleteParams::default().grace_period(0))
                .await?;
        }
        Ok(())
    }

    /// What the Edge API reads at its start: the ConfigMap, and over it the container's own
    /// environment.
    async fn backend(&self, template: &Value) -> Result<Option<String>> {
        let settings = self
            .configs
            .get("flotta-edge-api-config")
            .await?
            .data
            .unwrap_or_default();
        let containers = template["spec"]["containers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let own = containers
            .iter()
            .filter(|container| container["name"] == "http")
            .flat_map(|container| container["env"].as_array().cloned().unwrap_or_default())
            .find(|variable| variable["name"] == BACKEND)
            .and_then(|variable| variable["value"].as_str().map(ToOwned::to_owned));
        Ok(own.or_else(|| settings.get(BACKEND).cloned()))
    }
}

/// Lets a pod run and be ready at an address.
pub async fn start(pods: &Api<Pod>, pod: &Pod, address: &str) -> Result<()> {
    let status = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}
