//! When a last good form begins and ends, and what is in it.

use configuration::Assembly;
use manifests::Kind;
use serde_json::json;

use super::world::{Device, World, message, names, text};

const WEB: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: web, labels: {podman/a: b}}
spec:
  type: pod
  deviceSelector: {}
  imageRegistries: {secretRef: {name: registry}}
  data: {ingress: [{source: a, target: b}]}
  metrics: {port: 9113}
  pod:
    spec:
      containers:
        - {name: web, image: i, envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: credentials}}]}
";

const SETTINGS: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: '1'}}";

const SECRETS: &str = "
{apiVersion: v1, kind: Secret, metadata: {name: registry}, stringData: {.dockerconfigjson: '{}'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: credentials}, stringData: {user: u, password: p}}
";

fn stored() -> World {
    let mut world = World::of(&format!("{WEB}\n---\n{SETTINGS}\n---\n{SECRETS}"));
    world.store();
    world
}

fn device() -> Device {
    Device::new("press-1").having_reported("web")
}

fn is_stale(assembly: &Assembly) -> bool {
    assembly.workloads.iter().any(|workload| workload.stale)
}

/// The data of the Secret `credentials` as the device gets it.
fn credentials(world: &World) -> serde_json::Value {
    let message = device().gets(world);
    let secret = message.secrets.iter().find(|secret| secret.name == "credentials");
    serde_json::from_str(secret.expect("the Secret").data.expose()).unwrap()
}

#[test]
fn it_is_byte_for_byte_what_was_delivered_before_however_often_it_is_stored() {
    let mut world = stored();
    let before = device().ask(&world).unwrap();
    assert!(!is_stale(&before));
    world.remove(Kind::ConfigMap, "settings");
    world.remove(Kind::Secret, "credentials");
    world.remove(Kind::Secret, "registry");
    for _ in 0..3 {
        let now = device().ask(&world).unwrap();
        assert!(is_stale(&now));
        assert_eq!(text(&now), text(&before));
        assert!(!now.depends_on_reports);
        world.store();
    }
}

/// What servers have stored has to be readable for ever: a form that is not is an error for every
/// device that needs it. So this file is never written anew; another version of the form gets
/// another file beside it.
#[test]
fn the_stored_form_is_still_read() {
    let kept = include_str!("kept.json");
    let written: serde_json::Value = serde_json::from_str(kept).unwrap();
    let mut world = stored();
    assert_eq!(world.catalogue().renderings()[0].document, written);
    let before = device().ask(&world).unwrap();
    world.remove(Kind::ConfigMap, "settings");
    world.remove(Kind::Secret, "credentials");
    for last_good in world.last_good.values_mut() {
        kept.clone_into(last_good);
    }
    assert_eq!(text(&device().ask(&world).unwrap()), text(&before));
}

#[test]
fn it_outlives_a_change_of_the_workload_that_is_broken_too() {
    let mut world = stored();
    let before = device().ask(&world).unwrap();
    world.apply(
        &WEB.replace("image: i", "image: new")
            .replace("{name: settings}", "{name: missing}"),
    );
    assert_eq!(text(&device().ask(&world).unwrap()), text(&before));
    world.store();
    world.force(WEB, |web| {
        web.document["spec"]["pod"]["spec"]["containers"] = json!(7);
    });
    assert_eq!(text(&device().ask(&world).unwrap()), text(&before));
}

/// Whom a workload is for is not part of its form.
#[test]
fn selection_counts_as_it_is_now() {
    let mut world = stored();
    world.remove(Kind::ConfigMap, "settings");
    world.apply(&WEB.replace("deviceSelector: {}", "device: press-2"));
    assert_eq!(names(&device().gets(&world)), [""; 0]);
    // A device that is selected anew gets it in that form as well.
    let assembly = Device::new("press-2").ask(&world).unwrap();
    assert_eq!(names(&message(&assembly)), ["web"]);
    assert!(is_stale(&assembly));
}

#[test]
fn mending_ends_it_and_begins_the_next() {
    let mut world = stored();
    world.remove(Kind::ConfigMap, "settings");
    world.store();
    world.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: '2'}}");
    world.store();
    let fixed = device().ask(&world).unwrap();
    assert!(!is_stale(&fixed));
    assert_eq!(fixed.faults, []);
    assert!(text(&fixed).contains("a: \\\"2\\\""));
    world.remove(Kind::ConfigMap, "settings");
    assert_eq!(
        text(&device().ask(&world).unwrap()),
        text(&fixed),
        "it is the form of the second"
    );
}

#[test]
fn deleting_the_workload_ends_it() {
    let mut world = stored();
    world.remove(Kind::EdgeWorkload, "web");
    assert_eq!(names(&device().gets(&world)), [""; 0]);
    world.store();
    assert!(world.last_good.is_empty());
    world.remove(Kind::ConfigMap, "settings");
    world.apply(WEB);
    assert_eq!(device().ask(&world).unwrap_err().reason, "ConfigMapMissing");
}

#[test]
fn a_secret_of_it_has_the_present_values_and_loses_no_key() {
    let mut world = stored();
    world.remove(Kind::ConfigMap, "settings");
    world.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: credentials}, stringData: {user: new, more: m}}",
    );
    let expected = json!({"user": "bmV3", "password": "cA==", "more": "bQ=="});
    assert_eq!(credentials(&world), expected);
    world.store();
    world.remove(Kind::Secret, "credentials");
    assert_eq!(credentials(&world), expected, "also when it is gone later");
}

/// What has the same name in another namespace is something else.
#[test]
fn the_present_values_are_those_of_the_workload_s_namespace() {
    let elsewhere = |text: &str| text.replace("metadata: {name:", "metadata: {namespace: plant-a, name:");
    let mut world = stored();
    for manifests in [WEB, SETTINGS, SECRETS] {
        world.apply(&elsewhere(manifests));
    }
    world.store();
    assert_eq!(world.last_good.len(), 2);
    let rotated = "{apiVersion: v1, kind: Secret, metadata: {name: credentials}, stringData: {user: new}}";
    world.apply(&elsewhere(rotated));
    world.objects.retain(|key, _| key.kind != Kind::ConfigMap);
    let mut there = device();
    there.namespace = contract::Namespace::parse("plant-a").unwrap();
    let data = |device: &Device| -> serde_json::Value {
        let secrets = device.gets(&world).secrets;
        serde_json::from_str(secrets[0].data.expose()).unwrap()
    };
    assert_eq!(data(&there), json!({"user": "bmV3", "password": "cA=="}));
    assert_eq!(data(&device()), json!({"user": "dQ==", "password": "cA=="}));

    // And a form that cannot be read is that of one workload of one namespace.
    world.last_good.remove(&("plant-a".to_owned(), "web".to_owned()));
    world.lost.insert(("plant-a".to_owned(), "web".to_owned()));
    assert!(there.ask(&world).unwrap_err().server_fault);
    assert!(is_stale(&device().ask(&world).unwrap()));
}

#[test]
fn a_secret_shared_with_a_good_workload_has_the_present_values_and_loses_no_key() {
    let mut world = stored();
    world.apply(
        "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: other}
spec:
  type: pod
  deviceSelector: {}
  pod: {spec: {containers: [{name: c, image: i, envFrom: [{secretRef: {name: credentials}}]}]}}
",
    );
    world.remove(Kind::ConfigMap, "settings");
    world.apply("{apiVersion: v1, kind: Secret, metadata: {name: credentials}, stringData: {user: new}}");
    assert_eq!(credentials(&world), json!({"user": "bmV3", "password": "cA=="}));
    world.apply(SETTINGS);
    assert_eq!(
        credentials(&world),
        json!({"user": "bmV3"}),
        "once all is well it is as written"
    );
}

/// What cannot be read today may be readable tomorrow.
#[test]
fn what_cannot_be_read_is_an_error_and_the_form_is_kept() {
    let good = stored();
    let mut sealed = good.clone();
    sealed.seal("credentials");
    sealed.store();
    assert!(device().ask(&sealed).unwrap_err().server_fault);
    assert_eq!(sealed.last_good, good.last_good);
    sealed.sealed.clear();
    assert_eq!(
        text(&device().ask(&sealed).unwrap()),
        text(&device().ask(&good).unwrap()),
        "deleting what cannot be read brings the form back"
    );

    let mut lost = good.clone();
    lost.remove(Kind::ConfigMap, "settings");
    lost.last_good.clear();
    lost.lost.insert(("default".to_owned(), "web".to_owned()));
    let refusal = device().ask(&lost).unwrap_err();
    assert!(refusal.server_fault);
    assert!(refusal.message.contains("key 7"), "{refusal:?}");
    lost.apply(SETTINGS);
    assert!(
        !is_stale(&device().ask(&lost).unwrap()),
        "a good workload needs no last good form"
    );

    let mut damaged = good.clone();
    damaged.remove(Kind::ConfigMap, "settings");
    damaged
        .last_good
        .values_mut()
        .for_each(|kept| *kept = r#"{"workload":"hunter2"}"#.to_owned());
    let refusal = device().ask(&damaged).unwrap_err();
    assert!(refusal.server_fault);
    assert!(!refusal.message.contains("hunter2"), "{refusal:?}");
    assert_eq!(damaged.catalogue().renderings().len(), 1);
}

/// Also if only the last good form needs it: what a device would get of it nobody knows.
#[test]
fn a_secret_of_the_form_that_cannot_be_read_is_an_error() {
    let mut world = stored();
    let before = world.last_good.clone();
    world.force(WEB, |web| {
        web.document["spec"]["pod"]["spec"] = json!({"containers": 7});
    });
    assert!(is_stale(&device().ask(&world).unwrap()));
    world.seal("credentials");
    world.store();
    let refusal = device().ask(&world).unwrap_err();
    assert!(refusal.server_fault);
    assert!(
        refusal
            .message
            .contains("Secret default/credentials cannot be read"),
        "{refusal:?}"
    );
    assert_eq!(world.last_good, before);
}

#[test]
fn nothing_secret_is_shown() {
    let mut world = stored();
    world.remove(Kind::ConfigMap, "settings");
    let catalogue = world.catalogue();
    let assembly = catalogue.assemble(&device().subject()).unwrap();
    let shown = format!(
        "{catalogue:?} {assembly:?} {:?} {:?}",
        catalogue.renderings(),
        catalogue.faults()
    );
    for secret in ["cA==", "dQ==", "password"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
