//! The resource itself: finding it, saying what was found, and marking it for an uninstallation.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use plan::{
    api::{RemoteBackend, RemoteBackendStatus},
    names::{FINALIZER, GROUP, MANAGER, RETIRING_ANNOTATION},
    object::Read,
};
use serde_json::{Value, json};

use super::{Cluster, Fault, observe::read};
use crate::rights::Right;

/// The label that says who made an object (Kubernetes, "Recommended Labels").
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Whether a resource is being uninstalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retiring {
    /// It is not.
    No,
    /// It was, by somebody who gave up without a word: the time they set themselves is over.
    Abandoned,
    /// It is: the companion only watches.
    Yes,
}

/// Reads the mark of [`Cluster::set_retiring`]. A mark without a time that can be read lasts until
/// it is removed.
pub fn retiring(resource: &RemoteBackend, now: Timestamp) -> Retiring {
    match resource.annotations().get(RETIRING_ANNOTATION) {
        None => Retiring::No,
        Some(until) => match until.parse::<Timestamp>() {
            Ok(until) if until < now => Retiring::Abandoned,
            _ => Retiring::Yes,
        },
    }
}

impl Cluster {
    /// All resources of the namespace; none when there is no such kind of resource.
    pub async fn resources(&self) -> Result<Vec<RemoteBackend>, Fault> {
        match self.api::<RemoteBackend>().list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            Err(error) => match Fault::new(Right::new("list", GROUP, "remotebackends", None), error) {
                fault if fault.is_gone() => Ok(Vec::new()),
                fault => Err(fault),
            },
        }
    }

    /// The resource of this name; none when there is none.
    pub async fn resource(&self, name: &str) -> Result<Option<RemoteBackend>, Fault> {
        let right = Right::new("get", GROUP, "remotebackends", Some(name));
        let found = self.api::<RemoteBackend>().get_opt(name).await;
        found.map_err(|error| Fault::new(right, error))
    }

    /// Whether there is a Deployment of this name that is not being deleted.
    pub async fn has_deployment(&self, name: &str) -> Result<bool, Fault> {
        let right = Right::new("get", "apps", "deployments", Some(name));
        let found = self.api::<Deployment>().get_metadata_opt(name).await;
        let found = found.map_err(|error| Fault::new(right, error))?;
        Ok(found.is_some_and(|deployment| deployment.metadata.deletion_timestamp.is_none()))
    }

    /// Says what was found; fails when the resource has changed since, and where what is to be
    /// remembered does not come back: the next look would decide as if nothing had happened.
    pub async fn write_status(
        &self,
        resource: &RemoteBackend,
        status: &RemoteBackendStatus,
    ) -> Result<Read<RemoteBackend>, Fault> {
        let mut with_status = resource.clone();
        with_status.status = Some(status.clone());
        let name = resource.name_any();
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let kept: RemoteBackend = self
            .api()
            .replace_status(&name, &parameters, &with_status)
            .await
            .map_err(|error| Fault::new(Right::new("update", GROUP, "remotebackends/status", None), error))?;
        let remembered = kept.status.as_ref().and_then(|status| status.memory.as_ref());
        if remembered == status.memory.as_ref() {
            read(kept, GROUP, "remotebackends")
        } else {
            Err(Fault::Forgotten { name })
        }
    }

    /// Takes or gives up the finalizer.
    pub async fn set_finalizer(&self, resource: &RemoteBackend, wanted: bool) -> Result<(), Fault> {
        let held = resource.finalizers();
        if held.iter().any(|finalizer| finalizer == FINALIZER) == wanted {
            return Ok(());
        }
        let mut finalizers: Vec<&str> = held
            .iter()
            .map(String::as_str)
            .filter(|finalizer| *finalizer != FINALIZER)
            .collect();
        if wanted {
            finalizers.push(FINALIZER);
        }
        self.patch_metadata(resource, true, json!({ "finalizers": finalizers }))
            .await
    }

    /// Marks the resource as being uninstalled until a time, or removes the mark.
    pub async fn set_retiring(
        &self,
        resource: &RemoteBackend,
        until: Option<Timestamp>,
    ) -> Result<(), Fault> {
        let until = until.map(|until| until.to_string());
        let change = json!({ "annotations": { RETIRING_ANNOTATION: until } });
        self.patch_metadata(resource, false, change).await
    }

    /// Deletes a resource that Helm made. Helm leaves it where it is (`helm.sh/resource-policy:
    /// keep`), so that an uninstallation which skips the way back loses nothing that the next
    /// installation needs; after the way back it is of no use. One that a person made stays.
    pub async fn delete_if_of_chart(&self, resource: &RemoteBackend) -> Result<(), Fault> {
        if resource.labels().get(MANAGED_BY).map(String::as_str) != Some("Helm") {
            return Ok(());
        }
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: resource.uid(),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        let deleted = self
            .api::<RemoteBackend>()
            .delete(&resource.name_any(), &parameters)
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::new(
                Right::new("delete", GROUP, "remotebackends", None),
                error,
            )),
        }
    }

    async fn patch_metadata(
        &self,
        resource: &RemoteBackend,
        exact: bool,
        mut change: Value,
    ) -> Result<(), Fault> {
        change["uid"] = json!(resource.uid());
        if exact {
            change["resourceVersion"] = json!(resource.resource_version());
        }
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({ "metadata": change }));
        match self
            .api::<RemoteBackend>()
            .patch_metadata(&resource.name_any(), &parameters, &patch)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::new(
                Right::new("patch", GROUP, "remotebackends", None),
                error,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_ends_with_the_time_that_was_set() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let mut resource = RemoteBackend::default();
        assert_eq!(retiring(&resource, now), Retiring::No);
        for (value, expected) in [
            ("2026-01-01T12:05:00Z", Retiring::Yes),
            ("2026-01-01T11:59:59Z", Retiring::Abandoned),
            ("true", Retiring::Yes),
        ] {
            resource
                .annotations_mut()
                .insert(RETIRING_ANNOTATION.to_owned(), value.to_owned());
            assert_eq!(retiring(&resource, now), expected, "{value}");
        }
    }
}
