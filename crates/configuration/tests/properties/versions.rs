//! Two versions are equal if and only if the agent finds the two configurations equal
//! (flotta-device-worker, `internal/configuration`): settings deeply, workloads and secrets as sets
//! by name, nothing else.

use std::collections::BTreeMap;

use configuration::Policy;
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    objects,
    world::{self, DEVICES, World, changes, labels},
};

fn equal_for_the_agent(one: &Value, other: &Value) -> bool {
    let by_name = |message: &Value, list: &str| -> BTreeMap<String, Value> {
        let elements = message[list].as_array().into_iter().flatten();
        elements
            .map(|element| (element["name"].to_string(), element.clone()))
            .collect()
    };
    one["configuration"] == other["configuration"]
        && ["workloads", "secrets"]
            .iter()
            .all(|list| by_name(one, list) == by_name(other, list))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn versions_are_equal_exactly_when_the_agent_finds_no_change(
        history in changes(25), change in objects::change(), labels in labels(),
    ) {
        let before = World::after(&history);
        let mut after = before.clone();
        after.apply(&change);
        let mut delivered = Vec::new();
        for world in [before, after] {
            let catalogue = world.catalogue(Vec::new(), Vec::new(), Policy::default());
            for (device, labels) in DEVICES.iter().zip(&labels) {
                let assembly = catalogue.assemble(&world::subject(device, labels, |_| false));
                delivered.extend(assembly.ok().map(|assembly| (assembly.version.clone(), world::message(&assembly))));
            }
        }
        for (version, message) in &delivered {
            prop_assert_eq!(version.len(), 64);
            for (other_version, other) in &delivered {
                prop_assert_eq!(version == other_version, equal_for_the_agent(message, other));
            }
        }
    }
}
