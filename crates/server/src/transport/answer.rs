//! The forms of answers that the Edge API understands (`edge-configuration-api`, "Reading
//! answers").

use http::{HeaderValue, Response, StatusCode, header};

use super::Pieces;
use crate::telemetry;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer without a body. It carries `Content-Length: 0`, so that a caller that does not read it
/// keeps the connection.
pub fn empty(status: StatusCode) -> Response<Pieces> {
    let mut response = Response::new(Pieces::default());
    *response.status_mut() = status;
    response
}

/// An answer with a JSON document.
pub fn json(status: StatusCode, document: impl Into<Pieces>) -> Response<Pieces> {
    let mut response = Response::new(document.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// An error, `{"message": ...}`: one sentence for a person, without internal detail. It may quote
/// what somebody sent.
pub fn error(status: StatusCode, message: &str) -> Response<Pieces> {
    let document = serde_json::json!({ "message": telemetry::printable_lines(message) });
    json(status, document.to_string())
}

/// The server has too much to do; the caller may try again in a second.
pub fn busy(message: &str) -> Response<Pieces> {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, message);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
