//! A change reaches exactly the devices that it touches, at their next poll; nothing is written for
//! the others.

use std::collections::{BTreeMap, BTreeSet};

use contract::Namespace;
use fleet::administration::Act;

use crate::{
    fleet::{DEVICES, version},
    world::World,
};

async fn versions(world: &World) -> BTreeMap<&'static str, String> {
    let mut versions = BTreeMap::new();
    for id in DEVICES {
        let (status, told) = world.poll(id).await;
        assert_eq!(status, 200, "{told}");
        versions.insert(id, version(&told));
    }
    versions
}

/// What is changed in which file, and whom it touches.
const CHANGES: &[(&str, &str, &str, &[&str])] = &[
    ("maps.yaml", "limit: \"4\"", "limit: \"5\"", &["one", "two"]),
    (
        "maps.yaml",
        "interval: \"10\"",
        "interval: \"11\"",
        &["one", "two", "three"],
    ),
    (
        "maps.yaml",
        "names: [node_load1]",
        "names: [node_load5]",
        &["one", "two"],
    ),
    (
        "secrets.yaml",
        "token: zQ7-planted-value-9dK, ",
        "token: new, ",
        &["one", "two"],
    ),
    ("secrets.yaml", "-watch", "-other", &["one", "two", "three"]),
    ("secrets.yaml", "-registry", "-elsewhere", &["one", "two"]),
    (
        "workloads.yaml",
        "registry.example/own:1",
        "registry.example/own:2",
        &["two"],
    ),
    (
        "workloads.yaml",
        "registry.example/press:1",
        "registry.example/press:2",
        &["one", "two"],
    ),
    ("workloads.yaml", "device: two", "device: two # the same", &[]),
    (
        "workloads.yaml",
        "operator: Exists",
        "operator: In, values: [press, paint, more]",
        &[],
    ),
    ("sets.yaml", "periodSeconds: 30", "periodSeconds: 31", &["one"]),
    (
        "sets.yaml",
        "LSBob3N0czogbG9jYWxob3N0Cg==",
        "LSBob3N0czogb3RoZXJzCg==",
        &[],
    ),
    (
        "devices.yaml",
        "labels: {line: paint}",
        "labels: {line: paint, more: label}",
        &[],
    ),
    (
        "devices.yaml",
        "labels: {line: paint, more: label}",
        "labels: {line: paint, flotta/member-of: pumps}",
        &["three"],
    ),
    // All workloads go on; one more comes.
    ("workloads.yaml", "line: press", "flotta/member-of: pumps", &[]),
];

#[tokio::test]
async fn a_change_reaches_exactly_whom_it_touches() {
    let world = World::serving(true).await;
    // The last one would take a workload from `two`, so it waits and touches nobody.
    for (file, from, to, touched) in CHANGES {
        let before = versions(&world).await;
        world.faults.commits();
        versions(&world).await;
        assert_eq!(
            world.faults.commits(),
            BTreeMap::new(),
            "nothing changed, nothing is written"
        );
        world.edit(file, from, to);
        world.look().await;
        assert_eq!(
            world.faults.commits(),
            BTreeMap::new(),
            "{to}: taking it over writes no device"
        );
        let after = versions(&world).await;
        let changed: Vec<&str> = DEVICES.into_iter().filter(|id| before[id] != after[id]).collect();
        assert_eq!(changed, *touched, "{from} became {to}");
        let written: Vec<String> = world.faults.commits().into_keys().collect();
        let mut expected: Vec<&str> = touched.to_vec();
        expected.sort_unstable();
        assert_eq!(written, expected, "{from} became {to}");
    }
}

/// One that has no document beside, so that nothing but the administrator's labels selects for it.
#[tokio::test]
async fn labels_and_moves_reach_the_device_alone() {
    let world = World::serving(true).await;
    world.enrol("default", "four").await;
    world.enrol("default", "four").await;
    let before = versions(&world).await;
    let alone = version(&world.poll("four").await.1);
    world.faults.commits();
    let label = Act::SetLabels {
        set: [("line".to_owned(), "press".to_owned())].into(),
        remove: BTreeSet::new(),
    };
    world.act("four", label).await;
    let pressing = version(&world.poll("four").await.1);
    assert_ne!(pressing, alone);
    assert_eq!(versions(&world).await, before);
    assert_eq!(world.faults.commits().into_keys().collect::<Vec<_>>(), ["four"]);

    let act = Act::Move {
        namespace: Namespace::parse("plant").unwrap(),
    };
    world.act_as_confirmed("four", act).await;
    let (status, told) = world.poll("four").await;
    assert_eq!((status, version(&told)), (200, alone), "nothing is there for it");
    assert_eq!(versions(&world).await, before);
}
