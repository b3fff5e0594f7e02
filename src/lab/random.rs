//! Chance, repeatable: what a scenario does "now and then" depends only on the
//! lab's seed and on the number of the request.

use std::hash::{BuildHasher, Hasher, RandomState};

/// SplitMix64: tiny, and good enough for jitter and for tossing coins.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of the `n`-th exchange of a lab with this seed.
    pub(super) fn of_exchange(seed: u64, n: u64) -> Self {
        // One step over the number first: neighboring requests would
        // otherwise walk the same sequence, shifted by one.
        let scattered = Self(n).next();
        Self(seed ^ scattered)
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of the items; the empty string of none.
    pub(super) fn pick(&mut self, items: &[&'static str]) -> &'static str {
        let len = items.len().max(1) as u64;
        let index = usize::try_from(self.next() % len).unwrap_or(0);
        items.get(index).copied().unwrap_or("")
    }
}

/// A seed that differs from run to run.
pub(super) fn fresh_seed() -> u64 {
    // The standard library seeds its hash maps from the system; no further
    // dependency is needed for a coin.
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_and_number_give_the_same_sequence() {
        let draw = |seed, n| Random::of_exchange(seed, n).next();
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
    }

    #[test]
    fn unit_stays_in_its_range_and_spreads() {
        let mut random = Random::of_exchange(1, 1);
        let mean = (0..1000).map(|_| random.unit()).sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
