//! What is kept and sent, byte by byte: these texts are the stored format, and stores of it exist.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Heartbeat, SystemVendor};
use fleet::{
    AppliedBy, DeletionMode, Delivery, Device, Life, Report, administration::Act, playbooks::Wanted,
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    delivery::{naming, version},
    heartbeats::any_beat,
    world::{World, at, demanding, hardware, reloaded, running, telling},
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

/// Written by the version before that.
#[test]
fn a_deletion_of_an_older_store_still_has_what_the_device_said() {
    let before = r#"{
        "spelling": "edge-1", "namespace": "default",
        "state": {
            "phase": "deleted", "at": "2023-11-14T22:13:24Z", "by": "uid 1000", "mode": "forget",
            "epoch": "00000000-0000-0000-0000-000000000001", "neverApproved": false
        },
        "enrolment": {
            "at": "2023-11-14T22:13:20Z", "namespace": "default",
            "features": {"hardware": {"hostname": "edge-1.local", "disks": null}}
        }
    }"#;
    let life = fleet::stored::life(before).unwrap();
    assert!(life.enrolment.unwrap().features.is_some());
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
fn a_device_with_labels_whose_configuration_changed_twice() {
    let mut world = World::manual();
    world.preapproval = Some(("factory", Some("line-1")));
    world.enrol();
    world
        .act(Act::SetLabels {
            set: [("zone".to_owned(), "a".to_owned())].into(),
            remove: BTreeSet::new(),
        })
        .unwrap();
    for n in 1..=2 {
        world.pass(5);
        world.offered = Some((version(n), 60));
        world.poll();
        for _ in 0..2 {
            world.pass(60);
            world.beat(&naming("flotta-17", telling("no image")));
        }
    }
    insta::assert_snapshot!(life(&world));
}

#[test]
fn a_report_with_runs_of_playbooks() {
    let mut world = World::in_service();
    let wanted = [
        Wanted {
            config: "setup",
            content: "a",
            retry: true,
        },
        Wanted {
            config: "setup",
            content: "b",
            retry: false,
        },
    ];
    world.ask_playbooks(&wanted);
    let failed = world.known().report.runs.list[0].name.clone();
    world.pass(60);
    world.beat(&Heartbeat {
        playbook_executions: Some(vec![contract::PlaybookExecutionStatus {
            name: failed,
            status: "CompletedWithError".into(),
            ..contract::PlaybookExecutionStatus::default()
        }]),
        ..running("Running")
    });
    world.ask_playbooks(&wanted);
    world.pass(60);
    world.ask_playbooks(&wanted[1..]);
    world.pass(60);
    world.beat(&running("Running"));
    world
        .act(Act::RerunPlaybooks {
            config: "setup".into(),
        })
        .unwrap();
    insta::assert_snapshot!(stored::<Report>(&world.known().report));
}

#[test]
fn a_report_with_a_run_that_a_list_in_part_did_not_name() {
    let mut world = World::in_service();
    world.ask_playbooks(&[Wanted {
        config: "setup",
        content: "a",
        retry: true,
    }]);
    world.pass(60);
    world.beat_in_part(&running("Running"), &["playbook-executions"]);
    insta::assert_snapshot!(stored::<Report>(&world.known().report));
}

/// Written by the version before deliveries, labels of approvals, reported names and runs were
/// kept.
#[test]
fn a_device_of_an_older_store_is_read_and_goes_on() {
    let before = r#"{
        "id": "edge-1",
        "life": {
            "spelling": "edge-1", "namespace": "default",
            "state": {"phase": "approved", "at": "2023-11-14T22:13:20Z", "by": "uid 1000", "configurationWithheld": false},
            "registration": {"keys": [], "keysUnknown": true},
            "taken_over": true,
            "assigned_labels": {"zone": "a"}
        },
        "report": {
            "status": "up", "version": "flotta-17",
            "hardwareLabels": {"device.hostname": "b"},
            "workloads": {"web": {"status": "Running", "changed": "2023-11-14T22:13:24Z"}},
            "playbooks": {"p": {"name": "p", "status": "Running", "last_data_upload": "0001-01-01T00:00:00.000Z"}},
            "recent": [],
            "identity": {}
        },
        "presence": {"polled": "2023-11-14T22:13:24Z", "asked": null, "beat": null, "beating_since": null}
    }"#;
    let device: Device = serde_json::from_str(before).unwrap();
    let mut world = World::new();
    world.device = Some(device.clone());
    assert_eq!(device.life.delivery, Delivery::default());
    assert_eq!(device.labels(&BTreeMap::new())["zone"], "a");
    assert!(device.report.has_reported("db", world.epoch), "nobody knows");
    assert!(world.conditions().is_empty());
    world.offered = Some((version(1), 60));
    world.pass(60);
    world.poll();
    for _ in 0..2 {
        world.pass(60);
        world.beat(&naming("flotta-17", running("Running")));
    }
    assert_eq!(world.known().life.delivery.applied_by(), Some(AppliedBy::Echo));
    assert!(!world.known().report.has_reported("db", world.epoch));
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
    fn a_device_is_read_as_it_was_stored(beats in prop::collection::vec(any_beat(), 0..4)) {
        let device = some_device(1, &beats);
        prop_assert_eq!(reloaded(&device), device);
    }
}
