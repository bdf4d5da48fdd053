//! A real API server takes the names, labels, annotations and keys that are taken here, and no others.

use flotta_manifests::{Kind, read};
use http::Method;
use proptest::{
    collection::btree_map, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner,
};
use serde_json::{Value, json};
use testkit::control_plane::ControlPlane;

const OBJECTS: usize = 1_000;

#[tokio::test]
async fn heads_and_keys_are_taken_as_by_a_real_api_server() {
    let control_plane = ControlPlane::start().await.unwrap();
    let mut runner = TestRunner::deterministic();
    let (mut taken, mut refused, mut differences) = (0, 0, Vec::new());
    while taken + refused < OBJECTS && differences.len() < 6 {
        let (kind, object) = object().new_tree(&mut runner).unwrap().current();
        let plural = if kind == Kind::Secret {
            "secrets"
        } else {
            "configmaps"
        };
        let path = format!("/api/v1/namespaces/default/{plural}?dryRun=All");
        let answer = control_plane
            .client()
            .call(Method::POST, &path, Some(&object))
            .await
            .unwrap();
        let theirs = answer.json().unwrap();
        let reading = read(&object.to_string(), "here");
        match (answer.status, reading.objects.first()) {
            (201, Some(ours)) => {
                taken += 1;
                for name in ["data", "binaryData"] {
                    let empty = json!({});
                    let ours = ours.document.get(name).unwrap_or(&empty);
                    if ours != theirs.get(name).unwrap_or(&empty) {
                        differences.push(format!(
                            "{object}: {name} is kept as {}, and here as {ours}",
                            theirs[name]
                        ));
                    }
                }
            }
            (400 | 422, None) => refused += 1,
            (status, _) => {
                let faults: Vec<_> = reading.faults.iter().map(ToString::to_string).collect();
                differences.push(format!(
                    "{object}: {status} {}, and here {faults:?}",
                    theirs["message"]
                ));
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert!(
        taken > OBJECTS / 10 && refused > OBJECTS / 10,
        "{taken} were taken and {refused} refused"
    );
}

/// Mostly right, so that what is odd decides.
fn text() -> impl Strategy<Value = String> {
    let long = [63, 64, 253, 254].map(|length| "x".repeat(length));
    let dotted = format!("{}.{}", "y".repeat(63), "z".repeat(64));
    let odd = [
        "", ".", "..", "..a", ".a", "a.", "a..b", "-a", "a-", "a_b", "A", "a/b", "A.b/c", "a/", "/a",
        "a/b/c", "a b", "é", "a/B_c.d", "1", "a.b-c/d",
    ];
    let odd = odd
        .map(str::to_owned)
        .into_iter()
        .chain(long)
        .chain([dotted])
        .collect::<Vec<_>>();
    prop_oneof![12 => "[a-z][a-z0-9]{0,5}", 1 => select(odd), 1 => "[a-zA-Z0-9._/-]{1,8}"]
}

fn object() -> impl Strategy<Value = (Kind, Value)> {
    let texts = || btree_map(text(), text(), 0..3);
    let base64 = || {
        let values = ["", "YQ==", "YQ", "YWI=", "YW\nI=\n", "YWJj", "!", "YQ= =", "YR=="]
            .map(str::to_owned)
            .to_vec();
        btree_map(
            text(),
            prop_oneof![4 => Just("YWJj".to_owned()), 1 => select(values)],
            0..3,
        )
    };
    let head = (any::<bool>(), text(), texts(), texts());
    (head, texts(), base64()).prop_map(|((is_secret, name, labels, annotations), texts, base64)| {
        let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
        if is_secret {
            let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": base64, "stringData": texts});
            (Kind::Secret, object)
        } else {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": texts, "binaryData": base64});
            (Kind::ConfigMap, object)
        }
    })
}
