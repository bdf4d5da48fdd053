//! What an operator and a cluster ask the process: is it alive, does it get its work done, what has
//! it counted.
//!
//! Plain HTTP on a port of its own, for probes and scrapes. Ready means that a look at the cluster
//! has succeeded lately; whether the Edge API is switched is what the resource says, and no reason
//! to restart the companion.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use seats::Seats;
use tasks::Tasks;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::metrics::Metrics;

/// A look at the cluster must have succeeded within this time.
const LATELY: Duration = Duration::from_mins(3);

/// So many callers at once. One more takes the place of another: of the address that has most of
/// them, the oldest.
const CONNECTIONS: usize = 64;

/// So many that lost their place may still be there; then no new one is accepted until they have
/// gone.
const LEAVING: usize = 16;

/// Most bytes of a request's head, and most that are read from a connection at once: as on the
/// server's ports. hyper's own bounds are 400 KiB for each connection.
const HEAD: usize = 16 * 1024;
const BUFFER: usize = 32 * 1024;

/// A connection ends after this time, whatever is under way on it.
const CONNECTION: Duration = Duration::from_secs(10);

/// Whether the process gets its work done.
#[derive(Debug)]
pub struct Health {
    looked: Mutex<Result<Instant, String>>,
    tasks: Tasks,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            looked: Mutex::new(Err("it has not looked at the cluster yet".to_owned())),
            tasks: Tasks::default(),
        }
    }
}

impl Health {
    /// What must not end before the process does.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// A look at the cluster succeeded, or did not for this reason.
    pub fn round(&self, outcome: Result<(), String>) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        match (outcome, &*looked) {
            (Ok(()), _) => *looked = Ok(Instant::now()),
            // One failed look is no reason while the last good one is fresh.
            (Err(_), Ok(at)) if at.elapsed() < LATELY => {}
            (Err(reason), _) => *looked = Err(reason),
        }
    }

    fn not_ready_because(&self) -> Option<String> {
        match &*self.looked.lock().unwrap_or_else(PoisonError::into_inner) {
            Ok(at) if at.elapsed() < LATELY => None,
            Ok(_) => Some("the last look at the cluster is too long ago".to_owned()),
            Err(reason) => Some(reason.clone()),
        }
    }
}

/// Listens. Requests are answered while [`serve`] is polled.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers `/healthz`, `/readyz` and `/metrics` for as long as the future is polled.
pub async fn serve(listener: TcpListener, health: Arc<Health>, metrics: Arc<Metrics>) {
    let (room, seats) = (
        Arc::new(Semaphore::new(CONNECTIONS + LEAVING)),
        Seats::new(CONNECTIONS),
    );
    loop {
        let Ok(room) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, address)) = listener.accept().await else {
            // Out of file descriptors: they come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(seat) = seats.take(address.into()).seat() else {
            continue;
        };
        let (health, metrics) = (Arc::clone(&health), Arc::clone(&metrics));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&request, &health, &metrics);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .max_header_size(HEAD)
                .max_buf_size(BUFFER)
                .timer(TokioTimer::new())
                .header_read_timeout(CONNECTION)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = timeout(CONNECTION, connection) => {}
                () = seat.lost() => {}
            }
            drop((seat, room));
        });
    }
}

fn answer(request: &Request<Incoming>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return typed(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET and HEAD are answered here\n",
        );
    }
    match request.uri().path() {
        "/healthz" => match health.tasks.early() {
            None => typed(StatusCode::OK, TEXT, "alive\n"),
            Some(ended) => typed(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                format!("not alive: {}\n", ended.sentence()),
            ),
        },
        "/readyz" => match health.not_ready_because() {
            None => typed(StatusCode::OK, TEXT, "ready\n"),
            Some(reason) => typed(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                format!("not ready: {reason}\n"),
            ),
        },
        "/metrics" => match metrics.encode() {
            Ok(text) => typed(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                text,
            ),
            Err(_) => typed(
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                "the metrics cannot be written\n",
            ),
        },
        _ => typed(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /healthz, /readyz and /metrics\n",
        ),
    }
}

fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "a test says what went wrong by panicking"
    )]

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpSocket, TcpStream},
    };
    use tokio_util::sync::CancellationToken;

    use super::*;

    async fn connect(from: [u8; 4], to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(to).await.unwrap()
    }

    #[tokio::test]
    async fn nobody_keeps_a_probe_out() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::default(), Arc::new(Metrics::default())));
        let mut silent = Vec::new();
        for _ in 0..3 * CONNECTIONS {
            let mut stream = connect([127, 0, 0, 2], address).await;
            // Some say nothing, some do not come to an end.
            if silent.len() % 2 == 0 {
                stream.write_all(b"GET /healthz HT").await.unwrap();
            }
            silent.push(stream);
        }
        // From an address of its own, and from the same.
        for from in [[127, 0, 0, 1], [127, 0, 0, 2]] {
            let mut probe = connect(from, address).await;
            let request = b"GET /healthz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
            probe.write_all(request).await.unwrap();
            let mut answer = String::new();
            // Longer than a busy machine takes, and shorter than the silent ones would have to be
            // waited for.
            let answered = timeout(3 * CONNECTION, probe.read_to_string(&mut answer)).await;
            answered.expect("it was kept out").unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_head_takes_no_more_than_it_needs() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::default(), Arc::new(Metrics::default())));
        for (length, status) in [(HEAD / 2, "200"), (HEAD, "431")] {
            let mut caller = connect([127, 0, 0, 1], address).await;
            let long = "x".repeat(length);
            let request =
                format!("GET /healthz HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx-long: {long}\r\n\r\n");
            let _ = caller.write_all(request.as_bytes()).await;
            let mut answer = [0; 12];
            match caller.read_exact(&mut answer).await {
                Ok(_) => assert_eq!(answer, format!("HTTP/1.1 {status}").as_bytes()),
                // It was refused before it had arrived, and the answer is lost.
                Err(error) => assert_eq!(status, "431", "{error}"),
            }
        }
    }

    #[tokio::test]
    async fn liveness_names_a_task_that_has_ended_and_not_what_it_said() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (address, health) = (listener.local_addr().unwrap(), Arc::<Health>::default());
        tokio::spawn(serve(listener, Arc::clone(&health), Arc::new(Metrics::default())));
        let answer = testkit::http_client::get(address, "/healthz").await.unwrap();
        assert_eq!((answer.status, &*answer.text()), (200, "alive\n"));
        let until = CancellationToken::new();
        health
            .tasks()
            .start("the keeper", &until, async { Err::<(), _>("of a Secret") });
        health.tasks().ended().await;
        let answer = testkit::http_client::get(address, "/healthz").await.unwrap();
        let said = "not alive: the keeper has ended, and the process ends with it; the log says why\n";
        assert_eq!((answer.status, &*answer.text()), (503, said));
    }

    #[tokio::test(start_paused = true)]
    async fn one_failed_look_is_no_reason_and_a_long_time_without_a_good_one_is() {
        let health = Health::default();
        assert!(health.not_ready_because().is_some());
        health.round(Ok(()));
        health.round(Err("the API server did not answer".to_owned()));
        assert_eq!(health.not_ready_because(), None);
        tokio::time::advance(LATELY).await;
        assert!(health.not_ready_because().is_some());
        health.round(Err("the API server did not answer".to_owned()));
        assert_eq!(
            health.not_ready_because().as_deref(),
            Some("the API server did not answer")
        );
    }
}
