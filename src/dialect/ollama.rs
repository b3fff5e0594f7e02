//! Ollama's own API, `/api/chat` and `/api/generate`: one JSON object a line.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{
    Channel, Decoder, Dialect, EndingRules, Fact, Path, Payload, RequestParts, RequestSide, Sign,
    ToolPiece, Usage, openai_chat,
};
use crate::json::{Kind, Value};

/// The dialect `ollama`.
pub(super) struct Ollama;

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    fn about(&self) -> &'static str {
        "Ollama's native API (NDJSON)"
    }

    fn request(&self) -> RequestSide {
        RequestSide {
            path: "/api/chat",
            key_header: ("authorization", "Bearer "),
            headers: &[],
            body: request_body,
        }
    }

    fn ending(&self) -> EndingRules {
        EndingRules {
            sentinel: false,
            terminal: true,
            finishes: &["stop", "length", "load", "unload"],
        }
    }

    fn recognises(&self, payload: &Payload<'_>) -> Option<Sign> {
        let json = payload.json?;
        if json.get("done")?.kind() != Kind::Bool || json.get("choices").is_some() {
            return None;
        }
        let by = if json.get("message").is_some_and(|m| m.kind() == Kind::Object) {
            "message beside done"
        } else if json.get("response").is_some_and(|r| r.kind() == Kind::String) {
            "response beside done"
        } else {
            return None;
        };
        let dated = json.get("created_at").is_some();
        Some(if dated { Sign::certain(by) } else { Sign::likely(by) })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<Lines>::default()
    }
}

fn request_body(parts: &RequestParts<'_>) -> String {
    let mut messages = Vec::new();
    if let Some(system) = parts.system {
        messages.push(serde_json::json!({"role": "system", "content": system}));
    }
    messages.push(serde_json::json!({"role": "user", "content": parts.prompt}));
    let body = serde_json::json!({"model": parts.model, "messages": messages, "stream": true});
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

#[derive(Default)]
struct Lines {
    told_model: bool,
    /// Indices of the calls so far. Every call comes whole, so none is ever continued.
    calls: BTreeSet<u64>,
}

impl Decoder for Lines {
    fn decode(&mut self, payload: &Payload<'_>, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Some(error) = openai_chat::error_in(payload) {
            tell(Fact::Error(error));
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        if !self.told_model
            && let Some(model) = json.str("model").filter(|m| !m.is_empty())
        {
            self.told_model = true;
            tell(Fact::Model(model));
        }
        // A generated line has `response` and `thinking` at the top, a chat's has a message.
        let message = json.get("message").filter(|m| m.kind() == Kind::Object);
        let fields = match message {
            Some(_) => [
                (Channel::Reasoning, "thinking", "message.thinking"),
                (Channel::Content, "content", "message.content"),
            ],
            None => [
                (Channel::Reasoning, "thinking", "thinking"),
                (Channel::Content, "response", "response"),
            ],
        };
        let speaker = message.unwrap_or(json);
        for (channel, member, path) in fields {
            if let Some(text) = speaker.str(member).filter(|t| !t.is_empty()) {
                let path = Path::new(path, 0);
                tell(Fact::Text { choice: 0, channel, path, text, duplicate: false });
            }
        }
        let calls = speaker.get("tool_calls").into_iter().flat_map(Value::items);
        for (position, call) in calls.enumerate() {
            self.call(call, position, tell);
        }
        let usage = usage_of(json);
        if usage.is_given() {
            tell(Fact::Usage { path: Path::new("eval_count", 0), usage });
        }
        if let Some(reason) = json.str("done_reason").filter(|r| !r.is_empty()) {
            tell(Fact::Finish { choice: 0, reason });
        }
        if json.get("done").and_then(Value::as_bool) == Some(true) {
            tell(Fact::Terminal);
        }
    }
}

impl Lines {
    fn call(&mut self, call: Value<'_>, position: usize, tell: &mut dyn FnMut(Fact<'_>)) {
        let function = call.get("function").unwrap_or(call);
        // Older servers give no index, others 0 to all: then they are counted.
        let given = function.get("index").and_then(Value::as_u64);
        let index = given.filter(|i| !self.calls.contains(i));
        let index = index.unwrap_or_else(|| self.calls.last().map_or(0, |last| last + 1));
        self.calls.insert(index);
        let arguments = function.get("arguments").and_then(|a| match a.kind() {
            Kind::String => a.as_str(),
            Kind::Null => None,
            _ => Some(Cow::Borrowed(a.source())),
        });
        tell(Fact::Tool(Box::new(ToolPiece {
            choice: 0,
            path: Path::new("message.tool_calls[#]", position),
            index: Some(index),
            id: call.str("id").filter(|i| !i.is_empty()),
            name: function.str("name").filter(|n| !n.is_empty()),
            arguments,
        })));
    }
}

fn usage_of(json: Value<'_>) -> Usage {
    let count = |key| json.get(key).and_then(Value::as_u64);
    Usage { input: count("prompt_eval_count"), output: count("eval_count"), ..Usage::default() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of;
    use crate::frame::Kind;

    #[test]
    fn a_chat() {
        let s = script_of(
            Kind::Line,
            "auto",
            &[
                r#"{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
                r#"{"model":"m","message":{"content":"Hi"},"done":false}"#,
                r#"{"model":"m","message":{"content":"","tool_calls":[{"function":{"index":0,"name":"f","arguments":{"a": 1}}},{"function":{"index":0,"name":"g","arguments":{}}}]},"done":false}"#,
                r#"{"model":"m","message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":2}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "model m",
                "reasoning 0 message.thinking: hm",
                "content 0 message.content: Hi",
                "tool Some(0) message.tool_calls[0] - f {\"a\": 1}",
                "tool Some(1) message.tool_calls[1] - g {}",
                "usage eval_count 1 2 - - -",
                "finish 0 stop",
                "terminal"
            ]
        );
    }

    #[test]
    fn generated_text_and_an_error_line() {
        let s = script_of(
            Kind::Line,
            "auto",
            &[
                r#"{"model":"m","response":"Hi","done":false}"#,
                r#"{"error":"model runner has stopped"}"#,
            ],
        );
        assert_eq!(s, ["model m", "content 0 response: Hi", "error -: model runner has stopped"]);
    }
}
