//! What a server does without being asked: it brings times to the store and drops old events.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::Metrics,
    service::{FLUSH_EVERY, Service},
    telemetry,
    transport::Security,
};

/// How often events that are too old are removed.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// Works until `shutdown`, then brings the last times to the store. `security` is that of the devices' port.
pub async fn run(service: Service, security: Security, metrics: Arc<Metrics>, shutdown: CancellationToken) {
    // Beside each other: removing many events takes long, and times must not wait for it.
    tokio::select! {
        () = attend(&service, &security, &metrics, &shutdown) => {}
        () = prune(&service) => {}
    }
    if let Err(error) = service.flush().await {
        tracing::warn!(
            error = telemetry::chain(&error),
            "the last times at which devices were seen are lost"
        );
    }
}

/// Returns at the shutdown, and not in the middle of a write.
async fn attend(service: &Service, security: &Security, metrics: &Metrics, shutdown: &CancellationToken) {
    let mut tick = interval(FLUSH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let (bytes, devices) = service.configurations_kept();
        metrics.configurations_kept(bytes, devices);
        let outcome = service.attend(security.accepts()).await;
        if let Err(error) = &outcome
            && !failing
        {
            tracing::warn!(
                error = telemetry::chain(error),
                "last-seen times cannot be stored; they are kept and tried again"
            );
        }
        failing = outcome.is_err();
    }
}

async fn prune(service: &Service) {
    let mut tick = interval(PRUNE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match service.store().prune(service.now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed events that are too old"),
            Err(error) => {
                tracing::warn!(
                    error = telemetry::chain(&error),
                    "old events cannot be removed now"
                );
            }
        }
    }
}
