//! Do two machines use one id?

use contract::{HardwareInfo, Heartbeat, SystemVendor};
use fleet::{
    DeletionMode, administration::Act, condition, configuration::ConfigurationAnswer,
    duplicate_identity::EVIDENCE_LASTS, status::Status,
};

use crate::world::{World, foreign, hardware};

fn of_host(hostname: &str) -> Heartbeat {
    Heartbeat {
        hardware: Some(hardware(hostname)),
        ..Heartbeat::default()
    }
}

fn of_machine(serial: &str) -> Heartbeat {
    Heartbeat {
        hardware: Some(HardwareInfo {
            system_vendor: Some(SystemVendor {
                serial_number: serial.into(),
                ..SystemVendor::default()
            }),
            ..hardware("same")
        }),
        ..Heartbeat::default()
    }
}

fn having_applied(version: &str) -> Heartbeat {
    Heartbeat {
        version: version.into(),
        ..Heartbeat::default()
    }
}

fn message(world: &World) -> Option<String> {
    let found = condition::conditions(world.known(), Vec::new(), &world.context());
    found
        .into_iter()
        .find(|condition| condition.r#type == "DuplicateIdentity")
        .map(|condition| condition.message)
}

fn take_turns(beats: &[Heartbeat; 2]) -> World {
    let mut world = World::in_service();
    for _ in 0..2 {
        for beat in beats {
            world.beat(beat);
            world.pass(30);
        }
    }
    world
}

#[test]
fn what_alternates_is_named() {
    for (beats, what) in [
        (
            [of_host("a"), of_host("b")],
            "its hostname alternates between a and b",
        ),
        (
            [of_machine("1"), of_machine("2")],
            "its system serial alternates between 1 and 2",
        ),
        (
            [having_applied("v1"), having_applied("v2")],
            "its applied version alternates between v1 and v2",
        ),
    ] {
        let world = take_turns(&beats);
        assert_eq!(
            message(&world),
            Some(format!("two machines may be using this id: {what}"))
        );
        let reasons = world.reasons();
        assert!(!reasons.is_empty() && reasons.iter().all(|reason| *reason == "DuplicateIdentity"));
    }
}

#[test]
fn three_machines_that_take_turns_are_named_too() {
    let mut world = World::in_service();
    for host in ["a", "b", "c"] {
        world.beat(&of_host(host));
        world.pass(30);
        assert_eq!(message(&world), None);
    }
    world.beat(&of_host("a"));
    assert!(
        message(&world)
            .unwrap()
            .ends_with("its hostname alternates between a and b and c")
    );
}

#[test]
fn a_machine_that_has_no_name_for_a_while_is_none() {
    let mut world = World::in_service();
    for host in ["a", "localhost", "a", "localhost.localdomain", "a"] {
        world.beat(&of_host(host));
        world.pass(30);
    }
    assert_eq!(message(&world), None);
}

#[test]
fn a_change_to_and_fro_is_no_second_machine() {
    let mut world = World::in_service();
    for version in ["v1", "v2", "v1", "v3", "v1", "v4"] {
        world.beat(&having_applied(version));
        world.pass(30);
    }
    assert_eq!(message(&world), None);
}

#[test]
fn a_refused_foreign_key_is_a_second_machine() {
    let mut world = World::in_service();
    assert_eq!(world.register(2), foreign());
    assert!(
        message(&world)
            .unwrap()
            .contains("a registration with the foreign key")
    );
    assert!(
        message(&world)
            .unwrap()
            .contains(&crate::world::request(2).fingerprint.to_string())
    );
}

#[test]
fn a_further_key_of_a_device_that_was_not_seen_is_none() {
    let mut world = World::approved();
    world.register(1).unwrap();
    world.register(2).unwrap();
    assert_eq!(message(&world), None);
}

#[test]
fn nothing_is_disconnected_for_it() {
    let mut world = take_turns(&[of_host("a"), of_host("b")]);
    assert_eq!(world.ask(), Status::Registered);
    assert_eq!(world.poll(), ConfigurationAnswer::Serve);
    assert_eq!(world.register(1), Ok(()));
}

#[test]
fn it_ends_when_nothing_shows_it_any_more_or_a_person_settles_it() {
    let mut world = take_turns(&[of_host("a"), of_host("b")]);
    let mut settled = world.clone();
    world.now += EVIDENCE_LASTS;
    assert_eq!(message(&world), None);
    settled.act(Act::AllowRegistration).unwrap();
    assert_eq!(message(&settled), None);
}

#[test]
fn copies_of_a_heartbeat_are_no_alternation() {
    let mut world = World::in_service();
    for beat in [of_host("a"), of_host("b"), of_host("a"), of_host("b")] {
        world.beat(&beat);
        world.now += jiff::SignedDuration::from_millis(500);
    }
    assert_eq!(
        message(&world),
        None,
        "copies of two heartbeats, mixed on their way"
    );
}

#[test]
fn a_new_life_begins_without_suspicion() {
    let mut world = take_turns(&[of_host("a"), of_host("b")]);
    world.delete(DeletionMode::Forget);
    world.ask();
    world.enrol();
    assert_eq!(message(&world), None);
}

#[test]
fn evidence_after_a_lapse_is_a_new_suspicion() {
    let since = |world: &World| {
        world
            .known()
            .report
            .identity
            .duplicate(world.now)
            .map(|found| found.since)
    };
    let mut world = World::in_service();
    let first = world.now;
    world.register(2).unwrap_err();
    world.pass(1800);
    world.register(2).unwrap_err();
    assert_eq!(since(&world), Some(first));
    world.now += EVIDENCE_LASTS;
    let again = world.now;
    world.register(2).unwrap_err();
    assert_eq!(since(&world), Some(again));
}
