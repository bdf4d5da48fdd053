//! What the metrics count is what is shown of each device.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use contract::DeviceId;
use edge_config_server::{
    metrics::Metrics,
    ops::{Health, OpsPlane, Probes},
    service::{Clock, Service},
    sources,
    transport::Handler as _,
};
use fleet::{Connectivity, Phase, Policy, Presence};
use http::Request;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use store::{
    Page, Store, Write, WriteGuard,
    sqlite::{OpenOptions, SqliteStore},
};

use crate::world::WITHOUT_MANIFESTS;

const START: i64 = 1_790_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// A device's times, the period that it has applied, and whether it is approved.
type Known = ([Option<i64>; 4], Option<i64>, bool);

fn known() -> impl Strategy<Value = Known> {
    let time = || prop::option::of(-4000i64..0);
    let period = prop::option::of(prop::sample::select(vec![1, 30, 60, 600, i64::MAX]));
    (
        [time(), time(), time(), time()],
        period,
        prop::bool::weighted(0.9),
    )
}

fn written(number: usize, (times, period, approved): &Known) -> Write {
    let state = if *approved {
        json!({"phase": "approved", "at": at(-5000), "by": "tester"})
    } else {
        json!({"phase": "rejected", "at": at(-5000), "by": "tester"})
    };
    let applied = json!({"version": "1", "since": at(-5000), "periodSeconds": period});
    let life =
        json!({"spelling": "d", "namespace": "default", "state": state, "delivery": {"applied": applied}});
    let [polled, asked, beat, beating_since] = times.map(|time| time.map(at));
    Write {
        id: DeviceId::parse(&format!("d{number}")).unwrap(),
        guard: WriteGuard::Absent,
        life: Some(Arc::new(serde_json::from_value(life).unwrap())),
        report: Some(Arc::default()),
        presence: Some(Presence {
            polled,
            asked,
            beat,
            beating_since,
        }),
        events: Vec::new(),
        at: at(-5000),
    }
}

/// The server's gauges of approved devices, as a scrape gets them.
async fn scraped(health: &Arc<Health>) -> Vec<(Connectivity, u64)> {
    let plane = OpsPlane::new(Arc::clone(health), Arc::new(Metrics::default()));
    let request = Request::builder()
        .uri("/metrics")
        .body(bytes::Bytes::new())
        .unwrap();
    let answer = plane.handle(request).await;
    let text = String::from_utf8(answer.body().whole().to_vec()).unwrap();
    let value = |connectivity: Connectivity| {
        let sample = format!(
            "edge_config_approved_devices{{connectivity=\"{}\"}} ",
            connectivity.as_str()
        );
        let value = text.lines().find_map(|line| line.strip_prefix(&sample));
        (connectivity, value.unwrap().parse().unwrap())
    };
    Connectivity::ALL.map(value).to_vec()
}

/// The same of the views.
async fn shown(service: &Service) -> Vec<(Connectivity, u64)> {
    let page = Page {
        after: None,
        limit: 1000,
    };
    let listed = service.list(Some(Phase::Approved), page).await.unwrap().devices;
    let mut counts = Connectivity::ALL.map(|connectivity| (connectivity, 0));
    for device in listed.into_iter().map(|entry| entry.device().unwrap()) {
        let alone = service.show(device.id.clone()).await.unwrap();
        assert_eq!(alone.connectivity, device.connectivity);
        let entry = counts
            .iter_mut()
            .find(|entry| Some(entry.0) == device.connectivity);
        entry.unwrap().1 += 1;
    }
    counts.to_vec()
}

async fn agree(devices: Vec<Known>, periods: u32, pauses: Vec<i64>, heard: Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("fleet.db"), OpenOptions::default()).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    for (number, device) in devices.iter().enumerate() {
        store.commit(written(number, device)).await.unwrap();
    }
    // It began to serve in the midst of what was heard.
    let time = Arc::new(AtomicI64::new(-1000));
    let clock: Clock = {
        let time = Arc::clone(&time);
        Arc::new(move || at(time.load(Ordering::Relaxed)))
    };
    let metrics = Arc::new(Metrics::default());
    let documents =
        sources::Reloader::new(Arc::clone(&store), WITHOUT_MANIFESTS, Arc::clone(&clock), metrics);
    documents.refresh().await.unwrap();
    let policy = Policy {
        silent_after_periods: periods,
        ..Policy::default()
    };
    let service = Service::new(
        Arc::clone(&store),
        policy,
        None,
        documents,
        clock,
        Arc::new(|_| {}),
    );
    let health = Arc::new(Health::new(None, None, Arc::new(Probes::default()), at(-1000)));
    health.set_service(service.clone());
    assert_eq!(scraped(&health).await, shown(&service).await);
    for pause in pauses {
        time.fetch_add(pause, Ordering::Relaxed);
        service.attend(true).await.unwrap();
        assert_eq!(scraped(&health).await, shown(&service).await);
    }
    time.store(0, Ordering::Relaxed);
    for number in heard {
        let id = DeviceId::parse(&format!("d{}", number % devices.len())).unwrap();
        service
            .configuration(id, contract::Namespace::default())
            .await
            .unwrap();
    }
    // The views look first: what the store does not have yet counts as well.
    let shown = shown(&service).await;
    assert_eq!(scraped(&health).await, shown);
    service.store().close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn metrics_count_devices_as_they_are_shown(
        devices in prop::collection::vec(known(), 1..30),
        periods in 1u32..5,
        pauses in prop::collection::vec(0i64..40, 0..12),
        heard in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agree(devices, periods, pauses, heard));
    }
}
