//! A text to read: the help, an explanation.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{ActionOutcome, Screen, ScreenCommand, boxed, centered};
use crate::action::{Action, Context};
use crate::tui::layout::docked;
use crate::tui::model::Model;
use crate::tui::theme::{Role, Theme};
use crate::tui::widget::{Doc, Scroll, line};

/// A text over the panes.
pub(in crate::tui) struct ReadingScreen {
    title: String,
    doc: Doc,
    scroll: Scroll,
    kind: TextSubject,
}

/// The subject of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextSubject {
    /// The keys.
    Help,
    /// A finding: beside the bytes that it explains.
    Finding,
    /// A difference of a comparison.
    Difference,
    Other,
}

impl ReadingScreen {
    /// A text with its title.
    pub(in crate::tui) fn new(title: impl Into<String>, doc: Doc) -> Self {
        Self { title: title.into(), doc, scroll: Scroll::default(), kind: TextSubject::Other }
    }

    /// The help, which its own key closes.
    pub(in crate::tui) fn help(doc: Doc) -> Self {
        Self { kind: TextSubject::Help, ..Self::new("Keys", doc) }
    }

    /// The explanation of a finding, from which one goes to the next.
    pub(in crate::tui) fn finding(code: &str, doc: Doc) -> Self {
        Self { kind: TextSubject::Finding, ..Self::new(code, doc) }
    }

    /// The explanation of a difference, from which one goes to the next.
    pub(in crate::tui) fn difference(code: &str, doc: Doc) -> Self {
        Self { kind: TextSubject::Difference, ..Self::new(code, doc) }
    }

    /// Returns whether there is a next one to go to.
    fn has_next(&self) -> bool {
        matches!(self.kind, TextSubject::Finding | TextSubject::Difference)
    }

    /// Returns its area.
    pub(in crate::tui) fn area(&self, screen: Rect) -> Rect {
        if self.kind == TextSubject::Finding {
            return docked(screen);
        }
        let width = 84.min(screen.width.saturating_sub(2));
        let lines = self.doc.lines(width.saturating_sub(4)) as u16;
        centered(screen, width, lines.saturating_add(2))
    }

    fn text(&self, screen: Rect) -> Rect {
        let area = self.area(screen);
        Rect {
            x: area.x + 2,
            y: area.y + 1,
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(2),
        }
    }

    /// Scrolls.
    pub(in crate::tui) fn by(&mut self, rows: isize, screen: Rect) {
        let area = self.text(screen);
        let len = self.doc.lines(area.width);
        self.scroll.by(rows, usize::from(area.height), len);
    }

    /// Scrolls, if that is what the action means.
    pub(in crate::tui) fn scroll_by_action(&mut self, action: Action, screen: Rect) -> bool {
        let page = (self.text(screen).height as isize).max(1);
        let Some(rows) = action.scrolls(page) else { return false };
        self.by(rows, screen);
        true
    }

    /// Draws it.
    pub(in crate::tui) fn draw_text(&self, theme: &Theme, screen: Rect, buf: &mut Buffer) {
        let area = self.area(screen);
        boxed(theme, area, &self.title, buf);
        let text = self.text(screen);
        let lines = self.doc.lines(text.width);
        let mut scroll = self.scroll;
        scroll.clamp(usize::from(text.height), lines);
        self.doc.draw(theme, scroll.top, text, buf);
        if lines > usize::from(text.height) && area.height > 1 {
            let last = (scroll.top + usize::from(text.height)).min(lines);
            let place = format!(" {}–{last} of {lines} ", scroll.top + 1);
            let row =
                Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width - 3, height: 1 };
            line::put_right(buf, row, &[(&place, theme.of(Role::Dim))]);
        }
    }
}

impl Screen for ReadingScreen {
    fn contexts(&self, _: &Model) -> Vec<Context> {
        vec![Context::Text, Context::Movement, Context::Everywhere]
    }

    fn offers(&self, _: &Model) -> Vec<Action> {
        let mut offered = vec![Action::Back, Action::Down, Action::PageDown];
        // The list of keys and other texts have no next item.
        if self.has_next() {
            offered.push(Action::NextProblem);
        }
        offered
    }

    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        match action {
            Action::Back | Action::Accept => ActionOutcome::Closed,
            Action::Help if self.kind == TextSubject::Help => ActionOutcome::Closed,
            Action::NextProblem | Action::PreviousProblem if self.has_next() => {
                model.command(ScreenCommand::ExplainNext(action == Action::NextProblem));
                ActionOutcome::Closed
            }
            _ if self.scroll_by_action(action, model.size()) => ActionOutcome::Done,
            _ => ActionOutcome::Ignored,
        }
    }

    fn click(&mut self, model: &mut Model, at: Position) -> ActionOutcome {
        // A click outside closes the text.
        if self.area(model.size()).contains(at) {
            ActionOutcome::Done
        } else {
            ActionOutcome::Closed
        }
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, _: Position) {
        self.by(rows, model.size());
    }

    fn docks(&self) -> bool {
        self.kind == TextSubject::Finding
    }

    fn draw(&self, model: &Model, _: bool, buf: &mut Buffer) {
        self.draw_text(model.theme(), model.size(), buf);
    }
}
