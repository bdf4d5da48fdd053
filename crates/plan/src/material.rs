//! Flotta's CA and host certificate as they lie in their Secrets: would a start of the Edge API
//! accept them, are they the ones that belong together, and are they the ones that were verified?
//!
//! The first question decides whether a restart is a danger, the others whether a restart by us
//! would carry out somebody else's accident. They are never one question.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use pki::{
    Facts,
    edge_api::{self, Pair, Start},
    fitness::{HostNames, MaterialFacts, Unfit},
};

use crate::{api::CertificateStatus, go, settings};

/// Both Secrets, judged.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    /// What is missing, one sentence each. A missing CA Secret is the worst: the next start makes
    /// another CA.
    pub missing: Vec<String>,
    /// Why a start of the Edge API would fail.
    pub refused: Vec<String>,
    /// Why they should not be used although a start accepts them.
    pub unfit: Vec<String>,
    /// Names that the host certificate lacks: it is as the Edge API made it, and its settings have
    /// changed since.
    pub nameless: Vec<String>,
    /// What is known of them, when both are there and accepted.
    pub facts: Option<MaterialFacts>,
    /// `ca.crt` as it is.
    pub bundle: Vec<u8>,
}

impl Material {
    /// Judges both Secrets. `settings` are those that the Edge API runs with.
    pub(crate) fn judge(
        ca: Option<&Secret>,
        host: Option<&Secret>,
        names: [&str; 2],
        settings: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let mut material = Self {
            missing: Vec::new(),
            refused: Vec::new(),
            unfit: Vec::new(),
            nameless: Vec::new(),
            facts: None,
            bundle: entry(ca, "ca.crt").unwrap_or_default().to_vec(),
        };
        for (secret, name) in [(ca, names[0]), (host, names[1])] {
            if secret.is_none() {
                material.missing.push(format!("Secret {name} is missing"));
            }
        }
        let found = edge_api::start(
            found(ca, "ca.crt", "ca.key"),
            found(host, "server.crt", "server.key"),
        );
        match found {
            Err(faults) => material.refused = faults.iter().map(ToString::to_string).collect(),
            Ok(Start {
                ca: Some(ca),
                host: Some(host),
            }) => {
                let facts = MaterialFacts::of(&ca, &host);
                let host_names = HostNames {
                    domain: domain(settings).to_owned(),
                    localhost: settings
                        .get(settings::LOCALHOST)
                        .is_none_or(|value| go::boolean(value) == Some(true)),
                };
                let (nameless, unfit): (Vec<_>, Vec<_>) = facts
                    .faults(&host_names, now)
                    .into_iter()
                    .partition(|fault| matches!(fault, Unfit::HostLacksName { .. }));
                material.unfit = unfit.iter().map(ToString::to_string).collect();
                material.nameless = nameless.iter().map(ToString::to_string).collect();
                material.facts = Some(facts);
            }
            Ok(_) => {}
        }
        material
    }

    /// All that speaks against a restart with it.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &String> {
        self.missing.iter().chain(&self.refused).chain(&self.unfit)
    }

    /// What it is, when nothing speaks against it.
    pub(crate) fn usable(&self) -> Option<&MaterialFacts> {
        self.facts.as_ref().filter(|_| self.faults().next().is_none())
    }

    /// What the next start of the Edge API would do with it, for a person.
    pub(crate) fn danger(&self) -> &'static str {
        if !self.missing.is_empty() {
            "the next restart of the Edge API will make a new one, and if that is the CA, lock out every device"
        } else if !self.refused.is_empty() {
            "the next restart of the Edge API will fail, and no device will be served"
        } else {
            "the next restart of the Edge API will serve with it, and devices may refuse it or be refused"
        }
    }
}

/// The name that devices use.
pub(crate) fn domain(settings: &BTreeMap<String, String>) -> &str {
    settings
        .get(settings::DOMAIN)
        .map(String::as_str)
        .filter(|domain| !domain.is_empty())
        .unwrap_or(settings::DEFAULT_DOMAIN)
}

/// A certificate as it is told.
pub(crate) fn described(facts: &Facts) -> CertificateStatus {
    CertificateStatus {
        subject: facts.subject.clone(),
        fingerprint: facts.fingerprint.to_string(),
        public_key: facts.key.to_string(),
        not_after: facts.not_after.to_string(),
    }
}

/// An entry of a Secret.
pub(crate) fn entry<'a>(secret: Option<&'a Secret>, key: &str) -> Option<&'a [u8]> {
    Some(secret?.data.as_ref()?.get(key)?.0.as_slice())
}

fn found<'a>(secret: Option<&'a Secret>, certificate: &str, key: &str) -> edge_api::Secret<'a> {
    match secret {
        None => edge_api::Secret::Missing,
        Some(_) => edge_api::Secret::Present(Pair {
            certificate: entry(secret, certificate),
            key: entry(secret, key),
        }),
    }
}
