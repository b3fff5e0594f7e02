//! NDJSON: one JSON value a line, lines ended by LF (a CR before it belongs to the line end).

use super::{Frame, Kind, MAX_FRAME};
use crate::json::Tape;

#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Start of the current line.
    line: usize,
    /// Up to here no line end was found.
    scan: usize,
}

impl Lines {
    pub(super) fn push(&mut self, body: &[u8], frames: &mut Vec<Frame>) {
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

    pub(super) fn finish(&mut self, body: &[u8], frames: &mut Vec<Frame>) {
        if self.line == body.len() {
            return;
        }
        // The last line may go without its line end; whether it is whole, its JSON tells.
        let whole = std::str::from_utf8(&body[self.line..])
            .is_ok_and(|text| Tape::new().parse(text).is_ok());
        frames.push(if whole {
            line(body, self.line, body.len())
        } else {
            Frame::new(Kind::Incomplete, self.line, body.len())
        });
        self.line = body.len();
    }

    fn bound(&mut self, end: usize, frames: &mut Vec<Frame>) {
        while end - self.line > MAX_FRAME {
            frames.push(Frame::new(Kind::Incomplete, self.line, self.line + MAX_FRAME));
            self.line += MAX_FRAME;
        }
    }
}

fn line(body: &[u8], from: usize, to: usize) -> Frame {
    let text = &body[from..to];
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let bom = if from == 0 && text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    Frame { data: Some((bom, text.len() as u32 - bom)), ..Frame::new(Kind::Line, from, to) }
}
