//! EdgeConfig and PlaybookExecution: a playbook is handed to the device as text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{at, elements, text_at};
use crate::fault::{Findings, Path};

pub(super) fn of_config(document: &Value, spec: &Path, findings: &mut Findings) {
    let Some(playbooks) = at(document, &["spec", "edgePlaybook"]) else {
        return;
    };
    for (path, playbook) in elements(playbooks, "playbooks", &spec.field("edgePlaybook")) {
        content(playbook, &path, findings);
    }
}

pub(super) fn of_execution(document: &Value, spec: &Path, findings: &mut Findings) {
    if let Some(playbook) = at(document, &["spec", "playbook"]) {
        content(playbook, &spec.field("playbook"), findings);
    }
}

fn content(playbook: &Value, path: &Path, findings: &mut Findings) {
    let Some(Value::String(_)) = playbook.get("content") else {
        return;
    };
    let path = path.field("content");
    match STANDARD.decode(text_at(playbook, &["content"])) {
        Ok(bytes) if bytes.is_empty() => findings.fault(&path, "is empty; there is nothing to run"),
        Ok(bytes) if std::str::from_utf8(&bytes).is_err() => {
            findings.fault(&path, "is no UTF-8 text once it is decoded");
        }
        // What is no base64 is a fault of the schema.
        Ok(_) | Err(_) => {}
    }
}
