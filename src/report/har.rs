//! HTTP archives (HAR 1.2), for viewers, and to be opened here again without loss.
//!
//! The frames are where viewers show messages: events in `_eventSourceMessages` and all other frames in
//! `_webSocketMessages`, both as Chrome has them. The field `_sselens` holds the journal's lines; bytes that
//! are in the archive already are left out of them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::frame::web_socket::Sender;
use crate::frame::{Frame, FrameKind, Framing, sse};
use crate::inspect::Inspection;
use crate::journal::{Entry, EntryKind, ExchangeId, Headers, Micros, file};
use crate::text;

/// The origin of a recording.
#[derive(Debug, Clone, Default)]
pub struct RecordingOrigin {
    /// Time of its epoch, RFC 3339; empty where it is unknown.
    pub created: String,
    /// The version of this program that recorded it; empty where it was another.
    pub program: String,
}

/// Writes the exchanges as one archive. `entries` are those of the recording.
///
/// # Errors
/// Those of the writer.
pub fn har(
    exchanges: &[(ExchangeId, &Inspection)],
    entries: &[Entry],
    origin: &RecordingOrigin,
    out: &mut impl Write,
) -> io::Result<()> {
    // Without a date use the epoch: the field is required.
    let epoch =
        OffsetDateTime::parse(&origin.created, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // Write entry by entry, so that the bodies of a long session are not in memory twice.
    write!(
        out,
        "{{\"log\":{{\"version\":\"1.2\",\"creator\":{{\"name\":\"sselens\",\"version\":{}}},\"entries\":[",
        text::to_json(&env!("CARGO_PKG_VERSION"))
    )?;
    let mut of = BTreeMap::<ExchangeId, Vec<&Entry>>::new();
    for entry in entries {
        of.entry(entry.exchange).or_default().push(entry);
    }
    for (i, (x, seen)) in exchanges.iter().enumerate() {
        out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
        let entries = of.remove(x).unwrap_or_default();
        text::write_json(&mut *out, &HarExchange { seen, entries, epoch, origin })?;
    }
    out.write_all(b"\n]}}\n")
}

/// One exchange of the archive, written as it is made: its messages and lines are many.
struct HarExchange<'a> {
    seen: &'a Inspection,
    entries: Vec<&'a Entry>,
    epoch: OffsetDateTime,
    origin: &'a RecordingOrigin,
}

impl Serialize for HarExchange<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { seen, entries, epoch, origin } = self;
        let sent = time::Duration::microseconds(signed(seen.timing.request.unwrap_or(0)));
        let (time, timings) = timings(seen);
        let mut out = to.serialize_map(None)?;
        out.serialize_entry("startedDateTime", &stamp(*epoch + sent))?;
        out.serialize_entry("time", &time)?;
        out.serialize_entry("request", &request(seen))?;
        out.serialize_entry("response", &response(seen))?;
        out.serialize_entry("cache", &json!({}))?;
        out.serialize_entry("timings", &timings)?;
        out.serialize_entry("_resourceType", "fetch")?;
        let name = match seen.framing() {
            Some(Framing::Sse) => "_eventSourceMessages",
            Some(Framing::Whole) | None => "",
            Some(_) => "_webSocketMessages",
        };
        if !name.is_empty() {
            out.serialize_entry(name, &StreamedArray(|| messages(seen, *epoch)))?;
        }
        if seen.bare.is_some() {
            let comment = match &seen.request {
                None => "A recorded body: its request, headers and times are unknown.",
                Some(_) => "Opened from an archive without times.",
            };
            out.serialize_entry("comment", comment)?;
        }
        out.serialize_entry("_sselens", &OwnJournal { seen, entries, origin })?;
        out.end()
    }
}

/// The journal of one exchange.
struct OwnJournal<'a> {
    seen: &'a Inspection,
    entries: &'a [&'a Entry],
    origin: &'a RecordingOrigin,
}

impl Serialize for OwnJournal<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_map(None)?;
        out.serialize_entry("version", &self.origin.program)?;
        out.serialize_entry("created", &self.origin.created)?;
        let lines = || self.entries.iter().map(|e| line(e, self.seen));
        out.serialize_entry("entries", &StreamedArray(lines))?;
        out.end()
    }
}

/// An array of which no more than one item is in memory.
struct StreamedArray<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = Value>> Serialize for StreamedArray<F> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq((self.0)())
    }
}

fn signed(at: Micros) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// RFC 3339 with milliseconds, as the specification has it.
fn stamp(at: OffsetDateTime) -> String {
    let nanos = at.nanosecond() / 1_000_000 * 1_000_000;
    let written = at.replace_nanosecond(nanos).ok().and_then(|t| t.format(&Rfc3339).ok());
    written.unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// The whole time and its phases, in milliseconds; -1 for a phase that was not.
fn timings(seen: &Inspection) -> (f64, Value) {
    let t = &seen.timing;
    let between =
        |from: Option<Micros>, to: Option<Micros>| Some(to?.saturating_sub(from?) as f64 / 1e3);
    let begun = t.resolved.or(t.request);
    let stands = t.tls.or(t.connected).or(begun);
    let phases = json!({
        "blocked": -1,
        "dns": between(t.request, t.resolved).unwrap_or(-1.0),
        // By the specification, this includes the TLS handshake.
        "connect": between(begun, t.tls.or(t.connected)).unwrap_or(-1.0),
        "ssl": between(t.connected, t.tls).unwrap_or(-1.0),
        "send": 0,
        "wait": between(stands, t.head.or(t.end)).unwrap_or(0.0),
        "receive": between(t.head, t.end).unwrap_or(0.0),
    });
    (between(t.request, t.end).unwrap_or(0.0), phases)
}

fn pairs(headers: &Headers) -> Value {
    headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn request(seen: &Inspection) -> Value {
    let version = seen.head.as_ref().map_or("unknown", |h| h.version.as_str());
    let Some(r) = &seen.request else {
        return json!({
            "method": "POST", "url": "about:blank", "httpVersion": version, "cookies": [],
            "headers": [], "queryString": [], "headersSize": -1, "bodySize": -1,
        });
    };
    let query: Vec<Value> = url::Url::parse(&r.url).map_or(Vec::new(), |url| {
        url.query_pairs().map(|(name, value)| json!({"name": name, "value": value})).collect()
    });
    let mut out = json!({
        "method": r.method,
        "url": r.url,
        "httpVersion": version,
        "cookies": [],
        "headers": pairs(&r.headers),
        "queryString": query,
        "headersSize": -1,
        "bodySize": r.body.len(),
    });
    if !r.body.is_empty() {
        let own = r.headers.iter().find(|(k, _)| k == "content-type");
        let mime = own.map_or("application/json", |(_, v)| v.as_str());
        out["postData"] = json!({"mimeType": mime, "text": text::lossy(&r.body)});
    }
    out
}

fn response(seen: &Inspection) -> Value {
    let body = seen.body();
    let mut content = json!({
        "size": body.len(),
        "mimeType": seen.content_type().unwrap_or("x-unknown"),
    });
    if seen.is_decoded() {
        content["compression"] = (body.len() as i64 - seen.wire().len() as i64).into();
    }
    match std::str::from_utf8(body) {
        Ok(text) => content["text"] = text.into(),
        Err(_) => {
            content["text"] = BASE64.encode(body).into();
            content["encoding"] = "base64".into();
        }
    }
    let status = seen.status().unwrap_or(0);
    let words = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    let none = Headers::new();
    let headers = seen.head.as_ref().map_or(&none, |h| &h.headers);
    let mut out = json!({
        "status": status,
        "statusText": words.unwrap_or_default(),
        "httpVersion": seen.head.as_ref().map_or("unknown", |h| h.version.as_str()),
        "cookies": [],
        "headers": pairs(headers),
        "content": content,
        "redirectURL": seen.head.as_ref().and_then(|h| h.header("location")).unwrap_or_default(),
        "headersSize": -1,
        "bodySize": seen.wire_len(),
    });
    if let Some((cause, detail)) = &seen.end
        && (!detail.is_empty() || seen.head.is_none())
    {
        out["_error"] = if detail.is_empty() { cause.name() } else { detail.as_str() }.into();
    }
    out
}

/// The frames as messages, with their times in seconds since 1970.
fn messages(seen: &Inspection, epoch: OffsetDateTime) -> impl Iterator<Item = Value> {
    let base = epoch.unix_timestamp_nanos() as f64 / 1e9;
    let message = move |(i, frame): (usize, Frame)| {
        let time = seen.frame_at(i).map(|at| base + file::seconds(at));
        if seen.framing() == Some(Framing::Sse) {
            if frame.kind != FrameKind::Event {
                return None;
            }
            let block = sse::SseBlock::of(&frame, seen.body());
            let id = seen.sse().map_or("", |s| s.id(&frame));
            let data = frame.data(seen.body()).unwrap_or_default();
            return Some(
                json!({"time": time.unwrap_or(0.0), "eventName": block.event(), "eventId": id, "data": data}),
            );
        }
        let bytes = frame.bytes(seen.body());
        let (opcode, data) = match std::str::from_utf8(bytes) {
            Ok(text) => (1, text.to_owned()),
            Err(_) => (2, BASE64.encode(bytes)),
        };
        let message = seen.ws_frame(i);
        if message.is_some_and(|m| m.opcode.is_control()) {
            return None;
        }
        let is_sent = message.is_some_and(|m| m.sender == Sender::Client);
        let kind = if is_sent { "send" } else { "receive" };
        Some(json!({"type": kind, "time": time.unwrap_or(0.0), "opcode": opcode, "data": data}))
    };
    seen.frames().iter().enumerate().filter_map(message)
}

/// An entry as a line of the session file has it; bytes that the archive has are only counted.
fn line(entry: &Entry, seen: &Inspection) -> Value {
    let mut bytes = Vec::new();
    file::encode(entry, &mut bytes);
    let mut line: Map<String, Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    let take = match &entry.kind {
        EntryKind::Request(r) if std::str::from_utf8(&r.body).is_ok() => Some(r.body.len()),
        // The archive has a coded body only in its decoded form.
        EntryKind::Body { bytes, .. } if !seen.is_decoded() => Some(bytes.len()),
        _ => None,
    };
    if let Some(take) = take {
        line.remove("text");
        line.remove("pieces");
        line.insert("take".into(), take.into());
    }
    line.into()
}
