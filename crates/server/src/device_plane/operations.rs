//! Each operation: read the body, ask the fleet, put its answer into HTTP.

use bytes::Bytes;
use contract::{DeviceId, EnrolmentInfo, HeapSize, Namespace, RegistrationInfo, RegistrationStatus};
use fleet::{
    Operation,
    enrolment::{Enrolment, EnrolmentAnswer},
    heartbeat::HeartbeatAnswer,
    intake::PutOff,
    key_gate::VerifiedRequest,
    playbooks::PlaybookAnswer,
    register::{RegistrationAnswer, RegistrationRequest},
    status::{Status, StatusAnswer},
};
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use store::StoreError;

use crate::{
    intake::NotServing,
    metrics::Metrics,
    service::{self, ConfigurationOutcome, NotRead, Received, Service, ServiceError},
    telemetry,
    transport::{Pieces, answer},
};

/// So many characters of why a body is refused are told: it may quote the body, which may have a
/// mebibyte.
const QUOTED: usize = 300;

const NOT_APPROVED: &str = "the device is not an approved device of this fleet";

/// A request with its path read.
pub(super) struct Call {
    pub(super) id: DeviceId,
    pub(super) namespace: Namespace,
    pub(super) spelling: String,
    pub(super) body: Bytes,
}

/// Why a call has no answer of the fleet's.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The body is not the object that the operation takes.
    #[error("the body is not a valid {what}: {reason}")]
    Body { what: &'static str, reason: String },
    /// There is no room for what the body holds.
    #[error("{0}")]
    NoRoom(NotRead),
    /// The fleet could not decide.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Carries out one operation.
pub(super) async fn call(
    service: &Service,
    metrics: &Metrics,
    operation: Operation,
    call: Call,
) -> Result<Response<Pieces>, CallError> {
    // Before the body is looked at: whatever is wrong with it, nobody is served.
    service.serving().map_err(ServiceError::from)?;
    match operation {
        Operation::Enrolment => enrol(service, metrics, call).await,
        Operation::RegistrationStatus => {
            let answer = service.registration_status(call.id, call.namespace).await?;
            Ok(status(&answer))
        }
        Operation::Registration => register(service, metrics, call).await,
        Operation::Configuration => Ok(match service.configuration(call.id, call.namespace).await? {
            ConfigurationOutcome::Serve(rendered) => answer::json(StatusCode::OK, rendered),
            ConfigurationOutcome::NotApproved => answer::error(StatusCode::NOT_FOUND, NOT_APPROVED),
            ConfigurationOutcome::Withheld => answer::error(
                StatusCode::CONFLICT,
                "the device was adopted and keeps what it has until its configuration is released",
            ),
            ConfigurationOutcome::Refused(refusal) => {
                metrics.unconfigured(refusal.reason);
                tracing::debug!(reason = refusal.message, "no configuration");
                let message = format!("the device keeps what it has: {}", refusal.message);
                if refusal.server_fault {
                    answer::busy(&message)
                } else {
                    answer::error(StatusCode::INTERNAL_SERVER_ERROR, &message)
                }
            }
        }),
        Operation::Heartbeat => {
            let beat = service
                .read_heartbeat(&call.body)
                .await
                .map_err(not_read("heartbeat"))?;
            // It was read, and its room is free again.
            drop(call.body);
            Ok(match service.heartbeat(call.id, call.namespace, beat).await? {
                HeartbeatAnswer::Recorded => answer::empty(StatusCode::OK),
                HeartbeatAnswer::NotApproved => answer::error(StatusCode::NOT_FOUND, NOT_APPROVED),
            })
        }
        Operation::Playbooks => Ok(match service.playbooks(call.id, call.namespace).await? {
            PlaybookAnswer::Serve(playbooks) => {
                let playbooks = serde_json::to_vec(&playbooks).map_err(ServiceError::from)?;
                answer::json(StatusCode::OK, playbooks)
            }
            PlaybookAnswer::NotApproved => answer::error(StatusCode::NOT_FOUND, NOT_APPROVED),
        }),
    }
}

async fn enrol(service: &Service, metrics: &Metrics, call: Call) -> Result<Response<Pieces>, CallError> {
    let Call {
        id,
        namespace,
        spelling,
        body,
    } = call;
    let Received { content, cut, held } = read::<EnrolmentInfo>(service, body, "enrolment").await?;
    let enrolment = Enrolment {
        id,
        spelling,
        namespace,
        info: content.into(),
        cut,
        preapproval: None,
    };
    let answer = service.enrol(enrolment, held).await?;
    Ok(match answer {
        EnrolmentAnswer::Approved => answer::empty(StatusCode::OK),
        EnrolmentAnswer::Wait => answer::empty(StatusCode::CREATED),
        EnrolmentAnswer::PutOff(put_off @ PutOff::Hold) => {
            noted(metrics, Operation::Enrolment, put_off);
            // It hears what a device hears that waits for its approval.
            answer::empty(StatusCode::CREATED)
        }
        EnrolmentAnswer::PutOff(put_off @ (PutOff::Closed | PutOff::Full)) => {
            noted(metrics, Operation::Enrolment, put_off);
            answer::busy(&put_off.to_string())
        }
    })
}

async fn register(service: &Service, metrics: &Metrics, call: Call) -> Result<Response<Pieces>, CallError> {
    let received = read::<RegistrationInfo>(service, call.body, "registration").await?;
    let Received {
        content: info,
        cut,
        held,
    } = received;
    let certificate_request = pki::csr::verify(info.certificate_request.as_bytes())
        .map(|verified| VerifiedRequest {
            fingerprint: verified.key,
            pem: info.certificate_request,
        })
        .map_err(|error| error.to_string());
    let request = RegistrationRequest {
        namespace: call.namespace,
        certificate_request,
        hardware: info.hardware,
        cut,
    };
    Ok(match service.register(call.id, request, held).await? {
        RegistrationAnswer::Accepted => answer::empty(StatusCode::OK),
        RegistrationAnswer::Refused(refusal) => {
            tracing::warn!(reason = %refusal, "refused a registration");
            answer::error(StatusCode::CONFLICT, &refusal.to_string())
        }
        RegistrationAnswer::PutOff(put_off) => {
            noted(metrics, Operation::Registration, put_off);
            answer::busy(&put_off.to_string())
        }
    })
}

/// Devices try again every ten seconds, so it is counted and not worth a line in the log of each.
fn noted(metrics: &Metrics, operation: Operation, put_off: PutOff) {
    let because = match put_off {
        PutOff::Hold => "hold",
        PutOff::Closed => "closed",
        PutOff::Full => "full",
    };
    metrics.put_off(operation.as_str(), because);
    tracing::debug!(because, "put off");
}

fn status(answer: &StatusAnswer) -> Response<Pieces> {
    let document = RegistrationStatus {
        status: answer.status.as_str().to_owned(),
        namespace: answer.namespace.to_string(),
        message: String::new(),
    };
    match serde_json::to_vec(&document) {
        Ok(document) => answer::json(StatusCode::OK, document),
        Err(_) => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written"),
    }
}

/// A verification call is about nobody: it is answered as an id that was never seen, and leaves no
/// trace in the fleet.
pub(super) fn probe(operation: Operation, namespace: &Namespace) -> Response<Pieces> {
    match operation {
        Operation::RegistrationStatus => status(&StatusAnswer {
            status: Status::Unknown,
            namespace: namespace.clone(),
        }),
        Operation::Enrolment => answer::error(
            StatusCode::BAD_REQUEST,
            "device-id in the path is reserved for verification calls and cannot enrol",
        ),
        _ => answer::error(StatusCode::NOT_FOUND, NOT_APPROVED),
    }
}

/// The one place where an error of the fleet becomes an answer. What a caller hears carries no
/// internal detail.
pub(super) fn fail(metrics: &Metrics, operation: &'static str, error: &CallError) -> Response<Pieces> {
    match error {
        CallError::Service(ServiceError::NotServing(reason)) => not_serving(metrics, operation, reason),
        CallError::Service(ServiceError::NotConfigured(reason)) => {
            // The server's readiness says the same.
            metrics.unconfigured("NotConfigured");
            tracing::debug!(%reason, "no configuration");
            answer::busy(&reason.to_string())
        }
        CallError::Body { .. } => {
            tracing::info!(reason = %error, "refused a body");
            answer::error(StatusCode::BAD_REQUEST, &error.to_string())
        }
        CallError::NoRoom(_) | CallError::Service(ServiceError::Crowded) => {
            metrics.limit_hit("device", "request_memory");
            tracing::debug!(reason = %error, "no room for a request");
            answer::busy(&error.to_string())
        }
        CallError::Service(ServiceError::NeverPolled) => {
            metrics.limit_hit("device", "newcomers");
            tracing::debug!(reason = %error, "no room for a device that has never polled");
            answer::busy(&error.to_string())
        }
        CallError::Service(ServiceError::Store(
            StoreError::Unavailable { .. } | StoreError::Conflict | StoreError::Open { .. },
        )) => {
            tracing::warn!(error = telemetry::chain(error), "the store is not available");
            answer::busy("the store is not available; try again")
        }
        CallError::Service(ServiceError::Interrupted) => {
            tracing::error!("a decision was interrupted");
            answer::busy("the request was interrupted; try again")
        }
        CallError::Service(_) => {
            tracing::error!(error = telemetry::chain(error), "a request failed");
            answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the request failed; the server's log says why",
            )
        }
    }
}

/// No device is served now, whatever it asks. The server's readiness says the same, so nothing is
/// logged.
pub(super) fn not_serving(
    metrics: &Metrics,
    operation: &'static str,
    reason: &NotServing,
) -> Response<Pieces> {
    metrics.put_off(operation, reason.because());
    answer::busy(&format!("no device is served: {reason}"))
}

/// Reads what a device sent; then the body is gone.
async fn read<T: DeserializeOwned + HeapSize>(
    service: &Service,
    body: Bytes,
    what: &'static str,
) -> Result<Received<T>, CallError> {
    service.read(&body).await.map_err(not_read(what))
}

fn not_read(what: &'static str) -> impl FnOnce(NotRead) -> CallError {
    move |error| match error {
        NotRead::Other(reason) => refused(what, &reason),
        NotRead::NoRoom => CallError::NoRoom(error),
    }
}

/// Reads a body; an error names the field that it is about.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8], what: &'static str) -> Result<T, CallError> {
    let mut document = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut document)
        .map_err(|error| refused(what, &service::reason(error)))?;
    document
        .end()
        .map_err(|error| refused(what, &error.to_string()))?;
    Ok(value)
}

fn refused(what: &'static str, reason: &str) -> CallError {
    let reason = telemetry::brief(reason, QUOTED);
    CallError::Body { what, reason }
}
