//! A real API server takes the names, labels, annotations, keys and types of Secrets that are taken
//! here, and no others.

use std::collections::BTreeMap;

use flotta_manifests::{Kind, read};
use http::Method;
use proptest::{
    collection::btree_map, option, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner,
};
use serde_json::{Value, json};
use testkit::control_plane::ControlPlane;

const OBJECTS: usize = 1_500;

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
    (head, texts(), base64(), typed()).prop_map(
        |((is_secret, name, labels, mut annotations), texts, mut base64, (kind, of_type))| {
            if !is_secret {
                let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": texts, "binaryData": base64});
                return (Kind::ConfigMap, object);
            }
            for (key, value) in of_type {
                if key == "kubernetes.io/service-account.name" {
                    annotations.insert(key.to_owned(), value.to_owned());
                } else {
                    base64.insert(key.to_owned(), value.to_owned());
                }
            }
            let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
            let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": base64, "stringData": texts});
            if let Some(kind) = kind {
                object["type"] = json!(kind);
            }
            (Kind::Secret, object)
        },
    )
}

/// A type of a Secret, and some of the keys that types ask for.
fn typed() -> impl Strategy<Value = (Option<&'static str>, BTreeMap<&'static str, &'static str>)> {
    const TYPES: &[&str] = &[
        "",
        "Opaque",
        "example.com/own",
        "kubernetes.io/dockercfg",
        "kubernetes.io/dockerconfigjson",
        "kubernetes.io/basic-auth",
        "kubernetes.io/ssh-auth",
        "kubernetes.io/tls",
        "kubernetes.io/service-account-token",
    ];
    const KEYS: &[&str] = &[
        ".dockercfg",
        ".dockerconfigjson",
        "username",
        "password",
        "ssh-privatekey",
        "tls.crt",
        "tls.key",
        "kubernetes.io/service-account.name",
    ];
    // Nothing, `{}`, `null`, `[]`, `{}` and more, `{}` encoded twice, and text.
    const VALUES: &[&str] = &["", "e30=", "bnVsbA==", "W10=", "e30geA==", "ZTMwPQ==", "YWJj"];
    let keys = btree_map(select(KEYS), select(VALUES), 0..4);
    (option::weighted(0.5, select(TYPES)), keys)
}
