//! A gate between the companion and kube-apiserver: counts what the companion writes, and closes at
//! one of the writes, before it is done or before the companion hears that it was. It counts that
//! too.
//!
//! A list of writes made by hand would be right for a day; this one is right for what the companion
//! does.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use testkit::pki::{Authority, Profile, anonymous_client_config};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Cluster;
use crate::throwaway::API;

/// On which side of a write the gate closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// kube-apiserver never hears of the write.
    BeforeIt,
    /// It is done, and the companion never hears so.
    BeforeItsReply,
}

/// A running gate; it ends when dropped.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    writes: Mutex<Writes>,
    closed: watch::Sender<bool>,
    closings: AtomicUsize,
}

#[derive(Debug, Default)]
struct Writes {
    done: Vec<String>,
    trap: Option<(usize, Side)>,
}

impl Gate {
    /// Opens one on the node of a throwaway cluster, with a certificate of the cluster's CA.
    pub async fn open(cluster: &Cluster) -> Result<Self> {
        let pki = cluster.folder()?.join("pki");
        let read = |name: &str| {
            fs::read_to_string(pki.join(name)).with_context(|| format!("cannot read {name} of the cluster"))
        };
        let authority = Authority::from_pem(&read("ca.crt")?, &read("ca.key")?)?;
        let api = SocketAddr::from(API);
        let listener = TcpListener::bind((api.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let identity = authority.issue(&Profile::server(&[&api.ip().to_string()])?)?;
        let acceptor = TlsAcceptor::from(identity.server_config()?);
        let connector = TlsConnector::from(anonymous_client_config(authority.roots()?, &[])?);
        let state = Arc::new(State {
            writes: Mutex::default(),
            closed: watch::Sender::new(false),
            closings: AtomicUsize::new(0),
        });
        let task = tokio::spawn(serve(listener, acceptor, connector, state.clone()));
        Ok(Self { address, state, task })
    }

    /// Where it is, for the environment of the companion's pod.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts anew, and closes at this write (the first is 1), if it comes.
    pub fn close_at(&self, write: usize, side: Side) {
        *lock(&self.state.writes) = Writes {
            done: Vec::new(),
            trap: Some((write, side)),
        };
        self.state.closed.send_replace(false);
    }

    /// Counts anew, and lets everything through.
    pub fn stay_open(&self) {
        *lock(&self.state.writes) = Writes::default();
        self.state.closed.send_replace(false);
    }

    /// Lets everything through from now on; false if the write has come that it closes at, and then
    /// it does.
    pub fn disarm(&self) -> bool {
        let mut writes = lock(&self.state.writes);
        let came = writes.trap.is_some_and(|(write, _)| writes.done.len() >= write);
        if !came {
            writes.trap = None;
        }
        !came
    }

    /// Whether it has closed. Whoever wrote waits for an answer that does not come.
    pub fn is_closed(&self) -> bool {
        *self.state.closed.borrow()
    }

    /// How often it has closed since it was opened first.
    pub fn closings(&self) -> usize {
        self.state.closings.load(Ordering::Relaxed)
    }

    /// What was written since it counts, in order.
    pub fn writes(&self) -> Vec<String> {
        lock(&self.state.writes).done.clone()
    }
}

impl State {
    fn close(&self) {
        self.closings.fetch_add(1, Ordering::Relaxed);
        self.closed.send_replace(true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Body = BoxBody<Bytes, hyper::Error>;

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, connector: TlsConnector, state: Arc<State>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, connector, state) = (acceptor.clone(), connector.clone(), state.clone());
        tokio::spawn(async move {
            let Ok(tls) = acceptor.accept(tcp).await else {
                return;
            };
            let service = service_fn(|request| pass(request, connector.clone(), state.clone()));
            // A connection that ends early is one of a companion that was killed.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(tls), service)
                .await;
        });
    }
}

async fn pass(
    request: Request<Incoming>,
    connector: TlsConnector,
    state: Arc<State>,
) -> Result<Response<Body>> {
    if !is_write(&request) {
        return forward(request, &connector).await;
    }
    let what = format!("{} {}", request.method(), request.uri());
    let trap = {
        let mut writes = lock(&state.writes);
        writes.done.push(what);
        let number = writes.done.len();
        writes.trap.filter(|(at, _)| *at == number).map(|(_, side)| side)
    };
    // A process that goes on beside one that was stopped at a closed gate does not exist: nothing
    // else gets through.
    if *state.closed.borrow() {
        return never().await;
    }
    match trap {
        None => forward(request, &connector).await,
        Some(Side::BeforeIt) => {
            state.close();
            never().await
        }
        Some(Side::BeforeItsReply) => {
            let answer = forward(request, &connector).await?;
            // Read to its end, so that it was done and not only begun.
            answer.into_body().collect().await?;
            state.close();
            never().await
        }
    }
}

async fn never<T>() -> T {
    std::future::pending().await
}

/// Whether it changes something that outlives it. The Lease is renewed by the clock, and events are
/// told by the way: how many of either there are is chance.
fn is_write(request: &Request<Incoming>) -> bool {
    let path = request.uri().path();
    let changes = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    changes
        && !path.contains("/leases/")
        && !path.ends_with("/events")
        && !path.contains("/events/")
        && !path.starts_with("/apis/authorization.k8s.io/")
}

async fn forward(request: Request<Incoming>, connector: &TlsConnector) -> Result<Response<Body>> {
    let api = SocketAddr::from(API);
    let tcp = TcpStream::connect(api).await?;
    let tls = connector.connect(ServerName::from(api.ip()), tcp).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(tls)).await?;
    tokio::spawn(connection);
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if body.len() > 1 << 24 {
        bail!("a request of {} bytes is none of the companion's", body.len());
    }
    let answer = sender
        .send_request(Request::from_parts(head, Full::new(body)))
        .await?;
    Ok(answer.map(BodyExt::boxed))
}
