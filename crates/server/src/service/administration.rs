//! What an administrator asks of the fleet. The admin API and the admin socket both call these.

use contract::DeviceId;
use fleet::{
    Phase, Verdict, Watch,
    administration::{self, Act, ActError},
};
use store::{Census, Page, StoreError};

use super::{Asker, DeviceView, ListedView, Service, ServiceError, StrayView};
use crate::admission::Ruling;

impl Service {
    /// Carries out an act and shows the device as it is afterwards.
    pub async fn act(&self, id: DeviceId, act: Act, by: String) -> Result<DeviceView, ServiceError> {
        let stored = self.0.store.stray(&id).await?;
        let stray = match (stored, self.0.pending.pending_stray(&id)) {
            (Some(stored), Some(pending)) => Some(stored.join(pending)),
            (stored, pending) => stored.or(pending),
        };
        let name = id.clone();
        let phase = self
            .decide_for(Asker::Administrator, id.clone(), move |device, context| {
                let change = administration::act(&name, device, stray.as_ref(), &act, &by, context)?;
                let phase = change.life.as_ref().map(|life| life.state.phase());
                Ok(Verdict {
                    answer: phase,
                    change,
                })
            })
            .await?;
        if phase == Some(Phase::Approved) {
            self.0.pending.settle(&id);
        }
        self.show(id).await
    }

    /// One device with its events.
    pub async fn show(&self, id: DeviceId) -> Result<DeviceView, ServiceError> {
        let (device, revision) = self
            .snapshot(&id)
            .await?
            .ok_or(ActError::NoSuchDevice(id.clone()))?;
        let events = self.0.store.events(&id).await?;
        let ruling = self.0.ruling(Asker::Administrator)?;
        let (labels, configuration) = self.inspected(&device);
        Ok(DeviceView::new(
            &device,
            revision,
            events,
            labels,
            configuration,
            &self.0.context(&ruling),
        ))
    }

    /// Devices in the order of their ids.
    pub async fn list(&self, phase: Option<Phase>, page: Page) -> Result<Vec<ListedView>, ServiceError> {
        let mut listed = self.0.store.list(phase, page).await?;
        for device in &mut listed {
            if let Some(pending) = self.0.pending.presence(&device.id) {
                device.presence = device.presence.join(pending);
            }
        }
        let ruling = self.0.ruling(Asker::Administrator)?;
        let context = self.0.context(&ruling);
        Ok(listed
            .into_iter()
            .map(|device| ListedView::new(device, &context))
            .collect())
    }

    /// How many devices there are, each counted as it is shown.
    pub async fn census(&self) -> Result<Census, StoreError> {
        self.flush().await?;
        let ruling = Ruling::default();
        let watch = Watch::of(&self.0.context(&ruling));
        self.0.store.census(watch).await
    }

    /// Ids that were heard and are no approved device, latest first.
    pub async fn strays(&self, limit: usize) -> Result<Vec<StrayView>, ServiceError> {
        self.flush().await?;
        let mut views = Vec::new();
        for stray in self.0.store.strays(limit).await? {
            let known = self.0.store.load(&stray.id).await?;
            views.push(StrayView {
                phase: known.map(|known| known.device.life.state.phase()),
                stray,
            });
        }
        Ok(views)
    }

    pub(super) async fn snapshot(
        &self,
        id: &DeviceId,
    ) -> Result<Option<(fleet::Device, store::Revision)>, ServiceError> {
        let Some(mut stored) = self.0.store.load(id).await? else {
            return Ok(None);
        };
        if let Some(pending) = self.0.pending.presence(id) {
            stored.device.presence = stored.device.presence.join(pending);
        }
        Ok(Some((stored.device, stored.revision)))
    }
}
