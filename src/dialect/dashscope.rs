//! Alibaba's DashScope: every event is a whole response whose message is the next piece, or, unless
//! `incremental_output` was asked for, all of it so far.
//!
//! Text is told as it came. Of an answer that was sent whole time and again the joined text is
//! therefore no answer, which is what a client that joins gets too; `cumulative-deltas` says so.

use std::borrow::Cow;

use super::{
    Channel, Decoder, Dialect, EndingRules, Fact, Path, Payload, RequestParts, RequestSide, Usage,
    openai_chat,
};
use crate::json::{Kind, Value};

/// The dialect `dashscope`.
pub(super) struct DashScope;

impl Dialect for DashScope {
    fn name(&self) -> &'static str {
        "dashscope"
    }

    fn about(&self) -> &'static str {
        "Alibaba DashScope's native text generation"
    }

    fn request(&self) -> RequestSide {
        RequestSide {
            path: "/services/aigc/text-generation/generation",
            key_header: ("authorization", "Bearer "),
            headers: &[("x-dashscope-sse", "enable")],
            body: request_body,
        }
    }

    fn ending(&self) -> EndingRules {
        EndingRules {
            sentinel: false,
            terminal: false,
            finishes: &["stop", "length", "tool_calls"],
        }
    }

    fn recognises(&self, payload: &Payload<'_>) -> bool {
        // Its errors are written alike where it speaks Chat Completions: they decide nothing.
        let Some(json) = payload.json else { return false };
        let Some(output) = json.get("output").filter(|o| o.kind() == Kind::Object) else {
            return false;
        };
        let message = output.get("choices").and_then(|c| c.items().next());
        message.is_some_and(|c| c.get("message").is_some())
            || (output.get("text").is_some() && json.get("request_id").is_some())
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Responses)
    }
}

fn request_body(parts: &RequestParts<'_>) -> String {
    let mut messages = Vec::new();
    if let Some(system) = parts.system {
        messages.push(serde_json::json!({"role": "system", "content": system}));
    }
    messages.push(serde_json::json!({"role": "user", "content": parts.prompt}));
    let body = serde_json::json!({
        "model": parts.model,
        "input": {"messages": messages},
        "parameters": {"result_format": "message", "incremental_output": true},
    });
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

struct Responses;

impl Decoder for Responses {
    fn decode(&mut self, payload: &Payload<'_>, tell: &mut dyn FnMut(Fact<'_>)) {
        if payload.data.starts_with("[DONE]") {
            return tell(Fact::Sentinel);
        }
        if let Some(error) = openai_chat::error_in(payload) {
            tell(Fact::Error(error));
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        if let Some(output) = json.get("output").filter(|o| o.kind() == Kind::Object) {
            // `result_format: "text"` has no message: the output is the choice.
            let text = Path::new("output.text", 0);
            say(Channel::Content, 0, text, output.str("text"), tell);
            finish(output, 0, tell);
            let choices = output.get("choices").into_iter().flat_map(Value::items);
            for (position, choice) in choices.enumerate() {
                read_choice(choice, position, tell);
            }
        }
        if let Some(usage) = json.get("usage").map(usage_of).filter(Usage::is_given) {
            tell(Fact::Usage { path: Path::new("usage", 0), usage });
        }
    }
}

fn say(
    channel: Channel,
    choice: u32,
    path: Path,
    text: Option<Cow<'_, str>>,
    tell: &mut dyn FnMut(Fact<'_>),
) {
    if let Some(text) = text.filter(|t| !t.is_empty()) {
        tell(Fact::Text { choice, channel, path, text, duplicate: false });
    }
}

/// The reason is the word `null`, in quotes, while there is none.
fn finish(json: Value<'_>, choice: u32, tell: &mut dyn FnMut(Fact<'_>)) {
    if let Some(reason) = json.str("finish_reason").filter(|r| !r.is_empty() && r != "null") {
        tell(Fact::Finish { choice, reason });
    }
}

fn read_choice(json: Value<'_>, position: usize, tell: &mut dyn FnMut(Fact<'_>)) {
    let choice = json.get("index").and_then(Value::as_u64).unwrap_or(position as u64) as u32;
    if let Some(message) = json.get("message").filter(|m| m.kind() == Kind::Object) {
        let thought = Path::new("output.choices[#].message.reasoning_content", position);
        say(Channel::Reasoning, choice, thought, message.str("reasoning_content"), tell);
        match message.get("content") {
            // Models that see and hear answer with a list of parts.
            Some(list) if list.kind() == Kind::Array => {
                for (i, part) in list.items().enumerate() {
                    let path = Path::new("output.choices[#].message.content[#].text", position);
                    say(Channel::Content, choice, path.second(i), part.str("text"), tell);
                }
            }
            Some(content) => {
                let path = Path::new("output.choices[#].message.content", position);
                say(Channel::Content, choice, path, content.as_str(), tell);
            }
            None => {}
        }
        let calls = message.get("tool_calls").into_iter().flat_map(Value::items);
        for (i, call) in calls.enumerate() {
            let index = call.get("index").and_then(Value::as_u64).unwrap_or(i as u64);
            let path = Path::new("output.choices[#].message.tool_calls[#]", position).second(i);
            openai_chat::tool(call, call.get("function"), choice, Some(index), path, tell);
        }
    }
    finish(json, choice, tell);
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |path: &[&str]| usage.at(path).and_then(Value::as_u64);
    Usage {
        input: count(&["input_tokens"]),
        output: count(&["output_tokens"]),
        reasoning: count(&["output_tokens_details", "reasoning_tokens"]),
        cached: count(&["prompt_tokens_details", "cached_tokens"]),
        total: count(&["total_tokens"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn pieces_of_a_message() {
        let s = script(
            "auto",
            &[
                r#"{"output":{"choices":[{"message":{"role":"assistant","content":"","reasoning_content":"hm"},"finish_reason":"null"}]},"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3},"request_id":"r"}"#,
                r#"{"output":{"choices":[{"message":{"content":[{"text":"Hi"}]},"finish_reason":"null"}]},"request_id":"r"}"#,
                r#"{"output":{"choices":[{"message":{"content":"","tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]},"usage":{"input_tokens":1,"output_tokens":4,"total_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"prompt_tokens_details":{"cached_tokens":0}},"request_id":"r"}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "reasoning 0 output.choices[0].message.reasoning_content: hm",
                "usage usage 1 2 - - 3",
                "content 0 output.choices[0].message.content[0].text: Hi",
                "tool Some(0) output.choices[0].message.tool_calls[0] i f {}",
                "finish 0 tool_calls",
                "usage usage 1 4 2 0 5"
            ]
        );
    }

    #[test]
    fn plain_text_and_an_error() {
        let s = script(
            "auto",
            &[
                r#"{"output":{"text":"Hi","finish_reason":"null"},"request_id":"r"}"#,
                r#"{"output":{"text":"Hi you","finish_reason":"stop"},"request_id":"r"}"#,
                r#"{"code":"InvalidParameter","message":"too long","request_id":"r"}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "content 0 output.text: Hi",
                "content 0 output.text: Hi you",
                "finish 0 stop",
                "error InvalidParameter: too long"
            ]
        );
    }
}
