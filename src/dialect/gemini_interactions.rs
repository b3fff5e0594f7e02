//! Google's Interactions: typed events about the steps of one interaction; the type is in `event_type`, inside
//! the JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::emit::{emit_text, model_once};
use super::request::{
    ChatRequest, ChatRole, Located, Notes, Numbers, Param, ToolChoice, TrackedValue, Turn,
    TurnPart, arguments_object, chat, media_of, put, read_common, read_effort_word, read_prompt,
    read_stop, usage_always, write_effort_word, write_model, write_numbers, write_stop,
    write_stream, write_system,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    ToolPiece, Usage, openai_chat,
};
use crate::json::{Kind, Value};

/// The dialect `gemini-interactions`.
pub(super) struct GeminiInteractions;

impl Dialect for GeminiInteractions {
    fn name(&self) -> &'static str {
        "gemini-interactions"
    }

    fn about(&self) -> &'static str {
        "Google Gemini Interactions"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            path: "/interactions",
            key_header: ("x-goog-api-key", ""),
            headers: &[],
            read,
            write,
        })
    }

    fn ending(&self) -> EndingRules {
        // [DONE] is sent too, as an event named done; the interaction's end precedes it.
        EndingRules::by_event(&[
            "completed",
            "requires_action",
            "incomplete",
            "failed",
            "cancelled",
        ])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let event = payload.json.and_then(|j| j.str("event_type"))?;
        let known = ["interaction.", "step.", "content."].iter().any(|f| event.starts_with(f));
        known.then(|| Evidence::member("event_type", event))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<GeminiInteractionsDecoder>::default()
    }
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["generation_config", "max_output_tokens"]),
    (Param::Temperature, &["generation_config", "temperature"]),
    (Param::TopP, &["generation_config", "top_p"]),
    (Param::Seed, &["generation_config", "seed"]),
];

const EFFORTS: &[&str] = &["minimal", "low", "medium", "high", "xhigh"];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    request.system.extend(body.get("system_instruction").and_then(TrackedValue::located_text));
    if let Some(input) = body.get("input") {
        match input.look() {
            Json::String(_) => read_prompt(Some(input), &mut request),
            Json::Array(_) => input.items().for_each(|item| read_item(item, &mut request)),
            _ => read_item(input, &mut request),
        }
    }
    chat::read_tools(body.get("tools"), "parameters", &mut request);
    if let Some(choice) = body.at(&["generation_config", "tool_choice"]) {
        match choice.get("allowed_tools") {
            None => chat::read_choice(Some(choice), &mut request),
            Some(allowed) => {
                let tools: Vec<_> =
                    allowed.get("tools").into_iter().flat_map(TrackedValue::items).collect();
                if let ("any", [one]) = (allowed.look_str("mode"), tools.as_slice()) {
                    allowed.tag("mode");
                    request.choice = one.text().map(|name| choice.located(ToolChoice::Tool(name)));
                }
            }
        }
    }
    read_stop(body.at(&["generation_config", "stop_sequences"]), &mut request);
    read_effort_word(body.at(&["generation_config", "thinking_level"]), &mut request);
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    request
}

/// A step, or a content by itself: then it is the user's.
fn read_item(item: TrackedValue<'_>, request: &mut ChatRequest) {
    let text = |key| item.get(key).and_then(TrackedValue::located_text);
    let none = || String::new().into();
    let role = match item.look_str("type") {
        "user_input" => ChatRole::User,
        "model_output" => ChatRole::Assistant,
        "function_call" => {
            let Some(name) = text("name") else { return };
            item.tag("type");
            let id = text("id").unwrap_or_else(none);
            let arguments = item.get("arguments").map_or(json!({}), |a| a.take().clone());
            request.push(
                ChatRole::Assistant,
                item.located(TurnPart::Call { id, name: name.value, arguments }),
            );
            return;
        }
        "function_result" => {
            item.tag("type");
            let id = text("call_id").unwrap_or_else(none);
            let name = text("name").unwrap_or_else(none);
            let text = item.get("result").map_or(String::new(), |result| match result.look() {
                Json::Object(_) => result.take().to_string(),
                _ => chat::joined(result),
            });
            request.push(ChatRole::User, item.located(TurnPart::Result { id, name, text }));
            return;
        }
        _ => {
            if let Some(part) = item.whole(read_part) {
                request.push(ChatRole::User, part);
            }
            return;
        }
    };
    chat::read_turn(role, item, read_part, &["type"], request);
}

fn read_part(node: TrackedValue<'_>) -> Option<Located<TurnPart>> {
    let value = match node.look_str("type") {
        "text" => TurnPart::Text(node.get("text")?.text()?),
        "image" => match node.get("uri") {
            Some(uri) => TurnPart::ImageUrl(uri.text()?),
            None => {
                let data = node.get("data")?.text()?;
                let media = node.get("mime_type").and_then(TrackedValue::text);
                let media = media.unwrap_or_else(|| media_of(&data).to_owned());
                TurnPart::Image { media, data }
            }
        },
        _ => return None,
    };
    node.tag("type");
    Some(node.located(value))
}

fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    write_system(request, "system_instruction", &mut body);
    body.insert("input".into(), input(request, notes));
    chat::write_flat_tools(request, &mut body);
    if let Some(choice) = &request.choice {
        let choice = match &choice.value {
            ToolChoice::Tool(name) => json!({"allowed_tools": {"mode": "any", "tools": [name]}}),
            other => json!(chat::choice_word(other, "any")),
        };
        put(&mut body, &["generation_config", "tool_choice"], choice);
    }
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["generation_config", "stop_sequences"], &mut body);
    let path = ["generation_config", "thinking_level"];
    write_effort_word(request, EFFORTS, &path, &mut body, notes);
    write_stream(request, &mut body, notes);
    usage_always(request, notes);
    body
}

/// One text alone is the input; all else are steps.
fn input(request: &ChatRequest, notes: &mut Notes) -> Json {
    if let [Turn { role: ChatRole::User, parts }] = request.turns.as_slice()
        && let [Located { value: TurnPart::Text(text), .. }] = parts.as_slice()
    {
        return json!(text);
    }
    let mut steps = Vec::new();
    for turn in &request.turns {
        let kind = if turn.role == ChatRole::User { "user_input" } else { "model_output" };
        let mut content = Vec::new();
        let mut calls = Vec::new();
        for part in &turn.parts {
            match &part.value {
                TurnPart::Text(text) => content.push(json!({"type": "text", "text": text})),
                TurnPart::Image { media, data } => {
                    content.push(json!({"type": "image", "data": data, "mime_type": media}));
                }
                TurnPart::ImageUrl(url) => content.push(json!({"type": "image", "uri": url})),
                TurnPart::Call { id, name, arguments } => {
                    chat::note_id(id, notes);
                    let arguments = arguments_object(arguments, &part.at, notes);
                    calls.push(json!({
                        "type": "function_call",
                        "id": id.value,
                        "name": name,
                        "arguments": arguments,
                    }));
                }
                TurnPart::Result { id, name, text } => {
                    chat::note_id(id, notes);
                    steps.push(json!({
                        "type": "function_result",
                        "call_id": id.value,
                        "name": name.value,
                        "result": text,
                    }));
                }
            }
        }
        if !content.is_empty() {
            steps.push(json!({"type": kind, "content": content}));
        }
        steps.append(&mut calls);
    }
    steps.into()
}

#[derive(Default)]
struct GeminiInteractionsDecoder {
    model_named: bool,
    /// Calls whose arguments have not arrived yet, by the step's index, with the arguments from the beginning
    /// of the step: an object, mostly empty, which is used only if nothing else arrives.
    held: BTreeMap<u64, String>,
}

impl Decoder for GeminiInteractionsDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            return;
        }
        if let Some(error) = openai_chat::error_in(payload) {
            emit(DecodeEvent::Error(error));
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        let index = json.get("index").and_then(Value::as_u64).unwrap_or(0);
        let kind = json.str("event_type").unwrap_or(Cow::Borrowed(payload.event));
        match kind.as_ref() {
            "step.start" | "content.start" => {
                if let Some(step) = json.get("step").or_else(|| json.get("content")) {
                    self.begin(step, index, emit);
                }
            }
            "step.delta" | "content.delta" => {
                if let Some(delta) = json.get("delta") {
                    self.delta(delta, index, emit);
                }
            }
            "step.stop" | "content.stop" => {
                if let Some(arguments) = self.held.remove(&index) {
                    call(None, index, Path::new("step", 0), Some(Cow::Owned(arguments)), emit);
                }
            }
            _ => self.interaction(json, emit),
        }
    }
}

impl GeminiInteractionsDecoder {
    /// A step begins; it may already hold text.
    fn begin(&mut self, step: Value<'_>, index: u64, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if is_call(step) {
            let given = step.get("arguments").filter(|a| !a.is_null());
            let arguments = match given {
                Some(object) if object.kind() == Kind::Object => {
                    self.held.insert(index, object.source().to_owned());
                    None
                }
                _ => given.map(text_of),
            };
            return call(Some(step), index, Path::new("step", 0), arguments, emit);
        }
        for (i, part) in step.get("summary").into_iter().flat_map(Value::items).enumerate() {
            emit_text(
                Channel::Reasoning,
                Path::new("step.summary[#].text", i),
                part.str("text"),
                emit,
            );
        }
        let thought = step.get("type").is_some_and(|t| t.is("thought"));
        let channel = if thought { Channel::Reasoning } else { Channel::Content };
        for (i, part) in step.get("content").into_iter().flat_map(Value::items).enumerate() {
            emit_text(channel, Path::new("step.content[#].text", i), part.str("text"), emit);
        }
    }

    fn delta(&mut self, delta: Value<'_>, index: u64, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let kind = delta.str("type").unwrap_or_default();
        match kind.as_ref() {
            "text" => {
                emit_text(Channel::Content, Path::new("delta.text", 0), delta.str("text"), emit)
            }
            "thought_summary" | "thought" => {
                let (path, text) = match delta.get("content") {
                    Some(content) => ("delta.content.text", content.str("text")),
                    None => ("delta.text", delta.str("text")),
                };
                emit_text(Channel::Reasoning, Path::new(path, 0), text, emit);
            }
            "arguments_delta" => {
                self.held.remove(&index);
                let arguments = delta.get("arguments").map(text_of);
                call(None, index, Path::new("delta.arguments", 0), arguments, emit);
            }
            // The result of code that the server ran.
            "code_execution_result" => {
                emit_text(Channel::Other, Path::new("delta.result", 0), delta.str("result"), emit);
            }
            _ if is_call(delta) => {
                let arguments = delta.get("arguments").filter(|a| !a.is_null()).map(text_of);
                if arguments.is_some() {
                    self.held.remove(&index);
                }
                call(Some(delta), index, Path::new("delta", 0), arguments, emit);
            }
            _ => {}
        }
    }

    /// An event about the interaction itself: its model, and at its end status and usage.
    fn interaction(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(interaction) = json.get("interaction").filter(|i| i.kind() == Kind::Object) else {
            return;
        };
        model_once(&mut self.model_named, || interaction.str("model"), emit);
        if let Some(usage) = interaction.get("usage").map(usage_of).filter(Usage::is_given) {
            emit(DecodeEvent::Usage { path: Path::new("interaction.usage", 0), usage });
        }
        let over =
            |s: &Cow<'_, str>| !s.is_empty() && !matches!(s.as_ref(), "in_progress" | "queued");
        if let Some(reason) = interaction.str("status").filter(over) {
            emit(DecodeEvent::Finish { choice: 0, reason });
            emit(DecodeEvent::Terminal);
        }
    }
}

/// Returns whether a step is a tool call: the client's, or one that the server runs itself
/// (`google_search_call`), whose name is its type.
fn is_call(step: Value<'_>) -> bool {
    step.str("type").is_some_and(|t| t.ends_with("_call"))
}

fn call(
    step: Option<Value<'_>>,
    index: u64,
    path: Path,
    arguments: Option<Cow<'_, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let given = |key| step.and_then(|s| s.str(key)).filter(|t| !t.is_empty());
    emit(DecodeEvent::Tool(Box::new(ToolPiece {
        choice: 0,
        path,
        index: Some(index),
        id: given("id"),
        name: given("name").or_else(|| given("type")),
        arguments,
        free_text: false,
    })));
}

/// Text as a string, or a value's source.
fn text_of(value: Value<'_>) -> Cow<'_, str> {
    value.as_str().unwrap_or(Cow::Borrowed(value.source()))
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |key| usage.get(key).and_then(Value::as_u64);
    Usage {
        input: count("total_input_tokens"),
        output: count("total_output_tokens"),
        reasoning: count("total_thought_tokens"),
        cached: count("total_cached_tokens"),
        total: count("total_tokens"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn thought_text_and_the_end() {
        let s = script(
            "auto",
            &[
                r#"{"interaction":{"model":"m","status":"in_progress"},"event_type":"interaction.created"}"#,
                r#"{"index":0,"step":{"type":"thought","summary":[{"text":"h","type":"text"}]},"event_type":"step.start"}"#,
                r#"{"index":0,"delta":{"type":"thought_summary","content":{"type":"text","text":"m"}},"event_type":"step.delta"}"#,
                r#"{"index":0,"delta":{"type":"thought_signature","signature":"x"},"event_type":"step.delta"}"#,
                r#"{"index":1,"delta":{"type":"text","text":"Hi"},"event_type":"step.delta"}"#,
                r#"{"interaction":{"status":"completed","usage":{"total_input_tokens":1,"total_output_tokens":2,"total_thought_tokens":3,"total_cached_tokens":4,"total_tokens":5}},"event_type":"interaction.completed"}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            s,
            [
                "model m",
                "reasoning 0 step.summary[0].text: h",
                "reasoning 0 delta.content.text: m",
                "content 0 delta.text: Hi",
                "usage interaction.usage 1 2 3 4 5",
                "finish 0 completed",
                "terminal",
                "sentinel"
            ]
        );
    }

    #[test]
    fn arguments_come_after_an_empty_object_or_not_at_all() {
        let s = script(
            "auto",
            &[
                r#"{"index":1,"step":{"id":"a","type":"function_call","name":"f","arguments":{}},"event_type":"step.start"}"#,
                r#"{"index":1,"delta":{"arguments":"{\"x\":1}","type":"arguments_delta"},"event_type":"step.delta"}"#,
                r#"{"index":1,"event_type":"step.stop"}"#,
                r#"{"index":2,"step":{"id":"b","type":"function_call","name":"g","arguments":{}},"event_type":"step.start"}"#,
                r#"{"index":2,"event_type":"step.stop"}"#,
                r#"{"index":3,"step":{"id":"c","type":"code_execution_call","arguments":{"code":"1"}},"event_type":"step.start"}"#,
                r#"{"index":3,"delta":{"type":"code_execution_call","arguments":{"code":"1"}},"event_type":"step.delta"}"#,
                r#"{"index":3,"event_type":"step.stop"}"#,
                r#"{"index":4,"delta":{"type":"code_execution_result","result":"1\n"},"event_type":"step.delta"}"#,
                r#"{"event_type":"error","error":{"message":"boom","code":"c"}}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "tool Some(1) step a f -",
                "tool Some(1) delta.arguments - - {\"x\":1}",
                "tool Some(2) step b g -",
                "tool Some(2) step - - {}",
                "tool Some(3) step c code_execution_call -",
                "tool Some(3) delta - code_execution_call {\"code\":\"1\"}",
                "other 0 delta.result: 1\n",
                "error Object c: boom"
            ]
        );
    }
}
