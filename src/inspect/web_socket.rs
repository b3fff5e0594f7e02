//! The messages of a WebSocket as facts: both directions are read, and each message is a frame of the
//! body, in order of arrival.

use crate::frame::web_socket::{Deflate, Direction, Opcode, Sender, WsFault, WsFound, WsMessage};
use crate::frame::{Frame, FrameKind, Frames};
use crate::journal::{Head, Micros, Span};

/// The known facts of a frame that is a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WsFrame {
    /// The side that sent it.
    pub sender: Sender,
    /// Its kind.
    pub opcode: Opcode,
    /// Bytes of its payload on the wire.
    pub wire_len: u64,
    /// In how many fragments it arrived.
    pub fragments: u32,
    /// It was compressed.
    pub compressed: bool,
    /// It could not be inflated: the payload is as on the wire.
    pub is_opaque: bool,
    /// Time at which it was complete.
    pub at: Option<Micros>,
    /// The reads of its sender that brought it.
    reads: (u32, u32),
}

impl WsFrame {
    /// The reads of the server that brought it; none for a message of the client.
    pub(super) fn reads(&self) -> std::ops::Range<usize> {
        match self.sender {
            Sender::Client => 0..0,
            Sender::Server => self.reads.0 as usize..self.reads.1 as usize + 1,
        }
    }
}

/// A close that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The side that closed first.
    pub by: Sender,
    /// The code, if there is one.
    pub code: Option<u16>,
    /// The reason, often empty.
    pub reason: String,
}

/// One direction, as far as it was read.
#[derive(Debug)]
struct ReadDirection {
    direction: Direction,
    /// Bytes of complete messages, or of none yet, before the read at hand.
    first_read: u32,
    reads: u32,
    /// Violations of the standard in the message that is not complete.
    faults: Vec<WsFault>,
}

impl ReadDirection {
    fn new(sender: Sender, deflate: Option<Deflate>) -> Self {
        Self {
            direction: Direction::new(sender, deflate),
            first_read: 0,
            reads: 0,
            faults: Vec::new(),
        }
    }
}

/// A connection that became a WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    client: ReadDirection,
    server: ReadDirection,
    frames: Vec<WsFrame>,
    /// Violations of the standard, with the frame that each is about; none for one that never ended.
    faults: Vec<(Option<u32>, Sender, WsFault)>,
    closing: Option<Closing>,
    /// The bytes that the client sent, as on the wire.
    sent: Vec<u8>,
    sent_reads: Vec<(Option<Micros>, u32)>,
    sent_masked: Vec<Span>,
}

/// Returns whether these headers switch to a WebSocket.
pub fn switches(head: &Head) -> bool {
    head.status == 101
        && head.header("upgrade").is_some_and(|v| v.trim().eq_ignore_ascii_case("websocket"))
}

impl WebSocket {
    pub(super) fn of(head: &Head) -> Option<Self> {
        let deflate = head.header("sec-websocket-extensions").and_then(Deflate::of);
        switches(head).then(|| Self {
            client: ReadDirection::new(Sender::Client, deflate),
            server: ReadDirection::new(Sender::Server, deflate),
            frames: Vec::new(),
            faults: Vec::new(),
            closing: None,
            sent: Vec::new(),
            sent_reads: Vec::new(),
            sent_masked: Vec::new(),
        })
    }

    /// A copy to be looked at: it reads nothing more.
    pub(super) fn copy(&self) -> Self {
        Self {
            client: ReadDirection::new(Sender::Client, None),
            server: ReadDirection::new(Sender::Server, None),
            frames: self.frames.clone(),
            faults: self.faults.clone(),
            closing: self.closing.clone(),
            sent: self.sent.clone(),
            sent_reads: self.sent_reads.clone(),
            sent_masked: self.sent_masked.clone(),
        }
    }

    /// About how many bytes of messages so many more bytes of `sender` complete, inflated; at the end of the
    /// connection those that are not complete.
    pub(super) fn completes(&self, sender: Option<Sender>, len: u64) -> u64 {
        match sender {
            Some(Sender::Client) => self.client.direction.completes(len),
            Some(Sender::Server) => self.server.direction.completes(len),
            None => {
                [&self.client, &self.server].map(|side| side.direction.unfinished()).iter().sum()
            }
        }
    }

    /// Returns what is known of each frame of the body, in order.
    pub fn frames(&self) -> &[WsFrame] {
        &self.frames
    }

    /// Returns the violations of the standard: in which frame, by whom, what.
    pub fn faults(&self) -> &[(Option<u32>, Sender, WsFault)] {
        &self.faults
    }

    /// The first close that was sent.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }

    /// Spans of what the client sent that were masked.
    pub fn sent_masked(&self) -> &[Span] {
        &self.sent_masked
    }

    /// Returns what the client sent, as on the wire.
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// The reads of what the client sent: when, how many bytes.
    pub fn sent_reads(&self) -> &[(Option<Micros>, u32)] {
        &self.sent_reads
    }

    fn side(&mut self, sender: Sender) -> &mut ReadDirection {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }

    /// Takes in a read; its messages go behind the body, each as a frame.
    pub(super) fn receive(
        &mut self,
        (sender, at): (Sender, Option<Micros>),
        bytes: &[u8],
        masked: &[Span],
        body: &mut Vec<u8>,
        frames: &mut Frames,
    ) {
        if sender == Sender::Client {
            self.sent.extend_from_slice(bytes);
            self.sent_masked.extend_from_slice(masked);
            self.sent_reads.push((at, bytes.len() as u32));
        }
        let side = self.side(sender);
        side.reads += 1;
        side.direction.mask(masked);
        let mut found = Vec::new();
        side.direction.feed(bytes, &mut |f| found.push(f));
        for found in found {
            match found {
                WsFound::Message(message) => {
                    frames.push(self.append(sender, &message, FrameKind::Ws, at, body));
                }
                WsFound::Fault(fault) => self.side(sender).faults.push(fault),
            }
        }
    }

    /// The connection is over: what is left of either direction is an incomplete message.
    pub(super) fn finish(&mut self, at: Option<Micros>, body: &mut Vec<u8>, frames: &mut Frames) {
        for sender in [Sender::Client, Sender::Server] {
            if let Some(message) = self.side(sender).direction.finish() {
                frames.push(self.append(sender, &message, FrameKind::Incomplete, at, body));
            }
            self.settle_faults(sender, None);
        }
    }

    /// Returns whether it is the client's turn: the last message is the server's, or a close.
    pub(super) fn waits_for_client(&self) -> bool {
        let mut messages = self.frames.iter().rev().filter(|f| !f.opcode.is_control());
        self.closing.is_some() || messages.next().is_none_or(|f| f.sender == Sender::Server)
    }

    /// The message at hand is this frame, and its faults are.
    fn settle_faults(&mut self, sender: Sender, frame: Option<u32>) {
        let faults = std::mem::take(&mut self.side(sender).faults);
        self.faults.extend(faults.into_iter().map(|fault| (frame, sender, fault)));
    }

    /// Puts a message behind the body.
    fn append(
        &mut self,
        sender: Sender,
        message: &WsMessage,
        kind: FrameKind,
        at: Option<Micros>,
        body: &mut Vec<u8>,
    ) -> Frame {
        if let (None, Some((code, reason))) = (&self.closing, message.close()) {
            self.closing = Some(Closing { by: sender, code, reason });
        }
        let index = self.frames.len() as u32;
        self.settle_faults(sender, Some(index));
        let side = self.side(sender);
        let last = side.reads.saturating_sub(1);
        let reads = (side.first_read.min(last), last);
        side.first_read = last;
        self.frames.push(WsFrame {
            sender,
            opcode: message.opcode,
            wire_len: message.parts.iter().map(|p| p.len).sum(),
            fragments: message.parts.len() as u32,
            compressed: message.compressed,
            is_opaque: message.is_opaque,
            at,
            reads,
        });
        let payload = &message.payload;
        body.extend_from_slice(payload);
        let from = if message.opcode == Opcode::Close { payload.len().min(2) } else { 0 };
        let is_text =
            message.opcode == Opcode::Text || std::str::from_utf8(&payload[from..]).is_ok();
        let text =
            (is_text && !message.is_opaque && kind == FrameKind::Ws).then_some(from..payload.len());
        Frame::of_message(kind, body.len(), payload.len(), text)
    }
}
