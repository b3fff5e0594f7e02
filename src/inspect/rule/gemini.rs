//! Rules about Gemini's candidates: that there are none, that one ends without a word.

use super::{Family, Out, Phase, Rule, Seen, Severity, refused, rule};
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "candidates-empty",
        severity: Severity::Warn,
        phase: Phase::Schema,
        means: "There is no candidate, because the prompt was blocked; only promptFeedback says so.",
        example: "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}⏎⏎",
        breaks: "Clients that read candidates[0] fail; the others show an empty answer without an error.",
        remedy: "Read promptFeedback.blockReason and show it. Change the prompt or the safety settings.",
        evidence: "googleapis/python-genai google/genai/types.py",
        ..Rule::DEFAULT
    },
    Rule {
        code: "finish-without-content",
        phase: Phase::Schema,
        means: "A candidate has a finish reason and no content at all.",
        example: "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}⏎⏎",
        breaks: "Decoders that need content.parts lose the reason, or crash on the missing parts.",
        remedy: "Make content optional in the client. Gemini ends like this now and then.",
        evidence: "agentjido/req_llm#638, elastic/kibana#227096",
        ..Rule::DEFAULT
    },
];

/// Whether the payloads are `GenerateContentResponse`s, in events or in an array.
fn is_gemini(now: &Inspection) -> bool {
    now.dialect().is_some_and(|d| matches!(d.name(), "gemini" | "gemini-array"))
}

/// Why the prompt was blocked, if that is what a payload says.
pub(super) fn blocked<'a>(
    now: &Inspection,
    json: Option<Value<'a>>,
) -> Option<std::borrow::Cow<'a, str>> {
    let json = json.filter(|j| is_gemini(now) && j.kind() == json::Kind::Object)?;
    let empty = json.get("candidates").is_none_or(Value::is_empty);
    let feedback = json.get("promptFeedback").filter(|_| empty && json.get("error").is_none())?;
    feedback.str("blockReason")
}

#[derive(Default)]
pub(super) struct Gemini;

impl Family for Gemini {
    fn frame(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        if !is_gemini(now) || refused(now) {
            return;
        }
        let Some(json) = seen.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        if let Some(reason) = blocked(now, Some(json)) {
            let message = format!(
                "The prompt was blocked ({}): no candidate came, and nothing calls it an error.",
                text::preview(&reason, 40)
            );
            out.raise_once(rule!("candidates-empty"), seen.place(), message);
        }
        for candidate in json.get("candidates").into_iter().flat_map(Value::items) {
            let Some(reason) = candidate.str("finishReason").filter(|r| !r.is_empty()) else {
                continue;
            };
            if candidate.at(&["content", "parts"]).is_none_or(Value::is_null) {
                let message = format!(
                    "A candidate ends (\"{}\") without content or parts.",
                    text::preview(&reason, 40)
                );
                out.raise_once(rule!("finish-without-content"), seen.place(), message);
            }
        }
    }
}
