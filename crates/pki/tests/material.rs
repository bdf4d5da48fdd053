//! Material as Flotta makes it is accepted; what could not be served with is refused with all its
//! faults.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use flotta_pki::{Fingerprint, MaterialFault, ServerIdentity, TrustBundle, pem::PemError};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn named(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

fn ca(name: &str, years: (i32, i32)) -> String {
    let mut params = named(name, years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

fn server(years: (i32, i32)) -> CertificateParams {
    let mut params = named("server", years);
    params.subject_alt_names = vec![rcgen::SanType::DnsName("backend.flotta.svc".try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn check(chain: &str, key: &str) -> Result<ServerIdentity, (Vec<MaterialFault>, Vec<MaterialFault>)> {
    ServerIdentity::check(chain.as_bytes(), key.as_bytes(), now())
}

#[test]
fn a_chain_with_its_key_is_accepted() {
    let mut authority = named("ca", (2026, 2036));
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(authority, ca_key);
    for key in [
        KeyPair::generate().unwrap(),
        KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
    ] {
        let leaf = server((2026, 2027)).signed_by(&key, &issuer).unwrap();
        let identity = check(&(leaf.pem() + &ca.pem()), &key.serialize_pem()).unwrap();
        assert_eq!(identity.leaf().fingerprint, Fingerprint::of(leaf.der()));
        assert_eq!(identity.certified_key().cert.len(), 2);
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let certificate = server((2026, 2027))
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem();
    let (of_chain, of_key) = check(&certificate, &KeyPair::generate().unwrap().serialize_pem()).unwrap_err();
    assert!(of_chain.is_empty());
    assert_eq!(
        of_key,
        [MaterialFault::KeyMismatch {
            subject: "O=server".into()
        }]
    );
}

#[test]
fn all_faults_of_a_set_are_told() {
    let key = KeyPair::generate().unwrap();
    let mut params = named("old", (2024, 2025));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key).unwrap().pem();
    let (of_chain, of_key) = check(&certificate, "").unwrap_err();
    let subject = || "O=old".to_owned();
    assert_eq!(
        of_chain,
        [
            MaterialFault::Expired {
                subject: subject(),
                at: "2025-01-01T00:00:00Z".parse().unwrap()
            },
            MaterialFault::Nameless { subject: subject() },
            MaterialFault::NotForServers { subject: subject() },
        ]
    );
    assert_eq!(of_key, [MaterialFault::Pem(PemError::NoBlock)]);
}

#[test]
fn a_certificate_of_tomorrow_is_refused_today() {
    let key = KeyPair::generate().unwrap();
    let certificate = server((2027, 2028)).self_signed(&key).unwrap().pem();
    let (of_chain, _) = check(&certificate, &key.serialize_pem()).unwrap_err();
    assert!(
        matches!(of_chain[..], [MaterialFault::NotYetValid { .. }]),
        "{of_chain:?}"
    );
}

#[test]
fn an_expired_ca_beside_its_successor_is_listed_and_not_trusted() {
    let (old, new) = (ca("old", (2016, 2026)), ca("new", (2026, 2036)));
    let bundle = TrustBundle::check((new.clone() + &old).as_bytes(), now()).unwrap();
    assert_eq!(
        bundle
            .certificates()
            .map(|ca| ca.subject.as_str())
            .collect::<Vec<_>>(),
        ["O=new", "O=old"]
    );
    assert_eq!(bundle.roots().len(), 1);

    let faults = TrustBundle::check(old.as_bytes(), now()).unwrap_err();
    assert!(
        matches!(&faults[..], [MaterialFault::Expired { .. }]),
        "{faults:?}"
    );
}

#[test]
fn a_bundle_holds_cas_only() {
    let leaf = server((2026, 2027))
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem();
    let faults = TrustBundle::check((ca("new", (2026, 2036)) + &leaf).as_bytes(), now()).unwrap_err();
    assert_eq!(
        faults,
        [MaterialFault::NotCa {
            position: 2,
            subject: "O=server".into()
        }]
    );
    assert_eq!(
        TrustBundle::check(b"", now()).unwrap_err(),
        [MaterialFault::Pem(PemError::NoBlock)]
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let faults = TrustBundle::check(broken.as_bytes(), now()).unwrap_err();
    assert!(
        matches!(faults[..], [MaterialFault::Certificate { position: 1, .. }]),
        "{faults:?}"
    );
}
