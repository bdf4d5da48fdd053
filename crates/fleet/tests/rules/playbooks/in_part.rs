//! What of playbooks in a list of which only the beginning is kept?

use fleet::runs::RunState;

use super::{beats, listing, name_offered, offered, rerun, retried, runs, state};
use crate::world::World;

fn beats_in_part(world: &mut World, playbooks: &[(&str, &str)]) {
    world.pass(30);
    world.beat_in_part(&listing(playbooks), &["playbook-executions"]);
}

/// How it ended may have been said where the list was cut off, and it would run twice.
#[test]
fn a_playbook_that_a_list_in_part_does_not_name_is_not_run_again() {
    for under_way in [true, false] {
        let mut world = World::in_service();
        let wanted = [retried("c", "p")];
        let name = name_offered(&mut world, &wanted);
        if under_way {
            beats(&mut world, &[(&name, "Running")]);
        }
        let before = state(&world);
        beats_in_part(&mut world, &[("other", "Running")]);
        // The agent was restarted: its lists are whole again, and it has forgotten what it ran.
        for _ in 0..5 {
            beats(&mut world, &[("other", "Running")]);
            assert_eq!(state(&world), before);
            assert_eq!(offered(&mut world, &wanted), []);
        }
        assert_eq!(world.conditions(), ["PlaybookInterrupted"]);
        rerun(&mut world, "c").unwrap();
        assert_eq!(world.conditions(), [""; 0]);
        assert_ne!(name_offered(&mut world, &wanted), name, "it is begun anew");
    }
}

#[test]
fn a_playbook_that_is_named_after_a_list_in_part_goes_on_as_any_other() {
    let mut world = World::in_service();
    let wanted = [retried("c", "p")];
    let name = name_offered(&mut world, &wanted);
    beats(&mut world, &[(&name, "Running")]);
    beats_in_part(&mut world, &[("other", "Running")]);
    assert!(runs(&world)[0].hidden);
    beats_in_part(&mut world, &[(&name, "Running")]);
    assert!(!runs(&world)[0].hidden);
    beats(&mut world, &[("other", "Running")]);
    assert_eq!(state(&world), RunState::Interrupted);
    assert_ne!(name_offered(&mut world, &wanted), name);
}

#[test]
fn how_a_playbook_ended_counts_whatever_lists_in_part_do_not_name() {
    let mut world = World::in_service();
    let wanted = [retried("c", "p")];
    let name = name_offered(&mut world, &wanted);
    beats_in_part(&mut world, &[("other", "Running")]);
    beats(&mut world, &[(&name, "SuccessfullyCompleted")]);
    beats_in_part(&mut world, &[("other", "Running")]);
    beats(&mut world, &[]);
    assert_eq!(state(&world), RunState::SuccessfullyCompleted);
    assert_eq!(offered(&mut world, &wanted), []);
    assert_eq!(world.conditions(), [""; 0]);
}
