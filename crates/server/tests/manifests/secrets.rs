//! Values of Secrets are seen by their devices, and by a person who asks for them; by nobody else.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    fleet::{KEY, OTHER_KEY, PLANTED, names, shows},
    world::{SAME_NAME, World},
};

/// The files of the store, with its write-ahead log.
fn files_with_value(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_file() && shows(&fs::read(path).unwrap()))
        .map(|path| path.display().to_string())
        .collect()
}

#[tokio::test]
async fn what_looks_for_the_value_finds_it() {
    assert!(shows(format!("x{PLANTED}").as_bytes()));
    for before in ["", "a", "ab", "abc"] {
        assert!(shows(
            STANDARD.encode(format!("{before}{PLANTED}-end")).as_bytes()
        ));
    }
    let mut world = World::stopped();
    world.keys = None;
    world.start().await;
    world.take_over().await;
    assert_ne!(
        files_with_value(world.folder()),
        Vec::<String>::new(),
        "it is stored plain"
    );
}

#[tokio::test]
async fn nobody_sees_a_value_but_its_device() {
    let mut world = World::serving(true).await;
    for round in 0..2 {
        let mut seen: Vec<(&str, String)> = Vec::new();
        for path in [
            "/devices",
            "/devices/one",
            "/devices/one/configuration",
            "/devices/one/configuration?secrets=false",
            "/manifests",
            "/manifests/objects",
            "/workloads",
            "/workloads/default/press",
        ] {
            let (status, answer) = world.admin("GET", path, &Value::Null).await;
            assert_eq!(status, 200, "{path}");
            seen.push((path, answer.to_string()));
        }
        let current = world.service().documents().catalogue().unwrap();
        seen.push(("Debug of the catalogue", format!("{current:?}")));
        seen.push((
            "Debug of the keeper",
            format!("{:?}", world.service().documents()),
        ));
        seen.push(("metrics", world.metrics.encode().unwrap()));
        for (what, text) in &seen {
            assert!(!shows(text.as_bytes()), "{what}, round {round}: {text}");
        }
        assert_eq!(files_with_value(world.folder()), Vec::<String>::new());

        let (status, told) = world
            .admin("GET", "/devices/one/configuration?secrets=true", &Value::Null)
            .await;
        assert!(status == 200 && told.to_string().contains(PLANTED));
        assert_eq!(told, world.poll("one").await.1, "as its device gets it");

        // The second round: what they need is gone, and everything is in its last good form.
        fs::remove_file(world.source().join("secrets.yaml")).unwrap_or_default();
        world.look().await;
        world.restart().await;
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_stops_whom_it_touches() {
    for (key, named) in [
        (Some(OTHER_KEY), "first"),
        (Some(SAME_NAME), "first"),
        (None, "first"),
    ] {
        let mut world = World::serving(false).await;
        world.write("light.yaml", "apiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeWorkload\nmetadata: {name: light}\nspec:\n  type: pod\n  device: plain\n  pod: {spec: {containers: [{name: light, image: i}]}}\n");
        world.take_over().await;
        world.join("plain").await;
        world.stop().await;
        world.keys = key;
        world.start().await;
        let (status, answer) = world.poll("one").await;
        assert_eq!(status, 503, "{answer}");
        assert_eq!(world.poll("three").await.0, 503);
        let (status, told) = world.poll("plain").await;
        assert_eq!(status, 200, "it needs no Secret");
        assert_eq!(names(&told).0.len(), 1);
        let reasons = world.not_ready_because().await;
        assert!(
            reasons[0].contains("secret values in the store cannot be read"),
            "{reasons:?}"
        );
        assert!(!reasons[0].contains("press"), "whoever asks may be anybody");
        let (_, status) = world.admin("GET", "/manifests", &Value::Null).await;
        let unreadable = status["unreadable"].to_string();
        assert!(
            unreadable.contains("Secret default/press") && unreadable.contains(named),
            "{unreadable}"
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

        world.stop().await;
        world.keys = Some(KEY);
        world.start().await;
        assert_eq!(world.not_ready_because().await, Vec::<String>::new());
        assert_eq!(world.poll("one").await.0, 200);
    }
}

/// The new one first.
const BOTH: &str = "second AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=
first AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

#[tokio::test]
async fn keys_are_changed_by_the_socket() {
    let mut world = World::stopped();
    world.keys = None;
    world.start().await;
    world.take_over().await;
    world.join("one").await;
    let before = world.poll("one").await;
    let (status, answer) = world.admin("POST", "/rekey", &json!(null)).await;
    assert_ne!(status, 200, "there is no key: {answer}");

    world.stop().await;
    world.keys = Some(KEY);
    world.start().await;
    let (status, answer) = world.admin("POST", "/rekey", &json!(null)).await;
    assert_eq!(
        (status, &answer["keyId"], &answer["leftover"]),
        (200, &json!("first"), &Value::Null),
        "{answer}"
    );
    assert!(answer["newlySealed"].as_u64().unwrap() >= 3, "{answer}");
    assert_eq!(world.poll("one").await, before);
    assert_eq!(files_with_value(world.folder()), Vec::<String>::new());

    world.stop().await;
    world.keys = Some(BOTH);
    world.start().await;
    assert_eq!(world.poll("one").await, before, "both keys open");
    let (status, answer) = world.admin("POST", "/rekey", &json!(null)).await;
    assert_eq!((status, &answer["keyId"]), (200, &json!("second")), "{answer}");
    world.stop().await;
    world.keys = Some(OTHER_KEY);
    world.start().await;
    assert_eq!(
        world.poll("one").await,
        before,
        "the former key is not needed any more"
    );
}
