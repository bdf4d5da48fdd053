//! TLS as a Go program does it with Flotta's certificates, on both sides of the Edge API.
//!
//! Where rustls by itself is more lenient than Go it is made as strict: a root outside its
//! validity, or one that may not sign or not for servers, proves nothing; and a certificate is
//! shown only to a server that asks for its issuer's. Where rustls is stricter (a CA as server
//! certificate, RSA keys under 2048 bits, SHA-1) it stays so.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use pki::{Certificate, Fingerprint, Identity, presented};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    OtherError, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use crate::fault::Fault;

/// Whom a connection is for.
#[derive(Debug)]
pub(crate) enum Trust {
    /// A server with a certificate of one of these CAs, for the name that it is called by.
    Authorities(Vec<Certificate>),
    /// A server with exactly this certificate, whatever it says.
    Exactly(Box<Certificate>),
}

/// One side of connections: whom to trust, and what to show.
#[derive(Debug)]
pub(crate) struct Tls {
    pub config: Arc<ClientConfig>,
    pub name: ServerName<'static>,
    shown: Arc<Shown>,
}

impl Tls {
    /// `what` names the identity in errors.
    pub(crate) fn new(
        name: &str,
        trust: Trust,
        (what, identity): (&'static str, &Identity),
        alpn: &[&str],
    ) -> Result<Self, Fault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let material = |what, reason: String| Fault::Material { what, reason };
        let name = ServerName::try_from(name)
            .map_err(|_| Fault::Url(format!("{name:?} is neither a DNS name nor an address")))?
            .to_owned();
        let shown = Arc::new(Shown::new(identity, &provider).map_err(|reason| material(what, reason))?);
        let verifier = Arc::new(Verifier {
            trust,
            provider: Arc::clone(&provider),
        });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| material("TLS 1.3", error.to_string()))?;
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesClientCert>);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        // A resumed session would prove that an earlier handshake worked.
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            name,
            shown,
        })
    }

    /// What a failed read, write or handshake means; `None` if TLS is not the reason.
    pub(crate) fn fault(&self, error: &io::Error) -> Option<Fault> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => reason
                .downcast_ref::<Fault>()
                .cloned()
                .unwrap_or_else(|| Fault::BadCertificate(error.to_string())),
            Error::InvalidCertificate(reason) => Fault::BadCertificate(reason.to_string()),
            Error::AlertReceived(alert) => self.alert(*alert),
            Error::PeerIncompatible(_) => Fault::NotTls13,
            Error::InvalidMessage(_) => Fault::NotTls,
            error => Fault::Handshake(error.to_string()),
        })
    }

    fn alert(&self, alert: AlertDescription) -> Fault {
        use AlertDescription as Alert;
        let name = format!("{alert:?}");
        match alert {
            Alert::ProtocolVersion => Fault::NotTls13,
            Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            // Of a CA with the right name and another key, as all of Flotta's are.
            | Alert::DecryptError
            | Alert::CertificateRequired => self.shown.refused(name),
            _ => Fault::Handshake(format!("alert {name}")),
        }
    }
}

/// A client certificate with its key, shown to those who ask for it.
#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    /// The issuers of the chain's certificates.
    issuers: Vec<DistinguishedName>,
    /// For messages.
    issuer: String,
    public_key: Fingerprint,
    withheld: AtomicBool,
}

impl Shown {
    fn new(identity: &Identity, provider: &CryptoProvider) -> Result<Self, String> {
        let chain = identity.chain();
        let issuers = chain
            .iter()
            .map(|certificate| Certificate::parse(certificate.clone())?.issuer_der())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let key = provider.key_provider.load_private_key(identity.private_key());
        let facts = identity.facts();
        Ok(Self {
            key: Arc::new(CertifiedKey::new(chain, key.map_err(|error| error.to_string())?)),
            issuers: issuers.into_iter().map(DistinguishedName::from).collect(),
            issuer: facts.issuer.clone(),
            public_key: facts.key,
            withheld: AtomicBool::new(false),
        })
    }

    fn refused(&self, alert: String) -> Fault {
        if self.withheld.load(Ordering::Relaxed) {
            Fault::Withheld {
                issuer: self.issuer.clone(),
            }
        } else {
            Fault::CertificateRefused {
                alert,
                key: self.public_key,
            }
        }
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, acceptable: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let asked_for = acceptable.is_empty()
            || self
                .issuers
                .iter()
                .any(|issuer| acceptable.contains(&issuer.as_ref()));
        self.withheld.store(!asked_for, Ordering::Relaxed);
        asked_for.then(|| Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Fault> {
        let served = Certificate::parse(leaf.clone().into_owned())
            .map_err(|error| Fault::BadCertificate(error.to_string()))?;
        let authorities = match &self.trust {
            Trust::Authorities(authorities) => authorities,
            Trust::Exactly(intended) if intended.der() == served.der() => return Ok(()),
            Trust::Exactly(intended) => {
                return Err(Fault::OtherLeaf {
                    served: Box::new(served.facts().clone()),
                    intended: intended.facts().fingerprint,
                });
            }
        };
        // Before a path is sought through them, which takes time without bound.
        let chain = std::iter::once(leaf).chain(intermediates);
        presented::is_bounded(chain.map(AsRef::as_ref))
            .map_err(|error| Fault::BadCertificate(error.to_string()))?;
        let parsed =
            ParsedCertificate::try_from(leaf).map_err(|error| Fault::BadCertificate(error.to_string()))?;
        let chains_to = |authorities: &[&Certificate]| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(authorities.iter().map(|authority| authority.der().clone()));
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms)
        };
        let (usable, unusable) = usable(authorities, now);
        if let Err(error) = chains_to(&usable) {
            let unusable = unusable
                .into_iter()
                .find(|(authority, _)| chains_to(&[authority]).is_ok());
            return Err(match unusable {
                Some((authority, reason)) => Fault::UnusableCa {
                    ca: authority.facts().subject.clone(),
                    reason,
                },
                None => chain_fault(&error, &served),
            });
        }
        verify_server_name(&parsed, name).map_err(|error| match error {
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Fault::WrongName {
                host: name.to_str().into_owned(),
                names: served.facts().names.clone(),
            },
            error => Fault::BadCertificate(error.to_string()),
        })
    }
}

/// Those that Go builds chains to, and why not to the others (`Certificate.isValid` and
/// `CheckSignatureFrom` of `crypto/x509`).
fn usable(
    authorities: &[Certificate],
    now: UnixTime,
) -> (Vec<&Certificate>, Vec<(&Certificate, &'static str)>) {
    let now = i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX);
    let (mut usable, mut unusable) = (Vec::new(), Vec::new());
    for authority in authorities {
        let facts = authority.facts();
        if now > facts.not_after {
            unusable.push((authority, "it has expired"));
        } else if now < facts.not_before {
            unusable.push((authority, "it is not valid yet"));
        } else if !authority.may_sign() {
            unusable.push((authority, "it may not sign certificates"));
        } else if !facts.server_auth {
            unusable.push((authority, "its extended key usage lacks serverAuth"));
        } else {
            usable.push(authority);
        }
    }
    (usable, unusable)
}

fn chain_fault(error: &Error, served: &Certificate) -> Fault {
    let facts = served.facts();
    let subject = facts.subject.clone();
    let Error::InvalidCertificate(reason) = error else {
        return Fault::BadCertificate(error.to_string());
    };
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::OtherCa {
            subject,
            issuer: facts.issuer.clone(),
        },
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Fault::Expired {
            subject,
            at: facts.not_after,
        },
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Fault::NotYetValid {
            subject,
            at: facts.not_before,
        },
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Fault::NotForServers { subject }
        }
        reason => Fault::BadCertificate(reason.to_string()),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.check(leaf, intermediates, name, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            // Taken out again by `Tls::fault`.
            Err(fault) => Err(CertificateError::Other(OtherError(Arc::new(fault))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
