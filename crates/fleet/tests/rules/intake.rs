//! Whom does the fleet take in now? What is put off leaves nothing behind, and goes on when the
//! fleet is open again.

use fleet::{
    Admission::{Closed, Hold, Open},
    DeletionMode::{Forget, Remove},
    State,
    administration::Act,
    configuration::ConfigurationAnswer,
    enrolment::EnrolmentAnswer::{self, Approved, Wait},
    heartbeat::HeartbeatAnswer,
    intake::PutOff,
    key_gate::GateRefusal,
    register::{Refusal, RegistrationAnswer, RegistrationRequest},
    status::Status::{Registered, Unknown, Unregistered},
};

use crate::world::{World, demanding, foreign, hardware, namespace, request, running};

fn adopted() -> World {
    let mut world = World::new();
    world.ask();
    world
        .act(Act::Adopt {
            namespace: None,
            release: true,
        })
        .unwrap();
    world.events.clear();
    world
}

fn registers(world: &mut World, key: u8) -> RegistrationAnswer {
    world.ask_to_register(&RegistrationRequest {
        namespace: namespace("default"),
        certificate_request: Ok(request(key)),
        hardware: Some(hardware("h")),
        cut: contract::Cut::default(),
    })
}

#[test]
fn on_hold_a_new_device_waits_without_a_trace_and_gets_in_afterwards() {
    let mut world = World::new();
    world.admission = Hold;
    for _ in 0..3 {
        assert_eq!(world.enrol(), EnrolmentAnswer::PutOff(PutOff::Hold));
        assert_eq!(world.ask(), Unknown);
        assert_eq!(registers(&mut world, 1), RegistrationAnswer::PutOff(PutOff::Hold));
        world.pass(10);
    }
    assert_eq!(world.device, None);
    assert!(world.events.is_empty());
    world.admission = Open;
    assert_eq!(world.enrol(), Wait);
    assert_eq!(world.enrol(), Approved);
    assert_eq!(world.register(1), Ok(()));
}

#[test]
fn on_hold_nobody_is_approved_by_rule_or_begins_anew() {
    let waiting = {
        let mut world = World::manual();
        world.enrol();
        world.policy.approval = fleet::Approval::Automatic;
        world
    };
    let rejected = {
        let mut world = World::manual();
        world.enrol();
        world.act(Act::Reject).unwrap();
        world
    };
    let mut untold = World::in_service();
    untold.delete(Forget);
    for mut world in [
        waiting,
        rejected,
        untold,
        World::told(Forget),
        World::told(Remove),
    ] {
        let before = world.clone();
        for admission in [Hold, Closed] {
            world.admission = admission;
            let put_off = if admission == Hold {
                PutOff::Hold
            } else {
                PutOff::Closed
            };
            assert_eq!(
                world.enrol_as("EDGE-1", "elsewhere"),
                EnrolmentAnswer::PutOff(put_off)
            );
            assert_eq!(registers(&mut world, 1), RegistrationAnswer::PutOff(put_off));
        }
        assert_eq!((&world.device, &world.events), (&before.device, &before.events));
    }
}

#[test]
fn on_hold_only_who_was_taken_over_registers() {
    let mut own = World::approved();
    own.admission = Hold;
    let before = own.clone();
    assert_eq!(own.enrol(), Approved);
    assert_eq!(registers(&mut own, 1), RegistrationAnswer::PutOff(PutOff::Hold));
    assert_eq!((&own.device, &own.events), (&before.device, &before.events));

    let mut world = adopted();
    world.admission = Hold;
    assert_eq!(world.enrol(), Approved);
    assert_eq!(world.register(1), Ok(()));
    assert_eq!(world.reasons(), ["UnknownKeyAccepted"]);
    assert_eq!(world.ask(), Registered);
    assert_eq!(world.poll(), ConfigurationAnswer::Serve);
    assert_eq!(world.beat(&running("Running")), HeartbeatAnswer::Recorded);
}

/// What a switch that was rolled back leaves behind must not lock a device out after the next one.
#[test]
fn a_first_key_on_hold_binds_nobody() {
    let mut world = adopted();
    world.admission = Hold;
    world.register(1).unwrap();
    world.poll();
    assert_eq!(world.register(2), Ok(()));
    assert!(world.keys().is_empty() && world.known().life.registration.keys_unknown);
    world.admission = Open;
    world.poll();
    assert_eq!(world.register(3), Ok(()), "the first that counts");
    world.poll();
    assert_eq!(world.register(1), foreign());
}

#[test]
fn on_hold_the_gate_keeps_out_whom_it_keeps_out() {
    let mut world = adopted();
    world.register(1).unwrap();
    world.poll();
    world.admission = Hold;
    assert_eq!(world.register(2), foreign());
    assert_eq!(world.register(1), Ok(()));
    world
        .act(Act::Move {
            namespace: namespace("factory"),
        })
        .unwrap();
    assert!(matches!(
        registers(&mut world, 1),
        RegistrationAnswer::Refused(Refusal::Namespace { .. })
    ));

    let mut world = demanding(adopted());
    world.admission = Hold;
    assert_eq!(
        world.register(1),
        Err(Refusal::Gate(GateRefusal::PermissionDemanded))
    );
}

#[test]
fn a_device_that_was_taken_over_and_deleted_begins_anew_as_one_of_this_fleet() {
    let mut world = adopted();
    world.delete(Forget);
    world.ask();
    assert_eq!(world.enrol(), Wait);
    assert!(world.is_approved());
    world.admission = Hold;
    assert_eq!(registers(&mut world, 1), RegistrationAnswer::PutOff(PutOff::Hold));
}

#[test]
fn on_hold_no_deleted_device_is_disconnected_and_afterwards_it_is() {
    for mut world in [World::in_service(), adopted()] {
        world.delete(Remove);
        world.admission = Hold;
        let before = world.clone();
        for _ in 0..20 {
            assert_eq!(world.ask(), Unknown);
            assert_eq!(world.poll(), ConfigurationAnswer::NotApproved);
            world.pass(5);
        }
        assert_eq!((&world.device, &world.events), (&before.device, &before.events));
        world.admission = Open;
        assert_eq!(world.ask(), Unregistered);
    }
}

/// A restarted daemon polls and enrols. If its minute passed while its enrolment was put off, the
/// next poll would silence it.
#[test]
fn a_device_that_comes_back_while_it_cannot_enrol_has_its_minute_afterwards() {
    for admission in [Hold, Closed] {
        let mut world = World::told(Forget);
        world.pass(60);
        world.admission = admission;
        for _ in 0..50 {
            assert_eq!(world.ask(), Unknown);
            assert_eq!(world.poll(), ConfigurationAnswer::NotApproved);
            assert!(matches!(world.enrol(), EnrolmentAnswer::PutOff(_)));
            world.pass(5);
        }
        world.admission = Open;
        assert_eq!(world.ask(), Unknown, "{admission}");
        assert_eq!(world.enrol(), Wait);
        assert_eq!(world.ask(), Registered);
    }
}

#[test]
fn the_minute_of_a_device_that_came_back_begins_when_it_can_enrol() {
    for admission in [Hold, Closed] {
        let mut world = World::told(Forget);
        world.pass(60);
        world.admission = admission;
        for _ in 0..11 {
            assert_eq!(world.ask(), Unknown);
            world.pass(5);
        }
        world.admission = Open;
        for _ in 0..12 {
            assert_eq!(world.ask(), Unknown, "{admission}");
            world.pass(5);
        }
        assert_eq!(world.ask(), Unregistered);
    }
}

#[test]
fn a_minute_that_had_begun_begins_again() {
    let mut world = World::told(Forget);
    world.pass(30);
    assert_eq!(world.ask(), Unknown);
    world.admission = Closed;
    for _ in 0..20 {
        world.pass(5);
        assert_eq!(world.ask(), Unknown);
    }
    world.admission = Open;
    assert_eq!(world.ask(), Unknown);
    assert_eq!(world.enrol(), Wait);
}

#[test]
fn closed_stops_nothing_but_joining() {
    let mut world = World::in_service();
    world.admission = Closed;
    assert_eq!(world.enrol(), EnrolmentAnswer::PutOff(PutOff::Closed));
    assert_eq!(
        registers(&mut world, 1),
        RegistrationAnswer::PutOff(PutOff::Closed)
    );
    assert_eq!(world.ask(), Registered);
    assert_eq!(world.poll(), ConfigurationAnswer::Serve);
    assert_eq!(world.beat(&running("Running")), HeartbeatAnswer::Recorded);

    world.delete(Forget);
    for _ in 0..3 {
        assert_eq!(
            world.ask(),
            Unregistered,
            "a person's deletion counts, and is repeated"
        );
        world.pass(5);
    }
    assert!(matches!(world.state(), State::Deleted(_)));
    let mut adopted = adopted();
    adopted.admission = Closed;
    assert_eq!(
        registers(&mut adopted, 1),
        RegistrationAnswer::PutOff(PutOff::Closed)
    );
}

#[test]
fn words_are_what_they_are_written_as() {
    for admission in fleet::Admission::ALL {
        assert_eq!(
            serde_json::to_value(admission).unwrap(),
            serde_json::json!(admission.as_str())
        );
    }
    assert_eq!(fleet::Admission::default(), Open);
}
