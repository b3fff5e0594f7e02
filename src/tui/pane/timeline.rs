//! The timeline and the findings.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::frames::severity_sign;
use super::{Pane, PaneId, header, inner, timeline_bar, timeline_lanes, timeline_list};
use crate::action::{Action, Context};
use crate::dialect::Channel;
use crate::inspect::{Phase, Severity};
use crate::rule::Code;
use crate::tui::App;
use crate::tui::exchange::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::{Scroll, line};

/// The pane's row in the table.
pub(crate) const PANE: Pane = Pane {
    title: "Timeline",
    context: Context::Timeline,
    footer: &[
        Action::Explain,
        Action::NextProblem,
        Action::ToggleGroup,
        Action::FilterSeverity,
        Action::FilterPhase,
        Action::PreviousProblem,
        Action::Zoom,
    ],
    draw,
    act,
    click,
    wheel,
    settle,
};

/// Which findings are on the screen.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) scroll: Scroll,
    seen: Option<usize>,
    /// Codes whose findings are listed one by one.
    pub(super) open: BTreeSet<Code>,
    /// Milder ones are not listed.
    pub(super) least: Severity,
    /// Those of other phases are not listed.
    pub(super) phase: Option<Phase>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            scroll: Scroll::default(),
            seen: None,
            open: BTreeSet::new(),
            least: Severity::Info,
            phase: None,
        }
    }
}

impl State {
    /// Another exchange is shown.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    fn filters(&self) -> bool {
        self.least > Severity::Info || self.phase.is_some()
    }
}

/// Where the pieces of the pane stand.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// The bar, or the lanes.
    drawing: Rect,
    /// The clocks below it.
    scale: Rect,
    list: Rect,
    lanes: bool,
}

/// From this height on the drawing has a lane for each thing.
const TALL: u16 = 14;
/// So many rows stay for the list before each clock gets one of its own.
const LIST: u16 = 6;

fn parts(exchange: Option<&Exchange>, area: Rect) -> Parts {
    let area = inner(area);
    let lanes = exchange.filter(|_| area.height >= TALL).map(timeline_lanes::rows);
    let (drawn, clocks) = match (lanes, exchange) {
        (Some(rows), Some(exchange)) => {
            let clocks = timeline_lanes::clocks(exchange).len() as u16;
            let each = rows + clocks + LIST <= area.height;
            (rows, if each { clocks.max(1) } else { 1 })
        }
        _ => (1, 1),
    };
    let mut y = area.y;
    let mut take = |height: u16| {
        let from = y.min(area.bottom());
        y = y.saturating_add(height).min(area.bottom());
        Rect { y: from, height: y - from, ..area }
    };
    let within =
        |r: Rect| Rect { x: r.x + 1, width: r.width.saturating_sub(2), height: r.height, ..r };
    let (drawing, scale) = (within(take(drawn)), within(take(clocks)));
    Parts { drawing, scale, list: take(u16::MAX), lanes: lanes.is_some() }
}

fn settle(app: &mut App, area: Rect) {
    let Some(exchange) = app.exchange() else { return };
    let height = usize::from(parts(Some(exchange), area).list.height);
    let rows = timeline_list::rows(&app.timeline, exchange);
    let at = timeline_list::position(&rows, exchange);
    let (len, finding) = (rows.len(), exchange.finding);
    match at {
        Some(at) if app.timeline.seen != finding => app.timeline.scroll.reveal(at, height, len),
        _ => app.timeline.scroll.clamp(height, len),
    }
    app.timeline.seen = finding;
}

fn act(app: &mut App, action: Action) -> bool {
    match action {
        Action::FilterSeverity => {
            app.timeline.least = match app.timeline.least {
                Severity::Info => Severity::Warn,
                Severity::Warn => Severity::Error,
                Severity::Error | Severity::Fatal => Severity::Info,
            };
            app.timeline.seen = None;
            return true;
        }
        Action::FilterPhase => {
            let phases: BTreeSet<Phase> = app.exchange().map_or_else(BTreeSet::new, |e| {
                e.seen.findings().iter().map(|f| f.phase()).collect()
            });
            let next = match app.timeline.phase {
                None => phases.first(),
                Some(now) => phases.range(now..).find(|p| **p != now),
            };
            app.timeline.phase = next.copied();
            app.timeline.seen = None;
            return true;
        }
        Action::Back if app.timeline.filters() => {
            (app.timeline.least, app.timeline.phase) = (Severity::Info, None);
            app.timeline.seen = None;
            return true;
        }
        _ => {}
    }
    let area = app.areas().pane(PaneId::Timeline);
    let Some(exchange) = app.exchange() else { return false };
    let height = usize::from(parts(Some(exchange), area).list.height).max(1);
    let rows = timeline_list::rows(&app.timeline, exchange);
    let at = timeline_list::position(&rows, exchange);
    let to = match (action, at) {
        (Action::ToggleGroup | Action::Left | Action::Right, at) => {
            let Some(row) = at.or(rows.len().checked_sub(1).map(|_| 0)).map(|i| rows[i]) else {
                return true;
            };
            fold(app, row, action);
            return true;
        }
        (Action::Up, at) => at.unwrap_or(0).saturating_sub(1),
        (Action::Down, at) => at.map_or(0, |i| i + 1),
        (Action::HalfPageUp, at) => at.unwrap_or(0).saturating_sub(height.div_ceil(2)),
        (Action::HalfPageDown, at) => at.unwrap_or(0) + height.div_ceil(2),
        (Action::PageUp, at) => at.unwrap_or(0).saturating_sub(height),
        (Action::PageDown, at) => at.unwrap_or(0) + height,
        (Action::Top, _) => 0,
        (Action::Bottom, _) => rows.len(),
        _ => return false,
    };
    let row = rows.get(to.min(rows.len().saturating_sub(1))).copied();
    if let (Some(row), Some(exchange)) = (row, app.exchange_mut()) {
        exchange.select_finding(row.finding);
    }
    true
}

/// Opens or closes the group of a row.
fn fold(app: &mut App, row: timeline_list::Row, action: Action) {
    let Some(exchange) = app.exchange_mut() else { return };
    let story = exchange.story();
    let Some(group) = story.get(row.group) else { return };
    if group.findings.len() == 1 {
        let times = exchange.seen.times(group);
        if times > 1 && action == Action::ToggleGroup {
            let times = crate::text::group(times);
            app.say(format!("It came {times} times; only the first was kept, as all are alike."));
        }
        return;
    }
    let code = exchange.seen.findings()[group.findings[0]].code;
    let first = group.findings[0];
    let is_open = app.timeline.open.contains(&code);
    if action == Action::Right || action == Action::ToggleGroup && !is_open {
        app.timeline.open.insert(code);
    } else if app.timeline.open.remove(&code)
        && let Some(exchange) = app.exchange_mut()
    {
        exchange.select_finding(first);
    }
    // The window follows the row that was acted upon.
    app.timeline.seen = None;
}

fn click(app: &mut App, at: Position, area: Rect) {
    let parts = parts(app.exchange(), area);
    let now = app.now;
    if parts.drawing.contains(at) || parts.scale.contains(at) {
        let Some(exchange) = app.exchange_mut() else { return };
        let bar = match parts.lanes {
            true => timeline_lanes::lane_area(parts.drawing),
            false => parts.drawing,
        };
        if let Some(frame) = timeline_bar::frame_at(exchange, now, bar, at.x) {
            exchange.select(frame);
        }
        return;
    }
    if !parts.list.contains(at) {
        return;
    }
    let Some(exchange) = app.exchange() else { return };
    let rows = timeline_list::rows(&app.timeline, exchange);
    let chosen = timeline_list::position(&rows, exchange);
    let index = app.timeline.scroll.top + usize::from(at.y - parts.list.y);
    let Some(row) = rows.get(index).copied() else { return };
    if row.first && at.x.saturating_sub(parts.list.x) == timeline_list::MARKER {
        if let Some(exchange) = app.exchange_mut() {
            exchange.select_finding(row.finding);
        }
        fold(app, row, Action::ToggleGroup);
    } else if chosen == Some(index) {
        app.explain();
    } else if let Some(exchange) = app.exchange_mut() {
        exchange.select_finding(row.finding);
    }
}

fn wheel(app: &mut App, rows: isize, _: Position, area: Rect) {
    let Some(exchange) = app.exchange() else { return };
    let height = usize::from(parts(Some(exchange), area).list.height);
    let len = timeline_list::rows(&app.timeline, exchange).len();
    app.timeline.scroll.by(rows, height, len);
}

fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let parts = parts(app.exchange(), area);
    let Some(exchange) = app.exchange() else {
        header(app, PaneId::Timeline, &[], area, buf);
        let said = [("The stream is drawn here to scale.", app.theme.of(Role::Dim))];
        line::put(buf, parts.drawing, &said);
        return;
    };
    let mut notes = counts(exchange);
    if app.timeline.filters() {
        notes.insert(0, (format!("{}   ", filter(app, exchange)), Role::Mark));
    }
    let mut note: Vec<(&str, Role)> = notes.iter().map(|(t, r)| (t.as_str(), *r)).collect();
    let legend = legend(exchange);
    let has_room = area.width >= 80 && !app.timeline.filters() || area.width >= 110;
    if has_room && !parts.lanes && !legend.is_empty() {
        let first = legend.iter().map(|(t, r)| (t.as_str(), *r));
        note = first.chain([("   ", Role::Text)]).chain(note).collect();
    }
    header(app, PaneId::Timeline, &note, area, buf);
    if parts.lanes {
        timeline_lanes::draw(app, exchange, parts.drawing, buf);
        timeline_lanes::draw_clocks(app, exchange, parts.scale, buf);
    } else {
        timeline_bar::draw(app, exchange, parts.drawing, buf);
        timeline_bar::draw_scale(app, exchange, parts.scale, buf);
    }
    timeline_list::draw(app, exchange, parts.list, buf);
}

/// What is listed, and how many findings are not.
fn filter(app: &App, exchange: &Exchange) -> String {
    let state = &app.timeline;
    let story = exchange.story();
    let hides = |g: &&crate::inspect::Group| !timeline_list::is_listed(state, exchange, g);
    let hidden: u64 = story.iter().filter(hides).map(|g| exchange.seen.times(g)).sum();
    let mut told = Vec::new();
    told.extend((state.least > Severity::Info).then(|| format!("≥ {}", state.least.name())));
    told.extend(state.phase.map(|p| format!("phase {}", p.name())));
    told.push(format!("{} hidden", crate::text::group(hidden)));
    told.join(" · ")
}

/// What the bar's glyphs mean, of those that occur.
fn legend(exchange: &Exchange) -> Vec<(String, Role)> {
    let answer = exchange.seen.answer();
    let mut legend = Vec::new();
    if !exchange.seen.keep_alives().is_empty() {
        legend.push(("╎".to_owned(), Role::Comment));
        legend.push((" keep-alive  ".to_owned(), Role::Dim));
    }
    for channel in timeline_lanes::CHANNELS {
        if answer.has(channel) {
            let (sign, role) = timeline_bar::glyph(channel);
            legend.push((sign.to_owned(), role));
            legend.push((format!(" {}  ", channel_name(channel)), Role::Dim));
        }
    }
    legend
}

/// A channel's name in the legend and beside its lane.
pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Tool => "tools",
        other => other.name(),
    }
}

/// How many findings of each severity.
fn counts(exchange: &Exchange) -> Vec<(String, Role)> {
    let seen = &exchange.seen;
    let mut told = Vec::new();
    for severity in Severity::ALL.into_iter().rev() {
        let n = seen.count(severity);
        if n > 0 {
            let (sign, role) = severity_sign(Some(severity));
            let gap = if told.is_empty() { "" } else { "  " };
            told.push((format!("{gap}{sign} {n} {}", severity.name()), role));
        }
    }
    told
}
