//! Rules about the response head, and about a body that is not what a stream request asks for.

use super::page::{is_html, page_words, parse};
use super::status::{WHAT_TO_DO, is_swallowed, swallowed};
use super::{Code, Detector, FindingPlace, Findings, Severity, ours, refused};
use crate::frame::sse::SseBlock;
use crate::frame::{Frame, FrameKind, Framing};
use crate::inspect::Facts;
use crate::json::Value;
use crate::text;

#[derive(Default)]
pub(super) struct HeadDetector;

impl Detector for HeadDetector {
    fn head(&mut self, facts: &Facts, findings: &mut Findings) {
        if let Some(head) = &facts.head
            && let Some(length) = head.header("content-length")
            && let Some(coding) = head.header("transfer-encoding")
        {
            let (length, coding) = (text::preview(length, 20), text::preview(coding, 20));
            let message =
                format!("Content-Length ({length}) together with Transfer-Encoding ({coding})");
            findings.raise(Code::LengthAndChunked, FindingPlace::default(), message);
        }
        malformed(facts, findings);
        transfer_coded(facts, findings);
        let Some(head) = facts.head.as_ref().filter(|h| h.status < 300) else { return };
        if media_type(facts) != "text/event-stream" {
            return;
        }
        let nowhere = FindingPlace::default();
        if let Some(length) = head.header("content-length").filter(|l| *l != "0") {
            let message = format!(
                "Stream has a Content-Length ({}): it was collected before it was sent",
                text::preview(length, 20)
            );
            findings.raise(Code::ContentLengthOnStream, nowhere, message);
        }
        if let Some(coding) = facts.coding() {
            let message =
                format!("Event stream is compressed ({})", text::preview(coding.name(), 20));
            findings.raise(Code::GzipSse, nowhere, message);
        }
        let no = |name: &str, words: &[&str]| {
            head.header(name)
                .is_some_and(|v| words.iter().any(|w| v.to_ascii_lowercase().contains(w)))
        };
        if !no("x-accel-buffering", &["no"])
            && !no("cache-control", &["no-cache", "no-store", "no-transform"])
        {
            findings.raise(
                Code::NoAntiBufferingHeaders,
                nowhere,
                "No header asks proxies not to buffer the stream",
            );
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if facts.head.is_none() && facts.bare.is_none() {
            return;
        }
        if refused(facts) {
            return;
        }
        let labeled = facts.content_type().is_some() || facts.head.is_some();
        if facts.framing() == Some(Framing::Sse)
            && labeled
            && media_type(facts) != "text/event-stream"
        {
            let message = match facts.content_type() {
                Some(t) => {
                    format!("Event stream labeled {}", text::preview(t, 60))
                }
                None => "Event stream without a content type".to_owned(),
            };
            findings.raise(Code::SseMislabelled, FindingPlace::default(), message);
        }
        if !super::cut(facts) && !ours(facts) && facts.web_socket().is_none() {
            no_stream(facts, findings);
        }
    }
}

/// Returns the media type of the response, received or user-supplied, in lower case; empty if there is none.
pub(super) fn media_type(facts: &Facts) -> String {
    crate::frame::Hint { content_type: facts.content_type().map(Into::into), named_sse: false }
        .media_type()
}

/// Header lines that this program reads, as curl does for the most part, and common HTTP clients refuse.
fn malformed(facts: &Facts, findings: &mut Findings) {
    let Some(raw) = facts.head.as_ref().and_then(|head| head.wire()) else { return };
    let lines: Vec<&[u8]> = raw.split(|byte| *byte == b'\n').collect();
    let bare = lines.len() > 1 && lines.iter().any(|l| !l.is_empty() && !l.ends_with(b"\r"));
    let mut odd = lines.iter().skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let found = odd.find_map(|line| refused_by(line).map(|(why, who)| (line, why, who)));
    let message = match found {
        Some((line, why, who)) => {
            let line = text::preview(&String::from_utf8_lossy(line), 40);
            format!("Header line \"{line}\" has {why}: {who} the response")
        }
        None if bare => {
            "Header lines end with LF alone: Node's HTTP parser refuses the response".to_owned()
        }
        None => return,
    };
    findings.raise(Code::HeaderMalformed, FindingPlace::default(), message);
}

/// Returns what is wrong with a header line, and who refuses the response for it.
fn refused_by(line: &[u8]) -> Option<(&'static str, &'static str)> {
    const BOTH: &str = "httpx, aiohttp and Node refuse";
    const PYTHON: &str = "httpx and aiohttp refuse";
    const NODE: &str = "Node's HTTP parser refuses";
    // A folded line continues the previous one; every client accepts that.
    if line.is_empty() || matches!(line[0], b' ' | b'\t') {
        return None;
    }
    let Some(colon) = memchr::memchr(b':', line) else { return Some(("no colon", BOTH)) };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if name.is_empty() {
        return Some(("no name", PYTHON));
    }
    if name.trim_ascii_end().len() < name.len() {
        return Some(("a space before its colon", PYTHON));
    }
    if !name.iter().all(is_token) {
        return Some(("a name that is no token", BOTH));
    }
    if value.contains(&0) {
        return Some(("a NUL in its value", BOTH));
    }
    let control = |b: &u8| (*b < 0x20 && *b != b'\t') || *b == 0x7f;
    value.iter().any(control).then_some(("a control character in its value", NODE))
}

/// A success status without a stream.
fn no_stream(facts: &Facts, findings: &mut Findings) {
    // A response to HEAD has no body; agents use it to check whether the server is up.
    if facts.request.as_ref().is_some_and(|request| request.method.eq_ignore_ascii_case("HEAD")) {
        return;
    }
    let status = facts.status();
    // The status of a bare body is unknown; do not assume one.
    let name = status.map_or_else(|| "There is".to_owned(), |s| format!("{s} and"));
    if is_empty(facts, &name, findings) {
        return;
    }
    if facts.framing() != Some(Framing::Whole) {
        return unframed(facts, &name, findings);
    }
    let place = FindingPlace { frame: Some(0), offset: Some(0) };
    if is_html(facts.body()) {
        let page = text::preview(&page_words(facts.body()), 80);
        let message = format!("{name} a web page ({page}) instead of a stream");
        return findings.raise(Code::Html200, place, message);
    }
    no_json_stream(facts, &name, findings);
}

/// Raises that a response has nothing in it, if so: by its status, no bytes, an empty array.
fn is_empty(facts: &Facts, name: &str, findings: &mut Findings) -> bool {
    let (status, body) = (facts.status(), facts.body());
    if let Some(code @ (204 | 205)) = status {
        let message = format!("HTTP {code} for a stream request: no content");
        findings.raise(Code::NoContent204, FindingPlace::default(), message);
    } else if body.trim_ascii().is_empty() {
        if facts.framing() != Some(Framing::Sse) && facts.coding_error.is_none() {
            let what = if body.is_empty() { "an empty body" } else { "a body of whitespace" };
            let message = format!("{name} {what}: no events received");
            findings.raise(Code::EmptyStream, FindingPlace::default(), message);
        }
    } else if facts.array_is_closed() == Some(true)
        && facts.frames().iter().all(|f| f.kind == FrameKind::Body)
    {
        let message = format!("{name} an empty array: no elements received");
        findings.raise(Code::EmptyStream, FindingPlace::default(), message);
    } else {
        return false;
    }
    true
}

/// A body that is one JSON value, or none, where a stream should be.
fn no_json_stream(facts: &Facts, name: &str, findings: &mut Findings) {
    let place = FindingPlace { frame: Some(0), offset: Some(0) };
    let body = facts.body();
    let (tape, source) = parse(body);
    // JSON under text/event-stream is left to the SSE rules; so is JSON without headers.
    let unlabeled = facts.status().is_none() && facts.content_type().is_none();
    if media_type(facts) == "text/event-stream" && tape.root(&source).is_some() {
        return;
    }
    match tape.root(&source) {
        Some(_) if !facts.answer().errors.is_empty() => {
            let error = &facts.answer().errors[0];
            let words = text::preview(&error.message, 200);
            if is_swallowed(&error.message) {
                let message = format!("{}. {WHAT_TO_DO}", swallowed(&error.message));
                return findings.raise(Code::Swallowed422, place, message);
            }
            let message = format!("{name} a JSON error instead of a stream: \"{words}\"");
            findings.raise(Code::JsonError200, place, message);
        }
        Some(json) if json.is_null() => {
            let message = format!("{name} the body null: LiteLLM's proxy does this after two 422s");
            findings.raise(Code::JsonNull200, place, message);
        }
        // The first line of a stream that ended right after it.
        Some(json) if json.get("done").and_then(Value::as_bool) == Some(false) => {
            let message = format!("{name} one line with \"done\": false, and no other");
            findings.raise_as(Code::OllamaNoDone, Severity::Error, place, message);
        }
        Some(json) if json.get("choices").is_some() || !facts.answer().deltas().is_empty() => {
            let severity = if unlabeled { Severity::Info } else { Severity::Fatal };
            let message = match unlabeled {
                true => format!("{name} one whole JSON completion, which is no stream"),
                false => format!("{name} one whole JSON completion: \"stream\": true was ignored"),
            };
            findings.raise_as(Code::JsonCompletion200, severity, place, message);
        }
        // Broken JSON is json-malformed.
        None if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => {}
        _ if unlabeled => {}
        _ => {
            let kind =
                facts.content_type().map_or("no content type".to_owned(), |t| text::preview(t, 60));
            let begins = text::preview(source.trim(), 80);
            let message = format!("{name} {kind} instead of a stream: `{begins}`");
            findings.raise(Code::WrongContentType, place, message);
        }
    }
}

/// A transfer coding other than `chunked`, which curl alone undoes: httpx refuses even `identity`.
fn transfer_coded(facts: &Facts, findings: &mut Findings) {
    let Some(head) = facts.head.as_ref().filter(|head| !head.version.starts_with("HTTP/2")) else {
        return;
    };
    let Some(value) = head.header("transfer-encoding") else { return };
    let other = |coding: &&str| !coding.is_empty() && !coding.eq_ignore_ascii_case("chunked");
    let Some(coding) = value.split(',').map(str::trim).find(other) else { return };
    let value = text::preview(value, 40);
    let message = match coding.eq_ignore_ascii_case("identity") {
        true => format!("Transfer-Encoding \"{value}\": httpx, which Python SDKs use, refuses it"),
        false => format!(
            "Transfer-Encoding \"{value}\": httpx refuses it, others return the coded bytes"
        ),
    };
    findings.raise(Code::HeaderMalformed, FindingPlace::default(), message);
}

/// Text under text/event-stream: no line of it is a field or a comment.
fn unframed(facts: &Facts, name: &str, findings: &mut Findings) {
    let body = facts.body();
    let fields = |f: Frame| {
        let known = [&b""[..], b"data", b"event", b"id", b"retry"];
        SseBlock::of(&f, body).lines().any(|l| known.contains(&l.name) || l.raw.starts_with(b"{"))
    };
    if facts.framing() != Some(Framing::Sse) || facts.frames().iter().any(fields) {
        return;
    }
    let begins = text::preview(String::from_utf8_lossy(&body[..body.len().min(400)]).trim(), 80);
    let message = format!("{name} a body that is not an event stream: `{begins}`");
    findings.raise(
        Code::WrongContentType,
        FindingPlace { frame: Some(0), offset: Some(0) },
        message,
    );
}

#[cfg(test)]
mod tests {
    use super::refused_by;

    /// Behavior of httpx 0.28, aiohttp 3.14 and Node 20 with these lines, one at a time.
    #[test]
    fn header_lines_are_refused_by_those_who_were_seen_to_refuse_them() {
        for (line, why) in [
            (&b"nonsense line"[..], Some("no colon")),
            (b": v", Some("no name")),
            (b"x-a : v", Some("a space before its colon")),
            (b"x@a(: v", Some("a name that is no token")),
            ("x-\u{fc}: v".as_bytes(), Some("a name that is no token")),
            (b"x-a: a\0b", Some("a NUL in its value")),
            (b"x-a: a\x01b", Some("a control character in its value")),
            (b"x-a: a\x7fb", Some("a control character in its value")),
            (b" folded", None),
            (b"\tfolded", None),
            (b"x-a: \xfc", None),
            (b"x-a: a\tb", None),
            (b"x-a:", None),
            (b"", None),
        ] {
            let found = refused_by(line).map(|(why, _)| why);
            assert_eq!(found, why, "{}", String::from_utf8_lossy(line));
        }
    }
}
