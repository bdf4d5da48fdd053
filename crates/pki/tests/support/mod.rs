//! Material as Flotta and its administrators make it, made with other libraries than the one under
//! test.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "a module of several test binaries, each of which uses what it needs"
)]

use std::fmt::Write as _;

use aws_lc_rs::{
    encoding::{AsDer as _, EcPrivateKeyRfc5915Der, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use flotta_pki::edge_api::{Ca, Pair, Secret};
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use x509_cert::{
    TbsCertificate, Version,
    attr::AttributeTypeAndValue,
    der::{
        Any, DateTime, Decode as _, Encode as _, Tag,
        asn1::{BitString, OctetString, SetOfVec, UtcTime},
        oid::{
            AssociatedOid as _,
            db::{rfc4519, rfc5912},
        },
    },
    ext::{
        Extension,
        pkix::{BasicConstraints as BasicConstraintsExtension, SubjectKeyIdentifier},
    },
    name::{RdnSequence, RelativeDistinguishedName},
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::{Time, Validity},
};
use x509_parser::{
    extensions::ParsedExtension,
    prelude::{FromDer as _, X509Certificate},
};

/// A time at which all of it is valid that is not said to be otherwise.
pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    P256,
    P384,
    Rsa,
}

pub fn key(kind: Kind) -> KeyPair {
    match kind {
        Kind::P256 => KeyPair::generate().unwrap(),
        Kind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
        Kind::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
    }
}

pub fn block(label: &str, content: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, content), lines)
}

/// SEC 1 or PKCS#1, the forms that Flotta reads.
pub fn traditional(key: &KeyPair) -> String {
    let der = key.serialized_der();
    if key.is_compatible(&PKCS_RSA_SHA256) {
        // PKCS#8 is a head of 26 octets around a PKCS#1 key of this size.
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

/// Go writes PrintableString.
pub fn printable(text: &str) -> DnValue {
    DnValue::PrintableString(text.try_into().unwrap())
}

pub fn ca_params(organization: DnValue, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, organization);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    both_usages(params)
}

pub fn host_params(names: &[&str], (from, to): (i32, i32)) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "*");
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    both_usages(params)
}

fn both_usages(mut params: CertificateParams) -> CertificateParams {
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    params
}

/// Certificate and key of one of the two Secrets, as PEM.
#[derive(Clone, Debug)]
pub struct Files {
    pub certificate: String,
    pub key: String,
}

impl Files {
    pub fn pair(&self) -> Pair<'_> {
        Pair {
            certificate: Some(self.certificate.as_bytes()),
            key: Some(self.key.as_bytes()),
        }
    }

    pub fn secret(&self) -> Secret<'_> {
        Secret::Present(self.pair())
    }
}

/// A CA as Flotta makes it, and the means to issue with it.
pub struct Authority {
    pub params: CertificateParams,
    pub key: KeyPair,
    pub files: Files,
}

impl Authority {
    pub fn new(kind: Kind) -> Self {
        Self::with(kind, printable("flotta-operator"), (2026, 2036))
    }

    pub fn with(kind: Kind, organization: DnValue, years: (i32, i32)) -> Self {
        let (params, key) = (ca_params(organization, years), key(kind));
        let files = Files {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: traditional(&key),
        };
        Self { params, key, files }
    }

    pub fn host(&self, params: &CertificateParams, key: &KeyPair) -> Files {
        let issuer = Issuer::from_params(&self.params, &self.key);
        Files {
            certificate: params.signed_by(key, &issuer).unwrap().pem(),
            key: traditional(key),
        }
    }

    pub fn accepted(&self) -> Ca {
        Ca::accept(self.files.pair()).unwrap()
    }
}

/// One authority for tests that need no other.
pub fn shared_authority() -> &'static Authority {
    static SHARED: std::sync::LazyLock<Authority> = std::sync::LazyLock::new(|| Authority::new(Kind::P256));
    &SHARED
}

/// Subjects in DER as somebody's own CA may have them: several attributes of one kind, several in
/// one set, each type of string.
pub fn subjects() -> impl Strategy<Value = Vec<u8>> {
    let attribute = (
        prop_oneof![
            Just(rfc4519::O),
            Just(rfc4519::OU),
            Just(rfc4519::CN),
            Just(rfc4519::DC)
        ],
        prop_oneof![
            Just(Tag::PrintableString),
            Just(Tag::Utf8String),
            Just(Tag::Ia5String),
            Just(Tag::TeletexString)
        ],
        "[a-zA-Z0-9 ]{1,20}",
    );
    let attribute = attribute.prop_map(|(oid, tag, value)| AttributeTypeAndValue {
        oid,
        value: Any::new(tag, value.into_bytes()).unwrap(),
    });
    let set = vec(attribute, 1..3).prop_filter_map("attributes of a set differ", |attributes| {
        Some(RelativeDistinguishedName(SetOfVec::try_from(attributes).ok()?))
    });
    vec(set, 1..5).prop_map(|sets| RdnSequence(sets).to_der().unwrap())
}

/// A self-signed CA with exactly this subject and subject key identifier.
pub fn ca_with_subject(subject: &[u8], key_id: Option<&[u8]>) -> Files {
    let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let sec1: EcPrivateKeyRfc5915Der<'_> = signer.private_key().as_der().unwrap();
    let public: PublicKeyX509Der<'_> = signer.public_key().as_der().unwrap();
    let algorithm = AlgorithmIdentifierOwned {
        oid: rfc5912::ECDSA_WITH_SHA_256,
        parameters: None,
    };
    let time = |year| {
        let time = DateTime::new(year, 1, 1, 0, 0, 0).unwrap();
        Time::UtcTime(UtcTime::from_date_time(time).unwrap())
    };
    let extension = |oid, critical, value: Vec<u8>| Extension {
        extn_id: oid,
        critical,
        extn_value: OctetString::new(value).unwrap(),
    };
    let constraints = BasicConstraintsExtension {
        ca: true,
        path_len_constraint: None,
    };
    let mut extensions = vec![extension(
        BasicConstraintsExtension::OID,
        true,
        constraints.to_der().unwrap(),
    )];
    if let Some(key_id) = key_id {
        let key_id = SubjectKeyIdentifier(OctetString::new(key_id).unwrap());
        extensions.push(extension(
            SubjectKeyIdentifier::OID,
            false,
            key_id.to_der().unwrap(),
        ));
    }
    let content: TbsCertificate = TbsCertificate {
        version: Version::V3,
        serial_number: 1_u32.into(),
        signature: algorithm.clone(),
        issuer: RdnSequence::from_der(subject).unwrap(),
        validity: Validity {
            not_before: time(2026),
            not_after: time(2036),
        },
        subject: RdnSequence::from_der(subject).unwrap(),
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(public.as_ref()).unwrap(),
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    };
    let signature = signer
        .sign(&SystemRandom::new(), &content.to_der().unwrap())
        .unwrap();
    let certificate = x509_cert::Certificate {
        tbs_certificate: content,
        signature_algorithm: algorithm,
        signature: BitString::from_bytes(signature.as_ref()).unwrap(),
    };
    Files {
        certificate: block("CERTIFICATE", &certificate.to_der().unwrap()),
        key: block("EC PRIVATE KEY", sec1.as_ref()),
    }
}

/// The key identifier of the authority that a certificate names.
pub fn authority_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => Some(id.key_identifier.as_ref()?.0.to_vec()),
            _ => None,
        })
}

/// All that a certificate says, with its random parts replaced by what they are compared with.
pub fn text(identity: &flotta_pki::Identity, authority: &Authority) -> String {
    let der = identity.leaf().der();
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let ca = authority.accepted();
    let (_, ca) = X509Certificate::from_der(ca.signing().der()).unwrap();
    let ca_id = ca
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
    let facts = identity.facts();
    let mut text = format!(
        "version: {}\nserial: {} octets\nsignature: {}\nissuer: {}\nnot before: {}\nnot after: {}\nsubject: {}\nkey: {:?}\n",
        certificate.version(),
        certificate.raw_serial().len(),
        certificate.signature_algorithm.algorithm,
        facts.issuer,
        facts.not_before,
        facts.not_after,
        certificate.subject(),
        certificate
            .public_key()
            .algorithm
            .parameters
            .as_ref()
            .unwrap()
            .as_oid()
            .unwrap(),
    );
    for extension in certificate.extensions() {
        let value = match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => usage.to_string(),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                format!(
                    "server {}, client {}, any {}",
                    usage.server_auth, usage.client_auth, usage.any
                )
            }
            ParsedExtension::SubjectKeyIdentifier(id) => format!("subject key id, {} octets", id.0.len()),
            ParsedExtension::AuthorityKeyIdentifier(id) => format!(
                "authority key id, the CA's: {}",
                id.key_identifier.as_ref().map(|id| id.0.to_vec()) == ca_id
            ),
            ParsedExtension::SubjectAlternativeName(_) => facts.names.join(", "),
            other => format!("{other:?}"),
        };
        let critical = if extension.critical { " (critical)" } else { "" };
        writeln!(text, "extension {}{critical}: {value}", extension.oid).unwrap();
    }
    text
}
