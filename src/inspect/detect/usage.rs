//! Rules about token counts.

use super::{
    Code, Detector, FrameView, Out, Place, Severity, cut, is_chat, ours, refused, unless_healthy,
};
use crate::inspect::Inspection;
use crate::json::{Tape, Value};

#[derive(Default)]
pub(super) struct Usage {
    /// How many usage facts were seen.
    facts: u32,
    /// Frames with usage, and the last of them.
    frames: u32,
    last: Place,
    /// The first frame that had usage beside choices.
    beside: Option<Place>,
    /// Frames with JSON.
    payloads: u32,
}

impl Detector for Usage {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, _out: &mut Out<'_>) {
        self.payloads += u32::from(seen.json.is_some());
        let facts = now.answer().usage_seen.iter().map(|u| u.1).sum();
        if facts == self.facts {
            return;
        }
        self.facts = facts;
        self.frames += 1;
        self.last = seen.place();
        let choices = seen.chunk.and_then(|c| c.choices);
        if self.beside.is_none() && choices.is_some_and(|c| !c.is_empty()) {
            self.beside = Some(seen.place());
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if refused(now) {
            return;
        }
        self.thoughts(now, out);
        let openai = ["openai-completions", "openai-responses"];
        if is_chat(now) || now.dialect().is_some_and(|d| openai.contains(&d.name())) {
            self.sums(now, out);
        }
        if !is_chat(now) {
            return;
        }
        let stream = now.framing() != Some(crate::frame::Framing::Whole);
        let every = self.frames > 2 && self.frames * 2 > self.payloads;
        if every {
            let message = format!(
                "{} of {} chunks carry usage; the last one counts, not the sum.",
                self.frames, self.payloads
            );
            out.raise(Code::UsageEveryChunk, self.last, message);
        } else if let Some(place) = self.beside.filter(|_| stream) {
            let message = "Usage comes in a chunk that has choices too.";
            out.raise(Code::UsageInNonemptyChoices, place, message);
        }
        for (path, n) in &now.answer().usage_seen {
            if path.template() != "usage" {
                let message = format!("Usage stands in {} ({n} times).", path.general());
                out.raise(Code::UsageNonstandardPlace, self.last, message);
            }
        }
        null_fields(now, out);
        // What has no end has no usage.
        let endless = !now.answer().finished() && now.answer().sentinel.is_none();
        let dead = cut(now) || ours(now) || !now.answer().errors.is_empty() || endless;
        if self.facts == 0 && stream && !dead && self.payloads > 0 && asked(now) {
            let severity = unless_healthy(now, Severity::Warn);
            let message =
                "The request asks for usage (stream_options.include_usage), and none came.";
            out.raise_as(Code::UsageMissing, severity, Place::default(), message);
        }
    }
}

impl Usage {
    /// Thoughts that came and are not counted.
    fn thoughts(&self, now: &Inspection, out: &mut Out<'_>) {
        let usage = now.answer().usage;
        let reasoned = !now.answer().text(crate::dialect::Channel::Reasoning, 0).is_empty();
        if usage.reasoning == Some(0) && reasoned {
            let chars = now.answer().chars(crate::dialect::Channel::Reasoning);
            let message = format!(
                "{chars} characters of reasoning came, and usage counts 0 reasoning tokens."
            );
            out.raise(Code::UsageReasoningZero, self.last, message);
        }
    }

    /// Counts that must add up: OpenAI's, of which reasoning is a part of the output.
    fn sums(&self, now: &Inspection, out: &mut Out<'_>) {
        let usage = now.answer().usage;
        let (Some(input), Some(output)) = (usage.input, usage.output) else { return };
        let reasoning = usage.reasoning.unwrap_or(0);
        let message = match usage.total {
            Some(total) if total > 0 && input.saturating_add(output) != total => {
                if input.saturating_add(output).saturating_add(reasoning) == total {
                    let message = format!(
                        "{input} + {output} is not {total}: the output leaves out {reasoning} reasoning tokens."
                    );
                    return out.raise_as(
                        Code::UsageInconsistent,
                        Severity::Info,
                        self.last,
                        message,
                    );
                }
                format!(
                    "Usage contradicts itself: {input} in and {output} out are not {total} in all."
                )
            }
            _ if reasoning > output => {
                format!("Usage contradicts itself: {reasoning} reasoning tokens of {output} out.")
            }
            _ => return,
        };
        let severity = unless_healthy(now, Severity::Warn);
        out.raise_as(Code::UsageInconsistent, severity, self.last, message);
    }
}

fn null_fields(now: &Inspection, out: &mut Out<'_>) {
    let counts = ["usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens"];
    let rows = now.shape().rows();
    let null = rows.iter().find(|r| counts.contains(&r.path.as_str()) && r.types.contains(&"null"));
    if let Some(row) = null {
        let place = Place { frame: Some(row.first), offset: None };
        out.raise(Code::UsageNullFields, place, format!("{} is null.", row.path));
    }
}

/// Whether the request asks for usage.
fn asked(now: &Inspection) -> bool {
    let Some(request) = &now.request else { return false };
    let Ok(body) = std::str::from_utf8(&request.body) else { return false };
    let mut tape = Tape::new();
    if tape.parse(body).is_err() {
        return false;
    }
    let asked = tape.root(body).and_then(|j| j.at(&["stream_options", "include_usage"]));
    asked.and_then(Value::as_bool) == Some(true)
}
