//! What is kept and sent, byte by byte: these texts are the stored format, and stores of it exist.

use contract::{DeviceConfigurationMessage, Heartbeat, SystemVendor};
use fleet::{DeletionMode, Device, Life, Report, administration::Act, configuration::assemble};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    heartbeats::any_beat,
    world::{World, at, demanding, hardware, namespace, reloaded, telling},
};

/// The value as it is stored, after reading that again gave the same value.
fn stored<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    text
}

fn life(world: &World) -> String {
    stored::<Life>(&world.known().life)
}

#[test]
fn a_waiting_device() {
    let mut world = World::manual();
    world.enrol_as("EDGE-1", "factory");
    insta::assert_snapshot!(life(&world));
}

#[test]
fn a_rejected_device() {
    let mut world = World::manual();
    world.enrol();
    world.act(Act::Reject).unwrap();
    insta::assert_snapshot!(life(&world));
}

#[test]
fn an_approved_device_with_a_key_and_a_permission() {
    let mut world = World::in_service();
    world.act(Act::AllowRegistration).unwrap();
    world.register(2).unwrap();
    insta::assert_snapshot!(life(&world));
}

#[test]
fn an_adopted_device() {
    let mut world = demanding(World::new());
    world.ask_in("factory");
    world
        .act(Act::Adopt {
            namespace: None,
            release: false,
        })
        .unwrap();
    insta::assert_snapshot!(life(&world));
}

#[test]
fn a_deleted_device_that_appeared_again() {
    let mut world = World::told(DeletionMode::Forget);
    world.pass(30);
    world.ask();
    insta::assert_snapshot!(life(&world));
}

#[test]
fn a_full_report() {
    let mut world = World::in_service();
    for host in ["a", "b", "a", "b"] {
        let mut beat = telling("no image");
        beat.hardware = Some(contract::HardwareInfo {
            system_vendor: Some(SystemVendor {
                serial_number: "S-1".into(),
                ..SystemVendor::default()
            }),
            ..hardware(host)
        });
        beat.workloads.as_mut().unwrap()[0].last_data_upload = at(1).into();
        beat.playbook_executions = Some(vec![contract::PlaybookExecutionStatus {
            name: "p".into(),
            status: "Running".into(),
            ..contract::PlaybookExecutionStatus::default()
        }]);
        beat.upgrade = Some(contract::UpgradeStatus {
            current_commit_id: "unknown".into(),
            ..contract::UpgradeStatus::default()
        });
        world.beat(&beat);
        world.pass(60);
    }
    world.register(7).unwrap_err();
    insta::assert_snapshot!(stored::<Report>(&world.known().report));
}

#[test]
fn what_an_older_store_does_not_have_is_empty() {
    let report: Report = serde_json::from_str("{}").unwrap();
    assert_eq!(report, Report::default());
    let life: Life = serde_json::from_str(
        r#"{"spelling":"edge-1","namespace":"default","state":{"phase":"waiting","since":"2023-11-14T22:13:20Z"}}"#,
    )
    .unwrap();
    assert!(life.registration.keys.is_empty());
}

#[test]
fn the_configuration_is_the_one_that_flotta_gives_a_device_without_workloads() {
    let message = assemble(World::in_service().known()).unwrap();
    let configuration = serde_json::to_string(&message.configuration).unwrap();
    let sorted: serde_json::Value = serde_json::from_str(&configuration).unwrap();
    assert_eq!(
        sorted,
        serde_json::json!({
            "heartbeat": {"hardware_profile": {}, "period_seconds": 60},
            "metrics": {"receiver": {"request_num_samples": 30000, "timeout_seconds": 10}},
            "mounts": []
        })
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&message).unwrap());
}

fn without_version(message: &DeviceConfigurationMessage) -> DeviceConfigurationMessage {
    DeviceConfigurationMessage {
        version: String::new(),
        ..message.clone()
    }
}

/// A device in some state of its life, whose id has this number.
fn some_device(number: u8, beats: &[Heartbeat]) -> Device {
    let mut world = World::in_service();
    for beat in beats {
        world.beat(beat);
        world.pass(60);
    }
    Device {
        id: contract::DeviceId::parse(&format!("edge-{number}")).unwrap(),
        ..world.known().clone()
    }
}

proptest! {
    #[test]
    fn the_version_changes_exactly_when_the_content_does(
        a in 0u8..3, b in 0u8..3, beats in prop::collection::vec(any_beat(), 0..3),
    ) {
        let one = assemble(&some_device(a, &[])).unwrap();
        let other = assemble(&some_device(b, &beats)).unwrap();
        prop_assert_eq!(one.version == other.version, without_version(&one) == without_version(&other));
        prop_assert!(!one.version.is_empty());
    }

    #[test]
    fn a_device_is_read_as_it_was_stored(beats in prop::collection::vec(any_beat(), 0..4)) {
        let device = some_device(1, &beats);
        prop_assert_eq!(reloaded(&device), device);
    }
}

#[test]
fn a_moved_device_keeps_its_configuration() {
    let mut world = World::in_service();
    let before = assemble(world.known()).unwrap();
    world
        .act(Act::Move {
            namespace: namespace("factory"),
        })
        .unwrap();
    world.register(1).unwrap();
    assert_eq!(assemble(world.known()).unwrap(), before);
}
