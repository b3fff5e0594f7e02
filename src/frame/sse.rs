//! Server-sent events to the letter of the HTML standard (§9.2.6), keeping what it throws away.
//!
//! The standard's parser yields events and drops the rest: comments, unknown fields, blocks
//! without data, an unfinished tail. Here every one of those is a frame or is counted, because
//! that is where broken streams show. Dispatching, field parsing and ids are exactly the
//! standard's.

mod block;

pub use block::{SseBlock, SseLine};

use self::block::{digits, split};
use super::{Frame, FrameKind, Frames, MAX_FRAME};
use crate::text;

/// Number of comments and ignored fields that are kept as text; the rest is counted.
pub const MAX_LIST: usize = 1000;

/// A line of fewer bytes is short.
const SHORT_LINE: usize = 512;

/// The framer, and what it counted. All offsets are in the body.
#[derive(Debug, Default, Clone)]
pub struct Sse {
    /// The body began with a byte order mark.
    pub bom: bool,
    /// The text after the colon of every comment line, verbatim (the first [`MAX_LIST`]).
    pub comments: CappedList<String>,
    /// Fields that the standard ignores (the first [`MAX_LIST`]).
    pub ignored_fields: CappedList<IgnoredField>,
    /// Blocks that a blank line ended and that had a field, but no `data`.
    pub blocks_without_data: u64,
    /// Number of lines that ended in each way.
    pub line_endings: LineEndings,
    /// Number of U+FFFD that decoding inserted.
    pub invalid_utf8: u64,
    /// The last valid `retry`, in milliseconds, as its digits (there may be any number of them).
    pub final_retry: Option<String>,
    /// The bytes after the last blank line; filled at the end of the body.
    pub trailing: Trailing,
    /// Frames that were cut because they were longer than [`MAX_FRAME`].
    pub oversized: u64,
    /// The distinct runs of last event ids, in order; index 0 is "" (none yet).
    ids: Vec<String>,
    /// The id buffer's index at the last blank line.
    final_id: u32,

    /// Up to here no line end was found.
    scan: usize,
    /// Start of the current line.
    line: usize,
    /// Start of the current frame.
    frame: usize,
    /// The last line ended in a CR at the end of what had been read; an LF now belongs to it.
    after_cr: bool,
    /// From the start of the current line up to here the body is UTF-8, as far as it is whole characters.
    valid: usize,
    /// Offset at which it is not UTF-8. No line up to the end of the one with this offset is known to be
    /// UTF-8.
    invalid: Option<usize>,
    block: BlockState,
}

/// Content of the current block so far.
#[derive(Debug, Default, Clone)]
struct BlockState {
    first_data: (usize, usize),
    data_lines: u32,
    fields: bool,
    named: bool,
    comments: bool,
    oversized: bool,
}

/// The layout of an event of one `data` line, after an `event` line or not, each ended by LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlainEvent {
    named: bool,
    /// Number of bytes before its data.
    data: u32,
}

impl PlainEvent {
    /// Number of bytes after its data: the two line ends.
    const AFTER: usize = 2;

    /// The layout of the bytes of a frame, if they are UTF-8 and such an event.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let lines = std::str::from_utf8(bytes).ok()?.strip_suffix("\n\n")?;
        let (name, line) = lines.rsplit_once('\n').map_or((None, lines), |(n, l)| (Some(n), l));
        let value = line.strip_prefix("data:")?;
        let data = lines.len() - value.strip_prefix(' ').unwrap_or(value).len();
        let is_name = |name: &str| name.starts_with("event:") && !name.contains('\n');
        let is_plain = !lines.contains('\r') && name.is_none_or(is_name);
        is_plain.then_some(Self { named: name.is_some(), data: data as u32 })
    }
}

/// A list that keeps its beginning and counts the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CappedList<T> {
    /// The items kept.
    pub items: Vec<T>,
    /// Number of further items, which are not kept.
    pub more: u64,
}

impl<T> Default for CappedList<T> {
    fn default() -> Self {
        Self { items: Vec::new(), more: 0 }
    }
}

impl<T> CappedList<T> {
    fn push(&mut self, item: impl FnOnce() -> T) {
        if self.items.len() < MAX_LIST { self.items.push(item()) } else { self.more += 1 }
    }

    /// Returns the total number of items.
    pub fn total(&self) -> u64 {
        self.items.len() as u64 + self.more
    }
}

/// A field line without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredField {
    /// The field's name: the line up to the colon, or all of it.
    pub name: String,
    /// The value as the standard cuts it.
    pub value: String,
    /// Reason that the standard ignores it.
    pub reason: Ignored,
}

/// Reason that a field has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Ignored {
    /// None of `data`, `event`, `id`, `retry`.
    UnknownField,
    /// An id with U+0000 in it.
    IdHasNul,
    /// `retry` without a value.
    RetryEmpty,
    /// `retry` with anything but ASCII digits.
    RetryNotDigits,
}

impl Ignored {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Number of lines that ended in each of the three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the three line ends of the standard")]
pub struct LineEndings {
    pub lf: u64,
    pub cr: u64,
    pub crlf: u64,
}

/// The bytes after the last blank line of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trailing {
    /// Number of bytes.
    pub bytes: u64,
    /// Kind of these bytes.
    pub kind: TrailingKind,
}

/// The kind of bytes that are left at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum TrailingKind {
    /// Nothing.
    #[default]
    None,
    /// Whole comment lines only.
    Comments,
    /// Whole lines with fields among them: an event that was never dispatched.
    Fields,
    /// The last line has no end.
    PartialLine,
}

impl TrailingKind {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Sse {
    /// The last event id of a frame that this framer made.
    pub fn id(&self, frame: &Frame) -> &str {
        self.ids.get((frame.id as usize).wrapping_sub(1)).map_or("", String::as_str)
    }

    /// The last event id at the end of the stream.
    pub fn final_id(&self) -> &str {
        self.ids.get((self.final_id as usize).wrapping_sub(1)).map_or("", String::as_str)
    }

    #[inline]
    pub(super) fn push(&mut self, body: &[u8], frames: &mut Frames) {
        // One more byte within a line, as where a body arrives byte by byte, is only counted.
        if let Some([byte]) = body.get(self.scan..)
            && (0x20..0x80).contains(byte)
            && self.valid == self.scan
            && self.invalid.is_none()
            && !self.after_cr
            && self.scan - self.frame < MAX_FRAME
        {
            self.scan += 1;
            self.valid += 1;
            return;
        }
        self.read::<true>(body, frames);
    }

    /// Reads what is new. Without `SHORTCUT` every line goes the general way, which tests hold the
    /// shorter one against.
    pub(super) fn read<const SHORTCUT: bool>(&mut self, body: &[u8], frames: &mut Frames) {
        if self.after_cr && self.scan < body.len() {
            self.after_cr = false;
            if body[self.scan] == b'\n' {
                self.line_endings.cr -= 1;
                self.line_endings.crlf += 1;
                self.begin_line(self.scan + 1);
            }
        }
        let mut is_validated = false;
        while let Some(end) = self.line_end::<SHORTCUT>(body, &mut is_validated) {
            if SHORTCUT {
                if let Some(next) = self.common_event(body, end, frames) {
                    self.frame = next;
                    self.begin_line(next);
                    continue;
                }
                if self.common_name(body, end) {
                    self.begin_line(end + 1);
                    continue;
                }
            }
            let mut next = end + 1;
            if body[end] == b'\n' {
                self.line_endings.lf += 1;
            } else if body.get(next) == Some(&b'\n') {
                self.line_endings.crlf += 1;
                next += 1;
            } else {
                self.line_endings.cr += 1;
                self.after_cr = next == body.len();
            }
            self.bound(end, frames);
            self.end_line(body, end, next, frames);
            self.begin_line(next);
        }
        self.scan = body.len();
        self.bound(body.len(), frames);
    }

    /// The next line begins at an offset, before which there is a line end.
    #[inline]
    fn begin_line(&mut self, next: usize) {
        // The line end is UTF-8, too.
        if self.invalid.is_none() {
            self.valid = self.valid.max(next);
        }
        (self.line, self.scan) = (next, next);
    }

    /// Returns where the current line ends. `is_validated`: what is new has been looked at already, as
    /// [`Sse::validate`] does it.
    #[inline]
    fn line_end<const SHORTCUT: bool>(
        &mut self,
        body: &[u8],
        is_validated: &mut bool,
    ) -> Option<usize> {
        if self.scan >= body.len() {
            return None;
        }
        // One look at what is printable ASCII says both: that it is UTF-8, and that no line ends in it.
        if SHORTCUT && self.valid == self.scan && self.invalid.is_none() {
            let line = text::printable(body.get(self.scan..)?);
            self.scan += line;
            self.valid = self.scan;
            if matches!(body.get(self.scan)?, b'\n' | b'\r') {
                // Many short lines are quicker to check at once.
                if line < SHORT_LINE && body.len() - self.scan > 2 * SHORT_LINE {
                    *is_validated = true;
                    self.validate(body);
                }
                return Some(self.scan);
            }
        }
        if !std::mem::replace(is_validated, true) {
            self.validate(body);
        }
        let rest = &body[self.scan..];
        // Bytes that arrive one by one are not worth starting a vectorized search.
        let found = match rest.len() {
            0..8 => rest.iter().position(|b| matches!(b, b'\n' | b'\r')),
            _ => memchr::memchr2(b'\n', b'\r', rest),
        };
        found.map(|i| self.scan + i)
    }

    /// Takes the event that nearly every frame is, of which the line that ends at `end` is the last
    /// before its blank line: one `data` line, after an `event` line or not, ended by LF. Returns
    /// the offset after it; `None` for anything else, which the general way takes.
    #[inline]
    fn common_event(&mut self, body: &[u8], end: usize, frames: &mut Frames) -> Option<usize> {
        let next = end + 2;
        // The first frame may open with a byte order mark.
        if self.line == 0 || body.get(end..next)? != b"\n\n" || next - self.frame > MAX_FRAME {
            return None;
        }
        let BlockState { data_lines: 0, oversized: false, named, .. } = self.block else {
            return None;
        };
        let line = &body[self.line..end];
        let value = line.strip_prefix(b"data:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        self.count_invalid(line, end);
        self.block = BlockState::default();
        self.line_endings.lf += 2;
        self.final_id = self.ids.len() as u32;
        frames.push(Frame {
            data: Some(((end - value.len() - self.frame) as u32, value.len() as u32)),
            id: self.final_id,
            named,
            ..Frame::new(FrameKind::Event, self.frame, next)
        });
        Some(next)
    }

    /// Returns where the next frame begins, if the framer has not looked at any of it.
    #[inline]
    pub(super) fn next_frame(&self) -> Option<usize> {
        let is_untouched = self.scan == self.frame && self.line == self.frame && self.frame > 0;
        (is_untouched && !self.block.oversized && self.invalid.is_none()).then_some(self.frame)
    }

    /// Takes the next frame, of `len` bytes, which is known to be such an event. Nothing of it may have been
    /// looked at ([`Sse::next_frame`]).
    #[inline]
    pub(super) fn take_plain(&mut self, event: PlainEvent, len: usize) -> Frame {
        let (from, to) = (self.frame, self.frame + len);
        self.after_cr = false;
        (self.frame, self.line, self.scan, self.valid) = (to, to, to, to);
        self.line_endings.lf += 2 + u64::from(event.named);
        self.final_id = self.ids.len() as u32;
        let data = len - event.data as usize - PlainEvent::AFTER;
        Frame {
            data: Some((event.data, data as u32)),
            id: self.final_id,
            named: event.named,
            ..Frame::new(FrameKind::Event, from, to)
        }
    }

    /// The number that the last event id has now: that of the next frame, if it has no `id` line.
    #[inline]
    pub(super) fn id_number(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Takes an `event` line at the beginning of a block that ends by LF at `end`, as the events of many
    /// dialects have it.
    #[inline]
    fn common_name(&mut self, body: &[u8], end: usize) -> bool {
        let line = &body[self.line..end];
        let is_first = self.line == self.frame && self.line > 0 && !self.block.oversized;
        if !is_first || body[end] != b'\n' || !line.starts_with(b"event:") || line.len() > 256 {
            return false;
        }
        self.count_invalid(line, end);
        self.line_endings.lf += 1;
        (self.block.named, self.block.fields) = (true, true);
        true
    }

    pub(super) fn finish(&mut self, body: &[u8], frames: &mut Frames) {
        if self.frame == body.len() {
            return;
        }
        let mut partial = &body[self.line..];
        if self.line == 0 && partial.starts_with(b"\xef\xbb\xbf") {
            self.bom = true;
            partial = &partial[3..];
        }
        self.count_invalid(partial, body.len());
        // An LF that arrived one read after its CR is alone here, and belongs to the blank line.
        let begun = self.block.fields || self.block.comments || self.block.oversized;
        if begun || !partial.is_empty() {
            self.trailing = Trailing {
                bytes: (body.len() - self.frame) as u64
                    - u64::from(
                        self.frame > 0
                            && body[self.frame - 1] == b'\r'
                            && body[self.frame] == b'\n',
                    ),
                kind: if !partial.is_empty() {
                    TrailingKind::PartialLine
                } else if self.block.fields || self.block.oversized {
                    TrailingKind::Fields
                } else {
                    TrailingKind::Comments
                },
            };
        }
        frames.push(Frame::new(FrameKind::Incomplete, self.frame, body.len()));
        self.frame = body.len();
    }

    /// Reports what is longer than any frame may be as `incomplete` frames.
    fn bound(&mut self, end: usize, frames: &mut Frames) {
        while end - self.frame > MAX_FRAME {
            frames.push(Frame::new(FrameKind::Incomplete, self.frame, self.frame + MAX_FRAME));
            self.frame += MAX_FRAME;
            self.oversized += u64::from(!self.block.oversized);
            self.block = BlockState { oversized: true, ..BlockState::default() };
            self.line = self.line.max(self.frame);
        }
    }

    fn end_line(&mut self, body: &[u8], end: usize, next: usize, frames: &mut Frames) {
        let mut start = self.line;
        if start == 0 && body.starts_with(b"\xef\xbb\xbf") {
            self.bom = true;
            start = 3;
        }
        let line = &body[start..end];
        if line.is_empty() {
            self.dispatch(next, frames);
            return;
        }
        self.count_invalid(line, end);
        let (name, value) = split(line);
        match name {
            _ if self.block.oversized => {}
            b"" => {
                self.block.comments = true;
                self.comments.push(|| String::from_utf8_lossy(&line[1..]).into_owned());
                return;
            }
            b"data" => {
                if self.block.data_lines == 0 {
                    self.block.first_data = (end - value.len(), value.len());
                }
                self.block.data_lines += 1;
            }
            b"event" => self.block.named = true,
            b"id" if value.contains(&0) => self.ignore(name, value, Ignored::IdHasNul),
            b"id" => {
                let value = String::from_utf8_lossy(value);
                if self.ids.last().map_or("", String::as_str) != value {
                    self.ids.push(value.into_owned());
                }
            }
            b"retry" if value.is_empty() => self.ignore(name, value, Ignored::RetryEmpty),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.final_retry = Some(digits(value));
            }
            b"retry" => self.ignore(name, value, Ignored::RetryNotDigits),
            _ => self.ignore(name, value, Ignored::UnknownField),
        }
        self.block.fields = true;
    }

    fn dispatch(&mut self, next: usize, frames: &mut Frames) {
        let block = std::mem::take(&mut self.block);
        self.final_id = self.ids.len() as u32;
        let kind = match &block {
            BlockState { oversized: true, .. } => FrameKind::Incomplete,
            BlockState { data_lines: 1.., .. } => FrameKind::Event,
            BlockState { fields: false, comments: true, .. } => FrameKind::Comment,
            _ => FrameKind::Block,
        };
        if kind == FrameKind::Block && block.fields {
            self.blocks_without_data += 1;
        }
        let (at, len) = block.first_data;
        frames.push(Frame {
            data: (block.data_lines == 1).then(|| ((at - self.frame) as u32, len as u32)),
            id: if kind == FrameKind::Event { self.final_id } else { 0 },
            named: block.named,
            ..Frame::new(kind, self.frame, next)
        });
        self.frame = next;
    }

    fn ignore(&mut self, name: &[u8], value: &[u8], reason: Ignored) {
        self.ignored_fields.push(|| IgnoredField {
            name: String::from_utf8_lossy(name).into_owned(),
            value: String::from_utf8_lossy(value).into_owned(),
            reason,
        });
    }

    /// Looks at what is new, all at once: where it is UTF-8, no line needs to be looked at by itself.
    fn validate(&mut self, body: &[u8]) {
        // Data that arrives byte by byte is mostly ASCII.
        if let Some([byte]) = body.get(self.valid..)
            && byte.is_ascii()
            && self.invalid.is_none()
        {
            self.valid += 1;
            return;
        }
        if self.invalid.is_some_and(|at| at >= self.line) {
            return;
        }
        if self.invalid.take().is_some() {
            self.valid = self.line;
        }
        let new = &body[self.valid..];
        let new = &new[..new.len() - cut_off(new)];
        // A few bytes are not worth a vectorized search.
        let is_valid = match new.len() {
            0..64 => new.is_ascii() || std::str::from_utf8(new).is_ok(),
            _ => simdutf8::basic::from_utf8(new).is_ok(),
        };
        if is_valid {
            self.valid += new.len();
        } else if let Err(error) = std::str::from_utf8(new) {
            self.valid += error.valid_up_to();
            self.invalid = Some(self.valid);
        }
    }

    /// Counts what in a line, which ends at `end`, is not UTF-8.
    fn count_invalid(&mut self, line: &[u8], end: usize) {
        if end > self.valid && simdutf8::basic::from_utf8(line).is_err() {
            self.invalid_utf8 +=
                line.utf8_chunks().filter(|c| !c.invalid().is_empty()).count() as u64;
        }
    }
}

/// Returns how many bytes at the end begin a character that is not complete.
fn cut_off(bytes: &[u8]) -> usize {
    if bytes.last().is_none_or(u8::is_ascii) {
        return 0;
    }
    let last = bytes.iter().rev().take(3).position(|b| *b >= 0xc0);
    let len = |first: u8| match first {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    };
    last.map(|i| i + 1).filter(|n| len(bytes[bytes.len() - n]) > *n).unwrap_or(0)
}
