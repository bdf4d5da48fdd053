//! One look at the cluster.
//!
//! Objects are read one by one by their names, since the right to read all Secrets is not needed
//! for two. A cache fed by watches was rejected: a dozen small reads a minute cost the API server
//! less than what it would take to be sure that a cache is current, and nothing of a Secret stays
//! in memory between two looks.

use std::{net::IpAddr, sync::Mutex};

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Namespace, Pod, Secret, Service},
    },
};
use kube::{Api, Resource, ResourceExt, api::ListParams, core::Selector};
use plan::{
    Observed,
    api::RemoteBackend,
    names::{GROUP, PREVIOUS},
    object::Read,
    observed::{Evidence, ServerPod},
};
use serde::de::DeserializeOwned;

use super::{Cluster, Fault};
use crate::{calls::Calls, rights::Right};

/// The oldest of the resources that are older than this one and name the same Edge API.
pub fn elder(resource: &RemoteBackend, all: &[RemoteBackend]) -> Option<String> {
    let age = |resource: &RemoteBackend| {
        (
            resource.creation_timestamp().map(|time| time.0),
            resource.name_any(),
        )
    };
    all.iter()
        .filter(|other| other.spec.edge_api.deployment == resource.spec.edge_api.deployment)
        .filter(|other| age(other) < age(resource))
        .min_by_key(|other| age(other))
        .map(ResourceExt::name_any)
}

/// What is known before a resource's objects are looked at.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// An older resource for the same Edge API.
    pub elder: Option<String>,
    /// Whether the namespace is being deleted.
    pub namespace_ending: bool,
    /// What could not be read.
    pub unreadable: Vec<String>,
    /// Whether the Edge API is rolled back whatever the mode.
    pub leave: bool,
}

impl Cluster {
    /// Looks at everything that one resource is about.
    pub async fn observe(
        &self,
        resource: RemoteBackend,
        surroundings: Surroundings,
        evidence: Evidence,
        calls: &dyn Calls,
    ) -> Result<Observed, Fault> {
        let Surroundings {
            elder,
            namespace_ending,
            unreadable,
            leave,
        } = surroundings;
        let look = Look {
            cluster: self,
            unreadable: Mutex::new(unreadable),
        };
        let spec = &resource.spec;
        let secret = |name| look.get::<Secret>("", "secrets", name);
        let config_map = |name| look.get::<ConfigMap>("", "configmaps", name);
        let (edge_api, server, config, previous, ca, host, server_secret) = tokio::try_join!(
            look.edge_api(spec),
            look.server(&spec.backend.service, calls),
            config_map(&spec.edge_api.config_map),
            config_map(PREVIOUS),
            secret(&spec.edge_api.ca_secret),
            secret(&spec.edge_api.host_certificate_secret),
            secret(&spec.backend.secret),
        )?;
        let (deployment, edge_pods) = edge_api;
        let (server_service, server_pods) = server;
        Ok(Observed {
            now: Timestamp::now(),
            elder,
            namespace_ending,
            unreadable: look.unreadable.into_inner().unwrap_or_default(),
            deployment,
            edge_pods,
            config,
            ca,
            host,
            server_secret,
            server_service,
            server_pods,
            previous,
            evidence,
            leave,
            resource: read(resource, GROUP, "remotebackends")?,
        })
    }

    /// Whether the namespace is being deleted.
    pub async fn namespace_ending(&self) -> Result<bool, Fault> {
        let right = Right::cluster("get", "", "namespaces", Some(&self.namespace));
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = namespaces
            .get_metadata_opt(&self.namespace)
            .await
            .map_err(|error| Fault::new(right, error))?;
        Ok(namespace.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()))
    }
}

/// A look that goes on where something may not be read, and keeps what that was.
struct Look<'a> {
    cluster: &'a Cluster,
    unreadable: Mutex<Vec<String>>,
}

impl Look<'_> {
    async fn edge_api(
        &self,
        spec: &plan::api::RemoteBackendSpec,
    ) -> Result<(Option<Read<Deployment>>, Vec<Read<Pod>>), Fault> {
        let deployment: Option<Read<Deployment>> =
            self.get("apps", "deployments", &spec.edge_api.deployment).await?;
        let pods = match deployment.as_deref().and_then(selector) {
            Some(selector) => self.list("", "pods", &selector).await?,
            None => Vec::new(),
        };
        Ok((deployment, pods))
    }

    async fn server(
        &self,
        service: &str,
        calls: &dyn Calls,
    ) -> Result<(Option<Read<Service>>, Vec<ServerPod>), Fault> {
        let service: Option<Read<Service>> = self.get("", "services", service).await?;
        let Some(selector) = service.as_deref().and_then(service_selector) else {
            return Ok((service, Vec::new()));
        };
        let pods = self.list::<Pod>("", "pods", &selector).await?;
        let asked = pods.into_iter().map(async |pod| {
            let report = match address(&pod) {
                Some(address) => calls.server_report(address).await,
                None => Err("it has no address yet".to_owned()),
            };
            ServerPod { pod, report }
        });
        Ok((service, join_all(asked).await))
    }

    async fn get<K>(
        &self,
        group: &'static str,
        resource: &'static str,
        name: &str,
    ) -> Result<Option<Read<K>>, Fault>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let found = self.cluster.api::<K>().get_opt(name).await;
        let found = found.map_err(|error| Fault::new(Right::new("get", group, resource, Some(name)), error));
        let found = self.permitted(found)?.flatten();
        let read = found.map(|object| read(object, group, resource));
        read.transpose()
    }

    async fn list<K>(
        &self,
        group: &'static str,
        resource: &'static str,
        selector: &Selector,
    ) -> Result<Vec<Read<K>>, Fault>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let parameters = ListParams::default().labels_from(selector);
        let found = self.cluster.api::<K>().list(&parameters).await;
        let found = found.map_err(|error| Fault::new(Right::new("list", group, resource, None), error));
        let found = self.permitted(found)?.into_iter().flat_map(|list| list.items);
        found.map(|object| read(object, group, resource)).collect()
    }

    fn permitted<T>(&self, found: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Fault::Forbidden(right)) => {
                if let Ok(mut unreadable) = self.unreadable.lock() {
                    unreadable.push(right.missing());
                }
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Whatever is written later names what was read here.
pub(super) fn read<K: Resource>(
    object: K,
    group: &'static str,
    resource: &'static str,
) -> Result<Read<K>, Fault>
where
    K::DynamicType: Default,
{
    let right = Right::new("get", group, resource, object.meta().name.as_deref());
    Read::new(object).map_err(|incomplete| Fault::NoAnswer {
        right,
        reason: incomplete.to_string(),
    })
}

/// The pods of a Deployment. One without a selector has none: an empty selector would be all pods.
pub(super) fn selector(deployment: &Deployment) -> Option<Selector> {
    let selector: Selector = deployment.spec.as_ref()?.selector.clone().try_into().ok()?;
    (!selector.selects_all()).then_some(selector)
}

/// The pods of a Service. One without a selector has none.
pub(super) fn service_selector(service: &Service) -> Option<Selector> {
    let labels = service.spec.as_ref()?.selector.clone()?;
    (!labels.is_empty()).then(|| labels.into_iter().collect())
}

/// Where a pod listens. One that has ended does not.
pub(super) fn address(pod: &Pod) -> Option<IpAddr> {
    let status = pod.status.as_ref()?;
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    status.pod_ip.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(name: &str, created: &str, deployment: &str) -> RemoteBackend {
        serde_json::from_value(json!({
            "apiVersion": "companion.project-flotta.io/v1alpha1", "kind": "RemoteBackend",
            "metadata": {"name": name, "creationTimestamp": created},
            "spec": {"edgeApi": {"deployment": deployment}},
        }))
        .unwrap()
    }

    #[test]
    fn the_oldest_acts_and_names_break_a_tie() {
        let all = [
            resource("b", "2026-01-02T00:00:00Z", "one"),
            resource("c", "2026-01-01T00:00:00Z", "one"),
            resource("a", "2026-01-02T00:00:00Z", "one"),
            resource("d", "2026-01-01T00:00:00Z", "two"),
        ];
        assert_eq!(elder(&all[0], &all).as_deref(), Some("c"));
        assert_eq!(elder(&all[2], &all).as_deref(), Some("c"));
        assert_eq!(elder(&all[1], &all), None);
        assert_eq!(elder(&all[3], &all), None);
        assert_eq!(
            elder(&all[0], &[all[0].clone(), all[2].clone()]).as_deref(),
            Some("a")
        );
    }

    #[test]
    fn an_empty_selector_is_not_all_pods() {
        let deployment: Deployment =
            serde_json::from_value(json!({"spec": {"selector": {}, "template": {}}})).unwrap();
        assert!(selector(&deployment).is_none());
        let service: Service = serde_json::from_value(json!({"spec": {"selector": {}}})).unwrap();
        assert!(service_selector(&service).is_none());
    }

    #[test]
    fn a_pod_that_has_ended_is_not_asked() {
        let pod = |phase: &str| -> Pod {
            serde_json::from_value(json!({"status": {"phase": phase, "podIP": "10.0.0.7"}})).unwrap()
        };
        assert!(address(&pod("Running")).is_some());
        assert!(address(&pod("Failed")).is_none());
        assert!(address(&Pod::default()).is_none());
    }
}
