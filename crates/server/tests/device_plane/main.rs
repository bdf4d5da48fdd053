//! The six operations answer as the Edge API needs it, and a device's life goes on over restarts of
//! the server.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod anonymous;
mod census;
mod clock;
mod comparison;
mod excess;
mod intake;
mod world;

use contract::{DeviceId, Namespace};
use edge_config_server::service::ServiceError;
use fleet::{DeletionMode, Policy, State, administration::Act};
use http::StatusCode;
use pki::Fingerprint;
use serde_json::{Value, json};

use world::{Fleet, count, key, manual};

#[tokio::test]
async fn a_device_goes_through_its_life_and_nothing_is_lost_by_restarts() {
    let mut fleet = Fleet::new(manual()).await;
    assert_eq!(fleet.enrol("edge", "Dev-1").await, 201);
    assert_eq!(
        fleet.status("default", "dev-1").await,
        json!({"status": "unknown", "namespace": "edge"})
    );
    assert_eq!(fleet.enrol("edge", "Dev-1").await, 201);
    fleet.restart().await;

    fleet
        .act(
            "dev-1",
            Act::Approve {
                namespace: Some(Namespace::parse("plant").unwrap()),
                set: None,
            },
        )
        .await;
    assert_eq!(fleet.enrol("edge", "DEV-1").await, 200);
    assert_eq!(
        fleet.status("default", "dev-1").await,
        json!({"status": "registered", "namespace": "plant"})
    );
    let key = key();
    assert_eq!(fleet.register("plant", "Dev-1", &key).await, (200, Value::Null));
    assert_eq!(fleet.register("plant", "Dev-1", &key).await, (200, Value::Null));
    fleet.restart().await;

    let (status, served) = fleet.configuration("plant", "dev-1").await;
    assert_eq!(status, 200);
    let configuration = &served["device-configuration"];
    assert_eq!(
        configuration["configuration"],
        json!({"heartbeat": {"hardware_profile": {}, "period_seconds": 60},
               "metrics": {"receiver": {"request_num_samples": 30000, "timeout_seconds": 10}}, "mounts": []})
    );
    assert!(configuration["version"].is_string());
    fleet.restart().await;
    assert_eq!(
        fleet.configuration("plant", "DEV-1").await,
        (200, served.clone()),
        "the same bytes from anew"
    );

    let beat = json!({"status": "up", "version": "v", "workloads": [{"name": "w", "status": "Running",
        "last_data_upload": "0001-01-01T00:00:00.000Z"}], "playbook-executions": null,
        "events": [null, {"type": "warn", "reason": "Failed", "message": "m"}],
        "upgrade": {"current_commit_ID": "unknown"}});
    for _ in 0..4 {
        assert_eq!(fleet.heartbeat("plant", "dev-1", &beat).await, 200);
        fleet.restart().await;
    }
    let shown = fleet.show("dev-1").await;
    assert_eq!(
        count(&shown, "Failed"),
        1,
        "four copies are one heartbeat, also over restarts"
    );
    assert_eq!(shown.report.workloads["w"].status, "Running");
    assert_eq!(shown.labels["device.hostname"], "host");
    assert_eq!(shown.spelling, "DEV-1");
    assert_eq!(shown.namespace.as_str(), "plant");
    assert_eq!(count(&shown, "Registered"), 2);
    assert_eq!(
        fleet
            .call("GET", "/namespaces/plant/devices/dev-1/playbookexecutions", "")
            .await,
        (StatusCode::OK, json!([]))
    );
}

#[tokio::test]
async fn nobody_but_an_approved_device_gets_or_changes_anything() {
    let fleet = Fleet::new(manual()).await;
    fleet.enrol("edge", "waiting").await;
    fleet.enrol("edge", "rejected").await;
    fleet.act("rejected", Act::Reject).await;
    fleet.enrol("edge", "deleted").await;
    fleet
        .act(
            "deleted",
            Act::Approve {
                namespace: None,
                set: None,
            },
        )
        .await;
    fleet
        .act(
            "deleted",
            Act::Delete {
                mode: DeletionMode::Remove,
            },
        )
        .await;
    let beat = json!({"events": null, "workloads": null, "playbook-executions": null});
    for id in ["waiting", "rejected", "deleted", "never-seen"] {
        let (status, body) = fleet.register("edge", id, &key()).await;
        assert_eq!(status, 409, "{id}");
        assert!(
            body["message"].as_str().unwrap().starts_with("the device"),
            "{body}"
        );
        assert_eq!(fleet.configuration("edge", id).await.0, 404, "{id}");
        assert_eq!(fleet.heartbeat("edge", id, &beat).await, 404, "{id}");
        let path = format!("/namespaces/edge/devices/{id}/playbookexecutions");
        assert_eq!(fleet.call("GET", &path, "").await.0, 404, "{id}");
    }
    for id in ["waiting", "rejected", "deleted"] {
        let shown = fleet.show(id).await;
        assert!(
            shown.report.hardware.is_none() && shown.registration.keys.is_empty(),
            "{id}"
        );
    }
    assert_eq!(fleet.listed().await.len(), 3);
    let strays = fleet.service().strays(10).await.unwrap();
    assert_eq!(strays.len(), 4);
    assert!(strays.iter().all(|view| view.stray.count == 4), "{strays:?}");
}

#[tokio::test]
async fn only_a_deletion_disconnects_and_the_way_back_is_open() {
    let mut fleet = Fleet::new(Policy::default()).await;
    assert_eq!(fleet.enrol("edge", "d").await, 201);
    assert_eq!(fleet.enrol("edge", "d").await, 200);
    fleet
        .act(
            "d",
            Act::Delete {
                mode: DeletionMode::Forget,
            },
        )
        .await;
    let unregistered = json!({"status": "unregistered", "namespace": "edge"});
    let unknown = json!({"status": "unknown", "namespace": "edge"});
    assert_eq!(
        fleet.enrol("edge", "d").await,
        201,
        "before it was told, it waits"
    );
    assert_eq!(fleet.status("edge", "d").await, unregistered);
    fleet.restart().await;
    fleet.pass(5);
    assert_eq!(fleet.status("edge", "d").await, unregistered);
    fleet.pass(30);
    assert_eq!(
        fleet.configuration("edge", "d").await.0,
        404,
        "its daemon was restarted"
    );
    assert_eq!(fleet.status("edge", "d").await, unknown);
    fleet.restart().await;
    fleet.pass(55);
    assert_eq!(fleet.status("edge", "d").await, unknown);
    fleet.pass(6);
    assert_eq!(
        fleet.status("edge", "d").await,
        unregistered,
        "it did not enrol in a minute"
    );
    fleet.pass(31);
    assert_eq!(fleet.status("edge", "d").await, unknown);
    assert_eq!(fleet.enrol("edge", "d").await, 201);
    assert_eq!(
        fleet.enrol("edge", "d").await,
        200,
        "forgotten: the ordinary rules approve it"
    );

    fleet
        .act(
            "d",
            Act::Delete {
                mode: DeletionMode::Remove,
            },
        )
        .await;
    assert_eq!(fleet.status("edge", "d").await, unregistered);
    assert_eq!(fleet.enrol("edge", "d").await, 201);
    assert_eq!(fleet.enrol("edge", "d").await, 201, "removed: a person decides");
    assert!(matches!(
        fleet.show("d").await.state,
        State::Waiting { returned: true, .. }
    ));
    assert_eq!(fleet.status("edge", "d").await, unknown);
}

#[tokio::test]
async fn a_restored_store_disconnects_nobody_until_somebody_confirms_it() {
    let mut fleet = Fleet::new(Policy::default()).await;
    fleet.enrol("edge", "d").await;
    fleet
        .act(
            "d",
            Act::Delete {
                mode: DeletionMode::Remove,
            },
        )
        .await;
    fleet.restored = true;
    fleet.restart().await;
    fleet.restored = false;
    assert_eq!(fleet.status("edge", "d").await["status"], "unknown");
    let listed = fleet.listed().await;
    assert!(listed[0].earlier_epoch);
    assert_eq!(
        fleet
            .service()
            .census()
            .await
            .unwrap()
            .tombstones_of_earlier_epochs,
        1
    );
    fleet.restart().await;
    assert_eq!(
        fleet.status("edge", "d").await["status"],
        "unknown",
        "a restart is no new epoch"
    );
    fleet.act("d", Act::Confirm).await;
    assert_eq!(fleet.status("edge", "d").await["status"], "unregistered");
}

#[tokio::test]
async fn a_lost_device_is_found_and_adopted_without_a_disconnect() {
    let fleet = Fleet::new(manual()).await;
    assert_eq!(
        fleet.status("plant", "Lost-1").await,
        json!({"status": "unknown", "namespace": "plant"})
    );
    assert_eq!(fleet.configuration("plant", "lost-1").await.0, 404);
    fleet
        .act(
            "lost-1",
            Act::Adopt {
                namespace: None,
                release: false,
            },
        )
        .await;
    assert!(fleet.service().strays(10).await.unwrap().is_empty());
    assert_eq!(fleet.status("plant", "lost-1").await["status"], "registered");
    assert_eq!(
        fleet.configuration("plant", "lost-1").await.0,
        409,
        "it keeps what it runs"
    );
    let (status, _) = fleet.register("plant", "lost-1", &key()).await;
    assert_eq!(status, 200);
    assert_eq!(count(&fleet.show("lost-1").await, "UnknownKeyAccepted"), 1);
    let act = Act::Release;
    let id = DeviceId::parse("lost-1").unwrap();
    let refused = fleet.service().act(id, act.clone(), "tester".into()).await;
    assert!(
        matches!(refused, Err(ServiceError::WouldLose(_))),
        "nobody knows what it runs: {refused:?}"
    );
    fleet.act_as_confirmed("lost-1", act).await;
    assert_eq!(fleet.configuration("plant", "lost-1").await.0, 200);
}

#[tokio::test]
async fn the_gate_closes_when_the_device_is_seen_and_opens_by_permission() {
    let fleet = Fleet::new(Policy::default()).await;
    fleet.enrol("edge", "d").await;
    let (lost, kept, foreign) = (key(), key(), key());
    assert_eq!(fleet.register("edge", "d", &lost).await.0, 200);
    fleet.status("edge", "d").await;
    assert_eq!(
        fleet.register("edge", "d", &kept).await.0,
        200,
        "a status request is no proof"
    );
    fleet.configuration("edge", "d").await;
    for _ in 0..3 {
        let (status, body) = fleet.register("edge", "d", &foreign).await;
        assert_eq!(status, 409);
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .contains("registered with another key")
        );
    }
    assert_eq!(
        fleet.register("edge", "d", &lost).await.0,
        200,
        "its own keys always pass"
    );
    assert_eq!(
        fleet.register("other", "d", &kept).await.0,
        409,
        "not in this namespace"
    );
    let shown = fleet.show("d").await;
    let mut refused: Vec<u64> = shown
        .events
        .iter()
        .filter(|event| event.reason == "RegistrationRefused")
        .map(|event| event.count)
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, [1, 3], "one event for each cause, with a count");
    assert!(
        shown
            .conditions
            .iter()
            .any(|condition| condition.r#type == "DuplicateIdentity")
    );

    fleet.act("d", Act::AllowRegistration).await;
    fleet.configuration("edge", "d").await;
    assert_eq!(
        fleet.register("edge", "d", &foreign).await.0,
        200,
        "a poll does not close a permission"
    );
    fleet.pass(3601);
    fleet.configuration("edge", "d").await;
    assert_eq!(
        fleet.register("edge", "d", &kept).await.0,
        409,
        "the permission replaced the keys"
    );
    assert_eq!(fleet.register("edge", "d", &foreign).await.0, 200);
}

#[tokio::test]
async fn bad_input_is_refused_with_a_sentence_and_leaves_nothing() {
    let fleet = Fleet::new(Policy::default()).await;
    let enrolment = "/namespaces/edge/devices/d/enrolment";
    for (body, names) in [
        ("", "enrolment: EOF"),
        ("{", "enrolment: EOF"),
        ("[]", "enrolment: invalid type"),
        ("{} {}", "enrolment: trailing characters"),
        (r#"{"features": 7}"#, "enrolment: features: invalid type"),
        (
            r#"{"features": {"hardware": {"cpu": {"count": "2"}}}}"#,
            "enrolment: features.hardware.cpu.count: invalid type",
        ),
        (
            r#"{"target_namespace": 1}"#,
            "enrolment: target_namespace: invalid type",
        ),
    ] {
        let (status, answer) = fleet.call("POST", enrolment, body).await;
        assert_eq!(status, 400, "{body}");
        let message = answer["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("the body is not a valid {names}")),
            "{message}"
        );
    }
    for id in ["a_b", "-a", "a%2Fb", &"a".repeat(64)] {
        assert_eq!(fleet.enrol("edge", id).await, 400, "{id}");
    }
    assert_eq!(fleet.enrol("Edge", "d").await, 400);
    assert_eq!(fleet.call("DELETE", enrolment, "").await.0, 405);
    assert_eq!(
        fleet.call("GET", "/namespaces/edge/devices/d/other", "").await.0,
        404
    );
    assert!(fleet.listed().await.is_empty());

    fleet.enrol("edge", "d").await;
    let request = testkit::pki::with_broken_signature(&key().certificate_request("d").unwrap()).unwrap();
    let body = json!({"certificate_request": request}).to_string();
    let (status, answer) = fleet
        .call("PUT", "/namespaces/edge/devices/d/registration", body)
        .await;
    assert_eq!(status, 409);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("not signed with the key"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_probe_is_seen_and_leaves_no_trace_in_the_fleet() {
    let fleet = Fleet::new(Policy::default()).await;
    let answer = fleet.status("default", "flotta-companion-probe-1f").await;
    assert_eq!(answer, json!({"status": "unknown", "namespace": "default"}));
    assert_eq!(fleet.enrol("default", "flotta-companion-probe-1f").await, 400);
    assert_eq!(fleet.probes(), ["1f"]);
    assert!(fleet.service().strays(10).await.unwrap().is_empty());
    assert!(fleet.listed().await.is_empty());
}

#[tokio::test]
async fn a_probe_counts_for_the_key_that_it_came_with() {
    let fleet = Fleet::new(Policy::default()).await;
    let (host, other) = (Fingerprint::of(b"host"), Fingerprint::of(b"other"));
    assert_eq!(fleet.probe_from("2a", host).await, [Some(host)]);
    let both = fleet.probe_from("2a", other).await;
    assert!(
        both.contains(&Some(host)) && both.contains(&Some(other)),
        "{both:?}"
    );
}

/// The Edge API hands on whatever a caller without a certificate of its own enrols or registers, by
/// its own key.
#[tokio::test]
async fn a_probe_is_not_pushed_out_by_ids_that_somebody_invents() {
    let fleet = Fleet::new(Policy::default()).await;
    fleet.status("default", "flotta-companion-probe-1f").await;
    for number in 0..17 {
        let invented = format!("flotta-companion-probe-invented{number}");
        assert_eq!(fleet.enrol("default", &invented).await, 400);
    }
    assert_eq!(fleet.probes(), ["1f"], "nobody enrols to verify anything");
    for number in 0..100 {
        let invented = format!("flotta-companion-probe-invented{number}");
        fleet.status("default", &invented).await;
    }
    assert!(fleet.saw_probe("1f"));
}
