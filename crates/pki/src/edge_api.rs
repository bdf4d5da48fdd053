//! What Flotta's Edge API does with the material in its Secrets when it starts.
//!
//! It reads them at no other time, never corrects them, and looks at less than one would think: at
//! the first PEM block of each entry, at whether key and certificate are a pair, and at nothing
//! else. So "a start accepts it" ([`start`]) and "it is fit for use" ([`fitness`](crate::fitness))
//! are two questions. Rules: `pkg/mtls` of flotta-operator, `ImportFromPem`, `InitCertificates` and
//! `CreateRegistrationClientCerts`.
//!
//! Where this program reads less than Go does, it says that a start fails, so that nobody is led to
//! restart on its word: keys on P-224, RSA keys under 2048 bits, a first block that is not
//! well-formed (Go goes on to the next), header lines within it (Go reads on after them),
//! certificates that are not strictly DER.

use std::{fmt, sync::Arc};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivateSec1KeyDer},
    sign::SigningKey,
};
use serde::Serialize;
use x509_cert::der::{
    Decode as _, Reader as _, SliceReader, TagNumber,
    asn1::{ContextSpecific, ObjectIdentifier, OctetStringRef},
};

use crate::{
    Fingerprint,
    certificate::{Certificate, CertificateError, Facts},
    identity::Identity,
    issue::{IssueError, Issuer},
    pem::{self, CERTIFICATE, PemError},
};

/// One of the two Secrets, as it was found.
#[derive(Clone, Copy, Debug)]
pub enum Secret<'a> {
    /// There is none. A start then makes one: of `flotta-ca` with a new key, which locks all
    /// devices out.
    Missing,
    /// There is one, and it is left as it is, empty or not.
    Present(Pair<'a>),
}

/// The two entries of a Secret that a start reads; `None` where there is no such entry.
#[derive(Clone, Copy, Default)]
pub struct Pair<'a> {
    /// `ca.crt` or `server.crt`.
    pub certificate: Option<&'a [u8]>,
    /// `ca.key` or `server.key`.
    pub key: Option<&'a [u8]>,
}

impl fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("certificate", &self.certificate.map(<[u8]>::len))
            .field("key", &self.key.map(|_| ..))
            .finish()
    }
}

/// An entry of one of the two Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Entry {
    /// In `flotta-ca`.
    #[serde(rename = "ca.crt")]
    CaCertificate,
    /// In `flotta-ca`.
    #[serde(rename = "ca.key")]
    CaKey,
    /// In `flotta-host-certificate`.
    #[serde(rename = "server.crt")]
    HostCertificate,
    /// In `flotta-host-certificate`.
    #[serde(rename = "server.key")]
    HostKey,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CaCertificate => "ca.crt",
            Self::CaKey => "ca.key",
            Self::HostCertificate => "server.crt",
            Self::HostKey => "server.key",
        })
    }
}

/// Why a start of the Edge API fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Edge API cannot start with this {entry}: {reason}")]
pub struct StartFault {
    /// What it cannot use.
    pub entry: Entry,
    /// Why not.
    pub reason: Reason,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The Secret lacks it.
    #[error("the Secret has no such entry; add it")]
    NoEntry,
    /// The first PEM block cannot be read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The first PEM block is something else than a key in one of the two forms.
    #[error(
        "its first PEM block is {label}, and only EC PRIVATE KEY and RSA PRIVATE KEY are read; convert the key with \
         `openssl pkey -traditional` and put it first"
    )]
    KeyForm {
        /// The label of the block.
        label: String,
    },
    /// A key in a right form that cannot be read.
    #[error(
        "its key cannot be read; use a key on P-256, P-384 or P-521 that names its curve, or an RSA key of 2048 to 8192 bits"
    )]
    Key,
    /// The first PEM block is not a readable certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A host certificate under another label.
    #[error("its first PEM block is {label}; label the certificate CERTIFICATE")]
    CertificateForm {
        /// The label of the block.
        label: String,
    },
    /// The key of another certificate.
    #[error("it is not the key of the first certificate ({subject}); replace both in one update")]
    KeyMismatch {
        /// The certificate's subject.
        subject: String,
    },
}

/// What a start serves with. `None` stands for what it makes itself, because the Secret is missing.
#[derive(Clone, Debug)]
pub struct Start {
    /// From `flotta-ca`.
    pub ca: Option<Ca>,
    /// From `flotta-host-certificate`.
    pub host: Option<Identity>,
}

/// Foresees a start with these Secrets: what it serves with, or all that makes it fail.
///
/// Nothing is said about whether that is good: see [`fitness`](crate::fitness).
pub fn start(ca: Secret<'_>, host: Secret<'_>) -> Result<Start, Vec<StartFault>> {
    let mut faults = Vec::new();
    let start = Start {
        ca: accept(ca, Ca::accept, &mut faults),
        host: accept(host, accept_host, &mut faults),
    };
    if faults.is_empty() { Ok(start) } else { Err(faults) }
}

fn accept<T>(
    secret: Secret<'_>,
    read: impl Fn(Pair<'_>) -> Result<T, Vec<StartFault>>,
    faults: &mut Vec<StartFault>,
) -> Option<T> {
    match secret {
        Secret::Missing => None,
        Secret::Present(pair) => read(pair).map_err(|found| faults.extend(found)).ok(),
    }
}

/// The certificate authority of `flotta-ca`, accepted by a start.
#[derive(Clone)]
pub struct Ca {
    facts: CaFacts,
    signing: Certificate,
    bundle: Arc<[u8]>,
    key: Arc<dyn SigningKey>,
}

/// What is known of the certificate authority, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaFacts {
    /// SHA-256 of the public key of the certificate that signs: the first.
    pub key: Fingerprint,
    /// The certificate that signs. Requests with POST are checked against no other.
    pub signing: Facts,
    /// Whether the certificate that signs may sign certificates (basic constraints and key usage).
    pub may_sign: bool,
    /// Those that all other requests are checked against, in their order; the first is usually the
    /// one that signs.
    pub trusted: Vec<Facts>,
    /// Blocks of `ca.crt` that a start passes over without a word, or may pass over.
    pub passed_over: Vec<PassedOver>,
}

/// A PEM block of `ca.crt` that no request is checked against, or not for certain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// Its number, from 1.
    pub block: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Ca {
    /// What a start makes of `flotta-ca`.
    pub fn accept(pair: Pair<'_>) -> Result<Self, Vec<StartFault>> {
        let pair = read_pair(pair, [Entry::CaCertificate, Entry::CaKey], |_| None)?;
        let (trusted, passed_over) = trusted(pair.file);
        let signing = pair.leaf;
        let facts = CaFacts {
            key: signing.facts().key,
            signing: signing.facts().clone(),
            may_sign: signing.may_sign(),
            trusted,
            passed_over,
        };
        Ok(Self {
            facts,
            signing,
            bundle: pair.file.into(),
            key: pair.signer,
        })
    }

    /// What is known of it, without its key.
    pub fn facts(&self) -> &CaFacts {
        &self.facts
    }

    /// The certificate that signs.
    pub fn signing(&self) -> &Certificate {
        &self.signing
    }

    /// `ca.crt`, unchanged.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// The certificates of `ca.crt` as far as Go reads it: what the Edge API checks its backend's
    /// certificate against.
    pub fn roots(&self) -> Vec<CertificateDer<'static>> {
        pem::certificates_in_go(&self.bundle)
    }

    /// The authority as one that issues certificates.
    pub fn issuer(&self) -> Result<Issuer, IssueError> {
        Issuer::new(&self.signing, Arc::clone(&self.key))
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ca").field(&self.facts).finish()
    }
}

/// What a start makes of `flotta-host-certificate`: what devices see as server, and a backend as
/// client.
pub fn accept_host(pair: Pair<'_>) -> Result<Identity, Vec<StartFault>> {
    let entries = [Entry::HostCertificate, Entry::HostKey];
    let pair = read_pair(pair, entries, |label| {
        // The chain is read once more by Go's TLS library, which goes by labels.
        (label != CERTIFICATE).then(|| Reason::CertificateForm {
            label: label.to_owned(),
        })
    })?;
    let further = pem::certificates_in_go(pair.file).into_iter().skip(1);
    Ok(Identity::new(pair.leaf, further, pair.key))
}

/// A certificate with its key.
struct ReadPair<'a> {
    file: &'a [u8],
    leaf: Certificate,
    key: PrivateKeyDer<'static>,
    signer: Arc<dyn SigningKey>,
}

fn read_pair(
    pair: Pair<'_>,
    [certificate, key]: [Entry; 2],
    label_fault: impl Fn(&str) -> Option<Reason>,
) -> Result<ReadPair<'_>, Vec<StartFault>> {
    let fault = |entry, reason| StartFault { entry, reason };
    let leaf = pair.certificate.ok_or(Reason::NoEntry).and_then(|file| {
        let block = pem::first_block(file)?;
        if let Some(reason) = label_fault(&block.label) {
            return Err(reason);
        }
        Ok((file, Certificate::parse_strictly(block.content.into())?))
    });
    let signer = pair.key.ok_or(Reason::NoEntry).and_then(read_key);
    match (leaf, signer) {
        (Ok((file, leaf)), Ok((der, signer))) => {
            let public = signer.public_key().map(|spki| Fingerprint::of(&spki));
            if public == Some(leaf.facts().key) {
                return Ok(ReadPair {
                    file,
                    leaf,
                    key: der,
                    signer,
                });
            }
            let subject = leaf.facts().subject.clone();
            Err(vec![fault(key, Reason::KeyMismatch { subject })])
        }
        (leaf, signer) => {
            let of_certificate = leaf.err().map(|reason| fault(certificate, reason));
            let of_key = signer.err().map(|reason| fault(key, reason));
            Err(of_certificate.into_iter().chain(of_key).collect())
        }
    }
}

fn read_key(file: &[u8]) -> Result<(PrivateKeyDer<'static>, Arc<dyn SigningKey>), Reason> {
    let block = pem::first_block(file)?;
    let der: PrivateKeyDer<'static> = match block.label.as_str() {
        // The curve comes from the key itself or not at all.
        pem::SEC1 if names_curve(&block.content) => PrivateSec1KeyDer::from(block.content).into(),
        pem::SEC1 => return Err(Reason::Key),
        pem::PKCS1 => PrivatePkcs1KeyDer::from(block.content).into(),
        label => {
            let label = label.to_owned();
            return Err(Reason::KeyForm { label });
        }
    };
    let keys = aws_lc_rs::default_provider().key_provider;
    let signer = keys.load_private_key(der.clone_key()).map_err(|_| Reason::Key)?;
    Ok((der, signer))
}

/// Whether an ECPrivateKey (RFC 5915) has the optional parameters, and they are the name of a
/// curve.
fn names_curve(der: &[u8]) -> bool {
    let read = |der| {
        SliceReader::new(der)?.sequence(|key| {
            u8::decode(key)?;
            OctetStringRef::decode(key)?;
            let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(key, TagNumber::N0)?;
            key.read_slice(key.remaining_len())?;
            Ok(curve.is_some())
        })
    };
    read(der).unwrap_or(false)
}

fn trusted(file: &[u8]) -> (Vec<Facts>, Vec<PassedOver>) {
    let certificates = pem::certificates_in_go(file).into_iter();
    let trusted = certificates
        .filter_map(|der| Some(Certificate::parse_strictly(der).ok()?.facts().clone()))
        .collect();
    let judged = pem::strict_blocks(file).into_iter().enumerate();
    let passed_over = judged.filter_map(|(index, block)| {
        let reason = match block {
            Err(PemError::Malformed { reason, .. }) => reason.to_string(),
            Err(error) => error.to_string(),
            Ok(block) if block.label != CERTIFICATE => format!("it is {}", block.label),
            Ok(block) => Certificate::parse_strictly(block.content.into())
                .err()?
                .to_string(),
        };
        let block = index + 1;
        Some(PassedOver { block, reason })
    });
    (trusted, passed_over.collect())
}
