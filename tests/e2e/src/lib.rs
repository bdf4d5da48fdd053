//! A stage for end-to-end tests: the server on a store, the real Edge API in front of it, devices
//! that come and go.
//!
//! One control plane and one PostgreSQL are shared by the tests of a binary that run at the same
//! time; each test has a server, an Edge API and a database of its own, so no test sees another's
//! fleet or settings. All Edge APIs share the CA, which Flotta keeps in one fixed namespace.

pub mod ledger;
pub mod traffic;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use testkit::caller::{Caller, Connections};
use testkit::control_plane::ControlPlane;
use testkit::device::{Device, Provisioning, hardware};
use testkit::edge_api::{EdgeApi, Flotta};
use testkit::pki::{Identity, write_server_folder};
use testkit::postgres::Postgres;
use testkit::server::{Server, Settings};
use tokio::sync::Mutex;

/// Which store the server keeps its fleet in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// A file of its own.
    Sqlite,
    /// A database of its own on the shared PostgreSQL.
    Postgres,
}

/// Runs one test function `async fn(Store) -> anyhow::Result<()>` as two tests, one per store.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> anyhow::Result<()> {
                super::$name($crate::Store::Sqlite).await
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> anyhow::Result<()> {
                super::$name($crate::Store::Postgres).await
            })+
        }
    };
}

/// What all tests of a binary have in common. It ends with the last test that holds it.
#[derive(Debug)]
pub struct Common {
    /// The Kubernetes API that the Edge APIs keep their Secrets in.
    pub control_plane: ControlPlane,
    /// Flotta's CA and host certificate.
    pub flotta: Flotta,
    /// The shared PostgreSQL.
    pub postgres: Postgres,
}

impl Common {
    /// The one that runs, or a new one.
    pub async fn get() -> Result<Arc<Self>> {
        static RUNNING: Mutex<Weak<Common>> = Mutex::const_new(Weak::new());
        let mut running = RUNNING.lock().await;
        if let Some(common) = running.upgrade() {
            return Ok(common);
        }
        let control_plane = ControlPlane::start().await?;
        let flotta = Flotta::prepare(&control_plane).await?;
        let common = Arc::new(Self {
            control_plane,
            flotta,
            postgres: Postgres::start().await?,
        });
        *running = Arc::downgrade(&common);
        Ok(common)
    }
}

/// A server with an Edge API in front of it.
#[derive(Debug)]
pub struct Stage {
    // Dropped in order: the caller before the called, the folder last.
    /// Flotta's Edge API, calling the server over mutual TLS.
    pub edge_api: EdgeApi,
    /// The server under test.
    pub server: Server,
    /// What is shared with other tests.
    pub common: Arc<Common>,
    /// What a new device is provisioned with.
    pub provisioning: Provisioning,
    folder: TempDir,
}

impl Stage {
    /// With the server's defaults: automatic approval among them.
    pub async fn new(store: Store) -> Result<Self> {
        Self::with(store, |settings| settings).await
    }

    /// With other settings, for instance `|settings| settings.flags(["--approval", "manual"])`.
    pub async fn with(store: Store, change: impl FnOnce(Settings) -> Settings) -> Result<Self> {
        let common = Common::get().await?;
        let folder = tempfile::Builder::new().prefix("flotta-stage-").tempdir()?;
        let tls = folder.path().join("tls");
        let certificate = common.flotta.backend_certificate()?;
        write_server_folder(
            &tls,
            &certificate,
            &common.flotta.ca_pem,
            &[common.flotta.host_pin()],
        )?;

        let mut settings = Settings::new(folder.path()).tls(&tls);
        if store == Store::Postgres {
            settings = settings.store(common.postgres.create_database()?);
        }
        let server = Server::start(change(settings)).await?;
        let ca = common.flotta.ca_pem.as_str();
        let edge_api = EdgeApi::start(&common.control_plane, &server.backend_url(), Some(ca)).await?;
        let provisioning = edge_api.provisioning(&common.flotta).await?;
        Ok(Self {
            edge_api,
            server,
            common,
            provisioning,
            folder,
        })
    }

    /// The folder with `tls/` in it, where the server reads its material.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A new device, provisioned for this Edge API.
    pub fn device(&self, id: &str) -> Device {
        Device::new(id, self.provisioning.clone())
    }

    /// A device that has come through enrolment and registration and has polled once.
    pub async fn member(&self, id: &str, namespace: Option<&str>) -> Result<Device> {
        let mut device = self.device(id);
        join(&mut device, namespace).await?;
        Ok(device)
    }

    /// Calls the server as the Edge API does, with its host certificate, and without the Edge API
    /// in between.
    pub fn caller(&self, connections: Connections) -> Result<Caller> {
        self.caller_as(&self.common.flotta.host, connections)
    }

    /// Calls the server as the holder of another certificate.
    pub fn caller_as(&self, identity: &Identity, connections: Connections) -> Result<Caller> {
        let roots = self.common.flotta.authority.roots()?;
        Caller::mutual(self.server.device_plane(), roots, identity, connections)
    }

    /// A sample of the server's metrics by its full name with labels; 0 while it is not there.
    pub async fn metric(&self, sample: &str) -> Result<f64> {
        let text = self.server.ops("/metrics").await?.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        Ok(value.map_or(Ok(0.0), str::parse)?)
    }

    /// The server's status document.
    pub async fn status(&self) -> Result<Value> {
        self.server.ops("/status").await?.json()
    }

    /// What the store holds of a device.
    pub fn show(&self, id: &str) -> Result<Held> {
        self.server.show(id).map(Held)
    }

    /// The ids of all devices that the store knows, in whatever state.
    pub fn ids(&self) -> Result<BTreeSet<String>> {
        let list = self.act(&["list"])?;
        let devices = list.as_array().context("`device list` prints a list")?;
        let id = |device: &Value| device["id"].as_str().map(str::to_owned);
        devices
            .iter()
            .map(|device| id(device).context("a device has an id"))
            .collect()
    }

    /// An act of an administrator: the words after `edge-config-server device`.
    pub fn act(&self, words: &[&str]) -> Result<Value> {
        self.server.device(words)
    }
}

/// Enrols (with automatic approval), registers and polls, expecting each answer as a device gets
/// it.
pub async fn join(device: &mut Device, namespace: Option<&str>) -> Result<()> {
    let hardware = hardware(device.id());
    let expect = |step: &str, status: u16, expected: u16| {
        anyhow::ensure!(
            status == expected,
            "{step} was answered {status} instead of {expected}"
        );
        Ok(())
    };
    expect(
        "the first enrolment",
        device.enrol(&hardware, namespace).await?.status,
        200,
    )?;
    expect(
        "the second enrolment",
        device.enrol(&hardware, namespace).await?.status,
        208,
    )?;
    expect("the registration", device.register(&hardware).await?.status, 200)?;
    expect("the data poll", device.poll_data().await?.status, 200)
}

/// A device as `device show` prints it.
#[derive(Debug, Clone)]
pub struct Held(pub Value);

impl Held {
    /// What a JSON pointer leads to; `null` when there is nothing.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// `waiting`, `rejected`, `approved` or `deleted`.
    pub fn phase(&self) -> &str {
        self.at("/state/phase").as_str().unwrap_or_default()
    }

    /// Where it lives, asked to be, or was.
    pub fn namespace(&self) -> &str {
        self.at("/namespace").as_str().unwrap_or_default()
    }

    /// Fingerprints of the keys that may register, oldest first.
    pub fn keys(&self) -> Vec<String> {
        let keys = self
            .at("/registration/keys")
            .as_array()
            .cloned()
            .unwrap_or_default();
        keys.iter()
            .filter_map(|key| key["fingerprint"].as_str().map(str::to_owned))
            .collect()
    }

    /// The event with this reason, if it happened. An error when several kinds share it: then a
    /// test must look closer.
    pub fn event(&self, reason: &str) -> Result<Option<Value>> {
        let events = self
            .at("/events")
            .as_array()
            .context("a device has a list of events")?;
        let mut found = events.iter().filter(|event| event["reason"] == reason);
        let event = found.next().cloned();
        anyhow::ensure!(
            found.next().is_none(),
            "several kinds of events with the reason {reason}: {events:#?}"
        );
        Ok(event)
    }

    /// How often an event with this reason happened; 0 when never.
    pub fn count(&self, reason: &str) -> Result<u64> {
        Ok(self
            .event(reason)?
            .and_then(|event| event["count"].as_u64())
            .unwrap_or(0))
    }

    /// The names of the conditions that hold.
    pub fn conditions(&self) -> Vec<&str> {
        let conditions = self
            .at("/conditions")
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        conditions
            .iter()
            .filter_map(|condition| condition["type"].as_str())
            .collect()
    }
}
