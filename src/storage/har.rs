//! HTTP archives (HAR 1.2): exchanges that a browser, a proxy or this program wrote down.
//!
//! An archive of another program has whole bodies and no reads: its exchanges are bare bodies with a request
//! and a head. One of ours has the journal in the field `_sselens` beside what viewers know, and restores every
//! entry with its time.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::by_hand;
use super::recording::{BodyHints, Recording, body};
use crate::journal::{
    EndCause, Entry, EntryKind, ExchangeId, Head, Headers, Masker, Request, Secrets, file,
};
use crate::transport::request::{mask_header, mask_recorded, model_of};

#[derive(Deserialize)]
struct Archive {
    log: HarLog,
}

#[derive(Deserialize)]
struct HarLog {
    entries: Vec<HarEntry>,
}

/// One entry of the archive. Fields that are not needed are not read.
#[derive(Deserialize)]
struct HarEntry {
    #[serde(rename = "startedDateTime", default)]
    started: String,
    request: HarRequest,
    response: Answered,
    #[serde(rename = "_eventSourceMessages", default)]
    messages: Vec<ChromeEvent>,
    #[serde(rename = "_sselens")]
    own: Option<OwnMembers>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HarRequest {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<NameValue>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    #[serde(default)]
    status: i64,
    #[serde(default)]
    http_version: String,
    #[serde(default)]
    headers: Vec<NameValue>,
    content: Option<PostData>,
}

#[derive(Deserialize)]
struct NameValue {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    text: Option<String>,
    encoding: Option<String>,
}

/// An event as Chrome writes it down.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChromeEvent {
    #[serde(default)]
    event_name: String,
    #[serde(default)]
    event_id: String,
    #[serde(default)]
    data: String,
}

/// The fields that this program writes beside the common ones.
#[derive(Deserialize)]
struct OwnMembers {
    #[serde(default)]
    version: String,
    #[serde(default)]
    created: String,
    /// Lines of a session file. In place of bytes that are elsewhere in the archive: `take`, how many of
    /// them.
    entries: Vec<Map<String, Value>>,
}

/// Reason that an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HarError {
    /// It is not one.
    #[error("is no HAR: {0}")]
    NotHar(#[from] serde_json::Error),
    /// Nothing is in it.
    #[error("is a HAR without any entry")]
    Empty,
    /// An entry's body cannot be read.
    #[error("entry {number}: {why}")]
    Content {
        /// The entry, from 0.
        number: ExchangeId,
        /// The underlying error.
        why: ContentError,
    },
}

/// Reason that the bytes of a body in an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// They are not Base64.
    #[error("content.text: base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Their encoding has an unknown name.
    #[error("content.encoding {0:?} is not known")]
    Encoding(String),
}

/// Reason that an exchange of this program's cannot be restored from an archive.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("the body ends at byte {0}")]
    Short(usize),
    #[error("the reads end at byte {at} of {len}")]
    Rest { at: usize, len: usize },
    #[error(transparent)]
    Line(#[from] serde_json::Error),
    #[error(transparent)]
    Session(#[from] file::ReadError),
}

/// Returns whether this is an HTTP archive: a JSON object with `log.entries`.
pub(super) fn is_har(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(unmarked(bytes)).ok();
    let Some(text) = text.filter(|t| may_begin(bytes) && t.contains("\"log\"")) else {
        return false;
    };
    let mut tape = crate::json::Tape::new();
    tape.parse(text).is_ok() && tape.root(text).is_some_and(|j| j.at(&["log", "entries"]).is_some())
}

/// Returns whether bytes that begin like this can be an archive at all.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    unmarked(bytes).trim_ascii_start().first().is_none_or(|b| *b == b'{')
}

/// Without a byte order mark, which some tools write.
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads an archive.
///
/// # Errors
/// It is not one, is empty, or a body in it cannot be read.
pub(super) fn read(bytes: &[u8], hints: &BodyHints) -> Result<Recording, HarError> {
    let archive: Archive = serde_json::from_slice(unmarked(bytes))?;
    let mut items = archive.log.entries;
    if items.is_empty() {
        return Err(HarError::Empty);
    }
    let mut recording = Recording::default();
    let all = items.len();
    if items.iter().any(is_stream) {
        items.retain(is_stream);
    }
    if let skipped @ 1.. = all - items.len() {
        recording.warnings.push(format!(
            "{} of {all} skipped: no requests to a model",
            crate::text::count(skipped as u64, "entry").replace("entrys", "entries")
        ));
    }
    let mut used = BTreeSet::new();
    for (x, item) in (0..).zip(items.iter()) {
        let number = x;
        match item.own.as_ref().map(|own| restored(item, own)) {
            Some(Ok(mut entries)) => {
                let own = item.own.as_ref();
                let pick =
                    |of: fn(&OwnMembers) -> &String| own.map(of).cloned().unwrap_or_default();
                if recording.created.is_empty() {
                    recording.created = pick(|o| &o.created);
                    recording.program = pick(|o| &o.version);
                }
                recording.is_session = true;
                let was = entries.first().map_or(x, |e| e.exchange);
                let x = if used.contains(&was) { next(&used) } else { was };
                used.insert(x);
                entries.iter_mut().for_each(|e| e.exchange = x);
                recording.entries.extend(entries);
                continue;
            }
            Some(Err(why)) => recording.warnings.push(format!(
                "entry {number}: its reads do not fit its body any more ({why}); read without times"
            )),
            None => {}
        }
        let x = if used.contains(&x) { next(&used) } else { x };
        used.insert(x);
        if recording.created.is_empty() {
            recording.created.clone_from(&item.started);
        }
        foreign(x, item, hints, &mut recording)?;
    }
    // An archive of this program had the exchanges interleaved as they arrived.
    if recording.entries.iter().all(|e| e.at.is_some()) {
        recording.entries.sort_by_key(|e| e.at);
    }
    for entry in &mut recording.entries {
        if let (EntryKind::Request(r), Some(dialect)) = (&mut entry.kind, &hints.dialect) {
            r.dialect.clone_from(dialect);
        }
    }
    Ok(recording)
}

fn next(used: &BTreeSet<ExchangeId>) -> ExchangeId {
    used.last().map_or(0, |x| x.saturating_add(1))
}

/// Returns whether an entry is a call of a model, or could be one: a stream was returned, or the request has
/// the fields of one.
fn is_stream(item: &HarEntry) -> bool {
    let of_header =
        item.response.headers.iter().find(|p| p.name.eq_ignore_ascii_case("content-type"));
    let of_content = item.response.content.as_ref().map(|c| c.mime_type.as_str());
    let types = [of_header.map(|p| p.value.as_str()), of_content];
    let streamed = types.into_iter().flatten().any(|t| {
        let t = t.to_ascii_lowercase();
        ["event-stream", "eventstream", "ndjson", "jsonl", "json-seq", "stream+json"]
            .iter()
            .any(|s| t.contains(s))
    });
    let asks = || {
        let text = item.request.post_data.as_ref()?.text.as_deref()?;
        let mut tape = crate::json::Tape::new();
        tape.parse(text).ok()?;
        let body = tape.root(text)?;
        let members = ["messages", "contents", "prompt", "input", "model"];
        members.iter().any(|m| body.get(m).is_some()).then_some(())
    };
    item.own.is_some() || streamed || !item.messages.is_empty() || asks().is_some()
}

/// The bytes of a content: text, or base64.
fn bytes_of(content: &PostData) -> Result<Option<Vec<u8>>, ContentError> {
    let Some(text) = &content.text else { return Ok(None) };
    match content.encoding.as_deref() {
        Some("base64") => {
            let packed: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
            Ok(Some(BASE64.decode(packed)?))
        }
        None | Some("" | "utf-8" | "utf8") => Ok(Some(text.as_bytes().to_vec())),
        Some(other) => Err(ContentError::Encoding(other.to_owned())),
    }
}

/// The entries of one of our own: the bytes are put back to where they were taken from.
fn restored(item: &HarEntry, own: &OwnMembers) -> Result<Vec<Entry>, RestoreError> {
    let content = item.response.content.as_ref().map(bytes_of).transpose()?.flatten();
    let content = content.unwrap_or_default();
    let asked = item.request.post_data.as_ref().and_then(|p| p.text.as_deref()).unwrap_or_default();
    let mut at = 0_usize;
    let mut lines = file::header(&own.version, &own.created).into_bytes();
    for entry in &own.entries {
        let mut entry = entry.clone();
        if let Some(take) = entry.remove("take") {
            let take = take.as_u64().and_then(|n| usize::try_from(n).ok());
            let (all, from) = if entry.get("type").and_then(Value::as_str) == Some("request") {
                (asked.as_bytes(), 0)
            } else {
                (&content[..], at)
            };
            let piece = take
                .and_then(|n| all.get(from..from.checked_add(n)?))
                .ok_or(RestoreError::Short(all.len()))?;
            if all.as_ptr() == content.as_ptr() {
                at += piece.len();
            }
            entry.insert("pieces".into(), json!([{"base64": BASE64.encode(piece)}]));
        }
        serde_json::to_writer(&mut lines, &entry)?;
        lines.push(b'\n');
    }
    if own.entries.iter().any(|e| e.get("type").and_then(Value::as_str) == Some("body"))
        && at > 0
        && at != content.len()
    {
        return Err(RestoreError::Rest { at, len: content.len() });
    }
    let mut entries = file::read(&lines[..])?.entries;
    by_hand::mask(&mut entries);
    Ok(entries)
}

/// The entries of an exchange that another program wrote down.
fn foreign(
    x: ExchangeId,
    item: &HarEntry,
    hints: &BodyHints,
    recording: &mut Recording,
) -> Result<(), HarError> {
    let number = x;
    let mut add = |what| recording.entries.push(Entry { exchange: x, at: None, kind: what });
    let asked = item.request.post_data.as_ref().and_then(|p| p.text.clone()).unwrap_or_default();
    let host = url::Url::parse(&item.request.url).ok().and_then(|u| u.host_str().map(String::from));
    let mut request = Request {
        method: item.request.method.to_uppercase(),
        url: item.request.url.clone(),
        headers: headers(&item.request.headers),
        model: model_of(asked.as_bytes()).unwrap_or_default(),
        body: asked.into(),
        provider: host.unwrap_or_default(),
        dialect: hints.dialect.clone().unwrap_or_else(|| "auto".into()),
        ..Request::default()
    };
    let mut secrets = mask_recorded(&mut request);
    // A bare body, of which more is known than of others.
    let (status, content_type) = (hints.status, hints.content_type.clone());
    let dialect = hints.dialect.clone();
    add(EntryKind::Bare { status, content_type, dialect, named_sse: false });
    add(EntryKind::Request(Box::new(request)));
    if let Ok(status @ 100..) = u16::try_from(item.response.status) {
        add(EntryKind::Head(head(status, &item.response, &secrets)));
    }
    let bytes = item.response.content.as_ref().map(bytes_of).transpose();
    let bytes = bytes.map_err(|why| HarError::Content { number, why })?.flatten();
    let bytes = match bytes {
        Some(bytes) if !bytes.is_empty() || item.messages.is_empty() => bytes,
        None if item.messages.is_empty() => Vec::new(),
        _ => {
            recording.warnings.push(format!(
                "entry {number} has no body; it was put together from its events, and comments, \
                 odd lines and the bytes themselves are not known"
            ));
            events(&item.messages)
        }
    };
    secrets.add_from_text(&String::from_utf8_lossy(&bytes), true);
    let mut masker = Masker::new(secrets);
    let (mut settled, mut masked) = masker.feed(bytes.into());
    let (rest, more) = masker.finish();
    if !rest.is_empty() {
        settled = Bytes::from([settled, rest].concat());
        masked.extend(more);
    }
    let mut pieces = body(settled, None);
    if let Some(EntryKind::Body { masked: spans, .. }) = pieces.first_mut().map(|e| &mut e.kind) {
        *spans = masked;
    }
    recording.entries.extend(pieces.into_iter().map(|e| Entry { exchange: x, ..e }));
    let what = EntryKind::End { cause: EndCause::Unknown, detail: String::new() };
    recording.entries.push(Entry { exchange: x, at: None, kind: what });
    Ok(())
}

/// Header fields, names in lower case, without HTTP/2's own (`:authority`).
fn headers(pairs: &[NameValue]) -> Headers {
    let plain = pairs.iter().filter(|p| !p.name.starts_with(':'));
    plain.map(|p| (p.name.to_ascii_lowercase(), p.value.clone())).collect()
}

/// The response head. An archive holds the body after its content coding: what the head says of the
/// coded body holds no more.
fn head(status: u16, of: &Answered, secrets: &Secrets) -> Head {
    let mut headers = headers(&of.headers);
    if headers.iter().any(|(k, _)| k == "content-encoding") {
        headers.retain(|(k, _)| k != "content-encoding" && k != "content-length");
    }
    if !headers.iter().any(|(k, _)| k == "content-type")
        && let Some(content) = of.content.as_ref().filter(|c| c.mime_type.contains('/'))
    {
        headers.push(("content-type".into(), content.mime_type.clone()));
    }
    for (name, value) in &mut headers {
        *value = mask_header(name, value, secrets);
    }
    let version = of.http_version.to_ascii_uppercase();
    Head { status, version, headers, ..Head::default() }
}

/// Events as a stream would have them.
fn events(messages: &[ChromeEvent]) -> Vec<u8> {
    let mut out = String::new();
    for m in messages {
        if !m.event_name.is_empty() && m.event_name != "message" {
            out.push_str(&format!("event: {}\n", m.event_name));
        }
        if !m.event_id.is_empty() {
            out.push_str(&format!("id: {}\n", m.event_id));
        }
        for line in m.data.split('\n') {
            out.push_str(&format!("data: {line}\n"));
        }
        out.push('\n');
    }
    out.into_bytes()
}
