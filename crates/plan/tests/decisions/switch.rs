//! From the installation to the proof, or to the taking back.

use plan::api::{BackendInForce, EnteringDevices, Mode, Phase};

use crate::world::{URL, World};

type Spoil = fn(&mut World);

#[test]
fn an_installation_ends_in_a_proven_switch_with_one_restart() {
    let mut world = World::new();
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    assert!(world.serves_remotely());
    assert_eq!(world.starts, 1);
    for condition in ["Ready", "BackendReachable", "Switched", "Verified", "Trusted"] {
        assert_eq!(world.condition(condition).0, "True", "{condition}");
    }
    for condition in ["Contested", "Degraded"] {
        assert_eq!(world.condition(condition).0, "False", "{condition}");
    }
    assert_eq!(world.status().backend, BackendInForce::Remote);
    assert_eq!(world.status().store_id.as_deref(), Some("store-a"));
    assert_eq!(world.setting("REMOTE_BACKEND_URL").as_deref(), Some(URL));
    insta::assert_debug_snapshot!(world.done);
    let writes = world.done.len();
    world.run(600);
    assert_eq!(world.starts, 1, "a repeated look restarts nothing");
    let later: Vec<_> = world.done[writes..]
        .iter()
        .filter(|action| {
            !matches!(
                **action,
                "Verify" | "CallBackend" | "CompareDevices" | "CheckRights"
            )
        })
        .collect();
    assert!(later.is_empty(), "{later:?}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn nothing_of_flottas_is_touched_before_everything_is_known() {
    let spoils: [(&str, Spoil, &str, Phase); 15] = [
        (
            "no Edge API",
            |world| world.deployment = None,
            "WaitingForEdgeApi",
            Phase::Pending,
        ),
        (
            "no settings",
            |world| world.config = None,
            "WaitingForEdgeApi",
            Phase::Pending,
        ),
        (
            "no CA",
            |world| world.ca = None,
            "WaitingForEdgeApi",
            Phase::Pending,
        ),
        (
            "no host certificate",
            |world| world.host = None,
            "WaitingForEdgeApi",
            Phase::Pending,
        ),
        (
            "a malformed setting",
            |world| world.edit_config("kubectl-edit", &[("LOG_LEVEL", Some("loud"))]),
            "SettingsUnusable",
            Phase::Blocked,
        ),
        (
            "a URL without path",
            |world| world.resource.spec.backend.url = "https://backend:1".into(),
            "UrlUnusable",
            Phase::Blocked,
        ),
        (
            "a foreign host certificate",
            |world| {
                let host = crate::world::Material::new().host_secret;
                let ca = world.material.ca_secret.clone();
                let mut material = world.material.clone();
                (material.ca_secret, material.host_secret) = (ca, host);
                world.put_material(&material, "kubectl-edit");
            },
            "MaterialUntrusted",
            Phase::Blocked,
        ),
        (
            "an empty CA",
            |world| world.put_ca(&std::collections::BTreeMap::new(), "kubectl-edit"),
            "MaterialUnusable",
            Phase::Blocked,
        ),
        (
            "a missing right",
            |world| world.missing_rights = vec!["the companion may not patch Deployment x".into()],
            "MissingPermission",
            Phase::Blocked,
        ),
        (
            "manifests that are being read for the first time",
            |world| world.ours[0].manifests.switch_waits_for = vec!["they were never taken over".into()],
            "ManifestsPending",
            Phase::Preparing,
        ),
        (
            "manifests that were rejected the first time",
            |world| {
                world.ours[0].manifests.switch_waits_for = vec!["they were never taken over".into()];
                world.ours[0].manifests.faulty = 1;
            },
            "ManifestsPending",
            Phase::Blocked,
        ),
        (
            "no server",
            |world| world.ours.clear(),
            "ServerNotReady",
            Phase::Preparing,
        ),
        (
            "a store that cannot be written",
            |world| world.ours[0].store_not_writable = Some("its disk is full".into()),
            "StoreNotWritable",
            Phase::Blocked,
        ),
        (
            "an unreachable backend",
            |world| world.unreachable = true,
            "BackendUnreachable",
            Phase::Blocked,
        ),
        (
            "a device that would be lost",
            |world| {
                world.custom_resources.insert("device-1".into());
            },
            "DevicesWouldBeLost",
            Phase::Blocked,
        ),
    ];
    for (what, spoil, reason, phase) in spoils {
        let mut world = World::new();
        spoil(&mut world);
        let (config, deployment) = (world.config.clone(), world.deployment.clone());
        world.run(60);
        assert_eq!(world.phase(), phase, "{what}: {:#?}", world.status());
        assert_eq!(world.condition("Ready").1, reason, "{what}");
        assert!(!world.status().blocked_by.is_empty(), "{what}");
        assert_eq!(world.config, config, "{what}");
        assert_eq!(world.deployment, deployment, "{what}");
        assert!(world.previous.is_none(), "{what}");
        assert_eq!(world.starts, 0, "{what}");
    }
}

#[test]
fn what_is_fixed_is_gone_on_with() {
    let mut world = World::new();
    world.unreachable = true;
    world.run(30);
    assert_eq!(world.phase(), Phase::Blocked);
    world.unreachable = false;
    world.run(30);
    assert_eq!(world.phase(), Phase::Remote);
}

#[test]
fn devices_may_be_left_without_configuration_when_a_person_says_so() {
    let mut world = World::new();
    world.custom_resources.insert("device-1".into());
    world.resource.spec.devices.entering = EnteringDevices::LeaveThemWithoutConfiguration;
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote);
    assert_eq!(world.status().found.devices.unwrap().only_in_custom_resources, 1);
}

#[test]
fn observing_says_what_would_happen_and_does_nothing_of_it() {
    let mut world = World::new();
    world.resource.spec.mode = Mode::Observe;
    let (config, deployment) = (world.config.clone(), world.deployment.clone());
    world.run(120);
    assert_eq!(world.phase(), Phase::Observing, "{:#?}", world.status());
    assert_eq!(world.condition("Ready").0, "True");
    assert!(world.status().next_action.contains("would switch"));
    assert_eq!(
        (world.config.clone(), world.deployment.clone()),
        (config, deployment)
    );
    world.resource.spec.mode = Mode::Remote;
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote);
}

#[test]
fn a_switch_that_cannot_be_verified_is_taken_back_three_times_and_then_left_alone() {
    let mut world = World::new();
    world.edit_config("kubectl-edit", &[("REMOTE_BACKEND_TIMEOUT", Some("9s"))]);
    let before = world.config.clone().unwrap()["data"].clone();
    // The call as the Edge API would make it succeeds, and the Edge API's own does not: its pods do
    // not start.
    world.stuck = true;
    world.resource.spec.edge_api.rollout_seconds = 20;
    world.run(400);
    assert_eq!(world.phase(), Phase::SwitchFailed, "{:#?}", world.status());
    assert_eq!(world.condition("Ready").1, "SwitchFailed");
    assert_eq!(world.status().failures.unwrap().count, 3);
    assert_eq!(
        world.config.as_ref().unwrap()["data"],
        before,
        "exactly what was before"
    );
    assert!(world.previous.is_none());
    let done = world.done.len();
    world.run(600);
    let writes = world.done[done..]
        .iter()
        .filter(|action| action.starts_with("Write") || action.starts_with("Apply"));
    assert_eq!(writes.count(), 0);
    // A person asks.
    world.stuck = false;
    world.resource.metadata.annotations =
        Some([("companion.project-flotta.io/retry".to_owned(), "1".to_owned())].into());
    world.run(120);
    assert_eq!(world.phase(), Phase::Remote);
}

#[test]
fn what_was_before_is_saved_once_and_never_taken_from_our_own_values() {
    let mut world = World::new();
    world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
    world.run(60);
    let saved = world.previous.clone().unwrap();
    assert!(saved["data"]["previous.json"].as_str().unwrap().contains("crd"));
    world.run(600);
    assert_eq!(world.previous, Some(saved));
}

#[test]
fn what_was_before_in_another_edge_api_is_not_taken_for_ours() {
    let mut other = World::new();
    other.run(60);
    let mut previous = other.previous.clone().unwrap();
    let text = previous["data"]["previous.json"].as_str().unwrap();
    previous["data"]["previous.json"] = text
        .replace("\"flotta-edge-api\"", "\"edge-api-of-others\"")
        .into();

    let mut world = World::new();
    world.previous = Some(previous.clone());
    let before = world.config.clone();
    world.run(300);
    assert_eq!(world.phase(), Phase::Blocked);
    let (_, reason, message) = world.condition("Ready");
    assert_eq!(reason, "PreviousUnknown");
    assert!(message.contains("Deployment edge-api-of-others"), "{message}");
    assert_eq!(world.config, before);
    assert_eq!(world.previous, Some(previous.clone()));
    // Nothing of this Edge API has to be rolled back.
    assert_eq!(world.resource.metadata.finalizers, None);
    world.resource.spec.mode = Mode::Crd;
    world.run(60);
    assert_eq!(world.phase(), Phase::Crd);
    assert_eq!(world.previous, Some(previous));
}

#[test]
fn a_switch_made_before_is_verified_and_never_taken_back() {
    let mut world = World::new();
    world.run(60);
    // Installed anew: nothing of the status is left.
    world.resource.status = None;
    world.unreachable = true;
    world.run(300);
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
    assert!(world.status().established);
    world.unreachable = false;
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote);
}

#[test]
fn an_older_resource_acts_and_the_younger_one_says_so() {
    let mut world = World::new();
    world.elder = Some("first".into());
    world.run(60);
    assert_eq!(world.phase(), Phase::NotResponsible);
    assert_eq!(
        world.status().next_action,
        "nothing: RemoteBackend first is older and acts"
    );
    assert!(world.done.is_empty());
}

#[test]
fn a_pause_changes_nothing_and_ends_by_itself() {
    let mut world = World::new();
    world.resource.spec.paused = Some(
        serde_json::from_value(
            serde_json::json!({ "until": "2026-06-01T00:02:00Z", "reason": "a change window" }),
        )
        .unwrap(),
    );
    let config = world.config.clone();
    world.run(100);
    assert_eq!(world.phase(), Phase::Paused);
    assert!(world.status().next_action.contains("a change window"));
    assert_eq!(world.config, config);
    world.run(100);
    assert_eq!(world.phase(), Phase::Remote);
}

#[test]
fn a_pause_before_the_last_record_of_a_rollback_counts_one_failure() {
    let mut world = World::new();
    world.stuck = true;
    world.resource.spec.edge_api.rollout_seconds = 20;
    while !world.done.contains(&"DeletePrevious") {
        assert!(world.done.len() < 200, "{:#?}", world.status());
        if !world.round().wake.is_zero() {
            world.wait(1);
        }
    }
    // The rollback is done, and not yet recorded.
    assert!(world.status().failures.is_none());
    world.pause(true);
    world.run(300);
    assert_eq!(world.phase(), Phase::Paused);
    let counted = |world: &World| world.status().failures.map_or(0, |failures| failures.count);
    assert_eq!(counted(&world), 0, "nothing is recorded during a pause");
    world.stuck = false;
    world.pause(false);
    while counted(&world) == 0 {
        assert!(
            world.phase() != Phase::Remote,
            "it is recorded before the next attempt"
        );
        world.round();
    }
    assert_eq!(counted(&world), 1);
    world.run(120);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
}

#[test]
fn a_misspelled_timeout_is_taken_over() {
    let mut world = World::new();
    world.edit_config("kubectl-edit", &[("REMOT_BACKEND_TIMEOUT", Some("7s"))]);
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote);
    assert_eq!(world.setting("REMOTE_BACKEND_TIMEOUT").as_deref(), Some("7s"));
    assert!(
        world
            .status()
            .warnings
            .iter()
            .any(|warning| warning.contains("misspelled"))
    );
}

#[test]
fn observing_a_switch_sets_nothing_right() {
    let mut world = World::new();
    world.run(60);
    world.resource.spec.mode = Mode::Observe;
    world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
    world.run(120);
    assert_eq!(world.setting("BACKEND").as_deref(), Some("crd"));
    assert_eq!(world.phase(), Phase::Observing);
    assert!(
        world.status().next_action.contains("would"),
        "{}",
        world.status().next_action
    );
    world.resource.spec.mode = Mode::Remote;
    world.run(60);
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
}

#[test]
fn an_edge_api_scaled_to_zero_is_waited_for() {
    let mut world = World::new();
    world.deployment.as_mut().unwrap()["spec"]["replicas"] = 0.into();
    world.edge.clear();
    world.run(60);
    assert_eq!(world.phase(), Phase::Pending);
    assert!(world.status().blocked_by.join(" ").contains("scaled to zero"));
}
