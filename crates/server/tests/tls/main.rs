//! Who is let in, and how the material is replaced while serving.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what went wrong by panicking"
)]

mod chains;
mod in_part;
mod pins;
mod replaced;
mod support;

use std::{fs, sync::Arc};

use edge_config_server::transport::Limits;
use replaced::by_rename;
use rustls::ClientConfig;
use support::{LIMITS, Served, ask, quirky_host, until};
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
    set_with(LIMITS).await
}

/// The same with other limits.
async fn set_with(limits: Limits) -> (Authority, Identity, Served) {
    let ca = authority();
    let host = ca.issue(&Profile::host()).unwrap();
    let stage = Served::start_with(limits).await;
    stage.write(&server_certificate(&ca), &ca.pem(), &[host.key().fingerprint()]);
    stage.look();
    let faults = stage.status().faults;
    assert!(faults.is_empty(), "{faults:?}");
    (ca, host, stage)
}

/// A caller of a server of this CA.
fn config_for(ca: &Authority, who: &Identity) -> Arc<ClientConfig> {
    who.client_config(ca.roots().unwrap(), &["http/1.1"]).unwrap()
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
    ask(stage.address, config_for(&ca, &host)).await.unwrap();
}

async fn refused(stage: &Served, config: Arc<ClientConfig>, outcome: &str) {
    let answer = ask(stage.address, config).await;
    assert!(answer.is_err(), "{outcome}: {answer:?}");
    let line = format!(r#"edge_config_tls_handshakes_total{{outcome="{outcome}"}} 1"#);
    until(&line, || stage.counted(&line)).await;
}

#[tokio::test]
async fn everybody_else_is_refused_at_the_handshake() {
    let (ca, host, stage) = set().await;
    let device = ca.issue(&Profile::device("device-1", "default")).unwrap();
    let same_key = |ca: &Authority, profile: &Profile| ca.issue_for(profile, host.key()).unwrap();
    let expired = same_key(&ca, &Profile::host().valid(Validity::Expired));
    let future = same_key(&ca, &Profile::host().valid(Validity::Future));
    let foreign = same_key(&authority(), &Profile::host());
    let not_for_clients = same_key(&ca, &Profile::host().server_auth_only());
    for (who, outcome) in [
        (&device, "not_pinned"),
        (&expired, "expired"),
        (&future, "not_yet_valid"),
        (&foreign, "unknown_issuer"),
        (&not_for_clients, "bad_certificate"),
    ] {
        refused(&stage, config_for(&ca, who), outcome).await;
    }
    let roots = || ca.roots().unwrap();
    let anonymous = anonymous_client_config(roots(), &["http/1.1"]).unwrap();
    refused(&stage, anonymous, "no_certificate").await;
    let only_h2 = host.client_config(roots(), &["h2"]).unwrap();
    refused(&stage, only_h2, "incompatible").await;
    refused(&stage, config_for(&authority(), &host), "server_refused").await;
    // A valid certificate further down the chain does not help.
    let forged = Profile::host().self_signed().unwrap().followed_by(&host);
    let answer = ask(stage.address, config_for(&ca, &forged)).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn the_register_certificate_is_refused_at_the_handshake() {
    let (ca, _, stage) = set().await;
    let register = ca.issue(&Profile::register()).unwrap();
    refused(&stage, config_for(&ca, &register), "not_pinned").await;
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
    let (_, _, stage) = set_with(Limits {
        handshake: std::time::Duration::from_millis(20),
        ..LIMITS
    })
    .await;
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
        ask(stage.address, config_for(&new, host)).await.unwrap();
    }
}

#[tokio::test]
async fn without_material_connections_are_closed_until_it_arrives() {
    let (ca, stage) = (authority(), Served::start_empty().await);
    let host = ca.issue(&Profile::host()).unwrap();
    let config = config_for(&ca, &host);
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
    let config = config_for(&ca, &host);
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
            "its END line is missing",
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
    let config = config_for(&ca, &host);
    ask(stage.address, Arc::clone(&config)).await.unwrap();
    let next = ca.issue(&Profile::host()).unwrap();
    replace_file(&stage.folder().join("pins"), &next.key().fingerprint()).unwrap();
    stage.look();
    assert!(ask(stage.address, Arc::clone(&config)).await.is_err());
    ask(stage.address, config_for(&ca, &next)).await.unwrap();
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
    ask(stage.address, config_for(&ca, &host)).await.unwrap();
}
