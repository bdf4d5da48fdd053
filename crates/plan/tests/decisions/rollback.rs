//! The way back.

use plan::api::{LeavingDevices, Mode, Phase};

use crate::world::World;

fn switched() -> World {
    let mut world = World::new();
    world.edit_config("kubectl-edit", &[("REMOTE_BACKEND_TIMEOUT", Some("9s"))]);
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    world.starts = 0;
    world
}

fn is_as_before(world: &World) {
    assert_eq!(world.setting("BACKEND"), None);
    assert_eq!(world.setting("REMOTE_BACKEND_URL"), None);
    assert_eq!(world.setting("REMOTE_BACKEND_TIMEOUT").as_deref(), Some("9s"));
    let template = &world.deployment.as_ref().unwrap()["spec"]["template"];
    let mut fresh = World::new();
    fresh.deploy();
    let fresh = &fresh.deployment.unwrap()["spec"]["template"]["spec"]["containers"][1];
    assert_eq!(&template["spec"]["containers"][1], fresh);
    let text = template.to_string();
    assert!(!text.contains("companion"), "{text}");
    assert!(world.previous.is_none());
}

#[test]
fn mode_crd_leads_back_to_exactly_what_was_before() {
    let mut world = switched();
    world.resource.spec.mode = Mode::Crd;
    world.run(60);
    assert_eq!(
        (world.phase(), world.starts),
        (Phase::Crd, 1),
        "{:#?}",
        world.status()
    );
    assert_eq!(world.condition("Ready").0, "True");
    is_as_before(&world);
    world.resource.spec.mode = Mode::Remote;
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote, "and there again");
}

#[test]
fn devices_that_would_be_disconnected_keep_it_where_it_is() {
    let mut world = switched();
    world.here.insert("device-1".into());
    world.custom_resources.insert("device-2".into());
    world.here.insert("device-2".into());
    world.resource.spec.mode = Mode::Crd;
    world.run(300);
    assert_eq!(world.phase(), Phase::Restoring);
    assert_eq!(world.condition("Ready").1, "DevicesWouldBeDisconnected");
    let blocked = world.status().blocked_by.join(" ");
    assert!(
        blocked.contains("1 of 2") && blocked.contains("device-1"),
        "{blocked}"
    );
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
    let admission = world.server_secret.as_ref().unwrap()["data"]["admission"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        admission.contains("Open"),
        "a refusal keeps nobody out: {admission}"
    );
    world.custom_resources.insert("device-1".into());
    world.run(120);
    assert_eq!(world.phase(), Phase::Crd, "{:#?}", world.status());
    assert!(world.disconnected.is_empty());
}

#[test]
fn a_person_may_disconnect_them_in_so_many_words() {
    let mut world = switched();
    world.here.insert("device-1".into());
    world.resource.spec.mode = Mode::Crd;
    world.resource.spec.devices.leaving = LeavingDevices::DisconnectThemAndRemoveTheirWorkloads;
    world.run(60);
    assert_eq!(world.phase(), Phase::Crd);
    assert!(world.disconnected.contains("device-1"));
}

#[test]
fn the_server_is_closed_before_the_last_count() {
    let mut world = switched();
    world.resource.spec.mode = Mode::Crd;
    let mut closed_at_count = false;
    for _ in 0..40 {
        let plan = world.round();
        if plan
            .action
            .as_ref()
            .is_some_and(|action| action.name() == "CompareDevices")
        {
            closed_at_count = world.ours[0].loaded["admission"].contains("Closed");
        }
        if plan
            .action
            .as_ref()
            .is_some_and(|action| action.name() == "RestoreSettings")
        {
            break;
        }
        world.wait(1);
    }
    assert!(closed_at_count);
}

#[test]
fn an_uninstallation_with_a_dead_server_relies_on_the_last_count() {
    let mut world = switched();
    world.ours.clear();
    world.leave = true;
    world.run(60);
    assert_eq!(world.phase(), Phase::Crd, "{:#?}", world.status());
    is_as_before(&world);

    let mut world = switched();
    world.here.insert("device-1".into());
    world.run(400);
    world.ours.clear();
    world.leave = true;
    world.run(60);
    assert_eq!(world.phase(), Phase::Restoring);
    assert!(world.status().blocked_by.join(" ").contains("no pods"));
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
}

#[test]
fn deleting_the_resource_leads_back_first() {
    let mut world = switched();
    assert!(world.resource.metadata.finalizers.is_some());
    world.resource.metadata.deletion_timestamp =
        Some(serde_json::from_value(serde_json::json!("2026-06-01T01:00:00Z")).unwrap());
    world.run(60);
    assert_eq!(world.resource.metadata.finalizers, None);
    is_as_before(&world);
}

#[test]
fn an_ending_namespace_waits_for_nobody() {
    let mut world = switched();
    world.ending = true;
    let done = world.done.len();
    world.round();
    assert_eq!(world.resource.metadata.finalizers, None);
    assert_eq!(&world.done[done..], ["RemoveFinalizer"]);
}

#[test]
fn what_was_lost_is_asked_for_and_not_guessed() {
    let mut world = switched();
    world.previous = None;
    world.run(10);
    world.resource.spec.mode = Mode::Crd;
    world.run(60);
    assert_eq!(world.condition("Ready").1, "PreviousUnknown");
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
    world.resource.metadata.annotations = Some(
        [(
            "companion.project-flotta.io/assume-previous".to_owned(),
            "crd".to_owned(),
        )]
        .into(),
    );
    world.run(60);
    assert_eq!(world.phase(), Phase::Crd, "{:#?}", world.status());
    assert_eq!(world.setting("BACKEND"), None);
}

#[test]
fn a_retiring_resource_is_only_watched() {
    let mut world = switched();
    world.resource.metadata.annotations = Some(
        [(
            "companion.project-flotta.io/retiring".to_owned(),
            "yes".to_owned(),
        )]
        .into(),
    );
    world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
    let done = world.done.len();
    world.run(60);
    assert_eq!(world.phase(), Phase::Retiring);
    assert_eq!(world.done.len(), done);
}
