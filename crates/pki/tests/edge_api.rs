//! What a start of the Edge API accepts, row by row. `tests/e2e` runs the same rows through the
//! real one.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod support;

use flotta_pki::{
    edge_api::{Entry, Pair, Reason, Secret, StartFault, start},
    pem::PemError,
};
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use support::{Authority, Files, Kind, block, host_params, key, printable, traditional};

const HOST: &[&str] = &["project-flotta.io", "127.0.0.1", "::1"];

fn host(authority: &Authority, kind: Kind) -> Files {
    authority.host(&host_params(HOST, (2026, 2027)), &key(kind))
}

fn faults(ca: &Files, host: &Files) -> Vec<StartFault> {
    start(ca.secret(), host.secret()).err().unwrap_or_default()
}

fn fault(entry: Entry, reason: Reason) -> StartFault {
    StartFault { entry, reason }
}

#[test]
fn what_flotta_makes_is_accepted_with_each_kind_of_key() {
    for kind in [Kind::P256, Kind::P384, Kind::Rsa] {
        let authority = Authority::new(kind);
        let files = host(&authority, kind);
        let start = start(authority.files.secret(), files.secret()).unwrap();
        let (ca, host) = (start.ca.unwrap(), start.host.unwrap());
        assert_eq!(ca.facts().key, ca.facts().signing.key);
        assert_eq!(ca.facts().trusted, [ca.facts().signing.clone()]);
        assert_eq!(ca.bundle(), authority.files.certificate.as_bytes());
        assert!(ca.facts().may_sign && ca.facts().passed_over.is_empty());
        assert_eq!(host.facts().names, HOST);
        assert_eq!((host.chain_pem(), host.key_pem()), (files.certificate, files.key));
    }
}

#[test]
fn what_is_unfit_is_accepted_all_the_same() {
    let expired = Authority::with(Kind::P256, printable("old"), (2015, 2025));
    let other = Authority::new(Kind::P256);
    let long_gone = other.host(&host_params(&["elsewhere"], (2015, 2016)), &key(Kind::P384));
    assert_eq!(faults(&expired.files, &long_gone), []);

    let mut with_chain = host(&other, Kind::P256);
    with_chain.certificate += &other.files.certificate;
    assert_eq!(faults(&other.files, &with_chain), []);
    let start = start(other.files.secret(), with_chain.secret()).unwrap();
    assert_eq!(start.host.unwrap().chain().len(), 2);
}

#[test]
fn the_first_certificate_signs_and_what_cannot_be_read_later_is_passed_over() {
    let (first, second) = (
        Authority::new(Kind::P256),
        Authority::with(Kind::P256, printable("new"), (2026, 2036)),
    );
    let mut bundle = first.files.clone();
    bundle.certificate = [
        &first.files.certificate,
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        &block("CERTIFICATE", b"no certificate"),
        &second.files.certificate,
    ]
    .concat();
    let start = start(bundle.secret(), host(&first, Kind::P256).secret()).unwrap();
    let ca = start.ca.unwrap();
    let subjects: Vec<_> = ca.facts().trusted.iter().map(|ca| ca.subject.as_str()).collect();
    assert_eq!(subjects, ["O=flotta-operator", "O=new"]);
    assert_eq!(ca.facts().signing.subject, "O=flotta-operator");
    let passed: Vec<_> = ca.facts().passed_over.iter().map(|passed| passed.block).collect();
    assert_eq!(passed, [2, 3]);

    // The same certificates in the other order belong to another key.
    let mut turned = first.files.clone();
    turned.certificate = second.files.certificate + &first.files.certificate;
    let subject = "O=new".to_owned();
    let mismatch = fault(Entry::CaKey, Reason::KeyMismatch { subject });
    assert_eq!(faults(&turned, &host(&first, Kind::P256)), [mismatch]);
}

#[test]
fn a_key_in_another_form_is_refused() {
    let authority = Authority::new(Kind::P256);
    let host = host(&authority, Kind::P256);
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let parameters = block("EC PARAMETERS", &[6, 8, 42, 134, 72, 206, 61, 3, 1, 7]);
    let rows = [
        ("PRIVATE KEY", authority.key.serialize_pem()),
        ("PRIVATE KEY", ed25519.serialize_pem()),
        ("EC PARAMETERS", parameters + &authority.files.key),
        ("ENCRYPTED PRIVATE KEY", block("ENCRYPTED PRIVATE KEY", b"?")),
        (
            "CERTIFICATE",
            authority.files.certificate.clone() + &authority.files.key,
        ),
    ];
    for (label, key) in rows {
        let form = || Reason::KeyForm {
            label: label.to_owned(),
        };
        let ca = Files {
            key: key.clone(),
            ..authority.files.clone()
        };
        assert_eq!(faults(&ca, &host), [fault(Entry::CaKey, form())], "{label}");
        let host = Files { key, ..host.clone() };
        assert_eq!(
            faults(&authority.files, &host),
            [fault(Entry::HostKey, form())],
            "{label}"
        );
    }
}

#[test]
fn a_key_that_cannot_be_read_is_refused() {
    let authority = Authority::new(Kind::P256);
    let host = host(&authority, Kind::P256);
    let sec1 = pem::parse(&authority.files.key).unwrap().into_contents();
    // Version and private key, without the name of the curve and the public key that stand after
    // them.
    let mut nameless = sec1[..39].to_vec();
    nameless[1] = 37;
    let torn = &sec1[..sec1.len() - 1];
    for (label, der) in [
        ("EC PRIVATE KEY", &nameless[..]),
        ("EC PRIVATE KEY", torn),
        ("RSA PRIVATE KEY", &sec1[..]),
        ("EC PRIVATE KEY", authority.key.serialized_der()),
    ] {
        let ca = Files {
            key: block(label, der),
            ..authority.files.clone()
        };
        assert_eq!(
            faults(&ca, &host),
            [fault(Entry::CaKey, Reason::Key)],
            "{}",
            ca.key
        );
    }
}

#[test]
fn what_is_missing_is_told_entry_by_entry() {
    let authority = Authority::new(Kind::P256);
    let files = host(&authority, Kind::P256);
    let entries = [
        Entry::CaCertificate,
        Entry::CaKey,
        Entry::HostCertificate,
        Entry::HostKey,
    ];
    let empty = Secret::Present(Pair::default());
    assert_eq!(
        start(empty, empty).unwrap_err(),
        entries.map(|entry| fault(entry, Reason::NoEntry))
    );
    let blank = Files {
        certificate: String::new(),
        key: "\n".to_owned(),
    };
    assert_eq!(
        faults(&blank, &blank),
        entries.map(|entry| fault(entry, Reason::Pem(PemError::NoBlock)))
    );

    // What is not there is made by the start; what is there counts all the same.
    let without_ca = start(Secret::Missing, files.secret()).unwrap();
    assert!(without_ca.ca.is_none() && without_ca.host.is_some());
    let without_host = start(authority.files.secret(), Secret::Missing).unwrap();
    assert!(without_host.ca.is_some() && without_host.host.is_none());
    assert!(start(Secret::Missing, empty).is_err());
}

#[test]
fn mismatched_pairs_are_told_together() {
    let (authority, other) = (Authority::new(Kind::P256), Authority::new(Kind::Rsa));
    let ca = Files {
        key: other.files.key.clone(),
        ..authority.files.clone()
    };
    let host = Files {
        key: traditional(&key(Kind::P256)),
        ..host(&authority, Kind::P256)
    };
    let texts: Vec<_> = faults(&ca, &host).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "the Edge API cannot start with this ca.key: it is not the key of the first certificate (O=flotta-operator); replace \
             both in one update",
            "the Edge API cannot start with this server.key: it is not the key of the first certificate (CN=*); replace both in \
             one update",
        ]
    );
}

#[test]
fn labels_of_certificates_matter_where_go_looks_at_them() {
    let authority = Authority::new(Kind::P256);
    let files = host(&authority, Kind::P256);
    let relabelled = |files: &Files| Files {
        certificate: files.certificate.replace("CERTIFICATE", "X509 CERTIFICATE"),
        ..files.clone()
    };
    // ca.crt: signs, but no request is checked against it.
    let accepted = start(relabelled(&authority.files).secret(), files.secret()).unwrap();
    let ca = accepted.ca.unwrap();
    assert!(ca.facts().trusted.is_empty() && ca.facts().passed_over.len() == 1);
    let label = "X509 CERTIFICATE".to_owned();
    assert_eq!(
        faults(&authority.files, &relabelled(&files)),
        [fault(Entry::HostCertificate, Reason::CertificateForm { label })]
    );
}

#[test]
fn damage_to_the_first_block_is_refused() {
    let authority = Authority::new(Kind::P256);
    let files = host(&authority, Kind::P256);
    let damaged = [
        files.certificate.replace("END CERTIFICATE", "END CERTIFICATES"),
        files.certificate.replacen('M', "!", 1),
        block("CERTIFICATE", b"no certificate"),
        files.certificate[..200].to_owned(),
        // Go overlooks one carriage return at the end of a line.
        files.certificate.replace('\n', "\r\r\n"),
    ];
    for certificate in damaged {
        let host = Files {
            certificate,
            key: files.key.clone(),
        };
        let faults = faults(&authority.files, &host);
        assert_eq!(faults.len(), 1, "{host:?}");
        assert_eq!(faults[0].entry, Entry::HostCertificate, "{faults:?}");
    }
}

#[test]
fn no_key_is_shown() {
    let authority = Authority::new(Kind::P256);
    let files = host(&authority, Kind::P256);
    let secret_line = |pem: &str| pem.lines().nth(1).unwrap()[..20].to_owned();
    let shown = format!(
        "{:?} {:#?} {:?}",
        authority.files.secret(),
        start(authority.files.secret(), files.secret()).unwrap(),
        authority.accepted().issuer().unwrap(),
    );
    for key in [&authority.files.key, &files.key] {
        assert!(!shown.contains(&secret_line(key)));
        for octets in pem::parse(key).unwrap().contents()[8..38].windows(8) {
            assert!(!shown.contains(&format!("{octets:?}")[1..]), "{shown}");
        }
    }
    assert!(!shown.contains("PRIVATE"));
}

proptest! {
    /// Whatever is in the Secrets is judged: something is wrong with each entry, and no input ends
    /// the program.
    #[test]
    fn any_content_is_judged(certificate: Vec<u8>, key: Vec<u8>, label in "[A-Z ]{0,20}", armoured: bool) {
        let file = |content: Vec<u8>| {
            if armoured { block(&label, &content).into_bytes() } else { content }
        };
        let (certificate, key) = (file(certificate), file(key));
        let pair = Secret::Present(Pair { certificate: Some(&certificate), key: Some(&key) });
        prop_assert_eq!(start(pair, pair).unwrap_err().len(), 4);
    }

    /// One octet changed in an otherwise good certificate: never a panic, and an accepted one is
    /// another certificate.
    #[test]
    fn a_changed_octet_is_judged(at in 0_usize..300, to: u8) {
        let key = key(Kind::P256);
        let mut der = CertificateParams::default().self_signed(&key).unwrap().der().to_vec();
        let at = at % der.len();
        der[at] = to;
        let files = Files { certificate: block("CERTIFICATE", &der), key: traditional(&key) };
        if let Ok(start) = start(Secret::Missing, files.secret()) {
            let fingerprint = start.host.unwrap().facts().fingerprint;
            prop_assert_eq!(fingerprint, flotta_pki::Fingerprint::of(&der));
        }
    }
}
