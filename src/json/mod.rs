//! JSON as it is on the wire: a flat tape of values, each with its span in the source.
//!
//! `serde_json` returns values and forgets where they were, how a number was spelled and which keys were
//! written twice. An inspector needs exactly those, for every frame of a stream, so this tape keeps spans into
//! the text and copies nothing. It is reused from frame to frame: a stream of a million frames allocates once.
//! The grammar is RFC 8259; `NaN` and the infinities, which Python writes, are accepted and flagged
//! ([`Tape::has_nonfinite`]), because a stream that holds them is to be shown and not refused.

mod parse;
mod reparse;
mod value;

pub(crate) use parse::string_end;
pub use parse::{Error, ErrorKind};
pub use reparse::MAX_REPEATED;
pub(crate) use value::unescape;
pub use value::{Kind, Value};

/// One parsed JSON text, as a flat list of nodes in document order.
///
/// An object's children are its keys and values in turn; an array's are its items. Parsing again
/// reuses the memory, and of a text that repeats the last one reads only what differs.
#[derive(Debug, Default, Clone)]
pub struct Tape {
    nodes: Vec<Node>,
    stack: Vec<u32>,
    nonfinite: bool,
    /// The text that the nodes are of; empty where that was no JSON, or is too long to be kept.
    last: Vec<u8>,
    repeats: bool,
}

/// Room for values that is kept from text to text, whatever their lengths: one MiB.
const MAX_KEPT: usize = 1 << 16;

/// One value (or object key) on the tape; offsets are bytes in the source text.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// A string or key that holds a backslash and must be unescaped to be read.
    escaped: bool,
    start: u32,
    end: u32,
    /// Index on the tape after this value and all it holds.
    next: u32,
}

impl Tape {
    /// A new, empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses one JSON text, white space around it allowed.
    ///
    /// # Errors
    /// The first place where `text` is not JSON. [`ErrorKind::Trailing`] means that a whole value
    /// was read and something follows it; the value can then still be looked at with
    /// [`Tape::root`]. After any other error the tape holds nothing.
    pub fn parse(&mut self, text: &str) -> Result<(), Error> {
        let bytes = text.as_bytes();
        self.repeats = self.parse_again(bytes);
        if self.repeats {
            return Ok(());
        }
        // Free the memory that a giant text took; no text has more values than bytes.
        if self.nodes.capacity() > MAX_KEPT.max(bytes.len()) {
            *self = Self::new();
        }
        self.last.clear();
        let result = parse::parse(self, bytes);
        match &result {
            Ok(()) if bytes.len() <= MAX_REPEATED => self.last.extend_from_slice(bytes),
            Err(e) if e.kind != ErrorKind::Trailing => self.nodes.clear(),
            _ => {}
        }
        result
    }

    /// The whole value, if the last [`Tape::parse`] found one. `text` must be the text parsed.
    pub fn root<'a>(&'a self, text: &'a str) -> Option<Value<'a>> {
        (!self.nodes.is_empty()).then_some(Value { tape: self, text, index: 0 })
    }

    /// Returns whether the last text parsed has the keys and the nesting of the one parsed before it. Then
    /// the values of both are at the same positions, whatever they are. It may be false for such a text too,
    /// never true for another.
    pub fn repeats(&self) -> bool {
        self.repeats
    }

    /// The value at a position ([`Value::position`]) of `text`, which must be the text parsed.
    pub fn value_at<'a>(&'a self, text: &'a str, position: u32) -> Value<'a> {
        Value { tape: self, text, index: position }
    }

    /// Returns whether the text holds `NaN`, `Infinity` or `-Infinity`, which are not JSON.
    pub fn has_nonfinite(&self) -> bool {
        self.nonfinite
    }
}

/// Line and column (both from 1; columns in characters) of byte `offset` in `text`.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
