//! The client's half of a connection: bytes in, the same bytes out but for the target's prefix and
//! the value of `Host`, and what they are.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::journal::{self, Headers};
use crate::transport::http1::framing::{BodyPart, BodyReader};
use crate::transport::http1::head;

/// A request line, as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: String,
    pub(super) target: String,
    /// The bytes, with the line end.
    pub(super) raw: Vec<u8>,
}

impl RequestLine {
    /// Its method and target, as a message may show them.
    pub(super) fn shown(&self) -> String {
        shown(&self.method, &self.target)
    }
}

/// A method and a target, as a message may show them: what is cut off is masked before.
pub(super) fn shown(method: &str, target: &str) -> String {
    crate::text::preview(&journal::redacted(&format!("{method} {target}")), 120)
}

/// The known parts of a request, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RequestPart {
    /// The head is complete: its bytes as the client sent them, and its header fields as they were
    /// forwarded.
    Head { raw: Bytes, headers: Headers },
    /// Bytes of the body.
    Data(Bytes),
    /// The extension of a chunk.
    Extension(Vec<u8>),
    /// The trailer section.
    Trailers(Vec<u8>),
    /// The request is complete.
    End,
    /// The bytes are not read from here on; the text says why.
    Lost(String),
    /// Something odd that was forwarded as it was.
    Odd(String),
    /// Bytes after an upgrade.
    Passed(Bytes),
}

/// The next step.
#[derive(Debug)]
pub(super) enum RequestStep {
    /// More bytes are needed.
    More,
    /// A request line is there: [`Requests::go`] says where it goes, before anything else happens.
    Line(RequestLine),
    /// These bytes are no request; [`Requests::give_up`] or nothing.
    NoRequest(NoRequest),
    /// Forward this.
    Forward(Bytes),
}

#[derive(Debug)]
enum RequestState {
    /// Before a request line.
    Idle,
    /// Between a request line and the blank line.
    Head {
        raw: Vec<u8>,
        sent: Vec<u8>,
        hosts: u32,
    },
    Body(BodyReader),
    /// The connection speaks something else.
    Upgraded,
    /// Not read any more.
    Opaque,
}

/// Reads requests off a connection, one after the other.
#[derive(Debug)]
pub(super) struct Requests {
    state: RequestState,
    pending: BytesMut,
    /// Number of bytes of `pending` searched for the end of a line.
    looked: usize,
    /// The new value of `Host`, if it changes.
    host: Option<String>,
    seen: VecDeque<RequestPart>,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            state: RequestState::Idle,
            pending: BytesMut::new(),
            looked: 0,
            host: None,
            seen: VecDeque::new(),
        }
    }

    /// Takes in a read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Returns what was seen since the last call.
    pub(super) fn seen(&mut self) -> impl Iterator<Item = RequestPart> + '_ {
        self.seen.drain(..)
    }

    /// Returns whether a request has begun and is not complete.
    pub(super) fn is_inside(&self) -> bool {
        !matches!(self.state, RequestState::Idle) || !self.pending.is_empty()
    }

    /// Sends the request of this line to a host, with this target; returns its bytes.
    pub(super) fn go(&mut self, line: &RequestLine, target: &str, host: Option<&str>) -> Bytes {
        let mut sent = Vec::with_capacity(line.raw.len() + target.len());
        match find(&line.raw, line.target.as_bytes(), line.method.len()) {
            Some(at) => {
                sent.extend_from_slice(&line.raw[..at]);
                sent.extend_from_slice(target.as_bytes());
                sent.extend_from_slice(&line.raw[at + line.target.len()..]);
            }
            None => sent.extend_from_slice(&line.raw),
        }
        self.host = host.map(str::to_owned);
        self.state = RequestState::Head { raw: line.raw.clone(), sent: sent.clone(), hosts: 0 };
        sent.into()
    }

    /// Forwards everything from here on unread.
    pub(super) fn give_up(&mut self, why: &str) {
        self.state = RequestState::Opaque;
        self.seen.push_back(RequestPart::Lost(why.to_owned()));
    }

    /// Takes the rest of a head away that is answered here; `None` until its blank line is there.
    pub(super) fn swallow_head(&mut self) -> Option<()> {
        loop {
            let line = self.line()?;
            if is_blank(&line) {
                return Some(());
            }
        }
    }

    /// The first bytes that nothing was done with yet.
    pub(super) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Returns what is held back, when nothing more will arrive: half a line.
    pub(super) fn rest(&mut self) -> Bytes {
        self.looked = 0;
        self.pending.split().freeze()
    }

    /// A line, when it is complete.
    fn line(&mut self) -> Option<Bytes> {
        let Some(at) = memchr::memchr(b'\n', &self.pending[self.looked..]) else {
            self.looked = self.pending.len();
            return None;
        };
        let end = self.looked + at + 1;
        self.looked = 0;
        Some(self.pending.split_to(end).freeze())
    }

    /// The next thing to be done.
    pub(super) fn step(&mut self) -> RequestStep {
        let mut out = BytesMut::new();
        loop {
            if self.pending.is_empty() {
                break;
            }
            match &mut self.state {
                RequestState::Opaque => {
                    out.extend_from_slice(&self.pending);
                    self.pending.clear();
                }
                RequestState::Upgraded => {
                    let bytes = self.pending.split().freeze();
                    self.seen.push_back(RequestPart::Passed(bytes.clone()));
                    if out.is_empty() {
                        return RequestStep::Forward(bytes);
                    }
                    out.extend_from_slice(&bytes);
                }
                RequestState::Idle => {
                    if !out.is_empty() {
                        break;
                    }
                    return self.begin();
                }
                RequestState::Head { raw, .. } => {
                    if raw.len() + self.pending.len() > head::MAX_HEAD {
                        self.give_up("the request headers are longer than 1 MiB");
                        continue;
                    }
                    let Some(line) = self.line() else { break };
                    out.extend_from_slice(&self.header_line(&line));
                }
                RequestState::Body(_) => {
                    let bytes = self.body();
                    if out.is_empty() {
                        return RequestStep::Forward(bytes);
                    }
                    out.extend_from_slice(&bytes);
                }
            }
        }
        match out.is_empty() {
            true => RequestStep::More,
            false => RequestStep::Forward(out.freeze()),
        }
    }

    /// Returns what is first between two requests: a request line, a blank one, or something else.
    fn begin(&mut self) -> RequestStep {
        if self.pending.len() > head::MAX_HEAD {
            return RequestStep::NoRequest(NoRequest::LongLine);
        }
        // Do not wait for more if this cannot become a request line.
        if let Err(why) = may_begin(&self.pending) {
            return RequestStep::NoRequest(why);
        }
        let Some(raw) = self.line() else { return RequestStep::More };
        if is_blank(&raw) {
            // Blank lines before a request belong to nothing, and are harmless.
            return RequestStep::Forward(raw);
        }
        if let Some(line) = request_line(&raw) {
            return RequestStep::Line(line);
        }
        let mut back = BytesMut::from(&raw[..]);
        back.extend_from_slice(&self.pending);
        self.pending = back;
        if raw.starts_with(b"PRI * HTTP/2.0") {
            return RequestStep::NoRequest(NoRequest::Http2);
        }
        let shown = String::from_utf8_lossy(&raw);
        let shown = crate::journal::redacted(shown.trim_end());
        RequestStep::NoRequest(NoRequest::Line(crate::text::preview(&shown, 60)))
    }

    /// The bytes that belong to the body of the request.
    fn body(&mut self) -> Bytes {
        let RequestState::Body(body) = &mut self.state else { return Bytes::new() };
        let seen = &mut self.seen;
        let mut lost = false;
        let bytes = self.pending.split().freeze();
        let used = body.feed(&bytes, |part| match part {
            BodyPart::Data(range) => seen.push_back(RequestPart::Data(bytes.slice(range))),
            BodyPart::Extension(e) => seen.push_back(RequestPart::Extension(e)),
            BodyPart::Trailers(t) => seen.push_back(RequestPart::Trailers(t)),
            BodyPart::End => seen.push_back(RequestPart::End),
            BodyPart::Lost { why, .. } => {
                lost = true;
                seen.push_back(RequestPart::Lost(why));
            }
        });
        if lost {
            self.state = RequestState::Opaque;
        } else if body.is_done() {
            self.state = RequestState::Idle;
        }
        self.pending = BytesMut::from(&bytes[used..]);
        bytes.slice(..used)
    }

    /// One line of a head, as it is forwarded.
    fn header_line(&mut self, line: &Bytes) -> Bytes {
        let RequestState::Head { raw, sent, hosts } = &mut self.state else { return line.clone() };
        raw.extend_from_slice(line);
        let value = host_value(line).zip(self.host.as_ref());
        let forwarded = match value {
            Some((span, host)) => {
                *hosts += 1;
                match *hosts {
                    1 => {
                        let mut own = line[..span.start].to_vec();
                        own.extend_from_slice(host.as_bytes());
                        own.extend_from_slice(&line[span.end..]);
                        own.into()
                    }
                    _ => {
                        let why = "a second Host header was forwarded as it was".to_owned();
                        self.seen.push_back(RequestPart::Odd(why));
                        line.clone()
                    }
                }
            }
            None => line.clone(),
        };
        sent.extend_from_slice(&forwarded);
        if is_blank(line) {
            self.head_is_complete();
        }
        forwarded
    }

    fn head_is_complete(&mut self) {
        let RequestState::Head { raw, sent, .. } =
            std::mem::replace(&mut self.state, RequestState::Idle)
        else {
            return;
        };
        let headers = match head::request(&sent) {
            Ok(headers) => headers,
            Err(why) => return self.give_up(&why.to_string()),
        };
        let framing = head::request_framing(&headers);
        self.seen.push_back(RequestPart::Head { raw: raw.into(), headers });
        match framing {
            Ok(framing) => {
                let body = BodyReader::new(framing);
                if body.is_done() {
                    self.seen.push_back(RequestPart::End);
                } else {
                    self.state = RequestState::Body(body);
                }
            }
            Err(why) => self.give_up(&why.to_string()),
        }
    }

    /// Forwards everything from here on unread.
    pub(super) fn become_opaque(&mut self) {
        self.state = RequestState::Opaque;
    }

    /// The connection speaks something else from here on, which the observer may read.
    pub(super) fn become_upgraded(&mut self) {
        self.state = RequestState::Upgraded;
    }
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// Returns where `needle` is in `bytes`, from `from` on.
fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, needle).map(|at| from + at)
}

/// Reason that bytes are not a request that the tap can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRequest {
    #[error("these bytes are no HTTP/1 request")]
    NotHttp,
    #[error("this is TLS, and the tap speaks plain HTTP")]
    Tls,
    #[error("the client changes to HTTP/2 in the middle of a connection")]
    Http2,
    #[error("the request line is longer than 1 MiB")]
    LongLine,
    #[error("{0:?} is no request line")]
    Line(String),
    #[error("the request line is incomplete")]
    Incomplete,
}

/// Checks that these bytes may be the beginning of a request: blank lines, or a method.
fn may_begin(mut bytes: &[u8]) -> Result<(), NoRequest> {
    while matches!(bytes.first(), Some(b'\r' | b'\n')) {
        bytes.advance(1);
    }
    let method = bytes.split(|b| *b == b' ').next().unwrap_or_default();
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    match method.iter().find(|b| !token(b)) {
        None if method.len() > 64 => Err(NoRequest::NotHttp),
        None => Ok(()),
        Some(0x16) if method.first() == Some(&0x16) => Err(NoRequest::Tls),
        Some(_) => Err(NoRequest::NotHttp),
    }
}

/// A request line, where it has the three parts of HTTP/1.
fn request_line(raw: &[u8]) -> Option<RequestLine> {
    let text = std::str::from_utf8(raw).ok()?.trim_end_matches(['\r', '\n']);
    let (method, rest) = text.split_once(' ')?;
    let (target, version) = rest.trim_start_matches(' ').rsplit_once(' ')?;
    let target = target.trim_end_matches(' ');
    let fits = matches!(version, "HTTP/1.1" | "HTTP/1.0") && !method.is_empty();
    (fits && !target.is_empty() && !target.contains(' ')).then(|| RequestLine {
        method: method.to_owned(),
        target: target.to_owned(),
        raw: raw.to_vec(),
    })
}

/// Returns the place of the value of a `Host` header.
fn host_value(line: &[u8]) -> Option<std::ops::Range<usize>> {
    let colon = memchr::memchr(b':', line)?;
    if !line[..colon].eq_ignore_ascii_case(b"host") {
        return None;
    }
    let value = &line[colon + 1..];
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = value.iter().position(|b| !blank(b))?;
    let end = value.iter().rposition(|b| !blank(b))? + 1;
    Some(colon + 1 + start..colon + 1 + end)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
