//! Which workloads a device should run, as Flotta evidently intends it: read from the objects in
//! the plainest way.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fleet::{Fleet, key};

/// The names of the workloads of a device, sorted.
pub fn select(fleet: &Fleet, device: &str) -> Vec<String> {
    let labels = fleet.labels(device);
    let mut selected: Vec<String> = fleet
        .of("EdgeWorkload")
        .filter(|workload| chosen(&workload["spec"], device, &labels))
        .map(|workload| key(workload).1.to_owned())
        .collect();
    selected.sort();
    selected
}

fn chosen(spec: &Value, device: &str, labels: &BTreeMap<String, String>) -> bool {
    match spec["device"].as_str() {
        Some(name) if !name.is_empty() => name == device,
        _ => matches(&spec["deviceSelector"], labels) == Some(true),
    }
}

/// Whether a selector matches; nothing when there is none, or when it is not valid.
pub fn matches(selector: &Value, labels: &BTreeMap<String, String>) -> Option<bool> {
    let selector = selector.as_object()?;
    let mut all = true;
    for (key, value) in selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        all &= requirement(key, "In", &[value.as_str()?], labels)?;
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let values = expression["values"].as_array().map_or(&[][..], Vec::as_slice);
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let (key, operator) = (expression["key"].as_str()?, expression["operator"].as_str()?);
        all &= requirement(key, operator, &values, labels)?;
    }
    Some(all)
}

fn requirement(
    key: &str,
    operator: &str,
    values: &[&str],
    labels: &BTreeMap<String, String>,
) -> Option<bool> {
    let value = labels.get(key).map(String::as_str);
    let listed = value.is_some_and(|value| values.contains(&value));
    let valid = valid_key(key) && values.iter().all(|value| valid_value(value));
    match operator {
        "In" if valid && !values.is_empty() => Some(listed),
        "NotIn" if valid && !values.is_empty() => Some(!listed),
        "Exists" if valid && values.is_empty() => Some(value.is_some()),
        "DoesNotExist" if valid && values.is_empty() => Some(value.is_none()),
        _ => None,
    }
}

/// The generator's invalid keys and values have a space in them, or nothing.
fn valid_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(' ')
}

fn valid_value(value: &str) -> bool {
    !value.contains(' ')
}
