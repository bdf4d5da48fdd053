//! What holds of a device whatever happens to it: random sequences of requests, acts, restores and
//! time.

mod configured;

use fleet::{
    Admission, Approval, DeletionMode, Epoch, Life, Report, State, Tombstone, UnknownKey,
    administration::Act,
    configuration::ConfigurationAnswer,
    enrolment::EnrolmentAnswer,
    heartbeat::HeartbeatAnswer,
    intake::PutOff,
    key_gate::MAX_KEYS,
    register::{Refusal, RegistrationAnswer, RegistrationRequest},
    status::Status,
};
use proptest::{prelude::*, strategy::ValueTree as _};

use configured::{check_offered, playbooks};

use crate::{
    delivery::version,
    world::{World, hardware, namespace, request, running, telling},
};

#[derive(Clone, Debug)]
enum Step {
    Enrol(&'static str),
    Ask(&'static str),
    Poll,
    Register(u8, &'static str),
    Beat(u8),
    Act(Act),
    Pass(i64),
    Restore,
    Policy(Approval, UnknownKey),
    Admit(Admission),
    /// An EdgeDeviceSignedRequest document comes or goes.
    Document(Option<&'static str>),
    /// The configuration changes, or cannot be assembled any more.
    Configure(Option<u8>),
    Playbooks(bool),
}

fn place() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["default", "factory"])
}

fn act() -> impl Strategy<Value = Act> {
    let moved = || prop::option::of(place().prop_map(namespace));
    prop_oneof![
        (moved(), prop::option::of(Just("line-1".to_owned())))
            .prop_map(|(namespace, set)| Act::Approve { namespace, set }),
        Just(Act::Reject),
        place().prop_map(|name| Act::Move {
            namespace: namespace(name)
        }),
        prop::sample::select(vec![DeletionMode::Remove, DeletionMode::Forget])
            .prop_map(|mode| Act::Delete { mode }),
        Just(Act::AllowRegistration),
        (moved(), any::<bool>()).prop_map(|(namespace, release)| Act::Adopt { namespace, release }),
        Just(Act::Release),
        Just(Act::Confirm),
        (0u8..3).prop_map(|n| Act::SetLabels {
            set: [("zone".to_owned(), n.to_string())].into(),
            remove: [format!("zone-{n}")].into(),
        }),
        Just(Act::RerunPlaybooks {
            config: "setup".into()
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => place().prop_map(Step::Enrol),
        5 => place().prop_map(Step::Ask),
        5 => Just(Step::Poll),
        5 => (1u8..12, place()).prop_map(|(key, place)| Step::Register(key, place)),
        3 => (0u8..4).prop_map(Step::Beat),
        5 => act().prop_map(Step::Act),
        5 => prop::sample::select(vec![1, 5, 29, 30, 59, 60, 3599, 3600]).prop_map(Step::Pass),
        1 => Just(Step::Restore),
        2 => prop::sample::select(Admission::ALL.to_vec()).prop_map(Step::Admit),
        1 => (
            prop::sample::select(vec![Approval::Automatic, Approval::Manual]),
            prop::sample::select(vec![UnknownKey::AcceptFirst, UnknownKey::RequirePermission]),
        ).prop_map(|(approval, unknown)| Step::Policy(approval, unknown)),
        1 => prop::option::of(place()).prop_map(Step::Document),
        2 => prop::option::weighted(0.8, 0u8..3).prop_map(Step::Configure),
        3 => any::<bool>().prop_map(Step::Playbooks),
    ];
    prop::collection::vec(step, 1..80)
}

/// What was decided, apart from what a tombstone keeps of the polls that it was asked by.
fn decisions(life: &Life) -> Life {
    let mut life = life.clone();
    if let State::Deleted(tombstone) = &mut life.state {
        tombstone.told = None;
        tombstone.grace_until = None;
    }
    life
}

fn check_unchanged(before: &World, after: &World) -> Result<(), TestCaseError> {
    let kept = |world: &World| {
        world
            .device
            .as_ref()
            .map(|device| (decisions(&device.life), Report::clone(&device.report)))
    };
    prop_assert_eq!(kept(before), kept(after));
    Ok(())
}

/// Nothing at all was recorded.
fn check_untouched(before: &World, after: &World) -> Result<(), TestCaseError> {
    prop_assert_eq!(&before.device, &after.device);
    prop_assert_eq!(&before.events, &after.events);
    Ok(())
}

/// The device was told so, or could be: a person deleted it, or confirmed that, in this epoch of
/// the store.
fn deleted_in(world: &World, deletion: Option<Epoch>) -> bool {
    !world.is_approved() && deletion == Some(world.epoch)
}

#[derive(Default)]
struct Watch {
    /// In which epoch an administrator last deleted the device, if it did not return since.
    deletion: Option<Epoch>,
    unregistered: usize,
}

impl Watch {
    fn step(&mut self, world: &mut World, step: Step) -> Result<(), TestCaseError> {
        let before = world.clone();
        match step {
            Step::Enrol(place) => self.enrol(world, &before, place)?,
            Step::Ask(place) => self.ask(world, &before, place)?,
            Step::Poll => {
                let answer = world.poll();
                prop_assert_eq!(answer == ConfigurationAnswer::NotApproved, !before.is_approved());
                if before.is_approved() {
                    check_offered(&before, world, answer)?;
                } else {
                    check_unchanged(&before, world)?;
                }
            }
            Step::Register(key, place) => register(world, &before, key, place)?,
            Step::Beat(n) => {
                let beat = if n == 0 {
                    running("Running")
                } else {
                    telling(&n.to_string())
                };
                let answer = world.beat(&beat);
                prop_assert_eq!(answer == HeartbeatAnswer::Recorded, before.is_approved());
                if !before.is_approved() {
                    prop_assert_eq!(&world.device, &before.device);
                    prop_assert_eq!(&world.events, &before.events);
                }
            }
            Step::Act(act) => self.act(world, &before, act)?,
            Step::Pass(seconds) => world.pass(seconds),
            Step::Restore => world.restored(),
            Step::Admit(admission) => world.admission = admission,
            Step::Policy(approval, unknown_key) => {
                world.policy.approval = approval;
                world.policy.unknown_key = unknown_key;
            }
            Step::Document(place) => world.preapproval = place.map(|place| (place, Some("line-2"))),
            Step::Configure(n) => world.offered = n.map(|n| (version(n), 60)),
            Step::Playbooks(labelled) => playbooks(world, &before, labelled)?,
        }
        if let Some(device) = &world.device {
            prop_assert!(device.life.registration.keys.len() <= MAX_KEYS);
        }
        Ok(())
    }

    fn enrol(&mut self, world: &mut World, before: &World, place: &str) -> Result<(), TestCaseError> {
        let answer = world.enrol_as("edge-1", place);
        match (before.admission, before.is_approved()) {
            (Admission::Closed, _) => prop_assert_eq!(answer, EnrolmentAnswer::PutOff(PutOff::Closed)),
            (Admission::Hold, false) => prop_assert_eq!(answer, EnrolmentAnswer::PutOff(PutOff::Hold)),
            (_, approved) => {
                let nobody_is_asked =
                    before.policy.approval == Approval::Automatic || before.preapproval.is_some();
                let approved_now = nobody_is_asked
                    && before.device.as_ref().is_some_and(|device| {
                        matches!(device.life.state, State::Waiting { returned: false, .. })
                    });
                prop_assert_eq!(answer == EnrolmentAnswer::Approved, approved || approved_now);
                prop_assert!(world.device.is_some());
                if !matches!(world.state(), State::Deleted(_)) {
                    self.deletion = None;
                }
            }
        }
        if matches!(answer, EnrolmentAnswer::PutOff(_)) {
            check_untouched(before, world)?;
        }
        Ok(())
    }

    fn ask(&mut self, world: &mut World, before: &World, place: &str) -> Result<(), TestCaseError> {
        let answer = world.ask_in(place);
        check_unchanged(before, world)?;
        match &before.device {
            None => prop_assert_eq!(&answer.namespace, &namespace(place)),
            Some(device) => prop_assert_eq!(&answer.namespace, &device.life.namespace),
        }
        prop_assert_eq!(answer.status == Status::Registered, before.is_approved());
        if answer.status == Status::Unregistered {
            self.unregistered += 1;
            prop_assert!(deleted_in(before, self.deletion), "never told by accident");
            prop_assert_ne!(before.admission, Admission::Hold, "never told on hold");
            prop_assert!(world.tombstone().told.is_some(), "recorded before it is answered");
        }
        if let Some(State::Deleted(Tombstone {
            told: None, epoch, ..
        })) = before.device.as_ref().map(|device| &device.life.state)
        {
            let telling = *epoch == before.epoch && before.admission != Admission::Hold;
            prop_assert_eq!(answer.status == Status::Unregistered, telling);
        }
        Ok(())
    }

    fn act(&mut self, world: &mut World, before: &World, act: Act) -> Result<(), TestCaseError> {
        let deleting = matches!(act, Act::Delete { .. });
        let confirming = act == Act::Confirm;
        if world.act(act).is_err() {
            prop_assert_eq!(&world.device, &before.device);
            return Ok(());
        }
        let was_deleted = matches!(
            before.device.as_ref().map(|device| &device.life.state),
            Some(State::Deleted(_))
        );
        if deleting || (confirming && was_deleted) {
            self.deletion = Some(world.epoch);
        }
        if world.is_approved() {
            self.deletion = None;
        }
        Ok(())
    }
}

fn register(world: &mut World, before: &World, key: u8, place: &str) -> Result<(), TestCaseError> {
    let answer = world.ask_to_register(&RegistrationRequest {
        namespace: namespace(place),
        certificate_request: Ok(request(key)),
        hardware: Some(hardware("h")),
        cut: contract::Cut::default(),
    });
    let taken_over = before.is_approved()
        && before
            .device
            .as_ref()
            .is_some_and(|device| device.life.taken_over);
    let answer = match (before.admission, answer) {
        (Admission::Closed, RegistrationAnswer::PutOff(PutOff::Closed)) => {
            return check_untouched(before, world);
        }
        (Admission::Hold, RegistrationAnswer::PutOff(PutOff::Hold)) if !taken_over => {
            return check_untouched(before, world);
        }
        (Admission::Open, RegistrationAnswer::Accepted) => Ok(()),
        (Admission::Open, RegistrationAnswer::Refused(refusal)) => Err(refusal),
        (Admission::Hold, RegistrationAnswer::Accepted) if taken_over => Ok(()),
        (Admission::Hold, RegistrationAnswer::Refused(refusal)) if taken_over => Err(refusal),
        (admission, answer) => {
            return Err(TestCaseError::fail(format!("{answer:?} while {admission}")));
        }
    };
    let Some(device) = before.device.as_ref().filter(|_| before.is_approved()) else {
        prop_assert!(answer.is_err());
        return check_unchanged(before, world);
    };
    if device.life.namespace != namespace(place) {
        let moved = matches!(answer, Err(Refusal::Namespace { .. }));
        prop_assert!(moved, "{:?}", answer);
    }
    if answer.is_err() {
        prop_assert_eq!(&world.known().life, &device.life);
        prop_assert_eq!(&world.known().report.hardware, &device.report.hardware);
        return Ok(());
    }
    let gate = &device.life.registration;
    let unused = gate
        .permission
        .as_ref()
        .filter(|permission| permission.until <= before.now && gate.keys.is_empty());
    let unknown = unused.map_or(gate.permission.is_none() && gate.keys_unknown, |permission| {
        permission.replaced_unknown
    });
    if before.admission == Admission::Hold && unknown {
        prop_assert_eq!(&world.known().life, &device.life, "trusted once the hold is over");
        return Ok(());
    }
    prop_assert!(world.keys().contains(&key));
    if gate.permission.is_none() && gate.seen.is_some() {
        prop_assert_eq!(
            world.keys(),
            before.keys(),
            "once seen, the keys stay as they are"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens(steps in steps()) {
        let mut world = World::new();
        let mut watch = Watch::default();
        for step in steps {
            watch.step(&mut world, step)?;
        }
    }
}

/// The property above says nothing if its steps never lead to the answer that it is about.
#[test]
fn the_random_steps_do_disconnect() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let told = std::cell::Cell::new(0);
    for _ in 0..400 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let (mut world, mut watch) = (World::new(), Watch::default());
        for step in steps {
            watch.step(&mut world, step).unwrap();
        }
        told.set(told.get() + watch.unregistered);
    }
    assert!(told.get() > 50, "{} times", told.get());
}
