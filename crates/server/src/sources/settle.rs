//! Since when is a source as it is, and what of it counts by now?
//!
//! A file is truncated and then written, by `cp`, by editors, by a checkout, and stays half of
//! itself when a disk is full. What is read in between looks whole: the end of a list of documents
//! is nowhere written. So what only adds counts when nothing has changed for some seconds, and what
//! takes something away much later, for a workload that is taken off a device goes with its data,
//! and one that comes late does no harm.
//!
//! What is replaced at once, the volume of a ConfigMap or a link that is led elsewhere, is never
//! half of itself: there the short time is enough for both. What is changed behind its link is not
//! replaced, and of what is seen first nobody knows it.
//!
//! Rejected: one time for both (either losses come too soon or changes too late); to look for open
//! files (not over a network, and a checkout closes each).

use std::time::Duration;

/// How long a source has to stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Until what only adds counts.
    pub additions: Duration,
    /// Until what takes something away counts.
    pub removals: Duration,
}

impl Settle {
    /// Two looks after the last change at the latest.
    const ADDITIONS: Duration = Duration::from_secs(2);

    /// The usual time for what adds, and this one for what takes away.
    pub fn removals(removals: Duration) -> Self {
        Self {
            additions: Self::ADDITIONS.min(removals),
            removals,
        }
    }
}

/// What counts of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing: it has just changed.
    Moving,
    /// What only adds.
    Still,
    /// All of it.
    Settled,
}

/// How a source looks from outside.
pub trait Look: PartialEq {
    /// Whether nothing of it was ever half written, as it came about after `before`.
    fn is_replaced_at_once(&self, before: Option<&Self>) -> bool;
}

/// How a source looks, and since when. Times are those of one clock that never goes back.
#[derive(Debug)]
pub struct Stillness<L> {
    settle: Settle,
    seen: Option<Seen<L>>,
}

#[derive(Debug)]
struct Seen<L> {
    look: L,
    /// When it was seen so first.
    since: Duration,
    at_once: bool,
    /// Since when it changes without having been still.
    moving_since: Duration,
}

impl<L: Look> Stillness<L> {
    /// Of a source that was not looked at yet.
    pub fn new(settle: Settle) -> Self {
        Self { settle, seen: None }
    }

    /// It looks so now; whether that is another look than before.
    pub fn see(&mut self, look: L, now: Duration) -> bool {
        if self.seen.as_ref().is_some_and(|seen| seen.look == look) {
            return false;
        }
        let before = self.seen.take();
        let was_still = before
            .as_ref()
            .is_none_or(|seen| now.saturating_sub(seen.since) >= self.settle.additions);
        self.seen = Some(Seen {
            at_once: look.is_replaced_at_once(before.as_ref().map(|seen| &seen.look)),
            look,
            since: now,
            moving_since: before
                .filter(|_| !was_still)
                .map_or(now, |seen| seen.moving_since),
        });
        true
    }

    /// What counts of it now.
    pub fn standing(&self, now: Duration) -> Standing {
        let Some(seen) = &self.seen else {
            return Standing::Moving;
        };
        let still = now.saturating_sub(seen.since);
        let removals = if seen.at_once {
            self.settle.additions
        } else {
            self.settle.removals
        };
        if still >= removals {
            Standing::Settled
        } else if still >= self.settle.additions {
            Standing::Still
        } else {
            Standing::Moving
        }
    }

    /// For how long it has changed without being still in between; zero if it is still.
    pub fn moving_for(&self, now: Duration) -> Duration {
        match &self.seen {
            Some(seen) if self.standing(now) == Standing::Moving => now.saturating_sub(seen.moving_since),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where a source leads, and what is there.
    #[derive(Clone, Debug, PartialEq)]
    struct Fake {
        root: u8,
        content: u8,
        is_volume: bool,
    }

    impl Look for Fake {
        fn is_replaced_at_once(&self, before: Option<&Self>) -> bool {
            self.is_volume || before.is_some_and(|before| before.root != self.root)
        }
    }

    const SETTLE: Settle = Settle {
        additions: Duration::from_secs(2),
        removals: Duration::from_secs(30),
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn folder(content: u8) -> Fake {
        Fake {
            root: 0,
            content,
            is_volume: false,
        }
    }

    #[test]
    fn a_file_that_is_written_in_two_steps_counts_from_its_last_change() {
        let mut source = Stillness::new(SETTLE);
        assert_eq!(source.standing(seconds(0)), Standing::Moving);
        source.see(folder(1), seconds(0));
        source.see(folder(2), seconds(100));
        for (now, standing) in [
            (101, Standing::Moving),
            (102, Standing::Still),
            (129, Standing::Still),
            (130, Standing::Settled),
        ] {
            assert_eq!(source.standing(seconds(now)), standing, "at {now}");
        }
        source.see(folder(3), seconds(129));
        assert_eq!(source.standing(seconds(130)), Standing::Moving);
    }

    #[test]
    fn what_never_rests_is_known_to() {
        let mut source = Stillness::new(SETTLE);
        for now in 0..90 {
            source.see(folder(u8::try_from(now % 7).unwrap()), seconds(now));
        }
        assert_eq!(source.moving_for(seconds(90)), seconds(90));
        assert_eq!(source.moving_for(seconds(91)), Duration::ZERO);
        source.see(folder(200), seconds(95));
        assert_eq!(source.moving_for(seconds(96)), seconds(1));
    }

    fn looks() -> impl Strategy<Value = Vec<(u64, Fake)>> {
        let look = (0u8..3, 0u8..3, prop::bool::weighted(0.2)).prop_map(|(root, content, is_volume)| Fake {
            root,
            content,
            is_volume,
        });
        prop::collection::vec((0u64..12, look), 1..20)
    }

    proptest! {
        /// Compared with the same said of the whole history at once.
        #[test]
        fn what_counts_has_not_changed_for_its_time(pauses in looks(), later in 0u64..40) {
            let mut source = Stillness::new(SETTLE);
            let mut history: Vec<(u64, Fake)> = Vec::new();
            let mut now = 0;
            for (pause, look) in pauses {
                now += pause;
                source.see(look.clone(), seconds(now));
                history.push((now, look));
            }
            now += later;
            let last = &history.last().unwrap().1;
            // From the end back: the same look all the time.
            let same = history.iter().rev().take_while(|(_, look)| look == last).count();
            let (since, _) = history[history.len() - same];
            let before = history.len().checked_sub(same + 1).map(|index| &history[index].1);
            let at_once = last.is_volume || before.is_some_and(|before| before.root != last.root);
            let still = now - since;
            let expected = match still {
                0..2 => Standing::Moving,
                2..30 if !at_once => Standing::Still,
                _ => Standing::Settled,
            };
            prop_assert_eq!(source.standing(seconds(now)), expected);
        }

        /// Looking more often changes nothing.
        #[test]
        fn a_look_at_what_is_the_same_changes_nothing(pauses in looks(), later in 0u64..40) {
            let (mut once, mut often) = (Stillness::new(SETTLE), Stillness::new(SETTLE));
            let mut now = 0;
            for (pause, look) in pauses {
                now += pause;
                for source in [&mut once, &mut often] {
                    source.see(look.clone(), seconds(now));
                }
                often.see(look, seconds(now));
            }
            let last = often.seen.as_ref().unwrap().look.clone();
            for second in 0..=later {
                often.see(last.clone(), seconds(now + second));
            }
            prop_assert_eq!(once.standing(seconds(now + later)), often.standing(seconds(now + later)));
        }
    }
}
