//! Rules about payloads as JSON.

use super::{Family, Out, Phase, Rule, Seen, Severity, rule};
use crate::inspect::Inspection;

pub(super) const RULES: &[Rule] = &[Rule {
    code: "json-malformed",
    severity: Severity::Error,
    phase: Phase::Json,
    means: "A frame's data is not JSON: it is cut, or was never JSON.",
    example: "data: {\"id\":\"c1\",\"choices\":[{\"delta\":{\"content\":\"x\"⏎⏎",
    breaks: "openai-python, openai-node, LiteLLM and langchain-openai abort the stream at this frame; \
             the AI SDK reports it and goes on, one token short.",
    remedy: "Look at the frame's bytes: a frame cut in the middle points at the gateway, text at the server.",
    evidence: "replayed against the clients",
    ..Rule::DEFAULT
}];

#[derive(Default)]
pub(super) struct Json;

impl Family for Json {
    fn frame(&mut self, _now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        let (Some(data), Some(error)) = (seen.data, seen.json_error) else { return };
        if data.starts_with("[DONE]") {
            return;
        }
        out.raise(rule!("json-malformed"), seen.place_in_data(error.offset), format!("{error}"));
    }
}
