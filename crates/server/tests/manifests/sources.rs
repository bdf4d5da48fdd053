//! Sources: each owns its objects, is taken over as one, and is not needed once it was.

use edge_config_server::documents::WATCHED;
use fleet::{DeletionMode, State, administration::Act};
use serde_json::{Value, json};

use crate::{
    fleet::{PLANTED, names},
    world::{World, set},
};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n";

async fn apply(world: &World, source: &str, texts: &[(&str, &str)]) -> (u16, Value) {
    let texts: Vec<Value> = texts
        .iter()
        .map(|(origin, text)| json!({"origin": origin, "text": text}))
        .collect();
    let body = json!({"source": source, "confirm": false, "texts": texts});
    world.admin("POST", "/manifests", &body).await
}

async fn objects(world: &World, source: &str) -> Vec<String> {
    let (status, list) = world.admin("GET", "/manifests/objects", &Value::Null).await;
    assert_eq!(status, 200);
    let of = |object: &&Value| object["source"] == source;
    let list = list.as_array().unwrap().iter().filter(of);
    list.map(|object| object["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_object_belongs_to_its_source_alone() {
    let world = World::serving(true).await;
    let stolen = MAP.replace("more", "press");
    let (status, answer) = apply(&world, "hand", &[("a.yaml", &stolen)]).await;
    assert_eq!(status, 409);
    assert_eq!(
        answer["message"],
        "ConfigMap default/press belongs to source \"manifests\"; remove it there first, or take it out of source \"hand\""
    );
    let (status, answer) = apply(
        &world,
        "hand",
        &[("a.yaml", MAP), ("b.yaml", &MAP.replace("more", "other"))],
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["changed"],
        json!(["ConfigMap default/more", "ConfigMap default/other"])
    );
    assert_eq!(objects(&world, "hand").await, ["more", "other"]);
    let watched = objects(&world, WATCHED).await;

    // What it holds no more is removed, and nothing of another source.
    let (status, answer) = apply(&world, "hand", &[("b.yaml", &MAP.replace("more", "other"))]).await;
    assert_eq!(
        (status, &answer["removed"]),
        (200, &json!(["ConfigMap default/more"]))
    );
    assert_eq!(objects(&world, "hand").await, ["other"]);
    assert_eq!(objects(&world, WATCHED).await, watched);

    // The watched one may not take it either, and stays as it is.
    world.write("more.yaml", &MAP.replace("more", "other"));
    world.look().await;
    let status = world.service().documents().status();
    let watched_status = status
        .sources
        .iter()
        .find(|source| source.name == WATCHED)
        .unwrap();
    assert!(
        watched_status.faults[0].contains("belongs to source \"hand\""),
        "{status:?}"
    );
    assert_eq!(objects(&world, WATCHED).await, watched);

    let (status, answer) = apply(&world, WATCHED, &[("a.yaml", MAP)]).await;
    assert_eq!(status, 409);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("is read from --manifests"),
        "{answer}"
    );
}

#[tokio::test]
async fn faults_of_all_files_are_told_together_and_nothing_is_applied() {
    let world = World::serving(true).await;
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n";
    let plain =
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{token: '{PLANTED}'}}\n");
    let (status, answer) = apply(
        &world,
        "hand",
        &[("good.yaml", MAP), ("bad.yaml", bad), ("worse.yaml", &plain)],
    )
    .await;
    assert_eq!(status, 400);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains("bad.yaml") && message.contains("worse.yaml"),
        "{message}"
    );
    assert!(!message.contains(PLANTED), "a value is no message");
    assert_eq!(objects(&world, "hand").await, Vec::<String>::new());

    let odd = MAP.replace("\ndata:", "\ndats: {}\ndata:");
    let (status, answer) = apply(&world, "hand", &[("odd.yaml", &odd)]).await;
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer["warnings"][0].as_str().unwrap().contains("dats"),
        "{answer}"
    );
    let (status, answer) = apply(&world, "hand", &[("empty.yaml", "# nothing\n")]).await;
    assert_eq!(status, 409);
    assert!(
        answer["message"].as_str().unwrap().contains("holds no object"),
        "{answer}"
    );
    assert_eq!(
        world.admin("POST", "/manifests", &json!({"source": 1})).await.0,
        400
    );
}

#[tokio::test]
async fn removing_a_devices_documents_deletes_no_device() {
    let mut world = World::stopped();
    world.allowed = edge_config_server::documents::Share::percent(100).unwrap();
    world.write("request.yaml", "apiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDeviceSignedRequest\nmetadata: {name: four}\nspec: {approved: true, targetNamespace: default}\n");
    world.start().await;
    world.take_over().await;
    for id in ["one", "four"] {
        world.join(id).await;
    }
    for name in ["request.yaml", "devices.yaml"] {
        std::fs::remove_file(world.source().join(name)).unwrap();
    }
    world.take_over().await;
    for id in ["one", "four"] {
        assert!(
            matches!(world.show(id).await.state, State::Approved { .. }),
            "{id}"
        );
        assert_eq!(world.poll(id).await.0, 200, "{id}");
    }
}

#[tokio::test]
async fn nobody_is_configured_before_the_source_was_taken_over_once() {
    let mut world = World::stopped();
    std::fs::remove_dir_all(world.source()).unwrap();
    world.start().await;
    for _ in 0..2 {
        world.enrol("default", "one").await;
    }
    let beat = json!({"status": "up", "version": "v", "workloads": [], "events": []});
    for looked in [false, true] {
        if looked {
            world.look().await;
        }
        let (status, answer) = world.poll("one").await;
        assert_eq!(status, 503);
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains("--manifests was never taken over"), "{message}");
        assert_eq!(message.contains("cannot be read"), looked, "{message}");
        assert_eq!(world.heartbeat("one", &beat).await, 200, "heartbeats are taken");
        let reasons = world.not_ready_because().await;
        assert!(
            reasons[0].contains("--manifests was never taken over"),
            "{reasons:?}"
        );
        assert!(
            world
                .show("one")
                .await
                .conditions
                .iter()
                .any(|condition| condition.r#type == "NotConfigured")
        );
    }
    // What an administrator applied does not make up for it.
    assert_eq!(apply(&world, "hand", &[("a.yaml", MAP)]).await.0, 200);
    assert_eq!(world.poll("one").await.0, 503);

    world.write_all();
    world.take_over().await;
    assert_eq!(world.not_ready_because().await, Vec::<String>::new());
    assert_eq!(names(&world.poll("one").await.1).0, set(&["press", "watch"]));

    // From then on the store is enough.
    std::fs::remove_dir_all(world.source()).unwrap();
    world.restart().await;
    world.look().await;
    assert_eq!(world.not_ready_because().await, Vec::<String>::new());
    assert_eq!(names(&world.poll("one").await.1).0, set(&["press", "watch"]));
    let (_, status) = world.admin("GET", "/manifests", &Value::Null).await;
    assert!(
        status["sources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|source| source["faults"] != json!([])),
        "{status}"
    );
}

#[tokio::test]
async fn a_device_that_was_approved_by_a_document_joins_where_it_says() {
    let mut world = World::stopped();
    world.policy.approval = fleet::Approval::Manual;
    let request = |name: &str, more: &str| {
        format!(
            "---\napiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDeviceSignedRequest\nmetadata: {{name: {name}}}\nspec: {{{more}}}\n"
        )
    };
    world.start().await;
    world.take_over().await;
    for id in ["early", "rejected", "removed", "unsaid"] {
        assert_eq!(world.enrol("default", id).await, 201, "{id}");
    }
    world.act("rejected", Act::Reject).await;
    world
        .act(
            "removed",
            Act::Approve {
                namespace: None,
                set: None,
            },
        )
        .await;
    world
        .act(
            "removed",
            Act::Delete {
                mode: DeletionMode::Remove,
            },
        )
        .await;
    let approved = "approved: true, targetNamespace: plant, targetSet: pumps";
    let mut text = String::new();
    for id in ["early", "late", "rejected", "removed"] {
        text += &request(id, approved);
    }
    world.write(
        "requests.yaml",
        &(text + &request("unsaid", "approved: false, targetNamespace: plant")),
    );
    world.take_over().await;
    for (id, first, second) in [
        ("early", 200, 200),
        ("late", 201, 200),
        ("rejected", 201, 201),
        ("removed", 201, 201),
        ("unsaid", 201, 201),
    ] {
        assert_eq!(
            (world.enrol("default", id).await, world.enrol("default", id).await),
            (first, second),
            "{id}"
        );
    }
    for id in ["early", "late"] {
        let shown = world.show(id).await;
        assert_eq!(shown.namespace.as_str(), "plant");
        assert_eq!(shown.labels["flotta/member-of"], "pumps");
    }
    // The set is the device's: it stays when the document goes.
    std::fs::remove_file(world.source().join("requests.yaml")).unwrap();
    world.take_over().await;
    assert_eq!(world.show("early").await.labels["flotta/member-of"], "pumps");
    assert!(!matches!(
        world.show("rejected").await.state,
        State::Approved { .. }
    ));
}
