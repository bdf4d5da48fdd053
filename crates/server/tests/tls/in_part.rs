//! Certificates that cannot be read whole: refused beside a set that is served with, taken in part
//! by a server that has none.

use std::fs;

use testkit::pki::{Authority, Identity, Profile, replace_file};

use crate::{
    authority, config_for, server_certificate, set,
    support::{Served, ask},
};

/// Another CA that Go, and so the Edge API, passes over without a word.
fn indented(ca: &Authority) -> String {
    format!("  {}", ca.pem())
}

fn glued(first: &str, second: &str) -> String {
    first.trim_end().to_owned() + second
}

/// A server that begins with these files.
async fn begun(server: &Identity, bundle: &str, host: &Identity) -> Served {
    let stage = Served::start_empty().await;
    stage.write(server, bundle, &[host.key().fingerprint()]);
    stage.look();
    stage
}

fn authorities(stage: &Served) -> usize {
    stage.status().loaded.unwrap().authorities.len()
}

#[tokio::test]
async fn a_bundle_that_is_not_read_whole_is_refused_and_what_was_loaded_stays() {
    let (ca, host, stage) = set().await;
    let other = authority();
    let both = ca.pem() + &other.pem();
    replace_file(&stage.folder().join("ca.crt"), &both).unwrap();
    stage.look();
    assert_eq!(authorities(&stage), 2);
    let config = config_for(&ca, &host);
    for (bundle, faults) in [
        (ca.pem() + &indented(&other), 1),
        (format!("\u{feff}{both}"), 1),
        (glued(&ca.pem(), &other.pem()), 2),
        (both.replacen("-----BEGIN", "-----BEGIN TRUSTED", 1), 1),
    ] {
        replace_file(&stage.folder().join("ca.crt"), &bundle).unwrap();
        stage.look();
        let status = stage.status();
        assert_eq!(status.faults.len(), faults, "{status:?}");
        assert!(
            status.faults[0].contains("ca.crt (--client-ca): PEM block "),
            "{status:?}"
        );
        assert_eq!(authorities(&stage), 2);
        assert!(stage.counted("edge_config_material_current 0"));
        ask(stage.address, config.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_has_nothing_else_begins_with_what_go_reads() {
    let (ca, other) = (authority(), authority());
    let host = ca.issue(&Profile::host()).unwrap();
    let bundle = ca.pem() + &indented(&other);
    let stage = begun(&server_certificate(&ca), &bundle, &host).await;
    let config = config_for(&ca, &host);
    ask(stage.address, config.clone()).await.unwrap();
    let (status, loaded) = (stage.status(), authorities(&stage));
    assert_eq!((status.faults.len(), loaded), (1, 1), "{status:?}");
    assert!(
        status.faults[0].contains("its BEGIN line is indented; remove the spaces in front of it"),
        "{status:?}"
    );
    assert!(status.faults_since.is_some());
    assert!(stage.counted("edge_config_material_current 0"));
    let reloads = "edge_config_material_reloads_total 1";
    stage.look();
    assert!(stage.counted(reloads), "once, not at each look");

    // What else is new is taken beside the same bundle: a certificate, a pin.
    let renewed = server_certificate(&ca);
    let next = ca.issue(&Profile::host()).unwrap();
    stage.write(&renewed, &bundle, &[next.key().fingerprint()]);
    stage.look();
    let status = stage.status();
    assert_eq!(status.faults.len(), 1, "{status:?}");
    let served = status.loaded.unwrap().server.facts.fingerprint;
    assert_eq!(served, pki::Fingerprint::of(renewed.leaf()));
    let config = config_for(&ca, &next);
    ask(stage.address, config.clone()).await.unwrap();

    // Another bundle is none that it began with.
    replace_file(&stage.folder().join("ca.crt"), &(other.pem() + &indented(&ca))).unwrap();
    stage.look();
    assert_eq!(authorities(&stage), 1);
    ask(stage.address, config.clone()).await.unwrap();

    replace_file(&stage.folder().join("ca.crt"), &(ca.pem() + &other.pem())).unwrap();
    stage.look();
    assert_eq!((stage.status().faults.len(), authorities(&stage)), (0, 2));
    assert!(stage.status().faults_since.is_none());
    assert!(stage.counted("edge_config_material_current 1"));
    ask(stage.address, config).await.unwrap();
}

#[tokio::test]
async fn a_bundle_of_which_go_reads_nothing_is_waited_for() {
    let (ca, other) = (authority(), authority());
    let host = ca.issue(&Profile::host()).unwrap();
    let stage = begun(&server_certificate(&ca), &glued(&ca.pem(), &other.pem()), &host).await;
    assert!(stage.status().loaded.is_none());
    assert_eq!(stage.status().faults.len(), 2, "{:?}", stage.status());
}

/// Nobody but this server reads the chain, and it was served with the first certificate so far.
#[tokio::test]
async fn a_chain_that_was_served_with_is_served_with_after_a_restart() {
    let ca = authority();
    let host = ca.issue(&Profile::host()).unwrap();
    let server = server_certificate(&ca);
    let chain = glued(&server.certificate_pem(), &ca.pem());

    let stage = Served::start_empty().await;
    stage.write(&server, &ca.pem(), &[host.key().fingerprint()]);
    fs::write(stage.folder().join("tls.crt"), &chain).unwrap();
    stage.look();
    let status = stage.status();
    assert_eq!(status.faults.len(), 2, "{status:?}");
    assert!(
        status.faults[0].contains("tls.crt (--tls-cert): PEM block 1"),
        "{status:?}"
    );
    let config = config_for(&ca, &host);
    ask(stage.address, config.clone()).await.unwrap();

    // Beside a set that is served with, it is refused.
    let (_, _, stage) = set().await;
    let good = stage.status().loaded.unwrap().server.facts.fingerprint;
    stage.write(&server, &ca.pem(), &[host.key().fingerprint()]);
    fs::write(stage.folder().join("tls.crt"), &chain).unwrap();
    stage.look();
    assert_eq!(stage.status().loaded.unwrap().server.facts.fingerprint, good);
}
