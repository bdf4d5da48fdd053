//! Writes to objects of Flotta's, and to those that stand for what was before.

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Pod},
    },
};
use kube::{
    Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use plan::{
    action::{How, Kind, Write},
    names::{MANAGER, NUDGE_ANNOTATION, PREVIOUS},
    object::ObjectRef,
};
use serde_json::{Value, json};

use super::{Cluster, Failed, Fault};
use crate::rights::Right;

/// Applies or patches a ConfigMap or a Deployment.
pub(super) async fn write(cluster: &Cluster, write: &Write) -> Result<(), Failed> {
    match write.kind {
        Kind::ConfigMap => patch::<ConfigMap>(cluster, write, "", "configmaps").await,
        Kind::Deployment => patch::<Deployment>(cluster, write, "apps", "deployments").await,
    }
}

async fn patch<K>(
    cluster: &Cluster,
    write: &Write,
    group: &'static str,
    resource: &'static str,
) -> Result<(), Failed>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    K::DynamicType: Default,
{
    let name = write.object.name();
    let right = Right::new("patch", group, resource, Some(name));
    let (manager, force, patch) = match write.how {
        How::Apply { manager, force } => (manager, force, Patch::Apply(&write.document)),
        How::StrategicMerge { manager } => (manager, false, Patch::Strategic(&write.document)),
    };
    let parameters = PatchParams {
        field_manager: Some(manager.to_owned()),
        force,
        ..PatchParams::default()
    };
    match cluster.api::<K>().patch(name, &parameters, &patch).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(right, error).into()),
    }
}

/// Changes an annotation of pods, which makes the kubelet look at their volumes now. A pod that is
/// gone needs none.
pub(super) async fn nudge(cluster: &Cluster, pods: &[ObjectRef], value: &str) -> Result<(), Failed> {
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    for pod in pods {
        let change = json!({ "metadata": { "uid": pod.uid(), "annotations": { NUDGE_ANNOTATION: value } } });
        let patched = cluster
            .api::<Pod>()
            .patch_metadata(pod.name(), &parameters, &Patch::Merge(change))
            .await;
        match patched.map_err(|error| Fault::new(Right::new("patch", "", "pods", None), error)) {
            Ok(_) => {}
            Err(fault) if fault.is_gone() || fault.is_stale() => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}

/// Creates what was before. When somebody else did so first, theirs counts.
pub(super) async fn save_previous(cluster: &Cluster, document: &Value) -> Result<(), Failed> {
    let object: ConfigMap = serde_json::from_value(document.clone()).map_err(Failed::because)?;
    let parameters = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let created = cluster.api::<ConfigMap>().create(&parameters, &object).await;
    match created.map_err(|error| Fault::new(Right::new("create", "", "configmaps", None), error)) {
        Ok(_) => Ok(()),
        Err(fault) if fault.is_stale() => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}

/// Deletes what was before, if it is still this one.
pub(super) async fn delete_previous(cluster: &Cluster, saved: &ObjectRef) -> Result<(), Failed> {
    let parameters = DeleteParams::default().preconditions(Preconditions {
        uid: Some(saved.uid().to_owned()),
        resource_version: Some(saved.version().to_owned()),
    });
    let right = Right::new("delete", "", "configmaps", Some(PREVIOUS));
    let deleted = cluster.api::<ConfigMap>().delete(PREVIOUS, &parameters).await;
    match deleted.map_err(|error| Fault::new(right, error)) {
        Ok(_) => Ok(()),
        Err(fault) if fault.is_gone() => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}
