//! One decision: the device is read, a rule is asked, what it wants recorded is recorded, and only
//! then there is an answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{DeviceId, HeapSize as _};
use fleet::{Change, Context, Device, Phase, Presence, Verdict};
use jiff::Timestamp;
use store::{StoreError, Stored, Write, WriteGuard};
use tokio::sync::MutexGuard;

use super::{
    Inner, Service, ServiceError,
    memory::Entry,
    work::{DECISION, LEAST},
};
use crate::{
    intake::{NotServing, Ruling},
    sources::{Current, NotConfigured},
};

/// How often a decision is made anew because the device changed meanwhile. Each round means that
/// another writer won.
const ROUNDS: usize = 16;

/// How long a decision waits for an earlier one on the same device. Its caller is gone by then, so
/// it need not begin; where a store hangs, this keeps decisions from piling up.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many requests wait for one device's turn. They hold room meanwhile, and anybody can send more
/// in the name of one device than are ever decided; its agent sends one at a time, and the Edge API
/// repeats it three times.
const IN_TURN: usize = 16;

/// Who wants a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A device: it is not served on a store that is not its fleet's.
    Device,
    /// An administrator, who may work on any.
    Administrator,
}

/// The catalogue that a decision is made by.
pub(super) type Known = Result<Arc<Current>, NotConfigured>;

/// What a decision is made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// The device alone; the catalogue is whichever is at hand.
    Device,
    /// The device and the documents of the same moment.
    Documents,
}

impl Service {
    /// Decides on a device's request by a rule that may be asked several times.
    pub(super) async fn decide<A, R>(&self, id: DeviceId, rule: R) -> Result<A, ServiceError>
    where
        A: Send + 'static,
        R: Fn(Option<&Device>, &Context<'_>) -> Result<Verdict<A>, ServiceError> + Send + Sync + 'static,
    {
        let rule = move |device: Option<&Device>, _: &Known, context: &Context<'_>| rule(device, context);
        self.decide_on(Asker::Device, Ground::Device, id, rule).await
    }

    /// The same by a rule that asks for manifests too.
    pub(super) async fn decide_by_documents<A, R>(
        &self,
        asker: Asker,
        id: DeviceId,
        rule: R,
    ) -> Result<A, ServiceError>
    where
        A: Send + 'static,
        R: Fn(Option<&Device>, &Known, &Context<'_>) -> Result<Verdict<A>, ServiceError>
            + Send
            + Sync
            + 'static,
    {
        self.decide_on(asker, Ground::Documents, id, rule).await
    }

    async fn decide_on<A, R>(
        &self,
        asker: Asker,
        ground: Ground,
        id: DeviceId,
        rule: R,
    ) -> Result<A, ServiceError>
    where
        A: Send + 'static,
        R: Fn(Option<&Device>, &Known, &Context<'_>) -> Result<Verdict<A>, ServiceError>
            + Send
            + Sync
            + 'static,
    {
        // Also of what is in memory nothing is told: nobody knows which fleet's it is.
        if let Some(reason) = self.0.store.misplaced() {
            return Err(StoreError::unavailable(reason).into());
        }
        // Only where no other server writes, and then the catalogue at hand is the one in the
        // store.
        if let Some(entry) = self.0.memory.get(&id) {
            let ruling = self.0.ruling(asker)?;
            let context = self.0.context(&ruling);
            let device = entry.device(context.now);
            let known = self.0.documents.catalogue();
            let verdict = rule(Some(&device), &known, &context)?;
            if verdict.change.is_times_only() {
                self.0
                    .record_times(&id, Some(&entry), &verdict.change, context.now);
                return Ok(verdict.answer);
            }
        }
        let inner = Arc::clone(&self.0);
        let decided = tokio::spawn(async move { inner.decide_and_record(asker, ground, &id, rule).await });
        decided.await.map_err(|_| ServiceError::Interrupted)?
    }
}

impl Service {
    /// Puts what a rule says in the place of a device that is there and cannot be read. Returns its
    /// phase then.
    pub(super) async fn replace<R>(&self, id: DeviceId, rule: R) -> Result<Option<Phase>, ServiceError>
    where
        R: Fn(&Known, &Context<'_>) -> Result<Change, ServiceError> + Send + Sync + 'static,
    {
        let inner = Arc::clone(&self.0);
        let replaced = tokio::spawn(async move { inner.replace(&id, rule).await });
        replaced.await.map_err(|_| ServiceError::Interrupted)?
    }
}

impl Inner {
    async fn replace<R>(&self, id: &DeviceId, rule: R) -> Result<Option<Phase>, ServiceError>
    where
        R: Fn(&Known, &Context<'_>) -> Result<Change, ServiceError>,
    {
        let _turn = self.turn(Asker::Administrator, id).await?;
        let ruling = self.ruling(Asker::Administrator)?;
        let context = self.context(&ruling);
        let change = rule(&self.documents.catalogue(), &context)?;
        let phase = change.life.as_ref().map(|life| life.state.phase());
        let write = Write {
            id: id.clone(),
            guard: WriteGuard::Unreadable,
            life: change.life.map(Arc::new),
            report: change.report.map(Arc::new),
            presence: change.presence,
            events: change.events,
            at: context.now,
        };
        // Never resolved: it is read from the store again.
        let _doubt = self.memory.doubt(id);
        self.store.commit(write).await?;
        Ok(phase)
    }

    /// Waits for the device's turn, though not for long, and a device not behind many others.
    async fn turn(&self, asker: Asker, id: &DeviceId) -> Result<MutexGuard<'_, ()>, ServiceError> {
        let most = match asker {
            Asker::Device => IN_TURN,
            Asker::Administrator => usize::MAX,
        };
        let turn = tokio::time::timeout(PATIENCE, self.memory.turn(id, most))
            .await
            .map_err(|_| {
                StoreError::unavailable(format!("an earlier request of device {id} still waits for it"))
            })?;
        turn.ok_or(ServiceError::Crowded)
    }

    /// The order for one decision, or why there is none to make.
    pub(super) fn ruling(&self, asker: Asker) -> Result<Ruling, NotServing> {
        let Some(keeper) = &self.admission else {
            return Ok(Ruling::default());
        };
        match (keeper.rule(self.store.identity().id), asker) {
            (Err(_), Asker::Administrator) => Ok(Ruling::default()),
            (ruling, _) => ruling,
        }
    }

    pub(super) fn context(&self, ruling: &Ruling) -> Context<'_> {
        let now = (self.clock)();
        Context {
            policy: &self.policy,
            admission: ruling.admission,
            epoch: self.store.identity().epoch,
            serving_since: self.serving.since(now),
            now,
        }
    }

    async fn decide_and_record<A, R>(
        &self,
        asker: Asker,
        ground: Ground,
        id: &DeviceId,
        rule: R,
    ) -> Result<A, ServiceError>
    where
        R: Fn(Option<&Device>, &Known, &Context<'_>) -> Result<Verdict<A>, ServiceError>,
    {
        let _turn = self.turn(asker, id).await?;
        let usual = self
            .memory
            .get(id)
            .map_or(DECISION, |entry| 2 * entry.weight() + LEAST);
        let Ok(Some(mut held)) = tokio::time::timeout(PATIENCE, self.work.decision(usual)).await else {
            return Err(ServiceError::Crowded);
        };
        for _ in 0..ROUNDS {
            let (entry, known) = self.read(ground, id).await?;
            // Also of a device that is kept in memory: that may let it go at any moment, and what
            // is held here would be counted nowhere then.
            let read = entry.as_ref().map_or(0, |entry| entry.weight());
            if !held.resize(usual.max(read)) {
                return Err(ServiceError::Crowded);
            }
            let ruling = self.ruling(asker)?;
            let context = self.context(&ruling);
            let device = entry.as_ref().map(|entry| entry.device(context.now));
            let verdict = rule(device.as_ref(), &known, &context)?;
            if verdict.change.is_times_only() {
                self.record_times(id, entry.as_deref(), &verdict.change, context.now);
                return Ok(verdict.answer);
            }
            if !held.resize(usual.max(read + verdict.change.heap_size())) {
                return Err(ServiceError::Crowded);
            }
            match self
                .record(id, entry.as_deref(), device, verdict.change, context.now)
                .await
            {
                Ok(()) => return Ok(verdict.answer),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::unavailable(format!("device {id} is changed faster than it can be read")).into())
    }

    /// A device from memory or, its turn being held, from the store; and the catalogue to decide
    /// by.
    async fn read(&self, ground: Ground, id: &DeviceId) -> Result<(Option<Arc<Entry>>, Known), StoreError> {
        if ground == Ground::Documents && !self.store.is_exclusive() {
            let (stored, revision) = self.store.load_beside_documents(id).await?;
            return Ok((self.entry(stored), self.documents.at(revision).await));
        }
        let entry = match self.memory.get(id) {
            Some(entry) => Some(entry),
            None => self.entry(self.store.load(id).await?),
        };
        Ok((entry, self.documents.catalogue()))
    }

    /// What was read, with what was seen since, and kept if it may be.
    fn entry(&self, stored: Option<Stored>) -> Option<Arc<Entry>> {
        let mut stored = stored?;
        let (id, stored_presence) = (&stored.device.id, stored.device.presence);
        stored.device.presence = self.presence(id, stored_presence, (self.clock)());
        let entry = Arc::new(Entry::new(stored.device, stored.revision));
        self.memory.keep(&entry);
        Some(entry)
    }

    /// When a device was heard, by the store and since.
    pub(super) fn presence(&self, id: &DeviceId, stored: Presence, now: Timestamp) -> Presence {
        let stored = stored.settled(now);
        match self.pending.presence(id) {
            Some(pending) => stored.join(pending.settled(now)),
            None => stored,
        }
    }

    fn record_times(&self, id: &DeviceId, entry: Option<&Entry>, change: &Change, now: Timestamp) {
        if let (Some(presence), Some(entry)) = (change.presence, entry) {
            entry.sight(presence, now);
            self.pending.sight(id, presence, now);
        }
    }

    async fn record(
        &self,
        id: &DeviceId,
        entry: Option<&Entry>,
        device: Option<Device>,
        mut change: Change,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let guard = entry.map_or(WriteGuard::Absent, |entry| WriteGuard::At(entry.revision()));
        // Of a new device everything is written, so that what is kept in memory is never more than
        // the store has.
        let reports = change.report.is_some() || device.is_none();
        let (lives, presence) = (change.life.is_some(), change.presence);
        let events = std::mem::take(&mut change.events);
        let after = applied(id, device, change);
        // What is written and what is kept in memory afterwards are one.
        let write = Write {
            id: id.clone(),
            guard,
            life: after
                .as_ref()
                .filter(|_| lives)
                .map(|after| Arc::clone(&after.life)),
            report: after
                .as_ref()
                .filter(|_| reports)
                .map(|after| Arc::clone(&after.report)),
            presence,
            events,
            at,
        };
        let begun = Instant::now();
        // Until the write is done, what is in memory is still true: polls go on. If it fails,
        // nobody knows.
        let doubt = self.memory.doubt(id);
        let committed = self.store.commit(write).await;
        match &committed {
            Ok(_) => (self.on_commit)(Ok(begun.elapsed())),
            Err(error @ StoreError::Unavailable { .. }) => (self.on_commit)(Err(error.to_string())),
            Err(_) => {}
        }
        let revision = committed?;
        let Some(after) = after else {
            return Ok(());
        };
        let after = Arc::new(Entry::new(after, revision));
        // Polls went on meanwhile, and what they told may have reached the store already or not.
        if let Some(before) = entry {
            after.sight(before.device(at).presence, at);
        }
        if let Some(pending) = self.pending.presence(id) {
            after.sight(pending, at);
        }
        self.memory.keep(&after);
        doubt.resolved();
        Ok(())
    }
}

/// A device after a change; `None` where there is none, and the change makes none.
pub(super) fn applied(id: &DeviceId, device: Option<Device>, change: Change) -> Option<Device> {
    let Change {
        life,
        report,
        presence,
        ..
    } = change;
    let (life, report) = (life.map(Arc::new), report.map(Arc::new));
    match device {
        Some(device) => Some(Device {
            id: device.id,
            life: life.unwrap_or(device.life),
            report: report.unwrap_or(device.report),
            presence: presence.map_or(device.presence, |presence| device.presence.join(presence)),
        }),
        None => Some(Device {
            id: id.clone(),
            life: life?,
            report: report.unwrap_or_default(),
            presence: presence.unwrap_or_default(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use fleet::{Policy, Report, heartbeat::HeartbeatAnswer};
    use serde_json::json;
    use store::{
        Store,
        sqlite::{OpenOptions, SqliteStore},
    };

    use super::*;
    use crate::{
        service::{Clock, MemoryLimits},
        sources::{self, Share},
    };

    const KIB: usize = 1024;

    #[tokio::test]
    async fn what_a_decision_has_read_is_counted_also_where_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("fleet.db"), OpenOptions::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let id = DeviceId::parse("d").unwrap();
        let disks = 400 * KIB / size_of::<contract::Disk>();
        let report = Report {
            hardware: Some(contract::HardwareInfo {
                disks: Some(vec![contract::Disk::default(); disks]),
                ..contract::HardwareInfo::default()
            }),
            ..Report::default()
        };
        let life = json!({
            "spelling": "d", "namespace": "default",
            "state": {"phase": "approved", "at": "2026-01-01T00:00:00Z", "by": "alice"},
        });
        let write = Write {
            id: id.clone(),
            guard: WriteGuard::Absent,
            life: Some(Arc::new(serde_json::from_value(life).unwrap())),
            report: Some(report.into()),
            presence: None,
            events: Vec::new(),
            at: Timestamp::now(),
        };
        store.commit(write).await.unwrap();
        let clock: Clock = Arc::new(Timestamp::now);
        let options = sources::Options {
            watched: false,
            strict: false,
            allowed: Share::TENTH,
        };
        let documents =
            sources::Reloader::new(Arc::clone(&store), options, Arc::clone(&clock), Arc::default());
        let limits = MemoryLimits {
            cache: 64 * KIB * KIB,
            requests: 2 * KIB * KIB,
        };
        let policy = Policy::default();
        let service = Service::with_memory(store, policy, None, documents, clock, Arc::new(|_| {}), limits);

        let beats = async || {
            let beat = service.read_heartbeat(br#"{"version":"1"}"#).await.unwrap();
            let place = contract::Namespace::default();
            service.heartbeat(id.clone(), place, beat).await
        };
        // Room for the device or for what is to become of it, and not for both.
        let others = service.0.work.decision(500 * KIB).await.unwrap();
        assert!(matches!(beats().await, Err(ServiceError::Crowded)));
        drop(others);
        assert_eq!(beats().await.unwrap(), HeartbeatAnswer::Recorded);
    }
}
