//! The caller's side of the admin socket.

use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use contract::DeviceId;
use fleet::administration::Act;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::AUTHOR;
use crate::service::{DeviceView, ListedView, StrayView};

/// A server, seen through its admin socket.
pub(super) struct Client<'a> {
    /// Where the socket is.
    pub(super) socket: &'a Path,
    /// Who acts.
    pub(super) author: String,
}

impl Client<'_> {
    /// All devices, page by page.
    pub(super) async fn list(&self, phase: Option<&str>) -> anyhow::Result<Vec<ListedView>> {
        let mut all: Vec<ListedView> = Vec::new();
        loop {
            let mut path = format!("/devices?limit={}", super::PAGE);
            if let Some(phase) = phase {
                path.push_str("&phase=");
                path.push_str(phase);
            }
            if let Some(last) = all.last() {
                path.push_str("&after=");
                path.push_str(last.id.as_str());
            }
            let page: Vec<ListedView> = self.call(Method::GET, &path, Bytes::new()).await?;
            let complete = page.len() < super::PAGE;
            all.extend(page);
            if complete {
                return Ok(all);
            }
        }
    }

    /// One device.
    pub(super) async fn show(&self, id: &DeviceId) -> anyhow::Result<DeviceView> {
        self.call(Method::GET, &format!("/devices/{id}"), Bytes::new())
            .await
    }

    /// Ids that were heard and are no approved device.
    pub(super) async fn strays(&self) -> anyhow::Result<Vec<StrayView>> {
        self.call(Method::GET, "/strays", Bytes::new()).await
    }

    /// Carries out an act.
    pub(super) async fn act(&self, id: &DeviceId, act: &Act) -> anyhow::Result<DeviceView> {
        self.call(
            Method::POST,
            &format!("/devices/{id}/acts"),
            serde_json::to_vec(act)?.into(),
        )
        .await
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<T> {
        let stream = UnixStream::connect(self.socket).await.with_context(|| {
            format!(
                "no server is listening on {}; start one, or name its socket with --socket",
                self.socket.display()
            )
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "admin")
            .header(AUTHOR, &self.author)
            .body(Full::new(body))?;
        let response = sender
            .send_request(request)
            .await
            .context("the server did not answer")?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        drop(sender);
        connection.abort();
        if !status.is_success() {
            let message = serde_json::from_slice::<contract::ErrorMessage>(&body)
                .map_or_else(|_| status.to_string(), |error| error.message);
            bail!(message);
        }
        serde_json::from_slice(&body)
            .context("the server's answer cannot be read; is it of the same version?")
    }
}
