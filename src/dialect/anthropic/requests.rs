//! Requests of the Messages API, read and written.

use serde_json::{Map, Value as Json, json};

use super::super::request::{
    ChatRequest, ChatRole, Effort, Located, Notes, Numbers, Param, ToolChoice, ToolDefinition,
    TrackedValue, TurnPart, arguments_object, chat, put, read_common, read_stop, usage_always,
    write_model, write_numbers, write_stop, write_stream,
};

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
    (Param::TopK, &["top_k"]),
];

/// `max_tokens` where none is asked for: it must be there.
const MAX_TOKENS: u64 = 1024;

/// The smallest budget that thinking may have.
const LEAST_BUDGET: u64 = 1024;

/// Reads a body of the Messages API.
pub(in super::super) fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    request.system.extend(body.get("system").into_iter().flat_map(chat::texts));
    for message in body.get("messages").into_iter().flat_map(TrackedValue::items) {
        let role = match message.look_str("role") {
            "user" => ChatRole::User,
            "assistant" => ChatRole::Assistant,
            _ => continue,
        };
        chat::read_turn(role, message, read_part, &["role"], &mut request);
    }
    chat::read_tools(body.get("tools"), "input_schema", &mut request);
    if let Some(choice) = body.get("tool_choice") {
        let value = match choice.look_str("type") {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "any" => Some(ToolChoice::Required),
            "tool" => choice.get("name").and_then(TrackedValue::text).map(ToolChoice::Tool),
            _ => None,
        };
        if let Some(value) = value {
            choice.tag("type");
            request.choice = Some(choice.located(value));
        }
    }
    read_stop(body.get("stop_sequences"), &mut request);
    request.effort = read_effort(body);
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    request
}

fn read_part(node: TrackedValue<'_>) -> Option<Located<TurnPart>> {
    let value = match node.look_str("type") {
        "text" => TurnPart::Text(node.get("text")?.text()?),
        "image" => {
            let source = node.get("source")?;
            let value = match source.look_str("type") {
                "url" => TurnPart::ImageUrl(source.get("url")?.text()?),
                "base64" => TurnPart::Image {
                    media: source.get("media_type")?.text()?,
                    data: source.get("data")?.text()?,
                },
                _ => return None,
            };
            source.tag("type");
            value
        }
        "tool_use" => TurnPart::Call {
            id: node.get("id")?.located_text()?,
            name: node.get("name")?.text()?,
            arguments: node.get("input").map_or(json!({}), |i| i.take().clone()),
        },
        "tool_result" => TurnPart::Result {
            id: node.get("tool_use_id")?.located_text()?,
            name: String::new().into(),
            text: node.get("content").map(chat::joined).unwrap_or_default(),
        },
        _ => return None,
    };
    node.tag("type");
    Some(node.located(value))
}

/// An effort's word goes before `thinking`, which beside it only says that there is any.
fn read_effort(body: TrackedValue<'_>) -> Option<Located<Effort>> {
    let thinking = body.get("thinking");
    let kind = thinking.map(|t| t.look_str("type")).unwrap_or_default();
    if let Some(word) = body.at(&["output_config", "effort"]).and_then(TrackedValue::located_text) {
        if let Some(thinking) = thinking.filter(|_| kind == "adaptive") {
            thinking.tag("type");
        }
        return Some(Located { value: Effort::of_word(&word.value), at: word.at });
    }
    let thinking = thinking?;
    let (node, value) = match kind {
        "enabled" => {
            let budget = thinking.get("budget_tokens")?;
            let tokens = budget.look().as_i64()?;
            budget.take();
            (budget, Effort::of_tokens(tokens))
        }
        "adaptive" => (thinking, Effort::Auto),
        "disabled" => (thinking, Effort::Off),
        _ => return None,
    };
    thinking.tag("type");
    Some(node.located(value))
}

/// Writes a body of the Messages API.
pub(in super::super) fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    write_rest(request, &mut body, notes);
    write_stream(request, &mut body, notes);
    body
}

/// Writes all but the model and `stream`.
pub(in super::super) fn write_rest(
    request: &ChatRequest,
    body: &mut Map<String, Json>,
    notes: &mut Notes,
) {
    body.insert("max_tokens".into(), json!(MAX_TOKENS));
    match request.system.as_slice() {
        [] => {}
        [one] => put(body, &["system"], json!(one.value)),
        several => {
            let blocks = several.iter().map(|s| json!({"type": "text", "text": s.value}));
            put(body, &["system"], blocks.collect());
        }
    }
    body.insert("messages".into(), messages(request, notes));
    let tools: Vec<_> = request.tools.iter().map(tool).collect();
    if !tools.is_empty() {
        body.insert("tools".into(), tools.into());
    }
    if let Some(choice) = &request.choice {
        let choice = match &choice.value {
            ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
            other => json!({"type": chat::choice_word(other, "any")}),
        };
        body.insert("tool_choice".into(), choice);
    }
    write_numbers(request, NUMBERS, body, notes);
    write_stop(request, &["stop_sequences"], body);
    let budget = write_thinking(request, body, notes);
    max_tokens(request, budget, body, notes);
    usage_always(request, notes);
}

/// `max_tokens` must be there, and more than the thinking that counts into it.
fn max_tokens(request: &ChatRequest, budget: u64, body: &mut Map<String, Json>, notes: &mut Notes) {
    let asked = request.numbers.get(&Param::MaxTokens);
    let Some(asked) = asked else {
        notes.added("max_tokens", "it must be there");
        body.insert("max_tokens".into(), json!(MAX_TOKENS.saturating_add(budget)));
        return;
    };
    if let Some(tokens) = asked.value.as_u64().filter(|tokens| *tokens <= budget) {
        let more = tokens.saturating_add(budget);
        notes.changed(&asked.at, format!("{more}: it must be more than thinking's budget"));
        body.insert("max_tokens".into(), json!(more));
    }
}

/// Writes `thinking`; returns its budget.
fn write_thinking(request: &ChatRequest, body: &mut Map<String, Json>, notes: &mut Notes) -> u64 {
    let Some(effort) = &request.effort else { return 0 };
    let temperature = request.numbers.get(&Param::Temperature);
    match (effort.value.tokens(), temperature) {
        (Some(0), _) => {}
        (_, Some(temperature)) if temperature.value.as_f64() != Some(1.0) => {
            notes.lost(&temperature.at, "none may be set beside thinking");
            body.shift_remove("temperature");
        }
        _ => {}
    }
    let (thinking, budget) = match effort.value.tokens() {
        Some(0) => (json!({"type": "disabled"}), 0),
        Some(tokens) => {
            let budget = tokens.max(LEAST_BUDGET);
            if effort.value != Effort::Tokens(budget) {
                notes.changed(&effort.at, format!("a budget of {budget} tokens replaces it"));
            }
            (json!({"type": "enabled", "budget_tokens": budget}), budget)
        }
        None => (json!({"type": "adaptive"}), 0),
    };
    body.insert("thinking".into(), thinking);
    budget
}

fn tool(tool: &ToolDefinition) -> Json {
    let mut function = chat::function(tool, "input_schema");
    function.entry("input_schema").or_insert_with(|| json!({"type": "object"}));
    function.into()
}

/// The sides take turns, and results are the user's, before what else he says.
fn messages(request: &ChatRequest, notes: &mut Notes) -> Json {
    let mut messages = Vec::new();
    for turn in request.alternating() {
        let mut results = Vec::new();
        let mut blocks = Vec::new();
        for part in &turn.parts {
            match &part.value {
                TurnPart::Text(text) => blocks.push(json!({"type": "text", "text": text})),
                TurnPart::ImageUrl(url) => {
                    let source = json!({"type": "url", "url": url});
                    blocks.push(json!({"type": "image", "source": source}));
                }
                TurnPart::Image { media, data } => {
                    let source = json!({"type": "base64", "media_type": media, "data": data});
                    blocks.push(json!({"type": "image", "source": source}));
                }
                TurnPart::Call { id, name, arguments } => {
                    chat::note_id(id, notes);
                    let input = arguments_object(arguments, &part.at, notes);
                    blocks.push(
                        json!({"type": "tool_use", "id": id.value, "name": name, "input": input}),
                    );
                }
                TurnPart::Result { id, name, text } => {
                    chat::note_result(id, name, notes);
                    results.push(
                        json!({"type": "tool_result", "tool_use_id": id.value, "content": text}),
                    );
                }
            }
        }
        let role = if turn.role == ChatRole::User { "user" } else { "assistant" };
        results.append(&mut blocks);
        let content = match results.as_slice() {
            [one] if one.get("text").is_some() => one["text"].clone(),
            _ => results.into(),
        };
        messages.push(json!({"role": role, "content": content}));
    }
    messages.into()
}
