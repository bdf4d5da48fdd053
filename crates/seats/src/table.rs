//! Who waits, by address and age.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use tokio_util::sync::CancellationToken;

use crate::Source;

/// The places and who waits on them.
#[derive(Debug)]
pub(crate) struct Table {
    /// Places that nobody has.
    free: usize,
    /// Numbers of those who wait, in the order in which they began to.
    next: u64,
    waiting: HashMap<Source, BTreeMap<u64, CancellationToken>>,
    /// The same: how many wait at an address, and since when the oldest does. The last one is the
    /// next to lose.
    ranking: BTreeSet<(usize, Reverse<u64>, Source)>,
}

impl Table {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            free: places,
            next: 0,
            waiting: HashMap::new(),
            ranking: BTreeSet::new(),
        }
    }

    /// Takes a place that nobody has.
    pub(crate) fn take_free(&mut self, source: Source, lost: CancellationToken) -> Option<u64> {
        self.free = self.free.checked_sub(1)?;
        Some(self.wait(source, lost))
    }

    /// Takes the oldest place of the address that has most of them.
    pub(crate) fn take_anothers(&mut self, source: Source, lost: CancellationToken) -> Option<u64> {
        let &(_, Reverse(oldest), loser) = self.ranking.last()?;
        if let Some(token) = self.remove(loser, oldest) {
            token.cancel();
        }
        Some(self.wait(source, lost))
    }

    /// A place that was taken is free again.
    pub(crate) fn give_back(&mut self) {
        self.free += 1;
    }

    /// Somebody who has a place begins to wait.
    pub(crate) fn wait(&mut self, source: Source, lost: CancellationToken) -> u64 {
        let number = self.next;
        self.next += 1;
        self.change(source, |waiting| waiting.insert(number, lost));
        number
    }

    /// Somebody waits no more; `false` if its place was lost meanwhile.
    pub(crate) fn leave(&mut self, source: Source, number: u64) -> bool {
        self.remove(source, number).is_some()
    }

    fn remove(&mut self, source: Source, number: u64) -> Option<CancellationToken> {
        self.change(source, |waiting| waiting.remove(&number))
    }

    fn change<T>(
        &mut self,
        source: Source,
        change: impl FnOnce(&mut BTreeMap<u64, CancellationToken>) -> T,
    ) -> T {
        let rank = |waiting: &BTreeMap<u64, CancellationToken>| {
            let (oldest, _) = waiting.first_key_value()?;
            Some((waiting.len(), Reverse(*oldest), source))
        };
        let waiting = self.waiting.entry(source).or_default();
        if let Some(before) = rank(waiting) {
            self.ranking.remove(&before);
        }
        let outcome = change(waiting);
        match rank(waiting) {
            Some(after) => {
                self.ranking.insert(after);
            }
            None => {
                self.waiting.remove(&source);
            }
        }
        outcome
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.free
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        assert_eq!(self.ranking.len(), self.waiting.len());
        self.waiting.values().map(BTreeMap::len).sum()
    }
}
