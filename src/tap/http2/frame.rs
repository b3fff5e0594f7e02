//! Frames of HTTP/2 (RFC 9113), read off one direction in reads that are cut anywhere.

use std::ops::Range;

use crate::transport::http1::head::MAX_HEAD;

/// The bytes that a client begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
/// Of SETTINGS, where DATA has `END_STREAM`.
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 0x20;

/// The most bytes kept of the payload of a frame other than DATA and header blocks.
const KEPT: usize = 512;

/// The most bytes of a header block with its frames.
const MAX_BLOCK: usize = MAX_HEAD + (64 << 10);

/// The nine bytes that a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FrameHead(pub(super) [u8; 9]);

impl FrameHead {
    pub(super) fn new(len: usize, kind: u8, flags: u8, stream: u32) -> Self {
        let [_, a, b, c] = (len as u32).to_be_bytes();
        let [d, e, f, g] = stream.to_be_bytes();
        Self([a, b, c, kind, flags, d, e, f, g])
    }

    pub(super) fn len(self) -> usize {
        let [a, b, c, ..] = self.0;
        u32::from_be_bytes([0, a, b, c]) as usize
    }

    pub(super) fn kind(self) -> u8 {
        self.0[3]
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.0[4] & flag != 0
    }

    /// Returns whether it is of a header block.
    pub(super) fn is_of_block(self) -> bool {
        matches!(self.kind(), HEADERS | PUSH_PROMISE | CONTINUATION)
    }

    /// Its stream, 0 for the connection.
    pub(super) fn stream(self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_be_bytes([a, b, c, d]) & (u32::MAX >> 1)
    }
}

/// The fields of a HEADERS or PUSH_PROMISE frame and of the CONTINUATION frames behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HeaderBlock {
    /// The head of the first frame.
    pub(super) head: FrameHead,
    /// Its priority data.
    pub(super) priority: Option<[u8; 5]>,
    /// The coded fields.
    pub(super) coded: Vec<u8>,
    /// All the frames, as they were read.
    pub(super) raw: Vec<u8>,
}

impl HeaderBlock {
    pub(super) fn stream(&self) -> u32 {
        self.head.stream()
    }

    /// Returns whether the stream ends with it.
    pub(super) fn ends_stream(&self) -> bool {
        self.head.has(END_STREAM) && !self.is_promise()
    }

    /// Returns whether it is of a request that the server makes itself.
    pub(super) fn is_promise(&self) -> bool {
        self.head.kind() == PUSH_PROMISE
    }
}

/// The items found in a read, in order. Ranges are of the read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Http2Found {
    /// A frame begins that is no header block; its head is complete.
    Frame(FrameHead),
    /// More of what follows a head, or of the preface.
    Payload(Range<usize>),
    /// The data in the payload that was found last.
    Data(u32, Range<usize>),
    /// The frame that began is complete. Of a frame without data, the beginning of its payload.
    End(FrameHead, Vec<u8>),
    /// A header block is complete. Nothing of it was found before.
    Block(HeaderBlock),
    /// This is not HTTP/2 any more, and was held back until it was known.
    Lost(FrameError, Vec<u8>),
    /// The bytes that follow that.
    Rest(Range<usize>),
}

/// Reason that frames cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the connection does not begin as HTTP/2")]
    Preface,
    #[error("they do not begin with SETTINGS")]
    NoSettings,
    #[error("a frame of type {0} is inside a header block")]
    Inside(u8),
    #[error("a CONTINUATION frame follows no header block")]
    Continuation,
    #[error("a frame of type {0} belongs to no stream")]
    NoStream(u8),
    #[error("a frame has more padding than payload")]
    Padding,
    #[error("a header block is longer than 1 MiB")]
    Long,
}

#[derive(Debug)]
enum FrameReaderState {
    /// So much of the preface was read.
    Preface(usize),
    /// Inside the head of a frame.
    Head,
    /// Inside a payload that is passed on.
    Payload,
    /// Inside the payload of a header block, which is held.
    Held,
    Lost,
}

/// Reads one direction.
#[derive(Debug)]
pub(super) struct FrameReader {
    state: FrameReaderState,
    head: [u8; 9],
    /// Number of bytes of the head that were read.
    have: usize,
    /// Number of bytes of the payload that were read.
    at: usize,
    /// The length of the padding.
    padding: usize,
    kept: Vec<u8>,
    block: Option<HeaderBlock>,
    /// The next frame has to be SETTINGS.
    needs_settings: bool,
}

impl FrameReader {
    fn new(state: FrameReaderState) -> Self {
        Self {
            needs_settings: matches!(state, FrameReaderState::Head),
            state,
            head: [0; 9],
            have: 0,
            at: 0,
            padding: 0,
            kept: Vec::new(),
            block: None,
        }
    }

    /// Reads what a client sends.
    pub(super) fn of_client() -> Self {
        Self::new(FrameReaderState::Preface(0))
    }

    /// Reads what a server sends.
    pub(super) fn of_server() -> Self {
        Self::new(FrameReaderState::Head)
    }

    /// Returns whether a header block or the head of a frame is held back.
    pub(super) fn is_holding(&self) -> bool {
        self.have > 0 && matches!(self.state, FrameReaderState::Head) || self.block.is_some()
    }

    /// Returns what is held back, when nothing more will arrive.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.block.take().map(|block| block.raw).unwrap_or_default();
        if matches!(self.state, FrameReaderState::Head) {
            rest.extend_from_slice(&self.head[..self.have]);
        }
        self.state = FrameReaderState::Lost;
        rest
    }

    /// Takes in a read.
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut impl FnMut(Http2Found)) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let used = match self.state {
                FrameReaderState::Preface(n) => self.preface(n, rest, at, found),
                FrameReaderState::Head => {
                    let used = rest.len().min(self.head.len() - self.have);
                    self.head[self.have..self.have + used].copy_from_slice(&rest[..used]);
                    self.have += used;
                    if self.have == self.head.len() {
                        self.begin(found);
                    }
                    used
                }
                FrameReaderState::Payload => self.payload(rest, at, found),
                FrameReaderState::Held => self.held(rest, found),
                FrameReaderState::Lost => {
                    found(Http2Found::Rest(at..bytes.len()));
                    rest.len()
                }
            };
            at += used;
        }
    }

    fn preface(
        &mut self,
        n: usize,
        rest: &[u8],
        at: usize,
        found: &mut impl FnMut(Http2Found),
    ) -> usize {
        let want = &PREFACE[n..];
        let used = want.len().min(rest.len());
        if rest[..used] != want[..used] {
            self.state = FrameReaderState::Lost;
            found(Http2Found::Lost(FrameError::Preface, Vec::new()));
            return 0;
        }
        found(Http2Found::Payload(at..at + used));
        self.state = match n + used < PREFACE.len() {
            true => FrameReaderState::Preface(n + used),
            false => FrameReaderState::Head,
        };
        used
    }

    /// The head of a frame is complete.
    fn begin(&mut self, found: &mut impl FnMut(Http2Found)) {
        let head = FrameHead(self.head);
        (self.at, self.padding) = (0, 0);
        let (kind, stream) = (head.kind(), head.stream());
        if std::mem::take(&mut self.needs_settings) && kind != SETTINGS {
            return self.lose(FrameError::NoSettings, found);
        }
        let continued = self.block.as_ref().map(HeaderBlock::stream);
        match (continued, kind) {
            (Some(before), CONTINUATION) if before == stream => {}
            (Some(_), _) => return self.lose(FrameError::Inside(kind), found),
            (None, CONTINUATION) => return self.lose(FrameError::Continuation, found),
            (None, DATA | HEADERS | PUSH_PROMISE) if stream == 0 => {
                return self.lose(FrameError::NoStream(kind), found);
            }
            (None, HEADERS | PUSH_PROMISE) => {
                self.block = Some(HeaderBlock { head, ..HeaderBlock::default() });
            }
            (None, _) => {
                self.have = 0;
                self.state = FrameReaderState::Payload;
                found(Http2Found::Frame(head));
                if head.len() == 0 {
                    self.end(head, found);
                }
                return;
            }
        }
        let held = self.block.as_ref().map_or(0, |block| block.raw.len());
        if held + self.head.len() + head.len() > MAX_BLOCK {
            return self.lose(FrameError::Long, found);
        }
        if let Some(block) = &mut self.block {
            block.raw.extend_from_slice(&self.head);
        }
        self.have = 0;
        self.state = FrameReaderState::Held;
        if head.len() == 0 {
            self.fragment(head, found);
        }
    }

    fn payload(&mut self, rest: &[u8], at: usize, found: &mut impl FnMut(Http2Found)) -> usize {
        let head = FrameHead(self.head);
        let used = rest.len().min(head.len() - self.at);
        let padded = head.kind() == DATA && head.has(PADDED);
        if padded && self.at == 0 {
            self.padding = usize::from(rest[0]);
            if self.padding >= head.len() {
                self.state = FrameReaderState::Lost;
                found(Http2Found::Lost(FrameError::Padding, Vec::new()));
                return 0;
            }
        }
        found(Http2Found::Payload(at..at + used));
        if head.kind() == DATA {
            let from = self.at.max(usize::from(padded));
            let to = (self.at + used).min(head.len() - self.padding);
            if from < to {
                let range = at + from - self.at..at + to - self.at;
                found(Http2Found::Data(head.stream(), range));
            }
        } else {
            let room = KEPT.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&rest[..used.min(room)]);
        }
        self.at += used;
        if self.at == head.len() {
            self.end(head, found);
        }
        used
    }

    fn end(&mut self, head: FrameHead, found: &mut impl FnMut(Http2Found)) {
        self.state = FrameReaderState::Head;
        let kept = std::mem::take(&mut self.kept);
        match head.kind() == DATA && head.has(PADDED) && head.len() == 0 {
            true => self.lose(FrameError::Padding, found),
            false => found(Http2Found::End(head, kept)),
        }
    }

    fn held(&mut self, rest: &[u8], found: &mut impl FnMut(Http2Found)) -> usize {
        let head = FrameHead(self.head);
        let used = rest.len().min(head.len() - self.at);
        if let Some(block) = &mut self.block {
            block.raw.extend_from_slice(&rest[..used]);
        }
        self.at += used;
        if self.at == head.len() {
            self.fragment(head, found);
        }
        used
    }

    /// A frame of a header block is complete.
    fn fragment(&mut self, head: FrameHead, found: &mut impl FnMut(Http2Found)) {
        self.state = FrameReaderState::Head;
        let Some(mut block) = self.block.take() else { return };
        let from = block.raw.len() - head.len();
        match content(head, &block.raw[from..]) {
            Some((priority, coded)) => {
                block.priority = block.priority.or(priority);
                let coded = coded.to_vec();
                block.coded.extend_from_slice(&coded);
            }
            None => {
                self.block = Some(block);
                return self.lose(FrameError::Padding, found);
            }
        }
        match head.has(END_HEADERS) {
            true => found(Http2Found::Block(block)),
            false => self.block = Some(block),
        }
    }

    /// From here on nothing is understood.
    fn lose(&mut self, why: FrameError, found: &mut impl FnMut(Http2Found)) {
        let held = self.rest();
        self.have = 0;
        found(Http2Found::Lost(why, held));
    }
}

/// The priority and the coded fields in the payload of a frame; `None` where it is too short.
fn content(head: FrameHead, payload: &[u8]) -> Option<(Option<[u8; 5]>, &[u8])> {
    let kind = head.kind();
    let mut rest = payload;
    if head.has(PADDED) && kind != CONTINUATION {
        let (padding, after) = rest.split_first()?;
        rest = after.get(..after.len().checked_sub(usize::from(*padding))?)?;
    }
    let mut priority = None;
    if kind == HEADERS && head.has(PRIORITY) {
        let (first, after) = rest.split_first_chunk()?;
        (priority, rest) = (Some(*first), after);
    }
    if kind == PUSH_PROMISE {
        rest = rest.get(4..)?;
    }
    Some((priority, rest))
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
