//! Which certificates a bundle has, asked of Go and of us: what is accepted here has the same ones
//! there, in the same order, and what Go makes of any other file is foreseen.
//!
//! Files are made of what people have in theirs, of what editors and shells make of that, and of
//! single changed octets.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[path = "../support/mod.rs"]
mod support;

use std::sync::{LazyLock, Mutex};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flotta_pki::{Certificate, pem};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use support::{Authority, Kind, block, key, printable};
use testkit::go_oracle::Oracle;

/// What Go reads of a file.
struct Read {
    /// Blocks that are labelled as certificates and have no headers, readable or not.
    blocks: Vec<Vec<u8>>,
    /// Those that `x509.CertPool` takes.
    certificates: Vec<Vec<u8>>,
}

fn go(file: &[u8]) -> Read {
    static GO: LazyLock<Mutex<Oracle>> = LazyLock::new(|| Mutex::new(Oracle::start("go-pem", &[]).unwrap()));
    let question = json!({ "file": BASE64_STANDARD.encode(file) });
    let answer = GO.lock().unwrap().ask(&question).unwrap();
    let octets = |text: &Value| BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
    let blocks = answer["blocks"].as_array().unwrap().iter();
    Read {
        blocks: blocks
            .filter(|block| octets(&block["label"]) == b"CERTIFICATE" && block["headers"] == json!(false))
            .map(|block| octets(&block["content"]))
            .collect(),
        certificates: answer["certificates"]
            .as_array()
            .unwrap()
            .iter()
            .map(octets)
            .collect(),
    }
}

fn ours(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let certificates = pem::certificates(file).ok()?;
    Some(
        certificates
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
    )
}

/// Three CAs, as PEM.
fn authorities() -> &'static [String; 3] {
    static MADE: LazyLock<[String; 3]> = LazyLock::new(|| {
        ["one", "two", "three"].map(|name| {
            let authority = Authority::with(Kind::P256, printable(name), (2026, 2036));
            authority.files.certificate
        })
    });
    &MADE
}

#[test]
fn what_people_have_is_read_whole() {
    let [one, two, three] = authorities();
    let mozilla = "# Issuer: CN=GlobalSign Root CA O=GlobalSign nv-sa OU=Root CA\n# Label: \"GlobalSign Root CA\"\n# Serial: 4835703278459707669005204\n# MD5 Fingerprint: 3e:45:52:15\n";
    let curl = "\nGlobalSign Root CA\n==================\n";
    let openssl = "subject=O = flotta-operator, CN = a: b\n\nissuer=/O=flotta-operator\n---\nCertificate chain\n 0 s:CN = *\n   i:O = flotta-operator\n";
    let bag =
        "Bag Attributes\n    localKeyID: 01 02 03\n    friendlyName: ca\nKey Attributes: <No Attributes>\n";
    let key = support::traditional(&key(Kind::P256));
    let windows = |text: String| text.replace('\n', "\r\n");
    let three_of = |before: &str| [before, one, before, two, before, three].concat();
    let files = [
        one.clone(),
        three_of(""),
        three_of("\n\n"),
        three_of("").trim_end().to_owned(),
        windows(three_of("")),
        windows(three_of("")).trim_end().to_owned(),
        three_of(mozilla),
        windows(three_of(mozilla)),
        three_of(curl),
        three_of(openssl),
        windows(three_of(openssl)),
        [one, openssl, &windows(two.clone()), openssl, three].concat(),
        three_of(bag),
        [&key, one, two, three].map(String::as_str).concat(),
        [one, two, three, &key].map(String::as_str).concat(),
        ["\u{feff}# made by an editor\n", one, two, three].concat(),
        ["# r\u{e9}seau \u{2014} certificats\n", one, two, three].concat(),
        three_of("").replace("-----\n", "----- \t\n"),
        three_of("-- \nno BEGIN, no END\n"),
    ];
    for file in files {
        let found = ours(file.as_bytes())
            .unwrap_or_else(|| panic!("{:?}: {file}", pem::certificates(file.as_bytes())));
        let read = go(file.as_bytes());
        assert_eq!(found, read.certificates, "{file}");
        assert!(found.len() == 3 || file == *one, "{file}");
    }
}

/// What Go passes over or what another reader might take is refused, and each block is told.
#[test]
fn what_is_read_in_part_is_refused_whole() {
    let [one, two, _] = authorities();
    let second = |begin: &str| one.to_owned() + &two.replace("-----BEGIN CERTIFICATE-----", begin);
    let cases = [
        // The file, how many certificates Go reads, and the blocks that are named.
        (one.trim_end().to_owned() + two, 0, vec![1, 2]),
        (format!("\u{feff}{one}{two}"), 1, vec![1]),
        (second("  -----BEGIN CERTIFICATE-----"), 1, vec![2]),
        (second("\t-----BEGIN CERTIFICATE-----"), 1, vec![2]),
        (second("-----BEGIN CERTIFICATE----- two"), 1, vec![2]),
        (second("two -----BEGIN CERTIFICATE-----"), 1, vec![2]),
        (second("-----BEGIN CERTIFICATE-----\nname: two\n"), 1, vec![2]),
        (second("-----BEGIN TRUSTED CERTIFICATE-----"), 1, vec![2]),
        (
            one.to_owned() + &two.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
            1,
            vec![2],
        ),
        (
            one.to_owned() + &two.replace("CERTIFICATE", "X509 CERTIFICATE"),
            1,
            vec![2],
        ),
        (one.to_owned() + &block("PKCS7", b"?"), 1, vec![2]),
        (one.to_owned() + &two.to_lowercase(), 1, vec![2]),
        (one.to_owned() + &two[..two.len() - 30], 1, vec![2]),
        (one.to_owned() + &two.replace('\n', "\r"), 1, vec![2]),
        (one.to_owned() + two.trim_end() + "\r", 1, vec![2]),
    ];
    for (file, readable, named) in cases {
        let faults = pem::certificates(file.as_bytes()).unwrap_err();
        let numbers: Vec<_> = faults
            .iter()
            .map(|fault| match fault {
                pem::PemError::Malformed { block, .. } => *block,
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(numbers, named, "{faults:?}: {file}");
        assert_eq!(go(file.as_bytes()).certificates.len(), readable, "{file}");
        assert_eq!(Certificate::all_in_go(file.as_bytes()).len(), readable, "{file}");
    }
}

/// A part of a file. Most of them end their line; those that do not are what goes wrong.
fn piece() -> impl Strategy<Value = String> {
    let [one, two, three] = authorities();
    let certificate = prop_oneof![
        4 => select(vec![one.clone(), two.clone(), three.clone()]),
        1 => Just(block("CERTIFICATE", b"no certificate")),
        1 => Just(block("CERTIFICATE", b"")),
        1 => Just(block("TRUSTED CERTIFICATE", b"?")),
        1 => Just(block("X509 CRL", b"?")),
    ];
    let ends = select(vec![
        "\n", "\n", "\n", "\r\n", "\r", " \n", "\t \r\n", "\r\r\n", "\n\n",
    ]);
    let block = (certificate, ends).prop_map(|(block, end)| block.replace('\n', end));
    let line = select(vec![
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
        "-----BEGIN X: Y-----",
        "-----END X: Y-----",
        "-----BEGIN -----",
        "-----END -----",
        "-----BEGIN",
        "-----BEGIN CERTIFICATE----",
        "----BEGIN CERTIFICATE-----",
        "-----begin certificate-----",
        "-----END CERTIFICATE----- ",
        "-----",
        "subject=O = a, CN = a: b",
        "# Issuer: CN=a",
        "name: value",
        "a line of text",
        "AQID",
        "AQI=",
        "AQ==",
        "AQJ=",
        "A: B",
        "\u{feff}",
        " ",
        "\t",
        "\0",
        "",
    ]);
    let end = select(vec!["\n", "\n", "\n", "\r\n", "\r", "", " ", ": "]);
    let text = (line, end).prop_map(|(line, end)| line.to_owned() + end);
    prop_oneof![3 => block, 3 => text]
}

/// What a person or a program does to a file.
#[derive(Clone, Debug)]
enum Change {
    Put(u8),
    Remove,
    Cut,
}

fn change() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let octet = prop_oneof![3 => select(b"\n\r \t-:=A\xff".to_vec()), 1 => any::<u8>()];
    let change =
        prop_oneof![4 => octet.prop_map(Change::Put), 2 => Just(Change::Remove), 1 => Just(Change::Cut)];
    (any::<prop::sample::Index>(), change)
}

fn changed(mut file: Vec<u8>, changes: Vec<(prop::sample::Index, Change)>) -> Vec<u8> {
    for (at, change) in changes {
        if file.is_empty() {
            return file;
        }
        let at = at.index(file.len());
        match change {
            Change::Put(octet) => file.insert(at, octet),
            Change::Remove => drop(file.remove(at)),
            Change::Cut => file.truncate(at),
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn go_reads_the_same_of_what_is_accepted(
        pieces in vec(piece(), 0..8),
        changes in prop_oneof![2 => Just(Vec::new()), 1 => vec(change(), 1..4)],
    ) {
        let file = changed(pieces.concat().into_bytes(), changes);
        let read = go(&file);
        let foreseen: Vec<_> = pem::certificates_in_go(&file).iter().map(|der| der.to_vec()).collect();
        prop_assert_eq!(&foreseen, &read.blocks, "{}", String::from_utf8_lossy(&file));
        if let Some(found) = ours(&file) {
            prop_assert_eq!(&found, &read.blocks, "{}", String::from_utf8_lossy(&file));
        }
    }
}
