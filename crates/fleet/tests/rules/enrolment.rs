//! May a device join?

use contract::DeviceId;
use fleet::{
    Approval, DeletionMode, State,
    administration::Act,
    enrolment::EnrolmentAnswer::{Approved, Wait},
    status::Status,
};

use crate::world::{World, namespace};

#[test]
fn a_new_device_is_approved_at_once_and_told_at_its_next_try() {
    let mut world = World::new();
    assert_eq!(world.enrol(), Wait);
    assert!(world.is_approved());
    assert_eq!(world.reasons(), ["Approved"]);
    world.pass(10);
    assert_eq!(world.enrol(), Approved);
    assert_eq!(world.reasons(), ["Approved"], "repetitions change nothing");
}

#[test]
fn without_automatic_approval_a_device_waits_for_a_person() {
    let mut world = World::manual();
    for _ in 0..3 {
        assert_eq!(world.enrol(), Wait);
        assert_eq!(world.ask(), Status::Unknown);
        world.pass(10);
    }
    assert_eq!(world.reasons(), ["WaitingForApproval"]);
    world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert_eq!(world.enrol(), Approved);
    assert_eq!(world.ask(), Status::Registered);
}

#[test]
fn a_repeated_enrolment_changes_nothing_but_the_spelling() {
    let mut world = World::manual();
    world.enrol_as("edge-1", "first");
    let before = world.known().clone();
    world.pass(10);
    world.enrol_as("EDGE-1", "second");
    let after = world.known();
    assert_eq!(after.id, before.id);
    assert_eq!(after.life.spelling, "EDGE-1");
    assert_eq!(after.life.namespace, namespace("first"));
    assert_eq!(after.life.enrolment, before.life.enrolment);
    assert_eq!(after.life.state, before.life.state);
    assert_eq!(after.report, before.report);
}

#[test]
fn two_spellings_are_one_device() {
    assert_eq!(DeviceId::parse("Edge-1"), DeviceId::parse("eDGE-1"));
    let mut world = World::approved();
    assert_eq!(world.enrol_as("Edge-1", "default"), Approved);
    assert_eq!(world.known().life.spelling, "Edge-1");
    assert_eq!(world.known().id.as_str(), "edge-1");
}

#[test]
fn an_enrolment_says_where_the_device_asks_to_be() {
    let mut world = World::manual();
    world.enrol_as("edge-1", "factory");
    let answer = world.ask_in("default");
    assert_eq!(answer.status, Status::Unknown);
    assert_eq!(answer.namespace, namespace("factory"));
    let stored = world.known().life.enrolment.as_ref().unwrap();
    assert_eq!(stored.namespace, namespace("factory"));
    let hardware = stored.features.as_ref().unwrap().hardware.as_ref().unwrap();
    assert_eq!(hardware.hostname, "edge-1.local");
}

#[test]
fn a_rejected_device_keeps_waiting() {
    let mut world = World::manual();
    world.enrol();
    world.act(Act::Reject).unwrap();
    world.policy.approval = Approval::Automatic;
    assert_eq!(world.enrol(), Wait);
    assert!(matches!(world.state(), State::Rejected { .. }));
    assert_eq!(world.ask(), Status::Unknown);
}

#[test]
fn a_removed_device_that_returns_waits_even_with_automatic_approval() {
    let mut world = World::told(DeletionMode::Remove);
    assert_eq!(world.enrol(), Wait);
    assert!(matches!(world.state(), State::Waiting { returned: true, .. }));
    assert_eq!(world.conditions(), ["Returned"]);
    assert_eq!(world.enrol(), Wait);
    world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert_eq!(world.enrol(), Approved);
}

#[test]
fn a_forgotten_device_that_returns_comes_under_the_ordinary_rules() {
    let mut world = World::told(DeletionMode::Forget);
    assert_eq!(world.enrol(), Wait);
    assert_eq!(world.enrol(), Approved);
    let mut world = World::told(DeletionMode::Forget);
    world.policy.approval = Approval::Manual;
    assert_eq!(world.enrol(), Wait);
    assert!(matches!(world.state(), State::Waiting { returned: false, .. }));
}

#[test]
fn a_device_that_returns_begins_anew() {
    let mut world = World::in_service();
    world.beat(&crate::world::telling("x"));
    world.delete(DeletionMode::Forget);
    world.ask();
    world.enrol();
    assert!(world.keys().is_empty(), "its old key has to register again");
    let report = &world.known().report;
    assert!(report.workloads.is_empty() && report.recent.is_empty());
}
