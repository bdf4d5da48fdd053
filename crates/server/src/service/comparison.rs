//! What a companion compares with the backend before this one. Nothing is changed by it, and nobody
//! counts as heard.

use contract::DeviceId;
use fleet::Phase;
use store::{Listing, Page};

use super::{Asker, Service, ServiceError};

impl Service {
    /// Where each of these devices is in its life, as far as it is known here; `None` for one that
    /// cannot be read.
    pub async fn phases(&self, ids: Vec<DeviceId>) -> Result<Vec<(DeviceId, Option<Phase>)>, ServiceError> {
        self.0.ruling(Asker::Device)?;
        let phases = self.0.store.phases(ids).await?.into_iter();
        Ok(phases.map(|(id, phase)| (id, phase.ok())).collect())
    }

    /// The same of all that are known here, in the order of their ids, and after which there may be
    /// more. An id is told as it is stored, and that of a device that cannot be read may be none.
    pub async fn all_phases(
        &self,
        page: Page,
    ) -> Result<(Vec<(String, Option<Phase>)>, Option<String>), ServiceError> {
        self.0.ruling(Asker::Device)?;
        let Listing { devices, next } = self.0.store.list(None, page).await?;
        let phases = devices.into_iter().map(|entry| match entry {
            Ok(device) => (device.id.to_string(), Some(device.life.state.phase())),
            Err(unreadable) => (unreadable.id, None),
        });
        Ok((phases.collect(), next))
    }
}
