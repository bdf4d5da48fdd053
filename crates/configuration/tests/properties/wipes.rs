//! Whatever is deleted, changed or becomes unreadable, and whenever the server starts again: a
//! device never gets a shorter list than selection demands, but for a workload that it never had
//! beside another that it gets.

use std::collections::{BTreeMap, BTreeSet};

use configuration::{LastGood, Policy, UnreadableRendering};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use crate::{
    naive,
    objects::{self, Change},
    world::{self, DEVICES, World, changes, labels},
};

/// What happens between two polls.
#[derive(Clone, Debug)]
enum Step {
    Change(Change),
    /// Last good forms can no longer be read by the server that starts.
    LoseKey,
    /// They can be again.
    FindKey,
    /// The store is one from before they were made.
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => objects::breakage().prop_map(Step::Change),
        4 => objects::change().prop_map(Step::Change),
        1 => Just(Step::LoseKey),
        2 => Just(Step::FindKey),
        1 => Just(Step::Restore),
    ]
}

/// What a device has.
#[derive(Default)]
struct Had {
    ever: BTreeSet<String>,
    /// What it was last told; empty if the last answer was an error.
    workloads: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Value>,
}

fn by_name(message: &Value, list: &str) -> BTreeMap<String, Value> {
    let elements = message[list].as_array().into_iter().flatten();
    elements
        .map(|element| (element["name"].as_str().unwrap().to_owned(), element.clone()))
        .collect()
}

fn keys(secret: &Value) -> BTreeSet<String> {
    let data: BTreeMap<String, String> = serde_json::from_str(secret["data"].as_str().unwrap()).unwrap();
    data.into_keys().collect()
}

/// Names of the Secrets that the pod of a workload refers to, whichever way.
fn referred(workload: &Value) -> BTreeSet<String> {
    let text = workload["specification"].as_str().unwrap();
    let pod: Value = serde_yaml::from_str(text).unwrap();
    let container = &pod["containers"][0];
    let list = |name: &str| container[name].as_array().cloned().unwrap_or_default();
    let whole = list("envFrom")
        .into_iter()
        .map(|from| from["secretRef"]["name"].clone());
    let single = list("env")
        .into_iter()
        .map(|variable| variable["valueFrom"]["secretKeyRef"]["name"].clone());
    whole
        .chain(single)
        .filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_breaks_takes_a_workload_away(
        start in changes(40), steps in vec(step(), 1..25), labels in labels(), strict in prop::bool::weighted(0.2),
    ) {
        let mut world = World::after(&start);
        let mut stored: Vec<LastGood> = Vec::new();
        let mut formed = BTreeSet::new();
        let mut key_lost = false;
        let mut devices: [Had; 3] = Default::default();
        for step in std::iter::once(None).chain(steps.iter().map(Some)) {
            match step {
                Some(Step::Change(change)) => world.apply(change),
                Some(Step::LoseKey) => key_lost = true,
                Some(Step::FindKey) => key_lost = false,
                Some(Step::Restore) => {
                    stored.clear();
                    formed.clear();
                }
                None => {}
            }
            let lost = |last: &LastGood| UnreadableRendering {
                namespace: last.namespace.clone(),
                workload: last.workload.clone(),
                why: "no key".to_owned(),
            };
            let catalogue = if key_lost {
                world.catalogue(Vec::new(), stored.iter().map(lost).collect(), Policy { strict })
            } else {
                world.catalogue(stored.clone(), Vec::new(), Policy { strict })
            };
            let made = catalogue.renderings();
            formed.extend(made.iter().map(|last| last.workload.clone()));
            formed.retain(|name| is_there(&world, name));
            keep(&mut stored, made, &world, key_lost);
            let kept: BTreeSet<String> = stored.iter().map(|last| last.workload.clone()).collect();
            prop_assert!(formed.is_subset(&kept), "of {:?} only {:?} are kept", formed, kept);
            for ((device, labels), had) in DEVICES.iter().zip(&labels).zip(&mut devices) {
                let ever = had.ever.clone();
                let subject = world::subject(device, labels, |name| ever.contains(name));
                let Ok(assembly) = catalogue.assemble(&subject) else {
                    had.workloads.clear();
                    had.secrets.clear();
                    continue;
                };
                let message = world::message(&assembly);
                let (workloads, secrets) = (by_name(&message, "workloads"), by_name(&message, "secrets"));
                let demanded = naive::selected(&world, device, labels);
                prop_assert!(workloads.keys().all(|name| demanded.contains(name)));
                prop_assert_eq!(workloads.is_empty(), demanded.is_empty());
                for missing in demanded.iter().filter(|name| !workloads.contains_key(*name)) {
                    prop_assert!(!strict && !had.ever.contains(missing), "{} is taken from {}", missing, device);
                }
                for stale in assembly.workloads.iter().filter(|delivered| delivered.stale) {
                    let Some(before) = had.workloads.get(&stale.name) else {
                        continue;
                    };
                    prop_assert_eq!(before, &workloads[&stale.name]);
                    for name in referred(before) {
                        let keys = |secrets: &BTreeMap<_, _>| secrets.get(&name).map(keys).unwrap_or_default();
                        // Keys that were there for another workload go with it.
                        let others_need_it_less = had.workloads.iter().any(|(other, before)| {
                            let needs = |workload: &Value| referred(workload).contains(&name);
                            other != &stale.name && needs(before) && !workloads.get(other).is_some_and(needs)
                        });
                        prop_assert!(
                            others_need_it_less || keys(&had.secrets).is_subset(&keys(&secrets)),
                            "{} loses keys of {}", device, name
                        );
                    }
                }
                had.ever.extend(workloads.keys().cloned());
                had.workloads = workloads;
                had.secrets = secrets;
            }
        }
    }
}

/// As the store keeps them: text in between, and what cannot be read stays as it is while its
/// workload is there.
fn keep(stored: &mut Vec<LastGood>, now: Vec<LastGood>, world: &World, key_lost: bool) {
    let written: BTreeMap<String, LastGood> = now
        .into_iter()
        .map(|last| {
            let text = last.document.to_string();
            let document = serde_json::from_str(&text).unwrap();
            (last.workload.clone(), LastGood { document, ..last })
        })
        .collect();
    stored
        .retain(|last| key_lost && is_there(world, &last.workload) && !written.contains_key(&last.workload));
    stored.extend(written.into_values());
}

fn is_there(world: &World, workload: &str) -> bool {
    world
        .objects
        .contains_key(&objects::key(manifests::Kind::EdgeWorkload, workload))
}
