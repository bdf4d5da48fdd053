//! Which connections of a throwaway cluster the chart's NetworkPolicies would stop, by what its
//! kernel tracks: the cluster itself enforces none.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::Cluster;
use crate::script::place;

/// Looks on, by `tests/chart/connections.py`, until it is asked.
#[derive(Debug)]
pub struct Connections(Child);

/// What was seen.
#[derive(Debug)]
pub struct Compared {
    /// Each connection, as `edge-config-server -> elsewhere TCP 5432`.
    pub seen: Vec<String>,
    /// Rules that let nothing through that was seen.
    pub unused: Vec<String>,
}

impl Connections {
    /// Begins to look.
    pub fn watch(cluster: &Cluster) -> Result<Self> {
        let tools = cluster.folder()?.join("bin");
        let path = env::var("PATH").unwrap_or_default();
        let mut command = Command::new("python3");
        let child = command
            .arg(place("../chart/connections.py"))
            .arg("-")
            .env("KUBECONFIG", cluster.folder()?.join("conf/admin.kubeconfig"))
            .env("PATH", format!("{}:{path}", tools.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("connections are compared by python3, which cannot be run")?;
        Ok(Self(child))
    }

    /// Ends the look; an error when a policy would have stopped a connection.
    pub fn compare(mut self) -> Result<Compared> {
        drop(self.0.stdin.take());
        let output = self.0.stdout.take().context("it has an output")?;
        let lines = BufReader::new(output).lines().collect::<Result<Vec<_>, _>>()?;
        let status = self.0.wait()?;
        ensure!(
            status.success(),
            "the NetworkPolicies of the chart do not fit: {}",
            lines.join("; ")
        );
        let told = |beginning: &str| {
            let lines = lines.iter().filter_map(|line| line.strip_prefix(beginning));
            lines.map(str::to_owned).collect()
        };
        Ok(Compared {
            seen: told("seen: "),
            unused: told("not used: "),
        })
    }
}
