//! `run`: wires the loop, the Lease, the watches and the ops port, and takes them down again.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use kube::Config;
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
    let stop = stop_signal().context("signals cannot be received")?;
    let metrics = Arc::new(Metrics::default());
    let parts = parts(&arguments.common, Arc::clone(&metrics)).await?;
    let listener = ops::bind(arguments.ops_listen)
        .await
        .with_context(|| format!("{} (--ops-listen) cannot be listened on", arguments.ops_listen))?;
    let health: Arc<Health> = Arc::clone(&parts.health);
    tokio::spawn(ops::serve(listener, health, metrics));
    tracing::info!(
        namespace = parts.cluster.namespace(),
        identity = parts.identity,
        "companion of the Edge API"
    );
    work(parts, plan::plan, arguments.deployment.as_deref(), stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// The loop, until `stop`; then gives up what it holds, and the RemoteBackend too if the Deployment
/// that it is of is deleted.
pub async fn work(parts: Parts, planner: Planner, deployment: Option<&str>, stop: CancellationToken) {
    let (cluster, lease, metrics) = (
        parts.cluster.clone(),
        Arc::clone(&parts.lease),
        Arc::clone(&parts.metrics),
    );
    let mut controller = Controller::new(parts, planner);
    let mut watches = Watches::new(cluster.clone());
    // Before the Lease can be taken, so that this is not missed.
    let (mut changes, woken) = (lease.changes(), watches.handle());
    let wake_on_lease = tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            metrics.lease_held(*changes.borrow_and_update());
            woken.notify_one();
        }
    });
    let keeper = {
        let lease = Arc::clone(&lease);
        tokio::spawn(async move { lease.keep().await })
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = rounds(&mut controller, &mut watches, &lease, (&cluster, deployment)) => {}
    }
    keeper.abort();
    wake_on_lease.abort();
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
pub fn stop_signal() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        stopped.cancel();
    });
    Ok(stop)
}
