//! What a deleted device hears.
//!
//! It hears `unregistered`, which makes it remove its workloads and fall silent until its daemon is
//! restarted. After a restart the daemon polls at once, before the agent has started to enrol;
//! another `unregistered` then would stop all sending, and the device could never come back. So a
//! device that was told, was silent, and appears again hears `unknown` for a while.
//!
//! A tombstone made in another epoch of the store (before a backup was restored) may concern a
//! device that was approved again since. It disconnects nobody until an administrator confirms it.
//!
//! A disconnected device comes back by an enrolment alone, so nobody is disconnected whose
//! enrolment is put off: see [`rests`].

use jiff::{SignedDuration, Timestamp};

use crate::{Admission, Context, Presence, Tombstone, clock};

/// A told device that was silent for this long has been restarted when it appears again. Six polls.
pub const SILENCE: SignedDuration = SignedDuration::from_secs(30);

/// How long a restarted device has for its enrolment. Six tries of the agent.
pub const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// Whether a tombstone tells nothing and takes no note of who is heard, so that it goes on
/// afterwards as if it had heard nobody: on hold always (a backend that is returned to may still
/// have the device), and while the fleet is closed for a device that was told and came back, since
/// it could not enrol in its minute.
pub fn rests(tombstone: &Tombstone, presence: &Presence, context: &Context<'_>) -> bool {
    match context.admission {
        Admission::Open => false,
        Admission::Hold => true,
        Admission::Closed => {
            tombstone.epoch == context.epoch
                && (tombstone.grace_until.is_some() || reappeared(tombstone, presence, context.now).is_some())
        }
    }
}

/// What a deleted device hears when it asks for its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Disconnect.
    Unregistered,
    /// Nothing: go on.
    Unknown,
}

/// The device asks for its registration status. Returns what it hears, and the tombstone if it
/// changed.
pub fn asked(tombstone: &Tombstone, presence: &Presence, context: &Context<'_>) -> (Word, Option<Tombstone>) {
    if tombstone.epoch != context.epoch {
        return (Word::Unknown, None);
    }
    let now = context.now;
    if tombstone.told.is_none() {
        return (
            Word::Unregistered,
            Some(Tombstone {
                told: Some(now),
                ..tombstone.clone()
            }),
        );
    }
    match reappeared(tombstone, presence, now) {
        Some(grace_until) => (
            Word::Unknown,
            Some(Tombstone {
                grace_until: Some(grace_until),
                ..tombstone.clone()
            }),
        ),
        None if in_grace(tombstone, now) => (Word::Unknown, None),
        None if tombstone.grace_until.is_some() => (
            Word::Unregistered,
            Some(Tombstone {
                grace_until: None,
                ..tombstone.clone()
            }),
        ),
        None => (Word::Unregistered, None),
    }
}

/// The device asks for its configuration, which it does not get. Its two polls come in any order,
/// so the end of a silence has to be noticed here too. Returns the tombstone if it changed.
pub fn polled(tombstone: &Tombstone, presence: &Presence, context: &Context<'_>) -> Option<Tombstone> {
    if tombstone.epoch != context.epoch {
        return None;
    }
    let grace_until = reappeared(tombstone, presence, context.now)?;
    Some(Tombstone {
        grace_until: Some(grace_until),
        ..tombstone.clone()
    })
}

fn in_grace(tombstone: &Tombstone, now: Timestamp) -> bool {
    tombstone
        .grace_until
        .is_some_and(|until| now < until && !clock::is_ahead_by(until, now, GRACE))
}

/// Only polls count as being heard: anybody with a Flotta certificate can send a heartbeat in this
/// device's name.
fn reappeared(tombstone: &Tombstone, presence: &Presence, now: Timestamp) -> Option<Timestamp> {
    let told = tombstone.told?;
    let presence = presence.settled(now);
    // When it was told is no sign of life once a clock that was ahead has written it.
    let told = Some(told).filter(|told| !clock::is_ahead(*told, now));
    let heard = presence.asked.max(presence.polled).max(told)?;
    (!in_grace(tombstone, now) && now.duration_since(heard) >= SILENCE)
        .then(|| now.saturating_add(GRACE).unwrap_or(Timestamp::MAX))
}
