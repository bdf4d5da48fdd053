//! Issued certificates are believed by the TLS libraries that meet them, and say what they should.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use flotta_pki::{
    Identity, ServerIdentity, TrustBundle,
    issue::{IssueError, SERVER_LIFE},
    renewal::{names_differ, renewal_due, renewal_time},
};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use proptest::prelude::*;
use rcgen::DnValue;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::WebPkiClientVerifier,
    sign::CertifiedKey,
};
use support::{Authority, Files, Kind, key, now, printable, subjects};
use x509_parser::prelude::{FromDer as _, X509Certificate};

fn names(names: &[&str]) -> Vec<ServerName<'static>> {
    names
        .iter()
        .map(|name| ServerName::try_from((*name).to_owned()).unwrap())
        .collect()
}

/// The names of our server in a cluster, and an address.
fn ours() -> Vec<ServerName<'static>> {
    names(&[
        "edge-config-server.flotta.svc",
        "edge-config-server",
        "10.0.0.1",
        "fd00::1",
    ])
}

fn at(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(time.as_second().try_into().unwrap()))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What a TLS client that trusts `bundle` says to a server with this certificate.
fn client_believes(
    bundle: &str,
    server: &Identity,
    name: &ServerName<'_>,
    time: Timestamp,
) -> Result<(), rustls::Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(bundle), provider())
        .build()
        .unwrap();
    let chain = server.chain();
    verifier
        .verify_server_cert(&chain[0], &chain[1..], name, &[], at(time))
        .map(drop)
}

/// What a TLS server that trusts `bundle` says to a client with this certificate.
fn server_believes(bundle: &str, client: &Identity, time: Timestamp) -> Result<(), rustls::Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(bundle), provider())
        .build()
        .unwrap();
    let chain = client.chain();
    verifier
        .verify_client_cert(&chain[0], &chain[1..], at(time))
        .map(drop)
}

fn roots(bundle: &str) -> Arc<RootCertStore> {
    TrustBundle::check(bundle.as_bytes(), now()).unwrap().roots()
}

fn assert_key_matches(identity: &Identity) {
    let key = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(identity.private_key())
        .unwrap();
    CertifiedKey::new(identity.chain(), key).keys_match().unwrap();
}

fn x509(certificate: &CertificateDer<'_>, read: impl Fn(&X509Certificate<'_>)) {
    let (rest, certificate) = X509Certificate::from_der(certificate).unwrap();
    assert!(rest.is_empty());
    read(&certificate);
}

#[test]
fn each_kind_of_ca_issues_what_tls_believes() {
    let utf8 = |text: &str| DnValue::Utf8String(text.to_owned());
    for kind in [Kind::P256, Kind::P384, Kind::Rsa] {
        for organization in [
            printable("flotta-operator"),
            utf8("flotta-operator"),
            utf8("flötta"),
        ] {
            let authority = Authority::with(kind, organization, (2026, 2036));
            let other = Authority::new(Kind::P256);
            // Trusted beside others, whatever the order.
            let bundle = other.files.certificate.clone() + &authority.files.certificate;
            let issuer = authority.accepted().issuer().unwrap();

            let server = issuer.server(&ours(), now()).unwrap();
            for name in ours() {
                client_believes(&bundle, &server, &name, now()).unwrap();
            }
            assert!(client_believes(&bundle, &server, &names(&["elsewhere"])[0], now()).is_err());
            assert!(client_believes(&other.files.certificate, &server, &ours()[0], now()).is_err());
            assert!(server_believes(&bundle, &server, now()).is_err());

            let probe = issuer.probe("nonce", "default", now()).unwrap();
            server_believes(&bundle, &probe, now()).unwrap();
            assert!(server_believes(&other.files.certificate, &probe, now()).is_err());
            for issued in [&server, &probe] {
                assert_key_matches(issued);
                assert!(issued.leaf().is_issued_by(authority.accepted().signing()));
                assert!(!issued.leaf().is_issued_by(other.accepted().signing()));
            }
        }
    }
}

#[test]
fn a_server_certificate_is_valid_from_a_little_before_until_its_life_or_its_ca_ends() {
    let authority = Authority::new(Kind::P256);
    let issuer = authority.accepted().issuer().unwrap();
    let bundle = &authority.files.certificate;
    let server = issuer.server(&ours(), now()).unwrap();
    let facts = server.facts();
    assert_eq!(facts.not_before, now() - 5.minutes());
    assert_eq!(facts.not_after, now() + SERVER_LIFE);
    for (time, believed) in [
        (now() - 6.minutes(), false),
        (now() - 5.minutes(), true),
        (now() + SERVER_LIFE, true),
        (now() + SERVER_LIFE + 1.second(), false),
    ] {
        assert_eq!(
            client_believes(bundle, &server, &ours()[0], time).is_ok(),
            believed,
            "{time}"
        );
    }

    let end = authority.accepted().signing().facts().not_after;
    let late = issuer.server(&ours(), end - 1.second()).unwrap();
    assert_eq!(late.facts().not_after, end);
    let refused = issuer.server(&ours(), end).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the CA certificate (O=flotta-operator) expired at 2036-01-01T00:00:00Z; renew it with the same key and subject"
    );
}

#[test]
fn a_certificate_that_outlives_the_century_of_utc_time_is_written() {
    let authority = Authority::with(Kind::P256, printable("late"), (2026, 9999));
    let issuer = authority.accepted().issuer().unwrap();
    let time: Timestamp = "2049-12-01T00:00:00Z".parse().unwrap();
    let server = issuer.server(&ours(), time).unwrap();
    assert_eq!(server.facts().not_after, time + SERVER_LIFE);
    client_believes(&authority.files.certificate, &server, &ours()[0], time).unwrap();
}

#[test]
fn a_server_certificate_says_what_it_should() {
    let authority = Authority::new(Kind::P256);
    let server = authority
        .accepted()
        .issuer()
        .unwrap()
        .server(&ours(), now())
        .unwrap();
    insta::assert_snapshot!("server", support::text(&server, &authority));
}

#[test]
fn a_probe_certificate_says_what_it_should() {
    let authority = Authority::new(Kind::Rsa);
    let issuer = authority.accepted().issuer().unwrap();
    let probe = issuer
        .probe("0198c0de-0000-7000-8000-000000000000", "flotta_ns", now())
        .unwrap();
    insta::assert_snapshot!("probe", support::text(&probe, &authority));
}

#[test]
fn its_files_are_what_our_server_reads_and_the_edge_api_does_not() {
    let authority = Authority::new(Kind::P256);
    let issuer = authority.accepted().issuer().unwrap();
    let server = issuer.server(&ours(), now()).unwrap();
    let files = Files {
        certificate: server.chain_pem(),
        key: server.key_pem(),
    };
    let read = ServerIdentity::check(files.certificate.as_bytes(), files.key.as_bytes(), now()).unwrap();
    assert_eq!(read.leaf(), server.facts());
    assert!(matches!(server.private_key(), PrivateKeyDer::Pkcs8(_)));
    assert!(flotta_pki::edge_api::accept_host(files.pair()).is_err());
    let line = files.key.lines().nth(1).unwrap();
    for shown in [format!("{server:?}"), format!("{:?}", server.private_key())] {
        assert!(!shown.contains("PRIVATE") && !shown.contains(line), "{shown}");
    }
}

#[test]
fn serial_numbers_are_positive_short_and_differ() {
    let authority = Authority::new(Kind::P256);
    let issuer = authority.accepted().issuer().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let probe = issuer.probe("nonce", "default", now()).unwrap();
        x509(probe.leaf().der(), |certificate| {
            let serial = certificate.raw_serial();
            assert!(
                serial.len() == 16 && serial[0] & 0x80 == 0 && serial[0] != 0,
                "{serial:?}"
            );
        });
        assert!(seen.insert(probe.facts().serial.clone()));
    }
}

#[test]
fn who_may_not_sign_does_not_issue() {
    let authority = Authority::new(Kind::P256);
    let leaf = authority.host(&support::host_params(&["x"], (2026, 2027)), &key(Kind::P256));
    let not_a_ca = flotta_pki::edge_api::Ca::accept(leaf.pair()).unwrap();
    assert!(matches!(not_a_ca.issuer(), Err(IssueError::MayNotSign { .. })));
    let issuer = authority.accepted().issuer().unwrap();
    assert!(matches!(issuer.server(&[], now()), Err(IssueError::Nameless)));
}

#[test]
fn a_name_too_long_for_a_common_name_is_only_an_alternative_name() {
    let authority = Authority::new(Kind::P256);
    let issuer = authority.accepted().issuer().unwrap();
    let long = format!("{}.{}.svc", "a".repeat(40), "b".repeat(40));
    let long = names(&[&long]);
    let server = issuer.server(&long, now()).unwrap();
    assert_eq!(server.facts().subject, "O=flotta-operator");
    client_believes(&authority.files.certificate, &server, &long[0], now()).unwrap();
}

#[test]
fn renewal_is_due_at_two_thirds_of_the_life() {
    let authority = Authority::new(Kind::P256);
    let server = authority
        .accepted()
        .issuer()
        .unwrap()
        .server(&ours(), now())
        .unwrap();
    let due = renewal_time(server.facts());
    let life = SERVER_LIFE + SignedDuration::from_mins(5);
    assert_eq!(due, server.facts().not_before + life * 2 / 3);
    assert!(!renewal_due(server.facts(), due - 1.second()));
    assert!(renewal_due(server.facts(), due));
}

#[test]
fn names_are_compared_as_a_set() {
    let authority = Authority::new(Kind::P256);
    let server = authority
        .accepted()
        .issuer()
        .unwrap()
        .server(&names(&["a.svc", "::1"]), now())
        .unwrap();
    let differ = |wanted: &[&str]| names_differ(server.facts(), &names(wanted));
    assert!(!differ(&["0:0::1", "A.svc"]));
    assert!(differ(&["a.svc"]) && differ(&["a.svc", "::1", "b"]) && differ(&["a.svc", "::2"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The issuer repeats the CA's subject octet by octet, however that was written, and TLS finds
    /// the CA by it.
    #[test]
    fn the_issuer_is_the_subject_of_the_ca(subject in subjects(), key_id in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..30))) {
        let files = support::ca_with_subject(&subject, key_id.as_deref());
        let ca = flotta_pki::edge_api::Ca::accept(files.pair()).unwrap();
        let server = ca.issuer().unwrap().server(&ours(), now()).unwrap();
        client_believes(&files.certificate, &server, &ours()[0], now()).unwrap();
        x509(server.leaf().der(), |certificate| {
            assert_eq!(certificate.issuer().as_raw(), subject);
            assert_eq!(support::authority_key_id(certificate), key_id);
        });
    }

    /// Any nonce and namespace come back as they were given.
    #[test]
    fn a_probe_names_its_nonce_and_namespace(nonce in "[^\\p{C}]{1,64}", namespace in "[a-z0-9-]{1,63}") {
        let authority = support::shared_authority();
        let probe = authority.accepted().issuer().unwrap().probe(&nonce, &namespace, now()).unwrap();
        server_believes(&authority.files.certificate, &probe, now()).unwrap();
        x509(probe.leaf().der(), |certificate| {
            let subject = certificate.subject();
            assert_eq!(subject.iter_common_name().next().unwrap().as_str().unwrap(), nonce);
            assert_eq!(subject.iter_organizational_unit().next().unwrap().as_str().unwrap(), namespace);
        });
    }
}
