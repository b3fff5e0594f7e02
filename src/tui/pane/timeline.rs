//! The timeline and the findings.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::frames::severity_sign;
use super::{Pane, PaneId, header, inner, timeline_bar};
use crate::action::{Action, Context};
use crate::dialect::Channel;
use crate::inspect::Severity;
use crate::text::{Newlines, visible};
use crate::tui::App;
use crate::tui::exchange::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::{Scroll, line};

/// The pane's row in the table.
pub(crate) const PANE: Pane = Pane {
    title: "Timeline",
    context: Context::Timeline,
    footer: &[Action::Explain, Action::NextProblem, Action::PreviousProblem, Action::Zoom],
    draw,
    act,
    click,
    wheel,
    settle,
};

/// Which findings are on the screen.
#[derive(Debug, Default)]
pub(crate) struct State {
    scroll: Scroll,
    seen: Option<usize>,
}

impl State {
    /// Another exchange is shown.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }
}

/// The bar, its scale, and the list below them.
fn parts(area: Rect) -> (Rect, Rect, Rect) {
    let area = inner(area);
    let line = |n: u16| Rect {
        x: area.x + 1,
        y: area.y + n,
        width: area.width.saturating_sub(2),
        height: u16::from(area.height > n),
    };
    let rows = area.height.min(2);
    let list = Rect { y: area.y + rows, height: area.height - rows, ..area };
    (line(0), line(1), list)
}

/// Where the selected finding stands in the list.
fn position(exchange: &Exchange) -> Option<usize> {
    let finding = exchange.finding?;
    exchange.ordered().iter().position(|i| *i == finding)
}

fn settle(app: &mut App, area: Rect) {
    let height = usize::from(parts(area).2.height);
    let Some(exchange) = app.exchange() else { return };
    let len = exchange.seen.findings().len();
    let (at, finding) = (position(exchange), exchange.finding);
    match at {
        Some(at) if app.timeline.seen != finding => app.timeline.scroll.reveal(at, height, len),
        _ => app.timeline.scroll.clamp(height, len),
    }
    app.timeline.seen = finding;
}

fn act(app: &mut App, action: Action) -> bool {
    let height = usize::from(parts(app.areas().pane(PaneId::Timeline)).2.height).max(1);
    let Some(exchange) = app.exchange_mut() else { return false };
    let order = exchange.ordered();
    let at = position(exchange);
    let to = match (action, at) {
        (Action::Up, at) => at.unwrap_or(0).saturating_sub(1),
        (Action::Down, at) => at.map_or(0, |i| i + 1),
        (Action::HalfPageUp | Action::PageUp, at) => at.unwrap_or(0).saturating_sub(height),
        (Action::HalfPageDown | Action::PageDown, at) => at.unwrap_or(0) + height,
        (Action::Top, _) => 0,
        (Action::Bottom, _) => order.len(),
        _ => return false,
    };
    if let Some(finding) = order.get(to.min(order.len().saturating_sub(1))) {
        exchange.select_finding(*finding);
    }
    true
}

fn click(app: &mut App, at: Position, area: Rect) {
    let list = parts(area).2;
    let top = app.timeline.scroll.top;
    if !list.contains(at) {
        return;
    }
    let Some(exchange) = app.exchange_mut() else { return };
    let order = exchange.ordered();
    let Some(finding) = order.get(top + usize::from(at.y - list.y)) else { return };
    if exchange.finding == Some(*finding) {
        app.explain();
    } else {
        exchange.select_finding(*finding);
    }
}

fn wheel(app: &mut App, rows: isize, _: Position, area: Rect) {
    let height = usize::from(parts(area).2.height);
    let len = app.exchange().map_or(0, |e| e.seen.findings().len());
    app.timeline.scroll.by(rows, height, len);
}

fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(exchange) = app.exchange() else {
        header(app, PaneId::Timeline, &[], area, buf);
        let place = parts(area).0;
        line::put(buf, place, &[("The stream is drawn here to scale.", app.theme.of(Role::Dim))]);
        return;
    };
    let counts = counts(exchange);
    let mut note: Vec<(&str, Role)> = counts.iter().map(|(t, r)| (t.as_str(), *r)).collect();
    let legend = legend(exchange);
    if area.width >= 80 && !legend.is_empty() {
        let first = legend.iter().map(|(t, r)| (t.as_str(), *r));
        note = first.chain([("   ", Role::Text)]).chain(note).collect();
    }
    header(app, PaneId::Timeline, &note, area, buf);
    let (bar, scale, list) = parts(area);
    timeline_bar::draw(app, exchange, bar, buf);
    timeline_bar::draw_scale(app, exchange, scale, buf);
    draw_list(app, exchange, list, buf);
}

/// What the bar's glyphs mean, of those that occur.
fn legend(exchange: &Exchange) -> Vec<(String, Role)> {
    let answer = exchange.seen.answer();
    let mut legend = Vec::new();
    for (channel, name) in [
        (Channel::Reasoning, "reasoning"),
        (Channel::Content, "content"),
        (Channel::Tool, "tools"),
        (Channel::Refusal, "refusal"),
    ] {
        if answer.has(channel) {
            let (sign, role) = timeline_bar::glyph(channel);
            legend.push((sign.to_owned(), role));
            legend.push((format!(" {name}  "), Role::Dim));
        }
    }
    legend
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

fn draw_list(app: &App, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let seen = &exchange.seen;
    let order = exchange.ordered();
    if order.is_empty() {
        let said = if seen.is_over() { "No findings." } else { "No findings yet." };
        let place = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
        line::put(buf, place, &[(said, theme.of(Role::Dim))]);
        return;
    }
    let wide = area.width >= 76;
    let codes = order.iter().map(|i| seen.findings()[*i].code().len()).max().unwrap_or(0).min(28);
    let request = exchange.origin().unwrap_or(0);
    let focused = app.focus == PaneId::Timeline && app.overlays.is_empty();
    for row in 0..area.height {
        let Some(i) = order.get(app.timeline.scroll.top + usize::from(row)) else { return };
        let finding = &seen.findings()[*i];
        let chosen = exchange.finding == Some(*i);
        let (sign, role) = severity_sign(Some(finding.severity));
        let at = finding.at.map_or(String::new(), |t| line::seconds(t.saturating_sub(request)));
        let at = if wide { format!("{at:>8}  ") } else { String::new() };
        let name = if wide { format!("{:<6}", finding.severity.name()) } else { String::new() };
        let code = format!("{:<codes$}  ", line::fit(finding.code(), codes));
        let place = Rect { y: area.y + row, height: 1, ..area };
        let taken = 3 + at.len() + name.len() + code.len();
        let message = visible(&finding.message, Newlines::Show);
        let message = line::fit(&message, usize::from(area.width).saturating_sub(taken + 1));
        line::put(
            buf,
            place,
            &[
                (if chosen { "▸" } else { " " }, theme.of(Role::Mark)),
                (sign, theme.of(role)),
                (" ", theme.of(Role::Text)),
                (&at, theme.of(Role::Dim)),
                (&name, theme.of(role)),
                (&code, theme.of(Role::Title)),
                (&message, theme.of(Role::Text)),
            ],
        );
        if chosen {
            let bar = theme.of(if focused { Role::Selected } else { Role::Unfocused });
            let over = Rect { x: place.x + 2, width: place.width.saturating_sub(2), ..place };
            buf.set_style(over, bar);
        }
    }
}
