//! Is a device heard, and does it still receive its configuration?

use contract::Namespace;
use fleet::{Connectivity, DeletionMode, Operation, Presence, Stray, Watch};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    delivery::{naming, version},
    world::{World, at, id, running},
};

fn connectivity(world: &World) -> Connectivity {
    world.known().connectivity(&world.context()).unwrap()
}

#[test]
fn of_a_deleted_device_it_is_not_said_that_it_is_online() {
    for mode in [DeletionMode::Remove, DeletionMode::Forget] {
        let mut world = World::in_service();
        world.delete(mode);
        assert_eq!(world.known().connectivity(&world.context()), None);
        world.ask();
        world.pass(3600);
        assert_eq!(world.known().connectivity(&world.context()), None);
    }
}

#[test]
fn a_device_that_was_never_heard_is_never_seen() {
    assert_eq!(connectivity(&World::approved()), Connectivity::NeverSeen);
}

#[test]
fn heartbeats_without_polls_for_two_minutes_are_a_state_of_their_own() {
    let mut world = World::in_service();
    for _ in 0..2 {
        world.pass(60);
        world.beat(&running("Running"));
        assert_eq!(connectivity(&world), Connectivity::Online);
    }
    world.pass(60);
    world.beat(&running("Running"));
    assert_eq!(connectivity(&world), Connectivity::NotPolling);
    assert_eq!(world.conditions(), ["NotPolling"]);
    world.poll();
    assert_eq!(connectivity(&world), Connectivity::Online);
    assert!(world.conditions().is_empty());
}

#[test]
fn a_control_poll_is_no_configuration_poll() {
    let mut world = World::in_service();
    for _ in 0..4 {
        world.pass(60);
        world.ask();
        world.beat(&running("Running"));
    }
    assert_eq!(connectivity(&world), Connectivity::NotPolling);
}

#[test]
fn one_heartbeat_after_a_long_silence_does_not_say_that_polls_are_missing() {
    let mut world = World::in_service();
    world.pass(3600);
    assert_eq!(connectivity(&world), Connectivity::Silent);
    world.beat(&running("Running"));
    assert_eq!(connectivity(&world), Connectivity::Online);
}

#[test]
fn last_poll_and_last_heartbeat_are_kept_apart() {
    let mut world = World::in_service();
    world.pass(10);
    world.beat(&running("Running"));
    world.pass(1);
    world.ask();
    let presence = world.known().presence;
    assert_eq!(presence.polled, Some(at(4)));
    assert_eq!(presence.beat, Some(at(14)));
    assert_eq!(presence.asked, Some(at(15)));
    assert_eq!(presence.last(), Some(at(15)));
}

#[test]
fn an_older_time_never_replaces_a_newer_one() {
    let newer = Presence::default().polled(at(20)).asked(at(20)).beat(at(30));
    assert_eq!(
        newer.polled(at(10)).asked(at(10)).beat(at(25)).last(),
        Some(at(30))
    );
    assert_eq!(newer.polled(at(10)), newer);
}

/// A device that applied a configuration with this period, last heard now.
fn with_period(seconds: i64) -> World {
    let mut world = World::in_service();
    world.offered = Some((version(1), seconds));
    world.poll();
    world.beat(&naming(&version(1), running("Running")));
    world
}

#[test]
fn silence_is_measured_in_periods_of_the_device() {
    for (period, silent_after) in [
        (60, 180),
        (600, 1800),
        (1, 60),
        (0, 180),
        (-5, 180),
        (i64::MAX, i64::MAX),
    ] {
        let mut world = with_period(period);
        world.pass(silent_after.min(1_000_000) - 1);
        assert_eq!(connectivity(&world), Connectivity::Online, "{period}");
        world.pass(1);
        let expected = if period == i64::MAX {
            Connectivity::Online
        } else {
            Connectivity::Silent
        };
        assert_eq!(connectivity(&world), expected, "{period}");
    }
    let mut world = with_period(60);
    world.policy.silent_after_periods = 10;
    world.pass(599);
    assert_eq!(connectivity(&world), Connectivity::Online);
}

#[test]
fn a_period_counts_when_the_device_has_applied_it() {
    let mut world = with_period(600);
    world.offered = Some((version(2), 60));
    world.poll();
    world.pass(1799);
    assert_eq!(connectivity(&world), Connectivity::Online);
    world.beat(&naming(&version(2), running("Running")));
    world.pass(180);
    assert_eq!(connectivity(&world), Connectivity::Silent);
}

#[test]
fn a_configuration_that_is_applied_late_has_its_own_period() {
    let mut world = with_period(60);
    for (n, period) in [(2, 600), (3, 30)] {
        world.offered = Some((version(n), period));
        world.poll();
    }
    world.beat(&naming(&version(2), running("Running")));
    world.pass(1799);
    assert_eq!(connectivity(&world), Connectivity::Online);
}

#[test]
fn a_device_that_polls_without_heartbeats_has_lost_its_agent() {
    let mut first = World::in_service();
    first.offered = Some((version(1), 60));
    first.poll();
    for mut world in [with_period(60), first] {
        let last = world.now;
        let conditions = |world: &World| {
            let mut found = world.conditions();
            found.retain(|condition| condition != "ConfigurationPending");
            found
        };
        world.pass(179);
        world.poll();
        assert!(conditions(&world).is_empty());
        world.pass(1);
        assert_eq!(conditions(&world), ["NoHeartbeats"]);
        let found = fleet::condition::conditions(world.known(), Vec::new(), &world.context());
        assert_eq!(found[0].since, Some(last));
        world.serving_since = world.now;
        assert!(conditions(&world).is_empty());
        world.pass(180);
        assert!(conditions(&world).is_empty(), "silence says it all");
        world.poll();
        assert_eq!(conditions(&world), ["NoHeartbeats"]);
        world.beat(&naming(&version(1), running("Running")));
        assert!(conditions(&world).is_empty());
    }
}

#[test]
fn nobody_is_missed_while_nobody_listens() {
    let mut world = with_period(60);
    world.pass(3600);
    assert_eq!(connectivity(&world), Connectivity::Silent);
    world.serving_since = world.now;
    assert_eq!(connectivity(&world), Connectivity::Online);
    world.pass(179);
    assert_eq!(connectivity(&world), Connectivity::Online);
    world.pass(1);
    assert_eq!(connectivity(&world), Connectivity::Silent);

    let mut never = World::approved();
    never.serving_since = never.now;
    assert_eq!(connectivity(&never), Connectivity::NeverSeen);
}

#[test]
fn polls_are_not_missed_while_nobody_listens() {
    let mut world = World::in_service();
    world.pass(1);
    world.beat(&running("Running"));
    world.pass(3600);
    world.serving_since = world.now;
    world.pass(1);
    world.beat(&running("Running"));
    assert_eq!(connectivity(&world), Connectivity::Online);
    world.pass(120);
    world.beat(&running("Running"));
    assert_eq!(connectivity(&world), Connectivity::NotPolling);
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::of((0i64..6).prop_map(at))
}

prop_compose! {
    fn any_presence()(polled in time(), asked in time(), beat in time(), beating_since in time()) -> Presence {
        Presence { polled, asked, beat, beating_since }
    }
}

prop_compose! {
    fn any_stray()(
        place in prop::sample::select(vec!["a", "b"]),
        operation in prop::sample::select(Operation::ALL.to_vec()),
        second in 0i64..3,
    ) -> Stray {
        Stray::heard(id(), Namespace::parse(place).unwrap(), operation, at(second))
    }
}

proptest! {
    #[test]
    fn times_join_in_any_order_and_grouping(a in any_presence(), b in any_presence(), c in any_presence()) {
        prop_assert_eq!(a.join(b), b.join(a));
        prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
        prop_assert_eq!(a.join(a), a);
        prop_assert_eq!(a.join(Presence::default()), a);
    }

    /// Silence is so many periods, a minute at least, after the last that was heard and the last
    /// time that nobody listened.
    #[test]
    fn silence_is_what_was_not_heard_while_somebody_listened(
        presence in any_presence(),
        period in prop::option::of(1i64..90),
        silent_after_periods in 0u32..5,
        since in 0i64..300,
        now in 6i64..600,
    ) {
        let watch = Watch { silent_after_periods, since: at(since), now: at(now) };
        let missed_for = presence.last().map(|last| at(now).duration_since(last).as_secs().min(now - since));
        let bound = (period.unwrap_or(60) * i64::from(silent_after_periods.max(1))).max(60);
        let expected = match missed_for {
            None => [Connectivity::NeverSeen; 2],
            Some(missed_for) if missed_for >= bound => [Connectivity::Silent; 2],
            Some(_) => [Connectivity::Online, Connectivity::NotPolling],
        };
        prop_assert!(expected.contains(&watch.connectivity(&presence, period)));
    }

    #[test]
    fn sightings_join_in_any_order_and_grouping(a in any_stray(), b in any_stray(), c in any_stray()) {
        prop_assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()));
        prop_assert_eq!(a.clone().join(b.clone()).join(c.clone()), a.join(b.join(c)));
    }

    /// As they happen, or late and together: what requests say of the times is what is known in the
    /// end.
    #[test]
    fn deltas_join_to_what_was_known(seconds in prop::collection::vec((0u8..3, 0i64..90), 1..30)) {
        let mut world = World::in_service();
        let mut late = world.known().presence;
        for (what, pause) in seconds {
            world.pass(pause);
            let context = world.context();
            let device = world.device.as_ref();
            let change = match what {
                0 => fleet::configuration::poll(device, None, &context).change,
                1 => fleet::status::registration_status(device, &Namespace::default(), &context).change,
                _ => fleet::heartbeat::heartbeat(device, &running("Running"), &contract::Cut::default(), None, &context).unwrap().change,
            };
            late = late.join(change.presence.unwrap());
            let known = change.apply(world.known());
            prop_assert_eq!(known.presence, late);
            let since = known.presence.beating_since;
            prop_assert!(since.is_none_or(|since| Some(since) > known.presence.polled));
            world.device = Some(known);
        }
    }
}
