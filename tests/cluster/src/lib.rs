//! A throwaway single-node Kubernetes with Flotta on it, for tests that need pods.
//!
//! The scripts in this folder bring the node up and take it down; this crate holds one for as long as a test runs.
//! Order of use: [`Cluster::up`] -> [`flotta::Flotta::deploy`] -> [`backend`] -> devices of the testkit.

pub mod backend;
pub mod flotta;
pub mod timeline;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use testkit::http_client::Tls;
use testkit::kubernetes::Client;
use testkit::pki::anonymous_client_config;
use testkit::process::wait_for;

/// Where the API server listens in every cluster, see `node/addresses.sh`.
const API: ([u8; 4], u16) = ([172, 31, 255, 1], 6443);

/// An image for the cluster, built by `images/build.sh` when it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Flotta's Edge API.
    EdgeApi,
    /// Our server.
    EdgeConfigServer,
}

impl Image {
    fn name(self) -> &'static str {
        match self {
            Self::EdgeApi => "edge-api",
            Self::EdgeConfigServer => "edge-config-server",
        }
    }
}

/// A running cluster, taken down when dropped.
#[derive(Debug)]
pub struct Cluster {
    client: Client,
    folder: TempDir,
    _guard: Child,
}

impl Cluster {
    /// Brings one up with these images and moves the calling thread into its network, so that what the thread connects to
    /// and starts is there. Call it on the main thread before a runtime starts threads of its own: they inherit it.
    pub fn up(images: &[Image]) -> Result<Self> {
        let archives = build_images(images)?;
        let folder = tempfile::Builder::new().prefix("flotta-cluster-").tempdir()?;
        let guard = guard(folder.path())?;
        let started = run(script("up.sh").arg(folder.path()).args(archives));
        if started.is_err() {
            keep_logs(folder.path());
            // What came up before it failed; the failure to report is the first one.
            let _ = take_down(folder.path());
        }
        started?;
        let client = client(folder.path())?;
        let cluster = Self {
            client,
            folder,
            _guard: guard,
        };
        cluster.enter_network()?;
        Ok(cluster)
    }

    fn enter_network(&self) -> Result<()> {
        let first = fs::read_to_string(self.path().join("first-process"))?;
        let network = fs::File::open(format!("/proc/{}/ns/net", first.trim()))?;
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .context("cannot enter the network of the cluster")
    }

    /// The folder with everything of the cluster: `log/`, `conf/admin.kubeconfig`, `volumes/`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A client with all rights.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// `kubectl` with arguments; returns what it printed, and fails with what it complained about.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl_command().args(arguments).output()?;
        printed(&format!("kubectl {}", arguments.join(" ")), output)
    }

    /// `kubectl apply` of manifests.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let file = self.path().join("client/applied");
        fs::write(&file, manifests)?;
        let file = file.display().to_string();
        self.kubectl(&["apply", "--filename", &file])
    }

    fn kubectl_command(&self) -> Command {
        let mut command = Command::new(self.path().join("bin/kubectl"));
        command
            .env("KUBECONFIG", self.path().join("conf/admin.kubeconfig"))
            .env("KUBECACHEDIR", self.path().join("client/kube"))
            .stdin(Stdio::null());
        command
    }

    /// Stops, starts or restarts a component such as `kube-apiserver`; does not wait until it serves again.
    pub fn component(&self, action: &str, name: &str) -> Result<()> {
        run(script("component.sh").arg(self.path()).args([action, name]))
    }

    /// An object, by its path in the API; none when there is none.
    pub async fn object(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.client.call(Method::GET, path, None).await?;
        match answer.status {
            200 => Ok(Some(answer.json()?)),
            404 => Ok(None),
            status => bail!("{path} was answered {status}: {}", answer.text()),
        }
    }

    /// Waits until a Deployment or StatefulSet of namespace `flotta` runs what its newest version says and nothing else.
    pub async fn rolled_out(&self, kind: &str, name: &str, deadline: Duration) -> Result<()> {
        let path = format!("/apis/apps/v1/namespaces/flotta/{kind}/{name}");
        let done = async || {
            let object = self.object(&path).await.ok().flatten()?;
            is_rolled_out(&object).then_some(())
        };
        let waited = wait_for(&format!("{name} to be rolled out"), deadline, done).await;
        waited.with_context(|| {
            self.kubectl(&["--namespace=flotta", "get", "pods,events"])
                .unwrap_or_default()
        })
    }

    /// Where a Service of namespace `flotta` is reached, at a named port.
    pub async fn service(&self, name: &str, port: &str) -> Result<SocketAddr> {
        let path = format!("/api/v1/namespaces/flotta/services/{name}");
        let service = self
            .object(&path)
            .await?
            .with_context(|| format!("no Service {name}"))?;
        let ip = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let number = ports
            .filter(|entry| entry["name"] == port)
            .find_map(|entry| entry["port"].as_u64())
            .with_context(|| format!("Service {name} has no port {port}"))?;
        Ok(SocketAddr::new(ip.parse()?, u16::try_from(number)?))
    }

    /// Takes the cluster down; an error when something of it is left.
    pub fn down(self) -> Result<()> {
        take_down(self.folder.path())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A drop cannot fail; `down` is there for who wants to know. Doing it twice is doing it once.
        let _ = take_down(self.folder.path());
    }
}

/// Whether the status speaks of the newest version, and all pods are of it and available.
fn is_rolled_out(object: &Value) -> bool {
    let (spec, status) = (&object["spec"], &object["status"]);
    let count = |field: &str| status[field].as_u64().unwrap_or_default();
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    status["observedGeneration"] == object["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|field| count(field) == wanted)
}

fn client(folder: &Path) -> Result<Client> {
    let ca = fs::read(folder.join("pki/ca.crt"))?;
    let token = fs::read_to_string(folder.join("pki/admin.token"))?;
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

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// Runs a script whose messages the user sees as they come.
fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status}); its messages say why");
    }
    Ok(())
}

fn build_images(images: &[Image]) -> Result<Vec<PathBuf>> {
    let names: Vec<_> = images.iter().map(|image| image.name()).collect();
    let output = script("images/build.sh").args(&names).output()?;
    let text = printed("images/build.sh", output)?;
    let archives = text.lines().filter_map(|line| line.split_once('='));
    Ok(archives.map(|(_, archive)| PathBuf::from(archive)).collect())
}

fn printed(what: &str, output: Output) -> Result<String> {
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("{what} failed ({}): {}", output.status, reason.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A process that takes the cluster down when this one ends without doing so: killed, or interrupted by Ctrl-C. It reads
/// from a pipe that nobody writes to, and whose other end closes with this process.
fn guard(folder: &Path) -> Result<Child> {
    let mut command = Command::new("setsid");
    command
        .args(["bash", "-c", "read -r _; exec \"$0\" \"$1\""])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("down.sh"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    command
        .spawn()
        .context("cannot run setsid (is util-linux installed?)")
}

fn take_down(folder: &Path) -> Result<()> {
    run(script("down.sh").arg(folder))
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
