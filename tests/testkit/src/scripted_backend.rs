//! A backend that answers what a test scripts, and the smallest hyper program to compare ours with.
//!
//! With [`ScriptedBackend`] the harness is tested without the server, and so is what the real Edge
//! API makes of answers that the server never gives.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::caller::BASE_PATH;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method.
    pub method: Method,
    /// Path, query excluded.
    pub path: String,
    /// Body.
    pub body: Bytes,
}

/// An answer to give.
#[derive(Debug, Clone)]
pub struct Scripted {
    /// HTTP status.
    pub status: u16,
    /// `application/json` when it is not empty.
    pub body: Bytes,
}

impl Scripted {
    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            body: Bytes::new(),
        }
    }

    /// A JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            body: Bytes::from(body.to_string()),
        }
    }
}

type Script = dyn Fn(&Seen) -> Scripted + Send + Sync;

/// A server on a free port; it ends with the value.
#[derive(Debug)]
pub struct ScriptedBackend {
    address: SocketAddr,
    scheme: &'static str,
    log: Arc<Log>,
    serving: JoinHandle<()>,
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Log {
    requests: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

impl ScriptedBackend {
    /// Serves on 127.0.0.1, over TLS when a configuration is given.
    pub async fn start(
        tls: Option<Arc<rustls::ServerConfig>>,
        script: impl Fn(&Seen) -> Scripted + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let log = Arc::new(Log::default());
        let serving = tokio::spawn(accept(listener, tls, Arc::new(script), log.clone()));
        Ok(Self {
            address,
            scheme,
            log,
            serving,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What an Edge API is given as `REMOTE_BACKEND_URL`.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}{BASE_PATH}", self.scheme, self.address.port())
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.log
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.log.connections.load(Ordering::Relaxed)
    }
}

impl Drop for ScriptedBackend {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    script: Arc<Script>,
    log: Arc<Log>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    while let Ok((tcp, _)) = listener.accept().await {
        log.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(connection(tcp, acceptor.clone(), script.clone(), log.clone()));
    }
}

async fn connection(tcp: TcpStream, acceptor: Option<TlsAcceptor>, script: Arc<Script>, log: Arc<Log>) {
    let service = service_fn(move |request| answer(request, script.clone(), log.clone()));
    let http = hyper::server::conn::http1::Builder::new();
    // A peer that breaks off is none of this server's business.
    match acceptor {
        None => drop(http.serve_connection(TokioIo::new(tcp), service).await),
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(tcp).await {
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
    log: Arc<Log>,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = Seen {
        method: head.method,
        path: head.uri.path().to_owned(),
        body,
    };
    let Scripted { status, body } = script(&request);
    log.requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let mut response = Response::builder().status(status);
    if !body.is_empty() {
        response = response.header("content-type", "application/json");
    }
    Ok(response.body(Full::new(body))?)
}
