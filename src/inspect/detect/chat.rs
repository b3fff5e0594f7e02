//! Rules about the chunks of Chat Completions: choices, deltas, their text fields, finishes.

use super::{ChatChunk, Code, Detector, FindingPlace, Findings, FrameView, Severity};
use crate::dialect::valid_choice;
use crate::inspect::Facts;
use crate::json::{self, Value};
use crate::text;

/// Maximum number of choices that are kept apart; no provider allows as many.
const MAX_CHOICES: usize = 128;

#[derive(Default, Clone, Copy)]
struct ChoiceState {
    seen: bool,
    role: bool,
    /// It had a delta.
    delta: bool,
    /// The reasoning field that fed it first.
    field: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct ChatDetector {
    choices: Vec<ChoiceState>,
    last: usize,
    /// True if any chunk had choices: before that, a chunk without may be of another dialect.
    any: bool,
    /// A choice without index was reported.
    unnumbered: bool,
    missing: Option<FindingPlace>,
}

impl Detector for ChatDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let Some(ChatChunk { json, choices, .. }) = view.chunk else { return };
        let failed = facts.answer().errors.last().is_some_and(|e| e.frame == view.index);
        match choices {
            Some(choices) if choices.kind() == json::Kind::Array => {
                self.any = true;
                if !failed && !choices.is_empty() {
                    unnamed(facts, json, view, findings);
                }
                let mut some = false;
                for choice in choices.items() {
                    some = true;
                    self.choice(facts, view, json, choice, failed, findings);
                }
                // By OpenAI's own schema, the chunk with the usage has no choices.
                let usage = || json.get("usage").is_some_and(|u| u.kind() == json::Kind::Object);
                if !some && !failed && !usage() {
                    findings.raise_once(
                        Code::ChoicesEmpty,
                        view.place(),
                        "A chunk without choices (`choices: []`)",
                    );
                }
            }
            _ if failed => {}
            Some(choices) if choices.is_null() => {
                self.any = true;
                let message = format!("`choices` is null in frame {}", view.index);
                findings.raise(Code::ChoicesNull, view.place(), message);
            }
            // No client reads after [DONE].
            _ if facts.answer().sentinel.is_some() => {}
            // FastGPT's workflow events are not chunks.
            _ if view.event != "message" && is_fastgpt(facts) => {}
            _ => {
                self.missing.get_or_insert(view.place());
                if self.any {
                    missing(view.place(), findings);
                }
            }
        }
        if self.any
            && !is_fastgpt(facts)
            && !matches!(view.event, "message" | "error" | "ping" | "keepalive" | "keep-alive")
        {
            unknown_event(view.event, "Chat Completions", view, findings);
        }
        if self.any
            && findings.tally.of(Code::ChoicesMissing) == 0
            && let Some(place) = self.missing
        {
            missing(place, findings);
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        let finished = facts.answer().finished() && facts.answer().errors.is_empty();
        let roleless = |c: &ChoiceState| c.seen && c.delta && !c.role;
        if let Some(index) =
            self.choices.iter().position(roleless).filter(|_| finished && is_openai(facts))
        {
            let message = format!(
                "No delta of choice {index} has a role: openai-node's helper raises \"missing role\""
            );
            findings.raise_as(
                Code::RequiredFieldMissing,
                Severity::Warn,
                FindingPlace::default(),
                message,
            );
        }
        if let Some(gap) = self.choices.iter().position(|c| !c.seen) {
            let message = format!("Choice {} without a choice {gap}", self.choices.len() - 1);
            findings.raise(Code::ChoiceIndexGap, FindingPlace::default(), message);
        }
    }
}

fn is_fastgpt(facts: &Facts) -> bool {
    facts.dialect().is_some_and(|d| d.name() == "fastgpt")
}

/// An event whose name `dialect` does not have; the first is reported.
pub(super) fn unknown_event(
    name: &str,
    dialect: &str,
    view: &FrameView<'_>,
    findings: &mut Findings,
) {
    if !findings.again(Code::UnknownEventType) {
        let name = text::preview(name, 40);
        let message = format!("Events are named \"{name}\", which {dialect} does not have");
        findings.raise(Code::UnknownEventType, view.place(), message);
    }
}

fn missing(place: FindingPlace, findings: &mut Findings) {
    let frame = place.frame.unwrap_or_default();
    findings.raise(Code::ChoicesMissing, place, format!("Frame {frame} has no `choices`"));
}

/// A choice whose index is none. It is kept apart, and nothing else of it is judged.
pub(super) fn invalid_index(index: Value<'_>, view: &FrameView<'_>, findings: &mut Findings) {
    if !findings.again(Code::ChoiceIndexInvalid) {
        let shown = text::preview(index.source(), 30);
        let message = format!("Choice index {shown} is not an index; its text is kept separate");
        findings.raise(Code::ChoiceIndexInvalid, view.place(), message);
    }
}

/// Returns whether it is Chat Completions as OpenAI's own SDKs read it.
fn is_openai(facts: &Facts) -> bool {
    facts.misread().is_none()
        && facts.dialect().is_some_and(|d| matches!(d.name(), "openai-chat" | "azure"))
}

/// A chunk without `object`: openai-python's helper skips all that are not named for it.
fn unnamed(facts: &Facts, json: Value<'_>, view: &FrameView<'_>, findings: &mut Findings) {
    if json.get("object").is_none()
        && is_openai(facts)
        && findings.tally.of(Code::RequiredFieldMissing) == 0
    {
        let message = "Chunks have no \"object\": openai-python's stream() helper skips them all";
        findings.raise_as(Code::RequiredFieldMissing, Severity::Warn, view.place(), message);
    }
}

/// A `message` beside the delta: the whole text so far (Perplexity), or the piece once more
/// (Writer).
fn restated(
    facts: &Facts,
    index: usize,
    delta: Value<'_>,
    message: Value<'_>,
    view: &FrameView<'_>,
    findings: &mut Findings,
) {
    let Some(whole) = message.str("content") else { return };
    let streamed = facts.answer().text(crate::dialect::Channel::Content, index as u32);
    let piece = delta.str("content").unwrap_or_default();
    if whole.is_empty() || whole == streamed || whole == piece || findings.again(Code::FinalDiffers)
    {
        return;
    }
    let count = |text: &str| text::group(text.chars().count() as u64);
    let message = format!(
        "Choice {index}: {} characters streamed, {} in the message of frame {}",
        count(streamed),
        count(&whole),
        view.index
    );
    findings.raise(Code::FinalDiffers, view.place(), message);
}

/// Returns whether a JSON string is present and has text in it.
fn has_text(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|v| v.kind() == json::Kind::String && v.source().len() > 2)
}

/// The members of a choice that are looked at.
#[derive(Default)]
struct ChoiceMembers<'a> {
    index: Option<usize>,
    delta: Option<Value<'a>>,
    message: Option<Value<'a>>,
    finish: Option<Value<'a>>,
}

impl<'a> ChoiceMembers<'a> {
    /// Returns an index that is no number as the error.
    #[inline]
    fn of(choice: Value<'a>) -> Result<Self, Value<'a>> {
        let mut members = Self::default();
        for (key, value) in choice.entries() {
            match key.raw() {
                b"\"index\"" if value.is_null() => {}
                b"\"index\"" => {
                    members.index = Some(valid_choice(value).ok_or(value)? as usize);
                }
                b"\"delta\"" => members.delta = Some(value),
                b"\"message\"" => members.message = Some(value),
                b"\"finish_reason\"" => members.finish = Some(value),
                _ => {}
            }
        }
        Ok(members)
    }
}

/// A frame that is a whole answer.
fn full_object(facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
    // After deltas, it repeats an answer that is complete without it.
    let repeats = !facts.answer().deltas().is_empty();
    let severity = if repeats { Severity::Info } else { Severity::Fatal };
    let what = if repeats { "repeats the answer" } else { "is the answer: no deltas were sent" };
    let text = format!("Frame {} is a whole chat.completion that {what}", view.index);
    findings.raise_as(Code::FullObjectInStream, severity, view.place(), text);
}

/// A choice whose delta is null, or missing.
fn no_delta(
    index: usize,
    is_there: bool,
    finishes: bool,
    view: &FrameView<'_>,
    findings: &mut Findings,
) {
    let (rule, what) = match is_there {
        true => (Code::DeltaNull, "a delta that is null"),
        false => (Code::DeltaMissing, "no delta"),
    };
    // A final chunk that only finishes needs no delta.
    let severity = if finishes { Severity::Info } else { rule.severity() };
    let text = format!("Choice {index} of frame {} has {what}", view.index);
    if !finishes || findings.tally.of(rule) == 0 {
        findings.raise_as(rule, severity, view.place(), text);
    }
}

impl ChatDetector {
    fn choice(
        &mut self,
        facts: &Facts,
        view: &FrameView<'_>,
        json: Value<'_>,
        choice: Value<'_>,
        failed: bool,
        findings: &mut Findings,
    ) {
        let ChoiceMembers { index, delta, message, finish } = match ChoiceMembers::of(choice) {
            Ok(members) => members,
            Err(value) => return invalid_index(value, view, findings),
        };
        if index.is_none() && delta.is_some() && !failed && is_openai(facts) && !self.unnumbered {
            self.unnumbered = true;
            let message = format!(
                "A choice in frame {} has no index: openai-python raises TypeError",
                view.index
            );
            findings.raise_as(Code::RequiredFieldMissing, Severity::Error, view.place(), message);
        }
        let index = index.unwrap_or(0);
        let index = index.min(MAX_CHOICES - 1);
        if index >= self.choices.len() {
            self.choices.resize(index + 1, ChoiceState::default());
        }
        if index < self.last && !findings.again(Code::ChoicesInterleaved) {
            let message = format!("Choice {index} continues after choice {}", self.last);
            findings.raise(Code::ChoicesInterleaved, view.place(), message);
        }
        self.last = index;
        self.choices[index].seen = true;
        let message = message.filter(|m| m.kind() == json::Kind::Object);
        let full = message.is_some() && json.get("object").is_some_and(|o| o.is("chat.completion"));
        if full {
            return full_object(facts, view, findings);
        }
        match delta {
            Some(delta) if delta.kind() == json::Kind::Object => {
                self.choices[index].delta = true;
                if let Some(message) = message {
                    restated(facts, index, delta, message, view, findings);
                    let text = "A choice has both delta and message; the message repeats the text";
                    findings.raise_once(Code::DeltaAndMessage, view.place(), text);
                }
                self.delta(facts, index, view, delta, findings);
            }
            _ if failed => {}
            delta => no_delta(index, delta.is_some(), has_text(finish), view, findings),
        }
    }

    fn delta(
        &mut self,
        facts: &Facts,
        index: usize,
        view: &FrameView<'_>,
        delta: Value<'_>,
        findings: &mut Findings,
    ) {
        let state = &mut self.choices[index];
        let mut field = None;
        for (key, value) in delta.entries() {
            match key.raw() {
                b"\"content\"" => match value.kind() {
                    json::Kind::String => {}
                    json::Kind::Null => {
                        findings.raise_once(
                            Code::ContentNull,
                            view.place(),
                            "delta.content is null",
                        );
                    }
                    kind => content(facts, view, value, kind, findings),
                },
                name @ (b"\"reasoning_content\"" | b"\"reasoning\"" | b"\"thinking\"") => {
                    let name = match name {
                        b"\"reasoning\"" => "reasoning",
                        b"\"thinking\"" => "thinking",
                        _ => "reasoning_content",
                    };
                    match value.kind() {
                        json::Kind::String if value.raw().len() > 2 => {
                            // Two fields in one delta are reported as reasoning-two-channels.
                            field = if field.is_some() { state.field } else { Some(name) };
                        }
                        json::Kind::String | json::Kind::Null => {}
                        kind => {
                            let message = format!("delta.{name} is {}, not a string", a(kind));
                            findings.raise_once(Code::ReasoningNotString, view.place(), message);
                        }
                    }
                }
                b"\"role\"" => role(state, view, value, findings),
                _ => {}
            }
        }
        if let Some(name) = field {
            reasons_in(state, name, view, findings);
        }
    }
}

/// A delta has reasoning in the member `name`.
fn reasons_in(
    state: &mut ChoiceState,
    name: &'static str,
    view: &FrameView<'_>,
    findings: &mut Findings,
) {
    if state.field.is_none() && name != "reasoning_content" {
        let message = format!("Reasoning is in delta.{name}, which the OpenAI SDKs do not show");
        findings.raise_once(Code::ReasoningDroppedByClient, view.place(), message);
    }
    match state.field {
        Some(first) if first != name => {
            if !findings.again(Code::ReasoningFieldRenamed) {
                let message = format!(
                    "Reasoning moves from delta.{first} to delta.{name} in frame {}",
                    view.index
                );
                findings.raise(Code::ReasoningFieldRenamed, view.place(), message);
            }
        }
        _ => state.field = Some(name),
    }
}

fn content(
    facts: &Facts,
    view: &FrameView<'_>,
    value: Value<'_>,
    kind: json::Kind,
    findings: &mut Findings,
) {
    let typed = kind == json::Kind::Array && value.items().all(|p| p.get("type").is_some());
    // A list of typed parts is how Mistral speaks; OpenAI's clients read a string.
    let normal = typed && facts.dialect().is_some_and(|d| d.name() == "mistral");
    let severity = if normal { Severity::Info } else { Severity::Error };
    if findings.tally.of(Code::ContentNotString) == 0 {
        let what = if typed { "a list of typed parts" } else { a(kind) };
        let message = format!("delta.content is {what}, not a string");
        findings.raise_as(Code::ContentNotString, severity, view.place(), message);
    }
}

fn role(state: &mut ChoiceState, view: &FrameView<'_>, value: Value<'_>, findings: &mut Findings) {
    match value.source() {
        "null" => findings.raise_once(Code::RoleNull, view.place(), "delta.role is null"),
        "\"\"" => findings.raise_once(Code::RoleEmpty, view.place(), "delta.role is empty"),
        _ => {
            if std::mem::replace(&mut state.role, true) {
                findings.raise_once(
                    Code::RoleRepeated,
                    view.place(),
                    "The role is repeated in a later delta",
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
