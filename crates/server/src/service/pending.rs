//! Times and strays on their way to the store.
//!
//! They are answered at once and written together. What a failed write held back stays and is tried
//! again with the next; joining is independent of order and repetition, so nothing needs to be
//! known about what arrived.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use contract::DeviceId;
use fleet::{Presence, Stray};
use jiff::Timestamp;
use store::{Sighting, Store, StoreError};

/// Strays that are held between two writes; a flood of made-up ids must not grow memory.
const MAX_STRAYS: usize = 10_000;

/// Times and strays that the store does not have yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    times: Mutex<HashMap<DeviceId, Presence>>,
    strays: Mutex<HashMap<DeviceId, Stray>>,
}

impl Pending {
    /// A device was heard.
    pub(super) fn sight(&self, id: &DeviceId, news: Presence, now: Timestamp) {
        let mut times = lock(&self.times);
        match times.get_mut(id) {
            Some(presence) => *presence = presence.settled(now).join(news),
            None => {
                times.insert(id.clone(), news);
            }
        }
    }

    /// An id that is no approved device was heard.
    pub(super) fn stray(&self, news: Stray) {
        let mut strays = lock(&self.strays);
        if let Some(stray) = strays.remove(&news.id) {
            strays.insert(news.id.clone(), stray.join(news));
        } else if strays.len() < MAX_STRAYS {
            strays.insert(news.id.clone(), news);
        }
    }

    /// What the store does not know yet about when a device was heard.
    pub(super) fn presence(&self, id: &DeviceId) -> Option<Presence> {
        lock(&self.times).get(id).copied()
    }

    /// What the store does not know yet about a stray.
    pub(super) fn pending_stray(&self, id: &DeviceId) -> Option<Stray> {
        lock(&self.strays).get(id).cloned()
    }

    /// An id is no stray any more.
    pub(super) fn settle(&self, id: &DeviceId) {
        lock(&self.strays).remove(id);
    }

    /// Writes what there is, and says whether there was anything. What is written stays visible
    /// here until the store has it.
    pub(super) async fn flush(&self, store: &dyn Store, now: Timestamp) -> Result<bool, StoreError> {
        let settled = |(id, presence): (&DeviceId, &mut Presence)| {
            *presence = presence.settled(now);
            (id.clone(), *presence)
        };
        let times: Vec<(DeviceId, Presence)> = lock(&self.times).iter_mut().map(settled).collect();
        let strays: Vec<Stray> = std::mem::take(&mut *lock(&self.strays)).into_values().collect();
        if times.is_empty() && strays.is_empty() {
            return Ok(false);
        }
        let sightings = times
            .iter()
            .map(|(id, presence)| Sighting {
                id: id.clone(),
                presence: *presence,
            })
            .collect();
        if let Err(error) = store.observe(sightings, strays.clone()).await {
            for stray in strays {
                self.stray(stray);
            }
            return Err(error);
        }
        let mut left = lock(&self.times);
        for (id, written) in times {
            if left.get(&id) == Some(&written) {
                left.remove(&id);
            }
        }
        Ok(true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
