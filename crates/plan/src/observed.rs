//! One look at the cluster: everything that [`crate::plan`] may base a decision on, and nothing
//! else.
//!
//! Objects are as the API server gave them; what they mean is read here and nowhere else. Absent is
//! not the same as unreadable: an object that may not be read is in [`Observed::unreadable`], and
//! then nothing is decided.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Secret, Service},
};

use crate::{api::RemoteBackend, object::Read};

/// One look at the cluster.
#[derive(Clone)]
pub struct Observed {
    /// When.
    pub now: Timestamp,
    /// The resource that this is about.
    pub resource: Read<RemoteBackend>,
    /// An older RemoteBackend of the same namespace that names the same Deployment.
    pub elder: Option<String>,
    /// Roll the Edge API back, whatever the mode: an uninstallation asks for it.
    pub leave: bool,
    /// Whether the namespace is being deleted.
    pub namespace_ending: bool,
    /// What could not be read, one sentence each, with the right that was missing.
    pub unreadable: Vec<String>,
    /// The Edge API's Deployment.
    pub deployment: Option<Read<Deployment>>,
    /// Its pods, terminating ones included.
    pub edge_pods: Vec<Read<Pod>>,
    /// Its settings.
    pub config: Option<Read<ConfigMap>>,
    /// Flotta's CA.
    pub ca: Option<Read<Secret>>,
    /// The Edge API's host certificate.
    pub host: Option<Read<Secret>>,
    /// The Secret that our server's pods mount.
    pub server_secret: Option<Read<Secret>>,
    /// The Service of our server.
    pub server_service: Option<Read<Service>>,
    /// The pods behind it, ready or not, with what each of them said.
    pub server_pods: Vec<ServerPod>,
    /// What was before ([`crate::names::PREVIOUS`]).
    pub previous: Option<Read<ConfigMap>>,
    /// What calls have shown so far.
    pub evidence: Evidence,
}

// Secrets print their data; so nothing of an observation is printed but whose it is.
impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("resource", &self.resource.reference().name())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A pod of our server.
#[derive(Clone, Debug)]
pub struct ServerPod {
    /// The pod.
    pub pod: Read<Pod>,
    /// What it said of itself when asked by its address, or why it did not.
    pub report: Result<ServerReport, String>,
}

/// What one of our server's pods says of itself (`/status`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerReport {
    /// Why it is not ready; empty when it is.
    pub not_ready_because: Vec<String>,
    /// Why no switch to it should begin; empty when one may.
    pub switch_waits_for: Vec<String>,
    /// Sources of manifests that hold something which was not taken over.
    pub faulty_sources: u64,
    /// Those of them that wait for a person.
    pub unconfirmed_sources: u64,
    /// Why its store cannot be written, though it is ready: devices are answered from what is
    /// there.
    pub store_not_writable: Option<String>,
    /// Whether it takes requests without TLS.
    pub insecure_http: bool,
    /// SHA-256 of the certificate it serves, hexadecimal.
    pub certificate: Option<String>,
    /// SHA-256 of each CA certificate it trusts, in their order.
    pub client_cas: Vec<String>,
    /// Public keys that may connect.
    pub pins: BTreeSet<String>,
    /// What is wrong with its files of TLS material: it goes on with what it had, or has what could
    /// be read of them.
    pub material_faults: Vec<String>,
    /// The id of its store; none before it is open.
    pub store_id: Option<String>,
    /// Admission in force (`Open`, `Hold`, `Closed`); none when it has not read the file yet.
    pub admission: Option<String>,
    /// The store id that the admission file names.
    pub admission_store_id: Option<String>,
    /// Verification calls it has seen: nonce and the pinned key they came with.
    pub probes: Vec<(String, Option<String>)>,
}

/// Something that was true at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated<T> {
    /// When.
    pub at: Timestamp,
    /// Inputs that it is about; with others it says nothing.
    pub about: String,
    /// What.
    pub value: T,
}

/// What calls have shown so far. It is in memory only: after a restart of the companion it is
/// gathered anew.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Rights that are missing, one sentence each.
    pub rights: Option<Dated<Vec<String>>>,
    /// The URL, called as the Edge API would.
    pub backend: Option<Dated<Result<(), String>>>,
    /// Devices here and there.
    pub devices: Option<Dated<Result<DeviceComparison, String>>>,
    /// The Edge API's pods, called as a device would.
    pub verification: Option<Dated<Vec<PodVerdict>>>,
    /// The same error of the same action in a row, and when it happened last.
    pub failing: Option<Dated<String>>,
}

/// Devices here and there, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceComparison {
    /// EdgeDevices in the custom resources.
    pub custom_resources: u64,
    /// Devices in the store, waiting ones included, deleted ones not.
    pub here: u64,
    /// EdgeDevices that the store would not serve as registered or waiting: how many, and some of
    /// their ids.
    pub only_in_custom_resources: (u64, Vec<String>),
    /// Devices of the store without an EdgeDevice.
    pub only_here: (u64, Vec<String>),
}

/// What a call through one pod of the Edge API showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodVerdict {
    /// The pod.
    pub uid: String,
    /// Its name, for people.
    pub name: String,
    /// What came of it.
    pub outcome: ProbeOutcome,
}

/// What came of a call through a pod of the Edge API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The intended certificate was served, the answer was the remote backend's, and one of our
    /// server's pods saw the nonce, with this public key (none with plain HTTP).
    Remote {
        /// The key that came with the call, SHA-256.
        from: Option<String>,
    },
    /// The answer was that of the custom resources (the disconnect command of a device that they
    /// lack), and none of our pods saw the nonce.
    Crd,
    /// Anything else, as one sentence.
    Failed(String),
}
