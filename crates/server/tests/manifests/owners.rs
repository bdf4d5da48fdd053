//! Who owns an object: one source alone, until an act hands it over or empties the source.

use edge_config_server::sources::WATCHED;
use serde_json::json;

use crate::{
    fleet::names,
    sources::{MAP, apply, objects},
    world::{World, set},
};

#[tokio::test]
async fn an_object_belongs_to_its_source_alone() {
    let world = World::serving(true).await;
    let stolen = MAP.replace("more", "press");
    let (status, answer) = apply(&world, "hand", &[("a.yaml", &stolen)]).await;
    assert_eq!(status, 409);
    assert_eq!(
        answer["message"],
        "ConfigMap default/press belongs to source \"manifests\"; hand it over with 'edge-config-server manifests apply --take-from \
         manifests', or take it out of source \"hand\""
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
async fn objects_are_handed_over_by_one_act_and_nobody_notices() {
    let mut world = World::serving(false).await;
    assert_eq!(apply(&world, "other", &[("a.yaml", MAP)]).await.0, 200);
    let more = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: stays}\n";
    world.write("stays.yaml", more);
    assert_eq!(world.apply("administrator", false).await.0, 200);
    std::fs::remove_file(world.source().join("stays.yaml")).unwrap();
    let before = world.poll("two").await;
    let all = objects(&world, "administrator").await.len();
    let hand_over = json!({"from": "administrator"});
    let (status, answer) = world.admin("POST", "/manifests/handovers", &hand_over).await;
    assert_eq!(status, 409, "there is no folder: {answer}");
    world.stop().await;
    world.watches = true;
    world.start().await;
    world.look().await;
    assert_eq!(objects(&world, WATCHED).await, Vec::<String>::new());
    let (status, answer) = world
        .admin("POST", "/manifests/handovers", &json!({"from": "nobody"}))
        .await;
    assert_eq!(status, 404, "{answer}");

    let (status, answer) = world.admin("POST", "/manifests/handovers", &hand_over).await;
    assert_eq!((status, &answer["removed"]), (200, &json!([])), "{answer}");
    assert_eq!(objects(&world, WATCHED).await.len(), all - 1);
    assert_eq!(objects(&world, "administrator").await, ["stays"]);
    assert_eq!(world.poll("two").await, before);
    world.watch(11).await;
    let status = world.service().documents().status();
    assert!(
        status.sources.iter().all(|source| source.faults.is_empty()),
        "it was tried again: {status:?}"
    );
    assert_eq!(world.service().documents().switch_waits_for(), None);

    // The store is whole after a restart, and what is left of the other source can go.
    world.restart().await;
    assert_eq!(world.poll("two").await, before);
    let (status, answer) = world
        .admin(
            "POST",
            "/manifests/emptyings",
            &json!({"source": "administrator"}),
        )
        .await;
    assert_eq!(
        (status, &answer["removed"]),
        (200, &json!(["ConfigMap default/stays"])),
        "{answer}"
    );
    world.restart().await;
    assert_eq!(world.poll("two").await, before);
}

/// The act is done once and waits for nothing, so it names what makes it count.
#[tokio::test]
async fn a_hand_over_to_a_source_that_lacks_something_is_confirmed_by_repeating_it() {
    let world = World::serving(true).await;
    world.write("extra.yaml", &MAP.replace("more", "extra"));
    world.look().await;
    assert_eq!(apply(&world, "hand", &[("a.yaml", MAP)]).await.0, 200);
    std::fs::remove_file(world.source().join("extra.yaml")).unwrap();
    world.write("more.yaml", MAP);
    let mut hand_over = json!({"from": "hand"});
    let (status, answer) = world.admin("POST", "/manifests/handovers", &hand_over).await;
    let message = answer["message"].as_str().unwrap();
    let (said, digest) = message.split_once("--confirm=").unwrap();
    assert_eq!(
        (status, said),
        (
            409,
            "source \"manifests\" takes away ConfigMap default/extra; if that is meant, repeat it with "
        )
    );
    hand_over["confirm"] = digest.into();
    let (status, answer) = world.admin("POST", "/manifests/handovers", &hand_over).await;
    assert_eq!(
        (status, &answer["removed"]),
        (200, &json!(["ConfigMap default/extra"])),
        "{answer}"
    );
    assert!(objects(&world, WATCHED).await.contains(&"more".to_owned()));
}

/// What keeps a source from being taken over may end anywhere: it is tried again without a restart.
#[tokio::test]
async fn a_source_that_was_refused_for_another_one_is_tried_again() {
    let mut world = World::serving(false).await;
    world.stop().await;
    world.watches = true;
    world.allowed = edge_config_server::sources::Share::percent(100).unwrap();
    world.start().await;
    assert!(world.look().await, "it is to be tried again");
    let emptying = json!({"source": "administrator"});
    assert_eq!(
        world.admin("POST", "/manifests/emptyings", &emptying).await.0,
        200
    );
    assert_eq!(objects(&world, WATCHED).await, Vec::<String>::new());
    world.watch(11).await;
    assert_eq!(world.service().documents().switch_waits_for(), None);
    assert_eq!(
        names(&world.poll("two").await.1).0,
        set(&["own", "press", "watch"])
    );
}

#[tokio::test]
async fn a_source_is_emptied_by_an_act_that_says_so_and_is_looked_at_as_any_other() {
    let mut world = World::serving(false).await;
    let before = world.poll("two").await;
    let mut emptying = json!({"source": "administrator"});
    let (status, answer) = world.admin("POST", "/manifests/emptyings", &emptying).await;
    let message = answer["message"].as_str().unwrap();
    assert!(
        status == 409 && message.contains("3 of 3 devices would lose their last workload"),
        "{answer}"
    );
    let digest = world.service().documents().status().sources[0]
        .digest
        .clone()
        .unwrap();
    assert!(message.contains(&format!("--confirm={digest}")), "{message}");
    emptying["confirm"] = "0000".into();
    assert_eq!(
        world.admin("POST", "/manifests/emptyings", &emptying).await.0,
        409
    );
    assert_eq!(world.poll("two").await, before);
    emptying["confirm"] = digest.into();
    let (status, answer) = world.admin("POST", "/manifests/emptyings", &emptying).await;
    assert_eq!(status, 200, "{answer}");
    // That nothing is there is in the store, so it is not taken for a loss.
    world.restart().await;
    assert_eq!(world.not_ready_because().await, Vec::<String>::new());
    assert_eq!(names(&world.poll("two").await.1).0, set(&[]));
    let unknown = json!({"source": "nobody"});
    assert_eq!(world.admin("POST", "/manifests/emptyings", &unknown).await.0, 404);
}

#[tokio::test]
async fn the_watched_source_is_empty_when_a_person_says_so() {
    let mut world = World::stopped();
    world.start().await;
    let emptying = json!({"source": WATCHED});
    let (status, answer) = world.admin("POST", "/manifests/emptyings", &emptying).await;
    assert_eq!(status, 409, "it holds objects: {answer}");
    crate::edits::empty(&world.source());
    world.look().await;
    assert!(world.service().documents().switch_waits_for().is_some());
    assert_eq!(
        world.admin("POST", "/manifests/emptyings", &emptying).await.0,
        200
    );
    world.look().await;
    assert_eq!(world.service().documents().switch_waits_for(), None);
    let status = world.service().documents().status();
    assert_eq!(status.sources[0].faults, [""; 0], "{status:?}");
    world.join("two").await;
}
