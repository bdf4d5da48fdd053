//! How the agent looks at an answer: what it compares, and what it writes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Whether the agent would apply this answer after that one. It compares `configuration` deeply,
/// workloads and secrets as sets by name and each deeply: config maps in their order, the
/// specification as text. `version` and `device_id` do not count.
pub fn looks_changed(before: &Value, after: &Value) -> bool {
    before["configuration"] != after["configuration"]
        || by_name(&before["workloads"]) != by_name(&after["workloads"])
        || by_name(&before["secrets"]) != by_name(&after["secrets"])
}

fn by_name(list: &Value) -> BTreeMap<&str, &Value> {
    let elements = list.as_array().into_iter().flatten();
    elements
        .map(|element| (element["name"].as_str().unwrap_or_default(), element))
        .collect()
}

/// An answer in the form in which two backends are compared. What is taken out or brought into one
/// order, and why:
///
/// | Normalisation | Reason |
/// |---|---|
/// | without `version`, `device_id` | the agent does not compare them; `version` is a resource version there and a digest here |
/// | workloads and secrets by name | the agent compares them as sets by name |
/// | `configmaps` as a set | Flotta's order is that of a Go map; each text counts byte for byte |
/// | `specification` as the pod that it describes, `null` as absent | the agent parses it; Go reads `null` as not set |
pub fn normal(content: &Value) -> Result<Value> {
    let mut workloads = json!({});
    for workload in content["workloads"].as_array().into_iter().flatten() {
        let mut workload = workload.clone();
        let name = workload["name"]
            .as_str()
            .context("a workload has a name")?
            .to_owned();
        let specification = workload["specification"].as_str().unwrap_or_default();
        let pod: Value = serde_yaml::from_str(specification)
            .with_context(|| format!("the specification of {name} is no YAML"))?;
        workload["specification"] = without_nulls(pod);
        if let Some(maps) = workload.get_mut("configmaps").and_then(Value::as_array_mut) {
            maps.sort_by_key(ToString::to_string);
        }
        workloads[name] = workload;
    }
    let mut secrets = json!({});
    for secret in content["secrets"].as_array().into_iter().flatten() {
        let name = secret["name"].as_str().context("a secret has a name")?;
        secrets[name] = secret.clone();
    }
    Ok(json!({"configuration": content["configuration"], "workloads": workloads, "secrets": secrets}))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(elements) => elements.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
