//! What is counted and shown at `/metrics`.

use std::{fmt, sync::atomic::AtomicU64};

use jiff::Timestamp;
use plan::{
    Action,
    api::{CertificateStatus, RemoteBackendStatus},
};
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::cluster::Requests;

type Labels<const N: usize> = [(&'static str, String); N];

/// Counters and gauges of the process.
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    rounds: Family<Labels<1>, Counter>,
    actions: Family<Labels<2>, Counter>,
    conditions: Family<Labels<3>, Gauge>,
    phase: Family<Labels<1>, Gauge>,
    expiry: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    last_success: Gauge<f64, AtomicU64>,
    lease_held: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("flotta_companion"),
            requests: Family::default(),
            rounds: Family::default(),
            actions: Family::default(),
            conditions: Family::default(),
            phase: Family::default(),
            expiry: Family::default(),
            last_success: Gauge::default(),
            lease_held: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "condition",
            "Conditions of the RemoteBackend; 1 for the status that each has",
            self.conditions.clone(),
        );
        registry.register(
            "phase",
            "Phase of the RemoteBackend; 1 for the one it is in",
            self.phase.clone(),
        );
        registry.register(
            "actions",
            "Actions, by what came of them: done, stale (somebody changed something meanwhile) or failed",
            self.actions.clone(),
        );
        registry.register(
            "rounds",
            "Looks at the cluster, by what came of them: done or failed",
            self.rounds.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the API server",
            self.requests.clone(),
        );
        registry.register("lease_held", "Whether this process acts", self.lease_held.clone());
        registry.register_with_unit(
            "last_success_timestamp",
            "When the last look at the cluster succeeded, in Unix time",
            Unit::Seconds,
            self.last_success.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "End of validity, in Unix time: of the signing CA (ca), the Edge API's host certificate (host) and the server's (server)",
            Unit::Seconds,
            self.expiry.clone(),
        );
    }

    /// Where requests to the API server are counted.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// A look at the cluster.
    pub fn round(&self, succeeded: bool, now: Timestamp) {
        let result = if succeeded { "done" } else { "failed" };
        self.rounds.get_or_create(&[("result", result.to_owned())]).inc();
        if succeeded {
            self.last_success.set(seconds(now));
        }
    }

    /// An action and what came of it.
    pub fn action(&self, action: &Action, result: &'static str) {
        let labels = [
            ("action", action.name().to_owned()),
            ("result", result.to_owned()),
        ];
        self.actions.get_or_create(&labels).inc();
    }

    /// Whether this process acts.
    pub fn lease_held(&self, held: bool) {
        self.lease_held.set(i64::from(held));
    }

    /// What the resource says.
    pub fn status(&self, status: &RemoteBackendStatus) {
        self.conditions.clear();
        for condition in &status.conditions {
            for value in ["True", "False", "Unknown"] {
                let labels = [
                    ("type", condition.type_.clone()),
                    ("status", value.to_owned()),
                    ("reason", condition.reason.clone()),
                ];
                self.conditions
                    .get_or_create(&labels)
                    .set(i64::from(condition.status == value));
            }
        }
        self.phase.clear();
        self.phase
            .get_or_create(&[("phase", format!("{:?}", status.phase))])
            .set(1);
        self.expiry.clear();
        self.certificate("ca", status.found.ca.as_ref());
        self.certificate("host", status.found.host_certificate.as_ref());
        self.certificate("server", status.served.certificate.as_ref());
    }

    /// There is no resource.
    pub fn no_status(&self) {
        self.conditions.clear();
        self.phase.clear();
        self.expiry.clear();
    }

    fn certificate(&self, name: &str, certificate: Option<&CertificateStatus>) {
        if let Some(until) = certificate.and_then(|certificate| certificate.not_after.parse().ok()) {
            self.expiry
                .get_or_create(&[("certificate", name.to_owned())])
                .set(seconds(until));
        }
    }

    /// In the OpenMetrics text format.
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

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds are exact until the year 285 million"
)]
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_those_that_alerts_use() {
        let metrics = Metrics::default();
        metrics.round(true, "2026-01-01T00:00:00Z".parse().unwrap());
        metrics.action(&Action::CheckRights, "done");
        metrics
            .requests()
            .get_or_create(&[("method", "GET".to_owned())])
            .inc();
        let status: RemoteBackendStatus = serde_json::from_value(json!({
            "phase": "Remote",
            "conditions": [{"type": "Ready", "status": "True", "reason": "AsExpected", "message": "",
                            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "served": {"certificate": {"notAfter": "2026-04-01T00:00:00Z"}},
        }))
        .unwrap();
        metrics.status(&status);
        let text = metrics.encode().unwrap();
        for line in [
            "flotta_companion_condition{type=\"Ready\",status=\"True\",reason=\"AsExpected\"} 1",
            "flotta_companion_condition{type=\"Ready\",status=\"False\",reason=\"AsExpected\"} 0",
            "flotta_companion_phase{phase=\"Remote\"} 1",
            "flotta_companion_actions_total{action=\"CheckRights\",result=\"done\"} 1",
            "flotta_companion_api_requests_total{method=\"GET\"} 1",
            "flotta_companion_last_success_timestamp_seconds 1767225600.0",
            "flotta_companion_certificate_expiry_timestamp_seconds{certificate=\"server\"} 1775001600.0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
