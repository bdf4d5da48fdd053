//! `serve` from start to end: opens what is needed, in the order in which faults are found, and
//! closes it in reverse.
//!
//! What works beside the planes is one of its `Tasks`: when one ends before it was to, the server
//! stops as if a signal had asked for it, and fails.
//!
//! The ops port comes first, so that the process is alive while the rest is being opened. The
//! device plane's port is bound when the store is open: until then the Edge API is refused at once
//! instead of left waiting.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use store::Store;
use tasks::Tasks;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, AdminPlane, AdminSocket},
    descriptors,
    device_plane::DevicePlane,
    intake,
    metrics::Metrics,
    open,
    ops::{self, Health, OpsPlane, Probes},
    service::Service,
    settings::Settings,
    sources, tls,
    transport::{Listener, Security, Server},
    upkeep,
};

#[cfg(test)]
mod tests;

/// A server that is not the only one of its store goes on taking connections for so long after it
/// was told to stop, and is ready no more from the beginning: whoever chooses between the servers,
/// as kube-proxy does, needs a moment to hear of it, and sends callers here until then. Where there
/// is no other server nobody is spared an error by it: in Kubernetes the Service has no endpoint
/// from then on, and the next server of an exclusive store cannot start before this one has ended.
const LINGER: Duration = Duration::from_secs(3);

/// Time between two looks whether the store still does all of its work.
const LOOK: Duration = Duration::from_secs(1);

/// Serves until a signal asks to stop.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let tasks = Tasks::default();
    let stop = stop_signal(&tasks).context("signals cannot be received")?;
    descriptors::raise(&settings).context("the server does not start")?;
    serve_until(settings, tasks, stop).await
}

/// Serves until `stop`, or until one of the tasks ends early, which is an error.
async fn serve_until(settings: Settings, tasks: Tasks, stop: CancellationToken) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::default());
    let probes = Arc::new(Probes::default());
    let keeper = settings
        .tls
        .clone()
        .map(|files| tls::Reloader::new(files, Arc::clone(&metrics)));
    let admission = settings
        .admission
        .clone()
        .map(|path| intake::Reloader::new(path, Arc::clone(&metrics)));
    let health = Health::new(
        keeper.clone(),
        admission.clone(),
        Arc::clone(&probes),
        Timestamp::now(),
    );
    let health = Arc::new(health.with_tasks(tasks.clone()));

    let end = CancellationToken::new();
    let closing = end.child_token();
    let ops = serve_ops(&settings, &health, &metrics, &tasks, &end)?;
    let security = secure(keeper, &tasks, &end);
    if let Some(admission) = &admission {
        let watch = Arc::clone(admission).watch(end.clone());
        tasks.start("the watch of the admission file", &end, watch);
    }
    let work = async {
        let store = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            store = open::store(&settings, &health) => store?,
        };
        let works = Arc::clone(&store);
        tasks.start_endless("the store", &end, defect(move || works.defect()));
        health.set_store(Arc::clone(&store));
        let watch = watch_store(Arc::clone(&health), closing.clone());
        tasks.start("the look whether the store can be written", &closing, watch);
        let (observer, written) = (Arc::clone(&metrics), Arc::clone(&health));
        let documents = documents(&settings, &store, &metrics);
        health.set_documents(Arc::clone(&documents));
        let service = Service::with_memory(
            Arc::clone(&store),
            settings.policy.clone(),
            admission,
            documents,
            Arc::new(Timestamp::now),
            Arc::new(move |outcome: Result<Duration, String>| {
                if let Ok(elapsed) = outcome {
                    observer.store_commit(elapsed);
                }
                written.wrote(outcome.map(drop));
            }),
            settings.memory,
        );
        health.set_service(service.clone());
        let outcome = serve_planes(&settings, service, security, &metrics, &probes, &tasks, &closing).await;
        health.set_stopping();
        store.close().await;
        match store.defect() {
            Some(defect) => outcome.and(Err(anyhow!(defect))),
            None => outcome,
        }
    };
    let overdue = async {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = tasks.ended() => stop.cancel(),
        }
        health.set_stopping();
        if health.is_one_of_several() {
            sleep(LINGER).await;
        }
        closing.cancel();
        sleep(settings.shutdown_timeout).await;
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = overdue => {
            bail!("the server did not stop within {:?}; writes that were not acknowledged may be lost", settings.shutdown_timeout)
        }
    };
    end.cancel();
    ops.await.context("the operations port failed")?;
    outcome?;
    Ok(tasks.outcome()?)
}

/// Ends when something that a store does is done by nobody any more.
async fn defect(look: impl Fn() -> Option<String>) -> Result<(), String> {
    let mut tick = interval(LOOK);
    loop {
        tick.tick().await;
        if let Some(defect) = look() {
            return Err(defect);
        }
    }
}

/// Serves devices and administrators until `stop`, then brings what is in memory to the store.
async fn serve_planes(
    settings: &Settings,
    service: Service,
    security: Security,
    metrics: &Arc<Metrics>,
    probes: &Arc<Probes>,
    tasks: &Tasks,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (_socket, admin_listener) = AdminSocket::bind(&settings.admin_socket)?;
    let follower = Arc::clone(service.documents()).follow(stop.clone());
    tasks.start("the follower of the documents", stop, follower);
    let settle = sources::Settle::removals(settings.settle_removals);
    let watched = settings
        .manifests
        .clone()
        .map(|path| sources::Watched::new(path, settings.unknown_fields, settle));
    if let Some(watched) = &watched {
        let keeper = Arc::clone(service.documents());
        let watch = sources::watch(Arc::clone(watched), keeper, stop.clone());
        tasks.start("the watch of the manifests", stop, watch);
    }
    let device = Server {
        plane: "device",
        listener: Listener::Tcp(bind(settings.listen, "--listen")?),
        security: security.clone(),
        limits: settings.limits,
        handler: Arc::new(DevicePlane::new(
            service.clone(),
            Arc::clone(metrics),
            Arc::clone(probes),
        )),
        metrics: Arc::clone(metrics),
    };
    let admin = Server {
        plane: "admin",
        listener: Listener::Unix(admin_listener),
        security: Security::Plain,
        limits: admin::limits(settings.limits),
        handler: Arc::new(AdminPlane::new(service.clone(), watched, settings.unknown_fields)),
        metrics: Arc::clone(metrics),
    };
    let (identity, listen, location) = (service.store().identity(), settings.listen, &settings.store);
    tracing::info!(%listen, store = %location, id = %identity.id, epoch = %identity.epoch, "serving devices");
    let drained = CancellationToken::new();
    let upkeep = upkeep::run(service, security, Arc::clone(metrics), drained.clone());
    let upkeep = tasks.start("the upkeep of the store", &drained, upkeep);
    tokio::join!(device.serve(stop.clone()), admin.serve(stop.clone()));
    drained.cancel();
    upkeep.await.context("the upkeep of the store failed")?;
    tracing::info!("stopped");
    Ok(())
}

fn documents(settings: &Settings, store: &Arc<dyn Store>, metrics: &Arc<Metrics>) -> Arc<sources::Reloader> {
    let options = sources::Options {
        watched: settings.manifests.is_some(),
        strict: settings.strict,
        allowed: settings.confirm_above,
    };
    sources::Reloader::new(
        Arc::clone(store),
        options,
        Arc::new(Timestamp::now),
        Arc::clone(metrics),
    )
}

fn serve_ops(
    settings: &Settings,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
    end: &CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let server = Server {
        plane: "ops",
        listener: Listener::Tcp(bind(settings.ops_listen, "--ops-listen")?),
        security: Security::Plain,
        limits: ops::LIMITS,
        handler: Arc::new(OpsPlane::new(Arc::clone(health), Arc::clone(metrics))),
        metrics: Arc::clone(metrics),
    };
    Ok(tasks.start("the operations port", end, server.serve(end.clone())))
}

fn secure(keeper: Option<Arc<tls::Reloader>>, tasks: &Tasks, end: &CancellationToken) -> Security {
    let Some(keeper) = keeper else {
        tracing::warn!(
            "serving plain HTTP (--insecure-http): everybody who reaches the port can speak for every device"
        );
        return Security::Plain;
    };
    let watch = Arc::clone(&keeper).watch(end.clone());
    tasks.start("the watch of the TLS material", end, watch);
    Security::Tls(keeper)
}

/// Connections that may wait to be accepted. When they are too many the kernel drops the next one's
/// first packet, and it tries again a second later; the kernel's own limit (`net.core.somaxconn`)
/// is the same by default.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().with_context(|| format!("{address} ({setting}) cannot be listened on"))
}

/// Until the server closes.
async fn watch_store(health: Arc<Health>, closing: CancellationToken) {
    tokio::select! {
        () = closing.cancelled() => {}
        () = health.watch_store() => {}
    }
}

/// Cancelled by the first SIGTERM or SIGINT.
fn stop_signal(tasks: &Tasks) -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Asks only to look at the TLS material; without a handler it would end the process.
    drop(signal(SignalKind::hangup())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tasks.start("the wait for a signal", &stop, async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping: finishing what is under way");
        stopped.cancel();
    });
    Ok(stop)
}
