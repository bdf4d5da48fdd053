//! Paths of the Edge Configuration API: `/namespaces/{namespace}/devices/{device-id}/{operation}`
//! under [`BASE_PATH`].
//!
//! The Edge API percent-encodes the device's id as the device spelt it and sends an empty namespace
//! for a device that asked for none, which leaves `//` in the path. Query strings carry nothing and
//! are ignored.

use contract::{DeviceId, Namespace, PROBE_PREFIX};
use fleet::Operation;
use http::Method;

/// Where the API begins; a `REMOTE_BACKEND_URL` ends in this.
pub const BASE_PATH: &str = "/api/flotta-backend/v1";

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is asked.
    pub operation: Operation,
    /// Where the device was when its certificate was issued, or wants to be.
    pub namespace: Namespace,
    /// Which device.
    pub device: Subject,
    /// The id as it was spelt.
    pub spelling: String,
}

/// Whom a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A device.
    Device(DeviceId),
    /// Nobody: a verification call with this nonce.
    Probe(String),
}

/// A request that is about nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// No such path.
    #[error("there is no such path; the Edge Configuration API begins at {BASE_PATH}/namespaces")]
    NotFound,
    /// The path exists, the method does not.
    #[error("this path does not take {method}; use {allowed}")]
    MethodNotAllowed {
        /// What was used.
        method: Method,
        /// What could be.
        allowed: &'static str,
    },
    /// A part of the path is not a name.
    #[error("{field} in the path is not acceptable: {reason}")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// Why.
        reason: String,
    },
}

impl Route {
    /// Reads a request line.
    pub fn parse(method: &Method, path: &str) -> Result<Self, NoRoute> {
        let rest = path.strip_prefix(BASE_PATH).ok_or(NoRoute::NotFound)?;
        let mut parts = rest.split('/');
        let (Some(""), Some("namespaces"), Some(namespace), Some("devices"), Some(device), Some(name), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(NoRoute::NotFound);
        };
        let operation = operation(method, name)?;
        let namespace = decode(namespace, "namespace")?;
        let namespace = Namespace::parse(&namespace).map_err(|error| NoRoute::Malformed {
            field: "namespace",
            reason: error.to_string(),
        })?;
        let spelling = decode(device, "device-id")?;
        let device = subject(&spelling)?;
        Ok(Self {
            operation,
            namespace,
            device,
            spelling,
        })
    }
}

fn operation(method: &Method, name: &str) -> Result<Operation, NoRoute> {
    let (found, allowed) = match name {
        "enrolment" => ((method == Method::POST).then_some(Operation::Enrolment), "POST"),
        "registration" => (
            match *method {
                Method::GET => Some(Operation::RegistrationStatus),
                Method::PUT => Some(Operation::Registration),
                _ => None,
            },
            "GET, PUT",
        ),
        "configuration" => ((method == Method::GET).then_some(Operation::Configuration), "GET"),
        "heartbeat" => ((method == Method::PUT).then_some(Operation::Heartbeat), "PUT"),
        "playbookexecutions" => ((method == Method::GET).then_some(Operation::Playbooks), "GET"),
        _ => return Err(NoRoute::NotFound),
    };
    found.ok_or_else(|| NoRoute::MethodNotAllowed {
        method: method.clone(),
        allowed,
    })
}

fn subject(spelling: &str) -> Result<Subject, NoRoute> {
    let lower = spelling.to_ascii_lowercase();
    if let Some(nonce) = lower.strip_prefix(PROBE_PREFIX) {
        return Ok(Subject::Probe(nonce.to_owned()));
    }
    DeviceId::parse(spelling)
        .map(Subject::Device)
        .map_err(|error| NoRoute::Malformed {
            field: "device-id",
            reason: error.to_string(),
        })
}

fn decode(part: &str, field: &'static str) -> Result<String, NoRoute> {
    percent_encoding::percent_decode_str(part)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| NoRoute::Malformed {
            field,
            reason: "it is not UTF-8".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str) -> Result<Route, NoRoute> {
        Route::parse(&method.parse().unwrap(), &format!("{BASE_PATH}{path}"))
    }

    #[test]
    fn the_six_operations() {
        for (method, name, operation) in [
            ("POST", "enrolment", Operation::Enrolment),
            ("GET", "registration", Operation::RegistrationStatus),
            ("PUT", "registration", Operation::Registration),
            ("GET", "configuration", Operation::Configuration),
            ("PUT", "heartbeat", Operation::Heartbeat),
            ("GET", "playbookexecutions", Operation::Playbooks),
        ] {
            let route = parse(method, &format!("/namespaces/edge/devices/Dev-1/{name}")).unwrap();
            assert_eq!(route.operation, operation);
            assert_eq!(route.namespace.as_str(), "edge");
            assert_eq!(route.device, Subject::Device(DeviceId::parse("dev-1").unwrap()));
            assert_eq!(route.spelling, "Dev-1");
        }
    }

    #[test]
    fn an_absent_namespace_is_default() {
        let route = parse("GET", "/namespaces//devices/d/configuration").unwrap();
        assert_eq!(route.namespace.as_str(), "default");
    }

    #[test]
    fn everything_else_names_what_is_wrong() {
        for (method, path, expected) in [
            (
                "GET",
                "/namespaces/a/devices/d/enrolment",
                "this path does not take GET; use POST",
            ),
            (
                "DELETE",
                "/namespaces/a/devices/d/registration",
                "this path does not take DELETE; use GET, PUT",
            ),
            (
                "GET",
                "/namespaces/A/devices/d/configuration",
                "namespace in the path is not acceptable",
            ),
            (
                "GET",
                "/namespaces/a/devices/d%2Fe/configuration",
                "device-id in the path is not acceptable",
            ),
            (
                "GET",
                "/namespaces/a/devices/%ff/configuration",
                "device-id in the path is not acceptable: it is not UTF-8",
            ),
            (
                "GET",
                "/namespaces/a/devices//configuration",
                "device-id in the path is not acceptable",
            ),
            (
                "GET",
                "/namespaces/a/devices/d/configuration/",
                "there is no such path",
            ),
            ("GET", "/namespaces/a/devices/d/other", "there is no such path"),
            ("GET", "/", "there is no such path"),
        ] {
            let message = parse(method, path).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{method} {path}: {message}");
        }
    }

    #[test]
    fn a_probe_is_nobody() {
        let route = parse(
            "GET",
            "/namespaces/default/devices/flotta-companion-probe-7f/registration",
        )
        .unwrap();
        assert_eq!(route.device, Subject::Probe("7f".to_owned()));
    }
}
