//! ConfigMap and Secret, by the rules of `k8s.io/kubernetes/pkg/apis/core/validation`. No sentence contains a value.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{
    Kind,
    fault::{Findings, Path},
};

/// All keys and values together are at most so many bytes.
const MAX_BYTES: usize = 1 << 20;
const MAX_KEY: usize = 253;

/// These two are no custom resources: an API server makes of a null value the empty text, and takes base64 with line breaks.
/// The former is refused, since nobody would see from the file that a value was forgotten; the latter is done here.
pub(super) fn before(kind: Kind, object: &mut Map<String, Value>, findings: &mut Findings) {
    for name in ["binaryData", "data", "stringData"] {
        let is_base64 = name == "binaryData" || (name == "data" && kind == Kind::Secret);
        let Some(Value::Object(entries)) = object.get_mut(name) else {
            continue;
        };
        for (key, value) in entries {
            match value {
                Value::Null => {
                    let reason = "has no value; write \"\" if it shall be empty";
                    findings.fault(&Path::root().field(name).field(key), reason);
                }
                Value::String(text) if is_base64 => text.retain(|letter| !matches!(letter, '\r' | '\n')),
                _ => {}
            }
        }
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
    check_size(document, findings);
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
    check_size(document, findings);
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

fn check_size(document: &Value, findings: &mut Findings) {
    let size = |name: &str| -> usize {
        let entries = document.get(name).and_then(Value::as_object);
        let entries = entries.into_iter().flatten();
        entries
            .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
            .sum()
    };
    if size("data") + size("binaryData") > MAX_BYTES + MAX_BYTES / 3 {
        findings.fault(
            &Path::root().field("data"),
            "is larger than the 1 MiB that Kubernetes takes",
        );
    }
}
