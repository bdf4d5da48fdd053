//! What is kept from one round to the next, in memory only: evidence, and patience with an action
//! that failed.
//!
//! A companion that is started anew has none of it and gathers it again; nothing depends on it but
//! time.

use std::time::Duration;

use jiff::Timestamp;
use plan::{
    Action,
    observed::{Dated, Evidence},
};
use tokio::time::Instant;

/// A failed action is tried again after this time, twice that, and so on.
const FIRST: Duration = Duration::from_secs(1);

/// But at least so often.
const LONGEST: Duration = Duration::from_mins(1);

/// What an action was decided on may change under its hands so often in a row; more is no accident.
const STALE: u32 = 8;

/// Of one resource.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What calls have shown.
    pub(super) evidence: Evidence,
    failed: Option<Failure>,
    stale: u32,
}

#[derive(Debug)]
struct Failure {
    action: &'static str,
    times: u32,
    next: Instant,
}

impl Memory {
    /// How long an action has to wait because it failed before.
    pub(super) fn patience(&self, action: &Action) -> Option<Duration> {
        let failed = self
            .failed
            .as_ref()
            .filter(|failed| failed.action == action.name())?;
        failed
            .next
            .checked_duration_since(Instant::now())
            .filter(|rest| !rest.is_zero())
    }

    /// An action succeeded.
    pub(super) fn done(&mut self) {
        self.failed = None;
        self.stale = 0;
        self.evidence.failing = None;
    }

    /// Nothing is to be done. What failed, and is not wanted any more when it would be tried again,
    /// is over.
    pub(super) fn idle(&mut self) {
        if self
            .failed
            .as_ref()
            .is_none_or(|failed| failed.next <= Instant::now())
        {
            self.done();
        }
    }

    /// An action came too late. Whether it is to be taken for one that failed.
    pub(super) fn stale(&mut self) -> bool {
        self.stale = self.stale.saturating_add(1);
        self.stale > STALE
    }

    /// An action failed. Whether that is news.
    pub(super) fn failed(&mut self, action: &Action, reason: &str, now: Timestamp) -> bool {
        let times = match &self.failed {
            Some(failed) if failed.action == action.name() => failed.times.saturating_add(1),
            _ => 1,
        };
        let delay = FIRST.saturating_mul(2_u32.saturating_pow(times - 1)).min(LONGEST);
        self.failed = Some(Failure {
            action: action.name(),
            times,
            next: Instant::now() + delay,
        });
        let news = self
            .evidence
            .failing
            .as_ref()
            .is_none_or(|failing| failing.value != reason || failing.about != action.name());
        self.evidence.failing = Some(Dated {
            at: now,
            about: action.name().to_owned(),
            value: reason.to_owned(),
        });
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failed_action_waits_longer_each_time_and_others_do_not() {
        let mut memory = Memory::default();
        let (action, other) = (Action::SetFinalizer(true), Action::CheckRights);
        let mut waits = Vec::new();
        for _ in 0..8 {
            memory.failed(&action, "no", Timestamp::UNIX_EPOCH);
            waits.push(memory.patience(&action).unwrap().as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(memory.patience(&other), None);
        tokio::time::advance(LONGEST).await;
        assert_eq!(memory.patience(&action), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_in_between_makes_no_failure_forgotten_before_its_time() {
        let mut memory = Memory::default();
        memory.failed(&Action::CheckRights, "no", Timestamp::UNIX_EPOCH);
        memory.idle();
        assert!(memory.patience(&Action::CheckRights).is_some());
        tokio::time::advance(FIRST).await;
        memory.idle();
        assert!(memory.evidence.failing.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_again_and_again_is_a_failure() {
        let mut memory = Memory::default();
        let failures = (0..10).filter(|_| memory.stale()).count();
        assert_eq!(failures, 2);
        memory.done();
        assert!(!memory.stale());
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_error_is_news_once() {
        let mut memory = Memory::default();
        let action = Action::CheckRights;
        assert!(memory.failed(&action, "no", Timestamp::UNIX_EPOCH));
        assert!(!memory.failed(&action, "no", Timestamp::UNIX_EPOCH));
        assert!(memory.failed(&action, "never", Timestamp::UNIX_EPOCH));
        memory.done();
        assert!(memory.evidence.failing.is_none());
        assert!(memory.failed(&action, "no", Timestamp::UNIX_EPOCH));
    }
}
