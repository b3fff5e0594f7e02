//! AWS Bedrock Converse: events in binary messages. Only calls have a start.

use serde_json::{Value, json};

use super::gathered::{Gathered, GatheredChoice, TokenTally};
use super::{Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame, StreamPolicy, finish_word};
use crate::lab::envelope::Envelope;
use crate::lab::step::{ErrorBody, TokenCounts};

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "bedrock-converse",
    path: "/model/{model}/converse-stream",
    query: "",
    streams: StreamPolicy::Always,
    envelope: Envelope::Messages,
    choices: false,
    // Answers have no id.
    id: "",
    new: |manner| Box::new(ConverseSpeaker { manner, ..ConverseSpeaker::default() }),
    refusal,
};

/// An answer that is no stream.
pub(super) const WHOLE: Endpoint =
    Endpoint { path: "/model/{model}/converse", streams: StreamPolicy::Never, ..ROW };

/// Chat's finish reasons in its words.
const WORDS: &[(&str, &str)] = &[
    ("stop", "end_turn"),
    ("length", "max_tokens"),
    ("tool_calls", "tool_use"),
    ("content_filter", "content_filtered"),
];

/// Placeholder for the signature of a thought; a real one is of use only to its maker.
const SIGNATURE: &str = "bGFi";

/// The speaker that produces this dialect on the wire.
#[derive(Default)]
struct ConverseSpeaker {
    manner: Manner,
    tally: TokenTally,
    padding: Padding,
    started: bool,
    /// The block that is open.
    open: Option<ConverseBlock>,
    /// Blocks so far.
    blocks: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ConverseBlock {
    Text,
    Thinking,
    Tool,
}

impl ConverseSpeaker {
    fn event(&mut self, name: &'static str, payload: Value, out: &mut Vec<SpokenFrame>) {
        out.push(self.padding.event(name, payload));
    }

    fn start(&mut self, role: &str, out: &mut Vec<SpokenFrame>) {
        if !self.started {
            self.started = true;
            self.event("messageStart", json!({ "role": role }), out);
        }
    }

    fn delta(&mut self, delta: Value, out: &mut Vec<SpokenFrame>) {
        let payload = json!({ "contentBlockIndex": self.blocks, "delta": delta });
        self.event("contentBlockDelta", payload, out);
    }

    /// Continues in a block of this kind. A call is always a separate block.
    fn block(&mut self, block: ConverseBlock, out: &mut Vec<SpokenFrame>) {
        if self.open != Some(block) || block == ConverseBlock::Tool {
            self.start("assistant", out);
            self.close(out);
            self.open = Some(block);
        }
    }

    fn close(&mut self, out: &mut Vec<SpokenFrame>) {
        let Some(block) = self.open.take() else { return };
        if block == ConverseBlock::Thinking {
            self.delta(json!({ "reasoningContent": { "signature": SIGNATURE } }), out);
        }
        let payload = json!({ "contentBlockIndex": self.blocks });
        self.event("contentBlockStop", payload, out);
        self.blocks += 1;
    }
}

impl Speaker for ConverseSpeaker {
    fn speak(&mut self, _choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        match speech {
            Speech::Role(role) => self.start(role, out),
            // A refusal is plain text.
            Speech::Content(text) | Speech::Refusal(text) => {
                self.block(ConverseBlock::Text, out);
                self.delta(json!({ "text": text }), out);
            }
            Speech::Reasoning(text, _) => {
                self.block(ConverseBlock::Thinking, out);
                self.delta(json!({ "reasoningContent": { "text": text } }), out);
            }
            Speech::ToolStart { id, name, .. } => {
                self.block(ConverseBlock::Tool, out);
                let start = json!({ "toolUse": { "toolUseId": id, "name": name } });
                let payload = json!({ "contentBlockIndex": self.blocks, "start": start });
                self.event("contentBlockStart", payload, out);
            }
            Speech::ToolArguments { text, .. } => {
                self.delta(json!({ "toolUse": { "input": text } }), out);
            }
            Speech::Finish(reason) => {
                self.start("assistant", out);
                self.close(out);
                let payload = json!({ "stopReason": finish_word(reason, WORDS) });
                self.event("messageStop", payload, out);
            }
            Speech::Error(body) => out.push(exception(body)),
            Speech::Done => {
                let counts = self.manner.counts(self.tally);
                let mut payload = json!({ "metrics": metrics(&counts) });
                if self.manner.usage.is_some() {
                    payload["usage"] = usage(&counts);
                }
                self.event("metadata", payload, out);
            }
            // Usage goes with the last event; a delta exists only in Chat.
            Speech::Usage(_) | Speech::Delta(_) => {}
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let mut all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choice = all.only();
        let finish = choice.finish.as_deref().map(|reason| finish_word(reason, WORDS));
        json!({
            "metrics": metrics(&counts), "stopReason": finish, "usage": usage(&counts),
            "output": { "message": { "role": "assistant", "content": blocks(choice) } },
        })
    }
}

/// The blocks of a whole message.
fn blocks(choice: GatheredChoice) -> Value {
    let mut blocks = Vec::new();
    if let Some((_, text)) = choice.reasoning {
        let text = json!({ "text": text, "signature": SIGNATURE });
        blocks.push(json!({ "reasoningContent": { "reasoningText": text } }));
    }
    let texts = [Some(choice.content).filter(|it| !it.is_empty()), choice.refusal];
    blocks.extend(texts.into_iter().flatten().map(|text| json!({ "text": text })));
    for tool in choice.tools.into_values() {
        let input = tool.input();
        let tool = json!({ "toolUseId": tool.id, "name": tool.name, "input": input });
        blocks.push(json!({ "toolUse": tool }));
    }
    blocks.into()
}

/// The filler of payloads, up to lengths that reveal nothing of their text.
#[derive(Default)]
pub(super) struct Padding {
    messages: usize,
}

impl Padding {
    /// An event with its padding.
    pub(super) fn event(&mut self, name: &'static str, mut payload: Value) -> SpokenFrame {
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        self.messages = self.messages.wrapping_add(1);
        // Lengths that look random, but are always the same.
        let length = self.messages.wrapping_mul(29) % LETTERS.len();
        payload["p"] = LETTERS.get(..=length).unwrap_or_default().into();
        SpokenFrame::event(name, payload)
    }
}

/// Returns how long the lab says that it took, in ms, according to the counts.
fn metrics(counts: &TokenCounts) -> Value {
    json!({ "latencyMs": counts.output.saturating_mul(20) })
}

fn usage(counts: &TokenCounts) -> Value {
    let total = counts.total.unwrap_or(counts.input + counts.output);
    json!({
        "inputTokens": counts.input, "outputTokens": counts.output, "totalTokens": total,
    })
}

/// An error within a stream.
pub(super) fn exception(body: &ErrorBody) -> SpokenFrame {
    let (message, code) = (&body.message, body.code.as_deref());
    match (body.kind.as_str(), code.and_then(|code| code.parse::<u16>().ok())) {
        // The model's own error is sent with its original status.
        ("server_error", Some(status)) => SpokenFrame::event(
            "modelStreamErrorException",
            json!({
                "message": message, "originalStatusCode": status, "originalMessage": message,
            }),
        ),
        ("server_error", None) => {
            SpokenFrame::event("internalServerException", json!({ "message": message }))
        }
        ("invalid_request_error", _) => {
            SpokenFrame::event("validationException", json!({ "message": message }))
        }
        ("requests" | "tokens" | "rate_limit_error", _) => {
            SpokenFrame::event("throttlingException", json!({ "message": message }))
        }
        _ => SpokenFrame::event("serviceUnavailableException", json!({ "message": message })),
    }
}

/// Returns a sentence, which is all that the body says of an error. Its kind is in the head.
pub(super) fn refusal(refusal: &Refusal<'_>) -> Value {
    json!({ "message": refusal.message })
}

/// The kind of an error, for the head of its answer.
pub(super) fn error_type(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    #[test]
    fn only_calls_have_a_start() {
        let frames = frames(&ROW, &everything());
        let names: Vec<_> = frames.iter().filter_map(|it| it.split(' ').next()).collect();
        let (delta, stop) = ("contentBlockDelta", "contentBlockStop");
        let call = ["contentBlockStart", delta, delta, stop];
        let all: &[&[&str]] =
            &[&["messageStart", delta, delta, stop, delta, delta, stop], &call, &["messageStop"]];
        assert_eq!(names, [&all.concat()[..], &["metadata"]].concat());
        let signature = "\"delta\":{\"reasoningContent\":{\"signature\":\"bGFi\"}}";
        assert!(frames[2].contains(signature), "{}", frames[2]);
        assert!(
            frames[8].starts_with(
                "contentBlockDelta {\"contentBlockIndex\":2,\
                 \"delta\":{\"toolUse\":{\"input\":\"{\\\"a\\\"\"}},\"p\":\"abc"
            ),
            "{}",
            frames[8]
        );
        assert!(frames[11].contains("\"stopReason\":\"tool_use\""), "{}", frames[11]);
        let usage = "\"usage\":{\"inputTokens\":5,\"outputTokens\":5,\"totalTokens\":10}";
        assert!(frames[12].contains(usage), "{}", frames[12]);
    }

    #[test]
    fn errors_are_exceptions() {
        let error = "modelStreamErrorException {\"message\":\"boom\",\
                     \"originalStatusCode\":500,\"originalMessage\":\"boom\"}";
        assert_eq!(frames(&ROW, &[boom()]), [error]);
    }

    #[test]
    fn a_whole_answer_has_its_blocks_in_order() {
        let whole = whole(&WHOLE, &everything());
        let blocks = &whole["output"]["message"]["content"];
        assert_eq!(blocks[0]["reasoningContent"]["reasoningText"]["text"], "hm");
        assert_eq!(blocks[1]["text"], "Hello");
        assert_eq!(blocks[2]["toolUse"]["input"], json!({ "a": 1 }));
    }
}
