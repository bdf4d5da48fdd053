//! The server's binary, built from the sources that the running test was built from.
//!
//! A test that took whatever lies in `target/` would sooner or later test yesterday's server, and with build options the
//! wrong one. So the binary is asked of cargo (a no-op when it is fresh) and kept under a name of its own per set of
//! features; cargo's own copy changes hands whenever somebody builds with other features.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const NAME: &str = "edge-config-server";

/// The server: `EDGE_CONFIG_SERVER` if set; for a test what cargo builds; for other programs what lies beside them.
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
pub fn server_with(features: &[&str]) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/<profile>/deps/<test>
    let profile_folder = folder_of(folder_of(&test)?)?;
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let kept = profile_folder.join(format!(
        "{NAME}.under-test.{}",
        [&["with"], features].concat().join("-")
    ));

    let lock = File::create(profile_folder.join(format!(".{NAME}.under-test.lock")))?;
    lock.lock()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            NAME,
            "--profile",
            profile,
        ])
        .args(["--features", &features.join(",")])
        .arg("--target-dir")
        .arg(folder_of(profile_folder)?)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "building {NAME} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let staged = kept.with_extension("new");
    let _ = fs::remove_file(&staged);
    fs::hard_link(profile_folder.join(NAME), &staged)
        .with_context(|| format!("cannot link {}", staged.display()))?;
    fs::rename(&staged, &kept)?;
    // A rename onto another link of the same file does nothing and leaves both.
    let _ = fs::remove_file(&staged);
    Ok(kept)
}

fn folder_of(path: &Path) -> Result<&Path> {
    path.parent()
        .with_context(|| format!("{} is in no folder", path.display()))
}
