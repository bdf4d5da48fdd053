//! The document behind `/status`. Programs read it: fields are added, never renamed.

use jiff::Timestamp;
use serde::Serialize;

use super::probes::Probe;
use crate::{intake, sources, tls};

/// The state of the process. No data of the fleet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// Of the program.
    pub version: &'static str,
    /// When the process began.
    pub started: Timestamp,
    /// Empty when it is ready.
    pub not_ready_because: Vec<String>,
    /// Why no Edge API should be switched to this server; empty when one may.
    pub switch_waits_for: Vec<String>,
    /// Why the store cannot be written, though devices may be answered; `null` when it can.
    pub store_not_writable: Option<String>,
    /// Whether requests are taken without TLS.
    pub insecure_http: bool,
    /// The material in use and what is wrong with the files; `null` with plain HTTP.
    pub tls: Option<tls::Status>,
    /// Which store this is; `null` before it is open.
    pub store: Option<store::Identity>,
    /// The order in force and what is wrong with its file; `null` without an admission file.
    pub admission: Option<intake::Status>,
    /// What devices are configured by, in numbers; `null` before the store is open.
    pub manifests: Option<sources::Summary>,
    /// The last verification calls, latest first.
    pub probes: Vec<Probe>,
}
