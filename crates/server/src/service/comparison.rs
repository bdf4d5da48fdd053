//! What a companion compares with the backend before this one. Nothing is changed by it, and nobody counts as heard.

use contract::DeviceId;
use fleet::Phase;
use store::Page;

use super::{Asker, Service, ServiceError};

impl Service {
    /// Where each of these devices is in its life, as far as it is known here.
    pub async fn phases(&self, ids: Vec<DeviceId>) -> Result<Vec<(DeviceId, Phase)>, ServiceError> {
        self.0.ruling(Asker::Device)?;
        Ok(self.0.store.phases(ids).await?)
    }

    /// The same of all that are known here, in the order of their ids.
    pub async fn all_phases(&self, page: Page) -> Result<Vec<(DeviceId, Phase)>, ServiceError> {
        self.0.ruling(Asker::Device)?;
        let listed = self.0.store.list(None, page).await?;
        let phases = listed
            .into_iter()
            .map(|device| (device.id, device.life.state.phase()));
        Ok(phases.collect())
    }
}
