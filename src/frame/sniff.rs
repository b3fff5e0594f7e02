//! The choice of a body's framing: the bytes decide, the header settles what they leave open.
//!
//! Servers label streams wrongly in both directions (an error page as `text/event-stream`, a stream as
//! `text/plain`), and a client that believes the label shows nothing. The decision depends on the bytes and the
//! hint alone, not on how the bytes were split into reads.

use super::{Framing, eventstream, lines};
use crate::json::Tape;

/// Facts about a body that are known before its first byte.
#[derive(Debug, Clone, Default)]
pub struct Hint {
    /// The `content-type` header's value.
    pub content_type: Option<String>,
    /// True if the body is from a file that is named like an SSE body.
    pub named_sse: bool,
}

impl Hint {
    /// The media type without parameters, lower case; empty if there is none.
    pub fn media_type(&self) -> String {
        media_type(self.content_type.as_deref().unwrap_or_default())
    }
}

/// The media type of a `content-type` value, without parameters, lower case.
pub(crate) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[derive(Debug, Clone)]
pub(super) struct Sniffer {
    /// The header (or the file's name) says SSE.
    sse: bool,
    /// The header says one JSON value a line.
    ndjson: bool,
    /// The header says AWS's binary messages.
    eventstream: bool,
    /// Up to here the body is blank.
    blank: usize,
    /// Start of the line that is looked at.
    line: usize,
    /// Up to here that line has no end, or nothing but blanks follows an opening bracket.
    scan: usize,
    /// True if the first line that is not blank is a JSON value by itself.
    first_line_is_json: Option<bool>,
}

impl Sniffer {
    pub(super) fn new(hint: Hint) -> Self {
        let media = hint.media_type();
        let ndjson = ["ndjson", "jsonl", "jsonlines", "stream+json", "json-seq"];
        Self {
            sse: media == "text/event-stream" || (media.is_empty() && hint.named_sse),
            ndjson: ndjson.iter().any(|n| media.ends_with(n)),
            eventstream: media == "application/vnd.amazon.eventstream",
            blank: 0,
            line: 0,
            scan: 0,
            first_line_is_json: None,
        }
    }

    /// The framing of `body`, as soon as it is certain; at the `end` of the body it always is.
    pub(super) fn decide(&mut self, body: &[u8], end: bool) -> Option<Framing> {
        // A binary message starts with its length, whose first byte is one that no text begins with.
        if body.first().is_some_and(|b| *b <= 1) {
            if eventstream::prelude(body).is_some() || self.eventstream {
                return Some(Framing::EventStream);
            }
            if body.len() < eventstream::PRELUDE && !end {
                return None;
            }
        }
        let bom: &[u8] = b"\xef\xbb\xbf";
        let content = body.strip_prefix(bom).unwrap_or(body);
        self.blank = skip_blanks(body, self.blank.max(body.len() - content.len()));
        let start = self.blank;
        let rest = if self.sse { Framing::Sse } else { Framing::Whole };
        let Some(&first) = body.get(start) else {
            return end.then_some(if body.is_empty() { Framing::Whole } else { rest });
        };
        if bom.starts_with(&body[..body.len().min(3)]) && body.len() < 3 && !end {
            return None;
        }
        match first {
            b'[' if !self.sse && !self.ndjson => self.array(body, start + 1, end),
            b'<' | b'[' => Some(Framing::Whole),
            b'{' if self.ndjson => Some(Framing::Ndjson),
            b'{' => self.second_line(body, start, end),
            _ if self.sse => Some(Framing::Sse),
            _ => self.first_field(body, start, end),
        }
    }

    /// Decides for a body that begins with `{`: the line after the first shows whether it is NDJSON, events
    /// after a raw JSON line, or one document.
    fn second_line(&mut self, body: &[u8], start: usize, end: bool) -> Option<Framing> {
        let found = self.lines(body, start, end, |sniffer, line, whole| {
            match sniffer.first_line_is_json {
                None if whole => {
                    let json =
                        std::str::from_utf8(line).is_ok_and(|t| Tape::new().parse(t).is_ok());
                    sniffer.first_line_is_json = Some(json);
                    None
                }
                None => None,
                Some(json) => match line.iter().find(|b| !b.is_ascii_whitespace()) {
                    Some(b'{') if json => Some(Framing::Ndjson),
                    _ if looks_like_field(line) => Some(Framing::Sse),
                    // After its first line, a single document reveals nothing more.
                    Some(_) if json && whole => Some(Framing::Whole),
                    _ => None,
                },
            }
        });
        // The only message of a socket that was closed at once.
        match found {
            Some(Framing::Whole) if self.line == body.len() && is_message(&body[start..]) => {
                Some(Framing::Ndjson)
            }
            found => found,
        }
    }

    /// A body that begins with something else and is not labeled as SSE: it is SSE if a line of
    /// it is a field or comment, and lines of JSON if each has a code in front.
    fn first_field(&mut self, body: &[u8], start: usize, end: bool) -> Option<Framing> {
        let found = self.lines(body, start, end, |sniffer, line, whole| {
            if looks_like_field(line) {
                return Some(Framing::Sse);
            }
            let coded = whole && is_coded(line);
            match sniffer.first_line_is_json {
                None if whole => sniffer.first_line_is_json = Some(coded),
                Some(true) if coded => return Some(Framing::Ndjson),
                _ => {}
            }
            None
        });
        // At the end of the body one such line is enough, even with the beginning of another after it.
        let ends = |b: &u8| matches!(b, b'\n' | b'\r');
        let mut lines = body[start..].split(ends).filter(|line| !line.is_empty());
        if found == Some(Framing::Whole)
            && lines.next().is_some_and(is_coded)
            && lines.next().is_none_or(|line| body.ends_with(line))
        {
            return Some(Framing::Ndjson);
        }
        found
    }

    /// A body that begins with `[`, before `inside`: an array of objects is a stream of them.
    fn array(&mut self, body: &[u8], inside: usize, end: bool) -> Option<Framing> {
        self.scan = skip_blanks(body, self.scan.max(inside));
        match body.get(self.scan) {
            Some(b'{' | b']') => Some(Framing::Array),
            Some(_) => Some(Framing::Whole),
            None => end.then_some(Framing::Array),
        }
    }

    /// Passes each line to `look` once it is whole, and the last one as far as it is there. Continues where
    /// it stopped the last time.
    fn lines(
        &mut self,
        body: &[u8],
        start: usize,
        end: bool,
        look: impl Fn(&mut Self, &[u8], bool) -> Option<Framing>,
    ) -> Option<Framing> {
        if self.line < start {
            (self.line, self.scan) = (start, start);
        }
        while let Some(i) = memchr::memchr2(b'\n', b'\r', &body[self.scan..]) {
            let stop = self.scan + i;
            let line = self.line;
            (self.line, self.scan) = (stop + 1, stop + 1);
            if stop > line
                && let Some(framing) = look(self, &body[line..stop], true)
            {
                return Some(framing);
            }
        }
        self.scan = body.len();
        // Only the beginning of an unfinished line can decide.
        let beginning = &body[self.line..body.len().min(self.line + 16)];
        if !beginning.is_empty()
            && let Some(framing) = look(self, beginning, false)
        {
            return Some(framing);
        }
        end.then_some(Framing::Whole)
    }
}

/// Returns whether a line is a JSON value with a code in front.
fn is_coded(line: &[u8]) -> bool {
    lines::code(line)
        .and_then(|code| std::str::from_utf8(&line[code..]).ok())
        .is_some_and(|value| Tape::new().parse(value).is_ok())
}

/// Returns whether a line is a WebSocket message, which no whole answer looks like: an event with a number or
/// an id.
fn is_message(line: &[u8]) -> bool {
    let mut tape = Tape::new();
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let json = tape.parse(text).ok().and_then(|()| tape.root(text));
    json.is_some_and(|j| {
        j.str("type").is_some()
            && ["sequence_number", "event_id"].iter().any(|key| j.get(key).is_some())
    })
}

/// Returns the end of the blanks that begin at `from`.
fn skip_blanks(body: &[u8], from: usize) -> usize {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    from + body[from..].iter().take_while(blank).count()
}

/// Returns whether a line (or its beginning) is a comment or one of the standard's four fields.
fn looks_like_field(line: &[u8]) -> bool {
    line.starts_with(b":")
        || [&b"data:"[..], b"event:", b"id:", b"retry:"].iter().any(|f| line.starts_with(f))
}
