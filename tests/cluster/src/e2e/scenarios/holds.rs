//! What must hold after a scenario, each by a call.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cluster::flotta::{Answers, alone, answers_until, edge_device, enrol_until, signed_request};
use cluster::patience::wait_for;
use cluster::watcher::Watcher;
use cluster::{Cluster, backend, chart, faults, hands};
use http::Method;
use serde_json::Value;
use testkit::device::{Device, hardware, is_disconnect, quiet_heartbeat};
use testkit::http_client::{Tls, served_certificate};
use testkit::pki::Identity;
use uuid::Uuid;

use crate::stage::Stage;

/// Between a pod's end and the Service's knowledge of it, on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(3);
const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/flotta/replicasets?labelSelector=app%3Dflotta-edge-api";

/// The Edge API answers devices from our store, and a new device lives on it.
pub(crate) async fn on_our_store(stage: &Stage, device: &str) -> Result<()> {
    let (cluster, flotta) = (stage.cluster(), stage.flotta()?);
    answers_until(cluster, flotta, Answers::FromRemoteBackend).await?;
    alone(cluster).await?;
    let mut device = Device::new(fresh(device), flotta.provisioning(cluster).await?);
    live(&mut device).await?;
    is_in_our_store(cluster, &device).await
}

/// Sets new devices to work on our store.
pub(crate) async fn at_work(stage: &Stage, devices: &[&str]) -> Result<Watcher> {
    let devices: Vec<_> = devices.iter().map(|device| fresh(device)).collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    Watcher::start(stage.cluster(), stage.flotta()?, &devices, "factory").await
}

/// An id that no scenario before has used on the same store: that device would have another key.
fn fresh(device: &str) -> String {
    let unique = Uuid::new_v4().simple().to_string();
    format!("{device}-{}", &unique[..8])
}

/// The Edge API answers devices from its custom resources.
pub(crate) async fn on_custom_resources(stage: &Stage) -> Result<()> {
    let (cluster, flotta) = (stage.cluster(), stage.flotta()?);
    alone(cluster).await?;
    answers_until(cluster, flotta, Answers::FromCustomResources).await?;
    let backend = hands::setting(cluster, "BACKEND").await?;
    ensure!(
        backend.as_deref() != Some("remote"),
        "the Edge API answers from its custom resources, and its settings say BACKEND=remote for the next start"
    );
    Ok(())
}

/// Enrols, registers, polls and beats, on a backend that approves by itself.
pub(crate) async fn live(device: &mut Device) -> Result<()> {
    enrol_until(device, &[208], "factory").await?;
    register_and_poll(device).await?;
    let beat = device.heartbeat(quiet_heartbeat()).await?;
    ensure!(beat.status == 200, "the heartbeat was answered {}", beat.status);
    Ok(())
}

/// Registers and polls once, as an approved device does.
pub(crate) async fn register_and_poll(device: &mut Device) -> Result<()> {
    let registered = device.register(&hardware(device.id())).await?;
    ensure!(
        registered.status == 200,
        "the registration was answered {}: {}",
        registered.status,
        registered.text()
    );
    let poll = device.poll_data().await?;
    ensure!(
        poll.status == 200,
        "the data poll was answered {}: {}",
        poll.status,
        poll.text()
    );
    let control = device.poll_control().await?;
    ensure!(
        control.status == 200,
        "the control poll was answered {}",
        control.status
    );
    ensure!(!is_disconnect(&control), "the device was told to disconnect");
    Ok(())
}

/// Our store has what the device was acknowledged, and the custom resources know nothing of it.
pub(crate) async fn is_in_our_store(cluster: &Cluster, device: &Device) -> Result<()> {
    let held = backend::device(cluster, &["show", device.id()])?;
    let key = device
        .certificate()
        .context("a registered device has a certificate")?
        .key()
        .fingerprint();
    ensure!(
        held["namespace"] == "factory"
            && held.pointer("/registration/keys/0/fingerprint") == Some(&key.into())
            && held.pointer("/presence/beat").is_some(),
        "our store lacks what the device was acknowledged; it has: {held}"
    );
    ensure!(
        edge_device(cluster, device.id(), "factory").await?.is_none()
            && signed_request(cluster, device.id()).await?.is_none(),
        "the device is among the custom resources, so it was not our server that served it"
    );
    Ok(())
}

/// Waits until the companion has looked at everything once more. It looks when something changes,
/// and every half minute.
pub(crate) async fn looked_again(cluster: &Cluster) -> Result<()> {
    let before = last_look(cluster).await?;
    // A change of the resource is a reason to look now.
    hands::ask_again(cluster).await?;
    wait_for(
        "the companion to look again",
        Duration::from_mins(1),
        async || {
            let now = last_look(cluster).await.ok()?;
            (now.is_some() && now != before).then_some(())
        },
    )
    .await
}

/// When the companion has last looked at everything, as it says in its metrics.
async fn last_look(cluster: &Cluster) -> Result<Option<String>> {
    let pods = faults::pods(cluster, "app.kubernetes.io/name=flotta-companion").await?;
    let name = pods.first().and_then(|pod| pod["metadata"]["name"].as_str());
    let name = name.context("the companion has no pod")?;
    let path = format!("/api/v1/namespaces/flotta/pods/{name}:9090/proxy/metrics");
    let metrics = cluster.client().call(Method::GET, &path, None).await?.text();
    let look = metrics
        .lines()
        .find_map(|line| line.strip_prefix("flotta_companion_last_success_timestamp_seconds "));
    Ok(look.map(str::to_owned))
}

/// How often the Edge API was given another pod template so far: one ReplicaSet each, up to
/// Flotta's limit of ten old ones.
pub(crate) async fn restarts(cluster: &Cluster) -> Result<u64> {
    let revision = |set: &Value| {
        let revision = set.pointer("/metadata/annotations/deployment.kubernetes.io~1revision")?;
        revision.as_str()?.parse().ok()
    };
    let sets = cluster.items(REPLICA_SETS).await?;
    sets.iter()
        .filter_map(revision)
        .max()
        .context("the Edge API has no ReplicaSet")
}

/// Waits until a setting of the Edge API has a value.
pub(crate) async fn setting_until(cluster: &Cluster, key: &str, value: Option<&str>) -> Result<()> {
    let what = format!("{key} to be {value:?} in the settings of the Edge API");
    wait_for(&what, Duration::from_secs(30), async || {
        let found = hands::setting(cluster, key).await.ok()?;
        (found.as_deref() == value).then_some(())
    })
    .await
}

/// Waits until every connection to the Edge API meets this certificate.
pub(crate) async fn serves_certificate_until(stage: &Stage, wanted: &Identity) -> Result<()> {
    let (cluster, flotta) = (stage.cluster(), stage.flotta()?);
    let provisioning = flotta.provisioning(cluster).await?;
    let tls = Tls {
        config: provisioning
            .register
            .client_config(provisioning.roots.clone(), &[])?,
        server_name: provisioning.server_name.clone(),
    };
    wait_for(
        "the Edge API to serve its new certificate",
        chart::SWITCH,
        async || {
            let served = served_certificate(provisioning.edge_api, &tls).await.ok()?;
            (served == *wanted.leaf()).then_some(())
        },
    )
    .await?;
    alone(cluster).await
}

/// Waits until the Edge API's Deployment has what the companion puts there.
pub(crate) async fn our_fields_until(cluster: &Cluster) -> Result<()> {
    wait_for(
        "the companion's part of the Deployment",
        Duration::from_mins(1),
        async || {
            let object = cluster.object(hands::DEPLOYMENT).await.ok().flatten()?;
            let annotations = object.pointer("/spec/template/metadata/annotations")?;
            annotations.get("companion.project-flotta.io/inputs").map(drop)
        },
    )
    .await
}
