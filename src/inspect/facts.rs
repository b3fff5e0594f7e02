//! Facts known about an exchange, never judged: its bytes, reads, frames and answer, and the way from one to
//! the other. The fold fills them; detectors, client views and comparisons read them.

use super::detection::{Detection, Recognized};
use super::reads::Reads;
use super::web_socket::{WebSocket, WsFrame};
use super::{Answer, ClientView, ContentDecoder, Shape, Timing, blocks};
use crate::dialect::{Dialect, Variant};
use crate::frame::{Frame, Framer, Frames, Framing};
use crate::journal::{EndCause, Head, Headers, Micros, Request, Span};

/// The facts about one exchange.
#[derive(Default)]
pub struct Facts {
    /// The request, if it is known.
    pub request: Option<Box<Request>>,
    /// Of a bare body: the status and content type that the user supplied.
    pub bare: Option<(Option<u16>, Option<String>)>,
    /// Interim (1xx) heads, in order.
    pub interim: Vec<(Option<Micros>, Head)>,
    /// The response head.
    pub head: Option<Head>,
    /// Trailer fields.
    pub trailers: Option<Headers>,
    /// Addresses, peer and TLS as far as known, for display.
    pub connection: Vec<String>,
    /// The end of the exchange, with the HTTP library's words.
    pub end: Option<(EndCause, String)>,
    /// Times when things happened.
    pub timing: Timing,

    pub(super) wire: Vec<u8>,
    pub(super) wire_len: u64,
    pub(super) coding: Option<ContentDecoder>,
    /// Reason that the content coding could not be undone.
    pub coding_error: Option<String>,
    /// True if the coded data were right as far as they arrived, and ended too early.
    pub(super) coding_cut: bool,
    /// Decoding stopped where the recording has `*` for what a coded body held.
    pub(super) withheld: bool,
    pub(super) decoded: Vec<u8>,
    pub(super) reads: Reads,
    /// Spans of the wire body that were masked.
    pub masked: Vec<Span>,

    /// The connection became a WebSocket.
    pub(super) web_socket: Option<Box<WebSocket>>,
    /// Number of its messages that were looked at.
    pub(super) messages_read: usize,
    pub(super) framer: Framer,
    pub(super) frames: Frames,
    /// Indices of the frames that only keep the connection warm.
    pub(super) keep_alives: Vec<u32>,
    pub(super) detection: Detection,
    pub(super) answer: Answer,
    pub(super) blocks: blocks::Blocks,
    pub(super) shape: Shape,
    pub(super) clients: Vec<ClientView>,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Facts({} bytes, {} frames)", self.wire_len, self.frames.len())
    }
}

impl Facts {
    /// The body after its content coding was undone; frames are spans of it. Of a WebSocket, the
    /// messages of both directions.
    pub fn body(&self) -> &[u8] {
        if self.is_decoded() { &self.decoded } else { &self.wire }
    }

    /// Returns whether the body differs from what is on the wire.
    pub fn is_decoded(&self) -> bool {
        self.coding.is_some() || self.web_socket.is_some()
    }

    /// A copy of them, to be looked at: it takes nothing in.
    pub(super) fn copy(&self) -> Self {
        Self {
            request: self.request.clone(),
            bare: self.bare.clone(),
            interim: self.interim.clone(),
            head: self.head.clone(),
            trailers: self.trailers.clone(),
            connection: self.connection.clone(),
            end: self.end.clone(),
            timing: self.timing.clone(),
            wire: self.wire.clone(),
            wire_len: self.wire_len,
            coding: self.coding.clone(),
            coding_error: self.coding_error.clone(),
            coding_cut: self.coding_cut,
            withheld: self.withheld,
            decoded: self.decoded.clone(),
            reads: self.reads.clone(),
            masked: self.masked.clone(),
            messages_read: self.messages_read,
            framer: self.framer.clone(),
            frames: self.frames.clone(),
            keep_alives: self.keep_alives.clone(),
            detection: self.detection.clone(),
            answer: self.answer.clone(),
            blocks: self.blocks.clone(),
            shape: self.shape.clone(),
            clients: self.clients.clone(),
            web_socket: self.web_socket.as_ref().map(|w| Box::new(w.copy())),
        }
    }

    /// Returns the body as it arrived over the wire (after the transfer coding).
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Returns how many bytes of body arrived over the wire.
    pub fn wire_len(&self) -> u64 {
        self.wire_len
    }

    /// Returns whether the coded data were right as far as they arrived, and ended too early.
    pub fn coding_ended_early(&self) -> bool {
        self.coding_cut
    }

    /// Returns whether a coded body was masked, and could not be decoded from there on: what is missing is no
    /// one's fault.
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// The content coding, if there is one.
    pub fn coding(&self) -> Option<&ContentDecoder> {
        self.coding.as_ref()
    }

    /// The reads, in order.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The frames, in order.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The frames that only keep the connection warm, in order: comments and named pings.
    pub fn keep_alives(&self) -> &[u32] {
        &self.keep_alives
    }

    /// Returns how many keep-alives arrived since the last data.
    pub fn keep_alives_since_data(&self) -> usize {
        let last = self.timing.data_frame;
        self.keep_alives.len() - self.keep_alives.partition_point(|k| Some(*k) < last)
    }

    /// The read that completed a frame.
    pub fn read_of(&self, frame: &Frame) -> Option<usize> {
        if let Some(message) = self.message_of(frame) {
            return message.reads().last();
        }
        let i = self.reads.before(frame.end());
        (i < self.reads.len()).then_some(i)
    }

    /// The reads that brought a frame's bytes.
    pub fn reads_of(&self, frame: &Frame) -> std::ops::Range<usize> {
        if let Some(message) = self.message_of(frame) {
            return message.reads();
        }
        let from = self.reads.before(frame.offset + 1);
        from..self.read_of(frame).map_or(self.reads.len(), |i| i + 1)
    }

    /// The messages of both directions, where the connection became a WebSocket.
    pub fn web_socket(&self) -> Option<&WebSocket> {
        self.web_socket.as_deref()
    }

    /// Returns what is known of a frame that is a message of a WebSocket.
    pub fn ws_frame(&self, index: usize) -> Option<&WsFrame> {
        self.web_socket.as_ref()?.frames().get(index)
    }

    /// Returns when the client of a WebSocket last sent something.
    pub(super) fn last_sent_at(&self) -> Option<Micros> {
        self.web_socket.as_ref()?.sent_reads().last()?.0
    }

    /// Returns what is known of a frame of a WebSocket.
    fn message_of(&self, frame: &Frame) -> Option<&WsFrame> {
        let web_socket = self.web_socket.as_ref()?;
        // An empty message has the same offset as the next one.
        let from = self.frames.partition_point(|f| f.offset < frame.offset);
        let same = self.frames.range(from..self.frames.len()).position(|f| f == *frame)?;
        web_socket.frames().get(from + same)
    }

    /// Returns when a frame was complete: the time of the read that completed it.
    pub fn frame_at(&self, index: usize) -> Option<Micros> {
        if let Some(message) = self.ws_frame(index) {
            return message.at;
        }
        self.completed_at(&self.frames.get(index)?)
    }

    /// The same of a frame that is no message of a WebSocket.
    pub(super) fn completed_at(&self, frame: &Frame) -> Option<Micros> {
        match self.reads.last_two() {
            Some((before, last)) if frame.end() > before.decoded => last.at,
            _ => {
                self.reads
                    .at(self.reads.before(frame.end()).min(self.reads.len().checked_sub(1)?))
                    .at
            }
        }
    }

    /// The framing, once it is certain.
    pub fn framing(&self) -> Option<Framing> {
        self.framer.framing()
    }

    /// Returns whether a streamed array had its closing bracket; `None` for a body that is none.
    pub fn array_is_closed(&self) -> Option<bool> {
        self.framer.array_is_closed()
    }

    /// Returns what the SSE framer counted; `None` for a body that is not SSE.
    pub fn sse(&self) -> Option<&crate::frame::sse::Sse> {
        self.framer.sse()
    }

    /// Returns the answer as far as it has arrived.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The shape table.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the response status, received or user-supplied.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|h| h.status).or_else(|| self.bare.as_ref().and_then(|t| t.0))
    }

    /// Returns the response's content type, received or user-supplied.
    pub fn content_type(&self) -> Option<&str> {
        match &self.head {
            Some(head) => head.header("content-type"),
            None => self.bare.as_ref().and_then(|t| t.1.as_deref()),
        }
    }

    /// Returns whether the exchange is over.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }
}

impl Facts {
    /// The dialect that is read: the configured one, or the one recognized.
    pub fn dialect(&self) -> Option<&'static dyn Dialect> {
        self.detection.dialect()
    }

    /// Returns whether the dialect was recognized and not configured.
    pub fn dialect_is_guessed(&self) -> bool {
        !self.detection.is_configured()
    }

    /// Returns the dialect that the bytes show, whatever is configured.
    pub fn recognized(&self) -> Option<&Recognized> {
        self.detection.recognized()
    }

    /// The dialect that the bytes are of, where they are read as another because the user said so.
    pub fn misread(&self) -> Option<&Recognized> {
        self.detection.misread()
    }

    /// Returns whose variant of Chat Completions or Responses this is, and how that is known.
    pub fn variant(&self) -> Option<(&'static Variant, &str)> {
        self.detection.variant().filter(|_| self.misread().is_none())
    }

    /// Dialect and variant, for titles: `openai-chat · groq`.
    pub fn spoken(&self) -> Option<String> {
        let name = self.dialect()?.name();
        Some(match self.variant() {
            Some((variant, _)) if variant.name != name => format!("{name} · {}", variant.name),
            _ => name.to_owned(),
        })
    }

    /// Returns how sure the dialect is, and by what: `certain, by object "chat.completion.chunk"`. Returns
    /// nothing if it was configured, or is not known.
    pub fn how_recognized(&self) -> Option<String> {
        let found = self.recognized().filter(|_| self.dialect_is_guessed())?;
        Some(format!("{}, by {}", found.sign.confidence.name(), found.sign.by))
    }

    /// Returns what the clients of the dialect would return; empty while the exchange runs, and if the
    /// options have nothing that works it out.
    pub fn clients(&self) -> &[ClientView] {
        &self.clients
    }
}
