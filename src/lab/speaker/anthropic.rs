//! Anthropic Messages: blocks that open and close, and a name for every event.

use serde_json::{Value, json};

use super::gathered::{Gathered, GatheredChoice, TokenTally};
use super::{Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame, StreamPolicy, finish_word};
use crate::lab::envelope::Envelope;
use crate::lab::step::{ErrorBody, TokenCounts};

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "anthropic",
    path: "/messages",
    query: "",
    streams: StreamPolicy::IfAsked,
    envelope: Envelope::Sse,
    choices: false,
    id: "msg_lab",
    new: |manner| Box::new(AnthropicSpeaker { manner, ..AnthropicSpeaker::default() }),
    refusal,
};

/// Chat's finish reasons in its words.
const WORDS: &[(&str, &str)] = &[
    ("stop", "end_turn"),
    ("length", "max_tokens"),
    ("tool_calls", "tool_use"),
    ("content_filter", "refusal"),
];

/// Placeholder for the signature of a thought; a real one is of use only to its maker.
const SIGNATURE: &str = "bGFi";

/// The speaker that produces this dialect on the wire.
#[derive(Default)]
struct AnthropicSpeaker {
    manner: Manner,
    tally: TokenTally,
    started: bool,
    /// The block that is open.
    open: Option<AnthropicBlock>,
    /// Blocks so far.
    blocks: u32,
    /// It has refused.
    refused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AnthropicBlock {
    Text,
    Thinking,
    Tool,
}

impl AnthropicSpeaker {
    /// The message's own beginning, before whatever is said first.
    fn start(&mut self, role: &str, out: &mut Vec<SpokenFrame>) {
        if self.started {
            return;
        }
        self.started = true;
        let mut message = self.message(role);
        let counts = TokenCounts { output: 1, ..self.counts() };
        message["usage"] = usage(&TokenCounts { reasoning: 0, ..counts });
        out.push(event("message_start", json!({ "message": message })));
        out.push(event("ping", json!({})));
    }

    fn message(&self, role: &str) -> Value {
        json!({
            "id": self.manner.id, "type": "message", "role": role, "model": self.manner.model,
            "content": [], "stop_reason": null, "stop_sequence": null,
        })
    }

    fn counts(&self) -> TokenCounts {
        self.manner.counts(self.tally)
    }

    /// Opens a block, and closes the previous one. Text continues in a block of its kind.
    fn block(&mut self, block: AnthropicBlock, start: Value, out: &mut Vec<SpokenFrame>) {
        if self.open == Some(block) && block != AnthropicBlock::Tool {
            return;
        }
        self.start("assistant", out);
        self.close(out);
        let begun = json!({ "index": self.blocks, "content_block": start });
        out.push(event("content_block_start", begun));
        self.open = Some(block);
    }

    fn delta(&self, delta: Value) -> SpokenFrame {
        event("content_block_delta", json!({ "index": self.blocks, "delta": delta }))
    }

    fn close(&mut self, out: &mut Vec<SpokenFrame>) {
        let Some(block) = self.open.take() else { return };
        if block == AnthropicBlock::Thinking {
            out.push(self.delta(json!({ "type": "signature_delta", "signature": SIGNATURE })));
        }
        out.push(event("content_block_stop", json!({ "index": self.blocks })));
        self.blocks += 1;
    }

    fn text(&mut self, text: &str, out: &mut Vec<SpokenFrame>) {
        self.block(AnthropicBlock::Text, json!({ "type": "text", "text": "" }), out);
        out.push(self.delta(json!({ "type": "text_delta", "text": text })));
    }
}

impl Speaker for AnthropicSpeaker {
    fn speak(&mut self, _choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        match speech {
            Speech::Role(role) => self.start(role, out),
            Speech::Content(text) => self.text(text, out),
            // A refusal is plain text; only the stop reason shows it.
            Speech::Refusal(text) => {
                self.refused = true;
                self.text(text, out);
            }
            Speech::Reasoning(text, _) => {
                let start = json!({ "type": "thinking", "thinking": "", "signature": "" });
                self.block(AnthropicBlock::Thinking, start, out);
                out.push(self.delta(json!({ "type": "thinking_delta", "thinking": text })));
            }
            Speech::ToolStart { id, name, .. } => {
                let start = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                self.block(AnthropicBlock::Tool, start, out);
                // The arguments always begin with an empty delta.
                out.push(self.delta(json!({ "type": "input_json_delta", "partial_json": "" })));
            }
            Speech::ToolArguments { text, .. } => {
                out.push(self.delta(json!({ "type": "input_json_delta", "partial_json": text })));
            }
            Speech::Finish(reason) => {
                self.start("assistant", out);
                self.close(out);
                let delta = json!({
                    "stop_reason": stop_reason(reason, self.refused), "stop_sequence": null,
                });
                let usage = usage(&self.counts());
                out.push(event("message_delta", json!({ "delta": delta, "usage": usage })));
            }
            Speech::Error(body) => out.push(event("error", json!({ "error": in_stream(body) }))),
            Speech::Done => out.push(event("message_stop", json!({}))),
            // Usage was sent with the finish reason; a delta exists only in Chat.
            Speech::Usage(_) | Speech::Delta(_) => {}
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let mut all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choice = all.only();
        let mut message = self.message("assistant");
        let finish = choice.finish.as_deref();
        message["stop_reason"] =
            finish.map(|reason| stop_reason(reason, choice.refusal.is_some())).into();
        message["content"] = blocks(choice);
        message["usage"] = usage(&counts);
        message
    }
}

/// The blocks of a whole message.
fn blocks(choice: GatheredChoice) -> Value {
    let mut blocks = Vec::new();
    if let Some((_, text)) = choice.reasoning {
        blocks.push(json!({ "type": "thinking", "thinking": text, "signature": SIGNATURE }));
    }
    let texts = [Some(choice.content).filter(|it| !it.is_empty()), choice.refusal];
    for text in texts.into_iter().flatten() {
        blocks.push(json!({ "type": "text", "text": text }));
    }
    for tool in choice.tools.into_values() {
        let input = tool.input();
        blocks.push(json!({
            "type": "tool_use", "id": tool.id, "name": tool.name, "input": input,
        }));
    }
    blocks.into()
}

fn stop_reason(reason: &str, refused: bool) -> &str {
    match finish_word(reason, WORDS) {
        "end_turn" if refused => "refusal",
        word => word,
    }
}

/// Returns an event, whose name is in its data too.
fn event(name: &'static str, members: Value) -> SpokenFrame {
    let mut data = json!({ "type": name });
    if let (Some(data), Value::Object(members)) = (data.as_object_mut(), members) {
        data.extend(members);
    }
    SpokenFrame::event(name, data)
}

fn usage(counts: &TokenCounts) -> Value {
    let mut usage = json!({
        "input_tokens": counts.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": counts.output,
    });
    if counts.reasoning > 0 {
        usage["output_tokens_details"] = json!({ "thinking_tokens": counts.reasoning });
    }
    usage
}

fn in_stream(body: &ErrorBody) -> Value {
    let kind = match body.kind.as_str() {
        "server_error" => "api_error",
        other => other,
    };
    json!({ "type": kind, "message": body.message })
}

fn refusal(refusal: &Refusal<'_>) -> Value {
    let kind = match refusal.status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": refusal.message } })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    #[test]
    fn blocks_open_and_close_around_what_is_said() {
        let frames = frames(&ROW, &everything());
        let names: Vec<_> = frames.iter().filter_map(|it| it.split(' ').next()).collect();
        let block = |deltas: usize| {
            let mut names = vec!["content_block_start"];
            names.extend(vec!["content_block_delta"; deltas]);
            names.push("content_block_stop");
            names
        };
        // The thinking block has its signature, the call its empty first delta.
        let blocks = [block(2), block(2), block(3)].concat();
        let all = [&["message_start", "ping"], &*blocks, &["message_delta", "message_stop"]];
        assert_eq!(names, all.concat());
        assert_eq!(
            frames[0],
            "message_start {\"type\":\"message_start\",\"message\":{\"id\":\"msg_lab1\",\
             \"type\":\"message\",\"role\":\"assistant\",\"model\":\"lab/x\",\"content\":[],\
             \"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\
             \"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}"
        );
        assert_eq!(
            frames[12],
            "content_block_delta {\"type\":\"content_block_delta\",\"index\":2,\
             \"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\"\"}}"
        );
        let end = &frames[frames.len() - 2];
        assert!(
            end.contains("\"stop_reason\":\"tool_use\"") && end.contains("_tokens\":5"),
            "{end}"
        );
    }

    #[test]
    fn a_refusal_is_text_with_a_reason_of_its_own() {
        let spoken = [Speech::Refusal("No.".to_owned()), Speech::Finish("stop".to_owned())];
        let frames = frames(&ROW, &spoken);
        assert!(frames[3].contains("\"text\":\"No.\""), "{frames:?}");
        assert!(frames[5].contains("\"stop_reason\":\"refusal\""), "{frames:?}");
        assert_eq!(whole(&ROW, &spoken)["stop_reason"], "refusal");
    }

    #[test]
    fn errors_are_events() {
        let error =
            "error {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"boom\"}}";
        assert_eq!(frames(&ROW, &[boom()]), [error]);
    }

    #[test]
    fn a_whole_answer_has_its_blocks_in_order() {
        let whole = whole(&ROW, &everything());
        let blocks = whole["content"].as_array().unwrap();
        assert_eq!(blocks[0]["thinking"], "hm");
        assert_eq!(blocks[1]["text"], "Hello");
        assert_eq!(blocks[2]["input"], json!({ "a": 1 }));
        assert_eq!(
            (&whole["stop_reason"], &whole["usage"]["output_tokens"]),
            (&json!("tool_use"), &json!(5))
        );
    }
}
