//! When a device was last heard: times that change with every request and carry nothing else.
//!
//! They reach the store late (within seconds) and out of order, so joining two of them must not
//! depend on the order.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Context, clock, delivery::DEFAULT_PERIOD};

/// Heartbeats without a configuration poll for this long: the device is
/// [`Connectivity::NotPolling`].
pub const NOT_POLLING_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// However short a device's period of heartbeats is, it is not silent before. Times reach another
/// server some seconds late.
pub const SILENT_NOT_BEFORE: SignedDuration = SignedDuration::from_mins(1);

/// How long a device may be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Nothing heard for this long is silence.
    pub silent_after: SignedDuration,
    /// What was not heard before this time was not missed: nobody listened.
    pub since: Timestamp,
}

impl Patience {
    /// Whether what was last heard at `last` is missed at `now`.
    pub fn is_over(&self, last: Timestamp, now: Timestamp) -> bool {
        let last = clock::settled(last, now);
        now.duration_since(last.max(self.since)) >= self.silent_after
    }
}

/// How the whole fleet is listened to at one time: all that connectivity depends on beside the
/// device. Whoever shows a device and whoever counts all of them ask this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// A device that is not heard for so many of its heartbeat periods is silent; 0 is 1.
    pub silent_after_periods: u32,
    /// What was not heard before this time was not missed: nobody listened.
    pub since: Timestamp,
    /// The time that is asked about.
    pub now: Timestamp,
}

impl Watch {
    /// That of a decision.
    pub fn of(context: &Context<'_>) -> Self {
        Self {
            silent_after_periods: context.policy.silent_after_periods,
            since: context.serving_since,
            now: context.now,
        }
    }

    /// How long a device may be quiet that has applied this period of heartbeats, in seconds;
    /// without one it is Flotta's.
    pub fn patience(&self, period_seconds: Option<i64>) -> Patience {
        let periods = i64::from(self.silent_after_periods.max(1));
        let seconds = period_seconds.unwrap_or(DEFAULT_PERIOD).saturating_mul(periods);
        Patience {
            silent_after: SignedDuration::from_secs(seconds).max(SILENT_NOT_BEFORE),
            since: self.since,
        }
    }

    /// Whether a device is heard that has applied this period of heartbeats and was heard at these
    /// times.
    pub fn connectivity(&self, presence: &Presence, period_seconds: Option<i64>) -> Connectivity {
        let patience = self.patience(period_seconds);
        presence.settled(self.now).connectivity(&patience, self.now)
    }
}

/// Times at which a device was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Its last configuration poll: the one request that only the holder of an unexpired device
    /// certificate can make.
    pub polled: Option<Timestamp>,
    /// Its last control poll, or the first half of a registration, which looks the same.
    pub asked: Option<Timestamp>,
    /// Its last heartbeat.
    pub beat: Option<Timestamp>,
    /// The first heartbeat after the configuration poll at `polled`.
    pub beating_since: Option<Timestamp>,
}

/// Whether a device is heard, and whether it still receives its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Connectivity {
    /// Never heard since it is known.
    NeverSeen,
    /// It polls its configuration.
    Online,
    /// It sends heartbeats but has not polled its configuration for [`NOT_POLLING_AFTER`]: its
    /// certificate has probably expired, and devices do not renew by themselves.
    NotPolling,
    /// Nothing was heard for longer than its [`Patience`].
    Silent,
}

impl Connectivity {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NeverSeen, Self::Online, Self::NotPolling, Self::Silent];

    /// The name as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverSeen => "NeverSeen",
            Self::Online => "Online",
            Self::NotPolling => "NotPolling",
            Self::Silent => "Silent",
        }
    }
}

impl Presence {
    /// A configuration poll was heard.
    #[must_use]
    pub fn polled(self, now: Timestamp) -> Self {
        self.join(Self {
            polled: Some(now),
            ..Self::default()
        })
    }

    /// A registration status was asked for.
    #[must_use]
    pub fn asked(self, now: Timestamp) -> Self {
        self.join(Self {
            asked: Some(now),
            ..Self::default()
        })
    }

    /// A heartbeat was heard.
    #[must_use]
    pub fn beat(self, now: Timestamp) -> Self {
        self.join(Self {
            polled: self.polled,
            beat: Some(now),
            beating_since: Some(now).filter(|now| Some(*now) > self.polled),
            ..Self::default()
        })
    }

    /// The union of two sightings, in any order and grouping, however often.
    ///
    /// A `beating_since` belongs to the poll that it was counted from: the later poll brings its
    /// own, and only beside the same poll does the earlier one count. So a heartbeat has to be told
    /// with the poll before it (see [`Self::beat`]). Keeping the earliest beyond the later poll
    /// instead would depend on the grouping: it forgets those between.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let beating_since = match self.polled.cmp(&other.polled) {
            Ordering::Less => other.beating_since,
            Ordering::Greater => self.beating_since,
            Ordering::Equal => [self.beating_since, other.beating_since]
                .into_iter()
                .flatten()
                .min(),
        };
        Self {
            polled: self.polled.max(other.polled),
            asked: self.asked.max(other.asked),
            beat: self.beat.max(other.beat),
            beating_since,
        }
    }

    /// With each time as what it counts as at `now`, see [`clock`]. To be taken before news are
    /// joined to it: of two times the later one stays, and one that is days ahead would for days.
    #[must_use]
    pub fn settled(self, now: Timestamp) -> Self {
        let settled = |at: Option<Timestamp>| at.map(|at| clock::settled(at, now));
        let presence = Self {
            polled: settled(self.polled),
            asked: settled(self.asked),
            beat: settled(self.beat),
            beating_since: settled(self.beating_since),
        };
        if presence == self {
            return self;
        }
        // Of two that count as now it is not known which came first.
        let since_the_poll = |since: &Timestamp| Some(*since) > presence.polled;
        Self {
            beating_since: presence.beating_since.filter(since_the_poll),
            ..presence
        }
    }

    /// The last time anything was heard.
    pub fn last(&self) -> Option<Timestamp> {
        self.polled.max(self.asked).max(self.beat)
    }

    fn connectivity(&self, patience: &Patience, now: Timestamp) -> Connectivity {
        let Some(last) = self.last() else {
            return Connectivity::NeverSeen;
        };
        if patience.is_over(last, now) {
            return Connectivity::Silent;
        }
        match (self.beating_since, self.beat) {
            (Some(since), Some(beat))
                if Some(since) > self.polled
                    && beat.duration_since(since.max(patience.since)) >= NOT_POLLING_AFTER =>
            {
                Connectivity::NotPolling
            }
            _ => Connectivity::Online,
        }
    }
}
