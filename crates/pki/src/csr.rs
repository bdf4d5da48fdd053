//! Certificate requests (PKCS#10, RFC 2986).
//!
//! The Edge API signs what a request asks for without verifying the request's own signature, so
//! whoever relies on a request's key does. What is accepted is what a Flotta agent can make and no
//! more: ECDSA on P-256 or P-384, RSA of 2048 to 4096 bits, Ed25519. Rejected: RSA-PSS, SHA-1,
//! other curves; no agent makes them.

use rustls::pki_types::{AlgorithmIdentifier, alg_id};
use x509_parser::{
    asn1_rs::Oid,
    certification_request::X509CertificationRequest,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
        OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
        OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ED25519,
    },
    prelude::FromDer as _,
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use crate::{
    Fingerprint,
    der::signed,
    pem::{self, PemError},
};

/// Smallest and largest RSA key, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A certificate request whose signature was made with the key that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCsr {
    /// SHA-256 of its DER SubjectPublicKeyInfo.
    pub key: Fingerprint,
    /// Common name of its subject; the last one if there are several, as Go reads it.
    pub subject_cn: Option<String>,
}

/// Why a certificate request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Not one PEM block.
    #[error("the certificate request cannot be read: {0}")]
    Pem(#[from] PemError),
    /// Not PKCS#10.
    #[error("the certificate request is not a PKCS#10 structure in DER")]
    Malformed,
    /// A key of a kind that no agent makes.
    #[error(
        "the certificate request's key is not accepted; use ECDSA on P-256 or P-384, RSA of 2048 to 4096 bits, or Ed25519"
    )]
    UnsupportedKey,
    /// A signature of a kind that no agent makes.
    #[error(
        "the certificate request's signature algorithm is not accepted; use SHA-256, SHA-384 or (with RSA) SHA-512"
    )]
    UnsupportedSignature,
    /// Signed with another key, or changed since.
    #[error("the certificate request is not signed with the key that it names")]
    BadSignature,
}

/// Reads a certificate request in PEM form and verifies that the holder of its key has signed it.
///
/// The label of the PEM block does not matter, as to the Edge API. Equal keys give equal
/// [`VerifiedCsr::key`]s.
pub fn verify(file: &[u8]) -> Result<VerifiedCsr, CsrError> {
    verify_der(&pem::single_block(file)?)
}

fn verify_der(der: &[u8]) -> Result<VerifiedCsr, CsrError> {
    let (_, csr) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
    let info = &csr.certification_request_info;
    let family = Family::of(&info.subject_pki).ok_or(CsrError::UnsupportedKey)?;
    let signature = &csr.signature_algorithm.algorithm;
    let (_, algorithm) = family
        .signatures()
        .iter()
        .find(|(oid, _)| oid == signature)
        .ok_or(CsrError::UnsupportedSignature)?;
    // The signature covers `info` alone, and the parser overlooks deviations in what is around it.
    if der != signed(info.raw, algorithm, &csr.signature_value.data) {
        return Err(CsrError::Malformed);
    }
    csr.verify_signature().map_err(|_| CsrError::BadSignature)?;
    let common_name = info.subject.iter_common_name().last();
    Ok(VerifiedCsr {
        key: Fingerprint::of(info.subject_pki.raw),
        subject_cn: common_name.and_then(|name| name.as_str().ok()).map(str::to_owned),
    })
}

/// A kind of key, and with it the signatures that it can make.
#[derive(Clone, Copy)]
enum Family {
    Ecdsa,
    Rsa,
    Ed25519,
}

impl Family {
    fn of(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let kind = &key.algorithm;
        if kind.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = kind.parameters.as_ref()?.as_oid().ok()?;
            (curve == OID_EC_P256 || curve == OID_NIST_EC_P384).then_some(Self::Ecdsa)
        } else if kind.algorithm == OID_PKCS1_RSAENCRYPTION {
            let Ok(PublicKey::RSA(key)) = key.parsed() else {
                return None;
            };
            // Without the zero that keeps the number positive.
            let modulus = key.modulus.strip_prefix(&[0]).unwrap_or(key.modulus);
            let bits = 8 * modulus.len() - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            RSA_BITS.contains(&bits).then_some(Self::Rsa)
        } else {
            (kind.algorithm == OID_SIG_ED25519).then_some(Self::Ed25519)
        }
    }

    /// The signatures that are accepted, each with the content of its AlgorithmIdentifier.
    fn signatures(self) -> &'static [(Oid<'static>, AlgorithmIdentifier)] {
        match self {
            Self::Ecdsa => {
                const {
                    &[
                        (OID_SIG_ECDSA_WITH_SHA256, alg_id::ECDSA_SHA256),
                        (OID_SIG_ECDSA_WITH_SHA384, alg_id::ECDSA_SHA384),
                    ]
                }
            }
            Self::Rsa => {
                const {
                    &[
                        (OID_PKCS1_SHA256WITHRSA, alg_id::RSA_PKCS1_SHA256),
                        (OID_PKCS1_SHA384WITHRSA, alg_id::RSA_PKCS1_SHA384),
                        (OID_PKCS1_SHA512WITHRSA, alg_id::RSA_PKCS1_SHA512),
                    ]
                }
            }
            Self::Ed25519 => const { &[(OID_SIG_ED25519, alg_id::ED25519)] },
        }
    }
}
