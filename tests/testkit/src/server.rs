//! The server under test as a process of its own: started, asked, stopped, killed and started again
//! on the same data.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::binary;
use crate::caller::BASE_PATH;
use crate::http_client::{self, Answer};
use crate::net::free_port;
use crate::process::{Process, Program};

const START: Duration = Duration::from_mins(2);

/// How the server is to run. Everything that is not set keeps the server's default.
#[derive(Debug, Clone)]
pub struct Settings {
    folder: PathBuf,
    store: String,
    binary: Option<PathBuf>,
    tls: Option<PathBuf>,
    flags: Vec<String>,
}

impl Settings {
    /// Keeps SQLite data, the admin socket and the log in `folder`; plain HTTP.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let store = format!("sqlite:{}", folder.join("fleet.db").display());
        Self {
            folder,
            store,
            binary: None,
            tls: None,
            flags: Vec::new(),
        }
    }

    /// Another store, as a URL: `sqlite:PATH` or `postgres://...`.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = url.into();
        self
    }

    /// Another binary, for instance one with a build option.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// Mutual TLS with the material in a folder as [`crate::pki::write_server_folder`] makes it.
    #[must_use]
    pub fn tls(mut self, folder: impl Into<PathBuf>) -> Self {
        self.tls = Some(folder.into());
        self
    }

    /// One more command line flag of `serve`, with its value: `["--approval", "manual"]`.
    #[must_use]
    pub fn flags<const N: usize>(mut self, flags: [&str; N]) -> Self {
        self.flags.extend(flags.iter().map(ToString::to_string));
        self
    }
}

/// A running (or killed) server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    process: Process,
    program: Program,
    settings: Settings,
    binary: PathBuf,
    device_plane: SocketAddr,
    ops: SocketAddr,
    socket: PathBuf,
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub async fn start(settings: Settings) -> Result<Self> {
        let mut server = Self::launch(settings)?;
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Starts a server and does not wait: one that lacks its material is alive and not ready.
    pub fn launch(settings: Settings) -> Result<Self> {
        std::fs::create_dir_all(&settings.folder)?;
        let binary = settings.binary.clone().map_or_else(binary::server, Ok)?;
        let device_plane = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let ops = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let socket = settings.folder.join("admin.sock");
        let mut program = Program::new("edge-config-server", &binary)
            .arg("serve")
            .args([
                "--listen",
                &device_plane.to_string(),
                "--ops-listen",
                &ops.to_string(),
            ])
            .args(["--store", &settings.store])
            .arg("--admin-socket")
            .arg(&socket);
        program = match &settings.tls {
            Some(folder) => program
                .arg("--tls-cert")
                .arg(folder.join("tls.crt"))
                .arg("--tls-key")
                .arg(folder.join("tls.key"))
                .arg("--client-ca")
                .arg(folder.join("ca.crt"))
                .arg("--client-pins")
                .arg(folder.join("pins")),
            None => program.arg("--insecure-http"),
        };
        program = program.args(&settings.flags);
        let process = program.start(&settings.folder)?;
        Ok(Self {
            process,
            program,
            settings,
            binary,
            device_plane,
            ops,
            socket,
        })
    }

    /// Waits for `/readyz`, and until an Edge API could be switched to it: its manifests, if it has
    /// any, were taken over.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let ops = self.ops;
        let ready = async || {
            let ready = http_client::get(ops, "/readyz").await;
            ready.is_ok_and(|answer| answer.status == 200) && may_be_switched_to(ops).await
        };
        self.process.wait_until("it is ready", START, ready).await
    }

    /// The process, to signal it or look at its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where the device plane listens.
    pub fn device_plane(&self) -> SocketAddr {
        self.device_plane
    }

    /// Where the operations port listens.
    pub fn ops_port(&self) -> SocketAddr {
        self.ops
    }

    /// What an Edge API is given as `REMOTE_BACKEND_URL`.
    pub fn backend_url(&self) -> String {
        let scheme = if self.settings.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}{BASE_PATH}", self.device_plane.port())
    }

    /// A GET on the operations port: `/healthz`, `/readyz`, `/status`, `/metrics`.
    pub async fn ops(&self, path: &str) -> Result<Answer> {
        http_client::get(self.ops, path).await
    }

    /// Asks it to stop and returns how it ended.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop()
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same data and ports, after a stop or a kill.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = self.program.start(&self.settings.folder)?;
        self.wait_until_ready().await
    }

    /// Runs `edge-config-server device ...` against this server and returns what it printed, as
    /// JSON.
    pub fn device(&self, args: &[&str]) -> Result<Value> {
        self.command("device", args)
    }

    /// The same for `edge-config-server manifests ...`.
    pub fn manifests(&self, args: &[&str]) -> Result<Value> {
        self.command("manifests", args)
    }

    fn command(&self, subcommand: &str, args: &[&str]) -> Result<Value> {
        let output = admin_command(&self.binary, &self.socket, subcommand, args)?;
        serde_json::from_slice(&output).with_context(|| {
            format!(
                "`{subcommand} {}` did not print JSON but: {}",
                args.join(" "),
                String::from_utf8_lossy(&output)
            )
        })
    }

    /// `device show ID`: life cycle, report and events. An error when there is no such device.
    pub fn show(&self, id: &str) -> Result<Value> {
        self.device(&["show", id])
    }

    /// The server's log, for messages.
    pub fn log_tail(&self) -> String {
        self.process.log_tail(30)
    }
}

/// Whether a server says by `/status` that an Edge API may be switched to it. One that says nothing
/// about it may.
pub async fn may_be_switched_to(ops: SocketAddr) -> bool {
    let status = http_client::get(ops, "/status").await;
    let status = status.and_then(|answer| answer.json());
    status.is_ok_and(|status| status["switchWaitsFor"].as_array().is_none_or(Vec::is_empty))
}

fn admin_command(binary: &Path, socket: &Path, subcommand: &str, args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(binary)
        .arg(subcommand)
        .args(args)
        .arg("--socket")
        .arg(socket)
        .args(["-o", "json"])
        .output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`edge-config-server {subcommand} {}` failed ({}): {}",
            args.join(" "),
            output.status,
            reason.trim()
        );
    }
    Ok(output.stdout)
}
