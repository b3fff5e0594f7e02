//! The session file: a header line, then one entry a line.
//!
//! UTF-8, JSON, append-only. The writer never goes back, so a process that is killed loses at most
//! the line that it was writing, and the reader reports that line instead of failing on it.
//! [`Line`] *is* the format; the documentation of its fields is the specification.

use std::borrow::Cow;
use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Micros, Request, Span};
use crate::text;

/// The format's version, written by this program. Readers take every version up to it.
pub const VERSION: u32 = 1;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Always `session`: what kind of file it is.
    pub sselens: String,
    /// Version of the format, [`VERSION`].
    pub format: u32,
    /// The program version that wrote it.
    #[serde(default)]
    pub version: String,
    /// When, RFC 3339 in UTC: the wall-clock time of the epoch that `at` counts from.
    #[serde(default)]
    pub created: String,
}

/// One entry as it stands in the file; this enum *is* the format.
///
/// Every line has `x`, its exchange, and `at`, seconds since the epoch with six decimals; `at` is
/// absent where nobody measured it. Bytes stand in `text` where they are UTF-8, and else in `pieces`.
/// `masked` lists the spans of a body that were replaced by `*`, as [offset in the body, length];
/// `masked_in` those of the address and the headers, as [field, offset in its value, length]
/// (`["headers.authorization", 7, 24]`), which this program does not read back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    /// The request was handed to the HTTP client.
    Request {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pieces: Option<Vec<Piece<'a>>>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        masked: Vec<Span>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        masked_in: Vec<(String, u64, u64)>,
        /// The exact bytes of the head, where they were seen.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        raw: Vec<Piece<'a>>,
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
        /// What the user should know about how it was sent.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        warnings: Vec<String>,
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
        raw: Vec<Piece<'a>>,
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
    Body {
        x: ExchangeId,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<f64>,
        /// How many bytes came with this read. Where it is more than the bytes that stand here, the
        /// rest stands in the next `body` line: its beginning could have been a secret's.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        len: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pieces: Option<Vec<Piece<'a>>>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        masked: Vec<Span>,
    },
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

fn auto() -> String {
    "auto".to_owned()
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Piece<'a> {
    Text(Cow<'a, str>),
    Base64 { base64: String },
}

/// The header line, with its line end.
pub fn header(program_version: &str, created: &str) -> String {
    let header = Header {
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
    let _ = text::write_json(&mut *out, &Line::of(entry));
    out.push(b'\n');
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry) -> Self {
        let (x, at) = (entry.exchange, entry.at.map(seconds));
        match &entry.kind {
            EntryKind::Request(r) => {
                let (text, pieces) = written(&r.body);
                let mut masked_in = Vec::new();
                stars("url", &r.url, &mut masked_in);
                masked_headers(&r.headers, &mut masked_in);
                Line::Request {
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
                }
            }
            EntryKind::Bare { status, content_type, dialect, named_sse } => Line::Bare {
                x,
                at,
                dialect: dialect.clone(),
                named_sse: *named_sse,
                status: *status,
                content_type: content_type.clone(),
            },
            EntryKind::Resolved { addresses } => {
                Line::Resolved { x, at, addresses: addresses.clone() }
            }
            EntryKind::Connected { peer } => Line::Connected { x, at, peer: peer.clone() },
            EntryKind::Tls { detail } => Line::Tls { x, at, peer: detail.clone() },
            EntryKind::Head(h) => {
                let mut masked_in = Vec::new();
                masked_headers(&h.headers, &mut masked_in);
                Line::Head {
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
                let (text, pieces) = written(bytes);
                Line::Body { x, at, len: Some(*len), text, pieces, masked: masked.clone() }
            }
            EntryKind::Trailers(headers) => Line::Trailers { x, at, headers: headers.clone() },
            EntryKind::Note { code, text } => {
                Line::Note { x, at, text: text.as_str().into(), code: code.clone() }
            }
            EntryKind::End { cause, detail } => {
                let text = (!detail.is_empty()).then(|| detail.as_str().into());
                Line::End { x, at, text, cause: cause.name().into() }
            }
        }
    }

    /// Returns the entry; `None` for one of a type that this version does not know.
    fn entry(self, store: &mut Store) -> Result<Option<Entry>, LineError> {
        let (exchange, at, kind) = match self {
            Line::Request {
                x,
                at,
                text,
                pieces,
                masked,
                raw,
                method,
                url,
                headers,
                provider,
                dialect,
                model,
                warnings,
                ..
            } => {
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
                };
                (x, at, EntryKind::Request(Box::new(request)))
            }
            Line::Bare { x, at, dialect, named_sse, status, content_type } => {
                (x, at, EntryKind::Bare { status, content_type, dialect, named_sse })
            }
            Line::Resolved { x, at, addresses } => (x, at, EntryKind::Resolved { addresses }),
            Line::Connected { x, at, peer } => (x, at, EntryKind::Connected { peer }),
            Line::Tls { x, at, peer: detail } => (x, at, EntryKind::Tls { detail }),
            Line::Head { x, at, headers, raw, interim, status, version, .. } => {
                let raw = join(&raw)?.into();
                (x, at, EntryKind::Head(Head { interim, status, version, headers, raw }))
            }
            Line::Body { x, at, len, text, pieces, masked } => {
                let bytes = store.read(text, pieces)?;
                let len = len.unwrap_or(bytes.len() as u32);
                (x, at, EntryKind::Body { len, bytes, masked })
            }
            Line::Trailers { x, at, headers } => (x, at, EntryKind::Trailers(headers)),
            Line::Note { x, at, text, code } => {
                (x, at, EntryKind::Note { code, text: text.into_owned() })
            }
            Line::End { x, at, text, cause: name } => {
                let cause = EndCause::from_name(&name);
                let cause = cause.ok_or(LineError::Cause(name))?;
                (
                    x,
                    at,
                    EntryKind::End { cause, detail: text.map(Cow::into_owned).unwrap_or_default() },
                )
            }
            Line::Later => return Ok(None),
        };
        Ok(Some(Entry { exchange, at: at.map(micros), kind }))
    }
}

/// Where the values of headers were masked.
fn masked_headers(headers: &Headers, found: &mut Vec<(String, u64, u64)>) {
    for (name, value) in headers {
        stars(&format!("headers.{name}"), value, found);
    }
}

/// The runs of stars in a member's value, each of which stands for a secret.
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

/// The microseconds of a time in seconds; 0 for what is no time.
pub fn micros(seconds: f64) -> Micros {
    if seconds.is_finite() && seconds > 0.0 { (seconds * 1e6).round() as Micros } else { 0 }
}

/// Bytes as a line has them: as text, or else as pieces.
type Written<'a> = (Option<Cow<'a, str>>, Option<Vec<Piece<'a>>>);

fn written(bytes: &[u8]) -> Written<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(as_pieces(bytes))),
    }
}

/// Bytes as text where they are, and as base64 where they are not.
fn as_pieces(bytes: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            pieces.push(Piece::Text(chunk.valid().into()));
        }
        if !chunk.invalid().is_empty() {
            // Neighbours go into one piece: bytes that are no text at all would else cost ten-fold.
            match pieces.last_mut() {
                Some(Piece::Base64 { base64 })
                    if base64.len() % 4 == 0 && !base64.ends_with('=') =>
                {
                    base64.push_str(&BASE64.encode(chunk.invalid()));
                }
                _ => pieces.push(Piece::Base64 { base64: BASE64.encode(chunk.invalid()) }),
            }
        }
    }
    pieces
}

/// The bytes that [`as_pieces`] made pieces of.
fn join(pieces: &[Piece<'_>]) -> Result<Vec<u8>, LineError> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(t) => out.extend_from_slice(t.as_bytes()),
            Piece::Base64 { base64 } => {
                out.extend(BASE64.decode(base64)?);
            }
        }
    }
    Ok(out)
}

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("unknown cause {0:?}")]
    Cause(String),
}

/// Why a file could not be read, or where it is damaged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The first line is not a header of ours.
    #[error("not an sselens session: the first line has no \"sselens\" member")]
    NotASession,
    /// A newer program wrote it.
    #[error("written in format {0}, this program reads up to {VERSION}; a newer sselens opens it")]
    TooNew(u32),
}

/// A file that was read.
#[derive(Debug)]
pub struct Session {
    /// Its header.
    pub header: Header,
    /// Its entries.
    pub entries: Vec<Entry>,
    /// A last line without an end, which a crash tore: what was wrong with it. The entries before
    /// it are all there.
    pub torn: Option<String>,
    /// Lines that could not be read, and were skipped.
    pub damaged: Vec<Damage>,
    /// How many sessions stand in the file, one after the other.
    pub sessions: u32,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
    /// How many entries were read before it.
    pub entries: usize,
}

/// Whether a first line begins a session file, even a damaged one. Cheap; does not read the rest.
pub fn is_session(first_line: &[u8]) -> bool {
    let line = sound(first_line);
    serde_json::from_slice::<Header>(line).is_ok_and(|h| h.sselens == "session")
        || line.starts_with(b"{\"sselens\":\"session\"")
}

/// A line without the zero bytes that a power failure leaves in front of what was written after it.
fn sound(line: &[u8]) -> &[u8] {
    let zeros = line.iter().take_while(|b| **b == 0).count();
    &line[zeros..]
}

/// Reads a session file. Lines that cannot be read are skipped and listed. Of several sessions in
/// one file, the exchanges are numbered on.
///
/// # Errors
/// When it is none, or newer than this program.
pub fn read(mut input: impl BufRead) -> Result<Session, ReadError> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    if !is_session(&line) {
        return Err(ReadError::NotASession);
    }
    let mut damaged = Vec::new();
    let header = serde_json::from_slice::<Header>(sound(&line)).unwrap_or_else(|e| {
        damaged.push(Damage { line: 1, why: e.to_string(), entries: 0 });
        Header {
            sselens: "session".into(),
            format: 1,
            version: String::new(),
            created: String::new(),
        }
    });
    if header.format > VERSION {
        return Err(ReadError::TooNew(header.format));
    }
    let mut session = Session { header, entries: Vec::new(), torn: None, damaged, sessions: 1 };
    let mut store = Store::default();
    // What is added to the numbers of the session at hand, and the first number after all so far.
    let (mut base, mut next) = (0, 0);
    for number in 2.. {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = sound(&line);
        let zeros = line.len() - text.len();
        if zeros == 0 && text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let entries = session.entries.len();
        let mut damage = |why| session.damaged.push(Damage { line: number, why, entries });
        match decode(text, &mut store) {
            Ok(entry) => {
                if zeros > 0 {
                    damage(format!("{zeros} zero bytes stand before it"));
                }
                session.entries.extend(entry.map(|mut entry| {
                    entry.exchange = entry.exchange.saturating_add(base);
                    next = next.max(entry.exchange.saturating_add(1));
                    entry
                }));
            }
            Err(_) if is_session(text) => {
                base = next;
                session.sessions += 1;
            }
            Err(why) if !line.ends_with(b"\n") => {
                session.torn = Some(format!("line {number}: {why}"));
            }
            Err(why) => damage(why.to_string()),
        }
    }
    settle_held(&mut session.entries);
    Ok(session)
}

/// Bytes that were held back when the writer died are known by number only: they stand as `*`.
fn settle_held(entries: &mut [Entry]) {
    let mut owed = std::collections::HashMap::<ExchangeId, (usize, u64)>::new();
    for (i, e) in entries.iter().enumerate() {
        if let EntryKind::Body { len, bytes, .. } = &e.kind {
            let o = owed.entry(e.exchange).or_default();
            *o = (i, (o.1 + u64::from(*len)).saturating_sub(bytes.len() as u64));
        }
    }
    for (i, missing) in owed.into_values() {
        if missing > 0
            && missing < super::mask::RUN as u64
            && let Some(EntryKind::Body { bytes, .. }) = entries.get_mut(i).map(|e| &mut e.kind)
        {
            let mut all = bytes.to_vec();
            all.resize(all.len() + missing as usize, b'*');
            *bytes = all.into();
        }
    }
}

/// The bytes of many entries in few blocks: a read of a stream is shorter than what it costs to keep
/// it on its own.
#[derive(Debug, Default)]
struct Store(BytesMut);

/// How large a block is. It is given back when the last entry is gone that has bytes in it.
const BLOCK: usize = 256 << 10;

impl Store {
    /// Keeps bytes.
    fn keep(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > BLOCK / 8 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(BLOCK);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }

    /// Reads bytes as a line has them.
    fn read(
        &mut self,
        text: Option<Cow<'_, str>>,
        pieces: Option<Vec<Piece<'_>>>,
    ) -> Result<Bytes, LineError> {
        if let Some(text) = text {
            return Ok(self.keep(text.as_bytes()));
        }
        let out = join(pieces.as_deref().unwrap_or_default())?;
        Ok(self.keep(&out))
    }
}

/// Reads one line; `None` for an entry of a type that this version does not know.
fn decode(line: &[u8], store: &mut Store) -> Result<Option<Entry>, LineError> {
    serde_json::from_slice::<Line<'_>>(line)?.entry(store)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
