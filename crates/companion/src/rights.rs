//! What the companion has to be allowed to do: one table, for the question whether it is, for the
//! sentence that names a right that is missing, and for the chart's roles, which a test compares
//! with it.

use std::fmt;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use plan::{
    api::RemoteBackendSpec,
    names::{GROUP, LEASE, PREVIOUS, REMOTE_BACKEND},
};

/// API group of Flotta's custom resources.
pub const FLOTTA_GROUP: &str = "management.project-flotta.io";

/// A right: one verb on one resource, for one object by its name where the name is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Plural name of the resource, as `configmaps`, with its subresource, as
    /// `remotebackends/status`.
    pub resource: &'static str,
    /// For this object alone; for all of them without a name.
    pub name: Option<String>,
    /// As `get`.
    pub verb: &'static str,
    /// In the companion's namespace, or everywhere.
    pub scope: Scope,
}

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In the namespace of the companion.
    Namespace,
    /// In the whole cluster.
    Cluster,
}

impl Right {
    /// A right in the companion's namespace.
    pub fn new(verb: &'static str, group: &'static str, resource: &'static str, name: Option<&str>) -> Self {
        Self {
            group,
            resource,
            name: name.map(ToOwned::to_owned),
            verb,
            scope: Scope::Namespace,
        }
    }

    /// A right in the whole cluster.
    pub fn cluster(
        verb: &'static str,
        group: &'static str,
        resource: &'static str,
        name: Option<&str>,
    ) -> Self {
        Self {
            scope: Scope::Cluster,
            ..Self::new(verb, group, resource, name)
        }
    }

    /// The sentence that says that it is missing, with the remedy.
    pub fn missing(&self) -> String {
        let role = match self.scope {
            Scope::Namespace => "Role",
            Scope::Cluster => "ClusterRole",
        };
        format!("the companion may not {self}; grant it in its {role} (the chart does)")
    }

    /// As a question to the API server.
    pub fn review(&self, namespace: &str) -> SelfSubjectAccessReview {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (self.resource, None),
        };
        SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(self.group.to_owned()),
                    resource: Some(resource.to_owned()),
                    subresource: subresource.map(ToOwned::to_owned),
                    name: self.name.clone(),
                    namespace: (self.scope == Scope::Namespace).then(|| namespace.to_owned()),
                    verb: Some(self.verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        }
    }
}

/// As `patch configmaps "flotta-edge-api-config"`.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

const LOOK: &[&str] = &["get", "list", "watch"];
const LOOK_AND_PATCH: &[&str] = &["get", "list", "watch", "patch"];

/// Everything that is needed for one resource.
pub fn table(spec: &RemoteBackendSpec, namespace: &str) -> Vec<Right> {
    let edge_api = &spec.edge_api;
    let mut rights = Vec::new();
    let mut add = |verbs: &[&'static str], group, resource, name: Option<&str>| {
        rights.extend(verbs.iter().map(|verb| Right::new(verb, group, resource, name)));
    };
    add(LOOK_AND_PATCH, "", "configmaps", Some(&edge_api.config_map));
    // The names of what is created are not looked at by the API server's authorization.
    add(&["create"], "", "configmaps", None);
    add(&["get", "delete"], "", "configmaps", Some(PREVIOUS));
    add(LOOK, "", "secrets", Some(&edge_api.ca_secret));
    add(LOOK, "", "secrets", Some(&edge_api.host_certificate_secret));
    add(LOOK_AND_PATCH, "", "secrets", Some(&spec.backend.secret));
    add(LOOK_AND_PATCH, "apps", "deployments", Some(&edge_api.deployment));
    // Names of pods are not known beforehand.
    add(LOOK_AND_PATCH, "", "pods", None);
    add(&["get"], "", "services", Some(&spec.backend.service));
    add(&["get", "update"], "coordination.k8s.io", "leases", Some(LEASE));
    add(LOOK_AND_PATCH, GROUP, "remotebackends", None);
    add(&["delete"], GROUP, "remotebackends", None);
    add(&["update"], GROUP, "remotebackends/status", None);
    add(&["create", "patch"], "events.k8s.io", "events", None);
    rights.extend(
        LOOK.iter()
            .map(|verb| Right::cluster(verb, "", "namespaces", Some(namespace))),
    );
    rights.push(edge_devices());
    rights
}

/// What is needed when the release is deleted, beside the Deployment of this name: the rest of the
/// table is gone by then.
pub fn farewell(deployment: &str) -> Vec<Right> {
    let mut rights = vec![Right::new("get", "apps", "deployments", Some(deployment))];
    rights
        .extend(["get", "patch"].map(|verb| Right::new(verb, GROUP, "remotebackends", Some(REMOTE_BACKEND))));
    rights
}

/// The right to count what the custom resources have.
pub fn edge_devices() -> Right {
    Right::cluster("list", FLOTTA_GROUP, "edgedevices", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_with_its_object_and_its_remedy() {
        let right = Right::new("patch", "apps", "deployments", Some("flotta-edge-api"));
        assert_eq!(
            right.missing(),
            "the companion may not patch deployments.apps \"flotta-edge-api\"; grant it in its Role (the chart does)"
        );
        assert!(
            edge_devices()
                .missing()
                .contains("list edgedevices.management.project-flotta.io;")
        );
        assert!(edge_devices().missing().contains("ClusterRole"));
    }

    #[test]
    fn a_question_names_the_subresource_and_leaves_the_namespace_out_for_the_cluster() {
        let review = Right::new("update", GROUP, "remotebackends/status", None).review("flotta");
        let attributes = review.spec.resource_attributes.unwrap();
        assert_eq!(attributes.resource.as_deref(), Some("remotebackends"));
        assert_eq!(attributes.subresource.as_deref(), Some("status"));
        assert_eq!(attributes.namespace.as_deref(), Some("flotta"));
        let review = edge_devices().review("flotta");
        assert_eq!(review.spec.resource_attributes.unwrap().namespace, None);
    }

    #[test]
    fn no_right_is_asked_for_twice() {
        let rights = table(&RemoteBackendSpec::default(), "flotta");
        let distinct: std::collections::BTreeSet<_> = rights.iter().collect();
        assert_eq!(distinct.len(), rights.len());
    }
}
