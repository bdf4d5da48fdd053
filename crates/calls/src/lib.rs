//! Calls over the network that prove something: what each pod of our server has loaded, that the
//! backend's URL works as the Edge API will use it, what a device hears from each pod of the Edge
//! API, and which devices the store knows.
//!
//! Every call has a deadline that is passed in and a connection of its own, since what is to be
//! proven is that a *new* connection works. Nothing is decided here and nothing of Kubernetes is
//! known: the caller says whom to call, and gets an answer or a [`CallError`], one sentence with
//! the remedy.
//!
//! A general HTTP client was no choice: the faults that matter here ("your certificate is not
//! pinned", "that is another CA's certificate") lie in the handshake, and such clients hide them
//! behind "error sending request".

mod backend;
mod connection;
mod devices;
mod edge_api;
mod exchange;
mod fault;
mod nonce;
mod remedy;
mod report;
mod target;
mod tls;

pub use backend::{BackendAnswer, BackendCall, call_as_edge_api};
pub use devices::{Comparison, DevicePhase, Listing, compare, list};
pub use edge_api::{EdgeAnswer, EdgeProbe, Heard, probe_edge_api};
pub use fault::{CallError, Callee, Fault, Step};
pub use nonce::{InvalidNonce, Nonce};
pub use report::{
    Admission, AdmissionReport, ManifestsReport, Material, ProbeSeen, ServerReport, StoreReport, TlsReport,
    probes_seen, server_report,
};
