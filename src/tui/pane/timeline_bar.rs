//! The stream drawn to scale: of time, or of bytes where there are no timestamps.
//!
//! Each column finds the deltas that arrived within it, by a search that begins where an even pace would have
//! it: the cost is the width, not the length of the stream.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::frames::severity_sign;
use crate::dialect::Channel;
use crate::inspect::{Finding, Inspection, Severity, partition_galloping};
use crate::journal::Micros;
use crate::tui::model::{Exchange, Model};
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// Number of places of one column that are looked at, and of deltas at each: neighbors are loaded from memory
/// together.
const SAMPLES: usize = 4;
const NEIGHBORS: usize = 4;

/// The widest hole that is filled, in columns; where the stream is sparse up to twice the usual
/// distance of its deltas, within these bounds.
const HOLE: (usize, usize) = (3, 8);

/// The meaning of the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// True if the columns represent times; otherwise they represent bytes.
    pub timed: bool,
    /// Time or byte at which the first column begins.
    pub from: u64,
    /// Time or byte at which the last column ends.
    pub to: u64,
    /// Up to where it is known what happened: the end, but for a recording that plays.
    pub known: u64,
    /// Number of columns.
    pub width: u16,
}

impl Scale {
    /// Returns the scale of an exchange; `None` where nothing has arrived or there is no room.
    pub(crate) fn new(exchange: &Exchange, now: Micros, width: u16) -> Option<Self> {
        let inspection = &exchange.inspection;
        let scale = match exchange.origin() {
            Some(from) => {
                let now = exchange.is_running().then_some(now);
                // During playback, use the recording's own end.
                let until = exchange.plays_until();
                let to = until.or(inspection.timing.end).or(now).or(exchange.last)?;
                let to = to.max(from + 1);
                let known = until.and(now).map_or(to, |now| now.clamp(from, to));
                Self { timed: true, from, to, known, width }
            }
            None => {
                let to = inspection.body().len() as u64;
                (to > 0).then_some(Self { timed: false, from: 0, to, known: to, width })?
            }
        };
        (width > 0).then_some(scale)
    }

    /// The beginning of a column.
    fn at(self, column: u16) -> u64 {
        let span = u128::from(self.to - self.from);
        self.from + (span * u128::from(column) / u128::from(self.width)) as u64
    }

    /// The column of a moment (or of a byte).
    pub(super) fn column(self, at: u64) -> u16 {
        let at = at.clamp(self.from, self.to) - self.from;
        let column = u128::from(at) * u128::from(self.width) / u128::from(self.to - self.from);
        (column as u16).min(self.width - 1)
    }

    /// Returns what was complete at the beginning of a column. `before` and `last` are the edges of the two
    /// columns before: what arrives at an even pace is as far from `last` as that is from `before`.
    fn edge(self, inspection: &Inspection, column: u16, before: Edge, last: Edge) -> Edge {
        let (reads, frames, deltas) =
            (inspection.reads(), inspection.frames(), inspection.answer().deltas());
        if column == self.width {
            return Edge { read: reads.len(), frame: frames.len(), delta: deltas.len() };
        }
        let guess = |last: usize, before: usize| last + last.saturating_sub(before);
        let at = self.at(column);
        let (read, offset) = if self.timed {
            let guess = guess(last.read, before.read);
            let i = partition_galloping(reads.len(), guess, |i| reads.time_at(i).unwrap_or(0) < at);
            (i, i.checked_sub(1).map_or(0, |i| reads.decoded_at(i)))
        } else {
            (0, at)
        };
        let guessed = guess(last.frame, before.frame);
        let frame = partition_galloping(frames.len(), guessed, |i| frames.at(i).end() <= offset);
        let guessed = guess(last.delta, before.delta);
        let delta =
            partition_galloping(deltas.len(), guessed, |i| (deltas.frame_at(i) as usize) < frame);
        // If times run backwards, in a manipulated file, the edges must not cross.
        let (frame, delta) = (frame.max(last.frame), delta.max(last.delta));
        Edge { read, frame, delta }
    }

    /// Returns what was complete at the beginning of each column, and at the end of the last.
    pub(super) fn edges(self, inspection: &Inspection) -> Vec<Edge> {
        let mut edges = Vec::with_capacity(usize::from(self.width) + 1);
        let (mut before, mut from) = (Edge::default(), Edge::default());
        edges.push(from);
        for column in 0..self.width {
            let to = self.edge(inspection, column + 1, before, from);
            edges.push(to);
            (before, from) = (from, to);
        }
        edges
    }

    /// Returns the column of a finding.
    pub(super) fn of_finding(self, finding: &Finding) -> Option<u16> {
        let at = if self.timed { finding.at } else { finding.offset };
        at.map(|at| self.column(at))
    }

    /// Returns the column of the selected frame.
    pub(super) fn of_selected(self, exchange: &Exchange) -> Option<u16> {
        self.of_frame(exchange, exchange.frame.filter(|_| !exchange.follow)?)
    }

    /// Returns the column of a frame.
    pub(super) fn of_frame(self, exchange: &Exchange, frame: u32) -> Option<u16> {
        let frame = frame as usize;
        let at = match self.timed {
            true => exchange.inspection.frame_at(frame),
            false => exchange.inspection.frames().get(frame).map(|f| f.offset),
        };
        at.map(|at| self.column(at))
    }
}

/// Returns the moment that a column of the screen represents.
pub(super) fn moment_at(exchange: &Exchange, now: Micros, area: Rect, x: u16) -> Option<Micros> {
    let scale = Scale::new(exchange, now, area.width).filter(|scale| scale.timed)?;
    let column = x.checked_sub(area.x)?.min(scale.width - 1);
    Some(scale.at(column + 1))
}

/// The frame nearest to a column of the screen.
pub(super) fn frame_at(exchange: &Exchange, now: Micros, area: Rect, x: u16) -> Option<usize> {
    let scale = Scale::new(exchange, now, area.width)?;
    let inspection = &exchange.inspection;
    let column = x.checked_sub(area.x)?.min(scale.width - 1);
    let (from, to) = (scale.at(column), scale.at(column + 1));
    let middle = from + (to - from) / 2;
    let offset = match scale.timed {
        true => {
            let i = inspection.reads().partition_point(|r| r.at.unwrap_or(0) < middle);
            i.checked_sub(1).map_or(0, |i| inspection.reads().at(i).decoded)
        }
        false => middle,
    };
    let after = inspection.frames().partition_point(|f| f.end() <= offset);
    let beside = [after.checked_sub(1), Some(after)];
    let distance = |frame: &usize| match scale.timed {
        true => inspection.frame_at(*frame).map_or(u64::MAX, |at| at.abs_diff(middle)),
        false => inspection.frames().at(*frame).offset.abs_diff(middle),
    };
    beside.into_iter().flatten().filter(|f| *f < inspection.frames().len()).min_by_key(distance)
}

/// Consecutive columns in which no data arrived.
pub(super) struct Silence {
    /// The first.
    pub from: u16,
    /// The one after the last.
    pub to: u16,
    /// For how long.
    pub lasted: Micros,
    /// True if keep-alives arrived.
    pub warm: bool,
}

impl Silence {
    /// The sign and its role.
    pub(super) fn glyph(&self) -> (&'static str, Role) {
        ("╌", if self.warm { Role::Warn } else { Role::Error })
    }
}

/// The silences that are longer than the threshold, once there was a head.
pub(super) fn silences(exchange: &Exchange, scale: Scale, edges: &[Edge]) -> Vec<Silence> {
    let inspection = &exchange.inspection;
    let begun = inspection.timing.head.or(inspection.timing.first_byte).filter(|_| scale.timed);
    let Some(begun) = begun else { return Vec::new() };
    let mut found = Vec::new();
    let mut from = None;
    let end = if scale.known < scale.to { scale.column(scale.known) + 1 } else { scale.width };
    for column in scale.column(begun)..=end {
        let c = usize::from(column);
        let data = column == end || {
            let frames = edges[c + 1].frame - edges[c].frame;
            frames > beats(inspection, edges[c], edges[c + 1])
        };
        match (data, from) {
            (false, None) => from = Some(c),
            (true, Some(first)) => {
                let before =
                    edges[first].read.checked_sub(1).and_then(|i| inspection.reads().at(i).at);
                let next = inspection.reads().get(edges[c].read).filter(|_| column < end);
                let until = next.and_then(|r| r.at).unwrap_or(scale.known);
                let lasted = until.saturating_sub(before.unwrap_or(begun));
                if lasted >= inspection.options().stall {
                    let warm = beats(inspection, edges[first], edges[c]) > 0;
                    found.push(Silence { from: first as u16, to: column, lasted, warm });
                }
                from = None;
            }
            _ => {}
        }
    }
    found
}

/// Returns the number of keep-alives that arrived between two edges.
pub(super) fn beats(inspection: &Inspection, from: Edge, to: Edge) -> usize {
    let upto = |frame: usize| inspection.keep_alives().partition_point(|k| (*k as usize) < frame);
    if from.frame == to.frame { 0 } else { upto(to.frame) - upto(from.frame) }
}

/// Numbers of reads, frames and deltas that were complete at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Edge {
    pub read: usize,
    pub frame: usize,
    pub delta: usize,
}

/// Returns how many of some deltas belong to each channel, by some of them.
pub(super) fn channels(inspection: &Inspection, from: Edge, to: Edge) -> [usize; 5] {
    let deltas = inspection.answer().deltas();
    let mut counts = [0usize; 5];
    let step = (to.delta - from.delta).div_ceil(SAMPLES).max(NEIGHBORS);
    for first in (from.delta..to.delta).step_by(step) {
        for delta in deltas.range(first..to.delta.min(first + NEIGHBORS)) {
            counts[delta.channel as usize] += 1;
        }
    }
    counts
}

/// Returns the look of a column.
fn cell(
    inspection: &Inspection,
    scale: Scale,
    column: u16,
    from: Edge,
    to: Edge,
) -> (&'static str, Role) {
    if from.delta < to.delta {
        let counts = channels(inspection, from, to);
        let channel = [Channel::Content, Channel::Reasoning, Channel::Tool, Channel::Refusal]
            .into_iter()
            .max_by_key(|c| counts[*c as usize]);
        return glyph(channel.unwrap_or(Channel::Other));
    }
    if from.frame < to.frame {
        let warm = beats(inspection, from, to) == to.frame - from.frame;
        return if warm { ("╎", Role::Comment) } else { ("▪", Role::Dim) };
    }
    if !scale.timed {
        return ("·", Role::Dim);
    }
    let (at, t) = (scale.at(column), &inspection.timing);
    if at > scale.known {
        return (" ", Role::Dim);
    }
    let before = |moment: Option<Micros>| moment.is_some_and(|m| at < m);
    if before(t.resolved) || before(t.connected) || before(t.tls) {
        ("╍", Role::BarConnect)
    } else if t.first_byte.is_none_or(|m| at < m) {
        let slow = t.first_byte.unwrap_or(scale.to).saturating_sub(scale.from);
        let slow = slow >= inspection.options().slow_first_byte;
        ("─", if slow { Role::Warn } else { Role::BarWait })
    } else {
        ("·", Role::Dim)
    }
}

/// Fills holes (see [`HOLE`]) between two pieces of one channel. A token is shorter than
/// a column of a short stream, and would else look like a comb; a stall stays a hole.
pub(super) fn bridge(cells: &mut [(&'static str, Role)]) {
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
            // A keep-alive in between stays visible.
            let holes = cells[before + 1..i].iter_mut().filter(|c| c.1 != Role::Comment);
            holes.for_each(|c| *c = fill);
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
pub(crate) fn draw(model: &Model, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let Some(scale) = Scale::new(exchange, model.now(), area.width) else { return };
    let inspection = &exchange.inspection;
    let theme = model.theme();
    let edges = scale.edges(inspection);
    let columns = (0..scale.width).zip(edges.iter().zip(edges.iter().skip(1)));
    let mut cells: Vec<_> =
        columns.map(|(column, (from, to))| cell(inspection, scale, column, *from, *to)).collect();
    bridge(&mut cells);
    let silences = silences(exchange, scale, &edges);
    for silence in &silences {
        let run = &mut cells[usize::from(silence.from)..usize::from(silence.to)];
        run.iter_mut().filter(|c| c.1 != Role::Comment).for_each(|c| *c = silence.glyph());
    }
    for (column, (sign, role)) in (0..area.width).zip(cells) {
        buf.set_string(area.x + column, area.y, sign, theme.of(role));
    }
    for silence in &silences {
        label(model, silence, area, buf);
    }
    for i in exchange.ordered().into_iter().rev() {
        let finding = &inspection.findings()[i];
        if finding.severity >= Severity::Warn
            && let Some(column) = scale.of_finding(finding)
        {
            let (sign, role) = severity_sign(Some(finding.severity));
            buf.set_string(area.x + column, area.y, sign, theme.of(role));
        }
    }
    if let Some(column) = scale.of_selected(exchange) {
        buf.set_style(Rect { x: area.x + column, width: 1, ..area }, theme.of(Role::Selected));
    }
}

/// Writes into the middle of a silence how long it lasted, if there is room.
pub(super) fn label(model: &Model, silence: &Silence, area: Rect, buf: &mut Buffer) {
    let text = format!(" {} s ", line::seconds(silence.lasted));
    let (room, wide) = (silence.to - silence.from, text.len() as u16);
    if room >= wide + 2 {
        let x = area.x + silence.from + (room - wide) / 2;
        let place = Rect { x, width: wide, ..area };
        line::put(buf, place, &[(&text, model.theme().of(silence.glyph().1))]);
    }
}

/// Draws the scale below the bar: the moments that have room.
pub(crate) fn draw_scale(model: &Model, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let Some(scale) = Scale::new(exchange, model.now(), area.width) else { return };
    let dim = model.theme().of(Role::Dim);
    if !scale.timed {
        let text =
            format!("No timestamps: drawn by byte offset ({} bytes)", crate::text::group(scale.to));
        line::put(buf, area, &[(&line::fit(&text, usize::from(area.width)), dim)]);
        return;
    }
    draw_moments(model, exchange, scale, area, buf);
}

/// Draws the moments of a bar as labels under their columns, the most informative ones first. A label may
/// reach beyond the scale, but not beyond `area`.
pub(crate) fn draw_moments(
    model: &Model,
    exchange: &Exchange,
    scale: Scale,
    area: Rect,
    buf: &mut Buffer,
) {
    let dim = model.theme().of(Role::Dim);
    let t = &exchange.inspection.timing;
    let mut taken: Vec<(u16, u16)> = Vec::new();
    let mut place = |at: u64, name: &str, buf: &mut Buffer| {
        let text = format!("{name} {}", line::seconds(at.saturating_sub(scale.from)));
        // The tick, the label, and a blank to keep labels apart.
        let wide = text.chars().count() as u16 + 1;
        if wide + 1 > area.width {
            return;
        }
        // The label begins under its moment, and is moved left at the end of the line.
        let x = scale.column(at).min(area.width - wide);
        let free = taken.iter().all(|(from, to)| x + wide < *from || x > *to);
        if free {
            taken.push((x, x + wide));
            let room = Rect { x: area.x + x, width: area.width - x, ..area };
            line::put(buf, room, &[("╵", model.theme().of(Role::Line)), (&text, dim)]);
        }
    };
    let over = match exchange.is_running() {
        true if exchange.plays_until().is_none() => "now",
        _ => "end",
    };
    place(scale.to, over, buf);
    // The most informative label gets its place first.
    for (name, moment) in [
        ("content", t.first_content),
        ("reasoning", t.first_reasoning),
        ("head", t.head),
        ("first byte", t.first_byte),
        ("first frame", t.first_frame),
        ("connected", t.connected),
    ] {
        if let Some(at) = moment {
            place(at, name, buf);
        }
    }
}
