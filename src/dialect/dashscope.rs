//! Alibaba's DashScope: every event is a whole response whose message is the next piece, or, unless
//! `incremental_output` was requested, all of it so far.
//!
//! Text is reported as it arrived. If an answer was sent whole again and again, the joined text is therefore no
//! answer, which is what a client that joins gets too; `cumulative-deltas` says so.

use serde_json::{Map, Value as Json, json};

use super::emit::{emit_text, emit_text_in};
use super::request::{
    ChatRequest, Effort, Located, Notes, Numbers, Param, TrackedValue, chat, put, read_common,
    read_prompt, read_stop, usage_always, write_model, write_numbers, write_stop,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    Usage, openai_chat,
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

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            headers: &[("x-dashscope-sse", "enable")],
            ..RequestSide::bearer("/services/aigc/text-generation/generation", read, write)
        })
    }

    fn error_members(&self) -> &'static [&'static str] {
        &["message"]
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_close(&["stop", "length", "tool_calls"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        // Errors look the same where the server speaks Chat Completions, so they do not identify the dialect.
        let json = payload.json?;
        let output = json.get("output").filter(|o| o.kind() == Kind::Object)?;
        let message = output.get("choices").and_then(|c| c.items().next());
        if message.is_some_and(|c| c.get("message").is_some()) {
            return Some(Evidence::certain("output.choices[].message"));
        }
        let text = output.get("text").is_some() && json.get("request_id").is_some();
        text.then(|| Evidence::certain("output.text and request_id"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(DashScopeDecoder)
    }
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["parameters", "max_tokens"]),
    (Param::Temperature, &["parameters", "temperature"]),
    (Param::TopP, &["parameters", "top_p"]),
    (Param::TopK, &["parameters", "top_k"]),
    (Param::Seed, &["parameters", "seed"]),
    (Param::PresencePenalty, &["parameters", "presence_penalty"]),
];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    chat::read_messages(body.at(&["input", "messages"]), &mut request);
    read_prompt(body.at(&["input", "prompt"]), &mut request);
    chat::read_tools(body.at(&["parameters", "tools"]), "parameters", &mut request);
    chat::read_choice(body.at(&["parameters", "tool_choice"]), &mut request);
    read_stop(body.at(&["parameters", "stop"]), &mut request);
    for key in ["result_format", "incremental_output"] {
        if let Some(node) = body.at(&["parameters", key]) {
            node.take();
            node.elsewhere("other dialects stream pieces without being asked");
        }
    }
    request.effort = body.get("parameters").and_then(read_effort);
    // A header requests the stream.
    request.stream = Some(true.into());
    request.usage = Some(true.into());
    request
}

/// A budget says that it thinks, and how much.
fn read_effort(parameters: TrackedValue<'_>) -> Option<Located<Effort>> {
    let thinks = parameters.get("enable_thinking");
    let budget = parameters.get("thinking_budget").filter(|b| b.look().is_i64());
    let events = thinks.and_then(|t| t.look().as_bool());
    if let (Some(budget), None | Some(true)) = (budget, events) {
        if let Some(thinks) = thinks.filter(|_| events.is_some()) {
            thinks.take();
            thinks.elsewhere("the budget says it");
        }
        return budget.take().as_i64().map(|tokens| budget.located(Effort::of_tokens(tokens)));
    }
    let thinks = thinks?.located_bool()?;
    let value = if thinks.value { Effort::Auto } else { Effort::Off };
    Some(Located { value, at: thinks.at })
}

/// A header asks for the stream; `incremental_output` for pieces instead of all so far.
fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    put(&mut body, &["input", "messages"], chat::write_messages(request, notes));
    let mut parameters = Map::new();
    chat::write_tools(request, &mut parameters);
    chat::write_choice(request, "required", &mut parameters);
    for (key, value) in [("result_format", json!("message")), ("incremental_output", json!(true))] {
        notes.added(&format!("parameters.{key}"), "else every event repeats what was there");
        parameters.insert(key.into(), value);
    }
    body.insert("parameters".into(), parameters.into());
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["parameters", "stop"], &mut body);
    if let Some(effort) = &request.effort {
        let thinks = effort.value != Effort::Off;
        put(&mut body, &["parameters", "enable_thinking"], json!(thinks));
        if let (true, Some(budget)) = (thinks, effort.value.tokens()) {
            if effort.value != Effort::Tokens(budget) {
                notes.changed(&effort.at, format!("a budget of {budget} tokens replaces it"));
            }
            put(&mut body, &["parameters", "thinking_budget"], json!(budget));
        }
    }
    match &request.stream {
        Some(stream) if stream.value => notes.elsewhere(&stream.at, "a header asks for the stream"),
        Some(stream) => notes.changed(&stream.at, "a header asks for a stream"),
        None => notes.added("stream", "a header asks for it"),
    }
    usage_always(request, notes);
    body
}

struct DashScopeDecoder;

impl Decoder for DashScopeDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            return emit(DecodeEvent::Sentinel);
        }
        if let Some(error) = openai_chat::error_in(payload) {
            emit(DecodeEvent::Error(error));
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        if let Some(output) = json.get("output").filter(|o| o.kind() == Kind::Object) {
            // `result_format: "text"` has no message: the output is the choice.
            let text = Path::new("output.text", 0);
            emit_text(Channel::Content, text, output.str("text"), emit);
            finish(output, 0, emit);
            let choices = output.get("choices").into_iter().flat_map(Value::items);
            for (position, choice) in choices.enumerate() {
                read_choice(choice, position, emit);
            }
        }
        if let Some(usage) = json.get("usage").map(usage_of).filter(Usage::is_given) {
            emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
        }
    }
}

/// The reason is the word `null`, in quotes, while there is none.
fn finish(json: Value<'_>, choice: u32, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(reason) = json.str("finish_reason").filter(|r| !r.is_empty() && r != "null") {
        emit(DecodeEvent::Finish { choice, reason });
    }
}

fn read_choice(json: Value<'_>, position: usize, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let choice = json.get("index").and_then(Value::as_u64).unwrap_or(position as u64) as u32;
    if let Some(message) = json.get("message").filter(|m| m.kind() == Kind::Object) {
        let thought = Path::new("output.choices[#].message.reasoning_content", position);
        emit_text_in(choice, Channel::Reasoning, thought, message.str("reasoning_content"), emit);
        match message.get("content") {
            // Multimodal models answer with a list of parts.
            Some(list) if list.kind() == Kind::Array => {
                for (i, part) in list.items().enumerate() {
                    let path = Path::new("output.choices[#].message.content[#].text", position);
                    emit_text_in(choice, Channel::Content, path.second(i), part.str("text"), emit);
                }
            }
            Some(content) => {
                let path = Path::new("output.choices[#].message.content", position);
                emit_text_in(choice, Channel::Content, path, content.as_str(), emit);
            }
            None => {}
        }
        let calls = message.get("tool_calls").into_iter().flat_map(Value::items);
        for (i, call) in calls.enumerate() {
            let index = call.get("index").and_then(Value::as_u64).unwrap_or(i as u64);
            let path = Path::new("output.choices[#].message.tool_calls[#]", position).second(i);
            openai_chat::tool(call, call.get("function"), choice, Some(index), path, emit);
        }
    }
    finish(json, choice, emit);
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
                "error Flat InvalidParameter: too long"
            ]
        );
    }
}
