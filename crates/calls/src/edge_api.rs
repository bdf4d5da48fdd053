//! The Edge API, called as a device calls it: one pod by its own address, so that each is proven
//! and not the Service.
//!
//! Its readiness is always green, whatever its backend is; only what a device hears says which one
//! it uses. The device that asks does not exist, and its certificate is made for this one call.
//!
//! That a device would accept the served certificate is not checked here: it is the intended one to
//! the octet, and whether the intended one is fit is known without a call.

use std::net::SocketAddr;

use bytes::Bytes;
use contract::Message;
use http::{Method, Request, header};
use http_body_util::Full;
use jiff::Timestamp;
use pki::{Certificate, Identity};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    connection::Address,
    exchange::{self, Answer},
    fault::{CallError, Callee, Fault},
    nonce::Nonce,
    tls::{Tls, Trust},
};

/// Where the Edge API serves devices (Flotta's management API).
const BASE: &str = "/api/flotta-management/v1";
/// No Edge API knows it: it is answered 400, after the certificate was checked and before the
/// backend is asked.
const DIRECTIVE: &str = "flotta-companion-probe";
/// Far more than a command takes.
const LIMIT: usize = 64 << 10;

/// Which pod to call, as which device.
#[derive(Clone, Copy, Debug)]
pub struct EdgeProbe<'a> {
    /// The pod's address with the port for devices (8043).
    pub pod: SocketAddr,
    /// What devices call the Edge API (`DOMAIN`), sent as SNI and as `Host`.
    pub server_name: &'a str,
    /// The certificate that must be served.
    pub intended: &'a Certificate,
    /// A certificate for the device [`Nonce::device_id`] from `flotta-ca`, for instance of
    /// [`pki::issue::Issuer::probe`].
    pub identity: &'a Identity,
    /// What our server will report if it is the backend.
    pub nonce: &'a Nonce,
}

/// What a device heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeAnswer {
    /// On its control channel.
    pub heard: Heard,
    /// HTTP status of a POST that changes nothing: 400 of a stock Edge API, never 401.
    pub post: u16,
}

/// What a device that no backend knows hears on its control channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing to do: a remote backend that does not know it (ours says `unknown`).
    Nothing,
    /// The command to disconnect, upon which a device removes all its pods: the CRD backend, or a
    /// remote one that says `unregistered`.
    Disconnect,
    /// Another answer: 500 when the backend cannot be reached or fails.
    Other {
        /// HTTP status.
        status: u16,
        /// The first words of the body; may be empty.
        words: String,
    },
    /// The connection was closed without an answer: the Edge API has no backend at all, because
    /// `BACKEND` is unknown or `REMOTE_BACKEND_URL` is empty or unparsable. Or the pod just ended.
    ClosedWithoutAnswer,
}

/// Calls one pod of the Edge API as a device that does not exist: a control poll, then a POST that
/// changes nothing.
///
/// Not being let in is an error, and so is another certificate than the intended one; whatever is
/// heard from the backend is an answer.
pub async fn probe_edge_api(probe: &EdgeProbe<'_>, deadline: Instant) -> Result<EdgeAnswer, CallError> {
    run(probe, deadline)
        .await
        .map_err(|fault| fault.of(Callee::EdgeApiPod(probe.pod)))
}

async fn run(probe: &EdgeProbe<'_>, deadline: Instant) -> Result<EdgeAnswer, Fault> {
    let trust = Trust::Exactly(Box::new(probe.intended.clone()));
    let identity = ("the probe's certificate", probe.identity);
    let tls = Tls::new(probe.server_name, trust, identity, &["http/1.1"])?;
    let heard = match send(probe, &tls, Method::GET, deadline).await {
        Ok(answer) => heard(&answer)?,
        Err(Fault::Closed) => Heard::ClosedWithoutAnswer,
        Err(fault) => return Err(fault),
    };
    // Answered without the backend, so a pod that just ended is told from one that has no backend.
    let post = send(probe, &tls, Method::POST, deadline).await?.status;
    if post == 401 {
        return Err(Fault::NotLetIn { method: "POST" });
    }
    Ok(EdgeAnswer { heard, post })
}

fn heard(answer: &Answer) -> Result<Heard, Fault> {
    let other = || Heard::Other {
        status: answer.status,
        words: answer.words(),
    };
    match answer.status {
        401 => Err(Fault::NotLetIn { method: "GET" }),
        200 if answer.body.is_empty() => Ok(Heard::Nothing),
        200 => Ok(match serde_json::from_slice::<Message>(&answer.body) {
            Ok(message) if is_disconnect(&message) => Heard::Disconnect,
            _ => other(),
        }),
        _ => Ok(other()),
    }
}

fn is_disconnect(message: &Message) -> bool {
    let command = message
        .content
        .as_ref()
        .and_then(|content| content.get("command"));
    message.r#type == "command" && command.is_some_and(|command| command == "disconnect")
}

/// The control poll, or a message of an unknown kind.
async fn send(probe: &EdgeProbe<'_>, tls: &Tls, method: Method, deadline: Instant) -> Result<Answer, Fault> {
    let id = probe.nonce.device_id();
    let host = format!("{}:{}", probe.server_name, probe.pod.port());
    let request = Request::builder().method(&method).header(header::HOST, host);
    let request = if method == Method::GET {
        request
            .uri(format!("{BASE}/control/{id}/in"))
            .body(Full::default())
    } else {
        let message = json!({
            "type": "data",
            // Flotta reads a UUID nowhere, but its schema asks for one.
            "message_id": "00000000-0000-4000-8000-000000000000",
            "version": 1,
            "sent": Timestamp::now().to_string(),
            "directive": DIRECTIVE,
            "content": {},
        });
        request
            .uri(format!("{BASE}/data/{id}/out"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(message.to_string())))
    };
    let request = request.map_err(|error| Fault::Url(error.to_string()))?;
    exchange::call(Address::Known(probe.pod), Some(tls), request, LIMIT, deadline).await
}
