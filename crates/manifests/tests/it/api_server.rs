//! A real API server with Flotta's definitions, asked to validate fields as kubectl asks it to,
//! takes what the schemas take, refuses what they refuse, and keeps the same.

use flotta_manifests::{
    Kind,
    fault::{Findings, Path},
    schema,
};
use http::Method;
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use testkit::{control_plane::ControlPlane, flotta_kinds};

const OBJECTS: usize = 1_000;

#[tokio::test]
async fn schemas_do_what_a_real_api_server_does() {
    let control_plane = ControlPlane::start().await.unwrap();
    let client = control_plane.client();
    flotta_kinds::install(client).await.unwrap();
    let mut runner = TestRunner::deterministic();
    let (mut taken, mut refused, mut differences) = (0, 0, Vec::new());
    while taken + refused < OBJECTS {
        let (kind, mut document) = crate::properties::document()
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let Some(plural) = plural(kind) else { continue };
        if let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) {
            // Nobody reads it here.
            spec.remove("features");
        }
        let (places, changes) = changes().new_tree(&mut runner).unwrap().current();
        for (place, change) in places.into_iter().zip(changes) {
            damage(&mut document["spec"], place, &change);
        }
        let Some(spec) = document.get("spec").cloned() else {
            continue;
        };
        let fields = json!({"spec": spec.clone()}).as_object().unwrap().clone();
        let mut findings = Findings::default();
        let ours = schema::fit(fields, schema::of(kind), &Path::root(), &mut findings);

        let object = json!({"apiVersion": kind.api_version(), "kind": kind.as_str(), "metadata": {"name": "a"}, "spec": spec});
        let path = format!(
            "/apis/{}/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict",
            kind.api_version()
        );
        let answer = client.call(Method::POST, &path, Some(&object)).await.unwrap();
        let theirs = answer.json().unwrap();
        match (answer.status, findings.faults.is_empty()) {
            (201, true) => {
                taken += 1;
                let theirs = theirs.get("spec").unwrap_or(&Value::Null);
                if theirs != ours.get("spec").unwrap_or(&Value::Null) {
                    differences.push(format!("{object} is kept as {theirs}, and here as {ours}"));
                }
            }
            (400 | 422, false) => refused += 1,
            (201, false)
                if findings
                    .faults
                    .iter()
                    .all(|(_, reason)| is_taken_by_mistake(reason)) => {}
            (status, _) => differences.push(format!(
                "{object}: {status} {}, and here {:?}",
                theirs["message"], findings.faults
            )),
        }
        if differences.len() > 5 {
            break;
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert!(
        taken > OBJECTS / 4 && refused > OBJECTS / 4,
        "{taken} were taken and {refused} refused"
    );
}

/// An API server does not look at the range that a format implies, nor does it see a list where a
/// text with a format is wanted. A program in Go cannot read such an object, and Flotta's then read
/// none of its kind. A key without a value it takes out, and what is left may mean something else.
fn is_taken_by_mistake(reason: &str) -> bool {
    reason.ends_with("to 2147483647")
        || reason.starts_with("has no value; ")
        || [
            "is a list, and a time as text is wanted",
            "is a list, and base64 text is wanted",
        ]
        .contains(&reason)
}

fn plural(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::EdgeConfig => Some("edgeconfigs"),
        Kind::EdgeDevice => Some("edgedevices"),
        Kind::EdgeDeviceSet => Some("edgedevicesets"),
        Kind::EdgeDeviceSignedRequest => Some("edgedevicesignedrequest"),
        Kind::EdgeWorkload => Some("edgeworkloads"),
        Kind::PlaybookExecution => Some("playbookexecutions"),
        Kind::ConfigMap | Kind::ObjectBucketClaim | Kind::Route | Kind::Secret => None,
    }
}

/// No change, one or two: where, and what is put there.
fn changes() -> impl Strategy<Value = (Vec<usize>, Vec<Value>)> {
    const ODD: &[&str] = &[
        "",
        "a",
        "5",
        "1Gi",
        "TCP",
        "sudo",
        "YQ==",
        "2022-10-14T08:00:00Z",
        "yes",
    ];
    let value = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        Just(json!([null])),
        Just(json!([{}])),
        Just(json!({"a": null})),
        Just(json!({"unknown": 1})),
        Just(json!(1.0)),
        Just(json!(1.5)),
        Just(json!(70_000)),
        Just(json!(-1)),
        Just(json!(3_000_000_000_i64)),
        any::<bool>().prop_map(Value::from),
        select(ODD).prop_map(Value::from),
    ];
    let places = proptest::collection::vec(0..400_usize, 0..3);
    (places, proptest::collection::vec(value, 2))
}

/// Puts `change` where the `place`-th value is, counted around.
fn damage(document: &mut Value, place: usize, change: &Value) {
    let count = count(document);
    let mut left = place % count;
    put(document, &mut left, change);
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Array(elements) => elements.iter().map(count).sum(),
        _ => 0,
    }
}

fn put(value: &mut Value, left: &mut usize, change: &Value) -> bool {
    if *left == 0 {
        *value = change.clone();
        return true;
    }
    *left -= 1;
    match value {
        Value::Object(fields) => fields.values_mut().any(|value| put(value, left, change)),
        Value::Array(elements) => elements.iter_mut().any(|value| put(value, left, change)),
        _ => false,
    }
}
