//! Rules about how choices finish, and what comes after.

use super::{Chunk, Family, Out, Phase, Place, Rule, Seen, Severity, end, is_chat, refused, rule};
use crate::dialect::Channel;
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "finish-unknown",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "A finish reason that the dialect does not have.",
        example: "\"finish_reason\":\"abort\"",
        breaks: "Mapped to \"other\" or to \"stop\": a failed or rejected answer looks like a normal end.",
        remedy: "Look the word up at the provider and map it yourself.",
        evidence: "coder/coder#28470, vllm-project/vllm#57082, replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "finish-error",
        severity: Severity::Fatal,
        phase: Phase::Schema,
        means: "The finish reason is \"error\", and no error says what happened.",
        example: "\"finish_reason\":\"error\"",
        breaks: "The OpenAI SDKs pass it on as an end; LiteLLM raises; the AI SDK says \"other\".",
        remedy: "Look for native_finish_reason and into the provider's log.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "finish-string-null",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "The finish reason is the string \"null\" while the answer goes on.",
        example: "\"finish_reason\":\"null\"",
        breaks: "Clients take the stream for finished at the first chunk.",
        remedy: "Treat it as null. DashScope's native form does this.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "finish-key-absent",
        phase: Phase::Schema,
        means: "Chunks before the last have no `finish_reason` at all.",
        example: "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
        breaks: "Decoders that require the field.",
        remedy: "Make it optional. xAI and Perplexity do this.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "finish-repeated",
        phase: Phase::Schema,
        means: "One choice finishes more than once.",
        example: "\"finish_reason\":\"stop\" … \"finish_reason\":\"stop\"",
        breaks: "Callbacks for the end run twice.",
        remedy: "Take the last.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "content-after-finish",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "Text comes for a choice that had finished.",
        example: "\"finish_reason\":\"stop\" … {\"delta\":{\"content\":\"b\"}}",
        breaks: "Screens that close at the finish drop it; the replayed SDKs keep it.",
        remedy: "Read on until [DONE].",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Finish {
    /// Which choices have finished, as bits; no provider allows as many as there are.
    finished: u128,
}

impl Family for Finish {
    fn frame(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
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
                out.raise(rule!("finish-error"), place, message);
            } else if !cause || !dialect.ending().finishes.contains(&reason) {
                let message = format!("The finish reason {shown} is none of {name}.");
                out.raise_once(rule!("finish-unknown"), place, message);
            }
        }
    }
}

impl Finish {
    /// A frame that is no chunk of Chat: what it told of choices that had finished before it.
    fn other(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
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
                && !out.again(rule!("content-after-finish"))
            {
                let message =
                    format!("Frame {} has text for an answer that had finished.", seen.index);
                out.raise(rule!("content-after-finish"), seen.place(), message);
            }
        }
        for choice in answer.finished_in(seen.index) {
            let bit = 1u128 << choice.min(&127);
            if self.finished & bit != 0 {
                let message = format!("The answer finishes again in frame {}.", seen.index);
                out.raise_once(rule!("finish-repeated"), seen.place(), message);
            }
            self.finished |= bit;
        }
    }

    fn choice(
        &mut self,
        now: &Inspection,
        seen: &Seen<'_>,
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
            && !out.again(rule!("content-after-finish"))
        {
            let message =
                format!("Frame {} has text for choice {index}, which had finished.", seen.index);
            out.raise(rule!("content-after-finish"), seen.place(), message);
        }
        match finish {
            None => {
                let text = "A chunk has no finish_reason, not even null.";
                out.raise_once(rule!("finish-key-absent"), seen.place(), text);
            }
            Some(finish) if has_text(finish) => {
                if finish.is("null") {
                    let message = "finish_reason is the string \"null\", not null.";
                    return out.raise_once(rule!("finish-string-null"), seen.place(), message);
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
    seen: &Seen<'_>,
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
        out.raise_once(rule!("finish-repeated"), seen.place(), message);
    }
    if reason == "error" {
        if now.answer().errors.is_empty() {
            let message = "finish_reason is \"error\", and no error says what happened.";
            out.raise(rule!("finish-error"), seen.place(), message);
        }
    } else if !failed
        && !now.dialect().is_some_and(|d| d.ending().finishes.contains(&reason.as_ref()))
        && !out.context.variant.is_some_and(|v| v.finishes.contains(&reason.as_ref()))
    {
        let message = format!("The finish reason \"{shown}\" is none of Chat Completions.");
        out.raise_once(rule!("finish-unknown"), seen.place(), message);
    }
}
