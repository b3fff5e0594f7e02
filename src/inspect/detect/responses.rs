//! Rules about the events of OpenAI's Responses: their numbers, their items, what the last brings.

use super::{
    Code, Detector, EachFrame, FindingPlace, Findings, FrameView, Look, Severity, chat, refused,
};
use crate::dialect::Varying;
use crate::inspect::Facts;
use crate::json::{self, Value};
use crate::text;

/// The events that openai-node's helper knows: it raises on every other.
const EVENTS: &[&str] = &[
    "error",
    "keepalive",
    "response.audio.delta",
    "response.audio.done",
    "response.audio.transcript.delta",
    "response.audio.transcript.done",
    "response.code_interpreter_call.completed",
    "response.code_interpreter_call.in_progress",
    "response.code_interpreter_call.interpreting",
    "response.code_interpreter_call_code.delta",
    "response.code_interpreter_call_code.done",
    "response.completed",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.failed",
    "response.file_search_call.completed",
    "response.file_search_call.in_progress",
    "response.file_search_call.searching",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.image_generation_call.completed",
    "response.image_generation_call.generating",
    "response.image_generation_call.in_progress",
    "response.image_generation_call.partial_image",
    "response.in_progress",
    "response.incomplete",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_list_tools.completed",
    "response.mcp_list_tools.failed",
    "response.mcp_list_tools.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.annotation.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.queued",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.refusal.delta",
    "response.refusal.done",
    "response.web_search_call.completed",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
];

/// An event that openai-node's helper does not know; the first is reported.
fn unknown(kind: &str, view: &FrameView<'_>, findings: &mut Findings) {
    if kind == "keepalive" {
        // Not in the schema; the helper skips it.
        return chat::unknown_event(kind, "the Responses API", view, findings);
    }
    if !findings.again(Code::UnknownEventType) {
        let name = text::preview(kind, 40);
        let message = format!("Event \"{name}\" is unknown to openai-node, whose helper raises");
        findings.raise_as(Code::UnknownEventType, Severity::Warn, view.place(), message);
    }
}

/// Something that happens repeatedly: the first time, and how often.
#[derive(Default)]
struct Again {
    first: Option<(FindingPlace, String)>,
    times: u64,
}

impl Again {
    fn add(&mut self, place: FindingPlace, message: impl FnOnce() -> String) {
        self.times += 1;
        if self.first.is_none() {
            self.first = Some((place, message()));
        }
    }

    /// Raises it.
    fn raise(&mut self, rule: Code, findings: &mut Findings) {
        let Some((place, mut message)) = self.first.take() else { return };
        if self.times > 1 {
            message.push_str(&format!(", and so {} times", text::group(self.times)));
        }
        findings.raise(rule, place, message);
    }
}

#[derive(Default)]
pub(super) struct ResponsesDetector {
    number: Option<u64>,
    gaps: Again,
}

impl Detector for ResponsesDetector {
    fn looks_at(&self) -> &'static [Look] {
        &[Look::Member(Varying::SequenceNumber)]
    }

    fn each(&mut self, facts: &Facts, each: &EachFrame<'_>, _findings: &mut Findings) {
        if !is_responses(facts) || refused(facts) || !each.is_object() {
            return;
        }
        // Over WebSocket each response starts counting again.
        let kind = each.view().and_then(|view| view.json?.get("type"));
        if kind.is_some_and(|t| t.is("response.created")) {
            self.number = None;
        }
        self.sequence(each);
    }

    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        if !is_responses(facts) || refused(facts) {
            return;
        }
        let Some(json) = view.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        let Some(kind) = json.str("type") else { return };
        if kind == "keepalive" || EVENTS.binary_search(&kind.as_ref()).is_err() {
            unknown(&kind, view, findings);
        }
        match kind.as_ref() {
            // Both SDKs raise this error; a flat one they pass on.
            "error"
                if json.get("error").is_some_and(|e| e.kind() == json::Kind::Object)
                    && !findings.again(Code::ErrorShapeDrift) =>
            {
                let message =
                    "The error event nests its fields under \"error\"; the schema has them flat";
                let severity = Severity::Info;
                findings.raise_as(Code::ErrorShapeDrift, severity, view.place(), message);
            }
            "response.completed" | "response.incomplete" => {
                if let Some(response) = json.get("response") {
                    required(response, view, findings);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, _facts: &Facts, findings: &mut Findings) {
        self.gaps.raise(Code::SequenceGap, findings);
    }
}

impl ResponsesDetector {
    fn sequence(&mut self, each: &EachFrame<'_>) {
        let number = each.member(Varying::SequenceNumber).filter(|n| !n.starts_with('"'));
        let Some(number) = number.and_then(|n| n.parse::<u64>().ok()) else { return };
        if let Some(before) = self.number.replace(number)
            && before.checked_add(1) != Some(number)
        {
            self.gaps.add(each.place(), || {
                format!(
                    "The sequence number goes from {before} to {number} in frame {}",
                    each.index
                )
            });
        }
    }
}

fn is_responses(facts: &Facts) -> bool {
    facts.dialect().is_some_and(|d| d.name() == "openai-responses")
}

/// Checks for what Codex and the typed SDKs must find in the response that ends the stream.
fn required(response: Value<'_>, view: &FrameView<'_>, findings: &mut Findings) {
    let is = |value: Option<Value<'_>>, kind| value.is_some_and(|v| v.kind() == kind);
    let (mut missing, mut milder) = (Vec::new(), Vec::new());
    if !is(response.get("id"), json::Kind::String) {
        missing.push("id");
    }
    // Missing usage is reported as usage-missing, and no decoder fails because of it.
    if let Some(usage) = response.get("usage").filter(|u| !u.is_null()) {
        let counts = ["input_tokens", "output_tokens", "total_tokens"];
        missing.extend(counts.iter().filter(|c| !is(usage.get(c), json::Kind::Number)));
        for (details, count) in [
            ("input_tokens_details", "cached_tokens"),
            ("output_tokens_details", "reasoning_tokens"),
        ] {
            match usage.get(details).filter(|d| !d.is_null()) {
                Some(given) if is(given.get(count), json::Kind::Number) => {}
                Some(_) => missing.push(count),
                None => milder.push(details),
            }
        }
    }
    let (severity, names, who) = match (missing.is_empty(), milder.is_empty()) {
        (true, true) => return,
        (true, false) => (Severity::Info, milder, "the schema requires"),
        (false, _) => (Severity::Error, missing, "Codex requires"),
    };
    let message = format!("The last event has no {}, which {who}", names.join(", no "));
    findings.raise_as(Code::RequiredFieldMissing, severity, view.place(), message);
}
