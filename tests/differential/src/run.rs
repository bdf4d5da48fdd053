//! A run: so many cases of a seed, in batches with a cluster of their own.

use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use crate::admission;
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::flotta::Cluster;
use crate::generate::{Schemas, fleet, world};
use crate::play::{Via, play};
use crate::report::Report;

/// Fleets of one batch: the informers of the Edge API list everything in the cluster.
const BATCH: u64 = 250;

/// Plays the cases `first..first + count` of a seed.
pub async fn run(
    seed: u64,
    first: u64,
    count: u64,
    via: Via,
    mut progress: impl FnMut(&str),
) -> Result<Report> {
    let schemas = Schemas::published()?;
    let mut report = Report::default();
    let mut next = first;
    while next < first + count {
        let end = (next + BATCH).min(first + count);
        let fleets: Vec<Arc<Fleet>> = (next..end)
            .map(|number| Arc::new(fleet(seed, number, &schemas)))
            .collect();
        let world = world_of(seed, next);
        let cluster = Cluster::start().await?;
        cluster.put_world(&world).await?;
        let played = play(&cluster, &fleets, &world, via).await?;
        report.add(played.outcomes);
        report.complain(played.wrong);
        if let Some(refusals) = played.refusals {
            report.add_refusals(refusals);
        }
        report.complain(admission::check(&cluster, &fleets).await?);
        progress(&format!(
            "cases {next} to {} of seed {seed}: {} devices differ",
            end - 1,
            report.failing().count()
        ));
        next = end;
    }
    Ok(report)
}

/// What is outside of the fleets in the batch of a case.
pub fn world_of(seed: u64, number: u64) -> Vec<Value> {
    // The same for a case whether it is played in its batch or alone.
    world(&mut Dice::new(seed, u64::MAX - number / BATCH))
}
