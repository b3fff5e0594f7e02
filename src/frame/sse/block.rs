//! The lines of one block of an event stream.

use std::borrow::Cow;

use crate::frame::Frame;

/// A line as (name, value): up to the first colon, and after it less one space. A line without a
/// colon is all name; a comment has an empty name.
pub(super) fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        Some(i) => {
            let value = &line[i + 1..];
            (&line[..i], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

/// A `retry` value as a number is written: no leading zeros.
pub(super) fn digits(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let short = text.trim_start_matches('0');
    if short.is_empty() { "0".into() } else { short.into() }
}

/// One frame's bytes, looked at again: what its lines are.
#[derive(Debug, Clone, Copy)]
pub struct SseBlock<'a> {
    bytes: &'a [u8],
    start: usize,
}

/// One line of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SseLine<'a> {
    /// Offset in the block.
    pub offset: usize,
    /// Empty for a comment.
    pub name: &'a [u8],
    /// After the colon; for a comment with its leading space, if any.
    pub value: &'a [u8],
    /// The whole line without its end.
    pub raw: &'a [u8],
}

impl<'a> SseBlock<'a> {
    /// The block that `frame` of `body` is. The byte order mark that may open the body is left out.
    pub fn of(frame: &Frame, body: &'a [u8]) -> Self {
        let bytes = frame.bytes(body);
        let bom = frame.offset == 0 && bytes.starts_with(b"\xef\xbb\xbf");
        Self { bytes, start: if bom { 3 } else { 0 } }
    }

    /// Its lines, blank ones left out.
    pub fn lines(self) -> impl Iterator<Item = SseLine<'a>> {
        let mut at = self.start;
        let bytes = self.bytes;
        std::iter::from_fn(move || {
            loop {
                let rest = bytes.get(at..).filter(|r| !r.is_empty())?;
                let len = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                let offset = at;
                at += len + 1;
                if len > 0 {
                    let raw = &rest[..len];
                    let (name, value) = split(raw);
                    let value = if name.is_empty() { &raw[1..] } else { value };
                    return Some(SseLine { offset, name, value, raw });
                }
            }
        })
    }

    /// The event's type: the last `event` field, `message` where that is missing or empty.
    pub fn event(self) -> Cow<'a, str> {
        match self.lines().filter(|l| l.name == b"event").last() {
            Some(l) if !l.value.is_empty() => String::from_utf8_lossy(l.value),
            _ => Cow::Borrowed("message"),
        }
    }

    /// The event's data: its `data` lines joined by LF.
    pub fn data(self) -> String {
        let mut out = String::new();
        for (i, line) in self.lines().filter(|l| l.name == b"data").enumerate() {
            if i > 0 {
                out.push('\n');
            }
            out.push_str(&String::from_utf8_lossy(line.value));
        }
        out
    }

    /// The block's last valid `retry`, as its digits.
    pub fn retry(self) -> Option<String> {
        let valid = |v: &[u8]| !v.is_empty() && v.iter().all(u8::is_ascii_digit);
        let last = self.lines().filter(|l| l.name == b"retry" && valid(l.value)).last()?;
        Some(digits(last.value))
    }
}
