//! HTTP/1: the parser of responses, which the tap has too, and the exchange that the client makes.

pub(crate) mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod head;
pub(crate) mod response;

use std::fmt::Write as _;

use base64::Engine as _;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::failure::Stop;
use super::link::Link;
use super::proxy::Proxy;
use super::receiver::Receiver;
use super::request::Outgoing;
use super::stamp;
use crate::journal::{EndCause, Entry, Head, Limit};
use crate::rule::Code;
use crate::text::{count, preview};
use response::{Expected, ResponsePart, ResponsePosition, Responses};

/// The most bytes of one read.
const READ: usize = 64 << 10;

/// Most bytes of a body that are sent in one write with the head.
const TOGETHER: usize = 64 << 10;

/// Maximum number of interim responses that are read before one that is none.
const MAX_INTERIM: u32 = 1000;

/// Sends a request and takes in what arrives, until the response is over.
pub(super) async fn run<T: Fn(Entry)>(
    link: Link,
    proxy: Option<&Proxy>,
    receiver: &mut Receiver<'_, '_, T>,
) -> Stop {
    let (stamps, clock) = (link.stamps(), receiver.clock());
    let (mut reader, writer) = tokio::io::split(link);
    let outgoing = receiver.outgoing;
    let sending = send(writer, head_of(outgoing, proxy), outgoing.body.clone());
    tokio::pin!(sending);
    // Keep the write half: for some servers, dropping it would close the connection.
    let mut sent = None;
    let mut answer = OpenResponse::new(outgoing.method == http::Method::HEAD);
    // Reads are copied out of this buffer, so that a small read does not hold a large allocation.
    let mut buffer = vec![0; READ];
    loop {
        receiver.pause_while_full().await;
        let read = tokio::select! {
            biased;
            read = reader.read(&mut buffer) => read,
            done = &mut sending, if sent.is_none() => {
                sent = Some(done);
                continue;
            }
            stop = receiver.idle() => return stop,
        };
        let now = clock.now();
        let stamp = stamps.take().and_then(|stamp| stamp::at(stamp, &clock, now));
        let at = stamp.unwrap_or(now);
        let ended = match read {
            Ok(0) => Some(answer.closed(None)),
            Ok(len) => answer.take(at, Bytes::copy_from_slice(&buffer[..len]), receiver),
            Err(e) => Some(answer.closed(Some(&e))),
        };
        if let Some(stop) = ended {
            return stop;
        }
    }
}

/// Writes a request; returns the half of the connection that it was written to. A server that does not
/// take all of it may still answer: that is for the reader to see.
async fn send<W: AsyncWrite + Unpin>(mut writer: W, mut head: Vec<u8>, body: Bytes) -> W {
    // Send a small request in one write, for servers that answer after their first read.
    let (together, rest) = body.split_at(body.len().min(TOGETHER));
    head.extend_from_slice(together);
    let written = async {
        writer.write_all(&head).await?;
        writer.write_all(rest).await?;
        writer.flush().await
    };
    if let Err(e) = written.await {
        tracing::debug!("the request was not taken whole: {e}");
    }
    writer
}

/// The head of a request as it goes over the wire.
fn head_of(outgoing: &Outgoing, proxy: Option<&Proxy>) -> Vec<u8> {
    let url = &outgoing.url;
    let host = url.host_str().unwrap_or_default();
    let authority = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let mut head = format!("{} ", outgoing.method);
    if proxy.is_some() {
        let _ = write!(head, "{}://{authority}", url.scheme());
    }
    head.push_str(url.path());
    if let Some(query) = url.query() {
        let _ = write!(head, "?{query}");
    }
    head.push_str(" HTTP/1.1\r\n");
    let headers = &outgoing.headers;
    if !headers.contains_key(http::header::HOST) {
        let _ = write!(head, "host: {authority}\r\n");
    }
    let mut head = head.into_bytes();
    let mut field = |name: &str, value: &[u8]| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    for (name, value) in headers {
        field(name.as_str(), value.as_bytes());
    }
    if let Some(basic) = login(outgoing) {
        field("authorization", basic.as_bytes());
    }
    let authorization = proxy.and_then(Proxy::authorization);
    if let Some(basic) = authorization.filter(|_| !headers.contains_key("proxy-authorization")) {
        field("proxy-authorization", basic.as_bytes());
    }
    let is_framed =
        ["content-length", "transfer-encoding"].iter().any(|n| headers.contains_key(*n));
    let has_body = !outgoing.body.is_empty() || !matches!(outgoing.method.as_str(), "GET" | "HEAD");
    if has_body && !is_framed {
        field("content-length", outgoing.body.len().to_string().as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The login that an address holds, as a header says it.
pub(super) fn login(outgoing: &Outgoing) -> Option<String> {
    let url = &outgoing.url;
    let (user, password) = (url.username(), url.password());
    let is_there = !user.is_empty() || password.is_some();
    if !is_there || outgoing.headers.contains_key(http::header::AUTHORIZATION) {
        return None;
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let both = [decoded(user), decoded(password.unwrap_or_default())].join(&b':');
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both)))
}

/// A response that is being read.
struct OpenResponse {
    responses: Responses,
    seen: Vec<ResponsePart>,
    interim: u32,
    /// An extension of a chunk was noted.
    extended: bool,
}

impl OpenResponse {
    fn new(to_head: bool) -> Self {
        let mut responses = Responses::new();
        responses.expect(Expected { head: to_head, connect: false });
        Self { responses, seen: Vec::new(), interim: 0, extended: false }
    }

    /// Takes in a read; returns how the exchange ended, if it did.
    fn take<T: Fn(Entry)>(
        &mut self,
        at: u64,
        bytes: Bytes,
        receiver: &mut Receiver<'_, '_, T>,
    ) -> Option<Stop> {
        let mut seen = std::mem::take(&mut self.seen);
        self.responses.feed(bytes, &mut seen);
        let mut parts = seen.drain(..).peekable();
        while let Some(part) = parts.next() {
            match part {
                ResponsePart::Head { raw, head } => {
                    let interim = (100..200).contains(&head.status) && head.status != 101;
                    self.interim += u32::from(interim);
                    if self.interim > MAX_INTERIM {
                        let why = format!("more than {MAX_INTERIM} interim responses");
                        return Some(Stop::new(EndCause::Limit(Limit::Http), why));
                    }
                    let response::ParsedHead { version, status, headers } = head;
                    receiver.head(at, Head { interim, status, version, headers, raw });
                }
                ResponsePart::Data(data) => {
                    if let Err(stop) = receiver.data(at, data) {
                        return Some(stop);
                    }
                }
                ResponsePart::Extension(extension) => {
                    if !std::mem::replace(&mut self.extended, true) {
                        let shown = preview(&String::from_utf8_lossy(&extension), 60);
                        let text = format!("A chunk has the extension {shown:?}");
                        receiver.note(at, Code::ChunkExtension, &text);
                    }
                }
                ResponsePart::Trailers(trailers) => {
                    receiver.trailers(at, head::trailers(&trailers))
                }
                ResponsePart::End => {
                    if let Some(ResponsePart::Extra(bytes)) = parts.peek() {
                        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
                        let more = count(bytes.len() as u64, "more byte");
                        let text =
                            format!("After the end of the body: {more}: {:?}", preview(&shown, 60));
                        receiver.note(at, Code::BytesAfterBody, &text);
                    }
                    return Some(Stop::new(EndCause::Complete, ""));
                }
                ResponsePart::Extra(_) | ResponsePart::Passed(_) => {}
                ResponsePart::Upgraded => return Some(Stop::new(EndCause::Closed, "")),
                ResponsePart::Lost(why) => return Some(lost(why)),
            }
        }
        drop(parts);
        self.seen = seen;
        None
    }

    /// The server closed its sending side, or reading failed.
    fn closed(&self, error: Option<&std::io::Error>) -> Stop {
        let detail = error.map(ToString::to_string).unwrap_or_default();
        let reset = error.is_some_and(|e| {
            use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
            matches!(e.kind(), ConnectionReset | ConnectionAborted | BrokenPipe)
        });
        let standing = self.responses.standing();
        let detail = match standing {
            ResponsePosition::InsideHead => {
                let so_far = format!("so far: {}", head::shown(self.responses.pending()));
                let parts = [detail, so_far].into_iter().filter(|part| !part.is_empty());
                parts.collect::<Vec<_>>().join("; ")
            }
            _ => detail,
        };
        let cause = match standing {
            _ if reset => EndCause::Reset,
            ResponsePosition::UntilClose | ResponsePosition::Opaque if error.is_none() => {
                EndCause::Closed
            }
            ResponsePosition::UntilClose
            | ResponsePosition::Opaque
            | ResponsePosition::InsideBody => EndCause::Truncated,
            ResponsePosition::BeforeHead | ResponsePosition::Between => EndCause::ClosedBeforeHead,
            ResponsePosition::InsideHead => EndCause::ClosedInsideHead,
        };
        Stop::new(cause, detail)
    }
}

/// The bytes cannot be followed: for this program's own limits, or because they are no HTTP.
fn lost(why: response::Lost) -> Stop {
    let cause = match why.is_limit {
        true => EndCause::Limit(Limit::Http),
        false => EndCause::Protocol,
    };
    Stop::new(cause, why.text)
}
