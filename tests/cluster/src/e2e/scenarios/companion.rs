//! The companion killed, stopped and doubled: what is in the cluster decides, never what a process
//! remembers.

use anyhow::{Context, Result, ensure};
use cluster::chart::{Chart, SWITCH, switched};
use cluster::flotta::{Answers, answers_until};
use cluster::gate::{Gate, Side};
use cluster::patience::wait_for;
use cluster::remote_backend::{Expected, PATH, RemoteBackend};
use cluster::{Cluster, faults, hands};
use serde_json::json;
use testkit::kubernetes::PatchKind;
use testkit::process::Signal;

use super::holds::{at_work, on_our_store, restarts, setting_until};
use crate::stage::Stage;

const COMPANION: &str = "app.kubernetes.io/name=flotta-companion";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/flotta/deployments/flotta-companion";
/// Fewer writes than these of one direction are not all: those to the status and to the objects of
/// Flotta, and on the way back the deletion of what was before.
const WRITES: [(&str, usize); 2] = [("Remote", 8), ("Crd", 5)];
/// So many writes at the end of a direction need not be made in every run: how often the status is
/// written depends on what a look happens to see.
const UNREACHED: usize = 4;
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/flotta/leases/flotta-companion";

/// Killed while nothing happens: nobody notices.
pub(crate) async fn killed(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    let watcher = at_work(stage, &["unaware"]).await?;
    let pods = faults::pods(stage.cluster(), COMPANION).await?;
    let pod = pods.first().context("the companion has a pod")?;
    faults::signal(stage.cluster(), pod, Signal::KILL)?;
    hands::ask_again(stage.cluster()).await?;
    hands::set_setting(stage.cluster(), "BACKEND", Some("crd")).await?;
    stage.reached("the companion was killed, and a key of ours changed meanwhile");
    setting_until(stage.cluster(), "BACKEND", Some("remote")).await?;
    switched(stage.cluster()).await?;
    stage.reached("it came again and put the key right");
    let seen = watcher.stop().await?;
    seen.served_throughout()?;
    ensure!(
        restarts(stage.cluster()).await? == before,
        "the Edge API was restarted"
    );
    on_our_store(stage, "after-a-kill").await
}

/// Two companions; the one that acts is stopped in the middle of the switch for longer than its
/// Lease, and continued.
pub(crate) async fn stopped_holder(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    Chart::default()
        .set("companion.replicas=2")
        .install(stage.cluster())?;
    let cluster = stage.cluster();
    // In the middle, so that what it does next is decided on what it has seen before.
    RemoteBackend::until(cluster, &Expected::phase("Switching"), SWITCH).await?;
    let holder = holder(cluster).await?;
    let pods = faults::pods(cluster, COMPANION).await?;
    let acting = pods
        .iter()
        .find(|pod| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            !name.is_empty() && holder.contains(name)
        })
        .with_context(|| format!("no pod of the companion is the holder {holder:?}"))?;
    faults::signal(cluster, acting, Signal::STOP)?;
    stage.reached("the companion that acts is stopped");
    let cluster = stage.cluster();
    wait_for("the other companion to take over", SWITCH, async || {
        let now = lease_holder(cluster).await.ok().flatten()?;
        (now != holder).then_some(())
    })
    .await?;
    stage.reached("the other one holds the Lease");
    switched(stage.cluster()).await?;
    stage.reached("the switch is verified");
    let settled = restarts(stage.cluster()).await?;
    faults::signal(stage.cluster(), acting, Signal::CONT)?;
    stage.reached("the stopped one goes on");
    // What it does first it decided long ago; the other one has to answer a change meanwhile.
    hands::ask_again(stage.cluster()).await?;
    hands::set_setting(stage.cluster(), "BACKEND", Some("crd")).await?;
    setting_until(stage.cluster(), "BACKEND", Some("remote")).await?;
    switched(stage.cluster()).await?;
    on_our_store(stage, "after-a-stop").await?;
    let after = restarts(stage.cluster()).await?;
    ensure!(
        after == settled && after == before + 1,
        "the Edge API was restarted {} times until the switch was verified and {} times after; once is right",
        settled - before,
        after - settled
    );
    Ok(())
}

async fn holder(cluster: &Cluster) -> Result<String> {
    wait_for("a companion to hold the Lease", SWITCH, async || {
        lease_holder(cluster).await.ok().flatten()
    })
    .await
}

async fn lease_holder(cluster: &Cluster) -> Result<Option<String>> {
    let lease = cluster.object(LEASE).await?.context("there is no Lease")?;
    let holder = lease.pointer("/spec/holderIdentity");
    Ok(holder
        .and_then(serde_json::Value::as_str)
        .filter(|holder| !holder.is_empty())
        .map(str::to_owned))
}

/// kube-apiserver is killed in the middle of the switch.
pub(crate) async fn api_server_restarted(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    Chart::default().install(stage.cluster())?;
    RemoteBackend::until(stage.cluster(), &Expected::phase("Switching"), SWITCH).await?;
    faults::restart_api_server(stage.cluster()).await?;
    stage.reached("kube-apiserver was killed in the middle of the switch, and answers again");
    switched(stage.cluster()).await?;
    stage.reached("the switch is verified");
    on_our_store(stage, "after-the-middle").await?;
    let done = restarts(stage.cluster()).await? - before;
    ensure!(done == 1, "the Edge API was restarted {done} times");
    Ok(())
}

/// Killed at each write of the switch and of the way back, before it is done; the next companion
/// finishes it, with one restart in each direction.
pub(crate) async fn killed_before_every_write(stage: &mut Stage) -> Result<()> {
    killed_at_every_write(stage, Side::BeforeIt).await
}

/// The same where the write was done and the companion did not hear so.
pub(crate) async fn killed_before_every_reply(stage: &mut Stage) -> Result<()> {
    killed_at_every_write(stage, Side::BeforeItsReply).await
}

async fn killed_at_every_write(stage: &mut Stage, side: Side) -> Result<()> {
    let gate = Gate::open(stage.cluster()).await?;
    Chart::default()
        .set("remoteBackend.mode=Crd")
        .install(stage.cluster())?;
    lead_through(stage.cluster(), &gate).await?;
    arrives(stage, "Crd").await?;
    stage.reached("the companion reaches kube-apiserver through a gate");

    let mut directions = WRITES.map(|(mode, at_least)| Direction {
        mode,
        at_least,
        kills: 0,
        more: true,
        most: 0,
    });
    while directions.iter().any(|direction| direction.more) {
        for direction in &mut directions {
            let mode = direction.mode;
            let write = direction.kills + 1;
            let outcome = go_and_die(stage, &gate, mode, direction.more.then_some((write, side)))
                .await
                .with_context(|| format!("mode {mode}, killed {side:?} at write {write}"))?;
            match outcome {
                Outcome::Killed(what) => {
                    direction.kills += 1;
                    stage.reached(&format!("mode {mode}: killed {side:?} at write {write}, {what}"));
                }
                Outcome::Unharmed(writes) => {
                    direction.more = false;
                    direction.most = direction.most.max(writes);
                }
            }
        }
    }
    for direction in &directions {
        let told = direction.told(side)?;
        stage.reached(&told);
    }
    let kills: usize = directions.iter().map(|direction| direction.kills).sum();
    ensure!(
        gate.closings() == kills,
        "the gate has closed {} times, and the companion was killed {kills} times",
        gate.closings()
    );
    let ask = json!({"spec": {"mode": "Remote"}});
    hands::change(stage.cluster(), PATH, PatchKind::Merge, &ask).await?;
    arrives(stage, "Remote").await?;
    on_our_store(stage, "after-every-kill").await
}

/// What was proven of one direction.
struct Direction {
    mode: &'static str,
    at_least: usize,
    /// At so many writes it was killed: each from the first on.
    kills: usize,
    /// There may be a write at which it was not killed.
    more: bool,
    /// Most writes of a run without a kill.
    most: usize,
}

impl Direction {
    /// An error if there are writes at which it was not killed.
    fn told(&self, side: Side) -> Result<String> {
        let Self {
            mode, kills, most, ..
        } = self;
        ensure!(
            *kills >= self.at_least,
            "mode {mode}: killed {side:?} at {kills} writes, which are too few to be all; {} are known",
            self.at_least
        );
        let unreached = most.saturating_sub(*kills);
        ensure!(
            unreached <= UNREACHED,
            "mode {mode}: killed {side:?} at {kills} writes, but a run without a kill made {most}"
        );
        Ok(format!(
            "mode {mode}: killed {side:?} at each of {kills} writes; a run without a kill made {unreached} more"
        ))
    }
}

/// How a way ended.
enum Outcome {
    /// With a kill, at this write.
    Killed(String),
    /// Without, after so many writes.
    Unharmed(usize),
}

/// Goes in one direction with one kill, if there are so many writes.
async fn go_and_die(
    stage: &Stage,
    gate: &Gate,
    mode: &'static str,
    at: Option<(usize, Side)>,
) -> Result<Outcome> {
    let cluster = stage.cluster();
    let before = restarts(cluster).await?;
    match at {
        Some((write, side)) => gate.close_at(write, side),
        None => gate.stay_open(),
    }
    let ask = json!({"spec": {"mode": mode}});
    hands::change(cluster, PATH, PatchKind::Merge, &ask).await?;
    let there = Expected::phase(mode).backend(mode).condition("Ready", "True");
    let closed = wait_for("the gate to close, or the end", SWITCH, async || {
        if gate.is_closed() {
            return Some(true);
        }
        let seen = RemoteBackend::read(cluster).await.ok().flatten()?;
        // What is seen may be the very write that the gate closes at, whose reply is on its way.
        (there.holds(&seen) && gate.disarm()).then_some(false)
    })
    .await?;
    let mut writes = gate.writes();
    if closed {
        let pods = faults::pods(cluster, COMPANION).await?;
        ensure!(!pods.is_empty(), "there is no companion to be killed");
        for pod in pods {
            faults::signal(cluster, &pod, Signal::KILL)?;
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            // A pod of its own for the next one: the kubelet lets a container wait that ends again
            // and again.
            cluster
                .remove_at_once(&format!("/api/v1/namespaces/flotta/pods/{name}"))
                .await?;
        }
        // Nobody else waits for the Lease, and that it runs out is not what this is about.
        let given_up = json!({"spec": {"holderIdentity": null}});
        cluster.patch(LEASE, PatchKind::Merge, &given_up).await?;
        gate.stay_open();
    }
    arrives(stage, mode).await?;
    let done = restarts(cluster).await? - before;
    ensure!(done == 1, "the Edge API was restarted {done} times");
    Ok(if closed {
        Outcome::Killed(writes.pop().unwrap_or_default())
    } else {
        Outcome::Unharmed(writes.len())
    })
}

async fn arrives(stage: &Stage, mode: &'static str) -> Result<()> {
    let there = Expected::phase(mode).backend(mode).condition("Ready", "True");
    RemoteBackend::until(stage.cluster(), &there, SWITCH).await?;
    let wanted = if mode == "Remote" {
        Answers::FromRemoteBackend
    } else {
        Answers::FromCustomResources
    };
    answers_until(stage.cluster(), stage.flotta()?, wanted).await
}

async fn lead_through(cluster: &Cluster, gate: &Gate) -> Result<()> {
    let (host, port) = (gate.address().ip().to_string(), gate.address().port().to_string());
    let changes = json!({"spec": {"template": {"spec": {"containers": [{"name": "companion", "env": [
        {"name": "KUBERNETES_SERVICE_HOST", "value": host},
        {"name": "KUBERNETES_SERVICE_PORT", "value": port},
    ]}]}}}});
    hands::change(cluster, DEPLOYMENT, PatchKind::Strategic, &changes).await?;
    cluster
        .rolled_out("deployments", "flotta-companion", SWITCH)
        .await?;
    faults::ready_pods(cluster, COMPANION, 1, SWITCH).await
}
