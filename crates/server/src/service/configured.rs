//! The configuration of each device, assembled once and kept until something that it follows from
//! has changed.
//!
//! What devices share, the texts of their workloads, is held once, by the catalogue; kept here is
//! what is a device's own. Losing an entry costs one assembly and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use configuration::{Assembly, Holdings, Refusal, Subject};
use contract::{DeviceId, Namespace};
use fleet::{Device, Epoch};
use moka::sync::Cache;
use store::Revision;

use crate::sources::Current;

/// What an entry takes beside the assembly's own bytes and the labels.
const OVERHEAD: usize = 1024;

/// A device's configuration, or why it gets none.
pub(super) type Outcome = Arc<Result<Assembly, Refusal>>;

/// Configurations by device.
pub(super) struct Configurations {
    kept: Cache<DeviceId, Arc<Kept>>,
}

struct Kept {
    /// Of the catalogue.
    revision: Revision,
    namespace: Namespace,
    labels: BTreeMap<String, String>,
    outcome: Outcome,
}

impl Configurations {
    /// Keeps at most so many bytes, estimated; a device's own part is about a kilobyte.
    pub(super) fn new(capacity: usize) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity as u64)
            .weigher(|_: &DeviceId, kept: &Arc<Kept>| kept.weight())
            .build();
        Self { kept }
    }

    /// The configuration of a device by this catalogue.
    pub(super) fn of(&self, device: &Device, epoch: Epoch, current: &Current) -> Outcome {
        let labels = labels(device, current);
        if let Some(kept) = self.kept.get(&device.id).filter(|kept| {
            kept.revision == current.revision
                && kept.namespace == device.life.namespace
                && kept.labels == labels
        }) {
            return Arc::clone(&kept.outcome);
        }
        let assembled = current.catalogue.assemble(&subject(device, &labels, epoch));
        let keeps = match &assembled {
            Ok(assembly) => !assembly.depends_on_reports,
            Err(_) => false,
        };
        let outcome = Arc::new(assembled);
        if keeps {
            let kept = Kept {
                revision: current.revision,
                namespace: device.life.namespace.clone(),
                labels,
                outcome: Arc::clone(&outcome),
            };
            self.kept.insert(device.id.clone(), Arc::new(kept));
        }
        outcome
    }

    /// How many bytes are kept, estimated, and for how many devices.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.kept.weighted_size(), self.kept.entry_count())
    }

    pub(super) fn evict(&self) {
        self.kept.invalidate_all();
    }
}

impl Kept {
    fn weight(&self) -> u32 {
        let labels: usize = self
            .labels
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        let own = match &*self.outcome {
            Ok(assembly) => assembly.own_bytes(),
            Err(_) => 0,
        };
        u32::try_from(OVERHEAD + labels + own).unwrap_or(u32::MAX)
    }
}

/// A device's labels of all origins.
pub(super) fn labels(device: &Device, current: &Current) -> BTreeMap<String, String> {
    device.labels(
        current
            .catalogue
            .manifest_labels(device.life.namespace.as_str(), device.id.as_str()),
    )
}

/// A device as the catalogue asks for it.
pub(super) fn subject<'a>(
    device: &'a Device,
    labels: &'a BTreeMap<String, String>,
    epoch: Epoch,
) -> Subject<'a> {
    Subject {
        id: &device.id,
        namespace: &device.life.namespace,
        labels,
        reported: Box::new(move |workload| device.report.has_reported(workload, epoch)),
    }
}

/// A device as the catalogue asks for it, which may have reported anything.
fn any_subject<'a>(device: &'a Device, labels: &'a BTreeMap<String, String>) -> Subject<'a> {
    Subject {
        id: &device.id,
        namespace: &device.life.namespace,
        labels,
        reported: Box::new(|_| true),
    }
}

/// What a device has by this catalogue: the workloads that are selected for it, with their parts.
/// One of which nobody can say whom it selects is not taken from whoever has it.
pub(crate) fn holdings(device: &Device, current: &Current) -> Holdings {
    let labels = labels(device, current);
    current.catalogue.holdings(&any_subject(device, &labels))
}

/// What a device that was configured by this catalogue has: the same, but of workloads of which
/// nobody can say whom they select, those that it reported, or may have.
pub(super) fn had(device: &Device, current: &Current, epoch: Epoch) -> Holdings {
    let labels = labels(device, current);
    current.catalogue.holdings(&subject(device, &labels, epoch))
}

/// The names of the workloads that are selected for a device.
pub(super) fn selected(device: &Device, current: &Current) -> BTreeSet<String> {
    let labels = labels(device, current);
    // What the device reported does not matter for that.
    current.catalogue.selected(&any_subject(device, &labels))
}
