//! The request's fields and body on the screen, and the mouse upon them.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use unicode_width::UnicodeWidthStr;

use super::actions::act;
use super::{Field, RequestPane, SPEC, fields};
use crate::action::Action;
use crate::text::{Newlines, preview, visible};
use crate::tui::model::Model;
use crate::tui::pane::{Canvas, inner};
use crate::tui::theme::Role;
use crate::tui::widget::line;
use crate::tui::widget::secrets::{shown_url, shown_value};
use crate::tui::widget::wrap::Wrap;

/// A line above the body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeadingLine {
    Field(Field),
    /// The chosen provider's key is missing.
    NoKey,
    /// Variables of the request have no value.
    Unset,
}

/// The lines above the body that have room.
fn lines(pane: &RequestPane, model: &Model, height: u16) -> Vec<HeadingLine> {
    let request = model.request();
    // If there is little room for the text, use all of it while typing.
    if request.is_typing() && height < 10 {
        return Vec::new();
    }
    let mut lines = vec![HeadingLine::Field(Field::Provider)];
    if model.provider().is_some_and(|p| p.key_variable.is_some() && !p.key_is_set) {
        lines.push(HeadingLine::NoKey);
    }
    lines.extend([HeadingLine::Field(Field::Model), HeadingLine::Field(Field::Address)]);
    if model.variables().iter().any(|v| v.source.is_none()) {
        lines.push(HeadingLine::Unset);
    }
    let headers = request.draft().headers.len();
    let room = headers.min(usize::from(height / 3));
    // If there are more headers than lines, scroll to the one under the cursor.
    let skip = match pane.field(model) {
        Field::Header(i) => (i + 1).saturating_sub(room),
        _ => 0,
    };
    lines.extend((skip..headers).take(room).map(|i| HeadingLine::Field(Field::Header(i))));
    lines
}

/// Returns why the request needs no body; `None` where it has one, or lacks it.
fn without_body(model: &Model) -> Option<String> {
    let request = model.request();
    let method = request.draft().method.as_str();
    if request.raw().is_some() || !request.text().is_empty() || !matches!(method, "GET" | "HEAD") {
        return None;
    }
    let shown = model.exchange().filter(|_| !model.holds_draft());
    Some(match shown.and_then(|e| e.inspection.web_socket()) {
        Some(_) => "· a WebSocket: see the frames".to_owned(),
        None => format!("· {method} needs no body"),
    })
}

/// Returns what is shown below the body about it, in as many lines as that takes.
fn remarks(model: &Model, width: u16) -> Vec<String> {
    let request = model.request();
    if let Some((field, meant)) = model.misspelled() {
        let field = preview(field, 40);
        let meant = format!("  did you mean {meant}?");
        return vec![format!("▲ unknown field {field:?}"), meant];
    }
    let Some((line, column, why)) = request.json_error() else {
        return if request.raw().is_none() { vec!["✔ JSON".to_owned()] } else { Vec::new() };
    };
    if let Some(why) = without_body(model) {
        return vec![why];
    }
    if request.text().is_empty() {
        return vec!["✖ the body is empty".to_owned()];
    }
    let whole = format!("✖ line {line}, column {column}: {why}");
    if whole.chars().count() <= usize::from(width) {
        return vec![whole];
    }
    let mut remarks = vec![format!("✖ line {line}, column {column}:")];
    let mut wrap = Wrap::default();
    wrap.update(why, usize::from(width.saturating_sub(2)));
    remarks.extend((0..wrap.len()).map(|i| format!("  {}", &why[wrap.line(i, why.len())])));
    remarks
}

/// Returns the area of the body's text: at least half of what the fields leave, the rest is for remarks.
pub(super) fn body_area(pane: &RequestPane, model: &Model, area: Rect) -> Rect {
    let area = inner(area);
    let above = lines(pane, model, area.height).len() as u16 + 1;
    let below = remarks(model, area.width.saturating_sub(1)).len().max(1) as u16;
    let below = below.min(area.height.saturating_sub(above) / 2);
    Rect {
        y: area.y + above.min(area.height),
        height: area.height.saturating_sub(above + below),
        x: area.x + 1,
        width: area.width.saturating_sub(1),
    }
}

pub(super) fn click(pane: &mut RequestPane, model: &mut Model, at: Position, area: Rect) {
    let body = body_area(pane, model, area);
    if body.contains(at) {
        pane.start_typing(model);
        model.request_mut().click(at.y - body.y, at.x - body.x);
        return;
    }
    let area = inner(area);
    let lines = lines(pane, model, area.height);
    let hit = at.y.checked_sub(area.y).and_then(|row| lines.get(usize::from(row)));
    if let Some(HeadingLine::Field(field)) = hit {
        model.request_mut().stop_typing();
        pane.row = fields(model).iter().position(|f| f == field).unwrap_or(0);
        act(pane, model, Action::Accept);
    }
}

/// Draws a line above the body; `chosen` is the field that keys go to.
fn draw_line(
    model: &Model,
    shown: HeadingLine,
    chosen: Option<Field>,
    place: Rect,
    buf: &mut Buffer,
) {
    let theme = model.theme();
    match shown {
        HeadingLine::Field(shown) => draw_field(model, shown, chosen == Some(shown), place, buf),
        HeadingLine::NoKey => {
            let name = model.provider().and_then(|p| p.key_variable.as_deref());
            let text = format!(" ▲ {} is not set", name.unwrap_or_default());
            line::put(buf, place, &[(&text, theme.of(Role::Warn))]);
        }
        HeadingLine::Unset => {
            let unset = model.variables().iter().filter(|v| v.source.is_none());
            let names: Vec<String> = unset.map(|v| format!("${}", v.name)).collect();
            let text = format!(" ▲ not set: {}", names.join(" "));
            let text = line::fit(&text, usize::from(place.width));
            line::put(buf, place, &[(&text, theme.of(Role::Warn))]);
        }
    }
}

pub(super) fn draw(pane: &RequestPane, on: &Canvas<'_>, buf: &mut Buffer) {
    let (model, theme, area) = (on.model, on.theme(), on.area);
    let request = model.request();
    let title = if model.holds_draft() { "Request (draft)" } else { SPEC.title.0 };
    on.header(title, &[], buf);
    let area_in = inner(area);
    let focused = on.focused && !request.is_typing();
    let field = pane.field(model);
    let lines = lines(pane, model, area_in.height);
    let rows = lines.len() as u16;
    for (row, shown) in (0..).zip(lines) {
        let place = Rect { y: area_in.y + row, height: 1, ..area_in };
        if place.y >= area_in.bottom() {
            return;
        }
        draw_line(model, shown, focused.then_some(field), place, buf);
    }
    let rule = Rect { y: area_in.y + rows, height: 1, ..area_in };
    if rule.y >= area_in.bottom() {
        return;
    }
    draw_body_rule(model, focused && field == Field::Body, rule, buf);
    let body = body_area(pane, model, area);
    match request.raw() {
        Some(bytes) => {
            let text = crate::text::count(bytes.len() as u64, "byte");
            let note = [
                (text.as_str(), theme.of(Role::Text)),
                (" that are not text, sent as they are", theme.of(Role::Dim)),
            ];
            line::put(buf, body, &note);
        }
        None => request.editor().draw(theme, true, body, buf),
    }
    let role = match (request.json_error(), model.misspelled()) {
        (Some(_), _) if without_body(model).is_some() => Role::Dim,
        (Some(_), _) => Role::Error,
        (None, Some(_)) => Role::Warn,
        (None, None) => Role::Dim,
    };
    for (row, remark) in (0..).zip(remarks(model, body.width)) {
        let place = Rect { y: body.bottom() + row, height: 1, ..body };
        if place.y < area_in.bottom() {
            let remark = line::fit(&remark, usize::from(place.width));
            line::put(buf, place, &[(&remark, theme.of(role))]);
        }
    }
}

/// An address in so many columns: the host whole, then as much of the end of the path as there is room
/// for.
fn short_address(address: &str, room: usize) -> String {
    let plain = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = if address.width() <= room { address } else { plain };
    let host = address.split('/').next().unwrap_or_default();
    let left = room.saturating_sub(host.width() + 2);
    if address.width() <= room || left < 6 {
        return line::fit(address, room);
    }
    let chars: Vec<char> = address.chars().collect();
    let end: String = chars[chars.len() - left.min(chars.len())..].iter().collect();
    format!("{host}/…{end}")
}

fn draw_field(model: &Model, field: Field, chosen: bool, area: Rect, buf: &mut Buffer) {
    let draft = model.request().draft();
    let theme = model.theme();
    let (label, value) = match field {
        Field::Provider if draft.provider.is_empty() => {
            ("provider".to_owned(), "none: the address".to_owned())
        }
        Field::Provider => ("provider".to_owned(), draft.provider.clone()),
        Field::Model => ("model".to_owned(), draft.model.clone()),
        Field::Address => {
            let method = if draft.method.is_empty() { "POST" } else { &draft.method };
            let own = || model.provider().map(|p| p.address()).unwrap_or_default();
            (method.to_owned(), shown_url(&draft.url.clone().unwrap_or_else(own)))
        }
        Field::Header(i) => {
            let (name, value) = &draft.headers[i];
            ("header".to_owned(), format!("{name}: {}", shown_value(name, value)))
        }
        Field::Body => return,
    };
    let mark = if chosen { "▸" } else { " " };
    let label = format!("{:<9}", line::fit(&visible(&label, Newlines::Show), 8));
    let room = usize::from(area.width).saturating_sub(11);
    let value = visible(&value, Newlines::Show);
    let value = match field {
        Field::Address => short_address(&value, room),
        _ => line::fit(&value, room),
    };
    let style = theme.of(if chosen { Role::Focus } else { Role::Text });
    line::put(
        buf,
        area,
        &[(mark, theme.of(Role::Mark)), (&label, theme.of(Role::Label)), (&value, style)],
    );
}

fn draw_body_rule(model: &Model, chosen: bool, area: Rect, buf: &mut Buffer) {
    let theme = model.theme();
    let request = model.request();
    let rule = "─".repeat(usize::from(area.width));
    line::put(buf, area, &[(&rule, theme.of(Role::Line))]);
    let bytes = request.to_send().body.len() as u64;
    let name = match request.is_typing() {
        true => format!(" body · {} ", request.mode()),
        false => " body ".to_owned(),
    };
    let role = if chosen || request.is_typing() { Role::Focus } else { Role::Dim };
    let mark = if chosen { "▸" } else { "─" };
    line::put(
        buf,
        area,
        &[(mark, theme.of(if chosen { Role::Mark } else { Role::Line })), (&name, theme.of(role))],
    );
    let size = format!(" {} ", crate::text::count(bytes, "byte"));
    let rest = Rect { width: area.width.saturating_sub(1), ..area };
    line::put_right(buf, rest, &[(&size, theme.of(Role::Dim))]);
}
