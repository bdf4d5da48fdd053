//! What holds of a device's configuration and playbooks, whatever happened to it.

use fleet::{
    State,
    configuration::ConfigurationAnswer,
    playbooks::{PlaybookAnswer, Wanted},
};
use proptest::prelude::*;

use super::check_untouched;
use crate::world::World;

/// A poll that is answered as the one before it is no decision.
pub(super) fn check_offered(
    before: &World,
    after: &World,
    answer: ConfigurationAnswer,
) -> Result<(), TestCaseError> {
    let (known, now) = (&before.known().life.delivery, &after.known().life.delivery);
    let Some((version, _)) = &before.offered else {
        prop_assert_eq!(known, now);
        return Ok(());
    };
    let wanted = now.wanted.as_ref().unwrap();
    prop_assert_eq!(&wanted.version, version);
    if answer == ConfigurationAnswer::Serve {
        prop_assert!(wanted.handed_over.is_some());
    }
    let mut again = after.clone();
    again.poll();
    prop_assert_eq!(&again.known().life.delivery, now);
    Ok(())
}

/// Only an approved device that polled since its approval and is released gets any, and then all
/// that it has not had.
pub(super) fn playbooks(world: &mut World, before: &World, labelled: bool) -> Result<(), TestCaseError> {
    let all = [Wanted {
        config: "setup",
        content: "a",
        retry: false,
    }];
    let answer = world.ask_playbooks(if labelled { &all } else { &[] });
    let device = before.device.as_ref().filter(|_| before.is_approved());
    let Some(device) = device else {
        prop_assert_eq!(answer, PlaybookAnswer::NotApproved);
        return check_untouched(before, world);
    };
    let gets = matches!(&device.life.state, State::Approved { at, configuration_withheld: false, .. }
        if device.presence.polled >= Some(*at));
    let PlaybookAnswer::Serve(offered) = answer else {
        return Err(TestCaseError::fail("it is approved"));
    };
    if !gets {
        prop_assert!(offered.is_empty());
        return check_untouched(before, world);
    }
    prop_assert!(labelled || offered.is_empty());
    for execution in &offered {
        let run = world
            .known()
            .report
            .runs
            .list
            .iter()
            .find(|run| run.name == execution.name);
        prop_assert!(run.is_some_and(|run| run.offers <= world.policy.playbook_offers));
    }
    Ok(())
}
