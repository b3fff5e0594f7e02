//! The panes: one file each, with its state, its verbs and its drawing; one table.

pub(super) mod answer;
pub(super) mod detail;
pub(super) mod frames;
pub(super) mod request;
pub(super) mod timeline;
pub(super) mod timeline_bar;
mod timeline_lanes;
mod timeline_list;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::App;
use super::theme::Role;
use super::widget::line;
use crate::action::{Action, Context};

/// A pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PaneId {
    Request,
    Frames,
    Detail,
    Answer,
    Timeline,
}

impl PaneId {
    /// All, in the order of the table.
    pub(super) const ALL: [PaneId; 5] =
        [PaneId::Request, PaneId::Frames, PaneId::Detail, PaneId::Answer, PaneId::Timeline];

    /// Its row in the table.
    pub(super) fn pane(self) -> &'static Pane {
        PANES[self as usize]
    }

    /// The pane some steps on, round the table.
    pub(super) fn step(self, by: usize) -> PaneId {
        Self::ALL[(self as usize + by) % Self::ALL.len()]
    }
}

/// What the screen knows about a pane.
pub(super) struct Pane {
    /// Its name in its header and in the tab bar.
    pub title: &'static str,
    /// Where its own keys are listed.
    pub context: Context,
    /// The actions that the footer offers, the most useful first.
    pub footer: &'static [Action],
    /// Draws all of it.
    pub draw: fn(&App, Rect, &mut Buffer),
    /// Does what it knows to do; tells whether it did.
    pub act: fn(&mut App, Action) -> bool,
    /// A click at a place of its area.
    pub click: fn(&mut App, Position, Rect),
    /// The wheel, in rows.
    pub wheel: fn(&mut App, isize, Position, Rect),
    /// Brings what is selected into view, after anything changed.
    pub settle: fn(&mut App, Rect),
}

/// Every pane, by [`PaneId`].
pub(super) static PANES: [&Pane; 5] =
    [&request::PANE, &frames::PANE, &detail::PANE, &answer::PANE, &timeline::PANE];

/// The part of a pane below its header.
pub(super) fn inner(area: Rect) -> Rect {
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area }
}

/// Draws a pane's header: a rule with its name, heavy where the keys go, and a note at its right.
pub(super) fn header(
    app: &App,
    pane: PaneId,
    note: &[(&str, Role)],
    area: Rect,
    buf: &mut Buffer,
) -> u16 {
    let area = Rect { height: area.height.min(1), ..area };
    if area.is_empty() {
        return area.x;
    }
    let focused = app.focus == pane && app.overlays.is_empty();
    let theme = &app.theme;
    let (rule, role) = if focused { ("━", Role::Focus) } else { ("─", Role::Line) };
    let style = theme.of(role);
    for x in area.left()..area.right() {
        buf.set_string(x, area.y, rule, style);
    }
    let number = format!(" {} ", pane as usize + 1);
    let title = theme.of(if focused { Role::Focus } else { Role::Title });
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let next = if pane == PaneId::Request && app.holds_next() { "· next " } else { "" };
    let name = format!("{} {next}", pane.pane().title);
    let x = line::put(buf, inner, &[(&number, theme.of(Role::Label)), (&name, title)]);
    let room = Rect { x, width: inner.right().saturating_sub(x + 1), ..area };
    if note.iter().any(|(text, _)| !text.is_empty()) {
        let mut pieces: Vec<_> = vec![(" ", theme.of(Role::Text))];
        pieces.extend(note.iter().map(|(text, role)| (*text, theme.of(*role))));
        pieces.push((" ", theme.of(Role::Text)));
        line::put_right(buf, room, &pieces);
    }
    x
}

/// Draws tabs into a header from column `x` on; gives where each stands.
pub(super) fn tabs(
    app: &App,
    names: &[String],
    chosen: usize,
    x: u16,
    area: Rect,
    buf: &mut Buffer,
) {
    for (i, (from, to)) in tab_places(names, x, area).into_iter().enumerate() {
        let role = if i == chosen { Role::Tab } else { Role::Dim };
        let room = Rect { x: from, width: to - from, height: 1, ..area };
        let style = app.theme.of(role);
        let blank = app.theme.of(Role::Text);
        line::put(buf, room, &[(" ", blank), (&names[i], style), (" ", blank)]);
    }
}

/// Where the tabs of a header stand: columns from and to.
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
pub(super) fn after_title(pane: PaneId, area: Rect) -> u16 {
    area.x + 1 + 3 + pane.pane().title.len() as u16 + 1
}
