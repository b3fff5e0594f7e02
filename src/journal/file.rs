//! The session file: a header line, then one entry a line.
//!
//! UTF-8, JSON, append-only. The writer never goes back, so a process that is killed loses at most
//! the line that it was writing, and the reader reports that line instead of failing on it.
//! [`FileLine`] *is* the format; the documentation of its fields is the specification.

mod read;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use read::{DamagedLine, ReadError, Session, is_beheaded, is_session, read};
use read::{LineError, Store, join};

use super::{EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Micros, Request, Side, Span};
use crate::text;

/// The format's version, written by this program. Readers take every version up to it.
pub const VERSION: u32 = 1;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileHeader {
    /// Always `session`: what kind of file it is.
    pub sselens: String,
    /// Version of the format, [`VERSION`].
    pub format: u32,
    /// The program version that wrote it.
    #[serde(default)]
    pub version: String,
    /// Time of creation, RFC 3339 in UTC: the wall-clock time of the epoch that `at` counts from.
    #[serde(default)]
    pub created: String,
}

/// One entry as it is in the file; this enum *is* the format.
///
/// Every line has `x`, its exchange, and `at`, seconds since the epoch with six decimals; `at` is absent if
/// the time was not measured. Bytes are in `text` if they are UTF-8, and otherwise in `pieces`. `masked`
/// lists the spans of a body that were replaced by `*`, as [offset in the body, length]; `masked_in` those of
/// the address and the headers, as [field, offset in its value, length] (`["headers.authorization", 7, 24]`),
/// which this program does not read back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum FileLine<'a> {
    /// The request was handed to the HTTP client.
    Request {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pieces: Option<Vec<FilePiece<'a>>>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        masked: Vec<Span>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        masked_in: Vec<(String, u64, u64)>,
        /// The exact bytes of the head, where they were seen.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        raw: Vec<FilePiece<'a>>,
        method: String,
        url: String,
        #[serde(default)]
        headers: Headers,
        #[serde(default)]
        provider: String,
        #[serde(default = "auto")]
        dialect: String,
        #[serde(default)]
        model: String,
        /// Things that the user should know about how it was sent.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        warnings: Vec<String>,
        /// On which side of a gateway, where both are recorded: `client` or `upstream`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        side: Option<Side>,
    },
    /// A bare body begins: what the user said about it.
    Bare {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        dialect: Option<String>,
        /// The file is named like an SSE body.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        named_sse: bool,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        status: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        content_type: Option<String>,
    },
    /// The host's name was resolved.
    Resolved {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        addresses: Vec<String>,
    },
    /// The connection is established, to `address:port`.
    Connected {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        peer: Option<String>,
    },
    /// The TLS handshake is done: version and application protocol.
    Tls {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(default)]
        peer: String,
    },
    /// Response headers.
    Head {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        masked_in: Vec<(String, u64, u64)>,
        /// The exact bytes of the head, where they were seen.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        raw: Vec<FilePiece<'a>>,
        #[serde(default)]
        headers: Headers,
        /// An interim (1xx) head.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        interim: bool,
        status: u16,
        /// The HTTP version.
        #[serde(default)]
        version: String,
    },
    /// One read of the body.
    Body(ReadLine<'a>),
    /// One read of what the client sent on a WebSocket, masked by its own key as on the wire; `body` has what the
    /// server sent.
    Sent(ReadLine<'a>),
    /// Trailer fields.
    Trailers {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(default)]
        headers: Headers,
    },
    /// Something that this side did, or that went wrong here: the code of its finding.
    Note {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(default)]
        text: Cow<'a, str>,
        code: String,
        /// Start of a time in which nothing was read; it ends with `at`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        since: Option<f64>,
    },
    /// The exchange is over: one of [`EndCause::NAMES`], and the HTTP library's own words.
    End {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<Cow<'a, str>>,
        cause: String,
    },
    /// Of a type that this version does not know.
    #[serde(other)]
    Later,
}

/// The fields of a line that is one read.
#[derive(Debug, Serialize, Deserialize)]
struct ReadLine<'a> {
    x: ExchangeId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    at: Option<f64>,
    /// Number of bytes that arrived with this read. If it is more than the bytes that are here, the rest is
    /// in the next line of the same type: its beginning could have been a secret's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    len: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pieces: Option<Vec<FilePiece<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    masked: Vec<Span>,
}

/// The parts of one read in memory: the number of bytes that arrived, the bytes, and the masked spans.
type ReadParts = (u32, Bytes, Vec<Span>);

impl<'a> ReadLine<'a> {
    fn of(entry: &Entry, len: u32, bytes: &'a [u8], masked: &[Span]) -> Self {
        let (text, pieces) = written(bytes);
        let (x, at) = (entry.exchange, entry.at.map(seconds));
        Self { x, at, len: Some(len), text, pieces, masked: masked.to_vec() }
    }

    fn parts(self, store: &mut Store) -> Result<ReadParts, LineError> {
        let bytes = store.read(self.text, self.pieces)?;
        Ok((self.len.unwrap_or(bytes.len() as u32), bytes, self.masked))
    }

    /// Returns the entry of a line of the type `body`.
    fn body(self, store: &mut Store) -> Result<Entry, LineError> {
        let (exchange, at) = (self.x, self.at.map(micros));
        let (len, bytes, masked) = self.parts(store)?;
        Ok(Entry { exchange, at, kind: EntryKind::Body { len, bytes, masked } })
    }
}

fn auto() -> String {
    "auto".to_owned()
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum FilePiece<'a> {
    Text(Cow<'a, str>),
    Base64 { base64: String },
}

/// The header line, with its line end.
pub fn header(program_version: &str, created: &str) -> String {
    let header = FileHeader {
        sselens: "session".into(),
        format: VERSION,
        version: program_version.into(),
        created: created.into(),
    };
    text::to_json(&header) + "\n"
}

/// Appends `entry` as one line, with its line end, to `out`.
pub fn encode(entry: &Entry, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = text::write_json(&mut *out, &FileLine::of(entry));
    out.push(b'\n');
}

impl<'a> FileLine<'a> {
    fn of(entry: &'a Entry) -> Self {
        let (x, at) = (entry.exchange, entry.at.map(seconds));
        match &entry.kind {
            EntryKind::Request(r) => FileLine::request(x, at, r),
            EntryKind::Bare { status, content_type, dialect, named_sse } => FileLine::Bare {
                x,
                at,
                dialect: dialect.clone(),
                named_sse: *named_sse,
                status: *status,
                content_type: content_type.clone(),
            },
            EntryKind::Resolved { addresses } => {
                FileLine::Resolved { x, at, addresses: addresses.clone() }
            }
            EntryKind::Connected { peer } => FileLine::Connected { x, at, peer: peer.clone() },
            EntryKind::Tls { detail } => FileLine::Tls { x, at, peer: detail.clone() },
            EntryKind::Head(h) => {
                let mut masked_in = Vec::new();
                masked_headers(&h.headers, &mut masked_in);
                FileLine::Head {
                    x,
                    at,
                    masked_in,
                    raw: as_pieces(&h.raw),
                    headers: h.headers.clone(),
                    interim: h.interim,
                    status: h.status,
                    version: h.version.clone(),
                }
            }
            EntryKind::Body { len, bytes, masked } => {
                FileLine::Body(ReadLine::of(entry, *len, bytes, masked))
            }
            EntryKind::Sent { len, bytes, masked } => {
                FileLine::Sent(ReadLine::of(entry, *len, bytes, masked))
            }
            EntryKind::Trailers(headers) => FileLine::Trailers { x, at, headers: headers.clone() },
            EntryKind::Note { code, text, since } => {
                let (text, code) = (text.as_str().into(), code.clone());
                FileLine::Note { x, at, text, code, since: since.map(seconds) }
            }
            EntryKind::End { cause, detail } => {
                let text = (!detail.is_empty()).then(|| detail.as_str().into());
                FileLine::End { x, at, text, cause: cause.name().into() }
            }
        }
    }

    fn request(x: ExchangeId, at: Option<f64>, r: &'a Request) -> Self {
        let (text, pieces) = written(&r.body);
        let mut masked_in = Vec::new();
        stars("url", &r.url, &mut masked_in);
        masked_headers(&r.headers, &mut masked_in);
        FileLine::Request {
            x,
            at,
            text,
            pieces,
            masked: r.masked.clone(),
            masked_in,
            raw: as_pieces(&r.raw),
            method: r.method.clone(),
            url: r.url.clone(),
            headers: r.headers.clone(),
            provider: r.provider.clone(),
            dialect: r.dialect.clone(),
            model: r.model.clone(),
            warnings: r.warnings.clone(),
            side: r.side,
        }
    }

    /// Returns the entry of a line of the type `request`.
    fn request_entry(self, store: &mut Store) -> Result<Option<Entry>, LineError> {
        let FileLine::Request {
            x: exchange,
            at,
            text,
            pieces,
            masked,
            masked_in: _,
            raw,
            method,
            url,
            headers,
            provider,
            dialect,
            model,
            warnings,
            side,
        } = self
        else {
            return Ok(None);
        };
        let body = store.read(text, pieces)?;
        let raw = join(&raw)?.into();
        let request = Request {
            method,
            url,
            headers,
            raw,
            body,
            provider,
            dialect,
            model,
            masked,
            warnings,
            side,
        };
        let kind = EntryKind::Request(Box::new(request));
        Ok(Some(Entry { exchange, at: at.map(micros), kind }))
    }

    /// Returns the entry; `None` for one of a type that this version does not know.
    fn entry(self, store: &mut Store) -> Result<Option<Entry>, LineError> {
        let (exchange, at, kind) = match self {
            line @ FileLine::Request { .. } => return line.request_entry(store),
            FileLine::Bare { x, at, dialect, named_sse, status, content_type } => {
                (x, at, EntryKind::Bare { status, content_type, dialect, named_sse })
            }
            FileLine::Resolved { x, at, addresses } => (x, at, EntryKind::Resolved { addresses }),
            FileLine::Connected { x, at, peer } => (x, at, EntryKind::Connected { peer }),
            FileLine::Tls { x, at, peer: detail } => (x, at, EntryKind::Tls { detail }),
            FileLine::Head { x, at, headers, raw, interim, status, version, .. } => {
                let raw = join(&raw)?.into();
                (x, at, EntryKind::Head(Head { interim, status, version, headers, raw }))
            }
            FileLine::Body(read) => return read.body(store).map(Some),
            FileLine::Sent(read) => {
                let (x, at) = (read.x, read.at);
                let (len, bytes, masked) = read.parts(store)?;
                (x, at, EntryKind::Sent { len, bytes, masked })
            }
            FileLine::Trailers { x, at, headers } => (x, at, EntryKind::Trailers(headers)),
            FileLine::Note { x, at, text, code, since } => {
                let (text, since) = (text.into_owned(), since.map(micros));
                (x, at, EntryKind::Note { code, text, since })
            }
            FileLine::End { x, at, text, cause: name } => {
                let cause = EndCause::from_name(&name);
                let cause = cause.ok_or(LineError::Cause(name))?;
                (
                    x,
                    at,
                    EntryKind::End { cause, detail: text.map(Cow::into_owned).unwrap_or_default() },
                )
            }
            FileLine::Later => return Ok(None),
        };
        Ok(Some(Entry { exchange, at: at.map(micros), kind }))
    }
}

/// Finds where the values of headers were masked.
fn masked_headers(headers: &Headers, found: &mut Vec<(String, u64, u64)>) {
    for (name, value) in headers {
        stars(&format!("headers.{name}"), value, found);
    }
}

/// Finds the runs of stars in a field's value, each of which replaces a secret.
fn stars(member: &str, value: &str, found: &mut Vec<(String, u64, u64)>) {
    let mut at = 0;
    while let Some(i) = memchr::memchr(b'*', &value.as_bytes()[at..]) {
        let from = at + i;
        let len = value.as_bytes()[from..].iter().take_while(|b| **b == b'*').count();
        // `*/*` is what any client accepts.
        if len > 1 {
            found.push((member.to_owned(), from as u64, len as u64));
        }
        at = from + len;
    }
}

/// A time as the file and all output show it: seconds. Microseconds survive the way there and back
/// ([`micros`]) for about 140 years.
pub fn seconds(at: Micros) -> f64 {
    at as f64 / 1e6
}

/// No time is later, so that times can be added up and be counted in ns: 35 years.
const LATEST: Micros = 1 << 50;

/// The microseconds of a time in seconds; 0 for what is no time.
pub fn micros(seconds: f64) -> Micros {
    let sound = seconds.is_finite() && seconds > 0.0;
    if sound { ((seconds * 1e6).round() as Micros).min(LATEST) } else { 0 }
}

/// Bytes as a line has them: as text, or else as pieces.
type WrittenBytes<'a> = (Option<Cow<'a, str>>, Option<Vec<FilePiece<'a>>>);

fn written(bytes: &[u8]) -> WrittenBytes<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(as_pieces(bytes))),
    }
}

/// Bytes as text where they are, and as base64 where they are not.
fn as_pieces(bytes: &[u8]) -> Vec<FilePiece<'_>> {
    let mut pieces = Vec::new();
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            pieces.push(FilePiece::Text(chunk.valid().into()));
        }
        if !chunk.invalid().is_empty() {
            // Join neighbors into one piece: binary data would otherwise take ten times the space.
            match pieces.last_mut() {
                Some(FilePiece::Base64 { base64 })
                    if base64.len() % 4 == 0 && !base64.ends_with('=') =>
                {
                    base64.push_str(&BASE64.encode(chunk.invalid()));
                }
                _ => pieces.push(FilePiece::Base64 { base64: BASE64.encode(chunk.invalid()) }),
            }
        }
    }
    pieces
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
