//! Rules about the response head, and about a body that is not what a stream request asks for.

use std::borrow::Cow;

use super::{Family, Out, Phase, Place, Rule, Severity, ours, refused, rule, unless_healthy};
use crate::dialect::error_text;
use crate::frame::Framing;
use crate::inspect::Inspection;
use crate::json::{Kind, Tape};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "redirected",
        severity: Severity::Warn,
        phase: Phase::Head,
        means: "The server sends the request to another address.",
        example: "HTTP/1.1 301 Moved Permanently⏎Location: https://…",
        breaks: "Clients that follow turn the POST into a GET, or drop the Authorization header for the other host.",
        remedy: "Put the final address into the base URL; mind http/https and a trailing slash.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "swallowed-422",
        severity: Severity::Fatal,
        phase: Phase::Head,
        means: "A 422 of the provider got lost inside LiteLLM: with drop_params on it tries twice, and after the second 422 returns None instead of an error. A NoneType error about __aiter__ is what is left of it.",
        example: "HTTP/1.1 500⏎⏎{\"error\":{\"message\":\"'async for' requires an object with __aiter__ method, got NoneType\",\"type\":\"None\",\"param\":\"None\",\"code\":\"500\"}}",
        breaks: "LiteLLM with drop_params: acompletion returns None, the proxy answers 500 with a NoneType text, or 200 with null; the provider's own reason is nowhere.",
        remedy: "Send the very same body to the provider directly and read its 422. Usual suspects: tool_choice as a string, stream_options, an echoed reasoning_content. Switch drop_params off.",
        evidence: "BerriAI/litellm#32221, BerriAI/litellm#27670, replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-400-param",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider refuses the request as it stands, often for one parameter that it does not know.",
        example: "HTTP/1.1 400⏎⏎{\"error\":{\"message\":\"property 'stream_options' is unsupported\"}}",
        breaks: "Clients that always send include_usage, or echo reasoning fields.",
        remedy: "Read the text, take the named parameter out, send again.",
        evidence: "vercel/ai#1578, anomalyco/opencode#4698",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-422-param",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider's validation refuses a parameter of the request.",
        example: "HTTP/1.1 422⏎⏎{\"detail\":[{\"loc\":[\"body\",\"tool_choice\"],\"msg\":\"Input should be a valid dictionary\"}]}",
        breaks: "The OpenAI agents SDK, llxprt; LiteLLM with drop_params turns it into None.",
        remedy: "Take the named parameter out of the request, or give it the form that the text asks for.",
        evidence: "openai/openai-agents-python#442, vybestack/llxprt-code#114",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-413",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The request is larger than somebody on the way accepts, mostly the edge and not the API (nginx: 1 MB).",
        example: "HTTP/1.1 413⏎Content-Type: text/html⏎⏎<html>…nginx",
        breaks: "Every client; those that expect JSON show a parser error instead.",
        remedy: "See whose page it is; raise client_max_body_size there, or send less.",
        evidence: "ChronoAIProject/NyxID#957, ggml-org/llama.cpp#4500",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-429",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "Too many requests, or a quota that is used up.",
        example: "HTTP/1.1 429⏎Retry-After: 20",
        breaks: "Clients retry by themselves; LiteLLM maps it to RateLimitError.",
        remedy: "Wait as Retry-After says; if it stays, the text tells whether it is rate or quota.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "retry-after-missing",
        phase: Phase::Head,
        means: "A 429 or 503 without a Retry-After header: nobody knows when to try again.",
        example: "HTTP/1.1 429⏎⏎",
        breaks: "Clients back off blindly.",
        remedy: "Back off exponentially; look for x-ratelimit-* headers.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-529",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider is overloaded (Anthropic's own status).",
        example: "HTTP/1.1 529⏎⏎{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
        breaks: "openai-python raises InternalServerError, LiteLLM APIError.",
        remedy: "Try again later or elsewhere.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-5xx-html",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "A web page instead of an answer: a proxy in front of the API failed, not the API.",
        example: "HTTP/1.1 502⏎Content-Type: text/html⏎⏎<html>bad gateway",
        breaks: "The page is lost in most messages; openai-python says only \"Error code: 502\".",
        remedy: "The page names the proxy (nginx, Cloudflare, an ingress): look into its log.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-error",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider refused the request with a status that has no code of its own here.",
        example: "HTTP/1.1 401⏎⏎{\"error\":{\"message\":\"Incorrect API key\"}}",
        breaks: "Every client, with its own name for the status.",
        remedy: "401/403: the key and where it goes. 404: path or model name. 5xx: the provider's side, try again.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-body-lost",
        severity: Severity::Warn,
        phase: Phase::Head,
        means: "The error's JSON has no `error` member, so SDKs do not find its text.",
        example: "HTTP/1.1 422⏎⏎{\"detail\":[…]}",
        breaks: "openai-python says only \"Error code: 422\", openai-node \"422 status code (no body)\".",
        remedy: "Read the body here; in the client log the raw response.",
        evidence: "replayed against the clients, QwenLM/qwen-code#11045",
        ..Rule::DEFAULT
    },
    Rule {
        code: "empty-stream",
        severity: Severity::Fatal,
        phase: Phase::End,
        means: "A success status, and not one byte of body.",
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
            return refusal(now, out);
        }
        let labelled = now.content_type().is_some() || now.head.is_some();
        if now.framing() == Some(Framing::Sse) && labelled && media_type(now) != "text/event-stream"
        {
            let message = match now.content_type() {
                Some(t) => {
                    format!("The body is an event stream, labelled {}.", text::preview(t, 60))
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

fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Whether a text is what is left of a 422 that LiteLLM swallowed: both wordings of Python.
pub(super) fn is_swallowed(text: &str) -> bool {
    text.contains("NoneType") && text.contains("__aiter__")
}

/// A status of 300 or more: one finding that names it, and the provider's own words.
fn refusal(now: &Inspection, out: &mut Out<'_>) {
    let status = now.status().unwrap_or_default();
    let body = now.body();
    let html = is_html(body);
    let words = provider_words(now);
    let quoted = match words.as_deref() {
        _ if html => " with a web page".to_owned(),
        Some("") | None if body.is_empty() => " without a body".to_owned(),
        Some("") | None => String::new(),
        Some(words) => format!(": {:?}", text::preview(words, 200)),
    };
    let place = Place { frame: (!now.frames().is_empty()).then_some(0), offset: None };
    if words.as_deref().is_some_and(is_swallowed) {
        let message = format!(
            "A 422 was swallowed: LiteLLM's proxy got None after the provider had answered 422 twice, and answers {status}{quoted}. Ask the provider directly with this body and look at tool_choice and stream_options; switch drop_params off."
        );
        return out.raise(rule!("swallowed-422"), place, message);
    }
    let said = |what: &str| format!("The provider answered {status}{quoted}; {what}");
    let (rule, severity, message) = match status {
        300..400 => {
            let to = now.head.as_ref().and_then(|h| h.header("location")).unwrap_or("nowhere");
            let to = text::preview(to, 120);
            // Not followed, so there is no answer: that is worse than a detour.
            (
                rule!("redirected"),
                Severity::Error,
                format!("The server answered {status}: go to {to}."),
            )
        }
        400 => {
            (rule!("http-400-param"), Severity::Error, said("it refuses the request as it stands."))
        }
        422 => (
            rule!("http-422-param"),
            Severity::Error,
            said("its validation refuses the request. This is no stream."),
        ),
        413 => (
            rule!("http-413"),
            Severity::Error,
            said("the request is too large for somebody on the way."),
        ),
        429 => {
            let wait = now.head.as_ref().and_then(|h| h.header("retry-after"));
            let wait =
                wait.map_or(String::new(), |w| format!(" Retry-After: {}.", text::preview(w, 40)));
            (
                rule!("http-429"),
                Severity::Error,
                said(&format!("too many requests or no quota.{wait}")),
            )
        }
        529 => (rule!("http-529"), Severity::Error, said("it is overloaded.")),
        500.. if html => (
            rule!("http-5xx-html"),
            Severity::Error,
            format!(
                "{status} with a web page: a proxy failed, not the API ({}).",
                text::preview(&page_words(body), 80)
            ),
        ),
        _ => (
            rule!("http-error"),
            Severity::Error,
            format!("The provider answered {status}{quoted}."),
        ),
    };
    out.raise_as(rule, severity, place, message);
    if status == 422 {
        out.raise_as(
            rule!("swallowed-422"),
            Severity::Warn,
            place,
            "LiteLLM with drop_params turns a 422 that comes twice into None: its caller sees a NoneType error about __aiter__ and never this text.",
        );
    }
    let retry_after = now.head.as_ref().map(|h| h.header("retry-after").is_some());
    if matches!(status, 429 | 503) && retry_after == Some(false) {
        let message = format!("The {status} does not say when to try again.");
        out.raise(rule!("retry-after-missing"), Place::default(), message);
    }
    let (tape, source) = parse(body);
    let root = tape.root(&source).filter(|v| v.kind() == Kind::Object);
    if root.is_some_and(|v| v.get("error").is_none_or(|e| e.is_null())) {
        out.raise(
            rule!("error-body-lost"),
            place,
            "The error's JSON has no \"error\" member: openai-python and openai-node show the status and lose this text.",
        );
    }
}

/// The provider's own words in an error body, as far as there are any.
fn provider_words(now: &Inspection) -> Option<String> {
    if let Some(error) = now.answer().errors.first() {
        return Some(error.message.clone());
    }
    let (tape, source) = parse(now.body());
    match tape.root(&source) {
        Some(json) => Some(error_text(json).into_owned()),
        None => (!source.is_empty()).then(|| source.trim().to_owned()),
    }
}

/// A page's title, or its beginning without tags.
fn page_words(body: &[u8]) -> String {
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

fn parse(body: &[u8]) -> (Tape, Cow<'_, str>) {
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
    let name = status.map_or_else(|| "A success status".to_owned(), |s| s.to_string());
    if matches!(status, Some(204 | 205)) {
        let message = format!("{name} to a stream request: no content.");
        return out.raise(rule!("no-content-204"), Place::default(), message);
    }
    if body.trim_ascii().is_empty() {
        if now.framing() != Some(Framing::Sse) && now.coding_error.is_none() {
            let message = format!("{name} and an empty body: not one event came.");
            out.raise(rule!("empty-stream"), Place::default(), message);
        }
        return;
    }
    if now.framing() != Some(Framing::Whole) {
        return;
    }
    let place = Place { frame: Some(0), offset: Some(0) };
    if is_html(body) {
        let page = text::preview(&page_words(body), 80);
        let message = format!("{name} with a web page ({page}) instead of a stream.");
        return out.raise(rule!("html-200"), place, message);
    }
    let (tape, source) = parse(body);
    // JSON under text/event-stream is the SSE rules' matter; so is nothing of a head nobody told.
    let unlabelled = status.is_none() && now.content_type().is_none();
    if media_type(now) == "text/event-stream" && tape.root(&source).is_some() {
        return;
    }
    match tape.root(&source) {
        Some(_) if !now.answer().errors.is_empty() => {
            let error = &now.answer().errors[0];
            let words = text::preview(&error.message, 200);
            if is_swallowed(&error.message) {
                let message = format!(
                    "A 422 was swallowed: LiteLLM's proxy got None after two 422s: {words:?}. Ask the provider directly; switch drop_params off."
                );
                return out.raise(rule!("swallowed-422"), place, message);
            }
            let message = format!("{name} with a JSON error instead of a stream: {words:?}.");
            out.raise(rule!("json-error-200"), place, message);
        }
        Some(json) if json.is_null() => {
            let message =
                format!("{name} with the body null: LiteLLM's proxy does this after two 422s.");
            out.raise(rule!("json-null-200"), place, message);
        }
        Some(json) if json.get("choices").is_some() || !now.answer().deltas().is_empty() => {
            let severity = if unlabelled { Severity::Info } else { Severity::Fatal };
            let message = format!(
                "{name} with one whole JSON completion and no stream: \"stream\": true was ignored."
            );
            out.raise_as(rule!("json-completion-200"), severity, place, message);
        }
        // Broken JSON is json-malformed.
        None if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => {}
        _ if unlabelled => {}
        _ => {
            let kind =
                now.content_type().map_or("no content type".to_owned(), |t| text::preview(t, 60));
            let begins = text::preview(source.trim(), 80);
            let message = format!("{name} with {kind} and no stream: {begins:?}.");
            out.raise(rule!("wrong-content-type"), place, message);
        }
    }
}
