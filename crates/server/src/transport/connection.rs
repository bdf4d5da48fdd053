//! One connection: handshake, then requests until it ends.

use std::{convert::Infallible, io, pin::pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    Handler, Limits, Peer, Security,
    guard::{Guarded, Patience, Phase},
    listener::Stream,
    quiet::Quiet,
    request,
};
use crate::{
    metrics::Metrics,
    tls::{self, Refusal},
};

/// Most bytes of a request's head. The Edge API sends some hundred.
const HEAD: usize = 16 * 1024;

/// What the connections of a listener share.
pub(super) struct Shared<H> {
    pub(super) plane: &'static str,
    pub(super) security: Security,
    pub(super) limits: Limits,
    pub(super) handler: Arc<H>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) requests: Semaphore,
    /// Log lines about refused handshakes.
    pub(super) refusals: Quiet,
    /// Cancelled when the server stops: finish, then close.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the time to finish is over.
    pub(super) cut: CancellationToken,
}

/// Serves a connection to its end.
pub(super) async fn run<H: Handler>(shared: Arc<Shared<H>>, stream: Stream) {
    let _open = shared.metrics.connection(shared.plane);
    match &shared.security {
        Security::Plain => serve(&shared, stream, Peer::Anybody).await,
        Security::Tls(keeper) => match handshake(&shared, keeper, stream).await {
            Ok((stream, peer)) => {
                shared.metrics.handshake("ok");
                serve(&shared, stream, peer).await;
            }
            Err(refusal) => {
                shared.metrics.handshake(refusal.as_str());
                tell_refusal(&shared, refusal);
            }
        },
    }
}

fn tell_refusal<H>(shared: &Shared<H>, refusal: Refusal) {
    if !refusal.is_notable() {
        return;
    }
    if let Some(left_out) = shared.refusals.left_out() {
        tracing::info!(
            plane = shared.plane,
            reason = refusal.as_str(),
            key = refusal.key().map(tracing::field::display),
            left_out,
            "refused a TLS handshake"
        );
    }
}

async fn handshake<H>(
    shared: &Shared<H>,
    keeper: &tls::Keeper,
    stream: Stream,
) -> Result<(TlsStream<Stream>, Peer), Refusal> {
    let material = keeper.current().ok_or(Refusal::NoMaterial)?;
    let accepted = tokio::select! {
        () = shared.stopping.cancelled() => return Err(Refusal::Stopping),
        accepted = timeout(shared.limits.handshake, TlsAcceptor::from(material.config()).accept(stream)) => accepted,
    };
    let stream = accepted
        .map_err(|_| Refusal::Timeout)?
        .map_err(|error| Refusal::of(&error))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let key = certificate.and_then(tls::key_of).ok_or(Refusal::NoCertificate)?;
    Ok((stream, Peer::Pinned(key)))
}

pub(super) async fn serve<H: Handler>(
    shared: &Arc<Shared<H>>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
) {
    let limits = &shared.limits;
    let phase = Arc::new(Phase::default());
    let patience = Patience {
        idle: limits.idle,
        header: limits.header,
        write: limits.write,
    };
    let io = TokioIo::new(Guarded::new(stream, Arc::clone(&phase), patience));
    let service = service_fn(|request: Request<Incoming>| {
        phase.request();
        let (shared, phase) = (Arc::clone(shared), Arc::clone(&phase));
        async move {
            let answer = request::respond(&shared, peer, request).await;
            phase.answered().await;
            Ok::<_, Infallible>(finish(answer))
        }
    });
    let connection = http1::Builder::new()
        .writev(false)
        .max_header_size(HEAD)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = shared.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = connection => outcome,
                () = shared.cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = outcome {
        tell(shared, &error);
    }
}

/// The form in which hyper writes an answer in one piece, and never without a length.
fn finish(answer: Response<Bytes>) -> Response<Full<Bytes>> {
    let (mut parts, body) = answer.into_parts();
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(parts, Full::new(body))
}

/// Counts a connection that a limit ended; the rest is the caller's business and only of interest when looking closely.
fn tell<H>(shared: &Shared<H>, error: &hyper::Error) {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    if source.is_some_and(|source| source.kind() == io::ErrorKind::TimedOut) {
        shared.metrics.limit_hit(shared.plane, "connection_time");
    }
    tracing::debug!(
        plane = shared.plane,
        error = crate::telemetry::chain(error),
        "a connection ended early"
    );
}
