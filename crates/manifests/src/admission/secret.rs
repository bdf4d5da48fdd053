//! What the type of a Secret asks of it, by `ValidateSecret` of
//! `k8s.io/kubernetes/pkg/apis/core/validation`. No sentence contains a value.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value};

use super::text_at;
use crate::{
    fault::{Findings, Path},
    schema::scalars,
};

const SERVICE_ACCOUNT: &str = "kubernetes.io/service-account.name";

/// `data` has the texts of `stringData` already.
pub(super) fn check(document: &Value, annotations: &BTreeMap<String, String>, findings: &mut Findings) {
    let data = document.get("data").and_then(Value::as_object);
    let empty = Map::new();
    let of = Typed {
        data: data.unwrap_or(&empty),
        kind: text_at(document, &["type"]),
    };
    match of.kind {
        "kubernetes.io/dockerconfigjson" => of.registries(".dockerconfigjson", findings),
        "kubernetes.io/dockercfg" => of.registries(".dockercfg", findings),
        "kubernetes.io/tls" => of.needs(&["tls.crt", "tls.key"], findings),
        "kubernetes.io/basic-auth" if !of.data.contains_key("password") => of.needs(&["username"], findings),
        "kubernetes.io/ssh-auth" => {
            let name = "ssh-privatekey";
            of.needs(&[name], findings);
            if of.data.get(name).and_then(Value::as_str) == Some("") {
                findings.fault(&path(name), "is empty; it holds the private key");
            }
        }
        "kubernetes.io/service-account-token"
            if annotations.get(SERVICE_ACCOUNT).is_none_or(String::is_empty) =>
        {
            let path = Path::root()
                .field("metadata")
                .field("annotations")
                .field(SERVICE_ACCOUNT);
            findings.fault(&path, of.is_missing());
        }
        _ => {}
    }
}

struct Typed<'a> {
    data: &'a Map<String, Value>,
    kind: &'a str,
}

impl Typed<'_> {
    fn needs(&self, names: &[&str], findings: &mut Findings) {
        for name in names.iter().filter(|name| !self.data.contains_key(**name)) {
            findings.fault(&path(name), self.is_missing());
        }
    }

    fn is_missing(&self) -> String {
        format!("is missing, and a Secret of type {} needs it", self.kind)
    }

    /// Where the passwords of registries are.
    fn registries(&self, name: &str, findings: &mut Findings) {
        self.needs(&[name], findings);
        // What is no base64 is a fault already.
        let bytes = self
            .data
            .get(name)
            .and_then(|value| scalars::BASE64.decode(value.as_str()?).ok());
        let is_json =
            |bytes: &Vec<u8>| matches!(serde_json::from_slice(bytes), Ok(Value::Object(_) | Value::Null));
        if bytes.as_ref().is_some_and(|bytes| !is_json(bytes)) {
            findings.fault(
                &path(name),
                "is no JSON object once it is decoded; encode it once, with `base64 -w0`, or write it as it is under stringData",
            );
        }
    }
}

fn path(name: &str) -> Path {
    Path::root().field("data").field(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(kind: &str, data: &Value) -> Vec<String> {
        let mut findings = Findings::default();
        check(
            &json!({"type": kind, "data": data}),
            &BTreeMap::new(),
            &mut findings,
        );
        findings.faults.iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn a_type_asks_for_its_keys() {
        for (kind, data, wrong) in [
            ("Opaque", json!({}), vec![]),
            ("", json!({}), vec![]),
            ("example.com/own", json!({}), vec![]),
            ("kubernetes.io/tls", json!({"tls.crt": "", "tls.key": ""}), vec![]),
            (
                "kubernetes.io/tls",
                json!({"tls.crt": ""}),
                vec![r#"data["tls.key"]"#],
            ),
            ("kubernetes.io/basic-auth", json!({"password": ""}), vec![]),
            ("kubernetes.io/basic-auth", json!({"username": ""}), vec![]),
            ("kubernetes.io/basic-auth", json!({}), vec!["data.username"]),
            (
                "kubernetes.io/ssh-auth",
                json!({"ssh-privatekey": "YQ=="}),
                vec![],
            ),
            (
                "kubernetes.io/ssh-auth",
                json!({"ssh-privatekey": ""}),
                vec!["data.ssh-privatekey"],
            ),
            ("kubernetes.io/ssh-auth", json!({}), vec!["data.ssh-privatekey"]),
            (
                "kubernetes.io/dockerconfigjson",
                json!({".dockerconfigjson": "e30="}),
                vec![],
            ),
            // Of `{}`, encoded twice.
            (
                "kubernetes.io/dockerconfigjson",
                json!({".dockerconfigjson": "ZTMwPQ=="}),
                vec![r#"data[".dockerconfigjson"]"#],
            ),
            (
                "kubernetes.io/dockerconfigjson",
                json!({".dockerconfigjson": ""}),
                vec![r#"data[".dockerconfigjson"]"#],
            ),
            (
                "kubernetes.io/dockercfg",
                json!({}),
                vec![r#"data[".dockercfg"]"#],
            ),
            (
                "kubernetes.io/dockercfg",
                json!({".dockercfg": "bnVsbA=="}),
                vec![],
            ),
            (
                "kubernetes.io/service-account-token",
                json!({}),
                vec![r#"metadata.annotations["kubernetes.io/service-account.name"]"#],
            ),
        ] {
            assert_eq!(faults(kind, &data), wrong, "{kind} {data}");
        }
    }
}
