//! Cohere v2 chat: typed events about the parts of one message.

use serde_json::{Value, json};

use super::gathered::{Gathered, GatheredChoice, TokenTally};
use super::openai_chat::done;
use super::{Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame, StreamPolicy, finish_word};
use crate::lab::envelope::Envelope;
use crate::lab::step::TokenCounts;

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "cohere-v2",
    path: "/chat",
    query: "",
    streams: StreamPolicy::IfAsked,
    envelope: Envelope::Sse,
    choices: false,
    id: "lab-",
    new: |manner| Box::new(CohereSpeaker { manner, ..CohereSpeaker::default() }),
    refusal,
};

/// Chat's finish reasons in its words.
const WORDS: &[(&str, &str)] = &[
    ("stop", "COMPLETE"),
    ("length", "MAX_TOKENS"),
    ("tool_calls", "TOOL_CALL"),
    ("error", "ERROR"),
];

/// The speaker that produces this dialect on the wire.
#[derive(Default)]
struct CohereSpeaker {
    manner: Manner,
    tally: TokenTally,
    started: bool,
    /// The part that is open.
    open: Option<CoherePart>,
    /// Parts of the content so far.
    parts: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CoherePart {
    Text,
    Thinking,
    /// A call, with its index.
    Call(u32),
}

impl CohereSpeaker {
    /// The message's own beginning, before whatever is said first.
    fn start(&mut self, role: &str, out: &mut Vec<SpokenFrame>) {
        if self.started {
            return;
        }
        self.started = true;
        let message = json!({
            "role": role, "content": [], "tool_plan": "", "tool_calls": [], "citations": [],
        });
        let delta = json!({ "message": message });
        let start = json!({ "id": self.manner.id, "type": "message-start", "delta": delta });
        out.push(SpokenFrame::event("message-start", start));
    }

    /// Says a piece of the content, in a part of its kind.
    fn content(&mut self, part: CoherePart, text: &str, out: &mut Vec<SpokenFrame>) {
        let kind = if part == CoherePart::Thinking { "thinking" } else { "text" };
        if self.open != Some(part) {
            self.close(out);
            let begun = json!({ "content": { "type": kind, kind: "" } });
            out.push(event("content-start", self.parts, begun));
            self.open = Some(part);
        }
        out.push(event("content-delta", self.parts, json!({ "content": { kind: text } })));
    }

    fn close(&mut self, out: &mut Vec<SpokenFrame>) {
        self.start("assistant", out);
        match self.open.take() {
            Some(CoherePart::Call(index)) => out.push(end("tool-call-end", index)),
            Some(CoherePart::Text | CoherePart::Thinking) => {
                out.push(end("content-end", self.parts));
                self.parts += 1;
            }
            None => {}
        }
    }
}

impl Speaker for CohereSpeaker {
    fn speak(&mut self, _choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        match speech {
            Speech::Role(role) => self.start(role, out),
            // A refusal is plain text.
            Speech::Content(text) | Speech::Refusal(text) => {
                self.content(CoherePart::Text, text, out)
            }
            Speech::Reasoning(text, _) => self.content(CoherePart::Thinking, text, out),
            Speech::ToolStart { index, id, name } => {
                self.close(out);
                let begun = json!({ "tool_calls": call(id, name, "") });
                out.push(event("tool-call-start", *index, begun));
                self.open = Some(CoherePart::Call(*index));
            }
            Speech::ToolArguments { index, text } => {
                let more = json!({ "tool_calls": { "function": { "arguments": text } } });
                out.push(event("tool-call-delta", *index, more));
            }
            Speech::Finish(reason) => {
                self.close(out);
                let mut delta = json!({ "finish_reason": finish_word(reason, WORDS) });
                if self.manner.usage.is_some() {
                    delta["usage"] = usage(&self.manner.counts(self.tally));
                }
                out.push(last(delta));
            }
            // In Cohere an error is a finish reason.
            Speech::Error(body) => {
                out.push(last(json!({ "error": body.message, "finish_reason": "ERROR" })));
            }
            Speech::Done => out.push(done()),
            // Usage was sent with the finish reason; a delta exists only in Chat.
            Speech::Usage(_) | Speech::Delta(_) => {}
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let mut all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choice = all.only();
        let finish = choice.finish.as_deref().map(|reason| finish_word(reason, WORDS));
        json!({
            "id": self.manner.id, "finish_reason": finish, "message": message(choice),
            "usage": usage(&counts),
        })
    }
}

/// The message of a whole answer.
fn message(choice: GatheredChoice) -> Value {
    let mut parts = Vec::new();
    if let Some((_, text)) = choice.reasoning {
        parts.push(json!({ "type": "thinking", "thinking": text }));
    }
    let texts = [Some(choice.content).filter(|it| !it.is_empty()), choice.refusal];
    parts.extend(texts.into_iter().flatten().map(|it| json!({ "type": "text", "text": it })));
    let mut message = json!({ "role": "assistant", "content": parts });
    if !choice.tools.is_empty() {
        let tools = choice.tools.values();
        message["tool_calls"] = tools.map(|it| call(&it.id, &it.name, &it.arguments)).collect();
    }
    message
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    let function = json!({ "name": name, "arguments": arguments });
    json!({ "id": id, "type": "function", "function": function })
}

fn event(name: &'static str, index: u32, message: Value) -> SpokenFrame {
    let delta = json!({ "message": message });
    SpokenFrame::event(name, json!({ "type": name, "index": index, "delta": delta }))
}

fn end(name: &'static str, index: u32) -> SpokenFrame {
    SpokenFrame::event(name, json!({ "type": name, "index": index }))
}

fn last(delta: Value) -> SpokenFrame {
    SpokenFrame::event("message-end", json!({ "type": "message-end", "delta": delta }))
}

fn usage(counts: &TokenCounts) -> Value {
    let (input, output) = (counts.input, counts.output);
    let mut tokens = json!({ "input_tokens": input, "output_tokens": output });
    if counts.reasoning > 0 {
        tokens["reasoning_tokens"] = counts.reasoning.into();
    }
    json!({
        "billed_units": { "input_tokens": input, "output_tokens": output },
        "tokens": tokens,
        "cached_tokens": 0,
    })
}

fn refusal(refusal: &Refusal<'_>) -> Value {
    json!({ "message": refusal.message })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    #[test]
    fn parts_start_and_end_around_what_is_said() {
        let frames = frames(&ROW, &everything());
        let names: Vec<_> = frames.iter().filter_map(|it| it.split(' ').next()).collect();
        assert_eq!(
            names,
            [
                "message-start",
                "content-start",
                "content-delta",
                "content-end",
                "content-start",
                "content-delta",
                "content-delta",
                "content-end",
                "tool-call-start",
                "tool-call-delta",
                "tool-call-delta",
                "tool-call-end",
                "message-end",
                ""
            ]
        );
        assert_eq!(
            frames[5],
            "content-delta {\"type\":\"content-delta\",\"index\":1,\
             \"delta\":{\"message\":{\"content\":{\"text\":\"Hel\"}}}}"
        );
        assert_eq!(
            frames[12],
            "message-end {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\",\
             \"usage\":{\"billed_units\":{\"input_tokens\":5,\"output_tokens\":5},\"tokens\":\
             {\"input_tokens\":5,\"output_tokens\":5,\"reasoning_tokens\":1},\"cached_tokens\":0}}}"
        );
        assert_eq!(frames[13], " [DONE]");
    }

    #[test]
    fn an_error_is_a_way_to_finish() {
        let error = "message-end {\"type\":\"message-end\",\"delta\":{\"error\":\"boom\",\
                     \"finish_reason\":\"ERROR\"}}";
        assert_eq!(frames(&ROW, &[boom()]), [error]);
    }

    #[test]
    fn a_whole_answer_has_its_parts_in_order() {
        let whole = whole(&ROW, &everything());
        let message = &whole["message"];
        assert_eq!(message["content"][0]["thinking"], "hm");
        assert_eq!(message["content"][1]["text"], "Hello");
        assert_eq!(message["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
        assert_eq!(whole["finish_reason"], "TOOL_CALL");
    }
}
