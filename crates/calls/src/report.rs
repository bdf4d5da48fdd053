//! What a pod of our server says of itself: `/status` on its operations port, plain HTTP, asked by
//! the pod's own address.
//!
//! Fields that are not known here are passed over, and fields that an older server lacks are
//! absent, so that companion and server can be brought up to date one after the other.

use std::{collections::BTreeSet, net::SocketAddr};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use jiff::Timestamp;
use pki::Fingerprint;
use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::time::Instant;

use crate::{
    connection::Address,
    exchange,
    fault::{CallError, Callee, Fault},
    nonce::Nonce,
};

/// Far more than sixteen probes and a bundle of CAs take.
const LIMIT: usize = 1 << 20;

/// What a pod of our server says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerReport {
    /// The version of the program.
    pub version: String,
    /// Since when it runs.
    pub started: Timestamp,
    /// Why it is not ready; empty when it is.
    pub not_ready_because: Vec<String>,
    /// Why no Edge API should be switched to it; empty when one may, and from a server that does
    /// not say so.
    #[serde(default)]
    pub switch_waits_for: Vec<String>,
    /// The manifests that it configures devices by, in numbers; `None` before its store is open.
    #[serde(default)]
    pub manifests: Option<ManifestsReport>,
    /// Why its store cannot be written, though devices are answered.
    #[serde(default)]
    pub store_not_writable: Option<String>,
    /// Whether it takes requests of anybody, without TLS.
    pub insecure_http: bool,
    /// Its TLS material; `None` with plain HTTP.
    pub tls: Option<TlsReport>,
    /// Its store; `None` before it is open.
    pub store: Option<StoreReport>,
    /// Whom it takes in; `None` without an admission file, as by a server that knows no such file.
    #[serde(default)]
    pub admission: Option<AdmissionReport>,
    /// The last verification calls that it has seen, latest first.
    #[serde(default)]
    pub probes: Vec<ProbeSeen>,
}

/// The manifests that a server configures devices by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestsReport {
    /// How many sources hold something that was not taken over.
    #[serde(default)]
    pub faulty_sources: u64,
    /// How many of these wait for a person.
    #[serde(default)]
    pub unconfirmed_sources: u64,
}

/// TLS material of a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsReport {
    /// What it serves with; `None` before it had any.
    pub loaded: Option<Material>,
    /// What is wrong with the files now.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// What a server serves with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Loaded")]
pub struct Material {
    /// SHA-256 of the server's certificate.
    pub certificate: Fingerprint,
    /// SHA-256 of the public key in it.
    pub key: Fingerprint,
    /// DNS names and addresses in it.
    pub names: Vec<String>,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// SHA-256 of each CA certificate of the bundle, in its order.
    pub authorities: Vec<Fingerprint>,
    /// SHA-256 of each public key that may connect.
    pub pins: BTreeSet<Fingerprint>,
}

/// A store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StoreReport {
    /// Made once, with the store.
    pub id: String,
    /// Made with the store, and anew when it is a restored backup.
    pub epoch: String,
}

/// Whom a server takes in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionReport {
    /// The order in force; `None` before one could be read.
    pub admission: Option<Admission>,
    /// The store that the fleet was recorded in, according to the order.
    pub store_id: Option<String>,
    /// What is wrong with the file now.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// Whom to take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Admission {
    /// Whomever the rules let in.
    Open,
    /// Nobody whom the backend before this one lacks.
    Hold,
    /// Nobody.
    Closed,
}

/// A verification call that a server has seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ProbeSeen {
    /// The nonce.
    pub nonce: String,
    /// When it was seen last.
    pub seen: Timestamp,
    /// The pinned public key that it came with; `None` with plain HTTP.
    #[serde(default, deserialize_with = "optional_fingerprint")]
    pub from: Option<Fingerprint>,
}

/// Asks a pod of our server what it has loaded and seen; `pod` is its address with the operations
/// port.
pub async fn server_report(pod: SocketAddr, deadline: Instant) -> Result<ServerReport, CallError> {
    ask(pod, "/status", deadline)
        .await
        .map_err(|fault| fault.of(Callee::ServerPod(pod)))
}

/// Asks a pod of our server whether it has seen the verification call with this nonce, and from
/// whom.
///
/// It is asked for this one alone: of those that it tells everybody, strangers may have pushed it
/// out. An older server tells the same as ever.
pub async fn probes_seen(
    pod: SocketAddr,
    nonce: &Nonce,
    deadline: Instant,
) -> Result<Vec<ProbeSeen>, CallError> {
    let report = ask(pod, &format!("/status?probe={nonce}"), deadline).await;
    let mut probes = report.map_err(|fault| fault.of(Callee::ServerPod(pod)))?.probes;
    probes.retain(|probe| probe.nonce == nonce.as_str());
    Ok(probes)
}

async fn ask(pod: SocketAddr, path: &str, deadline: Instant) -> Result<ServerReport, Fault> {
    let request = Request::get(path)
        .header(header::HOST, pod.to_string())
        .body(Full::<Bytes>::default())
        .map_err(|error| Fault::Url(error.to_string()))?;
    let answer = exchange::call(Address::Known(pod), None, request, LIMIT, deadline).await?;
    if answer.status != 200 {
        return Err(answer.refusal());
    }
    serde_json::from_slice(&answer.body).map_err(|error| Fault::NotUnderstood(error.to_string()))
}

/// The form in which [`Material`] is written.
#[derive(Deserialize)]
struct Loaded {
    server: Described,
    authorities: Vec<Described>,
    pins: Vec<Print>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    fingerprint: Print,
    key: Print,
    names: Vec<String>,
    not_after: Timestamp,
}

impl From<Loaded> for Material {
    fn from(
        Loaded {
            server,
            authorities,
            pins,
        }: Loaded,
    ) -> Self {
        Self {
            certificate: server.fingerprint.0,
            key: server.key.0,
            names: server.names,
            not_after: server.not_after,
            authorities: authorities
                .into_iter()
                .map(|authority| authority.fingerprint.0)
                .collect(),
            pins: pins.into_iter().map(|pin| pin.0).collect(),
        }
    }
}

struct Print(Fingerprint);

impl<'de> Deserialize<'de> for Print {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

fn optional_fingerprint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Fingerprint>, D::Error> {
    Ok(Option::<Print>::deserialize(deserializer)?.map(|print| print.0))
}
