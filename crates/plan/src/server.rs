//! Our server as the companion sees it: what its Secret should hold, and which of its pods have
//! loaded that.

use std::{collections::BTreeSet, net::IpAddr};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use pki::{Certificate, Facts, fitness::MaterialFacts, renewal};
use rustls_pki_types::ServerName;
use serde_json::json;
use sha256::{Digest, Hashing};

use crate::{
    action::{CertificateWrite, ServerSecret},
    material::entry,
    names::NUDGE_ANNOTATION,
    object::Read,
    observed::{ServerPod, ServerReport},
    url::BackendUrl,
};

/// Which devices the server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// All that the rules take.
    Open,
    /// No device that the former backend lacks: the switch may yet be rolled back.
    Hold,
    /// No enrolments and no registrations: devices are being counted for the way back.
    Closed,
}

impl Admission {
    /// As written in the admission file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Hold => "Hold",
            Self::Closed => "Closed",
        }
    }
}

/// What the Secret should hold.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Names of the server's certificate; empty with plain HTTP.
    pub names: Vec<String>,
    /// `ca.crt`
    pub bundle: Vec<u8>,
    /// Public keys that may connect.
    pub pins: BTreeSet<String>,
    /// Admission.
    pub admission: Admission,
    /// The store that is recorded.
    pub store_id: Option<String>,
}

impl Wanted {
    fn admission_file(&self) -> String {
        // JSON is YAML, and is quoted by a library.
        let mut file = json!({ "admission": self.admission.as_str() });
        if let Some(id) = &self.store_id {
            file["storeId"] = json!(id);
        }
        format!("{file}\n")
    }

    fn pins_file(&self) -> String {
        let mut file =
            "# SHA-256 of the public keys that may connect: the Edge API's host certificate.\n".to_owned();
        for pin in &self.pins {
            file.push_str(pin);
            file.push('\n');
        }
        file
    }

    /// The write that makes the Secret so; none when it is.
    pub(crate) fn write(
        &self,
        secret: &Read<Secret>,
        ca: Option<&MaterialFacts>,
        now: Timestamp,
    ) -> Option<ServerSecret> {
        let certificate = self.certificate(secret, ca, now);
        let (pins, admission) = (self.pins_file(), self.admission_file());
        let same = |key: &str, wanted: &[u8]| entry(Some(secret), key) == Some(wanted);
        let as_wanted = !matches!(certificate, CertificateWrite::Issue { .. })
            && same("ca.crt", &self.bundle)
            && same("pins", pins.as_bytes())
            && same("admission", admission.as_bytes());
        (!as_wanted).then(|| ServerSecret {
            object: secret.reference().clone(),
            certificate,
            ca: self.bundle.clone(),
            pins,
            admission,
        })
    }

    fn certificate(&self, secret: &Secret, ca: Option<&MaterialFacts>, now: Timestamp) -> CertificateWrite {
        if self.names.is_empty() {
            return CertificateWrite::None;
        }
        let keep = || CertificateWrite::Keep {
            chain: entry(Some(secret), "tls.crt").unwrap_or_default().to_vec(),
            key: entry(Some(secret), "tls.key").unwrap_or_default().to_vec(),
        };
        // Without a usable CA none can be issued; what is there goes on.
        if ca.is_none() {
            return keep();
        }
        match self.renewal(secret, now) {
            None => keep(),
            Some(because) => CertificateWrite::Issue {
                names: self.names.clone(),
                because,
            },
        }
    }

    fn renewal(&self, secret: &Secret, now: Timestamp) -> Option<String> {
        let (chain, key) = (entry(Some(secret), "tls.crt"), entry(Some(secret), "tls.key"));
        if chain.is_none_or(<[u8]>::is_empty) {
            return Some("there was none".to_owned());
        }
        let checked = pki::ServerIdentity::check(chain.unwrap_or_default(), key.unwrap_or_default(), now);
        let identity = match checked {
            Ok(identity) => identity,
            Err((certificate, key)) => {
                let fault = certificate
                    .into_iter()
                    .chain(key)
                    .next()
                    .map(|fault| fault.to_string());
                return Some(format!(
                    "the former one cannot be used: {}",
                    fault.unwrap_or_default()
                ));
            }
        };
        let names: Vec<_> = self
            .names
            .iter()
            .filter_map(|name| ServerName::try_from(name.as_str()).ok())
            .collect();
        if renewal::names_differ(identity.leaf(), &names) {
            return Some("its names have changed".to_owned());
        }
        if !self.is_issued_by_ca(chain.unwrap_or_default()) {
            return Some("the CA has changed".to_owned());
        }
        renewal::renewal_due(identity.leaf(), now)
            .then(|| "the former one has two thirds of its life behind it".to_owned())
    }

    /// By its signature: all CAs of Flotta have the same subject.
    fn is_issued_by_ca(&self, chain: &[u8]) -> bool {
        matches!((first(chain), first(&self.bundle)), (Some(leaf), Some(ca)) if leaf.is_issued_by(&ca))
    }
}

/// Names for the server's certificate: the host of the URL, and what was asked for besides. `None`
/// with plain HTTP.
pub(crate) fn certificate_names(
    url: &BackendUrl,
    more: &[String],
    service: &str,
    namespace: &str,
) -> Vec<String> {
    if !url.https {
        return Vec::new();
    }
    let mut names = vec![url.host.trim_end_matches('.').to_owned()];
    let own = [
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        service.to_owned(),
        format!("{service}.{namespace}"),
    ];
    for name in more.iter().cloned().chain(own) {
        if !names.contains(&name)
            && (name.parse::<IpAddr>().is_ok() || ServerName::try_from(name.as_str()).is_ok())
        {
            names.push(name);
        }
    }
    names
}

/// What a person reads about the certificate that is in the Secret.
pub(crate) fn certificate(secret: &Secret) -> Option<Facts> {
    first(entry(Some(secret), "tls.crt")?).map(|leaf| leaf.facts().clone())
}

/// Whether the Secret has the server trust the CA with this public key, as the first of its bundle.
/// A Secret that has no bundle yet says nothing against it; one whose bundle cannot be read does.
pub(crate) fn may_trust(secret: &Secret, public_key: &str) -> bool {
    match entry(Some(secret), "ca.crt") {
        None | Some([]) => true,
        Some(bundle) => first(bundle).is_some_and(|ca| ca.facts().key.to_string() == public_key),
    }
}

/// The first certificate that a server which begins with the file reads.
fn first(file: &[u8]) -> Option<Certificate> {
    Certificate::all_in_go(file).into_iter().next()
}

/// The recorded store that the Secret names: where the status was lost, it is remembered here.
pub(crate) fn recorded_store(secret: &Secret) -> Option<String> {
    let file: serde_json::Value = serde_json::from_slice(entry(Some(secret), "admission")?).ok()?;
    Some(file.get("storeId")?.as_str()?.to_owned())
}

/// The admission that the Secret names.
pub(crate) fn admission(secret: &Secret) -> Option<String> {
    let file: serde_json::Value = serde_json::from_slice(entry(Some(secret), "admission")?).ok()?;
    Some(file.get("admission")?.as_str()?.to_owned())
}

/// The public keys that the Secret names.
pub(crate) fn pins(secret: &Secret) -> BTreeSet<String> {
    let pins = pki::Pins::parse(entry(Some(secret), "pins").unwrap_or_default());
    pins.map(|pins| pins.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

/// A short value that changes with the content of the Secret.
pub(crate) fn digest(secret: &Secret) -> String {
    let mut hash = Hashing::default();
    for (key, value) in secret.data.iter().flatten() {
        hash.update(key.as_bytes());
        hash.update([0]);
        hash.update(Digest::of(&value.0).as_bytes());
    }
    crate::view::short(hash.finish())
}

/// Pods that run, or will.
pub(crate) fn alive(pods: &[ServerPod]) -> impl Iterator<Item = &ServerPod> {
    pods.iter().filter(|pod| is_alive(&pod.pod))
}

/// Whether a pod runs, or will.
pub(crate) fn is_alive(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// What a pod has not loaded yet of the Secret; empty when it has loaded all.
pub(crate) fn not_loaded(report: &ServerReport, secret: &Secret, https: bool) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if https {
        if report.certificate != certificate(secret).map(|facts| facts.fingerprint.to_string()) {
            missing.push("certificate");
        }
        // Of a bundle that was written before bundles were read strictly, a pod has what it could
        // read.
        let bundle: Vec<_> = Certificate::all_in_go(entry(Some(secret), "ca.crt").unwrap_or_default())
            .iter()
            .map(|certificate| certificate.facts().fingerprint.to_string())
            .collect();
        if report.client_cas != bundle {
            missing.push("CA");
        }
        if report.pins != pins(secret) {
            missing.push("pins");
        }
    }
    if report.admission != admission(secret) || report.admission_store_id != recorded_store(secret) {
        missing.push("admission");
    }
    missing
}

/// Whether the kubelet was told already to look at the pod's volumes for this content.
pub(crate) fn is_nudged(pod: &Pod, digest: &str) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(NUDGE_ANNOTATION))
        .is_some_and(|value| value == digest)
}
