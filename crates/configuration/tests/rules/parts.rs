//! What of a pod, a Secret or a device is looked at, and what devices share.

use std::collections::BTreeSet;

use manifests::Kind;
use serde_json::json;

use super::world::{Device, World, message, text};

const WEB: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: web}
spec: {type: pod, deviceSelector: {}, pod: {spec: {containers: [{name: c, image: i}]}}}
";

fn of_pod(spec: serde_json::Value) -> World {
    let mut world = World::default();
    world.force(WEB, |web| web.document["spec"]["pod"]["spec"] = spec);
    world
}

#[test]
fn of_a_pod_only_the_places_that_flotta_scans() {
    let env =
        |kind: &str, name: &str| json!([{"name": "A", "valueFrom": {kind: {"name": name, "key": "k"}}}]);
    let world = of_pod(json!({
        "containers": [{
            "name": "c",
            "env": [{"name": "A", "value": "plain"}, {"name": "B"}, {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
            "envFrom": [{"prefix": "P_"}],
        }],
        "ephemeralContainers": [{"name": "e", "env": env("secretKeyRef", "missing")}],
        "imagePullSecrets": [{"name": "missing"}],
        "volumes": [
            {"name": "a", "secret": {"secretName": "missing"}},
            {"name": "b", "projected": {"sources": [{"configMap": {"name": "missing"}}, {"secret": {"name": "missing"}}]}},
        ],
    }));
    assert_eq!(Device::new("press-1").ask(&world).unwrap().faults, []);
    for (part, reason) in [
        (
            json!({"initContainers": [{"name": "i", "env": env("configMapKeyRef", "missing")}]}),
            "ConfigMapMissing",
        ),
        (
            json!({"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "missing"}}]}]}),
            "SecretMissing",
        ),
        (
            json!({"containers": [{"name": "c", "env": env("secretKeyRef", "missing")}]}),
            "SecretMissing",
        ),
        (
            json!({"containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "missing"}}]}]}),
            "ConfigMapMissing",
        ),
        (
            json!({"volumes": [{"name": "v", "configMap": {"name": "missing"}}]}),
            "ConfigMapMissing",
        ),
    ] {
        let mut spec = json!({"containers": [{"name": "c"}]});
        spec.as_object_mut()
            .unwrap()
            .extend(part.as_object().unwrap().clone());
        let refusal = Device::new("press-1").ask(&of_pod(spec)).unwrap_err();
        assert_eq!(refusal.reason, reason, "{part}");
    }
}

/// Of a device of which nothing is known but its name.
#[test]
fn whoever_a_device_is_it_may_lose_what_is_taken_from_somebody() {
    let objects = |web: &str, press: &str, labels: &str| {
        World::of(&format!(
            "
{{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeWorkload, metadata: {{name: web}}, spec: {{type: pod, {web}}}}}
---
{{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeWorkload, metadata: {{name: press}}, spec: {{type: pod, {press}}}}}
---
{{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeDevice, metadata: {{name: d, labels: {{{labels}}}}}}}
"
        ))
    };
    let (by, pod) = (
        "deviceSelector: {matchLabels: {a: b}}",
        "pod: {spec: {containers: [{name: c, image: i}]}}",
    );
    let (web, press) = (format!("{by}, {pod}"), format!("device: d, {pod}"));
    let before = objects(&web, &press, "a: b").catalogue();
    let may_lose = |web: &str, press: &str, labels: &str, device: &str| {
        let after = objects(web, press, labels).catalogue();
        before.may_lose(&after, device).map(|lost| lost.to_string())
    };
    let told = |what: &str| Some(what.to_owned());
    assert_eq!(may_lose(&web, &press, "a: b", "d"), None);
    let another_image = web.replace("image: i", "image: j");
    assert_eq!(may_lose(&another_image, &press, "a: b", "d"), None);
    assert_eq!(
        may_lose(&web.replace("a: b", "a: c"), &press, "a: b", "x"),
        told("workload web")
    );
    assert_eq!(
        may_lose(&web, &press.replace("device: d", "device: e"), "a: b", "x"),
        told("workload press")
    );
    let another_part = press.replace("name: c", "name: d");
    assert_eq!(
        may_lose(&web, &another_part, "a: b", "x"),
        told("container c of workload press")
    );
    assert_eq!(may_lose(&web, &press, "a: c", "d"), told("workload press"));
    assert_eq!(may_lose(&web, &press, "a: c", "x"), None);
    let mut without = objects(&web, &press, "a: b");
    without.remove(Kind::EdgeWorkload, "web");
    let lost = before.may_lose(&without.catalogue(), "x").unwrap();
    assert_eq!(lost.to_string(), "workload web");
    assert_eq!(
        before
            .may_lose(&World::default().catalogue(), "x")
            .unwrap()
            .to_string(),
        "workload press"
    );
}

/// `items` of a volume are not checked, as with Flotta.
#[test]
fn of_a_config_map_volume_the_map_alone_counts() {
    let volume = |optional: bool| {
        let map =
            json!({"name": "settings", "optional": optional, "items": [{"key": "missing", "path": "p"}]});
        json!({"containers": [{"name": "c"}], "volumes": [{"name": "v", "configMap": map}]})
    };
    let device = Device::new("press-1");
    assert_eq!(
        device.gets(&of_pod(volume(true))).workloads[0].configmaps,
        [""; 0]
    );
    let mut world = of_pod(volume(false));
    world.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}");
    assert_eq!(device.gets(&world).workloads[0].configmaps.len(), 1);
}

/// Kubernetes lets them through, and nothing can be found by them.
#[test]
fn a_reference_without_a_name_is_one_to_nothing() {
    let from = |optional: bool| json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"optional": optional}}]}]});
    let refusal = Device::new("press-1").ask(&of_pod(from(false))).unwrap_err();
    assert_eq!(
        refusal.message,
        "EdgeWorkload default/web: a Secret is referred to without its name"
    );
    assert_eq!(Device::new("press-1").gets(&of_pod(from(true))).secrets, []);
}

#[test]
fn bytes_that_are_no_text_become_what_go_s_json_makes_of_them() {
    let mut world = World::default();
    world.apply(&WEB.replace(
        "type: pod",
        "type: pod, imageRegistries: {secretRef: {name: registry}}",
    ));
    // "a", the first two bytes of U+20AC, "b", a lone continuation byte.
    world.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: registry}, data: {.dockerconfigjson: YeKCYoA=}}",
    );
    let registries = Device::new("press-1").gets(&world).workloads[0]
        .image_registries
        .clone();
    assert_eq!(
        registries.unwrap().auth_file.expose(),
        "a\u{fffd}\u{fffd}b\u{fffd}"
    );
}

#[test]
fn no_fault_shows_a_value_of_a_secret() {
    for broken in [
        json!({".dockerconfigjson": ["hunter2"]}),
        json!("hunter2"),
        json!({".dockerconfigjson": "hunter2 is no base64"}),
    ] {
        let mut world = World::default();
        world.apply(&WEB.replace(
            "type: pod",
            "type: pod, imageRegistries: {secretRef: {name: registry}}",
        ));
        let secret = "{apiVersion: v1, kind: Secret, metadata: {name: registry}, data: {}}";
        world.force(secret, |secret| secret.document["data"] = broken);
        let refusal = Device::new("press-1").ask(&world).unwrap_err();
        let shown = format!("{refusal:?} {:?}", world.catalogue());
        assert!(shown.contains("default/registry"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

/// The bytes of a workload are held once, whoever runs it and whatever it is beside it.
#[test]
fn devices_share_the_bytes_of_a_workload() {
    let mut world = World::of(WEB);
    world.apply(
        "{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeDevice, metadata: {name: press-2, labels: {a: b}},
         spec: {heartbeat: {periodSeconds: 7}}}",
    );
    let catalogue = world.catalogue();
    let [one, other] =
        ["press-1", "press-2"].map(|id| catalogue.assemble(&Device::new(id).subject()).unwrap());
    let places = |assembly: &configuration::Assembly| -> BTreeSet<_> {
        assembly.segments.iter().map(|segment| segment.as_ptr()).collect()
    };
    assert!(
        one.segments
            .iter()
            .any(|segment| segment.starts_with(b"{\"name\":\"web\""))
    );
    let shared: Vec<_> = places(&one).intersection(&places(&other)).copied().collect();
    assert_eq!(
        shared.len(),
        one.segments.len() - 2,
        "all but the begin and the end"
    );
    let of_workload: usize = one.segments[1..one.segments.len() - 1]
        .iter()
        .map(bytes::Bytes::len)
        .sum();
    assert_eq!(one.own_bytes(), text(&one).len() - of_workload);
    assert_eq!((one.period_seconds, other.period_seconds), (60, 7));
    assert_eq!(message(&one).workloads, message(&other).workloads);
    assert_ne!(one.version, other.version);
    assert_eq!(catalogue.manifest_labels("default", "press-2").len(), 1);
    for (namespace, id) in [("default", "press-1"), ("plant-a", "press-2")] {
        assert!(catalogue.manifest_labels(namespace, id).is_empty());
    }
}

/// Two devices with equal content have equal versions, and the order of the objects does not
/// matter.
#[test]
fn a_version_is_of_the_content_alone() {
    let other = WEB.replace("name: web", "name: other");
    let [one, reversed] =
        [format!("{WEB}---{other}"), format!("{other}---{WEB}")].map(|text| World::of(&text));
    let version = |id: &str, world: &World| Device::new(id).ask(world).unwrap().version;
    assert_eq!(version("press-1", &one), version("press-2", &one));
    assert_eq!(version("press-1", &one), version("press-1", &reversed));
    let mut fewer = one.clone();
    fewer.remove(Kind::EdgeWorkload, "other");
    assert_ne!(version("press-1", &one), version("press-1", &fewer));
}
