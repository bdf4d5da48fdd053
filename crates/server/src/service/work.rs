//! How much requests may take that are under way: what was read of their bodies, and what is
//! decided.

use contract::{Bounds, Cut, HeapSize, Heartbeat, Repeated, bounded, repeated};

use super::DEFAULT_CACHE;
use crate::{
    room::{Held, Room},
    transport::SMALL,
};

/// Bytes of requests under way unless it is said.
const DEFAULT_REQUESTS: usize = 64 * 1024 * 1024;

/// What a body of usual content becomes in memory, by its length.
const USUAL: usize = 3;

/// The least that is waited for, so that what is small is never more than was waited for: for a
/// content, and for a decision.
pub(super) const LEAST: usize = 8 * 1024;

/// What a decision takes that has not read its device yet, and the most that one waits for: a
/// device and what becomes of it, where both are as usual.
pub(super) const DECISION: usize = 128 * 1024;

/// Bytes of memory, beside what the manifests take and the process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Devices and configurations that are kept.
    pub cache: usize,
    /// Requests under way: a quarter is for bodies, a quarter for what was read of them, and half
    /// for what is decided and written.
    pub requests: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            cache: DEFAULT_CACHE,
            requests: DEFAULT_REQUESTS,
        }
    }
}

/// What a device sent, as far as it is kept, with the room that it takes.
#[derive(Debug)]
pub struct Received<T> {
    /// What it is.
    pub content: T,
    /// The fields of which it was more.
    pub cut: Cut,
    /// To be kept for as long as the content is.
    pub held: Held,
}

/// What a device told in a heartbeat.
#[derive(Debug)]
pub struct Beat {
    /// What it is, as far as it is kept.
    pub heartbeat: Heartbeat,
    /// All events, where it has only the beginning of them.
    pub events: Option<Vec<Repeated>>,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// It is another thing.
    #[error("{0}")]
    Other(String),
    /// It becomes much more than bodies of its length, and there is no room for that.
    #[error("there is no room for what the body holds; try again")]
    NoRoom,
}

/// Room for what requests become.
#[derive(Debug)]
pub(super) struct Work {
    /// For what was read of bodies.
    contents: Room,
    /// For decisions.
    decisions: Room,
}

impl Work {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self {
            contents: Room::new(limits.requests / 4),
            decisions: Room::new(limits.requests / 2),
        }
    }

    /// Room for something that is so many times as large as a body of this length, usually. Waited
    /// for is no more than the share of a small body: who waits for much keeps all those waiting
    /// who come after him.
    pub(super) async fn content(&self, times: usize, length: usize) -> Result<Held, NotRead> {
        let share = times.saturating_mul(length.min(SMALL)).max(LEAST);
        let mut held = self.contents.wait(share).await;
        if length > SMALL && !held.resize(times.saturating_mul(length)) {
            return Err(NotRead::NoRoom);
        }
        Ok(held)
    }

    /// The same for a decision that takes so much, usually; `None` if there is none.
    pub(super) async fn decision(&self, usual: usize) -> Option<Held> {
        let mut held = self.decisions.wait(usual.clamp(LEAST, DECISION)).await;
        (usual <= DECISION || held.resize(usual)).then_some(held)
    }

    /// Reads a body; an error names the field. Waits until there is room for a small body, and
    /// gives up where it takes more than that and there is none.
    pub(super) async fn read<T: serde::de::DeserializeOwned + HeapSize>(
        &self,
        body: &[u8],
    ) -> Result<Received<T>, NotRead> {
        let mut held = self.content(USUAL, body.len()).await?;
        let (content, cut) = decode::<T>(body)?;
        if !held.resize(size_of::<T>() + content.heap_size()) {
            return Err(NotRead::NoRoom);
        }
        Ok(Received { content, cut, held })
    }

    /// The same of a heartbeat, with all its events.
    pub(super) async fn read_heartbeat(&self, body: &[u8]) -> Result<Received<Beat>, NotRead> {
        let Received {
            content: heartbeat,
            mut cut,
            mut held,
        } = self.read::<Heartbeat>(body).await?;
        let mut events = None;
        if cut.contains("events") {
            let (told, whole) = repeated::events(body, Bounds::RECEIVED)
                .map_err(|error| NotRead::Other(error.to_string()))?;
            if !held.resize(size_of::<Heartbeat>() + heartbeat.heap_size() + told.heap_size()) {
                return Err(NotRead::NoRoom);
            }
            if whole {
                cut.retain(|field| field != "events");
            }
            events = Some(told);
        }
        let content = Beat { heartbeat, events };
        Ok(Received { content, cut, held })
    }
}

fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<(T, Cut), NotRead> {
    let reader = bounded::Reader::new(Bounds::RECEIVED);
    let mut document = serde_json::Deserializer::from_slice(body);
    let content = serde_path_to_error::deserialize(reader.bound(&mut document))
        .map_err(|error| NotRead::Other(reason(error)))?;
    document
        .end()
        .map_err(|error| NotRead::Other(error.to_string()))?;
    Ok((content, reader.finish()))
}

/// Why a body is another thing than it should be, with the field if there is one.
pub(crate) fn reason(error: serde_path_to_error::Error<serde_json::Error>) -> String {
    if error.path().iter().next().is_some() {
        error.to_string()
    } else {
        error.into_inner().to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::time::timeout;

    use super::*;

    fn heartbeat(length: usize) -> Vec<u8> {
        format!(r#"{{"version":"1","unknown":"{}"}}"#, "x".repeat(length)).into_bytes()
    }

    /// Time passes only where nothing else can happen.
    async fn at_once<T>(future: impl Future<Output = T>) -> T {
        timeout(Duration::from_secs(1), future).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_much_keeps_nobody_waiting() {
        let work = Work::new(MemoryLimits::default());
        let small = heartbeat(1000);
        let large = heartbeat(1 << 20);
        let mut under_way = Vec::new();
        while let Ok(received) = at_once(work.content(USUAL, large.len())).await {
            under_way.push(received);
        }
        assert!(under_way.len() > 2, "{}", under_way.len());
        for _ in 0..10 {
            let refused = at_once(work.read_heartbeat(&large)).await;
            assert!(matches!(refused, Err(NotRead::NoRoom)));
            at_once(work.read_heartbeat(&small)).await.unwrap();
        }

        let mut decisions = Vec::new();
        while let Some(held) = at_once(work.decision(3 << 20)).await {
            decisions.push(held);
        }
        for _ in 0..10 {
            assert!(at_once(work.decision(3 << 20)).await.is_none());
            assert!(at_once(work.decision(2000)).await.is_some());
        }
    }

    /// It takes more than its text, and who comes after it has to wait for the rest of the room.
    #[tokio::test]
    async fn what_was_waited_for_is_enough_for_what_is_small() {
        let work = Arc::new(Work::new(MemoryLimits::default()));
        let mut all = work.contents.nothing();
        let size = work.contents.free();
        assert!(all.resize(size));
        let (reads, waits) = (Arc::clone(&work), Arc::clone(&work));
        let small = tokio::spawn(async move {
            let small = br#"{"version":"1","workloads":[{"name":"web","status":"Running"}],"events":[{}]}"#;
            reads.read_heartbeat(small).await.map(drop)
        });
        tokio::task::yield_now().await;
        let next = tokio::spawn(async move { waits.content(USUAL, SMALL).await.map(drop) });
        tokio::task::yield_now().await;
        assert!(all.resize(size - LEAST));
        small.await.unwrap().unwrap();
        drop(all);
        next.await.unwrap().unwrap();
    }
}
