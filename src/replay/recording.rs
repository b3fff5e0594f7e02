//! The part of a recording that can be served: each exchange with its answer, in the recorded reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::Frame;
use crate::frame::web_socket::{Direction, Opcode, Sender, WsFound};
use crate::inspect::{InspectOptions, Inspection, switches};
use crate::journal::{
    EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Micros, Request, Span,
};

/// One write of an answer's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedWrite {
    /// Time since the write before it, in microseconds.
    pub delay: Micros,
    /// The bytes that are written.
    pub bytes: Bytes,
    /// Its offset in the recorded body; none for what a fault put in.
    pub offset: Option<u64>,
    /// It belongs to the write before it.
    pub joined: bool,
}

/// An exchange that can be served.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its number.
    pub number: ExchangeId,
    /// The request's method; empty where it is not known, as all about the request.
    pub method: String,
    /// The request's path and query.
    pub target: String,
    /// The model asked for.
    pub model: String,
    /// The request's body.
    pub request: Bytes,
    /// Spans of it that were replaced by `*`.
    pub masked: Vec<Span>,
    /// The heads before the final one, with their delays.
    pub interim: Vec<(Micros, Head)>,
    /// The final head, and how long it takes after the one before it, or the request.
    pub head: Option<(Micros, Head)>,
    /// The body, one piece a read.
    pub body: Vec<RecordedWrite>,
    /// Of a WebSocket: for each message of the client, how many bytes the server had sent before it.
    pub client_messages: Vec<u64>,
    /// The trailer fields.
    pub trailers: Headers,
    /// The way it ended.
    pub end: EndCause,
    /// Time from the last read to the end, in microseconds.
    pub end_delay: Micros,
    /// The frames of the body: offset and length, and whether it is `[DONE]`. None of a body with a
    /// content coding.
    pub frames: Vec<RecordedFrame>,
}

/// A frame of a recorded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFrame {
    /// The offset at which it begins.
    pub offset: u64,
    /// Its length.
    pub len: u64,
    /// The place of its payload in the body, where that is one piece.
    pub payload: Option<std::ops::Range<usize>>,
    /// It is `[DONE]`.
    pub done: bool,
}

impl Recorded {
    /// An exchange of which nothing is known.
    fn empty(number: ExchangeId) -> Self {
        Self {
            number,
            method: String::new(),
            target: String::new(),
            model: String::new(),
            request: Bytes::new(),
            masked: Vec::new(),
            interim: Vec::new(),
            head: None,
            body: Vec::new(),
            client_messages: Vec::new(),
            trailers: Headers::new(),
            end: EndCause::Unknown,
            end_delay: 0,
            frames: Vec::new(),
        }
    }

    /// An event stream of these bytes, under these headers: each event is a write, and all of them
    /// follow each other at once.
    pub fn stream(head: &Head, body: &[u8]) -> Self {
        // These headers describe another body, or the connection that it arrived on.
        const OTHERS: &[&str] = &[
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "keep-alive",
        ];
        let other = |name: &str| OTHERS.iter().any(|o| name.eq_ignore_ascii_case(o));
        let mut headers = head.headers.clone();
        headers.retain(|(name, _)| !other(name));
        headers.push(("connection".to_owned(), "close".to_owned()));
        let (mut pieces, mut from) = (Vec::new(), 0);
        for end in ends(body) {
            let bytes = Bytes::copy_from_slice(&body[from..end]);
            pieces.push(RecordedWrite {
                delay: 0,
                bytes,
                offset: Some(from as u64),
                joined: false,
            });
            from = end;
        }
        Self {
            head: Some((0, Head { headers, raw: Bytes::new(), ..head.clone() })),
            body: pieces,
            end: EndCause::Complete,
            ..Self::empty(0)
        }
    }

    /// The body as it was received.
    pub fn bytes(&self) -> Vec<u8> {
        self.body.iter().flat_map(|p| p.bytes.iter().copied()).collect()
    }
}

/// The exchanges of a recording, in order of their numbers.
pub fn exchanges(entries: &[Entry]) -> Vec<Recorded> {
    let mut by_number = BTreeMap::<ExchangeId, Vec<&Entry>>::new();
    for entry in entries {
        by_number.entry(entry.exchange).or_default().push(entry);
    }
    by_number.into_iter().map(|(x, entries)| recorded(x, &entries)).collect()
}

/// Returns the ends of a stream's events, and of the stream itself.
fn ends(body: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    for blank in [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"] {
        ends.extend(memchr::memmem::find_iter(body, blank).map(|at| at + blank.len()));
    }
    ends.push(body.len());
    ends.sort_unstable();
    ends.dedup();
    ends.retain(|end| *end > 0);
    ends
}

/// Returns whether that is a whole message that a server waits for: data, or the wish to close.
pub(super) fn is_awaited(found: &WsFound) -> bool {
    let awaited = |opcode: Opcode| !opcode.is_control() || opcode == Opcode::Close;
    matches!(found, WsFound::Message(message) if awaited(message.opcode))
}

fn recorded(number: ExchangeId, entries: &[&Entry]) -> Recorded {
    let mut gathering = Gathering::new(number);
    for entry in entries {
        gathering.add(entry);
    }
    gathering.finish()
}

/// The data that an exchange's entries have shown so far.
struct Gathering {
    out: Recorded,
    inspection: Inspection,
    /// The body's bytes, of all reads.
    bytes: Vec<u8>,
    /// The time of each read, and the number of bytes in it.
    reads: Vec<(Option<Micros>, usize)>,
    /// The client's messages, once the connection speaks WebSocket.
    client: Option<Direction>,
    /// The moment from which the next delay counts.
    last: Option<Micros>,
    head_at: Option<Micros>,
}

impl Gathering {
    fn new(number: ExchangeId) -> Self {
        Self {
            out: Recorded::empty(number),
            inspection: Inspection::new(Arc::new(InspectOptions::default())),
            bytes: Vec::new(),
            reads: Vec::new(),
            client: None,
            last: None,
            head_at: None,
        }
    }

    /// Returns the time from the last moment to this one, which becomes the last; 0 where a time is missing.
    fn delay(&mut self, at: Option<Micros>) -> Micros {
        let delay = at.zip(self.last).map_or(0, |(at, last)| at.saturating_sub(last));
        self.last = at.or(self.last);
        delay
    }

    fn add(&mut self, entry: &Entry) {
        self.inspection.push(entry);
        match &entry.kind {
            EntryKind::Request(request) => {
                self.delay(entry.at);
                self.request(request);
            }
            EntryKind::Head(head) if head.interim => {
                let delay = self.delay(entry.at);
                self.out.interim.push((delay, head.clone()));
            }
            EntryKind::Head(head) => {
                self.head_at = entry.at;
                self.client = switches(head).then(|| Direction::new(Sender::Client, None));
                self.out.head = Some((self.delay(entry.at), head.clone()));
            }
            EntryKind::Body { len, bytes: settled, .. } => {
                // The bytes of a read may only be settled by a later entry.
                self.reads.push((entry.at, *len as usize));
                self.bytes.extend_from_slice(settled);
            }
            EntryKind::Sent { bytes, .. } => self.sent(bytes),
            EntryKind::Trailers(t) => self.out.trailers.clone_from(t),
            EntryKind::End { cause, .. } => {
                self.out.end = *cause;
                let before = self.reads.iter().rev().find_map(|r| r.0).or(self.head_at);
                let times = entry.at.zip(before);
                self.out.end_delay = times.map_or(0, |(at, before)| at.saturating_sub(before));
            }
            _ => {}
        }
    }

    fn request(&mut self, request: &Request) {
        let out = &mut self.out;
        out.method.clone_from(&request.method);
        out.target = url::Url::parse(&request.url).map_or_else(
            |_| String::new(),
            |url| match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
        );
        out.model.clone_from(&request.model);
        out.request = request.body.clone();
        out.masked.clone_from(&request.masked);
    }

    /// Bytes of the client on a WebSocket: the messages that the server waited for.
    fn sent(&mut self, bytes: &[u8]) {
        let before: usize = self.reads.iter().map(|(_, len)| len).sum();
        let messages = &mut self.out.client_messages;
        if let Some(client) = &mut self.client {
            client.feed(bytes, &mut |found| {
                messages.extend(is_awaited(&found).then_some(before as u64));
            });
        }
    }

    fn finish(mut self) -> Recorded {
        let mut bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let mut offset = 0;
        for (at, len) in std::mem::take(&mut self.reads) {
            let piece = bytes.split_to(len.min(bytes.len()));
            let delay = self.delay(at);
            if piece.is_empty() {
                continue;
            }
            let len = piece.len() as u64;
            self.out.body.push(RecordedWrite {
                delay,
                bytes: piece,
                offset: Some(offset),
                joined: false,
            });
            offset += len;
        }
        if !bytes.is_empty() {
            self.out.body.push(RecordedWrite {
                delay: 0,
                bytes,
                offset: Some(offset),
                joined: false,
            });
        }
        if !self.inspection.is_decoded() {
            self.out.frames = frames(&self.inspection);
        }
        self.out
    }
}

/// The frames of a body as it was received.
fn frames(inspection: &Inspection) -> Vec<RecordedFrame> {
    let body = inspection.body();
    let frame = |f: Frame| RecordedFrame {
        offset: f.offset,
        len: f.len,
        payload: f.data_span(),
        done: f.data(body).is_some_and(|d| d.trim() == "[DONE]"),
    };
    inspection.frames().iter().map(frame).collect()
}
