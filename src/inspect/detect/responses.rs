//! Rules about the events of OpenAI's Responses: their numbers, their items, what the last brings.

use std::collections::BTreeMap;

use super::{Code, Detector, FrameView, Out, Place, Severity, chat, refused};
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

/// The events of OpenAI's own SDK: whole names, and beginnings of names with a part after them.
const EVENTS: &[&str] = &[
    "error",
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
    "response.output_item.",
    "response.content_part.",
    "response.output_text.",
    "response.refusal.",
    "response.reasoning_summary_part.",
    "response.reasoning_summary_text.",
    "response.reasoning_text.",
    "response.function_call_arguments.",
    "response.custom_tool_call_input.",
    "response.file_search_call.",
    "response.web_search_call.",
    "response.code_interpreter_call.",
    "response.code_interpreter_call_code.",
    "response.image_generation_call.",
    "response.mcp_call.",
    "response.mcp_call_arguments.",
    "response.mcp_list_tools.",
    "response.shell_call_command.",
    "response.shell_call_output_content.",
    "response.audio.",
];

fn is_known(kind: &str) -> bool {
    EVENTS.iter().any(|e| kind == *e || (e.ends_with('.') && kind.starts_with(e)))
}

/// How many items are followed.
const MAX_ITEMS: usize = 1024;

/// What happens again and again: the first time, and how often.
#[derive(Default)]
struct Again {
    first: Option<(Place, String)>,
    times: u64,
}

impl Again {
    fn add(&mut self, place: Place, message: impl FnOnce() -> String) {
        self.times += 1;
        if self.first.is_none() {
            self.first = Some((place, message()));
        }
    }

    /// Raises it.
    fn raise(&mut self, rule: Code, out: &mut Out<'_>) {
        let Some((place, mut message)) = self.first.take() else { return };
        if self.times > 1 {
            message.push_str(&format!(", and so {} times", text::group(self.times)));
        }
        message.push('.');
        out.raise(rule, place, message);
    }
}

#[derive(Default)]
pub(super) struct Responses {
    number: Option<u64>,
    gaps: Again,
    /// The last id of each item, by its output index.
    items: BTreeMap<u64, String>,
    rotations: Again,
}

impl Detector for Responses {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        if now.dialect().is_none_or(|d| d.name() != "openai-responses") || refused(now) {
            return;
        }
        let Some(json) = seen.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        let Some(kind) = json.str("type") else { return };
        if !is_known(&kind) {
            chat::unknown_event(&kind, "the Responses API", seen, out);
        }
        // Over WebSocket another response begins to count anew.
        if kind == "response.created" {
            self.number = None;
            self.items.clear();
        }
        self.sequence(json, seen);
        self.item(json, seen);
        match kind.as_ref() {
            "error" if json.get("error").is_some_and(|e| e.kind() == json::Kind::Object) => {
                let message = "The error event nests its fields under \"error\"; the schema has them flat, so typed clients find no message.";
                out.raise_once(Code::ErrorShapeDrift, seen.place(), message);
            }
            "response.completed" | "response.incomplete" => {
                if let Some(response) = json.get("response") {
                    required(response, seen, out);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, _now: &Inspection, out: &mut Out<'_>) {
        self.gaps.raise(Code::SequenceGap, out);
        self.rotations.raise(Code::ItemIdRotates, out);
    }
}

impl Responses {
    fn sequence(&mut self, json: Value<'_>, seen: &FrameView<'_>) {
        let Some(number) = json.get("sequence_number").and_then(Value::as_u64) else { return };
        if let Some(before) = self.number.replace(number)
            && before.checked_add(1) != Some(number)
        {
            self.gaps.add(seen.place(), || {
                format!(
                    "The sequence number goes from {before} to {number} in frame {}",
                    seen.index
                )
            });
        }
    }

    fn item(&mut self, json: Value<'_>, seen: &FrameView<'_>) {
        let Some(index) = json.get("output_index").and_then(Value::as_u64) else { return };
        let id = json.get("item_id").or_else(|| json.at(&["item", "id"]));
        let Some(id) = id.filter(|i| i.kind() == json::Kind::String) else { return };
        let full = self.items.len() >= MAX_ITEMS;
        match self.items.get_mut(&index) {
            Some(before) if before == id.source() => {}
            Some(before) => {
                let short = |id: &str| text::preview(id.trim_matches('"'), 24);
                self.rotations.add(seen.place(), || {
                    format!(
                        "Item {index} is \"{}\" and in frame {} \"{}\"",
                        short(before),
                        seen.index,
                        short(id.source())
                    )
                });
                id.source().clone_into(before);
            }
            None if full => {}
            None => drop(self.items.insert(index, id.source().to_owned())),
        }
    }
}

/// What Codex and the typed SDKs must find in the response that ends the stream.
fn required(response: Value<'_>, seen: &FrameView<'_>, out: &mut Out<'_>) {
    let is = |value: Option<Value<'_>>, kind| value.is_some_and(|v| v.kind() == kind);
    let (mut missing, mut milder) = (Vec::new(), Vec::new());
    if !is(response.get("id"), json::Kind::String) {
        missing.push("id");
    }
    // No usage at all is usage-missing's matter, and no decoder dies of it.
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
    let message = format!("The last event has no {}, which {who}.", names.join(", no "));
    out.raise_as(Code::RequiredFieldMissing, severity, seen.place(), message);
}
