//! Content that changes while devices run: each device must soon get what Flotta gives it then, and
//! nobody else anything new. Ours holds rendered configurations, so that this is where a stale one
//! would show.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::process::wait_for;
use testkit::server::Settings;

use crate::dice::Dice;
use crate::fleet::{Fleet, key};
use crate::flotta::{Cluster, Selection, poll};
use crate::generate::{Schemas, fleet};
use crate::judge::{Expected, expected, judge};
use crate::ours::{Ours, write_manifests};
use crate::play::Outcome;
use crate::report::Report;
use crate::run::world_of;
use crate::selection;
use crate::trigger;

/// How long ours may take to read its changed manifests.
const RELOADED: Duration = Duration::from_mins(1);

/// Plays fleets, changes them several times, and looks after each change.
pub async fn run(seed: u64, count: u64, changes: u64) -> Result<Report> {
    let schemas = Schemas::published()?;
    let mut now: Vec<Arc<Fleet>> = (0..count)
        .map(|number| fleet(seed, number, &schemas))
        .filter(|fleet| !trigger::anywhere(fleet))
        .map(Arc::new)
        .collect();
    let world = world_of(seed, 0);
    let cluster = Cluster::start().await?;
    cluster.put_world(&world).await?;
    cluster.put(&now, Selection::Given).await?;
    let unasked = |settings: Settings| settings.flags(["--confirm-above", "100%"]);
    let ours = Ours::start_with(&cluster, &now, &world, unasked).await?;
    let members = cluster.members(&now)?;
    ours.enrol(&members).await?;
    let our_edge_api = ours.edge_api.provisioning(&cluster.flotta).await?;
    // Everything is rendered once.
    poll(&our_edge_api, &members).await?;

    let mut report = Report::default();
    for time in 1..=changes {
        let later: Vec<Arc<Fleet>> = now.iter().map(|fleet| Arc::new(changed(fleet, time))).collect();
        cluster.change(&now, &later).await?;
        now = later;
        let mut expectations = Vec::new();
        for (fleet, member) in devices(&now, &members) {
            let expected = expected(fleet, &member.id);
            let workloads = match &expected {
                Expected::Rest(rest) => rest.clone(),
                _ => selection::select(fleet, &member.id),
            };
            cluster.set_workloads(fleet, &member.id, &workloads).await?;
            expectations.push(expected);
        }
        let edge_api = cluster.edge_api().await?;
        let theirs = poll(&edge_api.provisioning(&cluster.flotta).await?, &members).await?;
        drop(edge_api);

        write_manifests(&ours.manifests(), &now, &world)?;
        let look = async || -> Result<Vec<Outcome>> {
            let ours = poll(&our_edge_api, &members).await?;
            let asked = devices(&now, &members).zip(&expectations);
            let outcomes =
                asked
                    .zip(theirs.iter().zip(&ours))
                    .map(|(((fleet, member), expected), (theirs, ours))| Outcome {
                        fleet: fleet.clone(),
                        device: member.id.clone(),
                        expected: expected.clone(),
                        verdict: judge(fleet, &member.id, expected, theirs, ours),
                        same_text: (0, 0),
                    });
            Ok(outcomes.collect())
        };
        let settled = wait_for("ours to follow a change", RELOADED, async || {
            let outcomes = look().await.ok()?;
            let differing = outcomes.iter().any(|outcome| outcome.verdict.fails());
            (!differing).then_some(outcomes)
        });
        let outcomes = match settled.await {
            Ok(outcomes) => outcomes,
            Err(_) => look().await?,
        };
        report.add(outcomes);
    }
    Ok(report)
}

/// The devices in the order of `members`, each with its fleet as it is now.
fn devices<'a>(
    now: &'a [Arc<Fleet>],
    members: &'a [crate::flotta::Member],
) -> impl Iterator<Item = (&'a Arc<Fleet>, &'a crate::flotta::Member)> {
    members.iter().filter_map(|member| {
        let fleet = now
            .iter()
            .find(|fleet| fleet.namespace == member.fleet.namespace)?;
        Some((fleet, member))
    })
}

/// The fleet with other texts in its ConfigMaps and Secrets, other labels, other periods. Nothing
/// that is whole breaks, and nothing broken becomes whole: what ours does then is not Flotta's
/// rule.
pub(crate) fn changed(fleet: &Fleet, time: u64) -> Fleet {
    let mut dice = Dice::new(fleet.seed ^ time, fleet.number);
    let mut fleet = fleet.clone();
    for object in &mut fleet.objects {
        let (kind, name) = key(object);
        let content = name.starts_with("map-") || name.starts_with("secret-");
        let text = format!("changed {time}: \"{}\"", dice.hex(4));
        match kind {
            "ConfigMap" | "Secret" if content && object["immutable"] != true && dice.percent(40) => {
                let secret = kind == "Secret";
                // A text counts before a value, and an API server keeps only the value.
                if let Some(data) = object.get_mut("stringData").and_then(Value::as_object_mut) {
                    data.iter_mut().for_each(|(_, value)| *value = json!(text));
                } else if let Some(data) = object.get_mut("data").and_then(Value::as_object_mut)
                    && let Some((_, value)) = data.iter_mut().next()
                {
                    *value = if secret {
                        json!(STANDARD.encode(&text))
                    } else {
                        json!(text)
                    };
                }
            }
            "EdgeDevice" if dice.percent(40) => {
                object["metadata"]["labels"]["line"] = json!(dice.pick(&["press", "paint"]));
                object["spec"]["heartbeat"]["periodSeconds"] = json!(time);
            }
            "EdgeDeviceSet" if dice.percent(40) => {
                object["spec"]["mounts"] = json!([{"device": "/dev/x", "folder": format!("/{time}")}]);
            }
            "EdgeWorkload" if dice.percent(30) => {
                object["spec"]["logCollection"] = json!(format!("target-{time}"));
            }
            _ => {}
        }
    }
    fleet
}
