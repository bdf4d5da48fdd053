//! May this key be certified for the device?

use contract::HardwareInfo;
use fleet::{
    DeletionMode,
    administration::Act,
    key_gate::{GateRefusal, MAX_KEYS, Registration},
    register::{Refusal, RegistrationRequest},
    status::Status,
};
use proptest::prelude::*;

use crate::world::{World, at, demanding, foreign, hardware, namespace, request};

const PERMISSION: i64 = 3600;

#[test]
fn a_device_may_register_twice_with_its_key() {
    let mut world = World::approved();
    assert_eq!(world.register(1), Ok(()));
    world.pass(10);
    assert_eq!(world.register(1), Ok(()));
    assert_eq!(world.keys(), [1]);
    assert_eq!(world.reasons(), ["Registered", "Registered"]);
    let key = &world.known().life.registration.keys[0];
    assert_eq!(key.last, at(10));
    assert_eq!(key.first, at(0));
}

#[test]
fn a_lost_answer_locks_nobody_out() {
    let mut world = World::approved();
    for n in 1..=3 {
        assert_eq!(world.register(n), Ok(()));
        world.pass(10);
    }
    assert_eq!(world.keys(), [1, 2, 3]);
    assert_eq!(
        world.reasons(),
        ["Registered", "FurtherKeyAccepted", "FurtherKeyAccepted"]
    );
}

#[test]
fn once_seen_a_foreign_key_is_refused_and_every_known_one_passes() {
    let mut world = World::approved();
    for n in 1..=3 {
        assert_eq!(world.register(n), Ok(()));
    }
    world.poll();
    assert_eq!(world.register(4), foreign());
    for n in 1..=3 {
        assert_eq!(world.register(n), Ok(()));
    }
    assert_eq!(world.register(4), foreign(), "a renewal does not open the gate");
    assert_eq!(world.keys(), [1, 2, 3]);
}

#[test]
fn only_a_configuration_poll_closes_the_gate() {
    let mut world = World::approved();
    world.register(1).unwrap();
    assert_eq!(world.ask(), Status::Registered);
    world.beat(&crate::world::running("Running"));
    world.enrol();
    assert_eq!(world.register(2), Ok(()));
    world.poll();
    assert_eq!(world.register(3), foreign());
}

#[test]
fn a_poll_before_the_first_registration_closes_nothing() {
    let mut world = World::approved();
    world.poll();
    assert_eq!(world.register(1), Ok(()));
    assert_eq!(world.register(2), Ok(()));
}

#[test]
fn a_ninth_key_of_a_device_that_was_never_seen_replaces_the_oldest() {
    let mut world = World::approved();
    for n in 1..=9 {
        assert_eq!(world.register(n), Ok(()));
    }
    assert_eq!(world.keys(), [2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_refusal_is_an_event_and_a_condition_and_changes_no_key() {
    let mut world = World::in_service();
    for _ in 0..5 {
        assert_eq!(world.register(2), foreign());
        world.pass(10);
    }
    assert_eq!(world.keys(), [1]);
    let kinds: std::collections::BTreeSet<_> = world.events.iter().map(|event| &event.kind).collect();
    assert_eq!(kinds.len(), 1, "a device that retries pushes nothing out");
    assert_eq!(world.conditions(), ["DuplicateIdentity"]);
}

#[test]
fn refusals_of_different_causes_are_different_events() {
    let mut world = World::in_service();
    world.register(2).unwrap_err();
    world
        .register_with(&RegistrationRequest {
            namespace: namespace("elsewhere"),
            certificate_request: Ok(request(1)),
            hardware: None,
            cut: contract::Cut::default(),
        })
        .unwrap_err();
    let kinds: Vec<_> = world.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["RegistrationRefused/foreign-key", "RegistrationRefused/namespace"]
    );
}

#[test]
fn a_certificate_request_that_was_not_signed_by_its_key_is_refused() {
    let mut world = World::approved();
    let refusal = world
        .register_with(&RegistrationRequest {
            namespace: namespace("default"),
            certificate_request: Err("its signature is not its key's".into()),
            hardware: Some(hardware("h")),
            cut: contract::Cut::default(),
        })
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the certificate request is not acceptable: its signature is not its key's"
    );
    assert!(world.keys().is_empty());
    assert_eq!(world.known().report.hardware, None);
}

#[test]
fn a_device_moved_between_the_halves_is_refused_and_finds_its_place_at_the_next_try() {
    let mut world = World::approved();
    assert_eq!(world.ask_in("default").namespace, namespace("default"));
    world
        .act(Act::Move {
            namespace: namespace("factory"),
        })
        .unwrap();
    let second_half = |place| RegistrationRequest {
        namespace: namespace(place),
        certificate_request: Ok(request(1)),
        hardware: None,
        cut: contract::Cut::default(),
    };
    let refusal = world.register_with(&second_half("default")).unwrap_err();
    assert!(matches!(refusal, Refusal::Namespace { .. }));
    assert!(world.keys().is_empty());
    assert_eq!(world.ask_in("default").namespace, namespace("factory"));
    assert_eq!(world.register_with(&second_half("factory")), Ok(()));
}

#[test]
fn nobody_registers_who_is_not_approved() {
    let mut world = World::new();
    assert_eq!(world.register(1), Err(Refusal::Unknown));
    assert_eq!(world.device, None);
    let mut world = World::manual();
    world.enrol();
    assert_eq!(world.register(1), Err(Refusal::NotApproved));
    world.act(Act::Reject).unwrap();
    assert_eq!(world.register(1), Err(Refusal::NotApproved));
    let mut world = World::in_service();
    world.delete(DeletionMode::Remove);
    assert_eq!(world.register(1), Err(Refusal::Deleted));
    assert_eq!(world.reasons(), ["Deleted", "RegistrationRefused"]);
}

#[test]
fn a_permission_lets_a_new_key_in_and_the_old_ones_out() {
    let mut world = World::in_service();
    world.act(Act::AllowRegistration).unwrap();
    assert!(world.keys().is_empty());
    assert_eq!(world.register(2), Ok(()));
    world.pass(PERMISSION);
    world.poll();
    assert_eq!(world.register(1), foreign());
    assert_eq!(world.register(2), Ok(()));
    assert_eq!(
        world.reasons(),
        [
            "RegistrationAllowed",
            "PermittedKeyAccepted",
            "RegistrationRefused",
            "Registered"
        ]
    );
}

#[test]
fn polls_do_not_close_a_permission() {
    let mut world = World::in_service();
    world.act(Act::AllowRegistration).unwrap();
    for n in 2..=4 {
        world.poll();
        assert_eq!(world.register(n), Ok(()));
        world.poll();
    }
    world.pass(PERMISSION - 1);
    world.poll();
    assert_eq!(world.register(5), Ok(()));
    world.pass(1);
    world.poll();
    assert_eq!(world.register(6), foreign());
    assert_eq!(world.keys(), [2, 3, 4, 5]);
}

#[test]
fn a_permission_that_nobody_used_locks_nobody_out() {
    let mut world = World::in_service();
    world.act(Act::AllowRegistration).unwrap();
    world.pass(PERMISSION / 2);
    world.act(Act::AllowRegistration).unwrap();
    world.pass(PERMISSION);
    assert_eq!(world.register(2), foreign());
    assert_eq!(world.register(1), Ok(()));
    assert_eq!(world.keys(), [1]);
}

#[test]
fn an_adopted_device_brings_its_key_once() {
    let mut world = World::new();
    world.beat(&crate::world::running("Running"));
    let adopt = Act::Adopt {
        namespace: None,
        release: false,
    };
    world.act(adopt.clone()).unwrap();
    world.poll();
    assert_eq!(world.register(1), Ok(()));
    assert_eq!(world.reasons(), ["Adopted", "UnknownKeyAccepted"]);
    world.poll();
    assert_eq!(world.register(2), foreign());

    let mut world = demanding(World::new());
    world.beat(&crate::world::running("Running"));
    world.act(adopt).unwrap();
    assert_eq!(
        world.register(1),
        Err(Refusal::Gate(GateRefusal::PermissionDemanded))
    );
    world.act(Act::AllowRegistration).unwrap();
    assert_eq!(world.register(1), Ok(()));
}

#[test]
fn an_unused_permission_leaves_unknown_keys_unknown() {
    let mut world = demanding(World::new());
    world.ask();
    world
        .act(Act::Adopt {
            namespace: None,
            release: false,
        })
        .unwrap();
    world.act(Act::AllowRegistration).unwrap();
    world.pass(PERMISSION);
    assert_eq!(
        world.register(1),
        Err(Refusal::Gate(GateRefusal::PermissionDemanded))
    );
}

#[test]
fn an_approval_after_a_deletion_forgets_the_old_keys() {
    let mut world = World::told(DeletionMode::Remove);
    world.enrol();
    world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert!(world.keys().is_empty());
    assert_eq!(world.register(9), Ok(()));
}

#[test]
fn a_registration_brings_hardware_and_its_labels() {
    let mut world = World::approved();
    let sent = |hardware| RegistrationRequest {
        namespace: namespace("default"),
        certificate_request: Ok(request(1)),
        hardware,
        cut: contract::Cut::default(),
    };
    world.register_with(&sent(Some(hardware("Edge-1.")))).unwrap();
    world.register_with(&sent(None)).unwrap();
    world.register_with(&sent(Some(HardwareInfo::default()))).unwrap();
    let report = &world.known().report;
    assert_eq!(report.hardware, Some(hardware("Edge-1.")));
    assert_eq!(
        report.hardware_labels.get(contract::labels::HOSTNAME),
        Some(&"edge-1".to_owned())
    );
}

#[derive(Clone, Debug)]
enum Step {
    Key(u8),
    Poll,
    Permit,
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (1u8..12).prop_map(Step::Key),
        3 => Just(Step::Poll),
        1 => Just(Step::Permit),
        2 => prop::sample::select(vec![1, PERMISSION / 2, PERMISSION - 1, PERMISSION]).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

/// The gate as the issue words it, without a thought for how it is kept.
#[derive(Default)]
struct Expected {
    keys: Vec<u8>,
    seen: bool,
    permission: Option<(i64, Vec<u8>, bool)>,
}

impl Expected {
    fn settle(&mut self, now: i64) {
        if let Some((until, keys, seen)) = self.permission.take() {
            if now < until {
                self.permission = Some((until, keys, seen));
            } else if self.keys.is_empty() {
                (self.keys, self.seen) = (keys, seen);
            }
        }
    }

    fn passes(&mut self, n: u8) -> bool {
        let open = self.permission.is_some() || !self.seen;
        let known = self.keys.contains(&n);
        if !known && open {
            if self.keys.len() == MAX_KEYS {
                self.keys.remove(0);
            }
            self.keys.push(n);
            self.seen = false;
        }
        known || open
    }
}

proptest! {
    #[test]
    fn the_gate_does_what_is_written_of_it(steps in steps()) {
        let mut world = World::approved();
        let mut expected = Expected::default();
        let mut now = 0;
        for step in steps {
            expected.settle(now);
            match step {
                Step::Key(n) => {
                    let before = world.keys();
                    let accepted = world.register(n);
                    prop_assert_eq!(accepted.is_ok(), expected.passes(n), "key {} at {}", n, now);
                    if accepted.is_err() {
                        prop_assert_eq!(accepted, foreign());
                        prop_assert_eq!(world.keys(), before);
                    }
                }
                Step::Poll => {
                    world.poll();
                    expected.seen = expected.permission.is_none() && !expected.keys.is_empty();
                }
                Step::Permit => {
                    world.act(Act::AllowRegistration).unwrap();
                    let (keys, seen) = match expected.permission.take() {
                        Some((_, keys, seen)) if expected.keys.is_empty() => (keys, seen),
                        _ => (std::mem::take(&mut expected.keys), expected.seen),
                    };
                    expected = Expected { permission: Some((now + PERMISSION, keys, seen)), ..Expected::default() };
                }
                Step::Pass(seconds) => {
                    world.pass(seconds);
                    now += seconds;
                }
            }
            expected.settle(now);
            prop_assert!(world.keys().len() <= MAX_KEYS);
            prop_assert_eq!(
                world.known().life.registration.open(world.now),
                expected.permission.is_some() || !expected.seen
            );
        }
    }

    #[test]
    fn an_unused_permission_leaves_the_keys_as_they_were(keys in prop::collection::vec(1u8..12, 0..10), seen: bool,
                                                        permissions in 1usize..4, wait in 0i64..PERMISSION) {
        let policy = fleet::Policy::default();
        let mut registration = Registration::default();
        for n in &keys {
            registration.admit(&request(*n), &policy, at(0)).unwrap();
        }
        if seen {
            registration.seen(at(1));
        }
        let before = registration.clone();
        let mut now = 2;
        for _ in 0..permissions {
            registration.permit("root", at(now + PERMISSION), at(now));
            prop_assert!(registration.keys.is_empty());
            now += wait;
            registration.seen(at(now));
        }
        now += PERMISSION;
        // A refused or a known key settles it.
        let mut unused = registration.clone();
        let mut never = before.clone();
        for n in [50, 1] {
            prop_assert_eq!(
                unused.admit(&request(n), &policy, at(now)),
                never.admit(&request(n), &policy, at(now))
            );
            prop_assert_eq!(&unused, &never);
        }
        registration.seen(at(now));
        let mut polled = before;
        polled.seen(at(now));
        prop_assert_eq!(registration.open(at(now)), polled.open(at(now)));
    }
}
