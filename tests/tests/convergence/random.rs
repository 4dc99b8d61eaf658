//! Random choices that a seed fixes.

use std::time::Duration;

/// SplitMix64: small, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `often` times; never for 0.
    pub(crate) fn once_in(&mut self, often: usize) -> bool {
        often != 0 && self.below(often) == 0
    }

    /// A time below `millis` milliseconds.
    pub(crate) fn time(&mut self, millis: usize) -> Duration {
        Duration::from_micros(self.below(millis * 1000) as u64)
    }
}
