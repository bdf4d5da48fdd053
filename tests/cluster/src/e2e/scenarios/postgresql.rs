//! The chart on a PostgreSQL database: two servers that share a store.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cluster::chart::{Chart, SWITCH, switched};
use cluster::connections::Connections;
use cluster::database::Database;
use cluster::hands;
use cluster::patience::wait_for;
use cluster::remote_backend::RemoteBackend;
use cluster::watcher::{Outcome, Request, Watcher};
use cluster::{Cluster, faults};
use serde_json::Value;

use super::holds::{at_work, on_custom_resources, on_our_store, restarts};
use crate::stage::Stage;

const SERVER: &str = "app.kubernetes.io/name=edge-config-server";
const PODS: &str = "/api/v1/namespaces/flotta/pods";
const CLAIMS: &str = "/api/v1/namespaces/flotta/persistentvolumeclaims";

/// Two servers on a database: a switch, the end of one server, both of them anew, uninstalled and
/// installed again.
pub(crate) async fn two_servers(stage: &mut Stage) -> Result<()> {
    let database = Database::start(stage.cluster()).await?;
    database.make_known(stage.cluster()).await?;
    stage.reached("a PostgreSQL runs that pods reach over TLS, by a password");
    let connections = Connections::watch(stage.cluster())?;
    let before = restarts(stage.cluster()).await?;
    let chart = database.chart();
    let first = chart.switch(stage.cluster()).await?;
    let after = restarts(stage.cluster()).await?;
    ensure!(
        after == before + 1,
        "a switch restarts the Edge API once, and it was restarted {} times",
        after - before
    );
    faults::ready_pods(stage.cluster(), SERVER, 2, SWITCH).await?;
    let sessions = database.sessions()?;
    let pods = addresses(stage.cluster()).await?;
    ensure!(
        pods.iter().all(|pod| sessions.lines().any(|line| line == pod)),
        "the database has sessions of {sessions:?}, and the servers are {pods:?}"
    );
    stage.reached("the switch is verified; both servers have sessions on the database");
    both_are_asked(stage.cluster()).await?;
    stage.reached("the companion has asked both of them");
    on_our_store(stage, "on-postgresql").await?;

    let watcher = at_work(stage, &["shared-1", "shared-2"]).await?;
    served_more(&watcher).await?;
    let pod = faults::pods(stage.cluster(), SERVER).await?;
    let name = pod[0]["metadata"]["name"]
        .as_str()
        .context("a pod has a name")?
        .to_owned();
    stage.cluster().remove(&format!("{PODS}/{name}")).await?;
    gone(stage.cluster(), &name).await?;
    faults::ready_pods(stage.cluster(), SERVER, 2, SWITCH).await?;
    served_more(&watcher).await?;
    stage.reached("one of the servers was deleted, and another has taken its place");
    stage.cluster().kubectl(&[
        "--namespace=flotta",
        "rollout",
        "restart",
        "deployment/edge-config-server",
    ])?;
    stage
        .cluster()
        .rolled_out("deployments", "edge-config-server", SWITCH)
        .await?;
    faults::ready_pods(stage.cluster(), SERVER, 2, SWITCH).await?;
    served_more(&watcher).await?;
    stage.reached("both servers were replaced, one after the other");
    let seen = watcher.stop().await?;
    stage.reached(&seen.summary());
    seen.served_throughout()?;
    switched(stage.cluster()).await?;
    chart.test(stage.cluster())?;
    stage.reached("devices were served throughout, and helm test agrees");

    let compared = connections.compare()?;
    stage.reached(&format!(
        "no NetworkPolicy would have stopped: {}",
        compared.seen.join(", ")
    ));
    goes_and_comes(stage, &chart, first.store_id()).await
}

/// Uninstalled and installed again: the database has stayed, and it is the same store.
async fn goes_and_comes(stage: &mut Stage, chart: &Chart, store: &str) -> Result<()> {
    let leaving = "remoteBackend.devices.leaving=DisconnectThemAndRemoveTheirWorkloads";
    chart.clone().set(leaving).upgrade(stage.cluster())?;
    Chart::default().uninstall(stage.cluster(), &[])?;
    on_custom_resources(stage).await?;
    faults::ready_pods(stage.cluster(), SERVER, 0, SWITCH).await?;
    ensure!(
        stage.cluster().items(CLAIMS).await?.is_empty(),
        "servers on a database have claimed a volume"
    );
    stage.reached("helm uninstall has rolled back; no server runs");
    let again = chart.switch(stage.cluster()).await?;
    ensure!(
        again.store_id() == store,
        "after the reinstallation the store is {}, it was {store}",
        again.store_id()
    );
    stage.reached("installed again on the same store, the switch is verified");
    on_our_store(stage, "after-reinstallation").await?;
    let backend = hands::setting(stage.cluster(), "BACKEND").await?;
    ensure!(backend.as_deref() == Some("remote"), "BACKEND is {backend:?}");
    Ok(())
}

/// Addresses of the servers.
async fn addresses(cluster: &Cluster) -> Result<Vec<String>> {
    let pods = faults::pods(cluster, SERVER).await?;
    let address = |pod: &Value| Some(pod.pointer("/status/podIP")?.as_str()?.to_owned());
    let addresses: Vec<_> = pods.iter().filter_map(address).collect();
    ensure!(addresses.len() == 2, "there are servers at {addresses:?}");
    Ok(addresses)
}

/// Waits until the RemoteBackend tells that both servers, when asked, had loaded what they serve
/// by.
async fn both_are_asked(cluster: &Cluster) -> Result<()> {
    wait_for("both servers to be asked", SWITCH, async || {
        let seen = RemoteBackend::read(cluster).await.ok().flatten()?;
        (seen.object().pointer("/status/served/pods")? == "2/2").then_some(())
    })
    .await
}

/// Waits until devices were served some requests more.
async fn served_more(watcher: &Watcher) -> Result<()> {
    let since = watcher.now();
    wait_for("devices to be served", Duration::from_secs(30), async || {
        let served = |request: &&Request| request.begun > since && request.outcome == Outcome::Served;
        (watcher.seen().requests.iter().filter(served).count() > 10).then_some(())
    })
    .await
}

async fn gone(cluster: &Cluster, pod: &str) -> Result<()> {
    wait_for("the deleted server to be gone", SWITCH, async || {
        let found = cluster.object(&format!("{PODS}/{pod}")).await.ok()?;
        found.is_none().then_some(())
    })
    .await
}
