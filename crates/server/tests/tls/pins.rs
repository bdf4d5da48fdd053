//! What happens to open connections when the material is replaced.

use testkit::pki::{Authority, Identity, Profile, Validity, replace_file};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::{
    config_for, server_certificate, set,
    support::{Served, ask, connect, exchange, rest, say},
};

async fn open(stage: &Served, ca: &Authority, host: &Identity) -> TlsStream<TcpStream> {
    let mut open = connect(stage.address, config_for(ca, host)).await.unwrap();
    let answer = exchange(&mut open, true).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    open
}

fn pin(stage: &Served, pins: &str) {
    replace_file(&stage.folder().join("pins"), pins).unwrap();
    stage.look();
}

#[tokio::test]
async fn a_connection_ends_with_its_pin() {
    let (ca, host, stage) = set().await;
    let mut idle = open(&stage, &ca, &host).await;
    let mut busy = open(&stage, &ca, &host).await;
    let mut fresh = connect(stage.address, config_for(&ca, &host)).await.unwrap();
    let mut half = open(&stage, &ca, &host).await;
    say(&mut half, "GET / HTTP/1.1\r\nho").await.unwrap();
    say(&mut busy, "GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    stage.handler.begun.notified().await;

    let next = ca.issue(&Profile::host()).unwrap();
    pin(&stage, &next.key().fingerprint());
    assert_eq!(rest(&mut idle).await, "", "it is closed without a question");
    for (stream, end) in [
        (&mut half, "st: localhost\r\n\r\n"),
        (&mut fresh, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ] {
        let _ = say(stream, end).await;
        let answer = rest(stream).await;
        assert!(!answer.contains("HTTP/1.1 200 "), "{answer}");
    }
    stage.handler.go_on.notify_one();
    let answer = rest(&mut busy).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "what was under way is answered: {answer}"
    );
    ask(stage.address, config_for(&ca, &next)).await.unwrap();
}

#[tokio::test]
async fn only_other_pins_end_a_connection_and_only_when_they_are_loaded() {
    let (ca, host, stage) = set().await;
    let mut open = open(&stage, &ca, &host).await;
    let next = ca.issue(&Profile::host()).unwrap();
    let pins = |pins: &[&Identity]| {
        pins.iter()
            .map(|host| host.key().fingerprint() + "\n")
            .collect::<String>()
    };

    // One that was refused ends nobody, though the pin is no longer in the file.
    let expired = Profile::server(&["localhost"]).unwrap().valid(Validity::Expired);
    let expired = ca.issue(&expired).unwrap();
    stage.write(&expired, &ca.pem(), &[next.key().fingerprint()]);
    stage.look();
    assert!(!stage.status().faults.is_empty());
    for bad in ["", "abc\n"] {
        pin(&stage, bad);
    }
    assert!(
        exchange(&mut open, true)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200 ")
    );
    // Nor does another certificate, another CA, or a pin more.
    let other = Authority::new(testkit::pki::KeyKind::P256).unwrap();
    stage.write(
        &server_certificate(&ca),
        &other.pem(),
        &[host.key().fingerprint()],
    );
    stage.look();
    assert!(stage.status().faults.is_empty());
    pin(&stage, &pins(&[&next, &host]));
    assert!(stage.status().faults.is_empty());
    assert!(
        exchange(&mut open, true)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200 ")
    );

    pin(&stage, &pins(&[&next]));
    assert_eq!(rest(&mut open).await, "");
}
