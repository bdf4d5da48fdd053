//! A proxy in front of a real API server that counts writes and, at the n-th, does what networks
//! and API servers do. It counts that as well: a test of a fault that never came proves nothing.
//!
//! Rather than a scripted API server: what server-side apply does with managers, uids and versions
//! is exactly what the companion relies on, and a script would only repeat what its author
//! believes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    body::Incoming, client::conn::http1 as client, server::conn::http1 as server, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use testkit::http_client::Tls;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status and does not reach the API server.
    Status(u16),
    /// The connection is cut before the API server gets it.
    CutBefore,
    /// The API server performs it, and the connection is cut before its answer.
    CutAfter,
    /// Whoever sent it ends before the API server gets it: nothing is answered, and the test ends
    /// the sender when [`Proxy::fires`] ends.
    KillBefore,
    /// The same after the API server has performed it.
    KillAfter,
}

impl Fault {
    /// Whether it ends who sent the write.
    pub fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    fn is_after(self) -> bool {
        matches!(self, Self::CutAfter | Self::KillAfter)
    }
}

/// The proxy. It ends with the value.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    upstream: SocketAddr,
    tls: Tls,
    token: String,
    writes: Mutex<Writes>,
    /// How many faults were done.
    fired: watch::Sender<usize>,
}

#[derive(Default)]
struct Writes {
    seen: Vec<String>,
    /// At which write what happens, until it has begun.
    fault: Option<(usize, Fault)>,
}

impl Proxy {
    /// In front of this API server, as the holder of this token.
    pub async fn start(upstream: SocketAddr, tls: Tls, token: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            tls,
            token: token.to_owned(),
            writes: Mutex::default(),
            fired: watch::Sender::new(0),
        });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                tokio::spawn(async move {
                    let line = Arc::new(Line::default());
                    let service =
                        service_fn(move |request| Arc::clone(&shared).answer(request, Arc::clone(&line)));
                    // A cut connection is what this is for.
                    let _ = server::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the n-th write (from 0) from here on have this fault.
    pub fn fault_at(&self, write: usize, fault: Fault) {
        let mut writes = self.shared.writes.lock().unwrap();
        writes.fault = Some((writes.seen.len() + write, fault));
    }

    /// Lets every write through from here on. Whether the fault was still to come: if not, it is
    /// done, or about to be.
    pub fn disarm(&self) -> bool {
        self.shared.writes.lock().unwrap().fault.take().is_some()
    }

    /// How many faults it has done.
    pub fn fired(&self) -> usize {
        *self.shared.fired.borrow()
    }

    /// Ends when it has done one.
    pub async fn fires(&self) {
        let mut fired = self.shared.fired.subscribe();
        // The sender lives as long as the proxy.
        let _ = fired.wait_for(|fired| *fired > 0).await;
    }

    /// Writes so far, as `PATCH /path`.
    pub fn writes(&self) -> Vec<String> {
        self.shared.writes.lock().unwrap().seen.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connection to the API server that belongs to one from the companion.
type Line = tokio::sync::Mutex<Option<client::SendRequest<Full<Bytes>>>>;

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

impl Shared {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, line: Arc<Line>) -> Result<Answer> {
        let Some(fault) = self.count(&request) else {
            return self.forward(request, &line).await;
        };
        if fault.is_after() {
            // Over a connection of its own: the other one may have just been closed, and then the
            // write is not done.
            let answer = self.forward(request, &Line::default()).await?;
            answer.into_body().collect().await?;
        }
        self.fired.send_modify(|fired| *fired += 1);
        match fault {
            Fault::Status(code) => Ok(refusal(code)),
            Fault::CutBefore | Fault::CutAfter => anyhow::bail!("cut"),
            Fault::KillBefore | Fault::KillAfter => std::future::pending().await,
        }
    }

    fn count(&self, request: &Request<Incoming>) -> Option<Fault> {
        let path = request.uri().path();
        let mut writes = self.writes.lock().unwrap();
        if *request.method() == Method::GET || path.ends_with("reviews") {
            return None;
        }
        // The Lease is renewed by the clock and has tests of its own; an Event is written after
        // what it tells of.
        if path.contains("/leases/") || path.contains("/events") {
            return None;
        }
        let number = writes.seen.len();
        writes.seen.push(format!("{} {path}", request.method()));
        let begun = writes.fault.take_if(|(at, _)| *at == number);
        begun.map(|(_, fault)| fault)
    }

    async fn forward(&self, request: Request<Incoming>, line: &Line) -> Result<Answer> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let token = HeaderValue::from_str(&format!("Bearer {}", self.token))?;
        head.headers.insert(header::AUTHORIZATION, token);
        head.headers
            .insert(header::HOST, HeaderValue::from_str(&self.upstream.to_string())?);
        let mut line = line.lock().await;
        let usable = match line.as_mut() {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            *line = Some(self.connect().await?);
        }
        let sender = line.as_mut().context("it was just connected")?;
        let answer = sender
            .send_request(Request::from_parts(head, Full::new(body)))
            .await?;
        Ok(answer.map(http_body_util::BodyExt::boxed))
    }

    async fn connect(&self) -> Result<client::SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::clone(&self.tls.config))
            .connect(self.tls.server_name.clone(), stream)
            .await
            .context("TLS with the API server failed")?;
        let (sender, connection) = client::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// As the API server refuses.
fn refusal(code: u16) -> Answer {
    let reason = match code {
        403 => "Forbidden",
        409 => "Conflict",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": "a fault of the test", "reason": reason, "code": code,
    });
    let body = Full::new(Bytes::from(status.to_string()))
        .map_err(|never| match never {})
        .boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
