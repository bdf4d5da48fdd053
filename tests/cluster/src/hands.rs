//! What people and their tools do to Flotta's objects, with or without knowing what they do.
//!
//! Each change is made under a field manager of its own, so that what the companion says of it can
//! be checked for the name.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::kubernetes::PatchKind;
use testkit::pki::{Authority, Identity, KeyKind, Profile};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Cluster;
use crate::flotta::{Flotta, manifests};

/// The field manager of changes made here.
pub const MANAGER: &str = "somebody";
/// The Edge API's ConfigMap.
pub const CONFIG_MAP: &str = "/api/v1/namespaces/flotta/configmaps/flotta-edge-api-config";
/// The Edge API's Deployment.
pub const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/flotta/deployments/flotta-edge-api";
/// Where Flotta's CA is.
pub const CA: &str = "/api/v1/namespaces/flotta/secrets/flotta-ca";
/// Where the Edge API's own certificate is.
pub const HOST_CERTIFICATE: &str = "/api/v1/namespaces/flotta/secrets/flotta-host-certificate";

/// A change by a person, named as its field manager.
pub async fn change(cluster: &Cluster, path: &str, kind: PatchKind, changes: &Value) -> Result<Value> {
    cluster
        .patch(&format!("{path}?fieldManager={MANAGER}"), kind, changes)
        .await
}

/// Asks the companion to try again, and to forget who wrote what back.
pub async fn ask_again(cluster: &Cluster) -> Result<()> {
    let word = uuid::Uuid::new_v4().to_string();
    let changes = json!({"metadata": {"annotations": {"companion.project-flotta.io/retry": word}}});
    change(cluster, crate::remote_backend::PATH, PatchKind::Merge, &changes)
        .await
        .map(drop)
}

/// `kubectl edit configmap`: sets a key of the Edge API's settings, or removes it.
pub async fn set_setting(cluster: &Cluster, key: &str, value: Option<&str>) -> Result<()> {
    change(
        cluster,
        CONFIG_MAP,
        PatchKind::Merge,
        &json!({"data": {key: value}}),
    )
    .await
    .map(drop)
}

/// A setting of the Edge API, if it is there.
pub async fn setting(cluster: &Cluster, key: &str) -> Result<Option<String>> {
    let object = cluster
        .object(CONFIG_MAP)
        .await?
        .context("there is no ConfigMap flotta-edge-api-config")?;
    Ok(object["data"][key].as_str().map(str::to_owned))
}

/// `kubectl replace` of the Edge API's settings by what Flotta's own manifests say, or by nothing
/// at all.
pub fn replace_settings(cluster: &Cluster, emptied: bool) -> Result<()> {
    let data = if emptied {
        json!({})
    } else {
        json!({"METRICS_ADDR": ":8080", "PROBE_ADDR": ":8081", "LOG_LEVEL": "info"})
    };
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "flotta-edge-api-config", "namespace": "flotta"}, "data": data,
    });
    cluster.kubectl_with(&["replace"], &object.to_string()).map(drop)
}

/// How Flotta's manifests are put in place once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// `kubectl apply`.
    ClientSide,
    /// `kubectl apply --server-side --force-conflicts`.
    ServerSide,
    /// `kubectl replace`.
    Replaced,
}

/// Puts Flotta's own Deployment of the Edge API in place once more, as its users do at an update.
pub fn deployment_again(cluster: &Cluster, how: Again) -> Result<()> {
    let all = manifests(cluster)?;
    let deployment = all
        .split("---\n")
        .find(|text| text.contains("\nkind: Deployment\n") && text.contains("\n  name: flotta-edge-api\n"))
        .context("Flotta's manifests have a Deployment flotta-edge-api")?;
    let command: &[&str] = match how {
        Again::ClientSide => &["apply"],
        Again::ServerSide => &["apply", "--server-side", "--force-conflicts"],
        Again::Replaced => &["replace"],
    };
    cluster.kubectl_with(command, deployment).map(drop)
}

/// `kubectl rollout restart deployment/flotta-edge-api`.
pub async fn restart_edge_api(cluster: &Cluster, nonce: &str) -> Result<()> {
    let changes = json!({"spec": {"template": {"metadata": {"annotations": {"somebody/restarted": nonce}}}}});
    change(cluster, DEPLOYMENT, PatchKind::Strategic, &changes)
        .await
        .map(drop)
}

/// Replaces keys of a Secret in one write.
pub async fn write_secret(cluster: &Cluster, path: &str, keys: &[(&str, &str)]) -> Result<()> {
    let data: serde_json::Map<_, _> = keys
        .iter()
        .map(|(key, text)| ((*key).to_owned(), json!(STANDARD.encode(text))))
        .collect();
    change(cluster, path, PatchKind::Merge, &json!({"data": data}))
        .await
        .map(drop)
}

/// Writes back what a Secret held, exactly.
pub async fn restore_secret(cluster: &Cluster, path: &str, held: &Value) -> Result<()> {
    let changes = json!([{"op": "add", "path": "/data", "value": held["data"]}]);
    change(cluster, path, PatchKind::Json, &changes).await.map(drop)
}

/// Another CA with another host certificate: a pair that belongs together and is none of this
/// Flotta's.
pub async fn foreign_ca(cluster: &Cluster) -> Result<()> {
    let other = Authority::new(KeyKind::P256)?;
    let host = other.issue(&host_profile()?)?;
    write_secret(
        cluster,
        CA,
        &[("ca.crt", &other.pem()), ("ca.key", &other.key_pem()?)],
    )
    .await?;
    write_host_certificate(cluster, &host).await
}

/// `ca.crt` of another CA beside the key of this one: a start of the Edge API would end at once.
pub async fn mismatched_pair(cluster: &Cluster) -> Result<()> {
    let other = Authority::new(KeyKind::P256)?;
    write_secret(cluster, CA, &[("ca.crt", &other.pem())]).await
}

/// A Secret without keys: a start of the Edge API would end at once.
pub async fn emptied_secret(cluster: &Cluster, path: &str) -> Result<()> {
    let changes = json!([{"op": "add", "path": "/data", "value": {}}]);
    change(cluster, path, PatchKind::Json, &changes).await.map(drop)
}

/// A new host certificate of the same CA, as a careful person renews it: new key, same names, SEC
/// 1, in one write.
pub async fn renewed_host_certificate(cluster: &Cluster, flotta: &Flotta) -> Result<Identity> {
    let host = flotta.authority.issue(&host_profile()?)?;
    write_host_certificate(cluster, &host).await?;
    Ok(host)
}

/// A new CA certificate of the same key and name in front of the former one, as a careful person
/// renews it.
pub async fn renewed_ca(cluster: &Cluster, flotta: &Flotta) -> Result<()> {
    let bundle = format!("{}{}", flotta.authority.renewed()?.pem(), flotta.ca_pem);
    write_secret(cluster, CA, &[("ca.crt", &bundle)]).await
}

async fn write_host_certificate(cluster: &Cluster, host: &Identity) -> Result<()> {
    let (certificate, key) = (host.certificate_pem(), host.key().traditional_pem()?);
    write_secret(
        cluster,
        HOST_CERTIFICATE,
        &[("server.crt", &certificate), ("server.key", &key)],
    )
    .await
}

/// The profile that Flotta gives it, names included.
fn host_profile() -> Result<Profile> {
    Profile::host().with_names(&["project-flotta.io", "127.0.0.1", "::1"])
}

/// Another program that holds a setting of the Edge API to a value of its own; ends when dropped.
#[derive(Debug)]
pub struct SecondManager {
    task: JoinHandle<()>,
    rounds: watch::Receiver<u32>,
}

impl SecondManager {
    /// Writes the value twice a second.
    pub fn start(cluster: &Cluster, key: &'static str, value: &'static str) -> Self {
        let client = cluster.client().clone();
        let path = format!("{CONFIG_MAP}?fieldManager=second-manager");
        let (counter, rounds) = watch::channel(0);
        let task = tokio::spawn(async move {
            loop {
                let changes = json!({"data": {key: value}});
                // An API server that is away is asked again.
                let _ = client.patch(&path, PatchKind::Merge, &changes).await;
                counter.send_modify(|rounds| *rounds += 1);
                // Its pace, as [`start`](Self::start) says.
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        Self { task, rounds }
    }

    /// Waits until it has written this many times more.
    pub async fn has_written(&mut self, times: u32) -> Result<()> {
        let wanted = *self.rounds.borrow() + times;
        self.rounds
            .wait_for(|rounds| *rounds >= wanted)
            .await
            .context("the second manager has ended")?;
        Ok(())
    }
}

impl Drop for SecondManager {
    fn drop(&mut self) {
        self.task.abort();
    }
}
