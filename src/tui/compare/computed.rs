//! What two exchanges differ in, computed when entries have arrived and never while drawing.

use super::texts::{self, Texts};
use super::timeline;
use crate::dialect::Channel;
use crate::inspect::compare::{Amount, Comparison as Differences, Expect, compare};
use crate::tui::model::{Exchange, Place};

/// What the strip of figures takes before all else: it may have three rows only.
const CLOCKS: [&str; 4] = ["first byte", "first reasoning", "first content", "end"];

/// What was computed, and of what.
#[derive(Debug)]
pub(in crate::tui) struct Computed {
    pub(in crate::tui) of: Key,
    pub(in crate::tui) comparison: Differences,
    /// The figures, those that differ first.
    pub(super) figures: Vec<usize>,
    /// The same in the order in which the strip chooses from them: the clocks that tell most first.
    pub(super) strip: Vec<usize>,
    /// The paths: those of one side, those that differ, the rest.
    pub(super) paths: Vec<usize>,
    pub(super) content: Texts,
    pub(super) reasoning: Texts,
    pub(super) tools: Texts,
    /// What happened on both sides.
    pub(super) events: Vec<timeline::Event>,
}

/// What the computation depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) struct Key {
    pub(in crate::tui) places: [Place; 2],
    /// Bytes and reads, whether a head is there, whether it is over.
    pub(in crate::tui) states: [(u64, usize, bool, bool); 2],
    pub(in crate::tui) expect: Expect,
}

impl Computed {
    pub(in crate::tui) fn new(of: Key, a: &Exchange, b: &Exchange) -> Self {
        let comparison = compare(&a.inspection, &b.inspection, of.expect);
        let mut figures: Vec<usize> = (0..comparison.figures.len()).collect();
        figures.retain(|i| comparison.figures[*i].values != [Amount::None, Amount::None]);
        // What differs comes first, in the order of the table; while something runs nothing jumps.
        if !a.is_running() && !b.is_running() {
            figures.sort_by_key(|i| {
                let [a, b] = &comparison.figures[*i].values;
                a == b
            });
        }
        let mut strip = figures.clone();
        strip.sort_by_key(|i| {
            let name = comparison.figures[*i].name;
            CLOCKS.iter().position(|c| *c == name).unwrap_or(CLOCKS.len())
        });
        let mut paths: Vec<usize> = (0..comparison.paths.len()).collect();
        paths.sort_by_key(|i| match comparison.paths[*i].counts {
            [_, 0] | [0, _] => 0,
            [a, b] if a != b => 1,
            _ => 2,
        });
        // Two answers of their own differ everywhere: marks would say nothing.
        let marked = of.expect == Expect::Same;
        let text = |channel| {
            let of = |e: &Exchange| -> String {
                e.inspection.answer().texts(channel).map(|(_, text)| text).collect()
            };
            Texts::new([of(a), of(b)], marked)
        };
        Self {
            of,
            figures,
            strip,
            paths,
            content: text(Channel::Content),
            reasoning: text(Channel::Reasoning),
            tools: Texts::new([texts::tools(a), texts::tools(b)], marked),
            events: timeline::events(a, b),
            comparison,
        }
    }
}
