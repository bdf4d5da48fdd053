//! Who is let in, and how the material is replaced while serving.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what went wrong by panicking"
)]

mod support;

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use edge_config_server::transport::Limits;
use rustls::RootCertStore;
use support::{Served, ask, quirky_host, until};
use testkit::pki::{Authority, Identity, KeyKind, Profile, Validity, anonymous_client_config, replace_file};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn authority() -> Authority {
    Authority::new(KeyKind::P256).unwrap()
}

fn server_certificate(ca: &Authority) -> Identity {
    ca.issue(&Profile::server(&["localhost"]).unwrap()).unwrap()
}

/// A server with one pinned host certificate.
async fn set() -> (Authority, Identity, Served) {
    let ca = authority();
    let host = ca.issue(&Profile::host()).unwrap();
    let stage = Served::start(&server_certificate(&ca), &ca.pem(), &[host.key().fingerprint()]).await;
    (ca, host, stage)
}

#[tokio::test]
async fn the_pinned_host_certificate_is_let_in() {
    let (ca, host, stage) = set().await;
    let answer = ask(
        stage.address,
        host.client_config(ca.roots().unwrap(), &["h2", "http/1.1"])
            .unwrap(),
    )
    .await;
    let answer = answer.unwrap();
    assert_eq!(
        answer.protocol.as_deref(),
        Some(&b"http/1.1"[..]),
        "though h2 was offered first"
    );
    assert_eq!(answer.body, format!("Pinned({})", host.key().fingerprint()));
    assert_eq!(answer.tickets, 0, "nothing to resume a session with");
    assert!(stage.counted(r#"edge_config_tls_handshakes_total{outcome="ok"} 1"#));

    let without = ask(
        stage.address,
        host.client_config(ca.roots().unwrap(), &[]).unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(without.protocol, None, "a caller without ALPN is stage too");
}

#[tokio::test]
async fn a_host_certificate_with_flottas_quirks_is_let_in() {
    let (ca, host) = quirky_host();
    let server = server_certificate(&ca);
    let stage = Served::start(&server, &ca.pem(), &[host.key().fingerprint()]).await;
    ask(
        stage.address,
        host.client_config(ca.roots().unwrap(), &["h2", "http/1.1"])
            .unwrap(),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn rsa_throughout_is_served() {
    let ca = Authority::new(KeyKind::Rsa).unwrap();
    let key = testkit::pki::Key::generate(KeyKind::Rsa).unwrap();
    let host = ca.issue_for(&Profile::host(), &key).unwrap();
    let stage = Served::start(&server_certificate(&ca), &ca.pem(), &[host.key().fingerprint()]).await;
    ask(
        stage.address,
        host.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap(),
    )
    .await
    .unwrap();
}

async fn refused(stage: &Served, roots: RootCertStore, who: Option<&Identity>, alpn: &[&str], outcome: &str) {
    let config = match who {
        Some(who) => who.client_config(roots, alpn).unwrap(),
        None => anonymous_client_config(roots, alpn).unwrap(),
    };
    let answer = ask(stage.address, config).await;
    assert!(answer.is_err(), "{outcome}: {answer:?}");
    let line = format!(r#"edge_config_tls_handshakes_total{{outcome="{outcome}"}} 1"#);
    until(&line, || stage.counted(&line)).await;
}

#[tokio::test]
async fn everybody_else_is_refused_at_the_handshake() {
    let (ca, host, stage) = set().await;
    let roots = || ca.roots().unwrap();
    let http = &["http/1.1"];
    let device = ca.issue(&Profile::device("device-1", "default")).unwrap();
    refused(&stage, roots(), Some(&device), http, "not_pinned").await;
    let expired = ca
        .issue_for(&Profile::host().valid(Validity::Expired), host.key())
        .unwrap();
    refused(&stage, roots(), Some(&expired), http, "expired").await;
    let future = ca
        .issue_for(&Profile::host().valid(Validity::Future), host.key())
        .unwrap();
    refused(&stage, roots(), Some(&future), http, "not_yet_valid").await;
    let foreign = authority().issue_for(&Profile::host(), host.key()).unwrap();
    refused(&stage, roots(), Some(&foreign), http, "unknown_issuer").await;
    let not_for_clients = ca
        .issue_for(&Profile::host().server_auth_only(), host.key())
        .unwrap();
    refused(&stage, roots(), Some(&not_for_clients), http, "bad_certificate").await;
    refused(&stage, roots(), None, http, "no_certificate").await;
    refused(&stage, roots(), Some(&host), &["h2"], "incompatible").await;
    let strangers = authority().roots().unwrap();
    refused(&stage, strangers, Some(&host), http, "server_refused").await;
    // A valid certificate further down the chain does not help.
    let forged = Profile::host().self_signed().unwrap().followed_by(&host);
    let answer = ask(stage.address, forged.client_config(roots(), http).unwrap()).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn the_register_certificate_is_refused_at_the_handshake() {
    let (ca, _, stage) = set().await;
    let register = ca.issue(&Profile::register()).unwrap();
    refused(
        &stage,
        ca.roots().unwrap(),
        Some(&register),
        &["http/1.1"],
        "not_pinned",
    )
    .await;
}

/// A ClientHello as TLS 1.2 has it, without `supported_versions`.
fn tls_1_2_hello() -> Vec<u8> {
    let extensions = [
        &[0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x17, 0x00, 0x1d][..], // groups: secp256r1, x25519
        &[0x00, 0x0b, 0x00, 0x02, 0x01, 0x00],                             // uncompressed points
        &[0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x04, 0x03, 0x08, 0x04],     // ECDSA and RSA-PSS with SHA-256
    ]
    .concat();
    let mut body = vec![0x03, 0x03];
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0x00, 0x04, 0xc0, 0x2b, 0xc0, 0x2f]); // ECDHE with AES-128-GCM
    body.extend([0x01, 0x00]); // no compression
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend((length + 4).to_be_bytes());
    record.extend([0x01, 0x00]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let (_, _, stage) = set().await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(&tls_1_2_hello()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // An alert record: fatal, protocol_version.
    assert_eq!(answer, [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 70]);
    let line = r#"edge_config_tls_handshakes_total{outcome="incompatible"} 1"#;
    until(line, || stage.counted(line)).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut() {
    let ca = authority();
    let host = ca.issue(&Profile::host()).unwrap();
    let handshake = std::time::Duration::from_millis(20);
    let stage = Served::start_with(Limits {
        handshake,
        ..support::LIMITS
    })
    .await;
    stage.write(&server_certificate(&ca), &ca.pem(), &[host.key().fingerprint()]);
    stage.look();
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(&tls_1_2_hello()[..20]).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    let line = r#"edge_config_tls_handshakes_total{outcome="timeout"} 1"#;
    until(line, || stage.counted(line)).await;
}

#[tokio::test]
async fn every_ca_of_the_bundle_counts() {
    let (old, new) = (authority(), authority());
    let hosts = [
        old.issue(&Profile::host()).unwrap(),
        new.issue(&Profile::host()).unwrap(),
    ];
    let pins = hosts.each_ref().map(|host| host.key().fingerprint());
    let stage = Served::start(&server_certificate(&new), &(new.pem() + &old.pem()), &pins).await;
    for host in &hosts {
        ask(
            stage.address,
            host.client_config(new.roots().unwrap(), &["http/1.1"]).unwrap(),
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn without_material_connections_are_closed_until_it_arrives() {
    let (ca, stage) = (authority(), Served::start_empty().await);
    let host = ca.issue(&Profile::host()).unwrap();
    let config = host.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap();
    assert!(ask(stage.address, Arc::clone(&config)).await.is_err());
    let status = stage.status();
    assert!(status.loaded.is_none());
    assert_eq!(status.faults.len(), 4);
    assert!(
        status.faults[0].contains("tls.crt (--tls-cert): it cannot be read: No such file"),
        "{status:?}"
    );

    stage.write(&server_certificate(&ca), &ca.pem(), &[host.key().fingerprint()]);
    stage.look();
    assert!(stage.status().faults.is_empty());
    ask(stage.address, config).await.unwrap();
}

#[tokio::test]
async fn bad_material_leaves_the_old_serving() {
    let (ca, host, stage) = set().await;
    let config = host.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap();
    let good = stage.status().loaded.unwrap().server.facts.fingerprint;
    let expired = ca
        .issue(&Profile::server(&["localhost"]).unwrap().valid(Validity::Expired))
        .unwrap();
    let other_key = server_certificate(&ca).key().pkcs8_pem();
    let contents = |name: &str| fs::read_to_string(stage.folder().join(name)).unwrap();
    let cases = [
        ("tls.crt", expired.certificate_pem(), "expired at"),
        (
            "tls.crt",
            contents("tls.crt")[..200].to_owned(),
            "its end is missing",
        ),
        ("tls.key", other_key, "does not belong to the certificate"),
        ("tls.key", String::new(), "no PEM block"),
        ("ca.crt", host.certificate_pem(), "is not a CA"),
        ("pins", "# nobody\n".to_owned(), "no fingerprint"),
        ("pins", "abc\n".to_owned(), "line 1: a SHA-256 fingerprint has 64"),
    ];
    // The files that were not there yet when this server began.
    let missing = 1;
    for (number, (name, bad, reason)) in cases.into_iter().enumerate() {
        let before = contents(name);
        replace_file(&stage.folder().join(name), &bad).unwrap();
        stage.look();
        stage.look();
        let status = stage.status();
        assert!(
            status
                .faults
                .iter()
                .any(|fault| fault.contains(reason) && fault.contains(name)),
            "{name}: {status:?}"
        );
        assert_eq!(status.loaded.unwrap().server.facts.fingerprint, good);
        let failures = format!(
            "edge_config_material_reload_failures_total {}",
            number + missing + 1
        );
        assert!(stage.counted(&failures), "once per fault, not per look");
        assert!(stage.counted("edge_config_material_current 0"));
        ask(stage.address, Arc::clone(&config)).await.unwrap();
        replace_file(&stage.folder().join(name), &before).unwrap();
        stage.look();
        assert!(stage.status().faults.is_empty());
        assert!(stage.counted("edge_config_material_current 1"));
    }
}

#[tokio::test]
async fn a_removed_pin_shuts_out_at_the_next_connection() {
    let (ca, host, stage) = set().await;
    let config = host.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap();
    let mut open = support::connect(stage.address, Arc::clone(&config))
        .await
        .unwrap();
    assert!(
        support::exchange(&mut open, true)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200 ")
    );

    let next = ca.issue(&Profile::host()).unwrap();
    replace_file(&stage.folder().join("pins"), &next.key().fingerprint()).unwrap();
    stage.look();
    assert!(ask(stage.address, Arc::clone(&config)).await.is_err());
    ask(
        stage.address,
        next.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap(),
    )
    .await
    .unwrap();
    let answer = support::exchange(&mut open, true).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "an open connection lives on");
}

/// Replaces the set, by one of the ways in which it happens.
type Replace = fn(&Path, &[(&str, String)]);

fn by_rename(folder: &Path, files: &[(&str, String)]) {
    for (name, content) in files {
        replace_file(&folder.join(name), content).unwrap();
    }
}

fn in_place(folder: &Path, files: &[(&str, String)]) {
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

/// As the kubelet does: `name -> ..data/name`, `..data -> ..generation`, replaced by one rename.
fn by_data_link(folder: &Path, files: &[(&str, String)]) {
    let generation = format!("..{}", uuid::Uuid::new_v4());
    fs::create_dir(folder.join(&generation)).unwrap();
    for (name, content) in files {
        fs::write(folder.join(&generation).join(name), content).unwrap();
    }
    symlink(&generation, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    for (name, _) in files {
        let link = folder.join(name);
        if !link.is_symlink() {
            let _ = fs::remove_file(&link);
            symlink(Path::new("..data").join(name), &link).unwrap();
        }
    }
}

async fn is_replaced_while_serving(replace: Replace) {
    let (ca, host, stage) = set().await;
    let stage = Arc::new(stage);
    let config = host.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, answered, config) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&config));
            let address = stage.address;
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    ask(address, Arc::clone(&config))
                        .await
                        .expect("no request fails while material is replaced");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Looks much more often than the server does, so that sets are also seen half replaced.
    let looker = {
        let (stop, stage) = (Arc::clone(&stop), Arc::clone(&stage));
        tokio::task::spawn_blocking(move || {
            while !stop.load(Ordering::Relaxed) {
                stage.look();
            }
        })
    };
    for _ in 0..8 {
        let next = server_certificate(&ca);
        let pins = format!("{}\n{}\n", host.key().fingerprint(), next.key().fingerprint());
        let files = [
            ("tls.crt", next.certificate_pem()),
            ("tls.key", next.key().pkcs8_pem()),
            ("ca.crt", authority().pem() + &ca.pem()),
            ("pins", pins),
        ];
        let folder = stage.folder().to_owned();
        tokio::task::spawn_blocking(move || replace(&folder, &files))
            .await
            .unwrap();
        let expected = pki::Fingerprint::of(next.leaf());
        let before = answered.load(Ordering::Relaxed);
        until("the new certificate is loaded", || {
            stage
                .status()
                .loaded
                .is_some_and(|loaded| loaded.server.facts.fingerprint == expected)
        })
        .await;
        let stream = support::connect(stage.address, Arc::clone(&config))
            .await
            .unwrap();
        assert_eq!(&stream.get_ref().1.peer_certificates().unwrap()[0], next.leaf());
        until("requests go on", || answered.load(Ordering::Relaxed) > before + 4).await;
    }
    stop.store(true, Ordering::Relaxed);
    looker.await.unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_replaced_by_rename_while_serving() {
    is_replaced_while_serving(by_rename).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_replaced_in_place_while_serving() {
    is_replaced_while_serving(in_place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_replaced_by_a_data_link_while_serving() {
    is_replaced_while_serving(by_data_link).await;
}

#[tokio::test]
async fn a_watched_set_is_loaded_without_being_asked() {
    let (ca, _, stage) = set().await;
    let _watch = stage.watch();
    let next = server_certificate(&ca);
    by_rename(
        stage.folder(),
        &[
            ("tls.key", next.key().pkcs8_pem()),
            ("tls.crt", next.certificate_pem()),
        ],
    );
    let expected = pki::Fingerprint::of(next.leaf());
    until("the new certificate is loaded", || {
        stage
            .status()
            .loaded
            .is_some_and(|loaded| loaded.server.facts.fingerprint == expected)
    })
    .await;
}

#[tokio::test]
async fn keys_of_every_form_are_loaded() {
    let ca = authority();
    let server = server_certificate(&ca);
    let host = ca.issue(&Profile::host()).unwrap();
    let stage = Served::start(&server, &ca.pem(), &[host.key().fingerprint()]).await;
    let sec1 = server.key().traditional_pem().unwrap();
    assert!(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
    // What `openssl ecparam -genkey` puts before it: the OID of P-256.
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for form in [sec1.clone(), parameters.to_owned() + &sec1] {
        replace_file(&stage.folder().join("tls.key"), &form).unwrap();
        stage.look();
        assert_eq!(stage.status().faults, Vec::<String>::new());
    }
    let key = testkit::pki::Key::generate(KeyKind::Rsa).unwrap();
    let rsa = ca
        .issue_for(&Profile::server(&["localhost"]).unwrap(), &key)
        .unwrap();
    let pkcs1 = key.traditional_pem().unwrap();
    assert!(pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    by_rename(
        stage.folder(),
        &[("tls.key", pkcs1), ("tls.crt", rsa.certificate_pem())],
    );
    stage.look();
    assert_eq!(stage.status().faults, Vec::<String>::new());
    ask(
        stage.address,
        host.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap(),
    )
    .await
    .unwrap();
}
