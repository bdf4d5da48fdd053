//! Lives in which anything happens: the companion dies before or after any action and forgets what
//! it has seen, others edit, pods restart, time passes. What must never happen does not, and when
//! it is quiet again all is well.

use std::collections::BTreeMap;

use plan::api::{Mode, Phase};
use proptest::prelude::*;

use crate::world::{Material, URL, World};

/// Every write of a life, by number.
fn writes(world: &World) -> usize {
    world.done.len()
}

/// Runs until `phase`; the companion dies at its `n`-th action: before it took effect, or after and
/// before it heard so. False if there are not so many until then.
fn dies_at(world: &mut World, n: usize, before: bool, phase: Phase) -> bool {
    let start = writes(world);
    for _ in 0..400 {
        let mut plan = plan::plan(&world.observe());
        // A death between the two writes of a round, too.
        world.resource.status = Some(plan.status.clone());
        if let Some(action) = plan.action.take() {
            let number = writes(world) - start;
            if number == n {
                if !before {
                    world.act(&action);
                }
                world.evidence = plan::observed::Evidence::default();
                world.settle();
                return true;
            }
            world.act(&action);
        } else if world.phase() == phase {
            return false;
        } else {
            world.wait(1);
        }
        world.settle();
        world.poll();
    }
    panic!(
        "neither action {n} nor phase {phase:?} came: {:#?}",
        world.status()
    )
}

#[test]
fn a_companion_that_dies_at_any_action_of_the_switch_finishes_it_when_it_comes_back() {
    for before in [true, false] {
        let mut n = 0;
        loop {
            let mut world = World::new();
            if !dies_at(&mut world, n, before, Phase::Remote) {
                break;
            }
            world.run(120);
            assert_eq!(
                world.phase(),
                Phase::Remote,
                "died at {n}, before: {before}: {:#?}",
                world.status()
            );
            assert_eq!(world.starts, 1, "died at {n}, before: {before}");
            n += 1;
        }
        assert!(n > 8, "it has that many actions at least: {n}");
    }
}

#[test]
fn a_companion_that_dies_at_any_action_of_the_way_back_finishes_it_when_it_comes_back() {
    for before in [true, false] {
        let mut n = 0;
        loop {
            let mut world = World::new();
            world.run(60);
            world.resource.spec.mode = Mode::Crd;
            world.starts = 0;
            if !dies_at(&mut world, n, before, Phase::Crd) {
                break;
            }
            world.run(120);
            assert_eq!(
                world.phase(),
                Phase::Crd,
                "died at {n}, before: {before}: {:#?}",
                world.status()
            );
            assert_eq!(world.starts, 1, "died at {n}, before: {before}");
            assert_eq!(world.setting("BACKEND"), None);
            assert!(world.previous.is_none());
            n += 1;
        }
        assert!(n > 5, "it has that many actions at least: {n}");
    }
}

#[derive(Clone, Debug)]
enum Happening {
    Rounds(usize),
    Wait(i64),
    /// Dies before (or after) its next action took effect.
    Dies(bool),
    SetBackend(bool),
    LoseUrl,
    Replace,
    RestartPod,
    ForeignCa,
    EmptyCa,
    GoodMaterial,
    Rotate,
    Unreachable(bool),
    ServerDown(bool),
    Enrol,
    LoseStatus,
    Pause(bool),
    Mode(Mode),
    /// Another URL in the spec, which nothing answers, and back.
    OtherUrl(bool),
    Retry,
    /// The version before ran for a while, and kept what it knows.
    OlderCompanion,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_usize..8).prop_map(Happening::Rounds),
        3 => (1_i64..90).prop_map(Happening::Wait),
        3 => any::<bool>().prop_map(Happening::Dies),
        1 => any::<bool>().prop_map(Happening::SetBackend),
        1 => Just(Happening::LoseUrl),
        1 => Just(Happening::Replace),
        1 => Just(Happening::RestartPod),
        1 => Just(Happening::ForeignCa),
        1 => Just(Happening::EmptyCa),
        2 => Just(Happening::GoodMaterial),
        1 => Just(Happening::Rotate),
        1 => any::<bool>().prop_map(Happening::Unreachable),
        1 => any::<bool>().prop_map(Happening::ServerDown),
        1 => Just(Happening::Enrol),
        1 => Just(Happening::LoseStatus),
        1 => any::<bool>().prop_map(Happening::Pause),
        1 => prop_oneof![Just(Mode::Remote), Just(Mode::Observe), Just(Mode::Crd)].prop_map(Happening::Mode),
        1 => any::<bool>().prop_map(Happening::OtherUrl),
        1 => Just(Happening::Retry),
        1 => Just(Happening::OlderCompanion),
    ]
}

/// A world in which things happen, and what has become of it.
struct Lived {
    world: World,
    current: Material,
    foreign: Material,
    enrolled: usize,
    retries: u32,
    was_established: bool,
    /// Whether somebody has replaced the Deployment, or asked for the way back.
    may_be_crd: bool,
    phases: Vec<Phase>,
}

impl Lived {
    fn new(material: &Material, foreign: &Material) -> Self {
        let mut world = World::new();
        world.material = material.clone();
        world.put_material(material, "flotta-edge-api");
        world.restart_pod();
        world.starts = 0;
        Self {
            world,
            current: material.clone(),
            foreign: foreign.clone(),
            enrolled: 0,
            retries: 0,
            was_established: false,
            may_be_crd: false,
            phases: Vec::new(),
        }
    }

    fn happen(&mut self, happening: &Happening) {
        let world = &mut self.world;
        match happening {
            Happening::Rounds(number) => {
                for _ in 0..*number {
                    checked(world, self.was_established);
                    self.phases.push(world.phase());
                }
            }
            Happening::Wait(seconds) => world.wait(*seconds),
            Happening::Dies(before) => {
                let plan = plan::plan(&world.observe());
                world.resource.status = Some(plan.status.clone());
                if let Some(action) = plan.action.filter(|_| !before) {
                    world.act(&action);
                }
                world.evidence = plan::observed::Evidence::default();
                world.settle();
            }
            Happening::SetBackend(remote) => {
                let backend = if *remote { "remote" } else { "crd" };
                world.edit_config("kubectl-edit", &[("BACKEND", Some(backend))]);
            }
            Happening::LoseUrl => world.edit_config("kubectl-edit", &[("REMOTE_BACKEND_URL", None)]),
            Happening::Replace => {
                self.may_be_crd = true;
                world.deploy();
                world.settle();
            }
            Happening::RestartPod => world.restart_pod(),
            Happening::ForeignCa => world.put_ca(&self.foreign.ca_secret, "kubectl-edit"),
            Happening::EmptyCa => world.put_ca(&BTreeMap::new(), "kubectl-edit"),
            Happening::GoodMaterial => world.put_material(&self.current, "kubectl-edit"),
            Happening::Rotate => {
                self.current = self.current.rotated();
                world.put_material(&self.current, "kubectl-edit");
            }
            Happening::Unreachable(yes) => world.unreachable = *yes,
            Happening::ServerDown(yes) => world.ours[0].up = !yes,
            Happening::Enrol => {
                if world.serves_remotely() && world.status().established {
                    self.enrolled += 1;
                    world.here.insert(format!("device-{}", self.enrolled));
                }
            }
            Happening::LoseStatus => {
                if self.was_established {
                    world.resource.status = None;
                }
            }
            Happening::Pause(yes) => world.pause(*yes),
            Happening::Mode(mode) => {
                self.may_be_crd |= *mode == Mode::Crd;
                world.change(|spec| spec.mode = *mode);
            }
            Happening::OtherUrl(other) => {
                let url = if *other { "https://other:8443/v1" } else { URL };
                world.change(|spec| url.clone_into(&mut spec.backend.url));
            }
            Happening::OlderCompanion => {
                if let Some(status) = &mut world.resource.status {
                    status.memory = None;
                }
            }
            Happening::Retry => {
                self.retries += 1;
                world.ask_to_retry(self.retries);
            }
        }
        self.was_established |= world.status().established;
        if world.phase() == Phase::Crd {
            // A person asked for it.
            self.was_established = false;
        }
    }

    fn quiet_again(&mut self) {
        let world = &mut self.world;
        world.pause(false);
        world.change(|spec| {
            spec.mode = Mode::Remote;
            URL.clone_into(&mut spec.backend.url);
        });
        world.put_material(&self.current, "kubectl-edit");
        world.unreachable = false;
        world.ours[0].up = true;
        world.run(1000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_established_switch_is_rolled_back_and_no_foreign_ca_is_started_by_us(
        life in proptest::collection::vec(happening(), 1..40)
    ) {
        let mut lived = Lived::new(&Material::new(), &Material::new());
        for happening in &life {
            lived.happen(happening);
        }
        lived.quiet_again();
        let world = &lived.world;
        let contested = world.phase() == Phase::Contested;
        prop_assert!(contested || world.phase() == Phase::Remote, "{:#?}", world.status());
        prop_assert!(contested || world.serves_remotely());
        prop_assert!(lived.may_be_crd || world.disconnected.is_empty(), "an edit of settings disconnected devices");
    }

    #[test]
    fn no_sentence_decides_anything(life in proptest::collection::vec(happening(), 1..30)) {
        let (material, foreign) = (Material::new(), Material::new());
        let [told, untold] = [false, true].map(|without_sentences| {
            let mut lived = Lived::new(&material, &foreign);
            lived.world.without_sentences = without_sentences;
            for happening in &life {
                lived.happen(happening);
            }
            lived.quiet_again();
            lived
        });
        prop_assert_eq!(told.phases, untold.phases);
        prop_assert_eq!(told.world.done, untold.world.done);
    }
}

/// One round, and what it must not have done.
fn checked(world: &mut World, established: bool) {
    let starts = world.starts;
    let done = world.done.len();
    let trusted = world.material.ca_secret["ca.crt"]
        == world.ca.as_ref().unwrap()["data"]["ca.crt"]
            .as_str()
            .unwrap_or_default();
    let plan = world.round();
    let spec = &world.resource.spec;
    if spec.paused.is_some() {
        assert!(
            !plan.action.as_ref().is_some_and(plan::Action::writes),
            "written during a pause: {:?}",
            plan.action
        );
    }
    if spec.mode == Mode::Observe {
        assert!(
            !plan
                .action
                .as_ref()
                .is_some_and(|action| action.writes() && !action.is_about_our_server()),
            "written in mode Observe: {:?}",
            plan.action
        );
    }
    if established && spec.mode != Mode::Crd {
        let back = world.done[done..]
            .iter()
            .any(|action| action.starts_with("Restore"));
        assert!(!back, "a switch that was verified is rolled back");
    }
    if world.starts > starts && world.done[done..].contains(&"ApplyDeployment") {
        assert!(trusted, "a restart by us on a CA that we did not verify");
    }
}
