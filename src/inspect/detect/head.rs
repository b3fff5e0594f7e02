//! Rules about the response head, and about a body that is not what a stream request asks for.

use super::page::{is_html, page_words, parse};
use super::status::{WHAT_TO_DO, is_swallowed, swallowed};
use super::{Code, Detector, Findings, Place, Severity, ours, refused};
use crate::frame::sse::Block;
use crate::frame::{Frame, Framing, Kind};
use crate::inspect::Facts;
use crate::text;

#[derive(Default)]
pub(super) struct Head;

impl Detector for Head {
    fn head(&mut self, facts: &Facts, findings: &mut Findings) {
        if let Some(head) = &facts.head
            && let Some(length) = head.header("content-length")
            && let Some(coding) = head.header("transfer-encoding")
        {
            let (length, coding) = (text::preview(length, 20), text::preview(coding, 20));
            let message =
                format!("Content-Length ({length}) together with Transfer-Encoding ({coding})");
            findings.raise(Code::LengthAndChunked, Place::default(), message);
        }
        let Some(head) = facts.head.as_ref().filter(|h| h.status < 300) else { return };
        if media_type(facts) != "text/event-stream" {
            return;
        }
        let nowhere = Place::default();
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
            findings.raise(Code::SseMislabelled, Place::default(), message);
        }
        if !super::cut(facts) && !ours(facts) && facts.web_socket().is_none() {
            no_stream(facts, findings);
        }
    }
}

/// The media type of the response, received or told, lower case; empty where there is none.
pub(super) fn media_type(facts: &Facts) -> String {
    crate::frame::Hint { content_type: facts.content_type().map(Into::into), named_sse: false }
        .media_type()
}

/// A success status without a stream.
fn no_stream(facts: &Facts, findings: &mut Findings) {
    // HEAD asks for no body; agents see by it whether the server is there.
    if facts.request.as_ref().is_some_and(|request| request.method.eq_ignore_ascii_case("HEAD")) {
        return;
    }
    let status = facts.status();
    let body = facts.body();
    // Of a bare body nobody told the status, and none is assumed.
    let name = status.map_or_else(|| "There is".to_owned(), |s| format!("{s} and"));
    if matches!(status, Some(204 | 205)) {
        let code = status.unwrap_or_default();
        let message = format!("HTTP {code} for a stream request: no content");
        return findings.raise(Code::NoContent204, Place::default(), message);
    }
    if body.trim_ascii().is_empty() {
        if facts.framing() != Some(Framing::Sse) && facts.coding_error.is_none() {
            let what = if body.is_empty() { "an empty body" } else { "a body of whitespace" };
            let message = format!("{name} {what}: no events received");
            findings.raise(Code::EmptyStream, Place::default(), message);
        }
        return;
    }
    if facts.array_is_closed() == Some(true) && facts.frames().iter().all(|f| f.kind == Kind::Body)
    {
        let message = format!("{name} an empty array: no elements received");
        return findings.raise(Code::EmptyStream, Place::default(), message);
    }
    if facts.framing() != Some(Framing::Whole) {
        return unframed(facts, &name, findings);
    }
    let place = Place { frame: Some(0), offset: Some(0) };
    if is_html(body) {
        let page = text::preview(&page_words(body), 80);
        let message = format!("{name} a web page ({page}) instead of a stream");
        return findings.raise(Code::Html200, place, message);
    }
    let (tape, source) = parse(body);
    // JSON under text/event-stream is the SSE rules' matter; so is nothing of a head nobody told.
    let unlabeled = status.is_none() && facts.content_type().is_none();
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
        Some(json) if json.get("choices").is_some() || !facts.answer().deltas().is_empty() => {
            let severity = if unlabeled { Severity::Info } else { Severity::Fatal };
            let message = format!("{name} one whole JSON completion: \"stream\": true was ignored");
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

/// Text under text/event-stream: no line of it is a field or a comment.
fn unframed(facts: &Facts, name: &str, findings: &mut Findings) {
    let body = facts.body();
    let fields = |f: &Frame| {
        let known = [&b""[..], b"data", b"event", b"id", b"retry"];
        Block::of(f, body).lines().any(|l| known.contains(&l.name) || l.raw.starts_with(b"{"))
    };
    if facts.framing() != Some(Framing::Sse) || facts.frames().iter().any(fields) {
        return;
    }
    let begins = text::preview(String::from_utf8_lossy(&body[..body.len().min(400)]).trim(), 80);
    let message = format!("{name} a body that is not an event stream: `{begins}`");
    findings.raise(Code::WrongContentType, Place { frame: Some(0), offset: Some(0) }, message);
}
