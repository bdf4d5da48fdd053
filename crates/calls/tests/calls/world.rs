//! Servers that do what a test says, and the material of a Flotta.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use flotta_calls::{BackendCall, Nonce};
use pki::{
    Certificate,
    edge_api::{Pair, accept_host},
};
use rustls::{RootCertStore, ServerConfig, pki_types::CertificateDer, server::WebPkiClientVerifier};
use testkit::pki::{Authority, Identity, KeyKind, Profile};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

pub(crate) const PATH: &str = "/api/flotta-backend/v1";

/// Far longer than any call that does not hang takes.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

/// For calls that are to hang.
pub(crate) fn very_soon() -> Instant {
    Instant::now() + Duration::from_millis(300)
}

pub(crate) fn nonce() -> Nonce {
    Nonce::new("7f").unwrap()
}

/// `flotta-ca` and the host certificate.
pub(crate) struct Flotta {
    pub authority: Authority,
    pub host: pki::Identity,
    pub roots: Vec<CertificateDer<'static>>,
}

impl Flotta {
    pub(crate) fn new() -> Self {
        let authority = Authority::new(KeyKind::P256).unwrap();
        let host = ours(&authority.issue(&Profile::host()).unwrap());
        let roots = certificates(&authority);
        Self {
            authority,
            host,
            roots,
        }
    }

    pub(crate) fn call<'a>(&'a self, url: &'a str) -> BackendCall<'a> {
        BackendCall {
            url,
            identity: &self.host,
            roots: &self.roots,
        }
    }

    /// A server certificate as it should be.
    pub(crate) fn server(&self) -> Identity {
        let profile = Profile::server(&["localhost", "127.0.0.1"]).unwrap();
        self.authority.issue(&profile).unwrap()
    }
}

pub(crate) fn certificates(authority: &Authority) -> Vec<CertificateDer<'static>> {
    pki::pem::certificates(authority.pem().as_bytes()).unwrap()
}

/// The same identity as the crates under test hold one.
pub(crate) fn ours(identity: &Identity) -> pki::Identity {
    let pair = Pair {
        certificate: Some(&identity.certificate_pem().into_bytes()),
        key: Some(&identity.key().traditional_pem().unwrap().into_bytes()),
    };
    accept_host(pair).unwrap()
}

pub(crate) fn leaf(identity: &Identity) -> Certificate {
    Certificate::parse(identity.leaf().clone()).unwrap()
}

/// TLS with this certificate, demanding a client certificate of one of `clients`.
pub(crate) fn mutual(server: &Identity, clients: RootCertStore, alpn: &[&str]) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = pki::pem::private_key(server.key().pkcs8_pem().as_bytes()).unwrap();
    let chain = pki::pem::certificates(server.certificate_pem().as_bytes()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// These octets are sent, then the connection is closed.
    Say(Vec<u8>),
    /// Nothing is ever sent.
    Hang,
}

pub(crate) fn say(text: impl AsRef<[u8]>) -> Act {
    Act::Say(text.as_ref().to_vec())
}

/// An answer with a body and headers, each with its line end.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Act {
    let length = body.len();
    say(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    ))
}

pub(crate) fn json(body: &str) -> Act {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}

type Script = dyn Fn(usize, &str) -> Act + Send + Sync;

/// A server; it ends with the value.
pub(crate) struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Reads each request and does what the script says; the script gets the number of the request,
    /// from 0, and the text.
    pub(crate) async fn start(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(usize, &str) -> Act + Send + Sync + 'static,
    ) -> Self {
        let script: Arc<Script> = Arc::new(script);
        Self::raw(0, tls, script).await
    }

    /// The first `deaf` connections are taken and never read.
    pub(crate) async fn deaf_at_first(deaf: usize, tls: Option<Arc<ServerConfig>>, act: Act) -> Self {
        Self::raw(deaf, tls, Arc::new(move |_, _| act.clone())).await
    }

    async fn raw(deaf: usize, tls: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&seen);
        let serving = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((tcp, _)) = listener.accept().await {
                if held.len() < deaf {
                    held.push(tcp);
                    continue;
                }
                tokio::spawn(serve(tcp, tls.clone(), Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self {
            address,
            seen,
            serving,
        }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}{PATH}", self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    tcp: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    // A peer that breaks off is none of this server's business.
    match tls {
        None => converse(tcp, script, seen).await,
        Some(tls) => {
            if let Ok(stream) = TlsAcceptor::from(tls).accept(tcp).await {
                converse(stream, script, seen).await;
            }
        }
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = request(&mut stream).await else {
        return;
    };
    let number = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(request.clone());
        seen.len() - 1
    };
    match script(number, &request) {
        Act::Say(octets) => {
            let _ = stream.write_all(&octets).await;
            let _ = stream.shutdown().await;
        }
        Act::Hang => std::future::pending().await,
    }
}

/// Head and body; what is no HTTP is a request as it is.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut octets = Vec::new();
    loop {
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&octets);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if octets.first() == Some(&22) {
                return Some("(a TLS handshake)".to_owned());
            }
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}
