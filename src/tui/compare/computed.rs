//! The differences between two exchanges: computed when entries have arrived, never while drawing, and for much
//! data in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::texts::{self, ComparedTexts};
use super::{events, requests};
use crate::dialect::Channel;
use crate::inspect::Inspection;
use crate::inspect::around::compare_around;
use crate::inspect::compare::{Amount, Comparison as Differences, Expect, compare};
use crate::tui::model::{Exchange, SideExchange};

/// Figures that the strip shows before all others: it may have three rows only.
const CLOCKS: [&str; 4] = ["first byte", "first reasoning", "first content", "end"];

/// The result of a computation, and what it is of.
#[derive(Debug)]
pub(in crate::tui) struct Computed {
    pub(in crate::tui) of: ComparisonKey,
    /// The differences between the two requests, if there are any.
    pub(in crate::tui) requests: Option<String>,
    pub(in crate::tui) comparison: Differences,
    /// The figures that differ; while a side runs, all that have a value.
    pub(super) figures: Vec<usize>,
    /// Number of figures that are equal on both sides, and so not among them.
    pub(super) equal: usize,
    /// The same in the order in which the strip chooses from them: the most informative clocks first.
    pub(super) strip: Vec<usize>,
    /// The paths: those of one side, those that differ, the rest.
    pub(super) paths: Vec<usize>,
    pub(super) content: ComparedTexts,
    pub(super) reasoning: ComparedTexts,
    pub(super) tools: ComparedTexts,
    /// The events on both sides.
    pub(super) events: Vec<events::TimelineEvent>,
}

/// The inputs that the computation depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) struct ComparisonKey {
    pub(in crate::tui) places: [SideExchange; 2],
    /// Bytes and reads, whether a head is there, whether it is over.
    pub(in crate::tui) states: [(u64, usize, bool, bool); 2],
    /// The user's expectation; `None` if it is guessed.
    pub(in crate::tui) wanted: Option<Expect>,
    /// True if the requests are two: so are their answers, whatever model returns them.
    pub(in crate::tui) apart: bool,
}

impl ComparisonKey {
    /// Returns whether both ask for the same of the same two, however much of these had arrived.
    pub(in crate::tui) fn asks_like(&self, other: &Self) -> bool {
        (self.places, self.wanted, self.apart) == (other.places, other.wanted, other.apart)
    }
}

/// A comparison that is to be computed, of two exchanges as they are now.
#[derive(Debug)]
pub(in crate::tui) struct ComparisonJob {
    pub(in crate::tui) of: ComparisonKey,
    pub(in crate::tui) sides: [Exchange; 2],
    /// Of both sides of a gateway: what it had sent upstream before A, in order.
    pub(in crate::tui) earlier: Option<Vec<Exchange>>,
    /// The result is no longer wanted.
    pub(in crate::tui) stop: Arc<AtomicBool>,
}

impl ComparisonJob {
    /// Computes it and reports the thousandths of the work that are done; `None` when it was
    /// stopped.
    pub(in crate::tui) fn run(self, progress: &dyn Fn(u16)) -> Option<Computed> {
        let goes_on = |permille| {
            progress(permille);
            !self.stop.load(Ordering::Relaxed)
        };
        self.computed(&goes_on)
    }

    /// The differences, and what was expected.
    fn differences(&self) -> Differences {
        let [a, b] = [&self.sides[0].inspection, &self.sides[1].inspection];
        let guess = || match (&self.earlier, self.of.apart) {
            (Some(_), _) => Expect::Same,
            (None, true) => Expect::Different,
            (None, false) => Expect::guess(a, b),
        };
        let around = self.earlier.as_ref().and_then(|earlier| {
            let mut tries: Vec<&Inspection> = earlier.iter().map(|e| &*e.inspection).collect();
            tries.push(a);
            compare_around(&tries, b)
        });
        around.unwrap_or_else(|| compare(a, b, self.of.wanted.unwrap_or_else(guess)))
    }
}

impl ComparisonJob {
    /// Computes all of it; `None` when `goes_on`, which gets the thousandths that are done, returned
    /// false.
    fn computed(&self, goes_on: &dyn Fn(u16) -> bool) -> Option<Computed> {
        let (of, [a, b]) = (self.of, &self.sides);
        if !goes_on(50) {
            return None;
        }
        let comparison = self.differences();
        let expect = comparison.expect;
        if !goes_on(500) {
            return None;
        }
        let over = !a.is_running() && !b.is_running();
        let (figures, equal) = figures(&comparison, over);
        let (strip, paths) = (strip(&comparison, &figures), paths(&comparison));
        // Independent answers differ everywhere: marks would mean nothing.
        let marked = expect == Expect::Same;
        let text = |channel| {
            let of = |e: &Exchange| -> String {
                e.inspection.answer().texts(channel).map(|(_, text)| text).collect()
            };
            ComparedTexts::new([of(a), of(b)], marked)
        };
        let content = text(Channel::Content);
        if !goes_on(700) {
            return None;
        }
        let reasoning = text(Channel::Reasoning);
        if !goes_on(800) {
            return None;
        }
        let tools = ComparedTexts::new([texts::tools(a), texts::tools(b)], marked);
        if !goes_on(900) {
            return None;
        }
        let requests = requests::of_exchanges(a, b, of.apart);
        let events = events::events(a, b);
        Some(Computed {
            of,
            requests,
            comparison,
            figures,
            equal,
            strip,
            paths,
            content,
            reasoning,
            tools,
            events,
        })
    }
}

/// The figures to show, in the order of the table, and how many are left out since they are equal.
fn figures(comparison: &Differences, over: bool) -> (Vec<usize>, usize) {
    let values = |i: &usize| &comparison.figures[*i].values;
    let mut figures: Vec<usize> = (0..comparison.figures.len()).collect();
    figures.retain(|i| *values(i) != [Amount::None, Amount::None]);
    let all = figures.len();
    // While a call runs, no rows may jump, so equal figures are kept.
    if over {
        figures.retain(|i| values(i)[0] != values(i)[1]);
    }
    let equal = all - figures.len();
    (figures, equal)
}

/// The figures in the order in which the strip chooses from them.
fn strip(comparison: &Differences, figures: &[usize]) -> Vec<usize> {
    let mut strip = figures.to_vec();
    strip.sort_by_key(|i| {
        let name = comparison.figures[*i].name;
        CLOCKS.iter().position(|c| *c == name).unwrap_or(CLOCKS.len())
    });
    strip
}

/// The paths: those of one side, those that differ, the rest.
fn paths(comparison: &Differences) -> Vec<usize> {
    let mut paths: Vec<usize> = (0..comparison.paths.len()).collect();
    paths.sort_by_key(|i| match comparison.paths[*i].counts {
        [_, 0] | [0, _] => 0,
        [a, b] if a != b => 1,
        _ => 2,
    });
    paths
}
