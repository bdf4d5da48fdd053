//! What is counted of configurations and the manifests that they follow from.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::OwnedLabels;
use crate::sources::Current;

/// Counters and gauges of configurations.
#[derive(Default)]
pub(super) struct Configured {
    objects: Family<OwnedLabels, Gauge>,
    faults: Gauge,
    unreadable: Gauge,
    revision: Gauge,
    sources: Family<OwnedLabels, Gauge>,
    refusals: Family<OwnedLabels, Counter>,
    kept_bytes: Gauge,
    shared_bytes: Gauge,
    kept: Gauge,
}

impl Configured {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "objects",
            "Objects that devices are configured by, by kind",
            self.objects.clone(),
        );
        registry.register(
            "object_faults",
            "Faults in these objects: something that they refer to is missing or wrong",
            self.faults.clone(),
        );
        registry.register(
            "unreadable_secrets",
            "Secrets and last good forms of workloads in the store that cannot be decrypted",
            self.unreadable.clone(),
        );
        registry.register(
            "documents_revision",
            "Position of the last change of these objects, in microseconds of Unix time; 0 for none",
            self.revision.clone(),
        );
        registry.register(
            "source_current",
            "0 while what a source of manifests holds is not what devices are configured by",
            self.sources.clone(),
        );
        registry.register(
            "configuration_refusals",
            "Polls that were answered with an error, so that the device keeps what it has, by reason",
            self.refusals.clone(),
        );
        registry.register(
            "configurations_kept_bytes",
            "Bytes of configurations kept by device, estimated, beside what devices share",
            self.kept_bytes.clone(),
        );
        registry.register(
            "workloads_shared_bytes",
            "Bytes of workloads as they go to devices, each held once for all of them",
            self.shared_bytes.clone(),
        );
        registry.register(
            "configurations_kept",
            "Devices whose configuration is kept",
            self.kept.clone(),
        );
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl super::Metrics {
    /// Devices are configured by these objects.
    pub(crate) fn documents(&self, current: &Current) {
        let metrics = &self.configured;
        for kind in manifests::Kind::ALL {
            let count = current.objects().filter(|object| object.key.kind == kind).count();
            metrics
                .objects
                .get_or_create(&vec![("kind", kind.as_str().to_owned())])
                .set(number(count));
        }
        metrics.faults.set(number(current.catalogue.faults().len()));
        metrics.shared_bytes.set(number(current.catalogue.shared_bytes()));
        metrics.unreadable.set(number(current.unreadable.len()));
        metrics.revision.set(current.revision.0);
    }

    /// Whether what a source holds now was taken over.
    pub(crate) fn source(&self, name: &str, current: bool) {
        self.configured
            .sources
            .get_or_create(&vec![("source", name.to_owned())])
            .set(i64::from(current));
    }

    /// A device's poll was answered with an error.
    pub(crate) fn unconfigured(&self, reason: &str) {
        self.configured
            .refusals
            .get_or_create(&vec![("reason", reason.to_owned())])
            .inc();
    }

    /// How much is kept by device, at a scrape.
    pub fn configurations_kept(&self, bytes: u64, devices: u64) {
        self.configured
            .kept_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.configured
            .kept
            .set(i64::try_from(devices).unwrap_or(i64::MAX));
    }
}
