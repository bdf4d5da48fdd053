//! EdgeWorkload: Flotta's rules (`api/v1alpha1/edgeworkload_webhook.go`), and that there is
//! something to run. Rules of the agent and of podman are in `pod`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{at, elements, pod, selector};
use crate::fault::{Findings, Path};

/// Flotta takes a workload that runs nothing, and a device then removes what it ran under that
/// name.
const NO_CONTAINERS: &str = "a device would remove the containers that it runs under this name: name at least one, or take the \
     workload out";

pub(super) fn check(document: &Value, name: Option<&str>, spec: &Path, findings: &mut Findings) {
    if let Some(labels) = at(document, &["spec", "deviceSelector"]) {
        selector::check(labels, &spec.field("deviceSelector"), findings);
    }
    let Some(specification) = at(document, &["spec", "pod", "spec"]) else {
        if at(document, &["spec", "pod"]).is_none() {
            findings.fault(&spec.field("pod"), format!("is missing; {NO_CONTAINERS}"));
        }
        return;
    };
    let path = spec.field("pod").field("spec");
    if specification
        .get("containers")
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
    {
        findings.fault(&path.field("containers"), format!("is empty; {NO_CONTAINERS}"));
    }
    let mut names = BTreeMap::new();
    let containers = pod::CONTAINERS.iter();
    for (path, container) in containers.flat_map(|list| elements(specification, list, &path)) {
        fields(container, &path, findings);
        if let Some(name) = container.get("name").and_then(Value::as_str)
            && let Some(first) = names.insert(name, path.clone())
        {
            findings.fault(
                &path.field("name"),
                format!("is the name of {first} as well; each needs its own"),
            );
        }
    }
    for (path, volume) in elements(specification, "volumes", &path) {
        if volume.get("hostPath").is_none() {
            findings.fault(
                &path,
                "is no hostPath volume, and devices have no others; use hostPath",
            );
        }
    }
    pod::check(specification, name, &path, findings);
}

fn fields(container: &Value, path: &Path, findings: &mut Findings) {
    for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if container.get(name).is_some() {
            findings.fault(&path.field(name), "is not supported by devices; take it out");
        }
    }
    let is_filled = |value: &Value| match value {
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    };
    if container.get("volumeDevices").is_some_and(is_filled) {
        findings.fault(
            &path.field("volumeDevices"),
            "is not supported by devices; take it out",
        );
    }
    for name in ["limits", "requests"] {
        if at(container, &["resources", name]).is_some_and(is_filled) {
            let path = path.field("resources").field(name);
            findings.fault(&path, "is not supported by devices; take it out");
        }
    }
    for (path, variable) in elements(container, "env", path) {
        for name in ["fieldRef", "resourceFieldRef"] {
            if at(variable, &["valueFrom", name]).is_some() {
                let path = path.field("valueFrom").field(name);
                findings.fault(
                    &path,
                    "is not supported by devices; use a value, a ConfigMap or a Secret",
                );
            }
        }
    }
}
