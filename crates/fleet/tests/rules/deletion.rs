//! What does a deleted device hear, and when may it come back?

use fleet::{
    DeletionMode::{Forget, Remove},
    Report, State,
    administration::Act,
    configuration::ConfigurationAnswer,
    enrolment::EnrolmentAnswer::Wait,
    status::Status::{Registered, Unknown, Unregistered},
};

use contract::{Cut, Disk, HardwareInfo, Heartbeat};

use crate::world::{ADMIN, World, at, hardware, namespace, running};

#[test]
fn an_id_that_was_never_seen_is_unknown_in_the_namespace_that_it_names() {
    let mut world = World::new();
    let answer = world.ask_in("factory");
    assert_eq!((answer.status, answer.namespace), (Unknown, namespace("factory")));
    assert_eq!(world.device, None);
}

#[test]
fn a_deleted_device_is_told_at_every_poll_in_the_namespace_it_had() {
    let mut world = World::in_service();
    let factory = namespace("factory");
    world
        .act(Act::Move {
            namespace: factory.clone(),
        })
        .unwrap();
    world.delete(Remove);
    for _ in 0..10 {
        let answer = world.ask_in("default");
        assert_eq!((answer.status, &answer.namespace), (Unregistered, &factory));
        assert_eq!(world.poll(), ConfigurationAnswer::NotApproved);
        world.pass(5);
    }
    assert_eq!(world.reasons(), ["Moved", "Deleted", "ToldUnregistered"]);
}

#[test]
fn the_tombstone_says_who_when_and_when_it_was_first_told() {
    let mut world = World::in_service();
    world.pass(100);
    world.delete(Forget);
    let deleted = world.now;
    world.pass(7);
    world.ask();
    world.pass(5);
    world.ask();
    let tombstone = world.tombstone();
    assert_eq!((tombstone.at, tombstone.by.as_str()), (deleted, ADMIN));
    assert_eq!(tombstone.told, Some(at(4 + 100 + 7)));
    assert_eq!(tombstone.epoch, world.epoch);
    assert_eq!(tombstone.mode, Forget);
}

#[test]
fn an_enrolment_before_the_device_was_told_only_waits() {
    for mode in [Remove, Forget] {
        let mut world = World::in_service();
        world.delete(mode);
        let before = world.known().clone();
        for _ in 0..3 {
            assert_eq!(world.enrol(), Wait);
            world.pass(10);
        }
        assert_eq!(world.known(), &before);
        assert_eq!(
            world.reasons(),
            ["Deleted", "EnrolmentWaits", "EnrolmentWaits", "EnrolmentWaits"]
        );
        assert_eq!(world.ask(), Unregistered);
        assert_eq!(world.enrol(), Wait);
        assert!(!matches!(world.state(), State::Deleted(_)));
    }
}

#[test]
fn a_configuration_poll_tells_nothing() {
    let mut world = World::in_service();
    world.delete(Remove);
    assert_eq!(world.poll(), ConfigurationAnswer::NotApproved);
    assert_eq!(world.tombstone().told, None);
}

/// The daemon polls both channels at once, in either order, before the agent has started to enrol.
fn restarted(world: &mut World, configuration_first: bool) -> fleet::status::Status {
    if configuration_first {
        world.poll();
        world.ask()
    } else {
        let status = world.ask();
        world.poll();
        status
    }
}

#[test]
fn a_restarted_daemon_has_a_minute_to_enrol_in_both_orders_of_its_polls() {
    for configuration_first in [true, false] {
        let mut world = World::told(Remove);
        world.pass(30);
        assert_eq!(restarted(&mut world, configuration_first), Unknown);
        for _ in 0..11 {
            world.pass(5);
            assert_eq!(restarted(&mut world, configuration_first), Unknown);
        }
        assert_eq!(world.reasons(), ["Reappeared"]);
        assert_eq!(world.enrol(), Wait);
        assert_eq!(world.ask(), Unknown);
        assert!(matches!(world.state(), State::Waiting { returned: true, .. }));
    }
}

#[test]
fn a_restarted_daemon_that_does_not_enrol_is_told_again() {
    for configuration_first in [true, false] {
        let mut world = World::told(Forget);
        world.pass(31);
        for _ in 0..12 {
            assert_eq!(restarted(&mut world, configuration_first), Unknown);
            world.pass(5);
        }
        for _ in 0..3 {
            assert_eq!(restarted(&mut world, configuration_first), Unregistered);
            world.pass(5);
        }
        world.pass(30);
        assert_eq!(
            restarted(&mut world, configuration_first),
            Unknown,
            "restarted once more"
        );
    }
}

#[test]
fn a_device_that_goes_on_polling_was_not_restarted() {
    let mut world = World::told(Remove);
    world.pass(29);
    assert_eq!(world.ask(), Unregistered);
    world.pass(29);
    assert_eq!(world.poll(), ConfigurationAnswer::NotApproved);
    world.pass(29);
    assert_eq!(world.ask(), Unregistered);
    world.pass(30);
    assert_eq!(world.ask(), Unknown);
}

#[test]
fn a_heartbeat_neither_breaks_a_silence_nor_ends_it() {
    let mut world = World::told(Remove);
    world.pass(25);
    world.beat(&crate::world::running("Running"));
    world.pass(5);
    assert_eq!(world.tombstone().grace_until, None);
    assert_eq!(world.ask(), Unknown);
}

#[test]
fn an_enrolment_long_after_the_minute_still_counts() {
    let mut world = World::told(Forget);
    world.pass(40);
    world.ask();
    world.pass(61);
    world.ask();
    assert_eq!(world.enrol(), Wait);
    assert_eq!(world.ask(), Registered);
}

#[test]
fn a_deletion_of_an_earlier_epoch_disconnects_only_once_it_is_confirmed() {
    let mut world = World::told(Remove);
    world.restored();
    for _ in 0..20 {
        assert_eq!(world.ask(), Unknown);
        assert_eq!(world.poll(), ConfigurationAnswer::NotApproved);
        world.pass(7);
    }
    assert_eq!(world.conditions(), ["EarlierEpoch"]);
    world.act(Act::Confirm).unwrap();
    assert!(world.conditions().is_empty());
    assert_eq!(world.ask(), Unregistered);
    assert_eq!(world.tombstone().told, Some(world.now));
    world.restored();
    assert_eq!(world.ask(), Unknown, "a confirmation holds in its epoch only");
}

#[test]
fn a_device_that_enrols_upon_a_deletion_of_an_earlier_epoch_is_told_what_to_wait_for() {
    let mut world = World::in_service();
    world.delete(Remove);
    world.restored();
    assert_eq!(world.enrol(), Wait);
    assert!(matches!(world.state(), State::Deleted(_)));
    assert!(world.events.last().unwrap().message.contains("device confirm"));
}

#[test]
fn a_confirmation_in_the_same_epoch_changes_nothing() {
    let mut world = World::told(Remove);
    let before = world.known().clone();
    world.act(Act::Confirm).unwrap();
    assert_eq!(world.known(), &before);
    assert!(world.events.is_empty());
}

#[test]
fn deleting_again_changes_the_mode_and_nothing_else() {
    let mut world = World::told(Remove);
    let before = world.tombstone().clone();
    world.pass(50);
    world.delete(Remove);
    assert_eq!(world.tombstone(), &before);
    world.delete(Forget);
    assert_eq!(
        world.tombstone(),
        &fleet::Tombstone {
            mode: Forget,
            ..before
        }
    );
}

#[test]
fn a_deleted_device_gets_no_configuration_and_leaves_no_trace_by_heartbeats() {
    let mut world = World::told(Remove);
    let before = world.known().report.clone();
    assert_eq!(
        world.beat(&crate::world::telling("last words")),
        fleet::heartbeat::HeartbeatAnswer::NotApproved
    );
    assert_eq!(world.known().report, before);
    assert!(world.events.is_empty());
}

#[test]
fn a_pause_within_the_minute_does_not_prolong_it() {
    let mut world = World::told(Remove);
    world.pass(30);
    assert_eq!(world.ask(), Unknown);
    world.pass(40);
    assert_eq!(restarted(&mut world, true), Unknown);
    world.pass(20);
    assert_eq!(restarted(&mut world, true), Unregistered);
}

#[test]
fn a_deletion_of_an_earlier_epoch_takes_no_note_of_polls() {
    let mut world = World::told(Remove);
    world.restored();
    let before = world.tombstone().clone();
    for _ in 0..2 {
        world.pass(40);
        restarted(&mut world, true);
    }
    assert_eq!(world.tombstone(), &before);
    assert!(world.events.is_empty());
}

/// A heartbeat with hardware of which a part is cut.
fn telling_of_disks() -> Heartbeat {
    Heartbeat {
        hardware: Some(HardwareInfo {
            disks: Some(vec![Disk::default(); 1000]),
            ..hardware("edge-1")
        }),
        ..running("Running")
    }
}

#[test]
fn of_a_deleted_device_what_takes_it_back_is_kept_and_its_hardware_is_not() {
    let mut world = World::in_service();
    world.beat_in_part(&telling_of_disks(), &["disks"]);
    let before = world.known().report.clone();
    world.delete(Remove);
    let (life, report) = (&world.known().life, &world.known().report);
    let enrolment = life.enrolment.as_ref().unwrap();
    assert_eq!((&enrolment.features, &enrolment.cut), (&None, &Cut::default()));
    let expected = Report {
        hardware: None,
        cut: Cut::default(),
        ..(*before).clone()
    };
    assert_eq!(**report, expected);
    assert!(!report.hardware_labels.is_empty() && report.has_reported("web", world.epoch));

    // Meant once more, after a restore, it is the same.
    world.restored();
    world.delete(Remove);
    assert_eq!(*world.known().report, expected);
    world
        .act(Act::Adopt {
            namespace: None,
            release: false,
        })
        .unwrap();
    assert_eq!(world.known().report.hardware_labels, before.hardware_labels);
    assert_eq!(
        world.known().report.ever_reported.names,
        before.ever_reported.names
    );
}

#[test]
fn of_an_id_that_was_only_a_request_a_deletion_keeps_nothing_that_was_said() {
    let mut automatic = World::approved();
    automatic.beat(&telling_of_disks());
    let mut waiting = World::manual();
    waiting.enrol();
    let mut rejected = waiting.clone();
    rejected.act(Act::Reject).unwrap();
    for mut world in [automatic, waiting, rejected] {
        world.delete(Forget);
        assert_eq!(*world.known().report, Report::default());
        assert_eq!(world.known().life.enrolment.as_ref().unwrap().features, None);
        world.ask();
        world.pass(1);
        assert_eq!(world.enrol(), Wait);
        assert_eq!(
            world.known().report.ever_reported.known_in,
            Some(world.epoch),
            "it begins anew"
        );
    }
}
