//! How a body arrives: in one piece of memory that grows with it, and that is counted.
//!
//! Nothing is reserved for what is only announced. The pieces that hyper hands out are copied,
//! since each keeps the buffer alive that it was read into: a body that comes byte by byte would
//! take a hundred times its length.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::SMALL;
use crate::room::{Held, Room};

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is longer than allowed.
    TooLong,
    /// Others have taken the room.
    NoRoom,
    /// It ended early, or is not what HTTP allows.
    Broken,
}

/// A body with the room that it takes.
struct Arrived {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    held: Held,
}

impl AsRef<[u8]> for Arrived {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body of at most so many bytes. It takes its room for as long as anybody has it.
pub(super) async fn collect(mut body: Incoming, limit: usize, room: &Room) -> Result<Bytes, Fault> {
    let announced = body
        .size_hint()
        .exact()
        .and_then(|length| usize::try_from(length).ok());
    let (mut bytes, mut held) = (Vec::<u8>::new(), room.nothing());
    while let Some(frame) = body.frame().await {
        // What is no data are trailers, which nobody reads.
        let Ok(data) = frame.map_err(|_| Fault::Broken)?.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(Fault::TooLong);
        }
        if length > bytes.capacity() {
            let most = announced.unwrap_or(limit).max(length);
            let capacity = length.max(2 * bytes.capacity()).min(most);
            if !held.resize(capacity.saturating_sub(SMALL)) {
                return Err(Fault::NoRoom);
            }
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Bytes::from_owner(Arrived { bytes, held }))
}
