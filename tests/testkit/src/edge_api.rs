//! Flotta's own Edge API as a process, with a remote backend.
//!
//! `flotta-ca` and the host certificate are made by the Edge API itself at its first start
//! ([`Flotta::prepare`]); a backend's server certificate can only be issued after that, with the
//! CA's key, as an administrator would do it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use tempfile::TempDir;

use crate::control_plane::ControlPlane;
use crate::device::Provisioning;
use crate::http_client;
use crate::kubernetes::{Client, Secret};
use crate::net::free_port;
use crate::peers;
use crate::pki::{Authority, Identity, Profile};
use crate::process::{Process, Program, Signal};

const NAMESPACE: &str = "flotta";
const START: Duration = Duration::from_mins(1);

/// What Flotta keeps in the namespace `flotta`: its CA and the certificate it calls backends with.
#[derive(Debug, Clone)]
pub struct Flotta {
    /// `flotta-ca`.
    pub authority: Authority,
    /// `flotta-host-certificate`: what devices see as server, and a backend as client.
    pub host: Identity,
    /// `ca.crt` as it is in the Secret.
    pub ca_pem: String,
}

impl Flotta {
    /// Starts an Edge API once so that it makes its Secrets, and reads them.
    pub async fn prepare(control_plane: &ControlPlane) -> Result<Self> {
        // Nothing listens there; the backend is only called when a device comes.
        let edge_api = EdgeApi::start(control_plane, "http://127.0.0.1:1/", None).await?;
        drop(edge_api);
        let client = control_plane.client();
        let ca = secret(client, "flotta-ca").await?;
        let host = secret(client, "flotta-host-certificate").await?;
        Ok(Self {
            authority: Authority::from_pem(ca.text("ca.crt")?, ca.text("ca.key")?)?,
            host: Identity::from_pem(host.text("server.crt")?, host.text("server.key")?)?,
            ca_pem: ca.text("ca.crt")?.to_owned(),
        })
    }

    /// The pin of the host certificate, as the server's pins file wants it.
    pub fn host_pin(&self) -> String {
        self.host.key().fingerprint()
    }

    /// A server certificate for a backend on this machine, signed by the Flotta CA.
    pub fn backend_certificate(&self) -> Result<Identity> {
        self.authority
            .issue(&Profile::server(&["localhost", "127.0.0.1"])?)
    }
}

async fn secret(client: &Client, name: &str) -> Result<Secret> {
    let secret = client.secret(NAMESPACE, name).await?;
    secret.with_context(|| format!("the Edge API has not made Secret {NAMESPACE}/{name}"))
}

/// A running Edge API, stopped when dropped.
#[derive(Debug)]
pub struct EdgeApi {
    process: Process,
    program: Program,
    device_port: u16,
    metrics: SocketAddr,
    folder: TempDir,
    client: Client,
}

impl EdgeApi {
    /// Starts one for a backend and waits until it serves devices.
    ///
    /// `backend_ca` is what the Edge API trusts an `https` backend by: it checks against the roots
    /// of its process, which `SSL_CERT_FILE` replaces.
    pub async fn start(
        control_plane: &ControlPlane,
        backend_url: &str,
        backend_ca: Option<&str>,
    ) -> Result<Self> {
        let settings = [("BACKEND", "remote"), ("REMOTE_BACKEND_URL", backend_url)];
        Self::with_settings(control_plane, &settings, backend_ca).await
    }

    /// Starts one with these environment variables, whatever backend that makes; its readiness does
    /// not depend on it.
    pub async fn with_settings(
        control_plane: &ControlPlane,
        settings: &[(&str, &str)],
        backend_ca: Option<&str>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-edge-api-").tempdir()?;
        let (device_port, metrics) = (free_port()?, SocketAddr::from(([127, 0, 0, 1], free_port()?)));
        let mut program = Program::new("edge-api", peers::edge_api()?)
            .env("KUBECONFIG", control_plane.edge_api_kubeconfig())
            .env("HTTPS_PORT", device_port.to_string())
            .env("METRICS_ADDR", metrics.to_string())
            .env("LOG_LEVEL", "info")
            .stop_with(Signal::TERM, Duration::from_secs(10));
        for (name, value) in settings {
            program = program.env(name, value);
        }
        if let Some(ca) = backend_ca {
            let file: PathBuf = folder.path().join("backend-ca.crt");
            fs::write(&file, ca)?;
            program = program.env("SSL_CERT_FILE", file);
        }
        let process = program.start(folder.path())?;
        let client = control_plane.client().clone();
        let mut edge_api = Self {
            process,
            program,
            device_port,
            metrics,
            folder,
            client,
        };
        if edge_api.wait_until_serving().await.is_err() {
            // On an empty namespace its first start may exit with "flotta-ca already exists", from
            // a stale cache of its own; the next start works.
            edge_api.process = edge_api.program.start(edge_api.folder.path())?;
            edge_api.wait_until_serving().await?;
        }
        Ok(edge_api)
    }

    /// Stops it and starts it again: same CA, same ports, one more register certificate.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.stop()?;
        self.process = self.program.start(self.folder.path())?;
        self.wait_until_serving().await
    }

    async fn wait_until_serving(&mut self) -> Result<()> {
        let (metrics, device_port) = (self.metrics, self.device_port);
        let serving = async || {
            let ready = http_client::get(metrics, "/readyz")
                .await
                .is_ok_and(|answer| answer.status == 200);
            ready
                && tokio::net::TcpStream::connect(("127.0.0.1", device_port))
                    .await
                    .is_ok()
        };
        self.process.wait_until("it serves devices", START, serving).await
    }

    /// Where devices connect.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.device_port))
    }

    /// What a device of this Edge API is provisioned with: the newest register certificate and the
    /// CA.
    pub async fn provisioning(&self, flotta: &Flotta) -> Result<Provisioning> {
        let secrets = self.client.secrets(NAMESPACE, "reg-client-ca=true").await?;
        let newest = secrets
            .last()
            .context("the Edge API has made no register certificate")?;
        Ok(Provisioning {
            edge_api: self.address(),
            server_name: ServerName::from(self.address().ip()),
            roots: flotta.authority.roots()?,
            register: Identity::from_pem(newest.text("client.crt")?, newest.text("client.key")?)?,
        })
    }

    /// The end of its log, for messages.
    pub fn log_tail(&self) -> String {
        self.process.log_tail(30)
    }

    /// All of its log so far.
    pub fn full_log(&self) -> String {
        self.process.log_tail(usize::MAX)
    }

    /// A counter or gauge from its metrics, summed over its labels.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let text = http_client::get(self.metrics, "/metrics").await?.text();
        let lines = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name));
        let values = lines.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()?));
        values.sum()
    }
}
