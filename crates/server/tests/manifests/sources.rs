//! Sources: each is taken over as one, and is not needed once it was.

use edge_config_server::sources::WATCHED;
use fleet::{DeletionMode, State, administration::Act};
use manifests::UnknownFields;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    fleet::{DEVICES, PLANTED, names},
    world::{World, set},
};

pub(crate) const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n";

pub(crate) async fn apply(world: &World, source: &str, texts: &[(&str, &str)]) -> (u16, Value) {
    let texts: Vec<Value> = texts
        .iter()
        .map(|(origin, text)| json!({"origin": origin, "text": text}))
        .collect();
    let body = json!({"source": source, "texts": texts});
    world.admin("POST", "/manifests", &body).await
}

pub(crate) async fn objects(world: &World, source: &str) -> Vec<String> {
    let (status, list) = world.admin("GET", "/manifests/objects", &Value::Null).await;
    assert_eq!(status, 200);
    let of = |object: &&Value| object["source"] == source;
    let list = list.as_array().unwrap().iter().filter(of);
    list.map(|object| object["name"].as_str().unwrap().to_owned())
        .collect()
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
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("dats is no field of ConfigMap"),
        "{answer}"
    );
    let beside = format!("{MAP}---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: a}}}}\n");
    let (status, answer) = apply(&world, "hand", &[("odd.yaml", &beside)]).await;
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer["warnings"][0]
            .as_str()
            .unwrap()
            .contains("Namespace default/a is of a kind"),
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

/// A rule that is newer than what a store holds takes nothing from a device: neither of the objects
/// nor of the files.
#[tokio::test]
async fn what_is_refused_since_an_upgrade_is_told_and_still_delivered() {
    let mut world = World::stopped();
    world.unknown_fields = UnknownFields::Warn;
    world.write("odd.yaml", &MAP.replace("\ndata:", "\ndats: {}\ndata:"));
    world.start().await;
    world.take_over().await;
    for id in DEVICES {
        world.join(id).await;
    }
    // What no manifest can say since: a port twice, and a Secret without what its type asks for.
    world.stop().await;
    let store = Connection::open(world.db()).unwrap();
    let port = r#""ports":[{"containerPort":1,"hostPort":5},{"containerPort":70000,"hostPort":5}]"#;
    let changed = store.execute(
        "UPDATE document SET body = replace(body, '\"image\":', ?1 || ',\"image\":'), checksum = NULL WHERE name = 'own' AND kind = 'EdgeWorkload'",
        [port],
    );
    assert_eq!(changed, Ok(1));
    drop(store);
    world.start().await;
    let mut before = Vec::new();
    for id in DEVICES {
        let (status, told) = world.poll(id).await;
        assert_eq!(status, 200, "{told}");
        before.push(told);
    }
    assert!(before[1].to_string().contains("70000"), "{}", before[1]);

    world.unknown_fields = UnknownFields::Refuse;
    world.restart().await;
    world.look().await;
    let faults = &world.service().documents().status().sources[0].faults;
    assert!(
        faults.len() == 1 && faults[0].contains("dats is no field of ConfigMap"),
        "{faults:?}"
    );
    for (id, before) in DEVICES.iter().zip(before) {
        assert_eq!(world.poll(id).await, (200, before), "{id}");
    }
}

#[tokio::test]
async fn a_file_that_is_something_else_is_told_in_few_words() {
    let world = World::serving(true).await;
    world.write("log.yaml", &"{}\n---\n".repeat(100_000));
    world.look().await;
    let status = world.service().documents().status();
    let faults = &status.sources[0].faults;
    assert_eq!(faults.len(), 51);
    assert_eq!(faults[50], "and 199950 more faults, which are not listed");
    assert!(faults.iter().map(String::len).sum::<usize>() < 20_000);
    assert_eq!(world.poll("one").await.0, 200);
}

#[tokio::test]
async fn removing_a_devices_documents_deletes_no_device() {
    let mut world = World::stopped();
    world.allowed = edge_config_server::sources::Share::percent(100).unwrap();
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
    world.join_by_hand("one").await;
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
        assert_eq!(
            world.not_ready_because().await,
            Vec::<String>::new(),
            "who is not ready hears no heartbeat"
        );
        let waits = world.service().documents().switch_waits_for().unwrap();
        assert!(waits.contains("were never taken over"), "{waits}");
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
    assert_eq!(world.service().documents().switch_waits_for(), None);
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

/// A source beside the one by which the fleet is configured already, which is not taken over:
/// nobody loses what it has.
#[tokio::test]
async fn who_was_given_a_configuration_goes_on_with_it_until_the_source_is_taken_over() {
    let mut world = World::serving(false).await;
    let before = world.poll("two").await;
    world.stop().await;
    world.watches = true;
    world.start().await;
    world.look().await;
    let status = world.service().documents().status();
    let source = status
        .sources
        .iter()
        .find(|source| source.name == WATCHED)
        .unwrap();
    assert!(
        source.faults[0].contains("belongs to source \"administrator\"")
            && source.faults[0].contains("manifests hand-over administrator"),
        "{status:?}"
    );
    assert_eq!(world.poll("two").await, before);
    world.report("two").await;
    world.service().forget_configurations();
    assert_eq!(world.poll("two").await, before);
    world.join_by_hand("new").await;
    assert_eq!(world.poll("new").await.0, 503);
    assert_eq!(world.not_ready_because().await, Vec::<String>::new());
    assert!(world.service().documents().switch_waits_for().is_some());
    assert_eq!(world.service().documents().summary().faulty_sources, 1);
}

#[tokio::test]
async fn a_panic_over_a_source_is_a_fault_of_that_source() {
    let world = World::serving(true).await;
    let before = world.poll("two").await;
    for call in ["documents", "list", "load"] {
        world.edit("maps.yaml", "metadata: {name: watch}", "metadata: {name: wotch}");
        world.faults.panic(call);
        assert!(world.look().await, "it is tried again");
        let status = world.service().documents().status();
        assert!(
            status.sources[0].faults[0].contains("a defect in this program"),
            "{call}: {status:?}"
        );
        assert_eq!(world.poll("two").await, before);
        world.write_all();
        world.look().await;
        let status = world.service().documents().status();
        assert_eq!(status.sources[0].faults, [""; 0], "{call}");
    }
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
