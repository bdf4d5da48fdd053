//! The backend's URL, called as Flotta's Edge API calls it for a device's control poll.
//!
//! What is the same: the host certificate as client certificate, only `flotta-ca` as roots (all
//! certificates of `ca.crt`), TLS 1.3 alone, ALPN offering `h2` and `http/1.1`, the URL's path
//! cleaned as Go cleans it, one GET with the headers of Go's client. What differs: gzip is not
//! offered; redirects are a fault, since the Edge API's PUT and POST do not survive them; no proxy
//! variable is read (the Edge API reads `HTTP_PROXY` for `http://` URLs); and there is a deadline,
//! which the Edge API has none of.

use std::net::SocketAddr;

use bytes::Bytes;
use contract::RegistrationStatus;
use http::{HeaderMap, Method, Request, header, request::Builder};
use http_body_util::Full;
use pki::{Certificate, Facts, Identity};
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use crate::{
    connection::Address,
    exchange::{self, Answer},
    fault::{CallError, Callee, Fault},
    nonce::Nonce,
    target::{Target, callee_of_unread},
    tls::{Tls, Trust},
};

/// Far more than a registration status takes.
const LIMIT: usize = 64 << 10;
/// What the Edge API offers, in its order; it can speak the second only.
const ALPN: [&str; 2] = ["h2", "http/1.1"];
/// Types whose content the Edge API reads as JSON: the first, and what has none.
const JSON: &str = "application/json";

/// Whom to call, as whom.
#[derive(Clone, Copy, Debug)]
pub struct BackendCall<'a> {
    /// `REMOTE_BACKEND_URL`.
    pub url: &'a str,
    /// `flotta-host-certificate`. Not used with `http`.
    pub identity: &'a Identity,
    /// Every certificate of `ca.crt` in `flotta-ca`; one that cannot be read is passed over, as by
    /// Go. Not used with `http`.
    pub roots: &'a [CertificateDer<'static>],
}

/// What a backend that works answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendAnswer {
    /// The address that the URL led to.
    pub peer: SocketAddr,
    /// The certificate that was served; `None` with `http`: then nobody's identity was checked.
    pub certificate: Option<Facts>,
}

/// Calls the backend exactly as the Edge API would, about a device that does not exist and whose id
/// carries the nonce.
///
/// Only the answer of our server is a right one: the probe's device is `unknown`.
pub async fn call_as_edge_api(
    call: &BackendCall<'_>,
    nonce: &Nonce,
    deadline: Instant,
) -> Result<BackendAnswer, CallError> {
    let backend = Backend::new(call)?;
    let path = format!("/namespaces/default/devices/{}/registration", nonce.device_id());
    let path = backend.target.path(&path);
    let answered = async {
        let answer = backend.send(Method::GET, &path, None, LIMIT, deadline).await?;
        judge(&answer)?;
        Ok(BackendAnswer {
            peer: answer.peer,
            certificate: answer.served.map(|served| served.facts().clone()),
        })
    };
    answered.await.map_err(|fault: Fault| fault.of(backend.callee()))
}

/// As the Edge API's generated client reads an answer, and then as only our server gives it.
fn judge(answer: &Answer) -> Result<(), Fault> {
    if answer.status != 200 {
        return Err(answer.refusal());
    }
    is_json(&answer.headers)?;
    // The first JSON value counts and the rest is ignored; an empty body leaves every field empty.
    let mut document = serde_json::Deserializer::from_slice(&answer.body);
    let status = if answer.body.is_empty() {
        RegistrationStatus::default()
    } else {
        RegistrationStatus::deserialize(&mut document)
            .map_err(|error| Fault::NotUnderstood(error.to_string()))?
    };
    if status.status == RegistrationStatus::UNKNOWN && !status.namespace.is_empty() {
        return Ok(());
    }
    Err(Fault::NotUnderstood(format!(
        "a device that does not exist is {:?} in namespace {:?} there, and not \"unknown\" in \"default\"",
        status.status, status.namespace
    )))
}

fn is_json(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    Err(Fault::NotUnderstood(format!(
        "its Content-Type is {kind:?} and not {JSON}"
    )))
}

/// The backend and how it is called, read and checked.
#[derive(Debug)]
pub(crate) struct Backend {
    target: Target,
    tls: Option<Tls>,
}

impl Backend {
    pub(crate) fn new(call: &BackendCall<'_>) -> Result<Self, CallError> {
        let target = Target::parse(call.url).map_err(|fault| fault.of(callee_of_unread(call.url)))?;
        let tls = target.https.then(|| {
            let parse = |root: &CertificateDer<'static>| Certificate::parse(root.clone()).ok();
            let trust = Trust::Authorities(call.roots.iter().filter_map(parse).collect());
            Tls::new(
                &target.host,
                trust,
                ("the host certificate", call.identity),
                &ALPN,
            )
        });
        let tls = tls.transpose().map_err(|fault| fault.of(target.callee()))?;
        Ok(Self { target, tls })
    }

    pub(crate) fn callee(&self) -> Callee {
        self.target.callee()
    }

    /// Sends a request; `path` is the whole path.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        let Target { host, port, .. } = &self.target;
        let request = self
            .request(method, path, body)
            .map_err(|error| Fault::Url(error.to_string()))?;
        let address = Address::Named { host, port: *port };
        exchange::call(address, self.tls.as_ref(), request, limit, deadline).await
    }

    /// Headers in the order of Go's client.
    fn request(&self, method: Method, path: &str, body: Option<Bytes>) -> http::Result<Request<Full<Bytes>>> {
        let request: Builder = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.target.authority)
            .header(header::USER_AGENT, "Go-http-client/1.1")
            .header(header::ACCEPT, JSON);
        match body {
            None => request.body(Full::default()),
            Some(body) => request.header(header::CONTENT_TYPE, JSON).body(Full::new(body)),
        }
    }
}
