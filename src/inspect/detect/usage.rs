//! Rules about token counts.

use super::{
    Code, Detector, EachFrame, FindingPlace, Findings, FrameView, Look, Severity, cut, is_chat,
    ours, refused,
};
use crate::inspect::Facts;
use crate::json::{self, Tape, Value};
use crate::text;

#[derive(Default)]
pub(super) struct UsageDetector {
    /// Number of usage facts that were seen.
    counted: u32,
    /// Frames with usage, and the last of them.
    frames: u32,
    last: FindingPlace,
    /// The first frame that had usage beside choices.
    beside: Option<FindingPlace>,
    /// Frames with JSON.
    payloads: u32,
    /// Tokens of the answer as counted so far.
    output: Option<u64>,
}

impl Detector for UsageDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        if !refused(facts) {
            unreadable(view, findings);
        }
        let counted = facts.answer().usage_seen.iter().map(|u| u.1).sum();
        if counted == self.counted {
            return;
        }
        self.counted = counted;
        self.frames += 1;
        self.last = view.place();
        if is_chat(facts) && facts.answer().choices().len() < 2 {
            self.falls(facts, findings);
        }
        let choices = view.chunk.and_then(|c| c.choices);
        if self.beside.is_none() && choices.is_some_and(|c| !c.is_empty()) {
            self.beside = Some(view.place());
        }
    }

    fn looks_at(&self) -> &'static [Look] {
        &[Look::Frames]
    }

    fn each(&mut self, _facts: &Facts, each: &EachFrame<'_>, _findings: &mut Findings) {
        self.payloads += u32::from(each.view().is_none_or(|view| view.json.is_some()));
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) {
            return;
        }
        self.thoughts(facts, findings);
        let openai = ["openai-completions", "openai-responses"];
        if is_chat(facts) || facts.dialect().is_some_and(|d| openai.contains(&d.name())) {
            self.sums(facts, findings);
        }
        if !is_chat(facts) {
            return;
        }
        let stream = facts.framing() != Some(crate::frame::Framing::Whole);
        let every = self.frames > 2 && self.frames * 2 > self.payloads;
        if every {
            let message = format!(
                "{} of {} chunks carry usage; the last one counts, not the sum",
                self.frames, self.payloads
            );
            findings.raise(Code::UsageEveryChunk, self.last, message);
        } else if let Some(place) = self.beside.filter(|_| stream) {
            let message = "Usage in a chunk that has choices";
            findings.raise(Code::UsageInNonemptyChoices, place, message);
        }
        for (path, n) in &facts.answer().usage_seen {
            if path.template() != "usage" {
                let message = format!("Usage in {} ({n} times)", path.general());
                findings.raise(Code::UsageNonstandardPlace, self.last, message);
            }
        }
        null_fields(facts, findings);
        // A stream without an end has no usage.
        let endless = !facts.answer().finished() && facts.answer().sentinel.is_none();
        let dead = cut(facts) || ours(facts) || !facts.answer().errors.is_empty() || endless;
        if self.counted == 0 && stream && !dead && self.payloads > 0 && asked(facts) {
            let message = "No usage, though the request set stream_options.include_usage";
            findings.raise(Code::UsageMissing, FindingPlace::default(), message);
        }
    }
}

impl UsageDetector {
    /// A frame that counts less of the answer than one before it.
    fn falls(&mut self, facts: &Facts, findings: &mut Findings) {
        let now = facts.answer().usage.output;
        let before = std::mem::replace(&mut self.output, now);
        if let (Some(before), Some(now)) = (before, now)
            && now < before
            && !findings.again(Code::UsageInconsistent)
        {
            let message = format!("Usage contradicts itself: {now} tokens out, after {before}");
            findings.raise(Code::UsageInconsistent, self.last, message);
        }
    }

    /// Reports thoughts that arrived and are not counted.
    fn thoughts(&self, facts: &Facts, findings: &mut Findings) {
        let usage = facts.answer().usage;
        let reasoned = !facts.answer().text(crate::dialect::Channel::Reasoning, 0).is_empty();
        if usage.reasoning == Some(0) && reasoned {
            let chars = facts.answer().chars(crate::dialect::Channel::Reasoning);
            let message = format!(
                "{} characters of reasoning received, but usage says 0 reasoning tokens",
                text::group(chars as u64)
            );
            findings.raise(Code::UsageReasoningZero, self.last, message);
        }
    }

    /// Counts that must add up: OpenAI's, of which reasoning is a part of the output.
    fn sums(&self, facts: &Facts, findings: &mut Findings) {
        let usage = facts.answer().usage;
        let (Some(input), Some(output)) = (usage.input, usage.output) else { return };
        let reasoning = usage.reasoning.unwrap_or(0);
        let message = match usage.total {
            Some(total) if total > 0 && input.saturating_add(output) != total => {
                if input.saturating_add(output).saturating_add(reasoning) == total {
                    let message = format!(
                        "{input} + {output} is not {total}: output excludes {reasoning} reasoning tokens"
                    );
                    return findings.raise_as(
                        Code::UsageInconsistent,
                        Severity::Info,
                        self.last,
                        message,
                    );
                }
                format!("Usage contradicts itself: {input} in + {output} out is not {total} total")
            }
            _ if reasoning > output => {
                format!("Usage contradicts itself: {reasoning} reasoning tokens of {output} out")
            }
            _ => return,
        };
        findings.raise(Code::UsageInconsistent, self.last, message);
    }
}

/// Counts of tokens, as the dialects name them.
const COUNTS: &[&str] = &[
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
    "totalTokenCount",
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "prompt_eval_count",
    "eval_count",
];

/// Counts that no client can count with: strings, fractions, negative, out of range.
fn unreadable(view: &FrameView<'_>, findings: &mut Findings) {
    /// Paths of usage, below the payload.
    const PLACES: &[&[&str]] = &[
        &["usage"],
        &["usageMetadata"],
        &["message", "usage"],
        &["response", "usage"],
        &["response", "usageMetadata"],
        &["x_groq", "usage"],
        &["delta", "usage"],
        &["interaction", "usage"],
    ];
    let has = |word: &[u8]| memchr::memmem::find(view.bytes, word).is_some();
    let Some(json) = view.json.filter(|j| j.kind() == json::Kind::Object) else { return };
    // Most frames have no usage, and a lookup is a pass over the fields.
    if !has(b"sage") && !has(b"eval_count") {
        return;
    }
    let given = PLACES.iter().filter_map(|place| json.at(place));
    let lists = json.get("choices").into_iter().flat_map(Value::items);
    let usages = given.chain(lists.filter_map(|c| c.get("usage")));
    // Ollama has its counts at the top level.
    let own = json.get("done").is_some().then_some(json);
    for usage in usages.chain(own).filter(|u| u.kind() == json::Kind::Object) {
        let details = usage.entries().map(|e| e.1).filter(|v| v.kind() == json::Kind::Object);
        for object in std::iter::once(usage).chain(details) {
            for (key, value) in object.entries() {
                let key = key.as_str().unwrap_or_default();
                if !COUNTS.contains(&key.as_ref()) || is_count(value) {
                    continue;
                }
                if !findings.again(Code::UsageUnreadable) {
                    let shown = text::preview(value.source(), 30);
                    let message = format!("Usage count {key} is {shown}, not a whole number");
                    findings.raise(Code::UsageUnreadable, view.place(), message);
                }
            }
        }
    }
}

/// Returns whether a value is a count, or null.
fn is_count(value: Value<'_>) -> bool {
    match value.kind() {
        json::Kind::Null => true,
        json::Kind::Number => {
            // Cohere writes `12.0`.
            value.as_u64().is_some()
                || value.as_f64().is_some_and(|n| n >= 0.0 && n.fract() == 0.0 && n < 1.8e19)
        }
        _ => false,
    }
}

fn null_fields(facts: &Facts, findings: &mut Findings) {
    let counts = ["usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens"];
    let rows = facts.shape().rows();
    let null = rows.iter().find(|r| counts.contains(&r.path.as_str()) && r.types.contains(&"null"));
    if let Some(row) = null {
        let place = FindingPlace { frame: Some(row.first), offset: None };
        findings.raise(Code::UsageNullFields, place, format!("{} is null", row.path));
    }
}

/// Returns whether the request asks for usage.
fn asked(facts: &Facts) -> bool {
    let Some(request) = &facts.request else { return false };
    let Ok(body) = std::str::from_utf8(&request.body) else { return false };
    let mut tape = Tape::new();
    if tape.parse(body).is_err() {
        return false;
    }
    let asked = tape.root(body).and_then(|j| j.at(&["stream_options", "include_usage"]));
    asked.and_then(Value::as_bool) == Some(true)
}
