//! As much of a Kubernetes client as the tests need: create, read and list objects as JSON, and
//! read Secrets.
//!
//! A connection per call: the calls are few, and the value can be shared by tests that each have a
//! runtime of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::http_client::{Answer, Connection, Tls};

/// Talks to one API server with a bearer token, or to a proxy that logs in by itself.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    tls: Option<Tls>,
    token: Option<String>,
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
    /// Kubernetes' own: lists are merged by their keys.
    Strategic,
}

impl PatchKind {
    fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

/// A Secret, decoded.
#[derive(Debug, Clone)]
pub struct Secret {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.creationTimestamp`, RFC 3339 with whole seconds: sorts by text.
    pub created: String,
    data: BTreeMap<String, Vec<u8>>,
}

impl Secret {
    /// The text under a key.
    pub fn text(&self, key: &str) -> Result<&str> {
        let bytes = self
            .data
            .get(key)
            .with_context(|| format!("Secret {} has no key {key}", self.name))?;
        Ok(std::str::from_utf8(bytes)?)
    }

    fn from_json(object: &Value) -> Result<Self> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let data = object["data"].as_object().cloned().unwrap_or_default();
        let data = data.into_iter().map(|(key, value)| {
            let value = STANDARD.decode(value.as_str().unwrap_or_default())?;
            Ok((key, value))
        });
        Ok(Self {
            name: text("/metadata/name"),
            created: text("/metadata/creationTimestamp"),
            data: data.collect::<Result<_>>()?,
        })
    }
}

impl Client {
    /// For the API server at an address, as the user that the token stands for.
    pub fn new(address: SocketAddr, tls: Tls, token: &str) -> Self {
        Self {
            address,
            tls: Some(tls),
            token: Some(token.to_owned()),
        }
    }

    /// Through `kubectl proxy` at an address of this machine.
    pub fn behind_proxy(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            token: None,
        }
    }

    /// Any call; the caller looks at the status.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.send(method, path, body.map(|body| ("application/json", body)))
            .await
    }

    /// A patch; the caller looks at the status.
    pub async fn patch(&self, path: &str, kind: PatchKind, changes: &Value) -> Result<Answer> {
        self.send(Method::PATCH, path, Some((kind.content_type(), changes)))
            .await
    }

    /// The same client on a connection that is kept: for many calls one after the other.
    pub fn session(&self) -> Session {
        Session {
            client: self.clone(),
            open: None,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Answer> {
        let request = self.request(method, path, body)?;
        let mut connection = Connection::open(self.address, self.tls.as_ref()).await?;
        connection.send(request).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some((content_type, body)) => {
                request = request.header("content-type", content_type);
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        Ok(request.body(Full::new(body))?)
    }

    /// Creates an object in a collection, for instance `/api/v1/namespaces`. One that exists
    /// already is fine.
    pub async fn create(&self, collection: &str, object: &Value) -> Result<()> {
        let answer = self.call(Method::POST, collection, Some(object)).await?;
        match answer.status {
            201 | 409 => Ok(()),
            status => bail!(
                "creating an object in {collection} was answered {status}: {}",
                answer.text()
            ),
        }
    }

    /// Creates a namespace.
    pub async fn create_namespace(&self, name: &str) -> Result<()> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.create("/api/v1/namespaces", &object).await
    }

    /// A Secret, if it is there.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>> {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let answer = self.call(Method::GET, &path, None).await?;
        match answer.status {
            200 => Ok(Some(Secret::from_json(&answer.json()?)?)),
            404 => Ok(None),
            status => bail!(
                "reading Secret {namespace}/{name} was answered {status}: {}",
                answer.text()
            ),
        }
    }

    /// The Secrets with a label, `key=value`, oldest first.
    pub async fn secrets(&self, namespace: &str, label: &str) -> Result<Vec<Secret>> {
        let label = label.replace('=', "%3D");
        let path = format!("/api/v1/namespaces/{namespace}/secrets?labelSelector={label}");
        let answer = self.call(Method::GET, &path, None).await?;
        if answer.status != 200 {
            bail!(
                "listing Secrets in {namespace} was answered {}: {}",
                answer.status,
                answer.text()
            );
        }
        let list = answer.json()?;
        let items = list["items"].as_array().context("a list of Secrets has items")?;
        let mut secrets = items.iter().map(Secret::from_json).collect::<Result<Vec<_>>>()?;
        secrets.sort_by(|a, b| a.created.cmp(&b.created));
        Ok(secrets)
    }
}

/// A client that keeps its connection.
#[derive(Debug)]
pub struct Session {
    client: Client,
    open: Option<Connection>,
}

impl Session {
    /// Any call; the caller looks at the status.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.send(method, path, body.map(|body| ("application/json", body)))
            .await
    }

    /// A patch; the caller looks at the status.
    pub async fn patch(&mut self, path: &str, kind: PatchKind, changes: &Value) -> Result<Answer> {
        self.send(Method::PATCH, path, Some((kind.content_type(), changes)))
            .await
    }

    async fn send(&mut self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Answer> {
        let request = self.client.request(method, path, body)?;
        let mut connection = match self.open.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => Connection::open(self.client.address, self.client.tls.as_ref()).await?,
        };
        let answer = connection.send(request).await?;
        self.open = Some(connection);
        Ok(answer)
    }
}
