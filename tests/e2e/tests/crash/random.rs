//! Numbers that can be repeated: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
//! number generators"), which is enough for choosing moments and a dependency less.

/// The generator.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Seeded from `CRASH_SEED`, or anew; says so in the output of the test.
    pub(crate) fn announced(what: &str) -> Self {
        let given = std::env::var("CRASH_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| jiff::Timestamp::now().as_microsecond().unsigned_abs());
        announce(&format!("{what}: CRASH_SEED={seed}"));
        Self(seed)
    }

    /// A number below `bound`, as even as a modulus makes it.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a failed test shows its output, and this line is how to repeat it"
)]
fn announce(line: &str) {
    eprintln!("{line}");
}
