//! What an operator and a cluster ask the process: is it alive, is it ready, what does it hold,
//! what has it counted.
//!
//! Plain HTTP on a port of its own, for probes and scrapes that carry no certificate. So nothing of
//! the fleet is told here but numbers, asking costs the store no more when many ask (module
//! `shared`), and nothing is written for it (module `written`).

mod health;
mod probes;
mod shared;
mod status;
#[cfg(test)]
mod tests;
mod written;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use tokio::time::timeout;

pub use health::Health;
pub use probes::{Probe, Probes};

use shared::Shared;

use crate::{
    metrics::Metrics,
    service::Service,
    telemetry,
    transport::{Handler, Limits, Pieces, answer},
};

/// Numbers of devices are counted anew when the last count is older.
const CENSUS_AGE: Duration = Duration::from_secs(5);

/// The store has this long to count.
const CENSUS_TIME: Duration = Duration::from_secs(4);

/// What a caller of this port may use: far less than the Edge API. Nobody can keep the cluster's
/// probes out with it.
pub const LIMITS: Limits = Limits {
    body: 0,
    bodies: 0,
    request: Duration::from_secs(5),
    header: Duration::from_secs(5),
    idle: Duration::from_mins(1),
    handshake: Duration::from_secs(5),
    write: Duration::from_secs(10),
    silent: 2048,
    connections: 1024,
    handshakes: 0,
    // More than connections, those included that have lost their place: what goes is the oldest
    // connection of the address that has most of them, whatever it waits for, and no request is
    // told to come back.
    concurrent_requests: 2048,
    interruptible: true,
    drain: Duration::from_secs(1),
};

/// Answers `/healthz`, `/readyz`, `/status` and `/metrics`.
#[derive(Debug)]
pub struct OpsPlane {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// That devices were counted, or could not be.
    counted: Shared<()>,
}

impl OpsPlane {
    /// The port of a process in this state.
    pub fn new(health: Arc<Health>, metrics: Arc<Metrics>) -> Self {
        Self {
            health,
            metrics,
            counted: Shared::new(CENSUS_AGE),
        }
    }

    async fn metrics(&self) -> Response<Pieces> {
        self.count().await;
        let Ok(text) = self.metrics.encode() else {
            return answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
        };
        typed("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    }

    /// Brings the numbers that only the store knows up to date; they stay as they are while it does
    /// not answer.
    async fn count(&self) {
        let Some(service) = self.health.service() else {
            return;
        };
        self.metrics.store_queue(service.store().queue_depth());
        self.metrics
            .store_writable(self.health.store_not_writable().is_none());
        let (service, metrics) = (service.clone(), Arc::clone(&self.metrics));
        let count = || async move { count(&service, &metrics).await };
        self.counted.ask(CENSUS_TIME, count).await;
    }

    fn alive(&self) -> Response<Pieces> {
        let Some(reason) = self.health.dead_because() else {
            return typed("text/plain; charset=utf-8", "alive\n");
        };
        let mut response = typed("text/plain; charset=utf-8", format!("not alive: {reason}\n"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    }

    async fn ready(&self) -> Response<Pieces> {
        let reasons = self.health.not_ready_because().await;
        if reasons.is_empty() {
            let mut text = "ready\n".to_owned();
            if let Some(reason) = self.health.store_not_writable() {
                let _ = writeln!(text, "the store cannot be written: {reason}");
            }
            let damaged = self.metrics.damaged();
            if damaged > 0 {
                let _ = writeln!(
                    text,
                    "the store is damaged: {damaged} rows or tables; the log names them"
                );
            }
            return typed("text/plain; charset=utf-8", text);
        }
        let text = format!("not ready: {}\n", reasons.join("\nnot ready: "));
        let mut response = typed("text/plain; charset=utf-8", text);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    }

    /// With `?probe=NONCE` only the verification calls with this nonce are listed, and all that are
    /// remembered.
    async fn status(&self, query: Option<&str>) -> Response<Pieces> {
        let nonce = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .find_map(|part| part.strip_prefix("probe="));
        let status = self.health.status(Timestamp::now(), nonce).await;
        match serde_json::to_string_pretty(&status) {
            Ok(document) => answer::json(StatusCode::OK, document + "\n"),
            Err(_) => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be written"),
        }
    }
}

impl Handler for OpsPlane {
    async fn handle(&self, request: Request<Bytes>) -> Response<Pieces> {
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
            "/healthz" => self.alive(),
            "/readyz" => self.ready().await,
            "/status" => self.status(request.uri().query()).await,
            _ => self.metrics().await,
        }
    }
}

/// Counts devices, for however long that takes; what is wrong is logged once for all who wait.
async fn count(service: &Service, metrics: &Metrics) {
    let mut census = std::pin::pin!(service.census());
    let outcome = if let Ok(outcome) = timeout(CENSUS_TIME, census.as_mut()).await {
        outcome
    } else {
        tracing::warn!("devices could not be counted in time; the numbers are told when the store answers");
        census.await
    };
    match outcome {
        Ok(census) => metrics.census(&census),
        Err(error) => tracing::warn!(error = telemetry::chain(&error), "devices could not be counted"),
    }
}

fn typed(content_type: &'static str, body: impl Into<Pieces>) -> Response<Pieces> {
    let mut response = Response::new(body.into());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
