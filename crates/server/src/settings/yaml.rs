//! YAML: the only place that knows it (`docs/decisions/0003-yaml.md`).

use std::collections::BTreeMap;

use serde_yaml::Value;

/// A key whose value is no single value.
pub(super) const NOT_A_SCALAR: &str = "it must be a single text, number or truth value";

/// Reads a flat document: each setting with its value as text, or with what is wrong with it.
///
/// An empty document has no settings. A document that is no mapping is an error, a sentence.
pub(crate) fn flat(document: &str) -> Result<BTreeMap<String, Result<String, &'static str>>, String> {
    let document: Value = serde_yaml::from_str(document).map_err(|error| error.to_string())?;
    let mapping = match document {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Mapping(mapping) => mapping,
        _ => return Err("it must be a list of `setting: value` lines".to_owned()),
    };
    let entries = mapping.into_iter().map(|(key, value)| {
        let key = scalar(key).map_err(|_| "a name of a setting is not a text".to_owned())?;
        Ok((key, scalar(value)))
    });
    entries.collect()
}

fn scalar(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null => Ok(String::new()),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => Err(NOT_A_SCALAR),
    }
}
