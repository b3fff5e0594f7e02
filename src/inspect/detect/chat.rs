//! Rules about the chunks of Chat Completions: choices, deltas, their text fields, finishes.

use super::{Chunk, Code, Detector, FrameView, Out, Place, Severity};
use crate::dialect::valid_choice;
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

/// How many choices are kept apart; no provider allows as many.
const MAX_CHOICES: usize = 128;

#[derive(Default, Clone, Copy)]
struct Choice {
    seen: bool,
    role: bool,
    /// It had a delta.
    delta: bool,
    /// The reasoning field that fed it first.
    field: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct Chat {
    choices: Vec<Choice>,
    last: usize,
    /// Whether any chunk had choices: before that, a chunk without may be of another dialect.
    any: bool,
    /// A choice without index was reported.
    unnumbered: bool,
    missing: Option<Place>,
}

impl Detector for Chat {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        let Some(Chunk { json, choices, .. }) = seen.chunk else { return };
        let failed = now.answer().errors.last().is_some_and(|e| e.frame == seen.index);
        match choices {
            Some(choices) if choices.kind() == json::Kind::Array => {
                self.any = true;
                if !failed && !choices.is_empty() {
                    unnamed(now, json, seen, out);
                }
                let mut some = false;
                for choice in choices.items() {
                    some = true;
                    self.choice(now, seen, json, choice, failed, out);
                }
                // The chunk that brings the usage has none by OpenAI's own schema.
                let usage = || json.get("usage").is_some_and(|u| u.kind() == json::Kind::Object);
                if !some && !failed && !usage() {
                    out.raise_once(
                        Code::ChoicesEmpty,
                        seen.place(),
                        "A chunk without choices (`choices: []`)",
                    );
                }
            }
            _ if failed => {}
            Some(choices) if choices.is_null() => {
                self.any = true;
                let message = format!("The choices of frame {} are null.", seen.index);
                out.raise(Code::ChoicesNull, seen.place(), message);
            }
            // FastGPT's events about its workflow are no chunks.
            _ if seen.event != "message" && is_fastgpt(now) => {}
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
            && !is_fastgpt(now)
            && !matches!(seen.event, "message" | "error" | "ping" | "keepalive" | "keep-alive")
        {
            unknown_event(seen.event, "Chat Completions", seen, out);
        }
        if self.any
            && out.tally.of(Code::ChoicesMissing) == 0
            && let Some(place) = self.missing
        {
            missing(place, out);
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let finished = now.answer().finished() && now.answer().errors.is_empty();
        let roleless = |c: &Choice| c.seen && c.delta && !c.role;
        if let Some(index) =
            self.choices.iter().position(roleless).filter(|_| finished && is_openai(now))
        {
            let message = format!(
                "No delta of choice {index} has a role: openai-node's helper raises \"missing role\"."
            );
            out.raise_as(Code::RequiredFieldMissing, Severity::Warn, Place::default(), message);
        }
        if let Some(gap) = self.choices.iter().position(|c| !c.seen) {
            let message =
                format!("There is a choice {}, but no choice {gap}.", self.choices.len() - 1);
            out.raise(Code::ChoiceIndexGap, Place::default(), message);
        }
    }
}

fn is_fastgpt(now: &Inspection) -> bool {
    now.dialect().is_some_and(|d| d.name() == "fastgpt")
}

/// An event whose name `dialect` does not have; the first is told.
pub(super) fn unknown_event(name: &str, dialect: &str, seen: &FrameView<'_>, out: &mut Out<'_>) {
    if !out.again(Code::UnknownEventType) {
        let name = text::preview(name, 40);
        let message = format!("Events are named \"{name}\", which is no part of {dialect}.");
        out.raise(Code::UnknownEventType, seen.place(), message);
    }
}

fn missing(place: Place, out: &mut Out<'_>) {
    let frame = place.frame.unwrap_or_default();
    out.raise(Code::ChoicesMissing, place, format!("Frame {frame} has no choices."));
}

/// A choice whose index is none. It is kept apart, and nothing else of it is judged.
pub(super) fn invalid_index(index: Value<'_>, seen: &FrameView<'_>, out: &mut Out<'_>) {
    if !out.again(Code::ChoiceIndexInvalid) {
        let shown = text::preview(index.source(), 30);
        let message = format!("Choice index {shown} is no index; its text is kept apart");
        out.raise(Code::ChoiceIndexInvalid, seen.place(), message);
    }
}

/// Whether it is Chat Completions as OpenAI's own SDKs read it.
fn is_openai(now: &Inspection) -> bool {
    now.misread().is_none()
        && now.dialect().is_some_and(|d| matches!(d.name(), "openai-chat" | "azure"))
}

/// A chunk without `object`: openai-python's helper skips all that are not named for it.
fn unnamed(now: &Inspection, json: Value<'_>, seen: &FrameView<'_>, out: &mut Out<'_>) {
    if json.get("object").is_none()
        && is_openai(now)
        && out.tally.of(Code::RequiredFieldMissing) == 0
    {
        let message = "Chunks have no \"object\": openai-python's stream() helper skips them all.";
        out.raise_as(Code::RequiredFieldMissing, Severity::Warn, seen.place(), message);
    }
}

/// A `message` beside the delta: the whole text so far (Perplexity), or the piece once more
/// (Writer).
fn restated(
    now: &Inspection,
    index: usize,
    delta: Value<'_>,
    message: Value<'_>,
    seen: &FrameView<'_>,
    out: &mut Out<'_>,
) {
    let Some(whole) = message.str("content") else { return };
    let streamed = now.answer().text(crate::dialect::Channel::Content, index as u32);
    let piece = delta.str("content").unwrap_or_default();
    if whole.is_empty() || whole == streamed || whole == piece || out.again(Code::FinalDiffers) {
        return;
    }
    let count = |text: &str| text::group(text.chars().count() as u64);
    let message = format!(
        "Choice {index}: {} characters streamed, {} in the message of frame {}.",
        count(streamed),
        count(&whole),
        seen.index
    );
    out.raise(Code::FinalDiffers, seen.place(), message);
}

/// Whether a JSON string is written and has text in it.
fn has_text(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|v| v.kind() == json::Kind::String && v.source().len() > 2)
}

impl Chat {
    fn choice(
        &mut self,
        now: &Inspection,
        seen: &FrameView<'_>,
        json: Value<'_>,
        choice: Value<'_>,
        failed: bool,
        out: &mut Out<'_>,
    ) {
        let (mut index, mut delta, mut message, mut finish) = (0, None, None, None);
        let mut numbered = false;
        for (key, value) in choice.entries() {
            match key.raw() {
                b"\"index\"" if value.is_null() => {}
                b"\"index\"" => match valid_choice(value) {
                    Some(number) => (index, numbered) = (number as usize, true),
                    None => return invalid_index(value, seen, out),
                },
                b"\"delta\"" => delta = Some(value),
                b"\"message\"" => message = Some(value),
                b"\"finish_reason\"" => finish = Some(value),
                _ => {}
            }
        }
        if !numbered && delta.is_some() && !failed && is_openai(now) && !self.unnumbered {
            self.unnumbered = true;
            let message = format!(
                "A choice in frame {} has no index: openai-python raises TypeError.",
                seen.index
            );
            out.raise_as(Code::RequiredFieldMissing, Severity::Error, seen.place(), message);
        }
        let index = index.min(MAX_CHOICES - 1);
        if index >= self.choices.len() {
            self.choices.resize(index + 1, Choice::default());
        }
        if index < self.last && !out.again(Code::ChoicesInterleaved) {
            let message = format!("Choice {index} goes on after choice {}.", self.last);
            out.raise(Code::ChoicesInterleaved, seen.place(), message);
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
            out.raise_as(Code::FullObjectInStream, severity, seen.place(), text);
            return;
        }
        match delta {
            Some(delta) if delta.kind() == json::Kind::Object => {
                self.choices[index].delta = true;
                if let Some(message) = message {
                    restated(now, index, delta, message, seen, out);
                    let text = "A choice has delta and message; the message repeats the text.";
                    out.raise_once(Code::DeltaAndMessage, seen.place(), text);
                }
                self.delta(index, seen, delta, out);
            }
            _ if failed => {}
            delta => {
                let (rule, what) = match delta {
                    Some(_) => (Code::DeltaNull, "a delta that is null"),
                    None => (Code::DeltaMissing, "no delta"),
                };
                // An end that says no more than that misses nothing.
                let normal = has_text(finish);
                let severity = if normal { Severity::Info } else { rule.severity() };
                let text = format!("Choice {index} of frame {} has {what}.", seen.index);
                if !normal || out.tally.of(rule) == 0 {
                    out.raise_as(rule, severity, seen.place(), text);
                }
            }
        }
    }

    fn delta(&mut self, index: usize, seen: &FrameView<'_>, delta: Value<'_>, out: &mut Out<'_>) {
        let state = &mut self.choices[index];
        let mut field = None;
        for (key, value) in delta.entries() {
            match key.raw() {
                b"\"content\"" => match value.kind() {
                    json::Kind::String => {}
                    json::Kind::Null => {
                        out.raise_once(
                            Code::ContentNull,
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
                            out.raise_once(Code::ReasoningNotString, seen.place(), message);
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
                out.raise_once(Code::ReasoningDroppedByClient, seen.place(), message);
            }
            match state.field {
                Some(first) if first != name => {
                    if !out.again(Code::ReasoningFieldRenamed) {
                        let message = format!(
                            "Reasoning came in delta.{first}, and from frame {} on in delta.{name}.",
                            seen.index
                        );
                        out.raise(Code::ReasoningFieldRenamed, seen.place(), message);
                    }
                }
                _ => state.field = Some(name),
            }
        }
    }
}

fn content(seen: &FrameView<'_>, value: Value<'_>, kind: json::Kind, out: &mut Out<'_>) {
    // A list of typed parts is how Mistral speaks, not a fault.
    let typed = kind == json::Kind::Array && value.items().all(|p| p.get("type").is_some());
    let severity = if typed { Severity::Info } else { Severity::Error };
    if out.tally.of(Code::ContentNotString) == 0 {
        let what = if typed { "a list of typed parts" } else { a(kind) };
        let message = format!("delta.content is {what}, not a string.");
        out.raise_as(Code::ContentNotString, severity, seen.place(), message);
    }
}

fn role(state: &mut Choice, seen: &FrameView<'_>, value: Value<'_>, out: &mut Out<'_>) {
    match value.source() {
        "null" => out.raise_once(Code::RoleNull, seen.place(), "A delta's role is null."),
        "\"\"" => out.raise_once(Code::RoleEmpty, seen.place(), "A delta's role is empty."),
        _ => {
            if std::mem::replace(&mut state.role, true) {
                out.raise_once(
                    Code::RoleRepeated,
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
