//! The bytes of the selected frame: as they arrived, as JSON, and the reads that brought them.

use std::cell::RefCell;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Canvas, Copyable, Pane, PaneId, PanePlace, Spec, after_title, inner, tab_places};
use crate::action::{Action, OwnAction, OwnContext};
use crate::inspect::Block;
use crate::json::{Tape, line_column};
use crate::text::{Newlines, group, visible_bytes};
use crate::tui::model::{Exchange, Model};
use crate::tui::theme::{Role, Theme};
use crate::tui::widget::{Doc, Scroll, json, line};

/// The pane's name in the program.
pub(crate) const ID: PaneId = PaneId("detail");

static HEX: OwnAction =
    OwnAction { name: "hex", short: "hex", help: "switch between hexadecimal and text", keys: &[] };

/// The context in which the pane's own keys count.
pub(crate) static KEYS: OwnContext =
    OwnContext { name: "detail", title: "In the bytes of a frame", actions: &[&HEX] };

static SPEC: Spec = Spec {
    id: ID,
    title: ("Bytes", "Bytes"),
    keys: &KEYS,
    place: PanePlace::Right(27),
    go: Some(Action::PaneDetail),
    footer: &[Action::NextTab, Action::Own(&HEX), Action::Copy, Action::NextProblem],
    // Tabs and the hex view also work from the frames pane, where the user selects.
    everywhere: &[
        (Action::NextTab, false),
        (Action::PreviousTab, false),
        (Action::Own(&HEX), false),
    ],
    shows_bytes: true,
    copies: &[Copyable {
        name: "json",
        about: "the selected frame's payload",
        text: |model| {
            let exchange = model.exchange()?;
            let (number, frame) = exchange.selected_frame()?;
            let name = format!("payload of frame {}", group(u64::from(number)));
            Some((name, frame.data(exchange.inspection.body())?.into_owned()))
        },
    }],
};

/// Largest number of bytes of a frame that are laid out as text; the rest is counted, and is in the hex view.
const MAX_LAID_OUT: usize = 1 << 20;

const TABS: [&str; 3] = ["Raw", "JSON", "Reads"];
const RAW: usize = 0;
const JSON: usize = 1;

/// Tab, place and cache.
#[derive(Debug, Default)]
pub(crate) struct DetailPane {
    tab: usize,
    hex: bool,
    scroll: Scroll,
    /// The view that the scroll position belongs to: exchange, frame, tab, hex.
    of: Option<(usize, u32, usize, bool)>,
    cache: RefCell<Option<(FrameLayoutKey, Doc)>>,
}

/// The values that a laid-out frame depends on.
type FrameLayoutKey = (usize, u32, usize, u64);

fn names() -> Vec<String> {
    TABS.iter().map(|t| (*t).to_owned()).collect()
}

/// Bytes in a row of the hex view.
fn per_row(width: u16) -> usize {
    match width {
        0..46 => 4,
        46..78 => 8,
        78..142 => 16,
        _ => 32,
    }
}

fn text_area(area: Rect) -> Rect {
    let area = inner(area);
    Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area }
}

impl DetailPane {
    /// Passes the laid-out frame to `use_it`.
    fn with_doc<T>(
        &self,
        model: &Model,
        exchange: &Exchange,
        use_it: impl FnOnce(&Doc) -> T,
    ) -> Option<T> {
        let (number, frame) = exchange.selected_frame()?;
        let key = (model.shown(), number, self.tab, frame.len);
        let mut cache = self.cache.borrow_mut();
        if cache.as_ref().is_none_or(|c| c.0 != key) {
            let doc = match self.tab {
                RAW => raw(exchange, number as usize),
                JSON => pretty(exchange, number as usize),
                _ => reads(exchange, number as usize),
            };
            *cache = Some((key, doc));
        }
        cache.as_ref().map(|c| use_it(&c.1))
    }

    fn shows_hex(&self) -> bool {
        self.hex && self.tab == RAW
    }

    fn len(&self, model: &Model, width: u16) -> usize {
        let Some(exchange) = model.exchange() else { return 0 };
        if self.shows_hex() {
            let frame = exchange.selected_frame();
            return frame.map_or(0, |(_, f)| (f.len as usize).div_ceil(per_row(width)));
        }
        self.with_doc(model, exchange, |doc| doc.lines(width)).unwrap_or(0)
    }

    fn scroll(&mut self, model: &Model, by: isize, area: Rect) {
        let len = self.len(model, area.width);
        self.scroll.by(by, usize::from(area.height), len);
    }
}

/// The block that a frame belongs to: `thinking block 0, opened in frame 1, closed in frame 31`.
fn within(block: &Block) -> String {
    let frame = |frame| group(u64::from(frame));
    let closed = match block.closed {
        Some(closed) => format!("closed in frame {}", frame(closed)),
        None => "never closed".to_owned(),
    };
    let label = crate::text::preview(&block.label(), 40);
    format!("{label}, opened in frame {}, {closed}", frame(block.opened))
}

impl Pane for DetailPane {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn restart(&mut self) {
        self.scroll = Scroll::default();
        *self.cache.borrow_mut() = None;
    }

    fn preferred_copy(&self) -> Option<&'static str> {
        Some(if self.tab == JSON { "json" } else { "frame" })
    }

    fn settle(&mut self, model: &mut Model, area: Rect) {
        let frame = model.exchange().and_then(|e| e.frame).unwrap_or(u32::MAX);
        let of = (model.shown(), frame, self.tab, self.hex);
        if self.of != Some(of) {
            self.of = Some(of);
            self.scroll = Scroll::default();
        }
        // A frame is laid out only to know its length, so skip that until the user has scrolled.
        if self.scroll.top > 0 {
            let area = text_area(area);
            let len = self.len(model, area.width);
            self.scroll.clamp(usize::from(area.height), len);
        }
    }

    fn act(&mut self, model: &mut Model, action: Action, area: Rect) -> bool {
        let area = text_area(area);
        let page = isize::try_from(area.height).unwrap_or(1).max(1);
        match action {
            Action::NextTab | Action::PreviousTab => {
                let step = if action == Action::NextTab { 1 } else { TABS.len() - 1 };
                self.tab = (self.tab + step) % TABS.len();
            }
            Action::Own(own) if *own == HEX => {
                self.hex = self.tab != RAW || !self.hex;
                self.tab = RAW;
            }
            // Beside its own scrolling, the pane walks through the frames.
            Action::Left | Action::Right => {
                if let Some(exchange) = model.exchange_mut() {
                    let at = exchange.frame.map_or(0, |f| f as usize);
                    let to = if action == Action::Left { at.saturating_sub(1) } else { at + 1 };
                    exchange.select(to);
                }
            }
            _ => match action.scrolls(page) {
                Some(by) => self.scroll(model, by, area),
                None => return false,
            },
        }
        true
    }

    fn click(&mut self, _: &mut Model, at: Position, area: Rect) {
        if at.y == area.y {
            let places = tab_places(&names(), after_title(&SPEC, area), area);
            if let Some(tab) = places.iter().position(|(from, to)| (*from..*to).contains(&at.x)) {
                self.tab = tab;
            }
        }
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, _: Position, area: Rect) {
        self.scroll(model, rows, text_area(area));
    }

    fn draw(&self, on: &Canvas<'_>, buf: &mut Buffer) {
        let exchange = on.model.exchange();
        let frame = exchange.and_then(Exchange::selected_frame);
        let x = after_title(&SPEC, on.area);
        let tab_end = tab_places(&names(), x, on.area).last().map_or(x, |p| p.1);
        let room = usize::from(on.area.right().saturating_sub(tab_end + 5));
        // As much as fits next to the tabs.
        let note = frame.map_or(String::new(), |(number, frame)| {
            let block = exchange.and_then(|e| e.inspection.block_of(number));
            let number = group(u64::from(number));
            let bytes = crate::text::count(frame.len, "byte");
            let whole = format!("frame {number} · byte {} · {bytes}", group(frame.offset));
            let within = block.map_or(String::new(), |block| within(block) + " · ") + &whole;
            let short = [within, whole, format!("frame {number}"), number];
            short.into_iter().find(|n| n.chars().count() <= room).unwrap_or_default()
        });
        on.header(SPEC.title.0, &[(&note, Role::Dim)], buf);
        on.tabs(&names(), self.tab, x, buf);
        let area = text_area(on.area);
        let (Some(exchange), Some((_, frame))) = (exchange, frame) else {
            line::put(buf, area, &[("No frame selected", on.theme().of(Role::Dim))]);
            return;
        };
        let top = self.scroll.top;
        if self.shows_hex() {
            let bytes = frame.bytes(exchange.inspection.body());
            hex(on.theme(), bytes, frame.offset, top, area, buf);
            return;
        }
        self.with_doc(on.model, exchange, |doc| doc.draw(on.theme(), top, area, buf));
    }
}

fn hex(theme: &Theme, bytes: &[u8], offset: u64, top: usize, area: Rect, buf: &mut Buffer) {
    let per = per_row(area.width);
    for row in 0..usize::from(area.height) {
        let from = (top + row) * per;
        let Some(piece) = bytes.get(from..(from + per).min(bytes.len())).filter(|p| !p.is_empty())
        else {
            return;
        };
        let mut hex = String::new();
        for (i, b) in piece.iter().enumerate() {
            hex.push_str(if i > 0 && i % 8 == 0 { "  " } else { " " });
            hex.push_str(&format!("{b:02x}"));
        }
        let wide = per * 3 + (per - 1) / 8;
        let ascii: String =
            piece.iter().map(|b| if (0x20..0x7f).contains(b) { *b as char } else { '·' }).collect();
        let place = Rect { y: area.y + row as u16, height: 1, ..area };
        let at = format!("{:>8}", offset + from as u64);
        line::put(
            buf,
            place,
            &[
                (&at, theme.of(Role::Dim)),
                (&format!(" {hex:<wide$}"), theme.of(Role::Number)),
                ("  ", theme.of(Role::Text)),
                (&ascii, theme.of(Role::Text)),
            ],
        );
    }
}

/// The bytes as text, line ends visible.
pub(crate) fn raw(exchange: &Exchange, number: usize) -> Doc {
    let mut doc = Doc::of_bytes();
    let frame = &exchange.inspection.frames().at(number);
    let bytes = frame.bytes(exchange.inspection.body());
    let shown = &bytes[..bytes.len().min(MAX_LAID_OUT)];
    let mut rest = shown;
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest).map_or(rest.len(), |i| i);
        let (text, after) = rest.split_at(end);
        let ends = match after {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        raw_line(&mut doc, text);
        if ends > 0 {
            doc.push(Role::Control, &visible_bytes(&after[..ends], Newlines::Show)).line();
        }
        rest = &after[ends..];
    }
    if shown.len() < bytes.len() {
        let more = crate::text::count((bytes.len() - shown.len()) as u64, "more byte");
        doc.line().push(Role::Warn, &format!("… {more}: see them in the hex view"));
    }
    doc
}

fn raw_line(doc: &mut Doc, bytes: &[u8]) {
    let text = visible_bytes(bytes, Newlines::Show);
    let base = doc.text.len();
    let field = ["data:", "event:", "id:", "retry:", ":"].iter().find(|f| text.starts_with(**f));
    if let Some(field) = field {
        doc.push(if *field == ":" { Role::Comment } else { Role::Key }, field);
        if *field == ":" {
            doc.push(Role::Comment, &text[1..]);
            return;
        }
    }
    let from = field.map_or(0, |f| f.len());
    doc.plain(&text[from..]);
    if text[from..].trim_start().starts_with(['{', '[']) {
        json::marks(&text[from..], base + from, &mut doc.marks);
    }
}

/// Returns the payload, formatted as JSON.
fn pretty(exchange: &Exchange, number: usize) -> Doc {
    let mut doc = Doc::of_bytes();
    let frame = &exchange.inspection.frames().at(number);
    let Some(data) = frame.data(exchange.inspection.body()) else {
        doc.push(Role::Dim, &format!("A {} has no payload.", frame.kind.name()));
        return doc;
    };
    if data.trim() == "[DONE]" || exchange.inspection.answer().sentinel == Some(number as u32) {
        doc.plain(data.trim()).push(Role::Dim, " is no JSON; it ends the stream.").line();
        return doc;
    }
    if let Err(error) = Tape::new().parse(&data) {
        let (line, column) = line_column(&data, error.offset);
        let place = if line > 1 { format!("line {line}, ") } else { String::new() };
        doc.push(Role::Warn, &format!("Not JSON: {place}column {column}: {}", error.kind)).line();
        doc.plain(&data);
        return doc;
    }
    let mut end = data.len().min(MAX_LAID_OUT);
    while !data.is_char_boundary(end) {
        end -= 1;
    }
    let laid = json::pretty(&data[..end]);
    let base = doc.text.len();
    json::marks(&laid, base, &mut doc.marks);
    doc.plain(&laid);
    if end < data.len() {
        let more = crate::text::count((data.len() - end) as u64, "more byte");
        doc.line().push(Role::Warn, &format!("… {more}: see them in the hex view"));
    }
    doc
}

/// The reads that brought the frame.
fn reads(exchange: &Exchange, number: usize) -> Doc {
    let mut doc = Doc::new();
    let inspection = &exchange.inspection;
    let frame = &inspection.frames().at(number);
    let range = inspection.reads_of(frame);
    let timed = inspection.reads().first().is_some_and(|r| r.at.is_some());
    if !timed {
        doc.push(Role::Dim, "No timestamps for these bytes").line();
        return doc;
    }
    let of = if range.len() == 1 { "one read" } else { "several reads" };
    doc.push(Role::Dim, &format!("This frame arrived in {of}:")).line();
    doc.push(
        Role::Label,
        "    read        at        Δ     bytes   body offsets       of this frame",
    )
    .line();
    let request = exchange.origin().unwrap_or(0);
    for i in range {
        let read = inspection.reads().at(i);
        let before = i.checked_sub(1).map(|b| inspection.reads().at(b));
        let from = before.map_or(0, |b| b.decoded);
        let at = read.at.unwrap_or(0);
        let wait =
            before.and_then(|b| b.at).map_or(at.saturating_sub(request), |b| at.saturating_sub(b));
        let (a, b) = (from.max(frame.offset), read.decoded.min(frame.end()));
        let offsets = format!("{}..{}", group(from), group(read.decoded));
        let part = if (a, b) == (frame.offset, frame.end()) {
            "all of it".to_owned()
        } else {
            format!("bytes {}..{}", group(a - frame.offset), group(b.saturating_sub(frame.offset)))
        };
        doc.plain(&format!(
            "{:>8}  {:>8}  {:>7}  {:>8}   {offsets:<17}  {part}",
            group(i as u64),
            line::seconds(at.saturating_sub(request)),
            line::wait(wait),
            group(read.decoded - from),
        ));
        doc.line();
    }
    doc
}
