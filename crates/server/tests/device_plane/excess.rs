//! A device says more than is kept of it: it is served as any other, and a person is told.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use fleet::{MAX_REPORTED, Origin, Policy};
use serde_json::{Value, json};

use super::{key, world::Fleet};

async fn in_service() -> Fleet {
    let fleet = Fleet::new(Policy::default()).await;
    for expected in [201, 200] {
        assert_eq!(fleet.enrol("default", "dev-1").await, expected);
    }
    assert_eq!(fleet.register("default", "dev-1", &key()).await.0, 200);
    assert_eq!(fleet.configuration("default", "dev-1").await.0, 200);
    fleet
}

async fn cut(fleet: &Fleet) -> Option<String> {
    let shown = fleet.show("dev-1").await;
    let cut = shown
        .conditions
        .into_iter()
        .find(|condition| condition.r#type == "ReportCut");
    cut.map(|condition| condition.message)
}

/// The messages and counts of the device's own events.
async fn told(fleet: &Fleet) -> Vec<(String, u64)> {
    let events = fleet.show("dev-1").await.events;
    let own = events.into_iter().filter(|event| event.origin == Origin::Device);
    own.map(|event| (event.message, event.count)).collect()
}

fn events(count: usize, message: impl Fn(usize) -> String) -> Value {
    let events: Vec<_> = (0..count).map(|n| json!({"message": message(n)})).collect();
    json!({"version": "1", "events": events})
}

#[tokio::test]
async fn every_one_of_many_equal_events_is_counted_and_none_twice() {
    let fleet = in_service().await;
    let beat = events(45_000, |_| "again".into());
    for _ in 0..4 {
        assert_eq!(fleet.heartbeat("default", "dev-1", &beat).await, 200);
    }
    assert_eq!(told(&fleet).await, [("again".to_owned(), 45_000)]);
    assert_eq!(cut(&fleet).await, None);
    fleet.pass(1);
    let more = events(45_001, |_| "again".into());
    assert_eq!(fleet.heartbeat("default", "dev-1", &more).await, 200);
    assert_eq!(told(&fleet).await, [("again".to_owned(), 90_001)]);
}

#[tokio::test]
async fn of_more_kinds_of_events_than_are_kept_the_last_are_written() {
    let fleet = in_service().await;
    let beat = events(45_000, |n| n.to_string());
    assert_eq!(fleet.heartbeat("default", "dev-1", &beat).await, 200);
    let mut numbers: Vec<usize> = told(&fleet)
        .await
        .iter()
        .map(|(message, _)| message.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (45_000 - MAX_REPORTED..45_000).collect::<Vec<_>>());
    assert!(cut(&fleet).await.unwrap().contains("its events is known"));
}

#[tokio::test]
async fn who_sends_a_megabyte_of_empty_disks_is_served_and_a_person_is_told() {
    let mut fleet = in_service().await;
    let disks = json!({"version": "1", "hardware": {"disks": vec![json!({}); 349_000]}});
    assert_eq!(fleet.heartbeat("default", "dev-1", &disks).await, 200);
    assert_eq!(fleet.configuration("default", "dev-1").await.0, 200);
    fleet.restart().await;
    assert_eq!(fleet.configuration("default", "dev-1").await.0, 200);
    assert!(cut(&fleet).await.unwrap().contains("its disks is known"));
    fleet.pass(60);
    let whole = json!({"version": "1", "hardware": {"disks": [{}]}});
    assert_eq!(fleet.heartbeat("default", "dev-1", &whole).await, 200);
    assert_eq!(cut(&fleet).await, None);
}

/// Anybody with a certificate of this Flotta can send bodies of a mebibyte in the name of one
/// device, as many as the server takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_in_the_name_of_one_device_keep_no_small_one_out() {
    const LARGE: usize = 32;
    const SMALL: [&str; 4] = ["dev-2", "dev-3", "dev-4", "dev-5"];
    let fleet = Arc::new(in_service().await);
    for id in SMALL {
        for expected in [201, 200] {
            assert_eq!(fleet.enrol("default", id).await, expected);
        }
    }
    let left = Arc::new(AtomicUsize::new(LARGE));
    let large = (0..LARGE).map(|number| {
        let (fleet, left) = (Arc::clone(&fleet), Arc::clone(&left));
        tokio::spawn(async move {
            let workloads: Vec<_> = (0..40_000)
                .map(|n| json!({"name": format!("{number:04}-{n:08}")}))
                .collect();
            let beat = json!({"version": number.to_string(), "workloads": workloads});
            let status = fleet.heartbeat("default", "dev-1", &beat).await;
            left.fetch_sub(1, Ordering::Relaxed);
            assert!(matches!(status, 200 | 503), "{status}");
        })
    });
    let small = SMALL.map(|id| {
        let (fleet, left) = (Arc::clone(&fleet), Arc::clone(&left));
        tokio::spawn(async move {
            let mut number = 0;
            while number < 3 || left.load(Ordering::Relaxed) > 0 {
                let beat = json!({"version": number.to_string(), "workloads": [{"name": "web", "status": "Running"}]});
                assert_eq!(fleet.heartbeat("default", id, &beat).await, 200, "{id}: {number}");
                number += 1;
            }
        })
    });
    for task in large.collect::<Vec<_>>().into_iter().chain(small) {
        task.await.unwrap();
    }
}
