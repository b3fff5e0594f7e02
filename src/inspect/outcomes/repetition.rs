//! Many exchanges as a state machine: what is sent next, and the overall result.

use std::collections::BTreeMap;

use super::threshold::{Threshold, Tries, bracket, middle};

/// The plan of what is to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Number of rounds at each size.
    pub times: u64,
    /// Number of rounds at the same time.
    pub parallel: u64,
    /// The sizes of the request's body in bytes, ascending; none for the body as it is.
    pub sizes: Vec<u64>,
    /// To look for the threshold by halving: the smallest size that can be sent.
    pub bisect_from: Option<u64>,
}

/// One round that is to be sent: a request, or the two of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// The size of the body, where sizes are compared.
    pub size: Option<u64>,
}

/// The result of the search for a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThresholdSearch {
    /// Nothing failed at any size.
    NothingFails,
    /// The smallest size fails too.
    AllFail,
    /// It lies here.
    Found(Threshold),
}

/// Many exchanges under way.
///
/// ```
/// use sselens::inspect::outcomes::{Plan, Repetition};
///
/// let mut repetition = Repetition::new(Plan { times: 3, parallel: 2, ..Plan::default() });
/// while let Some(round) = repetition.next() {
///     // It is sent; later it is over:
///     repetition.over(round, Some(false));
/// }
/// assert!(repetition.is_over() && repetition.done() == 3);
/// ```
#[derive(Debug, Clone)]
pub struct Repetition {
    plan: Plan,
    /// The sizes of the stage at hand, which take turns.
    stage: Vec<Option<u64>>,
    /// Of this stage: how many were begun, and how many are over.
    begun: u64,
    over: u64,
    /// Of all stages.
    done: u64,
    cut: u64,
    stopped: bool,
    tries: BTreeMap<u64, Tries>,
    search: Option<ThresholdSearch>,
}

impl Repetition {
    /// Nothing was sent yet.
    pub fn new(plan: Plan) -> Self {
        let stage = match plan.sizes.is_empty() {
            true => vec![None],
            false => plan.sizes.iter().copied().map(Some).collect(),
        };
        Self {
            plan,
            stage,
            begun: 0,
            over: 0,
            done: 0,
            cut: 0,
            stopped: false,
            tries: BTreeMap::new(),
            search: None,
        }
    }

    /// Returns what was to be sent.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the number of rounds in the current stage.
    pub fn expected(&self) -> u64 {
        self.plan.times * self.stage.len() as u64
    }

    /// Returns the round that is to begin now; `None` while as many run as may, and when there are
    /// no more. The sizes take turns, so that a provider's bad minute is not one size's fault.
    #[expect(clippy::should_implement_trait, reason = "more can come after None")]
    pub fn next(&mut self) -> Option<Round> {
        let running = self.begun - self.over;
        if self.stopped || running >= self.plan.parallel.max(1) {
            return None;
        }
        if self.begun == self.expected() {
            // The next step depends on the outcome of all of these.
            self.stage = vec![Some((running == 0).then(|| self.halve()).flatten()?)];
            (self.begun, self.over) = (0, 0);
        }
        let turn = usize::try_from(self.begun % self.stage.len() as u64).unwrap_or(0);
        self.begun += 1;
        Some(Round { size: self.stage[turn] })
    }

    /// Returns the next size to try.
    fn halve(&mut self) -> Option<u64> {
        let least = self.plan.bisect_from.filter(|_| self.search.is_none())?;
        let (good, bad) = bracket(&self.tries);
        let Some(bad) = bad else {
            self.search = Some(ThresholdSearch::NothingFails);
            return None;
        };
        let next = match good {
            Some(good) => middle(good, bad),
            None => Some(least).filter(|least| !self.tries.contains_key(least)),
        };
        if next.is_none() {
            let found = Threshold::of(&self.tries).map(ThresholdSearch::Found);
            self.search = Some(found.unwrap_or(ThresholdSearch::AllFail));
        }
        next
    }

    /// Records that a round is over: whether it failed, or `None` if it was cut short and the result is
    /// unknown.
    pub fn over(&mut self, round: Round, failed: Option<bool>) {
        self.over += 1;
        self.done += 1;
        match (failed, round.size) {
            (None, _) => self.cut += 1,
            (Some(failed), Some(size)) => {
                let tries = self.tries.entry(size).or_default();
                tries.n += 1;
                tries.failed += u64::from(failed);
            }
            (Some(_), None) => {}
        }
    }

    /// Takes back a round that could not be sent: it counts as not begun, and nothing more begins.
    pub fn not_sent(&mut self) {
        self.begun = self.begun.saturating_sub(1).max(self.over);
        self.stop();
    }

    /// Lets nothing more begin.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Returns whether nothing more begins because of [`Repetition::stop`].
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Returns how many rounds are over, including those that were cut short.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Returns how many rounds were cut short.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Returns whether the current stage is complete and nothing follows it, or everything that was begun is
    /// over after a stop.
    pub fn is_over(&self) -> bool {
        let searching = self.plan.bisect_from.is_some() && self.search.is_none();
        self.begun == self.over && (self.stopped || (self.begun == self.expected() && !searching))
    }

    /// Returns the results for each size.
    pub fn tries(&self) -> &BTreeMap<u64, Tries> {
        &self.tries
    }

    /// Returns whether all rounds of the current stage are over.
    pub fn stage_is_over(&self) -> bool {
        self.over == self.expected()
    }

    /// The sizes of the stage at hand.
    pub fn stage(&self) -> impl Iterator<Item = u64> + '_ {
        self.stage.iter().copied().flatten()
    }

    /// Returns the result of the search for a threshold, when it is over.
    pub fn search(&self) -> Option<&ThresholdSearch> {
        self.search.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(sizes: &[u64], bisect_from: Option<u64>) -> Plan {
        Plan { times: 5, parallel: 2, sizes: sizes.to_vec(), bisect_from }
    }

    /// Halving against a known threshold ends at it, whatever was tried before.
    #[test]
    fn halving_ends_within_the_resolution() {
        for threshold in [1_500, 50_000, 99_999] {
            let mut repetition = Repetition::new(plan(&[1_024, 8_192, 100_000], Some(300)));
            while let Some(round) = repetition.next() {
                let failed = round.size.is_some_and(|size| size > threshold);
                repetition.over(round, Some(failed));
            }
            let Some(ThresholdSearch::Found(found)) = repetition.search() else {
                panic!("{repetition:?}")
            };
            assert!(found.good <= threshold && threshold < found.bad, "{found:?}");
            assert!(found.bad - found.good <= 1_000, "{found:?}");
            assert!(repetition.tries().len() < 20 && repetition.is_over());
            assert!(repetition.tries().values().all(|t| t.n == 5));
        }
    }

    #[test]
    fn what_never_or_always_fails_has_no_threshold() {
        for (fails, want) in
            [(false, ThresholdSearch::NothingFails), (true, ThresholdSearch::AllFail)]
        {
            let mut repetition = Repetition::new(plan(&[1_000, 9_000], Some(300)));
            while let Some(round) = repetition.next() {
                repetition.over(round, Some(fails));
            }
            assert_eq!(repetition.search(), Some(&want));
        }
    }

    #[test]
    fn as_many_run_as_may_and_sizes_take_turns() {
        let mut repetition = Repetition::new(plan(&[1, 2, 3], None));
        let (a, b) = (repetition.next().unwrap(), repetition.next().unwrap());
        assert_eq!((a.size, b.size, repetition.next()), (Some(1), Some(2), None));
        repetition.over(a, Some(true));
        let c = repetition.next().unwrap();
        assert_eq!((c.size, repetition.next()), (Some(3), None));
        repetition.stop();
        repetition.over(b, None);
        assert!(!repetition.is_over() && repetition.next().is_none());
        repetition.over(c, Some(false));
        assert!(repetition.is_over() && repetition.search().is_none());
        assert_eq!((repetition.done(), repetition.cut()), (3, 1));
    }

    #[test]
    fn what_could_not_be_sent_ends_it_and_is_not_counted() {
        let mut repetition = Repetition::new(plan(&[], None));
        let (first, _) = (repetition.next().unwrap(), repetition.next().unwrap());
        repetition.not_sent();
        assert!(!repetition.is_over() && repetition.next().is_none());
        repetition.over(first, Some(false));
        repetition.not_sent();
        assert!(repetition.is_over() && repetition.is_stopped());
        assert_eq!((repetition.done(), repetition.cut()), (1, 0));
    }
}
