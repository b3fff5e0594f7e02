//! Rules about the chunks of Chat Completions: choices, deltas, their text fields, finishes.

use super::{Chunk, Family, Out, Phase, Place, Rule, Seen, Severity, rule};
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "choices-missing",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "A chunk without `choices`.",
        example: "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\"}⏎⏎",
        breaks: "`for c in chunk.choices`: TypeError on None; the AI SDK reports a type error and goes on.",
        remedy: "Skip such chunks in the client.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "choices-null",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "A chunk whose `choices` is null.",
        example: "data: {\"id\":\"c1\",\"choices\":null}⏎⏎",
        breaks: "As choices-missing.",
        remedy: "Skip such chunks in the client.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "choices-empty",
        phase: Phase::Schema,
        means: "A chunk with no choice in it: usage, or Azure's first chunk about the prompt. It is OpenAI's own form.",
        example: "data: {\"choices\":[],\"usage\":{…}}⏎⏎",
        breaks: "`chunk.choices[0]`: IndexError.",
        remedy: "Test for an empty list before taking the first.",
        evidence: "simonw/llm#294, langfuse/langfuse#2833, pydantic/logfire#64",
        ..Rule::DEFAULT
    },
    Rule {
        code: "unknown-event-type",
        phase: Phase::Schema,
        means: "An event with a name that the dialect does not have.",
        example: "data: {\"type\":\"keepalive\",\"sequence_number\":3}⏎⏎",
        breaks: "Typed unions abort: the AI SDK gives an error part per event, strict Rust enums fail the stream.",
        remedy: "Skip events that you do not know.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "delta-null",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "A choice whose `delta` is null.",
        example: "{\"choices\":[{\"index\":0,\"delta\":null}]}",
        breaks: "AttributeError on `.content` in Python clients.",
        remedy: "Test for null before reading the delta.",
        evidence: "langchain-ai/langchain#18977, microsoft/autogen#6465",
        ..Rule::DEFAULT
    },
    Rule {
        code: "delta-missing",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "A choice without `delta`; Azure's asynchronous filter sends such ones after the content.",
        example: "{\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_offsets\":{…}}]}",
        breaks: "AttributeError on `.content` in Python clients.",
        remedy: "Test for it before reading the delta.",
        evidence: "langchain-ai/langchain#18977, microsoft/autogen#6465",
        ..Rule::DEFAULT
    },
    Rule {
        code: "content-null",
        phase: Phase::Schema,
        means: "A delta's content is null, as in the first delta of many servers or beside reasoning.",
        example: "{\"role\":\"assistant\",\"content\":null}",
        breaks: "Clients that print it: \"null\" or \"None\" in the text.",
        remedy: "Treat null as no text.",
        evidence: "darshi1337/apogee#139",
        ..Rule::DEFAULT
    },
    Rule {
        code: "content-not-string",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "A delta's content is no string. A list of typed parts is Mistral's own form.",
        example: "{\"content\":[{\"type\":\"thinking\",\"thinking\":[…]}]}",
        breaks: "langchain-openai joins lists or prints their repr; LiteLLM drops them.",
        remedy: "Read the parts by their type.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "reasoning-not-string",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "A reasoning field is an object or a list.",
        example: "{\"reasoning\":{\"text\":\"t\"}}",
        breaks: "LiteLLM fails at the end with \"Error building chunks\" or puts Python's repr into the text; the AI SDK loses the token.",
        remedy: "Have the server send a string.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "reasoning-field-renamed",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "Reasoning comes first in one field and then in another.",
        example: "{\"reasoning_content\":\"a\"} {\"reasoning\":\"b\"}",
        breaks: "Clients that know only one of the names lose part of it without an error.",
        remedy: "Read both names. vLLM renamed reasoning_content to reasoning.",
        evidence: "vllm-project/vllm#27755, vllm-project/vllm#33402, vllm-project/vllm#50624, strands-agents/harness-sdk#2191",
        ..Rule::DEFAULT
    },
    Rule {
        code: "reasoning-dropped-by-client",
        phase: Phase::Schema,
        means: "Reasoning comes in a field that OpenAI's schema does not have and many clients do not read.",
        example: "{\"delta\":{\"reasoning\":\"Let me\"}}",
        breaks: "The OpenAI SDKs, langchain-openai and LiteLLM 1.81 show nothing of it.",
        remedy: "Read delta.reasoning yourself, or use a client that knows it.",
        evidence: "replayed against the clients, BerriAI/litellm#20246, BerriAI/litellm#9100",
        ..Rule::DEFAULT
    },
    Rule {
        code: "role-repeated",
        phase: Phase::Schema,
        means: "More than the first delta names the role.",
        example: "{\"role\":\"assistant\",\"content\":\"a\"} {\"role\":\"assistant\",\"content\":\"b\"}",
        breaks: "Naive screens print the prefix again and again.",
        remedy: "Take the first. Perplexity and others do this.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "role-empty",
        phase: Phase::Schema,
        means: "A delta's role is the empty string.",
        example: "{\"role\":\"\",\"content\":\"a\"}",
        breaks: "The AI SDK once refused every such chunk.",
        remedy: "Ignore it. MiniMax does this.",
        evidence: "MiniMax-AI/MiniMax-M2.5#2",
        ..Rule::DEFAULT
    },
    Rule {
        code: "role-null",
        phase: Phase::Schema,
        means: "A delta's role is null.",
        example: "{\"role\":null,\"content\":\"a\"}",
        breaks: "The AI SDK once refused every such chunk.",
        remedy: "Ignore it. DeepSeek on Azure does this.",
        evidence: "MiniMax-AI/MiniMax-M2.5#2",
        ..Rule::DEFAULT
    },
    Rule {
        code: "choice-index-gap",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "Choices are not numbered 0, 1, 2 and so on.",
        example: "{\"choices\":[{\"index\":1,…}]}, and never index 0",
        breaks: "Accumulators with a list go out of range.",
        remedy: "Have the server count choices and not chunks.",
        evidence: "microsoft/foundry-local#144",
        ..Rule::DEFAULT
    },
    Rule {
        code: "choices-interleaved",
        phase: Phase::Schema,
        means: "Chunks of several choices alternate, as n > 1 has it.",
        example: "index 0, 1, 1, 0 …",
        breaks: "Clients that read only choices[0] mix or lose text.",
        remedy: "Keep texts apart by choices[].index.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "delta-and-message",
        phase: Phase::Schema,
        means: "A choice has `delta` and `message`; the message repeats the text so far.",
        example: "{\"delta\":{\"content\":\"b\"},\"message\":{\"content\":\"ab\"}}",
        breaks: "Clients that join both double the text.",
        remedy: "Read only the delta. Perplexity does this.",
        evidence: "microsoft/foundry-local#144",
        ..Rule::DEFAULT
    },
    Rule {
        code: "full-object-in-stream",
        severity: Severity::Fatal,
        phase: Phase::Schema,
        means: "A frame holds a whole chat.completion instead of a chunk.",
        example: "data: {\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"all of it\"}}]}⏎⏎",
        breaks: "Gateways that treat the message as a delta append the whole answer twice; where no deltas came before, it is lost.",
        remedy: "Ignore `message` in a stream that has deltas. MiniMax M3 ends like this.",
        evidence: "ENTERPILOT/GoModel#1068",
        ..Rule::DEFAULT
    },
];

/// How many choices are kept apart; no provider allows as many.
const MAX_CHOICES: usize = 128;

#[derive(Default, Clone, Copy)]
struct Choice {
    seen: bool,
    role: bool,
    /// The reasoning field that fed it first.
    field: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct Chat {
    choices: Vec<Choice>,
    last: usize,
    /// Whether any chunk had choices: before that, a chunk without may be of another dialect.
    any: bool,
    missing: Option<Place>,
}

impl Family for Chat {
    fn frame(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Some(Chunk { json, choices, .. }) = seen.chunk else { return };
        let failed = now.answer().errors.last().is_some_and(|e| e.frame == seen.index);
        match choices {
            Some(choices) if choices.kind() == json::Kind::Array => {
                self.any = true;
                let mut some = false;
                for choice in choices.items() {
                    some = true;
                    self.choice(now, seen, json, choice, failed, out);
                }
                if !some && !failed {
                    out.raise_once(
                        rule!("choices-empty"),
                        seen.place(),
                        "A chunk has no choice in it.",
                    );
                }
            }
            _ if failed => {}
            Some(choices) if choices.is_null() => {
                self.any = true;
                let message = format!("The choices of frame {} are null.", seen.index);
                out.raise(rule!("choices-null"), seen.place(), message);
            }
            // Only usage, or only a keep-alive of the provider's own: nobody misses the choices.
            _ if json.get("usage").is_some_and(|u| !u.is_null()) => {}
            _ => {
                self.missing.get_or_insert(seen.place());
                if self.any {
                    missing(seen.place(), out);
                }
            }
        }
        if self.any
            && !matches!(seen.event, "message" | "error" | "ping" | "keepalive" | "keep-alive")
        {
            unknown_event(seen.event, "Chat Completions", seen, out);
        }
        if self.any
            && out.tally.of("choices-missing") == 0
            && let Some(place) = self.missing
        {
            missing(place, out);
        }
    }

    fn end(&mut self, _now: &Inspection, out: &mut Out<'_>) {
        if let Some(gap) = self.choices.iter().position(|c| !c.seen) {
            let message =
                format!("There is a choice {}, but no choice {gap}.", self.choices.len() - 1);
            out.raise(rule!("choice-index-gap"), Place::default(), message);
        }
    }
}

/// An event whose name `dialect` does not have; the first is told.
pub(super) fn unknown_event(name: &str, dialect: &str, seen: &Seen<'_>, out: &mut Out<'_>) {
    if !out.again(rule!("unknown-event-type")) {
        let name = text::preview(name, 40);
        let message = format!("Events are named \"{name}\", which is no part of {dialect}.");
        out.raise(rule!("unknown-event-type"), seen.place(), message);
    }
}

fn missing(place: Place, out: &mut Out<'_>) {
    let frame = place.frame.unwrap_or_default();
    out.raise(rule!("choices-missing"), place, format!("Frame {frame} has no choices."));
}

/// Whether a JSON string is written and has text in it.
fn has_text(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|v| v.kind() == json::Kind::String && v.source().len() > 2)
}

impl Chat {
    fn choice(
        &mut self,
        now: &Inspection,
        seen: &Seen<'_>,
        json: Value<'_>,
        choice: Value<'_>,
        failed: bool,
        out: &mut Out<'_>,
    ) {
        let (mut index, mut delta, mut message, mut finish) = (0, None, None, None);
        for (key, value) in choice.entries() {
            match key.raw() {
                b"\"index\"" => index = value.as_u64().unwrap_or(0) as usize,
                b"\"delta\"" => delta = Some(value),
                b"\"message\"" => message = Some(value),
                b"\"finish_reason\"" => finish = Some(value),
                _ => {}
            }
        }
        let index = index.min(MAX_CHOICES - 1);
        if index >= self.choices.len() {
            self.choices.resize(index + 1, Choice::default());
        }
        if index < self.last && !out.again(rule!("choices-interleaved")) {
            let message = format!("Choice {index} goes on after choice {}.", self.last);
            out.raise(rule!("choices-interleaved"), seen.place(), message);
        }
        self.last = index;
        self.choices[index].seen = true;
        let message = message.filter(|m| m.kind() == json::Kind::Object);
        let full = message.is_some() && json.get("object").is_some_and(|o| o.is("chat.completion"));
        if full {
            // With deltas before it, it repeats an answer that is whole without it.
            let repeats = !now.answer().deltas().is_empty();
            let severity = if repeats { Severity::Info } else { Severity::Fatal };
            let what = if repeats { "repeats the answer" } else { "is the answer: no delta came" };
            let text = format!("Frame {} is a whole chat.completion that {what}.", seen.index);
            out.raise_as(rule!("full-object-in-stream"), severity, seen.place(), text);
            return;
        }
        match delta {
            Some(delta) if delta.kind() == json::Kind::Object => {
                if message.is_some() {
                    let text = "A choice has delta and message; the message repeats the text.";
                    out.raise_once(rule!("delta-and-message"), seen.place(), text);
                }
                self.delta(index, seen, delta, out);
            }
            _ if failed => {}
            delta => {
                let (rule, what) = match delta {
                    Some(_) => (rule!("delta-null"), "a delta that is null"),
                    None => (rule!("delta-missing"), "no delta"),
                };
                // An end that says no more than that misses nothing.
                let normal = has_text(finish);
                let severity = if normal { Severity::Info } else { rule.severity };
                let text = format!("Choice {index} of frame {} has {what}.", seen.index);
                if !normal || out.tally.of(rule.code) == 0 {
                    out.raise_as(rule, severity, seen.place(), text);
                }
            }
        }
    }

    fn delta(&mut self, index: usize, seen: &Seen<'_>, delta: Value<'_>, out: &mut Out<'_>) {
        let state = &mut self.choices[index];
        let mut field = None;
        for (key, value) in delta.entries() {
            match key.raw() {
                b"\"content\"" => match value.kind() {
                    json::Kind::String => {}
                    json::Kind::Null => {
                        out.raise_once(
                            rule!("content-null"),
                            seen.place(),
                            "A delta's content is null.",
                        );
                    }
                    kind => content(seen, value, kind, out),
                },
                name @ (b"\"reasoning_content\"" | b"\"reasoning\"") => {
                    let short = name.len() == b"\"reasoning\"".len();
                    let name = if short { "reasoning" } else { "reasoning_content" };
                    match value.kind() {
                        json::Kind::String if value.raw().len() > 2 => {
                            // Both at once is reasoning-two-channels.
                            field = if field.is_some() { state.field } else { Some(name) };
                        }
                        json::Kind::String | json::Kind::Null => {}
                        kind => {
                            let message = format!("delta.{name} is {}, not a string.", a(kind));
                            out.raise_once(rule!("reasoning-not-string"), seen.place(), message);
                        }
                    }
                }
                b"\"role\"" => role(state, seen, value, out),
                _ => {}
            }
        }
        if let Some(name) = field {
            if state.field.is_none() && name == "reasoning" {
                let message =
                    "Reasoning comes in delta.reasoning, which the OpenAI SDKs do not show.";
                out.raise_once(rule!("reasoning-dropped-by-client"), seen.place(), message);
            }
            match state.field {
                Some(first) if first != name => {
                    if !out.again(rule!("reasoning-field-renamed")) {
                        let message = format!(
                            "Reasoning came in delta.{first}, and from frame {} on in delta.{name}.",
                            seen.index
                        );
                        out.raise(rule!("reasoning-field-renamed"), seen.place(), message);
                    }
                }
                _ => state.field = Some(name),
            }
        }
    }
}

fn content(seen: &Seen<'_>, value: Value<'_>, kind: json::Kind, out: &mut Out<'_>) {
    // A list of typed parts is how Mistral speaks, not a fault.
    let typed = kind == json::Kind::Array && value.items().all(|p| p.get("type").is_some());
    let severity = if typed { Severity::Info } else { Severity::Error };
    if out.tally.of("content-not-string") == 0 {
        let what = if typed { "a list of typed parts" } else { a(kind) };
        let message = format!("delta.content is {what}, not a string.");
        out.raise_as(rule!("content-not-string"), severity, seen.place(), message);
    }
}

fn role(state: &mut Choice, seen: &Seen<'_>, value: Value<'_>, out: &mut Out<'_>) {
    match value.source() {
        "null" => out.raise_once(rule!("role-null"), seen.place(), "A delta's role is null."),
        "\"\"" => out.raise_once(rule!("role-empty"), seen.place(), "A delta's role is empty."),
        _ => {
            if std::mem::replace(&mut state.role, true) {
                out.raise_once(
                    rule!("role-repeated"),
                    seen.place(),
                    "The role comes again in a later delta.",
                );
            }
        }
    }
}

/// A type with its article.
fn a(kind: json::Kind) -> &'static str {
    match kind {
        json::Kind::Array => "a list",
        json::Kind::Object => "an object",
        json::Kind::Number => "a number",
        json::Kind::Bool => "a boolean",
        _ => "null",
    }
}
