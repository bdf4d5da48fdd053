//! Choices that follow from a seed.
//!
//! Not proptest: its shrinking plays a case again in place, while here a case costs a namespace and
//! many variants are played at once; see [`crate::shrink`].

use std::ops::Range;

/// A source of choices.
#[derive(Debug, Clone)]
pub struct Dice(fastrand::Rng);

impl Dice {
    /// The dice of one case: the same seed and number give the same choices.
    pub fn new(seed: u64, number: u64) -> Self {
        // Neighbouring numbers must not give related streams.
        let mut first = fastrand::Rng::with_seed(seed);
        let start = first.u64(..) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(fastrand::Rng::with_seed(start))
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u32) -> bool {
        self.0.u32(0..100) < chance
    }

    /// A number of the range.
    pub fn count(&mut self, range: Range<usize>) -> usize {
        self.0.usize(range)
    }

    /// A number of the range.
    pub fn number(&mut self, range: Range<i64>) -> i64 {
        self.0.i64(range)
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.usize(0..from.len())]
    }

    /// So many hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits)
            .map(|_| char::from(*self.pick(b"0123456789abcdef")))
            .collect()
    }

    /// These in another order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        self.0.shuffle(values);
    }
}
