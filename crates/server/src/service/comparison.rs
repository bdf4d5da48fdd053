//! What a companion compares with the backend before this one. Nothing is changed by it, and nobody counts as heard.

use contract::DeviceId;
use fleet::Phase;
use store::Page;

use super::{Asker, Service, ServiceError};

impl Service {
    /// Where each of these devices is in its life, as far as it is known here; `None` for one that cannot be read.
    pub async fn phases(&self, ids: Vec<DeviceId>) -> Result<Vec<(DeviceId, Option<Phase>)>, ServiceError> {
        self.0.ruling(Asker::Device)?;
        let phases = self.0.store.phases(ids).await?.into_iter();
        Ok(phases.map(|(id, phase)| (id, phase.ok())).collect())
    }

    /// The same of all that are known here, in the order of their ids.
    pub async fn all_phases(&self, page: Page) -> Result<Vec<(String, Option<Phase>)>, ServiceError> {
        self.0.ruling(Asker::Device)?;
        let listed = self.0.store.list(None, page).await?;
        let phases = listed.into_iter().map(|entry| {
            let id = store::cursor(&entry).to_owned();
            (id, entry.ok().map(|device| device.life.state.phase()))
        });
        Ok(phases.collect())
    }
}
