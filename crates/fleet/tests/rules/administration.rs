//! What may an administrator do?

use fleet::{
    DeletionMode, Phase, State,
    administration::{Act, ActError},
    configuration::ConfigurationAnswer,
    enrolment::EnrolmentAnswer::{Approved, Wait},
    status::Status,
};

use crate::world::{ADMIN, World, namespace, running};

fn adopt() -> Act {
    Act::Adopt {
        namespace: None,
        release: false,
    }
}

fn phase_of(error: &ActError) -> Option<Phase> {
    match error {
        ActError::WrongState { phase, .. } => Some(*phase),
        _ => None,
    }
}

#[test]
fn what_nobody_knows_can_only_be_adopted() {
    for act in [
        Act::Approve {
            namespace: None,
            set: None,
        },
        Act::Reject,
        Act::Move {
            namespace: namespace("a"),
        },
        Act::Delete {
            mode: DeletionMode::Remove,
        },
        Act::AllowRegistration,
        Act::Release,
        Act::Confirm,
    ] {
        let mut world = World::new();
        assert!(matches!(world.act(act), Err(ActError::NoSuchDevice(_))));
        assert_eq!(world.device, None);
    }
    let mut world = World::new();
    assert_eq!(world.act(adopt()), Err(ActError::NeverHeard));
    world
        .act(Act::Adopt {
            namespace: Some(namespace("a")),
            release: false,
        })
        .unwrap();
    assert!(world.is_approved());
}

#[test]
fn a_person_may_say_where_a_device_shall_live() {
    let mut world = World::manual();
    world.enrol_as("edge-1", "asked");
    world
        .act(Act::Approve {
            namespace: Some(namespace("given")),
            set: None,
        })
        .unwrap();
    let answer = world.ask_in("default");
    assert_eq!(
        (answer.status, answer.namespace),
        (Status::Registered, namespace("given"))
    );
    assert!(matches!(world.state(), State::Approved { by, .. } if by == ADMIN));
}

#[test]
fn approving_twice_is_approving_once() {
    let mut world = World::in_service();
    let before = world.known().clone();
    world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert_eq!(world.known(), &before, "the keys above all");
    let error = world
        .act(Act::Approve {
            namespace: Some(namespace("b")),
            set: None,
        })
        .unwrap_err();
    assert_eq!(phase_of(&error), Some(Phase::Approved));
}

#[test]
fn a_rejected_device_can_be_approved_and_an_approved_one_not_rejected() {
    let mut world = World::manual();
    world.enrol();
    world.act(Act::Reject).unwrap();
    world.act(Act::Reject).unwrap();
    assert_eq!(world.reasons(), ["WaitingForApproval", "Rejected"]);
    world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert_eq!(world.enrol(), Approved);
    assert_eq!(
        phase_of(&world.act(Act::Reject).unwrap_err()),
        Some(Phase::Approved)
    );
}

#[test]
fn a_moved_device_is_served_from_its_new_place_whatever_its_certificate_says() {
    let mut world = World::in_service();
    world
        .act(Act::Move {
            namespace: namespace("new"),
        })
        .unwrap();
    assert_eq!(world.ask_in("default").namespace, namespace("new"));
    assert_eq!(world.poll(), ConfigurationAnswer::Serve);
    assert_eq!(world.enrol(), Approved);
    assert_eq!(world.keys(), [1]);
}

#[test]
fn only_an_approved_device_moves_or_registers_anew() {
    let mut world = World::manual();
    world.enrol();
    for act in [
        Act::Move {
            namespace: namespace("b"),
        },
        Act::AllowRegistration,
        Act::Release,
        Act::Confirm,
    ] {
        assert_eq!(phase_of(&world.act(act).unwrap_err()), Some(Phase::Waiting));
    }
}

#[test]
fn a_deleted_device_is_not_approved_but_adopted() {
    let mut world = World::told(DeletionMode::Remove);
    let error = world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap_err();
    assert!(error.to_string().contains("'edge-config-server device adopt'"));
    world.act(adopt()).unwrap();
    assert_eq!(world.ask(), Status::Registered);
}

#[test]
fn an_adopted_device_keeps_what_it_runs_until_its_configuration_is_released() {
    let mut world = World::new();
    world.beat(&running("Running"));
    assert_eq!(world.poll(), ConfigurationAnswer::NotApproved);
    world.act(adopt()).unwrap();
    assert_eq!(world.ask(), Status::Registered);
    assert_eq!(world.poll(), ConfigurationAnswer::Withheld);
    assert_eq!(world.conditions(), ["ConfigurationWithheld"]);
    world.beat(&running("Running"));
    assert_eq!(world.known().report.workloads["web"].status, "Running");
    world.act(Act::Release).unwrap();
    assert_eq!(world.poll(), ConfigurationAnswer::Serve);
    world.act(Act::Release).unwrap();
    assert_eq!(world.reasons(), ["Adopted", "ConfigurationReleased"]);
}

#[test]
fn a_lost_device_is_adopted_where_it_was_heard() {
    let mut world = World::new();
    assert_eq!(world.ask_in("factory").status, Status::Unknown);
    world.act(adopt()).unwrap();
    assert_eq!(world.known().life.namespace, namespace("factory"));
    let error = world.act(adopt()).unwrap_err();
    assert_eq!(phase_of(&error), Some(Phase::Approved));
}

#[test]
fn nobody_has_to_tell_a_device_that_was_never_approved() {
    let mut world = World::manual();
    world.enrol();
    world.delete(DeletionMode::Remove);
    assert_eq!(world.enrol(), Wait);
    assert!(matches!(world.state(), State::Waiting { returned: true, .. }));
    world.delete(DeletionMode::Forget);
    assert_eq!(world.enrol(), Wait);
    assert!(matches!(world.state(), State::Waiting { returned: false, .. }));
}

#[test]
fn deleting_what_was_deleted_before_a_restore_means_it_now() {
    let mut world = World::in_service();
    world.delete(DeletionMode::Remove);
    world.restored();
    assert_eq!(world.ask(), Status::Unknown);
    world.delete(DeletionMode::Remove);
    assert_eq!(world.ask(), Status::Unregistered);
}

#[test]
fn a_moved_device_that_was_deleted_is_adopted_where_it_was() {
    let mut world = World::in_service();
    world
        .act(Act::Move {
            namespace: namespace("factory"),
        })
        .unwrap();
    world.delete(DeletionMode::Remove);
    assert_eq!(
        world.poll(),
        fleet::configuration::ConfigurationAnswer::NotApproved
    );
    world.act(adopt()).unwrap();
    assert_eq!(world.known().life.namespace, namespace("factory"));
}

#[test]
fn acts_are_written_as_they_are_sent() {
    let written = serde_json::to_value([
        Act::Approve {
            namespace: None,
            set: None,
        },
        Act::Delete {
            mode: DeletionMode::Forget,
        },
        Act::AllowRegistration,
        adopt(),
        Act::Approve {
            namespace: None,
            set: Some("line-1".into()),
        },
        Act::SetLabels {
            set: [("zone".to_owned(), "a".to_owned())].into(),
            remove: ["line".to_owned()].into(),
        },
        Act::RerunPlaybooks {
            config: "setup".into(),
        },
    ])
    .unwrap();
    assert_eq!(
        written,
        serde_json::json!([
            {"act": "approve", "namespace": null},
            {"act": "delete", "mode": "forget"},
            {"act": "allow-registration"},
            {"act": "adopt", "namespace": null, "release": false},
            {"act": "approve", "namespace": null, "set": "line-1"},
            {"act": "set-labels", "set": {"zone": "a"}, "remove": ["line"]},
            {"act": "rerun-playbooks", "config": "setup"},
        ])
    );
}
