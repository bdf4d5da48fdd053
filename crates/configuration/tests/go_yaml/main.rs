//! ConfigMaps and pods come out byte for byte as Flotta's Go writes them.
//!
//! Needs Go: it is asked through the program in `tests/go-yaml`, on the published modules that the
//! Edge API is built from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

mod pods;
mod program;
mod texts;

use std::cell::{Cell, RefCell};

use configuration::{go_yaml, podspec};
use manifests::kinds::ConfigMap;
use manifests::schema::{Schema, pod_spec};
use pods::{one_by_one, pod_specs, quantities};
use program::Go;
use proptest::{collection, prelude::*};
use serde_json::{Value, json};
use texts::{keys, texts};

const CASES: u32 = 8_000;
const PODS: u32 = 1_000;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// As an API server would answer it.
fn as_json(name: &str, map: &ConfigMap) -> serde_json::Value {
    let mut object = serde_json::to_value(map).unwrap();
    object["metadata"] = json!({"name": name, "namespace": "plant-a", "resourceVersion": "1"});
    object
}

fn config_maps() -> impl Strategy<Value = ConfigMap> {
    let base64 = collection::btree_map(
        keys(),
        "([A-Za-z0-9+/]{4}){0,40}([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIM]=)?",
        0..3,
    );
    // Many, and such that there is only one order.
    let many = collection::btree_map(
        prop_oneof![
            (0..500_u32).prop_map(|number| format!("key-{number}.yaml")),
            "[A-Za-z]{1,3}"
        ],
        "[a-z]{0,3}",
        13..80,
    );
    (
        proptest::option::weighted(
            0.9,
            prop_oneof![20 => collection::btree_map(keys(), texts(), 0..6), 1 => many],
        ),
        proptest::option::weighted(0.2, base64),
        proptest::option::weighted(0.2, any::<bool>()),
    )
        .prop_map(|(data, binary_data, immutable)| ConfigMap {
            data,
            binary_data,
            immutable,
        })
}

#[test]
fn config_maps_are_written_as_go_writes_them() {
    let go = RefCell::new(Go::start());
    let compared = Cell::new(0_u32);
    let name = prop_oneof![
        3 => "[a-z0-9][a-z0-9.-]{0,20}",
        1 => texts().prop_filter("a name", |name| !name.is_empty()),
    ];
    proptest!(config(CASES), |(name in name, map in config_maps())| {
        let ours = go_yaml::config_map(&name, &map);
        let theirs = go.borrow_mut().ask_for("ConfigMap", &as_json(&name, &map), &ours);
        if let Ok(theirs) = theirs {
            prop_assert_eq!(&ours, &theirs);
            compared.set(compared.get() + 1);
        } else {
            prop_assert!(theirs.is_err_and(|error| is_refused_as_yaml(&error)));
            // Flotta would deliver nothing. We deliver what is meant.
            let read: ConfigMap = serde_yaml::from_str(&ours).unwrap();
            let read = read.data.unwrap_or_default();
            for (key, text) in map.data.iter().flatten().filter(|(_, text)| !text.contains('\u{85}')) {
                prop_assert_eq!(read.get(key), Some(text));
            }
        }
    });
    assert!(
        compared.get() > CASES * 3 / 4,
        "Go refused all but {}",
        compared.get()
    );
}

/// Bytes are a contract: what changes here restarts pods.
#[test]
fn config_map_as_it_was_agreed() {
    let data = [
        ("application.yaml", "server:\n  port: 8080\n"),
        ("script.sh", "\n  #!/bin/sh\necho done"),
        ("trailing", "line\n\n"),
        ("tabbed", "a:\n\tb\n"),
        ("key-10", "yes"),
        ("key-9", "0x1F"),
        ("date", "2026-11-24"),
        ("plain", "some text, with 'quotes' and <brackets>"),
        ("quoted", "# no comment"),
        ("mail", "@home"),
        ("empty", ""),
        ("emoji", "📦 é"),
        (
            "long",
            "one line that is longer than eighty characters is folded at the first blank after that, as Flotta does it",
        ),
    ];
    let map = ConfigMap {
        data: Some(data.map(|(key, text)| (key.to_owned(), text.to_owned())).into()),
        binary_data: Some([("icon.png".to_owned(), "iVBORw0KGgo=".to_owned())].into()),
        immutable: Some(false),
    };
    let ours = go_yaml::config_map("web-settings", &map);
    assert_eq!(
        Go::start()
            .ask("ConfigMap", &as_json("web-settings", &map))
            .as_ref(),
        Ok(&ours)
    );
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("config_map", ours);
    });
}

/// Whether Go refuses to read the JSON that it has made itself. Flotta then delivers nothing, or,
/// of a pod, takes the workload from its devices; we do neither.
fn is_refused_as_yaml(error: &str) -> bool {
    error.starts_with("error converting JSON to YAML")
}

#[test]
fn pods_are_written_as_go_writes_them() {
    let go = RefCell::new(Go::start());
    let compared = Cell::new(0_u32);
    proptest!(config(PODS), |(spec in pod_specs())| {
        let ours = podspec::text(&spec);
        let expected = ours.as_deref().unwrap_or_default();
        match go.borrow_mut().ask_for("PodSpec", &spec, expected) {
            Err(error) if is_refused_as_yaml(&error) => prop_assert!(ours.is_ok(), "{:?}", ours),
            Err(error) => prop_assert!(ours.is_err(), "{}", error),
            Ok(theirs) => {
                prop_assert_eq!(&ours, &Ok(theirs));
                compared.set(compared.get() + 1);
            }
        }
    });
    assert!(compared.get() > PODS / 2, "Go refused all but {}", compared.get());
}

/// Letters come after everything else in the order of keys. This one has been a letter since
/// Unicode 16 only, which Go does not have yet.
#[test]
fn keys_are_in_the_order_of_the_unicode_that_go_has() {
    let spec = json!({"nodeSelector": {"a": "1", "\u{1138E}": "2"}, "containers": null});
    let ours = podspec::text(&spec).unwrap();
    assert_eq!(Go::start().ask_for("PodSpec", &spec, &ours), Ok(ours.clone()));
}

#[test]
fn each_field_alone_is_written_as_go_writes_it() {
    let mut go = Go::start();
    for spec in one_by_one(&Schema::Object(pod_spec())) {
        let theirs = go.ask("PodSpec", &spec);
        assert_eq!(
            podspec::text(&spec)
                .map_err(|invalid| invalid.to_string())
                .as_ref(),
            theirs.as_ref(),
            "{spec}"
        );
    }
}

#[test]
fn quantities_are_written_as_go_writes_them() {
    let go = RefCell::new(Go::start());
    let compared = Cell::new(0_u32);
    proptest!(config(CASES), |(quantity in quantities())| {
        let spec = json!({"containers": [], "overhead": {"cpu": quantity}});
        let theirs = go.borrow_mut().ask("PodSpec", &spec);
        let ours = podspec::text(&spec);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", theirs);
        if let Ok(theirs) = theirs {
            prop_assert_eq!(ours, Ok(theirs));
            compared.set(compared.get() + 1);
        }
    });
    assert!(
        compared.get() > CASES / 2,
        "Go refused all but {}",
        compared.get()
    );
}

/// Bytes are a contract here as well.
#[test]
fn pod_as_it_was_agreed() {
    let spec = json!({
        "containers": [{
            "name": "web",
            "image": "registry.example/web:1.4",
            "args": ["--verbose", "yes", "# 1"],
            "env": [
                {"name": "MODE", "value": "on"},
                {"name": "EMPTY", "value": ""},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "t", "optional": false}}},
            ],
            "envFrom": [{"configMapRef": {"name": "web-settings"}}],
            "ports": [{"containerPort": 8080, "hostPort": 8080, "protocol": "TCP"}],
            "resources": {},
            "securityContext": {"runAsUser": 0, "capabilities": {"drop": []}},
            "stdin": false,
            "volumeMounts": [{"mountPath": "/data", "name": "data", "readOnly": false}],
        }],
        "initContainers": [],
        "hostNetwork": true,
        "nodeSelector": {"zone-10": "a", "zone-9": "0o7"},
        "overhead": {"cpu": "0.25", "memory": "1024Mi"},
        "terminationGracePeriodSeconds": 0,
        "tolerations": null,
        "volumes": [{"name": "data", "hostPath": {"path": "/var/data", "type": ""}}],
    });
    let ours = podspec::text(&spec).unwrap();
    assert_eq!(Go::start().ask("PodSpec", &spec).as_ref(), Ok(&ours));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("pod", ours);
    });
}

#[test]
fn a_fault_says_where_it_is() {
    let spec =
        json!({"containers": [{"name": "a"}, {"name": "b", "resources": {"limits": {"cpu": "much"}}}]});
    assert_eq!(
        podspec::text(&spec).unwrap_err().to_string(),
        "containers[1].resources.limits.cpu: must be a quantity such as 100m or 1Gi"
    );
}

/// Every value that a pod can hold is, in turn, one that does not fit: what was typed there may be
/// a password.
#[test]
fn no_fault_shows_a_value() {
    let mut faults = 0;
    every_misfit(&Schema::Object(pod_spec()), &mut |spec| {
        let Err(invalid) = podspec::text(&spec) else {
            return;
        };
        let shown = format!("{invalid} {invalid:?} {invalid:#?}");
        assert!(!shown.contains("marker"), "{shown}");
        assert!(
            !invalid.path.is_empty() || spec.is_string() || spec.is_array(),
            "{shown}"
        );
        faults += 1;
    });
    assert!(faults > 2000, "only {faults} misfits");
}

/// Values with a marker in the place of each part, the rest as small as it may be.
fn every_misfit(schema: &Schema, visit: &mut dyn FnMut(Value)) {
    for value in [
        json!("marker"),
        json!(["marker"]),
        json!({"key": "marker"}),
        json!([{"key": ["marker"]}]),
    ] {
        visit(value);
    }
    match schema {
        Schema::Object(structure) => {
            for field in structure.fields {
                every_misfit(&field.schema, &mut |value| visit(json!({field.name: value})));
            }
        }
        Schema::List(of) | Schema::KeyedList(of, _) | Schema::NonEmptyList(of) => {
            every_misfit(of, &mut |value| visit(json!([value])));
        }
        Schema::Map(of) => every_misfit(of, &mut |value| visit(json!({"key": value}))),
        _ => {}
    }
}
