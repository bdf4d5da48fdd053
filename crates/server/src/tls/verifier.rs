//! Lets in callers whose certificate is valid and whose public key is pinned.
//!
//! The chain is bounded before it is read (`pki::presented`), and the key of the leaf is compared
//! last: a certificate with a pinned key in it costs a stranger nothing, so comparing it first
//! would spare no work, and would hide from an operator what else is wrong with a host certificate.

use std::{error::Error as StdError, fmt, sync::Arc};

use pki::{Fingerprint, Pins, TrustBundle, presented};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

/// SHA-256 of a certificate's public key; `None` if it is no certificate.
pub fn key_of(certificate: &CertificateDer<'_>) -> Option<Fingerprint> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(Fingerprint::of(&parsed.subject_public_key_info()))
}

/// The certificate is valid, and its key is not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPinned {
    /// SHA-256 of the key.
    pub key: Fingerprint,
}

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the public key {} is not pinned", self.key)
    }
}

impl StdError for NotPinned {}

fn refused(reason: impl StdError + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

/// The ordinary verifier with a bound in front of it and the pins behind it.
#[derive(Debug)]
pub(super) struct PinnedClients {
    chain: Arc<dyn ClientCertVerifier>,
    pins: Pins,
}

impl PinnedClients {
    pub(super) fn new(
        bundle: &TrustBundle,
        pins: Pins,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let chain = WebPkiClientVerifier::builder_with_provider(bundle.roots(), provider).build()?;
        Ok(Self { chain, pins })
    }
}

impl ClientCertVerifier for PinnedClients {
    /// The subjects of the bundle: the Edge API presents its certificate only to a server that
    /// names its issuer.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        presented::is_bounded(chain.map(AsRef::as_ref)).map_err(refused)?;
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        let key = key_of(end_entity).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.pins.contains(&key) {
            return Ok(verified);
        }
        Err(refused(NotPinned { key }))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
