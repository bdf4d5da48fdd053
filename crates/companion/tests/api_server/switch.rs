//! The switch and the way back, undisturbed and with every write of theirs disturbed.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use flotta_companion::{control::Parts, run};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::ResourceExt as _;
use plan::{
    api::{Phase, RemoteBackend},
    names::{FINALIZER, PREVIOUS},
};
use serde_json::json;
use testkit::control_plane::ControlPlane;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    proxy::{Fault, Proxy},
    world::{World, control_plane, has},
};

/// So many worlds at once: more would only wait for each other.
const AT_ONCE: usize = 6;

/// So many writes at the end of a way need not be made when it is gone again: how often the status
/// is written depends on what a look happens to see.
const UNREACHED: usize = 4;

/// A fault that has begun has been done by then.
const DEADLINE: Duration = Duration::from_mins(1);

/// A companion that works in a task of its own.
pub struct Running {
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

pub fn start(parts: Parts) -> Running {
    start_as(parts, None)
}

/// One of a Deployment.
pub fn start_as(parts: Parts, deployment: Option<&'static str>) -> Running {
    let stop = CancellationToken::new();
    let task = tokio::spawn(run::work(parts, plan::plan, deployment, stop.clone()));
    Running { stop, task }
}

impl Running {
    pub async fn end(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

pub fn is_remote(resource: &RemoteBackend) -> bool {
    let phase = resource.status.as_ref().map(|status| status.phase);
    phase == Some(Phase::Remote) && has(resource, "Ready", "True")
}

pub fn is_crd(resource: &RemoteBackend) -> bool {
    let status = resource.status.as_ref();
    status.is_some_and(|status| {
        status.phase == Phase::Crd && status.observed_generation == resource.metadata.generation
    })
}

/// There, with one restart, and everything that rolls back kept.
async fn assert_switched(world: &World) -> Result<()> {
    ensure!(
        world.replica_sets().await? == 2,
        "one switch is one restart, not {}",
        world.replica_sets().await? - 1
    );
    let settings = world.settings().await?;
    ensure!(settings["BACKEND"] == "remote", "{settings:?}");
    let previous: ConfigMap = world.api().get(PREVIOUS).await?;
    let previous = &previous.data.context("it has data")?["previous.json"];
    ensure!(
        !previous.contains("lost"),
        "our own values were taken for what was before: {previous}"
    );
    let resource = world.resource().await?;
    ensure!(
        resource
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == FINALIZER)
    );
    Ok(())
}

/// Back, with one more restart, and nothing of ours left.
async fn assert_restored(world: &World, settings: &std::collections::BTreeMap<String, String>) -> Result<()> {
    ensure!(
        world.settings().await? == *settings,
        "{:?}",
        world.settings().await?
    );
    ensure!(world.api::<ConfigMap>().get_opt(PREVIOUS).await?.is_none());
    let deployment: Deployment = world.api().get("flotta-edge-api").await?;
    let template = serde_json::to_string(&deployment.spec.context("it has a spec")?.template)?;
    ensure!(!template.contains("companion"), "{template}");
    let managers: Vec<_> = deployment.metadata.managed_fields.into_iter().flatten().collect();
    ensure!(
        managers
            .iter()
            .all(|entry| entry.manager.as_deref() != Some("flotta-companion")),
        "{managers:?}"
    );
    ensure!(
        world.replica_sets().await? <= 3,
        "{} templates",
        world.replica_sets().await?
    );
    Ok(())
}

async fn ask_for(world: &World, mode: &str) -> Result<()> {
    world
        .merge::<RemoteBackend>("flotta", json!({"spec": {"mode": mode}}))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_restarts_once_and_the_way_back_leaves_nothing() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "switch").await?;
    let before = world.settings().await?;
    let (proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    assert_switched(&world).await?;

    ask_for(&world, "Crd").await?;
    world.wait("Crd", is_crd).await?;
    assert_restored(&world, &before).await?;

    // And there again: what was before is saved anew.
    ask_for(&world, "Remote").await?;
    world.wait("Remote again", is_remote).await?;
    ensure!(world.settings().await?["BACKEND"] == "remote");
    running.end().await?;

    // Nothing was written to what is not ours.
    let foreign = |write: &&String| write.contains("flotta-ca") || write.contains("flotta-host-certificate");
    assert_eq!(proxy.writes().iter().find(foreign), None);
    Ok(())
}

/// Which way is disturbed.
#[derive(Clone, Copy, Debug)]
enum Way {
    There,
    Back,
}

/// A fault at a write, counted from the beginning of a way.
#[derive(Clone, Copy, Debug)]
struct Case {
    way: Way,
    write: usize,
    fault: Fault,
}

/// A namespace for each case, since all share a control plane.
fn name_of(case: &str, fault: Fault) -> String {
    format!("{case}-{fault:?}").to_lowercase().replace(['(', ')'], "")
}

/// How many writes the way there takes, and the way back after it.
async fn count(control_plane: &Arc<ControlPlane>, name: &str) -> Result<(usize, usize)> {
    let world = World::new(control_plane, name).await?;
    let (proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    let there = proxy.writes().len();
    ask_for(&world, "Crd").await?;
    world.wait("Crd", is_crd).await?;
    let all = proxy.writes().len();
    running.end().await?;
    Ok((there, all - there))
}

/// A world in which one write has a fault. Whether it came.
async fn disturbed(control_plane: &Arc<ControlPlane>, case: Case, name: &str) -> Result<bool> {
    let Case { way, write, fault } = case;
    let world = World::new(control_plane, name).await?;
    let before = world.settings().await?;
    let (proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    let goal: fn(&RemoteBackend) -> bool = match way {
        Way::There => {
            proxy.fault_at(write, fault);
            world.remote_backend(json!({})).await?;
            is_remote
        }
        Way::Back => {
            world.remote_backend(json!({})).await?;
            world.wait("Remote", is_remote).await?;
            proxy.fault_at(write, fault);
            ask_for(&world, "Crd").await?;
            is_crd
        }
    };
    let fired = fires_before(&world, &proxy, goal).await?;
    let (_next, running) = if fired && fault.kills() {
        killed(running).await?;
        // Another one takes its place, as a container that is started again in its pod.
        let (next, parts) = world.companion("companion-0").await?;
        (Some(next), start(parts))
    } else {
        (None, running)
    };
    world.wait("the goal", goal).await?;
    match way {
        Way::There => assert_switched(&world).await?,
        Way::Back => assert_restored(&world, &before).await?,
    }
    running.end().await?;
    Ok(fired)
}

/// Waits for the fault, or for the goal that is reached without it. Whether the fault came.
async fn fires_before(world: &World, proxy: &Proxy, goal: fn(&RemoteBackend) -> bool) -> Result<bool> {
    tokio::select! {
        () = proxy.fires() => return Ok(true),
        reached = world.wait("the goal, or the fault,", goal) => reached?,
    };
    // What is seen may be the very write that has the fault.
    if proxy.disarm() {
        return Ok(false);
    }
    let done = timeout(DEADLINE, proxy.fires()).await;
    done.context("the fault began, and was not done")?;
    Ok(true)
}

/// Ends a companion where it is.
async fn killed(running: Running) -> Result<()> {
    running.task.abort();
    let end = running.task.await;
    ensure!(
        end.is_err_and(|error| error.is_cancelled()),
        "the companion had ended by itself"
    );
    Ok(())
}

/// Every write of both ways, each with one of these faults in turn; with EXHAUSTIVE set, each with
/// each.
async fn disturb_every_write(faults: &[Fault]) -> Result<()> {
    let control_plane = control_plane().await?;
    let (there, back) = count(&control_plane, &name_of("count", faults[0])).await?;
    ensure!(
        there > 8 && back > 5,
        "{there} and {back} writes are too few to be all"
    );
    let writes = |way| match way {
        Way::There => there,
        Way::Back => back,
    };
    let ways = [Way::There, Way::Back];
    let ways = ways
        .into_iter()
        .flat_map(|way| (0..writes(way)).map(move |write| (way, write)));
    let exhaustive = std::env::var_os("EXHAUSTIVE").is_some();
    let mut cases = Vec::new();
    for (way, write) in ways {
        let turn = write % faults.len();
        let chosen = if exhaustive { faults } else { &faults[turn..=turn] };
        cases.extend(chosen.iter().map(|&fault| Case { way, write, fault }));
    }
    let number = cases.len();
    let outcomes: Vec<_> = stream::iter(cases)
        .map(|case| play(&control_plane, case))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let missed: Vec<_> = outcomes.into_iter().flatten().collect();
    told(number, &missed);
    let early = missed
        .iter()
        .find(|case| case.write + UNREACHED < writes(case.way));
    ensure!(
        early.is_none(),
        "a fault did not come though its write is none of the last {UNREACHED} ({there} writes there, {back} back): {missed:?}"
    );
    Ok(())
}

/// Plays a case, and returns it if its fault did not come.
async fn play(control_plane: &Arc<ControlPlane>, case: Case) -> Result<Option<Case>> {
    let name = name_of(&format!("{:?}-{}", case.way, case.write), case.fault);
    let fired = disturbed(control_plane, case, &name).await.context(name)?;
    Ok((!fired).then_some(case))
}

#[expect(
    clippy::print_stderr,
    reason = "how much a run has proven is for people to see"
)]
fn told(number: usize, missed: &[Case]) {
    eprintln!(
        "{} of {number} faults came; without theirs ended {missed:?}",
        number - missed.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_that_is_killed_before_a_write_costs_nothing_but_time() -> Result<()> {
    disturb_every_write(&[Fault::KillBefore]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_that_is_killed_after_a_write_costs_nothing_but_time() -> Result<()> {
    disturb_every_write(&[Fault::KillAfter]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_or_refused_costs_nothing_but_time() -> Result<()> {
    disturb_every_write(&[
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Status(409),
        Fault::Status(500),
    ])
    .await
}
