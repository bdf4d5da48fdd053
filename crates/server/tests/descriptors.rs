//! The limit of open files that the program is started with.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::server::{Server, Settings};

const BINARY: &str = env!("CARGO_BIN_EXE_edge-config-server");

/// The program as something starts it that allows so many files.
fn limited(folder: &Path, limit: &str) -> PathBuf {
    let script = folder.join("limited");
    fs::write(
        &script,
        format!("#!/bin/sh\nulimit {limit} && exec '{BINARY}' \"$@\"\n"),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    script
}

#[tokio::test]
async fn a_soft_limit_is_raised_to_what_callers_may_use() {
    let folder = tempfile::tempdir().unwrap();
    let binary = limited(folder.path(), "-Sn 256");
    let settings = Settings::new(folder.path())
        .binary(&binary)
        .flags(["--max-connections", "1000"]);
    let mut server = Server::start(settings).await.unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process().id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(soft > 1000 + 256, "{line}");
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_hard_limit_below_that_is_told_in_one_sentence_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let binary = limited(folder.path(), "-n 256");
    let store = format!("sqlite:{}", folder.path().join("fleet.db").display());
    let start = |command: &str| {
        Command::new(&binary)
            .args([command, "--insecure-http", "--store", &store])
            .args([
                "--admin-socket",
                folder.path().join("admin.sock").to_str().unwrap(),
            ])
            .output()
            .unwrap()
    };
    let refused = start("serve");
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    let told = "at most 256 files may be open in this process, and ";
    assert!(
        said.contains(told) && said.contains("--max-connections (4096)"),
        "{said}"
    );
    assert!(!folder.path().join("fleet.db").exists());
    let checked = String::from_utf8(start("check").stdout).unwrap();
    assert!(checked.contains(told), "{checked}");
}
