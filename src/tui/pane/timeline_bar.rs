//! The stream drawn to scale: of time, or of bytes where nobody measured the time.
//!
//! Each column asks which deltas came within it, by a search that begins where an even pace would
//! have it: the cost is the width, not the length of the stream.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::frames::severity_sign;
use crate::dialect::Channel;
use crate::inspect::{Inspection, Severity, partition_near};
use crate::journal::Micros;
use crate::tui::App;
use crate::tui::exchange::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// How many places of one column are looked at, and how many deltas at each: neighbours come from
/// memory together.
const SAMPLES: usize = 4;
const NEIGHBOURS: usize = 4;

/// The widest hole that is filled, in columns; where the stream is sparse up to twice the usual
/// distance of its deltas, within these bounds.
const HOLE: (usize, usize) = (3, 8);

/// What the columns stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    timed: bool,
    from: u64,
    to: u64,
    width: u16,
}

impl Scale {
    fn new(exchange: &Exchange, now: Micros, width: u16) -> Option<Self> {
        let seen = &exchange.seen;
        let scale = match exchange.origin() {
            Some(from) => {
                let now = exchange.is_running().then_some(now);
                let to = seen.timing.end.or(now).or(exchange.last)?;
                Self { timed: true, from, to: to.max(from + 1), width }
            }
            None => {
                let to = seen.body().len() as u64;
                (to > 0).then_some(Self { timed: false, from: 0, to, width })?
            }
        };
        (width > 0).then_some(scale)
    }

    /// The beginning of a column.
    fn at(self, column: u16) -> u64 {
        let span = u128::from(self.to - self.from);
        self.from + (span * u128::from(column) / u128::from(self.width)) as u64
    }

    fn column(self, at: u64) -> u16 {
        let at = at.clamp(self.from, self.to) - self.from;
        let column = u128::from(at) * u128::from(self.width) / u128::from(self.to - self.from);
        (column as u16).min(self.width - 1)
    }

    /// What was complete at the beginning of a column. `before` and `last` are the edges of the
    /// two columns before: what comes at an even pace is as far from `last` as that from `before`.
    fn edge(self, seen: &Inspection, column: u16, before: Edge, last: Edge) -> Edge {
        let (reads, frames, deltas) = (seen.reads(), seen.frames(), seen.answer().deltas());
        if column == self.width {
            return Edge { read: reads.len(), frame: frames.len(), delta: deltas.len() };
        }
        let guess = |last: usize, before: usize| last + last.saturating_sub(before);
        let at = self.at(column);
        let (read, offset) = if self.timed {
            let guess = guess(last.read, before.read);
            let i = partition_near(reads, guess, |r| r.at.unwrap_or(0) < at);
            (i, i.checked_sub(1).map_or(0, |i| reads[i].decoded))
        } else {
            (0, at)
        };
        let near = guess(last.frame, before.frame);
        let frame = partition_near(frames, near, |f| f.end() <= offset);
        let near = guess(last.delta, before.delta);
        let delta = partition_near(deltas, near, |d| (d.frame as usize) < frame);
        // Times that run backwards, in a file that somebody made, must not cross edges.
        let (frame, delta) = (frame.max(last.frame), delta.max(last.delta));
        Edge { read, frame, delta }
    }

    /// What every column looks like.
    fn cells(self, seen: &Inspection) -> Vec<(&'static str, Role)> {
        let (mut before, mut from) = (Edge::default(), Edge::default());
        let mut cells = Vec::with_capacity(usize::from(self.width));
        for column in 0..self.width {
            let to = self.edge(seen, column + 1, before, from);
            cells.push(cell(seen, self, column, from, to));
            (before, from) = (from, to);
        }
        cells
    }
}

/// How many of each were complete at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Edge {
    read: usize,
    frame: usize,
    delta: usize,
}

/// How a column looks.
fn cell(
    seen: &Inspection,
    scale: Scale,
    column: u16,
    from: Edge,
    to: Edge,
) -> (&'static str, Role) {
    let here = &seen.answer().deltas()[from.delta..to.delta];
    if !here.is_empty() {
        let mut counts = [0usize; 5];
        let step = here.len().div_ceil(SAMPLES).max(NEIGHBOURS);
        for some in here.chunks(step) {
            for delta in some.iter().take(NEIGHBOURS) {
                counts[delta.channel as usize] += 1;
            }
        }
        let channel = [Channel::Content, Channel::Reasoning, Channel::Tool, Channel::Refusal]
            .into_iter()
            .max_by_key(|c| counts[*c as usize]);
        return glyph(channel.unwrap_or(Channel::Other));
    }
    if from.frame < to.frame {
        return ("╎", Role::Comment);
    }
    if !scale.timed {
        return ("·", Role::Dim);
    }
    let (at, t) = (scale.at(column), &seen.timing);
    let before = |moment: Option<Micros>| moment.is_some_and(|m| at < m);
    if before(t.resolved) || before(t.connected) || before(t.tls) {
        ("╍", Role::BarConnect)
    } else if t.first_byte.is_none_or(|m| at < m) {
        ("─", Role::BarWait)
    } else {
        ("·", Role::Dim)
    }
}

/// Fills holes (see [`HOLE`]) between two pieces of one channel. A token is shorter than
/// a column of a short stream, and would else look like a comb; a stall stays a hole.
fn bridge(cells: &mut [(&'static str, Role)]) {
    let carries = |c: &(&str, Role)| {
        matches!(c.1, Role::BarContent | Role::BarReasoning | Role::BarTool | Role::Refusal)
    };
    let n = cells.iter().filter(|c| carries(c)).count().max(1);
    let hole = (2 * cells.len() / n).clamp(HOLE.0, HOLE.1);
    let mut last: Option<usize> = None;
    for i in 0..cells.len() {
        if !carries(&cells[i]) {
            continue;
        }
        if let Some(before) = last
            && cells[before] == cells[i]
            && i - before <= hole + 1
        {
            let fill = cells[i];
            cells[before + 1..i].fill(fill);
        }
        last = Some(i);
    }
}

/// A channel's glyph in the bar.
pub(crate) fn glyph(channel: Channel) -> (&'static str, Role) {
    match channel {
        Channel::Content => ("▓", Role::BarContent),
        Channel::Reasoning => ("░", Role::BarReasoning),
        Channel::Tool => ("▒", Role::BarTool),
        Channel::Refusal => ("▚", Role::Refusal),
        Channel::Other => ("▪", Role::Dim),
    }
}

/// Draws the bar into one line, findings of `warn` and worse upon it.
pub(crate) fn draw(app: &App, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let Some(scale) = Scale::new(exchange, app.now, area.width) else { return };
    let seen = &exchange.seen;
    let theme = &app.theme;
    let mut cells = scale.cells(seen);
    bridge(&mut cells);
    for (column, (sign, role)) in (0..area.width).zip(cells) {
        buf.set_string(area.x + column, area.y, sign, theme.of(role));
    }
    for i in exchange.ordered().into_iter().rev() {
        let finding = &seen.findings()[i];
        let at = if scale.timed { finding.at } else { finding.offset };
        if finding.severity >= Severity::Warn
            && let Some(at) = at
        {
            let (sign, role) = severity_sign(Some(finding.severity));
            buf.set_string(area.x + scale.column(at), area.y, sign, theme.of(role));
        }
    }
    if let Some(frame) = exchange.frame.filter(|_| !exchange.follow) {
        let at = if scale.timed {
            seen.frame_at(frame as usize)
        } else {
            seen.frames().get(frame as usize).map(|f| f.offset)
        };
        if let Some(at) = at {
            let place = Rect { x: area.x + scale.column(at), width: 1, ..area };
            buf.set_style(place, theme.of(Role::Selected));
        }
    }
}

/// Draws the scale below the bar: the moments that have room.
pub(crate) fn draw_scale(app: &App, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let Some(scale) = Scale::new(exchange, app.now, area.width) else { return };
    let dim = app.theme.of(Role::Dim);
    if !scale.timed {
        let text = format!(
            "to scale of bytes (nobody measured the time): {}",
            crate::text::group(scale.to)
        );
        line::put(buf, area, &[(&line::fit(&text, usize::from(area.width)), dim)]);
        return;
    }
    let t = &exchange.seen.timing;
    let mut taken: Vec<(u16, u16)> = Vec::new();
    let mut place = |at: u64, name: &str, buf: &mut Buffer| {
        let text = format!("{name} {}", line::seconds(at.saturating_sub(scale.from)));
        // The tick, the label, and a blank to keep labels apart.
        let wide = text.chars().count() as u16 + 1;
        if wide + 1 > area.width {
            return;
        }
        // The label begins under its moment, and is pushed left where the line ends.
        let x = scale.column(at).min(area.width - wide);
        let free = taken.iter().all(|(from, to)| x + wide < *from || x > *to);
        if free {
            taken.push((x, x + wide));
            let room = Rect { x: area.x + x, width: area.width - x, ..area };
            line::put(buf, room, &[("╵", app.theme.of(Role::Line)), (&text, dim)]);
        }
    };
    let over = if exchange.is_running() { "now" } else { "end" };
    place(scale.to, over, buf);
    for (name, moment) in [
        ("content", t.first_content),
        ("reasoning", t.first_reasoning),
        ("head", t.head),
        ("first byte", t.first_byte),
        ("connected", t.connected),
    ] {
        if let Some(at) = moment {
            place(at, name, buf);
        }
    }
}
