//! Verification calls that arrived through the Edge API.
//!
//! Whoever switches an Edge API to this server sends a call for a device id that carries a nonce and then asks here whether
//! it came, and from whom: nothing else proves that the Edge API uses this backend.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use pki::Fingerprint;
use serde::Serialize;

use crate::transport::Peer;

/// So many are remembered.
const KEPT: usize = 16;

/// A nonce is as long as a device id at most; longer ones are cut.
const LONGEST: usize = contract::MAX_NAME;

/// A verification call that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// The caller's nonce.
    pub nonce: String,
    /// When it was seen last.
    pub seen: Timestamp,
    /// The pinned key that it came with; absent on plain HTTP.
    pub from: Option<Fingerprint>,
}

/// The last verification calls.
#[derive(Debug, Default)]
pub struct Probes(Mutex<VecDeque<Probe>>);

impl Probes {
    /// A call was seen. The same nonce from the same caller is one entry.
    pub fn seen(&self, nonce: &str, peer: Peer, now: Timestamp) {
        let from = match peer {
            Peer::Anybody => None,
            Peer::Pinned(key) => Some(key),
        };
        let nonce: String = nonce.chars().take(LONGEST).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|probe| probe.nonce != nonce || probe.from != from);
        kept.push_front(Probe {
            nonce,
            seen: now,
            from,
        });
        kept.truncate(KEPT);
    }

    /// Those that are remembered, latest first.
    pub fn latest(&self) -> Vec<Probe> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}
