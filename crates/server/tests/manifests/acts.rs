//! An administrator's act that would take something from a device is refused unless it is
//! confirmed.

use contract::{DeviceId, Namespace};
use edge_config_server::service::ServiceError;
use fleet::administration::Act;
use serde_json::{Value, json};

use crate::{
    fleet::names,
    world::{World, set},
};

const ADOPTION: Act = Act::Adopt {
    namespace: None,
    release: false,
};

fn label(key: &str, value: &str) -> Act {
    Act::SetLabels {
        set: [(key.to_owned(), value.to_owned())].into(),
        remove: std::collections::BTreeSet::new(),
    }
}

/// Why it is refused.
pub(crate) async fn refused(world: &World, id: &str, act: Act) -> String {
    let before = world.show(id).await;
    let id = DeviceId::parse(id).unwrap();
    let refused = world.service().act(id.clone(), act, "tester".into()).await;
    let Err(ServiceError::WouldLose(why)) = refused else {
        unreachable!("{refused:?}")
    };
    assert_eq!(
        world.service().show(id).await.unwrap(),
        before,
        "nothing has changed"
    );
    why
}

async fn runs(world: &World, id: &str, workloads: &[&str]) {
    let workloads: Vec<Value> = workloads
        .iter()
        .map(|name| json!({"name": name, "status": "Running"}))
        .collect();
    world.pass(60);
    let beat = json!({"status": "up", "version": "7", "workloads": workloads, "events": []});
    assert_eq!(world.heartbeat(id, &beat).await, 200);
}

/// A device of another backend, heard and adopted.
pub(crate) async fn adopted(world: &World, id: &str) {
    assert_eq!(world.poll(id).await.0, 404);
    world.service().flush().await.unwrap();
    world.act(id, ADOPTION).await;
}

#[tokio::test]
async fn a_release_before_manifests_are_there_empties_no_device() {
    let mut world = World::stopped();
    world.watches = false;
    world.start().await;
    adopted(&world, "one").await;
    runs(&world, "one", &["press", "watch"]).await;
    let why = refused(&world, "one", Act::Release).await;
    assert_eq!(why, "device one would lose workload press, workload watch");
    assert_eq!(world.poll("one").await.0, 409, "it keeps what it has");

    world.take_over().await;
    world.act("one", Act::Release).await;
    assert_eq!(names(&world.poll("one").await.1).0, set(&["press", "watch"]));
}

/// An agent that has just begun lists nothing, and some other program may send no list at all.
#[tokio::test]
async fn a_heartbeat_without_a_list_forgets_nothing() {
    let mut world = World::stopped();
    world.watches = false;
    world.start().await;
    adopted(&world, "one").await;
    runs(&world, "one", &["press", "watch"]).await;
    for list in [
        None,
        Some(Value::Null),
        Some(json!([])),
        Some(json!([{"name": "press", "status": "Running"}])),
    ] {
        world.pass(60);
        let mut beat = json!({"status": "up", "version": "8", "events": []});
        if let Some(list) = list {
            beat["workloads"] = list;
        }
        assert_eq!(world.heartbeat("one", &beat).await, 200, "{beat}");
        let why = refused(&world, "one", Act::Release).await;
        assert_eq!(
            why, "device one would lose workload press, workload watch",
            "{beat}"
        );
    }
}

#[tokio::test]
async fn what_is_not_known_is_not_nothing() {
    let world = World::serving(false).await;
    assert_eq!(world.poll("four").await.0, 404);
    world.service().flush().await.unwrap();
    let act = Act::Adopt {
        namespace: None,
        release: true,
    };
    let id = DeviceId::parse("four").unwrap();
    let refused_at_once = world.service().act(id, act.clone(), "tester".into()).await;
    let why = refused_at_once.unwrap_err().to_string();
    assert!(
        why.starts_with("what device four runs is not known before its next heartbeat")
            && why.ends_with("if the act is meant all the same, repeat it with --confirm"),
        "{why}"
    );

    world.act("four", ADOPTION).await;
    let why = refused(&world, "four", Act::Release).await;
    assert!(why.starts_with("what device four runs is not known"), "{why}");
    runs(&world, "four", &[]).await;
    world.act("four", Act::Release).await;
    assert_eq!(world.poll("four").await.0, 200, "it ran nothing");

    assert_eq!(world.poll("five").await.0, 404);
    world
        .act_as_confirmed(
            "five",
            Act::Adopt {
                namespace: Some(Namespace::default()),
                release: true,
            },
        )
        .await;
    assert_eq!(world.poll("five").await.0, 200, "a person has said so");
}

/// A source that comes by hand asks about it too.
#[tokio::test]
async fn what_is_not_known_is_not_nothing_to_a_source_by_hand() {
    let mut world = World::stopped();
    world.watches = false;
    world.start().await;
    adopted(&world, "one").await;
    world.act_as_confirmed("one", Act::Release).await;
    let (status, answer) = world.apply("administrator", false).await;
    let message = answer["message"].as_str().unwrap();
    assert!(
        status == 409
            && message.contains("what 1 devices run, and would lose, is not known")
            && message.contains("repeat it with --confirm="),
        "{answer}"
    );
    runs(&world, "one", &["press", "watch"]).await;
    assert_eq!(world.apply("administrator", false).await.0, 200);
    assert_eq!(names(&world.poll("one").await.1).0, set(&["press", "watch"]));
}

/// No later heartbeat says what the rest was.
#[tokio::test]
async fn a_device_that_has_listed_too_much_is_not_waited_for() {
    let world = World::serving(false).await;
    adopted(&world, "four").await;
    let names: Vec<String> = (0..1100).map(|number| format!("w{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for listed in [&names[..], &["press"]] {
        runs(&world, "four", listed).await;
        let why = refused(&world, "four", Act::Release).await;
        assert!(
            why.contains("no heartbeat will tell") && !why.contains("wait for"),
            "{why}"
        );
    }
    let (status, answer) = world
        .admin("POST", "/devices/four/acts", &json!({"act": "release"}))
        .await;
    let message = answer["message"].as_str().unwrap();
    assert!(
        status == 409 && message.ends_with("repeat it with --confirm"),
        "{answer}"
    );
    world.act_as_confirmed("four", Act::Release).await;
    assert_eq!(world.poll("four").await.0, 200);
}

#[tokio::test]
async fn labels_and_moves_are_looked_at_as_a_source_is() {
    let world = World::serving(true).await;
    let before = world.poll("one").await;
    assert_eq!(
        refused(&world, "one", label("line", "paint")).await,
        "device one would lose workload press"
    );
    let elsewhere = Namespace::parse("elsewhere").unwrap();
    assert_eq!(
        refused(
            &world,
            "two",
            Act::Move {
                namespace: elsewhere.clone()
            }
        )
        .await,
        "device two would lose workload own, workload press, workload watch"
    );
    assert_eq!(world.poll("one").await, before);

    world.act("three", label("line", "press")).await;
    assert_eq!(
        names(&world.poll("three").await.1).0,
        set(&["press", "watch"]),
        "it only adds"
    );
    world.act("one", label("room", "12")).await;
    world.act("one", Act::AllowRegistration).await;
    world.act_as_confirmed("one", label("line", "paint")).await;
    assert_eq!(names(&world.poll("one").await.1).0, set(&["watch"]));
    world
        .act_as_confirmed("two", Act::Move { namespace: elsewhere })
        .await;
    assert_eq!(names(&world.poll("two").await.1).0, set(&[]));
}

#[tokio::test]
async fn the_admin_plane_says_why_and_takes_a_confirmation() {
    let world = World::serving(true).await;
    let mut act = json!({"act": "set-labels", "set": {"line": "paint"}});
    let (status, answer) = world.admin("POST", "/devices/one/acts", &act).await;
    assert_eq!(
        (status, answer["message"].as_str().unwrap()),
        (
            409,
            "device one would lose workload press; if the act is meant all the same, repeat it with --confirm"
        )
    );
    act["confirm"] = true.into();
    let (status, answer) = world.admin("POST", "/devices/one/acts", &act).await;
    assert_eq!(
        (status, &answer["labels"]["line"]),
        (200, &json!("paint")),
        "{answer}"
    );
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_can_be_lost_or_nobody_wants_to_be() {
    let mut world = World::stopped();
    world.policy.approval = fleet::Approval::Manual;
    world.start().await;
    // No manifest was taken over yet, and a device that has just come has nothing.
    world.enrol("default", "one").await;
    let approval = Act::Approve {
        namespace: Some(Namespace::parse("elsewhere").unwrap()),
        set: None,
    };
    world.act("one", approval).await;
    world.act("one", label("line", "paint")).await;

    let mut world = World::stopped();
    world.allowed = edge_config_server::sources::Share::percent(100).unwrap();
    world.start().await;
    world.take_over().await;
    world.join("one").await;
    world.act("one", label("line", "paint")).await;
    assert_eq!(names(&world.poll("one").await.1).0, set(&["watch"]));
}

/// What devices would lose cannot be computed while the manifests cannot be read.
#[tokio::test]
async fn an_act_waits_for_manifests_that_cannot_be_read() {
    let mut world = World::serving(true).await;
    world.stop().await;
    let store = rusqlite::Connection::open(world.db()).unwrap();
    store
        .execute(
            "UPDATE document SET body = '' WHERE kind = 'EdgeDevice' AND name = 'one'",
            [],
        )
        .unwrap();
    drop(store);
    world.start().await;
    let why = refused(&world, "one", label("room", "12")).await;
    assert!(
        why.starts_with("what device one would lose cannot be said: no device is configured"),
        "{why}"
    );
}
