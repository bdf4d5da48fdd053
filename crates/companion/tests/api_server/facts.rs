//! Facts about the API server that the companion is built on, and what it makes of the definition
//! of our resource.

use anyhow::Result;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use plan::{api::RemoteBackend, names::MANAGER};
use serde_json::{Value, json};

use crate::{
    kubelet::deployment,
    world::{World, control_plane, has},
};

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        error => panic!("{error}"),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "json! makes values")]
fn settings(data: Value, more: Value) -> Value {
    let mut metadata = json!({"name": "flotta-edge-api-config"});
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_side_apply_does_what_the_plan_counts_on() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "facts").await?;
    let configs = world.api::<ConfigMap>();
    let name = "flotta-edge-api-config";
    let ours = PatchParams::apply(MANAGER);

    // A key that another manager set to another value is a conflict; forced, it is taken over.
    world
        .merge::<ConfigMap>(name, json!({"data": {"BACKEND": "crd"}}))
        .await?;
    let wanted = settings(json!({"BACKEND": "remote"}), json!({}));
    let conflict = configs
        .patch(name, &ours, &Patch::Apply(&wanted))
        .await
        .unwrap_err();
    assert_eq!(code(conflict), 409);
    let taken = configs
        .patch(name, &ours.clone().force(), &Patch::Apply(&wanted))
        .await?;
    assert_eq!(taken.data.as_ref().unwrap()["BACKEND"], "remote");

    // A uid that is not the object's is a conflict or invalid, and so is a version that is over.
    let foreign = "00000000-0000-4000-8000-000000000000";
    let other = settings(
        json!({"BACKEND": "remote"}),
        json!({"uid": foreign, "resourceVersion": taken.resource_version()}),
    );
    let refused = code(
        configs
            .patch(name, &ours, &Patch::Apply(&other))
            .await
            .unwrap_err(),
    );
    assert!(matches!(refused, 409 | 422), "{refused}");
    let old = settings(
        json!({"BACKEND": "remote", "X": "y"}),
        json!({"uid": taken.uid(), "resourceVersion": "1"}),
    );
    assert_eq!(
        code(configs.patch(name, &ours, &Patch::Apply(&old)).await.unwrap_err()),
        409
    );

    // With a uid an apply creates nothing; without one it does.
    let missing = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
                         "metadata": {"name": "missing", "uid": "00000000-0000-4000-8000-000000000000"}});
    assert_eq!(
        code(
            configs
                .patch("missing", &ours, &Patch::Apply(&missing))
                .await
                .unwrap_err()
        ),
        409
    );
    assert!(configs.get_opt("missing").await?.is_none());

    // A key that is dropped from what is applied is deleted; the others' stay.
    let dropped = configs
        .patch(name, &ours, &Patch::Apply(&settings(json!({}), json!({}))))
        .await?;
    let data = dropped.data.unwrap();
    assert!(!data.contains_key("BACKEND"), "{data:?}");
    assert_eq!(data["LOG_LEVEL"], "info");

    // A value under a second manager first, and it stays when the first drops it.
    configs
        .patch(name, &ours.clone().force(), &Patch::Apply(&wanted))
        .await?;
    let restored = PatchParams {
        field_manager: Some("flotta-companion-restore".to_owned()),
        ..PatchParams::default()
    };
    configs
        .patch(
            name,
            &restored,
            &Patch::Strategic(json!({"data": {"BACKEND": "crd"}})),
        )
        .await?;
    let dropped = configs
        .patch(name, &ours, &Patch::Apply(&settings(json!({}), json!({}))))
        .await?;
    assert_eq!(dropped.data.unwrap()["BACKEND"], "crd");

    // An entry with valueFrom cannot be given a value, even by force.
    let mut object = deployment();
    let containers = &mut object["spec"]["template"]["spec"]["containers"];
    containers[1]["env"] = json!([{"name": "SSL_CERT_DIR",
        "valueFrom": {"configMapKeyRef": {"name": "flotta-edge-api-config", "key": "LOG_LEVEL"}}}]);
    let deployments = world.api::<Deployment>();
    deployments
        .patch(
            "flotta-edge-api",
            &PatchParams::apply("kubectl").force(),
            &Patch::Apply(&object),
        )
        .await?;
    let containers = json!([{"name": "http", "env": [{"name": "SSL_CERT_DIR", "value": "/x"}]}]);
    let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "flotta-edge-api"},
                       "spec": {"template": {"spec": {"containers": containers}}}});
    let refused = deployments
        .patch("flotta-edge-api", &ours.clone().force(), &Patch::Apply(&value))
        .await;
    assert_eq!(code(refused.unwrap_err()), 422);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_definition_has_defaults_and_refuses_what_makes_no_sense() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "definition").await?;

    // Tools that wait must not take a resource that nobody has looked at for ready.
    let fresh = world.remote_backend(json!({})).await?;
    assert!(has(&fresh, "Ready", "Unknown"), "{:?}", fresh.status);
    assert_eq!(fresh.spec, plan::api::RemoteBackendSpec::default());

    for (spec, word) in [
        (json!({"mode": "Off"}), "mode"),
        (json!({"backend": {"url": "backend:8443/x"}}), "url"),
        (json!({"backend": {"url": ""}}), "url"),
        (json!({"backend": {"timeout": "5"}}), "timeout"),
        (json!({"clientCertExpirationDays": 0}), "clientCertExpirationDays"),
        (json!({"edgeApi": {"deployment": ""}}), "deployment"),
        (json!({"edgeApi": {"rolloutSeconds": 1}}), "rolloutSeconds"),
        (json!({"devices": {"entering": "Drop"}}), "entering"),
        (json!({"paused": {"until": "tomorrow"}}), "until"),
    ] {
        let change = Patch::Merge(json!({"spec": spec.clone()}));
        let refused = world
            .api::<RemoteBackend>()
            .patch("flotta", &PatchParams::default(), &change)
            .await;
        match refused {
            Err(kube::Error::Api(status)) => {
                assert_eq!(status.code, 422, "{spec}");
                assert!(status.message.contains(word), "{spec}: {}", status.message);
            }
            other => panic!("{spec} was taken: {other:?}"),
        }
    }

    // What is said is kept by the status subresource alone, and the spec is out of its reach.
    let mut changed = fresh.clone();
    changed.spec.backend.timeout = "9s".to_owned();
    let status = plan::api::RemoteBackendStatus {
        next_action: "nothing".to_owned(),
        ..plan::api::RemoteBackendStatus::default()
    };
    changed.status = Some(status);
    let written = world
        .api::<RemoteBackend>()
        .replace_status("flotta", &kube::api::PostParams::default(), &changed)
        .await?;
    assert_eq!(written.spec.backend.timeout, "5s");
    assert_eq!(written.status.unwrap().next_action, "nothing");
    Ok(())
}
