//! What is counted. Nothing is labelled by device: a fleet is too large for it, and `/status` and
//! the store tell more.

mod configured;

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use fleet::Admission;
use prometheus_client::{
    encoding::text,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use store::Census;

use crate::tls::Material;

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// A label whose values are short texts made at run time.
type OwnedLabels = Vec<(&'static str, String)>;

/// Counters and gauges of the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<OwnedLabels, Counter>,
    request_duration: Family<Labels<1>, Histogram, fn() -> Histogram>,
    commit_duration: Histogram,
    queue_depth: Gauge,
    writable: Gauge,
    store_damage: Gauge,
    devices: Family<Labels<1>, Gauge>,
    connectivity: Family<Labels<1>, Gauge>,
    strays: Gauge,
    tombstones: Gauge,
    handshakes: Family<Labels<1>, Counter>,
    connections: Family<Labels<1>, Gauge>,
    limits: Family<Labels<2>, Counter>,
    panics: Family<Labels<1>, Counter>,
    expiry: Family<OwnedLabels, Gauge<f64, AtomicU64>>,
    reloads: Counter,
    reload_failures: Counter,
    material_current: Gauge,
    admission: Family<Labels<1>, Gauge>,
    admission_current: Gauge,
    put_off: Family<Labels<2>, Counter>,
    configured: configured::Configured,
}

fn latency() -> Histogram {
    // 0.25 ms to 2 s.
    Histogram::new(exponential_buckets(0.000_25, 2.0, 14))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("edge_config"),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(latency),
            commit_duration: latency(),
            queue_depth: Gauge::default(),
            writable: Gauge::default(),
            store_damage: Gauge::default(),
            devices: Family::default(),
            connectivity: Family::default(),
            strays: Gauge::default(),
            tombstones: Gauge::default(),
            handshakes: Family::default(),
            connections: Family::default(),
            limits: Family::default(),
            panics: Family::default(),
            expiry: Family::default(),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            material_current: Gauge::default(),
            admission: Family::default(),
            admission_current: Gauge::default(),
            put_off: Family::default(),
            configured: configured::Configured::default(),
        };
        metrics.material_current.set(1);
        metrics.writable.set(1);
        // What holds without an admission file.
        metrics.admission(Some(Admission::Open));
        metrics.register();
        metrics.register_store();
        metrics
    }
}

impl Metrics {
    fn register_store(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "store_commit_duration",
            "Time until a write was durable",
            Unit::Seconds,
            self.commit_duration.clone(),
        );
        registry.register(
            "store_queue_depth",
            "Writes that wait for a commit",
            self.queue_depth.clone(),
        );
        registry.register(
            "store_writable",
            "0 while the store cannot be written, though devices may be answered",
            self.writable.clone(),
        );
        registry.register(
            "store_damage",
            "Rows and tables of the store that were found damaged at the last look through all of it",
            self.store_damage.clone(),
        );
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Answers by operation and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            self.request_duration.clone(),
        );
        registry.register("devices", "Devices by phase", self.devices.clone());
        registry.register(
            "approved_devices",
            "Approved devices by connectivity",
            self.connectivity.clone(),
        );
        registry.register(
            "strays",
            "Ids heard that are no approved device",
            self.strays.clone(),
        );
        registry.register(
            "unconfirmed_tombstones",
            "Deleted devices of an earlier epoch of the store that wait for an administrator",
            self.tombstones.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes by outcome",
            self.handshakes.clone(),
        );
        registry.register(
            "connections",
            "Open connections by plane",
            self.connections.clone(),
        );
        registry.register(
            "limit_hits",
            "Times that a limit was met, by plane and limit",
            self.limits.clone(),
        );
        registry.register(
            "panics",
            "Requests that failed by a defect of this program",
            self.panics.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "End of validity, in Unix time, of each certificate in use, by kind",
            self.expiry.clone(),
        );
        registry.register(
            "material_reloads",
            "Sets of TLS material that were loaded",
            self.reloads.clone(),
        );
        registry.register(
            "material_reload_failures",
            "Sets of TLS material that were refused",
            self.reload_failures.clone(),
        );
        registry.register(
            "material_current",
            "0 while the files of TLS material are not what is served with, or only in part",
            self.material_current.clone(),
        );
        registry.register(
            "admission",
            "1 for whom the fleet takes in now, 0 for the others; all 0 until the admission file is there",
            self.admission.clone(),
        );
        registry.register(
            "admission_current",
            "0 while the admission file is not what is acted upon",
            self.admission_current.clone(),
        );
        registry.register(
            "admission_refusals",
            "Requests that the admission file put off, by operation and reason",
            self.put_off.clone(),
        );
        self.configured.register(registry);
    }

    /// A request was answered.
    pub fn request(&self, operation: &'static str, status: u16, elapsed: Duration) {
        let labels = vec![
            ("operation", operation.to_owned()),
            ("status", status.to_string()),
        ];
        self.requests.get_or_create(&labels).inc();
        self.request_duration
            .get_or_create(&[("operation", operation)])
            .observe(elapsed.as_secs_f64());
    }

    /// A write became durable.
    pub fn store_commit(&self, elapsed: Duration) {
        self.commit_duration.observe(elapsed.as_secs_f64());
    }

    /// How many writes wait, at a scrape.
    pub fn store_queue(&self, depth: usize) {
        self.queue_depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Whether the store can be written, at a scrape.
    pub fn store_writable(&self, writable: bool) {
        self.writable.set(i64::from(writable));
    }

    /// What was found damaged in the store.
    pub fn store_damage(&self, number: usize) {
        self.store_damage.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// How much of the store was found damaged at the last look.
    pub(crate) fn damaged(&self) -> i64 {
        self.store_damage.get()
    }

    /// How many devices there are, at a scrape.
    pub fn census(&self, census: &Census) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (phase, count) in &census.phases {
            self.devices
                .get_or_create(&[("phase", phase.as_str())])
                .set(number(*count));
        }
        for (connectivity, count) in &census.connectivity {
            let labels = [("connectivity", connectivity.as_str())];
            self.connectivity.get_or_create(&labels).set(number(*count));
        }
        self.strays.set(number(census.strays));
        self.tombstones.set(number(census.tombstones_of_earlier_epochs));
    }

    pub(crate) fn connection(&self, plane: &'static str) -> impl Drop + Send + use<> {
        struct Open(Gauge);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        let gauge = self.connections.get_or_create_owned(&[("plane", plane)]);
        gauge.inc();
        Open(gauge)
    }

    pub(crate) fn handshake(&self, outcome: &'static str) {
        self.handshakes.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(crate) fn limit_hit(&self, plane: &'static str, limit: &'static str) {
        self.limits
            .get_or_create(&[("plane", plane), ("limit", limit)])
            .inc();
    }

    pub(crate) fn panicked(&self, plane: &'static str) {
        self.panics.get_or_create(&[("plane", plane)]).inc();
    }

    pub(crate) fn material_loaded(&self, material: &Material) {
        self.reloads.inc();
        self.material_current.set(i64::from(material.faults().is_empty()));
        self.expiry.clear();
        let authorities = material.authorities().map(|ca| ("ca", ca));
        for (kind, certificate) in std::iter::once(("server", material.server())).chain(authorities) {
            // Sixteen digits tell the few certificates of a bundle apart.
            let fingerprint = certificate.fingerprint.to_string()[..16].to_owned();
            let labels = vec![("kind", kind.to_owned()), ("fingerprint", fingerprint)];
            self.expiry
                .get_or_create(&labels)
                .set(certificate.not_after.as_duration().as_secs_f64());
        }
    }

    pub(crate) fn material_refused(&self) {
        self.reload_failures.inc();
        self.material_current.set(0);
    }

    /// Whom the fleet takes in now; `None` before that is known.
    pub(crate) fn admission(&self, now: Option<Admission>) {
        for admission in Admission::ALL {
            self.admission
                .get_or_create(&[("admission", admission.as_str())])
                .set(i64::from(now == Some(admission)));
        }
        self.admission_current.set(i64::from(now.is_some()));
    }

    pub(crate) fn admission_refused(&self) {
        self.admission_current.set(0);
    }

    pub(crate) fn put_off(&self, operation: &'static str, because: &'static str) {
        self.put_off
            .get_or_create(&[("operation", operation), ("because", because)])
            .inc();
    }

    /// All of it, in the OpenMetrics text form that Prometheus reads.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
