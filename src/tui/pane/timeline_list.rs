//! The list of findings: one row a code, the cause before what follows from it.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Canvas;
use super::frames::severity_sign;
use crate::inspect::{Group, Phase, Severity};
use crate::rule::Code;
use crate::text::{Newlines, group, visible};
use crate::tui::model::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::{Scroll, line};

/// The findings that are on the screen.
#[derive(Debug)]
pub(crate) struct TimelinePane {
    pub(super) scroll: Scroll,
    /// The finding that was last brought into view.
    pub(super) revealed: Option<usize>,
    /// Codes whose findings are listed one by one.
    pub(super) open: BTreeSet<Code>,
    /// Milder ones are not listed.
    pub(super) least: Severity,
    /// Those of other phases are not listed.
    pub(super) phase: Option<Phase>,
}

impl Default for TimelinePane {
    fn default() -> Self {
        Self {
            scroll: Scroll::default(),
            revealed: None,
            open: BTreeSet::new(),
            least: Severity::Info,
            phase: None,
        }
    }
}

impl TimelinePane {
    pub(super) fn filters(&self) -> bool {
        self.least > Severity::Info || self.phase.is_some()
    }
}

/// The column of the sign that opens and closes a group.
pub(super) const MARKER: u16 = 2;

/// One row: a finding, which represents its group where that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FindingRow {
    /// Index of its group in the story.
    pub group: usize,
    /// Its finding; of a closed group the selected one, if that is among them.
    pub finding: usize,
    /// True if the row represents the group.
    pub first: bool,
}

/// Returns whether the filters let a group through.
pub(super) fn is_listed(pane: &TimelinePane, exchange: &Exchange, group: &Group) -> bool {
    let rule = exchange.inspection.findings()[group.findings[0]].rule();
    group.severity >= pane.least && pane.phase.is_none_or(|p| p == rule.phase)
}

/// The rows of the list.
pub(super) fn rows(pane: &TimelinePane, exchange: &Exchange) -> Vec<FindingRow> {
    let mut rows = Vec::new();
    for (i, group) in exchange.story().iter().enumerate() {
        if !is_listed(pane, exchange, group) {
            continue;
        }
        let first = group.findings[0];
        if pane.open.contains(&exchange.inspection.findings()[first].code) {
            let all = group.findings.iter();
            rows.extend(all.map(|f| FindingRow { group: i, finding: *f, first: *f == first }));
        } else {
            let chosen = exchange.finding.filter(|f| group.findings.contains(f));
            rows.push(FindingRow { group: i, finding: chosen.unwrap_or(first), first: true });
        }
    }
    rows
}

/// Returns the position of the selected finding among the rows.
pub(super) fn position(rows: &[FindingRow], exchange: &Exchange) -> Option<usize> {
    let finding = exchange.finding?;
    rows.iter().position(|r| r.finding == finding)
}

/// Draws the stall in progress as the first row; returns the area below it. It is no finding of the
/// recording: it lasts as long as the silence.
fn in_progress(on: &Canvas<'_>, exchange: &Exchange, area: Rect, buf: &mut Buffer) -> Rect {
    let silence = exchange.silence(on.model.now());
    let Some((silence, code)) = silence.and_then(|s| Some((s, s.code()?))) else { return area };
    let theme = on.theme();
    let (sign, role) = severity_sign(Some(code.severity()));
    let headline = silence.headline(exchange.inspection.frames().len());
    let row = Rect { height: area.height.min(1), ..area };
    line::put(
        buf,
        row,
        &[
            (" ", theme.of(Role::Text)),
            (sign, theme.of(role)),
            ("      now  ", theme.of(Role::Running)),
            (&format!("{:<6}", code.severity().name()), theme.of(role)),
            (&format!("{code}  "), theme.of(Role::Title)),
            (&headline, theme.of(Role::Text)),
        ],
    );
    Rect { y: area.y + row.height, height: area.height - row.height, ..area }
}

/// Draws the rows that are in the window.
pub(super) fn draw(
    pane: &TimelinePane,
    on: &Canvas<'_>,
    exchange: &Exchange,
    area: Rect,
    buf: &mut Buffer,
) {
    let theme = on.theme();
    let inspection = &exchange.inspection;
    let whole = area;
    let area = in_progress(on, exchange, area, buf);
    let rows = rows(pane, exchange);
    if rows.is_empty() && area == whole {
        let text = match (inspection.findings().is_empty(), inspection.is_over()) {
            (false, _) => "The filter hides all findings",
            (true, true) => "No findings",
            (true, false) => "No findings yet",
        };
        let place = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
        line::put(buf, place, &[(text, theme.of(Role::Dim))]);
        return;
    }
    let story = exchange.story();
    let drawing = Drawing { pane, on, exchange, codes: code_width(exchange, &rows, area.width) };
    let window = rows.iter().skip(pane.scroll.top).take(usize::from(area.height));
    for (y, row) in (area.y..).zip(window) {
        drawing.row(row, Rect { y, height: 1, ..area }, buf);
    }
    let below = rows.len().saturating_sub(pane.scroll.top + usize::from(area.height));
    if below > 0 && area.height > 1 {
        let worst = rows.iter().rev().take(below).map(|r| story[r.group].severity).max();
        let (_, role) = severity_sign(worst.filter(|s| *s > Severity::Info));
        let last = Rect { y: area.bottom() - 1, height: 1, ..area };
        line::put_right(buf, last, &[(&format!(" ↓ {below} more "), theme.of(role))]);
    }
}

/// The least width at which a row has the time and the severity in words.
const WIDE: u16 = 76;

/// Returns the width of the column of codes.
fn code_width(exchange: &Exchange, rows: &[FindingRow], width: u16) -> usize {
    let story = exchange.story();
    let long = |r: &FindingRow| {
        let branch = if story[r.group].under { 2 } else { 0 };
        exchange.inspection.findings()[r.finding].code.name().len() + branch
    };
    let most = if width >= WIDE { 28 } else { 20 };
    rows.iter().map(long).max().unwrap_or(0).min(most)
}

/// The values that the rows of the list have in common.
struct Drawing<'a> {
    pane: &'a TimelinePane,
    on: &'a Canvas<'a>,
    exchange: &'a Exchange,
    /// Width of the column of codes.
    codes: usize,
}

impl Drawing<'_> {
    /// Draws a finding: sign, time, severity, code, how many there are, and its message.
    fn row(&self, row: &FindingRow, place: Rect, buf: &mut Buffer) {
        let (theme, inspection) = (self.on.theme(), &self.exchange.inspection);
        let finding = &inspection.findings()[row.finding];
        let wide = place.width >= WIDE;
        let chosen = self.exchange.finding == Some(row.finding);
        let (sign, role) = severity_sign(Some(finding.severity));
        let request = self.exchange.origin().unwrap_or(0);
        let at = finding.at.map_or(String::new(), |t| line::seconds(t.saturating_sub(request)));
        let at = if wide { format!("{at:>8}  ") } else { " ".to_owned() };
        let name = if wide { format!("{:<6}", finding.severity.name()) } else { String::new() };
        let codes = self.codes;
        let code = format!("{:<codes$}  ", line::fit(&self.code(row), codes));
        let times = self.times(row);
        let taken = 3 + at.len() + name.len() + code.chars().count() + times.chars().count();
        let sentence = finding.sentence();
        let message = visible(&sentence, Newlines::Show);
        let message = line::fit(&message, usize::from(place.width).saturating_sub(taken + 1));
        let pieces = [
            (if chosen { "▸" } else { " " }, theme.of(Role::Mark)),
            (sign, theme.of(role)),
            (self.marker(row), theme.of(Role::Key)),
            (&at, theme.of(Role::Dim)),
            (&name, theme.of(role)),
            (&code, theme.of(if row.first { Role::Title } else { Role::Dim })),
            (&times, theme.of(Role::Number)),
            (&message, theme.of(Role::Text)),
        ];
        line::put(buf, place, &pieces);
        if chosen {
            let bar = theme.of(if self.on.focused { Role::Selected } else { Role::Unfocused });
            let over = Rect { x: place.x + 2, width: place.width.saturating_sub(2), ..place };
            buf.set_style(over, bar);
        }
    }

    /// The findings of one code are shown one by one.
    fn is_open(&self, row: &FindingRow) -> bool {
        self.pane.open.contains(&self.exchange.inspection.findings()[row.finding].code)
    }

    /// Returns the sign that shows whether the row represents several findings, and shows them.
    fn marker(&self, row: &FindingRow) -> &'static str {
        let several = self.exchange.story()[row.group].findings.len() > 1;
        match (row.first && several, self.is_open(row)) {
            (true, true) => "-",
            (true, false) => "+",
            (false, _) => " ",
        }
    }

    /// The code, or the frame of a further finding of the same code.
    fn code(&self, row: &FindingRow) -> String {
        let finding = &self.exchange.inspection.findings()[row.finding];
        match (row.first, finding.frame) {
            (true, _) if self.exchange.story()[row.group].under => format!("└ {}", finding.code),
            (true, _) => finding.code.to_string(),
            (false, Some(frame)) => format!("    frame {}", group(u64::from(frame))),
            (false, None) => String::new(),
        }
    }

    /// Returns how many times the code was found, or which of them the row shows.
    fn times(&self, row: &FindingRow) -> String {
        let of = &self.exchange.story()[row.group];
        let times = self.exchange.inspection.times(of);
        match of.findings.iter().position(|f| *f == row.finding) {
            _ if !row.first || self.is_open(row) && of.findings.len() > 1 => String::new(),
            Some(n) if n > 0 => format!("{}/{} ", n + 1, group(times)),
            _ if times > 1 => format!("×{} ", group(times)),
            _ => String::new(),
        }
    }
}
