//! The timeline and the findings.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::frames::severity_sign;
use super::timeline_lanes::channel_name;
pub(crate) use super::timeline_list::TimelinePane;
use super::{
    Canvas, Copyable, Pane, PaneId, PanePlace, Spec, inner, timeline_bar, timeline_lanes,
    timeline_list,
};
use crate::action::{Action, OwnAction, OwnContext};
use crate::inspect::{Phase, Severity};
use crate::tui::model::{Exchange, Model};
use crate::tui::screen::ScreenCommand;
use crate::tui::theme::Role;
use crate::tui::widget::{line, moved};

/// The pane's name in the program.
pub(crate) const ID: PaneId = PaneId("timeline");

static FILTER_SEVERITY: OwnAction = OwnAction {
    name: "filter-severity",
    short: "severity",
    help: "list findings of every severity, of warn and worse, of error and worse",
    keys: &[],
};

static FILTER_PHASE: OwnAction = OwnAction {
    name: "filter-phase",
    short: "phase",
    help: "list the findings of one phase, of the next, of all",
    keys: &[],
};

static TOGGLE_GROUP: OwnAction = OwnAction {
    name: "toggle-group",
    short: "open",
    help: "list the findings of one code one by one, or as one again",
    keys: &[],
};

/// The context in which the pane's own keys count.
pub(crate) static KEYS: OwnContext = OwnContext {
    name: "timeline",
    title: "In the timeline and findings",
    actions: &[&FILTER_SEVERITY, &FILTER_PHASE, &TOGGLE_GROUP],
};

const TOGGLE: Action = Action::Own(&TOGGLE_GROUP);

static SPEC: Spec = Spec {
    id: ID,
    title: ("Timeline", "Time"),
    keys: &KEYS,
    place: PanePlace::Bottom,
    go: Some(Action::PaneTimeline),
    footer: &[
        Action::Explain,
        Action::NextProblem,
        Action::Own(&TOGGLE_GROUP),
        Action::Own(&FILTER_SEVERITY),
        Action::Own(&FILTER_PHASE),
        Action::PreviousProblem,
        Action::Zoom,
    ],
    everywhere: &[
        (Action::Own(&FILTER_SEVERITY), true),
        (Action::Own(&FILTER_PHASE), true),
        (Action::Own(&TOGGLE_GROUP), true),
    ],
    shows_bytes: false,
    copies: &[Copyable {
        name: "finding",
        about: "the selected finding",
        text: |model| {
            let exchange = model.exchange()?;
            let finding = exchange.inspection.findings().get(exchange.finding?)?;
            let (severity, code) = (finding.severity.name(), finding.code);
            Some(("finding".to_owned(), format!("{severity} {code}: {}", finding.sentence())))
        },
    }],
};

/// The areas of the pieces of the pane.
#[derive(Debug, Clone, Copy)]
struct TimelineAreas {
    /// The bar, or the lanes.
    drawing: Rect,
    /// The clocks below it.
    scale: Rect,
    list: Rect,
    lanes: bool,
}

/// From this height on the drawing has a lane for each thing.
const TALL: u16 = 14;
/// So many rows stay for the list before each clock gets its own.
const LIST: u16 = 6;

fn parts(exchange: Option<&Exchange>, area: Rect) -> TimelineAreas {
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
    TimelineAreas { drawing, scale, list: take(u16::MAX), lanes: lanes.is_some() }
}

impl Pane for TimelinePane {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn restart(&mut self) {
        *self = Self::default();
    }

    fn settle(&mut self, model: &mut Model, area: Rect) {
        let pane = self;
        let Some(exchange) = model.exchange() else { return };
        let height = usize::from(parts(Some(exchange), area).list.height);
        let rows = timeline_list::rows(pane, exchange);
        let at = timeline_list::position(&rows, exchange);
        let (len, finding) = (rows.len(), exchange.finding);
        match at {
            Some(at) if pane.revealed != finding => pane.scroll.reveal(at, height, len),
            _ => pane.scroll.clamp(height, len),
        }
        pane.revealed = finding;
    }

    fn act(&mut self, model: &mut Model, action: Action, area: Rect) -> bool {
        let pane = self;
        match action {
            Action::Own(own) if *own == FILTER_SEVERITY => {
                pane.least = match pane.least {
                    Severity::Info => Severity::Warn,
                    Severity::Warn => Severity::Error,
                    Severity::Error | Severity::Fatal => Severity::Info,
                };
                pane.revealed = None;
                return true;
            }
            Action::Own(own) if *own == FILTER_PHASE => {
                let phases: BTreeSet<Phase> = model.exchange().map_or_else(BTreeSet::new, |e| {
                    e.inspection.findings().iter().map(|f| f.phase()).collect()
                });
                let next = match pane.phase {
                    None => phases.first(),
                    Some(now) => phases.range(now..).find(|p| **p != now),
                };
                pane.phase = next.copied();
                pane.revealed = None;
                return true;
            }
            Action::Back if pane.filters() => {
                (pane.least, pane.phase) = (Severity::Info, None);
                pane.revealed = None;
                return true;
            }
            _ => {}
        }
        let Some(exchange) = model.exchange() else { return false };
        let height = usize::from(parts(Some(exchange), area).list.height).max(1);
        let rows = timeline_list::rows(pane, exchange);
        let at = timeline_list::position(&rows, exchange);
        if action == TOGGLE || matches!(action, Action::Left | Action::Right) {
            if let Some(row) = rows.get(at.unwrap_or(0)).copied() {
                fold(pane, model, row, action);
            }
            return true;
        }
        let Some(by) = action.scrolls(height as isize) else { return false };
        let row = moved(at, by, rows.len()).and_then(|to| rows.get(to)).copied();
        if let (Some(row), Some(exchange)) = (row, model.exchange_mut()) {
            exchange.select_finding(row.finding);
        }
        true
    }

    fn click(&mut self, model: &mut Model, at: Position, area: Rect) {
        let pane = self;
        let parts = parts(model.exchange(), area);
        let now = model.now();
        if parts.drawing.contains(at) || parts.scale.contains(at) {
            let Some(exchange) = model.exchange_mut() else { return };
            let bar = match parts.lanes {
                true => timeline_lanes::lane_area(parts.drawing),
                false => parts.drawing,
            };
            if exchange.plays_until().is_some() {
                let moment = timeline_bar::moment_at(exchange, now, bar, at.x);
                return moment.into_iter().for_each(|moment| model.seek_to(moment));
            }
            if let Some(frame) = timeline_bar::frame_at(exchange, now, bar, at.x) {
                exchange.select(frame);
            }
            return;
        }
        if !parts.list.contains(at) {
            return;
        }
        let Some(exchange) = model.exchange() else { return };
        let rows = timeline_list::rows(pane, exchange);
        let chosen = timeline_list::position(&rows, exchange);
        let index = pane.scroll.top + usize::from(at.y - parts.list.y);
        let Some(row) = rows.get(index).copied() else { return };
        if row.first && at.x.saturating_sub(parts.list.x) == timeline_list::MARKER {
            if let Some(exchange) = model.exchange_mut() {
                exchange.select_finding(row.finding);
            }
            fold(pane, model, row, TOGGLE);
        } else if chosen == Some(index) {
            model.command(ScreenCommand::Act(Action::Explain));
        } else if let Some(exchange) = model.exchange_mut() {
            exchange.select_finding(row.finding);
        }
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, _: Position, area: Rect) {
        let pane = self;
        let Some(exchange) = model.exchange() else { return };
        let height = usize::from(parts(Some(exchange), area).list.height);
        let len = timeline_list::rows(pane, exchange).len();
        pane.scroll.by(rows, height, len);
    }

    fn draw(&self, on: &Canvas<'_>, buf: &mut Buffer) {
        let (pane, model, area) = (self, on.model, on.area);
        let parts = parts(model.exchange(), area);
        let Some(exchange) = model.exchange() else {
            on.header(SPEC.title.0, &[], buf);
            let text = [("The stream is drawn here to scale", model.theme().of(Role::Dim))];
            line::put(buf, parts.drawing, &text);
            return;
        };
        let mut notes = counts(exchange);
        if pane.filters() {
            notes.insert(0, (format!("{}   ", filter(pane, exchange)), Role::Mark));
        }
        let mut note: Vec<(&str, Role)> = notes.iter().map(|(t, r)| (t.as_str(), *r)).collect();
        let legend = legend(exchange);
        let has_room = area.width >= 80 && !pane.filters() || area.width >= 110;
        if has_room && !parts.lanes && !legend.is_empty() {
            let first = legend.iter().map(|(t, r)| (t.as_str(), *r));
            note = first.chain([("   ", Role::Text)]).chain(note).collect();
        }
        on.header(SPEC.title.0, &note, buf);
        if parts.lanes {
            timeline_lanes::draw(model, exchange, parts.drawing, buf);
            timeline_lanes::draw_clocks(model, exchange, parts.scale, buf);
        } else {
            timeline_bar::draw(model, exchange, parts.drawing, buf);
            timeline_bar::draw_scale(model, exchange, parts.scale, buf);
        }
        timeline_list::draw(pane, on, exchange, parts.list, buf);
    }
}

/// Opens or closes the group of a row.
fn fold(
    pane: &mut TimelinePane,
    model: &mut Model,
    row: timeline_list::FindingRow,
    action: Action,
) {
    let Some(exchange) = model.exchange_mut() else { return };
    let story = exchange.story();
    let Some(group) = story.get(row.group) else { return };
    if group.findings.len() == 1 {
        let times = exchange.inspection.times(group);
        if times > 1 && action == TOGGLE {
            let times = crate::text::group(times);
            model.notify(format!("Occurred {times} times; only the first is kept"));
        }
        return;
    }
    let code = exchange.inspection.findings()[group.findings[0]].code;
    let first = group.findings[0];
    let is_open = pane.open.contains(&code);
    if action == Action::Right || action == TOGGLE && !is_open {
        pane.open.insert(code);
    } else if pane.open.remove(&code)
        && let Some(exchange) = model.exchange_mut()
    {
        exchange.select_finding(first);
    }
    // Show the selected row again.
    pane.revealed = None;
}

/// Returns what is listed, and how many findings are not.
fn filter(pane: &TimelinePane, exchange: &Exchange) -> String {
    let story = exchange.story();
    let hides = |g: &&crate::inspect::Group| !timeline_list::is_listed(pane, exchange, g);
    let hidden: u64 = story.iter().filter(hides).map(|g| exchange.inspection.times(g)).sum();
    let mut parts = Vec::new();
    parts.extend((pane.least > Severity::Info).then(|| format!("≥ {}", pane.least.name())));
    parts.extend(pane.phase.map(|p| format!("phase {}", p.name())));
    parts.push(format!("{} hidden", crate::text::group(hidden)));
    parts.join(" · ")
}

/// Returns the meanings of the bar's glyphs, of those that occur.
fn legend(exchange: &Exchange) -> Vec<(String, Role)> {
    let answer = exchange.inspection.answer();
    let mut legend = Vec::new();
    if !exchange.inspection.keep_alives().is_empty() {
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

/// Returns the number of findings of each severity.
fn counts(exchange: &Exchange) -> Vec<(String, Role)> {
    let inspection = &exchange.inspection;
    let mut parts = Vec::new();
    for severity in Severity::ALL.into_iter().rev() {
        let n = inspection.count(severity);
        if n > 0 {
            let (sign, role) = severity_sign(Some(severity));
            let gap = if parts.is_empty() { "" } else { "  " };
            parts.push((format!("{gap}{sign} {n} {}", severity.name()), role));
        }
    }
    parts
}
