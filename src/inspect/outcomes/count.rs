//! Exchanges counted by what became of them.

use crate::inspect::{Inspection, Outcome, Reason};
use crate::journal::ExchangeId;
use crate::rule::Code;

/// Number of exchanges of each case that are remembered as examples.
pub const EXAMPLES: usize = 3;

/// The result of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The outcome: whether it went well.
    pub outcome: Outcome,
    /// Reason that it ended.
    pub reason: Option<Reason>,
    /// The code of the verdict's cause; `None` when nothing is wrong.
    pub code: Option<Code>,
}

impl Case {
    /// That of an exchange that is over.
    pub fn of(seen: &Inspection) -> Self {
        Self { outcome: seen.outcome(), reason: seen.reason(), code: seen.cause().map(|f| f.code) }
    }

    /// Returns the reason that it ended, by its name in output.
    pub fn reason_name(&self) -> &'static str {
        self.reason.map_or("", Reason::name)
    }
}

/// A case, and how often it occurred.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseCount {
    /// The result that they share.
    pub case: Case,
    /// Number of exchanges.
    pub count: u64,
    /// The first few of them.
    pub examples: Vec<ExchangeId>,
}

/// Properties by which exchanges are grouped for counting.
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
    /// Returns the label of an exchange of a recording. Only its provider is known.
    pub fn of(seen: &Inspection) -> Self {
        let provider = seen.request.as_ref().map(|r| r.provider.clone()).unwrap_or_default();
        Self { provider, ..Self::default() }
    }
}

/// The exchanges of one label.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelGroup {
    /// The properties that they share.
    pub label: Label,
    /// Number of exchanges.
    pub n: u64,
    /// Their results, the worst first, then the most frequent.
    pub kinds: Vec<CaseCount>,
}

impl LabelGroup {
    /// Returns how many failed.
    pub fn failed(&self) -> u64 {
        self.kinds.iter().filter(|k| k.case.outcome == Outcome::Failed).map(|k| k.count).sum()
    }
}

/// Many exchanges, counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    groups: Vec<LabelGroup>,
}

impl Tally {
    /// Counts an exchange. Returns whether it is kept as an example.
    pub fn add(&mut self, label: &Label, x: ExchangeId, case: Case) -> bool {
        let at = match self.groups.iter().position(|g| g.label == *label) {
            Some(at) => at,
            None => {
                let order = |l: &Label| (l.size, l.side);
                let at = self.groups.partition_point(|g| order(&g.label) <= order(label));
                self.groups
                    .insert(at, LabelGroup { label: label.clone(), ..LabelGroup::default() });
                at
            }
        };
        let group = &mut self.groups[at];
        group.n += 1;
        let at = match group.kinds.iter().position(|k| k.case == case) {
            Some(at) => at,
            None => {
                group.kinds.push(CaseCount { case, count: 0, examples: Vec::new() });
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
    pub fn groups(&self) -> &[LabelGroup] {
        &self.groups
    }

    /// Returns how many were counted.
    pub fn total(&self) -> u64 {
        self.groups.iter().map(|g| g.n).sum()
    }

    /// Returns how many of them failed.
    pub fn failed(&self) -> u64 {
        self.groups.iter().map(LabelGroup::failed).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
