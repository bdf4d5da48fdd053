//! Which selectors are valid, and whom they select: the rules of Kubernetes'
//! `LabelSelectorAsSelector`.

use std::collections::BTreeMap;

use configuration::Selector;
use manifests::kinds::LabelSelector;
use serde_json::{Value, json};

use super::world::{Device, World, names};

fn parse(selector: Value) -> Result<Selector, String> {
    let written: LabelSelector = serde_json::from_value(selector).unwrap();
    Selector::parse(&written).map_err(|invalid| invalid.to_string())
}

fn expression(key: &str, operator: &str, values: &[&str]) -> Result<Selector, String> {
    parse(json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}))
}

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn operators() {
    let (absent, listed, other) = (labels(&[]), labels(&[("line", "a")]), labels(&[("line", "c")]));
    for (operator, values, holds) in [
        ("In", &["a", "b"][..], [false, true, false]),
        ("NotIn", &["a", "b"], [true, false, true]),
        ("Exists", &[], [false, true, true]),
        ("DoesNotExist", &[], [true, false, false]),
    ] {
        let selector = expression("line", operator, values).unwrap();
        let found = [&absent, &listed, &other].map(|labels| selector.matches(labels));
        assert_eq!(found, holds, "{operator}");
    }
}

#[test]
fn every_part_must_hold() {
    let selector = parse(json!({
        "matchLabels": {"a": "1", "b": "2"},
        "matchExpressions": [{"key": "c", "operator": "Exists"}, {"key": "d", "operator": "NotIn", "values": ["4"]}],
    }))
    .unwrap();
    let all = [("a", "1"), ("b", "2"), ("c", "3")];
    assert!(selector.matches(&labels(&all)));
    for missing in 0..all.len() {
        let mut fewer = all.to_vec();
        fewer.remove(missing);
        assert!(!selector.matches(&labels(&fewer)), "without {:?}", all[missing]);
    }
    assert!(!selector.matches(&labels(&[all[0], all[1], all[2], ("d", "4")])));
    // The empty value is one, and is not absence.
    assert!(
        parse(json!({"matchLabels": {"a": ""}}))
            .unwrap()
            .matches(&labels(&[("a", "")]))
    );
    assert!(
        !parse(json!({"matchLabels": {"a": ""}}))
            .unwrap()
            .matches(&labels(&[]))
    );
    assert!(
        parse(json!({})).unwrap().matches(&labels(&[])),
        "an empty selector selects all"
    );
}

#[test]
fn what_kubernetes_refuses_is_refused() {
    let long = "a".repeat(64);
    for (key, operator, values) in [
        ("line", "In", &[][..]),
        ("line", "NotIn", &[]),
        ("line", "Exists", &["a"]),
        ("line", "DoesNotExist", &["a"]),
        ("line", "in", &["a"]),
        ("line", "Equals", &["a"]),
        ("line", "", &[]),
        ("", "Exists", &[]),
        ("a/b/c", "Exists", &[]),
        ("/a", "Exists", &[]),
        ("a/", "Exists", &[]),
        ("a b", "Exists", &[]),
        (long.as_str(), "Exists", &[]),
        ("line", "In", &["a b"]),
        ("line", "In", &["a", "-b"]),
        ("line", "NotIn", &[long.as_str()]),
    ] {
        let refused =
            expression(key, operator, values).expect_err(&format!("{key:?} {operator:?} {values:?}"));
        assert!(refused.contains(key), "{refused}");
    }
    for selector in [
        json!({"matchLabels": {"a b": "1"}}),
        json!({"matchLabels": {"a": "1/2"}}),
    ] {
        assert!(parse(selector).is_err());
    }
    // Twice the same value is none.
    assert!(expression("a.example/line_1", "In", &["a", "a", ""]).is_ok());
}

/// Keys with a slash cannot be selected with Flotta, since its index makes an illegal label of
/// them.
#[test]
fn any_label_can_be_selected_and_a_name_counts_before_a_selector() {
    let workload = |name: &str, whom: &str| {
        format!(
            "
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {{name: {name}}}
spec: {{type: pod, {whom}, pod: {{spec: {{containers: [{{name: c, image: i}}]}}}}}}
"
        )
    };
    let world = World::of(
        &[
            workload("all", "deviceSelector: {}"),
            workload("by-name", "device: press-1"),
            workload("by-name-alone", "device: press-2, deviceSelector: {}"),
            workload(
                "by-set",
                "deviceSelector: {matchLabels: {flotta/member-of: presses}}",
            ),
            workload(
                "by-hardware",
                "deviceSelector: {matchLabels: {device.cpu-architecture: aarch64}}",
            ),
            workload("for-nobody", "logCollection: central"),
            workload("for-an-empty-name", "device: ''"),
            workload("elsewhere", "deviceSelector: {}").replacen("{name:", "{namespace: plant-a, name:", 1),
        ]
        .concat(),
    );
    let device = Device::new("press-1")
        .labelled("flotta/member-of", "presses")
        .labelled("device.cpu-architecture", "aarch64");
    let got = device.gets(&world);
    assert_eq!(names(&got), ["all", "by-hardware", "by-name", "by-set"]);
    let selected = world.catalogue().selected(&device.subject());
    assert_eq!(selected.iter().collect::<Vec<_>>(), names(&got));
    assert_eq!(
        names(&Device::new("press-2").gets(&world)),
        ["all", "by-name-alone"]
    );
    assert_eq!(world.catalogue().workloads().count(), 8);
}

/// Devices of its namespace keep what they have, so a workload that nobody can read is not nothing
/// to those who reported it.
#[test]
fn a_workload_that_selects_nobody_knows_whom_is_kept_by_who_reported_it() {
    const WORKLOAD: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: web}
spec: {type: pod, deviceSelector: {}, pod: {spec: {containers: [{name: c, image: i}]}}}
";
    let parts = |world: &World, device: &Device| {
        let holdings = world.catalogue().holdings(&device.subject());
        let parts = holdings.get("web")?;
        Some(parts.as_ref().map(|parts| parts.len()))
    };
    let reported = Device::new("press-1").having_reported("web");
    let other = Device::new("press-2");
    let mut misread = World::default();
    misread.force(WORKLOAD, |web| web.document["spec"]["device"] = json!(5));
    let mut invalid = World::default();
    invalid.force(WORKLOAD, |web| {
        web.document["spec"]["deviceSelector"] = json!({"matchLabels": {"line": "not valid"}});
    });
    for world in [&misread, &invalid] {
        assert!(reported.ask(world).is_err() && other.ask(world).is_err());
        assert_eq!(parts(world, &reported), Some(Some(1)), "the container c");
        assert_eq!(parts(world, &other), None);
        assert!(world.catalogue().selected(&reported.subject()).is_empty());
    }
    assert_eq!(parts(&World::of(WORKLOAD), &other), Some(Some(1)));
}

/// What a Secret cannot be read for is still written in the workload.
#[test]
fn of_a_workload_whose_secret_is_sealed_the_parts_are_known() {
    let mut world = World::of(
        "
apiVersion: v1
kind: Secret
metadata: {name: web}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: web}
spec: {type: pod, device: press-1, pod: {spec: {containers: [
  {name: c, image: i, envFrom: [{secretRef: {name: web}}]}, {name: d, image: i}]}}}
",
    );
    let device = Device::new("press-1");
    world.store();
    let before = world.catalogue().holdings(&device.subject());
    assert_eq!(before["web"].as_ref().map(|parts| parts.len()), Some(2));
    world.seal("web");
    assert!(device.ask(&world).unwrap_err().server_fault);
    assert_eq!(world.catalogue().holdings(&device.subject()), before);
}
