//! The cases are of every shape: each field that the schema of a pod admits and our admission does
//! not forbid turns up.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use differential::fleet::Fleet;
use differential::generate::{Schemas, fleet};
use serde_json::Value;

/// As many as the large run plays.
const CASES: u64 = 2_000;
const SEED: u64 = 20_221_006;

/// What admission forbids, or what only hangs below that; and volumes, of which `hostPath` alone is
/// allowed.
const FORBIDDEN: [&str; 12] = [
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "volumeDevices",
    "fieldRef",
    "resourceFieldRef",
    "volumes",
    "limits",
    "requests",
    // Of debugging containers nothing is scanned or checked.
    "ephemeralContainers",
    // Only `containers` of a pod are looked for below.
    "initContainers",
];

#[test]
fn every_field_of_a_pod_turns_up() -> Result<()> {
    let schemas = Schemas::published()?;
    let fleets: Vec<Fleet> = (0..CASES).map(|number| fleet(SEED, number, &schemas)).collect();
    let mut seen = BTreeSet::new();
    for fleet in &fleets {
        for workload in fleet.of("EdgeWorkload") {
            collect("", &workload["spec"]["pod"]["spec"], &mut seen);
        }
    }
    let mut wanted = BTreeSet::new();
    admitted("", schemas.pod(), &mut wanted);
    ensure!(wanted.len() > 200, "the schema has only {} fields", wanted.len());
    let missing: Vec<&String> = wanted.difference(&seen).collect();
    ensure!(
        missing.is_empty(),
        "{} of {} fields never turn up: {missing:#?}",
        missing.len(),
        wanted.len()
    );
    Ok(())
}

fn collect(path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let step = format!("{path}/{name}");
                collect(&step, value, seen);
                seen.insert(step);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(path, element, seen)),
        _ => {}
    }
}

fn admitted(path: &str, schema: &Value, wanted: &mut BTreeSet<String>) {
    if let Some(items) = schema.get("items") {
        admitted(path, items, wanted);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if !FORBIDDEN.contains(&name.as_str()) {
            let step = format!("{path}/{name}");
            admitted(&step, property, wanted);
            wanted.insert(step);
        }
    }
}

#[test]
fn a_seed_and_a_number_give_the_same_case_again() -> Result<()> {
    let schemas = Schemas::published()?;
    let once = fleet(SEED, 7, &schemas);
    let again = fleet(SEED, 7, &schemas);
    let other = fleet(SEED, 8, &schemas);
    ensure!(
        once.objects == again.objects && once.hardware == again.hardware,
        "another case"
    );
    ensure!(once.objects != other.objects, "the same case for another number");
    once.objects.first().context("a case has objects")?;
    Ok(())
}
