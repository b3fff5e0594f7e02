//! The session file: a header line, then one entry a line.
//!
//! UTF-8, JSON, append-only. The writer never goes back, so a process that is killed loses at most
//! the line that it was writing, and the reader reports that line instead of failing on it.
//! [`Line`] *is* the format; the documentation of its fields is the specification.

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

/// One entry as it stands in the file. Which members are there depends on `type`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Line<'a> {
    /// `request`, `bare`, `resolved`, `connected`, `tls`, `head`, `body`, `trailers`, `note`, `end`.
    #[serde(rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    /// Which exchange.
    x: ExchangeId,
    /// Seconds since the epoch, six decimals; absent where nobody measured it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    at: Option<f64>,
    /// Of `body`: how many bytes came with this read. Where it is more than the bytes that stand
    /// here, the rest stands in the next `body` line: its beginning could have been a secret's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    len: Option<u32>,
    /// Of `body` and `request`: the bytes, where they are UTF-8. Of `note` and `end`: a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    text: Option<std::borrow::Cow<'a, str>>,
    /// Instead of `text` where the bytes are not all UTF-8: pieces, as text or as base64.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pieces: Option<Vec<Piece<'a>>>,
    /// Of `body` and `request`: spans that were replaced by `*`, as [offset in the body, length].
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    masked: Vec<Span>,
    /// Of `request` and `head`: where the address or a header's value was masked, as [member,
    /// offset in its value, length]: `["headers.authorization", 7, 24]`. For readers of the file;
    /// this program does not read it back.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    masked_in: Vec<(String, u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    headers: Option<Headers>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    dialect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    model: Option<String>,
    /// Of `bare`: the file is named like an SSE body.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    named_sse: bool,
    /// Of `request`: what the user ought to know about how it was sent.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    warnings: Vec<String>,
    /// Of `head`: a 1xx head.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    interim: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    status: Option<u16>,
    /// Of `head`: the HTTP version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    content_type: Option<String>,
    /// Of `resolved`: the addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    addresses: Vec<String>,
    /// Of `connected`: `address:port`. Of `tls`: version and application protocol.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    peer: Option<String>,
    /// Of `note`: the code of the finding that it becomes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    code: Option<String>,
    /// Of `request` and `head`: the exact bytes of the head, where they were seen.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    raw: Vec<Piece<'a>>,
    /// Of `end`: one of [`EndCause::NAMES`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cause: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Piece<'a> {
    Text(std::borrow::Cow<'a, str>),
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
    let mut line = Line { x: entry.exchange, at: entry.at.map(seconds), ..Line::default() };
    let kind = match &entry.kind {
        EntryKind::Request(r) => {
            bytes_into(&mut line, &r.body);
            line.masked.clone_from(&r.masked);
            stars("url", &r.url, &mut line.masked_in);
            masked_headers(&r.headers, &mut line.masked_in);
            line.method = Some(r.method.clone());
            line.url = Some(r.url.clone());
            line.headers = Some(r.headers.clone());
            line.raw = pieces(&r.raw);
            line.provider = Some(r.provider.clone());
            line.dialect = Some(r.dialect.clone());
            line.model = Some(r.model.clone());
            line.warnings.clone_from(&r.warnings);
            "request"
        }
        EntryKind::Bare { status, content_type, dialect, named_sse } => {
            line.named_sse = *named_sse;
            line.status = *status;
            line.content_type.clone_from(content_type);
            line.dialect.clone_from(dialect);
            "bare"
        }
        EntryKind::Resolved { addresses } => {
            line.addresses.clone_from(addresses);
            "resolved"
        }
        EntryKind::Connected { peer } => {
            line.peer.clone_from(peer);
            "connected"
        }
        EntryKind::Tls { detail } => {
            line.peer = Some(detail.clone());
            "tls"
        }
        EntryKind::Head(h) => {
            masked_headers(&h.headers, &mut line.masked_in);
            line.interim = h.interim;
            line.status = Some(h.status);
            line.version = Some(h.version.clone());
            line.headers = Some(h.headers.clone());
            line.raw = pieces(&h.raw);
            "head"
        }
        EntryKind::Body { len, bytes, masked } => {
            line.len = Some(*len);
            bytes_into(&mut line, bytes);
            line.masked.clone_from(masked);
            "body"
        }
        EntryKind::Trailers(headers) => {
            line.headers = Some(headers.clone());
            "trailers"
        }
        EntryKind::Note { code, text } => {
            line.code = Some(code.clone());
            line.text = Some(text.as_str().into());
            "note"
        }
        EntryKind::End { cause, detail } => {
            line.cause = Some(cause.name().into());
            line.text = (!detail.is_empty()).then(|| detail.as_str().into());
            "end"
        }
    };
    line.kind = kind.into();
    // Writing to memory does not fail.
    let _ = text::write_json(&mut *out, &line);
    out.push(b'\n');
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

fn bytes_into<'a>(line: &mut Line<'a>, bytes: &'a [u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        line.text = Some(text.into());
        return;
    }
    line.pieces = Some(pieces(bytes));
}

/// Bytes as text where they are, and as base64 where they are not.
fn pieces(bytes: &[u8]) -> Vec<Piece<'_>> {
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

/// The bytes that [`pieces`] made pieces of.
fn join(pieces: &[Piece<'_>]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(t) => out.extend_from_slice(t.as_bytes()),
            Piece::Base64 { base64 } => {
                out.extend(BASE64.decode(base64).map_err(|e| format!("base64: {e}"))?);
            }
        }
    }
    Ok(out)
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
    /// A line is not an entry.
    #[error("line {line}: {why}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
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
}

/// Whether a first line begins a session file. Cheap; does not read the rest.
pub fn is_session(first_line: &[u8]) -> bool {
    serde_json::from_slice::<Header>(first_line).is_ok_and(|h| h.sselens == "session")
}

/// Reads a session file.
///
/// # Errors
/// When it is none, is newer than this program, or a line other than a torn last one is damaged;
/// the error names the line.
pub fn read(mut input: impl BufRead) -> Result<Session, ReadError> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    let header: Header = serde_json::from_slice(&line).map_err(|_| ReadError::NotASession)?;
    if header.sselens != "session" {
        return Err(ReadError::NotASession);
    }
    if header.format > VERSION {
        return Err(ReadError::TooNew(header.format));
    }
    let mut session = Session { header, entries: Vec::new(), torn: None };
    let mut store = Store::default();
    for number in 2.. {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match decode(&line, &mut store) {
            Ok(Some(entry)) => session.entries.push(entry),
            Ok(None) => {}
            Err(why) if !line.ends_with(b"\n") => {
                session.torn = Some(format!("line {number}: {why}"))
            }
            Err(why) => return Err(ReadError::Line { line: number, why }),
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
}

/// Reads one line; `None` for an entry of a type that this version does not know.
fn decode(line: &[u8], store: &mut Store) -> Result<Option<Entry>, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let need = |what: &str| format!("a {} entry without \"{what}\"", line.kind);
    let mut bytes = || -> Result<Bytes, String> {
        if let Some(text) = &line.text {
            return Ok(store.keep(text.as_bytes()));
        }
        let out = join(line.pieces.as_deref().unwrap_or_default())?;
        Ok(store.keep(&out))
    };
    let what = match line.kind.as_ref() {
        "request" => EntryKind::Request(Box::new(Request {
            body: bytes()?,
            method: line.method.ok_or_else(|| need("method"))?,
            url: line.url.ok_or_else(|| need("url"))?,
            headers: line.headers.unwrap_or_default(),
            raw: join(&line.raw)?.into(),
            provider: line.provider.unwrap_or_default(),
            dialect: line.dialect.unwrap_or_else(|| "auto".into()),
            model: line.model.unwrap_or_default(),
            masked: line.masked,
            warnings: line.warnings,
        })),
        "bare" => EntryKind::Bare {
            status: line.status,
            content_type: line.content_type,
            dialect: line.dialect,
            named_sse: line.named_sse,
        },
        "resolved" => EntryKind::Resolved { addresses: line.addresses },
        "connected" => EntryKind::Connected { peer: line.peer },
        "tls" => EntryKind::Tls { detail: line.peer.unwrap_or_default() },
        "head" => EntryKind::Head(Head {
            interim: line.interim,
            status: line.status.ok_or_else(|| need("status"))?,
            version: line.version.unwrap_or_default(),
            headers: line.headers.unwrap_or_default(),
            raw: join(&line.raw)?.into(),
        }),
        "body" => {
            let bytes = bytes()?;
            EntryKind::Body {
                len: line.len.unwrap_or(bytes.len() as u32),
                bytes,
                masked: line.masked,
            }
        }
        "trailers" => EntryKind::Trailers(line.headers.unwrap_or_default()),
        "note" => EntryKind::Note {
            code: line.code.ok_or_else(|| need("code"))?,
            text: line.text.map(Into::into).unwrap_or_default(),
        },
        "end" => {
            let name = line.cause.as_deref().ok_or_else(|| need("cause"))?;
            let cause =
                EndCause::from_name(name).ok_or_else(|| format!("unknown cause {name:?}"))?;
            EntryKind::End { cause, detail: line.text.map(Into::into).unwrap_or_default() }
        }
        _ => return Ok(None),
    };
    Ok(Some(Entry { exchange: line.x, at: line.at.map(micros), kind: what }))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
