//! Whole numbers of any length, as digits: what a quantity needs of Go's `math/big` and
//! `gopkg.in/inf.v0`.

/// A number ≥ 0 as decimal digits without leading zeros; zero has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits(Vec<u8>);

impl Digits {
    /// From ASCII digits.
    pub(super) fn new(digits: &str) -> Self {
        Self(digits.trim_start_matches('0').bytes().collect())
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn append_zeros(&mut self, count: usize) {
        if !self.is_zero() {
            self.0.resize(self.0.len() + count, b'0');
        }
    }

    /// Without the zeros at the end, and how many those were.
    pub(super) fn without_trailing_zeros(mut self) -> (Self, usize) {
        let before = self.0.len();
        while self.0.last() == Some(&b'0') {
            self.0.pop();
        }
        let removed = before - self.0.len();
        (self, removed)
    }

    /// All digits but the last so many, and those.
    pub(super) fn split(mut self, count: usize) -> (Self, Self) {
        let last = self.0.split_off(self.0.len().saturating_sub(count));
        let zeros = last.iter().take_while(|digit| **digit == b'0').count();
        (self, Self(last[zeros..].to_vec()))
    }

    pub(super) fn add_one(&mut self) {
        for digit in self.0.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.0.insert(0, b'1');
    }

    pub(super) fn doubled(&mut self, times: u32) {
        for _ in 0..times {
            let mut carry = 0;
            for digit in self.0.iter_mut().rev() {
                let twice = (*digit - b'0') * 2 + carry;
                *digit = b'0' + twice % 10;
                carry = twice / 10;
            }
            if carry > 0 {
                self.0.insert(0, b'1');
            }
        }
    }

    /// As a machine number, if it fits.
    pub(super) fn to_u64(&self) -> Option<u64> {
        if self.is_zero() {
            Some(0)
        } else {
            self.to_string().parse().ok()
        }
    }
}

impl std::fmt::Display for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        self.0
            .iter()
            .try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}
