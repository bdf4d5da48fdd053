//! The calls over the network: crate `calls`, with a time for each. What crosses from its types to
//! those of the plan does so here.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use calls::{
    Admission, BackendCall, Comparison, EdgeProbe, Heard as HeardThere, Listing, Nonce, call_as_edge_api,
    probe_edge_api,
};
use plan::{
    names::{EDGE_API_PORT, SERVER_OPS_PORT},
    observed::ServerReport,
};
use tokio::time::Instant;

use super::{Backend, Calls, Heard, Phases, Probe};

/// A pod of our server answers for itself within this time.
const REPORT: Duration = Duration::from_secs(3);

/// The backend answers within this time. The Edge API itself would wait for ever.
const CALL: Duration = Duration::from_secs(8);

/// A pod of the Edge API, and the backend behind it, answer within this time.
const PROBE: Duration = Duration::from_secs(12);

/// All devices of a large fleet are compared within this time.
const DEVICES: Duration = Duration::from_secs(25);

/// Calls over the network.
#[derive(Clone, Copy, Debug)]
pub struct Network;

#[async_trait]
impl Calls for Network {
    async fn server_report(&self, pod: IpAddr) -> Result<ServerReport, String> {
        let pod = SocketAddr::from((pod, SERVER_OPS_PORT));
        let report = calls::server_report(pod, Instant::now() + REPORT)
            .await
            .map_err(say)?;
        Ok(Reported(report).into())
    }

    async fn probes_seen(&self, pod: IpAddr, nonce: &str) -> Result<Vec<Option<String>>, String> {
        let pod = SocketAddr::from((pod, SERVER_OPS_PORT));
        let nonce = Nonce::new(nonce).map_err(say)?;
        let seen = calls::probes_seen(pod, &nonce, Instant::now() + REPORT)
            .await
            .map_err(say)?;
        let keys = seen.iter().map(|probe| probe.from.map(|key| key.to_string()));
        Ok(keys.collect())
    }

    async fn call_backend(&self, backend: &Backend, nonce: &str) -> Result<(), String> {
        let nonce = Nonce::new(nonce).map_err(say)?;
        call_as_edge_api(&as_call(backend), &nonce, Instant::now() + CALL)
            .await
            .map_err(say)?;
        Ok(())
    }

    async fn compare(&self, backend: &Backend, ids: &[String]) -> Result<Phases, String> {
        let mut compared = Comparison::default();
        let ids = ids.iter().map(String::as_str);
        calls::compare(&as_call(backend), ids, &mut compared, Instant::now() + DEVICES)
            .await
            .map_err(say)?;
        Ok(compared.devices)
    }

    async fn list(&self, backend: &Backend) -> Result<Phases, String> {
        let mut listed = Listing::default();
        calls::list(&as_call(backend), &mut listed, Instant::now() + DEVICES)
            .await
            .map_err(say)?;
        Ok(listed.devices)
    }

    async fn probe(&self, probe: &Probe) -> Result<Heard, String> {
        let nonce = Nonce::new(probe.nonce.clone()).map_err(say)?;
        let call = EdgeProbe {
            pod: SocketAddr::from((probe.pod, EDGE_API_PORT)),
            server_name: &probe.server_name,
            intended: &probe.certificate,
            identity: &probe.identity,
            nonce: &nonce,
        };
        let answer = probe_edge_api(&call, Instant::now() + PROBE).await.map_err(say)?;
        heard(answer.heard)
    }
}

fn as_call(backend: &Backend) -> BackendCall<'_> {
    BackendCall {
        url: &backend.url,
        identity: &backend.identity,
        roots: &backend.roots,
    }
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What only a working backend lets a device hear; anything else as a sentence.
fn heard(heard: HeardThere) -> Result<Heard, String> {
    const SEE: &str = "the Edge API's backend cannot be reached or fails, see its log";
    match heard {
        HeardThere::Nothing => Ok(Heard::Remote),
        HeardThere::Disconnect => Ok(Heard::Disconnect),
        HeardThere::Other { status, words } if words.is_empty() => {
            Err(format!("a device hears {status}; {SEE}"))
        }
        HeardThere::Other { status, words } => Err(format!("a device hears {status} ({words}); {SEE}")),
        HeardThere::ClosedWithoutAnswer => Err(
            "the connection of a device is closed without an answer; the Edge API has no \
                                                backend, its BACKEND or REMOTE_BACKEND_URL is none it can use"
                .to_owned(),
        ),
    }
}

/// A report as crate `calls` has read it.
struct Reported(calls::ServerReport);

impl From<Reported> for ServerReport {
    fn from(Reported(report): Reported) -> Self {
        let (loaded, material_faults) = report.tls.map(|tls| (tls.loaded, tls.faults)).unwrap_or_default();
        let hexadecimal = |print: &pki::Fingerprint| print.to_string();
        Self {
            not_ready_because: report.not_ready_because,
            switch_waits_for: report.switch_waits_for,
            faulty_sources: report.manifests.unwrap_or_default().faulty_sources,
            unconfirmed_sources: report.manifests.unwrap_or_default().unconfirmed_sources,
            store_not_writable: report.store_not_writable,
            insecure_http: report.insecure_http,
            certificate: loaded.as_ref().map(|loaded| hexadecimal(&loaded.certificate)),
            client_cas: loaded
                .iter()
                .flat_map(|loaded| &loaded.authorities)
                .map(hexadecimal)
                .collect(),
            pins: loaded
                .iter()
                .flat_map(|loaded| &loaded.pins)
                .map(hexadecimal)
                .collect(),
            material_faults,
            store_id: report.store.map(|store| store.id),
            admission: report
                .admission
                .as_ref()
                .and_then(|admission| admission.admission)
                .map(|admission| {
                    match admission {
                        Admission::Open => "Open",
                        Admission::Hold => "Hold",
                        Admission::Closed => "Closed",
                    }
                    .to_owned()
                }),
            admission_store_id: report.admission.and_then(|admission| admission.store_id),
            probes: report
                .probes
                .into_iter()
                .map(|probe| (probe.nonce, probe.from.as_ref().map(hexadecimal)))
                .collect(),
        }
    }
}
