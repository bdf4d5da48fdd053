//! A device plane with TLS on a free port, and a caller that shows what it was given.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use edge_config_server::{
    metrics::Metrics,
    tls::{Files, Reloader, Status},
    transport::{Handler, Limits, Listener, Peer, Security, Server, answer},
};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tempfile::TempDir;
use testkit::pki::{Authority, Identity, write_server_folder};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const LIMITS: Limits = Limits {
    body: 1024,
    bodies: 1 << 20,
    request: Duration::from_secs(10),
    header: Duration::from_secs(10),
    idle: Duration::from_hours(1),
    handshake: Duration::from_secs(10),
    write: Duration::from_secs(10),
    silent: 64,
    connections: 64,
    handshakes: 64,
    concurrent_requests: 64,
    interruptible: false,
    drain: Duration::from_secs(1),
};

/// How long a condition may take; long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Says who asks; about `/wait` when it is told to.
#[derive(Default)]
pub(crate) struct Mirror {
    pub(crate) begun: Notify,
    pub(crate) go_on: Notify,
}

impl Handler for Mirror {
    async fn handle(&self, request: Request<Bytes>) -> Response<edge_config_server::transport::Pieces> {
        if request.uri().path() == "/wait" {
            self.begun.notify_one();
            self.go_on.notified().await;
        }
        let peer = request.extensions().get::<Peer>().map(|peer| format!("{peer:?}"));
        answer::json(StatusCode::OK, peer.unwrap_or_default())
    }
}

/// A server under test; dropping it stops it.
pub(crate) struct Served {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    keeper: Arc<Reloader>,
    pub(crate) handler: Arc<Mirror>,
    metrics: Arc<Metrics>,
    folder: TempDir,
    _stop: DropGuard,
}

impl Served {
    pub(crate) async fn start(server: &Identity, ca: &str, pins: &[String]) -> Self {
        let stage = Self::start_empty().await;
        stage.write(server, ca, pins);
        stage.look();
        let faults = stage.status().faults;
        assert!(faults.is_empty(), "{faults:?}");
        stage
    }

    /// A server that has looked and found no file.
    pub(crate) async fn start_empty() -> Self {
        Self::start_with(LIMITS).await
    }

    /// The same with other limits.
    pub(crate) async fn start_with(limits: Limits) -> Self {
        let (folder, metrics) = (TempDir::new().unwrap(), Arc::new(Metrics::default()));
        let file = |name| folder.path().join(name);
        let files = Files {
            certificate: file("tls.crt"),
            key: file("tls.key"),
            client_ca: file("ca.crt"),
            client_pins: file("pins"),
        };
        let keeper = Reloader::new(files, Arc::clone(&metrics));
        let handler = Arc::new(Mirror::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server {
            plane: "device",
            listener: Listener::Tcp(listener),
            security: Security::Tls(Arc::clone(&keeper)),
            limits,
            handler: Arc::clone(&handler),
            metrics: Arc::clone(&metrics),
        };
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(stop.clone()));
        let stage = Self {
            address,
            keeper,
            handler,
            metrics,
            folder,
            _stop: stop.drop_guard(),
        };
        stage.look();
        stage
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, server: &Identity, ca: &str, pins: &[String]) {
        write_server_folder(self.folder.path(), server, ca, pins).unwrap();
    }

    pub(crate) fn look(&self) {
        self.keeper.look(Timestamp::now());
    }

    pub(crate) fn watch(&self) -> JoinHandle<std::io::Result<()>> {
        tokio::spawn(Arc::clone(&self.keeper).watch(CancellationToken::new()))
    }

    pub(crate) fn status(&self) -> Status {
        self.keeper.status(Timestamp::now())
    }

    pub(crate) fn counted(&self, line: &str) -> bool {
        self.metrics.encode().unwrap().lines().any(|found| found == line)
    }

    /// Whether anything was counted that begins so.
    pub(crate) fn counts(&self, begin: &str) -> bool {
        let text = self.metrics.encode().unwrap();
        text.lines().any(|found| found.starts_with(begin))
    }
}

/// What a caller was given.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) protocol: Option<Vec<u8>>,
    pub(crate) body: String,
    pub(crate) tickets: u32,
}

pub(crate) async fn connect(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(config).connect(name, stream).await?)
}

/// Sends a request or a part of one.
pub(crate) async fn say(stream: &mut TlsStream<TcpStream>, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await
}

/// All that still comes until the connection is closed, by whichever way.
pub(crate) async fn rest(stream: &mut TlsStream<TcpStream>) -> String {
    let mut bytes = Vec::new();
    // Closed without a word of TLS is an error to rustls.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes));
    let _ = read.await.expect("the connection is closed");
    String::from_utf8(bytes).unwrap()
}

/// One request; without `keep`, the last one of the connection.
pub(crate) async fn exchange(stream: &mut TlsStream<TcpStream>, keep: bool) -> anyhow::Result<String> {
    let connection = if keep { "keep-alive" } else { "close" };
    say(
        stream,
        &format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\n\r\n"),
    )
    .await?;
    let mut text = String::new();
    if keep {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await?;
        text.push_str(std::str::from_utf8(&buffer[..read])?);
    } else {
        stream.read_to_string(&mut text).await?;
    }
    Ok(text)
}

/// One request on a connection of its own. Whether a TLS 1.3 client certificate was refused shows
/// only with the answer.
pub(crate) async fn ask(address: SocketAddr, config: Arc<ClientConfig>) -> anyhow::Result<Answer> {
    let mut stream = connect(address, config).await?;
    let text = exchange(&mut stream, false).await?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .with_context(|| format!("no answer: {text:?}"))?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let session = stream.get_ref().1;
    Ok(Answer {
        protocol: session.alpn_protocol().map(<[_]>::to_vec),
        body: body.to_owned(),
        tickets: session.tls13_tickets_received(),
    })
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A CA and a host certificate with all that is odd about Flotta's: the CA's serial number again, a
/// fixed subject key identifier, no basic constraints.
pub(crate) fn quirky_host() -> (Authority, Identity) {
    let serial = SerialNumber::from(1_664_000_000_u64);
    let printable = DnValue::PrintableString("flotta-operator".try_into().unwrap());
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, printable.clone());
    params.serial_number = Some(serial.clone());
    params.not_before = rcgen::date_time_ymd(2022, 10, 6);
    params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    let mut host = params.clone();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let authority = Authority::from_pem(&ca.pem(), &ca_key.serialize_pem()).unwrap();

    host.distinguished_name.push(DnType::CommonName, "*");
    host.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    host.use_authority_key_identifier_extension = true;
    let key_identifier = vec![0x04, 0x05, 1, 2, 3, 4, 6];
    host.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 14], key_identifier)];
    let key = KeyPair::generate().unwrap();
    let certificate = host.signed_by(&key, &Issuer::new(params, ca_key)).unwrap();
    (
        authority,
        Identity::from_pem(&certificate.pem(), &key.serialize_pem()).unwrap(),
    )
}
