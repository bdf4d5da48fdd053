//! May a device join?

use contract::DeviceId;
use fleet::{
    Admission, Approval, DeletionMode, PREAPPROVAL, State,
    administration::Act,
    enrolment::EnrolmentAnswer::{self, Approved, Wait},
    intake::PutOff,
    labels::MEMBER_OF,
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

fn place_set_and_approver(world: &World) -> (String, Option<String>, String) {
    let State::Approved { by, .. } = world.state() else {
        panic!("it is not approved: {:?}", world.state());
    };
    let life = &world.known().life;
    (
        life.namespace.to_string(),
        life.approval_labels.get(MEMBER_OF).cloned(),
        by.clone(),
    )
}

#[test]
fn a_document_approves_a_device_before_it_comes() {
    for approval in [Approval::Manual, Approval::Automatic] {
        let mut world = World::new();
        world.policy.approval = approval;
        world.preapproval = Some(("factory", Some("line-1")));
        assert_eq!(world.enrol_as("edge-1", "asked"), Wait);
        let expected = ("factory".into(), Some("line-1".into()), PREAPPROVAL.into());
        assert_eq!(place_set_and_approver(&world), expected);
        assert_eq!(world.reasons(), ["Approved"]);
        assert_eq!(world.ask_in("asked").namespace, namespace("factory"));
        world.preapproval = None;
        assert_eq!(world.enrol_as("edge-1", "asked"), Approved);
        assert_eq!(
            place_set_and_approver(&world),
            expected,
            "without the document too"
        );
    }
}

#[test]
fn a_document_that_comes_later_approves_a_device_that_waits_and_enrols_again() {
    let mut world = World::manual();
    world.enrol_as("edge-1", "asked");
    world.preapproval = Some(("factory", None));
    assert_eq!(world.ask(), Status::Unknown);
    assert_eq!(world.enrol_as("EDGE-1", "asked"), Approved);
    assert_eq!(
        place_set_and_approver(&world),
        ("factory".into(), None, PREAPPROVAL.into())
    );
    assert_eq!(world.known().life.spelling, "EDGE-1");
    assert_eq!(
        world.known().life.enrolment.as_ref().unwrap().namespace,
        namespace("asked")
    );
}

#[test]
fn a_document_does_not_overrule_a_person() {
    let mut rejected = World::manual();
    rejected.enrol();
    rejected.act(Act::Reject).unwrap();
    let mut removed = World::told(DeletionMode::Remove);
    removed.enrol();
    for mut world in [rejected, removed, World::told(DeletionMode::Remove)] {
        world.preapproval = Some(("factory", None));
        for _ in 0..3 {
            assert_eq!(world.enrol(), Wait);
            world.pass(10);
        }
        assert!(!world.is_approved());
    }
    let mut approved = World::in_service();
    approved.preapproval = Some(("factory", Some("line-1")));
    let before = approved.known().clone();
    assert_eq!(approved.enrol(), Approved);
    assert_eq!(approved.known(), &before);
}

#[test]
fn a_document_does_not_overrule_the_admission() {
    for (admission, put_off) in [
        (Admission::Hold, PutOff::Hold),
        (Admission::Closed, PutOff::Closed),
    ] {
        let mut world = World::manual();
        world.enrol();
        world.preapproval = Some(("factory", None));
        world.admission = admission;
        let before = world.known().clone();
        assert_eq!(world.enrol(), EnrolmentAnswer::PutOff(put_off));
        assert_eq!(world.known(), &before);
    }
}

/// Whoever may enrol can invent ids.
#[test]
fn a_device_is_vouched_for_by_a_person_a_document_or_its_first_poll() {
    let mut world = World::new();
    world.enrol();
    world.register(1).unwrap();
    world.beat(&crate::world::running("Running"));
    assert!(world.is_approved() && !world.known().is_vouched_for());
    world.poll();
    assert!(world.known().is_vouched_for());
    world.delete(DeletionMode::Forget);
    assert!(!world.known().is_vouched_for());
    world.ask();
    world.pass(1);
    world.enrol();
    assert!(
        world.is_approved() && !world.known().is_vouched_for(),
        "that poll was in its former life"
    );

    let mut named = World::new();
    named.preapproval = Some(("factory", None));
    named.enrol();
    assert!(named.known().is_vouched_for());

    let mut by_hand = World::manual();
    by_hand.enrol();
    assert!(!by_hand.known().is_vouched_for());
    by_hand
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert!(by_hand.known().is_vouched_for());

    let mut adopted = World::new();
    adopted.ask();
    adopted
        .act(Act::Adopt {
            namespace: None,
            release: true,
        })
        .unwrap();
    assert!(adopted.known().is_vouched_for());
}
