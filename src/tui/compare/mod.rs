//! Two exchanges side by side, in place of the panes: A and B of a comparison.

mod actions;
mod computed;
mod draw;
mod events;
mod frames;
mod pick;
mod requests;
mod tables;
mod texts;
mod timeline;

pub(super) use computed::{ComparisonJob, ComparisonKey, Computed};
pub(super) use pick::pick;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::texts::ComparedTexts;
use super::draw::is_too_small;
use super::model::Model;
use super::theme::Role;
use super::widget::wrap::Wrap;
use super::widget::{Doc, Scroll};

/// Below this width one side is shown at a time.
const TWO_SIDES: u16 = 60;

/// The part of the comparison that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CompareTab {
    Differences,
    Frames,
    Content,
    Reasoning,
    Tools,
    Paths,
    Timeline,
    Figures,
}

const TABS: [CompareTab; 8] = [
    CompareTab::Differences,
    CompareTab::Frames,
    CompareTab::Content,
    CompareTab::Reasoning,
    CompareTab::Tools,
    CompareTab::Paths,
    CompareTab::Timeline,
    CompareTab::Figures,
];

/// Effect on the other side when one is scrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScrollLink {
    /// It shows what it had at that time after its request.
    Time,
    /// It shows the frame of the same number.
    Frame,
    /// Nothing.
    Free,
}

impl ScrollLink {
    fn name(self) -> &'static str {
        match self {
            ScrollLink::Time => "linked by time",
            ScrollLink::Frame => "linked by frame",
            ScrollLink::Free => "each side alone",
        }
    }

    fn next(self) -> Self {
        match self {
            ScrollLink::Time => ScrollLink::Frame,
            ScrollLink::Frame => ScrollLink::Free,
            ScrollLink::Free => ScrollLink::Time,
        }
    }
}

/// The view of the comparison.
#[derive(Debug)]
pub(super) struct CompareScreen {
    tab: CompareTab,
    link: ScrollLink,
    /// The side that keys scroll.
    side: usize,
    /// The selected frame of each side.
    frames: [usize; 2],
    /// The newest frames are shown.
    follow: bool,
    /// Scroll positions of the tables of frames.
    tops: [Scroll; 2],
    /// Scroll position of each side of the tab; a tab of one table has the first.
    scrolls: [Scroll; 2],
    /// The selected difference.
    difference: usize,
    /// Of which comparison it knows, and which computation of it.
    knows: (u64, u64),
}

impl Default for CompareScreen {
    fn default() -> Self {
        Self {
            tab: CompareTab::Differences,
            link: ScrollLink::Time,
            side: 0,
            frames: [0, 0],
            follow: true,
            tops: [Scroll::default(); 2],
            scrolls: [Scroll::default(); 2],
            difference: 0,
            knows: (0, 0),
        }
    }
}

/// The areas of the comparison's parts.
#[derive(Debug, Clone, Copy)]
struct CompareAreas {
    title: Rect,
    verdict: Rect,
    /// The area of the differences between the requests; empty if there are none.
    requests: Rect,
    sides: Rect,
    figures: Rect,
    tabs: Rect,
    body: Rect,
}

/// The two columns of a place, and the line between them. Where there is room for one only, it is
/// that of `side`.
fn halves(area: Rect, side: usize) -> [Rect; 2] {
    if area.width < TWO_SIDES {
        let mut both = [Rect { width: 0, ..area }; 2];
        both[side.min(1)] = area;
        return both;
    }
    let left = area.width / 2;
    let x = area.x + left + 1;
    [Rect { width: left, ..area }, Rect { x, width: area.right().saturating_sub(x), ..area }]
}

/// Draws the line between the sides.
fn divider(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.width >= TWO_SIDES {
        let x = halves(area, 0)[0].right();
        for y in area.top()..area.bottom() {
            buf.set_string(x, y, "│", model.theme().of(Role::Line));
        }
    }
}

impl CompareScreen {
    /// The texts of the tab, where it shows two.
    fn texts<'a>(&self, model: &'a Model) -> Option<&'a ComparedTexts> {
        let computed = model.computed()?;
        match self.tab {
            CompareTab::Content => Some(&computed.content),
            CompareTab::Reasoning => Some(&computed.reasoning),
            CompareTab::Tools => Some(&computed.tools),
            _ => None,
        }
    }

    /// Returns the number of differences.
    fn differences(model: &Model) -> usize {
        model.computed().map_or(0, |c| c.comparison.differences.len())
    }

    /// Another comparison, or another computation of it: what was selected may be gone.
    fn catch_up(&mut self, model: &Model) {
        let Some(state) = model.comparison_state() else { return };
        if self.knows == state.revisions {
            return;
        }
        if self.knows.0 != state.revisions.0 {
            let before = std::mem::take(self);
            // After sending again, keep the same view.
            if state.again {
                (self.tab, self.link) = (before.tab, before.link);
            }
        }
        self.knows = state.revisions;
        self.difference = self.difference.min(Self::differences(model).saturating_sub(1));
        // Unless the user has scrolled, the most severe difference is shown once both are over.
        if state.over && self.follow {
            self.go_to_difference(model);
        }
    }

    /// Returns the areas; `None` if the screen is too small.
    fn areas(&self, model: &Model) -> Option<CompareAreas> {
        let screen = model.size();
        if is_too_small(screen) {
            return None;
        }
        let mut wrap = Wrap::default();
        // While a stream runs nothing shall jump.
        if let Some(computed) = model.computed().filter(|_| !model.comparison_runs()) {
            let text = computed.comparison.verdict_and_blame();
            wrap.update(&text, usize::from(screen.width) - 4);
        }
        let room = match screen.height {
            0..18 => 1,
            18..24 => 2,
            _ => 3,
        };
        // The strip of figures includes a line of column headings.
        let figures = match screen.height {
            0..18 => 0,
            18..24 => 4,
            24..30 => 6,
            30..42 => 7,
            _ => 9,
        };
        let figures =
            model.computed().map_or(figures, |c| tables::strip_rows(c, screen.width, figures));
        let mut rest = screen;
        let mut take = |height: u16| {
            let height = height.min(rest.height);
            let taken = Rect { height, ..rest };
            rest = Rect { y: rest.y + height, height: rest.height - height, ..rest };
            taken
        };
        let title = take(1);
        let verdict = take((wrap.len() as u16).clamp(1, room));
        let requests = model.compared_requests().is_some() && screen.height >= 14;
        let requests = take(u16::from(requests));
        let sides = take(1);
        let figures = take(figures);
        let tabs = take(1);
        let body = Rect { height: rest.height.saturating_sub(1), ..rest };
        Some(CompareAreas { title, verdict, requests, sides, figures, tabs, body })
    }

    /// Returns the selected difference in full.
    fn detail(&self, model: &Model) -> Option<Doc> {
        let computed = model.computed()?;
        computed.comparison.differences.get(self.difference).map(tables::detail)
    }
}
