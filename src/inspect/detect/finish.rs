//! Rules about how choices finish, and what comes after.

use super::{Chunk, Code, Detector, FrameView, Out, Place, end, is_chat, refused};
use crate::dialect::Channel;
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

#[derive(Default)]
pub(super) struct Finish {
    /// Which choices have finished, as bits; no provider allows as many as there are.
    finished: u128,
}

impl Detector for Finish {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        let Some(Chunk { json, choices, .. }) = seen.chunk else {
            return self.other(now, seen, out);
        };
        for choice in choices.into_iter().flat_map(Value::items) {
            self.choice(now, seen, json, choice, out);
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let Some(dialect) = now.dialect().filter(|_| !is_chat(now) && !refused(now)) else {
            return;
        };
        let answer = now.answer();
        for (choice, reason) in answer.finish().filter(|_| answer.errors.is_empty()) {
            let frame = answer.finish_frame(choice);
            let offset = frame.and_then(|f| now.frames().get(f as usize)).map(|f| f.offset);
            let place = Place { frame, offset };
            let shown = text::preview(&end::told(now, choice, reason), 60);
            let name = dialect.name();
            let cause = answer.cause(choice).is_none_or(|c| end::is_length(c) || end::is_filter(c));
            if matches!(reason, "error" | "failed") {
                let message = format!("The finish is {shown}, and no error says what happened.");
                out.raise(Code::FinishError, place, message);
            } else if dialect.ending().finishes.is_empty() {
                // It repeats the words of others.
            } else if !cause || !dialect.ending().finishes.contains(&reason) {
                let message = format!("The finish reason {shown} is none of {name}.");
                out.raise_once(Code::FinishUnknown, place, message);
            }
        }
    }
}

impl Finish {
    /// A frame that is no chunk of Chat: what it told of choices that had finished before it.
    fn other(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        let answer = now.answer();
        if answer.finish().next().is_none() || refused(now) {
            return;
        }
        let here = |choice: u32| answer.finish_frame(choice) == Some(seen.index);
        for delta in answer.deltas_of(seen.index) {
            let (choice, bit) = (delta.choice, 1u128 << delta.choice.min(127));
            // Text beside a finish is a stream that finishes in every frame, as Gemini's once did.
            if self.finished & bit != 0
                && !here(choice)
                && !delta.duplicate
                && matches!(delta.channel, Channel::Content | Channel::Reasoning | Channel::Refusal)
                && !out.again(Code::ContentAfterFinish)
            {
                let message =
                    format!("Frame {} has text for an answer that had finished.", seen.index);
                out.raise(Code::ContentAfterFinish, seen.place(), message);
            }
        }
        for choice in answer.finished_in(seen.index) {
            let bit = 1u128 << choice.min(&127);
            if self.finished & bit != 0 {
                let message = format!("The answer finishes again in frame {}.", seen.index);
                out.raise_once(Code::FinishRepeated, seen.place(), message);
            }
            self.finished |= bit;
        }
    }

    fn choice(
        &mut self,
        now: &Inspection,
        seen: &FrameView<'_>,
        json: Value<'_>,
        choice: Value<'_>,
        out: &mut Out<'_>,
    ) {
        let (mut index, mut finish, mut delta, mut message) = (0, None, None, false);
        for (key, value) in choice.entries() {
            match key.raw() {
                b"\"index\"" => index = value.as_u64().unwrap_or(0).min(127),
                b"\"finish_reason\"" => finish = Some(value),
                b"\"delta\"" => delta = Some(value),
                b"\"message\"" => message = true,
                _ => {}
            }
        }
        // A whole object in a stream repeats the finish with all the rest.
        if message && json.get("object").is_some_and(|o| o.is("chat.completion")) {
            return;
        }
        let failed = now.answer().errors.last().is_some_and(|e| e.frame == seen.index);
        let bit = 1u128 << index;
        if self.finished & bit != 0
            && !failed
            && delta.and_then(|d| d.get("content")).is_some_and(has_text)
            && !out.again(Code::ContentAfterFinish)
        {
            let message =
                format!("Frame {} has text for choice {index}, which had finished.", seen.index);
            out.raise(Code::ContentAfterFinish, seen.place(), message);
        }
        match finish {
            None => {
                let text = "A chunk has no finish_reason, not even null.";
                out.raise_once(Code::FinishKeyAbsent, seen.place(), text);
            }
            Some(finish) if has_text(finish) => {
                if finish.is("null") {
                    let message = "finish_reason is the string \"null\", not null.";
                    return out.raise_once(Code::FinishStringNull, seen.place(), message);
                }
                let again = self.finished & bit != 0;
                self.finished |= bit;
                reason(now, seen, finish, index, again, failed, out);
            }
            Some(_) => {}
        }
    }
}

/// Whether a value is a string with something in it.
fn has_text(value: Value<'_>) -> bool {
    value.kind() == json::Kind::String && value.source().len() > 2
}

fn reason(
    now: &Inspection,
    seen: &FrameView<'_>,
    finish: Value<'_>,
    index: u64,
    again: bool,
    failed: bool,
    out: &mut Out<'_>,
) {
    let reason = finish.as_str().unwrap_or_default();
    let shown = text::preview(&reason, 60);
    if again {
        let message = format!("Choice {index} finishes again (\"{shown}\").");
        out.raise_once(Code::FinishRepeated, seen.place(), message);
    }
    if reason == "error" {
        if now.answer().errors.is_empty() {
            let message = "finish_reason is \"error\", and no error says what happened.";
            out.raise(Code::FinishError, seen.place(), message);
        }
    } else if !failed
        && !now.dialect().is_some_and(|d| d.ending().finishes.contains(&reason.as_ref()))
        && !out.context.variant.is_some_and(|v| v.finishes.contains(&reason.as_ref()))
    {
        let message = format!("The finish reason \"{shown}\" is none of Chat Completions.");
        out.raise_once(Code::FinishUnknown, seen.place(), message);
    }
}
