//! The caller's side of the admin socket.

use std::{io, path::Path};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use contract::DeviceId;
use fleet::administration::Act;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use super::AUTHOR;
use crate::{
    service::{DeviceView, ListEntry, ListedPage, StrayView, WorkloadView},
    sources::{Applied, Status},
};

/// An act on its way to the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Acting {
    #[serde(flatten)]
    pub(super) act: Act,
    /// It is meant, whatever it takes from the device.
    #[serde(default)]
    pub(super) confirm: bool,
}

/// A file on its way to the server.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Text {
    /// Its name, for messages.
    pub(super) origin: String,
    /// What it holds.
    pub(super) text: String,
}

/// Files that are to be taken over as one source.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Apply {
    /// Name of the source.
    pub(super) source: String,
    /// The digest of what a person has said may take something away.
    #[serde(default)]
    pub(super) confirm: Option<String>,
    /// A source whose objects it may have.
    #[serde(default)]
    pub(super) take_from: Option<String>,
    /// The files.
    pub(super) texts: Vec<Text>,
}

/// The objects of a source are to be those of `--manifests`, as far as that holds them.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct HandOver {
    /// The source that has them.
    pub(super) from: String,
    /// The digest of what a person has said may take something away.
    #[serde(default)]
    pub(super) confirm: Option<String>,
}

/// A source is to hold nothing.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Emptying {
    /// Which one.
    pub(super) source: String,
    /// The digest of what a person has said may go.
    #[serde(default)]
    pub(super) confirm: Option<String>,
}

/// An object in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ListedObject {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) source: String,
}

/// The sources, and what in their objects stops or degrades devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestsView {
    #[serde(flatten)]
    pub(super) status: Status,
    /// Why no device is configured by any of them, if so.
    pub(super) unusable: Option<String>,
    /// Workloads and sets that are broken, and those of which nobody can say whom they select.
    pub(super) broken: Vec<BrokenObject>,
}

/// An object with something that it needs missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BrokenObject {
    /// `EdgeWorkload plant-a/web`.
    pub(super) object: String,
    /// In a word, as in the conditions of devices.
    pub(super) reason: String,
    /// What is missing or wrong, where, and what follows for devices.
    pub(super) message: String,
}

/// What became of the Secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rekeyed {
    pub(super) key_id: String,
    pub(super) resealed: u64,
    pub(super) newly_sealed: u64,
    pub(super) leftover: Option<String>,
}

/// A server, seen through its admin socket.
pub(super) struct Client<'a> {
    /// Where the socket is.
    pub(super) socket: &'a Path,
    /// Who acts.
    pub(super) author: String,
}

impl Client<'_> {
    /// All devices, page by page.
    pub(super) async fn list(&self, phase: Option<&str>) -> anyhow::Result<Vec<ListEntry>> {
        let mut all: Vec<ListEntry> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut path = format!("/devices?limit={}", super::PAGE);
            if let Some(phase) = phase {
                path.push_str("&phase=");
                path.push_str(phase);
            }
            if let Some(after) = &after {
                path.push_str("&after=");
                path.extend(utf8_percent_encode(after, NON_ALPHANUMERIC));
            }
            let page: ListedPage = self.call(Method::GET, &path, Bytes::new()).await?;
            all.extend(page.devices);
            if page.next.is_none() {
                return Ok(all);
            }
            after = page.next;
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
    pub(super) async fn act(&self, id: &DeviceId, acting: &Acting) -> anyhow::Result<DeviceView> {
        self.call(
            Method::POST,
            &format!("/devices/{id}/acts"),
            serde_json::to_vec(acting)?.into(),
        )
        .await
    }

    /// The configuration that a device gets.
    pub(super) async fn configuration(
        &self,
        id: &DeviceId,
        show_secrets: bool,
    ) -> anyhow::Result<serde_json::Value> {
        let path = format!("/devices/{id}/configuration?secrets={show_secrets}");
        self.call(Method::GET, &path, Bytes::new()).await
    }

    /// The sources of manifests.
    pub(super) async fn manifests(&self) -> anyhow::Result<ManifestsView> {
        self.call(Method::GET, "/manifests", Bytes::new()).await
    }

    /// The objects that devices are configured by.
    pub(super) async fn objects(&self) -> anyhow::Result<Vec<ListedObject>> {
        self.call(Method::GET, "/manifests/objects", Bytes::new()).await
    }

    /// Takes files over as one source.
    pub(super) async fn apply(&self, apply: &Apply) -> anyhow::Result<Applied> {
        let body = serde_json::to_vec(apply)?;
        self.call(Method::POST, "/manifests", body.into()).await
    }

    /// Hands the objects of a source over to `--manifests`.
    pub(super) async fn hand_over(&self, from: &str, confirm: Option<String>) -> anyhow::Result<Applied> {
        let hand_over = HandOver {
            from: from.to_owned(),
            confirm,
        };
        let body = serde_json::to_vec(&hand_over)?;
        self.call(Method::POST, "/manifests/handovers", body.into()).await
    }

    /// Empties a source.
    pub(super) async fn empty(&self, source: &str, confirm: Option<String>) -> anyhow::Result<Applied> {
        let emptying = Emptying {
            source: source.to_owned(),
            confirm,
        };
        let body = serde_json::to_vec(&emptying)?;
        self.call(Method::POST, "/manifests/emptyings", body.into()).await
    }

    /// Confirms what waits for a person.
    pub(super) async fn confirm(&self, digest: &str) -> anyhow::Result<ManifestsView> {
        let body = serde_json::to_vec(digest)?;
        self.call(Method::POST, "/manifests/confirmations", body.into())
            .await
    }

    /// Encrypts all Secrets with the first key.
    pub(super) async fn rekey(&self) -> anyhow::Result<Rekeyed> {
        self.call(Method::POST, "/rekey", Bytes::new()).await
    }

    /// All workloads.
    pub(super) async fn workloads(&self) -> anyhow::Result<Vec<WorkloadView>> {
        self.call(Method::GET, "/workloads", Bytes::new()).await
    }

    /// One workload with its devices.
    pub(super) async fn workload(&self, namespace: &str, name: &str) -> anyhow::Result<WorkloadView> {
        self.call(
            Method::GET,
            &format!("/workloads/{namespace}/{name}"),
            Bytes::new(),
        )
        .await
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<T> {
        let stream = UnixStream::connect(self.socket)
            .await
            .map_err(|error| unreachable(self.socket, error))?;
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

/// Why a socket cannot be connected to, and what to do.
fn unreachable(socket: &Path, error: io::Error) -> anyhow::Error {
    let socket = socket.display();
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "this user may not open {socket}, which is its server's alone; run this as the user that the server runs as, or as root"
        ),
        _ => format!("no server is listening on {socket}; start one, or name its socket with --socket"),
    };
    anyhow::Error::new(error).context(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_another_user_is_no_server_that_is_missing() {
        let told = |kind: io::ErrorKind| unreachable(Path::new("/run/admin.sock"), kind.into()).to_string();
        assert!(told(io::ErrorKind::PermissionDenied).starts_with("this user may not open /run/admin.sock"));
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused] {
            assert!(told(kind).starts_with("no server is listening on /run/admin.sock"));
        }
    }
}
