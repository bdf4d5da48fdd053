//! A label selector that selects nothing because it cannot be read would take its workload from
//! every device.

use std::collections::BTreeMap;

use contract::labels;
use serde_json::{Map, Value};

use super::{at, elements};
use crate::{
    fault::{Findings, Path},
    metadata::{LABEL_VALUE, check_label_key, check_labels},
};

/// An API server takes `matchLabels:` without anything behind it out, and of the selector is left
/// what selects every device.
pub(super) fn before(object: &Map<String, Value>, findings: &mut Findings) {
    let selector = object.get("spec").and_then(|spec| at(spec, &["deviceSelector"]));
    for (name, empty) in [("matchExpressions", "[]"), ("matchLabels", "{}")] {
        if selector.and_then(|selector| selector.get(name)) == Some(&Value::Null) {
            let path = Path::root().field("spec").field("deviceSelector").field(name);
            let reason = format!(
                "has no value, and without it the workload may go to every device; write {empty} if that is meant"
            );
            findings.fault(&path, reason);
        }
    }
}

/// The rules of `metav1.LabelSelectorAsSelector`.
pub(super) fn check(selector: &Value, path: &Path, findings: &mut Findings) {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let labels: BTreeMap<_, _> = labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    check_labels(&labels, &path.field("matchLabels"), findings);
    for (path, requirement) in elements(selector, "matchExpressions", path) {
        expression(requirement, &path, findings);
    }
}

fn expression(requirement: &Value, path: &Path, findings: &mut Findings) {
    if let Some(key) = requirement.get("key").and_then(Value::as_str) {
        check_label_key(key, &path.field("key"), findings);
    }
    let values = elements(requirement, "values", path);
    match requirement.get("operator").and_then(Value::as_str) {
        Some("In" | "NotIn") if values.is_empty() => {
            findings.fault(
                &path.field("values"),
                "is empty; In and NotIn need at least one value",
            );
        }
        Some("Exists" | "DoesNotExist") if !values.is_empty() => {
            findings.fault(
                &path.field("values"),
                "must be empty; Exists and DoesNotExist have no values",
            );
        }
        Some("In" | "NotIn" | "Exists" | "DoesNotExist") | None => {}
        Some(_) => findings.fault(
            &path.field("operator"),
            "must be In, NotIn, Exists or DoesNotExist",
        ),
    }
    for (path, value) in values {
        if value
            .as_str()
            .is_some_and(|value| labels::check_value(value).is_err())
        {
            findings.fault(&path, LABEL_VALUE);
        }
    }
}
