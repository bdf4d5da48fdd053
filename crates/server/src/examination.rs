//! The store is looked through in the background, once the server is ready and then every day: what
//! is not what was written is told before somebody needs it, and rows of before get their
//! checksums.

use std::{collections::BTreeSet, time::Duration};

use store::{Portion, StoreError};
use tokio::time::sleep;

use crate::{metrics::Metrics, service::Service, telemetry};

/// Between two rounds.
const EVERY: Duration = Duration::from_hours(24);

/// The same while anything is damaged, so that it is soon known when it is not any more.
const SOON: Duration = Duration::from_mins(15);

/// After a round that could not be finished.
const AGAIN: Duration = Duration::from_mins(1);

/// Between two looks whether the server is ready.
const PAUSE: Duration = Duration::from_secs(1);

/// So often it is waited for manifests that can be answered by. Where these are what is damaged it
/// will not be ready.
const LOOKS: usize = 60;

/// Between two portions, so that requests are not held up by many of them.
const BREATH: Duration = Duration::from_millis(20);

/// Works for as long as it is polled.
pub(crate) async fn run(service: &Service, metrics: &Metrics) {
    let (mut told, mut is_put_off) = (BTreeSet::new(), false);
    loop {
        while service.serving().is_err() {
            sleep(PAUSE).await;
        }
        for _ in 0..LOOKS {
            if service.documents().not_ready_because().is_none() {
                break;
            }
            sleep(PAUSE).await;
        }
        match round(service, &mut told).await {
            Ok(found) => {
                is_put_off = false;
                metrics.store_damage(found.len());
                let pause = if found.is_empty() { EVERY } else { SOON };
                told = found;
                sleep(pause).await;
            }
            Err(error) => {
                // What is damaged is no error, so the store is away: whoever needs it says so as
                // well, and once is enough here.
                if !is_put_off {
                    tracing::warn!(
                        error = telemetry::chain(&error),
                        "the store could not be looked through for damage; it is tried again every minute"
                    );
                }
                is_put_off = true;
                sleep(AGAIN).await;
            }
        }
    }
}

/// Looks at everything once, tells what is new and returns all that is damaged.
async fn round(service: &Service, told: &mut BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let (mut found, mut summed) = (BTreeSet::new(), 0);
    let mut next = Some(Portion::first());
    while let Some(portion) = next {
        let examined = service.store().examine(portion).await?;
        for damaged in examined.damaged {
            if told.insert(damaged.clone()) {
                tracing::error!(reason = damaged, "the store is damaged");
            }
            found.insert(damaged);
        }
        summed += examined.summed;
        next = examined.next;
        sleep(BREATH).await;
    }
    if summed > 0 {
        tracing::info!(rows = summed, "rows of the store were given checksums");
    }
    Ok(found)
}
