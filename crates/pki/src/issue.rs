//! Certificates issued by Flotta's CA: for our server, and for probes of the Edge API.
//!
//! Names are compared octet by octet by those who check a chain, so a certificate's issuer is cut
//! out of the CA's own certificate and never written anew; that is what rcgen cannot do
//! (`docs/decisions/0019-issuing-certificates.md`).

use std::{fmt, net::IpAddr, sync::Arc};

use aws_lc_rs::{
    rand,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use jiff::{SignedDuration, Timestamp};
use rustls::{
    SignatureScheme,
    crypto::aws_lc_rs as provider,
    pki_types::{AlgorithmIdentifier, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, alg_id},
    sign::SigningKey,
};
use x509_cert::der;

use crate::{
    certificate::{Certificate, CertificateError},
    der::{SEQUENCE, element, signed},
    identity::Identity,
};

mod profile;

use profile::Profile;

/// How long a server certificate is valid.
pub const SERVER_LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long a probe certificate is valid.
pub const PROBE_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How far the begin of a validity lies back, for clocks that are behind.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The CA's own certificate.
    #[error("the CA certificate cannot issue certificates: {0}")]
    Ca(#[from] CertificateError),
    /// Its usage.
    #[error("the CA certificate ({subject}) may not sign certificates; put the one that may first in ca.crt")]
    MayNotSign {
        /// Its subject.
        subject: String,
    },
    /// A CA key that makes none of the signatures that are known here.
    #[error("the CA key cannot sign certificates; use ECDSA on P-256, P-384 or P-521, or RSA")]
    Key,
    /// Nothing issued now would be valid.
    #[error("the CA certificate ({subject}) expired at {at}; renew it with the same key and subject")]
    Expired {
        /// Its subject.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// Nothing to write into the certificate.
    #[error("a server certificate needs at least one DNS name or IP address")]
    Nameless,
    /// A key or a random number could not be made.
    #[error("no key could be made for the certificate")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    /// The new key or the CA key failed.
    #[error("the certificate could not be signed: {0}")]
    Signing(#[from] rustls::Error),
    /// A value that certificates cannot hold.
    #[error("the certificate could not be written: {0}")]
    Encoding(#[from] der::Error),
}

/// The CA of the Edge API, as one that issues certificates. Shows nothing of its key.
#[derive(Clone)]
pub struct Issuer {
    /// Its subject as it stands in its certificate.
    name: Vec<u8>,
    subject: String,
    /// Its subject key identifier; Flotta's own CA has one.
    key_id: Option<Vec<u8>>,
    not_after: Timestamp,
    key: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
    algorithm: AlgorithmIdentifier,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// The signatures that a CA key may make, most usual first, each with the content of its
/// AlgorithmIdentifier.
const SIGNATURES: [(SignatureScheme, AlgorithmIdentifier); 4] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, alg_id::ECDSA_SHA256),
    (SignatureScheme::ECDSA_NISTP384_SHA384, alg_id::ECDSA_SHA384),
    (SignatureScheme::ECDSA_NISTP521_SHA512, alg_id::ECDSA_SHA512),
    (SignatureScheme::RSA_PKCS1_SHA256, alg_id::RSA_PKCS1_SHA256),
];

impl Issuer {
    pub(crate) fn new(certificate: &Certificate, key: Arc<dyn SigningKey>) -> Result<Self, IssueError> {
        let facts = certificate.facts();
        if !certificate.may_sign() {
            let subject = facts.subject.clone();
            return Err(IssueError::MayNotSign { subject });
        }
        let (scheme, algorithm) = SIGNATURES
            .into_iter()
            .find(|(scheme, _)| key.choose_scheme(&[*scheme]).is_some())
            .ok_or(IssueError::Key)?;
        let x509 = certificate.x509()?;
        Ok(Self {
            name: x509.subject().as_raw().to_vec(),
            subject: facts.subject.clone(),
            key_id: profile::subject_key_id(&x509),
            not_after: facts.not_after,
            key,
            scheme,
            algorithm,
        })
    }

    /// A certificate for a server of ours with these names, for a new key on P-256. Valid for
    /// [`SERVER_LIFE`], but not longer than the CA.
    ///
    /// The first name is the common name as well, if it is short enough to be one.
    pub fn server(&self, names: &[ServerName<'_>], now: Timestamp) -> Result<Identity, IssueError> {
        self.issue(&Profile::server(names)?, SERVER_LIFE, now)
    }

    /// A certificate to call the Edge API with as a device would: `CN=nonce, O=flotta-operator,
    /// OU=namespace`, both extended key usages, for a new key on P-256. Valid for [`PROBE_LIFE`].
    pub fn probe(&self, nonce: &str, namespace: &str, now: Timestamp) -> Result<Identity, IssueError> {
        self.issue(&Profile::probe(nonce, namespace), PROBE_LIFE, now)
    }

    fn issue(&self, profile: &Profile, life: SignedDuration, now: Timestamp) -> Result<Identity, IssueError> {
        if now >= self.not_after {
            return Err(IssueError::Expired {
                subject: self.subject.clone(),
                at: self.not_after,
            });
        }
        let from = now.saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        let until = now
            .saturating_add(life)
            .unwrap_or(Timestamp::MAX)
            .min(self.not_after);

        let key = new_key()?;
        let public = provider::default_provider()
            .key_provider
            .load_private_key(key.clone_key())?;
        let public = public.public_key().ok_or(IssueError::Key)?;

        let content = element(
            SEQUENCE,
            &[
                profile::VERSION_3,
                &profile::serial_number(random_serial()?)?,
                &element(SEQUENCE, &[&self.algorithm]),
                &self.name,
                &profile::validity(from, until)?,
                &profile.subject()?,
                &public,
                &profile.extensions(&public, self.key_id.as_deref())?,
            ],
        );
        let signer = self.key.choose_scheme(&[self.scheme]).ok_or(IssueError::Key)?;
        let signature = signer.sign(&content)?;
        let der = signed(&content, &self.algorithm, &signature);
        Ok(Identity::new(Certificate::parse(der.into())?, [], key))
    }
}

fn new_key() -> Result<PrivateKeyDer<'static>, IssueError> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let pkcs8 = key.to_pkcs8v1()?;
    Ok(PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec()).into())
}

/// Sixteen octets, of which 126 bits are random: positive, never shorter, never twice (RFC 5280,
/// 4.1.2.2).
fn random_serial() -> Result<[u8; 16], IssueError> {
    let mut serial = [0; 16];
    rand::fill(&mut serial)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}
