//! The table of frames. Of any number of frames only those on the screen are looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::{Canvas, Copyable, Pane, PaneId, PanePlace, Spec, detail, inner};
use crate::action::{Action, Context, OwnAction, OwnContext};
use crate::dialect::Channel;
use crate::frame::FrameKind;
use crate::frame::web_socket::{Opcode, Sender};
use crate::inspect::{Inspection, Severity, WsFrame};
use crate::json::Tape;
use crate::text::{Newlines, group, preview, visible_bytes};
use crate::tui::model::{Exchange, Model};
use crate::tui::theme::Role;
use crate::tui::widget::{Scroll, line, moved};

/// The pane's name in the program.
pub(crate) const ID: PaneId = PaneId("frames");

static LONGEST_WAIT: OwnAction = OwnAction {
    name: "longest-wait",
    short: "longest wait",
    help: "select the frame after the longest wait, then the next longest",
    keys: &["w"],
};

/// The context in which the pane's own keys count.
pub(crate) static KEYS: OwnContext =
    OwnContext { name: "frames", title: "In the frames", actions: &[&LONGEST_WAIT] };

static SPEC: Spec = Spec {
    id: ID,
    title: ("Frames", "Frames"),
    keys: &KEYS,
    place: PanePlace::Right(0),
    go: Some(Action::PaneFrames),
    footer: &[
        Action::NextProblem,
        Action::Search,
        Action::Copy,
        Action::Own(&LONGEST_WAIT),
        Action::Bottom,
    ],
    everywhere: &[(Action::Own(&LONGEST_WAIT), true)],
    shows_bytes: true,
    copies: &[Copyable {
        name: "frame",
        about: "the selected frame's bytes",
        text: |model| {
            let exchange = model.exchange()?;
            let (number, frame) = exchange.selected_frame()?;
            let name = format!("frame {}", crate::text::group(u64::from(number)));
            let bytes = frame.bytes(exchange.inspection.body());
            Some((name, String::from_utf8_lossy(bytes).into_owned()))
        },
    }],
};

/// A payload longer than this is not parsed for its preview.
const MAX_PARSED: u64 = 64 << 10;

/// The rows that are on the screen.
#[derive(Debug, Default)]
pub(crate) struct FramesPane {
    scroll: Scroll,
    /// The frame that was selected for the wait before it.
    waited: Option<usize>,
}

/// The rows of frames, below the column heads.
fn rows(area: Rect) -> Rect {
    inner(inner(area))
}

impl Pane for FramesPane {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn settle(&mut self, model: &mut Model, area: Rect) {
        let height = usize::from(rows(area).height);
        let Some(exchange) = model.exchange() else {
            self.scroll = Scroll::default();
            return;
        };
        let rows = model.frame_rows();
        let len = rows.len();
        match exchange.frame {
            _ if exchange.follow => self.scroll.bottom(height, len),
            Some(frame) => self.scroll.reveal(rows.row(frame as usize), height, len),
            None => self.scroll.clamp(height, len),
        }
    }

    fn act(&mut self, model: &mut Model, action: Action, area: Rect) -> bool {
        if action == Action::Own(&LONGEST_WAIT) {
            self.waited = select_longest_wait(model, self.waited);
            return true;
        }
        let page = (rows(area).height as isize).max(1);
        let rows = model.frame_rows();
        let Some(exchange) = model.exchange() else { return false };
        let at = exchange.frame.map(|f| rows.row(f as usize));
        let to = action.scrolls(page).and_then(|by| moved(at, by, rows.len()));
        let to = to.and_then(|row| rows.frame(row));
        let Some(exchange) = model.exchange_mut() else { return false };
        match (action, to) {
            (Action::Bottom, _) => exchange.follow(),
            (Action::Accept, _) => model.focus(detail::ID),
            (_, Some(frame)) => exchange.select(frame),
            _ => return action.scrolls(page).is_some(),
        }
        true
    }

    fn click(&mut self, model: &mut Model, at: Position, area: Rect) {
        let rows = rows(area);
        if !rows.contains(at) {
            return;
        }
        let row = self.scroll.top + usize::from(at.y - rows.y);
        let frame = model.frame_rows().frame(row);
        if let (Some(frame), Some(exchange)) = (frame, model.exchange_mut()) {
            exchange.select(frame);
        }
    }

    fn wheel(&mut self, model: &mut Model, by: isize, _: Position, area: Rect) {
        let height = usize::from(rows(area).height);
        let rows = model.frame_rows();
        let Some(exchange) = model.exchange() else { return };
        self.scroll.by(by, height, rows.len());
        // The selection stays on the screen, so that what is selected is what is seen.
        let top = self.scroll.top;
        let at = exchange.frame.map_or(0, |f| rows.row(f as usize));
        let to = rows.frame(at.clamp(top, (top + height).saturating_sub(1).max(top)));
        if let (Some(to), Some(exchange)) = (to, model.exchange_mut()) {
            exchange.select(to);
        }
    }

    fn draw(&self, on: &Canvas<'_>, buf: &mut Buffer) {
        let theme = on.theme();
        let Some(exchange) = on.model.exchange() else {
            on.header(SPEC.title.0, &[], buf);
            empty(on.model, inner(on.area), buf);
            return;
        };
        let inspection = &exchange.inspection;
        let frames = inspection.frames();
        let rows = on.model.frame_rows();
        let all = crate::text::group(frames.len() as u64);
        let note = match on.model.filter_text() {
            _ if frames.is_empty() => String::new(),
            "" => all,
            text => {
                let text = preview(text, 40);
                format!("{} of {all} · {text}", crate::text::group(rows.len() as u64))
            }
        };
        let follows = if exchange.follow { " · following" } else { "" };
        on.header(SPEC.title.0, &[(&note, Role::Text), (follows, Role::Dim)], buf);
        let area = inner(on.area);
        if area.is_empty() {
            return;
        }
        if frames.is_empty() {
            empty(on.model, area, buf);
            return;
        }
        let timed = inspection.reads().first().is_some_and(|r| r.at.is_some());
        let columns = Columns::new(area.width, frames.len(), timed);
        let heads = columns.cells("#", "at", "Δ", "len", "kind").concat();
        let dim = theme.of(Role::Label);
        line::put(buf, area, &[("   ", dim), (&heads, dim), ("  preview", dim)]);
        let area = inner(area);
        let top = self.scroll.top;
        let shown: Vec<usize> = (top..(top + usize::from(area.height)).min(rows.len()))
            .filter_map(|row| rows.frame(row))
            .collect();
        on.model.rows_drawn().set(shown.len());
        let range = shown.first().map_or(0..0, |a| *a..shown.last().map_or(*a, |b| b + 1));
        let marks = exchange.marks(&range);
        for (row, index) in shown.into_iter().enumerate() {
            let place = Rect { y: area.y + row as u16, height: 1, ..area };
            let mark = marks.get(&(index as u32)).copied();
            draw_row(on, exchange, index, mark, columns, place, buf);
        }
        if rows.len() == 0 {
            let text = if on.model.is_filtering() { "Filtering …" } else { "No frame matches" };
            let place = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
            line::put(buf, place, &[(text, theme.of(Role::Dim))]);
        }
    }
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

fn draw_row(
    on: &Canvas<'_>,
    exchange: &Exchange,
    index: usize,
    mark: Option<Severity>,
    columns: Columns,
    area: Rect,
    buf: &mut Buffer,
) {
    let theme = on.theme();
    let inspection = &exchange.inspection;
    let frame = &inspection.frames().at(index);
    let request = exchange.origin().unwrap_or(0);
    let at = inspection.frame_at(index);
    let before = if index == 0 { exchange.origin() } else { inspection.frame_at(index - 1) };
    let at_text = at.map_or(String::new(), |t| line::seconds(t.saturating_sub(request)));
    let wait = match (at, before) {
        (Some(at), Some(before)) => line::wait(at.saturating_sub(before)),
        _ => String::new(),
    };
    let len = crate::text::group(frame.len);
    let number = crate::text::group(index as u64);
    let kind = match inspection.ws_frame(index) {
        Some(message) => ws_name(message),
        None => frame.kind.name().to_owned(),
    };
    let cells = columns.cells(&number, &at_text, &wait, &len, &kind);
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
        (&cells[4], if frame.kind == FrameKind::Event { dim } else { theme.of(Role::Comment) }),
        ("  ", plain),
    ];
    let parts = match on.model.filter().and_then(|f| f.query()) {
        Some(query) => selected(&query.select(inspection, index)),
        None => summary(inspection, index),
    };
    pieces.extend(parts.iter().map(|(text, role)| (text.as_str(), theme.of(*role))));
    line::put(buf, area, &pieces);
    if chosen {
        // The bar covers the whole row; its text keeps its own attributes.
        let bar = theme.of(if on.focused { Role::Selected } else { Role::Unfocused });
        buf.set_style(Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area }, bar);
    }
}

/// Selects the frame after the longest wait of those that are listed; where `before`, which was
/// selected so, is still selected, that after the next longest. Returns the frame.
fn select_longest_wait(model: &mut Model, before: Option<usize>) -> Option<usize> {
    let rows = model.frame_rows();
    let exchange = model.exchange()?;
    let inspection = &exchange.inspection;
    let wait = |frame: usize| {
        let before = frame.checked_sub(1).and_then(|before| inspection.frame_at(before));
        Some(inspection.frame_at(frame)?.saturating_sub(before?))
    };
    // The longer wait is the greater key; of equal ones, the earlier frame.
    let keys = || {
        let listed = (0..rows.len()).filter_map(|row| rows.frame(row));
        listed.filter_map(|frame| Some((wait(frame)?, std::cmp::Reverse(frame))))
    };
    let selected = before.filter(|frame| exchange.frame == Some(*frame as u32));
    let own = selected.and_then(|frame| Some((wait(frame)?, std::cmp::Reverse(frame))));
    let next = keys().filter(|key| own.is_none_or(|own| *key < own)).max();
    let Some(key) = next.or_else(|| keys().max()) else {
        model.notify("No waits to compare: nothing was timed");
        return None;
    };
    let longer = keys().filter(|other| *other > key).count();
    let (wait, std::cmp::Reverse(frame)) = key;
    let rank = match longer {
        0 => "the longest".to_owned(),
        n => format!("number {} by length", group(n as u64 + 1)),
    };
    let waited = line::wait(wait);
    let text = format!("{waited} before frame {}; {rank}", group(frame as u64));
    if let Some(exchange) = model.exchange_mut() {
        exchange.select(frame);
    }
    model.notify(text);
    Some(frame)
}

/// Returns the kind of a WebSocket message, in a word or two.
fn ws_name(message: &WsFrame) -> String {
    let what = if message.opcode.is_control() { message.opcode.name() } else { "ws" };
    match message.sender {
        Sender::Client => format!("{what} sent"),
        Sender::Server => what.to_owned(),
    }
}

/// Returns what a query selects in a frame.
fn selected(values: &[serde_json::Value]) -> Vec<(String, Role)> {
    let shown = |v: &serde_json::Value| (preview(&v.to_string(), 200) + "  ", Role::Text);
    values.iter().take(20).map(shown).collect()
}

fn empty(model: &Model, area: Rect, buf: &mut Buffer) {
    let send = model.key_of(Context::Everywhere, Action::Send);
    let text = match model.exchange() {
        _ if model.is_sending() => "Sending …".to_owned(),
        None if model.loading().is_some() => model.opening(),
        None if model.file().is_some() => "Nothing received yet".to_owned(),
        None => format!("Press {send} to send the request"),
        Some(e) if e.is_running() => "Waiting for the first frame …".to_owned(),
        Some(e) if e.inspection.wire_len() == 0 => "No body received".to_owned(),
        Some(_) => "No frames".to_owned(),
    };
    let place = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    line::put(buf, inner(place), &[(&text, model.theme().of(Role::Dim))]);
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

/// Returns what a frame says, in a line.
pub(crate) fn summary(inspection: &Inspection, index: usize) -> Vec<(String, Role)> {
    let answer = inspection.answer();
    let number = index as u32;
    let mut parts = Vec::new();
    let message = inspection.ws_frame(index);
    if message.is_some_and(|m| m.sender == Sender::Client) {
        parts.push(("→ ".to_owned(), Role::Key));
    }
    for delta in answer.deltas_of(number).take(4) {
        let (letter, role) = letter(delta.channel);
        let again = if delta.duplicate { "=" } else { "" };
        let name = match answer.tool_of(&delta) {
            Some(tool) if tool.first == number => {
                preview(tool.name.as_deref().unwrap_or("?"), 30) + " "
            }
            _ => String::new(),
        };
        let choice = if delta.choice > 0 { format!("{} ", delta.choice) } else { String::new() };
        let text = preview(answer.text_of(&delta), 200);
        parts.push((format!("{letter}{again} "), Role::Key));
        parts.push((format!("{choice}{name}"), Role::Dim));
        parts.push((format!("\"{text}\" "), role));
    }
    let mut add = |text: String, role| parts.push((text + " ", role));
    for error in answer.errors.iter().filter(|e| e.frame == number) {
        add(format!("error: {}", preview(&error.message, 200)), Role::Error);
    }
    for (choice, reason) in answer.finish() {
        if answer.finish_frame(choice) == Some(number) {
            add(format!("finish \"{}\"", preview(reason, 40)), Role::Ok);
        }
    }
    if answer.sentinel == Some(number) {
        add("[DONE]".to_owned(), Role::Ok);
    }
    let frame = &inspection.frames().at(index);
    let body = inspection.body();
    if frame.kind == FrameKind::Event && frame.len <= MAX_PARSED {
        members(inspection, index, &mut add);
    }
    if parts.len() == usize::from(message.is_some_and(|m| m.sender == Sender::Client)) {
        // In a binary message only the payload is readable.
        let payload = frame.data_span().filter(|_| frame.kind == FrameKind::Message);
        if let Some(code) = message
            .filter(|m| m.opcode == Opcode::Close)
            .and_then(|_| frame.bytes(body).first_chunk().map(|code| u16::from_be_bytes(*code)))
        {
            parts.push((format!("{code} "), Role::Text));
        }
        let payload = payload.or(message.and_then(|_| frame.data_span()));
        let bytes = payload.and_then(|s| body.get(s)).unwrap_or_else(|| frame.bytes(body));
        let bytes = &bytes[..bytes.len().min(400)];
        let text = visible_bytes(bytes.trim_ascii_end(), Newlines::Show);
        let role = if frame.kind == FrameKind::Comment { Role::Comment } else { Role::Text };
        parts.push((line::fit(&text, 400), role));
    }
    parts
}

/// Role and usage, which are no deltas.
fn members(inspection: &Inspection, index: usize, add: &mut impl FnMut(String, Role)) {
    let frame = &inspection.frames().at(index);
    let Some(data) = frame.data(inspection.body()) else { return };
    let mut tape = Tape::new();
    if tape.parse(&data).is_err() {
        return;
    }
    let Some(root) = tape.root(&data) else { return };
    let deltas = inspection.answer().deltas_of(index as u32);
    if deltas.len() == 0
        && let Some(role) = root
            .get("choices")
            .and_then(|c| c.items().next())
            .and_then(|c| c.at(&["delta", "role"]))
            .and_then(|r| r.as_str())
    {
        add(format!("role {}", preview(&role, 20)), Role::Dim);
    }
    if let Some(usage) = root.get("usage").filter(|u| !u.is_null()) {
        let count = |keys: &[&str]| {
            keys.iter().find_map(|k| usage.get(k)).and_then(|v| v.as_u64()).map(crate::text::group)
        };
        let input = count(&["prompt_tokens", "input_tokens"]);
        let output = count(&["completion_tokens", "output_tokens"]);
        if let (Some(input), Some(output)) = (input, output) {
            add(format!("usage {input} in, {output} out"), Role::Dim);
        } else {
            add("usage".to_owned(), Role::Dim);
        }
    }
}
