//! Events as a client's own decoder makes them, with its departures from the standard as data.
//!
//! It reads the body and not our frames: what a client makes of a web page, of lines of JSON or of
//! a byte order mark follows from its own rules, and from nothing else.

use std::borrow::Cow;
use std::ops::Range;

use crate::frame::eventstream::{Damage, EventStreamMessage};

/// Differences of a client's decoder from the HTML standard.
#[derive(Debug, Clone, Copy)]
pub(super) struct SseRules {
    /// A byte order mark stays in front of the first line, which is then no field that is known.
    pub bom_hides_line: bool,
    /// A line that is not UTF-8 ends the stream; else odd bytes become U+FFFD.
    pub strict_utf8: bool,
    /// Lines that a blank line has to follow to be an event.
    pub dispatch: Dispatch,
}

/// Condition under which a blank line makes an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dispatch {
    /// After a `data` line: the standard.
    Data,
    /// After a `data` line, or an `event` that is not empty: then the data is empty.
    DataOrEvent,
    /// After any field; and once an id was seen, always.
    AnyField,
    /// After a line that begins with `data: `; every other line is part of a payload by itself, which
    /// ends where its braces balance. What is left at the end counts too.
    DataOrJson,
    /// After a `data` line, and at the end of the body: what is left counts too.
    DataOrEnd,
    /// Every line is one by itself, with the line as its data.
    Line,
    /// They are AWS's binary messages.
    Message,
}

/// Result of reading the next bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An event: its name (empty where it has none) and its data.
    Event(String, String),
    /// A line that is not UTF-8, where the client refuses that.
    Invalid,
    /// A binary message, whole or damaged: its bytes.
    Message(Range<usize>),
    /// Nothing more for now.
    More,
}

/// A decoder that remembers how far it has read.
#[derive(Debug, Default)]
pub(super) struct SseDecoder {
    /// The first byte of the line that has no end yet.
    line: usize,
    /// Up to here no line end was found.
    scan: usize,
    after_cr: bool,
    event: String,
    data: Option<String>,
    id: bool,
    retry: bool,
    json: RawLines,
}

/// Lines that are no `data: ` lines, until their braces balance outside of strings.
#[derive(Debug, Default)]
struct RawLines {
    text: String,
    depth: i64,
    in_string: bool,
    escaped: bool,
}

impl RawLines {
    /// Adds a line; returns the payload once it is complete.
    fn add(&mut self, line: &str) -> Option<String> {
        for c in line.chars() {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' if self.in_string => self.escaped = true,
                '"' => self.in_string = !self.in_string,
                '{' if !self.in_string => self.depth += 1,
                '}' if !self.in_string => self.depth -= 1,
                _ => {}
            }
        }
        self.text.push_str(line);
        (self.depth == 0).then(|| std::mem::take(self).text)
    }
}

impl SseDecoder {
    /// The offset behind what was read.
    pub(super) fn offset(&self) -> usize {
        self.line
    }

    /// Returns the next event of `body`, the whole body received so far.
    pub(super) fn next(&mut self, body: &[u8], rules: &SseRules) -> Next {
        if rules.dispatch == Dispatch::Message {
            return self.message(body);
        }
        loop {
            if self.after_cr && self.line < body.len() {
                self.after_cr = false;
                self.line += usize::from(body[self.line] == b'\n');
            }
            let from = self.scan.max(self.line);
            let Some(len) = memchr::memchr2(b'\n', b'\r', body.get(from..).unwrap_or_default())
            else {
                self.scan = body.len();
                return Next::More;
            };
            let end = from + len;
            let mut line = &body[self.line..end];
            if self.line == 0 && !rules.bom_hides_line {
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            self.after_cr = body[end] == b'\r';
            self.line = end + 1;
            self.scan = self.line;
            let text = String::from_utf8_lossy(line);
            if rules.strict_utf8 && matches!(text, Cow::Owned(_)) {
                return Next::Invalid;
            }
            if let Some(event) = self.line(&text, rules.dispatch) {
                return event;
            }
        }
    }

    /// Returns the next message. A damaged one continues to the end of the body.
    fn message(&mut self, body: &[u8]) -> Next {
        let rest = body.get(self.line..).unwrap_or_default();
        let message = EventStreamMessage::of(rest);
        let start = self.line;
        self.line = match message.damage() {
            Some(Damage::Short(..)) => return Next::More,
            Some(Damage::Prelude | Damage::Message) => body.len(),
            None => start + message.whole().len(),
        };
        Next::Message(start..self.line)
    }

    /// Returns what is left at the end of the body, if a client reads that too.
    pub(super) fn finish(&mut self, body: &[u8], rules: &SseRules) -> Next {
        let rest = body.get(self.line..).unwrap_or_default();
        self.line = body.len();
        let rest = String::from_utf8_lossy(rest);
        if rules.strict_utf8 && matches!(rest, Cow::Owned(_)) {
            return Next::Invalid;
        }
        if !matches!(rules.dispatch, Dispatch::DataOrJson | Dispatch::DataOrEnd | Dispatch::Line) {
            return Next::More;
        }
        if !rest.is_empty()
            && let Some(event) = self.line(&rest, rules.dispatch)
        {
            return event;
        }
        let left = Some(std::mem::take(&mut self.json).text).filter(|text| !text.is_empty());
        match left.or_else(|| self.data.take()) {
            Some(data) => Next::Event(String::new(), data),
            None => Next::More,
        }
    }

    fn line(&mut self, text: &str, dispatch: Dispatch) -> Option<Next> {
        if dispatch == Dispatch::Line {
            return Some(Next::Event(String::new(), text.to_owned()));
        }
        if text.is_empty() {
            return self.dispatch(dispatch);
        }
        if dispatch == Dispatch::DataOrJson && !text.starts_with("data: ") {
            return self.json.add(text).map(|json| Next::Event(String::new(), json));
        }
        self.field(text);
        None
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "event" => value.clone_into(&mut self.event),
            "id" => self.id = !value.is_empty() && !value.contains('\0'),
            "retry" => self.retry |= value.trim().parse::<i64>().is_ok(),
            _ => {}
        }
    }

    fn dispatch(&mut self, rule: Dispatch) -> Option<Next> {
        let named = !self.event.is_empty();
        let is_event = match rule {
            Dispatch::Data | Dispatch::DataOrJson | Dispatch::DataOrEnd => self.data.is_some(),
            Dispatch::Line | Dispatch::Message => false,
            Dispatch::DataOrEvent => self.data.is_some() || named,
            Dispatch::AnyField => self.data.is_some() || named || self.id || self.retry,
        };
        self.retry = false;
        let event = std::mem::take(&mut self.event);
        let data = self.data.take();
        is_event.then(|| Next::Event(event, data.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(body: &[u8], dispatch: Dispatch, bom_hides_line: bool) -> Vec<(String, String)> {
        let rules = SseRules { bom_hides_line, strict_utf8: true, dispatch };
        // Feed the body byte by byte: where reads are split must not matter.
        let mut decoder = SseDecoder::default();
        let mut all = Vec::new();
        for end in 0..=body.len() {
            while let Next::Event(event, data) = decoder.next(&body[..end], &rules) {
                all.push((event, data));
            }
        }
        all
    }

    fn pair(event: &str, data: &str) -> (String, String) {
        (event.into(), data.into())
    }

    #[test]
    fn line_ends_of_all_kinds_and_joined_data() {
        let body = b"data: a\r\ndata: b\r\n\r\ndata:c\r\rdata:  d\n\ndata: lost";
        let want = [pair("", "a\nb"), pair("", "c"), pair("", " d")];
        assert_eq!(events(body, Dispatch::Data, false), want);
    }

    #[test]
    fn a_mark_hides_the_first_line_or_not() {
        let body = b"\xef\xbb\xbfdata: a\n\ndata: b\n\n";
        assert_eq!(events(body, Dispatch::Data, false).len(), 2);
        assert_eq!(events(body, Dispatch::Data, true), [pair("", "b")]);
    }

    #[test]
    fn an_id_makes_every_blank_line_an_event_in_python() {
        let body = b"id: 7\ndata: a\n\n: ping\n\n";
        assert_eq!(events(body, Dispatch::DataOrEvent, false), [pair("", "a")]);
        assert_eq!(events(body, Dispatch::AnyField, false), [pair("", "a"), pair("", "")]);
    }

    #[test]
    fn a_line_that_is_no_text_ends_it() {
        let rules = SseRules { bom_hides_line: true, strict_utf8: true, dispatch: Dispatch::Data };
        assert_eq!(SseDecoder::default().next(b"data: \xff\n\n", &rules), Next::Invalid);
    }
}
