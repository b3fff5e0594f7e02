//! The two bars, to one scale of time from each side's request on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::App;
use crate::tui::exchange::Exchange;
use crate::tui::pane::timeline_bar;
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// How long a side took so far, in microseconds; of what nobody measured, its bytes.
fn span(app: &App, exchange: &Exchange) -> (bool, u64) {
    match exchange.origin() {
        Some(from) => {
            let now = exchange.is_running().then_some(app.now);
            let end = exchange.seen.timing.end.or(now).or(exchange.last);
            (true, end.unwrap_or(from).saturating_sub(from).max(1))
        }
        None => (false, (exchange.seen.body().len() as u64).max(1)),
    }
}

/// Draws both bars, the moments below each, and the scale.
pub(super) fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (Some(a), Some(b)) = (app.compared(0), app.compared(1)) else { return };
    let spans = [span(app, a), span(app, b)];
    let common = spans[0].0 == spans[1].0;
    let longest = spans[0].1.max(spans[1].1);
    let room = Rect { x: area.x + 3, width: area.width.saturating_sub(4), ..area };
    let width = |span: u64| {
        let to = if common { longest } else { span };
        let wide = u128::from(span) * u128::from(room.width) / u128::from(to);
        (wide as u16).clamp(1, room.width.max(1))
    };
    // With room to spare a blank line sets the sides apart.
    let step = if area.height >= 8 { 3 } else { 2 };
    let mut y = area.y;
    let row = |y: u16| Rect { y, height: u16::from(y < area.bottom()), ..room };
    for ((name, exchange), (_, span)) in [("A", a), ("B", b)].into_iter().zip(spans) {
        let bar = row(y);
        if bar.is_empty() {
            return;
        }
        line::put(buf, Rect { x: area.x + 1, ..bar }, &[(name, app.theme.of(Role::Title))]);
        timeline_bar::draw(app, exchange, Rect { width: width(span), ..bar }, buf);
        moments(app, exchange, (width(span), span), row(y + 1), buf);
        y += step;
    }
    let scale = row(y);
    if scale.is_empty() {
        return;
    }
    let dim = app.theme.of(Role::Dim);
    let told = match (common, spans[0].0) {
        (true, true) => format!("both to one scale: the width is {} s", line::seconds(longest)),
        (true, false) => {
            format!("nobody measured the time: {} bytes wide", crate::text::group(longest))
        }
        (false, _) => "only one of the two was measured: each has a scale of its own".to_owned(),
    };
    line::put(buf, scale, &[(&line::fit(&told, usize::from(scale.width)), dim)]);
}

/// The moments below a bar that have room, those first that tell most.
fn moments(app: &App, exchange: &Exchange, (wide, span): (u16, u64), area: Rect, buf: &mut Buffer) {
    let Some(from) = exchange.origin().filter(|_| !area.is_empty()) else { return };
    let t = &exchange.seen.timing;
    let end = if exchange.is_running() { "now" } else { "end" };
    let mut taken: Vec<(u16, u16)> = Vec::new();
    for (name, moment) in [
        (end, Some(from + span)),
        ("content", t.first_content),
        ("reasoning", t.first_reasoning),
        ("head", t.head),
        ("first byte", t.first_byte),
        ("connected", t.connected),
    ] {
        let Some(at) = moment.map(|m| m.saturating_sub(from)) else { continue };
        let text = format!("╵{name} {}", line::seconds(at));
        let chars = text.chars().count() as u16;
        if chars > area.width {
            continue;
        }
        let column = u128::from(at.min(span)) * u128::from(wide) / u128::from(span.max(1));
        let x = (column as u16).min(area.width - chars);
        if taken.iter().all(|(from, to)| x + chars < *from || x > *to) {
            taken.push((x, x + chars));
            let place = Rect { x: area.x + x, width: chars, ..area };
            line::put(buf, place, &[(&text, app.theme.of(Role::Dim))]);
        }
    }
}
