//! Verification calls that arrived through the Edge API.
//!
//! Whoever switches an Edge API to this server sends a call for a device id that carries a nonce
//! and then asks here whether it came, and from whom: nothing else proves that the Edge API uses
//! this backend.
//!
//! Strangers can send such ids as well: the Edge API takes enrolments and registrations from
//! whoever shows it a copy of Flotta's CA certificate, and hands them on with its own key. So calls
//! are kept apart by the key that they came with, only control polls count, and so many of them are
//! kept that one cannot be pushed out between its answer and the question about it, a few seconds
//! later: the Edge API hands on some thousand calls a second.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use pki::Fingerprint;
use serde::Serialize;

use crate::transport::Peer;

/// So many are shown to those who do not ask for one.
const SHOWN: usize = 16;

/// So many are remembered of each key. Those of one take less than 2 MiB.
const KEPT: usize = 16 * 1024;

/// So many keys. There are as many as are pinned, during a renewal two.
const KEYS: usize = 4;

/// A nonce is as long as a device id at most; longer ones are cut.
const LONGEST: usize = contract::MAX_NAME - contract::PROBE_PREFIX.len();

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
pub struct Probes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// How many were seen so far.
    count: u64,
    /// None is empty.
    keys: HashMap<Option<Fingerprint>, OfKey>,
}

/// Those that came with one key.
#[derive(Debug, Default)]
struct OfKey {
    numbers: HashMap<String, u64>,
    in_order: BTreeMap<u64, Probe>,
}

impl OfKey {
    fn see(&mut self, number: u64, probe: Probe) {
        if let Some(earlier) = self.numbers.insert(probe.nonce.clone(), number) {
            self.in_order.remove(&earlier);
        }
        self.in_order.insert(number, probe);
        if self.in_order.len() > KEPT
            && let Some((_, oldest)) = self.in_order.pop_first()
        {
            self.numbers.remove(&oldest.nonce);
        }
    }

    fn latest(&self) -> u64 {
        self.in_order.last_key_value().map_or(0, |(number, _)| *number)
    }
}

impl Probes {
    /// A control poll was seen. The same nonce from the same caller is one entry.
    pub fn seen(&self, nonce: &str, peer: Peer, now: Timestamp) {
        let from = match peer {
            Peer::Anybody => None,
            Peer::Pinned(key) => Some(key),
        };
        let probe = Probe {
            nonce: nonce.chars().take(LONGEST).collect(),
            seen: now,
            from,
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.count += 1;
        let number = kept.count;
        if kept.keys.len() == KEYS && !kept.keys.contains_key(&from) {
            let oldest = kept.keys.iter().min_by_key(|(_, of_key)| of_key.latest());
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                kept.keys.remove(&oldest);
            }
        }
        kept.keys.entry(from).or_default().see(number, probe);
    }

    /// Those that were seen last, latest first.
    pub fn latest(&self) -> Vec<Probe> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latest: Vec<_> = kept
            .keys
            .values()
            .flat_map(|of_key| of_key.in_order.iter().rev().take(SHOWN))
            .collect();
        latest.sort_by_key(|(number, _)| std::cmp::Reverse(**number));
        latest
            .into_iter()
            .take(SHOWN)
            .map(|(_, probe)| probe.clone())
            .collect()
    }

    /// Those with this nonce, latest first.
    pub fn with(&self, nonce: &str) -> Vec<Probe> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = kept
            .keys
            .values()
            .filter_map(|of_key| of_key.in_order.get_key_value(of_key.numbers.get(nonce)?))
            .collect();
        found.sort_by_key(|(number, _)| std::cmp::Reverse(**number));
        found.into_iter().map(|(_, probe)| probe.clone()).collect()
    }
}
