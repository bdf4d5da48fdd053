//! How far workloads have reached the devices: which should run each, which do, which are behind
//! and why.
//!
//! Computed when it is asked for, from what is kept of every approved device.

use std::collections::BTreeMap;

use contract::DeviceId;
use fleet::{Device, Origin, Phase, RecordedEvent, Severity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Page, StoreError};

use super::{Inner, Service, ServiceError, configured::selected};
use crate::sources::Current;

/// The state in which podman reports a pod that runs.
const RUNNING: &str = "Running";

/// The reason of the agent's event for a start that failed.
const FAILED: &str = "Failed";

/// Devices that are read at a time.
const PAGE: usize = 500;

/// A workload with its devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it, one sentence each.
    pub faults: Vec<String>,
    /// Devices that should run it.
    pub wanted: usize,
    /// Those of them that report it as running.
    pub running: usize,
    /// Those of them that do not have the configuration yet that they should have.
    pub behind: usize,
    /// Those of them by the state that they report; the empty state is that of devices that do not
    /// report it.
    pub phases: BTreeMap<String, usize>,
    /// The devices that should run it.
    #[serde(default)]
    pub devices: Vec<WorkloadDevice>,
}

/// A device that should run a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadDevice {
    /// The device.
    pub id: DeviceId,
    /// The state that it reports; empty if it does not report it.
    pub phase: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Whether it has the configuration that it should have.
    pub current: bool,
    /// Where it does not run: what the device said last about it, or while it did not have its
    /// configuration.
    pub message: Option<String>,
}

impl WorkloadView {
    fn count(&mut self, device: &Device, current: bool, listed: bool) {
        let report = device.report.workloads.get(&self.name);
        let delivery = &device.life.delivery;
        let phase = report.map(|report| report.status.clone()).unwrap_or_default();
        self.wanted += 1;
        self.running += usize::from(phase == RUNNING);
        self.behind += usize::from(!current);
        *self.phases.entry(phase.clone()).or_default() += 1;
        if listed {
            self.devices.push(WorkloadDevice {
                id: device.id.clone(),
                phase,
                since: report.and_then(|report| report.changed),
                current,
                message: delivery
                    .meanwhile
                    .as_ref()
                    .map(|meanwhile| meanwhile.message.clone()),
            });
        }
    }
}

impl Service {
    /// All workloads, without their devices.
    pub async fn workloads(&self) -> Result<Vec<WorkloadView>, ServiceError> {
        let current = self.0.documents.catalogue()?;
        let mut views: BTreeMap<(String, String), WorkloadView> = current
            .catalogue
            .workloads()
            .map(|(namespace, name)| {
                let view = begin(&current, namespace, name);
                ((namespace.to_owned(), name.to_owned()), view)
            })
            .collect();
        self.each_approved(|device| {
            let namespace = device.life.namespace.to_string();
            let names = selected(device, &current);
            let is_current = !names.is_empty() && self.0.is_current(device, &current);
            for name in names {
                if let Some(view) = views.get_mut(&(namespace.clone(), name)) {
                    view.count(device, is_current, false);
                }
            }
        })
        .await?;
        Ok(views.into_values().collect())
    }

    /// One workload with its devices; `None` if there is no such workload.
    pub async fn workload(&self, namespace: &str, name: &str) -> Result<Option<WorkloadView>, ServiceError> {
        let current = self.0.documents.catalogue()?;
        if !current
            .catalogue
            .workloads()
            .any(|known| known == (namespace, name))
        {
            return Ok(None);
        }
        let mut view = begin(&current, namespace, name);
        self.each_approved(|device| {
            if device.life.namespace.as_str() == namespace && selected(device, &current).contains(name) {
                view.count(device, self.0.is_current(device, &current), true);
            }
        })
        .await?;
        for device in view.devices.iter_mut().filter(|device| device.phase != RUNNING) {
            let events = self.0.store.events(&device.id).await?;
            if let Some(message) = complaint(&events, name) {
                device.message = Some(message);
            }
        }
        Ok(Some(view))
    }

    async fn each_approved(&self, mut visit: impl FnMut(&Device) + Send) -> Result<(), ServiceError> {
        let mut page = Page {
            after: None,
            limit: PAGE,
        };
        loop {
            let listing = self.0.store.list(Some(Phase::Approved), page.clone()).await?;
            for device in listing.devices.iter().flatten() {
                match self.0.store.load(&device.id).await {
                    Ok(Some(stored)) => visit(&stored.device),
                    // The device's own error, told where it is listed.
                    Ok(None) | Err(StoreError::Corrupt { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let Some(next) = listing.next else {
                return Ok(());
            };
            page.after = Some(next);
        }
    }
}

impl Inner {
    /// Whether a device has the configuration that it should have now, be it that it has not asked
    /// for it yet.
    fn is_current(&self, device: &Device, current: &Current) -> bool {
        let delivery = &device.life.delivery;
        let outcome = self
            .configurations
            .of(device, self.store.identity().epoch, current);
        let wanted = delivery.wanted.as_ref().map(|wanted| wanted.version.as_str());
        match &*outcome {
            Ok(assembly) => delivery.applied_by().is_some() && wanted == Some(assembly.version.as_str()),
            Err(_) => false,
        }
    }
}

/// The latest warning of a device that names a workload; else that of its latest failed start,
/// whichever it was (`{type: warn, reason: Failed}` of the agent).
fn complaint(events: &[RecordedEvent], workload: &str) -> Option<String> {
    let mut warnings = events
        .iter()
        .filter(|event| event.origin == Origin::Device && event.severity == Severity::Warning);
    let names_it = warnings.clone().find(|event| event.message.contains(workload));
    names_it
        .or_else(|| warnings.find(|event| event.reason == FAILED))
        .map(|event| event.message.clone())
}

fn begin(current: &Current, namespace: &str, name: &str) -> WorkloadView {
    let about = |fault: &&configuration::Fault| {
        fault.object.kind == manifests::Kind::EdgeWorkload
            && fault.object.namespace == namespace
            && fault.object.name == name
    };
    WorkloadView {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        faults: current
            .catalogue
            .faults()
            .iter()
            .filter(about)
            .map(|fault| fault.message.clone())
            .collect(),
        ..WorkloadView::default()
    }
}
