//! What a TLS server is given in files, checked before use: each function reports all that is
//! wrong, not the first.
//!
//! A file that cannot be read whole is refused. A server that has nothing else to serve with may
//! take it in part (`in_part`), or a file that it began to serve with before files were read
//! strictly would keep it from starting again.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use rustls::{
    Error, InconsistentKeys, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer, sign::CertifiedKey,
};

use crate::{
    certificate::{Certificate, CertificateError, Facts},
    pem::{self, PemError},
};

/// Why a file of a set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaterialFault {
    /// The file as such.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// One certificate of it.
    #[error("certificate {position}: {error}")]
    Certificate {
        /// Its position, from 1.
        position: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// A key that cannot be used for signing.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// A key of another certificate.
    #[error("the private key does not belong to the certificate ({subject}); replace both together")]
    KeyMismatch {
        /// The certificate's subject.
        subject: String,
    },
    /// The end of the validity has passed.
    #[error("the certificate ({subject}) expired at {at}")]
    Expired {
        /// The certificate's subject.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// The validity has not begun.
    #[error("the certificate ({subject}) is not valid before {at}")]
    NotYetValid {
        /// The certificate's subject.
        subject: String,
        /// When it begins.
        at: Timestamp,
    },
    /// Clients check the host name against the subject alternative name only.
    #[error("the certificate ({subject}) has no DNS name or IP address that a client could check")]
    Nameless {
        /// The certificate's subject.
        subject: String,
    },
    /// An extended key usage without serverAuth.
    #[error(
        "the certificate ({subject}) may not be used by a server (its extended key usage lacks serverAuth)"
    )]
    NotForServers {
        /// The certificate's subject.
        subject: String,
    },
    /// Something else in a bundle of CAs.
    #[error("certificate {position} ({subject}) is not a CA")]
    NotCa {
        /// Its position, from 1.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// A CA that the TLS library does not take.
    #[error("certificate {position} ({subject}) cannot be trusted: {reason}")]
    Untrustable {
        /// Its position, from 1.
        position: usize,
        /// Its subject.
        subject: String,
        /// Why not.
        reason: String,
    },
}

/// What is wrong with a chain, and what with its key.
type OfChainAndKey = (Vec<MaterialFault>, Vec<MaterialFault>);

/// A server's certificate chain with its key.
pub struct ServerIdentity {
    chain: Vec<Certificate>,
    key: Arc<CertifiedKey>,
}

impl ServerIdentity {
    /// Reads and checks a chain (the server's own certificate first) and its key. All faults are
    /// reported: those of the chain and those of the key, in this order.
    pub fn check(chain: &[u8], key: &[u8], now: Timestamp) -> Result<Self, OfChainAndKey> {
        let (chain, faults) = read(chain);
        Self::of(chain, faults, key, now)
    }

    /// The same for a chain that cannot be read whole: as far as it was read before reading was
    /// strict, with what is wrong with it. Only this server reads it, and clients say so when a
    /// certificate is missing.
    pub fn in_part(
        chain: &[u8],
        key: &[u8],
        now: Timestamp,
    ) -> Result<(Self, Vec<MaterialFault>), OfChainAndKey> {
        let (chain, faults) = as_far_as(chain, pem::certificates_as_before);
        if chain.is_empty() {
            return Self::of(chain, faults, key, now).map(|identity| (identity, Vec::new()));
        }
        match Self::of(chain, Vec::new(), key, now) {
            Ok(identity) => Ok((identity, faults)),
            Err((of_chain, of_key)) => Err((joined(faults, of_chain), of_key)),
        }
    }

    fn of(
        chain: Vec<Certificate>,
        mut chain_faults: Vec<MaterialFault>,
        key: &[u8],
        now: Timestamp,
    ) -> Result<Self, OfChainAndKey> {
        if let Some(leaf) = chain.first() {
            chain_faults.extend(server_faults(leaf.facts(), now));
        }
        let signer = pem::private_key(key)
            .map_err(MaterialFault::from)
            .and_then(|key| {
                let provider = aws_lc_rs::default_provider();
                provider
                    .key_provider
                    .load_private_key(key)
                    .map_err(|error| MaterialFault::Key(error.to_string()))
            });
        let signer = match signer {
            Ok(signer) => signer,
            Err(fault) => return Err((chain_faults, vec![fault])),
        };
        let ders = chain
            .iter()
            .map(|certificate| certificate.der().clone())
            .collect();
        let key = Arc::new(CertifiedKey::new(ders, signer));
        let key_fault = match key.keys_match() {
            // Without a certificate, the chain's own faults say so.
            Ok(()) | Err(Error::NoCertificatesPresented) => None,
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Some(MaterialFault::KeyMismatch {
                subject: chain
                    .first()
                    .map(|leaf| leaf.facts().subject.clone())
                    .unwrap_or_default(),
            }),
            Err(error) => Some(MaterialFault::Key(error.to_string())),
        };
        if chain_faults.is_empty() && key_fault.is_none() {
            Ok(Self { chain, key })
        } else {
            Err((chain_faults, key_fault.into_iter().collect()))
        }
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> &Facts {
        // A checked chain is not empty.
        self.chain[0].facts()
    }

    /// The chain and key in the form that `rustls` serves.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// The CAs that client certificates are checked against; at least one of them is valid.
#[derive(Clone, Debug)]
pub struct TrustBundle {
    certificates: Vec<Certificate>,
    roots: Arc<RootCertStore>,
}

impl TrustBundle {
    /// Reads and checks a bundle.
    ///
    /// A CA outside its validity at `now` is left out of [`TrustBundle::roots`], since the TLS
    /// library does not look at a root's validity. It is a fault only when no other is left: a
    /// renewed CA stands beside its expired predecessor for a while.
    pub fn check(bundle: &[u8], now: Timestamp) -> Result<Self, Vec<MaterialFault>> {
        let (certificates, faults) = read(bundle);
        Self::of(certificates, faults, now)
    }

    /// The same for a bundle that cannot be read whole: as far as Go reads it, and so the Edge API,
    /// with what is wrong with it. A bundle of which Go reads nothing is refused.
    pub fn in_part(bundle: &[u8], now: Timestamp) -> Result<(Self, Vec<MaterialFault>), Vec<MaterialFault>> {
        let (certificates, faults) = as_far_as(bundle, pem::certificates_in_go);
        if certificates.is_empty() {
            return Err(faults);
        }
        match Self::of(certificates, Vec::new(), now) {
            Ok(bundle) => Ok((bundle, faults)),
            Err(others) => Err(joined(faults, others)),
        }
    }

    fn of(
        certificates: Vec<Certificate>,
        mut faults: Vec<MaterialFault>,
        now: Timestamp,
    ) -> Result<Self, Vec<MaterialFault>> {
        let (mut roots, mut unusable) = (RootCertStore::empty(), Vec::new());
        for (index, certificate) in certificates.iter().enumerate() {
            let (position, facts) = (index + 1, certificate.facts());
            if !facts.ca {
                faults.push(MaterialFault::NotCa {
                    position,
                    subject: facts.subject.clone(),
                });
            } else if let Some(fault) = validity_fault(facts, now) {
                unusable.push(fault);
            } else if let Err(error) = roots.add(certificate.der().clone()) {
                let (subject, reason) = (facts.subject.clone(), error.to_string());
                faults.push(MaterialFault::Untrustable {
                    position,
                    subject,
                    reason,
                });
            }
        }
        if roots.is_empty() {
            faults.append(&mut unusable);
        }
        if faults.is_empty() {
            Ok(Self {
                certificates,
                roots: Arc::new(roots),
            })
        } else {
            Err(faults)
        }
    }

    /// Every certificate of the bundle, in its order, those outside their validity included.
    pub fn certificates(&self) -> impl Iterator<Item = &Facts> {
        self.certificates.iter().map(Certificate::facts)
    }

    /// Those that were valid, as roots for `rustls`.
    pub fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }
}

/// The certificates of a file, and all that keeps it from being read whole.
fn read(file: &[u8]) -> (Vec<Certificate>, Vec<MaterialFault>) {
    match pem::certificates(file) {
        Ok(ders) => parsed(ders),
        Err(faults) => (Vec::new(), faults.into_iter().map(MaterialFault::from).collect()),
    }
}

/// The same, with the certificates that another reader finds where the file cannot be read whole.
fn as_far_as(
    file: &[u8],
    reader: impl Fn(&[u8]) -> Vec<CertificateDer<'static>>,
) -> (Vec<Certificate>, Vec<MaterialFault>) {
    let (whole, mut faults) = read(file);
    if faults.is_empty() {
        return (whole, faults);
    }
    let (certificates, further) = parsed(reader(file));
    for fault in further {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    (certificates, faults)
}

fn parsed(ders: Vec<CertificateDer<'static>>) -> (Vec<Certificate>, Vec<MaterialFault>) {
    let (mut certificates, mut faults) = (Vec::new(), Vec::new());
    for (index, der) in ders.into_iter().enumerate() {
        let position = index + 1;
        match Certificate::parse(der) {
            Ok(certificate) => certificates.push(certificate),
            Err(error) => faults.push(MaterialFault::Certificate { position, error }),
        }
    }
    (certificates, faults)
}

fn joined(mut faults: Vec<MaterialFault>, others: Vec<MaterialFault>) -> Vec<MaterialFault> {
    faults.extend(others);
    faults
}

fn server_faults(leaf: &Facts, now: Timestamp) -> Vec<MaterialFault> {
    let subject = || leaf.subject.clone();
    let mut faults: Vec<_> = validity_fault(leaf, now).into_iter().collect();
    if leaf.names.is_empty() {
        faults.push(MaterialFault::Nameless { subject: subject() });
    }
    if !leaf.server_auth {
        faults.push(MaterialFault::NotForServers { subject: subject() });
    }
    faults
}

fn validity_fault(facts: &Facts, now: Timestamp) -> Option<MaterialFault> {
    let subject = || facts.subject.clone();
    if now > facts.not_after {
        Some(MaterialFault::Expired {
            subject: subject(),
            at: facts.not_after,
        })
    } else if now < facts.not_before {
        Some(MaterialFault::NotYetValid {
            subject: subject(),
            at: facts.not_before,
        })
    } else {
        None
    }
}
