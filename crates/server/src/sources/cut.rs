//! Does an object say less than it did, as one does whose file ends in the middle of it?
//!
//! Of what is cut off the rest is as whole as any object: fields are gone or have their defaults, a
//! list is shorter, and one text or number ends early. What changes in another way, an image or a
//! number that grows, is none of it. Nothing follows from it but that the source has to rest:
//! whoever takes a field out writes the same.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use manifests::{
    Object,
    fault::Path,
    schema::{self, DefaultValue, Schema},
};
use serde_json::Value;

/// The first that is not in `after`, if anything: where in the object it is. No value is in it.
pub(super) fn missing(before: &Object, after: &Object) -> Option<String> {
    let metadata = Path::root().field("metadata");
    let maps = [
        ("labels", &before.labels, &after.labels),
        ("annotations", &before.annotations, &after.annotations),
    ];
    let of_head = maps.into_iter().find_map(|(name, before, after)| {
        let path = metadata.field(name);
        before.iter().find_map(|(key, text)| {
            let path = path.field(key);
            match after.get(key) {
                Some(now) => ends_early(text.as_bytes(), now.as_bytes()).then(|| the_end(&path)),
                None => Some(path.to_string()),
            }
        })
    });
    let schema = Schema::Object(schema::of(before.key.kind));
    of_head.or_else(|| of_value(&before.document, &after.document, Some(schema), &Path::root()))
}

fn of_value(before: &Value, after: &Value, schema: Option<Schema>, path: &Path) -> Option<String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().find_map(|(name, value)| {
            let path = path.field(name);
            let Some(now) = after.get(name) else {
                return Some(path.to_string());
            };
            let field = match schema {
                Some(Schema::Object(structure)) => structure.field(name),
                _ => None,
            };
            // What it says nothing of has its default.
            let default = field.and_then(|field| field.default);
            if value != now && default.is_some_and(|default| is(now, default)) {
                return Some(path.to_string());
            }
            let schema = match schema {
                Some(Schema::Map(values)) => Some(*values),
                _ => field.map(|field| field.schema),
            };
            of_value(value, now, schema, &path)
        }),
        (Value::Array(before), Value::Array(after)) => of_list(before, after, schema, path),
        (Value::String(before), Value::String(after)) => {
            let bytes = |text: &str| match schema {
                // A text of a Secret is kept so, and padding hides where it ends.
                Some(Schema::Base64) => STANDARD.decode(text).ok(),
                _ => None,
            };
            let is_cut = match (bytes(before), bytes(after)) {
                (Some(before), Some(after)) => ends_early(&before, &after),
                _ => ends_early(before.as_bytes(), after.as_bytes()),
            };
            is_cut.then(|| the_end(path))
        }
        (Value::Number(before), Value::Number(after)) => {
            let (before, after) = (before.to_string(), after.to_string());
            ends_early(before.as_bytes(), after.as_bytes()).then(|| the_end(path))
        }
        (before, Value::Null) => (!before.is_null()).then(|| path.to_string()),
        _ => None,
    }
}

/// Elements with a name are compared with those of the same name, wherever these are.
fn of_list(before: &[Value], after: &[Value], schema: Option<Schema>, path: &Path) -> Option<String> {
    if after.len() < before.len() {
        return Some(path.index(after.len()).to_string());
    }
    let items = match schema {
        Some(Schema::List(items) | Schema::KeyedList(items, _) | Schema::NonEmptyList(items)) => Some(*items),
        _ => None,
    };
    let name = |element: &'_ Value| element.get("name").and_then(Value::as_str).map(str::to_owned);
    let named: HashMap<String, &Value> = after
        .iter()
        .filter_map(|element| Some((name(element)?, element)))
        .collect();
    let mut pairs = before.iter().zip(after).enumerate();
    pairs.find_map(|(index, (element, at_its_place))| {
        let of_its_name = name(element).and_then(|name| named.get(&name).copied());
        let now = of_its_name.unwrap_or(at_its_place);
        of_value(element, now, items, &path.index(index))
    })
}

fn is(value: &Value, default: DefaultValue) -> bool {
    match default {
        DefaultValue::Text(text) => value == text,
        DefaultValue::Integer(number) => value == number,
        DefaultValue::Boolean(truth) => value == truth,
    }
}

/// Whether `after` is the beginning of `before`. YAML may put a line break at the end of what is
/// left of a text.
fn ends_early(before: &[u8], after: &[u8]) -> bool {
    let breaks = after.iter().rev().take_while(|byte| **byte == b'\n').count();
    after.len() < before.len() && before.starts_with(&after[..after.len() - breaks])
}

fn the_end(path: &Path) -> String {
    format!("the end of {path}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload(containers: &Value) -> Object {
        let manifest = json!({
            "apiVersion": "management.project-flotta.io/v1alpha1",
            "kind": "EdgeWorkload",
            "metadata": {"name": "a", "labels": {"tier": "front"}},
            "spec": {"type": "pod", "device": "d", "pod": {"spec": {"containers": containers}}},
        });
        let reading = manifests::read(&manifest.to_string(), "a");
        assert_eq!(reading.faults, []);
        reading.objects.into_iter().next().unwrap()
    }

    #[test]
    fn what_is_gone_or_ends_early_is_missing() {
        let before = workload(&json!([
            {"name": "c", "image": "i:12", "args": ["one", "two"], "ports": [{"containerPort": 8080, "hostPort": 53, "protocol": "UDP"}]},
            {"name": "d", "image": "i"},
        ]));
        let list = "spec.pod.spec.containers";
        for (containers, missing_there) in [
            (json!([{"name": "c", "image": "i:12"}]), format!("{list}[1]")),
            (
                json!([{"name": "c", "image": "i:12", "args": ["one", "two"]}, {"name": "d", "image": "i"}]),
                format!("{list}[0].ports"),
            ),
            (
                json!([
                    {"name": "d", "image": "i"},
                    {"name": "c", "image": "i:1", "args": ["one", "two"], "ports": [{"containerPort": 8080, "hostPort": 53, "protocol": "UDP"}]},
                ]),
                format!("the end of {list}[0].image"),
            ),
            (
                json!([
                    {"name": "c", "image": "i:12", "args": ["one"], "ports": [{"containerPort": 8080, "hostPort": 53, "protocol": "UDP"}]},
                    {"name": "d", "image": "i"},
                ]),
                format!("{list}[0].args[1]"),
            ),
            (
                json!([
                    {"name": "c", "image": "i:12", "args": ["one", "two"], "ports": [{"containerPort": 8080, "hostPort": 5, "protocol": "UDP"}]},
                    {"name": "d", "image": "i"},
                ]),
                format!("the end of {list}[0].ports[0].hostPort"),
            ),
            (
                json!([
                    {"name": "c", "image": "i:12", "args": ["one", "two"], "ports": [{"containerPort": 8080, "hostPort": 53}]},
                    {"name": "d", "image": "i"},
                ]),
                format!("{list}[0].ports[0].protocol"),
            ),
        ] {
            assert_eq!(missing(&before, &workload(&containers)), Some(missing_there));
        }
        let mut unlabelled = before.clone();
        unlabelled.labels.clear();
        assert_eq!(
            missing(&before, &unlabelled).as_deref(),
            Some("metadata.labels.tier")
        );
    }

    #[test]
    fn what_changes_otherwise_is_not() {
        let before = workload(&json!([
            {"name": "c", "image": "i:12", "args": ["one", "two"], "ports": [{"containerPort": 80, "hostPort": 53}]},
        ]));
        for containers in [
            json!([{"name": "c", "image": "i:13", "args": ["one", "three"], "ports": [{"containerPort": 8080, "hostPort": 54}]}]),
            json!([
                {"name": "b", "image": "i"},
                {"name": "c", "image": "i:12-slim", "args": ["one", "two", "three"], "ports": [{"containerPort": 80, "hostPort": 53, "protocol": "UDP"}]},
            ]),
        ] {
            assert_eq!(missing(&before, &workload(&containers)), None, "{containers}");
        }
        assert_eq!(missing(&before, &before.clone()), None);
    }

    #[test]
    fn a_text_that_ends_early_may_have_a_line_break() {
        for (before, after, is_cut) in [
            ("one\ntwo\n", "one\nt", true),
            ("one\ntwo\n", "one\n", true),
            ("one two\n", "one\n", true),
            ("one", "", true),
            ("one", "one", false),
            ("one", "one\n", false),
            ("one", "two", false),
            ("one", "on two", false),
        ] {
            assert_eq!(
                ends_early(before.as_bytes(), after.as_bytes()),
                is_cut,
                "{before:?} {after:?}"
            );
        }
    }

    /// Of each kind of field one, in block style, so that many cuts can be read.
    const FILES: [&str; 5] = [
        "apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata:
  name: a
  annotations:
    podman/note: for the line
spec:
  type: pod
  deviceSelector:
    matchLabels:
      line: press
  metrics:
    interval: 300
    port: 9113
  pod:
    spec:
      containers:
        - name: c
          image: registry.example/c:1.2.3
          ports:
            - containerPort: 8080
              hostPort: 8080
              protocol: UDP
          env:
            - name: MODE
              value: quiet please
            - name: TEXT
              value: |
                one

                two
                three
            - name: FOLDED
              value: >
                one
                two
                  three
      terminationGracePeriodSeconds: 300
",
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  labels:
    tier: front
binaryData:
  b: aGVsbG8gd29ybGQsIGhlbGxvIGFsbA==
data:
  settings.yaml: |
    a: 1
    b: 2
  limit: '4'
",
        "apiVersion: v1
kind: Secret
metadata:
  name: a
data:
  b: aGVsbG8gd29ybGQsIGhlbGxvIGFsbA==
stringData:
  password: hello world, hello all
",
        "apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDevice
metadata:
  name: a
  labels:
    line: press
spec:
  heartbeat:
    periodSeconds: 60
  logCollection:
    central:
      kind: syslog
      syslogConfig:
        name: target
      bufferSize: 120
  metrics:
    system:
      allowList:
        name: allowed
      interval: 300
",
        "apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDeviceSignedRequest
metadata:
  name: a
spec:
  targetNamespace: plant-a
  targetSet: presses
  approved: true
",
    ];

    /// Each file is cut at every letter. What is read of it then and is another object lacks
    /// something.
    #[test]
    fn no_cut_is_taken_for_another_change() {
        for file in FILES {
            let whole = manifests::read(file, "a");
            assert_eq!(whole.faults, []);
            let whole = &whole.objects[0];
            let mut cuts = 0;
            for end in 0..file.len() {
                for object in manifests::read(&file[..end], "a").objects {
                    if object.key == whole.key && object != *whole {
                        cuts += 1;
                        assert!(missing(whole, &object).is_some(), "{}", &file[..end]);
                    }
                }
            }
            assert!(cuts > 10, "{cuts} of {file}");
        }
    }
}
