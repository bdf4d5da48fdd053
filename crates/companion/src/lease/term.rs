//! When a lease is held, and when it may be taken: pure, with time passed in.
//!
//! As client-go's leader election: a candidate trusts its own clock only, from the moment it first
//! saw a record. Unlike it, the holder checks two clocks before each write: a process that was
//! stopped and goes on finds that the wall clock has moved on even where its monotonic clock stood
//! still (a suspended machine).

use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::api::coordination::v1::Lease;

/// A lease that is not renewed for this long may be taken by others.
pub(super) const DURATION: Duration = Duration::from_secs(15);

/// The holder writes for this long after it began a renewal that succeeded: less than [`DURATION`],
/// so that it stops before others begin.
pub(super) const WRITES: Duration = Duration::from_secs(10);

/// The holder renews this often.
pub(super) const RENEWAL: Duration = Duration::from_secs(5);

/// Others look this often.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// A point on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Stands still while the machine is suspended.
    pub monotonic: Instant,
    /// Jumps when it is set.
    pub wall: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Whether less than this has passed since, on both clocks. A wall clock that was set back
    /// proves nothing.
    pub(super) fn is_within(self, span: Duration, since: Self) -> bool {
        let monotonic = self.monotonic.saturating_duration_since(since.monotonic) < span;
        let wall = self
            .wall
            .duration_since(since.wall)
            .is_ok_and(|passed| passed < span);
        monotonic && wall
    }
}

/// The record as it was last seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The record.
    pub lease: Lease,
    /// When this process first saw it in this version.
    pub since: Moment,
}

/// What to do about the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write our name into it.
    Take,
    /// Somebody else holds it.
    Wait,
}

/// What to do about a record as it is now. It is remembered in `seen`.
pub(super) fn step(seen: &mut Option<Seen>, lease: Lease, identity: &str, now: Moment) -> Step {
    let is_new = seen
        .as_ref()
        .is_none_or(|seen| seen.lease.metadata.resource_version != lease.metadata.resource_version);
    let since = match seen {
        Some(seen) if !is_new => seen.since,
        _ => now,
    };
    let spec = lease.spec.clone().unwrap_or_default();
    *seen = Some(Seen { lease, since });
    let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
    match holder {
        None => Step::Take,
        Some(holder) if holder == identity => Step::Take,
        Some(_) => {
            let promised = spec
                .lease_duration_seconds
                .and_then(|seconds| u64::try_from(seconds).ok());
            let promised = promised.map_or(DURATION, Duration::from_secs);
            // On the monotonic clock alone: a wall clock that was set must not make a lease look
            // over.
            if now.monotonic.saturating_duration_since(since.monotonic) > promised {
                Step::Take
            } else {
                Step::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(version: &str, holder: &str) -> Lease {
        serde_json::from_value(json!({
            "metadata": {"resourceVersion": version},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15},
        }))
        .unwrap()
    }

    fn later(moment: Moment, seconds: u64) -> Moment {
        Moment {
            monotonic: moment.monotonic + Duration::from_secs(seconds),
            wall: moment.wall + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_free_lease_and_our_own_are_taken() {
        let now = Moment::now();
        assert_eq!(step(&mut None, Lease::default(), "a", now), Step::Take);
        assert_eq!(step(&mut None, lease("1", ""), "a", now), Step::Take);
        assert_eq!(step(&mut None, lease("1", "a"), "a", now), Step::Take);
    }

    #[test]
    fn anothers_is_taken_when_it_was_not_renewed_since_we_first_saw_it() {
        let (start, mut seen) = (Moment::now(), None);
        assert_eq!(step(&mut seen, lease("1", "b"), "a", start), Step::Wait);
        assert_eq!(
            step(&mut seen, lease("1", "b"), "a", later(start, 15)),
            Step::Wait
        );
        assert_eq!(
            step(&mut seen, lease("2", "b"), "a", later(start, 16)),
            Step::Wait
        );
        assert_eq!(
            step(&mut seen, lease("2", "b"), "a", later(start, 31)),
            Step::Wait
        );
        assert_eq!(
            step(&mut seen, lease("2", "b"), "a", later(start, 32)),
            Step::Take
        );
    }

    #[test]
    fn a_wall_clock_that_was_set_takes_nothing() {
        let (start, mut seen) = (Moment::now(), None);
        assert_eq!(step(&mut seen, lease("1", "b"), "a", start), Step::Wait);
        let jumped = Moment {
            monotonic: start.monotonic,
            wall: start.wall + Duration::from_hours(1),
        };
        assert_eq!(step(&mut seen, lease("1", "b"), "a", jumped), Step::Wait);
    }

    #[test]
    fn a_holder_that_was_stopped_finds_its_time_over_on_either_clock() {
        let renewed = Moment::now();
        assert!(later(renewed, 9).is_within(WRITES, renewed));
        assert!(!later(renewed, 10).is_within(WRITES, renewed));
        let suspended = Moment {
            monotonic: renewed.monotonic,
            wall: renewed.wall + Duration::from_mins(1),
        };
        assert!(!suspended.is_within(WRITES, renewed));
        let set_back = Moment {
            monotonic: renewed.monotonic,
            wall: renewed.wall - Duration::from_secs(1),
        };
        assert!(!set_back.is_within(WRITES, renewed));
    }
}
