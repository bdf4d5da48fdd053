//! The server as a process of its own, and what its administrator asks it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::net::free_port;
use testkit::process::{Process, Program};
use testkit::server::may_be_switched_to;
use testkit::{binary, http_client};

use crate::certificates::Certificates;
use crate::manifests::Manifests;

const START: Duration = Duration::from_secs(30);

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    devices: SocketAddr,
    ops: SocketAddr,
}

impl Ports {
    /// What was asked for, or the usual ports if they are free, or any that are.
    pub(crate) fn choose(devices: Option<SocketAddr>, ops: Option<SocketAddr>) -> Result<Self> {
        Ok(Self {
            devices: devices.map_or_else(|| usual(8443), Ok)?,
            ops: ops.map_or_else(|| usual(9090), Ok)?,
        })
    }
}

fn usual(port: u16) -> Result<SocketAddr> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    if TcpListener::bind(address).is_ok() {
        return Ok(address);
    }
    Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?)))
}

/// A path as it is typed in the folder that this program was started in.
fn from_here(path: &Path) -> &Path {
    std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok())
        .unwrap_or(path)
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    binary: PathBuf,
    socket: PathBuf,
    ports: Ports,
}

impl Server {
    /// Starts it on the store in `data` and waits until it is ready.
    pub(crate) async fn start(data: &Path, manifests: &Manifests, ports: Ports) -> Result<Self> {
        let binary = binary::server()?;
        let socket = data.join("admin.sock");
        let tls = data.join("tls");
        let store = format!("sqlite:{}", data.join("fleet.db").display());
        // In a session of its own, so that Ctrl-C reaches this program alone and the devices are
        // stopped first.
        let mut process = Program::new("edge-config-server", "/usr/bin/setsid")
            .arg(&binary)
            .arg("serve")
            .args(["--listen", &ports.devices.to_string()])
            .args(["--ops-listen", &ports.ops.to_string()])
            .args(["--store", &store])
            .arg("--admin-socket")
            .arg(&socket)
            .arg("--tls-cert")
            .arg(tls.join("tls.crt"))
            .arg("--tls-key")
            .arg(tls.join("tls.key"))
            .arg("--client-ca")
            .arg(tls.join("ca.crt"))
            .arg("--client-pins")
            .arg(tls.join("pins"))
            .arg("--manifests")
            .arg(&manifests.folder)
            .arg("--secret-keys")
            .arg(&manifests.keys)
            .start(data)?;
        let ready = async || {
            let answer = http_client::get(ports.ops, "/readyz").await;
            answer.is_ok_and(|answer| answer.status == 200) && may_be_switched_to(ports.ops).await
        };
        process.wait_until("it is ready", START, ready).await?;
        Ok(Self {
            process,
            binary,
            socket,
            ports,
        })
    }

    /// Says what runs where.
    pub(crate) fn introduce(&self, certificates: &Certificates, manifests: &Manifests) {
        let Ports { devices, ops } = self.ports;
        println!("edge-config-server is running.");
        println!(
            "  for the Edge API   https://localhost:{}/api/flotta-backend/v1",
            devices.port()
        );
        println!(
            "                     (mutual TLS; only the host certificate in {} gets in)",
            certificates.folder.display()
        );
        println!(
            "  manifests          {}   (change one: the devices that it touches follow at their next poll)",
            from_here(&manifests.folder).display()
        );
        println!("  metrics, status    http://{ops}/metrics   http://{ops}/status");
        println!("  log                {}", self.log().display());
        println!();
    }

    /// Where the Edge API would connect.
    pub(crate) fn device_plane(&self) -> SocketAddr {
        self.ports.devices
    }

    /// Its log file.
    pub(crate) fn log(&self) -> &Path {
        self.process.log_file()
    }

    /// What to type for `edge-config-server <args>` on this server.
    pub(crate) fn command(&self, args: &str) -> String {
        format!(
            "{} {args} --socket {}",
            from_here(&self.binary).display(),
            from_here(&self.socket).display()
        )
    }

    /// Runs `edge-config-server device <args>`, as an administrator does, and reads what it says.
    pub(crate) fn administrator(&self) -> Administrator {
        Administrator {
            binary: self.binary.clone(),
            socket: self.socket.clone(),
        }
    }

    /// An error when the server has ended by itself.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        if let Some(status) = self.process.ended()? {
            bail!(
                "the server ended ({status}); its log ends with:\n{}",
                self.process.log_tail(10)
            );
        }
        Ok(())
    }

    /// Asks it to stop and waits.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop()
    }
}

/// The commands of an administrator.
#[derive(Debug, Clone)]
pub(crate) struct Administrator {
    binary: PathBuf,
    socket: PathBuf,
}

impl Administrator {
    /// Runs `edge-config-server device <args> -o json`.
    pub(crate) fn device(&self, args: &[&str]) -> Result<Value> {
        let output = Command::new(&self.binary)
            .arg("device")
            .args(args)
            .arg("--socket")
            .arg(&self.socket)
            .args(["-o", "json"])
            .output()
            .with_context(|| format!("cannot run {}", self.binary.display()))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            bail!("'device {}' failed: {}", args.join(" "), reason.trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
