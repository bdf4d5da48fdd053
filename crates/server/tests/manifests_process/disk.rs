//! The disk under a running server is full: devices are answered, deletions are made, and it is
//! said.

use testkit::{disk::SmallDisk, process::is_root};

use super::*;

async fn not_writable(server: &Server) -> Option<String> {
    let status = server.ops("/status").await.unwrap().json().unwrap();
    assert_eq!(status["notReadyBecause"], json!([]), "{status}");
    status["storeNotWritable"].as_str().map(str::to_owned)
}

/// With an event that takes a page of the database, so that it grows with each.
async fn beat(server: &Server, id: &str, reason: &str) -> u16 {
    let events = json!([{"type": "info", "reason": reason, "message": "m".repeat(4000)}]);
    let body = json!({"status": "up", "version": "v", "events": events});
    call(server, "PUT", &format!("{id}/heartbeat"), &body)
        .await
        .unwrap()
        .0
}

async fn status(server: &Server, id: &str) -> Value {
    let (code, answer) = call(server, "GET", &format!("{id}/registration"), &Value::Null)
        .await
        .unwrap();
    assert_eq!(code, 200);
    answer["status"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_keeps_no_device_from_polling_and_nobody_from_deleting() {
    if !is_root() {
        skipped();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(32).unwrap();
    let url = format!("sqlite:{}", disk.path().join("fleet.db").display());
    let settings = Settings::new(folder.path()).binary(BINARY).store(&url).flags([
        "--events-per-device",
        "100000",
        "--event-bytes-per-device",
        "64MiB",
    ]);
    let mut server = Server::start(settings).await.unwrap();
    for id in ["one", "two", "three"] {
        join(&server, id).await;
        assert_eq!(poll(&server, id).await.unwrap().0, 200);
        assert_eq!(beat(&server, id, "Before").await, 200);
    }
    assert_eq!(not_writable(&server).await, None);

    let mut number = 0;
    let mut refused = async |server: &Server| loop {
        disk.fill().unwrap();
        number += 1;
        match beat(server, "one", &format!("Reason{number}")).await {
            200 => {}
            status => break status,
        }
    };
    assert_eq!(refused(&server).await, 503);
    // The log may have a free page once more, and it is looked at again after some seconds.
    let told = async || disk.fill().is_ok() && not_writable(&server).await.is_some();
    wait_until("it is told", PATIENCE, told).await.unwrap();
    let ready = server.ops("/readyz").await.unwrap();
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("the store cannot be written"),
        "{}",
        ready.text()
    );
    let metrics = server.ops("/metrics").await.unwrap().text();
    assert!(metrics.contains("\nedge_config_store_writable 0\n"), "{metrics}");
    for _ in 0..20 {
        for id in ["one", "two", "three"] {
            assert_eq!(poll(&server, id).await.unwrap().0, 200);
            assert_eq!(status(&server, id).await, "registered");
        }
    }
    server.device(&["delete", "two"]).unwrap();
    assert_eq!(status(&server, "two").await, "unregistered");

    // A restart serves as well.
    assert!(server.stop().unwrap().success());
    disk.fill().unwrap();
    server.start_again().await.unwrap();
    assert_eq!(poll(&server, "one").await.unwrap().0, 200);
    assert_eq!(status(&server, "two").await, "unregistered");
    assert_eq!(refused(&server).await, 503);
    server.device(&["delete", "three"]).unwrap();

    disk.make_room().unwrap();
    let recovered = async || not_writable(&server).await.is_none();
    wait_until("there is room", PATIENCE, recovered).await.unwrap();
    assert_eq!(beat(&server, "one", "After").await, 200);
    let shown = server.show("one").unwrap();
    let reasons: BTreeSet<&str> = shown["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["reason"].as_str().unwrap())
        .collect();
    assert!(
        reasons.contains("Before") && reasons.contains("After"),
        "{reasons:?}"
    );
    assert!(server.stop().unwrap().success());
}

/// What fills a volume is one device that has always something else to say: more than a hundred
/// megabytes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_device_does_not_fill_the_disk_with_events() {
    if !is_root() {
        skipped();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(64).unwrap();
    let url = format!("sqlite:{}", disk.path().join("fleet.db").display());
    let settings = Settings::new(folder.path())
        .binary(BINARY)
        .store(&url)
        .flags(PATIENT);
    let mut server = Server::start(settings).await.unwrap();
    for id in ["one", "two"] {
        join(&server, id).await;
    }
    for number in 0..120 {
        let events: Vec<Value> = (0..100)
            .map(|event| {
                let message = format!("{number} {event} {}", "x".repeat(9_000));
                json!({"type": "warn", "reason": "Failed", "message": message})
            })
            .collect();
        let body = json!({"status": "up", "version": "v", "events": events});
        let (status, answer) = call(&server, "PUT", "one/heartbeat", &body).await.unwrap();
        assert_eq!(status, 200, "heartbeat {number}: {answer}");
    }
    assert_eq!(beat(&server, "two", "Quiet").await, 200);
    assert_eq!(not_writable(&server).await, None);
    server.device(&["delete", "one"]).unwrap();
    assert!(server.stop().unwrap().success());
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped() {
    eprintln!("SKIPPED: only root can mount a small disk");
}
