//! EdgeDevice, EdgeDeviceSet, EdgeDeviceSignedRequest.

use serde_json::Value;

use super::{at, text_at};
use crate::{
    fault::{Findings, Path},
    metadata::{LABEL_VALUE, is_dns_label},
};

/// Flotta's rule (`api/v1alpha1/edgedevice_webhook.go`). It has none of this kind for a set.
pub(super) fn storage(document: &Value, spec: &Path, findings: &mut Findings) {
    let Some(s3) = at(document, &["spec", "storage", "s3"]) else {
        return;
    };
    let path = spec.field("storage").field("s3");
    if s3.get("createOBC") == Some(&Value::Bool(true)) {
        for name in ["configMapName", "secretName"] {
            if !text_at(s3, &[name]).is_empty() {
                let reason = "cannot be given together with createOBC: true; take one of them out";
                findings.fault(&path.field(name), reason);
            }
        }
    }
}

/// The agent crashes, again and again, on a target of kind `syslog` without the name of its
/// settings.
pub(super) fn log_collection(document: &Value, spec: &Path, findings: &mut Findings) {
    let targets = at(document, &["spec", "logCollection"]).and_then(Value::as_object);
    for (name, target) in targets.into_iter().flatten() {
        if text_at(target, &["kind"]) == "syslog" && text_at(target, &["syslogConfig", "name"]).is_empty() {
            let path = spec
                .field("logCollection")
                .field(name)
                .field("syslogConfig")
                .field("name");
            findings.fault(
                &path,
                "is missing; a target of kind syslog needs the ConfigMap with its server",
            );
        }
    }
}

/// A namespace that cannot be, and a set whose name is no value of the label that a member gets.
pub(super) fn signed_request(document: &Value, spec: &Path, findings: &mut Findings) {
    let namespace = text_at(document, &["spec", "targetNamespace"]);
    if at(document, &["spec", "targetNamespace"]).is_some() && !is_dns_label(namespace) {
        findings.fault(&spec.field("targetNamespace"), "is no name of a namespace");
    }
    if contract::labels::check_value(text_at(document, &["spec", "targetSet"])).is_err() {
        findings.fault(&spec.field("targetSet"), LABEL_VALUE);
    }
}
