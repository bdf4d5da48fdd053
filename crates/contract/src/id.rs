//! Names: device ids and namespaces, in the forms that Kubernetes can hold.
//!
//! A device id arrives in whatever spelling a device or a certificate uses. Flotta's Edge API
//! compares ids without regard to ASCII case, and a device may later become an `EdgeDevice` object,
//! whose name and labels are bound to DNS-1123. So the lower-case form is the key, and what cannot
//! be such a name is never a device.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};

/// Longest device id and namespace, in bytes: a Kubernetes label value and a DNS label (RFC 1123).
pub const MAX_NAME: usize = 63;

/// Begin of the ids with which a verification call marks itself; such an id is never a device.
///
/// The rest of the id is the caller's nonce. The server reports the last nonces that it has seen.
pub const PROBE_PREFIX: &str = "flotta-companion-probe-";

/// A device id in its one canonical form: a DNS-1123 subdomain in lower case, at most [`MAX_NAME`]
/// bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DeviceId(Arc<str>);

/// Why a text cannot be a device id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeviceId {
    /// Nothing at all.
    #[error("a device id must not be empty")]
    Empty,
    /// More than [`MAX_NAME`] bytes.
    #[error("a device id has at most {MAX_NAME} characters")]
    TooLong,
    /// Not a DNS-1123 subdomain once in ASCII lower case.
    #[error(
        "a device id consists of letters, digits, '-' and '.', and each part between dots begins and ends with a letter or digit"
    )]
    NotDns1123,
    /// Begins with [`PROBE_PREFIX`].
    #[error("ids that begin with '{PROBE_PREFIX}' are reserved for verification calls")]
    Reserved,
}

impl DeviceId {
    /// Reads an id in any spelling; the result is its canonical, lower-case form.
    pub fn parse(spelling: &str) -> Result<Self, InvalidDeviceId> {
        if spelling.is_empty() {
            return Err(InvalidDeviceId::Empty);
        }
        if spelling.len() > MAX_NAME {
            return Err(InvalidDeviceId::TooLong);
        }
        let key = spelling.to_ascii_lowercase();
        if !key.split('.').all(is_dns_label) {
            return Err(InvalidDeviceId::NotDns1123);
        }
        if key.starts_with(PROBE_PREFIX) {
            return Err(InvalidDeviceId::Reserved);
        }
        Ok(Self(key.into()))
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A Kubernetes namespace: a DNS-1123 label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Namespace(Arc<str>);

/// A text that cannot name a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a namespace consists of at most {MAX_NAME} lower-case letters, digits and '-', and begins and ends with a letter or digit"
)]
pub struct InvalidNamespace;

impl Namespace {
    /// Reads a namespace; the empty text means `default`, as the Edge API sends it for a device
    /// without one.
    pub fn parse(text: &str) -> Result<Self, InvalidNamespace> {
        match text {
            "" => Ok(Self::default()),
            text if is_dns_label(text) => Ok(Self(text.into())),
            _ => Err(InvalidNamespace),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    /// `default`, where Flotta keeps every device that names no other.
    fn default() -> Self {
        Self("default".into())
    }
}

pub(crate) fn is_dns_label(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= MAX_NAME
        && bytes.first().copied().is_some_and(edge)
        && bytes.last().copied().is_some_and(edge)
        && bytes.iter().all(|&byte| edge(byte) || byte == b'-')
}

macro_rules! text_form {
    ($name:ident, $error:ty) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_form!(DeviceId, InvalidDeviceId);
text_form!(Namespace, InvalidNamespace);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_id_are_one_device() {
        let key = DeviceId::parse("0b4c-UPPER.Example").unwrap();
        assert_eq!(key.as_str(), "0b4c-upper.example");
        assert_eq!(key, DeviceId::parse("0B4C-upper.example").unwrap());
    }

    #[test]
    fn what_kubernetes_could_not_name_is_no_device() {
        for (text, why) in [
            ("", InvalidDeviceId::Empty),
            (&"a".repeat(64), InvalidDeviceId::TooLong),
            ("a/b", InvalidDeviceId::NotDns1123),
            ("a..b", InvalidDeviceId::NotDns1123),
            ("-a", InvalidDeviceId::NotDns1123),
            ("a-", InvalidDeviceId::NotDns1123),
            ("a_b", InvalidDeviceId::NotDns1123),
            ("\u{212a}elvin", InvalidDeviceId::NotDns1123), // KELVIN SIGN: lower-cases to 'k' outside ASCII
            ("Flotta-Companion-Probe-1", InvalidDeviceId::Reserved),
        ] {
            assert_eq!(DeviceId::parse(text), Err(why), "{text:?}");
        }
        assert!(DeviceId::parse(&"a".repeat(63)).is_ok());
    }

    #[test]
    fn an_absent_namespace_is_default() {
        assert_eq!(Namespace::parse("").unwrap().as_str(), "default");
        assert!(Namespace::parse("Default").is_err());
        assert!(Namespace::parse("a.b").is_err());
        assert!(Namespace::parse("edge-1").is_ok());
    }
}
