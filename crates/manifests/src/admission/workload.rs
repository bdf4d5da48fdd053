//! EdgeWorkload: Flotta's rules (`api/v1alpha1/edgeworkload_webhook.go`), and those of the agent about ports.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{at, elements, selector};
use crate::fault::{Findings, Path};

/// The agent runs node_exporter there.
const TAKEN_PORT: i64 = 9100;

pub(super) fn check(document: &Value, spec: &Path, findings: &mut Findings) {
    if let Some(labels) = at(document, &["spec", "deviceSelector"]) {
        selector::check(labels, &spec.field("deviceSelector"), findings);
    }
    let Some(pod) = at(document, &["spec", "pod", "spec"]) else {
        return;
    };
    let path = spec.field("pod").field("spec");
    let mut names = BTreeMap::new();
    let containers = ["initContainers", "containers"];
    for (path, container) in containers.iter().flat_map(|list| elements(pod, list, &path)) {
        fields(container, &path, findings);
        ports(container, &path, findings);
        if let Some(name) = container.get("name").and_then(Value::as_str)
            && let Some(first) = names.insert(name, path.clone())
        {
            findings.fault(
                &path.field("name"),
                format!("is the name of {first} as well; each needs its own"),
            );
        }
    }
    for (path, volume) in elements(pod, "volumes", &path) {
        if volume.get("hostPath").is_none() {
            findings.fault(
                &path,
                "is no hostPath volume, and devices have no others; use hostPath",
            );
        }
    }
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

/// The agent refuses to run a pod with a container port that has no port of the host.
fn ports(container: &Value, path: &Path, findings: &mut Findings) {
    for (path, port) in elements(container, "ports", path) {
        let path = path.field("hostPort");
        match port.get("hostPort").map(Value::as_i64) {
            None => findings.fault(&path, "is missing; a device runs no container port without one"),
            Some(Some(TAKEN_PORT)) => {
                findings.fault(
                    &path,
                    "must not be 9100, where the device's node_exporter listens",
                );
            }
            Some(Some(port)) if !(1..=65_535).contains(&port) => {
                findings.fault(&path, "must be a number from 1 to 65535");
            }
            Some(_) => {}
        }
    }
}
