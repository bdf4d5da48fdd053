//! What is left of a clock that was ahead once?

use fleet::{
    Connectivity, DeletionMode, Presence, State, Watch,
    administration::Act,
    clock::{DIFFERENCE, is_ahead, settled},
    playbooks::{PlaybookAnswer, Wanted},
    status::Status,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    delivery::{naming, version},
    world::{World, at, foreign, running, telling},
};

const TWO_DAYS: i64 = 2 * 24 * 3600;

/// As the server does between two requests: times in the store and in memory are settled.
fn come_back(world: &mut World, seconds: i64) {
    world.pass(-seconds);
    world.serving_since = world.now;
    world.device = world.device.take().map(|device| device.settled(world.now));
}

fn counted(world: &World) -> usize {
    let counted = world.events.iter().filter(|event| event.reason == "Failed");
    counted.count()
}

#[test]
fn a_heartbeat_with_an_event_is_counted_however_far_ahead_the_clock_was() {
    let mut world = World::in_service();
    world.pass(TWO_DAYS);
    world.beat(&telling("no image"));
    come_back(&mut world, TWO_DAYS);
    for n in 2..6 {
        world.beat(&telling("no image"));
        assert_eq!(counted(&world), n);
        world.beat(&telling("no image"));
        assert_eq!(counted(&world), n, "a copy is one still");
        world.pass(60);
    }
}

#[test]
fn a_copy_is_known_to_a_server_whose_clock_is_behind() {
    let mut world = World::in_service();
    world.beat(&telling("no image"));
    world.pass(-DIFFERENCE.as_secs());
    world.beat(&telling("no image"));
    assert_eq!(counted(&world), 1);
}

#[test]
fn a_device_that_falls_silent_is_silent() {
    let mut world = World::in_service();
    world.pass(TWO_DAYS);
    world.poll();
    world.beat(&running("Running"));
    come_back(&mut world, TWO_DAYS);
    let connectivity = |world: &World| world.known().connectivity(&world.context()).unwrap();
    assert_eq!(connectivity(&world), Connectivity::Online);
    world.pass(179);
    assert_eq!(connectivity(&world), Connectivity::Online);
    world.pass(1);
    assert_eq!(connectivity(&world), Connectivity::Silent);
}

#[test]
fn a_permission_of_a_clock_that_was_ahead_is_over() {
    let mut world = World::in_service();
    world.pass(TWO_DAYS);
    world.act(Act::AllowRegistration).unwrap();
    come_back(&mut world, TWO_DAYS);
    assert!(!world.known().life.registration.open(world.now));
    assert_eq!(world.register(2), foreign(), "or the gate were open for two days");
    assert_eq!(world.register(1), Ok(()), "its own key is its own again");
    world.act(Act::AllowRegistration).unwrap();
    assert_eq!(world.register(2), Ok(()));
}

#[test]
fn a_deleted_device_may_come_back() {
    for grace in [false, true] {
        let mut world = World::in_service();
        world.pass(TWO_DAYS);
        world.delete(DeletionMode::Forget);
        assert_eq!(world.ask(), Status::Unregistered);
        if grace {
            world.pass(30);
            assert_eq!(world.ask(), Status::Unknown);
        }
        come_back(&mut world, TWO_DAYS);
        world.pass(1);
        assert_eq!(world.ask(), Status::Unregistered, "it was not silent yet");
        world.pass(30);
        assert_eq!(world.ask(), Status::Unknown, "it was restarted");
        world.enrol();
        assert!(!matches!(world.state(), State::Deleted(_)));
    }
}

#[test]
fn playbooks_are_offered_and_given_up_as_ever() {
    let offers = |world: &mut World, content: &str| {
        let wanted = Wanted {
            config: "c",
            content,
            retry: false,
        };
        match world.ask_playbooks(&[wanted]) {
            PlaybookAnswer::Serve(offered) => offered.len(),
            PlaybookAnswer::NotApproved => panic!("it is approved"),
        }
    };
    let mut world = World::new();
    world.pass(TWO_DAYS);
    world.enrol();
    world.register(1).unwrap();
    world.poll();
    for _ in 0..world.policy.playbook_offers {
        assert_eq!(offers(&mut world, "first"), 1);
    }
    come_back(&mut world, TWO_DAYS);
    world.poll();
    world.beat(&running("Running"));
    world.pass(6);
    world.beat(&running("Stopped"));
    assert_eq!(world.conditions(), ["PlaybookInterrupted"]);
    assert_eq!(
        offers(&mut world, "second"),
        1,
        "it has polled since its approval"
    );
}

#[test]
fn echoes_of_another_backend_are_counted() {
    let mut world = World::in_service();
    world.offered = Some((version(1), 60));
    world.pass(TWO_DAYS);
    world.poll();
    come_back(&mut world, TWO_DAYS);
    for _ in 0..3 {
        world.pass(60);
        world.poll();
        world.beat(&naming("of-another", running("Running")));
    }
    assert!(world.known().life.delivery.applied_by().is_some());
}

/// All times in a document, but those that lie in the future by their meaning.
fn times(value: &Value, found: &mut Vec<Timestamp>) {
    match value {
        Value::String(text) => found.extend(text.parse::<Timestamp>().ok()),
        Value::Array(values) => values.iter().for_each(|value| times(value, found)),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "until" | "requested"))
            .for_each(|(_, value)| times(value, found)),
        _ => {}
    }
}

prop_compose! {
    fn any_time()(seconds in prop::option::of(-1000i64..100_000)) -> Option<Timestamp> {
        seconds.map(at)
    }
}

prop_compose! {
    fn any_presence()(
        polled in any_time(), asked in any_time(), beat in any_time(), beating_since in any_time(),
    ) -> Presence {
        Presence { polled, asked, beat, beating_since }
    }
}

proptest! {
    /// What is ahead counts as now, what is not counts as it is; and once it is settled, it is.
    #[test]
    fn no_settled_time_is_ahead(presence in any_presence(), now in -1000i64..100_000) {
        let now = at(now);
        let once = presence.settled(now);
        prop_assert_eq!(once.settled(now), once);
        for (before, after) in [
            (presence.polled, once.polled), (presence.asked, once.asked), (presence.beat, once.beat),
        ] {
            prop_assert_eq!(after, before.map(|before| settled(before, now)));
            prop_assert!(!after.is_some_and(|after| is_ahead(after, now)));
        }
        if presence.last().is_none_or(|last| !is_ahead(last, now)) && presence.beating_since.is_none_or(|since| !is_ahead(since, now)) {
            prop_assert_eq!(once, presence);
        }
    }

    /// Whoever asks before the store has settled its times hears the same; and from then on silence
    /// is found.
    #[test]
    fn a_time_ahead_makes_nobody_online_for_longer_than_its_patience(
        presence in any_presence(), period in prop::option::of(1i64..90), now in 0i64..100_000,
    ) {
        let watch = Watch { silent_after_periods: 3, since: at(-2000), now: at(now) };
        let kept = presence.settled(watch.now);
        prop_assert_eq!(watch.connectivity(&presence, period), watch.connectivity(&kept, period));
        let patience = watch.patience(period).silent_after + DIFFERENCE;
        let later = Watch { now: watch.now + patience, ..watch };
        let expected = if kept.last().is_some() { Connectivity::Silent } else { Connectivity::NeverSeen };
        prop_assert_eq!(later.connectivity(&kept, period), expected);
    }

    /// Whatever happens while the clock is ahead, nothing of it is left after two heartbeats.
    #[test]
    fn nothing_is_left_of_it(
        steps in prop::collection::vec((0u8..7, 0i64..90), 1..25),
        ahead in (DIFFERENCE.as_secs() + 1 + 25 * 90)..40 * 24 * 3600,
    ) {
        let mut world = World::in_service();
        world.pass(ahead);
        for (step, pause) in steps {
            world.pass(pause);
            match step {
                0 => { world.poll(); }
                1 => { world.ask(); }
                2 => { world.beat(&telling("no image")); }
                3 => { world.beat(&naming("of-another", running("Running"))); }
                4 => {
                    world.offered = Some((version(u8::try_from(pause).unwrap()), 60));
                    world.poll();
                }
                5 => { world.ask_playbooks(&[Wanted { config: "c", content: "- hosts: all", retry: true }]); }
                _ => { let _ = world.register(2); }
            }
        }
        let back = world.now.duration_since(at(4)).as_secs();
        come_back(&mut world, back);
        world.poll();
        world.beat(&running("Running"));
        let before = counted(&world);
        world.beat(&telling("no image"));
        prop_assert_eq!(counted(&world), before + 1);
        let mut found = Vec::new();
        let known = world.known();
        times(&serde_json::to_value(known.presence).unwrap(), &mut found);
        times(&serde_json::to_value(&known.report).unwrap(), &mut found);
        times(&serde_json::to_value(&known.life.delivery).unwrap(), &mut found);
        times(&serde_json::to_value(&known.life.state).unwrap(), &mut found);
        for time in found {
            prop_assert!(!is_ahead(time, world.now), "{} at {}", time, world.now);
        }
        world.pass(SignedDuration::from_hours(1).as_secs());
        prop_assert_eq!(known_silence(&world), Connectivity::Silent);
    }
}

fn known_silence(world: &World) -> Connectivity {
    world.known().connectivity(&world.context()).unwrap()
}
