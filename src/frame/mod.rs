//! Frames: what the bytes of a body are divided into.
//!
//! The frames of a body tile it: no gap, no overlap, no byte lost, whatever the body is. Framing
//! works on the body after its content coding and never copies: a frame is a span. Which framing a
//! body has is decided by its bytes; the header only settles what the bytes leave open
//! ([`sniff`]). All of it is linear in the body's length for any cutting into reads.

mod array;
pub mod eventstream;
mod frames;
mod lines;
pub mod packed;
mod sniff;
pub mod sse;
pub mod web_socket;

pub use frames::Frames;
pub use sniff::Hint;

/// The longest frame, in bytes. What is longer is reported as `incomplete` frames of this length.
pub const MAX_FRAME: usize = 256 << 20;

/// A way to divide a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Framing {
    /// Server-sent events, HTML standard §9.2.6.
    Sse,
    /// One JSON value a line.
    Ndjson,
    /// One JSON array, streamed element by element.
    Array,
    /// AWS's binary messages, `application/vnd.amazon.eventstream`.
    EventStream,
    /// The messages of a WebSocket, in both directions.
    WebSocket,
    /// Not divided: one JSON document, a web page, plain text.
    Whole,
}

impl Framing {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The kind of a frame; the names are those of the output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum FrameKind {
    /// An SSE event that the HTML standard dispatches.
    Event,
    /// An SSE block of comments only.
    Comment,
    /// Any other SSE block: fields without `data`, raw lines, a stray blank line.
    Block,
    /// Bytes left at the end that no blank line or line end completed.
    Incomplete,
    /// One NDJSON line.
    Line,
    /// One element of a streamed JSON array, with what precedes it.
    Element,
    /// One AWS eventstream message.
    Message,
    /// One message of a WebSocket, or a control frame.
    Ws,
    /// A body that is no stream, whole.
    Body,
}

impl FrameKind {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One frame: a span of the (decoded) body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// Kind of the frame.
    pub kind: FrameKind,
    /// Place of its data, if that is one piece: (start relative to `offset`, length).
    data: Option<(u32, u32)>,
    /// Index of its last event id in [`sse::Sse::id`].
    id: u32,
    /// It has an `event` line.
    named: bool,
}

impl Frame {
    fn new(kind: FrameKind, from: usize, to: usize) -> Self {
        Self { offset: from as u64, len: (to - from) as u64, kind, data: None, id: 0, named: false }
    }

    /// The frame of a WebSocket's message whose payload is the last `len` bytes of a body of
    /// `end` bytes; `text` is where in the payload its text is.
    pub(crate) fn of_message(
        kind: FrameKind,
        end: usize,
        len: usize,
        text: Option<std::ops::Range<usize>>,
    ) -> Self {
        let data = text.map(|text| (text.start as u32, text.len() as u32));
        Self { data, ..Self::new(kind, end - len, end) }
    }

    /// Its bytes, out of the whole body.
    pub fn bytes<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        let from = (self.offset as usize).min(body.len());
        &body[from..(from + self.len as usize).min(body.len())]
    }

    /// Returns whether it has an `event` line, or, for a line, a code in front of its value. Without one, an
    /// event's type is `message`.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// The index of its last event id among those of the stream.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The offset after it.
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }

    /// Returns the span of its data in the body, if it is one piece of it.
    pub fn data_span(&self) -> Option<std::ops::Range<usize>> {
        let (at, len) = self.data?;
        let from = self.offset as usize + at as usize;
        Some(from..from + len as usize)
    }

    /// The payload: an event's data as the standard joins it, a line without its line end, an
    /// element's value, a message's payload, a whole body. `None` for the other kinds. Bytes that
    /// are not UTF-8 are replaced as the Encoding Standard does.
    pub fn data<'a>(&self, body: &'a [u8]) -> Option<std::borrow::Cow<'a, str>> {
        if let Some(span) = self.data_span() {
            return Some(crate::text::lossy(&body[span]));
        }
        match self.kind {
            FrameKind::Event => Some(sse::SseBlock::of(self, body).data().into()),
            FrameKind::Line | FrameKind::Body => {
                // A byte order mark is no part of the text that it marks.
                let bytes = self.bytes(body);
                Some(crate::text::lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)))
            }
            FrameKind::Comment
            | FrameKind::Block
            | FrameKind::Incomplete
            | FrameKind::Element
            | FrameKind::Message
            | FrameKind::Ws => None,
        }
    }
}

/// Divides a body into frames as it arrives.
#[derive(Debug, Clone)]
pub struct Framer {
    state: FramerState,
}

#[derive(Debug, Clone)]
enum FramerState {
    Undecided(sniff::Sniffer),
    Sse(Box<sse::Sse>),
    Lines(lines::Lines),
    Array(array::Array),
    EventStream(eventstream::EventStream),
    /// Messages are divided by their own reader ([`web_socket`]).
    WebSocket,
    Whole,
}

impl Default for Framer {
    /// A framer of a body of which nothing is known.
    fn default() -> Self {
        Self::new(Hint::default())
    }
}

impl Framer {
    /// A framer for one body, with what is known beforehand.
    pub fn new(hint: Hint) -> Self {
        Self { state: FramerState::Undecided(sniff::Sniffer::new(hint)) }
    }

    /// A framer for the messages of a WebSocket, which are divided before they are a body.
    pub fn of_messages() -> Self {
        Self { state: FramerState::WebSocket }
    }

    /// Appends the frames that are complete in `body`, the whole body so far. Call it after each
    /// read with the same body grown longer.
    pub fn push(&mut self, body: &[u8], frames: &mut Frames) {
        if let FramerState::Undecided(sniffer) = &mut self.state {
            match sniffer.decide(body, false) {
                Some(framing) => self.choose(framing),
                None => return,
            }
        }
        match &mut self.state {
            FramerState::Sse(sse) => sse.push(body, frames),
            FramerState::Lines(lines) => lines.push(body, frames),
            FramerState::Array(array) => array.push(body, frames),
            FramerState::EventStream(messages) => messages.push(body, frames),
            FramerState::Undecided(_) | FramerState::Whole | FramerState::WebSocket => {}
        }
    }

    /// The body is over: appends what is left.
    pub fn finish(&mut self, body: &[u8], frames: &mut Frames) {
        self.push(body, frames);
        if let FramerState::Undecided(sniffer) = &mut self.state {
            let framing = sniffer.decide(body, true).unwrap_or(Framing::Whole);
            self.choose(framing);
            self.push(body, frames);
        }
        match &mut self.state {
            FramerState::Sse(sse) => sse.finish(body, frames),
            FramerState::Lines(lines) => lines.finish(body, frames),
            FramerState::Array(array) => array.finish(body, frames),
            FramerState::EventStream(messages) => messages.finish(body, frames),
            FramerState::WebSocket => {}
            FramerState::Undecided(_) | FramerState::Whole => {
                if !body.is_empty() {
                    frames.push(Frame::new(FrameKind::Body, 0, body.len()));
                }
            }
        }
    }

    /// The body of which nothing could be decoded, as one `incomplete` frame.
    pub fn give_up(body: &[u8], frames: &mut Frames) {
        if !body.is_empty() {
            frames.push(Frame::new(FrameKind::Incomplete, 0, body.len()));
        }
    }

    /// Returns where the next frame of an event stream begins, and the number of its event id if it has no
    /// `id` line. `None` for other framings, and if some of the frame was looked at already.
    #[inline]
    pub(crate) fn next_event(&self) -> Option<(usize, u32)> {
        let FramerState::Sse(sse) = &self.state else { return None };
        Some((sse.next_frame()?, sse.id_number()))
    }

    /// Takes that frame, which is `len` bytes long and known to be a plain event, without looking at it.
    #[inline]
    pub(crate) fn take_plain(
        &mut self,
        event: sse::PlainEvent,
        len: usize,
        frames: &mut Frames,
    ) -> Option<Frame> {
        let FramerState::Sse(sse) = &mut self.state else { return None };
        let frame = sse.take_plain(event, len);
        frames.push(frame);
        Some(frame)
    }

    fn choose(&mut self, framing: Framing) {
        self.state = match framing {
            Framing::Sse => FramerState::Sse(Box::default()),
            Framing::Ndjson => FramerState::Lines(lines::Lines::default()),
            Framing::Array => FramerState::Array(array::Array::default()),
            Framing::EventStream => FramerState::EventStream(eventstream::EventStream::default()),
            Framing::WebSocket => FramerState::WebSocket,
            Framing::Whole => FramerState::Whole,
        };
    }

    /// The framing, once the bytes have decided it.
    pub fn framing(&self) -> Option<Framing> {
        match &self.state {
            FramerState::Undecided(_) => None,
            FramerState::Sse(_) => Some(Framing::Sse),
            FramerState::Lines(_) => Some(Framing::Ndjson),
            FramerState::Array(_) => Some(Framing::Array),
            FramerState::EventStream(_) => Some(Framing::EventStream),
            FramerState::WebSocket => Some(Framing::WebSocket),
            FramerState::Whole => Some(Framing::Whole),
        }
    }

    /// Returns whether a streamed array had its closing bracket; `None` for a body that is not an array.
    pub fn array_is_closed(&self) -> Option<bool> {
        match &self.state {
            FramerState::Array(array) => Some(array.is_closed()),
            _ => None,
        }
    }

    /// Returns what the SSE framer saw besides the frames.
    pub fn sse(&self) -> Option<&sse::Sse> {
        match &self.state {
            FramerState::Sse(sse) => Some(sse),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
