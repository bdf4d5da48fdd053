//! Calls the Edge Configuration API as the Edge API's client does: HTTP/1.1, over TLS 1.3 offering
//! `h2` and `http/1.1`, with the host certificate, or plain HTTP.
//!
//! The server's own tests, the example fleet and the benchmark use it. Two idle connections and no
//! session cache is what the Edge API has, so under load it mostly connects anew; [`Connections`]
//! chooses which of the two a caller does.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use serde::Serialize;

use crate::http_client::{Answer, Connection, Tls};
use crate::pki::{Identity, anonymous_client_config};

/// What the Edge API's client offers, in its order.
const ALPN: [&str; 2] = ["h2", "http/1.1"];
/// The base path that the documented URL of a backend ends in.
pub const BASE_PATH: &str = "/api/flotta-backend/v1";

/// Whether a connection is kept for the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// One connection, as long as both sides keep it.
    KeptAlive,
    /// A new one for each call.
    New,
}

/// One caller with at most one connection; callers are cheap, so concurrency is several of them.
#[derive(Debug)]
pub struct Caller {
    address: SocketAddr,
    tls: Option<Tls>,
    connections: Connections,
    open: Option<Connection>,
}

impl Caller {
    /// Over plain HTTP.
    pub fn plain(address: SocketAddr, connections: Connections) -> Self {
        Self {
            address,
            tls: None,
            connections,
            open: None,
        }
    }

    /// Over mutual TLS. The server's certificate is checked for `localhost`.
    pub fn mutual(
        address: SocketAddr,
        roots: RootCertStore,
        client: &Identity,
        connections: Connections,
    ) -> Result<Self> {
        Ok(Self::with_config(
            address,
            client.client_config(roots, &ALPN)?,
            connections,
        ))
    }

    /// Over TLS without a client certificate, as nobody should be able to.
    pub fn anonymous(address: SocketAddr, roots: RootCertStore, connections: Connections) -> Result<Self> {
        Ok(Self::with_config(
            address,
            anonymous_client_config(roots, &ALPN)?,
            connections,
        ))
    }

    fn with_config(
        address: SocketAddr,
        config: std::sync::Arc<rustls::ClientConfig>,
        connections: Connections,
    ) -> Self {
        let server_name =
            ServerName::try_from("localhost").unwrap_or_else(|_| ServerName::from(address.ip()));
        Self {
            address,
            tls: Some(Tls { config, server_name }),
            connections,
            open: None,
        }
    }

    /// Another caller with the same settings and no connection yet.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            address: self.address,
            tls: self.tls.clone(),
            connections: self.connections,
            open: None,
        }
    }

    /// Any request to the server; `path` is sent as it is.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("localhost:{}", self.address.port()))
            .header("user-agent", "Go-http-client/1.1")
            .header("accept", "application/json")
            .header("accept-encoding", "gzip");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(body.unwrap_or_default()))?;
        let mut connection = match self.open.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => Connection::open(self.address, self.tls.as_ref()).await?,
        };
        let answer = connection.send(request).await?;
        if self.connections == Connections::KeptAlive {
            self.open = Some(connection);
        }
        Ok(answer)
    }

    /// `POST .../enrolment`.
    pub async fn enrol(&mut self, namespace: &str, id: &str, body: &impl Serialize) -> Result<Answer> {
        self.send(Method::POST, namespace, id, "enrolment", body).await
    }

    /// `GET .../registration`.
    pub async fn registration_status(&mut self, namespace: &str, id: &str) -> Result<Answer> {
        self.call(Method::GET, &path(namespace, id, "registration"), None)
            .await
    }

    /// `PUT .../registration`.
    pub async fn register(&mut self, namespace: &str, id: &str, body: &impl Serialize) -> Result<Answer> {
        self.send(Method::PUT, namespace, id, "registration", body).await
    }

    /// `GET .../configuration`.
    pub async fn configuration(&mut self, namespace: &str, id: &str) -> Result<Answer> {
        self.call(Method::GET, &path(namespace, id, "configuration"), None)
            .await
    }

    /// `PUT .../heartbeat`.
    pub async fn heartbeat(&mut self, namespace: &str, id: &str, body: &impl Serialize) -> Result<Answer> {
        self.send(Method::PUT, namespace, id, "heartbeat", body).await
    }

    /// `GET .../playbookexecutions`.
    pub async fn playbooks(&mut self, namespace: &str, id: &str) -> Result<Answer> {
        self.call(Method::GET, &path(namespace, id, "playbookexecutions"), None)
            .await
    }

    async fn send(
        &mut self,
        method: Method,
        namespace: &str,
        id: &str,
        operation: &str,
        body: &impl Serialize,
    ) -> Result<Answer> {
        let mut body = serde_json::to_vec(body)?;
        // Go's JSON encoder ends a document with a newline.
        body.push(b'\n');
        self.call(method, &path(namespace, id, operation), Some(body.into()))
            .await
    }
}

/// The path of an operation under [`BASE_PATH`].
pub fn path(namespace: &str, id: &str, operation: &str) -> String {
    format!("{BASE_PATH}/namespaces/{namespace}/devices/{id}/{operation}")
}
