//! OpenAI Chat Completions, with the reasoning fields of its imitators.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Data, Frame, Manner, Row, Speaker, Speech};
use crate::lab::step::{Counts, ErrorBody, ReasoningField};

pub(super) const ROW: Row = Row {
    dialect: "openai-chat",
    path_end: "/chat/completions",
    new: |manner| Box::new(OpenAiChat::new(manner)),
    refusal: error,
};

/// What this dialect looks like on the wire.
struct OpenAiChat {
    manner: Manner,
    output: u64,
    reasoning: u64,
}

impl OpenAiChat {
    fn new(manner: Manner) -> Self {
        Self { manner, output: 0, reasoning: 0 }
    }

    /// A piece is a token here, and reasoning is a part of the output.
    fn count(&mut self, speech: &Speech) {
        let reasoning = matches!(speech, Speech::Reasoning(..));
        let output = matches!(
            speech,
            Speech::Content(_) | Speech::Refusal(_) | Speech::ToolArguments { .. }
        );
        self.reasoning += u64::from(reasoning);
        self.output += u64::from(reasoning || output);
    }

    fn counts(&self) -> Counts {
        Counts {
            input: self.manner.input_tokens,
            output: self.output,
            reasoning: self.reasoning,
            total: None,
        }
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

    fn chunk(&self, choices: Value, counts: Option<&Counts>) -> Frame {
        let mut chunk = self.object("chat.completion.chunk");
        chunk.insert("choices".to_owned(), choices);
        if let Some(counts) = counts {
            chunk.insert("usage".to_owned(), usage(counts));
        } else if self.manner.usage_every {
            chunk.insert("usage".to_owned(), usage(&self.counts()));
        } else if self.manner.include_usage {
            // OpenAI names it in every chunk once it was asked for.
            chunk.insert("usage".to_owned(), Value::Null);
        }
        data(Data::Json(chunk))
    }

    fn delta(&self, choice: u32, delta: Value, finish: Option<&str>) -> Frame {
        let choice = json!({
            "index": choice, "delta": delta, "logprobs": null, "finish_reason": finish,
        });
        self.chunk(json!([choice]), None)
    }
}

impl Speaker for OpenAiChat {
    fn frame(&mut self, choice: u32, speech: &Speech) -> Option<Frame> {
        self.count(speech);
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
            Speech::Finish(reason) => return Some(self.delta(choice, json!({}), Some(reason))),
            Speech::Usage(Some(counts)) => return Some(self.chunk(json!([]), Some(counts))),
            Speech::Usage(None) if self.manner.include_usage => {
                return Some(self.chunk(json!([]), Some(&self.counts())));
            }
            Speech::Usage(None) => return None,
            Speech::Error(body) => return Some(error_frame(body)),
            Speech::Done => return Some(data(Data::Text("[DONE]".to_owned()))),
        };
        Some(self.delta(choice, delta, None))
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let mut choices: BTreeMap<u32, Choice> = BTreeMap::new();
        let mut given = None;
        for (index, speech) in spoken {
            self.count(&speech);
            match speech {
                Speech::Usage(counts) => given = counts.or(given),
                Speech::Error(_) | Speech::Done | Speech::Role(_) | Speech::Delta(_) => {}
                speech => choices.entry(index).or_default().take(speech),
            }
        }
        let choices: Vec<Value> =
            choices.into_iter().map(|(index, choice)| choice.value(index)).collect();
        let mut whole = self.object("chat.completion");
        whole.insert("choices".to_owned(), choices.into());
        let counts = given.unwrap_or_else(|| self.counts());
        whole.insert("usage".to_owned(), usage(&counts));
        Value::Object(whole)
    }
}

/// One choice of an answer that is no stream.
#[derive(Default)]
struct Choice {
    content: String,
    reasoning: Option<(ReasoningField, String)>,
    refusal: Option<String>,
    /// By index: id, name, arguments.
    tools: BTreeMap<u32, (String, String, String)>,
    finish: Option<String>,
}

impl Choice {
    fn take(&mut self, speech: Speech) {
        match speech {
            Speech::Content(text) => self.content += &text,
            Speech::Refusal(text) => *self.refusal.get_or_insert_default() += &text,
            Speech::Reasoning(text, field) => {
                self.reasoning.get_or_insert((field, String::new())).1 += &text;
            }
            Speech::ToolStart { index, id, name } => {
                self.tools.insert(index, (id, name, String::new()));
            }
            Speech::ToolArguments { index, text } => {
                self.tools.entry(index).or_default().2 += &text;
            }
            Speech::Finish(reason) => self.finish = Some(reason),
            Speech::Role(_)
            | Speech::Usage(_)
            | Speech::Error(_)
            | Speech::Done
            | Speech::Delta(_) => {}
        }
    }

    fn value(self, index: u32) -> Value {
        let content = match (self.content.is_empty(), self.tools.is_empty()) {
            (true, false) => Value::Null,
            _ => self.content.into(),
        };
        let mut message = json!({ "role": "assistant", "content": content });
        if let Some((field, text)) = self.reasoning {
            let key = match field {
                ReasoningField::ReasoningContent => "reasoning_content",
                _ => "reasoning",
            };
            message[key] = text.into();
        }
        message["refusal"] = self.refusal.into();
        if !self.tools.is_empty() {
            let call = |(_, (id, name, arguments))| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } });
            message["tool_calls"] = self.tools.into_iter().map(call).collect();
        }
        json!({ "index": index, "message": message, "logprobs": null, "finish_reason": self.finish })
    }
}

fn data(data: Data) -> Frame {
    Frame { event: None, data }
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

fn usage(counts: &Counts) -> Value {
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

fn error_frame(body: &ErrorBody) -> Frame {
    let value = error(&body.message, &body.kind, None, body.code.as_deref());
    match value {
        Value::Object(map) => data(Data::Json(map)),
        other => data(Data::Text(other.to_string())),
    }
}
