//! Calls to pods that there are none of: answered from what is in the API server, as our server and
//! the Edge API would.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use flotta_companion::calls::{Backend, Calls, DevicePhase, Heard, Phases, Probe};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use plan::observed::ServerReport;

/// The id of the store behind our server's pods.
pub const STORE: &str = "0198c0de-0000-7000-8000-000000000001";

/// Answers as a world that works, with the exceptions that a test makes.
pub struct Scripted {
    secrets: Api<Secret>,
    /// What each pod of the Edge API was started with, by address.
    pods: Mutex<BTreeMap<String, Option<String>>>,
    probes: Mutex<Vec<(String, Option<String>)>>,
    /// Devices of the store.
    pub devices: Mutex<Phases>,
    /// Why the backend does not answer, if it does not.
    pub backend: Mutex<Option<String>>,
    /// Why the Edge API's pods do not answer, if they do not.
    pub edge_api: Mutex<Option<String>>,
    /// Whether a rollout comes to no end.
    pub stuck: AtomicBool,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub fn new(admin: Client, namespace: &str) -> Self {
        Self {
            secrets: Api::namespaced(admin, namespace),
            pods: Mutex::default(),
            probes: Mutex::default(),
            devices: Mutex::default(),
            backend: Mutex::default(),
            edge_api: Mutex::default(),
            stuck: AtomicBool::new(false),
        }
    }

    pub fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    /// A pod of the Edge API was started with this backend.
    pub fn started(&self, address: &str, backend: Option<String>) {
        self.pods.lock().unwrap().insert(address.to_owned(), backend);
    }

    async fn entry(&self, secret: &str, key: &str) -> Option<Vec<u8>> {
        let secret = self.secrets.get_opt(secret).await.ok()??;
        secret.data?.get(key).map(|value| value.0.clone())
    }

    async fn prints(&self, secret: &str, key: &str) -> Vec<String> {
        let file = self.entry(secret, key).await.unwrap_or_default();
        let certificates = pki::pem::certificates(&file).unwrap_or_default();
        certificates
            .into_iter()
            .filter_map(|der| pki::Certificate::parse(der).ok())
            .map(|certificate| certificate.facts().fingerprint.to_string())
            .collect()
    }
}

#[async_trait]
impl Calls for Scripted {
    /// Our server's pods load what is in their Secret at once.
    async fn server_report(&self, _pod: IpAddr) -> Result<ServerReport, String> {
        const SECRET: &str = "edge-config-server-tls";
        let text = async |key| String::from_utf8(self.entry(SECRET, key).await.unwrap_or_default()).unwrap();
        let admission: serde_json::Value = plan_yaml(&text("admission").await);
        let certificate = self.prints(SECRET, "tls.crt").await.into_iter().next();
        let ready = certificate.is_some();
        Ok(ServerReport {
            not_ready_because: if ready {
                Vec::new()
            } else {
                vec!["waiting for TLS material".to_owned()]
            },
            switch_waits_for: Vec::new(),
            faulty_sources: 0,
            unconfirmed_sources: 0,
            store_not_writable: None,
            insecure_http: false,
            certificate,
            client_cas: self.prints(SECRET, "ca.crt").await,
            pins: text("pins")
                .await
                .lines()
                .map(str::to_owned)
                .filter(|line| line.len() == 64)
                .collect::<BTreeSet<_>>(),
            material_faults: Vec::new(),
            store_id: Some(STORE.to_owned()),
            admission: admission["admission"].as_str().map(str::to_owned),
            admission_store_id: admission["storeId"].as_str().map(str::to_owned),
            probes: self.probes.lock().unwrap().clone(),
        })
    }

    async fn call_backend(&self, _backend: &Backend, _nonce: &str) -> Result<(), String> {
        self.backend.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn compare(&self, _backend: &Backend, ids: &[String]) -> Result<Phases, String> {
        let devices = self.devices.lock().unwrap();
        Ok(ids
            .iter()
            .map(|id| {
                (
                    id.clone(),
                    devices.get(id).copied().unwrap_or(DevicePhase::Unknown),
                )
            })
            .collect())
    }

    async fn list(&self, _backend: &Backend) -> Result<Phases, String> {
        Ok(self.devices.lock().unwrap().clone())
    }

    async fn probe(&self, probe: &Probe) -> Result<Heard, String> {
        if let Some(reason) = self.edge_api.lock().unwrap().clone() {
            return Err(reason);
        }
        let backend = self.pods.lock().unwrap().get(&probe.pod.to_string()).cloned();
        match backend.as_ref().map(Option::as_deref) {
            None => Err("connection refused".to_owned()),
            Some(Some("remote")) => {
                let host = probe.certificate.facts().key.to_string();
                self.probes
                    .lock()
                    .unwrap()
                    .push((probe.nonce.clone(), Some(host)));
                Ok(Heard::Remote)
            }
            Some(_) => Ok(Heard::Disconnect),
        }
    }
}

/// The admission file is YAML that is also one `key: value` a line.
fn plan_yaml(text: &str) -> serde_json::Value {
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let pairs = text.lines().filter_map(|line| line.split_once(": "));
    pairs
        .map(|(key, value)| (key.to_owned(), serde_json::Value::from(value.trim_matches('"'))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
