//! Which playbooks does a device run, and how often?

mod again;
mod in_part;
mod random;

use contract::{Heartbeat, PlaybookExecutionStatus};
use fleet::{
    administration::{Act, ActError},
    playbooks::{PlaybookAnswer, Wanted, is_done},
    runs::{MAX_RUNS, Run, RunState},
};

use crate::world::{World, at};

fn once<'a>(config: &'a str, content: &'a str) -> Wanted<'a> {
    Wanted {
        config,
        content,
        retry: false,
    }
}

fn retried<'a>(config: &'a str, content: &'a str) -> Wanted<'a> {
    Wanted {
        retry: true,
        ..once(config, content)
    }
}

/// What the device is offered when it asks a minute later: names and texts.
fn offered(world: &mut World, wanted: &[Wanted<'_>]) -> Vec<(String, String)> {
    world.pass(60);
    world.poll();
    let PlaybookAnswer::Serve(offered) = world.ask_playbooks(wanted) else {
        panic!("it is approved");
    };
    offered
        .into_iter()
        .map(|execution| (execution.name, execution.ansible_playbook_string))
        .collect()
}

fn name_offered(world: &mut World, wanted: &[Wanted<'_>]) -> String {
    let mut offered = offered(world, wanted);
    assert_eq!(offered.len(), 1, "{offered:?}");
    offered.remove(0).0
}

fn listing(playbooks: &[(&str, &str)]) -> Heartbeat {
    Heartbeat {
        playbook_executions: Some(
            playbooks
                .iter()
                .map(|&(name, status)| PlaybookExecutionStatus {
                    name: name.into(),
                    status: status.into(),
                    ..PlaybookExecutionStatus::default()
                })
                .collect(),
        ),
        ..Heartbeat::default()
    }
}

fn beats(world: &mut World, playbooks: &[(&str, &str)]) {
    world.pass(30);
    world.beat(&listing(playbooks));
}

fn runs(world: &World) -> &[Run] {
    &world.known().report.runs.list
}

fn state(world: &World) -> RunState {
    assert_eq!(runs(world).len(), 1);
    runs(world)[0].state
}

fn rerun(world: &mut World, config: &str) -> Result<(), ActError> {
    world.act(Act::RerunPlaybooks {
        config: config.into(),
    })
}

#[test]
fn each_playbook_is_offered_until_a_heartbeat_names_it_and_its_end_is_kept() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a"), once("setup", "b")];
    let first = offered(&mut world, &wanted);
    let texts: Vec<&str> = first.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["a", "b"]);
    assert_ne!(first[0].0, first[1].0);
    assert!(first[0].0.starts_with("edge-1-setup-"), "{}", first[0].0);
    beats(&mut world, &[(&first[0].0, "Running")]);
    assert_eq!(offered(&mut world, &wanted), first[1..], "the other one again");
    let (a, b) = (first[0].0.as_str(), first[1].0.as_str());
    beats(&mut world, &[(a, "SuccessfullyCompleted"), (b, "Deploying")]);
    assert!(!is_done(
        &world.known().report,
        "setup",
        &wanted,
        &world.context()
    ));
    beats(
        &mut world,
        &[(a, "SuccessfullyCompleted"), (b, "CompletedWithError")],
    );
    assert!(is_done(&world.known().report, "setup", &wanted, &world.context()));
    for restarted in [
        listing(&[]),
        listing(&[(a, "Running")]),
        listing(&[(b, "Deploying")]),
    ] {
        world.pass(60);
        world.beat(&restarted);
        assert!(offered(&mut world, &wanted).is_empty());
        assert!(is_done(&world.known().report, "setup", &wanted, &world.context()));
    }
    let states: Vec<RunState> = runs(&world).iter().map(|run| run.state).collect();
    assert_eq!(
        states,
        [RunState::SuccessfullyCompleted, RunState::CompletedWithError]
    );
    let past: Vec<RunState> = runs(&world)[0].history.iter().map(|past| past.state).collect();
    assert_eq!(past, [RunState::Offered, RunState::Running]);
    assert_eq!(runs(&world)[0].since, at(4 + 60 + 30 + 60 + 30));
}

#[test]
fn what_is_not_wanted_is_not_missing() {
    let world = World::in_service();
    assert!(is_done(&world.known().report, "setup", &[], &world.context()));
    assert!(!is_done(
        &world.known().report,
        "setup",
        &[once("setup", "a")],
        &world.context()
    ));
}

#[test]
fn a_question_that_gets_nothing_new_need_not_wait_for_the_store() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a")];
    let name = name_offered(&mut world, &wanted);
    beats(&mut world, &[(&name, "Running")]);
    let change = fleet::playbooks::poll(world.device.as_ref(), &wanted, &world.context()).change;
    assert!(change.is_empty());
    assert!(World::in_service().ask_playbooks(&[]) == PlaybookAnswer::Serve(Vec::new()));
}

#[test]
fn an_offer_is_made_three_times_and_counted_before_it_is_made() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a")];
    for n in 1..=3 {
        let verdict = fleet::playbooks::poll(world.device.as_ref(), &wanted, &world.context());
        assert!(!verdict.change.is_times_only());
        assert_eq!(verdict.change.report.unwrap().runs.list[0].offers, n);
        name_offered(&mut world, &wanted);
    }
    assert!(offered(&mut world, &wanted).is_empty());
    assert_eq!(
        state(&world),
        RunState::Offered,
        "no heartbeat has said that it is not there"
    );
    beats(&mut world, &[]);
    assert_eq!(state(&world), RunState::Interrupted);
    assert_eq!(world.conditions(), ["PlaybookInterrupted"]);
    assert!(offered(&mut world, &wanted).is_empty());
    assert!(!is_done(
        &world.known().report,
        "setup",
        &wanted,
        &world.context()
    ));
}

#[test]
fn a_heartbeat_beside_the_last_offer_says_nothing_of_it() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a")];
    for _ in 0..3 {
        name_offered(&mut world, &wanted);
    }
    world.pass(5);
    world.beat(&listing(&[]));
    assert_eq!(state(&world), RunState::Offered);
    world.pass(1);
    world.beat(&Heartbeat {
        version: "another".into(),
        ..listing(&[])
    });
    assert_eq!(state(&world), RunState::Interrupted);
}

#[test]
fn one_that_disappears_is_interrupted_and_goes_on_if_the_device_has_it_after_all() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a")];
    let name = name_offered(&mut world, &wanted);
    beats(&mut world, &[(&name, "Deploying")]);
    beats(&mut world, &[]);
    assert_eq!(state(&world), RunState::Interrupted);
    assert!(offered(&mut world, &wanted).is_empty());
    beats(&mut world, &[(&name, "Running")]);
    assert_eq!(state(&world), RunState::Running);
    beats(&mut world, &[(&name, "SuccessfullyCompleted")]);
    assert!(world.conditions().is_empty());
}

#[test]
fn only_a_device_that_was_seen_and_is_not_withheld_gets_any() {
    let wanted = [once("setup", "a")];
    let nothing = PlaybookAnswer::Serve(Vec::new());
    let mut world = World::manual();
    assert_eq!(world.ask_playbooks(&wanted), PlaybookAnswer::NotApproved);
    world.enrol();
    assert_eq!(world.ask_playbooks(&wanted), PlaybookAnswer::NotApproved);

    let mut world = World::approved();
    assert_eq!(world.ask_playbooks(&wanted), nothing);
    world.register(1).unwrap();
    assert_eq!(
        world.ask_playbooks(&wanted),
        nothing,
        "the answer may have been lost"
    );
    world.poll();
    name_offered(&mut world, &wanted);
    world.act(Act::AllowRegistration).unwrap();
    name_offered(&mut world, &wanted);

    let mut world = World::new();
    world.ask_in("factory");
    world
        .act(Act::Adopt {
            namespace: None,
            release: false,
        })
        .unwrap();
    world.poll();
    assert_eq!(world.ask_playbooks(&wanted), nothing);
    assert!(runs(&world).is_empty());
    world.act(Act::Release).unwrap();
    name_offered(&mut world, &wanted);
}

#[test]
fn the_list_is_bounded_and_says_what_had_no_place() {
    let mut world = World::in_service();
    let texts: Vec<String> = (0..=MAX_RUNS).map(|n| n.to_string()).collect();
    let wanted: Vec<Wanted<'_>> = texts.iter().map(|text| once("setup", text)).collect();
    assert_eq!(offered(&mut world, &wanted).len(), MAX_RUNS);
    assert_eq!(world.conditions(), ["TooManyPlaybooks"]);
    let kept = runs(&world).to_vec();
    // What is wanted no longer makes place, longest unwanted first; what is still wanted stays.
    offered(&mut world, &wanted[1..MAX_RUNS]);
    assert!(world.conditions().is_empty());
    offered(&mut world, &wanted[2..MAX_RUNS]);
    let mut news = wanted[2..MAX_RUNS].to_vec();
    news.push(once("setup", "new"));
    offered(&mut world, &news);
    assert_eq!(runs(&world).len(), MAX_RUNS);
    assert_eq!(runs(&world)[0].name, kept[1].name);
    assert!(serde_json::to_vec(&world.known().report).unwrap().len() < 128 * 1024);
}

#[test]
fn what_the_device_lists_is_kept_before_what_it_does_not() {
    let mut world = World::in_service();
    let names: Vec<String> = (0..257).map(|n| format!("p{n:03}")).collect();
    let listed = |names: &[String]| -> Heartbeat {
        let playbooks: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "Running")).collect();
        listing(&playbooks)
    };
    world.beat(&listed(&names[..256]));
    world.pass(60);
    let mut now = names.clone();
    now.remove(100);
    world.beat(&listed(&now));
    assert!(world.known().report.playbooks.keys().eq(&now));
}

#[test]
fn names_are_bounded_and_made_up_ones_say_nothing() {
    let mut world = World::in_service();
    let config = "ü".repeat(100);
    let name = name_offered(&mut world, &[once(&config, "a")]);
    assert!(name.len() <= 6 + 1 + 63 + 1 + 16, "{name}");
    let made_up: Vec<(String, &str)> = (0..2000).map(|n| (format!("x{n}"), "Running")).collect();
    let made_up: Vec<(&str, &str)> = made_up
        .iter()
        .map(|(name, word)| (name.as_str(), *word))
        .collect();
    beats(&mut world, &made_up);
    assert_eq!(world.known().report.playbooks.len(), 256);
    beats(&mut world, &[(&name, "SuccessfullyCompleted")]);
    assert_eq!(world.known().report.playbooks.len(), 256);
    assert_eq!(
        world.known().report.playbooks[&name].status,
        "SuccessfullyCompleted"
    );
    assert_eq!(
        state(&world),
        RunState::SuccessfullyCompleted,
        "whatever else was named"
    );
}
