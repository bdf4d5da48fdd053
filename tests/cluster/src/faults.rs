//! Faults that nobody wishes for: processes that stop, components that go away, rights that are
//! missing.

use std::fs;
use std::time::Duration;

use crate::patience::wait_for;
use anyhow::{Context, Result, ensure};
use http::Method;
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use testkit::kubernetes::PatchKind;
use testkit::process::Signal;

use crate::Cluster;

const PODS: &str = "/api/v1/namespaces/flotta/pods";

/// The pods of namespace `flotta` with a label, `key=value`, that run or are about to, oldest
/// first.
pub async fn pods(cluster: &Cluster, label: &str) -> Result<Vec<Value>> {
    let mut pods = unfinished(cluster, label).await?;
    pods.retain(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
    pods.sort_by_key(|pod| pod["metadata"]["creationTimestamp"].as_str().map(str::to_owned));
    Ok(pods)
}

/// Those that are being ended too, but not those whose work is done, such as the pod of a former
/// `helm test`.
async fn unfinished(cluster: &Cluster, label: &str) -> Result<Vec<Value>> {
    let selector = label.replace('=', "%3D").replace('/', "%2F");
    let mut pods = cluster.items(&format!("{PODS}?labelSelector={selector}")).await?;
    pods.retain(|pod| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")));
    Ok(pods)
}

/// The processes of a pod's first container, by their ids on this machine.
pub fn processes(cluster: &Cluster, pod: &Value) -> Result<Vec<Pid>> {
    ensure!(
        cluster.is_throwaway(),
        "processes of a pod can only be signalled on a throwaway cluster"
    );
    let container = pod
        .pointer("/status/containerStatuses/0/containerID")
        .and_then(Value::as_str)
        .and_then(|id| id.strip_prefix("containerd://"))
        .context("the pod has no running container")?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while it is looked at. Its control group is named after the container.
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if groups.contains(container) {
            found.extend(Pid::from_raw(number));
        }
    }
    ensure!(!found.is_empty(), "no process of container {container} was found");
    Ok(found)
}

/// Sends a signal to all processes of a pod's first container.
pub fn signal(cluster: &Cluster, pod: &Value, signal: Signal) -> Result<()> {
    for process in processes(cluster, pod)? {
        kill_process(process, signal)?;
    }
    Ok(())
}

/// Sets the number of replicas; `kind` is `deployments` or `statefulsets`.
pub async fn scale(cluster: &Cluster, kind: &str, name: &str, replicas: u32) -> Result<()> {
    let path = format!("/apis/apps/v1/namespaces/flotta/{kind}/{name}/scale");
    let changes = json!({"spec": {"replicas": replicas}});
    cluster.patch(&path, PatchKind::Merge, &changes).await.map(drop)
}

/// Waits until this many pods with a label run and are ready, and no other.
pub async fn ready_pods(cluster: &Cluster, label: &str, count: usize, deadline: Duration) -> Result<()> {
    let what = format!("{count} ready pods with {label}");
    wait_for(&what, deadline, async || {
        let pods = unfinished(cluster, label).await.ok()?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        (pods.len() == count && ready == count).then_some(())
    })
    .await
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Keeps new pods from being placed, or lets them again.
pub async fn cordon(cluster: &Cluster, cordoned: bool) -> Result<()> {
    for node in cluster.items("/api/v1/nodes").await? {
        let name = node["metadata"]["name"].as_str().context("a node has a name")?;
        let changes = json!({"spec": {"unschedulable": cordoned}});
        cluster
            .patch(&format!("/api/v1/nodes/{name}"), PatchKind::Merge, &changes)
            .await?;
    }
    Ok(())
}

/// Takes all rights on a resource from a Role of namespace `flotta`; returns the rules as they
/// were, for [`give_rights`].
pub async fn take_right(cluster: &Cluster, role: &str, resource: &str) -> Result<Value> {
    let path = role_path(role);
    let object = cluster
        .object(&path)
        .await?
        .with_context(|| format!("there is no Role {role}"))?;
    let before = object["rules"].clone();
    let mut rules = before.as_array().cloned().unwrap_or_default();
    for rule in &mut rules {
        if let Some(resources) = rule["resources"].as_array_mut() {
            resources.retain(|name| name != resource);
        }
    }
    rules.retain(|rule| rule["resources"].as_array().is_some_and(|list| !list.is_empty()));
    ensure!(
        before.as_array() != Some(&rules),
        "Role {role} gives no rights on {resource}"
    );
    cluster
        .patch(&path, PatchKind::Merge, &json!({"rules": rules}))
        .await?;
    Ok(before)
}

/// Gives a Role the rules that [`take_right`] found.
pub async fn give_rights(cluster: &Cluster, role: &str, rules: &Value) -> Result<()> {
    cluster
        .patch(&role_path(role), PatchKind::Merge, &json!({"rules": rules}))
        .await
        .map(drop)
}

fn role_path(role: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/flotta/roles/{role}")
}

/// Kills kube-apiserver, starts it again and waits until it answers.
pub async fn restart_api_server(cluster: &Cluster) -> Result<()> {
    cluster.component("restart", "kube-apiserver")?;
    wait_for(
        "kube-apiserver to answer again",
        Duration::from_mins(1),
        async || {
            let answer = cluster.client().call(Method::GET, "/readyz", None).await.ok()?;
            (answer.status == 200).then_some(())
        },
    )
    .await
}
