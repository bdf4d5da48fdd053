//! One device that cannot be read is that device's error, and in nobody's way.

use contract::{DeviceId, Namespace};
use edge_config_server::{device_plane::BASE_PATH, service::ListEntry};
use fleet::{DeletionMode, Phase, State, administration::Act};
use rusqlite::Connection;
use serde_json::json;
use store::Page;

use crate::{
    fleet::names,
    world::{World, set},
};

/// A serving world in which what is kept of device `two` is not what was written.
async fn damaged(change: &str) -> World {
    let mut world = World::serving(true).await;
    world.stop().await;
    let database = Connection::open(world.db()).unwrap();
    assert_eq!(database.execute(change, []), Ok(1), "{change}");
    drop(database);
    world.start().await;
    world.take_over().await;
    world
}

const DAMAGES: [&str; 4] = [
    "UPDATE device SET life = replace(life, 'default', 'defaulu') WHERE id = 'two'",
    "UPDATE device SET life = '{', checksum = NULL WHERE id = 'two'",
    "UPDATE device SET phase = 'waitinh' WHERE id = 'two'",
    "UPDATE report SET report = replace(report, '{', '{ ') WHERE device_id = 'two'",
];

async fn status(world: &World, id: &str) -> (u16, String) {
    let path = format!("{BASE_PATH}/namespaces/default/devices/{id}/registration");
    let (status, told) = world.call("GET", &path, "").await;
    (status, told["status"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_device_that_cannot_be_read_is_in_nobodys_way() {
    for change in DAMAGES {
        let world = damaged(change).await;
        // It gets errors, and keeps what it has; no request of its own makes another device of it.
        // A busy machine may not answer in time, which is an error as well.
        let failed = |status: u16| assert!([500, 503].contains(&status), "{change}: {status}");
        for _ in 0..2 {
            failed(world.poll("two").await.0);
            failed(status(&world, "two").await.0);
            let beat = json!({"status": "up", "version": "x", "workloads": [], "events": []});
            failed(world.heartbeat("two", &beat).await);
            failed(world.enrol("default", "two").await);
        }
        // Everything else goes on: manifests, lists, workloads.
        world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
        world.take_over().await;
        for id in ["one", "three"] {
            let (status, told) = world.poll(id).await;
            assert_eq!(status, 200, "{change}: {told}");
            assert!(!names(&told).0.is_empty());
        }
        let all = Page {
            after: None,
            limit: 10,
        };
        let listed = world.service().list(None, all.clone()).await.unwrap().devices;
        let ids: Vec<&str> = listed.iter().map(ListEntry::id).collect();
        assert_eq!(ids, ["one", "three", "two"], "{change}");
        // What is wrong with a report alone is found where the report is needed.
        let is_unreadable = matches!(listed[2], ListEntry::Unreadable(_));
        assert_eq!(is_unreadable, change.contains("UPDATE device"), "{change}");
        let workloads = world.service().workloads().await.unwrap();
        let workload = world
            .service()
            .workload(&workloads[0].namespace, &workloads[0].name)
            .await;
        assert!(workload.unwrap().is_some());
        assert!(world.service().strays(10).await.is_ok());
        assert!(world.not_ready_because().await.is_empty());
        assert_eq!(world.admin("GET", "/devices", &json!(null)).await.0, 200);
        let phases = world
            .service()
            .phases(vec![DeviceId::parse("two").unwrap()])
            .await
            .unwrap();
        assert_eq!(phases.len(), 1, "{change}: it is here");
        assert!(matches!(phases[0].1, None | Some(Phase::Approved)), "{change}");
    }
}

#[tokio::test]
async fn only_an_administrators_act_replaces_it() {
    for change in DAMAGES {
        let world = damaged(change).await;
        let act = |act: Act| {
            let id = DeviceId::parse("two").unwrap();
            world.service().act(id, act, "tester".to_owned())
        };
        let refused = act(Act::Release).await.unwrap_err().to_string();
        assert!(refused.contains("'edge-config-server device adopt'"), "{refused}");
        let mode = DeletionMode::Remove;
        let shown = act(Act::Delete { mode }).await.unwrap();
        assert!(matches!(shown.state, State::Deleted(_)), "{change}");
        assert_eq!(
            status(&world, "two").await,
            (200, "unregistered".to_owned()),
            "{change}"
        );
        assert_eq!(world.poll("two").await.0, 404, "{change}");
        assert!(
            shown.events.iter().any(|event| event.reason == "Deleted"),
            "{change}"
        );

        let world = damaged(change).await;
        let (code, told) = world
            .admin("POST", "/devices/two/acts", &json!({"act": "adopt"}))
            .await;
        assert_eq!(code, 409, "nobody knows its namespace: {told}");
        let adopt = |release: bool| Act::Adopt {
            namespace: Some(Namespace::default()),
            release,
        };
        let refused = world
            .service()
            .act(DeviceId::parse("two").unwrap(), adopt(true), "tester".to_owned())
            .await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("what device two runs is not known"), "{refused}");
        let shown = world.act("two", adopt(false)).await;
        assert!(matches!(
            shown.state,
            State::Approved {
                configuration_withheld: true,
                ..
            }
        ));
        assert_eq!(
            status(&world, "two").await,
            (200, "registered".to_owned()),
            "{change}"
        );
        assert_eq!(world.poll("two").await.0, 409, "{change}: it keeps what it has");
        let beat = json!({"status": "up", "version": "x", "workloads": [], "events": []});
        assert_eq!(world.heartbeat("two", &beat).await, 200);
        world.act("two", Act::Release).await;
        world.report("two").await;
        assert_eq!(world.poll("two").await.0, 200);
    }
}

/// What was read of it before is in memory, so that it is served on.
#[tokio::test]
async fn one_that_is_damaged_while_it_is_served_loses_nothing() {
    let damages = [
        "UPDATE report SET report = replace(report, '{', '{ ') WHERE device_id = 'three'",
        "UPDATE device SET life = replace(life, 'default', 'defaulu') WHERE id = 'three'",
    ];
    for change in damages {
        let world = World::serving(true).await;
        let has = set(&["watch"]);
        assert_eq!(names(&world.poll("three").await.1).0, has);
        let database = Connection::open(world.db()).unwrap();
        assert_eq!(database.execute(change, []), Ok(1), "{change}");
        drop(database);
        let (status, told) = world.poll("three").await;
        assert_eq!((status, names(&told).0), (200, has), "{change}");

        // What takes something from devices may take it from this one, so a person is asked.
        world.edit(
            "workloads.yaml",
            "key: line, operator: Exists",
            "key: line, operator: NotIn, values: [paint]",
        );
        world.look().await;
        let status = world.service().documents().status();
        let fault = &status.sources[0].faults[0];
        assert!(
            fault.contains("device three cannot be read, so that it may lose workload watch"),
            "{change}: {fault}"
        );
        // Also by that word it is not told what was decided on something that is not there any
        // more.
        let digest = world.unconfirmed().unwrap();
        assert_eq!(world.confirm(&digest).await, 200);
        world.look().await;
        assert_eq!(world.unconfirmed(), None);
        for _ in 0..2 {
            let (status, told) = world.poll("three").await;
            assert!([500, 503].contains(&status), "{change}: {status} {told}");
        }
        assert_eq!(world.poll("two").await.0, 200);
    }
}
