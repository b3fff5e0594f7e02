//! The shape table: which JSON paths the stream had.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::key;
use crate::action::Action;
use crate::inspect::Row;
use crate::text::group;
use crate::tui::App;
use crate::tui::exchange::Exchange;
use crate::tui::pane::PaneId;
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// Hands the rows to `use_it`.
fn with_rows<T>(app: &App, exchange: &Exchange, use_it: impl FnOnce(&[Row]) -> T) -> T {
    let key = key(app, exchange);
    let mut cache = app.answer.rows.borrow_mut();
    if cache.as_ref().is_none_or(|c| c.0 != key) {
        *cache = Some((key, exchange.seen.shape().rows()));
    }
    use_it(cache.as_ref().map_or(&[], |c| &c.1))
}

fn len(app: &App) -> usize {
    app.exchange().map_or(0, |e| e.seen.shape().len())
}

pub(super) fn settle(app: &mut App, area: Rect) {
    let height = usize::from(area.height.saturating_sub(1));
    let len = len(app);
    app.answer.row = app.answer.row.min(len.saturating_sub(1));
    let row = app.answer.row;
    app.answer.scroll.reveal(row, height, len);
}

pub(super) fn act(app: &mut App, action: Action, by: isize) -> bool {
    let len = len(app);
    if by != 0 {
        app.answer.row = app.answer.row.saturating_add_signed(by).min(len.saturating_sub(1));
        return true;
    }
    if action == Action::Accept {
        select_first(app);
        return true;
    }
    false
}

/// Selects the first frame that had the row's path.
fn select_first(app: &mut App) {
    let Some(exchange) = app.exchange() else { return };
    let first = with_rows(app, exchange, |rows| rows.get(app.answer.row).map(|r| r.first));
    if let (Some(first), Some(exchange)) = (first, app.exchange_mut()) {
        exchange.select(first as usize);
    }
}

pub(super) fn click(app: &mut App, at: Position, area: Rect) {
    if at.y > area.y && area.contains(at) {
        app.answer.row = app.answer.scroll.top + usize::from(at.y - area.y - 1);
        select_first(app);
    }
}

pub(super) fn draw(app: &App, exchange: &Exchange, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    if exchange.seen.shape().is_empty() {
        line::put(buf, area, &[("No JSON came.", theme.of(Role::Dim))]);
        return;
    }
    let focused = app.focus == PaneId::Answer && app.overlays.is_empty();
    with_rows(app, exchange, |rows| {
        let width = usize::from(area.width);
        let longest = rows.iter().map(|r| r.path.chars().count()).max().unwrap_or(0);
        let path = longest.clamp(8, (width / 2).max(8));
        let types = if width >= 60 { 14 } else { 0 };
        let cells = |p: &str, t: &str, n: &str, first: &str| {
            let p = line::fit_middle(p, path);
            let t =
                if types > 0 { format!("{:<types$}", line::fit(t, types)) } else { String::new() };
            (format!("{p:<path$}  "), t, format!("{n:>8} {first:>7}  "))
        };
        let heads = cells("path", "types", "count", "first");
        let label = theme.of(Role::Label);
        line::put(
            buf,
            area,
            &[(&heads.0, label), (&heads.1, label), (&heads.2, label), ("sample", label)],
        );
        let top = app.answer.scroll.top;
        for y in 1..area.height {
            let index = top + usize::from(y) - 1;
            let Some(row) = rows.get(index) else { break };
            let place = Rect { y: area.y + y, height: 1, ..area };
            let (p, t, n) =
                cells(&row.path, &row.types.join("|"), &group(row.count), &group(row.first.into()));
            line::put(
                buf,
                place,
                &[
                    (&p, theme.of(Role::JsonKey)),
                    (&t, theme.of(Role::Dim)),
                    (&n, theme.of(Role::Text)),
                    (&row.sample, theme.of(Role::JsonString)),
                ],
            );
            if index == app.answer.row {
                let bar = theme.of(if focused { Role::Selected } else { Role::Unfocused });
                buf.set_style(place, bar);
            }
        }
    });
}
