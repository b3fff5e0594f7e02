//! Anthropic Messages: which events the SDKs pass on, what a loop over them takes, and the blocks
//! that both helpers build.

use super::client::Family;
use super::sdk::{Final, Gate};
use super::value::text;
use super::value::{compact, python};
use super::{ClientRun, ClientToolCall, calls};
use crate::json::{ErrorKind, Kind, Tape, Value};

/// Anthropic's gate: the event's name decides.
pub(super) const GATE: Gate = Gate { admits, is_error: |_, _| false };

/// Returns whether an event is read further. One without a name is skipped.
fn admits(run: &mut ClientRun, event: &str, data: &str) -> bool {
    match event {
        "" => {
            run.notes.nameless += 1;
            false
        }
        "ping" => false,
        "error" => {
            let mut tape = Tape::new();
            let json = tape.parse(data).ok().and_then(|()| tape.root(data));
            if run.client.family == Family::AnthropicNode {
                run.raise("APIError", json.map_or_else(|| format!("{data:?}"), compact));
                return false;
            }
            let words = json.map_or_else(|| data.to_owned(), python);
            let words = if words.is_empty() { "Error code: 200".into() } else { words };
            run.raise("APIStatusError", words);
            false
        }
        _ => !data.is_empty(),
    }
}

/// Adds what a careful loop over the plain iteration reads from an event.
pub(super) fn deliver(run: &mut ClientRun, event: Value<'_>) {
    run.given.chunks += 1;
    let given = &mut run.given;
    let index = event.get("index").and_then(Value::as_u64);
    let delta = event.get("delta");
    match event.str("type").as_deref() {
        Some("message_start") => filled(given, event.get("message")),
        Some("content_block_start") => {
            let Some(block) = event.get("content_block") else { return };
            add_texts(given, block);
            if text(Some(block), "type").is_some_and(|kind| is_call(&kind)) {
                let tool = calls::at(run, 0, index);
                tool.name =
                    tool.name.take().or(text(Some(block), "name")).filter(|n| !n.is_empty());
                let input = block.get("input").filter(|i| !i.is_null() && !i.is_empty());
                tool.arguments.push_str(input.map_or("", |i| i.source()));
            }
        }
        Some("content_block_delta") => {
            let Some(delta) = delta else { return };
            add_texts(given, delta);
            if delta.str("type").is_some_and(|kind| kind == "input_json_delta") {
                let piece = delta.str("partial_json").unwrap_or_default();
                calls::at(run, 0, index).arguments.push_str(&piece);
            }
        }
        Some("message_delta") => {
            if let Some(reason) = delta.and_then(|d| d.str("stop_reason")).filter(|r| !r.is_empty())
            {
                given.finish.insert(0, reason.into_owned());
            }
        }
        _ => {}
    }
}

/// Adds what is in the message from its start: all of it, where a program called the tools.
fn filled(given: &mut super::Given, message: Option<Value<'_>>) {
    let blocks = message.and_then(|m| m.get("content"));
    for block in blocks.into_iter().flat_map(Value::items) {
        add_texts(given, block);
        if text(Some(block), "type").is_some_and(|kind| is_call(&kind)) {
            let input = block.get("input").filter(|input| !input.is_null());
            given.tools.push(ClientToolCall {
                name: text(Some(block), "name").filter(|name| !name.is_empty()),
                arguments: input.map_or("", |input| input.source()).to_owned(),
                ..ClientToolCall::default()
            });
        }
    }
    let reason = message.and_then(|m| m.str("stop_reason")).filter(|r| !r.is_empty());
    if let Some(reason) = reason {
        given.finish.insert(0, reason.into_owned());
    }
}

fn add_texts(given: &mut super::Given, from: Value<'_>) {
    for (channel, name) in [(&mut given.content, "text"), (&mut given.reasoning, "thinking")] {
        if let Some(text) = from.str(name).filter(|text| !text.is_empty()) {
            channel.entry(0).or_default().push_str(&text);
        }
    }
}

/// Returns whether a block of this kind is a call, whoever runs it.
pub(super) fn is_call(kind: &str) -> bool {
    kind.ends_with("tool_use")
}

/// A block of content, as far as views compare it.
#[derive(Debug, Clone, Default)]
pub(super) struct MessageBlock {
    pub(super) kind: String,
    /// Its text or thought; `None` where the field is not there.
    pub(super) text: Option<String>,
    pub(super) name: Option<String>,
    /// The input as it was at the start.
    pub(super) input: Option<String>,
    /// The pieces of the input, joined.
    pub(super) pieces: String,
}

impl MessageBlock {
    pub(super) fn of(block: Value<'_>) -> Self {
        let kind = text(Some(block), "type").unwrap_or_default();
        let name = if kind == "thinking" { "thinking" } else { "text" };
        Self {
            text: text(Some(block), name),
            name: text(Some(block), "name"),
            input: block.get("input").filter(|i| !i.is_null()).map(|i| i.source().to_owned()),
            pieces: String::new(),
            kind,
        }
    }

    /// The blocks that a message brings along; `None` where it has no list of them.
    pub(super) fn all(message: Value<'_>) -> Option<Vec<Self>> {
        let content = message.get("content").filter(|c| c.kind() == Kind::Array)?;
        Some(content.items().map(Self::of).collect())
    }

    /// Returns whether the helpers join its pieces.
    pub(super) fn takes_input(&self) -> bool {
        matches!(self.kind.as_str(), "tool_use" | "server_tool_use")
    }
}

/// The final object: these blocks and this finish.
pub(super) fn last(blocks: &[MessageBlock], finish: Option<String>) -> Final {
    let (mut content, mut reasoning, mut tools) = (String::new(), String::new(), Vec::new());
    for block in blocks {
        let text = block.text.as_deref().unwrap_or_default();
        match block.kind.as_str() {
            "thinking" => reasoning.push_str(text),
            kind if is_call(kind) => {
                let start = block.input.clone().unwrap_or_else(|| "{}".into());
                let arguments =
                    if block.pieces.is_empty() { start } else { completed(&block.pieces) };
                let name = block.name.clone().filter(|n| !n.is_empty());
                tools.push(ClientToolCall { name, arguments, ..ClientToolCall::default() });
            }
            _ => content.push_str(text),
        }
    }
    Final::one(content, reasoning, tools, finish)
}

/// JSON that may be truncated, as both helpers read it: the first value, if it is whole.
fn completed(pieces: &str) -> String {
    let mut tape = Tape::new();
    match tape.parse(pieces) {
        Ok(()) => pieces.to_owned(),
        Err(e) if e.kind == ErrorKind::Trailing => {
            tape.root(pieces).map_or("{}", |first| first.source()).to_owned()
        }
        Err(_) => "{}".into(),
    }
}
