//! What does a stored time say that lies ahead? That a clock was wrong once.
//!
//! A server whose clock is days ahead records times of the future: when a device was heard, when a
//! heartbeat was recorded, until when a permission holds. When the clock is right again they would
//! hold for days: a silent device would be online, each heartbeat a copy of an earlier one. So a
//! stored time that is ahead by more than clocks of several servers may differ counts as the time
//! at which it is looked at. It is stored so by the device's next heartbeat and, of when something
//! was heard or happened, by the store's pruning, so that it grows old from then on.
//!
//! Rejected: to refuse to work when the clock goes back. Devices would get errors for days for a
//! fault that is over.

use jiff::{SignedDuration, Timestamp};

/// By so much the clocks of several servers on one store may differ.
pub const DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);

/// Whether a stored time is further ahead of `now` than a right clock can have written it.
pub fn is_ahead(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) > DIFFERENCE
}

/// The same of a time that is set so much into the future.
pub(crate) fn is_ahead_by(at: Timestamp, now: Timestamp, into_the_future: SignedDuration) -> bool {
    at.duration_since(now) > DIFFERENCE.saturating_add(into_the_future)
}

/// What a stored time counts as at `now`.
#[must_use]
pub fn settled(at: Timestamp, now: Timestamp) -> Timestamp {
    if is_ahead(at, now) { now } else { at }
}

/// Makes it what it counts as.
pub(crate) fn settle(at: &mut Timestamp, now: Timestamp) {
    *at = settled(*at, now);
}

/// The same of each of these, where it is known.
pub(crate) fn settle_all<'a>(times: impl IntoIterator<Item = &'a mut Timestamp>, now: Timestamp) {
    for at in times {
        settle(at, now);
    }
}
