//! What comes with time: upgrades, a volume that is lost, a server and an API server that go away.

use std::time::Duration;

use anyhow::{Result, ensure};
use cluster::chart::{Chart, RELEASE, SWITCH, switched};
use cluster::patience::wait_for;
use cluster::remote_backend::{Expected, RemoteBackend};
use cluster::watcher::{Outcome, Request};
use cluster::{Helm, faults, hands};

use super::holds::{SLACK, at_work, on_our_store, restarts};
use crate::stage::Stage;

const CLAIM: &str = "/api/v1/namespaces/flotta/persistentvolumeclaims/fleet-edge-config-server-0";
const SERVER: &str = "app.kubernetes.io/name=edge-config-server";
const NOTICED: Duration = Duration::from_mins(1);

/// `helm upgrade` and `helm rollback` change the companion and leave Edge API and devices alone.
pub(crate) async fn upgrade_and_rollback(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    let watcher = at_work(stage, &["upgraded"]).await?;
    Chart::default()
        .set("companion.logLevel=debug")
        .upgrade(stage.cluster())?;
    companion_rolled_out(stage).await?;
    stage.reached("helm upgrade: the new companion is there");
    stage
        .cluster()
        .helm(Helm::Four, &["rollback", RELEASE, "--wait"])?;
    companion_rolled_out(stage).await?;
    stage.reached("helm rollback: the former companion is there");
    let seen = watcher.stop().await?;
    stage.reached(&seen.summary());
    seen.served_throughout()?;
    ensure!(
        restarts(stage.cluster()).await? == before,
        "an upgrade of the companion restarted the Edge API"
    );
    on_our_store(stage, "after-an-upgrade").await
}

async fn companion_rolled_out(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    cluster
        .rolled_out("deployments", "flotta-companion", SWITCH)
        .await?;
    switched(cluster).await.map(drop)
}

/// The volume is lost: another store serves nobody until a person says so, and nobody is
/// disconnected.
pub(crate) async fn lost_volume(stage: &mut Stage) -> Result<()> {
    let watcher = at_work(stage, &["remembers"]).await?;
    let cluster = stage.cluster();
    faults::scale(cluster, "statefulsets", "edge-config-server", 0).await?;
    faults::ready_pods(cluster, SERVER, 0, SWITCH).await?;
    cluster.remove(CLAIM).await?;
    wait_for("the volume claim to be gone", NOTICED, async || {
        cluster.object(CLAIM).await.ok()?.is_none().then_some(())
    })
    .await?;
    faults::scale(cluster, "statefulsets", "edge-config-server", 1).await?;
    let changed = Expected::phase("Degraded")
        .because("Degraded", "True", "StoreChanged")
        .says("acceptStoreId");
    let seen = RemoteBackend::until(cluster, &changed, SWITCH).await?;
    let recorded = seen.store_id().to_owned();
    let other = other_store(&seen.words(), &recorded)?;
    stage.reached("the server came up with another store; the companion says so and names the remedy");
    let since = watcher.now();
    let told = wait_for("the devices to ask the other store", NOTICED, async || {
        let seen = watcher.seen();
        let asked = seen
            .requests
            .iter()
            .filter(|request| request.begun > since)
            .count();
        (asked > 3).then_some(seen)
    })
    .await?;
    told.nobody_was_disconnected()?;
    let served = |request: &Request| request.begun > since && request.outcome == Outcome::Served;
    ensure!(
        !told.requests.iter().any(served),
        "a device was served by a store that is not the recorded one"
    );
    Chart::default()
        .set(format!("remoteBackend.backend.acceptStoreId={other}"))
        .upgrade(stage.cluster())?;
    switched(stage.cluster()).await?;
    stage.reached("told to accept the other store, it serves");
    let seen = watcher.stop().await?;
    seen.nobody_was_disconnected()?;
    stage.reached(&seen.summary());
    on_our_store(stage, "on-another-store").await
}

/// The id that the sentence offers: a UUID that is not the recorded one.
fn other_store(words: &str, recorded: &str) -> Result<String> {
    let is_id = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    let mut ids = words
        .split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
        .filter(is_id);
    let other = ids.find(|id| *id != recorded);
    other
        .map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("no other store is named in: {words}"))
}

/// The server is away for a while: errors, nothing is rolled back, and devices are served when it
/// is there again.
pub(crate) async fn server_away(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    let watcher = at_work(stage, &["waits"]).await?;
    faults::scale(stage.cluster(), "statefulsets", "edge-config-server", 0).await?;
    let degraded = Expected::phase("Degraded").condition("Ready", "False");
    RemoteBackend::until(stage.cluster(), &degraded, SWITCH).await?;
    stage.reached("the server is away, and the companion says so");
    let backend = hands::setting(stage.cluster(), "BACKEND").await?;
    ensure!(
        backend.as_deref() == Some("remote"),
        "an outage rolled back: BACKEND is {backend:?}"
    );
    faults::scale(stage.cluster(), "statefulsets", "edge-config-server", 1).await?;
    switched(stage.cluster()).await?;
    let since = watcher.now();
    wait_for("the device to be served again", NOTICED, async || {
        let seen = watcher.seen();
        let served = |request: &&Request| request.begun > since && request.outcome == Outcome::Served;
        (seen.requests.iter().filter(served).count() > 4).then_some(())
    })
    .await?;
    let seen = watcher.stop().await?;
    seen.nobody_was_disconnected()?;
    stage.reached(&seen.summary());
    ensure!(
        restarts(stage.cluster()).await? == before,
        "an outage of the server restarted the Edge API"
    );
    on_our_store(stage, "after-an-outage").await
}

/// kube-apiserver is killed and comes again: devices notice nothing.
pub(crate) async fn api_server_restarted(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    let watcher = at_work(stage, &["unimpressed"]).await?;
    faults::restart_api_server(stage.cluster()).await?;
    stage.reached("kube-apiserver was killed and answers again");
    hands::ask_again(stage.cluster()).await?;
    hands::set_setting(stage.cluster(), "BACKEND", Some("crd")).await?;
    super::holds::setting_until(stage.cluster(), "BACKEND", Some("remote")).await?;
    stage.reached("the companion goes on: a change by others is reverted");
    switched(stage.cluster()).await?;
    let seen = watcher.stop().await?;
    stage.reached(&seen.summary());
    seen.served_but_for_restarts(SLACK)?;
    ensure!(
        restarts(stage.cluster()).await? == before,
        "a restart of kube-apiserver restarted the Edge API"
    );
    on_our_store(stage, "after-kube-apiserver").await
}
