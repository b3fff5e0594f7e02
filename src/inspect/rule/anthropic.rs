//! Rules about the events of Anthropic Messages: their names, their order, what each must bring.

use std::collections::BTreeSet;

use super::{
    Family, Out, Phase, Place, Rule, Seen, Severity, chat, identity, lookup, refused, rule,
    unless_healthy,
};
use crate::frame::Kind;
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "sse-event-name-missing",
        severity: Severity::Fatal,
        means: "An Anthropic event without its `event` line; only the JSON says what it is.",
        example: "data: {\"type\":\"message_start\",\"message\":{…}}⏎⏎",
        breaks: "Anthropic's Python SDK goes by the line alone: no event at all, then an AssertionError. The AI SDK reads `type` and notices nothing.",
        remedy: "Find the gateway that writes only data lines; ask Anthropic directly to compare.",
        evidence: "replayed against the clients, anthropics/anthropic-sdk-python src/anthropic/_streaming.py",
        ..Rule::DEFAULT
    },
    Rule {
        code: "anthropic-error-no-event",
        severity: Severity::Fatal,
        means: "Anthropic's error came without `event: error` before it.",
        example: "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}⏎⏎",
        breaks: "Anthropic's Python SDK skips it: the stream ends as a success, cut or empty.",
        remedy: "Read the text here; have the gateway write the event line too.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "done-on-anthropic",
        severity: Severity::Warn,
        means: "[DONE], which belongs to OpenAI's streams, in one of Anthropic's.",
        example: "event: message_stop⏎data: {\"type\":\"message_stop\"}⏎⏎event: done⏎data: [DONE]⏎⏎",
        breaks: "Anthropic's Python SDK ends with a JSONDecodeError after the whole answer if the event has a name, whichever; a plain data line it ignores.",
        remedy: "A gateway adds it; OpenRouter does to every stream, as an event named `data`. End at message_stop.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "message-start-missing",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "The stream does not begin with message_start.",
        example: "event: content_block_start⏎data: {\"type\":\"content_block_start\",\"index\":0,…}⏎⏎",
        breaks: "Anthropic's Python SDK: AssertionError when the final message is asked for. Model, id and input tokens are nowhere.",
        remedy: "The beginning was lost on the way: a recording or gateway that attached late, or that filters events.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "message-start-duplicate",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "message_start comes again, before anything was said.",
        example: "event: message_start⏎data: {…}⏎⏎event: message_start⏎data: {…}⏎⏎",
        breaks: "Clients that open a message for each show an empty one; input tokens are counted twice.",
        remedy: "A gateway that tried twice, or that makes a beginning of its own before the provider's.",
        evidence: "vercel/ai packages/anthropic/src/__fixtures__/duplicate-message-start.chunks.txt",
        ..Rule::DEFAULT
    },
    Rule {
        code: "message-start-spliced",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "message_start comes again in the middle: a second answer is glued to the first.",
        example: "… content_block_delta (thinking) … message_start … content_block_delta (text) …",
        breaks: "Both answers' texts are joined; block indices that are used again overwrite or mix blocks.",
        remedy: "A gateway fell over to another upstream in mid-stream. Keep what comes after the last message_start.",
        evidence: "vercel/ai packages/anthropic/src/__fixtures__/spliced-message-start.chunks.txt",
        ..Rule::DEFAULT
    },
    Rule {
        code: "delta-before-start",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "A content_block_delta for a block that no content_block_start opened. On Bedrock's Converse this is normal, and no finding.",
        example: "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}⏎⏎, and no content_block_start",
        breaks: "Anthropic's Python SDK: IndexError; others do not know what kind of block it is.",
        remedy: "A translation from another dialect that forgets to open blocks; compare a direct call.",
        evidence: "replayed against the clients, vercel/ai packages/amazon-bedrock fixtures (amazon-bedrock-reasoning)",
        ..Rule::DEFAULT
    },
    Rule {
        code: "anthropic-usage-missing",
        severity: Severity::Error,
        phase: Phase::Schema,
        means: "message_start has no usage.",
        example: "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[]}}⏎⏎",
        breaks: "Anthropic's Python SDK: AttributeError at the first usage that comes later; the AI SDK fails the stream.",
        remedy: "Have the gateway send at least {\"input_tokens\":0,\"output_tokens\":0}.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "unknown-block-type",
        phase: Phase::Schema,
        means: "A content block of a type that Anthropic's own SDKs do not know.",
        example: "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"fallback\",…}}⏎⏎",
        breaks: "The AI SDK gives an error part; Anthropic's Python SDK takes it.",
        remedy: "Skip blocks that you do not know. New ones come without a new version of the API.",
        evidence: "replayed against the clients, vercel/ai packages/anthropic/src/__fixtures__/anthropic-fallback.chunks.txt",
        ..Rule::DEFAULT
    },
    Rule {
        code: "message-stop-missing",
        severity: Severity::Error,
        phase: Phase::End,
        means: "The stream ends without message_stop.",
        example: "event: content_block_stop⏎data: {\"type\":\"content_block_stop\",\"index\":0}⏎⏎ EOF",
        breaks: "Anthropic's Python SDK: success with stop_reason=None; the AI SDK finishes with \"other\".",
        remedy: "With a stop_reason the answer is whole; without one take it for cut, and look who closed.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
];

/// Whether the events are Anthropic's own; the same JSON in Bedrock's binary messages is not.
pub(super) fn is_anthropic(now: &Inspection) -> bool {
    now.misread().is_none() && now.dialect().is_some_and(|d| d.name() == "anthropic")
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

/// How many open blocks are remembered; an answer has a few dozen.
const MAX_BLOCKS: usize = 4096;

/// A second `message_start`.
struct Second {
    place: Place,
    /// Something was said between the two.
    spliced: bool,
    message: String,
}

#[derive(Default)]
pub(super) struct Anthropic {
    /// The id of the message that was begun.
    begun: Option<String>,
    /// A block was opened, or spoke, since then.
    spoke: bool,
    blocks: BTreeSet<u64>,
    second: Option<Second>,
    /// A `[DONE]`, and the name of its event.
    done: Option<(Place, String)>,
}

impl Family for Anthropic {
    fn frame(&mut self, now: &Inspection, seen: &Seen<'_>, out: &mut Out<'_>) {
        if !is_anthropic(now) || refused(now) || seen.frame.kind != Kind::Event {
            return;
        }
        if seen.data.is_some_and(|d| d.starts_with("[DONE]")) {
            self.done.get_or_insert_with(|| (seen.place(), text::preview(seen.event, 40)));
            return;
        }
        let Some(json) = seen.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        let Some(kind) = json.str("type") else { return };
        if !EVENTS.contains(&kind.as_ref()) {
            return chat::unknown_event(&kind, "Anthropic Messages", seen, out);
        }
        // An error without its line is told as that error.
        if seen.event == "message" && kind != "error" && !out.again(rule!("sse-event-name-missing"))
        {
            let message = format!(
                "Frame {} has no event line, only \"type\":\"{kind}\" in its JSON: Anthropic's Python SDK skips such frames.",
                seen.index
            );
            out.raise(rule!("sse-event-name-missing"), seen.place(), message);
        }
        if self.begun.is_none()
            && !matches!(kind.as_ref(), "message_start" | "ping" | "error")
            && out.tally.of("message-start-missing") == 0
        {
            let message = format!("The stream begins with {kind}; there was no message_start.");
            out.raise(rule!("message-start-missing"), seen.place(), message);
        }
        let index = json.get("index").and_then(Value::as_u64).unwrap_or(0);
        match kind.as_ref() {
            "message_start" => self.start(json, seen, out),
            "content_block_start" => {
                self.spoke = true;
                if self.blocks.len() < MAX_BLOCKS {
                    self.blocks.insert(index);
                }
                if let Some(block) = json.get("content_block") {
                    block_type(block, seen, out);
                }
            }
            "content_block_delta" => {
                self.spoke = true;
                let full = self.blocks.len() >= MAX_BLOCKS;
                if !full && self.blocks.insert(index) {
                    let message =
                        format!("Block {index} goes on in frame {}, and never began.", seen.index);
                    out.raise(rule!("delta-before-start"), seen.place(), message);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if let Some(Second { place, spliced, message }) = self.second.take() {
            let rule = if spliced {
                rule!("message-start-spliced")
            } else {
                rule!("message-start-duplicate")
            };
            let severity = unless_healthy(now, Severity::Error);
            out.raise_as(rule, severity, place, message);
        }
        if let Some((place, name)) = self.done.take() {
            // OpenRouter's own form, with another name, is the end of streams that are sound.
            let severity = match name.as_str() {
                "done" => Severity::Warn,
                _ => unless_healthy(now, Severity::Warn),
            };
            let how = match name.as_str() {
                "message" => "which is OpenAI's end".to_owned(),
                name => format!("as an event named \"{name}\": Anthropic's Python SDK fails there"),
            };
            let message = format!("[DONE] in an Anthropic stream, {how}.");
            out.raise_as(rule!("done-on-anthropic"), severity, place, message);
        }
    }
}

impl Anthropic {
    fn start(&mut self, json: Value<'_>, seen: &Seen<'_>, out: &mut Out<'_>) {
        let message = json.get("message");
        let id = message.and_then(|m| m.str("id")).unwrap_or_default();
        let id = text::preview(&id, 60);
        match &self.begun {
            Some(first) if self.second.is_none() => {
                let what = match first == &id {
                    true => format!("of the same message {id}"),
                    false => format!("of message {id} after that of {first}"),
                };
                let (place, spliced) = (seen.place(), self.spoke);
                let how = match spliced {
                    true => "a second answer is glued to the first",
                    false => "nothing was said between the two",
                };
                let message =
                    format!("Frame {} is a second message_start, {what}: {how}.", seen.index);
                self.second = Some(Second { place, spliced, message });
            }
            Some(_) => {}
            None => self.begun = Some(id),
        }
        // A new message numbers its blocks anew.
        self.blocks.clear();
        let usage = message.and_then(|m| m.get("usage"));
        if usage.is_none_or(|u| u.kind() != json::Kind::Object) {
            let message = "message_start has no usage.";
            out.raise_once(rule!("anthropic-usage-missing"), seen.place(), message);
        }
    }
}

fn block_type(block: Value<'_>, seen: &Seen<'_>, out: &mut Out<'_>) {
    let kind = block.str("type").unwrap_or_default();
    if BLOCKS.contains(&kind.as_ref()) || kind.ends_with("_tool_result") {
        return;
    }
    let message = format!(
        "A content block is of type \"{}\", which the SDKs do not know.",
        text::preview(&kind, 40)
    );
    out.raise_once(rule!("unknown-block-type"), seen.place(), message);
    let model = |key| block.at(&[key, "model"]).and_then(Value::as_str);
    if kind == "fallback"
        && let (Some(from), Some(to)) = (model("from"), model("to"))
    {
        let message = format!(
            "The model changes: first {}, from frame {} on {} (a fallback).",
            text::preview(&from, 60),
            seen.index,
            text::preview(&to, 60)
        );
        let rule = const { lookup(identity::RULES, "model-changes") };
        out.raise_once(rule, seen.place(), message);
    }
}
