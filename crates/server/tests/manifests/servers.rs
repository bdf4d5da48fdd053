//! Two servers on one PostgreSQL: what was changed at one is what the next request at the other is
//! answered by. Neither looks for changes by itself here.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use contract::DeviceId;
use edge_config_server::{
    admin::AdminPlane,
    device_plane::{BASE_PATH, DevicePlane},
    ops::Probes,
    service::Service,
    sources::{self, Share},
    transport::{Handler as _, Peer},
};
use fleet::{Approval, Policy};
use http::Request;
use jiff::Timestamp;
use manifests::UnknownFields;
use serde_json::{Value, json};
use store::postgres::{ConnectOptions, PostgresStore};
use testkit::postgres::Postgres;

use crate::faulty::{Faults, Faulty};

struct Server {
    plane: DevicePlane,
    admin: AdminPlane,
    service: Service,
    faults: Arc<Faults>,
}

impl Server {
    async fn start(url: &str) -> Self {
        // Patient, since a busy machine is no fault of the store.
        let options = ConnectOptions {
            timeout: Duration::from_secs(20),
            connections: 4,
            ..ConnectOptions::default()
        };
        let faults = Arc::<Faults>::default();
        let store = Arc::new(Faulty {
            inner: Arc::new(PostgresStore::connect(url, options).await.unwrap()),
            faults: Arc::clone(&faults),
        });
        let options = sources::Options {
            watched: false,
            strict: false,
            allowed: Share::TENTH,
        };
        let policy = Policy {
            approval: Approval::Manual,
            ..Policy::default()
        };
        let keeper = sources::Reloader::new(
            Arc::clone(&store) as _,
            options,
            Arc::new(Timestamp::now),
            Arc::default(),
        );
        let service = Service::new(
            store,
            policy,
            None,
            keeper,
            Arc::new(Timestamp::now),
            Arc::new(|_| {}),
        );
        Self {
            plane: DevicePlane::new(service.clone(), Arc::default(), Arc::new(Probes::default())),
            admin: AdminPlane::new(service.clone(), None, UnknownFields::default()),
            service,
            faults,
        }
    }

    async fn apply(&self, texts: &[String]) {
        let texts: Vec<_> = texts
            .iter()
            .map(|text| json!({"origin": "test", "text": text}))
            .collect();
        let body = json!({"source": "test", "texts": texts}).to_string();
        let request = Request::post("/manifests").body(Bytes::from(body)).unwrap();
        let response = self.admin.handle(request).await;
        assert_eq!(response.status(), 200, "{:?}", response.body());
    }

    async fn call(&self, method: &str, id: &str, operation: &str, body: &Value) -> (u16, Value) {
        let uri = format!("{BASE_PATH}/namespaces/default/devices/{id}/{operation}");
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Bytes::from(body.to_string()))
            .unwrap();
        request.extensions_mut().insert(Peer::Anybody);
        let response = self.plane.handle(request).await;
        let body = serde_json::from_slice(&response.body().whole()).unwrap_or_default();
        (response.status().as_u16(), body)
    }

    async fn poll(&self) -> (u16, Value) {
        self.call("GET", "d", "configuration", &Value::Null).await
    }

    /// The value that the device is told, and its workloads.
    async fn told(&self) -> (String, usize) {
        let (status, told) = self.poll().await;
        assert_eq!(status, 200, "{told}");
        let told = &told["device-configuration"];
        let map = told["workloads"][0]["configmaps"][0].as_str().unwrap();
        let value = map.lines().find_map(|line| line.trim().strip_prefix("value: "));
        let workloads = told["workloads"].as_array().unwrap().len();
        (value.unwrap().trim_matches('"').to_owned(), workloads)
    }

    async fn enrol(&self, id: &str) -> u16 {
        let body =
            json!({"features": {"hardware": {"hostname": id, "disks": null}}, "target_namespace": "default"});
        self.call("POST", id, "enrolment", &body).await.0
    }
}

struct Pair {
    servers: [Server; 2],
    url: String,
    postgres: Postgres,
}

impl Pair {
    /// With device `d`, which has polled at both.
    async fn start() -> Self {
        let postgres = Postgres::start().await.unwrap();
        let url = postgres.create_database().unwrap();
        let servers = [Server::start(&url).await, Server::start(&url).await];
        servers[0].apply(&manifests(0)).await;
        assert_eq!(servers[1].enrol("d").await, 201);
        assert_eq!(servers[0].enrol("d").await, 200, "it was approved before it came");
        for server in &servers {
            assert_eq!(server.told().await, ("0".to_owned(), 1));
        }
        Self {
            servers,
            url,
            postgres,
        }
    }

    fn sql(&self, statement: &str) {
        let database = self.url.rsplit('/').next().unwrap();
        self.postgres.sql(database, statement).unwrap();
    }
}

fn playbook(round: usize) -> String {
    format!("- hosts: group-{}\n", round / 4)
}

/// A fleet whose every round differs: in a value, each third round in a workload, each fourth in a
/// playbook, each fifth in a device that may come.
fn manifests(round: usize) -> Vec<String> {
    let playbook = STANDARD.encode(playbook(round));
    let workload = |name: &str| {
        json!({"apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeWorkload", "metadata": {"name": name},
            "spec": {"type": "pod", "deviceSelector": {"matchLabels": {"line": "press"}}, "pod": {"spec": {"containers": [
                {"name": "c", "image": "registry.example/c:1", "envFrom": [{"configMapRef": {"name": "map"}}]}]}}}})
    };
    let request = |name: &str| {
        json!({"apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeDeviceSignedRequest",
            "metadata": {"name": name}, "spec": {"targetNamespace": "default", "approved": true}})
    };
    let mut objects = vec![
        json!({"apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeDevice",
            "metadata": {"name": "d", "labels": {"line": "press", "config/device-by-config": "ntp"}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": {"value": round.to_string()}}),
        json!({"apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeConfig", "metadata": {"name": "ntp"},
            "spec": {"edgePlaybook": {"playbooks": [{"content": playbook}]}}}),
        workload("first"),
        request("d"),
    ];
    if round >= 3 {
        objects.push(workload("second"));
    }
    for come in 0..round / 5 {
        objects.push(request(&format!("new-{come}")));
    }
    objects.iter().map(Value::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_very_next_request_at_the_other_server_knows_of_a_change() {
    let pair = Pair::start().await;
    for round in 1..=200 {
        let [here, there] = [&pair.servers[round % 2], &pair.servers[(round + 1) % 2]];
        here.apply(&manifests(round)).await;
        // Whichever comes first finds the change.
        if round % 5 == 0 {
            let new = format!("new-{}", round / 5 - 1);
            assert_eq!(there.enrol(&new).await, 201);
            let phase = there
                .service
                .show(DeviceId::parse(&new).unwrap())
                .await
                .unwrap()
                .state
                .phase();
            assert_eq!(phase, fleet::Phase::Approved, "round {round}");
        }
        if round % 4 == 0 {
            let (status, offered) = there.call("GET", "d", "playbookexecutions", &Value::Null).await;
            assert_eq!(status, 200);
            let offered = offered.as_array().unwrap();
            let found = offered
                .iter()
                .any(|offered| offered["ansible_playbook_string"] == playbook(round));
            assert!(found, "round {round}: {offered:?}");
        }
        let expected = (round.to_string(), if round >= 3 { 2 } else { 1 });
        assert_eq!(there.told().await, expected, "round {round}");
        assert_eq!(here.told().await, expected, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_cannot_be_read_leaves_each_device_what_it_has() {
    let pair = Pair::start().await;
    let [here, there] = &pair.servers;
    here.apply(&manifests(1)).await;
    assert_eq!(here.told().await, ("1".to_owned(), 1));
    for call in ["documents", "documents_revision"] {
        there.faults.fail_only(call, i64::MAX);
        for _ in 0..3 {
            let (status, answer) = there.poll().await;
            assert_eq!(status, 503, "{answer}");
            let message = answer["message"].as_str().unwrap();
            assert!(message.contains("have changed and cannot be read"), "{message}");
            let (status, _) = there.call("GET", "d", "playbookexecutions", &Value::Null).await;
            assert_eq!(status, 503);
            assert_eq!(there.enrol("other").await, 503);
        }
        let beat = json!({"status": "up", "version": "v", "workloads": [], "events": []});
        let (status, _) = there.call("PUT", "d", "heartbeat", &beat).await;
        assert_eq!(status, 200, "it needs no manifest");
        assert_eq!(here.told().await, ("1".to_owned(), 1));
    }
    let polled = there
        .service
        .show(DeviceId::parse("d").unwrap())
        .await
        .unwrap()
        .presence
        .polled;
    assert!(polled.is_some(), "a poll that gets nothing was heard");
    there.faults.lift();
    assert_eq!(there.told().await, ("1".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_not_served_and_not_read_for_each_poll() {
    let pair = Pair::start().await;
    let there = &pair.servers[1];
    pair.sql("CREATE TABLE aside AS SELECT * FROM document WHERE kind = 'ConfigMap'");
    pair.sql("DELETE FROM document WHERE kind = 'ConfigMap'");
    pair.sql("UPDATE document_revision SET revision = revision + 1");
    let before = there.faults.readings.load(Ordering::SeqCst);
    for _ in 0..5 {
        let (status, answer) = there.poll().await;
        assert_eq!(status, 503);
        let message = answer["message"].as_str().unwrap();
        assert!(
            message.contains("restore the whole store from a backup"),
            "{message}"
        );
    }
    assert_eq!(there.faults.readings.load(Ordering::SeqCst), before + 1);
    pair.sql("INSERT INTO document SELECT * FROM aside");
    there.service.documents().refresh().await.unwrap();
    assert_eq!(there.told().await, ("0".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_find_a_change_at_once_read_it_once() {
    let pair = Pair::start().await;
    let [here, there] = &pair.servers;
    here.apply(&manifests(1)).await;
    let before = there.faults.readings.load(Ordering::SeqCst);
    let (a, b, c, d) = tokio::join!(there.told(), there.told(), there.told(), there.enrol("d"));
    assert_eq!([a, b, c], [const { 0 }; 3].map(|_| ("1".to_owned(), 1)));
    assert_eq!(d, 200);
    assert_eq!(there.faults.readings.load(Ordering::SeqCst), before + 1);
}
