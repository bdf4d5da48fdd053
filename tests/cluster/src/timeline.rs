//! A test's steps with the seconds they took, printed as they end.

use std::time::{Duration, Instant};

/// Counts from its making.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    step: Instant,
}

impl Default for Timeline {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            step: now,
        }
    }
}

impl Timeline {
    /// Says what has just been reached, and how long it took since the step before.
    #[expect(clippy::print_stdout, reason = "the timeline is what the program is run for")]
    pub fn reached(&mut self, what: &str) {
        let now = Instant::now();
        println!(
            "{:6.1} s  (+{:5.1} s)  {what}",
            seconds(now - self.start),
            seconds(now - self.step)
        );
        self.step = now;
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
