//! The differences, the figures and the merged shape tables, as rows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{CompareScreen, Computed};
use crate::inspect::compare::{Difference, Expect, PathCount};
use crate::report::{cell, difference};
use crate::text::{Newlines, group, visible};
use crate::tui::model::Model;
use crate::tui::pane::frames::severity_sign;
use crate::tui::theme::Role;
use crate::tui::widget::{Doc, line};

/// The narrowest column of the strip of figures.
const STRIP: u16 = 52;

/// The fewest rows from which on the frames below the differences have a separate share.
const WITH_FRAMES: u16 = 18;

/// The fewest rows that frames are worth: a line, the heads, and three of them.
const FEW_FRAMES: u16 = 5;

/// The parts of the tab: the list, what is selected in it in full, and where there is room the
/// frames of both sides.
pub(super) struct TableAreas {
    pub(super) list: Rect,
    pub(super) detail: Rect,
    pub(super) frames: Rect,
}

/// Returns the areas of the parts.
pub(super) fn parts(screen: &CompareScreen, model: &Model, body: Rect) -> TableAreas {
    let detail = screen.detail(model).map_or(0, |d| d.lines(body.width.saturating_sub(2)) as u16);
    let computed = model.computed();
    let differences = computed.map_or(0, |m| m.comparison.differences.len());
    let rows = differences.max(1) as u16;
    // Each part except the first has a line above it. If nothing differs, the frames get the room.
    let (list, detail) = if differences == 0 {
        (rows.min(body.height), 0)
    } else if body.height >= WITH_FRAMES {
        (rows.min(body.height / 4), (detail + 1).min(body.height / 3))
    } else {
        let most = if body.height < 6 { 0 } else { body.height * 3 / 5 };
        let detail = (detail + 1).min(most);
        let room = body.height - detail;
        // The frames can use the rows that the list leaves empty.
        (if rows + FEW_FRAMES <= room { rows } else { room }, detail)
    };
    let list = Rect { height: list, ..body };
    let detail = Rect { y: list.bottom(), height: detail, ..body };
    let frames = Rect { y: detail.bottom(), height: body.bottom() - detail.bottom(), ..body };
    TableAreas { list, detail, frames }
}

/// Returns the area of the list of differences.
pub(super) fn list(screen: &CompareScreen, model: &Model, body: Rect) -> Rect {
    parts(screen, model, body).list
}

/// The frames that show a difference, in words; empty where there are none.
pub(super) fn frames(d: &Difference) -> String {
    let of = |name, frame: Option<u32>| {
        frame.map(|f| format!("frame {} of {name}", group(u64::from(f))))
    };
    let both = [of("A", d.frames.0), of("B", d.frames.1)];
    both.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A difference, whole.
pub(super) fn detail(d: &Difference) -> Doc {
    let shown = |text: &str| visible(text, Newlines::Show).into_owned();
    let mut doc = Doc::new();
    let (_, role) = severity_sign(Some(d.severity));
    doc.push(role, d.severity.name()).push(Role::Title, &format!("  {}", d.code));
    let frames = frames(d);
    if !frames.is_empty() {
        doc.push(Role::Dim, &format!("  {frames}"));
    }
    doc.line().plain(&shown(&d.message)).line();
    for (name, value) in [("A  ", &d.a), ("B  ", &d.b)] {
        if !value.is_empty() {
            doc.push(Role::Label, name).plain(&shown(value)).line();
        }
    }
    doc
}

pub(super) fn draw_differences(
    screen: &CompareScreen,
    model: &Model,
    on_top: bool,
    (computed, body): (&Computed, Rect),
    buf: &mut Buffer,
) {
    let compare = screen;
    let theme = model.theme();
    let (text, dim) = (theme.of(Role::Text), theme.of(Role::Dim));
    let differences = &computed.comparison.differences;
    if differences.is_empty() {
        let words = match computed.comparison.expect {
            _ if model.comparison_runs() => "Most is certain only when both are over",
            Expect::Same => "No difference that matters",
            Expect::Different => "Independent streams: they end alike and are of one kind",
        };
        let words = line::fit(words, usize::from(body.width).saturating_sub(2));
        line::put(buf, body, &[("  ", text), (&words, dim)]);
        draw_below(screen, model, on_top, parts(screen, model, body).frames, buf);
        return;
    }
    let TableAreas { list: area, detail: rest, frames } = parts(screen, model, body);
    draw_below(screen, model, on_top, frames, buf);
    let widest = differences.iter().map(|d| d.code.name().len()).max().unwrap_or(0);
    let code_width = widest.min(usize::from(area.width / 2));
    let top = compare.scrolls[0].top;
    for (row, d) in differences.iter().enumerate().skip(top).take(area.height.into()) {
        let place = Rect { y: area.y + (row - top) as u16, height: 1, ..area };
        let (sign, role) = severity_sign(Some(d.severity));
        let chosen = row == compare.difference;
        let code = line::fit(d.code.name(), code_width);
        let room = usize::from(area.width).saturating_sub(code_width + 8);
        let message = line::fit(&visible(&d.message, Newlines::Show), room);
        let pieces = [
            (if chosen { " ▸" } else { "  " }, theme.of(Role::Mark)),
            (sign, theme.of(role)),
            (" ", text),
            (&format!("{code:<code_width$}  "), text),
            (&message, dim),
        ];
        line::put(buf, place, &pieces);
        if chosen {
            let bar = Rect { x: place.x + 3, width: place.width.saturating_sub(4), ..place };
            buf.set_style(bar, theme.of(Role::Selected));
        }
    }
    if let Some(doc) = screen.detail(model).filter(|_| rest.height > 1) {
        let rule = "─".repeat(rest.width.into());
        line::put(buf, Rect { height: 1, ..rest }, &[(&rule, theme.of(Role::Line))]);
        let (y, height) = (rest.y + 1, rest.height - 1);
        let width = rest.width.saturating_sub(2);
        doc.draw(theme, 0, Rect { x: rest.x + 1, y, width, height }, buf);
    }
}

/// The frames of both sides below the differences.
fn draw_below(screen: &CompareScreen, model: &Model, on_top: bool, area: Rect, buf: &mut Buffer) {
    if area.height < 3 {
        return;
    }
    super::divider(model, below(area), buf);
    let rule = "─".repeat(area.width.into());
    line::put(buf, Rect { height: 1, ..area }, &[(&rule, model.theme().of(Role::Line))]);
    super::frames::draw(screen, model, on_top, below(area), buf);
}

/// The place of the frames under the line that parts them from the differences.
pub(super) fn below(area: Rect) -> Rect {
    super::frames::rows(area)
}

/// Text at the right edge of a column.
fn right(text: &str, width: usize) -> String {
    let text = line::fit(text, width);
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// The widths of a figure's columns: its name, A and B, the difference.
fn columns(width: u16) -> [usize; 3] {
    let width = usize::from(width).saturating_sub(3);
    // Without room for three columns, the two values must do.
    if width < 47 {
        let value = 10.min(width / 3);
        return [width.saturating_sub(2 * value + 1), value, 0];
    }
    let name = 16.min(width * 2 / 5);
    // A difference is one sign longer than its values: `-236.23 ms` must fit.
    let value = ((width - name) * 7 / 20).min(18).min((width - name - 12) / 2);
    [name, value, (width - name).saturating_sub(2 * value + 2).min(14)]
}

fn figure_heads(model: &Model, area: Rect, buf: &mut Buffer) {
    let [name, value, delta] = columns(area.width);
    let heads = format!(
        " {:name$} {} {} {}",
        "",
        right("A", value),
        right("B", value),
        right("B − A", delta)
    );
    line::put(buf, area, &[(&heads, model.theme().of(Role::Label))]);
}

fn draw_figure(
    model: &Model,
    computed: &Computed,
    which: Option<&usize>,
    area: Rect,
    buf: &mut Buffer,
) {
    let Some(figure) = which.and_then(|i| computed.comparison.figures.get(*i)) else {
        return;
    };
    let [name, value, delta] = columns(area.width);
    let [a, b] = &figure.values;
    let (x, y) = (right(&cell(a), value), right(&cell(b), value));
    let style = model.theme().of(if a == b { Role::Dim } else { Role::Text });
    let label = line::fit(figure.name, name);
    line::put(
        buf,
        area,
        &[
            (&format!(" {label:name$} "), model.theme().of(Role::Label)),
            (&format!("{x} {y} "), style),
            (&right(&difference(a, b), delta), model.theme().of(Role::Number)),
        ],
    );
}

/// Returns how many rows the strip takes, heads included, of at most `most`.
pub(super) fn strip_rows(computed: &Computed, width: u16, most: u16) -> u16 {
    let figures = computed.strip.len() as u16;
    match figures.div_ceil((width / STRIP).max(1)) {
        0 => 0,
        rows => (rows + 1).min(most),
    }
}

/// Draws the most informative figures, as many as there is room for, in columns and in the table's order.
pub(super) fn draw_strip(model: &Model, computed: &Computed, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let columns = (area.width / STRIP).max(1);
    let width = area.width / columns;
    let rows = area.height - 1;
    let room = usize::from(columns * rows).min(computed.strip.len());
    let mut shown = computed.strip[..room].to_vec();
    shown.sort_unstable();
    for column in 0..columns {
        if usize::from(column * rows) >= shown.len() {
            break;
        }
        let place = Rect { x: area.x + column * width, width, height: 1, ..area };
        figure_heads(model, place, buf);
        for row in 0..rows {
            let place = Rect { y: area.y + 1 + row, ..place };
            let which = shown.get(usize::from(column * rows + row));
            draw_figure(model, computed, which, place, buf);
        }
    }
}

/// The figures that differ, one below the other, and how many are equal.
pub(super) fn draw_figures(
    screen: &CompareScreen,
    model: &Model,
    computed: &Computed,
    area: Rect,
    buf: &mut Buffer,
) {
    let compare = screen;
    let area = Rect { width: area.width.min(90), ..area };
    figure_heads(model, Rect { height: area.height.min(1), ..area }, buf);
    for row in 1..area.height {
        let place = Rect { y: area.y + row, height: 1, ..area };
        let which = compare.scrolls[0].top + usize::from(row) - 1;
        if which == computed.figures.len() && computed.equal > 0 {
            let more = if which > 0 { "more " } else { "" };
            let text = format!(" {} {more}are equal", group(computed.equal as u64));
            line::put(buf, place, &[(&text, model.theme().of(Role::Dim))]);
        }
        draw_figure(model, computed, computed.figures.get(which), place, buf);
    }
}

/// The shape tables merged.
pub(super) fn draw_paths(
    screen: &CompareScreen,
    model: &Model,
    computed: &Computed,
    area: Rect,
    buf: &mut Buffer,
) {
    let compare = screen;
    let theme = model.theme();
    if computed.paths.is_empty() {
        let dim = theme.of(Role::Dim);
        line::put(buf, area, &[("  ", dim), ("Neither body has JSON", dim)]);
        return;
    }
    let count = if area.width < 60 { 7 } else { 10 };
    let parts = if area.width < 60 { 7 } else { 11 };
    // The counts are next to the paths, not at the far edge.
    let widest = computed.comparison.paths.iter().map(|p| p.path.width()).max().unwrap_or(0);
    let path = usize::from(area.width).saturating_sub(2 * count + parts + 5).min(widest.max(4));
    let heads = format!(" {:path$} {} {}", "path", right("A", count), right("B", count));
    line::put(buf, Rect { height: 1, ..area }, &[(&heads, theme.of(Role::Label))]);
    let top = compare.scrolls[0].top;
    let rows = usize::from(area.height).saturating_sub(1);
    let shown = computed.paths.iter().skip(top).take(rows);
    for (row, i) in shown.enumerate() {
        let Some(PathCount { path: name, counts: [a, b] }) = computed.comparison.paths.get(*i)
        else {
            continue;
        };
        let name = line::fit_middle(&visible(name, Newlines::Show), path);
        let pad = " ".repeat(path.saturating_sub(name.width()));
        let (words, role) = match (a, b) {
            (_, 0) if area.width < 60 => ("only A", Role::Warn),
            (0, _) if area.width < 60 => ("only B", Role::Warn),
            (_, 0) => ("only in A", Role::Warn),
            (0, _) => ("only in B", Role::Warn),
            (a, b) if a != b => ("≠", Role::Number),
            _ => ("", Role::Dim),
        };
        let style: Style = theme.of(if a == b { Role::Dim } else { Role::Text });
        let number = |n: &u64| match n {
            0 => right("–", count),
            n => right(&group(*n), count),
        };
        let place = Rect { y: area.y + 1 + row as u16, height: 1, ..area };
        let text = format!(" {name}{pad} {} {} ", number(a), number(b));
        line::put(buf, place, &[(&text, style), (" ", style), (words, theme.of(role))]);
    }
}
