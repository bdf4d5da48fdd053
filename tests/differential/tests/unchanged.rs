//! An unchanged fleet never looks changed to a device: the agent's comparison on two answers in a
//! row, over heartbeats, restarts and rewritten manifests of the same content, on both stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use differential::agent::looks_changed;
use differential::flotta::{Cluster, Member, Polled, polled};
use differential::generate::{Schemas, fleet};
use differential::ours::{Ours, write_manifests};
use differential::run::world_of;
use serde_json::{Value, json};
use testkit::device::Device;
use testkit::postgres::Postgres;
use testkit::server::Settings;

const SEED: u64 = 5;
/// Polls in all, half of them on each store.
const POLLS: usize = 10_000;
/// How long a device may have to poll for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What happens between two rounds of polls, in turn.
const EVENTS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_fleet_never_looks_changed_on_sqlite() -> Result<()> {
    let cluster = Cluster::start().await?;
    never_looks_changed(&cluster, None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_fleet_never_looks_changed_on_postgres() -> Result<()> {
    let cluster = Cluster::start().await?;
    let postgres = Postgres::start().await?;
    never_looks_changed(&cluster, Some(postgres.create_database()?)).await
}

struct Watched {
    device: Device,
    first: Value,
    version: String,
}

async fn never_looks_changed(cluster: &Cluster, store: Option<String>) -> Result<()> {
    let schemas = Schemas::published()?;
    let fleets: Vec<_> = (0..12)
        .map(|number| Arc::new(fleet(SEED, number, &schemas)))
        .collect();
    let world = world_of(SEED, 0);
    let on = |settings: Settings| match store {
        Some(store) => settings.store(store),
        None => settings,
    };
    let mut ours = Ours::start_with(cluster, &fleets, &world, on).await?;
    let members = cluster.members(&fleets)?;
    ours.enrol(&members).await?;
    let mut watched = watch(&ours, cluster, members).await?;
    ensure!(
        watched.len() > 15,
        "only {} devices get a configuration",
        watched.len()
    );

    let (mut polls, mut round) = (0, 0);
    while polls < POLLS / 2 {
        for one in &mut watched {
            let content = configuration(&mut one.device)
                .await
                .with_context(|| format!("round {round}: {}", one.device.id()))?;
            ensure!(
                !looks_changed(&one.first, &content),
                "round {round}: the configuration of {} looks changed: {} and {content}",
                one.device.id(),
                one.first
            );
            ensure!(
                content["version"] == one.version,
                "round {round}: another version for the same content"
            );
            polls += 1;
        }
        disturb(&mut ours, &mut watched, &fleets, &world, round).await?;
        round += 1;
    }
    Ok(())
}

/// The answer to a device that polls until it has one. A connection to an Edge API that restarted
/// is gone, and an answer that a busy machine does not make in time is an error, with which the
/// agent keeps what it has and polls again.
async fn configuration(device: &mut Device) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match polled(device.poll_data().await)? {
            Polled::Configuration(content) => return Ok(content),
            answer => ensure!(Instant::now() < deadline, "the last answer is {answer:?}"),
        }
    }
}

async fn watch(ours: &Ours, cluster: &Cluster, members: Vec<Member>) -> Result<Vec<Watched>> {
    let provisioning = ours.edge_api.provisioning(&cluster.flotta).await?;
    let mut watched = Vec::new();
    for member in members {
        let mut device = Device::new(member.id, provisioning.clone()).holding(member.certificate);
        if let Polled::Configuration(first) = polled(device.poll_data().await)? {
            let version = first["version"]
                .as_str()
                .context("a configuration has a version")?;
            watched.push(Watched {
                version: version.to_owned(),
                device,
                first,
            });
        }
    }
    Ok(watched)
}

async fn disturb(
    ours: &mut Ours,
    watched: &mut [Watched],
    fleets: &[Arc<differential::fleet::Fleet>],
    world: &[Value],
    round: usize,
) -> Result<()> {
    match round % 40 {
        7 => {
            ours.server.kill()?;
            ours.server.start_again().await?;
        }
        17 => {
            ours.server.stop()?;
            ours.server.start_again().await?;
        }
        27 => ours.edge_api.restart().await?,
        // The same objects in files of another form and order.
        37 => {
            let mut turned: Vec<_> = fleets.iter().map(|fleet| fleet.as_ref().clone()).collect();
            for fleet in &mut turned {
                fleet.objects.reverse();
            }
            let turned: Vec<_> = turned.into_iter().map(Arc::new).collect();
            write_manifests(&ours.manifests(), &turned, world)?;
        }
        _ if round.is_multiple_of(EVENTS) => heartbeats(watched, round).await?,
        _ => {}
    }
    Ok(())
}

/// What a device that has applied its configuration tells: its pods run, one of them with an event.
async fn heartbeats(watched: &mut [Watched], round: usize) -> Result<()> {
    for one in watched {
        let workloads: Vec<Value> = one.first["workloads"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|workload| json!({"name": workload["name"], "status": "Running", "last_data_upload": "0001-01-01T00:00:00.000Z"}))
            .collect();
        let heartbeat = json!({
            "status": "up", "version": one.version, "workloads": workloads, "playbook-executions": null,
            "events": [{"type": "info", "reason": "Round", "message": format!("round {round}")}],
            "upgrade": {"current_commit_ID": "unknown"},
        });
        let answer = one.device.heartbeat(heartbeat).await?;
        ensure!(answer.status == 200, "a heartbeat is answered {}", answer.status);
    }
    Ok(())
}
