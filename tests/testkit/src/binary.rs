//! The server's binary, built from the sources that the running test was built from.
//!
//! A test that took whatever lies in `target/` would sooner or later test yesterday's server, and
//! with build options the wrong one. So the binary is asked of cargo (a no-op when it is fresh) and
//! kept in a folder of its own per set of features; cargo's own copy changes hands whenever
//! somebody builds with other features.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

const NAME: &str = "edge-config-server";

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
        return server_with(&[]);
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

/// The server with cargo features, for instance one that must make a test fail. Only for tests.
///
/// Only the finished program goes to a folder of its own per set of features: cargo's own copy,
/// which people and scripts run, is never one with features, and what is compiled is shared with
/// it.
pub fn server_with(features: &[&str]) -> Result<PathBuf> {
    // Once per process: a test must not meet two different servers, nor wait for cargo at each
    // start.
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = features.join("-");
    if let Some(path) = built.get(&key) {
        return Ok(path.clone());
    }
    let path = build(features)?;
    built.insert(key, path.clone());
    Ok(path)
}

fn build(features: &[&str]) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/<profile>/deps/<test>
    let profile_folder = folder_of(folder_of(&test)?)?;
    let target = folder_of(profile_folder)?;
    let (profile, profile_name) = match profile_folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => ("dev", "debug"),
        Some(profile) => (profile, profile),
    };
    let finished = target
        .join("under-test")
        .join([&["with"], features].concat().join("-"));
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
    let output = Command::new(cargo)
        .args(["rustc", "--quiet", "--locked", "--profile", profile])
        .args(["--package", NAME, "--bin", NAME])
        .args(["--features", &features.join(",")])
        .arg("--target-dir")
        .arg(&finished)
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
