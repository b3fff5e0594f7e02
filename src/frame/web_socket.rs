//! WebSocket (RFC 6455), with permessage-deflate (RFC 7692): the bytes of one direction → messages.
//!
//! Frames of the protocol are joined to messages, unmasked and inflated; control frames may appear between the
//! fragments of a message. Everything that has a length is still read, whatever else is wrong with it: that is
//! a [`WsFault`]. Messages record where their bytes are on the wire, so that a secret in one can be masked
//! there.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::MAX_FRAME;
use crate::journal::Span;

/// The most bytes that a byte of deflated data becomes: 258 for each two bits.
pub const MAX_INFLATION: u64 = 258 * 4;

/// The sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Sender {
    /// The direction's name in output, as the client sees it.
    pub fn direction(self) -> &'static str {
        match self {
            Self::Client => "sent",
            Self::Server => "received",
        }
    }
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// The connection is about to close: a code and a reason.
    Close,
    /// A question whether the other side is there.
    Ping,
    /// The answer to it.
    Pong,
    /// One that the standard does not know.
    Reserved(u8),
}

impl Opcode {
    /// Returns the opcode of these four bits; `None` for a continuation.
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => return None,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => Self::Reserved(other),
        })
    }

    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Close => "close",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Reserved(_) => "reserved",
        }
    }

    /// Returns whether it is about the connection and carries no message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong | Self::Reserved(8..))
    }
}

/// A violation of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WsFault {
    /// A client must mask what it sends.
    #[error("frame without a mask")]
    Unmasked,
    /// A server must not.
    #[error("masked frame")]
    Masked,
    /// A bit that no extension defines.
    #[error("reserved bits set without an extension")]
    ReservedBits,
    /// An opcode without a meaning.
    #[error("reserved opcode {0}")]
    ReservedOpcode(u8),
    /// A control frame with more than 125 bytes.
    #[error("control frame of {0} bytes")]
    LongControl(u64),
    /// A control frame in fragments.
    #[error("fragmented control frame")]
    FragmentedControl,
    /// A continuation of nothing.
    #[error("continuation frame without a message")]
    Continuation,
    /// A message inside of another.
    #[error("new message inside a fragmented one")]
    Interrupted,
    /// Text that is not UTF-8.
    #[error("text message that is not UTF-8")]
    NotUtf8,
    /// A compressed message that cannot be inflated.
    #[error("compressed message that cannot be inflated")]
    Deflate,
    /// A length that no message has; nothing after it can be read.
    #[error("frame of {0} bytes")]
    Length(u64),
}

/// The place of a piece of a payload in its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadPart {
    /// Offset of its first byte.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// The key that its bytes were masked with; zeros for none.
    pub key: [u8; 4],
}

/// One message, whole or as far as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsMessage {
    /// Kind of the message.
    pub opcode: Opcode,
    /// Unmasked, and inflated unless [`is_opaque`](Self::is_opaque).
    pub payload: Vec<u8>,
    /// Places of the payload on the wire, fragment by fragment.
    pub parts: Vec<PayloadPart>,
    /// It was compressed.
    pub compressed: bool,
    /// It is compressed and could not be inflated: the payload is as on the wire.
    pub is_opaque: bool,
}

impl WsMessage {
    /// The code and the reason of a close.
    pub fn close(&self) -> Option<(Option<u16>, String)> {
        (self.opcode == Opcode::Close).then(|| {
            let code = self.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            let reason = self.payload.get(2..).unwrap_or_default();
            (code, String::from_utf8_lossy(reason).into_owned())
        })
    }

    /// Bytes of payload on the wire.
    fn wire_len(&self) -> u64 {
        self.parts.iter().map(|p| p.len).sum()
    }
}

/// A result of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsFound {
    /// A message is complete.
    Message(WsMessage),
    /// Something is against the standard.
    Fault(WsFault),
}

/// The compression settings in `Sec-WebSocket-Extensions` of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    client_takeover: bool,
    server_takeover: bool,
}

impl Deflate {
    /// Reads the header's value; `None` where nothing is compressed.
    pub fn of(extensions: &str) -> Option<Self> {
        let mut offers = extensions.split(',').map(|offer| offer.split(';').map(str::trim));
        let agreed = offers.find_map(|mut words| {
            words.next()?.eq_ignore_ascii_case("permessage-deflate").then_some(words)
        })?;
        let mut deflate = Self { client_takeover: true, server_takeover: true };
        for parameter in agreed {
            match parameter.to_ascii_lowercase().as_str() {
                "client_no_context_takeover" => deflate.client_takeover = false,
                "server_no_context_takeover" => deflate.server_takeover = false,
                // A window of 32 KiB holds every smaller one.
                _ => {}
            }
        }
        Some(deflate)
    }

    /// Returns whether what this side sends may refer to earlier messages.
    pub fn takeover(self, sender: Sender) -> bool {
        match sender {
            Sender::Client => self.client_takeover,
            Sender::Server => self.server_takeover,
        }
    }
}

/// The messages of one side as they are inflated.
struct Inflater {
    inflate: Decompress,
    takeover: bool,
    /// True if what later messages refer to is unknown.
    lost: bool,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inflater({})", if self.lost { "lost" } else { "ready" })
    }
}

impl Inflater {
    fn new(takeover: bool) -> Self {
        Self { inflate: Decompress::new(false), takeover, lost: false }
    }

    /// Inflates a message; `None` if it cannot be done.
    fn inflate(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        if self.lost {
            return None;
        }
        let mut out = Vec::with_capacity(wire.len().saturating_mul(3).clamp(256, 1 << 20));
        // The sender removes these four bytes from the end of each message.
        let whole = self.take(wire, &mut out) && self.take(&[0, 0, 0xff, 0xff], &mut out);
        if !self.takeover {
            self.inflate.reset(false);
        }
        self.lost = !whole && self.takeover;
        whole.then_some(out)
    }

    fn take(&mut self, mut wire: &[u8], out: &mut Vec<u8>) -> bool {
        loop {
            if out.len() == out.capacity() {
                out.reserve(out.len().max(4096));
            }
            let (before_in, before_out) = (self.inflate.total_in(), out.len());
            let status = self.inflate.decompress_vec(wire, out, FlushDecompress::Sync);
            let used = (self.inflate.total_in() - before_in) as usize;
            wire = wire.get(used..).unwrap_or_default();
            match status {
                Err(_) => return false,
                // A message may end its stream; the next begins another.
                Ok(Status::StreamEnd) => self.inflate.reset(false),
                Ok(_) => {}
            }
            if out.len() > MAX_FRAME {
                return false;
            }
            if wire.is_empty() && out.len() < out.capacity() {
                return true;
            }
            if used == 0 && out.len() == before_out && out.len() < out.capacity() {
                return false;
            }
        }
    }

    /// A message was not seen as it was sent.
    fn skip(&mut self) {
        self.lost |= self.takeover;
    }
}

#[derive(Debug)]
enum WsFrameState {
    /// Inside a header.
    Header,
    /// Inside a payload, with so many bytes still to arrive.
    Payload { left: u64, last: bool, control: bool },
    /// Nothing more can be read.
    Lost,
}

/// A message under way.
#[derive(Debug)]
struct OpenMessage {
    message: WsMessage,
    /// Offset of its first header.
    start: u64,
}

/// Reads one direction of a connection.
#[derive(Debug)]
pub struct Direction {
    sender: Sender,
    inflater: Option<Inflater>,
    state: WsFrameState,
    header: Vec<u8>,
    /// Offset of the next byte.
    offset: u64,
    data: Option<OpenMessage>,
    control: Option<OpenMessage>,
    /// Spans that are not as they were sent.
    masked: Vec<Span>,
}

impl Direction {
    /// A reader of what `sender` sends from the end of the handshake on.
    pub fn new(sender: Sender, deflate: Option<Deflate>) -> Self {
        Self {
            sender,
            inflater: deflate.map(|d| Inflater::new(d.takeover(sender))),
            state: WsFrameState::Header,
            header: Vec::new(),
            offset: 0,
            data: None,
            control: None,
            masked: Vec::new(),
        }
    }

    /// Marks these spans of the incoming bytes as masked: a compressed message with one cannot be inflated.
    pub fn mask(&mut self, spans: &[Span]) {
        self.masked.extend_from_slice(spans);
    }

    /// Returns whether nothing more can be read.
    pub fn is_lost(&self) -> bool {
        matches!(self.state, WsFrameState::Lost)
    }

    /// The offset up to which all messages are complete.
    pub fn settled(&self) -> u64 {
        let header = self.offset - self.header.len() as u64;
        let open = self.data.iter().chain(&self.control).map(|open| open.start);
        open.chain([header]).min().unwrap_or(header)
    }

    /// The message that is not complete, as far as it arrived; `None` inside a control frame.
    pub fn under_way(&self) -> Option<&WsMessage> {
        self.data.as_ref().filter(|_| self.control.is_none()).map(|open| &open.message)
    }

    /// Bytes of the message that is not complete, as far as it arrived.
    pub fn unfinished(&self) -> u64 {
        self.data.as_ref().map_or(0, |open| open.message.payload.len() as u64)
    }

    /// About how many bytes of messages the next `len` bytes complete, at most: their own, and what arrived of
    /// the message at hand if they may end it. Compressed ones may be a thousand times as long.
    pub fn completes(&self, len: u64) -> u64 {
        match self.state {
            WsFrameState::Payload { left, .. } if left > len => len,
            WsFrameState::Lost => len,
            _ if self.inflater.is_some() => (self.unfinished() + len).saturating_mul(MAX_INFLATION),
            _ => self.unfinished() + len,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8], found: &mut impl FnMut(WsFound)) {
        while !bytes.is_empty() {
            match self.state {
                WsFrameState::Lost => {
                    self.offset += bytes.len() as u64;
                    return;
                }
                WsFrameState::Header => {
                    self.header.push(bytes[0]);
                    self.offset += 1;
                    bytes = &bytes[1..];
                    if let Some(header) = WsFrameHeader::read(&self.header) {
                        self.begin(&header, found);
                    }
                }
                WsFrameState::Payload { left, last, control } => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let open = if control { &mut self.control } else { &mut self.data };
                    if let Some(OpenMessage { message, .. }) = open
                        && let Some(part) = message.parts.last_mut()
                    {
                        let at = part.len as usize;
                        let unmasked =
                            bytes[..n].iter().enumerate().map(|(i, b)| b ^ part.key[(at + i) % 4]);
                        message.payload.extend(unmasked);
                        part.len += n as u64;
                    }
                    self.offset += n as u64;
                    bytes = &bytes[n..];
                    self.state = WsFrameState::Payload { left: left - n as u64, last, control };
                    self.complete(found);
                }
            }
        }
    }

    /// A header is complete.
    fn begin(&mut self, header: &WsFrameHeader, found: &mut impl FnMut(WsFound)) {
        let start = self.offset - self.header.len() as u64;
        self.header.clear();
        let mut fault = |fault| found(WsFound::Fault(fault));
        if header.len > MAX_FRAME as u64 {
            self.state = WsFrameState::Lost;
            return fault(WsFault::Length(header.len));
        }
        let opcode = Opcode::of(header.opcode);
        let control = opcode.is_some_and(Opcode::is_control);
        match (self.sender, header.key) {
            (Sender::Client, None) => fault(WsFault::Unmasked),
            (Sender::Server, Some(_)) => fault(WsFault::Masked),
            _ => {}
        }
        let may_compress = self.inflater.is_some() && !control && opcode.is_some();
        if header.reserved & !(u8::from(may_compress) << 2) != 0 {
            fault(WsFault::ReservedBits);
        }
        if let Some(Opcode::Reserved(bits)) = opcode {
            fault(WsFault::ReservedOpcode(bits));
        }
        if control && header.len > 125 {
            fault(WsFault::LongControl(header.len));
        }
        if control && !header.last {
            fault(WsFault::FragmentedControl);
        }
        let part = PayloadPart { offset: self.offset, len: 0, key: header.key.unwrap_or_default() };
        let open = |opcode| OpenMessage {
            message: WsMessage {
                opcode,
                payload: Vec::new(),
                parts: vec![part],
                compressed: may_compress && header.reserved & 4 != 0,
                is_opaque: false,
            },
            start,
        };
        match (opcode, &mut self.data) {
            (Some(opcode), _) if control => self.control = Some(open(opcode)),
            (Some(opcode), before) => {
                if before.is_some() {
                    fault(WsFault::Interrupted);
                }
                // The interrupted message never ends: report what arrived of it, since nothing is dropped.
                if let Some(before) = self.data.replace(open(opcode)) {
                    self.hand_on(before.message, found);
                }
            }
            (None, Some(data)) => data.message.parts.push(part),
            (None, data) => {
                fault(WsFault::Continuation);
                *data = Some(open(Opcode::Binary));
            }
        }
        let last = header.last || control;
        self.state = WsFrameState::Payload { left: header.len, last, control };
        self.complete(found);
    }

    /// Ends the frame at hand, and its message, where they are at their ends.
    fn complete(&mut self, found: &mut impl FnMut(WsFound)) {
        let WsFrameState::Payload { left: 0, last, control } = self.state else { return };
        self.state = WsFrameState::Header;
        if last {
            let open = if control { self.control.take() } else { self.data.take() };
            if let Some(open) = open {
                self.hand_on(open.message, found);
            }
        }
    }

    fn hand_on(&mut self, mut message: WsMessage, found: &mut impl FnMut(WsFound)) {
        let inflater = self.inflater.as_mut().filter(|_| message.compressed);
        if let Some(inflater) = inflater {
            let hit = |part: &PayloadPart| {
                let end = part.offset + part.len;
                self.masked.iter().any(|(at, len)| *at < end && part.offset < at + len)
            };
            if message.parts.iter().any(hit) {
                inflater.skip();
                message.is_opaque = true;
            } else if inflater.lost {
                message.is_opaque = true;
            } else if let Some(payload) = inflater.inflate(&message.payload) {
                message.payload = payload;
            } else {
                message.is_opaque = true;
                found(WsFound::Fault(WsFault::Deflate));
            }
        }
        if message.opcode == Opcode::Text
            && !message.is_opaque
            && std::str::from_utf8(&message.payload).is_err()
        {
            found(WsFound::Fault(WsFault::NotUtf8));
        }
        found(WsFound::Message(message));
    }

    /// The direction is over: returns the message that is not complete, as far as it arrived. A
    /// compressed one is as on the wire.
    pub fn finish(&mut self) -> Option<WsMessage> {
        let mut left = [self.data.take(), self.control.take()].into_iter().flatten();
        let mut message = left.next()?.message;
        self.state = WsFrameState::Lost;
        message.is_opaque = message.compressed;
        (message.wire_len() > 0).then_some(message)
    }
}

/// The header of one frame of the protocol.
#[derive(Debug, PartialEq, Eq)]
struct WsFrameHeader {
    last: bool,
    reserved: u8,
    opcode: u8,
    len: u64,
    key: Option<[u8; 4]>,
}

impl WsFrameHeader {
    /// Reads it, once it is complete: 2 to 14 bytes.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (len, rest) = match second & 0x7f {
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*len)), rest)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*len), rest)
            }
            len => (u64::from(len), rest),
        };
        let key = match second & 0x80 {
            0 => None,
            _ => Some(*rest.first_chunk()?),
        };
        Some(Self {
            last: first & 0x80 != 0,
            reserved: first >> 4 & 7,
            opcode: first & 15,
            len,
            key,
        })
    }
}

#[cfg(test)]
#[path = "web_socket_tests.rs"]
mod tests;
