//! The store's files are removed or exchanged, as an operator meets it.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::{
    fs,
    time::{Duration, Instant},
};

use testkit::{
    http_client,
    server::{Server, Settings},
};

const BINARY: &str = env!("CARGO_BIN_EXE_edge-config-server");

/// How long a condition may take; long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of a device that is known and in memory.
const POLL: &str = "/api/flotta-backend/v1/namespaces/default/devices/d1/configuration";

async fn until_not_ready_because(server: &Server, reason: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "{}", server.log_tail());
        match server.ops("/readyz").await {
            Ok(answer) if answer.status == 503 && answer.text().contains(reason) => return,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[tokio::test]
async fn a_store_that_was_removed_serves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Settings::new(folder.path()).binary(BINARY))
        .await
        .unwrap();
    server
        .device(&["adopt", "d1", "--namespace", "default", "--release", "--confirm"])
        .unwrap();
    let poll = || http_client::get(server.device_plane(), POLL);
    let before = poll().await.unwrap();
    assert_eq!(before.status, 200, "{}", before.text());

    let away = folder.path().join("away.db");
    fs::rename(folder.path().join("fleet.db"), &away).unwrap();
    until_not_ready_because(&server, "was removed while the server had it open").await;
    // Also of what it has in memory: it may be another fleet's by now.
    assert_eq!(poll().await.unwrap().status, 503);
    assert_eq!(server.ops("/healthz").await.unwrap().status, 200);
    fs::rename(&away, folder.path().join("fleet.db")).unwrap();
    server.wait_until_ready().await.unwrap();
    assert_eq!(
        http_client::get(server.device_plane(), POLL)
            .await
            .unwrap()
            .status,
        200
    );
    assert!(server.stop().unwrap().success());
}

#[tokio::test]
async fn a_log_that_is_missing_after_a_crash_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Settings::new(folder.path()).binary(BINARY))
        .await
        .unwrap();
    server.device(&["adopt", "d1", "--namespace", "default"]).unwrap();
    server.kill().unwrap();
    server.start_again().await.unwrap();
    let said = server.log_tail();
    assert!(
        !said.contains("fleet.db-wal"),
        "a crash is nothing to warn of: {said}"
    );

    server.kill().unwrap();
    fs::remove_file(folder.path().join("fleet.db-wal")).unwrap();
    server.start_again().await.unwrap();
    let said = server.log_tail();
    assert!(
        said.contains("fleet.db-wal is missing although the server was not stopped in order"),
        "{said}"
    );
    assert!(server.stop().unwrap().success());

    server.start_again().await.unwrap();
    assert!(server.stop().unwrap().success());
}

#[test]
fn an_admin_socket_that_is_no_socket_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes");
    fs::write(&file, "of somebody").unwrap();
    let store = format!("sqlite:{}", folder.path().join("fleet.db").display());
    for command in ["serve", "check"] {
        let mut program = std::process::Command::new(BINARY);
        program.args([
            command,
            "--insecure-http",
            "--store",
            &store,
            "--listen",
            "127.0.0.1:0",
        ]);
        program.args([
            "--ops-listen",
            "127.0.0.1:0",
            "--admin-socket",
            file.to_str().unwrap(),
        ]);
        let output = program.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            said.contains("no socket; choose another path with --admin-socket"),
            "{said}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "of somebody");
}
