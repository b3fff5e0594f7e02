//! Rules about the events of Anthropic Messages: their names, their order, what each must bring.

use super::{Code, Detector, FindingPlace, Findings, FrameView, Severity, chat, refused};
use crate::frame::FrameKind;
use crate::inspect::Facts;
use crate::json::{self, Value};
use crate::text;

/// Returns whether the events are Anthropic's own; the same JSON in Bedrock's binary messages is not.
pub(super) fn is_anthropic(facts: &Facts) -> bool {
    facts.misread().is_none() && facts.dialect().is_some_and(|d| d.name() == "anthropic")
}

const EVENTS: &[&str] = &[
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
];

/// The block types of Anthropic's published SDKs. Results of tools that the server runs all end
/// in `_tool_result`.
const BLOCKS: &[&str] = &[
    "text",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "server_tool_use",
    "mcp_tool_use",
    "container_upload",
    "compaction",
];

/// A second `message_start`.
struct Second {
    place: FindingPlace,
    /// Something was said between the two.
    spliced: bool,
    message: String,
}

#[derive(Default)]
pub(super) struct AnthropicDetector {
    /// The id of the message that was begun.
    begun: Option<String>,
    /// A block was opened, or spoke, since then.
    spoke: bool,
    second: Option<Second>,
    /// A `[DONE]`, and the name of its event.
    done: Option<(FindingPlace, String)>,
}

impl Detector for AnthropicDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        if !is_anthropic(facts) || refused(facts) || view.frame.kind != FrameKind::Event {
            return;
        }
        if view.data.is_some_and(|d| d.starts_with("[DONE]")) {
            self.done.get_or_insert_with(|| (view.place(), text::preview(view.event, 40)));
            return;
        }
        let Some(json) = view.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        let Some(kind) = json.str("type") else { return };
        if !EVENTS.contains(&kind.as_ref()) {
            return chat::unknown_event(&kind, "Anthropic Messages", view, findings);
        }
        // An error without its line is reported as that error.
        if view.event == "message" && kind != "error" && !findings.again(Code::SseEventNameMissing)
        {
            let message = format!(
                "Frame {} has no event: line, only type \"{kind}\": Anthropic's Python SDK skips it",
                view.index
            );
            findings.raise(Code::SseEventNameMissing, view.place(), message);
        }
        if self.begun.is_none()
            && !matches!(kind.as_ref(), "message_start" | "ping" | "error")
            && findings.tally.of(Code::MessageStartMissing) == 0
        {
            let message = format!("Stream begins with {kind} instead of message_start");
            findings.raise(Code::MessageStartMissing, view.place(), message);
        }
        match kind.as_ref() {
            "message_start" => self.start(json, view, findings),
            "content_block_start" => {
                self.spoke = true;
                if let Some(block) = json.get("content_block") {
                    block_type(block, view, findings);
                }
            }
            "content_block_delta" => self.spoke = true,
            _ => {}
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if let Some(Second { place, spliced, message }) = self.second.take() {
            let rule =
                if spliced { Code::MessageStartSpliced } else { Code::MessageStartDuplicate };
            findings.raise(rule, place, message);
        }
        if let Some((place, name)) = self.done.take() {
            // Both SDKs skip an event without a name, and raise at one that has another.
            let severity = match name.as_str() {
                "message" if facts.is_healthy() => Severity::Info,
                "message" => Severity::Warn,
                _ => Severity::Error,
            };
            let how = match name.as_str() {
                "message" => "which is OpenAI's end".to_owned(),
                name => format!("as an event named \"{name}\": both Anthropic SDKs raise there"),
            };
            let message = format!("[DONE] in an Anthropic stream, {how}");
            findings.raise_as(Code::DoneOnAnthropic, severity, place, message);
        }
    }
}

impl AnthropicDetector {
    fn start(&mut self, json: Value<'_>, view: &FrameView<'_>, findings: &mut Findings) {
        let message = json.get("message");
        let id = message.and_then(|m| m.str("id")).unwrap_or_default();
        let id = text::preview(&id, 60);
        match &self.begun {
            Some(first) if self.second.is_none() => {
                let what = match first == &id {
                    true => format!("of the same message {id}"),
                    false => format!("of message {id} after that of {first}"),
                };
                let (place, spliced) = (view.place(), self.spoke);
                let how = match spliced {
                    true => "a second answer is appended to the first",
                    false => "nothing was streamed between the two",
                };
                let message =
                    format!("Second message_start in frame {}, {what}: {how}", view.index);
                self.second = Some(Second { place, spliced, message });
            }
            Some(_) => {}
            None => self.begun = Some(id),
        }
        let usage = message.and_then(|m| m.get("usage"));
        if message.is_some() && usage.is_none_or(|u| u.kind() != json::Kind::Object) {
            let message = "message_start without usage";
            findings.raise_once(Code::AnthropicUsageMissing, view.place(), message);
        }
    }
}

fn block_type(block: Value<'_>, view: &FrameView<'_>, findings: &mut Findings) {
    let kind = block.str("type").unwrap_or_default();
    if BLOCKS.contains(&kind.as_ref()) || kind.ends_with("_tool_result") {
        return;
    }
    let message =
        format!("Content block of type \"{}\", unknown to the SDKs", text::preview(&kind, 40));
    findings.raise_once(Code::UnknownBlockType, view.place(), message);
    let model = |key| block.at(&[key, "model"]).and_then(Value::as_str);
    if kind == "fallback"
        && let (Some(from), Some(to)) = (model("from"), model("to"))
    {
        let message = format!(
            "Model changes from {} to {2} in frame {1} (a fallback)",
            text::preview(&from, 60),
            view.index,
            text::preview(&to, 60)
        );
        let rule = Code::ModelChanges;
        findings.raise_once(rule, view.place(), message);
    }
}
