//! One connection: handshake, then requests until it ends.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use seats::{Seat, Seats, Source, Taken};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{
    Handler, Limits, Security,
    guard::{Guarded, Patience, Phase},
    handshake::{Metered, handshake},
    listener::Stream,
    pieces::Pieces,
    quiet::Quiet,
    request,
    tenure::{Caller, Tenure},
};
use crate::{
    metrics::Metrics,
    room::Room,
    tls::{Admitted, Refusal, Reloader},
};

/// Most bytes of a request's head. The Edge API sends some hundred.
const HEAD: usize = 16 * 1024;

/// Most bytes that are read from a connection at once, or copied to be written; a head has to fit
/// in.
pub(super) const BUFFER: usize = 32 * 1024;

/// What the connections of a listener share.
pub(super) struct Shared<H> {
    pub(super) plane: &'static str,
    pub(super) security: Security,
    pub(super) limits: Limits,
    pub(super) handler: Arc<H>,
    pub(super) metrics: Arc<Metrics>,
    /// Strangers that have said something: with TLS until the end of their handshake, without it
    /// all there are.
    begun: Arc<Seats>,
    /// Connections that have shown a pinned key.
    pinned: Semaphore,
    /// Requests that have arrived and are not answered.
    pub(super) requests: Semaphore,
    /// Bodies that have not arrived.
    pub(super) bodies: Arc<Seats>,
    /// What they take.
    pub(super) room: Room,
    /// Log lines about refused handshakes.
    pub(super) refusals: Quiet,
    /// Cancelled when the server stops: finish, then close.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the time to finish is over.
    pub(super) cut: CancellationToken,
}

impl<H> Shared<H> {
    pub(super) fn new(
        plane: &'static str,
        security: Security,
        limits: Limits,
        handler: Arc<H>,
        metrics: Arc<Metrics>,
        stopping: CancellationToken,
    ) -> Self {
        let begun = match security {
            Security::Plain => limits.connections,
            Security::Tls(_) => limits.handshakes,
        };
        Self {
            plane,
            security,
            limits,
            handler,
            metrics,
            begun: Seats::new(begun),
            pinned: Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)),
            requests: Semaphore::new(limits.concurrent_requests.min(Semaphore::MAX_PERMITS)),
            bodies: Seats::new(limits.concurrent_requests),
            room: Room::new(limits.bodies),
            refusals: Quiet::default(),
            stopping,
            cut: CancellationToken::new(),
        }
    }
}

impl<H> Shared<H> {
    /// A place for a stranger.
    pub(super) fn place(&self, seats: &Arc<Seats>, source: Source) -> Option<Seat> {
        match seats.take(source) {
            Taken::Free(seat) => Some(seat),
            Taken::Anothers(seat) => {
                self.metrics.limit_hit(self.plane, "unfinished");
                Some(seat)
            }
            Taken::None => {
                self.metrics.limit_hit(self.plane, "connections");
                None
            }
        }
    }
}

/// Serves a connection to its end; it begins on a place of those that were not heard yet.
pub(super) async fn run<H: Handler>(shared: Arc<Shared<H>>, stream: Stream, source: Source, silent: Seat) {
    let _open = shared.metrics.connection(shared.plane);
    match &shared.security {
        Security::Plain => {
            if speaks(&shared, &stream, shared.limits.idle, silent)
                .await
                .is_err()
            {
                return;
            }
            let Some(seat) = shared.place(&shared.begun, source) else {
                return;
            };
            let tenure = Tenure::Place(seat, shared.limits.interruptible);
            serve(&shared, stream, Caller::new(source, tenure)).await;
        }
        Security::Tls(keeper) => match admit(&shared, keeper, stream, source, silent).await {
            Ok((stream, admitted)) => {
                shared.metrics.handshake("ok");
                let Ok(_place) = shared.pinned.try_acquire() else {
                    shared.metrics.limit_hit(shared.plane, "connections");
                    return;
                };
                serve(&shared, stream, Caller::new(source, Tenure::Pin(admitted))).await;
            }
            Err(refusal) => {
                shared.metrics.handshake(refusal.as_str());
                tell_refusal(&shared, refusal);
            }
        },
    }
}

/// Waits until a caller says something, or goes. Until then it costs a descriptor and little else.
async fn speaks<H>(
    shared: &Shared<H>,
    stream: &Stream,
    patience: Duration,
    silent: Seat,
) -> Result<(), Refusal> {
    tokio::select! {
        biased;
        spoken = timeout(patience, stream.readable()) => match spoken {
            Ok(Ok(())) => stream.prepare().map_err(|_| Refusal::Closed),
            Ok(Err(_)) => Err(Refusal::Closed),
            Err(_) => {
                shared.metrics.limit_hit(shared.plane, "connection_time");
                Err(Refusal::Timeout)
            }
        },
        () = silent.lost() => Err(Refusal::Crowded),
        () = shared.stopping.cancelled() => Err(Refusal::Stopping),
    }
}

/// The handshake of a caller, from its first word.
async fn admit<H>(
    shared: &Shared<H>,
    keeper: &Reloader,
    stream: Stream,
    source: Source,
    silent: Seat,
) -> Result<(TlsStream<Metered<Stream>>, Admitted), Refusal> {
    if !shared.security.accepts() {
        return Err(Refusal::NoMaterial);
    }
    speaks(shared, &stream, shared.limits.handshake, silent).await?;
    let seat = shared.place(&shared.begun, source).ok_or(Refusal::Crowded)?;
    tokio::select! {
        shaken = handshake(shared, keeper, stream) => shaken,
        () = seat.lost() => Err(Refusal::Crowded),
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

pub(super) async fn serve<H: Handler>(
    shared: &Arc<Shared<H>>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    caller: Caller,
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
        let (shared, phase, caller) = (Arc::clone(shared), Arc::clone(&phase), caller.clone());
        async move {
            let answer = request::respond(&shared, &caller, request).await;
            phase.answered().await;
            Ok::<_, Infallible>(finish(answer))
        }
    });
    let connection = http1::Builder::new()
        .writev(false)
        .max_header_size(HEAD)
        .max_buf_size(BUFFER)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = caller.tenure.taken() => return,
        () = caller.tenure.unpinned() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = connection => outcome,
                () = sleep(limits.request + limits.write) => return,
                () = shared.cut.cancelled() => return,
            }
        }
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

/// Never without a length.
fn finish(mut answer: Response<Pieces>) -> Response<Pieces> {
    let length = HeaderValue::from(answer.body().len());
    answer.headers_mut().insert(header::CONTENT_LENGTH, length);
    answer
}

/// Counts a connection that a limit ended; the rest is the caller's business and only of interest
/// when looking closely.
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
