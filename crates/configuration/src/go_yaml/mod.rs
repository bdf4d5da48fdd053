//! YAML exactly as Flotta writes it: Go's `github.com/ghodss/yaml` 1.0.0, which marshals to JSON
//! and hands that to `gopkg.in/yaml.v2` 2.4.0 (`sigs.k8s.io/yaml` 1.3.0 writes the same).
//!
//! An agent re-creates a pod when one byte of its manifest changes, so a library that writes
//! *equivalent* YAML does not do: order of keys, quotes, folded lines and escapes are those of
//! yaml.v2, its oddities included.
//!
//! | Question | Module |
//! |---|---|
//! | What does a text lose on its way through JSON? | `json` |
//! | In which order do keys come? | `order` |
//! | Would yaml.v2 read this plain text as a text? | `resolve`, `number`, `timestamp` |
//! | What is special about a text, and which style follows? | `scalar` |
//! | How is it written in that style? | `write` |
//! | How are lists and maps laid out? | `emit` |
//!
//! Limits: what Flotta sends has no floating-point numbers, and none are written as Go would. Where
//! yaml.v2 refuses to read the JSON that it is handed (control characters that JSON leaves bare,
//! keys beyond 1,024 characters), Flotta delivers nothing; here the text is written as yaml.v2's
//! emitter would write it, which any YAML reader reads back.

mod emit;
mod json;
mod number;
mod order;
mod resolve;
mod scalar;
mod timestamp;
mod write;

use manifests::kinds::ConfigMap;
use serde_json::{Map, Value};

/// A YAML document with this value, as `ghodss/yaml.Marshal` writes it.
pub fn to_string(value: &Value) -> String {
    emit::document(value)
}

/// The document that Flotta's `configmaps.Fetch` makes of a ConfigMap: its metadata reduced to the
/// name.
///
/// Maps without entries are left out, as Go's `omitempty` does; `immutable: false` is not.
pub fn config_map(name: &str, map: &ConfigMap) -> String {
    let mut document = Map::new();
    document.insert("apiVersion".into(), "v1".into());
    document.insert("kind".into(), "ConfigMap".into());
    document.insert(
        "metadata".into(),
        serde_json::json!({"creationTimestamp": null, "name": name}),
    );
    for (field, entries) in [("data", &map.data), ("binaryData", &map.binary_data)] {
        if let Some(entries) = entries.as_ref().filter(|entries| !entries.is_empty()) {
            let entries = entries
                .iter()
                .map(|(key, text)| (key.clone(), Value::from(text.as_str())))
                .collect();
            document.insert(field.into(), Value::Object(entries));
        }
    }
    if let Some(immutable) = map.immutable {
        document.insert("immutable".into(), immutable.into());
    }
    to_string(&Value::Object(document))
}
