//! What a server does without being asked: it brings times to the store and drops old events.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::Metrics,
    service::{FLUSH_EVERY, Service},
    telemetry,
};

/// How often events that are too old are removed.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// Works until `shutdown`, then brings the last times to the store.
pub async fn run(service: Service, metrics: Arc<Metrics>, shutdown: CancellationToken) {
    let mut flush = interval(FLUSH_EVERY);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut prune = interval(PRUNE_EVERY);
    prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = flush.tick() => {
                let (bytes, devices) = service.configurations_kept();
                metrics.configurations_kept(bytes, devices);
                let outcome = service.flush().await;
                if let Err(error) = &outcome && !failing {
                    tracing::warn!(error = telemetry::chain(error), "last-seen times cannot be stored; they are kept and tried again");
                }
                failing = outcome.is_err();
            }
            _ = prune.tick() => match service.store().prune(service.now()).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "removed events that are too old"),
                Err(error) => tracing::warn!(error = telemetry::chain(&error), "old events cannot be removed now"),
            },
        }
    }
    if let Err(error) = service.flush().await {
        tracing::warn!(
            error = telemetry::chain(&error),
            "the last times at which devices were seen are lost"
        );
    }
}
