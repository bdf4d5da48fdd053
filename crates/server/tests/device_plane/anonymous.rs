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

use crate::world::{Fleet, manual};

#[tokio::test]
async fn asking_whether_it_is_ready_is_not_a_write_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.db");
    let store = SqliteStore::open(&path, OpenOptions::default()).unwrap();
    let health = Health::new(None, None, Arc::new(Probes::default()), Timestamp::now());
    health.set_store(Arc::new(store));
    let plane = OpsPlane::new(Arc::new(health), Arc::new(Metrics::default()));
    let writes = || -> i64 {
        let reader = rusqlite::Connection::open(&path).unwrap();
        reader
            .query_row("SELECT probes FROM meta", [], |row| row.get(0))
            .unwrap()
    };

    let (before, begun) = (writes(), Instant::now());
    for number in 0..400 {
        let path = if number % 2 == 0 { "/readyz" } else { "/status" };
        let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
        assert_eq!(plane.handle(request).await.status(), StatusCode::OK);
    }
    // One a second, however many ask.
    let allowed = i64::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!(writes() - before <= allowed, "{} of {allowed}", writes() - before);
    assert!(writes() > before, "it was looked at");
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
