//! A release of the chart on an API server without a node, and Helm to handle it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use testkit::control_plane::ControlPlane;
use testkit::kubernetes::Client;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/flotta-companion");

/// An API server of its own and a Helm.
pub(crate) struct Release {
    control_plane: ControlPlane,
    helm: PathBuf,
    home: TempDir,
}

/// A Helm that works.
pub(crate) struct Helm {
    process: Child,
    command: String,
}

impl Helm {
    /// Waits until it has ended; what it printed.
    pub(crate) fn end(self) -> Result<String> {
        let output = self.process.wait_with_output()?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            bail!("helm {} failed: {}", self.command, reason.trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Release {
    /// Nothing is installed yet.
    pub(crate) async fn new(helm: PathBuf) -> Result<Self> {
        Ok(Self {
            control_plane: ControlPlane::start().await?,
            helm,
            home: tempfile::Builder::new().prefix("flotta-helm-").tempdir()?,
        })
    }

    /// With all rights.
    pub(crate) fn client(&self) -> &Client {
        self.control_plane.client()
    }

    /// `helm COMMAND flotta-companion CHART`; what it printed.
    pub(crate) fn helm(&self, command: &str, arguments: &[&str]) -> Result<String> {
        self.plain(&[&[command, "flotta-companion", CHART], arguments].concat())
    }

    /// Any command of Helm's; what it printed.
    pub(crate) fn plain(&self, arguments: &[&str]) -> Result<String> {
        self.start(arguments)?.end()
    }

    /// The same, for a command that waits for something.
    pub(crate) fn start(&self, arguments: &[&str]) -> Result<Helm> {
        let (address, _) = self.control_plane.address();
        let process = Command::new(&self.helm)
            .args(arguments)
            .arg("--namespace=flotta")
            .arg(format!("--kube-apiserver=https://{address}"))
            .arg(format!("--kube-token={}", self.control_plane.admin_token()))
            .arg("--kube-insecure-skip-tls-verify")
            // Nothing of the user's.
            .env("KUBECONFIG", "/dev/null")
            .env("HELM_CACHE_HOME", self.home.path())
            .env("HELM_CONFIG_HOME", self.home.path())
            .env("HELM_DATA_HOME", self.home.path())
            .env("KUBECACHEDIR", self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.helm.display()))?;
        let command = arguments.join(" ");
        Ok(Helm { process, command })
    }

    /// An object, if it is there.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.client().call(Method::GET, path, None).await?;
        match answer.status {
            200 => Ok(Some(serde_json::from_str(&answer.text())?)),
            404 => Ok(None),
            status => bail!("{path} was answered {status}: {}", answer.text()),
        }
    }

    /// An object that must be there.
    pub(crate) async fn object(&self, path: &str) -> Result<Value> {
        self.find(path)
            .await?
            .with_context(|| format!("{path} is not there"))
    }
}
