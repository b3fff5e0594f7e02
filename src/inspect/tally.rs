//! What became of many exchanges: outcome by outcome how often, and how sure that is.
//!
//! An exchange that is over is reduced to a [`Case`]; of each kind of case only its number and the
//! first few exchanges are kept, so that a thousand cost no more than ten.

use std::collections::BTreeMap;

use super::{Inspection, Outcome, Reason};
use crate::journal::{ExchangeId, Micros};
use crate::rule::Code;
use crate::text;

/// How many exchanges of each case are remembered as examples.
pub const EXAMPLES: usize = 3;

/// The 97.5 % quantile of the normal distribution: 95 % lie within it on both sides.
const Z: f64 = 1.959_963_984_540_054;

/// What became of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Whether it went well.
    pub outcome: Outcome,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// The code of the verdict's cause; `None` when nothing is wrong.
    pub code: Option<Code>,
}

impl Case {
    /// That of an exchange that is over.
    pub fn of(seen: &Inspection) -> Self {
        Self { outcome: seen.outcome(), reason: seen.reason(), code: seen.cause().map(|f| f.code) }
    }

    /// Why it ended, by its name in output.
    pub fn reason_name(&self) -> &'static str {
        self.reason.map_or("", Reason::name)
    }
}

/// A case, and how often it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// What became of them.
    pub case: Case,
    /// How many.
    pub count: u64,
    /// The first few of them.
    pub examples: Vec<ExchangeId>,
}

/// What is counted apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label {
    /// The request body's length in bytes, where lengths are compared.
    pub size: Option<u64>,
    /// The provider.
    pub provider: String,
    /// The model that all of them were asked for; empty where that is not known.
    pub model: String,
    /// Of a comparison: which side, `a` or `b`.
    pub side: Option<char>,
}

impl Label {
    /// That of an exchange of a recording: what else it was one of nobody knows.
    pub fn of(seen: &Inspection) -> Self {
        let provider = seen.request.as_ref().map(|r| r.provider.clone()).unwrap_or_default();
        Self { provider, ..Self::default() }
    }
}

/// The exchanges of one label.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// What they have in common.
    pub label: Label,
    /// How many there are.
    pub n: u64,
    /// What became of them, the worst first, then the most frequent.
    pub kinds: Vec<Kind>,
}

impl Group {
    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.kinds.iter().filter(|k| k.case.outcome == Outcome::Failed).map(|k| k.count).sum()
    }
}

/// Many exchanges, counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    groups: Vec<Group>,
}

impl Tally {
    /// Counts an exchange. Tells whether it is kept as an example.
    pub fn add(&mut self, label: &Label, x: ExchangeId, case: Case) -> bool {
        let at = match self.groups.iter().position(|g| g.label == *label) {
            Some(at) => at,
            None => {
                let order = |l: &Label| (l.size, l.side);
                let at = self.groups.partition_point(|g| order(&g.label) <= order(label));
                self.groups.insert(at, Group { label: label.clone(), ..Group::default() });
                at
            }
        };
        let group = &mut self.groups[at];
        group.n += 1;
        let at = match group.kinds.iter().position(|k| k.case == case) {
            Some(at) => at,
            None => {
                group.kinds.push(Kind { case, count: 0, examples: Vec::new() });
                group.kinds.len() - 1
            }
        };
        let kind = &mut group.kinds[at];
        kind.count += 1;
        let kept = kind.examples.len() < EXAMPLES;
        if kept {
            kind.examples.push(x);
        }
        group.kinds.sort_by_key(|k| std::cmp::Reverse((k.case.outcome, k.count)));
        kept
    }

    /// The groups, by size and side.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.groups.iter().map(|g| g.n).sum()
    }

    /// How many of them failed.
    pub fn failed(&self) -> u64 {
        self.groups.iter().map(Group::failed).sum()
    }
}

/// How often one size was tried, and how often that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// How often it was tried.
    pub n: u64,
    /// How often it failed.
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
    /// How often that was tried.
    pub good_tries: u64,
    /// The smallest size at which some failed.
    pub bad: u64,
    /// How often that was tried.
    pub bad_tries: u64,
    /// How many of those failed.
    pub failed: u64,
}

impl Threshold {
    /// What the tries show; `None` where nothing failed, or the smallest size did.
    pub fn of(tries: &BTreeMap<u64, Tries>) -> Option<Self> {
        let (Some(good), Some(bad)) = bracket(tries) else { return None };
        let of = |size| tries.get(&size).copied().unwrap_or_default();
        let (below, above) = (of(good), of(bad));
        let (bad_tries, failed) = (above.n, above.failed);
        Some(Self { good, good_tries: below.n, bad, bad_tries, failed })
    }

    /// How likely it is that a fault as frequent as at the bad size did not show at the good one.
    pub fn by_luck(&self) -> f64 {
        let share = self.failed as f64 / self.bad_tries.max(1) as f64;
        (1.0 - share).powf(self.good_tries as f64)
    }

    /// What it rests on, in a sentence.
    pub fn grounds(&self) -> String {
        let luck = match self.by_luck() {
            p if p < 0.001 => "less than 0.1 %".to_owned(),
            p => percent(p),
        };
        let (failed, tries) = (text::group(self.failed), text::group(self.bad_tries));
        let good = text::group(self.good_tries);
        format!(
            "{failed} of {tries} failed at the larger one, 0 of {good} at the smaller one; the \
             chance that an equally frequent fault just did not show there is {luck}"
        )
    }
}

/// The 95 % interval of Wilson's score for a share of `count` in `n`: between which shares the true
/// one lies. Of nothing, anything may be true. Wilson 1927, <https://doi.org/10.2307/2276774>.
pub fn wilson(count: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (k, n) = (count.min(n) as f64, n as f64);
    let (p, z2) = (k / n, Z * Z);
    let middle = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let low = (middle - half) / (1.0 + z2 / n);
    let high = (middle + half) / (1.0 + z2 / n);
    // At the edges the formula gives them exactly, and rounding nearly.
    (if k == 0.0 { 0.0 } else { low }, if k == n { 1.0 } else { high })
}

/// A share in percent, with as many digits as mean something.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        // What is nearly all is not all: downwards, so that no rounding makes it so.
        p if p > 99.0 && p < 100.0 => format!("{:.1} %", (p * 10.0).floor() / 10.0),
        p if p > 0.0 && p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// A count's share of `n` and its interval: `30 %  (25–36 %)`.
pub fn share(count: u64, n: u64) -> String {
    let (low, high) = wilson(count, n);
    let share = if n == 0 { 0.0 } else { count as f64 / n as f64 };
    let low = percent(low);
    format!("{:>6}  ({}–{})", percent(share), low.trim_end_matches(" %"), percent(high))
}

/// How far many exchanges are, for a line on the screen: `38 of 1,000 · 41.2/s · 23 s left`.
/// `elapsed` is in microseconds.
pub fn rate(done: u64, n: u64, failed: u64, elapsed: Micros) -> String {
    let mut line = format!("{} of {}", text::group(done), text::group(n));
    if done > 0 && elapsed > 0 {
        let rate = done as f64 / (elapsed as f64 / 1e6);
        let left = (n.saturating_sub(done) as f64 / rate).ceil();
        let digits = usize::from(rate < 100.0);
        line.push_str(&format!(" · {rate:.digits$}/s"));
        if done < n {
            line.push_str(&match left as u64 {
                s @ 0..120 => format!(" · {s} s left"),
                s => format!(" · {} min left", s.div_ceil(60)),
            });
        }
    }
    if failed > 0 {
        line.push_str(&format!(" · {} failed", text::group(failed)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe 1998, table I, method 3 (Wilson without continuity correction): the examples that
    /// every implementation is held against.
    #[test]
    fn the_interval_is_the_published_one() {
        for (k, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (29, 29, 0.8830, 1.0),
        ] {
            let (l, h) = wilson(k, n);
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{k} of {n}: {l} {h}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

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
        assert!(grounds.starts_with("3 of 9 failed at the larger one, 0 of 9"), "{grounds}");
        assert!(grounds.ends_with(" 2.6 %"), "{grounds}");
    }

    #[test]
    fn shares_are_written_with_as_many_digits_as_mean_something() {
        assert_eq!(share(0, 20), "   0 %  (0–16 %)");
        assert_eq!(share(1, 1000), " 0.1 %  (0.0–0.6 %)");
        assert_eq!(share(20, 20), " 100 %  (84–100 %)");
        assert_eq!(share(9999, 10_000), "99.9 %  (99.9–99.9 %)");
        assert_eq!(share(1000, 1000), " 100 %  (99.6–100 %)");
    }

    #[test]
    fn the_rate_tells_what_is_left() {
        assert_eq!(rate(0, 20, 0, 0), "0 of 20");
        assert_eq!(
            rate(10, 1000, 0, 2_000_000),
            format!("10 of {} · 5.0/s · 4 min left", text::group(1000))
        );
        assert_eq!(rate(20, 20, 3, 100_000), "20 of 20 · 200/s · 3 failed");
    }

    #[test]
    fn cases_are_counted_apart_with_a_few_examples_each_the_worst_first() {
        let ok = Case { outcome: Outcome::Ok, reason: Some(Reason::Complete), code: None };
        let bad = Case {
            outcome: Outcome::Failed,
            reason: Some(Reason::Truncated),
            code: Some(Code::TruncatedChunked),
        };
        let at = |size| Label { size: Some(size), provider: "lab".into(), ..Label::default() };
        let mut tally = Tally::default();
        for x in 0..10 {
            tally.add(&at(9), x, if x % 5 == 4 { bad } else { ok });
            tally.add(&at(1), 100 + x, ok);
        }
        let [small, large] = tally.groups() else { panic!("{tally:?}") };
        assert_eq!((small.label.size, small.n, small.failed()), (Some(1), 10, 0));
        assert_eq!((large.label.size, large.n, large.failed()), (Some(9), 10, 2));
        assert_eq!(large.kinds[0].case, bad);
        assert_eq!(large.kinds[0].examples, [4, 9]);
        assert_eq!(large.kinds[1].examples, [0, 1, 2]);
        assert_eq!((tally.total(), tally.failed()), (20, 2));
    }
}
