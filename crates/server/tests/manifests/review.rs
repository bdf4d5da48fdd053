//! What takes workloads away waits for a person, and devices keep their configuration meanwhile.

use edge_config_server::sources::{Share, WATCHED};
use fleet::administration::Act;
use serde_json::{Value, json};

use crate::{
    acts::{adopted, refused},
    fleet::{OTHER_KEY, names, version},
    world::{World, set},
};

async fn confirm(world: &World, digest: &str) -> u16 {
    world
        .admin("POST", "/manifests/confirmations", &json!(digest))
        .await
        .0
}

/// So many devices beside the three of the fleet, all with the workload `watch` and one that may be
/// lost.
async fn many(allowed: Option<u8>, more: usize) -> World {
    let mut world = World::stopped();
    if let Some(allowed) = allowed {
        world.allowed = Share::percent(allowed).unwrap();
    }
    let device = |number| {
        format!(
            "---\napiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDevice\nmetadata:\n  name: more-{number}\n  labels: {{line: more, spare: \"{number}\"}}\n"
        )
    };
    let devices: String = (0..more).map(device).collect();
    world.write("more.yaml", &devices);
    world.write("spare.yaml", SPARE);
    world.start().await;
    world.take_over().await;
    for id in ["one", "two", "three"] {
        world.join(id).await;
    }
    for number in 0..more {
        world.join(&format!("more-{number}")).await;
    }
    world
}

const SPARE: &str = "apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: spare}
spec:
  type: pod
  deviceSelector: {matchExpressions: [{key: spare, operator: In, values: ['0', '1']}]}
  pod: {spec: {containers: [{name: spare, image: registry.example/spare:1}]}}
";

/// A workload for everybody.
const ALL: &str = "apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: all}
spec:
  type: pod
  deviceSelector: {matchExpressions: [{key: nobody, operator: DoesNotExist}]}
  pod: {spec: {containers: [{name: all, image: registry.example/all:1}]}}
";

/// Takes `spare` from the device more-0, and from more-1 too.
fn take(world: &World, two: bool) {
    let values = if two { "['9']" } else { "['1']" };
    world.write("spare.yaml", &SPARE.replace("['0', '1']", values));
}

#[tokio::test]
async fn a_tenth_may_lose_a_workload_and_more_wait() {
    // Ten devices: one of them is a tenth.
    let world = many(None, 7).await;
    take(&world, false);
    world.look().await;
    assert_eq!(world.unconfirmed(), None);
    assert_eq!(names(&world.poll("more-0").await.1).0, set(&["watch"]));
    assert_eq!(names(&world.poll("more-1").await.1).0, set(&["spare", "watch"]));

    let world = many(None, 7).await;
    take(&world, true);
    world.look().await;
    let digest = world.unconfirmed().unwrap();
    for id in ["more-0", "more-1"] {
        assert_eq!(names(&world.poll(id).await.1).0, set(&["spare", "watch"]));
    }
    let (_, status) = world.admin("GET", "/manifests", &Value::Null).await;
    let fault = status["sources"][0]["faults"][0].as_str().unwrap();
    assert!(
        fault.contains("2 of 10 devices would lose a workload, container or volume, device more-0 among them (workload spare); up to 10%")
            && fault.contains(&format!("manifests confirm {digest}")),
        "{fault}"
    );
    assert_eq!(world.service().documents().summary().unconfirmed_sources, 1);
    assert_eq!(
        world.not_ready_because().await,
        Vec::<String>::new(),
        "it serves on"
    );
}

#[tokio::test]
async fn the_share_can_be_set() {
    let world = many(Some(20), 7).await;
    take(&world, true);
    world.look().await;
    assert_eq!(world.unconfirmed(), None, "two of ten");

    let world = many(Some(0), 7).await;
    take(&world, false);
    world.look().await;
    assert!(world.unconfirmed().is_some(), "one of ten");

    let mut world = World::stopped();
    world.allowed = Share::percent(100).unwrap();
    world.start().await;
    world.take_over().await;
    world.join("three").await;
    std::fs::remove_file(world.source().join("workloads.yaml")).unwrap();
    world.look().await;
    assert_eq!(world.unconfirmed(), None);
    let (status, told) = world.poll("three").await;
    assert_eq!(
        (status, names(&told).0),
        (200, set(&[])),
        "a person has said that anything goes"
    );
}

#[tokio::test]
async fn what_goes_from_a_pod_waits_and_what_changes_in_it_does_not() {
    let world = World::serving(true).await;
    for (from, to, what) in [
        (
            "        - {name: log, image: registry.example/log:1}\n",
            "",
            "container log",
        ),
        ("{name: spool, ", "{name: other, ", "volume spool"),
    ] {
        world.edit("workloads.yaml", from, to);
        world.look().await;
        assert!(world.unconfirmed().is_some(), "{what}");
        let status = world.service().documents().status();
        let told = format!(
            "2 of 3 devices would lose a workload, container or volume, device one among them ({what} of workload press)"
        );
        assert!(status.sources[0].faults[0].contains(&told), "{status:?}");
        world.write_all();
        world.look().await;
        assert_eq!(world.unconfirmed(), None);
    }
    let before = version(&world.poll("one").await.1);
    world.edit(
        "workloads.yaml",
        "registry.example/log:1",
        "registry.example/log:2",
    );
    world.look().await;
    assert_eq!(world.unconfirmed(), None, "another image");
    assert_ne!(version(&world.poll("one").await.1), before);
}

#[tokio::test]
async fn the_last_workload_of_one_device_waits_however_many_there_are() {
    let world = many(Some(90), 7).await;
    world.edit(
        "workloads.yaml",
        "key: line, operator: Exists",
        "key: line, operator: NotIn, values: [paint]",
    );
    world.look().await;
    let (_, status) = world.admin("GET", "/manifests", &Value::Null).await;
    let fault = status["sources"][0]["faults"][0].as_str().unwrap();
    assert!(
        fault.contains("1 of 10 devices would lose their last workload, device three among them"),
        "{fault}"
    );
    assert_eq!(names(&world.poll("three").await.1).0, set(&["watch"]));
}

#[tokio::test]
async fn a_confirmation_is_of_one_content_and_of_one_change() {
    let mut world = World::serving(true).await;
    let first = version(&world.poll("two").await.1);
    world.edit("workloads.yaml", "device: two", "device: nobody");
    world.look().await;
    let old = world.unconfirmed().unwrap();

    // Other content waits now: what was said of the former does not count.
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    world.look().await;
    let new = world.unconfirmed().unwrap();
    assert_ne!(old, new);
    assert_eq!(confirm(&world, &old).await, 404);
    assert_eq!(confirm(&world, "0000").await, 404);
    assert_eq!(
        world
            .admin("POST", "/manifests/confirmations", &json!({}))
            .await
            .0,
        400
    );
    world.look().await;
    assert_eq!(version(&world.poll("two").await.1), first);

    // It waits over a restart too, and is confirmed there.
    world.restart().await;
    assert_eq!(
        version(&world.poll("two").await.1),
        first,
        "before it was looked at"
    );
    assert_eq!(confirm(&world, &new).await, 404, "nobody knows of it yet");
    world.look().await;
    assert_eq!(world.unconfirmed().as_ref(), Some(&new));
    assert_eq!(version(&world.poll("two").await.1), first);
    assert_eq!(confirm(&world, &new).await, 200);
    world.look().await;
    assert_eq!(world.unconfirmed(), None);
    assert_eq!(names(&world.poll("two").await.1).0, set(&["press", "watch"]));
    assert_eq!(confirm(&world, &new).await, 404, "it is done");

    // The same content once more is another change.
    world.edit("workloads.yaml", "device: nobody", "device: two");
    world.look().await;
    world.report("two").await;
    world.edit("workloads.yaml", "device: two", "device: nobody");
    world.look().await;
    assert_eq!(world.unconfirmed(), Some(new));
    assert_eq!(
        names(&world.poll("two").await.1).0,
        set(&["own", "press", "watch"])
    );

    // Taking it back needs nobody.
    world.edit("workloads.yaml", "device: nobody", "device: two");
    world.look().await;
    assert_eq!(world.unconfirmed(), None);
}

#[tokio::test]
async fn an_administrators_source_is_confirmed_as_it_is_applied() {
    let world = World::serving(false).await;
    world.edit("workloads.yaml", "device: two", "device: nobody");
    let (status, answer) = world.apply("administrator", false).await;
    assert_eq!(status, 409, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains("1 of 3 devices would lose a workload, container or volume, device two"),
        "{message}"
    );
    assert_eq!(
        names(&world.poll("two").await.1).0,
        set(&["own", "press", "watch"])
    );
    let (status, answer) = world.apply("administrator", true).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(names(&world.poll("two").await.1).0, set(&["press", "watch"]));
}

/// Nothing is lost by who is no approved device, so it is not counted.
#[tokio::test]
async fn only_approved_devices_count() {
    let mut world = World::stopped();
    world.policy.approval = fleet::Approval::Manual;
    world.start().await;
    world.take_over().await;
    world.enrol("default", "two").await;
    world.edit("workloads.yaml", "device: two", "device: nobody");
    world.look().await;
    assert_eq!(world.unconfirmed(), None);
    assert!(
        world
            .service()
            .documents()
            .status()
            .sources
            .iter()
            .any(|source| source.name == WATCHED)
    );
}

/// A device that was adopted and not released keeps what it has, so it makes no share smaller.
#[tokio::test]
async fn devices_whose_configuration_is_withheld_do_not_count() {
    let world = many(None, 7).await;
    for number in 0..20 {
        adopted(&world, &format!("adopted-{number}")).await;
    }
    take(&world, true);
    world.look().await;
    assert!(world.unconfirmed().is_some());
    let status = world.service().documents().status();
    assert!(
        status.sources[0].faults[0].contains("2 of 10 devices would lose"),
        "{status:?}"
    );
}

/// What a Secret of it says does not matter for what a pod has.
#[tokio::test]
async fn a_container_goes_from_a_workload_whose_secret_cannot_be_read() {
    let mut world = World::serving(true).await;
    world.stop().await;
    world.keys = Some(OTHER_KEY);
    world.start().await;
    assert_eq!(world.poll("one").await.0, 503);
    // The Secrets come anew with the source, and the container is gone from it.
    world.edit(
        "workloads.yaml",
        "        - {name: log, image: registry.example/log:1}\n",
        "",
    );
    world.look().await;
    assert!(world.unconfirmed().is_some());
    let status = world.service().documents().status();
    assert!(
        status.sources[0].faults[0].contains("(container log of workload press)"),
        "{status:?}"
    );
}

/// Changes the workload `press` in the store, as no manifest could.
async fn damage(world: &mut World, change: &str) {
    world.stop().await;
    let change = format!(
        "UPDATE document SET body = {change}, checksum = NULL WHERE kind = 'EdgeWorkload' AND name = 'press'"
    );
    let store = rusqlite::Connection::open(world.db()).unwrap();
    assert_eq!(store.execute(&change, []).unwrap(), 1);
    drop(store);
    world.start().await;
    assert_ne!(world.poll("one").await.0, 200, "it keeps what it has");
}

/// Whom a workload selects that cannot be read is not known; who runs it is.
#[tokio::test]
async fn a_stored_workload_that_cannot_be_read_is_lost_like_any_other() {
    for change in [
        "json_set(body, '$.document.spec.deviceSelector.matchLabels.line', 'not valid')",
        "json_set(body, '$.document.spec.device', 5)",
    ] {
        let mut world = World::serving(true).await;
        damage(&mut world, change).await;
        // Nothing is lost by what is as it was before.
        world.look().await;
        assert_eq!(world.unconfirmed(), None);
        let gets = world.poll("one").await;
        assert_eq!(names(&gets.1).0, set(&["press", "watch"]));

        damage(&mut world, change).await;
        let elsewhere = Act::Move {
            namespace: contract::Namespace::parse("elsewhere").unwrap(),
        };
        assert_eq!(
            refused(&world, "one", elsewhere).await,
            "device one would lose workload press, workload watch"
        );
        world.edit("workloads.yaml", "line: press", "line: none");
        world.look().await;
        assert!(world.unconfirmed().is_some(), "{change}");
        let status = world.service().documents().status();
        assert!(
            status.sources[0].faults[0].contains("2 of 3 devices would lose")
                && status.sources[0].faults[0].contains("device one among them (workload press)"),
            "{status:?}"
        );
        assert_ne!(world.poll("one").await.0, 200, "it keeps what it has");
    }
}

/// Between a confirmation and the next look the source may change once more.
#[tokio::test]
async fn a_confirmation_does_not_count_for_what_came_after_it() {
    let world = World::serving(true).await;
    world.edit("workloads.yaml", "device: two", "device: nobody");
    world.look().await;
    let digest = world.unconfirmed().unwrap();
    assert_eq!(confirm(&world, &digest).await, 200);
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    world.look().await;
    assert_ne!(world.unconfirmed().unwrap(), digest);
    assert_eq!(
        names(&world.poll("two").await.1).0,
        set(&["own", "press", "watch"])
    );
}

/// It was said of one change; when the same content comes back later, that is another one.
#[tokio::test]
async fn a_confirmation_ends_with_whatever_else_is_read() {
    let world = World::serving(true).await;
    let whole = std::fs::read_to_string(world.source().join("workloads.yaml")).unwrap();
    let gets = set(&["own", "press", "watch"]);
    for comes_back_before_it_is_read in [true, false] {
        world.edit("workloads.yaml", "device: two", "device: nobody");
        world.look().await;
        let digest = world.unconfirmed().unwrap();
        if comes_back_before_it_is_read {
            world.write("workloads.yaml", &whole);
            assert_eq!(confirm(&world, &digest).await, 200);
        } else {
            assert_eq!(confirm(&world, &digest).await, 200);
            world.write("workloads.yaml", &whole);
        }
        world.watch(40).await;
        assert_eq!(world.unconfirmed(), None);
        world.edit("workloads.yaml", "device: two", "device: nobody");
        world.watch(40).await;
        assert_eq!(world.unconfirmed().as_ref(), Some(&digest));
        assert_eq!(names(&world.poll("two").await.1).0, gets);
        world.write("workloads.yaml", &whole);
        world.watch(40).await;
    }
}

/// A pipe that broke looks like the whole of a smaller source.
#[tokio::test]
async fn an_act_takes_nothing_away_without_a_question() {
    let mut world = World::stopped();
    world.watches = false;
    world.write("all.yaml", ALL);
    world.start().await;
    world.take_over().await;
    for number in 0..30 {
        world.join(&format!("other-{number}")).await;
    }
    world.join("two").await;
    world.edit("workloads.yaml", "device: two", "device: nobody");
    let (status, answer) = world.apply("administrator", false).await;
    assert_eq!(status, 409, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains("1 of 31 devices would lose") && !message.contains("0%"),
        "{message}"
    );
    assert_eq!(
        names(&world.poll("two").await.1).0,
        set(&["all", "own", "press", "watch"])
    );
    assert_eq!(world.apply("administrator", true).await.0, 200);
}

/// Whoever may enrol can invent as many ids as he likes, and with automatic approval each is an
/// approved device for which workloads are selected.
#[tokio::test]
async fn invented_devices_make_no_loss_small() {
    for with_workloads in [false, true] {
        let world = many(None, 7).await;
        if with_workloads {
            world.write("all.yaml", ALL);
            world.look().await;
        }
        for number in 0..100 {
            world.enrol("default", &format!("invented-{number}")).await;
        }
        take(&world, true);
        world.look().await;
        assert!(world.unconfirmed().is_some());
        let (_, status) = world.admin("GET", "/manifests", &Value::Null).await;
        let fault = status["sources"][0]["faults"][0].as_str().unwrap();
        assert!(fault.contains("2 of 10 devices would lose a workload"), "{fault}");
    }
}

/// A device that has workloads of other manifests, as its heartbeat says.
async fn lists(world: &World, id: &str, workloads: &[&str]) {
    let workloads: Vec<Value> = workloads
        .iter()
        .map(|name| json!({"name": name, "status": "Running"}))
        .collect();
    let beat = json!({"status": "up", "version": "7", "workloads": workloads, "events": []});
    assert_eq!(world.heartbeat(id, &beat).await, 200);
}

#[tokio::test]
async fn what_is_said_in_the_name_of_an_invented_device_makes_no_change_wait() {
    let world = World::serving(true).await;
    world.enrol("default", "invented").await;
    lists(&world, "invented", &["anything"]).await;
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    let before = version(&world.poll("one").await.1);
    world.watch(4).await;
    assert_eq!(world.unconfirmed(), None);
    assert_ne!(
        version(&world.poll("one").await.1),
        before,
        "it need not rest either, since it takes nothing away"
    );
}

/// Between its release and its next poll it runs what it brought along.
#[tokio::test]
async fn a_device_that_a_person_took_in_is_protected_before_it_was_handed_anything() {
    let world = World::serving(true).await;
    let device = "---\napiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDevice\nmetadata: {name: four, labels: {line: press}}\n";
    world.write("four.yaml", device);
    world.look().await;
    assert_eq!(world.poll("four").await.0, 404);
    world.service().flush().await.unwrap();
    let adoption = Act::Adopt {
        namespace: None,
        release: false,
    };
    world.act("four", adoption).await;
    lists(&world, "four", &["press", "watch"]).await;

    // It keeps them until it is released, whatever the manifests say.
    world.edit("four.yaml", "line: press", "line: paint");
    world.look().await;
    assert_eq!(world.unconfirmed(), None);
    world.edit("four.yaml", "line: paint", "line: press");
    world.look().await;
    world.act("four", Act::Release).await;

    world.edit("four.yaml", "line: press", "line: paint");
    world.look().await;
    let status = world.service().documents().status();
    assert!(
        status.sources[0].faults[0].contains("1 of 4 devices would lose")
            && status.sources[0].faults[0].contains("device four among them (workload press)"),
        "{status:?}"
    );
    assert_eq!(names(&world.poll("four").await.1).0, set(&["press", "watch"]));
}
