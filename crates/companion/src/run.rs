//! `run`: wires the loop, the Lease, the watches and the ops port, and takes them down again.
//!
//! What works beside the loop is one of its `Tasks`: when one ends before it was to, the companion
//! stops as if a signal had asked for it, and fails.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use kube::Config;
use tasks::Tasks;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    calls::network::Network,
    cli::{Common, RunArgs},
    cluster::{self, Cluster, Fault, watch::Watches},
    control::{Controller, Parts, Planner},
    farewell,
    lease::Lease,
    metrics::Metrics,
    ops::{self, Health},
};

#[cfg(test)]
mod tests;

/// A failed look at the cluster is tried again after this time, twice that, and so on.
const FIRST: Duration = Duration::from_secs(1);

/// But at least so often.
const LONGEST: Duration = Duration::from_mins(1);

/// Changes come in bunches: they are waited for so long.
const BUNCH: Duration = Duration::from_millis(100);

/// Giving up the finalizers and the Lease takes less.
const FAREWELL: Duration = Duration::from_secs(4);

/// Connects to the API server and puts together what a controller is made of.
pub async fn parts(common: &Common, metrics: Arc<Metrics>) -> anyhow::Result<Parts> {
    let config = Config::infer()
        .await
        .context("there is neither a service account nor a kubeconfig to reach the API server with")?;
    let namespace = common
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = cluster::connect(config, metrics.requests()).context("the API server cannot be reached")?;
    let identity = common.identity();
    Ok(Parts {
        lease: Arc::new(Lease::new(client.clone(), &namespace, identity.clone())),
        cluster: Cluster::new(client, namespace),
        calls: Arc::new(Network),
        identity,
        metrics,
        health: Arc::default(),
    })
}

/// Works until a signal asks to stop.
pub async fn run(arguments: RunArgs) -> anyhow::Result<()> {
    let health = Arc::<Health>::default();
    let stop = stop_signal(health.tasks()).context("signals cannot be received")?;
    let parts = parts(&arguments.common, Arc::default()).await?;
    run_until(&arguments, Parts { health, ..parts }, stop).await
}

/// Works until `stop`, or until one of the tasks ends early, which is an error.
async fn run_until(arguments: &RunArgs, parts: Parts, stop: CancellationToken) -> anyhow::Result<()> {
    let listener = ops::bind(arguments.ops_listen)
        .await
        .with_context(|| format!("{} (--ops-listen) cannot be listened on", arguments.ops_listen))?;
    let (health, end) = (Arc::clone(&parts.health), CancellationToken::new());
    let serve = ops::serve(listener, Arc::clone(&health), Arc::clone(&parts.metrics));
    health.tasks().start_endless("the operations port", &end, serve);
    tracing::info!(
        namespace = parts.cluster.namespace(),
        identity = parts.identity,
        "companion of the Edge API"
    );
    work(parts, plan::plan, arguments.deployment.as_deref(), stop).await;
    end.cancel();
    tracing::info!("stopped");
    Ok(health.tasks().outcome()?)
}

/// The loop, until `stop` or an early end of one of the tasks; then gives up what it holds, and the
/// RemoteBackend too if the Deployment that it is of is deleted.
pub async fn work(parts: Parts, planner: Planner, deployment: Option<&str>, stop: CancellationToken) {
    let (cluster, lease, metrics, health) = (
        parts.cluster.clone(),
        Arc::clone(&parts.lease),
        Arc::clone(&parts.metrics),
        Arc::clone(&parts.health),
    );
    let (tasks, end) = (health.tasks(), CancellationToken::new());
    let mut controller = Controller::new(parts, planner);
    let mut watches = Watches::new(cluster.clone());
    // Before the Lease can be taken, so that this is not missed.
    let (mut changes, woken) = (lease.changes(), watches.handle());
    let wake_on_lease = async move {
        while changes.changed().await.is_ok() {
            metrics.lease_held(*changes.borrow_and_update());
            woken.notify_one();
        }
    };
    tasks.start_endless("the watch of the Lease", &end, wake_on_lease);
    let keeper = Arc::clone(&lease);
    tasks.start_endless(
        "the keeper of the Lease",
        &end,
        async move { keeper.keep().await },
    );
    tokio::select! {
        () = stop.cancelled() => {}
        _ = tasks.ended() => {}
        () = rounds(&mut controller, &mut watches, &lease, (&cluster, deployment)) => {}
    }
    end.cancel();
    let farewell = async {
        // The rights may be gone a moment after the namespace began to end.
        if cluster.namespace_ending().await.unwrap_or(false) {
            let _ = controller.let_go().await;
        }
        lease.give_up().await;
    };
    if timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("the Lease could not be given up in time; it runs out by itself");
    }
    if let Some(deployment) = deployment {
        farewell::farewell(&cluster, deployment).await;
    }
}

async fn rounds(
    controller: &mut Controller,
    watches: &mut Watches,
    lease: &Lease,
    (cluster, deployment): (&Cluster, Option<&str>),
) {
    let mut delay = FIRST;
    let mut told = None;
    loop {
        let next = match controller.round().await {
            Ok(round) => {
                delay = FIRST;
                told = None;
                watches.watch(round.targets);
                if round.retiring {
                    lease.give_up().await;
                } else {
                    lease.resume();
                }
                round.next
            }
            Err(fault) => {
                if let (Fault::Forbidden(_), Some(deployment)) = (&fault, deployment) {
                    // Helm takes the rights right after the Deployment, and stops this process a
                    // second later.
                    farewell::early(cluster, deployment).await;
                }
                let fault = fault.to_string();
                if told.as_ref() != Some(&fault) {
                    tracing::warn!(reason = fault, "the cluster could not be looked at");
                    told = Some(fault);
                }
                let now = delay;
                delay = (delay * 2).min(LONGEST);
                now
            }
        };
        if next.is_zero() {
            continue;
        }
        tokio::select! {
            () = watches.changed() => sleep(BUNCH).await,
            () = sleep(next) => {}
        }
    }
}

/// Cancelled by the first SIGTERM or SIGINT.
pub fn stop_signal(tasks: &Tasks) -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tasks.start("the wait for a signal", &stop, async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        stopped.cancel();
    });
    Ok(stop)
}
