//! A node of our own: brought up from nothing, entered, and taken down again with whoever holds it.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use testkit::http_client::Tls;
use testkit::kubernetes::Client;
use testkit::pki::anonymous_client_config;

use crate::image::{self, Image};
use crate::script::{place, run, script};

/// Where the API server listens in every cluster, see `node/addresses.sh`.
pub(crate) const API: ([u8; 4], u16) = ([172, 31, 255, 1], 6443);

/// A running node, taken down when dropped unless it was kept.
#[derive(Debug)]
pub(crate) struct Throwaway {
    folder: PathBuf,
    guard: Option<Child>,
}

impl Throwaway {
    /// Brings one up and moves the calling thread into its network.
    pub(crate) fn up(folder: PathBuf, images: &[Image]) -> Result<Self> {
        let archives = image::build(images)?;
        let guard = guard(&folder)?;
        // From here on the value takes down what came up, also when the rest fails.
        let node = Self {
            folder,
            guard: Some(guard),
        };
        let started = run(script("up.sh").arg(&node.folder).args(archives));
        if started.is_err() {
            keep_logs(&node.folder);
        }
        started?;
        node.enter_network()?;
        Ok(node)
    }

    fn enter_network(&self) -> Result<()> {
        let first = fs::read_to_string(self.folder.join("first-process"))?;
        let network = fs::File::open(format!("/proc/{}/ns/net", first.trim()))?;
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .context("cannot enter the network of the cluster")
    }

    /// The folder with everything of the cluster: `log/`, `conf/admin.kubeconfig`, `volumes/`.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// A client with all rights.
    pub(crate) fn client(&self) -> Result<Client> {
        let ca = fs::read(self.folder.join("pki/ca.crt"))?;
        let token = fs::read_to_string(self.folder.join("pki/admin.token"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&ca) {
            roots.add(certificate?)?;
        }
        let address = SocketAddr::from(API);
        let tls = Tls {
            config: anonymous_client_config(roots, &[])?,
            server_name: ServerName::from(address.ip()),
        };
        Ok(Client::new(address, tls, token.trim()))
    }

    /// Stops, starts or restarts components.
    pub(crate) fn component(&self, action: &str, name: &str) -> Result<()> {
        run(script("component.sh").arg(&self.folder).args([action, name]))
    }

    /// Takes it down; an error when something of it is left.
    pub(crate) fn down(&self) -> Result<()> {
        run(script("down.sh").arg(&self.folder))
    }

    /// Leaves it running when this value and this process end.
    pub(crate) fn keep(&mut self) -> Result<()> {
        if let Some(mut guard) = self.guard.take() {
            // A line tells the guard that nothing is to be taken down.
            if let Some(mut pipe) = guard.stdin.take() {
                pipe.write_all(b"kept\n")?;
            }
            guard.wait()?;
        }
        Ok(())
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        if self.guard.is_some() {
            // A drop cannot fail; `down` is there for who wants to know. Doing it twice is doing it
            // once.
            let _ = self.down();
        }
    }
}

/// A process that takes the cluster down when this one ends without doing so: killed, or
/// interrupted by Ctrl-C. It reads from a pipe whose other end closes with this process.
fn guard(folder: &Path) -> Result<Child> {
    let mut command = Command::new("setsid");
    command
        .args(["bash", "-c", "read -r _ || exec \"$0\" \"$1\""])
        .arg(place("down.sh"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    command
        .spawn()
        .context("cannot run setsid (is util-linux installed?)")
}

/// Keeps a failed cluster's logs for the reader, beside the folder that goes.
fn keep_logs(folder: &Path) {
    let kept = folder.with_extension("log");
    let _ = Command::new("cp")
        .arg("-r")
        .arg(folder.join("log"))
        .arg(kept)
        .status();
}
