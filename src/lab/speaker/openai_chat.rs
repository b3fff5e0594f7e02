//! OpenAI Chat Completions, with the reasoning fields of its imitators.

use serde_json::{Map, Value, json};

use super::gathered::{Gathered, GatheredCall, GatheredChoice, TokenTally};
use super::{Data, Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame, StreamPolicy};
use crate::lab::envelope::Envelope;
use crate::lab::step::{ErrorBody, ReasoningField, TokenCounts};

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "openai-chat",
    path: "/chat/completions",
    query: "",
    streams: StreamPolicy::IfAsked,
    envelope: Envelope::Sse,
    choices: true,
    id: "chatcmpl-lab",
    new: |manner| Box::new(OpenAiChatSpeaker { manner, tally: TokenTally::default() }),
    refusal,
};

/// The speaker that produces this dialect on the wire.
struct OpenAiChatSpeaker {
    manner: Manner,
    tally: TokenTally,
}

impl OpenAiChatSpeaker {
    fn counts(&self) -> TokenCounts {
        self.tally.counts(self.manner.input_tokens)
    }

    fn object(&self, kind: &str) -> Map<String, Value> {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        put("id", self.manner.id.as_str().into());
        put("object", kind.into());
        put("created", self.manner.created.into());
        put("model", self.manner.model.as_str().into());
        put("system_fingerprint", "fp_lab".into());
        object
    }

    fn chunk(&self, choices: Value, counts: Option<&TokenCounts>) -> SpokenFrame {
        let mut chunk = self.object("chat.completion.chunk");
        chunk.insert("choices".to_owned(), choices);
        if let Some(counts) = counts {
            chunk.insert("usage".to_owned(), usage(counts));
        } else if self.manner.usage_every {
            chunk.insert("usage".to_owned(), usage(&self.counts()));
        } else if self.manner.include_usage {
            // Once usage was requested, OpenAI has the field in every chunk.
            chunk.insert("usage".to_owned(), Value::Null);
        }
        SpokenFrame { event: None, data: Data::Json(chunk) }
    }

    fn delta(&self, choice: u32, delta: Value, finish: Option<&str>) -> SpokenFrame {
        let choice = json!({
            "index": choice, "delta": delta, "logprobs": null, "finish_reason": finish,
        });
        self.chunk(json!([choice]), None)
    }
}

impl Speaker for OpenAiChatSpeaker {
    fn speak(&mut self, choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        let delta = match speech {
            Speech::Role(role) => json!({ "role": role, "content": "", "refusal": null }),
            Speech::Content(text) => json!({ "content": text }),
            Speech::Reasoning(text, field) => reasoning(text, *field),
            Speech::Refusal(text) => json!({ "refusal": text }),
            Speech::ToolStart { index, id, name } => json!({ "tool_calls": [{
                "index": index, "id": id, "type": "function",
                "function": { "name": name, "arguments": "" },
            }] }),
            Speech::ToolArguments { index, text } => json!({ "tool_calls": [{
                "index": index, "function": { "arguments": text },
            }] }),
            Speech::Delta(delta) => Value::Object(delta.clone()),
            Speech::Finish(reason) => {
                return out.push(self.delta(choice, json!({}), Some(reason)));
            }
            Speech::Usage(Some(counts)) => return out.push(self.chunk(json!([]), Some(counts))),
            Speech::Usage(None) if self.manner.include_usage => {
                return out.push(self.chunk(json!([]), Some(&self.counts())));
            }
            Speech::Usage(None) => return,
            Speech::Error(body) => return out.push(error_frame(body)),
            Speech::Done => return out.push(done()),
        };
        out.push(self.delta(choice, delta, None));
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choices: Vec<Value> =
            all.choices.into_iter().map(|(index, it)| choice(index, it)).collect();
        let mut whole = self.object("chat.completion");
        whole.insert("choices".to_owned(), choices.into());
        whole.insert("usage".to_owned(), usage(&counts));
        Value::Object(whole)
    }
}

/// One choice of an answer that is no stream.
fn choice(index: u32, choice: GatheredChoice) -> Value {
    let content = match (choice.content.is_empty(), choice.tools.is_empty()) {
        (true, false) => Value::Null,
        _ => choice.content.into(),
    };
    let mut message = json!({ "role": "assistant", "content": content });
    if let Some((field, text)) = choice.reasoning {
        let key = match field {
            ReasoningField::ReasoningContent => "reasoning_content",
            _ => "reasoning",
        };
        message[key] = text.into();
    }
    message["refusal"] = choice.refusal.into();
    if !choice.tools.is_empty() {
        let call = |tool: GatheredCall| {
            let function = json!({ "name": tool.name, "arguments": tool.arguments });
            json!({ "id": tool.id, "type": "function", "function": function })
        };
        message["tool_calls"] = choice.tools.into_values().map(call).collect();
    }
    json!({ "index": index, "message": message, "logprobs": null, "finish_reason": choice.finish })
}

/// The sentinel of OpenAI and its imitators.
pub(super) fn done() -> SpokenFrame {
    SpokenFrame { event: None, data: Data::Text("[DONE]".to_owned()) }
}

fn reasoning(text: &str, field: ReasoningField) -> Value {
    match field {
        ReasoningField::ReasoningContent => json!({ "reasoning_content": text }),
        ReasoningField::Reasoning => json!({ "reasoning": text }),
        ReasoningField::ReasoningDetails => json!({
            "content": "", "reasoning": text,
            "reasoning_details": [{
                "type": "reasoning.text", "text": text, "format": "unknown", "index": 0,
            }],
        }),
        ReasoningField::Thinking => json!({
            "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": text }] }],
        }),
    }
}

pub(super) fn usage(counts: &TokenCounts) -> Value {
    let total = counts.total.unwrap_or(counts.input + counts.output);
    json!({
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": total,
        "completion_tokens_details": { "reasoning_tokens": counts.reasoning },
    })
}

fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
}

/// OpenAI's refusal, whichever of its endpoints it is.
pub(super) fn refusal(refusal: &Refusal<'_>) -> Value {
    let kind = refusal.kind.unwrap_or("invalid_request_error");
    error(refusal.message, kind, refusal.param, refusal.code)
}

/// An error within a stream.
pub(super) fn error_frame(body: &ErrorBody) -> SpokenFrame {
    SpokenFrame::json(error(&body.message, &body.kind, body.param.as_deref(), body.code.as_deref()))
}
