//! ConfigMap and Secret, by the rules of `k8s.io/kubernetes/pkg/apis/core/validation`. No sentence
//! contains a value.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{
    Kind,
    fault::{Findings, Path},
    schema::scalars,
};

/// All values together are at most so many bytes, decoded.
const MAX_BYTES: usize = 1 << 20;
const MAX_KEY: usize = 253;

/// These two are no custom resources: an API server takes base64 with line breaks, and so it is
/// done here.
pub(super) fn before(kind: Kind, object: &mut Map<String, Value>, findings: &mut Findings) {
    for name in ["binaryData", "data", "stringData"] {
        let is_base64 = name == "binaryData" || (name == "data" && kind == Kind::Secret);
        let Some(Value::Object(entries)) = object.get_mut(name) else {
            continue;
        };
        entries.retain(|key, value| {
            let reason = match value {
                Value::String(text) if is_base64 => {
                    text.retain(|letter| !matches!(letter, '\r' | '\n'));
                    let is_wrong = kind == Kind::Secret && scalars::BASE64.decode(&*text).is_err();
                    is_wrong.then_some(
                        "is not base64; encode it with `base64 -w0`, or write it as it is under stringData",
                    )
                }
                // In quotes it could be base64 of something else.
                Value::Number(_) | Value::Bool(_) if is_base64 && kind == Kind::Secret => {
                    Some("is no text in base64; write it under stringData, in quotes")
                }
                _ => None,
            };
            if let Some(reason) = reason {
                findings.fault(&Path::root().field(name).field(key), reason);
            }
            // What is refused here is not judged by its schema as well.
            reason.is_none()
        });
    }
}

pub(super) fn config_map(document: &Value, findings: &mut Findings) {
    let root = Path::root();
    for (name, other) in [("data", None), ("binaryData", Some("data"))] {
        let entries = document.get(name).and_then(Value::as_object);
        for key in entries.into_iter().flatten().map(|(key, _)| key) {
            let path = root.field(name).field(key);
            check_key(key, &path, findings);
            if other.and_then(|other| document.get(other)?.get(key)).is_some() {
                findings.fault(&path, "is in data as well; take one of them out");
            }
        }
    }
    check_size(document, &["binaryData"], findings);
}

/// `stringData` becomes `data`, and counts more than it.
pub(super) fn secret(document: &mut Value, findings: &mut Findings) {
    let root = Path::root();
    for name in ["data", "stringData"] {
        let entries = document.get(name).and_then(Value::as_object);
        for key in entries.into_iter().flatten().map(|(key, _)| key) {
            check_key(key, &root.field(name).field(key), findings);
        }
    }
    let Value::Object(fields) = document else { return };
    if let Some(Value::Object(texts)) = fields.remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(data) = data {
            let texts = texts.into_iter();
            data.extend(texts.filter_map(|(key, text)| Some((key, STANDARD.encode(text.as_str()?).into()))));
            data.sort_keys();
        }
    }
    fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
    fields.sort_keys();
    check_size(document, &["data"], findings);
}

fn check_key(key: &str, path: &Path, findings: &mut Findings) {
    let letters = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if key.is_empty() || key.len() > MAX_KEY || !letters || key == "." || key.starts_with("..") {
        let reason =
            "must have a key of 1 to 253 letters, digits, `-`, `_` and `.` that does not begin with `..`";
        findings.fault(path, reason);
    }
}

fn check_size(document: &Value, base64: &[&str], findings: &mut Findings) {
    let size = |name: &str| -> usize {
        let entries = document.get(name).and_then(Value::as_object);
        let values = entries
            .into_iter()
            .flatten()
            .filter_map(|(_, value)| value.as_str());
        let size = |value: &str| {
            if base64.contains(&name) {
                value.trim_end_matches('=').len() * 3 / 4
            } else {
                value.len()
            }
        };
        values.map(size).sum()
    };
    if size("data") + size("binaryData") > MAX_BYTES {
        findings.fault(
            &Path::root().field("data"),
            "is larger than the 1 MiB that Kubernetes takes",
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(kind: Kind, mut document: Value) -> usize {
        let mut findings = Findings::default();
        match kind {
            Kind::Secret => secret(&mut document, &mut findings),
            _ => config_map(&document, &mut findings),
        }
        findings.faults.len()
    }

    #[test]
    fn values_are_at_most_a_mebibyte() {
        let text = |size| "x".repeat(size);
        assert_eq!(
            faults(Kind::ConfigMap, json!({"data": {"a": text(MAX_BYTES)}})),
            0
        );
        assert_eq!(
            faults(Kind::ConfigMap, json!({"data": {"a": text(MAX_BYTES), "b": "x"}})),
            1
        );
        assert_eq!(
            faults(
                Kind::ConfigMap,
                json!({"binaryData": {"a": STANDARD.encode(text(MAX_BYTES))}})
            ),
            0
        );
        assert_eq!(
            faults(
                Kind::ConfigMap,
                json!({"data": {"a": "x"}, "binaryData": {"b": STANDARD.encode(text(MAX_BYTES))}})
            ),
            1
        );
        assert_eq!(
            faults(Kind::Secret, json!({"stringData": {"a": text(MAX_BYTES)}})),
            0
        );
        assert_eq!(
            faults(Kind::Secret, json!({"stringData": {"a": text(MAX_BYTES + 1)}})),
            1
        );
    }

    #[test]
    fn string_data_counts_more_than_data() {
        let mut document = json!({"data": {"b": "YQ==", "a": "YQ=="}, "stringData": {"a": "b", "0": ""}});
        secret(&mut document, &mut Findings::default());
        assert_eq!(document, json!({"data": {"0": "", "a": "Yg==", "b": "YQ=="}}));
    }
}
