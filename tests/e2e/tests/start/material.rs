//! The two Secrets and what they are made of, with other libraries than the one under test.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, date_time_ymd,
};

/// The entries of a Secret.
pub(crate) type Entries = BTreeMap<String, String>;

/// A certificate and its key in PEM.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Files {
    fn entries(&self, stem: &str) -> Entries {
        let entries = [("crt", &self.certificate), ("key", &self.key)];
        entries
            .map(|(ending, text)| (format!("{stem}.{ending}"), text.clone()))
            .into()
    }

    pub(crate) fn ca(&self) -> Entries {
        self.entries("ca")
    }

    pub(crate) fn host(&self) -> Entries {
        self.entries("server")
    }

    pub(crate) fn with_certificate(&self, certificate: impl Into<String>) -> Self {
        Self {
            certificate: certificate.into(),
            ..self.clone()
        }
    }

    pub(crate) fn with_key(&self, key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            ..self.clone()
        }
    }
}

/// A CA with its files.
pub(crate) struct Authority {
    params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) files: Files,
}

impl Authority {
    pub(crate) fn new(key: KeyPair, years: (i32, i32)) -> Self {
        let mut params = params("flotta-operator", years);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap().pem();
        let files = Files {
            certificate,
            key: traditional(&key),
        };
        Self { params, key, files }
    }

    pub(crate) fn host(&self, key: &KeyPair, years: (i32, i32)) -> Files {
        let certificate = params("host", years)
            .signed_by(key, &Issuer::from_params(&self.params, &self.key))
            .unwrap()
            .pem();
        Files {
            certificate,
            key: traditional(key),
        }
    }
}

fn params(organization: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params =
        CertificateParams::new(vec!["project-flotta.io".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, organization);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

/// A PEM block.
pub(crate) fn block(label: &str, content: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, content), lines)
}

/// SEC 1 or PKCS#1.
fn traditional(key: &KeyPair) -> String {
    let der = key.serialized_der();
    if key.is_compatible(&PKCS_RSA_SHA256) {
        // PKCS#8 is a head of 26 octets around a PKCS#1 key of 2048 bits.
        return block("RSA PRIVATE KEY", &der[26..]);
    }
    let algorithm = if key.is_compatible(&PKCS_ECDSA_P384_SHA384) {
        &ECDSA_P384_SHA384_ASN1_SIGNING
    } else {
        &ECDSA_P256_SHA256_ASN1_SIGNING
    };
    let key = EcdsaKeyPair::from_private_key_der(algorithm, der).unwrap();
    let sec1: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
    block("EC PRIVATE KEY", sec1.as_ref())
}

/// A key on P-256 in SEC 1 without the name of its curve.
pub(crate) fn without_curve(sec1: &str) -> String {
    let der = pem::parse(sec1).unwrap().into_contents();
    // A sequence of the version and 32 octets; what follows is optional.
    let mut short = der[..39].to_vec();
    short[1] = 37;
    block("EC PRIVATE KEY", &short)
}

pub(crate) fn p256() -> KeyPair {
    KeyPair::generate().unwrap()
}

pub(crate) fn p384() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

/// With 2048 bits.
pub(crate) fn rsa() -> KeyPair {
    KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()
}

pub(crate) fn ed25519() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).unwrap()
}

/// Years that today lies between.
pub(crate) const NOW: (i32, i32) = (2020, 2090);
/// Years before today.
pub(crate) const PAST: (i32, i32) = (2010, 2011);
