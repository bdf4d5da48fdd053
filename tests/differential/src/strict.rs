//! Ours as strict as Flotta: one broken workload fails the whole configuration of each device that
//! runs it.

use std::sync::Arc;

use anyhow::Result;

use crate::fleet::Fleet;
use crate::flotta::{Cluster, Polled, Selection, poll};
use crate::generate::{Schemas, fleet};
use crate::judge::{Expected, expected};
use crate::ours::Ours;
use crate::run::world_of;
use crate::trigger;

/// How many devices Flotta refuses, and those that it and ours treat differently, one line each.
/// Cases with something that stops Flotta although nothing is wrong are left out.
pub async fn run(seed: u64, count: u64) -> Result<(usize, Vec<String>)> {
    let schemas = Schemas::published()?;
    let fleets: Vec<Arc<Fleet>> = (0..count)
        .map(|number| fleet(seed, number, &schemas))
        .filter(|fleet| !trigger::anywhere(fleet))
        .map(Arc::new)
        .collect();
    let world = world_of(seed, 0);
    let cluster = Cluster::start().await?;
    cluster.put_world(&world).await?;
    cluster.put(&fleets, Selection::Given).await?;
    let members = cluster.members(&fleets)?;

    let edge_api = cluster.edge_api().await?;
    let theirs = poll(&edge_api.provisioning(&cluster.flotta).await?, &members).await?;
    drop(edge_api);
    let strict = |settings: testkit::server::Settings| settings.flags(["--strict"]);
    let ours = Ours::start_with(&cluster, &fleets, &world, strict).await?;
    ours.enrol(&members).await?;
    let provisioning = ours.edge_api.provisioning(&cluster.flotta).await?;
    let ours = poll(&provisioning, &members).await?;

    let refuses = |polled: &Polled| !matches!(polled, Polled::Configuration(_));
    let mut differing = Vec::new();
    for (member, (theirs, ours)) in members.iter().zip(theirs.iter().zip(&ours)) {
        if refuses(theirs) != refuses(ours) {
            let expected: Expected = expected(&member.fleet, &member.id);
            differing.push(format!(
                "seed {seed} case {} device {} ({expected:?}): Flotta {}, ours {}",
                member.fleet.number,
                member.id,
                if refuses(theirs) { "refuses" } else { "delivers" },
                if refuses(ours) { "refuses" } else { "delivers" },
            ));
        }
    }
    Ok((theirs.iter().filter(|polled| refuses(polled)).count(), differing))
}
