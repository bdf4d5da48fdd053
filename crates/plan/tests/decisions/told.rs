//! The status tells the truth of now.

use plan::api::{Mode, Phase};

use crate::world::{Material, World};

#[test]
fn nothing_is_ready_without_a_pod_of_the_server() {
    let mut world = World::switched();
    world.ours.clear();
    world.round();
    assert_ne!(world.condition("Ready").0, "True", "{:#?}", world.status());
}

#[test]
fn nothing_is_verified_while_the_backend_does_not_answer() {
    let mut world = World::switched();
    world.unreachable = true;
    world.run(70);
    assert_eq!(world.condition("BackendReachable").0, "False");
    let (status, reason, _) = world.condition("Verified");
    assert_ne!(status, "True", "{:#?}", world.status());
    assert!(
        ["BackendUnreachable", "VerificationFailed"].contains(&reason.as_str()),
        "{reason}"
    );
    world.unreachable = false;
    world.run(30);
    assert_eq!(world.condition("Verified").0, "True");
}

#[test]
fn observing_a_switched_fleet_is_shown_as_observing() {
    let mut world = World::switched();
    world.change(|spec| spec.mode = Mode::Observe);
    world.run(30);
    assert_eq!(world.phase(), Phase::Observing, "{:#?}", world.status());
    assert_eq!(world.condition("Ready").0, "True");
}

#[test]
fn a_foreign_ca_is_named_before_the_host_certificate() {
    let mut world = World::switched();
    world.put_ca(&Material::new().ca_secret, "kubectl-edit");
    world.run(10);
    let (_, _, message) = world.condition("Trusted");
    assert!(
        message.starts_with("Secret flotta-ca holds another CA"),
        "{message}"
    );
}

#[test]
fn no_cell_is_wider_than_a_terminal_takes() {
    let mut world = World::switched();
    let reason =
        "a change window that somebody has described in more words than any table has room for ".repeat(3);
    world.change(|spec| {
        spec.paused = Some(plan::api::Paused {
            until: None,
            reason: Some(reason.clone()),
        });
    });
    world.run(10);
    assert!(world.status().next_action.chars().count() <= 80);
    assert!(
        world.condition("Ready").2.contains(reason.trim()),
        "all of it is in the condition"
    );
}
