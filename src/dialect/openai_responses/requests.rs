//! Requests of the Responses API, read and written.

use serde_json::{Map, Value as Json, json};

use super::super::request::{
    ChatRequest, ChatRole, Located, Notes, Numbers, Param, ToolChoice, TrackedValue, TurnPart,
    chat, image, image_url, read_common, read_effort_word, read_prompt, read_same, usage_always,
    write_effort_word, write_model, write_numbers, write_same, write_stream, write_system,
};

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_output_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
];

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

/// Members as Chat Completions has them, too.
const SAME: &[&str] =
    &["parallel_tool_calls", "metadata", "store", "user", "safety_identifier", "prompt_cache_key"];

pub(super) fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    request.system.extend(body.get("instructions").and_then(TrackedValue::located_text));
    if let Some(input) = body.get("input") {
        read_prompt(Some(input), &mut request);
        input.items().for_each(|item| read_item(item, &mut request));
    }
    chat::read_tools(body.get("tools"), "parameters", &mut request);
    chat::read_choice(body.get("tool_choice"), &mut request);
    read_effort_word(body.at(&["reasoning", "effort"]), &mut request);
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    read_same(body, SAME, &mut request);
    request
}

fn read_item(item: TrackedValue<'_>, request: &mut ChatRequest) {
    let text = |key| item.get(key).and_then(TrackedValue::located_text);
    let role = match (item.look_str("type"), item.look_str("role")) {
        ("function_call", _) => {
            let Some(name) = text("name") else { return };
            item.tag("type");
            let id = text("call_id").unwrap_or_else(|| String::new().into());
            let arguments = item.get("arguments").map_or(json!({}), chat::arguments);
            request.push(
                ChatRole::Assistant,
                item.located(TurnPart::Call { id, name: name.value, arguments }),
            );
            return;
        }
        ("function_call_output", _) => {
            item.tag("type");
            let id = text("call_id").unwrap_or_else(|| String::new().into());
            let text = item.get("output").map(chat::joined).unwrap_or_default();
            let name = String::new().into();
            request.push(ChatRole::User, item.located(TurnPart::Result { id, name, text }));
            return;
        }
        ("" | "message", "system" | "developer") => {
            item.tag("type");
            chat::read_system(item, request);
            return;
        }
        ("" | "message", "user") => ChatRole::User,
        ("" | "message", "assistant") => ChatRole::Assistant,
        _ => return,
    };
    chat::read_turn(role, item, read_part, &["type", "role"], request);
}

fn read_part(node: TrackedValue<'_>) -> Option<Located<TurnPart>> {
    let value = match node.look_str("type") {
        "input_text" | "output_text" => TurnPart::Text(node.get("text")?.text()?),
        "input_image" => image(&node.get("image_url")?.text()?),
        _ => return None,
    };
    node.tag("type");
    Some(node.located(value))
}

pub(super) fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    write_system(request, "instructions", &mut body);
    body.insert("input".into(), input(request, notes));
    chat::write_flat_tools(request, &mut body);
    if let Some(choice) = &request.choice {
        let choice = match &choice.value {
            ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
            other => json!(chat::choice_word(other, "required")),
        };
        body.insert("tool_choice".into(), choice);
    }
    write_numbers(request, NUMBERS, &mut body, notes);
    for stop in &request.stop {
        notes.lost(&stop.at, "there are no texts to stop at");
    }
    write_effort_word(request, EFFORTS, &["reasoning", "effort"], &mut body, notes);
    write_stream(request, &mut body, notes);
    usage_always(request, notes);
    write_same(request, SAME, &mut body);
    body
}

/// Calls and results are items beside the messages; so a turn may be several.
fn input(request: &ChatRequest, notes: &mut Notes) -> Json {
    let mut items = Vec::new();
    for turn in &request.turns {
        let (role, kind) = match turn.role {
            ChatRole::User => ("user", "input_text"),
            ChatRole::Assistant => ("assistant", "output_text"),
        };
        let mut content = Vec::new();
        let mut others = Vec::new();
        for part in &turn.parts {
            match &part.value {
                TurnPart::Text(text) => content.push(json!({"type": kind, "text": text})),
                TurnPart::Call { id, name, arguments } => {
                    chat::note_id(id, notes);
                    others.push(json!({
                        "type": "function_call",
                        "call_id": id.value,
                        "name": name,
                        "arguments": chat::arguments_text(arguments),
                    }));
                }
                TurnPart::Result { id, name, text } => {
                    chat::note_result(id, name, notes);
                    items.push(json!({
                        "type": "function_call_output",
                        "call_id": id.value,
                        "output": text,
                    }));
                }
                image => {
                    content.push(json!({"type": "input_image", "image_url": image_url(image)}));
                }
            }
        }
        if !content.is_empty() {
            items.push(json!({"role": role, "content": chat::plain(content)}));
        }
        items.append(&mut others);
    }
    items.into()
}
