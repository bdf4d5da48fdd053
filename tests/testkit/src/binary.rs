//! The server's binary, built from the sources that the running test was built from.
//!
//! A test that took whatever lies in `target/` would sooner or later test yesterday's server, and
//! with build options the wrong one. So the binary is asked of cargo (a no-op when it is fresh) and
//! kept in a folder of its own per kind; cargo's own copy changes hands whenever somebody builds
//! with other options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

const NAME: &str = "edge-config-server";

/// Asks for a store that acknowledges early (`crates/store/build.rs`).
const ACKNOWLEDGES_EARLY: &str = "FLOTTA_ACKNOWLEDGES_EARLY";

/// Set by who has just built the servers and runs many test programs side by side
/// (`scripts/checks/server-under-test.sh`): cargo lets one into a build folder at a time, and the
/// others would wait for it.
const ALREADY_BUILT: &str = "SERVERS_UNDER_TEST_ARE_BUILT";

/// The server: `EDGE_CONFIG_SERVER` if set; for a test what cargo builds; for other programs what
/// lies beside them.
pub fn server() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("EDGE_CONFIG_SERVER") {
        return Ok(path.into());
    }
    let program = std::env::current_exe()?;
    if folder_of(&program)?.ends_with("deps") {
        return built(Kind::Plain);
    }
    let beside = program.with_file_name(NAME);
    if !beside.is_file() {
        bail!(
            "no {NAME} beside {}; build it with `cargo build -p {NAME}` or set EDGE_CONFIG_SERVER",
            program.display()
        );
    }
    Ok(beside)
}

/// The server that acknowledges a write before it is committed, which must make a test fail.
pub fn server_that_acknowledges_early() -> Result<PathBuf> {
    built(Kind::AcknowledgesEarly)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Plain,
    AcknowledgesEarly,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::AcknowledgesEarly => "acknowledges-early",
        }
    }
}

/// Only the finished program goes to a folder of its own: what is compiled is shared with the
/// workspace, and cargo's own copy, which people and scripts run, is never one that acknowledges
/// early.
fn built(kind: Kind) -> Result<PathBuf> {
    // Once per process: a test must not meet two different servers, nor wait for cargo at each
    // start.
    static BUILT: Mutex<BTreeMap<Kind, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(&kind) {
        return Ok(path.clone());
    }
    let path = build(kind)?;
    built.insert(kind, path.clone());
    Ok(path)
}

fn build(kind: Kind) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/<profile>/deps/<test>
    let profile_folder = folder_of(folder_of(&test)?)?;
    let target = folder_of(profile_folder)?;
    let (profile, profile_name) = match profile_folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => ("dev", "debug"),
        Some(profile) => (profile, profile),
    };
    let finished = target.join("under-test").join(kind.folder());
    let program = finished.join(profile_name).join(NAME);
    if std::env::var_os(ALREADY_BUILT).is_some() {
        ensure!(
            program.is_file(),
            "{ALREADY_BUILT} is set, but {} is not there; unset it, and cargo is asked",
            program.display()
        );
        return Ok(program);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["rustc", "--quiet", "--locked", "--profile", profile])
        .args(["--package", NAME, "--bin", NAME])
        .arg("--target-dir")
        .arg(&finished);
    match kind {
        Kind::Plain => command.env_remove(ACKNOWLEDGES_EARLY),
        // With another profile the store is compiled beside the one of everybody else, and does not
        // take its place in the build folder until the next build without the variable.
        Kind::AcknowledgesEarly => command.env(ACKNOWLEDGES_EARLY, "1").args([
            "--config",
            &format!("profile.{profile}.package.flotta-store.debug=1"),
        ]),
    };
    let output = command
        // Linked as in an image: tests start what a pod starts, and an image needs nothing compiled
        // that tests have not.
        .args(["--", "-C", "target-feature=+crt-static"])
        .env("CARGO_BUILD_BUILD_DIR", target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "building {NAME} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(program)
}

fn folder_of(path: &Path) -> Result<&Path> {
    path.parent()
        .with_context(|| format!("{} is in no folder", path.display()))
}
