//! NDJSON: one JSON value a line, lines ended by LF (a CR before it belongs to the line end). A line
//! may have a code in front of its value (`0:"Hel"`), as the AI SDK's data stream has.

use super::{Frame, FrameKind, Frames, MAX_FRAME};
use crate::json::Tape;

#[derive(Debug, Default, Clone)]
pub(super) struct Lines {
    /// Start of the current line.
    line: usize,
    /// Up to here no line end was found.
    scan: usize,
}

impl Lines {
    pub(super) fn push(&mut self, body: &[u8], frames: &mut Frames) {
        while let Some(i) = memchr::memchr(b'\n', &body[self.scan..]) {
            let end = self.scan + i + 1;
            self.bound(end, frames);
            frames.push(line(body, self.line, end));
            self.line = end;
            self.scan = end;
        }
        self.scan = body.len();
        self.bound(body.len(), frames);
    }

    pub(super) fn finish(&mut self, body: &[u8], frames: &mut Frames) {
        if self.line == body.len() {
            return;
        }
        // The last line may lack its line end; its JSON shows whether it is complete.
        let rest = &body[self.line..];
        let value = &rest[code(rest).unwrap_or(0)..];
        let whole = std::str::from_utf8(value).is_ok_and(|text| Tape::new().parse(text).is_ok());
        frames.push(if whole {
            line(body, self.line, body.len())
        } else {
            Frame::new(FrameKind::Incomplete, self.line, body.len())
        });
        self.line = body.len();
    }

    fn bound(&mut self, end: usize, frames: &mut Frames) {
        while end - self.line > MAX_FRAME {
            frames.push(Frame::new(FrameKind::Incomplete, self.line, self.line + MAX_FRAME));
            self.line += MAX_FRAME;
        }
    }
}

fn line(body: &[u8], from: usize, to: usize) -> Frame {
    let text = &body[from..to];
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let bom = if from == 0 && text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let code = code(text);
    let skip = code.unwrap_or(bom) as u32;
    let data = Some((skip, text.len() as u32 - skip));
    Frame { data, named: code.is_some(), ..Frame::new(FrameKind::Line, from, to) }
}

/// The length of the code in front of a line's value, where it has one: a digit or a letter up to
/// `k`, and a colon.
pub(super) fn code(line: &[u8]) -> Option<usize> {
    matches!(line, [b'0'..=b'9' | b'a'..=b'k', b':', b'"' | b'{' | b'[', ..]).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::super::{Framer, Frames, Framing, Hint};
    use super::FrameKind;

    fn frames(body: &str) -> (Option<Framing>, Frames) {
        let mut framer = Framer::new(Hint::default());
        let mut frames = Frames::default();
        framer.push(&body.as_bytes()[..body.len() / 2], &mut frames);
        framer.finish(body.as_bytes(), &mut frames);
        (framer.framing(), frames)
    }

    #[test]
    fn lines_with_codes_are_known_by_two_of_them() {
        let body = "f:{\"messageId\":\"m\"}\r\n0:\"Hel\"\nd:{}";
        let (framing, frames) = frames(body);
        assert_eq!(framing, Some(Framing::Ndjson));
        let data: Vec<_> = frames.iter().map(|f| f.data(body.as_bytes()).unwrap()).collect();
        assert_eq!(data, ["{\"messageId\":\"m\"}", "\"Hel\"", "{}"]);
        assert!(frames.iter().all(|f| f.is_named()));
    }

    #[test]
    fn one_that_is_cut_in_its_second_line_and_those_that_are_none() {
        let (framing, cut) = frames("f:{\"messageId\":\"m\"}\n0:\"He");
        assert_eq!(framing, Some(Framing::Ndjson));
        assert_eq!(cut.last().map(|f| f.kind), Some(FrameKind::Incomplete));
        for body in ["a: b\nc: d\n", "0:1\n", "a:\"x\"\nplain\n", "b:{oops}\n"] {
            assert_eq!(frames(body).0, Some(Framing::Whole), "{body}");
        }
        assert_eq!(frames("data:\"x\"\n\n").0, Some(Framing::Sse));
    }
}
