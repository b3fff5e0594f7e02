//! A text with marks, made by the program to be read: help, an explanation, pretty JSON, headers.

use std::cell::RefCell;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text::{Mark, Text};
use super::wrap::Wrap;
use crate::tui::theme::{Role, Theme};

/// A text with marks.
#[derive(Debug, Default)]
pub(crate) struct Doc {
    /// The text.
    pub text: String,
    /// The stretches with their roles, ascending.
    pub marks: Vec<Mark>,
    /// Wrap points; a cache.
    wrap: RefCell<Wrap>,
}

impl Doc {
    /// An empty text.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An empty text whose lines break where they are full.
    pub(crate) fn of_bytes() -> Self {
        Self { wrap: RefCell::new(Wrap::hard()), ..Self::default() }
    }

    /// An empty text whose indented lines, if they are too long, go on below their text.
    pub(crate) fn hanging() -> Self {
        Self { wrap: RefCell::new(Wrap::hanging()), ..Self::default() }
    }

    /// Appends text in a role.
    pub(crate) fn push(&mut self, role: Role, text: &str) -> &mut Self {
        let from = self.text.len();
        self.text.push_str(text);
        if role != Role::Text && !text.is_empty() {
            self.marks.push((from..self.text.len(), role));
        }
        self
    }

    /// Appends another text with its marks.
    pub(crate) fn append(&mut self, other: Doc) -> &mut Self {
        let from = self.text.len();
        self.text.push_str(&other.text);
        let moved = other.marks.into_iter().map(|(r, role)| (r.start + from..r.end + from, role));
        self.marks.extend(moved);
        self
    }

    /// Appends plain text.
    pub(crate) fn plain(&mut self, text: &str) -> &mut Self {
        self.push(Role::Text, text)
    }

    /// Ends the line.
    pub(crate) fn line(&mut self) -> &mut Self {
        self.text.push('\n');
        self
    }

    /// A line of a label, filled up to `width`, and a value.
    pub(crate) fn row(&mut self, width: usize, label: &str, value: &str) -> &mut Self {
        self.push(Role::Label, &format!("{label:<width$}")).plain(value).line()
    }

    /// Returns the number of lines that it has at a width.
    pub(crate) fn lines(&self, width: u16) -> usize {
        let mut wrap = self.wrap.borrow_mut();
        wrap.update(&self.text, usize::from(width));
        wrap.len() - usize::from(self.text.ends_with('\n'))
    }

    /// Draws it from line `top` on.
    pub(crate) fn draw(&self, theme: &Theme, top: usize, area: Rect, buf: &mut Buffer) {
        self.draw_over(theme, top, &[], area, buf);
    }

    /// Draws it from line `top` on, with marks over it.
    pub(crate) fn draw_over(
        &self,
        theme: &Theme,
        top: usize,
        over: &[Mark],
        area: Rect,
        buf: &mut Buffer,
    ) {
        let mut wrap = self.wrap.borrow_mut();
        wrap.update(&self.text, usize::from(area.width));
        let text =
            Text { text: &self.text, wrap: &wrap, plain: Role::Text, marks: &self.marks, over };
        text.draw(theme, top, area, buf);
    }
}
