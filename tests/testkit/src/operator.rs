//! Flotta's operator as a process: it decides which devices get which workloads when the Edge API
//! has the CRD backend.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::control_plane::ControlPlane;
use crate::http_client;
use crate::net::free_port;
use crate::peers;
use crate::process::{Process, Program, Signal};

const START: Duration = Duration::from_mins(1);

/// A running operator, stopped when dropped.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    _folder: TempDir,
}

impl Operator {
    /// Starts it, without its webhooks (which no request of a cluster meets either), and waits
    /// until it is ready. Flotta's kinds must be installed, see [`crate::flotta_kinds`].
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-operator-").tempdir()?;
        let metrics = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let probes = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut process = Program::new("operator", peers::operator()?)
            .env("KUBECONFIG", control_plane.admin_kubeconfig())
            .env("METRICS_ADDR", metrics.to_string())
            .env("PROBE_ADDR", probes.to_string())
            .env("ENABLE_WEBHOOKS", "false")
            .env("LOG_LEVEL", "error")
            .stop_with(Signal::TERM, Duration::from_secs(10))
            .start(folder.path())?;
        let ready = async || {
            http_client::get(probes, "/readyz")
                .await
                .is_ok_and(|answer| answer.status == 200)
        };
        process.wait_until("it is ready", START, ready).await?;
        Ok(Self {
            process,
            _folder: folder,
        })
    }

    /// The end of its log, for messages.
    pub fn log_tail(&self) -> String {
        self.process.log_tail(30)
    }
}
