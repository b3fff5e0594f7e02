//! A JSON array that is streamed element by element (Gemini without `alt=sse`).
//!
//! A frame is an element with the brackets, commas and white space before it; the last one includes what
//! follows. Only the next bytes show which is the last: an element is held back until its comma, the next
//! element, or the end.

use super::{Frame, FrameKind, Frames, MAX_FRAME};

#[derive(Debug, Default, Clone)]
pub(super) struct Array {
    /// Start of the frame that is being collected.
    from: usize,
    /// Up to here the bytes have been looked at.
    scan: usize,
    /// Position of the scan in the array.
    place: ArrayState,
    /// Start of the current element's value.
    value: usize,
    /// An element that is whole and may be the last: where its value ends.
    held: Option<usize>,
    /// True if the current frame lost its beginning to [`MAX_FRAME`].
    cut: bool,
}

/// A position of the scan in the array.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ArrayState {
    /// Before the opening bracket.
    #[default]
    Start,
    /// Between elements.
    Between,
    /// In an object or array, so deep.
    Deep(u32),
    /// In a string, so deep.
    Text(u32),
    /// After a backslash in a string, so deep.
    Escape(u32),
    /// In an element that is a number or a word.
    Word,
    /// After the closing bracket.
    Closed,
}

impl Array {
    /// Returns whether the closing bracket arrived.
    pub(super) fn is_closed(&self) -> bool {
        self.place == ArrayState::Closed
    }

    pub(super) fn push(&mut self, body: &[u8], frames: &mut Frames) {
        while let Some(&byte) = body.get(self.scan) {
            let at = self.scan;
            self.scan += 1;
            match self.place {
                ArrayState::Start if byte == b'[' => self.place = ArrayState::Between,
                ArrayState::Start => {}
                ArrayState::Between => self.between(byte, at, frames),
                ArrayState::Deep(depth) => match byte {
                    b'"' => self.place = ArrayState::Text(depth),
                    b'{' | b'[' => self.place = ArrayState::Deep(depth.saturating_add(1)),
                    b'}' | b']' if depth <= 1 => self.hold(at + 1),
                    b'}' | b']' => self.place = ArrayState::Deep(depth - 1),
                    _ => {}
                },
                ArrayState::Text(depth) => {
                    // Most of a stream is text: it is skipped, not looked at byte by byte.
                    match memchr::memchr2(b'"', b'\\', &body[at..]) {
                        Some(i) => {
                            self.scan = at + i + 1;
                            self.place = match (body[at + i], depth) {
                                (b'\\', _) => ArrayState::Escape(depth),
                                (_, 0) => {
                                    self.hold(at + i + 1);
                                    continue;
                                }
                                _ => ArrayState::Deep(depth),
                            };
                        }
                        None => self.scan = body.len(),
                    }
                }
                ArrayState::Escape(depth) => self.place = ArrayState::Text(depth),
                ArrayState::Word => {
                    if matches!(byte, b',' | b']' | b' ' | b'\t' | b'\r' | b'\n') {
                        self.hold(at);
                        self.between(byte, at, frames);
                    }
                }
                ArrayState::Closed => self.scan = body.len(),
            }
        }
        if self.held.is_none() {
            self.bound(body.len(), frames);
        }
    }

    /// A byte between elements.
    fn between(&mut self, byte: u8, at: usize, frames: &mut Frames) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b',' => self.release(frames),
            b']' => self.place = ArrayState::Closed,
            _ => {
                self.release(frames);
                self.value = at;
                self.place = match byte {
                    b'{' | b'[' => ArrayState::Deep(1),
                    b'"' => ArrayState::Text(0),
                    _ => ArrayState::Word,
                };
            }
        }
    }

    /// An element is whole; whether it is the last is not known yet.
    fn hold(&mut self, end: usize) {
        self.held = Some(end);
        self.place = ArrayState::Between;
    }

    /// The held element is not the last.
    fn release(&mut self, frames: &mut Frames) {
        if let Some(end) = self.held.take() {
            self.element(end, end, frames);
        }
    }

    /// Reports an element whose value ends at `value_end` as a frame that ends at `end`.
    fn element(&mut self, value_end: usize, end: usize, frames: &mut Frames) {
        self.bound(end, frames);
        let mut frame = Frame::new(
            if self.cut { FrameKind::Incomplete } else { FrameKind::Element },
            self.from,
            end,
        );
        if !self.cut {
            frame.data = Some(((self.value - self.from) as u32, (value_end - self.value) as u32));
        }
        frames.push(frame);
        self.from = end;
        self.cut = false;
    }

    pub(super) fn finish(&mut self, body: &[u8], frames: &mut Frames) {
        if self.place == ArrayState::Word {
            // Only what follows a number shows that it is complete.
            self.place = ArrayState::Deep(1);
        }
        let whole = matches!(self.place, ArrayState::Between | ArrayState::Closed);
        match self.held.take() {
            Some(value_end) if whole => self.element(value_end, body.len(), frames),
            Some(value_end) => self.element(value_end, value_end, frames),
            None => {}
        }
        if self.from == body.len() {
            return;
        }
        self.bound(body.len(), frames);
        // An array without elements is reported as one frame: there is nothing to split.
        let empty = self.place == ArrayState::Closed && frames.is_empty();
        let kind = if empty { FrameKind::Body } else { FrameKind::Incomplete };
        frames.push(Frame::new(kind, self.from, body.len()));
        self.from = body.len();
    }

    fn bound(&mut self, end: usize, frames: &mut Frames) {
        while end - self.from > MAX_FRAME {
            frames.push(Frame::new(FrameKind::Incomplete, self.from, self.from + MAX_FRAME));
            self.from += MAX_FRAME;
            self.cut = true;
        }
    }
}
