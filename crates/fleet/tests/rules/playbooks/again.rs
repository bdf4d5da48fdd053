//! What begins a playbook again, and what does not.

use std::collections::BTreeSet;

use fleet::{DeletionMode, administration::ActError, playbooks::is_done, runs::RunState};

use super::{beats, name_offered, offered, once, rerun, retried, runs, state};
use crate::world::World;

#[test]
fn a_person_can_have_it_run_again_under_another_name() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a")];
    assert_eq!(rerun(&mut world, "setup"), Err(ActError::NoRuns("setup".into())));
    let first = name_offered(&mut world, &wanted);
    rerun(&mut world, "setup").unwrap();
    assert_eq!(
        name_offered(&mut world, &wanted),
        first,
        "not begun beside itself"
    );
    beats(&mut world, &[(&first, "Running")]);
    rerun(&mut world, "setup").unwrap();
    assert!(offered(&mut world, &wanted).is_empty());
    assert!(!world.reasons().contains(&"PlaybooksRequested"));
    beats(&mut world, &[(&first, "SuccessfullyCompleted")]);
    rerun(&mut world, "setup").unwrap();
    assert_eq!(state(&world), RunState::Waiting);
    let second = name_offered(&mut world, &wanted);
    assert_ne!(first, second);
    beats(
        &mut world,
        &[(&first, "SuccessfullyCompleted"), (&second, "Running")],
    );
    assert_eq!(
        state(&world),
        RunState::Running,
        "the old name says nothing of the new run"
    );
    beats(&mut world, &[]);
    rerun(&mut world, "setup").unwrap();
    let third = name_offered(&mut world, &wanted);
    assert!(third != first && third != second);
    world.delete(DeletionMode::Remove);
    assert!(matches!(
        rerun(&mut world, "setup"),
        Err(ActError::WrongState { .. })
    ));
}

#[test]
fn one_whose_offers_are_used_up_can_be_requested_before_a_heartbeat_comes() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a")];
    for _ in 0..4 {
        offered(&mut world, &wanted);
    }
    rerun(&mut world, "setup").unwrap();
    name_offered(&mut world, &wanted);
}

#[test]
fn retry_on_failure_runs_it_again_a_bounded_number_of_times() {
    let mut world = World::in_service();
    let wanted = [retried("setup", "a")];
    let mut names = BTreeSet::new();
    for n in 0..=3 {
        let name = name_offered(&mut world, &wanted);
        assert!(names.insert(name.clone()));
        assert!(!is_done(
            &world.known().report,
            "setup",
            &wanted,
            &world.context()
        ));
        beats(&mut world, &[(&name, "Running")]);
        if n % 2 == 0 {
            beats(&mut world, &[(&name, "CompletedWithError")]);
        } else {
            beats(&mut world, &[]);
            assert_eq!(state(&world), RunState::Interrupted);
            assert_eq!(
                world.conditions().len(),
                usize::from(n == 3),
                "no person is needed yet"
            );
        }
    }
    assert!(offered(&mut world, &wanted).is_empty());
    assert_eq!(world.conditions(), ["PlaybookInterrupted"]);
    rerun(&mut world, "setup").unwrap();
    let name = name_offered(&mut world, &wanted);
    assert!(names.insert(name.clone()));
    beats(&mut world, &[(&name, "SuccessfullyCompleted")]);
    assert!(is_done(&world.known().report, "setup", &wanted, &world.context()));
    assert!(offered(&mut world, &wanted).is_empty());
}

#[test]
fn without_the_strategy_a_failure_is_final() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a")];
    let name = name_offered(&mut world, &wanted);
    beats(&mut world, &[(&name, "CompletedWithError")]);
    assert!(offered(&mut world, &wanted).is_empty());
    assert!(is_done(&world.known().report, "setup", &wanted, &world.context()));
    assert!(world.conditions().is_empty());
}

#[test]
fn a_label_that_comes_back_starts_nothing_and_goes_on() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a"), once("setup", "b")];
    let both = offered(&mut world, &wanted);
    beats(&mut world, &[(&both[0].0, "SuccessfullyCompleted")]);
    assert!(offered(&mut world, &[]).is_empty());
    assert!(
        runs(&world)
            .iter()
            .all(|run| run.unwanted_since == Some(world.now))
    );
    assert!(offered(&mut world, &[]).is_empty());
    assert_eq!(offered(&mut world, &wanted), both[1..]);
    assert!(runs(&world).iter().all(|run| run.unwanted_since.is_none()));
}

#[test]
fn what_is_not_wanted_any_more_needs_no_person() {
    let mut world = World::in_service();
    let name = name_offered(&mut world, &[once("setup", "a")]);
    beats(&mut world, &[(&name, "Running")]);
    beats(&mut world, &[]);
    assert_eq!(world.conditions(), ["PlaybookInterrupted"]);
    offered(&mut world, &[]);
    assert!(world.conditions().is_empty());
}

#[test]
fn a_changed_playbook_is_another_run() {
    let mut world = World::in_service();
    let first = name_offered(&mut world, &[once("setup", "a")]);
    beats(&mut world, &[(&first, "SuccessfullyCompleted")]);
    let second = name_offered(&mut world, &[once("setup", "b")]);
    assert_ne!(first, second);
    assert!(!is_done(
        &world.known().report,
        "setup",
        &[once("setup", "b")],
        &world.context()
    ));
}

#[test]
fn the_same_text_is_one_run_in_one_edge_config_and_two_in_two() {
    let mut world = World::in_service();
    let wanted = [once("setup", "a"), retried("setup", "a"), once("other", "a")];
    let offered = offered(&mut world, &wanted);
    assert_eq!(offered.len(), 2);
    assert_ne!(offered[0].0, offered[1].0);
    assert_eq!(
        runs(&world).iter().map(|run| run.retry).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn a_restored_store_offers_what_it_forgot_under_the_name_that_the_device_knows() {
    let mut world = World::in_service();
    let backup = world.known().clone();
    let wanted = [once("setup", "a")];
    let name = name_offered(&mut world, &wanted);
    beats(&mut world, &[(&name, "SuccessfullyCompleted")]);
    world.device = Some(backup);
    world.restored();
    assert_eq!(name_offered(&mut world, &wanted), name);
    beats(&mut world, &[(&name, "SuccessfullyCompleted")]);
    assert!(offered(&mut world, &wanted).is_empty());
}
