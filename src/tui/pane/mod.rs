//! The panes: one file (or folder) each, with its state, its actions, what can be copied from it,
//! its drawing and its settling; one table.

pub(super) mod answer;
pub(super) mod detail;
pub(super) mod exchanges;
pub(super) mod frames;
pub(super) mod request;
pub(super) mod timeline;
pub(super) mod timeline_bar;
mod timeline_lanes;
mod timeline_list;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::model::Model;
use super::theme::{Role, Theme};
use super::widget::line;
use crate::action::{Action, Context, OwnContext};

/// Every pane, in the order of their numbers. A new pane is one line here.
pub(super) fn all() -> Vec<Box<dyn Pane>> {
    vec![
        Box::new(request::RequestPane::default()),
        Box::new(frames::FramesPane::default()),
        Box::new(detail::DetailPane::default()),
        Box::new(answer::AnswerPane::default()),
        Box::new(timeline::TimelinePane::default()),
        Box::new(exchanges::ExchangesPane::default()),
    ]
}

/// Names a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PaneId(pub &'static str);

/// The place of a pane when all are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PanePlace {
    /// In the column at the left.
    Left,
    /// In the column beside it, with this share of its height in percent; 0 takes what is left.
    Right(u16),
    /// Across the bottom.
    Bottom,
}

/// The fixed properties of a pane.
pub(super) struct Spec {
    /// Its name in the program.
    pub id: PaneId,
    /// Its name in its header and in the tab bar, and where room is scarce.
    pub title: (&'static str, &'static str),
    /// The context in which its own keys count, with the actions that only it has.
    pub keys: &'static OwnContext,
    /// Its place.
    pub place: PanePlace,
    /// The action that goes to it.
    pub go: Option<Action>,
    /// The actions that the footer offers, the most useful first.
    pub footer: &'static [Action],
    /// The actions that it does whichever pane is in focus, and whether the focus goes to it then.
    pub everywhere: &'static [(Action, bool)],
    /// It shows the bytes that an explanation is about, and stays beside one.
    pub shows_bytes: bool,
    /// The things that can be copied from it.
    pub copies: &'static [Copyable],
}

impl Spec {
    /// Returns the context in which its own keys count.
    pub(super) fn context(&self) -> Context {
        Context::Own(self.keys)
    }
}

/// Something that can be copied: what it is, and its text.
pub(super) struct Copyable {
    /// Its name.
    pub name: &'static str,
    /// A line about it.
    pub about: &'static str,
    /// Its name in the notice, and its text; `None` where there is none.
    pub text: fn(&Model) -> Option<(String, String)>,
}

/// A pane.
pub(super) trait Pane {
    /// Returns its fixed properties.
    fn spec(&self) -> &'static Spec;

    /// Returns whether it has something to show; one that has not leaves its room to the others.
    fn is_shown(&self, _: &Model) -> bool {
        true
    }

    /// Draws all of it.
    fn draw(&self, on: &Canvas<'_>, buf: &mut Buffer);

    /// Does what it knows to do; returns whether it did.
    fn act(&mut self, model: &mut Model, action: Action, area: Rect) -> bool;

    /// A click at a place of its area.
    fn click(&mut self, _: &mut Model, _: Position, _area: Rect) {}

    /// The wheel, in rows.
    fn wheel(&mut self, _: &mut Model, _rows: isize, _: Position, _area: Rect) {}

    /// Returns whether there is more than could be laid out since the last drawing.
    fn is_behind(&self) -> bool {
        false
    }

    /// Brings what is selected into view, after anything changed.
    fn settle(&mut self, _: &mut Model, _area: Rect) {}

    /// Another exchange is shown.
    fn restart(&mut self) {}

    /// Returns the name of what is copied first.
    fn preferred_copy(&self) -> Option<&'static str> {
        self.spec().copies.first().map(|c| c.name)
    }

    /// Returns whether keys that are bound to nothing type here.
    fn types(&self, _: &Model) -> bool {
        false
    }

    /// A key that types.
    fn key(&mut self, _: &mut Model, _: KeyEvent) {}

    /// A paste while typing.
    fn paste(&mut self, _: &mut Model, _: &str) {}

    /// The focus goes to another pane.
    fn leave(&mut self, _: &mut Model) {}
}

/// The values that a pane is drawn from.
pub(super) struct Canvas<'a> {
    pub model: &'a Model,
    /// The pane's place.
    pub area: Rect,
    /// Its number, from 1.
    pub number: usize,
    /// Keys go to it.
    pub focused: bool,
}

impl Canvas<'_> {
    pub(super) fn theme(&self) -> &Theme {
        self.model.theme()
    }

    /// Draws the header: a rule with the pane's name, heavy where the keys go, and a note at its
    /// right.
    pub(super) fn header(&self, title: &str, note: &[(&str, Role)], buf: &mut Buffer) {
        let area = Rect { height: self.area.height.min(1), ..self.area };
        if area.is_empty() {
            return;
        }
        let theme = self.theme();
        let (rule, role) = if self.focused { ("━", Role::Focus) } else { ("─", Role::Line) };
        let style = theme.of(role);
        for x in area.left()..area.right() {
            buf.set_string(x, area.y, rule, style);
        }
        let number = format!(" {} ", self.number);
        let name = theme.of(if self.focused { Role::Focus } else { Role::Title });
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let title = format!("{title} ");
        let x = line::put(buf, inner, &[(&number, theme.of(Role::Label)), (&title, name)]);
        let room = Rect { x, width: inner.right().saturating_sub(x + 1), ..area };
        if note.iter().any(|(text, _)| !text.is_empty()) {
            let mut pieces: Vec<_> = vec![(" ", theme.of(Role::Text))];
            pieces.extend(note.iter().map(|(text, role)| (*text, theme.of(*role))));
            pieces.push((" ", theme.of(Role::Text)));
            line::put_right(buf, room, &pieces);
        }
    }

    /// Draws tabs into the header from column `x` on.
    pub(super) fn tabs(&self, names: &[String], chosen: usize, x: u16, buf: &mut Buffer) {
        for (i, (from, to)) in tab_places(names, x, self.area).into_iter().enumerate() {
            let role = if i == chosen { Role::Tab } else { Role::Dim };
            let room = Rect { x: from, width: to - from, height: 1, ..self.area };
            let style = self.theme().of(role);
            let blank = self.theme().of(Role::Text);
            line::put(buf, room, &[(" ", blank), (&names[i], style), (" ", blank)]);
        }
    }
}

/// The part of a pane below its header.
pub(super) fn inner(area: Rect) -> Rect {
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area }
}

/// Returns the places of the tabs of a header: columns from and to.
pub(super) fn tab_places(names: &[String], x: u16, area: Rect) -> Vec<(u16, u16)> {
    let mut places = Vec::new();
    let mut x = x + 1;
    for name in names {
        let wide = unicode_width::UnicodeWidthStr::width(name.as_str()) as u16 + 2;
        if x + wide > area.right() {
            break;
        }
        places.push((x, x + wide));
        x += wide + 1;
    }
    places
}

/// The column after a pane's name in its header.
pub(super) fn after_title(spec: &Spec, area: Rect) -> u16 {
    area.x + 1 + 3 + spec.title.0.len() as u16 + 1
}

#[cfg(test)]
mod tests;
