//! What an administrator asks of the fleet. The admin API and the admin socket both call these.

use std::sync::Arc;

use contract::DeviceId;
use fleet::{
    Phase, Verdict, Watch,
    administration::{self, Act, ActError},
};
use store::{Census, Listing, Page, StoreError};

use super::{Asker, DeviceView, ListEntry, ListedPage, Service, ServiceError, StrayView, losses};
use crate::intake::Ruling;

impl Service {
    /// Carries out an act and shows the device as it is afterwards. One that would take something
    /// from the device is refused.
    pub async fn act(&self, id: DeviceId, act: Act, by: String) -> Result<DeviceView, ServiceError> {
        self.act_as_confirmed(id, act, by, false).await
    }

    /// The same. `confirmed` is whether a person has said that it is meant, whatever it takes from
    /// the device.
    pub async fn act_as_confirmed(
        &self,
        id: DeviceId,
        act: Act,
        by: String,
        confirmed: bool,
    ) -> Result<DeviceView, ServiceError> {
        let stored = self.0.store.stray(&id).await?;
        let stray = match (stored, self.0.pending.pending_stray(&id)) {
            (Some(stored), Some(pending)) => Some(stored.join(pending)),
            (stored, pending) => stored.or(pending),
        };
        let (name, asked) = (id.clone(), (stray.clone(), act.clone(), by.clone()));
        let documents = Arc::clone(&self.0.documents);
        let acted = self
            .decide_by_documents(Asker::Administrator, id.clone(), move |device, known, context| {
                // Manifests that were never taken over may say where, too.
                let released = match known {
                    Ok(current) => documents.released(Arc::clone(current), false),
                    Err(reason) => Err(reason.clone()),
                };
                let act = match (device, &released) {
                    (Some(device), Ok(current)) => act.clone().completed(device, current.request(&name)),
                    (Some(device), Err(reason)) if act.asks_where(device) => {
                        return Err(ServiceError::NoPlace(reason.clone()));
                    }
                    _ => act.clone(),
                };
                let change = administration::act(&name, device, stray.as_ref(), &act, &by, context)?;
                if !confirmed
                    && let Some(objection) =
                        losses::objection(&name, device, &change, known, &documents, context)
                {
                    return Err(ServiceError::WouldLose(objection));
                }
                let phase = change.life.as_ref().map(|life| life.state.phase());
                Ok(Verdict {
                    answer: phase,
                    change,
                })
            })
            .await;
        let phase = match acted {
            Err(ServiceError::Store(StoreError::Corrupt { .. })) => {
                let (name, (stray, act, by)) = (id.clone(), asked);
                let documents = Arc::clone(&self.0.documents);
                self.replace(id.clone(), move |known, context| {
                    let change = administration::replace(&name, stray.as_ref(), &act, &by, context)?;
                    match losses::objection(&name, None, &change, known, &documents, context) {
                        Some(objection) if !confirmed => Err(ServiceError::WouldLose(objection)),
                        _ => Ok(change),
                    }
                })
                .await?
            }
            acted => acted?,
        };
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
        let inspected = self.inspected(&device);
        Ok(DeviceView::new(
            &device,
            revision,
            events,
            inspected,
            &self.0.context(&ruling),
        ))
    }

    /// Devices in the order of their ids, those that cannot be read among them.
    pub async fn list(&self, phase: Option<Phase>, page: Page) -> Result<ListedPage, ServiceError> {
        let Listing { mut devices, next } = self.0.store.list(phase, page).await?;
        let ruling = self.0.ruling(Asker::Administrator)?;
        let context = self.0.context(&ruling);
        for device in devices.iter_mut().flatten() {
            device.presence = self.0.presence(&device.id, device.presence, context.now);
        }
        let devices = devices.into_iter().map(|entry| ListEntry::new(entry, &context));
        Ok(ListedPage {
            devices: devices.collect(),
            next,
        })
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
            let known = match self.0.store.load(&stray.id).await {
                // The device's own error, told by whoever asks for it.
                Err(StoreError::Corrupt { .. }) => None,
                known => known?,
            };
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
        stored.device.presence = self.0.presence(id, stored.device.presence, self.now());
        Ok(Some((stored.device, stored.revision)))
    }
}
