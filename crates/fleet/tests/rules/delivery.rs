//! Does a device have the configuration that it is to have?

use contract::Heartbeat;
use fleet::{AppliedBy, Delivery, Offered, administration::Act, configuration::ConfigurationAnswer};
use proptest::prelude::*;

use crate::world::{World, at, namespace, reloaded, running, telling};

/// The `n`th version of ours.
pub(crate) fn version(n: u8) -> String {
    format!("{n:064x}")
}

pub(crate) fn naming(version: &str, beat: Heartbeat) -> Heartbeat {
    Heartbeat {
        version: version.into(),
        ..beat
    }
}

fn delivery(world: &World) -> &Delivery {
    &world.known().life.delivery
}

/// A device in service whose configuration is the `n`th.
fn offered(n: u8) -> World {
    let mut world = World::in_service();
    world.offered = Some((version(n), 60));
    world.pass(5);
    world.poll();
    world
}

fn beats(world: &mut World, version: &str) {
    world.pass(60);
    world.beat(&naming(version, running("Running")));
}

#[test]
fn it_is_pending_until_a_heartbeat_names_it() {
    let mut world = offered(1);
    let wanted = delivery(&world).wanted.clone().unwrap();
    assert_eq!((wanted.since, wanted.handed_over), (at(9), Some(at(9))));
    assert_eq!(world.conditions(), ["ConfigurationPending"]);
    world.pass(5);
    world.poll();
    assert_eq!(
        delivery(&world).wanted,
        Some(wanted),
        "since when is not since the last poll"
    );
    beats(&mut world, &version(1));
    assert_eq!(delivery(&world).applied_by(), Some(AppliedBy::Version));
    assert_eq!(delivery(&world).applied_since(), Some(at(74)));
    assert!(world.conditions().is_empty());

    world.offered = Some((version(2), 60));
    world.poll();
    assert!(delivery(&world).is_pending());
    for _ in 0..3 {
        beats(&mut world, &version(1));
        assert!(delivery(&world).is_pending(), "a version of ours is no echo");
    }
}

#[test]
fn a_poll_that_finds_nothing_changed_need_not_wait_for_the_store() {
    let mut world = offered(1);
    let before = world.known().clone();
    for offer in [Some((version(1), 60)), None] {
        world.offered = offer;
        world.pass(5);
        world.poll();
        assert_eq!(world.known().life, before.life);
        assert_eq!(world.known().report, before.report);
    }
}

#[test]
fn a_foreign_version_in_two_heartbeats_after_the_hand_over_counts_as_applied() {
    let mut world = World::in_service();
    beats(&mut world, "flotta-17");
    beats(&mut world, "flotta-17");
    world.offered = Some((version(1), 30));
    world.poll();
    assert!(delivery(&world).is_pending(), "what came before does not count");
    world.beat(&naming("flotta-17", telling("no image")));
    assert!(delivery(&world).is_pending(), "nor what came with it");
    beats(&mut world, "flotta-17");
    assert!(delivery(&world).is_pending());
    world.beat(&naming("flotta-17", running("Running")));
    assert!(delivery(&world).is_pending(), "a copy is not a second one");
    beats(&mut world, "flotta-17");
    assert_eq!(delivery(&world).applied_by(), Some(AppliedBy::Echo));
    assert_eq!(delivery(&world).applied_since(), Some(world.now));
    assert_eq!(delivery(&world).applied_period(), Some(30));
    assert!(world.conditions().is_empty());

    let settled = world.known().clone();
    beats(&mut world, "flotta-17");
    assert_eq!(world.known().life, settled.life, "further ones change nothing");

    // What was equal to the first cannot be equal to a second.
    world.offered = Some((version(2), 60));
    world.poll();
    for _ in 0..3 {
        beats(&mut world, "flotta-17");
        assert!(delivery(&world).is_pending());
    }
    beats(&mut world, &version(2));
    assert_eq!(delivery(&world).applied_by(), Some(AppliedBy::Version));
}

#[test]
fn a_device_without_any_configuration_has_no_equal_one() {
    let mut world = offered(1);
    for _ in 0..4 {
        beats(&mut world, "");
        assert!(delivery(&world).is_pending());
    }
}

#[test]
fn what_is_withheld_is_not_handed_over() {
    let mut world = World::new();
    world.ask_in("factory");
    world
        .act(Act::Adopt {
            namespace: None,
            release: false,
        })
        .unwrap();
    world.offered = Some((version(1), 60));
    world.pass(5);
    assert_eq!(world.poll(), ConfigurationAnswer::Withheld);
    for _ in 0..3 {
        beats(&mut world, "flotta-17");
        let offered = world.offered.clone().unwrap();
        let offered = Offered {
            version: &offered.0,
            period_seconds: offered.1,
        };
        let verdict = fleet::configuration::poll(world.device.as_ref(), Some(&offered), &world.context());
        assert!(verdict.change.is_times_only());
        world.poll();
    }
    assert_eq!(
        world.conditions(),
        ["ConfigurationWithheld"],
        "withheld says it all"
    );
    assert!(delivery(&world).is_pending());
    world.act(Act::Release).unwrap();
    world.poll();
    let wanted = delivery(&world).wanted.clone().unwrap();
    assert_eq!((wanted.since, wanted.handed_over), (at(5), Some(world.now)));
    beats(&mut world, "flotta-17");
    beats(&mut world, "flotta-17");
    assert_eq!(delivery(&world).applied_by(), Some(AppliedBy::Echo));
}

#[test]
fn events_are_counted_while_it_has_another_one_and_with_the_heartbeat_that_ends_that() {
    let mut world = offered(1);
    beats(&mut world, &version(1));
    world.beat(&naming(&version(1), telling("before")));
    assert_eq!(delivery(&world).meanwhile, None);
    world.offered = Some((version(2), 60));
    world.poll();
    world.pass(60);
    world.beat(&naming(&version(1), telling("with the old version")));
    world.pass(60);
    world.beat(&naming(&version(2), telling("with the new version")));
    let counted = delivery(&world).meanwhile.clone().unwrap();
    assert_eq!(
        (counted.count, counted.message.as_str(), counted.last),
        (2, "with the new version", world.now)
    );
    world.pass(60);
    world.beat(&naming(&version(2), telling("later")));
    assert_eq!(
        delivery(&world).meanwhile,
        Some(counted),
        "kept, and no more added"
    );
    world.offered = Some((version(3), 60));
    world.poll();
    assert_eq!(delivery(&world).meanwhile, None);
}

#[test]
fn the_condition_says_what_is_wanted_what_is_there_and_what_came_meanwhile() {
    let mut world = offered(1);
    world.pass(60);
    world.beat(&naming("flotta-17", telling("no image")));
    let found = fleet::condition::conditions(world.known(), Vec::new(), &world.context());
    assert_eq!(found[0].since, Some(at(9)));
    assert_eq!(
        found[0].message,
        format!(
            "it is to have configuration {} and has configuration flotta-17; events since then: 1, the last: no image",
            version(1)
        )
    );
}

#[test]
fn what_a_device_says_is_kept_within_bounds() {
    let mut world = offered(1);
    let long = "ü".repeat(100_000);
    world.pass(60);
    world.beat(&naming(&long, telling(&long)));
    let text = serde_json::to_string(delivery(&world)).unwrap();
    assert!(text.len() < 4096, "{}", text.len());
    beats(&mut world, &long);
    assert_eq!(delivery(&world).applied_by(), Some(AppliedBy::Echo));
}

#[test]
fn a_device_that_joins_anew_has_nothing() {
    let mut world = offered(1);
    beats(&mut world, &version(1));
    world.delete(fleet::DeletionMode::Forget);
    world.ask();
    world.enrol();
    assert_eq!(delivery(&world), &Delivery::default());
}

#[test]
fn of_a_device_that_is_taken_back_nothing_is_known() {
    let mut world = offered(1);
    beats(&mut world, &version(1));
    world.delete(fleet::DeletionMode::Remove);
    world
        .act(Act::Adopt {
            namespace: None,
            release: true,
        })
        .unwrap();
    assert_eq!(delivery(&world), &Delivery::default());
}

#[test]
fn a_moved_device_keeps_what_it_has() {
    let mut world = offered(1);
    beats(&mut world, &version(1));
    let before = delivery(&world).clone();
    world
        .act(Act::Move {
            namespace: namespace("factory"),
        })
        .unwrap();
    assert_eq!(delivery(&world), &before);
}

/// What is known of a device's configuration, computed from everything that ever happened.
#[derive(Default)]
struct Model {
    /// Every version that became wanted, its period, and how many heartbeats since its hand-over
    /// named which version.
    wanted: Vec<(String, i64)>,
    named: Vec<String>,
    /// Foreign names since the last change of what is wanted or named.
    in_a_row: usize,
    /// Which wanted version the present name was found equal to.
    equal_to: Option<String>,
}

impl Model {
    fn poll(&mut self, version: &str, period: i64) {
        if self.wanted.last().map(|(last, _)| last.as_str()) != Some(version) {
            self.wanted.push((version.into(), period));
            self.in_a_row = 0;
        }
    }

    fn beat(&mut self, version: &str) {
        if self.named.last().map(String::as_str) != Some(version) {
            self.in_a_row = 0;
            self.equal_to = None;
        }
        self.named.push(version.into());
        if version.starts_with("flotta") && !self.wanted.is_empty() {
            self.in_a_row += 1;
            if self.in_a_row >= 2 && self.equal_to.is_none() {
                self.equal_to = self.wanted.last().map(|(last, _)| last.clone());
            }
        }
    }

    fn applied_by(&self) -> Option<AppliedBy> {
        let (wanted, _) = self.wanted.last()?;
        let named = self.named.last()?;
        if named == wanted {
            Some(AppliedBy::Version)
        } else {
            (self.equal_to.as_ref() == Some(wanted)).then_some(AppliedBy::Echo)
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Poll(Option<u8>),
    Beat(String),
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop_oneof![
        4 => (0u8..4).prop_map(version),
        3 => prop::sample::select(vec!["flotta-1".to_owned(), "flotta-2".to_owned()]),
        1 => Just(String::new()),
    ];
    prop_oneof![
        prop::option::weighted(0.9, 0u8..4).prop_map(Step::Poll),
        name.prop_map(Step::Beat),
    ]
}

proptest! {
    #[test]
    fn what_is_known_is_what_everything_that_happened_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::in_service();
        let mut model = Model::default();
        for step in steps {
            world.pass(10);
            match step {
                Step::Poll(n) => {
                    world.offered = n.map(|n| (version(n), 10 + i64::from(n)));
                    let before = world.known().life.clone();
                    let news = n.is_some_and(|n| before.delivery.wanted.as_ref().is_none_or(|wanted| wanted.version != version(n)));
                    world.poll();
                    prop_assert_eq!(world.known().life != before, news, "written when it changes, and only then");
                    if let Some((version, period)) = &world.offered {
                        model.poll(version, *period);
                    }
                }
                Step::Beat(name) => {
                    world.beat(&naming(&name, running("Running")));
                    model.beat(&name);
                }
            }
            world.device = Some(reloaded(world.known()));
            let delivery = delivery(&world);
            prop_assert_eq!(delivery.applied_by(), model.applied_by());
            prop_assert_eq!(delivery.wanted.as_ref().map(|wanted| &wanted.version), model.wanted.last().map(|(last, _)| last));
            prop_assert_eq!(delivery.applied.as_ref().map(|applied| &applied.version), model.named.last());
            if delivery.applied_by().is_some() {
                let (_, period) = model.wanted.last().unwrap();
                prop_assert_eq!(delivery.applied_period(), Some(*period));
            }
        }
    }
}
