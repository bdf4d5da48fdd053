//! `apiVersion`, `kind` and `metadata`: which object it is.

use std::collections::BTreeMap;

use contract::labels;
use serde_json::{Map, Value};

use crate::{
    Key, Kind,
    fault::{Findings, Path, shown},
    schema::{self, METADATA},
};

/// Flotta makes labels and label values of these names, and no label is longer.
const MAX_NAME_IN_A_LABEL: usize = 63;
/// All annotations of an object are at most so many bytes.
const MAX_ANNOTATIONS: usize = 256 << 10;
/// Where an object lives that does not say it.
const DEFAULT_NAMESPACE: &str = "default";

/// What the head of an object says.
pub(crate) struct Head {
    pub(crate) key: Key,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What an object is called in a sentence, as far as it is known, before it is known to be right.
pub(crate) fn called(object: &Map<String, Value>) -> String {
    let text = |value: Option<&Value>| shown(value.and_then(Value::as_str).unwrap_or_default()).into_owned();
    let metadata = |name: &str| text(object.get("metadata").and_then(|metadata| metadata.get(name)));
    let kind = match text(object.get("kind")) {
        kind if kind.is_empty() => "object".to_owned(),
        kind => kind,
    };
    match (metadata("namespace"), metadata("name")) {
        (_, name) if name.is_empty() => kind,
        (namespace, name) if namespace.is_empty() => format!("{kind} {DEFAULT_NAMESPACE}/{name}"),
        (namespace, name) => format!("{kind} {namespace}/{name}"),
    }
}

/// Objects that come with manifests and configure no device. They are passed over. What else is
/// unknown is refused: a kind that is mistyped must not read as an object that was taken away.
const PASSED_OVER: [&str; 3] = ["Namespace", "Service", "ServiceAccount"];

/// What is said of a kustomization file.
pub(crate) const KUSTOMIZATION: &str = "is a kustomization, and nothing that it makes is read here; render it with `kubectl kustomize` and name the result";

/// The kind, if it is one of those that are kept.
pub(crate) fn kind(object: &mut Map<String, Value>, findings: &mut Findings) -> Option<Kind> {
    let mut take = |name: &str| match object.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => {
            findings.fault(
                &Path::root().field(name),
                "is missing; write it as Kubernetes has it",
            );
            None
        }
    };
    let (version, kind) = (take("apiVersion"), take("kind"));
    let (version, name) = (version?, kind?);
    match Kind::named(&name) {
        Some(kind) if kind.api_version() == version => Some(kind),
        Some(kind) if is_of_others(kind, &version) => {
            findings.warning(&Path::root(), NO_DEVICE);
            None
        }
        Some(kind) => {
            let reason = format!("must be {} for kind {kind}", kind.api_version());
            findings.fault(&Path::root().field("apiVersion"), reason);
            None
        }
        None => {
            if let Some(reason) = passed_over(&version, &name) {
                findings.warning(&Path::root(), reason);
            } else {
                let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
                let reason = format!(
                    "is none that devices are configured by, which are: {}; correct it, or take the object out",
                    kinds.join(", ")
                );
                findings.fault(&Path::root().field("kind"), reason);
            }
            None
        }
    }
}

/// Whether a kind whose name others use as well is that of somebody else's API group, such as
/// `serving.knative.dev`. A group that may be a mistyped one of ours, or one of Kubernetes' own, is
/// not.
fn is_of_others(kind: Kind, version: &str) -> bool {
    let shared = matches!(
        kind,
        Kind::ConfigMap | Kind::Secret | Kind::Route | Kind::ObjectBucketClaim
    );
    let group = version.split_once('/').map(|(group, _)| group);
    let ours = ["flot", "openshift", "route.", "objectbucket", "k8s.io"];
    shared && group.is_some_and(|group| group.contains('.') && !ours.iter().any(|ours| group.contains(ours)))
}

/// Why an object of another kind is passed over, if it is.
fn passed_over(version: &str, kind: &str) -> Option<&'static str> {
    let group = version.split_once('/').map(|(group, _)| group);
    let is_ours = |group: &str| {
        let mut groups = Kind::ALL.iter().map(|kind| kind.api_version().split('/').next());
        groups.any(|ours| ours == Some(group)) || group.contains("flotta")
    };
    // A group may be mistyped as well.
    let is_named_like_ours = || {
        kind.get(..4)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("edge"))
            || Kind::ALL
                .iter()
                .any(|ours| ours.as_str().eq_ignore_ascii_case(kind))
    };
    match group {
        None if version == "v1" && PASSED_OVER.contains(&kind) => Some(NO_DEVICE),
        Some("kustomize.config.k8s.io") => Some(KUSTOMIZATION),
        Some(group) if !group.is_empty() && !is_ours(group) && !is_named_like_ours() => Some(NO_DEVICE),
        _ => None,
    }
}

const NO_DEVICE: &str = "is of a kind that configures no device; it was passed over";

/// Takes `metadata` out of the object and reads it.
pub(crate) fn head(kind: Kind, object: &mut Map<String, Value>, findings: &mut Findings) -> Option<Head> {
    let path = Path::root().field("metadata");
    let Some(Value::Object(metadata)) = object.remove("metadata") else {
        findings.fault(&path, "is missing, or no object; it names the object");
        return None;
    };
    let before = findings.faults.len();
    let metadata = schema::fit(metadata, &METADATA, &path, findings);
    if findings.faults.len() > before {
        return None;
    }
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    let texts = |name: &str| -> BTreeMap<String, String> {
        let entries = metadata.get(name).and_then(Value::as_object);
        let entries = entries.into_iter().flatten();
        entries
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    };
    let namespace = match text("namespace") {
        "" => DEFAULT_NAMESPACE,
        namespace => namespace,
    };
    check_name(kind, text("name"), &path.field("name"), findings);
    if !is_dns_label(namespace) {
        let reason =
            "must be 1 to 63 lower case letters, digits and `-`, with a letter or digit at both ends";
        findings.fault(&path.field("namespace"), reason);
    }
    let head = Head {
        key: Key::new(kind, namespace, text("name")),
        labels: texts("labels"),
        annotations: texts("annotations"),
    };
    check_labels(&head.labels, &path.field("labels"), findings);
    check_annotations(&head.annotations, &path.field("annotations"), findings);
    (findings.faults.len() == before).then_some(head)
}

fn check_name(kind: Kind, name: &str, path: &Path, findings: &mut Findings) {
    if !is_dns_subdomain(name) {
        let reason = "must be 1 to 253 lower case letters, digits, `-` and `.`, with a letter or digit at both \
                      ends and beside each `.`";
        findings.fault(path, reason);
    } else if name.len() > MAX_NAME_IN_A_LABEL && matches!(kind, Kind::EdgeDevice | Kind::EdgeWorkload) {
        let reason =
            format!("is longer than {MAX_NAME_IN_A_LABEL} characters, and Flotta makes a label of it");
        findings.fault(path, reason);
    }
}

/// Labels as Kubernetes takes them.
pub(crate) fn check_labels(labels: &BTreeMap<String, String>, path: &Path, findings: &mut Findings) {
    for (key, value) in labels {
        let path = path.field(key);
        check_label_key(key, &path, findings);
        if labels::check_value(value).is_err() {
            findings.fault(&path, LABEL_VALUE);
        }
    }
}

/// What a value of a label must be: the rest of a sentence.
pub(crate) const LABEL_VALUE: &str =
    "must be at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";

/// The key of a label as Kubernetes takes it.
pub(crate) fn check_label_key(key: &str, path: &Path, findings: &mut Findings) {
    if labels::check_key(key).is_err() {
        let reason = "must have a key of 1 to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both \
                      ends, after a DNS name and `/` if it has one";
        findings.fault(path, reason);
    }
}

fn check_annotations(annotations: &BTreeMap<String, String>, path: &Path, findings: &mut Findings) {
    for key in annotations.keys() {
        check_label_key(&key.to_lowercase(), &path.field(key), findings);
    }
    if annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum::<usize>()
        > MAX_ANNOTATIONS
    {
        findings.fault(path, "are larger than 256 KiB together");
    }
}

/// A label of RFC 1123, in lower case.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let word =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && word(bytes.first())
        && word(bytes.last())
        && bytes.iter().all(|byte| *byte == b'-' || word(Some(byte)))
}

/// A DNS name of RFC 1123, in lower case. Kubernetes bounds the whole, not each label of it.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    let word =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        word(bytes.first())
            && word(bytes.last())
            && bytes.iter().all(|byte| *byte == b'-' || word(Some(byte)))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}
