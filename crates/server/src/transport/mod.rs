//! Carries requests from a socket to a [`Handler`] and its answers back; knows nothing of what they
//! mean.
//!
//! HTTP/1.1 only, with hyper 1. Everything that a caller could hold is bounded ([`Limits`]):
//! connections, handshakes, heads, bodies, requests under way, idle time, time to take an answer.
//! Where a stranger could take all there is of something, it is taken from the address that holds
//! most of it (`seats`); a caller with a pinned key shares nothing with strangers but the
//! handshakes. A request ends within [`Limits::request`], whatever the handler does. Head and body
//! of an answer leave in one write as far as a buffer takes them: two cost the Edge API 40 ms each
//! (delayed acknowledgement).
//!
//! Rejected: a framework (axum, dropshot) over hyper. Six routes do not repay it, and the bounds
//! below are where it ends.

pub mod answer;

mod body;
mod connection;
mod guard;
mod handshake;
mod listener;
mod pieces;
mod quiet;
mod request;
mod tenure;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use seats::Seats;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use listener::Listener;
pub use pieces::Pieces;

use crate::{metrics::Metrics, tls};

/// Answers requests.
///
/// The body has arrived whole and within [`Limits::body`]. [`Peer`] is in the request's extensions.
/// The future is dropped when [`Limits::request`] is over or the caller has gone; a panic in it
/// becomes a 500.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. `Content-Length` is set by the transport, `Content-Type` is not.
    fn handle(&self, request: Request<Bytes>) -> impl Future<Output = Response<Pieces>> + Send;
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody: no TLS.
    Anybody,
    /// The holder of this pinned public key.
    Pinned(pki::Fingerprint),
}

/// How a listener is secured.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all.
    Plain,
    /// By TLS with pinned client certificates. While there is no material yet, connections are
    /// closed as they arrive.
    Tls(Arc<tls::Reloader>),
}

impl Security {
    /// Whether a connection could be made now.
    pub fn accepts(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::Tls(keeper) => keeper.current().is_some(),
        }
    }
}

/// What a caller may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest body, in bytes; above it the answer is 413.
    pub body: usize,
    /// Bytes of bodies that have arrived, in part or whole, and are not read yet, beside the first
    /// [`SMALL`] of each; above it the answer is 503 with `Retry-After`.
    pub bodies: usize,
    /// From the last byte of a head to the last byte of the handler's answer; then the answer is
    /// 503, or 408 where the body has not arrived.
    pub request: Duration,
    /// From the first byte of a head to its last.
    pub header: Duration,
    /// Between requests on a connection.
    pub idle: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For a caller to take an answer.
    pub write: Duration,
    /// Connections of which nothing was heard yet, beside the others; above it a new one takes the
    /// place of one of them. They cost little, and one that was closed would only come again.
    pub silent: usize,
    /// Open connections. Above it a new one takes the place of one that waits for its caller,
    /// between requests or for a head or a body; with TLS, where all have shown a pinned key, it is
    /// closed.
    pub connections: usize,
    /// Connections whose TLS handshake has begun and is not finished, beside the others; above it a
    /// new one takes the place of one of them.
    pub handshakes: usize,
    /// Requests under way; above it the answer is 503 with `Retry-After`. Bodies that have not
    /// arrived are counted apart, and so many of them; above it a new one takes the place of
    /// another.
    pub concurrent_requests: usize,
    /// Whether requests under way may lose their place as well: for a plane that only tells.
    pub interruptible: bool,
    /// For requests under way when the server stops; then their connections are cut.
    pub drain: Duration,
}

impl Limits {
    /// Most file descriptors that connections of a listener take at a time, `secured` by TLS or
    /// not.
    pub fn descriptors(&self, secured: bool) -> usize {
        let handshakes = if secured { self.handshakes } else { 0 };
        self.connections
            .saturating_add(handshakes)
            .saturating_add(self.silent)
            .saturating_add(LEAVING)
    }
}

/// So many bytes of a body take no room from others: bodies of usual size arrive, however many
/// large ones do not.
pub const SMALL: usize = 16 * 1024;

/// So many connections that lost their place may still be there; then no new one is accepted until
/// they have gone.
const LEAVING: usize = 64;

/// A listener with all that it needs to serve.
#[derive(Debug)]
pub struct Server<H> {
    /// Name in metrics and logs: `device`, `ops`, `admin`.
    pub plane: &'static str,
    /// Where connections arrive.
    pub listener: Listener,
    /// How they are secured.
    pub security: Security,
    /// What they may use.
    pub limits: Limits,
    /// Who answers.
    pub handler: Arc<H>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl<H: Handler> Server<H> {
    /// Serves until `shutdown` is cancelled: then accepts no more, lets requests under way finish
    /// within [`Limits::drain`], cuts the rest and returns.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self {
            plane,
            mut listener,
            security,
            limits,
            handler,
            metrics,
        } = self;
        let room = limits.descriptors(matches!(security, Security::Tls(_)));
        let room = Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
        let silent = Seats::new(limits.silent);
        let shared = Arc::new(connection::Shared::new(
            plane,
            security,
            limits,
            handler,
            metrics,
            shutdown.clone(),
        ));
        let tasks = TaskTracker::new();
        loop {
            let next = async {
                let room = Arc::clone(&room).acquire_owned().await;
                (listener.accept().await, room)
            };
            let (accepted, room) = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                next = next => next,
            };
            let (stream, source) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    listener::after_failure(plane, &error).await;
                    continue;
                }
            };
            let Some(seat) = shared.place(&silent, source) else {
                continue;
            };
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                connection::run(shared, stream, source, seat).await;
                drop(room);
            });
        }
        drop(listener);
        tasks.close();
        if tokio::time::timeout(limits.drain, tasks.wait()).await.is_err() {
            tracing::warn!(
                plane,
                connections = tasks.len(),
                "cutting connections that did not finish in time"
            );
            shared.cut.cancel();
            tasks.wait().await;
        }
    }
}
