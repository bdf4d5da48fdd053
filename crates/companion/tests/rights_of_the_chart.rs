//! The chart gives the companion the rights that it uses, and no others: read from the manifests in
//! `deploy/`, which are made from the chart.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::collections::BTreeSet;

use flotta_companion::rights;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use plan::api::RemoteBackendSpec;
use serde::Deserialize as _;

const MANIFESTS: &str = include_str!("../../../deploy/flotta-companion.yaml");

/// Rights on devices that count them whole: the companion lists EdgeDevices, a person's import
/// reads the rest.
const MORE_TO_READ: [&str; 3] = [
    "get edgedevicesignedrequest.management.project-flotta.io in the cluster",
    "get edgedevices.management.project-flotta.io in the cluster",
    "list edgedevicesignedrequest.management.project-flotta.io in the cluster",
];

#[test]
fn the_chart_gives_what_is_used_and_nothing_else() {
    let needed: BTreeSet<_> = rights::table(&RemoteBackendSpec::default(), "flotta")
        .iter()
        .chain(&rights::farewell("flotta-companion"))
        .map(|right| match right.scope {
            rights::Scope::Namespace => format!("{right} in the namespace"),
            rights::Scope::Cluster => format!("{right} in the cluster"),
        })
        .chain(MORE_TO_READ.map(ToOwned::to_owned))
        .collect();
    let given = given();
    let missing: Vec<_> = needed.difference(&given).collect();
    let idle: Vec<_> = given.difference(&needed).collect();
    assert!(missing.is_empty(), "the chart does not give {missing:#?}");
    assert!(idle.is_empty(), "the chart gives what is not used: {idle:#?}");
}

/// Every right in the manifests, written as [`rights::Right`] writes it.
fn given() -> BTreeSet<String> {
    let mut given = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(MANIFESTS) {
        let document = serde_yaml::Value::deserialize(document).unwrap();
        let (rules, place) = match document["kind"].as_str() {
            Some("Role") => (
                serde_yaml::from_value::<Role>(document).unwrap().rules,
                "in the namespace",
            ),
            Some("ClusterRole") => (
                serde_yaml::from_value::<ClusterRole>(document).unwrap().rules,
                "in the cluster",
            ),
            _ => continue,
        };
        for rule in rules.into_iter().flatten() {
            given.extend(spelled_out(&rule).map(|right| format!("{right} {place}")));
        }
    }
    given
}

fn spelled_out(rule: &PolicyRule) -> impl Iterator<Item = String> {
    let names: Vec<_> = match &rule.resource_names {
        Some(names) => names.iter().map(|name| format!(" {name:?}")).collect(),
        None => vec![String::new()],
    };
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        let group = if group.is_empty() {
            String::new()
        } else {
            format!(".{group}")
        };
        for resource in rule.resources.iter().flatten() {
            for verb in &rule.verbs {
                rights.extend(names.iter().map(|name| format!("{verb} {resource}{group}{name}")));
            }
        }
    }
    rights.into_iter()
}
