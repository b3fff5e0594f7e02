//! The common parts of the requests of several dialects.

use serde_json::{Map, Value, json};

use super::{ChatRequest, ChatRole, Effort, Located, Notes, Numbers, TrackedValue, Turn, TurnPart};

/// Puts a value at a path of members.
pub(in crate::dialect) fn put(body: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [key] => {
            body.insert((*key).to_owned(), value);
        }
        [key, rest @ ..] => {
            let inner = body.entry(*key).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

/// Reads the model, and the numbers where a dialect has them.
pub(in crate::dialect) fn read_common(
    body: TrackedValue<'_>,
    numbers: Numbers,
    request: &mut ChatRequest,
) {
    request.model = body.get("model").and_then(TrackedValue::located_text);
    for (param, path) in numbers {
        if !request.numbers.contains_key(param)
            && let Some(number) = body.at(path).and_then(TrackedValue::located_number)
        {
            request.numbers.insert(*param, number);
        }
    }
}

/// Writes the numbers where a dialect has them.
pub(in crate::dialect) fn write_numbers(
    request: &ChatRequest,
    numbers: Numbers,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    for (param, number) in &request.numbers {
        match numbers.iter().find(|(known, _)| known == param) {
            Some((_, path)) => put(body, path, Value::Number(number.value.clone())),
            None => notes.lost(&number.at, "there is no such parameter"),
        }
    }
}

/// Takes members that other dialects have by the same name and in the same shape.
pub(in crate::dialect) fn read_same(
    body: TrackedValue<'_>,
    keys: &'static [&'static str],
    request: &mut ChatRequest,
) {
    for key in keys {
        if let Some(node) = body.get(key).filter(|n| !n.look().is_null()) {
            request.same.push((key, node.located(node.take().clone())));
        }
    }
}

/// Writes those of them that this dialect has; the others are noted by whoever asked to write.
pub(in crate::dialect) fn write_same(
    request: &ChatRequest,
    keys: &[&str],
    body: &mut Map<String, Value>,
) {
    for (key, value) in request.same.iter().filter(|(key, _)| keys.contains(key)) {
        body.insert((*key).to_owned(), value.value.clone());
    }
}

/// Reads the texts at which to stop: one, or a list.
pub(in crate::dialect) fn read_stop(stop: Option<TrackedValue<'_>>, request: &mut ChatRequest) {
    let Some(stop) = stop else { return };
    request.stop.extend(stop.located_text());
    request.stop.extend(stop.items().filter_map(TrackedValue::located_text));
}

/// Writes them as a list.
pub(in crate::dialect) fn write_stop(
    request: &ChatRequest,
    path: &[&str],
    body: &mut Map<String, Value>,
) {
    if !request.stop.is_empty() {
        let list = request.stop.iter().map(|s| json!(s.value)).collect();
        put(body, path, Value::Array(list));
    }
}

/// Writes the system prompts as one text.
pub(in crate::dialect) fn write_system(
    request: &ChatRequest,
    key: &str,
    body: &mut Map<String, Value>,
) {
    if !request.system.is_empty() {
        let texts: Vec<_> = request.system.iter().map(|s| s.value.as_str()).collect();
        body.insert(key.to_owned(), json!(texts.join("\n\n")));
    }
}

/// Writes the model into the body.
pub(in crate::dialect) fn write_model(
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    let model = request.model.as_ref();
    if model.is_none_or(|m| m.at.is_empty()) {
        notes.added("model", "the body named none");
    }
    body.insert("model".into(), json!(model.map_or("", |m| &m.value)));
}

/// Writes `stream` into the body.
pub(in crate::dialect) fn write_stream(
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    if let Some(stream) = &request.stream {
        if stream.at.is_empty() {
            notes.added("stream", "it went without saying before");
        }
        body.insert("stream".into(), json!(stream.value));
    }
}

/// Notes for a dialect whose address names the model and says that it streams.
pub(in crate::dialect) fn in_address(request: &ChatRequest, notes: &mut Notes) {
    if let Some(model) = &request.model {
        notes.elsewhere(&model.at, "the address names the model");
    }
    match &request.stream {
        Some(stream) if stream.value => {
            notes.elsewhere(&stream.at, "the address says that it streams");
        }
        Some(stream) => notes.changed(&stream.at, "its address always streams"),
        None => notes.added("stream", "its address always streams"),
    }
}

/// Adds notes for a dialect whose streams always report their usage.
pub(in crate::dialect) fn usage_always(request: &ChatRequest, notes: &mut Notes) {
    match &request.usage {
        Some(usage) if usage.value => notes.elsewhere(&usage.at, "usage is always sent"),
        Some(usage) => notes.changed(&usage.at, "usage is always sent"),
        None => {}
    }
}

/// Reads an effort that is a word.
pub(in crate::dialect) fn read_effort_word(
    effort: Option<TrackedValue<'_>>,
    request: &mut ChatRequest,
) {
    let word = effort.and_then(TrackedValue::located_text);
    request.effort = word.map(|word| Located { value: Effort::of_word(&word.value), at: word.at });
}

/// Writes an effort as one of the words that a dialect knows.
pub(in crate::dialect) fn write_effort_word(
    request: &ChatRequest,
    known: &[&'static str],
    path: &[&str],
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    let Some(effort) = &request.effort else { return };
    let word = effort.value.word(known);
    if Effort::of_word(word) != effort.value {
        notes.changed(&effort.at, format!("{word:?} is the nearest there is"));
    }
    put(body, path, json!(word));
}

/// Returns the whole conversation as one text, where there are no roles. A system prompt can only precede the
/// rest. A word before each text says who speaks, once there is more than one turn.
pub(in crate::dialect) fn joined_prompt(request: &ChatRequest, notes: &mut Notes) -> String {
    let mut pieces = Vec::new();
    for system in &request.system {
        notes.changed(&system.at, "moved before the prompt");
        pieces.push(system.value.clone());
    }
    let alone = request.turns.len() == 1;
    for turn in &request.turns {
        let who = if turn.role == ChatRole::User { "User" } else { "Assistant" };
        let mut texts = Vec::new();
        for part in &turn.parts {
            match &part.value {
                TurnPart::Text(text) => {
                    if !alone {
                        notes.changed(&part.at, format!("a paragraph of the prompt, \"{who}: …\""));
                    }
                    texts.push(text.as_str());
                }
                TurnPart::Call { .. } | TurnPart::Result { .. } => {
                    notes.lost(&part.at, "there are no functions to call");
                }
                _ => notes.lost(&part.at, "a prompt is only text"),
            }
        }
        let text = texts.join("\n");
        match (alone, text.is_empty()) {
            (_, true) => {}
            (true, _) => pieces.push(text),
            (false, _) => pieces.push(format!("{who}: {text}")),
        }
    }
    pieces.join("\n\n")
}

/// A turn's text, where nothing else can be said.
pub(in crate::dialect) fn only_text(turn: &Turn, notes: &mut Notes) -> String {
    let mut texts = Vec::new();
    for part in &turn.parts {
        match &part.value {
            TurnPart::Text(text) => texts.push(text.as_str()),
            TurnPart::Call { .. } | TurnPart::Result { .. } => {
                notes.lost(&part.at, "there are no functions to call");
            }
            _ => notes.lost(&part.at, "a message is only text"),
        }
    }
    texts.join("\n")
}

/// Notes that there are no functions.
pub(in crate::dialect) fn lose_tools(request: &ChatRequest, notes: &mut Notes) {
    for tool in &request.tools {
        notes.lost(&tool.at, "there are no functions to call");
    }
    if let Some(choice) = &request.choice {
        notes.lost(&choice.at, "there are no functions to call");
    }
}

/// Arguments as a JSON object; those that are none are put in one.
pub(in crate::dialect) fn arguments_object(
    arguments: &Value,
    at: &str,
    notes: &mut Notes,
) -> Value {
    match arguments {
        Value::Object(_) => arguments.clone(),
        Value::String(text) if text.is_empty() => json!({}),
        other => {
            notes.changed(at, "arguments must be an object here: they are its member \"value\"");
            json!({"value": other})
        }
    }
}

/// Returns the media type that the first characters of base64 indicate; PNG when they indicate none.
pub(in crate::dialect) fn media_of(data: &str) -> &'static str {
    const BEGINNINGS: &[(&str, &str)] =
        &[("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklG", "image/webp")];
    let known = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning));
    known.map_or("image/png", |(_, media)| media)
}

/// An image as its address or, in a `data:` address, itself.
pub(in crate::dialect) fn image(url: &str) -> TurnPart {
    let inside = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inside {
        Some((media, data)) => TurnPart::Image { media: media.to_owned(), data: data.to_owned() },
        None => TurnPart::ImageUrl(url.to_owned()),
    }
}

/// An image's address, a `data:` one for the image itself.
pub(in crate::dialect) fn image_url(part: &TurnPart) -> Option<String> {
    match part {
        TurnPart::ImageUrl(url) => Some(url.clone()),
        TurnPart::Image { media, data } => Some(format!("data:{media};base64,{data}")),
        _ => None,
    }
}

/// Reads a text as what the user says.
pub(in crate::dialect) fn read_prompt(text: Option<TrackedValue<'_>>, request: &mut ChatRequest) {
    if let Some(text) = text.and_then(TrackedValue::located_text) {
        request.push(ChatRole::User, Located { value: TurnPart::Text(text.value), at: text.at });
    }
}

/// Notes that there is no thinking.
pub(in crate::dialect) fn lose_effort(request: &ChatRequest, notes: &mut Notes) {
    if let Some(effort) = &request.effort {
        notes.lost(&effort.at, "there is no thinking");
    }
}
