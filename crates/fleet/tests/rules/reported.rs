//! Which workloads may a device ever have had?

use contract::{Heartbeat, WorkloadStatus};
use fleet::{DeletionMode, Report, administration::Act};
use proptest::prelude::*;

use crate::world::{World, reloaded, running};

fn listing(names: &[String]) -> Heartbeat {
    Heartbeat {
        workloads: Some(
            names
                .iter()
                .map(|name| WorkloadStatus {
                    name: name.clone(),
                    ..WorkloadStatus::default()
                })
                .collect(),
        ),
        ..Heartbeat::default()
    }
}

fn has(world: &World, name: &str) -> bool {
    world.known().report.has_reported(name, world.epoch)
}

#[test]
fn what_was_listed_once_stays_reported() {
    let mut world = World::in_service();
    assert!(!has(&world, "web"), "a new device has nothing");
    world.beat(&running("Running"));
    world.pass(60);
    world.beat(&listing(&[]));
    assert!(world.known().report.workloads.is_empty());
    assert!(has(&world, "web"));
    assert!(!has(&world, "other"));
}

#[test]
fn after_a_restore_everything_may_have_been_reported_until_a_heartbeat_comes() {
    let mut world = World::in_service();
    world.beat(&running("Running"));
    world.restored();
    assert!(has(&world, "other"));
    world.pass(60);
    world.beat(&running("Running"));
    assert!(has(&world, "web") && !has(&world, "other"));
}

#[test]
fn what_an_adopted_device_runs_is_not_known_before_its_heartbeat() {
    let mut deleted = World::in_service();
    deleted.beat(&running("Running"));
    deleted.delete(DeletionMode::Remove);
    let mut lost = World::new();
    lost.ask();
    for mut world in [deleted, lost] {
        world
            .act(Act::Adopt {
                namespace: None,
                release: true,
            })
            .unwrap();
        assert!(has(&world, "other"));
        world.pass(60);
        world.beat(&running("Running"));
        assert!(has(&world, "web") && !has(&world, "other"));
    }
}

#[test]
fn an_older_store_does_not_know_what_was_reported() {
    let report: Report = serde_json::from_str("{}").unwrap();
    assert!(report.has_reported("web", World::new().epoch));
}

#[test]
fn a_device_that_joins_anew_has_nothing() {
    let mut world = World::in_service();
    world.beat(&running("Running"));
    world.delete(DeletionMode::Forget);
    world.ask();
    world.enrol();
    assert!(!has(&world, "web"));
}

#[test]
fn of_too_many_names_every_name_counts() {
    let mut world = World::in_service();
    let names: Vec<String> = (0..1024).map(|n| format!("w{n}")).collect();
    world.beat(&listing(&names));
    world.pass(60);
    assert!(!has(&world, "w1024"));
    world.beat(&listing(&["x".repeat(254)]));
    world.pass(60);
    assert!(!has(&world, "w1024"), "no workload has a name of this length");
    world.beat(&listing(&["w1024".into()]));
    world.pass(60);
    world.beat(&listing(&[]));
    assert!(has(&world, "w1024") && has(&world, "anything"));
    assert_eq!(world.known().report.ever_reported.names.len(), 1024);
}

proptest! {
    #[test]
    fn no_name_that_was_ever_listed_is_forgotten(beats in prop::collection::vec(prop::collection::vec("[a-c]{1,2}", 0..4), 1..12)) {
        let mut world = World::in_service();
        let mut all = std::collections::BTreeSet::new();
        for names in beats {
            world.beat(&listing(&names));
            all.extend(names);
            world.pass(60);
            world.device = Some(reloaded(world.known()));
            for name in ["a", "b", "c", "aa", "ab", "bc"] {
                prop_assert_eq!(has(&world, name), all.contains(name));
            }
        }
    }
}
