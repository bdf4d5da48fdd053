//! What Flotta keeps in its Secrets: a CA and a host certificate, new or renewed.

use std::collections::BTreeMap;

use testkit::pki::{Authority, KeyKind, Profile};

/// Flotta's material: a CA and a host certificate.
#[derive(Clone)]
pub(crate) struct Material {
    pub ca: Authority,
    pub ca_secret: BTreeMap<String, String>,
    pub host_secret: BTreeMap<String, String>,
    pub host_key: String,
}

impl Material {
    pub(crate) fn new() -> Self {
        Self::of(Authority::new(KeyKind::P256).unwrap())
    }

    /// A new host certificate of the same CA.
    pub(crate) fn rotated(&self) -> Self {
        Self::of(self.ca.clone())
    }

    /// A new certificate of the same CA and key, and a host certificate of it.
    pub(crate) fn renewed(&self) -> Self {
        Self::of(self.ca.renewed().unwrap())
    }

    fn of(ca: Authority) -> Self {
        let profile = Profile::host()
            .with_names(&["project-flotta.io", "127.0.0.1", "::1"])
            .unwrap();
        let host = ca.issue(&profile).unwrap();
        let pair = |certificate: (&str, String), key: (&str, String)| {
            BTreeMap::from([
                (certificate.0.to_owned(), certificate.1),
                (key.0.to_owned(), key.1),
            ])
        };
        Self {
            ca_secret: pair(("ca.crt", ca.pem()), ("ca.key", ca.key_pem().unwrap())),
            host_secret: pair(
                ("server.crt", host.certificate_pem()),
                ("server.key", host.key().traditional_pem().unwrap()),
            ),
            host_key: host.key().fingerprint(),
            ca,
        }
    }
}
