//! Time in which nobody could be heard is no silence of the devices.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use edge_config_server::{
    metrics::Metrics,
    ops::{Health, OpsPlane, Probes},
    service::ListEntry,
    transport::Handler as _,
};
use fleet::Connectivity::{self, Online, Silent};
use http::Request;
use serde_json::json;
use store::Page;

use crate::{fleet::DEVICES, world::World};

/// Three periods of the device that its set has told 30 s.
const ONE_AFTER: i64 = 90;

/// Three of Flotta's default periods, which the other devices have applied.
const ALL_AFTER: i64 = 180;

/// A server at work for so long. Whether it found at last that it serves.
async fn at_work(world: &World, seconds: i64) -> bool {
    let mut served = false;
    for _ in 0..seconds / 2 {
        world.pass(2);
        served = world.service().attend(true).await.is_ok();
    }
    served
}

/// What is shown of the devices, which is the same for each alone and in a list.
async fn shown(world: &World) -> [Connectivity; 3] {
    let all = Page {
        after: None,
        limit: 10,
    };
    let listed = world.service().list(None, all).await.unwrap().devices;
    let mut shown = [Connectivity::NeverSeen; 3];
    for (shown, id) in shown.iter_mut().zip(DEVICES) {
        let device = listed.iter().find(|entry| entry.id() == id).cloned();
        let device = device.and_then(ListEntry::device).unwrap();
        *shown = world.show(id).await.connectivity.unwrap();
        assert_eq!(Some(*shown), device.connectivity, "{id}");
    }
    shown
}

/// From here on, and not before, each device becomes silent when its periods have passed.
async fn is_the_beginning(world: &World) {
    assert_eq!(shown(world).await, [Online; 3]);
    assert!(at_work(world, ONE_AFTER - 2).await);
    assert_eq!(shown(world).await, [Online; 3]);
    assert!(at_work(world, 2).await);
    assert_eq!(shown(world).await, [Silent, Online, Online]);
    assert!(at_work(world, ALL_AFTER - ONE_AFTER - 2).await);
    assert_eq!(shown(world).await, [Silent, Online, Online]);
    assert!(at_work(world, 2).await);
    assert_eq!(shown(world).await, [Silent; 3]);
}

#[tokio::test]
async fn an_outage_of_the_store_makes_no_device_silent() {
    let world = World::serving(true).await;
    // Without one they are missed.
    is_the_beginning(&world).await;

    for id in DEVICES {
        world.report(id).await;
    }
    assert!(at_work(&world, 60).await);
    world.faults.gone(true);
    assert!(!at_work(&world, 3600).await);
    let beat = json!({"status": "odd", "version": "", "workloads": [], "events": []});
    assert_eq!(world.heartbeat(DEVICES[1], &beat).await, 503);
    world.faults.gone(false);
    assert_eq!(
        shown(&world).await,
        [Online; 3],
        "before it was looked at again, too"
    );
    assert!(at_work(&world, 2).await);
    is_the_beginning(&world).await;
}

#[tokio::test]
async fn an_outage_while_nobody_asks_is_noticed() {
    let world = World::serving(true).await;
    // Nothing is left to be written.
    assert!(at_work(&world, 60).await);
    world.faults.gone(true);
    assert!(!at_work(&world, 600).await);
    world.faults.gone(false);
    assert!(at_work(&world, 2).await);
    is_the_beginning(&world).await;
}

#[tokio::test]
async fn a_server_that_was_halted_or_cannot_accept_does_not_serve() {
    let world = World::serving(true).await;
    assert!(at_work(&world, 60).await);
    world.pass(3600);
    assert!(at_work(&world, 2).await);
    is_the_beginning(&world).await;
    for _ in 0..1800 {
        world.pass(2);
        world.service().attend(false).await.unwrap();
    }
    assert!(at_work(&world, 2).await);
    is_the_beginning(&world).await;
}

/// A store that fails now and then, as one under load does, hides no dead device.
#[tokio::test]
async fn single_failures_are_no_outage() {
    let world = World::serving(true).await;
    for round in 0..ALL_AFTER / 2 {
        world.faults.gone(round % 4 != 3);
        at_work(&world, 2).await;
    }
    world.faults.gone(false);
    assert_eq!(shown(&world).await, [Silent; 3]);
}

/// What the operations port of this world says, with these metrics.
async fn asked(world: &World, metrics: &Arc<Metrics>, path: &str) -> (u16, String) {
    let health = Health::new(None, None, Arc::new(Probes::default()), world.service().now());
    health.set_store(Arc::clone(world.service().store()));
    let plane = OpsPlane::new(Arc::new(health), Arc::clone(metrics));
    let answer = plane.handle(Request::get(path).body(Bytes::new()).unwrap()).await;
    let text = String::from_utf8(answer.body().whole().to_vec()).unwrap();
    (answer.status().as_u16(), text)
}

#[tokio::test]
async fn a_store_that_nobody_writes_any_more_is_a_matter_of_life() {
    let world = World::serving(true).await;
    let metrics = Arc::default();
    let alive = async || asked(&world, &metrics, "/healthz").await;
    assert_eq!(alive().await, (200, "alive\n".to_owned()));
    world.faults.gone(true);
    assert_eq!(alive().await.0, 200, "a restart brings no database back");
    world.faults.ended.store(true, Ordering::SeqCst);
    assert_eq!(
        alive().await,
        (503, "not alive: the writer has ended\n".to_owned())
    );
}

#[tokio::test]
async fn damage_is_told_and_makes_nobody_wait() {
    let world = World::serving(true).await;
    let metrics: Arc<Metrics> = Arc::default();
    let ready = async || asked(&world, &metrics, "/readyz").await;
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    metrics.store_damage(2);
    let (status, text) = ready().await;
    assert_eq!(status, 200);
    assert!(text.contains("the store is damaged: 2 rows or tables"), "{text}");
    metrics.store_damage(0);
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
}
