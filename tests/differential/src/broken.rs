//! Which workloads and which devices Flotta cannot configure, by its documented rules and in the
//! plainest way.
//!
//! Flotta then refuses the whole configuration; ours delivers what is not broken. So the original
//! is asked a second time without the workloads named here, and its answer to that is what ours
//! must be.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fleet::{Fleet, containers};

/// Texts of allow lists that Go cannot read into a list of names.
const UNREADABLE_LISTS: [&str; 6] = [
    "names: [",
    "names: text",
    "- names",
    "text",
    "names: {a: b}",
    "names: [[a]]",
];

/// Whether a workload cannot be delivered.
pub fn workload(fleet: &Fleet, workload: &Value) -> bool {
    let spec = &workload["spec"];
    let registry = spec["imageRegistries"]["secretRef"]["name"].as_str();
    let metrics = &spec["metrics"];
    let measured = metrics["port"].as_i64().unwrap_or_default() > 0;
    let list = metrics["allowList"]["name"].as_str().filter(|_| measured);
    registry.is_some_and(|name| !has_keys(fleet, "Secret", name, &[".dockerconfigjson"]))
        || list.is_some_and(|name| unreadable_list(fleet, name))
        || [
            ("ConfigMap", "configMapRef", "configMapKeyRef"),
            ("Secret", "secretRef", "secretKeyRef"),
        ]
        .into_iter()
        .any(|(kind, whole, single)| lacks_reference(fleet, &spec["pod"]["spec"], kind, whole, single))
}

fn lacks_reference(fleet: &Fleet, pod: &Value, kind: &str, whole: &str, single: &str) -> bool {
    let mut required: BTreeSet<(&str, Option<&str>)> = BTreeSet::new();
    for container in containers(pod) {
        for source in container["envFrom"].as_array().into_iter().flatten() {
            if source[whole].is_object() && source[whole]["optional"] != true {
                required.insert((source[whole]["name"].as_str().unwrap_or_default(), None));
            }
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let reference = &variable["valueFrom"][single];
            if reference.is_object() && reference["optional"] != true {
                let name = reference["name"].as_str().unwrap_or_default();
                required.insert((name, reference["key"].as_str()));
            }
        }
    }
    required
        .into_iter()
        .any(|(name, key)| !has_keys(fleet, kind, name, key.as_slice()))
}

/// The spec that a device's settings come from: its set's, if it is in one that exists, or its own.
pub fn effective_spec<'a>(fleet: &'a Fleet, id: &str) -> Option<&'a Value> {
    let set = fleet.labels(id).get("flotta/member-of").cloned();
    let set = set.and_then(|name| fleet.object("EdgeDeviceSet", &name));
    set.or_else(|| fleet.object("EdgeDevice", id))
        .map(|object| &object["spec"])
}

/// Whether a device cannot be configured, whatever it runs.
pub fn device(fleet: &Fleet, id: &str) -> bool {
    let Some(spec) = effective_spec(fleet, id) else {
        return true;
    };
    let metrics = &spec["metrics"];
    let lists = ["system", "dataTransfer"].map(|section| metrics[section]["allowList"]["name"].as_str());
    let receiver = &metrics["receiverConfiguration"];
    let authority = receiver["caSecretName"].as_str().filter(|name| {
        !name.is_empty()
            && receiver["url"]
                .as_str()
                .is_some_and(|url| url.starts_with("https"))
    });
    let targets = spec["logCollection"].as_object().into_iter().flatten();
    lists
        .into_iter()
        .flatten()
        .any(|name| unreadable_list(fleet, name))
        || authority
            .is_some_and(|name| value(fleet, "Secret", name, "ca.crt").is_none_or(|value| value.is_empty()))
        || targets
            .filter_map(|(_, target)| target["syslogConfig"]["name"].as_str())
            .any(|name| {
                !has_keys(fleet, "ConfigMap", name, &[])
                    || value(fleet, "ConfigMap", name, "Protocol")
                        .is_some_and(|protocol| !matches!(protocol.as_str(), "tcp" | "udp"))
            })
}

fn unreadable_list(fleet: &Fleet, name: &str) -> bool {
    value(fleet, "ConfigMap", name, "metrics_list.yaml")
        .is_none_or(|text| UNREADABLE_LISTS.contains(&text.as_str()))
}

fn has_keys(fleet: &Fleet, kind: &str, name: &str, keys: &[&str]) -> bool {
    fleet.object(kind, name).is_some() && keys.iter().all(|key| value(fleet, kind, name, key).is_some())
}

/// The text under a key of a ConfigMap, or whatever is written under one of a Secret.
fn value(fleet: &Fleet, kind: &str, name: &str, key: &str) -> Option<String> {
    let object = fleet.object(kind, name)?;
    let text = |part: &str| object[part].get(key)?.as_str().map(str::to_owned);
    if kind == "Secret" {
        text("stringData").or_else(|| text("data"))
    } else {
        text("data")
    }
}
