//! From `helm install` to a verified switch.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use cluster::chart::{Chart, switched};
use cluster::connections::Connections;
use cluster::flotta::{Flotta, approve_as_operator};
use cluster::hands;
use cluster::remote_backend::{Expected, RemoteBackend};
use cluster::{Helm, Image, place};

use super::holds::{looked_again, on_custom_resources, on_our_store, restarts};
use crate::stage::Stage;

/// Until something is noticed and said.
const NOTICED: Duration = Duration::from_mins(1);

/// Over mutual TLS, as the chart does it by itself.
pub(crate) async fn https(stage: &mut Stage) -> Result<()> {
    switches_with_one_restart(stage, Chart::default()).await?;
    Chart::default().test(stage.cluster())?;
    stage.reached("helm test agrees");
    let seen = RemoteBackend::until(
        stage.cluster(),
        &Expected::any().condition("Trusted", "True"),
        NOTICED,
    )
    .await?;
    ensure!(
        !seen.store_id().is_empty(),
        "the id of the store is not recorded: {seen}"
    );
    Ok(())
}

/// With NetworkPolicies: they let through all that is used, from the installation to the way back,
/// and nothing else.
pub(crate) async fn network_policies(stage: &mut Stage) -> Result<()> {
    // By what the node's kernel tracks. A cluster of the user's may enforce them, which then is the
    // better test.
    let connections = stage
        .cluster()
        .is_throwaway()
        .then(|| Connections::watch(stage.cluster()))
        .transpose()?;
    let chart = Chart::default().set("networkPolicy.enabled=true");
    switches_with_one_restart(stage, chart.clone()).await?;
    chart.test(stage.cluster())?;
    chart
        .set("remoteBackend.devices.leaving=DisconnectThemAndRemoveTheirWorkloads")
        .upgrade(stage.cluster())?;
    Chart::default().uninstall(stage.cluster(), &[])?;
    on_custom_resources(stage).await?;
    let Some(connections) = connections else {
        stage.reached("all of it works; which rule is idle is seen on a throwaway cluster only");
        return Ok(());
    };
    let compared = connections.compare()?;
    stage.reached(&format!("let through: {}", compared.seen.join(", ")));
    ensure!(
        compared.unused.is_empty(),
        "the NetworkPolicies let through what nobody uses: {}",
        compared.unused.join("; ")
    );
    Ok(())
}

/// Without Helm, by the manifests in `deploy/` and the commands in their first lines.
pub(crate) async fn plain_manifests(stage: &mut Stage) -> Result<()> {
    let cluster = stage.cluster();
    let before = restarts(cluster).await?;
    let definitions = place("../../charts/flotta-companion/crds").display().to_string();
    cluster.kubectl(&["apply", "--server-side", "--filename", &definitions])?;
    let definition = "crd/remotebackends.companion.project-flotta.io";
    cluster.kubectl(&["wait", "--for=condition=Established", definition])?;
    let mut manifests = fs::read_to_string(place("../../deploy/flotta-companion.yaml"))?;
    for image in [Image::EdgeConfigServer, Image::FlottaCompanion] {
        let published = format!("image: {}:{}", image.name(), env!("CARGO_PKG_VERSION"));
        ensure!(
            manifests.contains(&published),
            "the manifests have no {published}"
        );
        manifests = manifests.replace(&published, &format!("image: {}", cluster.image(image)?));
    }
    cluster.kubectl_with(&["apply", "--server-side"], &manifests)?;
    switched(cluster).await?;
    ensure!(
        restarts(cluster).await? == before + 1,
        "a switch restarts the Edge API once"
    );
    stage.reached("the switch is verified");
    again_and_back(stage, &manifests).await
}

/// The same manifests once more change nothing; then back, and all of it removed.
async fn again_and_back(stage: &mut Stage, manifests: &str) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    stage
        .cluster()
        .kubectl_with(&["apply", "--server-side"], manifests)?;
    looked_again(stage.cluster()).await?;
    switched(stage.cluster()).await?;
    ensure!(
        restarts(stage.cluster()).await? == before,
        "the same manifests once more restarted the Edge API"
    );
    stage.reached("applied once more, nothing is restarted");
    let resource = ["--namespace=flotta", "remotebackend", "flotta"];
    let command = |verb: &'static str, more: &[&'static str]| [&[verb], &resource[..], more].concat();
    let mode = command(
        "patch",
        &["--type=merge", "--patch", r#"{"spec":{"mode":"Crd"}}"#],
    );
    let there = command("wait", &["--for=jsonpath={.status.phase}=Crd", "--timeout=5m"]);
    for arguments in [mode, there, command("delete", &[])] {
        stage.cluster().kubectl(&arguments)?;
    }
    stage
        .cluster()
        .kubectl_with(&["delete", "--ignore-not-found"], manifests)?;
    stage.reached("rolled back and removed");
    on_custom_resources(stage).await
}

/// With Helm 3.
pub(crate) async fn helm_3(stage: &mut Stage) -> Result<()> {
    switches_with_one_restart(stage, Chart::default().with(Helm::Three)).await
}

/// Over plain HTTP, when asked for.
pub(crate) async fn http(stage: &mut Stage) -> Result<()> {
    switches_with_one_restart(stage, Chart::default().set("server.insecureHttp=true")).await?;
    let untrusted = Expected::phase("Remote").because("Trusted", "False", "IdentityNotChecked");
    RemoteBackend::until(stage.cluster(), &untrusted, NOTICED).await?;
    Ok(())
}

async fn switches_with_one_restart(stage: &mut Stage, chart: Chart) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    chart.switch(stage.cluster()).await?;
    stage.reached("the switch is verified");
    on_our_store(stage, "after-install").await?;
    stage.reached("a device lives on our store, through the Edge API");
    let after = restarts(stage.cluster()).await?;
    ensure!(
        after == before + 1,
        "a switch restarts the Edge API once, and it was restarted {} times",
        after - before
    );
    Ok(())
}

/// The chart first, Flotta later.
pub(crate) async fn before_flotta(stage: &mut Stage) -> Result<()> {
    stage.cluster().client().create_namespace("flotta").await?;
    Chart::default().install(stage.cluster())?;
    let waiting = Expected::phase("Pending").because("Ready", "False", "WaitingForEdgeApi");
    RemoteBackend::until(stage.cluster(), &waiting, NOTICED).await?;
    stage.reached("the companion waits for the Edge API and says so");
    Flotta::deploy(stage.cluster()).await?;
    stage.read_flotta().await?;
    stage.reached("Flotta was deployed");
    switched(stage.cluster()).await?;
    stage.reached("the switch is verified");
    on_our_store(stage, "after-flotta").await
}

/// Somebody has written `BACKEND: crd` before: it comes back on the way back.
pub(crate) async fn crd_set_before(stage: &mut Stage) -> Result<()> {
    hands::set_setting(stage.cluster(), "BACKEND", Some("crd")).await?;
    switches_with_one_restart(stage, Chart::default()).await?;
    let chart = Chart::default()
        .set("remoteBackend.mode=Crd")
        .set("remoteBackend.devices.leaving=DisconnectThemAndRemoveTheirWorkloads");
    chart.upgrade(stage.cluster())?;
    RemoteBackend::until(
        stage.cluster(),
        &Expected::phase("Crd").backend("Crd"),
        cluster::chart::SWITCH,
    )
    .await?;
    let backend = hands::setting(stage.cluster(), "BACKEND").await?;
    ensure!(
        backend.as_deref() == Some("crd"),
        "BACKEND was crd before the switch, and is {backend:?} after the way back"
    );
    on_custom_resources(stage).await
}

/// Mode Observe says what it would do and does nothing.
pub(crate) async fn observe(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    Chart::default()
        .set("remoteBackend.mode=Observe")
        .install(stage.cluster())?;
    RemoteBackend::until(stage.cluster(), &Expected::phase("Observing"), NOTICED).await?;
    stage.reached("the companion observes");
    on_custom_resources(stage).await?;
    ensure!(
        restarts(stage.cluster()).await? == before,
        "mode Observe restarted the Edge API"
    );
    Chart::default().upgrade(stage.cluster())?;
    switched(stage.cluster()).await?;
    stage.reached("in mode Remote the switch is verified");
    on_our_store(stage, "after-observing").await
}

/// A device that lives in the custom resources would get no configuration any more: no switch
/// without a word.
pub(crate) async fn devices_there(stage: &mut Stage) -> Result<()> {
    let cluster = stage.cluster();
    approve_as_operator(cluster, "was-there", "default").await?;
    let before = restarts(cluster).await?;
    Chart::default().install(cluster)?;
    let refused = Expected::phase("Blocked").because("Ready", "False", "DevicesWouldBeLost");
    RemoteBackend::until(cluster, &refused, NOTICED).await?;
    ensure!(restarts(cluster).await? == before, "the Edge API was restarted");
    stage.reached("the switch is refused while there are devices in the custom resources");
    on_custom_resources(stage).await?;
    Chart::default()
        .set("remoteBackend.devices.entering=LeaveThemWithoutConfiguration")
        .upgrade(stage.cluster())?;
    switched(stage.cluster()).await?;
    stage.reached("when told so in so many words the companion switches");
    on_our_store(stage, "after-a-word").await
}
