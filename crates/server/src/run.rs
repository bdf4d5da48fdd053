//! `serve` from start to end: opens what is needed, in the order in which faults are found, and
//! closes it in reverse.
//!
//! The ops port comes first, so that the process is alive while the rest is being opened. The
//! device plane's port is bound when the store is open: until then the Edge API is refused at once
//! instead of left waiting.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use store::Store;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, AdminPlane, AdminSocket},
    admission, descriptors,
    device_plane::DevicePlane,
    documents,
    metrics::Metrics,
    open,
    ops::{self, Health, OpsPlane, Probes},
    service::Service,
    settings::Settings,
    tls,
    transport::{Listener, Security, Server},
    upkeep,
};

/// A server that is not the only one of its store goes on taking connections for so long after it
/// was told to stop, and is ready no more from the beginning: whoever chooses between the servers,
/// as kube-proxy does, needs a moment to hear of it, and sends callers here until then. Where there
/// is no other server nobody is spared an error by it: in Kubernetes the Service has no endpoint
/// from then on, and the next server of an exclusive store cannot start before this one has ended.
const LINGER: Duration = Duration::from_secs(3);

/// Serves until a signal asks to stop.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let stop = stop_signal().context("signals cannot be received")?;
    descriptors::raise(&settings).context("the server does not start")?;
    let metrics = Arc::new(Metrics::default());
    let probes = Arc::new(Probes::default());
    let keeper = settings
        .tls
        .clone()
        .map(|files| tls::Keeper::new(files, Arc::clone(&metrics)));
    let admission = settings
        .admission
        .clone()
        .map(|path| admission::Keeper::new(path, Arc::clone(&metrics)));
    let health = Arc::new(Health::new(
        keeper.clone(),
        admission.clone(),
        Arc::clone(&probes),
        Timestamp::now(),
    ));

    let (end, closing) = (CancellationToken::new(), CancellationToken::new());
    let ops = serve_ops(&settings, &health, &metrics, &end)?;
    let security = secure(keeper, &end);
    if let Some(admission) = &admission {
        tokio::spawn(Arc::clone(admission).watch(end.clone()));
    }
    let work = async {
        let store = tokio::select! {
            () = stop.cancelled() => {
                closing.cancel();
                return Ok(());
            }
            store = open::store(&settings, &health) => store?,
        };
        tokio::spawn(linger(store.is_exclusive(), stop.clone(), closing.clone()));
        health.set_store(Arc::clone(&store));
        tokio::spawn(watch_store(Arc::clone(&health), closing.clone()));
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
        let outcome = serve_planes(&settings, service, security, &metrics, &probes, &closing).await;
        health.set_stopping();
        store.close().await;
        outcome
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = async { stop.cancelled().await; health.set_stopping(); closing.cancelled().await; sleep(settings.shutdown_timeout).await } => {
            bail!("the server did not stop within {:?}; writes that were not acknowledged may be lost", settings.shutdown_timeout)
        }
    };
    end.cancel();
    ops.await.context("the ops port failed")?;
    outcome
}

/// Serves devices and administrators until `stop`, then brings what is in memory to the store.
async fn serve_planes(
    settings: &Settings,
    service: Service,
    security: Security,
    metrics: &Arc<Metrics>,
    probes: &Arc<Probes>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (_socket, admin_listener) = AdminSocket::bind(&settings.admin_socket)?;
    let end = stop.child_token();
    tokio::spawn(Arc::clone(service.documents()).follow(end.clone()));
    let settle = documents::Settle::removals(settings.settle_removals);
    let watched = settings
        .manifests
        .clone()
        .map(|path| documents::Watched::new(path, settings.unknown_fields, settle));
    if let Some(watched) = &watched {
        let keeper = Arc::clone(service.documents());
        tokio::spawn(documents::watch(Arc::clone(watched), keeper, end.clone()));
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
    let upkeep = tokio::spawn(upkeep::run(
        service,
        security,
        Arc::clone(metrics),
        drained.clone(),
    ));
    tokio::join!(device.serve(stop.clone()), admin.serve(stop.clone()));
    drained.cancel();
    upkeep.await.context("the upkeep of the store failed")?;
    tracing::info!("stopped");
    Ok(())
}

fn documents(settings: &Settings, store: &Arc<dyn Store>, metrics: &Arc<Metrics>) -> Arc<documents::Keeper> {
    let options = documents::Options {
        watched: settings.manifests.is_some(),
        strict: settings.strict,
        allowed: settings.confirm_above,
    };
    documents::Keeper::new(
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
    Ok(tokio::spawn(server.serve(end.clone())))
}

fn secure(keeper: Option<Arc<tls::Keeper>>, end: &CancellationToken) -> Security {
    let Some(keeper) = keeper else {
        tracing::warn!(
            "serving plain HTTP (--insecure-http): everybody who reaches the port can speak for every device"
        );
        return Security::Plain;
    };
    tokio::spawn(Arc::clone(&keeper).watch(end.clone()));
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

/// Cancels `closing` some time after `stop`, or at once where no other server could take over.
async fn linger(alone: bool, stop: CancellationToken, closing: CancellationToken) {
    stop.cancelled().await;
    if !alone {
        sleep(LINGER).await;
    }
    closing.cancel();
}

/// Cancelled by the first SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Asks only to look at the TLS material; without a handler it would end the process.
    drop(signal(SignalKind::hangup())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping: finishing what is under way");
        stopped.cancel();
    });
    Ok(stop)
}
