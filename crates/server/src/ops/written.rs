//! Whether the store can be written, as it was found last.
//!
//! To know it, something has to be written durably, and whoever asks for it on the operations port
//! carries no certificate. So nobody who asks causes a write. It is known by the writes that are
//! made anyway; where there were none for a while, or one has failed, the server looks by itself.

use std::{
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// A write that was made proves it for so long.
const PROVEN_FOR: Duration = Duration::from_secs(10);

/// Between two looks, where one is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A look has so long; then it is said that it does not end, and it stays the only one.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Why not.
    fault: Option<String>,
    /// The last write that succeeded.
    proven: Option<Instant>,
}

impl Written {
    /// Why it cannot be written.
    pub(super) fn fault(&self) -> Option<String> {
        self.known().fault.clone()
    }

    /// A write has ended. One that was made takes no fault back: deletions have room on a full disk
    /// that nothing else has.
    pub(super) fn tried(&self, outcome: Result<(), String>) {
        let mut known = self.known();
        match outcome {
            Ok(()) => known.proven = Some(Instant::now()),
            Err(reason) => known.fault = Some(reason),
        }
    }

    /// Looks whenever it is due, for as long as it is polled.
    pub(super) async fn watch<F>(&self, look: impl Fn() -> F)
    where
        F: Future<Output = Result<(), String>>,
    {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if !self.known().is_due() {
                continue;
            }
            let mut look = pin!(look());
            let outcome = if let Ok(outcome) = timeout(PATIENCE, look.as_mut()).await {
                outcome
            } else {
                self.known().fault = Some("a write to the store did not end in time".to_owned());
                look.await
            };
            self.known().found(outcome);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_due(&self) -> bool {
        self.fault.is_some() || self.proven.is_none_or(|proven| proven.elapsed() >= PROVEN_FOR)
    }

    fn found(&mut self, outcome: Result<(), String>) {
        if outcome.is_ok() {
            self.proven = Some(Instant::now());
        }
        self.fault = outcome.err();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{select, time::sleep};

    use super::*;

    /// Watches for so long and returns how often it was looked; each look ends so.
    async fn watch(written: &Written, span: Duration, takes: Duration, outcome: Result<(), String>) -> usize {
        let looks = AtomicUsize::new(0);
        let look = || {
            looks.fetch_add(1, Ordering::Relaxed);
            let outcome = outcome.clone();
            async move {
                sleep(takes).await;
                outcome
            }
        };
        select! {
            () = written.watch(look) => {}
            () = sleep(span) => {}
        }
        looks.load(Ordering::Relaxed)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_at_where_nothing_was_written_for_a_while() {
        let written = Written::default();
        let looks = watch(&written, 100 * SECOND, Duration::ZERO, Ok(())).await;
        assert!((9..=11).contains(&looks), "{looks}");
        written.tried(Ok(()));
        assert_eq!(watch(&written, 9 * SECOND, Duration::ZERO, Ok(())).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_fails_is_told_until_a_look_has_succeeded() {
        let written = Written::default();
        written.tried(Ok(()));
        written.tried(Err("full".to_owned()));
        assert_eq!(written.fault().as_deref(), Some("full"));
        // A deletion, into room that nothing else has.
        written.tried(Ok(()));
        assert_eq!(written.fault().as_deref(), Some("full"));
        let looks = watch(&written, 9 * SECOND, Duration::ZERO, Err("still full".to_owned())).await;
        assert_eq!((looks, written.fault().as_deref()), (5, Some("still full")));
        assert_eq!(watch(&written, SECOND, Duration::ZERO, Ok(())).await, 1);
        assert_eq!(written.fault(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_does_not_end_is_told_and_is_the_only_one() {
        let written = Written::default();
        let looks = watch(&written, 20 * SECOND, 100 * SECOND, Ok(())).await;
        assert_eq!(looks, 1);
        assert!(written.fault().unwrap().contains("did not end in time"));
        assert_eq!(watch(&written, 5 * SECOND, 3 * SECOND, Ok(())).await, 1);
        assert_eq!(written.fault(), None);
    }
}
