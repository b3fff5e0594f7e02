//! The table of frames. Of any number of frames only those on the screen are looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::{Pane, PaneId, header, inner};
use crate::action::{Action, Context};
use crate::dialect::Channel;
use crate::frame::Kind;
use crate::inspect::{Inspection, Severity};
use crate::json::Tape;
use crate::text::{Newlines, preview, visible_bytes};
use crate::tui::App;
use crate::tui::exchange::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::{Scroll, line};

/// The pane's row in the table.
pub(crate) const PANE: Pane = Pane {
    title: "Frames",
    context: Context::Frames,
    footer: &[Action::NextProblem, Action::Search, Action::Copy, Action::Bottom],
    draw,
    act,
    click,
    wheel,
    settle,
};

/// A payload longer than this is not parsed for its preview.
const MAX_PARSED: u64 = 64 << 10;

/// Which rows are on the screen.
#[derive(Debug, Default)]
pub(crate) struct State {
    scroll: Scroll,
    /// How many rows the last drawing formatted, for the test that this does not grow with the
    /// stream.
    rows: std::cell::Cell<usize>,
}

impl State {
    /// How many rows the last drawing formatted.
    pub(crate) fn rows(&self) -> usize {
        self.rows.get()
    }

    /// A drawing formatted so many rows.
    pub(crate) fn formatted(&self, rows: usize) {
        self.rows.set(rows);
    }
}

/// The rows of frames, below the column heads.
fn rows(area: Rect) -> Rect {
    inner(inner(area))
}

fn settle(app: &mut App, area: Rect) {
    let height = usize::from(rows(area).height);
    let Some(exchange) = app.exchanges.get(app.shown) else {
        app.frames.scroll = Scroll::default();
        return;
    };
    let len = exchange.seen.frames().len();
    match exchange.frame {
        _ if exchange.follow => app.frames.scroll.bottom(height, len),
        Some(frame) => app.frames.scroll.reveal(frame as usize, height, len),
        None => app.frames.scroll.clamp(height, len),
    }
}

fn act(app: &mut App, action: Action) -> bool {
    let height = usize::from(rows(app.areas().pane(PaneId::Frames)).height).max(1);
    let Some(exchange) = app.exchange_mut() else { return false };
    let len = exchange.seen.frames().len();
    let at = exchange.frame.map_or(0, |f| f as usize);
    let to = match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => at + usize::from(exchange.frame.is_some()),
        Action::HalfPageUp => at.saturating_sub(height / 2),
        Action::HalfPageDown => at + height / 2,
        Action::PageUp => at.saturating_sub(height),
        Action::PageDown => at + height,
        Action::Top => 0,
        Action::Bottom => {
            exchange.follow();
            return true;
        }
        Action::Accept => {
            app.go(PaneId::Detail);
            return true;
        }
        _ => return false,
    };
    exchange.select(to.min(len.saturating_sub(1)));
    true
}

fn click(app: &mut App, at: Position, area: Rect) {
    let rows = rows(area);
    let top = app.frames.scroll.top;
    if rows.contains(at)
        && let Some(exchange) = app.exchange_mut()
    {
        let row = top + usize::from(at.y - rows.y);
        if row < exchange.seen.frames().len() {
            exchange.select(row);
        }
    }
}

fn wheel(app: &mut App, by: isize, _: Position, area: Rect) {
    let height = usize::from(rows(area).height);
    let mut scroll = app.frames.scroll;
    let Some(exchange) = app.exchange_mut() else { return };
    let len = exchange.seen.frames().len();
    scroll.by(by, height, len);
    // The selection stays on the screen, so that what is selected is what is seen.
    let at = exchange.frame.map_or(0, |f| f as usize);
    let to = at.clamp(scroll.top, (scroll.top + height).saturating_sub(1).max(scroll.top));
    if len > 0 {
        exchange.select(to);
    }
    app.frames.scroll = scroll;
}

/// The widths of the columns; 0 leaves a column out.
#[derive(Clone, Copy)]
struct Columns {
    number: usize,
    at: usize,
    wait: usize,
    len: usize,
    kind: usize,
}

impl Columns {
    fn new(width: u16, frames: usize, timed: bool) -> Self {
        let number = crate::text::group(frames as u64).chars().count().max(2);
        let timed = usize::from(timed);
        match width {
            0..60 => Self { number, at: 7 * timed, wait: 0, len: 0, kind: 0 },
            60..76 => Self { number, at: 7 * timed, wait: 7 * timed, len: 0, kind: 8 },
            _ => Self { number, at: 8 * timed, wait: 7 * timed, len: 6, kind: 10 },
        }
    }

    fn cells(self, number: &str, at: &str, wait: &str, len: &str, kind: &str) -> [String; 5] {
        let right = |text: &str, width: usize| match width {
            0 => String::new(),
            _ => format!("{text:>width$} "),
        };
        let kind = match self.kind {
            0 => String::new(),
            width => format!(" {:<width$}", line::fit(kind, width)),
        };
        [
            right(number, self.number),
            right(at, self.at),
            right(wait, self.wait),
            right(len, self.len),
            kind,
        ]
    }
}

fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let Some(exchange) = app.exchange() else {
        header(app, PaneId::Frames, &[], area, buf);
        empty(app, inner(area), buf);
        return;
    };
    let seen = &exchange.seen;
    let frames = seen.frames();
    let note = match frames.len() {
        0 => String::new(),
        n => crate::text::group(n as u64),
    };
    let follows = if exchange.follow { " · follows" } else { "" };
    header(app, PaneId::Frames, &[(&note, Role::Text), (follows, Role::Dim)], area, buf);
    let area = inner(area);
    if area.is_empty() {
        return;
    }
    if frames.is_empty() {
        empty(app, area, buf);
        return;
    }
    let timed = seen.reads().first().is_some_and(|r| r.at.is_some());
    let columns = Columns::new(area.width, frames.len(), timed);
    let heads = columns.cells("#", "at", "Δ", "len", "kind").concat();
    let dim = theme.of(Role::Label);
    line::put(buf, area, &[("   ", dim), (&heads, dim), ("  preview", dim)]);
    let area = inner(area);
    let top = app.frames.scroll.top;
    let shown = top..(top + usize::from(area.height)).min(frames.len());
    app.frames.formatted(shown.len());
    let marks = exchange.marks(shown.clone());
    for (row, index) in shown.clone().enumerate() {
        let place = Rect { y: area.y + row as u16, height: 1, ..area };
        draw_row(app, exchange, index, marks[row], columns, place, buf);
    }
}

fn draw_row(
    app: &App,
    exchange: &Exchange,
    index: usize,
    mark: Option<Severity>,
    columns: Columns,
    area: Rect,
    buf: &mut Buffer,
) {
    let theme = &app.theme;
    let seen = &exchange.seen;
    let frame = &seen.frames()[index];
    let request = exchange.origin().unwrap_or(0);
    let at = seen.frame_at(index);
    let before = if index == 0 { exchange.origin() } else { seen.frame_at(index - 1) };
    let at_text = at.map_or(String::new(), |t| line::seconds(t.saturating_sub(request)));
    let wait = match (at, before) {
        (Some(at), Some(before)) => line::wait(at.saturating_sub(before)),
        _ => String::new(),
    };
    let len = crate::text::group(frame.len);
    let number = crate::text::group(index as u64);
    let cells = columns.cells(&number, &at_text, &wait, &len, frame.kind.name());
    let chosen = exchange.frame == Some(index as u32);
    let (sign, role) = severity_sign(mark);
    let dim = theme.of(Role::Dim);
    let plain = theme.of(Role::Text);
    let mut pieces: Vec<(&str, Style)> = vec![
        (if chosen { "▸" } else { " " }, theme.of(Role::Mark)),
        (sign, theme.of(role)),
        (" ", plain),
        (&cells[0], dim),
        (&cells[1], plain),
        (&cells[2], dim),
        (&cells[3], dim),
        (&cells[4], if frame.kind == Kind::Event { dim } else { theme.of(Role::Comment) }),
        ("  ", plain),
    ];
    let told = summary(seen, index);
    pieces.extend(told.iter().map(|(text, role)| (text.as_str(), theme.of(*role))));
    line::put(buf, area, &pieces);
    if chosen {
        // The bar lies over the whole row; what it says keeps its own attributes.
        let focused = app.focus == PaneId::Frames && app.overlays.is_empty();
        let bar = theme.of(if focused { Role::Selected } else { Role::Unfocused });
        buf.set_style(Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area }, bar);
    }
}

fn empty(app: &App, area: Rect, buf: &mut Buffer) {
    let send = app.keys.key_for(&[Context::Everywhere], Action::Send).unwrap_or_default();
    let text = match app.exchange() {
        _ if app.sending => "Sending …".to_owned(),
        None if app.loading.is_some() => app.opening(),
        None if app.file.is_some() => "Nothing has come yet.".to_owned(),
        None => format!("Nothing was sent yet. {send} sends the request."),
        Some(e) if e.is_running() => "Waiting for the first frame …".to_owned(),
        Some(e) if e.seen.wire_len() == 0 => "Not one byte of a body came.".to_owned(),
        Some(_) => "No frames.".to_owned(),
    };
    let place = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    line::put(buf, inner(place), &[(&text, app.theme.of(Role::Dim))]);
}

/// The sign of a severity in gutters and lists, with its role.
pub(crate) fn severity_sign(severity: Option<Severity>) -> (&'static str, Role) {
    match severity {
        None => (" ", Role::Text),
        Some(Severity::Info) => ("·", Role::Info),
        Some(Severity::Warn) => ("▲", Role::Warn),
        Some(Severity::Error) => ("✖", Role::Error),
        Some(Severity::Fatal) => ("✖", Role::Fatal),
    }
}

/// A channel's letter.
pub(crate) fn letter(channel: Channel) -> (&'static str, Role) {
    match channel {
        Channel::Content => ("C", Role::Content),
        Channel::Reasoning => ("R", Role::Reasoning),
        Channel::Refusal => ("F", Role::Refusal),
        Channel::Tool => ("T", Role::Tool),
        Channel::Other => ("O", Role::Dim),
    }
}

/// What a frame says, in a line.
pub(crate) fn summary(seen: &Inspection, index: usize) -> Vec<(String, Role)> {
    let answer = seen.answer();
    let number = index as u32;
    let mut told = Vec::new();
    for delta in answer.deltas_of(number).iter().take(4) {
        let (letter, role) = letter(delta.channel);
        let again = if delta.duplicate { "=" } else { "" };
        let name = match answer.tool_of(delta) {
            Some(tool) if tool.first == number => {
                preview(tool.name.as_deref().unwrap_or("?"), 30) + " "
            }
            _ => String::new(),
        };
        let choice = if delta.choice > 0 { format!("{} ", delta.choice) } else { String::new() };
        let text = preview(answer.text_of(delta), 200);
        told.push((format!("{letter}{again} "), Role::Key));
        told.push((format!("{choice}{name}"), Role::Dim));
        told.push((format!("\"{text}\" "), role));
    }
    let mut say = |text: String, role| told.push((text + " ", role));
    for error in answer.errors.iter().filter(|e| e.frame == number) {
        say(format!("error: {}", preview(&error.message, 200)), Role::Error);
    }
    for (choice, reason) in answer.finish() {
        if answer.finish_frame(choice) == Some(number) {
            say(format!("finish \"{}\"", preview(reason, 40)), Role::Ok);
        }
    }
    if answer.sentinel == Some(number) {
        say("[DONE]".to_owned(), Role::Ok);
    }
    let frame = &seen.frames()[index];
    let body = seen.body();
    if frame.kind == Kind::Event && frame.len <= MAX_PARSED {
        members(seen, index, &mut say);
    }
    if told.is_empty() {
        // Of a binary message only the payload can be read.
        let payload = frame.data_span().filter(|_| frame.kind == Kind::Message);
        let bytes = payload.and_then(|s| body.get(s)).unwrap_or_else(|| frame.bytes(body));
        let bytes = &bytes[..bytes.len().min(400)];
        let text = visible_bytes(bytes.trim_ascii_end(), Newlines::Show);
        let role = if frame.kind == Kind::Comment { Role::Comment } else { Role::Text };
        told.push((line::fit(&text, 400), role));
    }
    told
}

/// Role and usage, which are no deltas.
fn members(seen: &Inspection, index: usize, say: &mut impl FnMut(String, Role)) {
    let frame = &seen.frames()[index];
    let Some(data) = frame.data(seen.body()) else { return };
    let mut tape = Tape::new();
    if tape.parse(&data).is_err() {
        return;
    }
    let Some(root) = tape.root(&data) else { return };
    let deltas = seen.answer().deltas_of(index as u32);
    if deltas.is_empty()
        && let Some(role) = root
            .get("choices")
            .and_then(|c| c.items().next())
            .and_then(|c| c.at(&["delta", "role"]))
            .and_then(|r| r.as_str())
    {
        say(format!("role {}", preview(&role, 20)), Role::Dim);
    }
    if let Some(usage) = root.get("usage").filter(|u| !u.is_null()) {
        let count = |keys: &[&str]| {
            keys.iter().find_map(|k| usage.get(k)).and_then(|v| v.as_u64()).map(crate::text::group)
        };
        let input = count(&["prompt_tokens", "input_tokens"]);
        let output = count(&["completion_tokens", "output_tokens"]);
        if let (Some(input), Some(output)) = (input, output) {
            say(format!("usage {input} in, {output} out"), Role::Dim);
        } else {
            say("usage".to_owned(), Role::Dim);
        }
    }
}
