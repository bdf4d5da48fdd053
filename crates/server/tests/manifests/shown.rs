//! What an administrator is shown of a device, and what an approval makes of what manifests say.

use std::fs;

use fleet::administration::Act;
use serde_json::{Value, json};

use crate::{fleet::version, world::World};

async fn behind(world: &World) -> u64 {
    let (status, view) = world.admin("GET", "/workloads/default/press", &Value::Null).await;
    assert_eq!(status, 200, "{view}");
    let devices = view["devices"].as_array().unwrap();
    devices
        .iter()
        .filter(|device| device["current"] == json!(false))
        .count() as u64
}

/// Between a change of the manifests and the device's next poll, both commands say that the device
/// is behind.
#[tokio::test]
async fn a_device_and_its_workload_say_the_same_of_how_far_it_is() {
    let world = World::serving(true).await;
    let shown = world.show("one").await;
    let wanted = shown.delivery.wanted.clone().unwrap();
    assert_eq!(shown.offered.as_deref(), Some(wanted.version.as_str()));
    assert_eq!(behind(&world).await, 0);

    let path = world.source().join("workloads.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("registry.example/press:1", "registry.example/press:2"),
    )
    .unwrap();
    world.take_over().await;
    assert!(behind(&world).await > 0);
    let shown = world.show("one").await;
    assert_eq!(
        shown.delivery.wanted.as_ref(),
        Some(&wanted),
        "as of its last poll"
    );
    assert!(shown.applied_by.is_some(), "it has what it was told");
    let next = shown.offered.unwrap();
    assert_ne!(next, wanted.version, "and gets another one");
    let (_, told) = world.poll("one").await;
    assert_eq!(version(&told), next);
}

#[tokio::test]
async fn an_approval_that_names_no_namespace_follows_the_devices_signed_request() {
    let mut world = World::stopped();
    world.policy.approval = fleet::Approval::Manual;
    let request = |name: &str, namespace: &str, spec: &str| {
        format!(
            "---\napiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDeviceSignedRequest\n\
             metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
        )
    };
    let open = "targetNamespace: plant, targetSet: pumps";
    let text = request("open", "default", open)
        + &request("told", "default", open)
        + &request("twice", "default", "approved: true, targetNamespace: plant")
        + &request("twice", "other", "approved: false, targetNamespace: elsewhere");
    world.write("requests.yaml", &text);
    world.start().await;
    world.take_over().await;
    let approve = |namespace: Option<&str>| Act::Approve {
        namespace: namespace.map(|namespace| contract::Namespace::parse(namespace).unwrap()),
        set: None,
    };
    for id in ["open", "told", "unnamed"] {
        assert_eq!(world.enrol("default", id).await, 201, "{id}");
    }
    let open = world.act("open", approve(None)).await;
    assert_eq!(open.namespace.as_str(), "plant");
    assert_eq!(open.labels["flotta/member-of"], "pumps");
    // Whatever the request says, once more is once.
    assert_eq!(world.act("open", approve(None)).await.namespace.as_str(), "plant");
    let told = world.act("told", approve(Some("given"))).await;
    assert_eq!(told.namespace.as_str(), "given");
    assert_eq!(told.labels.get("flotta/member-of"), None);
    assert_eq!(
        world.act("unnamed", approve(None)).await.namespace.as_str(),
        "default"
    );
    world.enrol("default", "twice").await;
    assert_eq!(
        world.show("twice").await.namespace.as_str(),
        "plant",
        "one that approves counts"
    );
}

/// Nobody knows then whether a request names a place, and an approval into the wrong one is for
/// good.
#[tokio::test]
async fn an_approval_waits_for_manifests_that_cannot_be_read_or_names_the_namespace() {
    let mut world = World::stopped();
    world.policy.approval = fleet::Approval::Manual;
    world.start().await;
    assert_eq!(world.enrol("default", "one").await, 201);
    let approve = |namespace: &Value| json!({"act": "approve", "namespace": namespace});
    let (status, answer) = world
        .admin("POST", "/devices/one/acts", &approve(&Value::Null))
        .await;
    assert_eq!(status, 409, "{answer}");
    assert!(
        answer["message"].as_str().unwrap().contains("--namespace"),
        "{answer}"
    );
    let (status, shown) = world
        .admin("POST", "/devices/one/acts", &approve(&json!("plant")))
        .await;
    assert_eq!((status, &shown["namespace"]), (200, &json!("plant")));
}

/// The setting approves at once, and the manifests that are still to come may say where.
#[tokio::test]
async fn no_setting_approves_a_device_before_manifests_were_taken_over() {
    let mut world = World::stopped();
    world.write(
        "requests.yaml",
        "apiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDeviceSignedRequest\n\
         metadata: {name: early}\nspec: {approved: true, targetNamespace: plant}\n",
    );
    world.start().await;
    for id in ["early", "other"] {
        for _ in 0..2 {
            assert_eq!(world.enrol("default", id).await, 201, "{id}");
        }
        assert_eq!(world.show(id).await.state.phase(), fleet::Phase::Waiting, "{id}");
    }
    world.take_over().await;
    for (id, namespace) in [("early", "plant"), ("other", "default")] {
        assert_eq!(world.enrol("default", id).await, 200, "{id}");
        assert_eq!(world.show(id).await.namespace.as_str(), namespace, "{id}");
    }
}
