//! What holds of playbooks whatever is lost between the device and the server.

use std::collections::{BTreeMap, BTreeSet};

use fleet::playbooks::PlaybookAnswer;
use proptest::prelude::*;

use super::{listing, once, rerun, retried, runs};
use crate::world::{World, reloaded};

#[derive(Clone, Debug)]
enum Step {
    /// The device asks; whether the answer arrives.
    Ask(bool),
    /// A heartbeat; whether it arrives.
    Beat(bool),
    /// The agent goes on with what it has, successfully or not.
    Work(bool),
    Restart,
    Rerun,
    Label(bool),
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(Step::Ask),
        6 => any::<bool>().prop_map(Step::Beat),
        4 => any::<bool>().prop_map(Step::Work),
        1 => Just(Step::Restart),
        1 => Just(Step::Rerun),
        2 => any::<bool>().prop_map(Step::Label),
        1 => Just(Step::Reload),
    ]
}

/// What may be said of all runs of one playbook, from what was offered and named.
#[derive(Default)]
struct Watch {
    offers: BTreeMap<String, u32>,
    named: BTreeSet<String>,
    texts: BTreeMap<String, String>,
    requests: usize,
}

impl Watch {
    fn offered(&mut self, name: &str, text: &str) -> Result<(), TestCaseError> {
        let offers = self.offers.entry(name.to_owned()).or_default();
        *offers += 1;
        prop_assert!(*offers <= 3, "{} was offered {} times", name, offers);
        prop_assert!(
            !self.named.contains(name),
            "{} was offered after it was named",
            name
        );
        let before = self.texts.insert(name.to_owned(), text.to_owned());
        prop_assert!(
            before.is_none_or(|before| before == text),
            "one name, two playbooks"
        );
        let names = self.texts.values().filter(|of| *of == text).count();
        let retries = if text == "b" { 3 } else { 0 };
        prop_assert!(
            names <= (1 + self.requests) * (1 + retries),
            "{} runs of {}",
            names,
            text
        );
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_is_lost_nothing_is_offered_too_often(steps in prop::collection::vec(step(), 1..120)) {
        let all = [once("setup", "a"), retried("setup", "b")];
        let mut world = World::in_service();
        let mut agent: BTreeMap<String, &str> = BTreeMap::new();
        let mut watch = Watch::default();
        let mut labelled = true;
        for step in steps {
            world.pass(20);
            let wanted = if labelled { &all[..] } else { &[] };
            match step {
                Step::Ask(arrives) => {
                    let PlaybookAnswer::Serve(offered) = world.ask_playbooks(wanted) else { unreachable!() };
                    prop_assert!(labelled || offered.is_empty());
                    for execution in offered {
                        watch.offered(&execution.name, &execution.ansible_playbook_string)?;
                        if arrives {
                            agent.entry(execution.name).or_insert("Deploying");
                        }
                    }
                }
                Step::Beat(arrives) => {
                    let listed: Vec<(&str, &str)> = agent.iter().map(|(name, state)| (name.as_str(), *state)).collect();
                    if arrives {
                        watch.named.extend(agent.keys().cloned());
                        world.beat(&listing(&listed));
                        for run in runs(&world) {
                            if let Some(said) = agent.get(&run.name) && !run.state.is_final() {
                                prop_assert_eq!(run.state.as_str(), *said);
                            }
                        }
                    }
                }
                Step::Work(well) => {
                    for state in agent.values_mut() {
                        *state = match *state {
                            "Deploying" => "Running",
                            "Running" if well => "SuccessfullyCompleted",
                            "Running" => "CompletedWithError",
                            done => done,
                        };
                    }
                }
                Step::Restart => agent.clear(),
                Step::Rerun => watch.requests += usize::from(rerun(&mut world, "setup").is_ok()),
                Step::Label(now) => labelled = now,
                Step::Reload => world.device = Some(reloaded(world.known())),
            }
            prop_assert!(runs(&world).len() <= 2);
        }
    }
}
