//! Rules about how choices finish, and what follows.

use super::{
    ChatChunk, Code, Detector, FindingPlace, Findings, FrameView, Severity, cut, end, is_chat,
    ours, refused,
};
use crate::dialect::{self, Channel};
use crate::inspect::Facts;
use crate::json::{self, Value};
use crate::text;

#[derive(Default)]
pub(super) struct FinishDetector {
    /// Choices that have finished, as bits; no provider allows as many as there are.
    finished: u128,
    /// The same, for those that finished before anything of them arrived.
    hollow: u128,
    /// Words of the choices when they finished first.
    said: Vec<(u64, String)>,
    /// The first finish that is an empty string, and how many there are.
    empty: Option<(FindingPlace, u64)>,
    /// The provider's own words about the finish.
    explained: Option<String>,
}

impl Detector for FinishDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let Some(ChatChunk { json, choices, .. }) = view.chunk else {
            self.look(facts, view, findings);
            return self.other(facts, view, findings);
        };
        for choice in choices.into_iter().flat_map(Value::items) {
            self.choice(facts, view, json, choice, findings);
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if !refused(facts) {
            self.emptied(facts, findings);
            self.malformed(facts, findings);
        }
        let Some(dialect) = facts.dialect().filter(|_| !is_chat(facts) && !refused(facts)) else {
            return;
        };
        let answer = facts.answer();
        for (choice, reason) in answer.finish().filter(|_| answer.errors.is_empty()) {
            let frame = answer.finish_frame(choice);
            let offset = frame.and_then(|f| facts.frames().get(f as usize)).map(|f| f.offset);
            let place = FindingPlace { frame, offset };
            let shown = text::preview(&end::finish_words(facts, choice, reason), 60);
            if is_malformed(reason) {
                continue;
            }
            let name = dialect.name();
            let cause = answer.cause(choice).is_none_or(|c| end::is_length(c) || end::is_filter(c));
            if matches!(reason, "error" | "failed") || is_unusable(reason) {
                let message = format!("Finish {shown} without an error that says what happened");
                findings.raise(Code::FinishError, place, message);
            } else if dialect.ending().finishes.is_empty() {
                // This dialect passes on the finish reasons of others.
            } else if !cause || !dialect.ending().finishes.contains(&reason) {
                let message = format!("Finish reason {shown} is not one of {name}");
                findings.raise_once(Code::FinishUnknown, place, message);
            }
        }
    }
}

impl FinishDetector {
    /// Looks for finishes that are empty and for the provider's own words about one.
    fn look(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        /// Paths of the finish in dialects other than Chat, outside of lists.
        const PLACES: &[&[&str]] =
            &[&["delta", "stop_reason"], &["stopReason"], &["delta", "finish_reason"]];
        let Some(json) = view.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        // For other dialects it is unknown what an empty reason means.
        const DIALECTS: &[&str] =
            &["anthropic", "gemini", "gemini-array", "bedrock-converse", "cohere-v2"];
        if !facts.dialect().is_some_and(|d| DIALECTS.contains(&d.name())) || refused(facts) {
            return;
        }
        let empty = |v: Option<Value<'_>>| v.is_some_and(|v| v.source() == "\"\"");
        let mut is_empty = PLACES.iter().any(|place| empty(json.at(place)));
        for candidate in json.get("candidates").into_iter().flat_map(Value::items) {
            is_empty |= empty(candidate.get("finishReason"));
            if let Some(words) = candidate.str("finishMessage").filter(|w| !w.is_empty()) {
                self.explained = Some(words.into_owned());
            }
        }
        if is_empty {
            self.empty.get_or_insert((view.place(), 0)).1 += 1;
            findings.count_frame();
        }
    }

    /// Finishes that are empty strings.
    fn emptied(&mut self, facts: &Facts, findings: &mut Findings) {
        let Some((place, times)) = self.empty else { return };
        let n = text::count(times, "frame");
        let ended = cut(facts) || ours(facts) || !facts.answer().errors.is_empty();
        let words = facts.answer().finish().any(|(_, reason)| !reason.is_empty());
        let (severity, message) = match words || ended {
            true => (Severity::Warn, format!("Finish reason is \"\" instead of null in {n}")),
            false => (Severity::Error, format!("The only finish reason is \"\" ({n})")),
        };
        findings.raise_as(Code::FinishEmpty, severity, place, message);
    }

    /// Finishes by which the provider says that the model's call was unusable.
    fn malformed(&mut self, facts: &Facts, findings: &mut Findings) {
        let answer = facts.answer();
        for (choice, reason) in answer.finish().filter(|f| is_malformed(f.1)) {
            let frame = answer.finish_frame(choice);
            let offset = frame.and_then(|f| facts.frames().get(f as usize)).map(|f| f.offset);
            let words = match &self.explained {
                Some(words) => format!(": \"{}\"", text::preview(words, 120)),
                None => String::new(),
            };
            let reason = text::preview(reason, 40);
            let message = format!("Model made an unusable tool call, finish \"{reason}\"{words}");
            findings.raise(Code::ToolCallMalformed, FindingPlace { frame, offset }, message);
        }
    }

    /// A frame that is no chunk of Chat: what it reported of choices that had finished before it.
    fn other(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let answer = facts.answer();
        if answer.finish().next().is_none() || refused(facts) {
            // Another answer may have begun on the same stream.
            (self.finished, self.hollow) = (0, 0);
            return;
        }
        let here = |choice: u32| answer.finish_frame(choice) == Some(view.index);
        for delta in answer.deltas_of(view.index) {
            let (choice, bit) = (delta.choice, 1u128 << delta.choice.min(127));
            // Text next to a finish occurs in streams that finish in every frame, as Gemini's once did.
            if self.finished & bit != 0
                && (!here(choice) || self.hollow & bit != 0)
                && !delta.duplicate
                && matches!(delta.channel, Channel::Content | Channel::Reasoning | Channel::Refusal)
                && !findings.again(Code::ContentAfterFinish)
            {
                let message =
                    format!("Frame {} has text for an answer that had finished", view.index);
                findings.raise(Code::ContentAfterFinish, view.place(), message);
            }
        }
        // Gemini sends STOP with the code that it wrote, runs it, and continues.
        let ran = answer.deltas_of(view.index).any(|d| d.channel == Channel::Other);
        for choice in answer.finished_in(view.index).iter().filter(|_| !ran) {
            let bit = 1u128 << choice.min(&127);
            if self.finished & bit != 0 {
                let message = format!("The answer finishes again in frame {}", view.index);
                findings.raise_once(Code::FinishRepeated, view.place(), message);
            }
            // The choice finished before any of its answer: what follows is no repetition.
            let is_first = answer.deltas().iter().all(|delta| delta.choice != *choice);
            if self.finished & bit == 0 && is_first {
                self.hollow |= bit;
            }
            self.finished |= bit;
        }
    }

    /// A choice that had finished finishes again.
    fn again(&self, view: &FrameView<'_>, finish: Value<'_>, index: u64, findings: &mut Findings) {
        let words = finish.as_str().unwrap_or_default();
        let shown = text::preview(&words, 60);
        let first = self.said.iter().find(|(choice, _)| *choice == index).map(|(_, said)| said);
        match first.filter(|first| **first != words) {
            Some(first) => {
                let first = text::preview(first, 60);
                let message =
                    format!("Choice {index} finishes again, as \"{shown}\" after \"{first}\"");
                let code = Code::FinishRepeated;
                findings.raise_as(code, Severity::Warn, view.place(), message);
            }
            None => {
                let message = format!("Choice {index} finishes again (\"{shown}\")");
                findings.raise_once(Code::FinishRepeated, view.place(), message);
            }
        }
    }

    fn choice(
        &mut self,
        facts: &Facts,
        view: &FrameView<'_>,
        json: Value<'_>,
        choice: Value<'_>,
        findings: &mut Findings,
    ) {
        let (mut index, mut finish, mut delta, mut message) = (0, None, None, false);
        let mut native = None;
        for (key, value) in choice.entries() {
            match key.raw() {
                b"\"index\"" => index = u64::from(dialect::choice_number(value)).min(127),
                b"\"finish_reason\"" => finish = Some(value),
                b"\"native_finish_reason\"" => native = value.as_str(),
                b"\"delta\"" => delta = Some(value),
                b"\"message\"" => message = true,
                _ => {}
            }
        }
        // A whole object in a stream repeats the finish with all the rest.
        if message && json.get("object").is_some_and(|o| o.is("chat.completion")) {
            return;
        }
        let failed = facts.answer().errors.last().is_some_and(|e| e.frame == view.index);
        let bit = 1u128 << index;
        if self.finished & bit != 0
            && !failed
            && delta.and_then(|d| d.get("content")).is_some_and(has_text)
            && !findings.again(Code::ContentAfterFinish)
        {
            let message =
                format!("Frame {} has text for choice {index}, which had finished", view.index);
            findings.raise(Code::ContentAfterFinish, view.place(), message);
        }
        let Some(finish) = finish else {
            let text = "Chunk without finish_reason, not even null";
            return findings.raise_once(Code::FinishKeyAbsent, view.place(), text);
        };
        if has_text(finish) {
            self.finishes(facts, view, (index, finish, native.as_deref()), failed, findings);
        } else if finish.source() == "\"\"" {
            self.empty.get_or_insert((view.place(), 0)).1 += 1;
            findings.count_frame();
        }
    }

    /// A choice finishes: its number, the word, and the word of the provider behind a gateway.
    fn finishes(
        &mut self,
        facts: &Facts,
        view: &FrameView<'_>,
        (index, finish, native): (u64, Value<'_>, Option<&str>),
        failed: bool,
        findings: &mut Findings,
    ) {
        if finish.is("null") {
            let message = "finish_reason is the string \"null\", not null";
            return findings.raise_once(Code::FinishStringNull, view.place(), message);
        }
        let bit = 1u128 << index;
        let again = self.finished & bit != 0;
        self.finished |= bit;
        if again {
            self.again(view, finish, index, findings);
        } else {
            self.said.push((index, finish.as_str().unwrap_or_default().into_owned()));
        }
        reason(facts, view, finish, failed, findings);
        hidden_length(view, finish, native, findings);
    }
}

/// Returns whether a finish says that the provider could not use the call that the model made. Gateways
/// translate Gemini's words into lower case or put their own words before them.
fn is_malformed(reason: &str) -> bool {
    const WORDS: &[&str] = &[
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_TOOL_USE",
        "MALFORMED_TOOL_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    ];
    let reason = reason.to_ascii_uppercase();
    WORDS.iter().any(|w| reason.contains(w))
}

/// Returns whether a finish says that the provider could not use what the model wrote.
fn is_unusable(reason: &str) -> bool {
    matches!(reason, "MALFORMED_RESPONSE" | "malformed_model_output")
}

/// Reports a length limit that the translated finish does not show.
fn hidden_length(
    view: &FrameView<'_>,
    finish: Value<'_>,
    native: Option<&str>,
    findings: &mut Findings,
) {
    let words = finish.as_str().unwrap_or_default();
    let Some(native) = native.filter(|n| end::is_length(n) && !end::is_length(&words)) else {
        return;
    };
    let (words, native) = (text::preview(&words, 30), text::preview(native, 30));
    let message = format!("Finish \"{words}\" hides the token limit: natively \"{native}\"");
    findings.raise_once(Code::LengthHidden, view.place(), message);
}

/// Returns whether a value is a string with something in it.
fn has_text(value: Value<'_>) -> bool {
    value.kind() == json::Kind::String && value.source().len() > 2
}

fn reason(
    facts: &Facts,
    view: &FrameView<'_>,
    finish: Value<'_>,
    failed: bool,
    findings: &mut Findings,
) {
    let reason = finish.as_str().unwrap_or_default();
    let shown = text::preview(&reason, 60);
    if reason == "error" {
        if facts.answer().errors.is_empty() {
            let message = "finish_reason \"error\" without an error that says what happened";
            findings.raise(Code::FinishError, view.place(), message);
        }
    } else if !failed
        && !is_malformed(&reason)
        && !facts.dialect().is_some_and(|d| d.ending().finishes.contains(&reason.as_ref()))
        && !findings.context.variant.is_some_and(|v| v.finishes.contains(&reason.as_ref()))
    {
        let message = format!("Finish reason \"{shown}\" is not one of Chat Completions");
        findings.raise_once(Code::FinishUnknown, view.place(), message);
    }
}
