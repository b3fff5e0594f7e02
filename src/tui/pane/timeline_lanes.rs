//! The stream in lanes on one scale: the wire, keep-alives, each channel, the waits, the findings.
//!
//! Costs what the bar costs: each lane asks each column by what was complete at its edges.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::frames::severity_sign;
use super::timeline_bar::{self, Edge, Scale, Silence};
use crate::dialect::Channel;
use crate::inspect::{Inspection, Severity};
use crate::journal::Micros;
use crate::text::{count, group};
use crate::tui::model::{Exchange, Model};
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// A channel's name in the legend and beside its lane.
pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Tool => "tools",
        other => other.name(),
    }
}

/// The channels, in the order of their lanes.
pub(super) const CHANNELS: [Channel; 5] =
    [Channel::Reasoning, Channel::Content, Channel::Tool, Channel::Refusal, Channel::Other];

/// Heights in eighths.
const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// Of so many waits the distribution is drawn: more are sampled.
const WAITS: usize = 8_192;
/// Fewer frames than this in one column are no burst.
const BURST: usize = 10;
/// Largest number of waits of one column that are looked at.
const SAMPLES: usize = 8;
/// From this width on the lanes have their totals at the right.
const WIDE: u16 = 96;
const TOTALS: u16 = 28;
/// The most blocks with a lane.
const BLOCKS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Wire,
    KeepAlives,
    Channel(Channel),
    /// A block of the answer, by its place in the list.
    Block(usize),
    Waits,
    /// The summary of the waits, where it has no room beside them.
    Spread,
    Findings,
}

impl Lane {
    fn name(self, narrow: bool) -> &'static str {
        match self {
            Lane::Wire => "wire",
            Lane::KeepAlives if narrow => "alive",
            Lane::KeepAlives => "keep-alive",
            Lane::Channel(Channel::Reasoning) if narrow => "think",
            Lane::Channel(Channel::Content) if narrow => "text",
            Lane::Channel(Channel::Refusal) if narrow => "no",
            Lane::Channel(channel) => channel_name(channel),
            Lane::Block(_) => "block",
            Lane::Waits => "waits",
            Lane::Spread => "",
            Lane::Findings if narrow => "found",
            Lane::Findings => "findings",
        }
    }
}

/// The lanes that have something in them.
fn lanes(exchange: &Exchange) -> Vec<Lane> {
    let inspection = &exchange.inspection;
    let timed = exchange.origin().is_some();
    let mut lanes = Vec::new();
    lanes.extend(timed.then_some(Lane::Wire));
    lanes.extend((!inspection.keep_alives().is_empty()).then_some(Lane::KeepAlives));
    lanes.extend(CHANNELS.into_iter().filter(|c| inspection.answer().has(*c)).map(Lane::Channel));
    let blocks = inspection.blocks().len();
    // A single block looks the same as its channel.
    lanes.extend((0..blocks.min(BLOCKS)).filter(|_| blocks > 1).map(Lane::Block));
    if timed && !inspection.timing.gaps().is_empty() {
        lanes.extend([Lane::Waits, Lane::Spread]);
    }
    lanes.extend((!inspection.findings().is_empty()).then_some(Lane::Findings));
    lanes
}

/// Returns the number of rows that the lanes take.
pub(super) fn rows(exchange: &Exchange) -> u16 {
    (lanes(exchange).len() as u16).max(1)
}

/// The columns of the scale, between the names and the totals.
pub(super) fn lane_area(area: Rect) -> Rect {
    let names = if area.width < 60 { 6 } else { 11 };
    let totals = if area.width < WIDE { 0 } else { TOTALS };
    let width = area.width.saturating_sub(names + totals);
    Rect { x: area.x + names.min(area.width), width, ..area }
}

/// A level for a share of the largest; nothing for nothing.
fn level(value: u64, largest: u64) -> &'static str {
    if value == 0 || largest == 0 {
        return " ";
    }
    // Use the square root, so that small values next to a stall can still be told apart.
    let share = (value as f64 / largest as f64).sqrt();
    LEVELS[((share * 8.0).ceil() as usize).clamp(1, 8) - 1]
}

/// Draws all lanes.
pub(super) fn draw(model: &Model, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let place = lane_area(area);
    let Some(scale) = Scale::new(exchange, model.now(), place.width) else { return };
    let inspection = &exchange.inspection;
    let edges = scale.edges(inspection);
    let silences = timeline_bar::silences(exchange, scale, &edges);
    let theme = model.theme();
    for (y, lane) in (area.y..area.bottom()).zip(lanes(exchange)) {
        let row = Rect { y, height: 1, ..place };
        let name = Rect { x: area.x, y, width: place.x - area.x, height: 1 };
        line::put(buf, name, &[(lane.name(area.width < 60), theme.of(Role::Dim))]);
        let mut cells: Vec<(&'static str, Role)> = edges
            .iter()
            .zip(edges.iter().skip(1))
            .map(|(from, to)| cell(inspection, lane, *from, *to))
            .collect();
        match lane {
            Lane::Wire => wire(inspection, &edges, &silences, &mut cells),
            Lane::Channel(_) => timeline_bar::bridge(&mut cells),
            Lane::Waits => waits(inspection, scale, &edges, &mut cells),
            Lane::Findings => findings(exchange, scale, &mut cells),
            Lane::Block(index) => block(exchange, scale, index, &mut cells),
            Lane::KeepAlives | Lane::Spread => {}
        }
        for (x, (sign, role)) in (row.x..row.right()).zip(cells) {
            buf.set_string(x, y, sign, theme.of(role));
        }
        if lane == Lane::Wire {
            silences.iter().for_each(|s| timeline_bar::label(model, s, row, buf));
        }
        let total = total(exchange, lane);
        if lane == Lane::Spread {
            // Put it under the lane that it describes, and use the room up to the right edge.
            let narrow = area.width < WIDE;
            let room = if narrow { row } else { Rect { width: area.right() - row.x, ..row } };
            line::put_right(buf, room, &[(&total, theme.of(Role::Number))]);
        } else if area.width >= WIDE {
            let room = Rect { x: row.right() + 1, width: area.right() - row.right() - 1, ..row };
            line::put_right(buf, room, &[(&total, theme.of(Role::Dim))]);
        }
        if lane != Lane::Spread
            && let Some(column) = scale.of_selected(exchange)
        {
            let at = Rect { x: row.x + column, width: 1, ..row };
            buf.set_style(at, theme.of(Role::Selected));
        }
    }
}

/// Returns the look of a column of a lane by itself.
fn cell(inspection: &Inspection, lane: Lane, from: Edge, to: Edge) -> (&'static str, Role) {
    match lane {
        Lane::KeepAlives if timeline_bar::beats(inspection, from, to) > 0 => ("╎", Role::Comment),
        Lane::Channel(channel)
            if timeline_bar::channels(inspection, from, to)[channel as usize] > 0 =>
        {
            timeline_bar::glyph(channel)
        }
        _ => (" ", Role::Dim),
    }
}

/// The bytes of each column. Many frames in one, after none in the one before, are a burst.
fn wire(
    inspection: &Inspection,
    edges: &[Edge],
    silences: &[Silence],
    cells: &mut [(&'static str, Role)],
) {
    let upto = |e: &Edge| e.read.checked_sub(1).map_or(0, |i| inspection.reads().at(i).end);
    let bytes: Vec<u64> = edges.windows(2).map(|e| upto(&e[1]) - upto(&e[0])).collect();
    let largest = bytes.iter().copied().max().unwrap_or(0);
    for (i, n) in bytes.iter().enumerate() {
        let frames = edges[i + 1].frame - edges[i].frame;
        let alone = i == 0 || bytes[i - 1] == 0;
        let role = if alone && frames >= BURST { Role::Warn } else { Role::Label };
        cells[i] = (level(*n, largest), role);
    }
    for silence in silences {
        let run = &mut cells[usize::from(silence.from)..usize::from(silence.to)];
        run.iter_mut().filter(|c| c.0 == " ").for_each(|c| *c = silence.glyph());
    }
}

/// Draws the longest wait for a delta that ends in each column; one that lasts over several is shown over all
/// of them.
fn waits(
    inspection: &Inspection,
    scale: Scale,
    edges: &[Edge],
    cells: &mut [(&'static str, Role)],
) {
    let deltas = inspection.answer().deltas();
    let at = |delta: usize, edges: (Edge, Edge)| -> Option<Micros> {
        let frame = inspection.frames().get(deltas.get(delta)?.frame as usize)?;
        let i = inspection.reads().before(frame.end());
        inspection.reads().get(i.max(edges.0.read)).filter(|_| i < edges.1.read)?.at
    };
    let mut longest = vec![0; cells.len()];
    let mut last: Option<(usize, Micros)> = None;
    for (i, e) in edges.windows(2).enumerate() {
        let (from, to) = (e[0].delta, e[1].delta);
        if from == to {
            continue;
        }
        let edges = (e[0], e[1]);
        let mut before = None;
        for delta in (from..to).step_by((to - from).div_ceil(SAMPLES)) {
            let began = if delta == from { last.map(|l| l.1) } else { before };
            let began = began.filter(|_| delta == from || to - from <= SAMPLES);
            let now = at(delta, edges);
            if let (Some(began), Some(now)) = (began, now) {
                longest[i] = longest[i].max(now.saturating_sub(began));
            }
            before = now;
        }
        if let Some((column, _)) = last {
            let wait = longest[i];
            longest[column + 1..i].fill(wait);
        }
        last = at(to - 1, edges).or(before).map(|t| (i, t));
    }
    let largest = longest.iter().copied().max().unwrap_or(0);
    for (cell, wait) in cells.iter_mut().zip(longest) {
        let role = if wait >= inspection.options().stall { Role::Error } else { Role::Label };
        *cell = (level(wait, largest), role);
    }
    debug_assert_eq!(cells.len(), usize::from(scale.width));
}

fn findings(exchange: &Exchange, scale: Scale, cells: &mut [(&'static str, Role)]) {
    let inspection = &exchange.inspection;
    let mut worst: Vec<Option<Severity>> = vec![None; cells.len()];
    for finding in inspection.findings() {
        if let Some(column) = scale.of_finding(finding) {
            let slot = &mut worst[usize::from(column)];
            *slot = (*slot).max(Some(finding.severity));
        }
    }
    for (cell, severity) in cells.iter_mut().zip(worst) {
        if severity.is_some() {
            *cell = severity_sign(severity);
        }
    }
}

/// A block from the frame that opened it to the one that closed it; `?` where nothing did.
fn block(exchange: &Exchange, scale: Scale, index: usize, cells: &mut [(&'static str, Role)]) {
    let Some(block) = exchange.inspection.blocks().get(index) else { return };
    let column = |frame| scale.of_frame(exchange, frame).map(usize::from);
    let (Some(from), Some(to)) = (column(block.opened), column(block.last())) else { return };
    let role = match block.kind.as_str() {
        kind if kind.contains("think") || kind.contains("reason") => Role::BarReasoning,
        kind if kind.contains("tool") || kind.contains("call") => Role::BarTool,
        _ => Role::BarContent,
    };
    if let Some(run) = cells.get_mut(from..=to) {
        run.fill(("─", role));
        run[0] = (if to > from { "├" } else { "│" }, role);
        if let Some(last) = run.last_mut().filter(|_| to > from) {
            *last = if block.closed.is_some() { ("┤", role) } else { ("?", Role::Warn) };
        }
    }
}

/// Returns the total of a lane.
fn total(exchange: &Exchange, lane: Lane) -> String {
    let inspection = &exchange.inspection;
    match lane {
        Lane::Wire => {
            let reads = count(inspection.reads().len() as u64, "read");
            format!("{} · {reads}", count(inspection.wire_len(), "byte"))
        }
        Lane::KeepAlives => group(inspection.keep_alives().len() as u64),
        Lane::Channel(channel) => count(inspection.answer().count(channel), "delta"),
        Lane::Block(index) => inspection.blocks().get(index).map_or(String::new(), |block| {
            let closed = block.closed.map_or("open".to_owned(), |f| group(u64::from(f)));
            format!("{} {}–{closed}", block.label(), group(u64::from(block.opened)))
        }),
        Lane::Waits => count(inspection.timing.gaps().len() as u64, "wait"),
        Lane::Spread => {
            let ms = |t: Micros| line::wait(t).trim_start_matches('+').to_owned();
            let about = if inspection.timing.gaps().len() > WAITS { "≈ " } else { "" };
            inspection.timing.gap_sample(WAITS).map_or(String::new(), |g| {
                format!("{about}p50 {} · p99 {} · max {}", ms(g.p50), ms(g.p99), ms(g.max))
            })
        }
        Lane::Findings => count(inspection.findings().len() as u64, "finding"),
    }
}

/// The clocks that ran, in order.
pub(super) fn clocks(exchange: &Exchange) -> Vec<(&'static str, Micros)> {
    let t = &exchange.inspection.timing;
    let clocks = [
        ("head", t.head),
        ("first byte", t.first_byte),
        ("first frame", t.first_frame),
        ("first reasoning", t.first_reasoning),
        ("first content", t.first_content),
        ("end", t.end),
    ];
    clocks.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
}

/// Draws the clocks: each on a separate line where there are so many, else those that have room
/// on one.
pub(super) fn draw_clocks(model: &Model, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let place = lane_area(area);
    let Some(scale) = Scale::new(exchange, model.now(), place.width) else { return };
    let clocks = clocks(exchange);
    if area.height <= 1 || !scale.timed {
        timeline_bar::draw_scale(model, exchange, place, buf);
        return;
    }
    let theme = model.theme();
    let mut before = scale.from;
    for (y, (name, at)) in (area.y..area.bottom()).zip(clocks) {
        let row = Rect { y, height: 1, ..place };
        let since = line::seconds(at.saturating_sub(scale.from));
        let step = line::wait(at.saturating_sub(before));
        before = at;
        let column = scale.column(at);
        let (label, wait) = (format!("{name} {since} s"), format!("  {step}"));
        let wide = (label.len() + wait.chars().count() + 1) as u16;
        let (text, dim, tick) = (theme.of(Role::Text), theme.of(Role::Dim), theme.of(Role::Line));
        // To the right of its tick, or to the left at the end of the line.
        if column + 1 + wide <= row.width {
            let room = Rect { x: row.x + column, width: row.width - column, ..row };
            line::put(buf, room, &[("└", tick), (" ", dim), (&label, text), (&wait, dim)]);
        } else {
            let room = Rect { width: column + 1, ..row };
            line::put_right(buf, room, &[(&label, text), (&wait, dim), (" ", dim), ("┘", tick)]);
        }
    }
}
