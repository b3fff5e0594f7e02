//! Rules about the response head, and about a body that is not what a stream request asks for.

use std::borrow::Cow;

use super::status::{self, WHAT_TO_DO, is_swallowed, swallowed};
use super::{
    Family, Out, Phase, Place, Rule, Severity, lookup, ours, refused, rule, unless_healthy,
};
use crate::frame::sse::Block;
use crate::frame::{Frame, Framing, Kind};
use crate::inspect::Inspection;
use crate::json::Tape;
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "empty-stream",
        severity: Severity::Fatal,
        phase: Phase::End,
        means: "A success status, and not one byte of body, or an array with nothing in it.",
        example: "HTTP/1.1 200 OK⏎Content-Type: text/event-stream⏎Content-Length: 0",
        breaks: "openai-python and openai-node give no chunks and no error; LiteLLM and its proxy make up a finish \"stop\".",
        remedy: "The upstream failed after the head was sent: look into the gateway's log, ask the provider directly.",
        evidence: "replayed against the clients, maruakshay/miii-cli#71",
        ..Rule::DEFAULT
    },
    Rule {
        code: "no-content-204",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The answer to a stream request is \"no content\".",
        example: "HTTP/1.1 204 No Content",
        breaks: "openai-python and LiteLLM take it for an empty stream; openai-node: \"iterate over a response with no body\".",
        remedy: "Wrong path or method, or a CORS/OPTIONS handler answered.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "wrong-content-type",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "A success status, and a body that is neither a stream nor an error nor a completion.",
        example: "HTTP/1.1 200 OK⏎Content-Type: text/plain⏎⏎loading the model",
        breaks: "openai-python and openai-node give no chunks and no error; LiteLLM makes up a finish \"stop\".",
        remedy: "Read the body: it is another service, a health page, or a server that is not ready.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "json-error-200",
        severity: Severity::Fatal,
        phase: Phase::Head,
        means: "An error as plain JSON under a success status, instead of a stream.",
        example: "HTTP/1.1 200 OK⏎Content-Type: application/json⏎⏎{\"error\":{\"message\":\"context too long\"}}",
        breaks: "openai-python, openai-node and LiteLLM never show the text; LiteLLM makes up a finish \"stop\".",
        remedy: "Read the text here. xAI does this by design; elsewhere a gateway lost the status.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "json-null-200",
        severity: Severity::Fatal,
        phase: Phase::Head,
        means: "A success status with the body `null`: what LiteLLM's proxy makes of a 422 that it swallowed.",
        example: "HTTP/1.1 200 OK⏎Content-Type: application/json⏎⏎null",
        breaks: "SDKs crash on response=None.",
        remedy: "Ask the provider directly with the same body and read its 422; switch drop_params off.",
        evidence: "BerriAI/litellm#32221",
        ..Rule::DEFAULT
    },
    Rule {
        code: "json-completion-200",
        severity: Severity::Fatal,
        phase: Phase::Head,
        means: "The whole answer as one JSON object: the server ignored \"stream\": true.",
        example: "HTTP/1.1 200 OK⏎Content-Type: application/json⏎⏎{\"object\":\"chat.completion\",…}",
        breaks: "openai-python, openai-node, LiteLLM and the AI SDK lose the whole answer in silence.",
        remedy: "Did a gateway drop `stream`? Does the server stream at all? Else ask without it.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "html-200",
        severity: Severity::Fatal,
        phase: Phase::Head,
        means: "A web page instead of a stream: a login, a challenge, a front page.",
        example: "HTTP/1.1 200 OK⏎Content-Type: text/html⏎⏎<!doctype html>",
        breaks: "openai-python and openai-node give no chunks; LiteLLM makes up a finish \"stop\".",
        remedy: "The base URL misses its /v1, or a login portal stands in between.",
        evidence: "replayed against the clients, shenjinti/fgpt#3",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-mislabelled",
        severity: Severity::Warn,
        phase: Phase::Head,
        means: "The body is an event stream, and the content type says something else.",
        example: "Content-Type: text/plain⏎⏎data: {…}⏎⏎",
        breaks: "Strict clients refuse it, others read it as JSON.",
        remedy: "Have the server send text/event-stream.",
        evidence: "54xzh/FLIT#71",
        ..Rule::DEFAULT
    },
    Rule {
        code: "gzip-sse",
        phase: Phase::Head,
        means: "The event stream is compressed, though this program asks for no coding.",
        example: "Content-Encoding: gzip⏎Content-Type: text/event-stream",
        breaks: "Nobody, but compressors hold tokens back until their block is full.",
        remedy: "Switch compression off for text/event-stream in the middleware.",
        evidence: "replayed against the clients, tower-rs/tower-http#419, Kludex/starlette#2753",
        ..Rule::DEFAULT
    },
    Rule {
        code: "content-length-on-stream",
        phase: Phase::Head,
        means: "The length of the stream was known before its first byte was sent: somebody had collected it all.",
        example: "Content-Type: text/event-stream⏎Content-Length: 8231",
        breaks: "Nobody; but nothing is streamed any more.",
        remedy: "Find the buffer: a gateway, a function platform, a cache.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "no-anti-buffering-headers",
        phase: Phase::Head,
        means: "Neither X-Accel-Buffering: no nor Cache-Control: no-cache: an nginx on the way may collect the stream.",
        example: "HTTP/1.1 200 OK⏎Content-Type: text/event-stream⏎⏎",
        breaks: "Nobody by itself; behind nginx tokens come in lumps.",
        remedy: "Have the server send X-Accel-Buffering: no.",
        evidence: "ggml-org/llama.cpp#24774, BerriAI/litellm#29557",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Head;

impl Family for Head {
    fn head(&mut self, now: &Inspection, out: &mut Out<'_>) {
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
            out.raise(rule!("content-length-on-stream"), nowhere, message);
        }
        if let Some(coding) = now.coding() {
            let message =
                format!("The event stream is compressed ({}).", text::preview(coding.name(), 20));
            out.raise(rule!("gzip-sse"), nowhere, message);
        }
        let no = |name: &str, words: &[&str]| {
            head.header(name)
                .is_some_and(|v| words.iter().any(|w| v.to_ascii_lowercase().contains(w)))
        };
        if !no("x-accel-buffering", &["no"])
            && !no("cache-control", &["no-cache", "no-store", "no-transform"])
        {
            out.raise(
                rule!("no-anti-buffering-headers"),
                nowhere,
                "No header asks the proxies on the way not to collect the stream.",
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
                    format!("The body is an event stream, labeled {}.", text::preview(t, 60))
                }
                None => "The body is an event stream without a content type.".to_owned(),
            };
            let severity = unless_healthy(now, Severity::Warn);
            out.raise_as(rule!("sse-mislabelled"), severity, Place::default(), message);
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
        return out.raise(rule!("no-content-204"), Place::default(), message);
    }
    if body.trim_ascii().is_empty() {
        if now.framing() != Some(Framing::Sse) && now.coding_error.is_none() {
            let what = if body.is_empty() { "an empty body" } else { "a body of white space" };
            let message = format!("{name} {what}: not one event came.");
            out.raise(rule!("empty-stream"), Place::default(), message);
        }
        return;
    }
    if now.array_is_closed() == Some(true) && now.frames().iter().all(|f| f.kind == Kind::Body) {
        let message = format!("{name} an empty array: not one element came.");
        return out.raise(rule!("empty-stream"), Place::default(), message);
    }
    if now.framing() != Some(Framing::Whole) {
        return unframed(now, &name, out);
    }
    let place = Place { frame: Some(0), offset: Some(0) };
    if is_html(body) {
        let page = text::preview(&page_words(body), 80);
        let message = format!("{name} a web page ({page}) instead of a stream.");
        return out.raise(rule!("html-200"), place, message);
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
                return out.raise(const { lookup(status::RULES, "swallowed-422") }, place, message);
            }
            let message = format!("{name} a JSON error instead of a stream: \"{words}\".");
            out.raise(rule!("json-error-200"), place, message);
        }
        Some(json) if json.is_null() => {
            let message =
                format!("{name} the body null: LiteLLM's proxy does this after two 422s.");
            out.raise(rule!("json-null-200"), place, message);
        }
        Some(json) if json.get("choices").is_some() || !now.answer().deltas().is_empty() => {
            let severity = if unlabeled { Severity::Info } else { Severity::Fatal };
            let message = format!(
                "{name} one whole JSON completion and no stream: \"stream\": true was ignored."
            );
            out.raise_as(rule!("json-completion-200"), severity, place, message);
        }
        // Broken JSON is json-malformed.
        None if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => {}
        _ if unlabeled => {}
        _ => {
            let kind =
                now.content_type().map_or("no content type".to_owned(), |t| text::preview(t, 60));
            let begins = text::preview(source.trim(), 80);
            let message = format!("{name} {kind}, no stream: `{begins}`.");
            out.raise(rule!("wrong-content-type"), place, message);
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
    out.raise(rule!("wrong-content-type"), Place { frame: Some(0), offset: Some(0) }, message);
}
