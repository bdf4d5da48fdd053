//! The six operations of the Edge Configuration API, as the Edge API sends and reads them.
//!
//! Success is 200, and 201 for a recorded enrolment: the Edge API's handler crashes on any other
//! 2xx. Answers whose body it does not read are empty. Everything else is an error with a sentence,
//! which at the device means "try again".
//!
//! Beside them the companion asks here what the fleet knows of its devices (`comparison`): it comes
//! with the same pinned certificate, whose holder is entrusted with the whole fleet anyway (on
//! plain HTTP everybody is, here as there).

mod comparison;
mod operations;
mod route;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use fleet::Operation;
use http::{Request, Response, StatusCode, header};
use tracing::Instrument as _;

pub use comparison::COMPANION_PATH;
pub use route::{BASE_PATH, NoRoute, Route, Subject};

use crate::{
    metrics::Metrics,
    ops::Probes,
    service::Service,
    transport::{Handler, Peer, Pieces, answer},
};

/// Answers the Edge API.
pub struct DevicePlane {
    service: Service,
    metrics: Arc<Metrics>,
    probes: Arc<Probes>,
}

impl DevicePlane {
    /// The device plane of a fleet.
    pub fn new(service: Service, metrics: Arc<Metrics>, probes: Arc<Probes>) -> Self {
        Self {
            service,
            metrics,
            probes,
        }
    }
}

impl Handler for DevicePlane {
    async fn handle(&self, request: Request<Bytes>) -> Response<Pieces> {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let (operation, response) = match Route::parse(&parts.method, parts.uri.path()) {
            Err(NoRoute::NotFound) if comparison::is_asked(&parts) => {
                comparison::answer(&self.service, &self.metrics, &parts, &body).await
            }
            Err(refusal) => ("none", refuse(&refusal)),
            Ok(Route {
                device: Subject::Probe(nonce),
                operation,
                namespace,
                ..
            }) => {
                let peer = parts.extensions.get::<Peer>().copied().unwrap_or(Peer::Anybody);
                if operation == Operation::RegistrationStatus {
                    self.probes.seen(&nonce, peer, self.service.now());
                }
                let response = match self.service.serving() {
                    Ok(()) => operations::probe(operation, &namespace),
                    Err(reason) => operations::not_serving(&self.metrics, operation.as_str(), &reason),
                };
                (operation.as_str(), response)
            }
            Ok(Route {
                device: Subject::Device(id),
                operation,
                namespace,
                spelling,
            }) => {
                let span = tracing::info_span!(
                    "request",
                    operation = operation.as_str(),
                    %namespace,
                    device = %id
                );
                let call = operations::Call {
                    id,
                    namespace,
                    spelling,
                    body,
                };
                let outcome = operations::call(&self.service, &self.metrics, operation, call)
                    .instrument(span.clone())
                    .await;
                let response = outcome.unwrap_or_else(|error| {
                    span.in_scope(|| operations::fail(&self.metrics, operation.as_str(), &error))
                });
                (operation.as_str(), response)
            }
        };
        self.metrics
            .request(operation, response.status().as_u16(), begun.elapsed());
        response
    }
}

fn refuse(refusal: &NoRoute) -> Response<Pieces> {
    let status = match refusal {
        NoRoute::NotFound => StatusCode::NOT_FOUND,
        NoRoute::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        NoRoute::Malformed { .. } => StatusCode::BAD_REQUEST,
    };
    let mut response = answer::error(status, &refusal.to_string());
    if let NoRoute::MethodNotAllowed { allowed, .. } = refusal {
        response
            .headers_mut()
            .insert(header::ALLOW, http::HeaderValue::from_static(allowed));
    }
    response
}
