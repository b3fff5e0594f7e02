//! From which size on requests fail.

use std::collections::BTreeMap;

use super::interval::{percent, wilson};
use crate::text;

/// The precision of the search for a threshold: this many bytes, or one in a hundred of it.
const NEAR: u64 = 64;

/// Number of times that one size was tried, and number of times that it failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// Number of tries.
    pub n: u64,
    /// Number of tries that failed.
    pub failed: u64,
}

/// The largest size without a failure below the smallest with one, and that. Sizes are bytes of the
/// request's body.
pub fn bracket(tries: &BTreeMap<u64, Tries>) -> (Option<u64>, Option<u64>) {
    let bad = tries.iter().find(|(_, t)| t.failed > 0).map(|(size, _)| *size);
    let below = |size: &u64| bad.is_none_or(|bad| *size < bad);
    (tries.keys().copied().rfind(below), bad)
}

/// The size from which on requests fail, as near as it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// The largest size at which none failed, in bytes of the request's body.
    pub good: u64,
    /// Number of tries at that size.
    pub good_tries: u64,
    /// The smallest size at which some failed.
    pub bad: u64,
    /// Number of tries at that size.
    pub bad_tries: u64,
    /// Number of those that failed.
    pub failed: u64,
}

impl Threshold {
    /// Returns what the tries show; `None` if nothing failed, or the smallest size did.
    pub fn of(tries: &BTreeMap<u64, Tries>) -> Option<Self> {
        let (Some(good), Some(bad)) = bracket(tries) else { return None };
        let of = |size| tries.get(&size).copied().unwrap_or_default();
        let (below, above) = (of(good), of(bad));
        let (bad_tries, failed) = (above.n, above.failed);
        Some(Self { good, good_tries: below.n, bad, bad_tries, failed })
    }

    /// Returns the upper bound of the probability that a fault as frequent as at the bad size did not show at
    /// the good one. The frequency is the lower end of its 95 % interval, the same as in the table: one
    /// failure of one try proves little.
    pub fn by_luck(&self) -> f64 {
        let (low, _) = wilson(self.failed, self.bad_tries);
        (1.0 - low).powf(self.good_tries as f64)
    }

    /// Returns the grounds for it, in a sentence.
    pub fn grounds(&self) -> String {
        let luck = match self.by_luck() {
            p if p < 0.001 => "less than 0.1 %".to_owned(),
            p => format!("up to {}", percent(p)),
        };
        let interval = |count, n| {
            let (low, high) = wilson(count, n);
            format!("{}–{}", percent(low).trim_end_matches(" %"), percent(high))
        };
        let (failed, tries) = (text::group(self.failed), text::group(self.bad_tries));
        let good = text::group(self.good_tries);
        let (bad, fine) = (interval(self.failed, self.bad_tries), interval(0, self.good_tries));
        format!(
            "{failed} of {tries} failed at the larger one ({bad}), 0 of {good} at the smaller one \
             ({fine}); the chance that an equally frequent fault just did not show there is {luck}"
        )
    }
}

/// Returns the size between two, unless they are near enough.
pub(super) fn middle(good: u64, bad: u64) -> Option<u64> {
    let apart = bad.saturating_sub(good);
    (apart > NEAR.max(bad / 100)).then_some(good + apart / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_size_above_a_bad_one_bounds_nothing() {
        let tries = |list: &[(u64, u64)]| -> BTreeMap<u64, Tries> {
            list.iter().map(|(s, f)| (*s, Tries { n: 9, failed: *f })).collect()
        };
        assert_eq!(bracket(&tries(&[(10, 0), (20, 1), (30, 0)])), (Some(10), Some(20)));
        assert_eq!(bracket(&tries(&[(10, 2), (20, 1)])), (None, Some(10)));
        assert_eq!(bracket(&tries(&[(10, 0), (20, 0)])), (Some(20), None));
        assert_eq!(Threshold::of(&tries(&[(10, 2), (20, 1)])), None);
        let found = Threshold::of(&tries(&[(10, 0), (20, 3)]));
        let grounds = found.map(|t| t.grounds()).unwrap_or_default();
        assert!(
            grounds.starts_with("3 of 9 failed at the larger one (12–65 %), 0 of 9"),
            "{grounds}"
        );
        // For 3 in 9 the interval begins at 12 %: (1 - 0.1206)^9.
        assert!(grounds.ends_with(" up to 31 %"), "{grounds}");
        let one = |n, failed| Threshold { good: 1, good_tries: n, bad: 2, bad_tries: n, failed };
        assert!(one(1, 1).by_luck() > 0.79, "one of one is not sure");
        assert!(one(20, 20).by_luck() < 1e-9);
    }
}
