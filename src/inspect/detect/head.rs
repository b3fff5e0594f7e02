//! Rules about the response head, and about a body that is not what a stream request asks for.

use std::borrow::Cow;

use super::status::{WHAT_TO_DO, is_swallowed, swallowed};
use super::{Code, Detector, Out, Place, Severity, ours, refused};
use crate::frame::sse::Block;
use crate::frame::{Frame, Framing, Kind};
use crate::inspect::Inspection;
use crate::json::Tape;
use crate::text;

#[derive(Default)]
pub(super) struct Head;

impl Detector for Head {
    fn head(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if let Some(head) = &now.head
            && let Some(length) = head.header("content-length")
            && let Some(coding) = head.header("transfer-encoding")
        {
            let (length, coding) = (text::preview(length, 20), text::preview(coding, 20));
            let message =
                format!("Content-Length ({length}) together with Transfer-Encoding ({coding})");
            out.raise(Code::LengthAndChunked, Place::default(), message);
        }
        let Some(head) = now.head.as_ref().filter(|h| h.status < 300) else { return };
        if media_type(now) != "text/event-stream" {
            return;
        }
        let nowhere = Place::default();
        if let Some(length) = head.header("content-length").filter(|l| *l != "0") {
            let message = format!(
                "The stream has a Content-Length ({}): it was collected before it was sent.",
                text::preview(length, 20)
            );
            out.raise(Code::ContentLengthOnStream, nowhere, message);
        }
        if let Some(coding) = now.coding() {
            let message =
                format!("The event stream is compressed ({}).", text::preview(coding.name(), 20));
            out.raise(Code::GzipSse, nowhere, message);
        }
        let no = |name: &str, words: &[&str]| {
            head.header(name)
                .is_some_and(|v| words.iter().any(|w| v.to_ascii_lowercase().contains(w)))
        };
        if !no("x-accel-buffering", &["no"])
            && !no("cache-control", &["no-cache", "no-store", "no-transform"])
        {
            out.raise(
                Code::NoAntiBufferingHeaders,
                nowhere,
                "No header asks proxies not to buffer the stream",
            );
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if now.head.is_none() && now.told.is_none() {
            return;
        }
        if refused(now) {
            return;
        }
        let labeled = now.content_type().is_some() || now.head.is_some();
        if now.framing() == Some(Framing::Sse) && labeled && media_type(now) != "text/event-stream"
        {
            let message = match now.content_type() {
                Some(t) => {
                    format!("Event stream labeled {}", text::preview(t, 60))
                }
                None => "Event stream without a content type".to_owned(),
            };
            out.raise(Code::SseMislabelled, Place::default(), message);
        }
        if !super::cut(now) && !ours(now) {
            no_stream(now, out);
        }
    }
}

/// The media type of the response, received or told, lower case; empty where there is none.
pub(super) fn media_type(now: &Inspection) -> String {
    crate::frame::Hint { content_type: now.content_type().map(Into::into), named_sse: false }
        .media_type()
}

pub(super) fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// A page's title, or its beginning without tags.
pub(super) fn page_words(body: &[u8]) -> String {
    let page = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let title = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let mut inside = false;
    let mut plain = String::new();
    for c in title.map_or(page.as_ref(), |t| t.0).chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn parse(body: &[u8]) -> (Tape, Cow<'_, str>) {
    let source = String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body));
    let mut tape = Tape::new();
    // What is no JSON leaves an empty tape.
    let _ = tape.parse(&source);
    (tape, source)
}

/// A success status without a stream.
fn no_stream(now: &Inspection, out: &mut Out<'_>) {
    let status = now.status();
    let body = now.body();
    // Of a bare body nobody told the status, and none is assumed.
    let name = status.map_or_else(|| "There is".to_owned(), |s| format!("{s} and"));
    if matches!(status, Some(204 | 205)) {
        let code = status.unwrap_or_default();
        let message = format!("{code} to a stream request: no content.");
        return out.raise(Code::NoContent204, Place::default(), message);
    }
    if body.trim_ascii().is_empty() {
        if now.framing() != Some(Framing::Sse) && now.coding_error.is_none() {
            let what = if body.is_empty() { "an empty body" } else { "a body of white space" };
            let message = format!("{name} {what}: no events received");
            out.raise(Code::EmptyStream, Place::default(), message);
        }
        return;
    }
    if now.array_is_closed() == Some(true) && now.frames().iter().all(|f| f.kind == Kind::Body) {
        let message = format!("{name} an empty array: no elements received");
        return out.raise(Code::EmptyStream, Place::default(), message);
    }
    if now.framing() != Some(Framing::Whole) {
        return unframed(now, &name, out);
    }
    let place = Place { frame: Some(0), offset: Some(0) };
    if is_html(body) {
        let page = text::preview(&page_words(body), 80);
        let message = format!("{name} a web page ({page}) instead of a stream.");
        return out.raise(Code::Html200, place, message);
    }
    let (tape, source) = parse(body);
    // JSON under text/event-stream is the SSE rules' matter; so is nothing of a head nobody told.
    let unlabeled = status.is_none() && now.content_type().is_none();
    if media_type(now) == "text/event-stream" && tape.root(&source).is_some() {
        return;
    }
    match tape.root(&source) {
        Some(_) if !now.answer().errors.is_empty() => {
            let error = &now.answer().errors[0];
            let words = text::preview(&error.message, 200);
            if is_swallowed(&error.message) {
                let message = format!("{}. {WHAT_TO_DO}", swallowed(&error.message));
                return out.raise(Code::Swallowed422, place, message);
            }
            let message = format!("{name} a JSON error instead of a stream: \"{words}\".");
            out.raise(Code::JsonError200, place, message);
        }
        Some(json) if json.is_null() => {
            let message =
                format!("{name} the body null: LiteLLM's proxy does this after two 422s.");
            out.raise(Code::JsonNull200, place, message);
        }
        Some(json) if json.get("choices").is_some() || !now.answer().deltas().is_empty() => {
            let severity = if unlabeled { Severity::Info } else { Severity::Fatal };
            let message = format!(
                "{name} one whole JSON completion and no stream: \"stream\": true was ignored."
            );
            out.raise_as(Code::JsonCompletion200, severity, place, message);
        }
        // Broken JSON is json-malformed.
        None if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => {}
        _ if unlabeled => {}
        _ => {
            let kind =
                now.content_type().map_or("no content type".to_owned(), |t| text::preview(t, 60));
            let begins = text::preview(source.trim(), 80);
            let message = format!("{name} {kind}, no stream: `{begins}`.");
            out.raise(Code::WrongContentType, place, message);
        }
    }
}

/// Text under text/event-stream: no line of it is a field or a comment.
fn unframed(now: &Inspection, name: &str, out: &mut Out<'_>) {
    let body = now.body();
    let fields = |f: &Frame| {
        let known = [&b""[..], b"data", b"event", b"id", b"retry"];
        Block::of(f, body).lines().any(|l| known.contains(&l.name) || l.raw.starts_with(b"{"))
    };
    if now.framing() != Some(Framing::Sse) || now.frames().iter().any(fields) {
        return;
    }
    let begins = text::preview(String::from_utf8_lossy(&body[..body.len().min(400)]).trim(), 80);
    let message = format!("{name} with a body that is no event stream: `{begins}`.");
    out.raise(Code::WrongContentType, Place { frame: Some(0), offset: Some(0) }, message);
}
