//! Google Gemini, `streamGenerateContent`: every payload is a whole response, whose parts are the next pieces.
//! As server-sent events, or as one JSON array without `alt=sse`.
//!
//! There is no sentinel. A tool call arrives whole, unless its arguments are requested in pieces: then it
//! begins with a name, continues without one, and ends with an empty `functionCall`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::emit::{emit_text_in, model_once};
use super::request::{
    ChatRequest, ChatRole, Effort, Located, Notes, Numbers, Param, ToolChoice, ToolDefinition,
    TrackedValue, Turn, TurnPart, arguments_object, chat, in_address, put, read_common, read_stop,
    usage_always, write_numbers, write_stop,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, ToolPiece, Usage, error_text, openai_chat,
};
use crate::frame;
use crate::json::{Kind, Value};

/// The dialects `gemini` and `gemini-array`.
pub(super) struct Gemini {
    /// One JSON array instead of events.
    pub(super) array: bool,
}

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        if self.array { "gemini-array" } else { "gemini" }
    }

    fn about(&self) -> &'static str {
        if self.array {
            "Google Gemini generateContent as one JSON array (no alt=sse)"
        } else {
            "Google Gemini and Vertex AI generateContent (SSE)"
        }
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            path: if self.array {
                "/models/{model}:streamGenerateContent"
            } else {
                "/models/{model}:streamGenerateContent?alt=sse"
            },
            key_header: ("x-goog-api-key", ""),
            headers: &[],
            read,
            write,
        })
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_close(FINISHES)
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        if (payload.kind == frame::FrameKind::Element) != self.array {
            return None;
        }
        let json = payload.json.map(unwrapped)?;
        let has = |key, kind| json.get(key).is_some_and(|v| v.kind() == kind);
        // Gateways add Google's usage to events of another kind.
        let other = ["type", "event_type", "choices"].iter().any(|key| json.get(key).is_some());
        if other {
            None
        } else if has("candidates", Kind::Array) {
            Some(Evidence::certain("candidates"))
        } else if has("usageMetadata", Kind::Object) {
            Some(Evidence::likely("usageMetadata"))
        } else {
            has("promptFeedback", Kind::Object).then(|| Evidence::likely("promptFeedback"))
        }
    }

    fn family(&self) -> &'static str {
        "gemini"
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<GeminiDecoder>::default()
    }
}

const FINISHES: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "NO_IMAGE",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "MODEL_ARMOR",
    "ESCALATION",
    "CONTINUATION",
];

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["generationConfig", "maxOutputTokens"]),
    (Param::Temperature, &["generationConfig", "temperature"]),
    (Param::TopP, &["generationConfig", "topP"]),
    (Param::TopK, &["generationConfig", "topK"]),
    (Param::Seed, &["generationConfig", "seed"]),
    (Param::PresencePenalty, &["generationConfig", "presencePenalty"]),
    (Param::FrequencyPenalty, &["generationConfig", "frequencyPenalty"]),
];

/// The key of a declaration's JSON schema. `parameters` is OpenAPI's, which has fewer words.
const SCHEMA: &str = "parametersJsonSchema";

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    if let Some(system) = body.any(&["systemInstruction", "system_instruction"]) {
        system.tag("role");
        request.system.extend(system.get("parts").into_iter().flat_map(chat::texts));
    }
    for content in body.get("contents").into_iter().flat_map(TrackedValue::items) {
        let role = match content.look_str("role") {
            "user" | "function" | "" => ChatRole::User,
            "model" => ChatRole::Assistant,
            _ => continue,
        };
        let parts = content.get("parts").into_iter().flat_map(TrackedValue::items);
        let parts: Vec<_> = parts.filter_map(|part| part.whole(read_part)).collect();
        if !parts.is_empty() {
            content.tag("role");
            request.turns.push(Turn { role, parts });
        }
    }
    for tools in body.get("tools").into_iter().flat_map(TrackedValue::items) {
        let declared = tools.any(&["functionDeclarations", "function_declarations"]);
        for node in declared.into_iter().flat_map(TrackedValue::items) {
            let Some(name) = node.get("name").and_then(TrackedValue::text) else { continue };
            let schema = node.get(SCHEMA).map(|s| s.take().clone());
            let schema = schema.or_else(|| {
                let mut schema = node.get("parameters")?.take().clone();
                lower_types(&mut schema);
                Some(schema)
            });
            let description = node.get("description").and_then(TrackedValue::text);
            request.tools.push(ToolDefinition { at: node.path(), name, description, schema });
        }
    }
    let config = body.at(&["toolConfig", "functionCallingConfig"]);
    request.choice = config.and_then(read_choice);
    read_stop(body.at(&["generationConfig", "stopSequences"]), &mut request);
    request.effort = body.at(&["generationConfig", "thinkingConfig"]).and_then(|config| {
        if let Some(budget) = config.get("thinkingBudget") {
            let tokens = budget.look().as_i64()?;
            budget.take();
            return Some(budget.located(Effort::of_tokens(tokens)));
        }
        let level = config.get("thinkingLevel")?.located_text()?;
        Some(Located { value: Effort::of_word(&level.value.to_ascii_lowercase()), at: level.at })
    });
    request.stream = Some(true.into());
    request.usage = Some(true.into());
    request
}

/// Google spells a schema's types in capitals.
fn lower_types(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(lower_types),
        Json::Object(members) => {
            for (key, member) in members {
                match member {
                    Json::String(word) if key == "type" => word.make_ascii_lowercase(),
                    other => lower_types(other),
                }
            }
        }
        _ => {}
    }
}

fn read_choice(config: TrackedValue<'_>) -> Option<Located<ToolChoice>> {
    let mode = config.get("mode")?;
    let allowed: Vec<_> =
        config.get("allowedFunctionNames").into_iter().flat_map(TrackedValue::items).collect();
    let value = match (mode.look().as_str()?.to_ascii_uppercase().as_str(), allowed.as_slice()) {
        ("AUTO", _) => ToolChoice::Auto,
        ("NONE", _) => ToolChoice::None,
        ("ANY", [one]) => ToolChoice::Tool(one.text()?),
        ("ANY", _) => ToolChoice::Required,
        _ => return None,
    };
    mode.take();
    Some(config.located(value))
}

fn read_part(node: TrackedValue<'_>) -> Option<Located<TurnPart>> {
    let id = |node: TrackedValue<'_>| {
        node.get("id").and_then(TrackedValue::located_text).unwrap_or_else(|| String::new().into())
    };
    if let Some(text) = node.get("text").filter(|_| node.look().get("thought").is_none()) {
        return Some(node.located(TurnPart::Text(text.text()?)));
    }
    if let Some(inline) = node.any(&["inlineData", "inline_data"]) {
        let media = inline.any(&["mimeType", "mime_type"])?;
        if !media.look().as_str()?.starts_with("image/") {
            return None;
        }
        let (media, data) = (media.text()?, inline.get("data")?.text()?);
        return Some(node.located(TurnPart::Image { media, data }));
    }
    if let Some(file) = node.any(&["fileData", "file_data"]) {
        return Some(node.located(TurnPart::ImageUrl(file.any(&["fileUri", "file_uri"])?.text()?)));
    }
    if let Some(call) = node.get("functionCall") {
        let name = call.get("name")?.text()?;
        let arguments = call.get("args").map_or(json!({}), |a| a.take().clone());
        return Some(node.located(TurnPart::Call { id: id(call), name, arguments }));
    }
    let result = node.get("functionResponse")?;
    let name = result.get("name")?.located_text()?;
    // A result is an object; `output` in it holds the value of a function that did not return an object.
    let text = result.get("response").map_or(String::new(), |response| {
        let alone = response.look().as_object().is_some_and(|o| o.len() == 1);
        match response.get("output").filter(|_| alone).and_then(TrackedValue::text) {
            Some(text) => text,
            None => response.take().to_string(),
        }
    });
    Some(node.located(TurnPart::Result { id: id(result), name, text }))
}

fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    in_address(request, notes);
    if !request.system.is_empty() {
        let parts = request.system.iter().map(|s| json!({"text": s.value})).collect();
        put(&mut body, &["systemInstruction", "parts"], parts);
    }
    body.insert("contents".into(), contents(request, notes));
    let declare = |t| Json::Object(chat::function(t, SCHEMA));
    let tools: Vec<_> = request.tools.iter().map(declare).collect();
    if !tools.is_empty() {
        body.insert("tools".into(), json!([{"functionDeclarations": tools}]));
    }
    if let Some(choice) = &request.choice {
        let config = match &choice.value {
            ToolChoice::Auto => json!({"mode": "AUTO"}),
            ToolChoice::None => json!({"mode": "NONE"}),
            ToolChoice::Required => json!({"mode": "ANY"}),
            ToolChoice::Tool(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        };
        put(&mut body, &["toolConfig", "functionCallingConfig"], config);
    }
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["generationConfig", "stopSequences"], &mut body);
    if let Some(effort) = &request.effort {
        // -1 leaves it to the model.
        let budget = effort.value.tokens().map_or(-1, |tokens| tokens as i64);
        if Effort::of_tokens(budget) != effort.value {
            notes.changed(&effort.at, format!("a budget of {budget} tokens replaces it"));
        }
        let path = ["generationConfig", "thinkingConfig", "thinkingBudget"];
        put(&mut body, &path, json!(budget));
    }
    usage_always(request, notes);
    body
}

fn contents(request: &ChatRequest, notes: &mut Notes) -> Json {
    let mut contents = Vec::new();
    for turn in request.alternating() {
        let mut parts = Vec::new();
        for part in &turn.parts {
            parts.push(match &part.value {
                TurnPart::Text(text) => json!({"text": text}),
                TurnPart::Image { media, data } => {
                    json!({"inlineData": {"mimeType": media, "data": data}})
                }
                TurnPart::ImageUrl(url) => json!({"fileData": {"fileUri": url}}),
                TurnPart::Call { id, name, arguments } => {
                    let args = arguments_object(arguments, &part.at, notes);
                    let mut call = json!({"name": name, "args": args});
                    own_id(&mut call, id);
                    json!({"functionCall": call})
                }
                TurnPart::Result { id, name, text } => {
                    let response = serde_json::from_str::<Map<_, _>>(text);
                    let response = response.map_or_else(|_| json!({"output": text}), Into::into);
                    let mut result = json!({"name": name.value, "response": response});
                    own_id(&mut result, id);
                    json!({"functionResponse": result})
                }
            });
        }
        let role = if turn.role == ChatRole::User { "user" } else { "model" };
        contents.push(json!({"role": role, "parts": parts}));
    }
    contents.into()
}

/// Writes an id, which is optional here, unless it was fabricated.
fn own_id(call: &mut Json, id: &Located<String>) {
    if !id.at.is_empty() {
        call["id"] = json!(id.value);
    }
}

/// Google's Code Assist puts each response under `response`. Paths are those inside of it.
fn unwrapped(json: Value<'_>) -> Value<'_> {
    let inner = json.get("response").filter(|r| r.kind() == Kind::Object);
    inner.filter(|_| json.get("type").is_none()).unwrap_or(json)
}

#[derive(Default)]
struct GeminiDecoder {
    model_named: bool,
    /// Number of calls that each candidate has made; they carry no index.
    calls: BTreeMap<u32, u64>,
}

impl Decoder for GeminiDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            return;
        }
        let json = payload.json.filter(|j| j.kind() == Kind::Object).map(unwrapped);
        // An array that is not a stream wraps an error.
        let json = json.or_else(|| {
            let list = payload.json.filter(|j| j.kind() == Kind::Array)?;
            list.items().next().filter(|i| i.get("error").is_some())
        });
        if let Some(error) = error_in(json, payload) {
            emit(DecodeEvent::Error(error));
        }
        let Some(json) = json else { return };
        model_once(&mut self.model_named, || json.str("modelVersion"), emit);
        let candidates = json.get("candidates").into_iter().flat_map(Value::items);
        for (position, candidate) in candidates.enumerate() {
            self.candidate(candidate, position, emit);
        }
        let usage = json.get("usageMetadata").map(usage_of);
        if let Some(usage) = usage.filter(Usage::is_given) {
            emit(DecodeEvent::Usage { path: Path::new("usageMetadata", 0), usage });
        }
    }
}

/// A finish reason's word. With `enum-encoding=int` it is a number: the first are the same in every
/// version of Google's enumeration, the others stay numbers.
fn finish_word<'a>(reason: Value<'a>) -> Option<Cow<'a, str>> {
    const FIRST: &[&str] = &["STOP", "MAX_TOKENS", "SAFETY", "RECITATION"];
    if let Some(word) = reason.as_str() {
        return Some(word).filter(|w| !w.is_empty());
    }
    let number = reason.as_u64().filter(|n| *n > 0)?;
    Some(match FIRST.get(number as usize - 1) {
        Some(word) => Cow::Borrowed(word),
        None => Cow::Borrowed(reason.source()),
    })
}

impl GeminiDecoder {
    fn candidate(
        &mut self,
        candidate: Value<'_>,
        position: usize,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let choice = candidate.get("index").map_or(0, super::choice_number);
        let parts = candidate.at(&["content", "parts"]).into_iter().flat_map(Value::items);
        for (i, part) in parts.enumerate() {
            let path = |template| Path::new(template, position).second(i);
            let mut emit_text = |channel, template, text: Option<Cow<'_, str>>| {
                emit_text_in(choice, channel, path(template), text, emit);
            };
            let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
            let channel = if thought { Channel::Reasoning } else { Channel::Content };
            emit_text(channel, "candidates[#].content.parts[#].text", part.str("text"));
            // Code that the server wrote and ran, and its result.
            let code = part.get("executableCode").and_then(|c| c.str("code"));
            emit_text(Channel::Other, "candidates[#].content.parts[#].executableCode.code", code);
            let output = part.get("codeExecutionResult").and_then(|c| c.str("output"));
            emit_text(
                Channel::Other,
                "candidates[#].content.parts[#].codeExecutionResult.output",
                output,
            );
            if let Some(call) = part.get("functionCall").filter(|c| c.kind() == Kind::Object) {
                let path = path("candidates[#].content.parts[#].functionCall");
                self.call(call, choice, path, emit);
            }
        }
        if let Some(reason) = candidate.get("finishReason").and_then(finish_word) {
            emit(DecodeEvent::Finish { choice, reason });
        }
    }

    fn call(
        &mut self,
        call: Value<'_>,
        choice: u32,
        path: Path,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let name = call.str("name").filter(|n| !n.is_empty());
        let id = call.str("id").filter(|i| !i.is_empty());
        let args = call.get("args").filter(|a| !a.is_null());
        let calls = self.calls.entry(choice).or_default();
        if name.is_some() {
            *calls += 1;
        } else if call.is_empty() || *calls == 0 {
            // The last piece of a streamed call adds nothing to it.
            return;
        }
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice,
            path,
            index: Some(*calls - 1),
            id,
            name,
            arguments: args.map(|a| Cow::Borrowed(a.source())),
            free_text: false,
        })));
    }
}

/// Google's error, or a prompt that was blocked: then there are no candidates, and no other word
/// about it.
fn error_in<'a>(json: Option<Value<'a>>, payload: &Payload<'a>) -> Option<InBandError<'a>> {
    let Some(json) = json else { return openai_chat::error_in(payload) };
    if let Some(error) = json.get("error").filter(|e| e.kind() == Kind::Object) {
        let code = || error.get("code").map(|c| Cow::Borrowed(c.source()));
        let kind = error.str("status").filter(|s| !s.is_empty()).or_else(code);
        return Some(InBandError { message: error_text(error), kind, shape: ErrorShape::Object });
    }
    let feedback = json.get("promptFeedback");
    if let Some(reason) = feedback.and_then(|f| f.str("blockReason"))
        && json.get("candidates").is_none_or(Value::is_empty)
    {
        let words = feedback.and_then(|f| f.str("blockReasonMessage"));
        let message = match words.filter(|w| !w.is_empty()) {
            Some(words) => format!("the prompt was blocked: {words}"),
            None => "the prompt was blocked".to_owned(),
        };
        let message = Cow::Owned(message);
        return Some(InBandError { message, kind: Some(reason), shape: ErrorShape::Object });
    }
    openai_chat::error_in(payload)
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |key| usage.get(key).and_then(Value::as_u64);
    Usage {
        input: count("promptTokenCount"),
        output: count("candidatesTokenCount"),
        reasoning: count("thoughtsTokenCount"),
        cached: count("cachedContentTokenCount"),
        total: count("totalTokenCount"),
    }
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
