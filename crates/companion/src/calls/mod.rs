//! Calls that prove something: to our server's pods, to the backend's URL, to the Edge API's pods.
//!
//! A trait, so that tests can script what a cluster without a node cannot have. Errors are
//! sentences: all that is done with them is to show them.

pub mod network;

use std::{collections::BTreeMap, fmt, net::IpAddr};

use async_trait::async_trait;
pub use calls::DevicePhase;
use pki::{Certificate, Identity};
use plan::observed::ServerReport;
use rustls::pki_types::CertificateDer;

/// How the backend is called.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its URL.
    pub url: String,
    /// The Edge API's host certificate with its key; not presented with plain HTTP.
    pub identity: Identity,
    /// The certificates of `ca.crt`: what the server's certificate is checked against.
    pub roots: Vec<CertificateDer<'static>>,
}

/// A call through a pod of the Edge API.
#[derive(Debug)]
pub struct Probe {
    /// Where the pod is.
    pub pod: IpAddr,
    /// The name that devices use (`DOMAIN`).
    pub server_name: String,
    /// What it has to serve.
    pub certificate: Certificate,
    /// Certificate of a device that is only this call.
    pub identity: Identity,
    /// The device's id, without the prefix of probes.
    pub nonce: String,
}

/// What a device would have heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What a device hears that the remote backend does not know.
    Remote,
    /// To disconnect: what the custom resources tell a device that they lack.
    Disconnect,
}

/// What devices are to the store, by id.
pub type Phases = BTreeMap<String, DevicePhase>;

/// The calls. Each ends within some seconds.
#[async_trait]
pub trait Calls: fmt::Debug + Send + Sync {
    /// What a pod of our server says of itself.
    async fn server_report(&self, pod: IpAddr) -> Result<ServerReport, String>;

    /// Whether a pod of our server has seen the verification call with this nonce: the pinned key
    /// of each time.
    async fn probes_seen(&self, pod: IpAddr, nonce: &str) -> Result<Vec<Option<String>>, String> {
        let probes = self.server_report(pod).await?.probes;
        let of_nonce = probes.into_iter().filter(|(seen, _)| seen == nonce);
        Ok(of_nonce.map(|(_, from)| from).collect())
    }

    /// Calls the backend exactly as the Edge API would.
    async fn call_backend(&self, backend: &Backend, nonce: &str) -> Result<(), String>;

    /// What each of these devices is to the store.
    async fn compare(&self, backend: &Backend, ids: &[String]) -> Result<Phases, String>;

    /// All devices of the store.
    async fn list(&self, backend: &Backend) -> Result<Phases, String>;

    /// Calls a pod of the Edge API as a device would.
    async fn probe(&self, probe: &Probe) -> Result<Heard, String>;
}
