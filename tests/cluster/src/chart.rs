//! Our chart, installed, changed and removed as users do it.

use std::time::Duration;

use anyhow::Result;

use crate::remote_backend::{Expected, RemoteBackend};
use crate::script::place;
use crate::{Cluster, Helm, Image};

/// The release's name.
pub const RELEASE: &str = "flotta-companion";
/// From an installation to a verified switch, on a machine that is busy with other things too.
pub const SWITCH: Duration = Duration::from_mins(3);

/// An installation of the chart.
#[derive(Debug, Clone)]
pub struct Chart {
    helm: Helm,
    values: Vec<String>,
}

impl Default for Chart {
    fn default() -> Self {
        Self {
            helm: Helm::Four,
            values: Vec::new(),
        }
    }
}

impl Chart {
    /// With this Helm.
    #[must_use]
    pub fn with(mut self, helm: Helm) -> Self {
        self.helm = helm;
        self
    }

    /// With a value, `key=value` as for `--set`.
    #[must_use]
    pub fn set(mut self, value: impl Into<String>) -> Self {
        self.values.push(value.into());
        self
    }

    fn arguments(&self, cluster: &Cluster, command: &[&str]) -> Result<Vec<String>> {
        let chart = place("../../charts/flotta-companion").display().to_string();
        let mut arguments: Vec<String> = command.iter().map(ToString::to_string).collect();
        arguments.extend([RELEASE.to_owned(), chart]);
        for (value, image) in [
            ("server.image", Image::EdgeConfigServer),
            ("companion.image", Image::FlottaCompanion),
        ] {
            let reference = cluster.image(image)?;
            let (repository, tag) = reference.rsplit_once(':').unwrap_or((&reference, "latest"));
            arguments.push(format!("--set={value}.repository={repository}"));
            arguments.push(format!("--set-string={value}.tag={tag}"));
        }
        arguments.extend(self.values.iter().map(|value| format!("--set={value}")));
        Ok(arguments)
    }

    fn run(&self, cluster: &Cluster, command: &[&str]) -> Result<String> {
        let arguments = self.arguments(cluster, command)?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cluster.helm(self.helm, &arguments)
    }

    /// `helm install`; does not wait for the switch.
    pub fn install(&self, cluster: &Cluster) -> Result<String> {
        self.run(cluster, &["install"])
    }

    /// `helm upgrade`.
    pub fn upgrade(&self, cluster: &Cluster) -> Result<String> {
        self.run(cluster, &["upgrade"])
    }

    /// `helm uninstall`, with what is to be said in so many words.
    pub fn uninstall(&self, cluster: &Cluster, flags: &[&str]) -> Result<String> {
        let command = [&["uninstall", RELEASE, "--timeout=180s"], flags].concat();
        cluster.helm(self.helm, &command)
    }

    /// `helm test`: an error when what is asked for is not so.
    pub fn test(&self, cluster: &Cluster) -> Result<String> {
        cluster.helm(self.helm, &["test", RELEASE, "--logs", "--timeout=90s"])
    }

    /// `helm install` and the wait until the switch is verified.
    pub async fn switch(&self, cluster: &Cluster) -> Result<RemoteBackend> {
        self.install(cluster)?;
        switched(cluster).await
    }
}

/// Waits until the switch is verified.
pub async fn switched(cluster: &Cluster) -> Result<RemoteBackend> {
    let expected = Expected::phase("Remote")
        .backend("Remote")
        .condition("Ready", "True")
        .condition("Switched", "True")
        .condition("Verified", "True");
    RemoteBackend::until(cluster, &expected, SWITCH).await
}
