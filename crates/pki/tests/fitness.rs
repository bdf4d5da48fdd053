//! Material that a start accepts is told apart from material that is fit for use.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod support;

use flotta_pki::{
    edge_api::{Ca, accept_host},
    fitness::{HostNames, MaterialFacts},
};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use support::{Authority, Files, Kind, block, host_params, key, now, printable};

const HOST: &[&str] = &["project-flotta.io", "127.0.0.1", "::1"];

fn names(domain: &str, localhost: bool) -> HostNames {
    HostNames {
        domain: domain.to_owned(),
        localhost,
    }
}

fn facts(ca: &Files, host: &Files) -> MaterialFacts {
    MaterialFacts::of(
        &Ca::accept(ca.pair()).unwrap(),
        &accept_host(host.pair()).unwrap(),
    )
}

fn faults_at(facts: &MaterialFacts, time: Timestamp) -> Vec<String> {
    let faults = facts.faults(&names("project-flotta.io", true), time);
    faults.iter().map(ToString::to_string).collect()
}

fn faults(authority: &Authority, host: &CertificateParams) -> Vec<String> {
    let host = authority.host(host, &key(Kind::P256));
    faults_at(&facts(&authority.files, &host), now())
}

#[test]
fn what_flotta_makes_is_fit() {
    for kind in [Kind::P256, Kind::P384, Kind::Rsa] {
        let authority = Authority::new(kind);
        assert!(faults(&authority, &host_params(HOST, (2026, 2027))).is_empty());
    }
}

#[test]
fn a_host_certificate_is_checked_by_the_signature_of_the_first_ca() {
    let (authority, namesake) = (Authority::new(Kind::P256), Authority::new(Kind::P256));
    let host = authority.host(&host_params(HOST, (2026, 2027)), &key(Kind::P256));
    let foreign = "the host certificate (CN=*) was not issued by the first certificate of ca.crt (O=flotta-operator), so \
                   devices refuse the Edge API; issue it anew";
    // The same subject, another key; and its own CA beside it, but second.
    let mut bundle = namesake.files.clone();
    assert_eq!(faults_at(&facts(&bundle, &host), now()), [foreign]);
    bundle.certificate += &authority.files.certificate;
    assert_eq!(faults_at(&facts(&bundle, &host), now()), [foreign]);
    bundle.certificate = authority.files.certificate.clone() + &namesake.files.certificate;
    bundle.key.clone_from(&authority.files.key);
    assert!(faults_at(&facts(&bundle, &host), now()).is_empty());
}

#[test]
fn a_host_certificate_of_a_ca_with_the_same_key_and_another_subject_is_foreign() {
    let authority = Authority::new(Kind::P256);
    let host = authority.host(&host_params(HOST, (2026, 2027)), &key(Kind::P256));
    let mut renamed = authority.files.clone();
    let utf8 = rcgen::DnValue::Utf8String("flotta-operator".to_owned());
    let params = support::ca_params(utf8, (2026, 2036));
    renamed.certificate = params.self_signed(&authority.key).unwrap().pem();
    assert!(!facts(&renamed, &host).host_issued_by_ca);
}

#[test]
fn names_and_usages_are_told_one_by_one() {
    let authority = Authority::new(Kind::P256);
    let mut params = host_params(&["elsewhere", "127.0.0.1"], (2026, 2027));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    assert_eq!(
        faults(&authority, &params),
        [
            "the host certificate (CN=*) does not cover project-flotta.io; issue it anew with all names",
            "the host certificate (CN=*) does not cover ::1; issue it anew with all names",
            "the host certificate (CN=*) may not be used as serverAuth; issue it anew with both usages",
            "the host certificate (CN=*) may not be used as clientAuth; issue it anew with both usages",
        ]
    );
    // A certificate without the extension may be used for everything.
    params = host_params(HOST, (2026, 2027));
    params.extended_key_usages.clear();
    assert!(faults(&authority, &params).is_empty());
}

#[test]
fn localhost_matters_only_when_the_edge_api_writes_it() {
    let authority = Authority::new(Kind::P256);
    let host = authority.host(
        &host_params(&["project-flotta.io"], (2026, 2027)),
        &key(Kind::P256),
    );
    let facts = facts(&authority.files, &host);
    assert!(facts.faults(&names("project-flotta.io", false), now()).is_empty());
    assert_eq!(facts.faults(&names("project-flotta.io", true), now()).len(), 2);
}

#[test]
fn names_are_covered_as_a_tls_client_sees_it() {
    let authority = Authority::new(Kind::P256);
    let params = host_params(&["*.example.com", "Edge.Example.Org", "10.0.0.1"], (2026, 2027));
    let host = authority.host(&params, &key(Kind::P256));
    let facts = facts(&authority.files, &host).host;
    for (name, covered) in [
        ("edge.example.com", true),
        ("EDGE.EXAMPLE.COM", true),
        ("edge.example.org", true),
        ("10.0.0.1", true),
        ("example.com", false),
        (".example.com", false),
        ("a.edge.example.com", false),
        ("other.example.org", false),
        ("10.0.0.2", false),
        ("", false),
    ] {
        assert_eq!(facts.covers(name), covered, "{name}");
    }
}

#[test]
fn validity_is_told_with_its_end() {
    let authority = Authority::with(Kind::P256, printable("flotta-operator"), (2026, 2028));
    let host = authority.host(&host_params(HOST, (2027, 2029)), &key(Kind::P256));
    let facts = facts(&authority.files, &host);
    let at = |time: &str| faults_at(&facts, time.parse().unwrap());
    assert_eq!(
        at("2025-06-01T00:00:00Z"),
        [
            "the CA certificate (O=flotta-operator) is not valid before 2026-01-01T00:00:00Z; check the clock of whoever made it",
            "the host certificate (CN=*) is not valid before 2027-01-01T00:00:00Z; check the clock of whoever made it",
        ]
    );
    assert!(at("2027-06-01T00:00:00Z").is_empty());
    assert_eq!(
        at("2029-06-01T00:00:00Z"),
        [
            "the CA certificate (O=flotta-operator) expired at 2028-01-01T00:00:00Z, so devices cannot poll; renew it with the \
             same key and subject",
            "the host certificate (CN=*) expired at 2029-01-01T00:00:00Z, so devices refuse the Edge API; issue it anew",
        ]
    );
}

#[test]
fn a_first_certificate_that_may_not_sign_is_told() {
    let authority = Authority::new(Kind::P256);
    let host = authority.host(&host_params(HOST, (2026, 2027)), &key(Kind::P256));
    let may_sign = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = authority.params.clone();
        change(&mut params);
        let ca = Files {
            certificate: params.self_signed(&authority.key).unwrap().pem(),
            ..authority.files.clone()
        };
        facts(&ca, &host).ca.may_sign
    };
    assert!(may_sign(&|_| ()));
    assert!(may_sign(&|params| params.key_usages.clear()));
    assert!(may_sign(
        &|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
    ));
    assert!(!may_sign(&|params| params.is_ca = IsCa::NoCa));
    assert!(!may_sign(&|params| params.is_ca = IsCa::ExplicitNoCa));
    assert!(!may_sign(
        &|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]
    ));
}

#[test]
fn what_is_passed_over_is_told() {
    let authority = Authority::new(Kind::P256);
    let host = authority.host(&host_params(HOST, (2026, 2027)), &key(Kind::P256));
    let mut ca = authority.files.clone();
    ca.certificate += &block("TRUSTED CERTIFICATE", b"?");
    assert_eq!(
        faults_at(&facts(&ca, &host), now()),
        [
            "block 2 of ca.crt is passed over by the Edge API or by other programs (it is TRUSTED CERTIFICATE), so they do not \
             trust the same CAs; repair or remove it"
        ]
    );
}
