//! What the requests of several dialects have alike.

use serde_json::{Map, Value, json};

use super::{Ask, Effort, Node, Notes, Numbers, Part, Role, Said, Turn};

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
pub(in crate::dialect) fn read_common(body: Node<'_>, numbers: Numbers, ask: &mut Ask) {
    ask.model = body.get("model").and_then(Node::said_text);
    for (param, path) in numbers {
        if !ask.numbers.contains_key(param)
            && let Some(number) = body.at(path).and_then(Node::said_number)
        {
            ask.numbers.insert(*param, number);
        }
    }
}

/// Writes the numbers where a dialect has them.
pub(in crate::dialect) fn write_numbers(
    ask: &Ask,
    numbers: Numbers,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    for (param, number) in &ask.numbers {
        match numbers.iter().find(|(known, _)| known == param) {
            Some((_, path)) => put(body, path, Value::Number(number.what.clone())),
            None => notes.lost(&number.at, "there is no such parameter"),
        }
    }
}

/// Takes members that other dialects have by the same name and in the same shape.
pub(in crate::dialect) fn read_same(body: Node<'_>, keys: &'static [&'static str], ask: &mut Ask) {
    for key in keys {
        if let Some(node) = body.get(key).filter(|n| !n.look().is_null()) {
            ask.same.push((key, node.said(node.take().clone())));
        }
    }
}

/// Writes those of them that this dialect has; the others are noted by whoever asked to write.
pub(in crate::dialect) fn write_same(ask: &Ask, keys: &[&str], body: &mut Map<String, Value>) {
    for (key, value) in ask.same.iter().filter(|(key, _)| keys.contains(key)) {
        body.insert((*key).to_owned(), value.what.clone());
    }
}

/// Reads the texts at which to stop: one, or a list.
pub(in crate::dialect) fn read_stop(stop: Option<Node<'_>>, ask: &mut Ask) {
    let Some(stop) = stop else { return };
    ask.stop.extend(stop.said_text());
    ask.stop.extend(stop.items().filter_map(Node::said_text));
}

/// Writes them as a list.
pub(in crate::dialect) fn write_stop(ask: &Ask, path: &[&str], body: &mut Map<String, Value>) {
    if !ask.stop.is_empty() {
        let list = ask.stop.iter().map(|s| json!(s.what)).collect();
        put(body, path, Value::Array(list));
    }
}

/// Writes the system prompts as one text.
pub(in crate::dialect) fn write_system(ask: &Ask, key: &str, body: &mut Map<String, Value>) {
    if !ask.system.is_empty() {
        let texts: Vec<_> = ask.system.iter().map(|s| s.what.as_str()).collect();
        body.insert(key.to_owned(), json!(texts.join("\n\n")));
    }
}

/// Writes the model into the body.
pub(in crate::dialect) fn write_model(ask: &Ask, body: &mut Map<String, Value>, notes: &mut Notes) {
    let model = ask.model.as_ref();
    if model.is_none_or(|m| m.at.is_empty()) {
        notes.added("model", "the body named none");
    }
    body.insert("model".into(), json!(model.map_or("", |m| &m.what)));
}

/// Writes `stream` into the body.
pub(in crate::dialect) fn write_stream(
    ask: &Ask,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    if let Some(stream) = &ask.stream {
        if stream.at.is_empty() {
            notes.added("stream", "it went without saying before");
        }
        body.insert("stream".into(), json!(stream.what));
    }
}

/// Notes for a dialect whose address names the model and says that it streams.
pub(in crate::dialect) fn in_address(ask: &Ask, notes: &mut Notes) {
    if let Some(model) = &ask.model {
        notes.elsewhere(&model.at, "the address names the model");
    }
    match &ask.stream {
        Some(stream) if stream.what => {
            notes.elsewhere(&stream.at, "the address says that it streams");
        }
        Some(stream) => notes.changed(&stream.at, "its address always streams"),
        None => notes.added("stream", "its address always streams"),
    }
}

/// Notes for a dialect whose streams always tell their usage.
pub(in crate::dialect) fn usage_always(ask: &Ask, notes: &mut Notes) {
    match &ask.usage {
        Some(usage) if usage.what => notes.elsewhere(&usage.at, "usage always comes"),
        Some(usage) => notes.changed(&usage.at, "usage always comes"),
        None => {}
    }
}

/// Reads an effort that is a word.
pub(in crate::dialect) fn read_effort_word(effort: Option<Node<'_>>, ask: &mut Ask) {
    let word = effort.and_then(Node::said_text);
    ask.effort = word.map(|word| Said { what: Effort::of_word(&word.what), at: word.at });
}

/// Writes an effort as one of the words that a dialect knows.
pub(in crate::dialect) fn write_effort_word(
    ask: &Ask,
    known: &[&'static str],
    path: &[&str],
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    let Some(effort) = &ask.effort else { return };
    let word = effort.what.word(known);
    if Effort::of_word(word) != effort.what {
        notes.changed(&effort.at, format!("{word:?} is the nearest there is"));
    }
    put(body, path, json!(word));
}

/// The whole conversation as one text, where there are no roles: a system prompt can only stand before the rest, and who says what is told
/// by a word before it, once more than the user has spoken.
pub(in crate::dialect) fn joined_prompt(ask: &Ask, notes: &mut Notes) -> String {
    let mut pieces = Vec::new();
    for system in &ask.system {
        notes.changed(&system.at, "stands before the prompt");
        pieces.push(system.what.clone());
    }
    let alone = ask.turns.len() == 1;
    for turn in &ask.turns {
        let who = if turn.role == Role::User { "User" } else { "Assistant" };
        let mut texts = Vec::new();
        for part in &turn.parts {
            match &part.what {
                Part::Text(text) => {
                    if !alone {
                        notes.changed(&part.at, format!("a paragraph of the prompt, \"{who}: …\""));
                    }
                    texts.push(text.as_str());
                }
                Part::Call { .. } | Part::Result { .. } => {
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
        match &part.what {
            Part::Text(text) => texts.push(text.as_str()),
            Part::Call { .. } | Part::Result { .. } => {
                notes.lost(&part.at, "there are no functions to call");
            }
            _ => notes.lost(&part.at, "a message is only text"),
        }
    }
    texts.join("\n")
}

/// Notes that there are no functions.
pub(in crate::dialect) fn lose_tools(ask: &Ask, notes: &mut Notes) {
    for tool in &ask.tools {
        notes.lost(&tool.at, "there are no functions to call");
    }
    if let Some(choice) = &ask.choice {
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

/// The media type that the first characters of base64 tell; PNG when they tell none.
pub(in crate::dialect) fn media_of(data: &str) -> &'static str {
    const BEGINNINGS: &[(&str, &str)] =
        &[("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklG", "image/webp")];
    let known = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning));
    known.map_or("image/png", |(_, media)| media)
}

/// An image as its address or, in a `data:` address, itself.
pub(in crate::dialect) fn image(url: &str) -> Part {
    let inside = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inside {
        Some((media, data)) => Part::Image { media: media.to_owned(), data: data.to_owned() },
        None => Part::ImageUrl(url.to_owned()),
    }
}

/// An image's address, a `data:` one for the image itself.
pub(in crate::dialect) fn image_url(part: &Part) -> Option<String> {
    match part {
        Part::ImageUrl(url) => Some(url.clone()),
        Part::Image { media, data } => Some(format!("data:{media};base64,{data}")),
        _ => None,
    }
}

/// Reads a text as what the user says.
pub(in crate::dialect) fn read_prompt(text: Option<Node<'_>>, ask: &mut Ask) {
    if let Some(text) = text.and_then(Node::said_text) {
        ask.push(Role::User, Said { what: Part::Text(text.what), at: text.at });
    }
}

/// Notes that there is no thinking.
pub(in crate::dialect) fn lose_effort(ask: &Ask, notes: &mut Notes) {
    if let Some(effort) = &ask.effort {
        notes.lost(&effort.at, "there is no thinking");
    }
}
