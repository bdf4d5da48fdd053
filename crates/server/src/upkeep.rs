//! What a server does without being asked: it brings times to the store, drops old events, and
//! settles times that a clock that was ahead has left there.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    examination,
    metrics::Metrics,
    service::{FLUSH_EVERY, Service},
    telemetry,
    transport::Security,
};

/// How often events that are too old are removed.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// Works until `shutdown`, then brings the last times to the store. `security` is that of the
/// devices' port.
pub async fn run(service: Service, security: Security, metrics: Arc<Metrics>, shutdown: CancellationToken) {
    // Beside each other: removing many events takes long, and times must not wait for it.
    let set_back = Notify::new();
    tokio::select! {
        () = attend(&service, &security, &metrics, &set_back, &shutdown) => {}
        () = prune(&service, &set_back) => {}
        () = examination::run(&service, &metrics) => {}
    }
    if let Err(error) = service.flush().await {
        tracing::warn!(
            error = telemetry::chain(&error),
            "the last times at which devices were seen are lost"
        );
    }
}

/// Returns at the shutdown, and not in the middle of a write.
async fn attend(
    service: &Service,
    security: &Security,
    metrics: &Metrics,
    set_back: &Notify,
    shutdown: &CancellationToken,
) {
    let mut tick = interval(FLUSH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    let mut last = service.now();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let now = service.now();
        if fleet::clock::is_ahead(last, now) {
            tracing::warn!(from = %last, to = %now, "the clock was set back; stored times that are ahead count as now");
            set_back.notify_one();
        }
        last = now;
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

/// Again at once when the clock was set back.
async fn prune(service: &Service, set_back: &Notify) {
    let mut tick = interval(PRUNE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = set_back.notified() => {}
        }
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
