//! Settings that the Deployment carries, so that an edit of the ConfigMap cannot undo a switch.

use plan::api::{Mode, Phase};
use serde_json::{Value, json};

use crate::{
    merge,
    world::{URL, World},
};

fn switched() -> World {
    let mut world = World::switched();
    world.here.insert("device-1".into());
    world
}

/// A variable of the container.
fn variable(world: &World, name: &str) -> Value {
    let containers = &world.deployment.as_ref().unwrap()["spec"]["template"]["spec"]["containers"];
    let variables = containers[0]["env"].as_array().into_iter().flatten();
    let found = variables.into_iter().find(|variable| variable["name"] == name);
    found.cloned().unwrap_or_default()
}

/// Somebody sets a variable of the container.
fn set_variable(world: &mut World, manager: &str, variable: &Value) {
    let now = world.now.to_string();
    let container = json!({ "name": "http", "env": [variable] });
    let patch = json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
    let deployment = world.deployment.as_mut().unwrap();
    merge::strategic(deployment, &patch, manager, &now);
    let generation = deployment["metadata"]["generation"].as_u64().unwrap();
    deployment["metadata"]["generation"] = json!(generation + 1);
}

/// As the version before left it: both settings come from the ConfigMap.
fn by_reference(world: &mut World) {
    for key in ["BACKEND", "REMOTE_BACKEND_URL"] {
        let reference = json!({ "name": "flotta-edge-api-config", "key": key, "optional": false });
        let variable = json!({ "name": key, "value": null, "valueFrom": { "configMapKeyRef": reference } });
        set_variable(world, "flotta-companion", &variable);
    }
    world.settle();
    world.starts = 0;
}

#[test]
fn a_pod_that_starts_while_the_configmap_says_crd_is_remote() {
    type Hold = fn(&mut World);
    let holds: [Hold; 3] = [
        |world| world.pause(true),
        |world| world.change(|spec| spec.mode = Mode::Observe),
        // A companion that is dead, or was uninstalled without hooks.
        |_| {},
    ];
    for (number, hold) in holds.into_iter().enumerate() {
        let mut world = switched();
        hold(&mut world);
        world.edit_config(
            "kubectl-edit",
            &[("BACKEND", Some("crd")), ("REMOTE_BACKEND_URL", None)],
        );
        world.restart_pod();
        assert!(world.serves_remotely(), "{number}");
        if number < 2 {
            world.run(300);
            assert_eq!(world.starts, 1, "{number}: nothing is restarted by us");
            assert_eq!(world.setting("BACKEND").as_deref(), Some("crd"), "{number}");
        }
        world.wait(300);
        assert!(world.disconnected.is_empty(), "{number}");
    }
}

#[test]
fn the_status_says_what_becomes_of_a_change_of_the_configmap() {
    let mut world = switched();
    world.pause(true);
    world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
    world.run(30);
    let (_, reason, message) = world.condition("Degraded");
    assert_eq!(reason, "ChangedByOthers");
    assert_eq!(
        message,
        "kubectl-edit changed BACKEND in ConfigMap flotta-edge-api-config; it has no effect on the pods, and is reverted \
         after the pause"
    );
    world.pause(false);
    world.run(30);
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
    assert_eq!(world.starts, 0);
}

#[test]
fn the_configmap_says_that_its_settings_have_no_effect() {
    let mut world = switched();
    let notice = |world: &World| {
        let annotations = &world.config.as_ref().unwrap()["metadata"]["annotations"];
        annotations["companion.project-flotta.io/settings"].clone()
    };
    assert!(
        notice(&world).as_str().unwrap().contains("no effect"),
        "{}",
        notice(&world)
    );
    world.custom_resources.insert("device-1".into());
    world.change(|spec| spec.mode = Mode::Crd);
    world.run(120);
    assert_eq!(world.phase(), Phase::Crd);
    assert_eq!(notice(&world), Value::Null);
    assert_eq!(variable(&world, "BACKEND"), Value::Null);
}

#[test]
fn a_rollback_restores_the_configmap_before_it_takes_the_values_away() {
    let mut world = switched();
    world.custom_resources.insert("device-1".into());
    world.change(|spec| spec.mode = Mode::Crd);
    let done = world.done.len();
    world.run(120);
    let order: Vec<_> = world.done[done..]
        .iter()
        .filter(|action| action.starts_with("Restore"))
        .collect();
    assert_eq!(order, [&"RestoreSettings", &"RestoreDeployment"]);
    assert_eq!(world.starts, 1);
}

#[test]
fn references_of_the_version_before_become_values_by_one_restart_and_a_pause_holds_it() {
    let mut world = switched();
    by_reference(&mut world);
    world.pause(true);
    world.run(120);
    assert_eq!(world.starts, 0);
    assert!(
        world.status().next_action.contains("would"),
        "{}",
        world.status().next_action
    );
    world.pause(false);
    world.run(120);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    assert_eq!(world.starts, 1);
    for (name, value) in [("BACKEND", "remote"), ("REMOTE_BACKEND_URL", URL)] {
        assert_eq!(variable(&world, name), json!({ "name": name, "value": value }));
    }
    assert!(world.status().write_backs.is_empty(), "it is no contest");
}

#[test]
fn nothing_is_restarted_while_the_configmap_says_something_else() {
    let mut world = switched();
    by_reference(&mut world);
    // A contest about the ConfigMap: ours are written no more.
    for _ in 0..4 {
        world.edit_config("argocd-controller", &[("BACKEND", Some("crd"))]);
        for _ in 0..10 {
            world.round();
        }
        world.wait(1);
    }
    world.run(300);
    assert_eq!(world.phase(), Phase::Contested, "{:#?}", world.status());
    assert_eq!(world.setting("BACKEND").as_deref(), Some("crd"));
    assert!(world.serves_remotely(), "the pods have not read it");
    assert!(world.starts <= 1);
    assert!(world.disconnected.is_empty());
}

#[test]
fn a_value_of_ours_that_is_changed_in_the_deployment_is_reverted() {
    let mut world = switched();
    set_variable(
        &mut world,
        "kubectl-set",
        &json!({ "name": "BACKEND", "value": "crd" }),
    );
    world.round();
    assert_eq!(
        world.condition("Degraded").1,
        "ChangedByOthers",
        "{:#?}",
        world.status()
    );
    world.run(120);
    assert_eq!(variable(&world, "BACKEND")["value"], "remote");
    assert_eq!(world.phase(), Phase::Remote);
    for _ in 0..3 {
        set_variable(
            &mut world,
            "kubectl-set",
            &json!({ "name": "BACKEND", "value": "crd" }),
        );
        world.run(60);
    }
    assert_eq!(world.phase(), Phase::Contested, "{:#?}", world.status());
}

#[test]
fn a_setting_that_the_spec_asks_for_first_is_nobodys_change() {
    let mut world = switched();
    world.edit_config("kubectl-edit", &[("CLIENT_CERT_EXPIRATION_DAYS", Some("30"))]);
    world.run(30);
    world.change(|spec| spec.client_cert_expiration_days = Some(365));
    for _ in 0..30 {
        world.round();
        assert_ne!(
            world.condition("Degraded").1,
            "ChangedByOthers",
            "{:#?}",
            world.status()
        );
        world.wait(1);
    }
    assert_eq!(
        world.setting("CLIENT_CERT_EXPIRATION_DAYS").as_deref(),
        Some("365")
    );
}

#[test]
fn a_new_url_is_written_to_both_by_one_restart() {
    let mut world = switched();
    let other = "https://edge-config-server.flotta.svc:8443/api/flotta-backend/v2";
    world.answers_at = Some(other.into());
    world.change(|spec| other.clone_into(&mut spec.backend.url));
    while variable(&world, "REMOTE_BACKEND_URL")["value"] != other {
        world.round();
        assert_ne!(
            world.condition("Degraded").1,
            "ChangedByOthers",
            "{:#?}",
            world.status()
        );
        world.wait(1);
    }
    assert_eq!(world.setting("REMOTE_BACKEND_URL").as_deref(), Some(other));
    assert_eq!(world.starts, 1);
}
