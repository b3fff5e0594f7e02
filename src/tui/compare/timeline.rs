//! The two bars, to one scale of time from each side's request on, and what happened on both sides
//! in one order of time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{CompareScreen, Computed, TWO_SIDES, halves};
use crate::text::group;
use crate::tui::model::{Exchange, Model};
use crate::tui::pane::timeline_bar;
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// The column of the times in the list.
const TIME: u16 = 10;

/// Returns the area of the list below the bars.
pub(super) fn list(area: Rect) -> Rect {
    // Two bars with their moments, the scale, and where there is room blank lines between them.
    let above = if area.height >= 8 { 8 } else { 5 };
    let above = above.min(area.height);
    Rect { y: area.y + above, height: area.height - above, ..area }
}

/// Draws the list: each side's in its half, so that one can be read against the other.
fn draw_events(
    screen: &CompareScreen,
    model: &Model,
    computed: &Computed,
    area: Rect,
    buf: &mut Buffer,
) {
    let compare = screen;
    let theme = model.theme();
    let two = area.width >= TWO_SIDES;
    let right = Rect { x: area.x + TIME, width: area.width.saturating_sub(TIME), ..area };
    let sides = if two { halves(right, 0) } else { [right; 2] };
    let shown = computed.events.iter().skip(compare.scrolls[0].top).take(area.height.into());
    for (y, event) in (area.y..).zip(shown) {
        let at = event.at.map_or(String::new(), line::seconds);
        let place = Rect { y, height: 1, ..area };
        line::put(buf, place, &[(&format!("{at:>9} "), theme.of(Role::Dim))]);
        let place = Rect { y, height: 1, ..sides[event.side] };
        let letter = match (two, event.side) {
            (true, _) => "",
            (_, 0) => "A ",
            _ => "B ",
        };
        let name = if event.message.is_empty() { 0 } else { 2 };
        let room = usize::from(place.width).saturating_sub(4 + letter.len());
        let shown = line::fit(&event.name, room);
        let left = room.saturating_sub(shown.chars().count() + name);
        let message = line::fit(&event.message, left);
        let (sign, role) = event.sign;
        let pieces = [
            (letter, theme.of(Role::Label)),
            (sign, theme.of(role)),
            (" ", theme.of(Role::Text)),
            (&shown, theme.of(if sign == "·" { Role::Label } else { Role::Title })),
            ("  ", theme.of(Role::Text)),
            (&message, theme.of(Role::Dim)),
        ];
        line::put(buf, place, &pieces);
    }
    let below =
        computed.events.len().saturating_sub(compare.scrolls[0].top + usize::from(area.height));
    if below > 0 && area.height > 1 {
        let last = Rect { y: area.bottom() - 1, height: 1, ..area };
        line::put_right(buf, last, &[(&format!(" ↓ {below} more "), theme.of(Role::Dim))]);
    }
}

/// Returns how long a side took so far, in microseconds; its bytes where that was not measured.
fn span(model: &Model, exchange: &Exchange) -> (bool, u64) {
    match exchange.origin() {
        Some(from) => {
            let now = exchange.is_running().then_some(model.now());
            let end = exchange.inspection.timing.end.or(now).or(exchange.last);
            (true, end.unwrap_or(from).saturating_sub(from).max(1))
        }
        None => (false, (exchange.inspection.body().len() as u64).max(1)),
    }
}

/// Draws both bars, the moments below each, the scale, and the list.
pub(super) fn draw(
    screen: &CompareScreen,
    model: &Model,
    computed: &Computed,
    area: Rect,
    buf: &mut Buffer,
) {
    let (Some(a), Some(b)) = (model.compared(0), model.compared(1)) else { return };
    draw_events(screen, model, computed, list(area), buf);
    let spans = [span(model, a), span(model, b)];
    let common = spans[0].0 == spans[1].0;
    let longest = spans[0].1.max(spans[1].1);
    let room = Rect { x: area.x + 3, width: area.width.saturating_sub(4), ..area };
    let width = |span: u64| {
        let to = if common { longest } else { span };
        let wide = u128::from(span) * u128::from(room.width) / u128::from(to);
        (wide as u16).clamp(1, room.width.max(1))
    };
    // If there is room, a blank line separates the sides.
    let step = if area.height >= 8 { 3 } else { 2 };
    let mut y = area.y;
    let row = |y: u16| Rect { y, height: u16::from(y < area.bottom()), ..room };
    for ((name, exchange), (_, span)) in [("A", a), ("B", b)].into_iter().zip(spans) {
        let bar = row(y);
        if bar.is_empty() {
            return;
        }
        line::put(buf, Rect { x: area.x + 1, ..bar }, &[(name, model.theme().of(Role::Title))]);
        timeline_bar::draw(model, exchange, Rect { width: width(span), ..bar }, buf);
        let scale = timeline_bar::Scale::new(exchange, model.now(), width(span));
        if let Some(scale) = scale.filter(|s| s.timed && !row(y + 1).is_empty()) {
            timeline_bar::draw_moments(model, exchange, scale, row(y + 1), buf);
        }
        y += step;
    }
    let scale = row(y);
    if scale.is_empty() {
        return;
    }
    let dim = model.theme().of(Role::Dim);
    let parts = match (common, spans[0].0) {
        (true, true) => format!("both to one scale: the width is {} s", line::seconds(longest)),
        (true, false) => {
            format!("No timestamps: drawn by byte offset, {} bytes wide", group(longest))
        }
        (false, _) => "only one side has timestamps: separate scales".to_owned(),
    };
    line::put(buf, scale, &[(&line::fit(&parts, usize::from(scale.width)), dim)]);
}
