//! How long calls took.

use std::time::Duration;

/// The times of some calls, of one at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// How many calls there were.
    pub(crate) calls: usize,
    /// The median.
    pub(crate) p50: Duration,
    /// The time that 99 of 100 do not exceed.
    pub(crate) p99: Duration,
}

impl Times {
    /// Of each call; `None` of none.
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        Some(Self {
            calls: times.len(),
            p50: *times.get(times.len() / 2)?,
            p99: *times.get(times.len() * 99 / 100)?,
        })
    }
}
