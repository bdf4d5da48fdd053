//! What does a heartbeat change?

use std::collections::BTreeSet;

use contract::{
    Boot, Cpu, Cut, EventInfo, HardwareInfo, Heartbeat, Interface, Memory, Mount, PlaybookExecutionStatus,
    SystemVendor, UpgradeStatus, WorkloadStatus,
};
use fleet::{
    Origin, Severity, State,
    hardware::merge,
    heartbeat::{COPIES_WITHIN, HeartbeatAnswer},
};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::Value;

use crate::world::{World, at, hardware, reloaded, running, telling};

fn device_events(world: &World) -> Vec<&str> {
    let told = world.events.iter().filter(|event| event.origin == Origin::Device);
    told.map(|event| event.message.as_str()).collect()
}

#[test]
fn a_heartbeat_is_what_the_device_says_of_itself() {
    let mut world = World::in_service();
    let beat = Heartbeat {
        upgrade: Some(UpgradeStatus {
            current_commit_id: "unknown".into(),
            ..UpgradeStatus::default()
        }),
        playbook_executions: Some(vec![PlaybookExecutionStatus {
            name: "p".into(),
            status: "Running".into(),
            ..PlaybookExecutionStatus::default()
        }]),
        hardware: Some(hardware("Edge-1")),
        ..running("Running")
    };
    assert_eq!(world.beat(&beat), HeartbeatAnswer::Recorded);
    let report = &world.known().report;
    assert_eq!((report.status.as_str(), report.version.as_str()), ("up", "v1"));
    assert_eq!(report.workloads["web"].status, "Running");
    assert_eq!(report.workloads["web"].changed, Some(at(4)));
    assert_eq!(report.playbooks["p"].status, "Running");
    assert_eq!(report.upgrade, beat.upgrade);
    assert_eq!(report.hardware_labels[contract::labels::HOSTNAME], "edge-1");
    assert_eq!(world.known().presence.beat, Some(at(4)));
    assert_eq!(world.known().presence.polled, Some(at(4)));
}

#[test]
fn a_phase_changes_when_the_status_does() {
    let mut world = World::in_service();
    world.beat(&running("Created"));
    world.pass(60);
    world.beat(&running("Running"));
    world.pass(60);
    world.beat(&running("Running"));
    assert_eq!(world.known().report.workloads["web"].changed, Some(at(64)));
}

#[test]
fn an_upload_that_a_heartbeat_does_not_repeat_is_kept() {
    let mut world = World::in_service();
    let mut beat = running("Running");
    beat.workloads.as_mut().unwrap()[0].last_data_upload = at(1).into();
    world.beat(&beat);
    world.beat(&running("Running"));
    assert_eq!(
        world.known().report.workloads["web"].last_data_upload,
        Some(at(1))
    );
}

#[test]
fn a_workload_that_is_not_listed_any_more_is_gone() {
    let mut world = World::in_service();
    for gone in [
        Some(vec![]),
        None,
        Some(vec![WorkloadStatus {
            name: "db".into(),
            ..WorkloadStatus::default()
        }]),
    ] {
        world.beat(&running("Running"));
        assert!(world.known().report.workloads.contains_key("web"));
        world.pass(60);
        world.beat(&Heartbeat {
            workloads: gone,
            ..running("Running")
        });
        assert!(!world.known().report.workloads.contains_key("web"));
        world.pass(60);
    }
}

#[test]
fn a_finished_playbook_that_is_not_listed_any_more_stays_finished() {
    let mut world = World::in_service();
    let finished = PlaybookExecutionStatus {
        name: "p".into(),
        status: "SuccessfullyCompleted".into(),
        ..PlaybookExecutionStatus::default()
    };
    world.beat(&Heartbeat {
        playbook_executions: Some(vec![finished.clone()]),
        ..Heartbeat::default()
    });
    world.beat(&Heartbeat::default());
    assert_eq!(world.known().report.playbooks["p"], finished);
}

#[test]
fn only_warn_is_a_warning_and_null_is_no_event() {
    let mut world = World::in_service();
    let beat: Heartbeat = serde_json::from_str(
        r#"{"events":[null,{"type":"warn","reason":"A","message":"a"},{"type":"info"},null,{"type":"WARN"}]}"#,
    )
    .unwrap();
    world.beat(&beat);
    let severities: Vec<_> = world.events.iter().map(|event| event.severity).collect();
    assert_eq!(
        severities,
        [Severity::Warning, Severity::Normal, Severity::Normal]
    );
}

#[test]
fn events_of_the_same_words_are_one_kind_and_only_those() {
    let event = |kind: &str, reason: &str, message: &str| {
        fleet::Event::device(&EventInfo {
            r#type: kind.into(),
            reason: reason.into(),
            message: message.into(),
        })
        .kind
    };
    assert_eq!(event("warn", "a", "b"), event("warn", "a", "b"));
    for other in [
        ("info", "a", "b"),
        ("warn", "ab", ""),
        ("warn", "", "ab"),
        ("warna", "", "b"),
    ] {
        assert_ne!(event("warn", "a", "b"), event(other.0, other.1, other.2));
    }
}

#[test]
fn four_copies_record_their_events_once() {
    let mut world = World::in_service();
    for _ in 0..4 {
        assert_eq!(world.beat(&telling("no image")), HeartbeatAnswer::Recorded);
        world.now += SignedDuration::from_millis(950);
    }
    assert_eq!(device_events(&world), ["no image"]);
}

#[test]
fn the_same_words_a_period_later_are_a_new_event() {
    let mut world = World::in_service();
    for _ in 0..3 {
        world.beat(&telling("no image"));
        world.pass(60);
    }
    assert_eq!(device_events(&world), ["no image"; 3]);
}

#[test]
fn a_heartbeat_that_changes_only_the_time_need_not_wait_for_the_store() {
    let mut world = World::in_service();
    let beat = Heartbeat {
        hardware: Some(hardware("h")),
        ..running("Running")
    };
    world.beat(&beat);
    let before = world.known().report.clone();
    world.pass(60);
    let change = fleet::heartbeat::heartbeat(
        world.device.as_ref(),
        &beat,
        &Cut::default(),
        None,
        &world.context(),
    )
    .unwrap()
    .change;
    assert!(change.is_times_only() && !change.is_empty());
    let nothing = Heartbeat {
        hardware: Some(HardwareInfo::default()),
        ..running("Running")
    };
    let change = fleet::heartbeat::heartbeat(
        world.device.as_ref(),
        &nothing,
        &Cut::default(),
        None,
        &world.context(),
    )
    .unwrap()
    .change;
    assert!(change.is_times_only());
    assert_eq!(change.apply(world.known()).report, before);
}

#[test]
fn nobody_beats_who_is_not_approved() {
    let mut world = World::manual();
    assert_eq!(world.beat(&telling("x")), HeartbeatAnswer::NotApproved);
    assert_eq!(world.device, None);
    world.enrol();
    let before = world.known().clone();
    assert_eq!(world.beat(&telling("x")), HeartbeatAnswer::NotApproved);
    assert_eq!(world.known(), &before);
    assert!(matches!(world.state(), State::Waiting { .. }));
}

#[test]
fn labels_are_never_removed() {
    let mut world = World::in_service();
    let with = |hardware| Heartbeat {
        hardware: Some(hardware),
        ..Heartbeat::default()
    };
    world.beat(&with(HardwareInfo {
        system_vendor: Some(SystemVendor {
            serial_number: "S-1".into(),
            ..SystemVendor::default()
        }),
        ..hardware("first")
    }));
    world.beat(&with(hardware("second")));
    world.beat(&with(hardware("日本")));
    let labels = &world.known().report.hardware_labels;
    assert_eq!(labels[contract::labels::SYSTEM_SERIAL], "s-1");
    assert_eq!(labels[contract::labels::HOSTNAME], "second");
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c]{1,2}"]
}

fn listed<T: Clone + std::fmt::Debug>(
    element: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Vec<T>>> {
    prop::option::of(prop::collection::vec(element, 0..3))
}

prop_compose! {
    fn any_hardware()(
        hostname in word(),
        boot in prop::option::of((word(), word())),
        cpu in prop::option::of((word(), word(), 0i64..3, prop_oneof![Just(0.0), prop::num::f64::POSITIVE | prop::num::f64::NORMAL], listed(word()))),
        memory in prop::option::of((0i64..3, 0i64..3)),
        vendor in prop::option::of((word(), word(), word(), any::<bool>())),
        interfaces in listed(word()),
        mounts in listed(word()),
    ) -> HardwareInfo {
        HardwareInfo {
            hostname,
            boot: boot.map(|(current_boot_mode, pxe_interface)| Boot { current_boot_mode, pxe_interface }),
            cpu: cpu.map(|(architecture, model_name, count, frequency, flags)| Cpu { architecture, model_name, count, frequency, flags }),
            memory: memory.map(|(physical_bytes, usable_bytes)| Memory { physical_bytes, usable_bytes }),
            system_vendor: vendor.map(|(manufacturer, product_name, serial_number, is_virtual)| SystemVendor {
                manufacturer, product_name, serial_number, r#virtual: is_virtual,
            }),
            interfaces: interfaces.map(|names| names.into_iter().map(|name| Interface { name, ..Interface::default() }).collect()),
            mounts: mounts.map(|places| places.into_iter().map(|directory| Mount { directory, ..Mount::default() }).collect()),
            ..HardwareInfo::default()
        }
    }
}

prop_compose! {
    pub(crate) fn any_beat()(
        status in word(),
        version in word(),
        workloads in listed((word(), word())),
        playbooks in listed((word(), word())),
        hardware in prop::option::of(any_hardware()),
        events in listed((word(), word(), word())),
        commit in prop::option::of(word()),
    ) -> Heartbeat {
        Heartbeat {
            status,
            version,
            workloads: workloads.map(|list| list.into_iter().map(|(name, status)| WorkloadStatus { name, status, ..WorkloadStatus::default() }).collect()),
            playbook_executions: playbooks.map(|list| list.into_iter().map(|(name, status)| PlaybookExecutionStatus { name, status, ..PlaybookExecutionStatus::default() }).collect()),
            hardware,
            events: events.map(|list| list.into_iter().map(|(r#type, reason, message)| EventInfo { r#type, reason, message }).collect()),
            upgrade: commit.map(|current_commit_id| UpgradeStatus { current_commit_id, ..UpgradeStatus::default() }),
        }
    }
}

/// Whether all that `known` says of anything is said of it in `merged` too, in whatever words.
fn still_said(known: &Value, merged: &Value) -> Result<(), String> {
    match (known, merged) {
        (Value::Object(known), Value::Object(merged)) => known.iter().try_for_each(|(name, value)| {
            // `false` is not written: a vendor object that says anything else says it of `virtual`
            // as well.
            if name == "virtual" {
                return Ok(());
            }
            let merged = merged.get(name).ok_or_else(|| format!("{name} is lost"))?;
            still_said(value, merged).map_err(|lost| format!("{name}: {lost}"))
        }),
        (Value::Array(known), Value::Array(merged)) if !known.is_empty() && merged.is_empty() => {
            Err("the list was emptied".into())
        }
        (Value::Array(_), Value::Null) => Err("the list is lost".into()),
        _ => Ok(()),
    }
}

proptest! {
    #[test]
    fn hardware_loses_nothing_and_takes_over_what_is_said(known in any_hardware(), news in any_hardware()) {
        let merged = merge(&known, &news);
        let json = |hardware: &HardwareInfo| serde_json::to_value(hardware).unwrap();
        prop_assert_eq!(still_said(&json(&known), &json(&merged)), Ok(()));
        prop_assert_eq!(still_said(&json(&news), &json(&merged)), Ok(()));
        prop_assert_eq!(merge(&merged, &news), merged.clone());
        prop_assert_eq!(merge(&known, &HardwareInfo::default()), known);
        if !news.hostname.is_empty() {
            prop_assert_eq!(merged.hostname, news.hostname);
        }
    }

    #[test]
    fn copies_within_five_seconds_change_nothing_more(
        before in any_beat(), beat in any_beat(), pauses in prop::collection::vec(0i64..=1_666, 0..=3),
    ) {
        let mut world = World::in_service();
        world.beat(&before);
        world.pass(60);
        world.events.clear();
        world.beat(&beat);
        let once = (world.known().report.clone(), world.events.clone());
        for pause in pauses {
            world.now += SignedDuration::from_millis(pause);
            world.device = Some(reloaded(world.known()));
            prop_assert_eq!(world.beat(&beat), HeartbeatAnswer::Recorded);
        }
        prop_assert_eq!((world.known().report.clone(), world.events.clone()), once);
        let told = beat.events.iter().flatten().count() as u64;
        let counted: u64 = world.events.iter().filter(|event| event.origin == Origin::Device).map(|event| event.count).sum();
        prop_assert_eq!(counted, told);
    }

    #[test]
    fn copies_of_up_to_four_heartbeats_may_be_mixed(order in prop::collection::vec(0usize..4, 1..40)) {
        let mut world = World::in_service();
        let mut expected = BTreeSet::new();
        for which in order {
            world.beat(&telling(&which.to_string()));
            expected.insert(which.to_string());
            world.now += SignedDuration::from_millis(100);
        }
        prop_assert!(world.now.duration_since(at(4)) <= COPIES_WITHIN);
        let mut told = device_events(&world);
        told.sort_unstable();
        prop_assert_eq!(told, expected.iter().collect::<Vec<_>>());
    }
}
