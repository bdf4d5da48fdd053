//! Where the programs of others are that the tests run against; built once per machine by
//! `tests/build-peers.sh`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// etcd and kube-apiserver in one binary.
pub fn kubernetes() -> Result<PathBuf> {
    built("kubernetes")
}

/// Flotta's Edge API.
pub fn edge_api() -> Result<PathBuf> {
    built("edge-api")
}

/// Flotta's operator.
pub fn operator() -> Result<PathBuf> {
    built("operator")
}

/// Helm 3.
pub fn helm3() -> Result<PathBuf> {
    built("helm3")
}

/// Helm 4.
pub fn helm4() -> Result<PathBuf> {
    built("helm")
}

/// Asks the script, which builds what is missing and otherwise only looks; its progress is shown as
/// it comes.
fn built(name: &str) -> Result<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../build-peers.sh");
    let output = Command::new(script)
        .arg(name)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.with_context(|| format!("cannot run {script}"))?;
    if !output.status.success() {
        bail!("{script} {name} failed ({}); its messages say why", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}=")))
        .map(PathBuf::from);
    path.with_context(|| format!("{script} did not say where {name} is, it printed: {text}"))
}
