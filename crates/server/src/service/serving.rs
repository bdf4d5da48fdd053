//! Since when this server has served devices without interruption: what was not heard before,
//! nobody could have heard.
//!
//! It serves while it can accept connections, its admission lets devices be served on this store,
//! and the store takes what is heard. That is looked at with each [`super::FLUSH_EVERY`]; a look
//! that fails, or that does not come to its end because the store hangs or the whole process was
//! halted, is no proof. Whether there is a configuration to hand out does not matter: a poll that
//! gets none was heard all the same.
//!
//! Rejected: counting each failed call as an interruption. A store that fails one call in ten
//! thousand would never let a dead device be called silent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// A shorter time without proof is no interruption. A device is silent after a minute at the
/// earliest ([`fleet::presence::SILENT_NOT_BEFORE`]), so most of that minute was served, and
/// devices poll every 5 s.
const NOTICEABLE: SignedDuration = SignedDuration::from_secs(15);

/// The present interval of service.
#[derive(Debug)]
pub(super) struct Serving(Mutex<Interval>);

#[derive(Clone, Copy, Debug)]
struct Interval {
    since: Timestamp,
    /// The last proof.
    until: Timestamp,
}

impl Serving {
    /// A server that begins to serve.
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Interval {
            since: now,
            until: now,
        }))
    }

    /// It serves at `now`. A clock that was set back begins a new interval: what was heard lies in
    /// its future.
    pub(super) fn proven(&self, now: Timestamp) {
        let mut interval = self.lock();
        if interval.is_over(now) || now < interval.until {
            interval.since = now;
        }
        interval.until = now;
    }

    /// Since when it has served, as far as is known at `now`; `now` if it does not serve.
    ///
    /// With several servers on one store a device may have spoken to another meanwhile. What that
    /// one heard is in the store and counts as heard; that it would have heard the device, had it
    /// spoken, is not known here, so the time before this instant does not count. That errs towards
    /// calling a device not silent: a false alarm about a whole fleet after one server's outage is
    /// worse than an alarm that comes some periods later.
    pub(super) fn since(&self, now: Timestamp) -> Timestamp {
        let interval = *self.lock();
        if interval.is_over(now) {
            now
        } else {
            interval.since
        }
    }

    fn lock(&self) -> MutexGuard<'_, Interval> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interval {
    /// Whether its last proof is too old to speak for `now`.
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.until) >= NOTICEABLE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let serving = Serving::new(at(10_000));
        serving.proven(at(5_000));
        assert_eq!(serving.since(at(5_010)), at(5_000));
    }

    proptest! {
        /// Compared with the same said of all proofs at once: since the earliest from which on no
        /// two are far apart.
        #[test]
        fn it_begins_after_the_last_gap(pauses in prop::collection::vec(0i64..20, 0..40), later in 0i64..20) {
            let serving = Serving::new(at(0));
            let mut proofs = vec![0];
            for pause in pauses {
                let now = proofs.last().unwrap() + pause;
                serving.proven(at(now));
                proofs.push(now);
            }
            let now = proofs.last().unwrap() + later;
            let mut expected = now;
            for proof in proofs.iter().rev() {
                if expected - proof >= 15 {
                    break;
                }
                expected = *proof;
            }
            // The last proof alone says nothing of a time that it is too old for.
            if later >= 15 {
                expected = now;
            }
            prop_assert_eq!(serving.since(at(now)), at(expected));
        }
    }
}
