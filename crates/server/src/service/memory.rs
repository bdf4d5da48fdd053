//! Devices in memory, and the turn in which one device's writes are made.
//!
//! Kept only for an exclusive store: with several servers on one store, a poll must not be answered
//! from what another server has changed since. (Following the change feed, which would allow it, is
//! not built yet.)

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use contract::{DeviceId, HeapSize as _};
use fleet::{Device, Presence};
use jiff::Timestamp;
use moka::sync::Cache;
use store::Revision;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

/// Turns are shared by hash: two devices may wait for each other, never wrongly for long.
const TURNS: usize = 4096;

/// A device as it was read or written.
#[derive(Debug)]
pub(super) struct Entry {
    device: Device,
    revision: Revision,
    presence: Mutex<Presence>,
    weight: usize,
}

/// What an entry takes beside its device: itself, its id as a key, and what the cache keeps of it.
const OVERHEAD: usize = 1024;

/// What is heavier than this is seen to at once when it is kept; else the cache may take some time
/// until it lets others go.
const HEAVY: usize = 64 * 1024;

impl Entry {
    pub(super) fn new(device: Device, revision: Revision) -> Self {
        let presence = Mutex::new(device.presence);
        let weight = OVERHEAD + device.heap_size();
        Self {
            device,
            revision,
            presence,
            weight,
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// The device with the times that were seen since, as what they count as at `now`: kept so,
    /// they grow old from then on.
    pub(super) fn device(&self, now: Timestamp) -> Device {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        *presence = presence.settled(now);
        Device {
            presence: *presence,
            ..self.device.clone()
        }
    }

    /// It was heard.
    pub(super) fn sight(&self, news: Presence, now: Timestamp) {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        *presence = presence.settled(now).join(news.settled(now));
    }

    /// Bytes that it takes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}

/// The devices that were used last.
pub(super) struct Memory {
    devices: Option<Cache<DeviceId, Arc<Entry>>>,
    turns: Vec<Turn>,
    hasher: RandomState,
}

/// The turn of the devices of one hash.
#[derive(Default)]
struct Turn {
    lock: AsyncMutex<()>,
    waiting: AtomicUsize,
}

/// One that waits for a turn.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    /// Behind fewer than so many others, or not at all.
    fn new(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let waits = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Memory {
    /// Keeps at most so many bytes of devices.
    pub(super) fn new(exclusive: bool, capacity: usize) -> Self {
        let devices = exclusive.then(|| {
            Cache::builder()
                .max_capacity(capacity as u64)
                .weigher(|_: &DeviceId, entry: &Arc<Entry>| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
                .build()
        });
        let turns = (0..TURNS).map(|_| Turn::default()).collect();
        Self {
            devices,
            turns,
            hasher: RandomState::new(),
        }
    }

    pub(super) fn get(&self, id: &DeviceId) -> Option<Arc<Entry>> {
        self.devices.as_ref()?.get(id)
    }

    /// To be called in the device's turn only.
    pub(super) fn keep(&self, entry: &Arc<Entry>) {
        if let Some(devices) = &self.devices {
            devices.insert(entry.device.id.clone(), Arc::clone(entry));
            if entry.weight() > HEAVY {
                devices.run_pending_tasks();
            }
        }
    }

    /// To be called in the device's turn only, before a write of it begins.
    pub(super) fn doubt<'a>(&'a self, id: &'a DeviceId) -> Doubt<'a> {
        Doubt {
            memory: self,
            id,
            resolved: false,
        }
    }

    /// Waits for the device's turn, if fewer than `most` do. What is decided in it and recorded
    /// cannot be overtaken in this process.
    pub(super) async fn turn(&self, id: &DeviceId, most: usize) -> Option<MutexGuard<'_, ()>> {
        // The modulus is below 2^12, so nothing is lost in the cast.
        #[allow(clippy::cast_possible_truncation)]
        let index = (self.hasher.hash_one(id) % TURNS as u64) as usize;
        let turn = &self.turns[index];
        if let Ok(free) = turn.lock.try_lock() {
            return Some(free);
        }
        let _waits = Waits::new(&turn.waiting, most)?;
        Some(turn.lock.lock().await)
    }
}

/// A write is under way. Unless it is known to have succeeded, the device has to be read from the
/// store again: after an error, and also when the decision ends in any other way.
pub(super) struct Doubt<'a> {
    memory: &'a Memory,
    id: &'a DeviceId,
    resolved: bool,
}

impl Doubt<'_> {
    /// The write succeeded, and the memory holds its result.
    pub(super) fn resolved(mut self) {
        self.resolved = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let (false, Some(devices)) = (self.resolved, &self.memory.devices) {
            devices.invalidate(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_wait_for_a_turn_than_may() {
        let memory = Arc::new(Memory::new(true, 1 << 20));
        let id = DeviceId::parse("d").unwrap();
        let first = memory.turn(&id, 2).await.unwrap();
        let waits = |most: usize| {
            let (memory, id) = (Arc::clone(&memory), id.clone());
            tokio::spawn(async move { memory.turn(&id, most).await.is_some() })
        };
        let (second, third) = (waits(2), waits(2));
        tokio::task::yield_now().await;
        assert!(!waits(2).await.unwrap());
        let person = waits(usize::MAX);
        // One that has given up waits no more.
        third.abort();
        assert!(third.await.is_err());
        let other = waits(3);
        tokio::task::yield_now().await;
        drop(first);
        for waited in [second, person, other] {
            assert!(waited.await.unwrap());
        }
        assert!(memory.turn(&id, 0).await.is_some(), "nobody has it");
    }
}
