//! One request and its answer on a new connection.

use std::{error::Error as StdError, io, net::SocketAddr};

use bytes::Bytes;
use contract::ErrorMessage;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use pki::Certificate;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    connection::{Address, Connection, Stream, network},
    fault::{Fault, Step},
    tls::Tls,
};

/// So many characters of a body are repeated in an error.
const WORDS: usize = 200;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Who gave it.
    pub peer: SocketAddr,
    /// The certificate that the server showed.
    pub served: Option<Certificate>,
    /// HTTP status.
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// What a person is told of the body: the message in it, or its beginning.
    pub(crate) fn words(&self) -> String {
        let message = serde_json::from_slice::<ErrorMessage>(&self.body)
            .map(|error| error.message)
            .unwrap_or_default();
        let text = if message.is_empty() {
            String::from_utf8_lossy(&self.body).into_owned()
        } else {
            message
        };
        let plain: Vec<_> = text.split_whitespace().collect();
        telemetry::brief(&plain.join(" "), WORDS)
    }

    /// That the status is not the one of a success.
    pub(crate) fn refusal(&self) -> Fault {
        Fault::Status {
            status: self.status,
            words: self.words(),
        }
    }
}

/// Sends a request to `address` and reads the answer, of which at most `limit` octets are taken.
pub(crate) async fn call(
    address: Address<'_>,
    tls: Option<&Tls>,
    request: Request<Full<Bytes>>,
    limit: usize,
    deadline: Instant,
) -> Result<Answer, Fault> {
    let connection = Connection::open(address, tls, deadline).await?;
    let (peer, served) = (connection.peer, connection.served());
    let exchange = async {
        match connection.stream {
            Stream::Plain(stream) => send(stream, tls, request, limit).await,
            Stream::Tls(stream) => send(*stream, tls, request, limit).await,
        }
    };
    let (status, headers, body) = timeout_at(deadline, exchange)
        .await
        .map_err(|_| Fault::Timeout(Step::Answer))??;
    Ok(Answer {
        peer,
        served,
        status,
        headers,
        body,
    })
}

async fn send<S>(
    stream: S,
    tls: Option<&Tls>,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<(u16, HeaderMap, Bytes), Fault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let fault = |error: &hyper::Error| fault(error, tls);
    let (mut sender, connection) = http1::Builder::new()
        // As Go writes them.
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| fault(&error))?;
    // Queued before the connection is driven: a peer that breaks off earlier would leave nobody to
    // tell the reason to.
    let answered = sender.send_request(request);
    // Ends with this call, whatever the peer does.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let response = answered.await.map_err(|error| fault(&error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Fault::NotUnderstood(format!("it has more than {limit} octets"));
        }
        error.downcast_ref::<hyper::Error>().map_or(Fault::Closed, fault)
    })?;
    Ok((head.status.as_u16(), head.headers, body.to_bytes()))
}

/// What an error of hyper's means.
fn fault(error: &hyper::Error, tls: Option<&Tls>) -> Fault {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<io::Error>() {
            return tls
                .and_then(|tls| tls.fault(error))
                .unwrap_or_else(|| network(error));
        }
        cause = current.source();
    }
    if error.is_parse() {
        Fault::NotHttp(error.to_string())
    } else {
        Fault::Closed
    }
}
