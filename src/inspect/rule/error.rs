//! Rules about errors inside a stream whose status said that all is well.

use super::status::{self, is_swallowed};
use super::{Family, Out, Phase, Rule, Seen, Severity, anthropic, gemini, lookup, refused, rule};
use crate::dialect::ErrorShape;
use crate::frame::Kind;
use crate::inspect::{Inspection, StreamError};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "sse-event-error",
        severity: Severity::Error,
        means: "An event named `error` with an error in its JSON.",
        example: "event: error⏎data: {\"error\":{\"message\":\"boom\"}}⏎⏎",
        breaks: "Most SDKs raise it; loops that read only `choices` miss it.",
        remedy: "Read the provider's text; the answer before it is incomplete.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "sse-event-error-text",
        severity: Severity::Error,
        means: "An event named `error` whose data is plain text.",
        example: "event: error⏎data: upstream overloaded⏎⏎",
        breaks: "openai-python, openai-node and LiteLLM report a JSON error and hide the text.",
        remedy: "Read the text here; have the server send {\"error\":{\"message\":…}}.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-object",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "An error object came as a chunk of the stream.",
        example: "data: {\"error\":{\"message\":\"boom\",\"code\":500}}⏎⏎",
        breaks: "The SDKs raise it; hand-written loops that read only `choices` miss it.",
        remedy: "Read the provider's text; the answer before it is incomplete.",
        evidence: "apache/rocketmq-dashboard#2178, brightwave-inc/tidebreak#1122",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-string",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "An error chunk whose `error` is only a string.",
        example: "data: {\"error\":\"boom\"}⏎⏎",
        breaks: "openai-python and LiteLLM replace the text by \"An error occurred during streaming\".",
        remedy: "Read the text here.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-flat",
        severity: Severity::Fatal,
        phase: Phase::Schema,
        means: "An error chunk without an `error` member: its parts lie flat in the object.",
        example: "data: {\"object\":\"error\",\"message\":\"boom\",\"code\":400}⏎⏎",
        breaks: "No SDK raises it: the OpenAI SDKs give a chunk with choices=None, LiteLLM makes up a finish \"stop\".",
        remedy: "Read the text here; older vLLM and FastAPI servers do this.",
        evidence: "block/goose#8031, replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-with-choices",
        severity: Severity::Fatal,
        phase: Phase::Schema,
        means: "An error beside `choices` in a chunk that looks normal.",
        example: "data: {\"error\":{\"message\":\"boom\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}⏎⏎",
        breaks: "Loops that read `choices` report success.",
        remedy: "Check `error` before `choices`. OpenRouter's normal form for an upstream that failed.",
        evidence: "use-agent-os/agent-os#2215",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-200-first-frame",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "The first frame of a successful response is an error: nothing of an answer came.",
        example: "HTTP/1.1 200 OK⏎⏎data: {\"error\":{\"message\":\"boom\"}}⏎⏎",
        breaks: "Proxies turn it into a status of their own (LiteLLM: 500); retries by status do not happen.",
        remedy: "Treat it as the status that the error's code says.",
        evidence: "ggml-org/llama.cpp#14566, replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "ollama-error-line",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "Ollama ends its stream with a line that is an error; the status is 200 all the same.",
        example: "{\"message\":{\"content\":\"a\"},\"done\":false}⏎{\"error\":\"model runner has stopped\"}⏎",
        breaks: "Clients that read each line as an answer drop it, and end in silence.",
        remedy: "Look for `error` in every line. The server's log says why the model stopped.",
        evidence: "pepperoni21/ollama-rs#357",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-raw-hidden",
        phase: Phase::Schema,
        means: "The error's message says little; the upstream's own text is deeper, in error.metadata.raw.",
        example: "{\"error\":{\"message\":\"Provider returned error\",\"metadata\":{\"raw\":\"context too long\"}}}",
        breaks: "Clients print the message and the cause stays unknown.",
        remedy: "Read error.metadata.raw (OpenRouter).",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Error {
    /// In-band errors that were looked at.
    seen: usize,
    /// Whether any frame with a payload came before.
    begun: bool,
}

impl Family for Error {
    fn frame(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        let first = !self.begun;
        self.begun |= seen.data.is_some();
        let errors = &now.answer().errors;
        let from = std::mem::replace(&mut self.seen, errors.len());
        let new = &errors[from.min(errors.len())..];
        // A refusal, or an error instead of a stream, is judged with the head.
        if refused(now) || (seen.frame.kind == Kind::Body && judged_with_head(now)) {
            return;
        }
        // A prompt that was blocked is an answer of Gemini's own kind, and told as that.
        if gemini::blocked(now, seen.json).is_some() {
            return;
        }
        for error in new {
            raise(now, seen, error, out);
            if first && seen.frame.kind != Kind::Body {
                let message = "The first frame is an error: nothing of an answer came.";
                out.raise(rule!("error-200-first-frame"), seen.place(), message);
            }
        }
        // Without a dialect nobody read the event; it is an error all the same.
        let failed = seen.event == "error"
            || (seen.frame.kind == Kind::Message && seen.event.ends_with("Exception"));
        if new.is_empty() && failed && now.dialect().is_none() {
            let text = text::preview(seen.data.unwrap_or_default(), 160);
            let rule = if seen.json.is_some() {
                rule!("sse-event-error")
            } else {
                rule!("sse-event-error-text")
            };
            out.raise(
                rule,
                seen.place(),
                format!("An event named {}: \"{text}\".", text::preview(seen.event, 60)),
            );
        }
    }
}

fn judged_with_head(now: &Inspection) -> bool {
    now.status().is_some() || now.content_type().is_some()
}

fn raise(now: &Inspection, seen: &Seen<'_>, error: &StreamError, out: &mut Out<'_>) {
    let is_ollama = now.dialect().is_some_and(|d| d.name() == "ollama");
    let words = text::preview(&error.message, 200);
    let kind = match &error.kind {
        Some(kind) => format!(" ({})", text::preview(kind, 40)),
        None => String::new(),
    };
    if is_swallowed(&error.message) {
        let message = format!("{}. {}", status::swallowed(&error.message), status::WHAT_TO_DO);
        let rule = const { lookup(status::RULES, "swallowed-422") };
        return out.raise(rule, seen.place(), message);
    }
    let (rule, how) = match error.shape {
        _ if seen.event == "error" && seen.json.is_none() => {
            (rule!("sse-event-error-text"), "as an event with plain text")
        }
        _ if seen.event == "error" => (rule!("sse-event-error"), "as an event"),
        _ if seen.frame.kind == Kind::Event && anthropic::is_anthropic(now) => {
            let rule = const { lookup(anthropic::RULES, "anthropic-error-no-event") };
            (rule, "without \"event: error\", which Anthropic's Python SDK skips")
        }
        ErrorShape::Text if is_ollama => (rule!("ollama-error-line"), "as a line of the stream"),
        ErrorShape::Object => (rule!("error-object"), "in the stream"),
        ErrorShape::Text => (rule!("error-string"), "as a string"),
        ErrorShape::Flat => (rule!("error-flat"), "without an \"error\" member"),
        ErrorShape::WithChoices => (rule!("error-with-choices"), "beside choices"),
    };
    out.raise(rule, seen.place(), format!("The provider sent an error {how}{kind}: \"{words}\"."));
    if let Some(raw) =
        seen.json.and_then(|j| j.at(&["error", "metadata", "raw"])).filter(|r| !r.is_null())
    {
        let raw = raw.as_str().unwrap_or(std::borrow::Cow::Borrowed(raw.source()));
        let message = format!(
            "The upstream's own words are in error.metadata.raw: \"{}\".",
            text::preview(&raw, 200)
        );
        out.raise(rule!("error-raw-hidden"), seen.place(), message);
    }
}
