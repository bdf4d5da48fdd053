//! One HTTP/1.1 connection, plain or TLS, and what came back on it. Every client of the testkit is
//! built on it.
//!
//! hyper's connection level rather than a pooling client: tests decide themselves when a connection
//! is opened, reused and closed, because that is what differs between the Edge API, a device and a
//! benchmark.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A connection that is not there after this time hangs.
const ATTEMPT: Duration = Duration::from_secs(3);

/// So many are tried.
const ATTEMPTS: u32 = 3;

/// TLS settings of a connection: the configuration and the name the server's certificate must
/// carry.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Roots, client certificate, versions, ALPN.
    pub config: Arc<ClientConfig>,
    /// What the certificate is checked against.
    pub server_name: ServerName<'static>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: HeaderMap,
    /// The body, empty when there is none.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {:?}", self.text()))
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects, with TLS when given. An error when the server selects `h2`, which no caller here
    /// can speak: that is what happens to the Edge API's client too.
    pub async fn open(address: SocketAddr, tls: Option<&Tls>) -> Result<Self> {
        let tcp = dial(address).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = tls else {
            return Self::over(tcp).await;
        };
        let stream = TlsConnector::from(tls.config.clone()).connect(tls.server_name.clone(), tcp);
        let stream = stream
            .await
            .with_context(|| format!("TLS with {address} failed"))?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            bail!("{address} selected h2, which the Edge API's client cannot speak");
        }
        Self::over(stream).await
    }

    async fn over<S>(stream: S) -> Result<Self>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Errors of the connection reach the caller through the request that was under way.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    /// Whether the peer has closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Connects. The first packet of a connection through a Service can be lost while its rules are
/// being written, and the kernel then tries for two minutes; a fresh connection gets through.
async fn dial(address: SocketAddr) -> Result<TcpStream> {
    for _ in 0..ATTEMPTS {
        if let Ok(answer) = timeout(ATTEMPT, TcpStream::connect(address)).await {
            return answer.with_context(|| format!("cannot connect to {address}"));
        }
    }
    bail!("cannot connect to {address}: nobody answered")
}

/// The certificate that a server presents.
pub async fn served_certificate(address: SocketAddr, tls: &Tls) -> Result<CertificateDer<'static>> {
    let tcp = dial(address).await?;
    let stream = TlsConnector::from(tls.config.clone())
        .connect(tls.server_name.clone(), tcp)
        .await
        .with_context(|| format!("TLS with {address} failed"))?;
    let presented = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    presented
        .map(|certificate| certificate.clone().into_owned())
        .context("the server presented no certificate")
}

/// A plain GET on a connection of its own, as a probe does it.
pub async fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let request = Request::get(path)
        .header("host", address.to_string())
        .body(Full::default())?;
    Connection::open(address, None).await?.send(request).await
}
