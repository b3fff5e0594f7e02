//! Drawing a wrapped text: only the lines that are on the screen.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::wrap::Wrap;
use crate::text::{Newlines, visible};
use crate::tui::theme::{Role, Theme};

/// A stretch of text that looks like something.
pub(crate) type Mark = (Range<usize>, Role);

/// A text to draw, and how it is drawn.
pub(crate) struct Text<'a> {
    /// The text; anything from the wire may be in it.
    pub text: &'a str,
    /// Its lines.
    pub wrap: &'a Wrap,
    /// The style where no mark says another.
    pub plain: Role,
    /// Marks, ascending and apart.
    pub marks: &'a [Mark],
    /// Marks over those, ascending and apart.
    pub over: &'a [Mark],
}

impl Text<'_> {
    /// Draws the lines from `top` on.
    pub(crate) fn draw(&self, theme: &Theme, top: usize, area: Rect, buf: &mut Buffer) {
        for row in 0..usize::from(area.height) {
            if top + row >= self.wrap.len() {
                return;
            }
            let range = self.wrap.line(top + row, self.text.len());
            let indent = (self.wrap.indent(self.text, top + row) as u16).min(area.width);
            let (x, y, width) = (area.x + indent, area.y + row as u16, area.width - indent);
            self.draw_line(theme, range, Rect { x, y, width, height: 1 }, buf);
        }
    }

    fn draw_line(&self, theme: &Theme, range: Range<usize>, area: Rect, buf: &mut Buffer) {
        let mut at = range.start;
        let mut x = area.x;
        while at < range.end && x < area.right() {
            let (base, until) = mark_at(self.marks, at);
            let (over, over_until) = mark_at(self.over, at);
            let mut end = until.min(over_until).min(range.end);
            while !self.text.is_char_boundary(end) {
                end += 1;
            }
            let mut style: Style = theme.of(base.unwrap_or(self.plain));
            if let Some(over) = over {
                style = style.patch(theme.of(over));
            }
            let piece = self.text.get(at..end).unwrap_or_default();
            let piece = visible(piece.strip_suffix('\n').unwrap_or(piece), Newlines::Show);
            let room = usize::from(area.right() - x);
            x = buf.set_stringn(x, area.y, piece, room, style).0;
            at = end;
        }
    }
}

/// The mark at a byte, and up to where that holds.
fn mark_at(marks: &[Mark], at: usize) -> (Option<Role>, usize) {
    let i = marks.partition_point(|m| m.0.end <= at);
    match marks.get(i) {
        Some((range, role)) if range.start <= at => (Some(*role), range.end),
        Some((range, _)) => (None, range.start),
        None => (None, usize::MAX),
    }
}
