//! A server without its sockets that watches manifests, on a store that outlives it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use contract::DeviceId;
use edge_config_server::{
    admin::AdminPlane,
    device_plane::{BASE_PATH, DevicePlane},
    metrics::Metrics,
    ops::{Health, Probes},
    service::{Clock, DeviceView, Service},
    sources::{self, Settle, Share, Watched},
    transport::{Handler as _, Peer},
};
use fleet::{Policy, administration::Act};
use http::Request;
use jiff::Timestamp;
use manifests::UnknownFields;
use serde_json::{Value, json};
use store::{
    Keyring, Store,
    sqlite::{OpenOptions, SqliteStore},
};

use crate::{
    faulty::{Faults, Faulty},
    fleet::{DEVICES, KEY, files, names, version},
};

/// One that fits nothing and has the name of [`KEY`].
pub(crate) const SAME_NAME: &str = "first AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// As it is unless it is set.
const SETTLE: Settle = Settle {
    additions: Duration::from_secs(2),
    removals: Duration::from_secs(30),
};

struct Running {
    plane: DevicePlane,
    admin: AdminPlane,
    service: Service,
    watched: Option<Arc<Watched>>,
    health: Arc<Health>,
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    /// Seconds of the clock that the folder is watched by.
    watching: AtomicU64,
    pub(crate) faults: Arc<Faults>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) policy: Policy,
    pub(crate) allowed: Share,
    pub(crate) unknown_fields: UnknownFields,
    /// Whether the folder is watched, or its files come by the admin socket.
    pub(crate) watches: bool,
    pub(crate) keys: Option<&'static str>,
    pub(crate) restored: bool,
    running: Option<Running>,
}

impl World {
    /// With the fleet's files written, nothing started.
    pub(crate) fn stopped() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(AtomicI64::new(1_790_000_000)),
            watching: AtomicU64::new(0),
            faults: Arc::default(),
            metrics: Arc::default(),
            policy: Policy::default(),
            allowed: Share::TENTH,
            unknown_fields: UnknownFields::default(),
            watches: true,
            keys: Some(KEY),
            restored: false,
            running: None,
        };
        world.write_all();
        world
    }

    /// Serving, with the manifests taken over and three devices that run what they should.
    pub(crate) async fn serving(watches: bool) -> Self {
        let mut world = Self::stopped();
        world.watches = watches;
        world.start().await;
        world.take_over().await;
        for id in DEVICES {
            world.join(id).await;
        }
        world
    }

    pub(crate) async fn join(&self, id: &str) {
        self.enrol("default", id).await;
        assert_eq!(self.enrol("default", id).await, 200);
        self.report(id).await;
    }

    /// As `join`, where manifests cannot say yet into which namespace: an administrator does.
    pub(crate) async fn join_by_hand(&self, id: &str) {
        self.enrol("default", id).await;
        let approval = Act::Approve {
            namespace: Some(contract::Namespace::default()),
            set: None,
        };
        self.act_as_confirmed(id, approval).await;
    }

    /// The device reports that it runs what it was told, in the version that it was told.
    pub(crate) async fn report(&self, id: &str) {
        let (status, told) = self.poll(id).await;
        assert_eq!(status, 200, "{told}");
        let names = names(&told).0;
        let workloads: Vec<Value> = names
            .iter()
            .map(|name| json!({"name": name, "status": "Running"}))
            .collect();
        let beat = json!({"status": "up", "version": version(&told), "workloads": workloads, "events": []});
        assert_eq!(self.heartbeat(id, &beat).await, 200);
    }

    pub(crate) async fn heartbeat(&self, id: &str, beat: &Value) -> u16 {
        let path = format!("{BASE_PATH}/namespaces/default/devices/{id}/heartbeat");
        self.call("PUT", &path, beat.to_string()).await.0
    }

    pub(crate) async fn start(&mut self) {
        self.open();
        // An undecided reading leaves it unconfigured, and `follow` would read again.
        let _ = self.service().documents().refresh().await;
    }

    fn open(&mut self) {
        let options = || OpenOptions {
            keyring: self
                .keys
                .map_or_else(Keyring::default, |text| Keyring::parse(text).unwrap()),
            restored: self.restored,
            ..OpenOptions::default()
        };
        // A program that another test starts has the lock until it runs.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let store = loop {
            match SqliteStore::open(self.db(), options()) {
                Err(error)
                    if error.to_string().contains("another process")
                        && std::time::Instant::now() < patience =>
                {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                opened => break opened.unwrap(),
            }
        };
        let store: Arc<dyn Store> = Arc::new(Faulty {
            inner: Arc::new(store),
            faults: Arc::clone(&self.faults),
        });
        let clock = Arc::clone(&self.clock);
        let clock: Clock = Arc::new(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
        let options = sources::Options {
            watched: self.watches,
            strict: false,
            allowed: self.allowed,
        };
        let keeper = sources::Reloader::new(
            Arc::clone(&store),
            options,
            Arc::clone(&clock),
            Arc::clone(&self.metrics),
        );
        let probes = Arc::new(Probes::default());
        let health = Arc::new(Health::new(None, None, Arc::clone(&probes), clock()));
        health.set_store(Arc::clone(&store));
        health.set_documents(Arc::clone(&keeper));
        let service = Service::new(store, self.policy.clone(), None, keeper, clock, Arc::new(|_| {}));
        let watched = self
            .watches
            .then(|| Watched::new(self.source(), self.unknown_fields, SETTLE));
        self.running = Some(Running {
            plane: DevicePlane::new(service.clone(), Arc::clone(&self.metrics), probes),
            admin: AdminPlane::new(service.clone(), watched.clone(), self.unknown_fields),
            service,
            watched,
            health,
        });
    }

    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.service.flush().await.unwrap();
        running.service.store().close().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.folder.path().join("fleet.db")
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    /// Puts the folder back into its first state.
    pub(crate) fn write_all(&self) {
        let source = self.source();
        let _ = fs::remove_file(&source);
        let _ = fs::remove_dir_all(&source);
        fs::create_dir_all(&source).unwrap();
        for (name, text) in files() {
            fs::write(source.join(name), text).unwrap();
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.source().join(name), text).unwrap();
    }

    /// Changes a file; it must change.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.source().join(name);
        let before = fs::read_to_string(&path).unwrap();
        let after = before.replace(from, to);
        assert_ne!(before, after, "{name} has no {from:?}");
        fs::write(path, after).unwrap();
    }

    /// Lets this much time go by for the folder, and has it looked at as every second.
    pub(crate) async fn watch(&self, seconds: u64) {
        let running = self.running.as_ref().unwrap();
        let watched = running.watched.as_ref().unwrap();
        for _ in 0..seconds {
            let now = self.watching.fetch_add(1, Ordering::Relaxed) + 1;
            let now = Duration::from_secs(now);
            watched.look(running.service.documents(), &|| now, false).await;
        }
    }

    /// Has the folder looked at once, where each step of it takes so many seconds.
    pub(crate) async fn look_slowly(&self, seconds: u64) {
        let running = self.running.as_ref().unwrap();
        let watched = running.watched.as_ref().unwrap();
        let steps = AtomicU64::new(0);
        let clock = || {
            let passed = if steps.fetch_add(1, Ordering::Relaxed) == 0 {
                0
            } else {
                seconds
            };
            Duration::from_secs(self.watching.fetch_add(passed, Ordering::Relaxed) + passed)
        };
        watched.look(running.service.documents(), &clock, false).await;
    }

    /// Has the source rest, and looked at, and taken over if it can be; whether that is to be tried
    /// again.
    pub(crate) async fn look(&self) -> bool {
        let running = self.running.as_ref().unwrap();
        if let Some(watched) = &running.watched {
            let now = Duration::from_secs(self.watching.load(Ordering::Relaxed));
            watched.glance(&|| now).await;
            let rested = now + SETTLE.removals;
            self.watching.store(rested.as_secs(), Ordering::Relaxed);
            watched.look(running.service.documents(), &|| rested, true).await
        } else {
            let _ = self.apply("administrator", false).await;
            false
        }
    }

    /// The same, and it must succeed.
    pub(crate) async fn take_over(&self) {
        if self.watches {
            self.look().await;
            let status = self.service().documents().status();
            let faults: Vec<_> = status.sources.iter().flat_map(|source| &source.faults).collect();
            assert!(faults.is_empty(), "{faults:?}");
        } else {
            let (status, answer) = self.apply("administrator", false).await;
            assert_eq!(status, 200, "{answer}");
        }
    }

    /// The folder's files, by the admin socket; where that has to be confirmed, with the digest
    /// that the refusal showed.
    pub(crate) async fn apply(&self, source: &str, confirm: bool) -> (u16, Value) {
        let mut texts = Vec::new();
        let entries = fs::read_dir(self.source()).into_iter().flatten();
        for path in entries.map(|entry| entry.unwrap().path()) {
            match fs::read_to_string(&path) {
                Ok(text) => texts.push(json!({"origin": path, "text": text})),
                Err(_) => return (400, Value::Null),
            }
        }
        let mut body = json!({"source": source, "texts": texts});
        let (status, answer) = self.admin("POST", "/manifests", &body).await;
        let shown = answer["message"]
            .as_str()
            .and_then(|message| message.split("--confirm=").nth(1));
        let Some(digest) = shown.filter(|_| confirm) else {
            return (status, answer);
        };
        body["confirm"] = digest[..64].into();
        self.admin("POST", "/manifests", &body).await
    }

    /// A person confirms what waits, or what would.
    pub(crate) async fn confirm(&self, digest: &str) -> u16 {
        self.admin("POST", "/manifests/confirmations", &json!(digest))
            .await
            .0
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Bytes::from(body.to_string())).unwrap();
        let response = self.running.as_ref().unwrap().admin.handle(request).await;
        let value = serde_json::from_slice(&response.body().whole()).unwrap();
        (response.status().as_u16(), value)
    }

    pub(crate) fn service(&self) -> &Service {
        &self.running.as_ref().unwrap().service
    }

    pub(crate) async fn not_ready_because(&self) -> Vec<String> {
        self.running.as_ref().unwrap().health.not_ready_because().await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Bytes>) -> (u16, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(body.into())
            .unwrap();
        request.extensions_mut().insert(Peer::Anybody);
        let response = self.running.as_ref().unwrap().plane.handle(request).await;
        let body = if response.body().is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&response.body().whole()).unwrap()
        };
        (response.status().as_u16(), body)
    }

    pub(crate) async fn enrol(&self, namespace: &str, id: &str) -> u16 {
        let body =
            json!({"features": {"hardware": {"hostname": id, "disks": null}}, "target_namespace": namespace});
        let path = format!("{BASE_PATH}/namespaces/{namespace}/devices/{id}/enrolment");
        self.call("POST", &path, body.to_string()).await.0
    }

    pub(crate) async fn poll(&self, id: &str) -> (u16, Value) {
        let path = format!("{BASE_PATH}/namespaces/default/devices/{id}/configuration");
        self.call("GET", &path, "").await
    }

    pub(crate) async fn playbooks(&self, id: &str) -> Vec<Value> {
        let path = format!("{BASE_PATH}/namespaces/default/devices/{id}/playbookexecutions");
        let (status, list) = self.call("GET", &path, "").await;
        assert_eq!(status, 200, "{list}");
        list.as_array().unwrap().clone()
    }

    pub(crate) async fn act(&self, id: &str, act: Act) -> DeviceView {
        let id = DeviceId::parse(id).unwrap();
        self.service().act(id, act, "tester".to_owned()).await.unwrap()
    }

    /// Whatever it takes from the device.
    pub(crate) async fn act_as_confirmed(&self, id: &str, act: Act) {
        let id = DeviceId::parse(id).unwrap();
        let done = self
            .service()
            .act_as_confirmed(id, act, "tester".to_owned(), true);
        done.await.unwrap();
    }

    pub(crate) async fn show(&self, id: &str) -> DeviceView {
        self.service().show(DeviceId::parse(id).unwrap()).await.unwrap()
    }

    /// What waits for a person, as the digest to confirm.
    pub(crate) fn unconfirmed(&self) -> Option<String> {
        let status = self.service().documents().status();
        status.sources.into_iter().find_map(|source| source.unconfirmed)
    }
}

pub(crate) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
