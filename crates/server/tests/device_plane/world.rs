//! A fleet behind the device plane, as the Edge API reaches it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use contract::DeviceId;
use edge_config_server::{
    device_plane::{BASE_PATH, DevicePlane},
    intake::Reloader,
    metrics::Metrics,
    ops::Probes,
    service::{Clock, DeviceView, ListedView, Service},
    sources::{self, Share},
    transport::{Handler as _, Peer},
};
use fleet::{Approval, Policy, administration::Act};
use http::{Request, StatusCode};
use jiff::Timestamp;
use pki::Fingerprint;
use serde_json::{Value, json};
use store::{
    Page, Store,
    sqlite::{OpenOptions, SqliteStore},
};
use testkit::pki::{Key, KeyKind};

/// What is in the store counts.
pub(crate) const WITHOUT_MANIFESTS: sources::Options = sources::Options {
    watched: false,
    strict: false,
    allowed: Share::TENTH,
};

/// A server without its sockets, on a store that outlives it, with a clock that only tests move.
pub(crate) struct Fleet {
    folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    policy: Policy,
    pub(crate) restored: bool,
    /// The admission file is looked at only by [`Fleet::order`].
    admission: Option<Arc<Reloader>>,
    metrics: Arc<Metrics>,
    documents: sources::Options,
    running: Option<(DevicePlane, Service, Arc<Probes>)>,
}

impl Fleet {
    pub(crate) async fn new(policy: Policy) -> Self {
        let mut fleet = Self::stopped(policy);
        fleet.start().await;
        fleet
    }

    /// A fleet with an admission file that is not there yet.
    pub(crate) async fn with_admission(policy: Policy) -> Self {
        let mut fleet = Self::stopped(policy);
        let path = fleet.folder.path().join("admission");
        fleet.admission = Some(Reloader::new(path, Arc::clone(&fleet.metrics)));
        fleet.start().await;
        fleet
    }

    fn stopped(policy: Policy) -> Self {
        let clock = Arc::new(AtomicI64::new(1_790_000_000));
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock,
            policy,
            restored: false,
            admission: None,
            documents: WITHOUT_MANIFESTS,
            metrics: Arc::default(),
            running: None,
        }
    }

    /// Writes the admission file and has it looked at.
    pub(crate) fn order(&self, document: &str) {
        std::fs::write(self.folder.path().join("admission"), document).unwrap();
        self.admission().look(self.service().now());
    }

    pub(crate) fn admission(&self) -> &Reloader {
        self.admission.as_ref().unwrap()
    }

    pub(crate) fn store_id(&self) -> String {
        self.service().store().identity().id.to_string()
    }

    /// The value of a metric by its full name with labels.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        let text = self.metrics.encode().unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("fleet.db")
    }

    pub(crate) async fn start(&mut self) {
        let options = OpenOptions {
            restored: self.restored,
            ..OpenOptions::default()
        };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(self.path(), options).unwrap());
        let clock = Arc::clone(&self.clock);
        let clock: Clock = Arc::new(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
        let documents = sources::Reloader::new(
            Arc::clone(&store),
            self.documents,
            Arc::clone(&clock),
            Arc::clone(&self.metrics),
        );
        documents.refresh().await.unwrap();
        let service = Service::new(
            store,
            self.policy.clone(),
            self.admission.clone(),
            documents,
            clock,
            Arc::new(|_| {}),
        );
        let probes = Arc::new(Probes::default());
        let plane = DevicePlane::new(service.clone(), Arc::clone(&self.metrics), Arc::clone(&probes));
        self.running = Some((plane, service, probes));
    }

    /// Ends the server as SIGTERM does and starts another on the same store.
    pub(crate) async fn restart(&mut self) {
        let (_, service, _) = self.running.take().unwrap();
        service.flush().await.unwrap();
        service.store().close().await;
        drop(service);
        self.start().await;
    }

    pub(crate) fn service(&self) -> &Service {
        &self.running.as_ref().unwrap().1
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Bytes>) -> (StatusCode, Value) {
        self.companion(method, &format!("{BASE_PATH}{path}?ignored=1"), body)
            .await
    }

    /// A request with its whole path.
    pub(crate) async fn companion(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(body.into())
            .unwrap();
        request.extensions_mut().insert(Peer::Anybody);
        let response = self.running.as_ref().unwrap().0.handle(request).await;
        let (parts, body) = response.into_parts();
        if body.is_empty() {
            return (parts.status, Value::Null);
        }
        assert_eq!(parts.headers["content-type"], "application/json");
        (parts.status, serde_json::from_slice(&body.whole()).unwrap())
    }

    pub(crate) async fn enrol(&self, namespace: &str, id: &str) -> u16 {
        let body =
            json!({"features": {"hardware": {"hostname": id, "disks": null}}, "target_namespace": namespace});
        let path = format!("/namespaces/{namespace}/devices/{id}/enrolment");
        let (status, body) = self.call("POST", &path, body.to_string()).await;
        assert!(
            !status.is_success() || body.is_null(),
            "the Edge API does not read this body"
        );
        status.as_u16()
    }

    pub(crate) async fn status(&self, namespace: &str, id: &str) -> Value {
        let path = format!("/namespaces/{namespace}/devices/{id}/registration");
        let (status, body) = self.call("GET", &path, "").await;
        assert_eq!(status, 200);
        body
    }

    pub(crate) async fn register(&self, namespace: &str, id: &str, key: &Key) -> (u16, Value) {
        let body = json!({"certificate_request": key.certificate_request(id).unwrap(), "hardware": {"hostname": "Host"}});
        let path = format!("/namespaces/{namespace}/devices/{id}/registration");
        let (status, body) = self.call("PUT", &path, body.to_string()).await;
        (status.as_u16(), body)
    }

    pub(crate) async fn configuration(&self, namespace: &str, id: &str) -> (u16, Value) {
        let path = format!("/namespaces/{namespace}/devices/{id}/configuration");
        let (status, body) = self.call("GET", &path, "").await;
        (status.as_u16(), body)
    }

    pub(crate) async fn heartbeat(&self, namespace: &str, id: &str, beat: &Value) -> u16 {
        let path = format!("/namespaces/{namespace}/devices/{id}/heartbeat");
        self.call("PUT", &path, beat.to_string() + "\n").await.0.as_u16()
    }

    pub(crate) async fn act(&self, id: &str, act: Act) -> DeviceView {
        self.service()
            .act(DeviceId::parse(id).unwrap(), act, "tester".into())
            .await
            .unwrap()
    }

    /// Whatever it takes from the device.
    pub(crate) async fn act_as_confirmed(&self, id: &str, act: Act) -> DeviceView {
        self.service()
            .act_as_confirmed(DeviceId::parse(id).unwrap(), act, "tester".into(), true)
            .await
            .unwrap()
    }

    /// All devices that are known.
    pub(crate) async fn listed(&self) -> Vec<ListedView> {
        let page = Page {
            after: None,
            limit: 100,
        };
        let listed = self.service().list(None, page).await.unwrap().devices;
        listed.into_iter().map(|entry| entry.device().unwrap()).collect()
    }

    /// The nonces of the verification calls that were seen, latest first.
    pub(crate) fn probes(&self) -> Vec<String> {
        let (_, _, probes) = self.running.as_ref().unwrap();
        probes.latest().into_iter().map(|probe| probe.nonce).collect()
    }

    /// A control poll of a caller that has proven this key, and the keys that its nonce is
    /// remembered of.
    pub(crate) async fn probe_from(&self, nonce: &str, key: Fingerprint) -> Vec<Option<Fingerprint>> {
        let (plane, _, probes) = self.running.as_ref().unwrap();
        let path =
            format!("{BASE_PATH}/namespaces/default/devices/flotta-companion-probe-{nonce}/registration");
        let mut request = Request::builder().uri(path).body(Bytes::new()).unwrap();
        request.extensions_mut().insert(Peer::Pinned(key));
        assert_eq!(plane.handle(request).await.status(), 200);
        probes.with(nonce).into_iter().map(|probe| probe.from).collect()
    }

    /// Whether the verification call with this nonce is remembered.
    pub(crate) fn saw_probe(&self, nonce: &str) -> bool {
        let (_, _, probes) = self.running.as_ref().unwrap();
        !probes.with(nonce).is_empty()
    }

    pub(crate) async fn show(&self, id: &str) -> DeviceView {
        self.service().show(DeviceId::parse(id).unwrap()).await.unwrap()
    }
}

pub(crate) fn manual() -> Policy {
    Policy {
        approval: Approval::Manual,
        ..Policy::default()
    }
}

pub(crate) fn key() -> Key {
    Key::generate(KeyKind::P256).unwrap()
}

pub(crate) fn count(device: &DeviceView, reason: &str) -> u64 {
    device
        .events
        .iter()
        .filter(|event| event.reason == reason)
        .map(|event| event.count)
        .sum()
}
