//! Makes a document fit its schema, in the order of an API server: unknown fields go, a null that
//! may not be one goes, defaults come, and what then does not fit is a fault. That a field is
//! unknown is one as well, which is kubectl's doing.
//!
//! A key of the user's without a value is a fault too, though an API server takes it out: a
//! selector that lost `line:` selects more than was meant, and nobody sees that from the file.
//!
//! (`structural.Prune`, `PruneNonNullableNullsWithoutDefaults`, `Default` and the validation of
//! apiextensions-apiserver.)

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Number, Value};

use super::{DefaultValue, Schema, Structure, scalars};
use crate::fault::{Findings, Path};

/// The document as it is kept. What is wrong is in `findings`; then the result is of no use.
///
/// Keys of the result are sorted. A list keeps its order.
pub fn fit(
    document: Map<String, Value>,
    structure: &Structure,
    path: &Path,
    findings: &mut Findings,
) -> Value {
    object(document, structure, path, findings)
}

fn object(
    mut given: Map<String, Value>,
    structure: &Structure,
    path: &Path,
    findings: &mut Findings,
) -> Value {
    let mut kept = Map::new();
    for field in structure.fields {
        let path = path.field(field.name);
        let value = given.remove(field.name).filter(|value| !value.is_null());
        match value.or_else(|| field.default.map(default)) {
            Some(_) if matches!(field.schema, Schema::Ignored) => {}
            Some(value) => {
                let value = fit_value(value, field.schema, &path, findings);
                kept.insert(field.name.to_owned(), value);
            }
            None if field.required => findings.fault(&path, "is missing, and it is required"),
            None => {}
        }
    }
    for name in given.keys() {
        findings.unknown_field(structure, name, path);
    }
    Value::Object(kept)
}

fn default(value: DefaultValue) -> Value {
    match value {
        DefaultValue::Text(text) => Value::from(text),
        DefaultValue::Integer(number) => Value::from(number),
        DefaultValue::Boolean(truth) => Value::from(truth),
    }
}

fn fit_value(value: Value, schema: Schema, path: &Path, findings: &mut Findings) -> Value {
    match (schema, value) {
        (Schema::Object(structure), Value::Object(fields)) => object(fields, structure, path, findings),
        (Schema::Map(values), Value::Object(entries)) => {
            let mut entries: Vec<_> = entries.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            let mut kept = Map::new();
            for (key, value) in entries {
                let path = path.field(&key);
                if value.is_null() {
                    findings.fault(&path, no_value(*values));
                    continue;
                }
                let value = fit_value(value, *values, &path, findings);
                kept.insert(key, value);
            }
            Value::Object(kept)
        }
        (
            Schema::List(items) | Schema::KeyedList(items, _) | Schema::NonEmptyList(items),
            Value::Array(elements),
        ) => {
            if elements.is_empty() && matches!(schema, Schema::NonEmptyList(_)) {
                findings.fault(path, "is empty; it needs at least one element");
            }
            let elements = elements.into_iter().enumerate();
            let elements: Vec<_> = elements
                .map(|(index, element)| fit_value(element, *items, &path.index(index), findings))
                .collect();
            if let Schema::KeyedList(_, keys) = schema {
                unique(&elements, keys, path, findings);
            }
            Value::Array(elements)
        }
        // An API server takes `5.0` as 5, and a Go program writes it as 5.
        (Schema::Integer(..) | Schema::Quantity | Schema::IntOrString, Value::Number(number)) => {
            let number = scalars::whole(&number).map_or(number, Number::from);
            let number = Value::Number(number);
            scalar(&number, schema, path, findings);
            number
        }
        // Whoever reads it later need not know how Go reads it.
        (Schema::Base64, Value::String(text)) if let Ok(bytes) = scalars::BASE64.decode(&text) => {
            Value::from(scalars::BASE64.encode(bytes))
        }
        (Schema::Any, value) => value,
        (_, value) => {
            scalar(&value, schema, path, findings);
            value
        }
    }
}

/// What is said of a key of the user's that has no value.
fn no_value(schema: Schema) -> &'static str {
    match schema {
        Schema::Text(_) | Schema::Base64 => "has no value; write \"\" if it shall be empty",
        Schema::Object(_) | Schema::Map(_) => "has no value; write {} if it shall be empty",
        _ => "has no value; write one, or take it out",
    }
}

fn scalar(value: &Value, schema: Schema, path: &Path, findings: &mut Findings) {
    if let Err(reason) = scalars::check(value, schema) {
        findings.fault(path, reason);
    }
}

fn unique(elements: &[Value], keys: &[&str], path: &Path, findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for (index, element) in elements.iter().enumerate() {
        let of: Vec<_> = keys
            .iter()
            .map(|key| element.get(*key).map(Value::to_string))
            .collect();
        if let Some(first) = seen.get(&of) {
            let reason = format!(
                "has the same {} as element {first}; take one of them out",
                keys.join(" and ")
            );
            findings.fault(&path.index(index), reason);
        } else {
            seen.insert(of, index);
        }
    }
}
