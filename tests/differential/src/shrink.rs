//! Makes a failing case smaller: what can be taken out while it still fails in the same way.
//!
//! Every variant is a fleet in a namespace of its own, so that all variants of a round are played
//! at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use crate::fleet::{Fleet, key};
use crate::flotta::Cluster;
use crate::play::{Outcome, Via, play};

/// Rounds; each takes some seconds. The namespaces of earlier ones stay.
const ROUNDS: usize = 14;
/// Variants of one round.
const VARIANTS: usize = 150;

/// The smallest fleet found that still fails in this way, and how.
pub async fn shrink(outcome: &Outcome, world: &[Value], via: Via) -> Result<Outcome> {
    let mut smallest = outcome.clone();
    let Some(kind) = outcome.verdict.kind() else {
        return Ok(smallest);
    };
    let cluster = Cluster::start().await?;
    cluster.put_world(world).await?;
    for round in 0..ROUNDS {
        let candidates = variants(&smallest.fleet);
        if candidates.is_empty() {
            break;
        }
        let fleets: Vec<_> = candidates.iter().map(|variant| variant.fleet.clone()).collect();
        let failing = failing(&cluster, &fleets, world, round, &kind, via).await?;
        let single: Vec<_> = candidates
            .into_iter()
            .zip(failing)
            .filter_map(|(variant, failed)| Some((variant.change, failed?)))
            .collect();
        let Some((_, first)) = single.first() else {
            break;
        };
        let changes: Vec<_> = single.iter().map(|(change, _)| change).collect();
        let several = together(&smallest.fleet, &changes);
        let combined = self::failing(&cluster, &several, world, ROUNDS + round, &kind, via).await?;
        smallest = combined
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_else(|| first.clone());
    }
    Ok(smallest)
}

/// What could be left out one by one can mostly be left out together, or at least half or a quarter
/// of it: of two objects that each show the difference one has to stay.
fn together(fleet: &Fleet, changes: &[&Change]) -> Vec<Fleet> {
    let mut fleets = Vec::new();
    for parts in [1, 2, 4] {
        for part in changes.chunks(changes.len().div_ceil(parts)) {
            let mut fleet = fleet.clone();
            // From the last to the first: a field that is taken out moves those behind it in its
            // list.
            part.iter().rev().for_each(|change| change.apply(&mut fleet));
            fleets.push(fleet);
        }
    }
    fleets
}

async fn failing(
    cluster: &Cluster,
    variants: &[Fleet],
    world: &[Value],
    round: usize,
    kind: &str,
    via: Via,
) -> Result<Vec<Option<Outcome>>> {
    let fleets: Vec<Arc<Fleet>> = variants
        .iter()
        .enumerate()
        .map(|(index, variant)| Arc::new(variant.variant(&format!("{round}x{index}"))))
        .collect();
    // A variant that is not accepted is no smaller case.
    let outcomes = play(cluster, &fleets, world, via).await?.outcomes;
    let found = fleets.iter().map(|fleet| {
        let same = |outcome: &&Outcome| {
            let place = &outcome.fleet.namespace;
            let own = *place == fleet.namespace || *place == format!("{}-bare", fleet.namespace);
            own && outcome.verdict.kind().as_deref() == Some(kind)
        };
        outcomes.iter().find(same).cloned()
    });
    Ok(found.collect())
}

struct Variant {
    change: Change,
    fleet: Fleet,
}

enum Change {
    /// Takes out an object, by kind and name.
    Object(String, String),
    /// Takes out what a pointer leads to in an object.
    Field(String, String, String),
}

impl Change {
    fn apply(&self, fleet: &mut Fleet) {
        match self {
            Self::Object(kind, name) => fleet.objects.retain(|object| key(object) != (kind, name)),
            Self::Field(kind, name, pointer) => {
                let object = fleet
                    .objects
                    .iter_mut()
                    .find(|object| key(object) == (kind, name));
                if let Some(object) = object {
                    remove(object, pointer);
                }
            }
        }
    }
}

fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        return;
    };
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&last.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(elements)) => {
            if let Ok(index) = last.parse::<usize>()
                && index < elements.len()
            {
                elements.remove(index);
            }
        }
        _ => {}
    }
}

/// Objects first; fields only when there are few objects left.
fn variants(fleet: &Fleet) -> Vec<Variant> {
    let mut changes: Vec<Change> = fleet
        .objects
        .iter()
        .map(key)
        .map(|(kind, name)| Change::Object(kind.to_owned(), name.to_owned()))
        .collect();
    if changes.len() <= 6 {
        for object in &fleet.objects {
            let (kind, name) = key(object);
            let mut pointers = BTreeSet::new();
            for part in ["spec", "data", "stringData", "binaryData", "status", "metadata"] {
                fields(&format!("/{part}"), &object[part], &mut pointers);
            }
            changes.extend(
                pointers
                    .into_iter()
                    .map(|pointer| Change::Field(kind.to_owned(), name.to_owned(), pointer)),
            );
        }
    }
    changes.truncate(VARIANTS);
    changes
        .into_iter()
        .map(|change| {
            let mut fleet = fleet.clone();
            change.apply(&mut fleet);
            Variant { change, fleet }
        })
        .collect()
}

/// What a schema or our admission demands stays.
const DEMANDED: [&str; 13] = [
    "image",
    "name",
    "namespace",
    "type",
    "spec",
    "key",
    "operator",
    "containerPort",
    "hostPort",
    "kind",
    "path",
    "source",
    "target",
];

fn fields(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    let step = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if !DEMANDED.contains(&name.as_str()) && name != "containers" {
                    found.insert(step(name));
                }
                self::fields(&step(name), value, found);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                found.insert(format!("{path}/{index}"));
                self::fields(&format!("{path}/{index}"), value, found);
            }
        }
        _ => {}
    }
}
