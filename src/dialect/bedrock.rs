//! AWS Bedrock ConverseStream: one event a message, its type in the message's headers.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::emit::emit_text;
use super::request::{
    ChatRequest, ChatRole, Located, Notes, Numbers, Param, ToolChoice, ToolDefinition,
    TrackedValue, Turn, TurnPart, arguments_object, chat, in_address, put, read_common, read_stop,
    usage_always, write_numbers, write_stop,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, ToolPiece, Usage, error_text,
};
use crate::frame;
use crate::json::{Kind, Value};

/// The dialect `bedrock-converse`.
pub(super) struct Converse;

/// The media types that are requested; only an error arrives as JSON.
pub(super) const ACCEPT: &[(&str, &str)] =
    &[("accept", "application/vnd.amazon.eventstream, application/json")];

/// The stop reasons of Converse.
pub(super) const FINISHES: &[&str] = &[
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "guardrail_intervened",
    "content_filtered",
    "malformed_model_output",
    "malformed_tool_use",
    "model_context_window_exceeded",
];

impl Dialect for Converse {
    fn name(&self) -> &'static str {
        "bedrock-converse"
    }

    fn about(&self) -> &'static str {
        "AWS Bedrock ConverseStream, with a Bedrock API key"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            headers: ACCEPT,
            ..RequestSide::bearer("/model/{model}/converse-stream", read, write)
        })
    }

    fn error_members(&self) -> &'static [&'static str] {
        &["message", "Message"]
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(FINISHES)
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        match payload.kind {
            frame::FrameKind::Message => {
                json.get(member(payload.event)?)?;
                Some(Evidence::member("event", payload.event))
            }
            frame::FrameKind::Body => {
                json.at(&["output", "message", "content"])?;
                json.get("stopReason")
                    .map(|_| Evidence::certain("output.message beside stopReason"))
            }
            _ => None,
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ConverseDecoder)
    }
}

/// The member that an event of this name always has.
pub(super) fn member(event: &str) -> Option<&'static str> {
    Some(match event {
        "messageStart" => "role",
        "contentBlockStart" => "start",
        "contentBlockDelta" => "delta",
        "contentBlockStop" => "contentBlockIndex",
        "messageStop" => "stopReason",
        "metadata" => "usage",
        _ => return None,
    })
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["inferenceConfig", "maxTokens"]),
    (Param::Temperature, &["inferenceConfig", "temperature"]),
    (Param::TopP, &["inferenceConfig", "topP"]),
];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    request.system.extend(body.get("system").into_iter().flat_map(chat::texts));
    for message in body.get("messages").into_iter().flat_map(TrackedValue::items) {
        let role = match message.look_str("role") {
            "user" => ChatRole::User,
            "assistant" => ChatRole::Assistant,
            _ => continue,
        };
        let blocks = message.get("content").into_iter().flat_map(TrackedValue::items);
        let parts: Vec<_> = blocks.filter_map(|block| block.whole(read_block)).collect();
        if !parts.is_empty() {
            message.tag("role");
            request.turns.push(Turn { role, parts });
        }
    }
    for tool in body.at(&["toolConfig", "tools"]).into_iter().flat_map(TrackedValue::items) {
        let Some(tool) = tool.get("toolSpec") else { continue };
        let Some(name) = tool.get("name").and_then(TrackedValue::text) else { continue };
        request.tools.push(ToolDefinition {
            at: tool.path(),
            name,
            description: tool.get("description").and_then(TrackedValue::text),
            schema: tool.at(&["inputSchema", "json"]).map(|s| s.take().clone()),
        });
    }
    if let Some(choice) = body.at(&["toolConfig", "toolChoice"]) {
        let value = if let Some(auto) = choice.get("auto") {
            auto.take();
            Some(ToolChoice::Auto)
        } else if let Some(any) = choice.get("any") {
            any.take();
            Some(ToolChoice::Required)
        } else {
            choice.at(&["tool", "name"]).and_then(TrackedValue::text).map(ToolChoice::Tool)
        };
        request.choice = value.map(|value| choice.located(value));
    }
    read_stop(body.at(&["inferenceConfig", "stopSequences"]), &mut request);
    request.stream = Some(true.into());
    request.usage = Some(true.into());
    request
}

fn read_block(node: TrackedValue<'_>) -> Option<Located<TurnPart>> {
    let value = if let Some(text) = node.get("text") {
        TurnPart::Text(text.text()?)
    } else if let Some(image) = node.get("image") {
        let (format, data) = (image.get("format")?, image.at(&["source", "bytes"])?);
        let data = data.text()?;
        TurnPart::Image { media: format!("image/{}", format.text()?), data }
    } else if let Some(call) = node.get("toolUse") {
        TurnPart::Call {
            id: call.get("toolUseId")?.located_text()?,
            name: call.get("name")?.text()?,
            arguments: call.get("input").map_or(json!({}), |i| i.take().clone()),
        }
    } else {
        let result = node.get("toolResult")?;
        let id = result.get("toolUseId")?.located_text()?;
        let pieces =
            result.get("content").into_iter().flat_map(TrackedValue::items).filter_map(|piece| {
                let json = || piece.get("json").map(|j| j.take().to_string());
                piece.get("text").and_then(TrackedValue::text).or_else(json)
            });
        let text = pieces.collect::<Vec<_>>().join("\n");
        TurnPart::Result { id, name: String::new().into(), text }
    };
    Some(node.located(value))
}

fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    in_address(request, notes);
    if !request.system.is_empty() {
        let blocks = request.system.iter().map(|s| json!({"text": s.value})).collect();
        body.insert("system".into(), blocks);
    }
    body.insert("messages".into(), messages(request, notes));
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["inferenceConfig", "stopSequences"], &mut body);
    let tool = |tool: &ToolDefinition| {
        let mut spec = chat::function(tool, "inputSchema");
        let schema = spec.get_mut("inputSchema").map(Json::take);
        let schema = schema.unwrap_or_else(|| json!({"type": "object"}));
        spec.insert("inputSchema".into(), json!({"json": schema}));
        json!({"toolSpec": spec})
    };
    let tools: Vec<_> = request.tools.iter().map(tool).collect();
    if !tools.is_empty() {
        put(&mut body, &["toolConfig", "tools"], tools.into());
    }
    if let Some(choice) = &request.choice {
        let at = ["toolConfig", "toolChoice"];
        match &choice.value {
            ToolChoice::Auto => put(&mut body, &at, json!({"auto": {}})),
            ToolChoice::Required => put(&mut body, &at, json!({"any": {}})),
            ToolChoice::Tool(name) => put(&mut body, &at, json!({"tool": {"name": name}})),
            ToolChoice::None => {
                notes.lost(&choice.at, "only to give no tools keeps from calling any")
            }
        }
    }
    if let Some(effort) = &request.effort {
        notes.lost(
            &effort.at,
            "each model has its own word for it, in additionalModelRequestFields",
        );
    }
    usage_always(request, notes);
    body
}

/// The sides have to take turns.
fn messages(request: &ChatRequest, notes: &mut Notes) -> Json {
    let mut messages = Vec::new();
    for turn in request.alternating() {
        let mut blocks = Vec::new();
        for part in &turn.parts {
            blocks.push(match &part.value {
                TurnPart::Text(text) => json!({"text": text}),
                TurnPart::Image { media, data } => {
                    let format = media.strip_prefix("image/").unwrap_or(media);
                    json!({"image": {"format": format, "source": {"bytes": data}}})
                }
                TurnPart::ImageUrl(_) => {
                    notes.lost(&part.at, "images are only taken in base64");
                    continue;
                }
                TurnPart::Call { id, name, arguments } => {
                    chat::note_id(id, notes);
                    let input = arguments_object(arguments, &part.at, notes);
                    json!({"toolUse": {"toolUseId": id.value, "name": name, "input": input}})
                }
                TurnPart::Result { id, name, text } => {
                    chat::note_result(id, name, notes);
                    json!({"toolResult": {"toolUseId": id.value, "content": [{"text": text}]}})
                }
            });
        }
        if !blocks.is_empty() {
            let role = if turn.role == ChatRole::User { "user" } else { "assistant" };
            messages.push(json!({"role": role, "content": blocks}));
        }
    }
    messages.into()
}

struct ConverseDecoder;

impl Decoder for ConverseDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if exception(payload, emit) {
            return;
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        match payload.kind {
            frame::FrameKind::Message => event(payload.event, json, false, emit),
            frame::FrameKind::Body => whole(json, emit),
            _ => {}
        }
    }
}

/// Reports the error that a message is, if it is one: its exception type says so in its name. Returns whether
/// it is.
pub(super) fn exception(payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) -> bool {
    let failed = payload.event.ends_with("Exception") || payload.event == "error";
    if payload.kind != frame::FrameKind::Message || !failed {
        return false;
    }
    let text = payload.json.filter(|j| j.kind() == Kind::Object && !j.is_empty());
    let message = match text {
        Some(json) => json
            .str("originalMessage")
            .or_else(|| json.str("Message"))
            .unwrap_or_else(|| error_text(json)),
        None if payload.data.is_empty() => Cow::Borrowed(payload.event),
        None => Cow::Borrowed(payload.data),
    };
    let kind = Some(Cow::Borrowed(payload.event));
    // No client can mistake the error for part of the answer, so it is not a flat error.
    emit(DecodeEvent::Error(InBandError { message, kind, shape: ErrorShape::Object }));
    true
}

/// Reports one event. `nested`: it was under its own name in a larger object, as Nova sends it through
/// InvokeModel, and so were its paths.
pub(super) fn event(
    name: &str,
    json: Value<'_>,
    nested: bool,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let at = |plain, under| Path::new(if nested { under } else { plain }, 0);
    let index = json.get("contentBlockIndex").and_then(Value::as_u64);
    match name {
        "contentBlockDelta" => {
            let Some(delta) = json.get("delta") else { return };
            let path = at("delta.text", "contentBlockDelta.delta.text");
            emit_text(Channel::Content, path, delta.str("text"), emit);
            let thought = delta.get("reasoningContent").and_then(|r| r.str("text"));
            let path =
                at("delta.reasoningContent.text", "contentBlockDelta.delta.reasoningContent.text");
            emit_text(Channel::Reasoning, path, thought, emit);
            // The result of a tool that AWS ran itself.
            let results = delta.get("toolResult").into_iter().flat_map(Value::items);
            for (i, result) in results.enumerate() {
                let (plain, under) =
                    ("delta.toolResult[#].text", "contentBlockDelta.delta.toolResult[#].text");
                let path = Path::new(if nested { under } else { plain }, i);
                emit_text(Channel::Other, path, result.str("text"), emit);
            }
            if let Some(input) = delta.at(&["toolUse", "input"]) {
                let path = at("delta.toolUse.input", "contentBlockDelta.delta.toolUse.input");
                call(index, path, None, Some(input), emit);
            }
        }
        "contentBlockStart" => {
            if let Some(tool) = json.at(&["start", "toolUse"]) {
                let path = at("start.toolUse", "contentBlockStart.start.toolUse");
                call(index, path, Some(tool), None, emit);
            }
        }
        "messageStop" => finish(json, emit),
        "metadata" => {
            usage(json.get("usage"), at("usage", "metadata.usage"), emit);
            emit(DecodeEvent::Terminal);
        }
        _ => {}
    }
}

fn call<'a>(
    index: Option<u64>,
    path: Path,
    tool: Option<Value<'a>>,
    input: Option<Value<'a>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let named = |key| tool.and_then(|t| t.str(key)).filter(|s| !s.is_empty());
    let (id, name) = (named("toolUseId"), named("name"));
    let arguments = input.map(|i| i.as_str().unwrap_or(Cow::Borrowed(i.source())));
    emit(DecodeEvent::Tool(Box::new(ToolPiece {
        choice: 0,
        path,
        index,
        id,
        name,
        arguments,
        free_text: false,
    })));
}

fn finish(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(reason) = json.str("stopReason").filter(|r| !r.is_empty()) {
        emit(DecodeEvent::Finish { choice: 0, reason });
    }
}

fn usage(given: Option<Value<'_>>, path: Path, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let count = |key: &str| given.and_then(|u| u.get(key)).and_then(Value::as_u64);
    let usage = Usage {
        input: count("inputTokens"),
        output: count("outputTokens"),
        reasoning: None,
        // Nova's own name has a `Count` at the end.
        cached: count("cacheReadInputTokens").or_else(|| count("cacheReadInputTokenCount")),
        total: count("totalTokens"),
    };
    if usage.is_given() {
        emit(DecodeEvent::Usage { path, usage });
    }
}

/// A body that is no stream: Converse's answer, or an error.
fn whole(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let content = json.at(&["output", "message", "content"]);
    for (i, block) in content.into_iter().flat_map(Value::items).enumerate() {
        let at = |template| Path::new(template, i);
        let text = at("output.message.content[#].text");
        emit_text(Channel::Content, text, block.str("text"), emit);
        let thought = block.at(&["reasoningContent", "reasoningText", "text"]);
        let path = at("output.message.content[#].reasoningContent.reasoningText.text");
        emit_text(Channel::Reasoning, path, thought.and_then(Value::as_str), emit);
        if let Some(tool) = block.get("toolUse") {
            let path = at("output.message.content[#].toolUse");
            call(Some(i as u64), path, Some(tool), tool.get("input"), emit);
        }
    }
    finish(json, emit);
    usage(json.get("usage"), Path::new("usage", 0), emit);
    refusal(json, emit);
}

/// `{"message":"…"}`, in either case, is all that AWS says when it refuses.
pub(super) fn refusal(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(message) = json.str("message").or_else(|| json.str("Message")) {
        let kind = json.str("__type");
        emit(DecodeEvent::Error(InBandError { message, kind, shape: ErrorShape::Flat }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use super::*;

    #[test]
    fn events_by_the_names_in_their_headers() {
        let events = script_of_events(
            frame::FrameKind::Message,
            "bedrock-converse",
            &[
                ("messageStart", r#"{"role":"assistant","p":"ab"}"#),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"x"}}}"#,
                ),
                ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"a"}}"#),
                (
                    "contentBlockStart",
                    r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{}"}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":3,"delta":{"toolResult":[{"json":{}},{"text":"42"}]}}"#,
                ),
                ("messageStop", r#"{"stopReason":"tool_use"}"#),
                ("metadata", r#"{"usage":{"inputTokens":3,"outputTokens":7,"totalTokens":10}}"#),
            ],
        );
        assert_eq!(
            events,
            [
                "reasoning 0 delta.reasoningContent.text: hm",
                "content 0 delta.text: a",
                "tool Some(2) start.toolUse t f -",
                "tool Some(2) delta.toolUse.input - - {}",
                "other 0 delta.toolResult[1].text: 42",
                "finish 0 tool_use",
                "usage usage 3 7 - - 10",
                "terminal",
            ]
        );
    }

    #[test]
    fn exceptions_are_errors_with_their_type() {
        let events = script_of_events(
            frame::FrameKind::Message,
            "bedrock-converse",
            &[
                ("throttlingException", r#"{"message":"Too many tokens"}"#),
                (
                    "modelStreamErrorException",
                    r#"{"message":"m","originalStatusCode":500,"originalMessage":"cause"}"#,
                ),
                ("error", ""),
            ],
        );
        assert_eq!(
            events,
            [
                "error Object throttlingException: Too many tokens",
                "error Object modelStreamErrorException: cause",
                "error Object error: error",
            ]
        );
    }
}
