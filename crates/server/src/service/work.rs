//! How much requests may take that are under way: what was read of their bodies, and what is
//! decided.

use contract::{Bounds, Cut, HeapSize, Heartbeat, Repeated, bounded, repeated};

use super::DEFAULT_CACHE;
use crate::room::{Held, Room};

/// Bytes of requests under way unless it is said.
const DEFAULT_REQUESTS: usize = 64 * 1024 * 1024;

/// What a body of usual content becomes in memory, by its length.
const USUAL: usize = 3;

/// What a decision takes that has not read its device yet.
pub(super) const DECISION: usize = 64 * 1024;

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
    pub(super) decisions: Room,
}

impl Work {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self {
            contents: Room::new(limits.requests / 4),
            decisions: Room::new(limits.requests / 2),
        }
    }

    /// Waits for room for something that is so many times as large as a body of this length,
    /// usually.
    pub(super) async fn content(&self, times: usize, length: usize) -> Held {
        self.contents.wait(times.saturating_mul(length)).await
    }

    /// Reads a body; an error names the field. Waits until there is room for a usual body of this
    /// length, and gives up where it takes more than that and there is none.
    pub(super) async fn read<T: serde::de::DeserializeOwned + HeapSize>(
        &self,
        body: &[u8],
    ) -> Result<Received<T>, NotRead> {
        let mut held = self.content(USUAL, body.len()).await;
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
