//! What is refused although the schema lets it through: Flotta's own rules, and what would crash or
//! wedge the device's agent.
//!
//! All of it is found, not the first alone. A rule looks at a document that fits its schema as far
//! as it can: what does not fit is a fault already, and passed over here.

mod core;
mod device;
mod playbook;
mod pod;
mod secret;
mod selector;
mod workload;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    Kind,
    fault::{Findings, Path},
    metadata::Head,
};

/// What has to be seen or done before unknown fields and nulls go.
pub(crate) fn before(kind: Kind, object: &mut Map<String, Value>, findings: &mut Findings) {
    match kind {
        Kind::ConfigMap | Kind::Secret => core::before(kind, object, findings),
        Kind::EdgeWorkload => selector::before(object, findings),
        _ => {}
    }
}

/// What is refused of a document with its defaults. Of a Secret `stringData` becomes `data`. Where
/// there is no head, that is a fault already.
pub(crate) fn check(kind: Kind, head: Option<&Head>, document: &mut Value, findings: &mut Findings) {
    let root = Path::root();
    let spec = root.field("spec");
    match kind {
        Kind::ConfigMap => core::config_map(document, findings),
        Kind::Secret => {
            core::secret(document, findings);
            // A key whose value is refused is no missing key.
            let is_readable = |(path, _): &(Path, String)| !path.to_string().starts_with("data");
            if findings.faults.iter().all(is_readable) {
                let none = BTreeMap::new();
                let annotations = head.map_or(&none, |head| &head.annotations);
                secret::check(document, annotations, findings);
            }
        }
        Kind::EdgeDevice => {
            device::storage(document, &spec, findings);
            device::log_collection(document, &spec, findings);
        }
        Kind::EdgeDeviceSet => device::log_collection(document, &spec, findings),
        Kind::EdgeWorkload => {
            let name = head.map(|head| head.key.name.as_str());
            workload::check(document, name, &spec, findings);
        }
        Kind::EdgeConfig => playbook::of_config(document, &spec, findings),
        Kind::PlaybookExecution => playbook::of_execution(document, &spec, findings),
        Kind::EdgeDeviceSignedRequest => device::signed_request(document, &spec, findings),
        Kind::ObjectBucketClaim | Kind::Route => {}
    }
}

/// The value at a path of field names, if there is one.
fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

fn text_at<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list with their paths.
fn elements<'a>(value: &'a Value, name: &str, path: &Path) -> Vec<(Path, &'a Value)> {
    let path = path.field(name);
    let list = value.get(name).and_then(Value::as_array);
    let list = list.into_iter().flatten().enumerate();
    list.map(|(index, element)| (path.index(index), element))
        .collect()
}
