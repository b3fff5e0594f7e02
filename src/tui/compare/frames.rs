//! The two tables of frames, linked by time or by number.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{CompareScreen, ScrollLink, TWO_SIDES, halves};
use crate::inspect::Severity;
use crate::journal::Micros;
use crate::text::group;
use crate::tui::model::{Exchange, Model};
use crate::tui::pane::frames::{severity_sign, summary};
use crate::tui::theme::Role;
use crate::tui::widget::{line, moved};

/// From this width on a half has room for the waits: both halves of 120 columns have it.
const WITH_WAIT: u16 = 59;

/// The rows below the heads of the columns.
pub(super) fn rows(area: Rect) -> Rect {
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area }
}

/// Returns the time when a frame was complete, counted from its request.
fn since(exchange: &Exchange, frame: usize) -> Option<Micros> {
    let at = exchange.inspection.frame_at(frame)?;
    exchange.origin().map(|from| at.saturating_sub(from))
}

/// The last frame that was complete so long after its request; the first where none was.
fn last_by(exchange: &Exchange, time: Micros) -> usize {
    let (mut low, mut high) = (0, exchange.inspection.frames().len());
    while low < high {
        let middle = low + (high - low) / 2;
        match since(exchange, middle) {
            Some(at) if at <= time => low = middle + 1,
            _ => high = middle,
        }
    }
    low.saturating_sub(1)
}

impl CompareScreen {
    /// Moves a side's selection, and the other side with it.
    pub(super) fn move_frame(&mut self, model: &Model, side: usize, by: isize) {
        let len = model.compared(side).map_or(0, |e| e.inspection.frames().len());
        self.frames[side] = moved(Some(self.frames[side]), by, len).unwrap_or(0);
        self.follow = false;
        self.side = side;
        self.link_frames(model);
    }

    /// Brings the other side to where the active one is.
    pub(super) fn link_frames(&mut self, model: &Model) {
        let side = self.side;
        if let Some(to) = self.linked_frame(model, side, self.frames[side]) {
            self.frames[1 - side] = to;
        }
    }

    /// The frame of the other side that belongs to a frame of this one.
    pub(super) fn linked_frame(&self, model: &Model, side: usize, frame: usize) -> Option<usize> {
        let (own, other) = (model.compared(side)?, model.compared(1 - side)?);
        let last = other.inspection.frames().len().saturating_sub(1);
        let timed = since(own, frame).filter(|_| since(other, 0).is_some());
        match (self.link, timed) {
            (ScrollLink::Free, _) => None,
            (ScrollLink::Time, Some(time)) => Some(last_by(other, time)),
            // Without timestamps, link by the frame's number.
            (ScrollLink::Time, None) | (ScrollLink::Frame, _) => Some(frame.min(last)),
        }
    }

    /// Brings the selected frames into view: linked, on the same line of the screen.
    pub(super) fn settle_frames(&mut self, model: &Model, area: Rect) {
        let height = usize::from(rows(area).height);
        let lens = [0, 1].map(|s| model.compared(s).map_or(0, |e| e.inspection.frames().len()));
        let runs = model.comparison_runs();
        for (frame, len) in self.frames.iter_mut().zip(lens) {
            let last = len.saturating_sub(1);
            *frame = if self.follow && runs { last } else { (*frame).min(last) };
        }
        let (side, frames) = (self.side, self.frames);
        self.tops[side].reveal(frames[side], height, lens[side]);
        let row = frames[side].saturating_sub(self.tops[side].top);
        let other = &mut self.tops[1 - side];
        if self.link != ScrollLink::Free {
            other.top = frames[1 - side].saturating_sub(row);
        }
        other.reveal(frames[1 - side], height, lens[1 - side]);
    }
}

/// Draws both tables.
pub(super) fn draw(
    screen: &CompareScreen,
    model: &Model,
    on_top: bool,
    area: Rect,
    buf: &mut Buffer,
) {
    let compare = screen;
    let mut formatted = 0;
    for (side, half) in halves(area, compare.side).into_iter().enumerate() {
        let Some(exchange) = model.compared(side).filter(|_| !half.is_empty()) else { continue };
        let len = exchange.inspection.frames().len();
        if len == 0 {
            let text = if exchange.is_running() { "Waiting …" } else { "No frames" };
            line::put(
                buf,
                half,
                &[(" ", model.theme().of(Role::Text)), (text, model.theme().of(Role::Dim))],
            );
            continue;
        }
        let timed = since(exchange, 0).is_some();
        let columns = SideColumns {
            number: group(len as u64).len().max(2),
            at: if timed { 7 } else { 0 },
            wait: if timed && half.width >= WITH_WAIT { 8 } else { 0 },
        };
        let heads = columns.cells("#", "at", "Δ");
        line::put(buf, half, &[(&format!("   {heads} preview"), model.theme().of(Role::Label))]);
        let rows = rows(half);
        let top = compare.tops[side].top;
        let shown = top..(top + usize::from(rows.height)).min(len);
        formatted += shown.len();
        let marks = exchange.marks(&shown);
        for (row, index) in shown.enumerate() {
            let place = Rect { y: rows.y + row as u16, height: 1, ..rows };
            let place = (place, on_top);
            draw_row(
                screen,
                model,
                (side, exchange),
                (index, marks.get(&(index as u32)).copied()),
                columns,
                place,
                buf,
            );
        }
    }
    model.rows_drawn().set(formatted);
}

/// The widths of the columns; 0 leaves a column out.
#[derive(Clone, Copy)]
struct SideColumns {
    number: usize,
    at: usize,
    wait: usize,
}

impl SideColumns {
    fn cells(self, number: &str, at: &str, wait: &str) -> String {
        let right = |text: &str, width: usize| match width {
            0 => String::new(),
            _ => format!("{text:>width$} "),
        };
        [right(number, self.number), right(at, self.at), right(wait, self.wait)].concat()
    }
}

fn draw_row(
    screen: &CompareScreen,
    model: &Model,
    (side, exchange): (usize, &Exchange),
    (index, mark): (usize, Option<Severity>),
    columns: SideColumns,
    (area, on_top): (Rect, bool),
    buf: &mut Buffer,
) {
    let theme = model.theme();
    let at = since(exchange, index);
    let before = if index == 0 { Some(0) } else { since(exchange, index - 1) };
    let wait = at.zip(before).map(|(at, before)| line::wait(at.saturating_sub(before)));
    let cells = columns.cells(
        &group(index as u64),
        &at.map_or(String::new(), line::seconds),
        &wait.unwrap_or_default(),
    );
    let compare = screen;
    let chosen = compare.frames[side] == index;
    let (sign, role) = severity_sign(mark);
    let mut pieces: Vec<(&str, Style)> = vec![
        (if chosen { "▸" } else { " " }, theme.of(Role::Mark)),
        (sign, theme.of(role)),
        (" ", theme.of(Role::Text)),
        (&cells, theme.of(Role::Dim)),
        (" ", theme.of(Role::Text)),
    ];
    let parts = summary(&exchange.inspection, index);
    pieces.extend(parts.iter().map(|(text, role)| (text.as_str(), theme.of(*role))));
    line::put(buf, area, &pieces);
    if chosen {
        let active = (compare.side == side || area.width < TWO_SIDES / 2) && on_top;
        let bar = theme.of(if active { Role::Selected } else { Role::Unfocused });
        buf.set_style(Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area }, bar);
    }
}
