//! How a server ends that is not the only one of its store.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::time::Duration;

use testkit::{
    http_client,
    postgres::Postgres,
    process::{Signal, wait_until},
    server::{Server, Settings},
};

const BINARY: &str = env!("CARGO_BIN_EXE_edge-config-server");

const DEADLINE: Duration = Duration::from_mins(1);

/// Told to stop, it says so by its readiness and still answers who is sent to it; then it ends in
/// order.
#[tokio::test]
async fn who_is_still_sent_to_a_server_that_stops_is_answered() {
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path()).binary(BINARY).store(&url);
    let mut server = Server::start(settings).await.unwrap();
    let mut answered = false;
    // A machine that is busy for seconds between two steps may miss the time once.
    for _ in 0..3 {
        server.process().signal(Signal::TERM).unwrap();
        let stopping = async || {
            let answer = server.ops("/readyz").await;
            answer.is_ok_and(|answer| answer.status == 503 && answer.text().contains("stopping"))
        };
        if wait_until("it is ready no more", DEADLINE, stopping)
            .await
            .is_ok()
        {
            let answer = http_client::get(server.device_plane(), "/").await;
            answered |= answer.is_ok_and(|answer| answer.status == 404);
        }
        let status = server.process().wait(DEADLINE).await.unwrap();
        assert!(status.success(), "{}", server.log_tail());
        assert!(http_client::get(server.device_plane(), "/").await.is_err());
        if answered {
            return;
        }
        server.start_again().await.unwrap();
    }
    assert!(answered, "{}", server.log_tail());
}
