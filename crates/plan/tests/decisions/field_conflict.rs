//! Somebody who writes our values back.

use plan::api::Phase;

use crate::world::World;

#[test]
fn somebody_who_writes_back_again_and_again_wins_nothing_and_is_named() {
    let mut world = World::new();
    world.run(60);
    for _ in 0..6 {
        world.edit_config("argocd-controller", &[("BACKEND", Some("crd"))]);
        world.run(20);
    }
    assert_eq!(world.phase(), Phase::Contested, "{:#?}", world.status());
    let (status, reason, message) = world.condition("Contested");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "WrittenBack"));
    assert!(
        message.contains("argocd-controller") && message.contains("BACKEND"),
        "{message}"
    );
    let writes = world
        .done
        .iter()
        .filter(|action| **action == "WriteSettings")
        .count();
    assert_eq!(writes, 3, "the first and two that set it right");
    world.run(1800);
    assert_eq!(
        world
            .done
            .iter()
            .filter(|action| **action == "WriteSettings")
            .count(),
        writes
    );
    // A person stopped it, and asks.
    world.resource.metadata.annotations =
        Some([("companion.project-flotta.io/retry".to_owned(), "now".to_owned())].into());
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
}

#[test]
fn a_deployment_that_is_replaced_again_and_again_is_left_alone() {
    let mut world = World::new();
    world.run(60);
    for _ in 0..6 {
        world.deploy();
        world.run(20);
    }
    assert_eq!(world.phase(), Phase::Contested, "{:#?}", world.status());
    let applied = world
        .done
        .iter()
        .filter(|action| **action == "ApplyDeployment")
        .count();
    assert_eq!(applied, 3);
}

#[test]
fn once_in_a_while_is_no_contest() {
    let mut world = World::new();
    world.run(60);
    for _ in 0..6 {
        world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
        world.run(700);
        assert_eq!(world.phase(), Phase::Remote);
    }
}

#[test]
fn settings_that_are_emptied_are_set_right_although_nobody_holds_them() {
    let mut world = World::new();
    world.run(60);
    let config = world.config.as_mut().unwrap();
    config["data"] = serde_json::json!({});
    config["metadata"]["managedFields"] = serde_json::json!([]);
    config["metadata"]["resourceVersion"] = "9001".into();
    world.run(20);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
}

#[test]
fn a_persons_word_forgets_who_wrote_what_back() {
    let mut world = World::new();
    world.run(60);
    for number in 0..6 {
        world.resource.metadata.annotations =
            Some([("companion.project-flotta.io/retry".to_owned(), number.to_string())].into());
        world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
        world.run(20);
        assert_eq!(world.phase(), Phase::Remote);
        assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
    }
}
