//! A fleet in which each kind of object is needed by somebody, and what is seen of it.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// A value that must be seen by its devices alone.
pub(crate) const PLANTED: &str = "zQ7-planted-value-9dK";

/// The key that everything is stored with.
pub(crate) const KEY: &str = "first AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// One that fits nothing.
pub(crate) const OTHER_KEY: &str = "second AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

pub(crate) const DEVICES: [&str; 3] = ["one", "two", "three"];

/// Files of a fleet in which each kind of object is needed by somebody.
pub(crate) fn files() -> Vec<(&'static str, String)> {
    vec![
        ("devices.yaml", include_str!("objects/devices.yaml").to_owned()),
        (
            "workloads.yaml",
            include_str!("objects/workloads.yaml").to_owned(),
        ),
        ("maps.yaml", include_str!("objects/maps.yaml").to_owned()),
        (
            "secrets.yaml",
            include_str!("objects/secrets.yaml").replace("PLANTED", PLANTED),
        ),
        ("sets.yaml", include_str!("objects/sets.yaml").to_owned()),
    ]
}

/// The names of workloads and Secrets in a configuration, which must be one.
pub(crate) fn names(told: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let of = |list: &str| {
        let list = told["device-configuration"].get(list).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    (of("workloads"), of("secrets"))
}

pub(crate) fn version(told: &Value) -> String {
    told["device-configuration"]["version"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Whether the planted value is in a text, plain or in base64 at any alignment.
pub(crate) fn shows(text: &[u8]) -> bool {
    let mut needles = vec![PLANTED.to_owned()];
    for shift in 0..3 {
        let encoded = STANDARD.encode([&vec![b' '; shift], PLANTED.as_bytes()].concat());
        // The characters that depend on neighbours are left out.
        needles.push(encoded[4..encoded.len() - 4].to_owned());
    }
    // Much faster than a look at each window, for files of some MiB.
    let text = String::from_utf8_lossy(text);
    needles.iter().any(|needle| text.contains(needle))
}
