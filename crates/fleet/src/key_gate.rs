//! The registration gate: which public keys may be certified for a device.
//!
//! The Edge API has signed the certificate before it asks, and any holder of a Flotta certificate
//! can ask for any device, so refusing is the only protection. But the answer may be lost on its
//! way: the agent gives up after one second and, holding a register certificate, makes a new key
//! for each try. A gate that closes on the first accepted key (as Flotta's own does) locks such a
//! device out for good. So the gate stays open until the device was *seen*, by the one request that
//! proves a usable device certificate: a configuration poll.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Digest, Policy, UnknownKey, clock};

/// How many keys are kept for a device.
pub const MAX_KEYS: usize = 8;

/// Longest certificate request that is kept, in bytes: twice that of an RSA key of 4096 bits with a
/// long subject. A longer one is accepted like any other, and what is kept of it is its key.
pub const LONGEST_REQUEST: usize = 8 * 1024;

/// A device's registrations: the keys that may register, and whether the gate is still open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Keys of the registrations that were answered 200 since the device was approved, oldest
    /// first.
    #[serde(default)]
    pub keys: Vec<RegisteredKey>,
    /// Its keys are not known here: it was taken over from elsewhere and has not registered since.
    #[serde(default)]
    pub keys_unknown: bool,
    /// When it was first seen after the latest registration; the gate is closed from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// An administrator's permission, until it is used and over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
}

/// A key that was certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredKey {
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub fingerprint: Digest,
    /// The certificate request that was last accepted with it, PEM; empty if it was longer than
    /// [`LONGEST_REQUEST`].
    #[serde(deserialize_with = "read_request")]
    pub certificate_request: String,
    /// When it was first accepted.
    pub first: Timestamp,
    /// When it was last accepted.
    pub last: Timestamp,
}

/// An administrator's permission to register with any key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// Until when.
    pub until: Timestamp,
    /// When it was given; not known of one that an earlier version recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Timestamp>,
    /// Who gave it.
    pub by: String,
    /// The keys in force before. They are again if the permission ends unused: giving one locks
    /// nobody out.
    #[serde(default)]
    pub replaced: Vec<RegisteredKey>,
    /// Whether the device had been seen with those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_seen: Option<Timestamp>,
    /// Whether the keys were unknown before.
    #[serde(default)]
    pub replaced_unknown: bool,
}

impl Permission {
    /// One that was given by a clock that was ahead is over as well: it would hold until that time
    /// comes, for whoever asks.
    fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now || self.given.is_some_and(|given| clock::is_ahead(given, now))
    }
}

/// A certificate request whose own signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRequest {
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub fingerprint: Digest,
    /// The request, PEM.
    pub pem: String,
}

/// How a key passed the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is one of the device's keys.
    Known,
    /// The first key since the approval.
    First,
    /// A further key: the device was not seen since the latest registration.
    Further,
    /// The first key of a device whose keys were not known.
    Unknown,
    /// An administrator permitted it.
    Permitted,
}

/// Why a key did not pass the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateRefusal {
    /// It has registered and was seen, and this is not one of its keys.
    #[error(
        "the device is registered with another key; if it was reinstalled, permit it with 'edge-config-server device allow-registration'"
    )]
    ForeignKey,
    /// Its keys are not known, and the setting demands a permission.
    #[error(
        "the device was taken over without its keys; permit its registration with 'edge-config-server device allow-registration'"
    )]
    PermissionDemanded,
}

fn kept(request: &str) -> String {
    let is_usual = request.len() <= LONGEST_REQUEST;
    if is_usual { request } else { "" }.to_owned()
}

/// An earlier program kept whatever came.
fn read_request<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let mut request = String::deserialize(deserializer)?;
    if request.len() > LONGEST_REQUEST {
        request = String::new();
    }
    Ok(request)
}

impl Registration {
    /// The gate of a device that was taken over: its keys are not known.
    pub fn taken_over() -> Self {
        Self {
            keys_unknown: true,
            ..Self::default()
        }
    }

    /// Lets a key in, or says why not. A refused key changes nothing but a permission that is over.
    pub fn admit(
        &mut self,
        request: &VerifiedRequest,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Passage, GateRefusal> {
        self.settle_permission(now);
        let known = self.keys.iter().any(|key| key.fingerprint == request.fingerprint);
        let passage = if known {
            Passage::Known
        } else if self.permission.is_some() {
            Passage::Permitted
        } else if self.keys_unknown {
            match policy.unknown_key {
                UnknownKey::AcceptFirst => Passage::Unknown,
                UnknownKey::RequirePermission => return Err(GateRefusal::PermissionDemanded),
            }
        } else if self.keys.is_empty() {
            Passage::First
        } else if self.seen.is_none() {
            Passage::Further
        } else {
            return Err(GateRefusal::ForeignKey);
        };
        self.record(request, now);
        Ok(passage)
    }

    /// A configuration poll was heard: true if it closed the gate.
    pub fn seen(&mut self, now: Timestamp) -> bool {
        let open_by_permission = self
            .permission
            .as_ref()
            .is_some_and(|permission| !permission.is_over(now));
        if open_by_permission || self.seen.is_some() {
            return false;
        }
        self.settle_permission(now);
        if self.keys.is_empty() || self.seen.is_some() {
            return false;
        }
        self.seen = Some(now);
        true
    }

    /// An administrator permits registrations with any key until `until`.
    pub fn permit(&mut self, by: &str, until: Timestamp, now: Timestamp) {
        self.settle_permission(now);
        let before = std::mem::take(self);
        let permission = match before.permission {
            Some(unused) if before.keys.is_empty() => Permission {
                until,
                given: Some(now),
                by: by.to_owned(),
                ..unused
            },
            _ => Permission {
                until,
                given: Some(now),
                by: by.to_owned(),
                replaced: before.keys,
                replaced_seen: before.seen,
                replaced_unknown: before.keys_unknown,
            },
        };
        self.permission = Some(permission);
    }

    /// Whether any key would pass at `now`, the setting for devices of unknown keys aside.
    pub fn open(&self, now: Timestamp) -> bool {
        match &self.permission {
            Some(permission) if !permission.is_over(now) => true,
            Some(permission) if self.keys.is_empty() => {
                permission.replaced.is_empty() || permission.replaced_seen.is_none()
            }
            _ => self.keys.is_empty() || self.seen.is_none(),
        }
    }

    fn settle_permission(&mut self, now: Timestamp) {
        let Some(permission) = self.permission.take_if(|permission| permission.is_over(now)) else {
            return;
        };
        if self.keys.is_empty() {
            self.keys = permission.replaced;
            self.seen = permission.replaced_seen;
            self.keys_unknown = permission.replaced_unknown;
        }
    }

    fn record(&mut self, request: &VerifiedRequest, now: Timestamp) {
        self.keys_unknown = false;
        if let Some(key) = self
            .keys
            .iter_mut()
            .find(|key| key.fingerprint == request.fingerprint)
        {
            key.last = now;
            key.certificate_request = kept(&request.pem);
            return;
        }
        self.seen = None;
        if self.keys.len() >= MAX_KEYS {
            self.keys.remove(0);
        }
        self.keys.push(RegisteredKey {
            fingerprint: request.fingerprint,
            certificate_request: kept(&request.pem),
            first: now,
            last: now,
        });
    }
}
