//! A text to read: the help, an explanation.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{boxed, centered};
use crate::action::Action;
use crate::tui::Theme;
use crate::tui::theme::Role;
use crate::tui::widget::{Doc, Scroll, line};

/// A text over the panes.
#[derive(Debug)]
pub(crate) struct Reading {
    title: String,
    doc: Doc,
    scroll: Scroll,
    kind: Kind,
}

/// What a text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The keys.
    Help,
    /// A finding, or a difference.
    Explanation,
    Other,
}

impl Reading {
    /// A text with its title.
    pub(crate) fn new(title: impl Into<String>, doc: Doc) -> Self {
        Self { title: title.into(), doc, scroll: Scroll::default(), kind: Kind::Other }
    }

    /// The help, which its own key closes.
    pub(crate) fn help(doc: Doc) -> Self {
        Self { kind: Kind::Help, ..Self::new("Keys", doc) }
    }

    /// An explanation, from which one goes to the next.
    pub(crate) fn explanation(code: &str, doc: Doc) -> Self {
        Self { kind: Kind::Explanation, ..Self::new(code, doc) }
    }

    /// Whether it is the help.
    pub(crate) fn is_help(&self) -> bool {
        self.kind == Kind::Help
    }

    /// Whether it explains a finding or a difference.
    pub(crate) fn explains(&self) -> bool {
        self.kind == Kind::Explanation
    }

    /// Where it stands.
    pub(crate) fn area(&self, screen: Rect) -> Rect {
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
    pub(crate) fn by(&mut self, rows: isize, screen: Rect) {
        let area = self.text(screen);
        let len = self.doc.lines(area.width);
        self.scroll.by(rows, usize::from(area.height), len);
    }

    /// Scrolls, if that is what the action means.
    pub(crate) fn act(&mut self, action: Action, screen: Rect) -> bool {
        let page = (self.text(screen).height as isize).max(1);
        let Some(rows) = action.scrolls(page) else { return false };
        self.by(rows, screen);
        true
    }

    /// Draws it.
    pub(crate) fn draw(&self, theme: &Theme, screen: Rect, buf: &mut Buffer) {
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
