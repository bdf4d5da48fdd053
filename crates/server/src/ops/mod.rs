//! What an operator and a cluster ask the process: is it alive, is it ready, what does it hold, what has it counted.
//!
//! Plain HTTP on a port of its own, for probes and scrapes that carry no certificate. So nothing of the fleet is told here
//! but numbers.

mod health;
mod probes;
mod status;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

pub use health::Health;
pub use probes::{Probe, Probes};

use crate::{
    metrics::Metrics,
    telemetry,
    transport::{Handler, Limits, answer},
};

/// Numbers of devices are counted anew when the last count is older.
const CENSUS_AGE: Duration = Duration::from_secs(5);

/// The store has this long to count.
const CENSUS_TIME: Duration = Duration::from_secs(4);

/// What a caller of this port may use: far less than the Edge API.
pub const LIMITS: Limits = Limits {
    body: 0,
    request: Duration::from_secs(5),
    header: Duration::from_secs(5),
    idle: Duration::from_mins(1),
    handshake: Duration::from_secs(5),
    write: Duration::from_secs(10),
    connections: 64,
    concurrent_requests: 16,
    drain: Duration::from_secs(1),
};

/// Answers `/healthz`, `/readyz`, `/status` and `/metrics`.
#[derive(Debug)]
pub struct OpsPlane {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    counted: Mutex<Option<Instant>>,
}

impl OpsPlane {
    /// The port of a process in this state.
    pub fn new(health: Arc<Health>, metrics: Arc<Metrics>) -> Self {
        Self {
            health,
            metrics,
            counted: Mutex::default(),
        }
    }

    async fn metrics(&self) -> Response<Bytes> {
        self.count().await;
        let Ok(text) = self.metrics.encode() else {
            return answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
        };
        typed("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    }

    /// Brings the numbers that only the store knows up to date; they stay as they are while it does not answer.
    async fn count(&self) {
        let Some(service) = self.health.service() else {
            return;
        };
        self.metrics.store_queue(service.store().queue_depth());
        // Scrapes at the same time wait for one count.
        let mut counted = self.counted.lock().await;
        if counted.is_some_and(|at| at.elapsed() < CENSUS_AGE) {
            return;
        }
        match timeout(CENSUS_TIME, service.census()).await {
            Ok(Ok(census)) => {
                self.metrics.census(&census);
                *counted = Some(Instant::now());
            }
            Ok(Err(error)) => {
                tracing::warn!(error = telemetry::chain(&error), "devices could not be counted");
            }
            Err(_) => tracing::warn!("devices could not be counted: the store did not answer in time"),
        }
    }

    async fn ready(&self) -> Response<Bytes> {
        let reasons = self.health.not_ready_because().await;
        if reasons.is_empty() {
            return typed("text/plain; charset=utf-8", "ready\n");
        }
        let text = format!("not ready: {}\n", reasons.join("\nnot ready: "));
        let mut response = typed("text/plain; charset=utf-8", text);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    }

    async fn status(&self) -> Response<Bytes> {
        let status = self.health.status(Timestamp::now()).await;
        match serde_json::to_string_pretty(&status) {
            Ok(document) => answer::json(StatusCode::OK, document + "\n"),
            Err(_) => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be written"),
        }
    }
}

impl Handler for OpsPlane {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        if !matches!(path, "/healthz" | "/readyz" | "/status" | "/metrics") {
            return answer::error(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz, /status and /metrics",
            );
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = answer::error(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered here",
            );
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/healthz" => typed("text/plain; charset=utf-8", "alive\n"),
            "/readyz" => self.ready().await,
            "/status" => self.status().await,
            _ => self.metrics().await,
        }
    }
}

fn typed(content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
