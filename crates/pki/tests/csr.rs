//! Certificate requests: those that agents make are accepted, everything else is refused and
//! nothing panics.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use flotta_pki::{
    Fingerprint,
    csr::{self, CsrError},
};
use proptest::prelude::*;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512,
    PublicKeyData as _, RsaKeySize, SignatureAlgorithm,
};

/// Written by Go 1.26's `x509.CreateCertificateRequest` as a Flotta agent calls it: P-256, common
/// name and organization.
const GO_CSR: &str = include_str!("data/go-p256.csr");
/// SHA-256 of what Go's `x509.MarshalPKIXPublicKey` wrote for its key.
const GO_KEY: &str = include_str!("data/go-p256.spki.sha256");

fn request(key: &KeyPair) -> (String, Vec<u8>) {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "flotta-operator");
    params.distinguished_name.push(DnType::CommonName, "device-1");
    let request = params.serialize_request(key).unwrap();
    (request.pem().unwrap(), request.der().to_vec())
}

fn pem(der: &[u8], label: &str) -> String {
    pem::encode(&pem::Pem::new(label, der))
}

fn accepts(algorithm: &'static SignatureAlgorithm) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    check(&key);
}

fn check(key: &KeyPair) {
    let verified = csr::verify(request(key).0.as_bytes()).unwrap();
    assert_eq!(verified.key, Fingerprint::of(&key.subject_public_key_info()));
    assert_eq!(verified.subject_cn.as_deref(), Some("device-1"));
}

#[test]
fn every_kind_of_key_that_an_agent_makes_is_accepted() {
    accepts(&PKCS_ECDSA_P256_SHA256);
    accepts(&PKCS_ECDSA_P384_SHA384);
    accepts(&PKCS_ED25519);
    for algorithm in [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384, &PKCS_RSA_SHA512] {
        check(&KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap());
    }
}

#[test]
fn a_request_made_by_go_is_accepted() {
    let verified = csr::verify(GO_CSR.as_bytes()).unwrap();
    assert_eq!(verified.key.to_string(), GO_KEY.trim());
    assert_eq!(verified.subject_cn.as_deref(), Some("0b4c2a7e"));
}

#[test]
fn other_kinds_of_keys_are_refused() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    assert_eq!(
        csr::verify(request(&key).0.as_bytes()),
        Err(CsrError::UnsupportedKey)
    );
}

#[test]
fn the_same_key_is_recognised_in_another_request() {
    let key = KeyPair::generate().unwrap();
    let (first, second) = (request(&key).0, request(&key).0);
    let verify = |pem: &str| csr::verify(pem.as_bytes()).unwrap().key;
    assert_eq!(verify(&first), verify(&second));
    assert_ne!(verify(&first), verify(&request(&KeyPair::generate().unwrap()).0));
}

#[test]
fn the_label_does_not_matter_and_the_number_of_blocks_does() {
    let (pem_text, der) = request(&KeyPair::generate().unwrap());
    assert!(csr::verify(pem(&der, "NEW CERTIFICATE REQUEST").as_bytes()).is_ok());
    assert!(csr::verify(pem(&der, "ANYTHING").as_bytes()).is_ok());
    assert!(matches!(
        csr::verify(pem_text.repeat(2).as_bytes()),
        Err(CsrError::Pem(_))
    ));
    assert!(matches!(csr::verify(b"no block"), Err(CsrError::Pem(_))));
    let mut longer = der;
    longer.push(0);
    assert_eq!(
        csr::verify(pem(&longer, "CERTIFICATE REQUEST").as_bytes()),
        Err(CsrError::Malformed)
    );
}

#[test]
fn the_subject_of_one_request_with_the_key_of_another_is_refused() {
    let (victim, forger) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (_, mut der) = request(&forger);
    let (theirs, ours) = (victim.public_key_raw(), forger.public_key_raw());
    let at = der.windows(ours.len()).position(|window| window == ours).unwrap();
    der[at..at + ours.len()].copy_from_slice(theirs);
    assert_eq!(
        csr::verify(pem(&der, "CERTIFICATE REQUEST").as_bytes()),
        Err(CsrError::BadSignature)
    );
}

/// Every single bit of a request is covered by its signature or by its form.
fn no_bit_can_be_flipped(key: &KeyPair) {
    let (_, der) = request(key);
    for bit in 0..der.len() * 8 {
        let mut flipped = der.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let outcome = csr::verify(pem(&flipped, "CERTIFICATE REQUEST").as_bytes());
        assert!(outcome.is_err(), "bit {bit} of {} bytes: {outcome:?}", der.len());
    }
}

#[test]
fn no_bit_of_an_ecdsa_request_can_be_flipped() {
    no_bit_can_be_flipped(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
}

#[test]
fn no_bit_of_an_rsa_request_can_be_flipped() {
    no_bit_can_be_flipped(&KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
}

#[test]
fn no_bit_of_an_ed25519_request_can_be_flipped() {
    no_bit_can_be_flipped(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(csr::verify(&bytes).is_err());
        prop_assert!(csr::verify(pem(&bytes, "CERTIFICATE REQUEST").as_bytes()).is_err());
    }

    #[test]
    fn a_request_that_was_cut_and_overwritten_is_refused(
        keep in 0.0..1.0_f64,
        at in 0.0..1.0_f64,
        garbage in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        let der = request(&KeyPair::generate().unwrap()).1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "below 1000")]
        let part = |share: f64| (der.len() as f64 * share) as usize;
        prop_assert!(csr::verify(pem(&der[..part(keep)], "CERTIFICATE REQUEST").as_bytes()).is_err());
        let mut overwritten = der.clone();
        let begin = part(at);
        let end = (begin + garbage.len()).min(der.len());
        overwritten[begin..end].copy_from_slice(&garbage[..end - begin]);
        prop_assume!(overwritten != der);
        prop_assert!(csr::verify(pem(&overwritten, "CERTIFICATE REQUEST").as_bytes()).is_err());
    }
}
