//! What it costs when somebody asks who has no certificate.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use edge_config_server::{
    metrics::Metrics,
    ops::{Health, OpsPlane, Probes},
    transport::Handler as _,
};
use http::{Request, StatusCode};
use jiff::Timestamp;
use store::sqlite::{OpenOptions, SqliteStore};
use testkit::process::wait_until;

use crate::world::{Fleet, manual};

#[tokio::test]
async fn asking_whether_it_is_ready_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.db");
    let store = SqliteStore::open(&path, OpenOptions::default()).unwrap();
    let health = Health::new(None, None, Arc::new(Probes::default()), Timestamp::now());
    let health = Arc::new(health);
    health.set_store(Arc::new(store));
    let plane = OpsPlane::new(Arc::clone(&health), Arc::new(Metrics::default()));
    let writes = || -> i64 {
        let reader = rusqlite::Connection::open(&path).unwrap();
        reader
            .query_row("SELECT probes FROM meta", [], |row| row.get(0))
            .unwrap()
    };

    let before = writes();
    for number in 0..400 {
        let path = ["/readyz", "/status", "/metrics"][number % 3];
        let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
        assert_eq!(plane.handle(request).await.status(), StatusCode::OK);
    }
    assert_eq!(writes(), before, "however many ask");

    let looked = async || writes() > before;
    tokio::select! {
        () = health.watch_store() => unreachable!("it goes on"),
        looked = wait_until("it looks by itself", Duration::from_mins(1), looked) => looked.unwrap(),
    }
    assert_eq!(health.store_not_writable(), None);
    health.wrote(Err("its disk is full".to_owned()));
    for path in ["/readyz", "/status"] {
        let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
        let text = plane.handle(request).await.into_body().whole();
        assert!(
            String::from_utf8_lossy(&text).contains("its disk is full"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn devices_are_not_counted_for_each_who_asks() {
    let fleet = Fleet::new(manual()).await;
    let health = Health::new(None, None, Arc::new(Probes::default()), Timestamp::now());
    health.set_service(fleet.service().clone());
    let plane = OpsPlane::new(Arc::new(health), Arc::new(Metrics::default()));
    let counted = async || {
        let request = Request::builder().uri("/metrics").body(Bytes::new()).unwrap();
        let text = plane.handle(request).await.into_body().whole();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("edge_config_devices{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };

    let begun = Instant::now();
    let before = counted().await;
    assert!(!before.is_empty(), "they are counted");
    fleet.enrol("default", "device-1").await;
    let after = counted().await;
    // Once in five seconds, however many ask.
    assert!(
        after == before || begun.elapsed() >= Duration::from_secs(5),
        "{before:?}, then {after:?}"
    );
}
