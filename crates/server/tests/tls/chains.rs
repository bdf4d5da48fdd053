//! What a caller without a pinned key may make the server look at.

use std::net::SocketAddr;

use edge_config_server::transport::Limits;
use testkit::pki::{Authority, Identity, Profile};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    config_for, refused, set, set_with,
    support::{LIMITS, ask, connect, exchange, until},
};

/// So many of one name took two seconds of a processor.
const CROSS_SIGNED: usize = 35;

/// What a caller presents, made of Flotta's CA and the pinned host certificate.
type Chain<'a> = dyn Fn(&Authority, &Identity) -> Identity + 'a;

#[tokio::test]
async fn a_chain_is_bounded_before_anything_of_it_is_read() {
    let crowd = Authority::cross_signed("flotta-crowd", CROSS_SIGNED).unwrap();
    // Its key is public as its certificate is, so anybody can have it certified by whomever.
    let certified = |host: &Identity| crowd[0].issue_for(&Profile::host(), host.key()).unwrap();
    let names: Vec<_> = (0..900)
        .map(|number| format!("host-{number}.example.org"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();

    let chains: [&Chain<'_>; 4] = [
        &|_, host| host.clone().followed_by_authorities(&crowd),
        &|_, host| certified(host).followed_by_authorities(&crowd),
        &|_, host| host.clone().followed_by_authorities(&crowd[..4]),
        &|ca, host| {
            let profile = Profile::host().with_names(&names).unwrap();
            ca.issue_for(&profile, host.key()).unwrap()
        },
    ];
    for chain in chains {
        let (ca, host, stage) = set().await;
        refused(&stage, config_for(&ca, &chain(&ca, &host)), "chain_too_long").await;
    }

    let (ca, host, stage) = set().await;
    let short = host.followed_by_authorities(&crowd[..3]);
    ask(stage.address, config_for(&ca, &short)).await.unwrap();
}

#[tokio::test]
async fn a_handshake_has_no_more_bytes_than_it_takes() {
    let (_, _, stage) = set().await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    // A hello of almost 64 KiB, of which three quarters are sent.
    let mut message = vec![0x01, 0x00, 0xff, 0x00];
    message.resize(48 * 1024, 0);
    for part in message.chunks(16 * 1024) {
        let mut record = vec![0x16, 0x03, 0x01];
        record.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        record.extend(part);
        let _ = stream.write_all(&record).await;
    }
    let line = r#"edge_config_tls_handshakes_total{outcome="malformed"} 1"#;
    until(line, || stage.counted(line)).await;
}

async fn stranger(to: SocketAddr, says: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(says).await.unwrap();
    stream
}

#[tokio::test]
async fn handshakes_that_are_not_finished_keep_nobody_out() {
    // Nothing, and the beginning of a record.
    for says in [&[][..], &[0x16, 0x03, 0x01]] {
        let (ca, host, stage) = set_with(Limits {
            silent: 4,
            handshakes: 4,
            handshake: std::time::Duration::from_hours(1),
            ..LIMITS
        })
        .await;
        let config = config_for(&ca, &host);
        let mut open = connect(stage.address, config.clone()).await.unwrap();
        exchange(&mut open, true).await.unwrap();

        let mut crowd = Vec::new();
        for _ in 0..20 {
            crowd.push(stranger(stage.address, says).await);
            ask(stage.address, config.clone()).await.unwrap();
        }
        // It lost its own places.
        let mut nothing = Vec::new();
        let _ = crowd[0].read_to_end(&mut nothing).await;
        let line = r#"edge_config_tls_handshakes_total{outcome="crowded"} "#;
        until(line, || stage.counts(line)).await;
        let answer = exchange(&mut open, true).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
