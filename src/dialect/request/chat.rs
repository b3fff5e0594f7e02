//! Shared code of the many dialects that have OpenAI's list of messages.

use serde_json::{Map, Value, json};

use super::{
    ChatRequest, ChatRole, Located, Notes, ToolChoice, ToolDefinition, TrackedValue, Turn,
    TurnPart, image, image_url,
};

/// Reads a list of messages: system prompts, turns, calls and their results.
pub(in crate::dialect) fn read_messages(
    messages: Option<TrackedValue<'_>>,
    request: &mut ChatRequest,
) {
    for message in messages.into_iter().flat_map(TrackedValue::items) {
        let role = match message.look_str("role") {
            "system" | "developer" => {
                read_system(message, request);
                continue;
            }
            "tool" => {
                message.tag("role");
                let text = message.get("content").map(joined).unwrap_or_default();
                let text_of = |key| message.get(key).and_then(TrackedValue::located_text);
                let id = text_of("tool_call_id").unwrap_or_else(|| String::new().into());
                // Ollama has only a name.
                let name = text_of("tool_name").or_else(|| text_of("name"));
                let name = name.unwrap_or_else(|| String::new().into());
                let part = message.located(TurnPart::Result { id, name, text });
                request.turns.push(Turn { role: ChatRole::User, parts: vec![part] });
                continue;
            }
            "user" => ChatRole::User,
            "assistant" => ChatRole::Assistant,
            _ => continue,
        };
        let mut parts: Vec<_> =
            message.get("content").into_iter().flat_map(|c| content(c, part)).collect();
        // Ollama's images, in base64.
        for image in message.get("images").into_iter().flat_map(TrackedValue::items) {
            if let Some(data) = image.text() {
                let media = super::media_of(&data).to_owned();
                parts.push(image.located(TurnPart::Image { media, data }));
            }
        }
        let calls = message.get("tool_calls").into_iter().flat_map(TrackedValue::items);
        parts.extend(calls.filter_map(|node| node.whole(call)));
        if !parts.is_empty() {
            message.tag("role");
            request.turns.push(Turn { role, parts });
        }
    }
}

/// The parts of a content that is a text or a list.
pub(in crate::dialect) fn content<'a>(
    content: TrackedValue<'a>,
    part: fn(TrackedValue<'a>) -> Option<Located<TurnPart>>,
) -> Vec<Located<TurnPart>> {
    match content.located_text() {
        Some(text) => vec![Located { value: TurnPart::Text(text.value), at: text.at }],
        None => content.items().filter_map(|item| item.whole(part)).collect(),
    }
}

/// Reads what one side says: the `content` of a message, whose members `tags` are understood by that.
pub(in crate::dialect) fn read_turn<'a>(
    role: ChatRole,
    message: TrackedValue<'a>,
    part: fn(TrackedValue<'a>) -> Option<Located<TurnPart>>,
    tags: &[&str],
    request: &mut ChatRequest,
) {
    let parts: Vec<_> = message.get("content").into_iter().flat_map(|c| content(c, part)).collect();
    if !parts.is_empty() {
        tags.iter().for_each(|tag| message.tag(tag));
        request.turns.push(Turn { role, parts });
    }
}

/// Reads a system prompt that is among the messages.
pub(in crate::dialect) fn read_system(message: TrackedValue<'_>, request: &mut ChatRequest) {
    message.tag("role");
    if !request.turns.is_empty() {
        message.changed("a system prompt between turns is moved before them");
    }
    request.system.extend(message.get("content").into_iter().flat_map(texts));
}

fn part(node: TrackedValue<'_>) -> Option<Located<TurnPart>> {
    let value = match node.look_str("type") {
        "text" => TurnPart::Text(node.get("text")?.text()?),
        "image_url" => {
            let url = node.get("image_url")?;
            // Mistral takes the address without an object around it.
            image(&url.text().or_else(|| url.get("url")?.text())?)
        }
        _ => return None,
    };
    node.tag("type");
    Some(node.located(value))
}

/// The texts of a content that is a text or a list, each with its place.
pub(in crate::dialect) fn texts(node: TrackedValue<'_>) -> Vec<Located<String>> {
    if let Some(text) = node.located_text() {
        return vec![text];
    }
    let text = |item: TrackedValue<'_>| {
        let text = item.located_text().or_else(|| item.get("text")?.located_text())?;
        item.tag("type");
        Some(text)
    };
    node.items().filter_map(text).collect()
}

/// The same as one text.
pub(in crate::dialect) fn joined(node: TrackedValue<'_>) -> String {
    let texts: Vec<_> = texts(node).into_iter().map(|t| t.value).collect();
    texts.join("\n")
}

fn call(node: TrackedValue<'_>) -> Option<Located<TurnPart>> {
    if !matches!(node.look_str("type"), "" | "function") {
        return None;
    }
    let function = node.get("function")?;
    let name = function.get("name")?.text()?;
    node.tag("type");
    let id =
        node.get("id").and_then(TrackedValue::located_text).unwrap_or_else(|| String::new().into());
    let arguments = function.get("arguments").map_or(json!({}), arguments);
    Some(node.located(TurnPart::Call { id, name, arguments }))
}

/// Arguments, which are JSON in a string, or JSON.
pub(in crate::dialect) fn arguments(node: TrackedValue<'_>) -> Value {
    match node.take() {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        other => other.clone(),
    }
}

/// Arguments as JSON in a string.
pub(in crate::dialect) fn arguments_text(arguments: &Value) -> String {
    match arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes the list of messages.
pub(in crate::dialect) fn write_messages(request: &ChatRequest, notes: &mut Notes) -> Value {
    let mut messages: Vec<Value> =
        request.system.iter().map(|s| json!({"role": "system", "content": s.value})).collect();
    for turn in &request.turns {
        let mut content = Vec::new();
        let mut calls = Vec::new();
        for part in &turn.parts {
            match &part.value {
                TurnPart::Result { id, name, text } => {
                    note_result(id, name, notes);
                    messages
                        .push(json!({"role": "tool", "tool_call_id": id.value, "content": text}));
                }
                TurnPart::Call { id, name, arguments } => {
                    note_id(id, notes);
                    let arguments = arguments_text(arguments);
                    calls.push(json!({
                        "id": id.value,
                        "type": "function",
                        "function": {"name": name, "arguments": arguments},
                    }));
                }
                TurnPart::Text(text) => content.push(json!({"type": "text", "text": text})),
                image => {
                    let url = image_url(image);
                    content.push(json!({"type": "image_url", "image_url": {"url": url}}));
                }
            }
        }
        if content.is_empty() && calls.is_empty() {
            continue;
        }
        let role = if turn.role == ChatRole::User { "user" } else { "assistant" };
        let mut message = Map::new();
        message.insert("role".into(), json!(role));
        message.insert("content".into(), plain(content));
        if !calls.is_empty() {
            message.insert("tool_calls".into(), Value::Array(calls));
        }
        messages.push(Value::Object(message));
    }
    Value::Array(messages)
}

/// Returns a list of parts; one text alone is returned without a list, and no parts as `null`.
pub(in crate::dialect) fn plain(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => Value::Null,
        [one] if one.get("text").is_some() => one["text"].take(),
        _ => Value::Array(parts),
    }
}

/// Notes a result's id, and that its function's name is known by that.
pub(in crate::dialect) fn note_result(
    id: &Located<String>,
    name: &Located<String>,
    notes: &mut Notes,
) {
    note_id(id, notes);
    notes.elsewhere(&name.at, "the call's id identifies the function");
}

/// Notes an id that was fabricated, because there was none and there has to be one.
pub(in crate::dialect) fn note_id(id: &Located<String>, notes: &mut Notes) {
    if id.at.is_empty() {
        notes.added(&id.value, "calls and results have ids here");
    }
}

/// Reads functions, in an object of their own (`function`) or not.
pub(in crate::dialect) fn read_tools(
    tools: Option<TrackedValue<'_>>,
    schema: &str,
    request: &mut ChatRequest,
) {
    for node in tools.into_iter().flat_map(TrackedValue::items) {
        let function = node.get("function").unwrap_or(node);
        // Another `type` is one of the provider's own tools. Anthropic uses `custom` for a function.
        let kind = node.look_str("type");
        if !matches!(kind, "" | "function") && (kind, schema) != ("custom", "input_schema") {
            continue;
        }
        let Some(name) = function.get("name").and_then(TrackedValue::text) else { continue };
        node.tag("type");
        request.tools.push(ToolDefinition {
            at: node.path(),
            name,
            description: function.get("description").and_then(TrackedValue::text),
            schema: function.get(schema).map(|s| s.take().clone()),
        });
    }
}

/// A function: name, description and schema, the latter under that name.
pub(in crate::dialect) fn function(tool: &ToolDefinition, schema: &str) -> Map<String, Value> {
    let mut function = Map::new();
    function.insert("name".into(), json!(tool.name));
    if let Some(description) = &tool.description {
        function.insert("description".into(), json!(description));
    }
    if let Some(parameters) = &tool.schema {
        function.insert(schema.into(), parameters.clone());
    }
    function
}

/// Writes functions, each in an object of its own.
pub(in crate::dialect) fn write_tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    let tool = |t| json!({"type": "function", "function": function(t, "parameters")});
    let tools: Vec<_> = request.tools.iter().map(tool).collect();
    if !tools.is_empty() {
        body.insert("tools".into(), Value::Array(tools));
    }
}

/// Writes functions without an object around what is said of them.
pub(in crate::dialect) fn write_flat_tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    let tool = |tool| {
        let mut flat = Map::new();
        flat.insert("type".into(), json!("function"));
        flat.append(&mut function(tool, "parameters"));
        Value::Object(flat)
    };
    let tools: Vec<_> = request.tools.iter().map(tool).collect();
    if !tools.is_empty() {
        body.insert("tools".into(), Value::Array(tools));
    }
}

/// Reads `tool_choice`: a word, or an object with a function's name.
pub(in crate::dialect) fn read_choice(choice: Option<TrackedValue<'_>>, request: &mut ChatRequest) {
    let Some(choice) = choice else { return };
    let value = match choice.look() {
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            _ => return,
        },
        _ => {
            let name = choice.at(&["function", "name"]).or_else(|| choice.get("name"));
            let Some(name) = name.and_then(TrackedValue::text) else { return };
            choice.tag("type");
            ToolChoice::Tool(name)
        }
    };
    if choice.look().is_string() {
        choice.take();
    }
    request.choice = Some(choice.located(value));
}

/// The word for a choice that is none of a certain function; `required` as the dialect has it.
pub(in crate::dialect) fn choice_word(choice: &ToolChoice, required: &'static str) -> &'static str {
    match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Required | ToolChoice::Tool(_) => required,
    }
}

/// Writes `tool_choice`, with a function's name in an object of its own.
pub(in crate::dialect) fn write_choice(
    request: &ChatRequest,
    required: &'static str,
    body: &mut Map<String, Value>,
) {
    let Some(choice) = &request.choice else { return };
    let value = match &choice.value {
        ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        other => json!(choice_word(other, required)),
    };
    body.insert("tool_choice".into(), value);
}

/// Reads `stream` and, where it is, `stream_options.include_usage`.
pub(in crate::dialect) fn read_stream(body: TrackedValue<'_>, request: &mut ChatRequest) {
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage =
        body.at(&["stream_options", "include_usage"]).and_then(TrackedValue::located_bool);
}

/// Writes both.
pub(in crate::dialect) fn write_stream(
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    super::write_stream(request, body, notes);
    if let Some(usage) = &request.usage {
        if usage.at.is_empty() {
            let why = "otherwise no usage is sent";
            notes.added("stream_options.include_usage", why);
        }
        body.insert("stream_options".into(), json!({"include_usage": usage.value}));
    }
}
