//! The shape table: which JSON paths the stream had.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{AnswerPane, key};
use crate::action::Action;
use crate::inspect::ShapeRow;
use crate::text::group;
use crate::tui::model::{Exchange, Model};
use crate::tui::pane::Canvas;
use crate::tui::theme::Role;
use crate::tui::widget::{line, moved};

/// Hands the rows to `use_it`.
fn with_rows<T>(
    pane: &AnswerPane,
    model: &Model,
    exchange: &Exchange,
    use_it: impl FnOnce(&[ShapeRow]) -> T,
) -> T {
    let key = key(pane, model, exchange);
    let mut cache = pane.rows.borrow_mut();
    if cache.as_ref().is_none_or(|c| c.0 != key) {
        *cache = Some((key, exchange.inspection.shape().rows()));
    }
    use_it(cache.as_ref().map_or(&[], |c| &c.1))
}

fn len(model: &Model) -> usize {
    model.exchange().map_or(0, |e| e.inspection.shape().len())
}

pub(super) fn settle(pane: &mut AnswerPane, model: &mut Model, area: Rect) {
    let height = usize::from(area.height.saturating_sub(1));
    let len = len(model);
    pane.row = pane.row.min(len.saturating_sub(1));
    let row = pane.row;
    pane.scroll.reveal(row, height, len);
}

pub(super) fn act(pane: &mut AnswerPane, model: &mut Model, action: Action, by: isize) -> bool {
    let len = len(model);
    if by != 0 {
        pane.row = moved(Some(pane.row), by, len).unwrap_or(0);
        return true;
    }
    if action == Action::Accept {
        select_first(pane, model);
        return true;
    }
    false
}

/// Selects the first frame that had the row's path.
fn select_first(pane: &mut AnswerPane, model: &mut Model) {
    let Some(exchange) = model.exchange() else { return };
    let first = with_rows(pane, model, exchange, |rows| rows.get(pane.row).map(|r| r.first));
    if let (Some(first), Some(exchange)) = (first, model.exchange_mut()) {
        exchange.select(first as usize);
    }
}

pub(super) fn click(pane: &mut AnswerPane, model: &mut Model, at: Position, area: Rect) {
    if at.y > area.y && area.contains(at) {
        pane.row = pane.scroll.top + usize::from(at.y - area.y - 1);
        select_first(pane, model);
    }
}

pub(super) fn draw(
    pane: &AnswerPane,
    on: &Canvas<'_>,
    exchange: &Exchange,
    area: Rect,
    buf: &mut Buffer,
) {
    let (theme, model) = (on.theme(), on.model);
    if exchange.inspection.shape().is_empty() {
        line::put(buf, area, &[("No JSON received", theme.of(Role::Dim))]);
        return;
    }
    with_rows(pane, model, exchange, |rows| {
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
        let top = pane.scroll.top;
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
            if index == pane.row {
                let bar = theme.of(if on.focused { Role::Selected } else { Role::Unfocused });
                buf.set_style(place, bar);
            }
        }
    });
}
