//! A pod's specification as Flotta sends it: read into `corev1.PodSpec` of Kubernetes 0.23.5,
//! written out again as YAML.
//!
//! What Go's type does to each field stands in [`manifests::schema::pod_spec`]: fields with
//! `omitempty` vanish when zero, pointers stay, `resources: {}` and the like come into being,
//! quantities become canonical.
//!
//! Limit: fields that the table does not have are taken out without a word; naming them is for
//! whoever read the document.

mod decimal;
mod quantity;

use manifests::schema::{self, Field, Go, Schema, Structure};
use serde_json::{Map, Value};

use crate::go_yaml;

/// Why a specification cannot be read as a PodSpec. Flotta leaves out such a workload.
///
/// It names where and what is expected there, and no value: a person may have typed a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Invalid {
    /// Where, within the specification: `containers[0].resources.limits.cpu`.
    pub path: String,
    /// What is expected there.
    pub reason: &'static str,
}

impl Invalid {
    fn new(reason: &'static str) -> Self {
        Self {
            path: String::new(),
            reason,
        }
    }

    fn in_field(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }

    fn in_element(mut self, index: usize) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("[{index}]{separator}{}", self.path);
        self
    }
}

/// The specification as Flotta's `yaml.Marshal(spec.Pod.Spec)` writes it.
pub fn text(spec: &Value) -> Result<String, Invalid> {
    written(&Schema::Object(schema::pod_spec()), spec).map(|spec| go_yaml::to_string(&spec))
}

/// What Go reads from a value that is given, as it writes it. `null` is for Go the zero value.
fn written(schema: &Schema, value: &Value) -> Result<Value, Invalid> {
    if value.is_null() {
        return Ok(zero(schema));
    }
    match schema {
        Schema::Object(structure) => match value {
            Value::Object(fields) => object(structure, fields).map(Value::Object),
            _ => Err(Invalid::new("must be an object")),
        },
        Schema::List(of) | Schema::KeyedList(of, _) | Schema::NonEmptyList(of) => {
            let list = value.as_array().ok_or_else(|| Invalid::new("must be a list"))?;
            let elements = list.iter().enumerate();
            elements
                .map(|(index, element)| written(of, element).map_err(|invalid| invalid.in_element(index)))
                .collect()
        }
        Schema::Map(of) => {
            let map = value
                .as_object()
                .ok_or_else(|| Invalid::new("must be an object"))?;
            map.iter()
                .map(|(key, value)| {
                    let value = written(of, value).map_err(|invalid| invalid.in_field(key))?;
                    Ok((key.clone(), value))
                })
                .collect()
        }
        Schema::Quantity => match value {
            Value::String(text) => quantity::canonical(text),
            Value::Number(number) => quantity::canonical(&number.to_string()),
            _ => return Err(Invalid::new("must be a quantity such as 100m or 1Gi")),
        }
        .map(Value::String)
        .map_err(|quantity::NoQuantity| Invalid::new("must be a quantity such as 100m or 1Gi")),
        Schema::Integer(least, greatest) => match value.as_i64() {
            Some(number) if (*least..=*greatest).contains(&number) => Ok(value.clone()),
            _ => Err(Invalid::new("must be a whole number in its bounds")),
        },
        Schema::IntOrString => match value {
            Value::String(_) => Ok(value.clone()),
            _ => written(&Schema::Integer(i32::MIN.into(), i32::MAX.into()), value),
        },
        Schema::Boolean if value.is_boolean() => Ok(value.clone()),
        Schema::Boolean => Err(Invalid::new("must be true or false")),
        Schema::Text(_) | Schema::Base64 | Schema::DateTime if value.is_string() => Ok(value.clone()),
        Schema::Text(_) | Schema::Base64 | Schema::DateTime => Err(Invalid::new("must be a text")),
        Schema::Any | Schema::Ignored => Ok(value.clone()),
    }
}

fn object(structure: &Structure, given: &Map<String, Value>) -> Result<Map<String, Value>, Invalid> {
    let mut fields = Map::new();
    for field in structure.fields {
        let value = match given.get(field.name).filter(|value| !value.is_null()) {
            Some(value) => {
                Some(written(&field.schema, value).map_err(|invalid| invalid.in_field(field.name))?)
            }
            None => None,
        };
        if let Some(value) = kept(field, value) {
            fields.insert(field.name.to_owned(), value);
        }
    }
    if is_object_meta(structure) {
        fields.insert("creationTimestamp".to_owned(), Value::Null);
    }
    Ok(fields)
}

/// What Go writes of a field with this value, by how its type declares it.
fn kept(field: &Field, value: Option<Value>) -> Option<Value> {
    match field.go {
        Go::Omitted => value.filter(|value| !is_empty(value)),
        Go::Pointer => value,
        Go::Always => Some(value.unwrap_or_else(|| zero(&field.schema))),
        Go::Null => Some(value.unwrap_or(Value::Null)),
    }
}

/// Empty for `omitempty`; a structure never is.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Go's zero value of this type, as it writes it.
fn zero(schema: &Schema) -> Value {
    match schema {
        Schema::Object(structure) => {
            let fields = structure.fields.iter();
            let mut fields: Map<_, _> = fields
                .filter_map(|field| Some((field.name.to_owned(), kept(field, None)?)))
                .collect();
            if is_object_meta(structure) {
                fields.insert("creationTimestamp".to_owned(), Value::Null);
            }
            Value::Object(fields)
        }
        Schema::List(_)
        | Schema::KeyedList(..)
        | Schema::NonEmptyList(_)
        | Schema::Map(_)
        | Schema::Any
        | Schema::Ignored => Value::Null,
        Schema::Text(_) | Schema::Base64 | Schema::DateTime => Value::from(""),
        Schema::Integer(..) | Schema::IntOrString => Value::from(0),
        Schema::Boolean => Value::from(false),
        Schema::Quantity => Value::from("0"),
    }
}

/// The metadata of a volume claim template: a definition knows none of its fields, Go writes one.
fn is_object_meta(structure: &Structure) -> bool {
    structure.name == "EmptyObjectMeta"
}
