//! Which workloads a device ever had: what it once had it may still hold data of, so it is never
//! left out by accident.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Epoch;

/// How many names are kept. Anybody with a Flotta certificate can make up names in a device's
/// heartbeat.
const MAX_NAMES: usize = 1024;

/// Longest name that is kept, in bytes: that of a Kubernetes object. Nothing that we deliver has a
/// longer one.
const LONGEST: usize = 253;

/// The workloads that a device ever reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EverReported {
    /// Their names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
    /// There were more names than are kept, or a list was read in part, so every name counts as
    /// reported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overflow: bool,
    /// The store's epoch in which a heartbeat listed all, or the device was new. In any other one,
    /// and for a device that was adopted and has sent none since, nobody knows what it has: every
    /// name counts as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_in: Option<Epoch>,
}

impl EverReported {
    /// A device that begins anew has nothing.
    pub(crate) fn nothing(epoch: Epoch) -> Self {
        Self {
            known_in: Some(epoch),
            ..Self::default()
        }
    }

    /// Whether the device may ever have reported this workload.
    pub fn contains(&self, name: &str, epoch: Epoch) -> bool {
        self.overflow || self.known_in != Some(epoch) || self.names.contains(name)
    }

    /// A heartbeat listed these, and no others exist on the device. If they are not `all` that it
    /// listed, the others may have any name.
    pub(crate) fn beat<'a>(&mut self, names: impl Iterator<Item = &'a str>, all: bool, epoch: Epoch) {
        self.known_in = Some(epoch);
        self.overflow |= !all;
        for name in names.filter(|name| name.len() <= LONGEST) {
            if self.names.contains(name) {
                continue;
            }
            if self.names.len() >= MAX_NAMES {
                self.overflow = true;
                return;
            }
            self.names.insert(name.to_owned());
        }
    }
}
