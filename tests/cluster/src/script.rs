//! The scripts of this folder, and other programs, with the reason when they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// A script of `tests/cluster`, whose messages the user sees.
pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(place(name));
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// Where a file of `tests/cluster` is.
pub fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs a script whose messages the user sees as they come.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status}); its messages say why");
    }
    Ok(())
}

/// What a program printed, or what it complained about.
pub(crate) fn printed(what: &str, output: Output) -> Result<String> {
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("{what} failed ({}): {}", output.status, reason.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A program that `tests/build-peers.sh` builds once per machine.
pub(crate) fn peer(name: &str) -> Result<PathBuf> {
    let output = script("../build-peers.sh").arg(name).output()?;
    let text = printed(&format!("build-peers.sh {name}"), output)?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}=")));
    path.map(PathBuf::from)
        .with_context(|| format!("build-peers.sh did not say where {name} is, it printed: {text}"))
}
