//! Switches that must not happen, or must be rolled back: the Edge API stays, or is again, as it
//! was.

use std::time::Duration;

use anyhow::{Result, ensure};
use cluster::chart::{Chart, SWITCH, switched};
use cluster::remote_backend::{Expected, RemoteBackend};
use cluster::{faults, hands};
use serde_json::json;

use super::holds::{on_custom_resources, on_our_store, restarts};
use crate::stage::Stage;

/// Until a fault is found and said.
const FOUND: Duration = Duration::from_mins(2);
const QUOTAS: &str = "/api/v1/namespaces/flotta/resourcequotas";

/// A host that nobody answers at.
pub(crate) async fn wrong_url(stage: &mut Stage) -> Result<()> {
    let url = "https://nowhere.flotta.svc:8443/api/flotta-backend/v1";
    let seen = refused_before_anything_is_touched(stage, url).await?;
    ensure!(
        Chart::default().test(stage.cluster()).is_err(),
        "helm test passed although nothing was switched"
    );
    stage.reached("helm test fails");
    ensure!(
        seen.words().contains("nowhere.flotta.svc"),
        "the name that does not resolve is not named: {seen}"
    );
    goes_on_when_mended(stage).await
}

/// A server with a certificate of another CA: kube-apiserver is one.
pub(crate) async fn other_ca(stage: &mut Stage) -> Result<()> {
    let url = "https://kubernetes.default.svc:443/api/flotta-backend/v1";
    refused_before_anything_is_touched(stage, url).await?;
    goes_on_when_mended(stage).await
}

async fn refused_before_anything_is_touched(stage: &mut Stage, url: &str) -> Result<RemoteBackend> {
    let before = restarts(stage.cluster()).await?;
    Chart::default()
        .set(format!("remoteBackend.backend.url={url}"))
        .install(stage.cluster())?;
    let refused = Expected::phase("Blocked").because("BackendReachable", "False", "BackendUnreachable");
    let seen = RemoteBackend::until(stage.cluster(), &refused, FOUND).await?;
    stage.reached("the companion says why it does not switch");
    is_untouched(stage, before).await?;
    Ok(seen)
}

async fn is_untouched(stage: &Stage, before: u64) -> Result<()> {
    let cluster = stage.cluster();
    for key in ["BACKEND", "REMOTE_BACKEND_URL", "REMOTE_BACKEND_TIMEOUT"] {
        let value = hands::setting(cluster, key).await?;
        ensure!(
            value.is_none(),
            "{key} was written before the backend was proven: {value:?}"
        );
    }
    ensure!(
        restarts(cluster).await? == before,
        "the Edge API was restarted before the backend was proven"
    );
    on_custom_resources(stage).await
}

async fn goes_on_when_mended(stage: &mut Stage) -> Result<()> {
    Chart::default().upgrade(stage.cluster())?;
    switched(stage.cluster()).await?;
    stage.reached("fixed, the switch is verified");
    on_our_store(stage, "after-mending").await
}

/// The server is not there.
pub(crate) async fn server_unreachable(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    Chart::default().install(stage.cluster())?;
    faults::scale(stage.cluster(), "statefulsets", "edge-config-server", 0).await?;
    let waiting = Expected::any().because("BackendReachable", "False", "ServerNotReady");
    RemoteBackend::until(stage.cluster(), &waiting, FOUND).await?;
    stage.reached("the companion says that the server is not there");
    is_untouched(stage, before).await?;
    faults::scale(stage.cluster(), "statefulsets", "edge-config-server", 1).await?;
    switched(stage.cluster()).await?;
    stage.reached("with the server, the switch is verified");
    on_our_store(stage, "after-the-server").await
}

/// The right to read devices is missing: that never counts as no device.
pub(crate) async fn permission_missing(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    Chart::default()
        .set("rbac.readDevices=false")
        .install(stage.cluster())?;
    let refused = Expected::phase("Blocked")
        .because("Ready", "False", "MissingPermission")
        .says("edgedevices");
    RemoteBackend::until(stage.cluster(), &refused, FOUND).await?;
    stage.reached("the companion names the missing right");
    is_untouched(stage, before).await?;
    goes_on_when_mended(stage).await
}

/// The new pod of the Edge API never comes: rolled back, three times at most, then a person's
/// decision is awaited.
pub(crate) async fn rollout_never_finishes(stage: &mut Stage) -> Result<()> {
    // Server, companion and the Edge API's pod that runs: no room for a new one beside it.
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "3"}},
    });
    stage.cluster().client().create(QUOTAS, &quota).await?;
    Chart::default()
        .set("remoteBackend.edgeApi.rolloutSeconds=15")
        .install(stage.cluster())?;
    let gave_up = Expected::phase("SwitchFailed").because("Ready", "False", "SwitchFailed");
    RemoteBackend::until(stage.cluster(), &gave_up, Duration::from_mins(6)).await?;
    stage.reached("three switches were rolled back");
    on_custom_resources(stage).await?;
    stage.reached("the Edge API answers from its custom resources");

    stage.cluster().remove_at_once(&format!("{QUOTAS}/full")).await?;
    hands::ask_again(stage.cluster()).await?;
    switched(stage.cluster()).await?;
    stage.reached("with room, and asked again, the switch is verified");
    on_our_store(stage, "after-the-quota").await
}

/// A setting that would end the Edge API's process at its next start is found before it is
/// restarted.
pub(crate) async fn malformed_setting(stage: &mut Stage) -> Result<()> {
    hands::set_setting(stage.cluster(), "CLIENT_CERT_EXPIRATION_DAYS", Some("a year")).await?;
    let before = restarts(stage.cluster()).await?;
    Chart::default().install(stage.cluster())?;
    let refused = Expected::phase("Blocked")
        .because("Ready", "False", "SettingsUnusable")
        .says("CLIENT_CERT_EXPIRATION_DAYS");
    RemoteBackend::until(stage.cluster(), &refused, SWITCH).await?;
    stage.reached("the companion names the malformed setting");
    is_untouched(stage, before).await?;
    hands::set_setting(stage.cluster(), "CLIENT_CERT_EXPIRATION_DAYS", None).await?;
    switched(stage.cluster()).await?;
    on_our_store(stage, "after-the-setting").await
}
