//! The client's half of an HTTP/2 connection: frames in, the same frames out, but for the header blocks, whose
//! `:authority`, `:scheme` and `:path` become the upstream's.
//!
//! A block that is changed is written without a table, and then every block of the connection has to be: the
//! tables of both ends would differ otherwise.

use std::collections::HashSet;

use bytes::Bytes;

use super::fields;
use super::frame::{self, FrameHead, FrameReader, HeaderBlock, Http2Found};
use super::hpack::{self, HeaderField, HpackDecoder};
use crate::journal::Headers;

/// The largest frame that every server takes.
const FRAME: usize = 16 << 10;

/// The most streams of a connection that may lead nowhere.
pub(super) const MOST_REFUSED: usize = 1000;

/// A request that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestStart {
    pub(super) stream: u32,
    pub(super) method: String,
    /// `:path`, where there is one.
    pub(super) path: Option<String>,
    /// True if it has no body.
    pub(super) is_complete: bool,
}

/// The target of a request, as its fields say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestTarget {
    pub(super) authority: String,
    pub(super) scheme: &'static str,
    pub(super) path: Option<String>,
}

/// A way to handle a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestChoice {
    /// It is forwarded as it is.
    AsItIs,
    /// It is forwarded to somewhere else than the client says.
    To(RequestTarget),
    /// It is not forwarded.
    Refuse,
}

/// The known parts of the requests, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tap) enum StreamPart {
    /// The head of the request that was asked about last: as the client sent it, and its fields as they were
    /// forwarded.
    Head(u32, Bytes, Headers),
    Data(u32, Bytes),
    Trailers(u32, Bytes),
    /// The request is complete.
    End(u32),
    /// The client reset it; the code of the error.
    Reset(u32, u32),
    /// The client sends nothing that is understood from here on.
    Lost(String),
    /// Bytes of a request that is not forwarded still count for the connection's flow.
    Refused(u32),
}

/// Whoever has to know about the requests.
pub(super) trait RequestHandler {
    /// Says what becomes of a request.
    fn choose(&mut self, asked: &RequestStart) -> RequestChoice;
    /// Takes in what was seen.
    fn seen(&mut self, seen: StreamPart);
}

/// Reads the requests of a connection.
#[derive(Debug)]
pub(super) struct Http2Requests {
    reader: FrameReader,
    state: RequestsState,
}

#[derive(Debug)]
struct RequestsState {
    decoder: HpackDecoder,
    /// Header blocks are written anew.
    rewrites: bool,
    /// Nothing is understood any more.
    is_lost: bool,
    /// The newest stream.
    newest: u32,
    /// Streams that are not forwarded: the server must not hear of them, whatever the client says later.
    refused: HashSet<u32>,
    /// Changes of the table's size in blocks that were not forwarded.
    sizes: Vec<u8>,
    /// True if the frame under way is forwarded: not where its stream is refused.
    passes: bool,
}

impl Http2Requests {
    /// Reads a connection; its header blocks may be changed where it `rewrites` them.
    pub(super) fn new(rewrites: bool) -> Self {
        let state = RequestsState {
            decoder: HpackDecoder::new(),
            rewrites,
            is_lost: false,
            newest: 0,
            refused: HashSet::new(),
            sizes: Vec::new(),
            passes: true,
        };
        Self { reader: FrameReader::of_client(), state }
    }

    /// Returns whether no request has begun yet, and one may.
    pub(super) fn is_new(&self) -> bool {
        self.state.newest == 0 && !self.state.is_lost
    }

    /// Returns whether a header block is not complete.
    pub(super) fn is_holding(&self) -> bool {
        self.reader.is_holding()
    }

    /// Returns what is held back, when nothing more will arrive.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.reader.rest()
    }

    /// Takes in a read; what is forwarded of it is added to `out`.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        client: &mut impl RequestHandler,
    ) {
        let state = &mut self.state;
        self.reader.feed(bytes, &mut |found| match found {
            Http2Found::Frame(head) => {
                state.passes = !state.refused.contains(&head.stream());
                if state.passes {
                    out.extend_from_slice(&head.0);
                }
            }
            Http2Found::Payload(range) | Http2Found::Rest(range) => {
                if state.passes {
                    out.extend_from_slice(&bytes[range]);
                }
            }
            Http2Found::Data(stream, range) => {
                if state.passes && !state.is_lost {
                    client.seen(StreamPart::Data(stream, Bytes::copy_from_slice(&bytes[range])));
                }
            }
            Http2Found::End(head, kept) => state.end(head, &kept, client),
            Http2Found::Block(block) => state.block(&block, out, client),
            Http2Found::Lost(why, held) => {
                state.passes = true;
                out.extend_from_slice(&held);
                state.lose(why.to_string(), client);
            }
        });
    }
}

impl RequestsState {
    fn lose(&mut self, why: String, client: &mut impl RequestHandler) {
        if !std::mem::replace(&mut self.is_lost, true) {
            client.seen(StreamPart::Lost(why));
        }
    }

    /// A frame other than a header block is complete.
    fn end(&mut self, head: FrameHead, kept: &[u8], client: &mut impl RequestHandler) {
        let stream = head.stream();
        let is_reset = head.kind() == frame::RST_STREAM;
        let ends = head.kind() == frame::DATA && head.has(frame::END_STREAM);
        if !std::mem::replace(&mut self.passes, true) {
            if head.kind() == frame::DATA && head.len() > 0 {
                client.seen(StreamPart::Refused(head.len() as u32));
            }
        } else if self.is_lost {
        } else if ends {
            client.seen(StreamPart::End(stream));
        } else if is_reset {
            client.seen(StreamPart::Reset(stream, fields::number(kept)));
        }
    }

    fn block(&mut self, block: &HeaderBlock, out: &mut Vec<u8>, client: &mut impl RequestHandler) {
        if self.is_lost || block.is_promise() {
            return out.extend_from_slice(&block.raw);
        }
        let read = match self.decoder.block(&block.coded) {
            Ok(read) => read,
            Err(why) => {
                out.extend_from_slice(&block.raw);
                return self.lose(why.to_string(), client);
            }
        };
        let (stream, ends) = (block.stream(), block.ends_stream());
        let choice = match stream > self.newest && stream % 2 == 1 {
            true => {
                self.newest = stream;
                Some(client.choose(&asked(block, &read.fields)))
            }
            false if self.refused.contains(&stream) => Some(RequestChoice::Refuse),
            false => None,
        };
        if choice == Some(RequestChoice::Refuse) && self.rewrites {
            self.sizes.extend_from_slice(&read.sizes);
            self.refused.insert(stream);
            return;
        }
        let mut sent = read.fields.clone();
        if let Some(RequestChoice::To(target)) = &choice {
            lead(&mut sent, target);
        }
        match self.rewrites {
            true => {
                let sizes = std::mem::take(&mut self.sizes);
                write(block, &[sizes, read.sizes].concat(), &sent, out);
            }
            false => out.extend_from_slice(&block.raw),
        }
        let raw = fields::raw(&read.fields);
        client.seen(match choice.is_some() {
            true => StreamPart::Head(stream, raw, fields::headers(&sent)),
            false => StreamPart::Trailers(stream, raw),
        });
        if ends {
            client.seen(StreamPart::End(stream));
        }
    }
}

fn asked(block: &HeaderBlock, all: &[HeaderField]) -> RequestStart {
    RequestStart {
        stream: block.stream(),
        is_complete: block.ends_stream(),
        method: fields::value(all, ":method").unwrap_or_default(),
        path: fields::value(all, ":path"),
    }
}

/// Changes where a request leads to.
fn lead(all: &mut [HeaderField], target: &RequestTarget) {
    for field in all {
        let value = match &field.name[..] {
            b":authority" | b"host" => &target.authority,
            b":scheme" => target.scheme,
            b":path" => match &target.path {
                Some(path) => path,
                None => continue,
            },
            _ => continue,
        };
        field.value = Bytes::copy_from_slice(value.as_bytes());
    }
}

/// Writes a header block anew, in frames that every server takes.
fn write(block: &HeaderBlock, sizes: &[u8], all: &[HeaderField], out: &mut Vec<u8>) {
    let mut payload = block.priority.map_or_else(Vec::new, |priority| priority.to_vec());
    payload.extend_from_slice(sizes);
    for field in all {
        hpack::write(field, &mut payload);
    }
    let stream = block.stream();
    let mut kind = frame::HEADERS;
    let mut flags = if block.ends_stream() { frame::END_STREAM } else { 0 };
    flags |= if block.priority.is_some() { frame::PRIORITY } else { 0 };
    let mut rest = &payload[..];
    loop {
        let (piece, after) = rest.split_at(rest.len().min(FRAME));
        rest = after;
        flags |= if rest.is_empty() { frame::END_HEADERS } else { 0 };
        out.extend_from_slice(&FrameHead::new(piece.len(), kind, flags, stream).0);
        out.extend_from_slice(piece);
        if rest.is_empty() {
            return;
        }
        (kind, flags) = (frame::CONTINUATION, 0);
    }
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
