//! Each task of a companion is ended while it works.

use std::net::SocketAddr;

use clap::Parser as _;
use testkit::{net::free_port, process::wait_until};
use tokio::task::JoinHandle;

use super::*;
use crate::cli::{Cli, Command};

/// How long a condition may take; long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// All but the wait for a signal: a test program goes on taking its own.
const TASKS: [&str; 3] = [
    "the keeper of the Lease",
    "the operations port",
    "the watch of the Lease",
];

struct Running {
    health: Arc<Health>,
    stop: CancellationToken,
    outcome: JoinHandle<anyhow::Result<()>>,
}

/// One whose API server is away.
async fn start() -> Running {
    let ops = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let line = ["flotta-companion", "run", &format!("--ops-listen={ops}")];
    let Command::Run(arguments) = Cli::parse_from(line).command else {
        panic!("this is run");
    };
    let metrics = Arc::new(Metrics::default());
    let config = Config::new("http://127.0.0.1:1".parse().unwrap());
    let client = cluster::connect(config, metrics.requests()).unwrap();
    let (health, stop) = (Arc::<Health>::default(), CancellationToken::new());
    let parts = Parts {
        lease: Arc::new(Lease::new(client.clone(), "flotta", "test")),
        cluster: Cluster::new(client, "flotta"),
        calls: Arc::new(Network),
        identity: "test".to_owned(),
        metrics,
        health: Arc::clone(&health),
    };
    let stopped = stop.clone();
    let outcome = tokio::spawn(async move { run_until(&arguments, parts, stopped).await });
    wait_until("all tasks", PATIENCE, async || health.tasks().names() == TASKS)
        .await
        .unwrap();
    Running {
        health,
        stop,
        outcome,
    }
}

#[tokio::test]
async fn whichever_task_ends_the_companion_stops_in_order_and_fails() {
    for name in TASKS {
        let companion = start().await;
        companion.health.tasks().abort(name);
        let error = companion.outcome.await.unwrap().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{name} has ended: it was aborted;")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_end_of_all_tasks_at_a_stop_is_none() {
    let companion = start().await;
    companion.stop.cancel();
    companion.outcome.await.unwrap().unwrap();
    assert_eq!(companion.health.tasks().early(), None);
}
