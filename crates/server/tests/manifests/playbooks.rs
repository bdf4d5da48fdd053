//! Playbooks reach the devices that are labelled for them, once, over restarts of the server.

use fleet::administration::Act;
use serde_json::{Value, json};

use crate::world::World;

fn beat(name: &Value, status: &str) -> Value {
    json!({"status": "up", "version": "v", "workloads": [], "events": [],
        "playbook-executions": [{"name": name, "status": status}]})
}

#[tokio::test]
async fn a_playbook_is_offered_until_it_is_named_and_never_again_once_it_is_final() {
    let mut world = World::serving(true).await;
    assert_eq!(
        world.playbooks("two").await,
        Vec::<Value>::new(),
        "it is not labelled"
    );
    let offered = world.playbooks("one").await;
    assert_eq!(offered.len(), 1, "{offered:?}");
    assert_eq!(offered[0]["ansible_playbook_string"], "- hosts: localhost\n");
    let name = offered[0]["name"].clone();

    world.restart().await;
    let again = world.playbooks("one").await;
    assert_eq!(again, offered, "nobody has named it: the same run");
    assert_eq!(world.heartbeat("one", &beat(&name, "Running")).await, 200);
    assert_eq!(world.playbooks("one").await, Vec::<Value>::new(), "it runs");
    world.restart().await;
    assert_eq!(world.playbooks("one").await, Vec::<Value>::new(), "it still does");
    assert_eq!(
        world
            .heartbeat("one", &beat(&name, "SuccessfullyCompleted"))
            .await,
        200
    );
    for _ in 0..3 {
        assert_eq!(world.playbooks("one").await, Vec::<Value>::new(), "it is done");
        // Loaded again from an unchanged source, and from one that lost it for a while.
        std::fs::remove_file(world.source().join("sets.yaml")).unwrap();
        world.look().await;
        assert_eq!(world.playbooks("one").await, Vec::<Value>::new());
        world.write_all();
        world.look().await;
        world.restart().await;
    }
    let shown = world.show("one").await;
    assert_eq!(shown.report.runs.list.len(), 1, "{:?}", shown.report.runs);

    world
        .act(
            "one",
            Act::RerunPlaybooks {
                config: "ntp".to_owned(),
            },
        )
        .await;
    let rerun = world.playbooks("one").await;
    assert_eq!(rerun.len(), 1);
    assert_ne!(rerun[0]["name"], name, "a run of its own");

    // Other content is another playbook.
    world.edit(
        "sets.yaml",
        "LSBob3N0czogbG9jYWxob3N0Cg==",
        "LSBob3N0czogb3RoZXJzCg==",
    );
    world.look().await;
    let other = world.playbooks("one").await;
    assert_eq!(other.len(), 1);
    assert_eq!(other[0]["ansible_playbook_string"], "- hosts: others\n");
}
