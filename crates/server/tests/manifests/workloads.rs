//! How far a workload has come, right after each step.

use serde_json::{Value, json};

use crate::{fleet::version, world::World};

async fn workload(world: &World, name: &str) -> Value {
    let (status, view) = world
        .admin("GET", &format!("/workloads/default/{name}"), &Value::Null)
        .await;
    assert_eq!(status, 200, "{view}");
    let (status, list) = world.admin("GET", "/workloads", &Value::Null).await;
    assert_eq!(status, 200);
    let listed = list
        .as_array()
        .unwrap()
        .iter()
        .find(|view| view["name"] == name)
        .unwrap();
    for count in ["wanted", "running", "behind", "phases", "faults"] {
        assert_eq!(listed[count], view[count], "the list says the same");
    }
    view
}

fn counts(view: &Value) -> [u64; 3] {
    ["wanted", "running", "behind"].map(|count| view[count].as_u64().unwrap())
}

#[tokio::test]
async fn each_step_is_seen_at_once() {
    let mut world = World::stopped();
    world.start().await;
    world.take_over().await;
    assert_eq!(counts(&workload(&world, "press").await), [0, 0, 0]);

    for _ in 0..2 {
        world.enrol("default", "one").await;
    }
    let view = workload(&world, "press").await;
    assert_eq!(counts(&view), [1, 0, 1], "it is approved and has nothing");
    assert_eq!(view["phases"], json!({"": 1}));
    let (_, told) = world.poll("one").await;
    assert_eq!(counts(&workload(&world, "press").await), [1, 0, 1], "handed over");

    let beat = |version: &str, status: &str| json!({"status": "up", "version": version, "workloads": [{"name": "press", "status": status}], "events": []});
    assert_eq!(
        world.heartbeat("one", &beat(&version(&told), "Created")).await,
        200
    );
    let view = workload(&world, "press").await;
    assert_eq!(
        (counts(&view), &view["phases"]),
        ([1, 0, 0], &json!({"Created": 1}))
    );
    assert_eq!(view["devices"][0]["message"], Value::Null);
    let mut missing = beat(&version(&told), "Created");
    missing["events"] = json!([
        {"type": "warn", "reason": "Other", "message": "the disk is nearly full"},
        {"type": "warn", "reason": "Failed", "message": "the image cannot be pulled"},
    ]);
    assert_eq!(world.heartbeat("one", &missing).await, 200);
    let view = workload(&world, "press").await;
    assert_eq!(
        view["devices"][0]["message"], "the image cannot be pulled",
        "it has its configuration and does not run"
    );
    assert_eq!(
        world.heartbeat("one", &beat(&version(&told), "Running")).await,
        200
    );
    let view = workload(&world, "press").await;
    assert_eq!(
        (counts(&view), &view["phases"]),
        ([1, 1, 0], &json!({"Running": 1}))
    );
    assert_eq!(view["devices"][0]["id"], "one");

    // A change: it is behind before it has even asked.
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    world.look().await;
    assert_eq!(counts(&workload(&world, "press").await), [1, 1, 1]);
    let (_, new) = world.poll("one").await;
    assert_eq!(counts(&workload(&world, "press").await), [1, 1, 1]);
    let mut failing = beat(&version(&told), "Running");
    failing["events"] = json!([{"type": "warn", "reason": "Failed", "message": "cannot run press"}]);
    assert_eq!(world.heartbeat("one", &failing).await, 200);
    let view = workload(&world, "press").await;
    assert_eq!(counts(&view), [1, 1, 1]);
    assert_eq!(view["devices"][0]["message"], "cannot run press");
    world.restart().await;
    assert_eq!(workload(&world, "press").await, view, "over a restart");
    assert_eq!(
        world.heartbeat("one", &beat(&version(&new), "Running")).await,
        200
    );
    assert_eq!(counts(&workload(&world, "press").await), [1, 1, 0]);

    // What it needs is gone: it goes on as it was, and its fault says what is missing.
    std::fs::remove_file(world.source().join("secrets.yaml")).unwrap();
    world.look().await;
    let view = workload(&world, "press").await;
    assert_eq!(counts(&view), [1, 1, 0], "{view}");
    let faults = view["faults"].to_string();
    assert!(
        faults.contains("Secret") && faults.contains("registry"),
        "{faults}"
    );
    let shown = world.show("one").await;
    assert!(
        shown
            .conditions
            .iter()
            .any(|condition| condition.message.contains("Secret")),
        "{:?}",
        shown.conditions
    );

    let (status, answer) = world
        .admin("GET", "/workloads/default/nowhere", &Value::Null)
        .await;
    assert_eq!(
        (status, &answer["message"]),
        (404, &json!("there is no EdgeWorkload default/nowhere"))
    );
}
