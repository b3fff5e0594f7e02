//! Drawing of what is around the panes: title, verdict, tabs, divider, strip.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::model::{Exchange, Model};
use super::pane::{Spec, timeline_bar};
use super::theme::Role;
use super::widget::line;
use crate::text::count;

pub(super) fn title(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = model.theme();
    let rule = theme.of(Role::Line);
    line::put(buf, area, &[(&"─".repeat(usize::from(area.width)), rule)]);
    let mut right = state(model);
    if model.exchanges().len() > 1 && area.width >= 70 {
        let id = model.exchange().map_or(0, |e| e.id);
        let which = format!("#{id} · {} of {} ", model.shown() + 1, model.exchanges().len());
        right.insert(0, (which, Role::Dim));
    }
    let mut pieces: Vec<(&str, _)> = vec![(" ", theme.of(Role::Text))];
    pieces.extend(right.iter().map(|(t, r)| (t.as_str(), theme.of(*r))));
    pieces.push((" ", theme.of(Role::Text)));
    let x = line::put_right(buf, Rect { width: area.width.saturating_sub(1), ..area }, &pieces);
    let left = Rect { x: area.x + 1, width: x.saturating_sub(area.x + 2), ..area };
    let name = model.exchange().map(|e| {
        let dialect = e.inspection.spoken().unwrap_or_default();
        let file = e.file.as_deref().or(model.file().filter(|_| !e.live));
        let title = match file {
            Some(file) => crate::text::preview(file, 60),
            None => e.title(),
        };
        (title, dialect)
    });
    let (title, dialect) = name.unwrap_or_else(|| {
        let waits = model.file().map(|f| crate::text::preview(f, 60));
        (waits.unwrap_or_else(|| model.request().draft().model.clone()), String::new())
    });
    let title = crate::text::preview(&title, 80);
    // On a narrow screen the exchange's name matters more than the program's.
    let ours = if area.width < 70 { " " } else { " sselens ── " };
    let room = usize::from(left.width).saturating_sub(ours.width() + 1);
    let suffix = if dialect.is_empty() { String::new() } else { format!(" · {dialect}") };
    let full = title.width() + suffix.width() <= room;
    let title = line::fit_middle(&title, room);
    line::put(
        buf,
        left,
        &[
            (ours.trim_end_matches("── "), theme.of(Role::Title)),
            (if ours.len() > 1 { "── " } else { "" }, rule),
            (&title, theme.of(Role::Text)),
            (if full { &suffix } else { "" }, theme.of(Role::Dim)),
            (" ", theme.of(Role::Text)),
        ],
    );
}

/// Largest number of entries that may wait to be shown before the screen says so.
const LAG: usize = 1000;

/// Returns what the stream does: a sign, a word, how many frames, how long.
fn state(model: &Model) -> Vec<(String, Role)> {
    if let Some(parts) = model.repetition_state() {
        return vec![(parts, Role::Running)];
    }
    if let Some(loading) = model.loading() {
        return vec![(format!("● opening {} %", loading.permille / 10), Role::Running)];
    }
    if let Some(playback) = model.playback() {
        return vec![(playback.position(), Role::Running)];
    }
    let Some(exchange) = model.exchange() else {
        let word = if model.is_sending() { "● sending" } else { "ready" };
        let role = if model.is_sending() { Role::Running } else { Role::Dim };
        return vec![(word.to_owned(), role)];
    };
    let inspection = &exchange.inspection;
    let (sign, word, role) = match exchange.mark() {
        _ if model.is_sending() && !inspection.is_over() => ("●", "sending", Role::Running),
        _ if exchange.is_stalled(model.now()) => ("●", "stalled", Role::Warn),
        mark => mark,
    };
    let mut parts = vec![(format!("{sign} {word}"), role)];
    let frames = inspection.frames().len() as u64;
    parts.push(match model.size().width {
        0..60 => (format!(" {}", crate::text::group(frames)), Role::Text),
        _ => (format!("  {}", count(frames, "frame")), Role::Text),
    });
    // A few entries are no lag.
    if model.behind() > LAG {
        let waiting = count(model.behind() as u64, "read");
        parts.push((format!(" · {waiting} not shown yet"), Role::Warn));
    }
    if let Some(seconds) = elapsed(exchange, model.now()) {
        parts.push((format!(" · {seconds} s"), Role::Text));
    }
    parts
}

/// Draws the bar of the names of these panes, which are passed with their indexes.
pub(super) fn tabs(
    model: &Model,
    panes: &[(usize, &Spec)],
    focus: usize,
    area: Rect,
    buf: &mut Buffer,
) {
    if area.is_empty() {
        return;
    }
    let theme = model.theme();
    for (pane, from, to) in tab_bar(panes, area, focus) {
        let Some((_, spec)) = panes.iter().find(|(i, _)| *i == pane) else { continue };
        let place = Rect { x: from, width: to - from, ..area };
        let name = theme.of(if pane == focus { Role::Tab } else { Role::Dim });
        let number = format!(" {} ", pane + 1);
        let title = tab_title(spec, area.width);
        line::put(buf, place, &[(&number, theme.of(Role::Label)), (title, name)]);
    }
}

/// The line between the request and the rest, joined to the headers that touch it.
pub(super) fn divider(model: &Model, area: Rect, buf: &mut Buffer) {
    let style = model.theme().of(Role::Line);
    let is_rule = |buf: &Buffer, x: u16, y: u16| {
        buf.cell((x, y)).is_some_and(|c| matches!(c.symbol(), "─" | "━"))
    };
    for y in area.top()..area.bottom() {
        let left = area.x > 0 && is_rule(buf, area.x - 1, y);
        let right = is_rule(buf, area.x + 1, y);
        let sign = match (left, right, y == area.top()) {
            (true, true, true) => "┬",
            (true, true, false) => "┼",
            (true, false, _) => "┤",
            (false, true, _) => "├",
            (false, false, _) => "│",
        };
        buf.set_string(area.x, y, sign, style);
    }
    if !area.is_empty() {
        let below = (area.x, area.bottom());
        if is_rule(buf, below.0, below.1)
            && let Some(cell) = buf.cell_mut(below)
        {
            let heavy = cell.symbol() == "━";
            cell.set_symbol(if heavy { "┷" } else { "┴" });
        }
    }
}

/// Marks what was searched, wherever it is on the screen.
pub(super) fn marks(model: &Model, area: Rect, buf: &mut Buffer) {
    let Some(needle) = model.needle() else { return };
    let style = model.theme().of(Role::Match);
    for y in area.top()..area.bottom() {
        let mut text = String::new();
        let mut columns = Vec::new();
        for x in area.left()..area.right() {
            let symbol = buf.cell((x, y)).map_or(" ", |cell| cell.symbol());
            columns.extend(std::iter::repeat_n(x, symbol.len()));
            text.push_str(symbol);
        }
        for at in needle.all(text.as_bytes()) {
            for x in columns[at..(at + needle.len()).min(columns.len())].iter().copied() {
                buf.set_style(Rect::new(x, y, 1, 1), style);
            }
        }
    }
}

/// Draws the timeline as one line, where its pane is not shown.
pub(super) fn strip(model: &Model, area: Rect, buf: &mut Buffer) {
    let Some(exchange) = model.exchange() else { return };
    if area.is_empty() {
        return;
    }
    let label = " time ";
    let x = line::put(buf, area, &[(label, model.theme().of(Role::Label))]);
    let bar = Rect { x, width: area.right().saturating_sub(x + 1), ..area };
    timeline_bar::draw(model, exchange, bar, buf);
}

/// Seconds from the request to the end, or to now.
fn elapsed(exchange: &Exchange, now: u64) -> Option<String> {
    let from = exchange.origin()?;
    let to = match exchange.inspection.timing.end {
        Some(end) => end,
        None if exchange.is_running() => now,
        None => exchange.last?,
    };
    let micros = to.saturating_sub(from);
    // A running clock in milliseconds is only noise.
    Some(match exchange.is_running() {
        true => format!("{:.1}", micros as f64 / 1e6),
        false => line::seconds(micros),
    })
}

/// A pane's name in the tab bar.
fn tab_title(spec: &Spec, width: u16) -> &'static str {
    if width < 60 { spec.title.1 } else { spec.title.0 }
}

/// Returns the places of the names in the tab bar, by the panes' indexes; the one in focus always has one.
pub(super) fn tab_bar(
    panes: &[(usize, &Spec)],
    area: Rect,
    focus: usize,
) -> Vec<(usize, u16, u16)> {
    let gap = if area.width < 60 { 3 } else { 4 };
    let wide = |spec: &Spec| tab_title(spec, area.width).width() as u16 + gap;
    let at = panes.iter().position(|(i, _)| *i == focus).unwrap_or(0);
    let mut first = 0;
    let upto = |first: usize| panes[first..=at].iter().map(|(_, s)| wide(s)).sum();
    while first < at && area.width < upto(first) {
        first += 1;
    }
    let mut x = area.x;
    let mut places = Vec::new();
    for (pane, spec) in panes.iter().skip(first) {
        let to = x + wide(spec);
        // There may be no room for the blank after the last name.
        if to > area.right() + 1 {
            break;
        }
        places.push((*pane, x, to.min(area.right())));
        x = to;
    }
    places
}
