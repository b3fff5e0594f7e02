//! `chat.completions.stream()` of openai-node: `lib/ChatCompletionStream.ts`.

use std::collections::{BTreeMap, BTreeSet};

use super::sdk::{Final, Helper};
use super::value::{Index, field, nothing, script_text, text, undefined};
use super::{ClientToolCall, Raised};
use crate::json::{Kind, Value};

/// The snapshot of the completion.
#[derive(Debug, Default)]
pub(super) struct NodeChatStream {
    /// By index. A choice whose index is not the number of a place is a property and is in no list.
    choices: Option<BTreeMap<Index, NodeChoice>>,
}

#[derive(Debug, Default)]
struct NodeChoice {
    role: bool,
    content: String,
    finish: Option<String>,
    calls: Option<BTreeMap<Index, NodeToolCall>>,
    /// The call at hand, and those whose end was emitted.
    current: Option<Index>,
    done: BTreeSet<Index>,
}

#[derive(Debug, Default)]
struct NodeToolCall {
    kind: Option<String>,
    /// `None` if no `function` arrived.
    function: Option<(String, String)>,
}

fn throw(message: impl Into<String>) -> Raised {
    Raised::new("OpenAIError", message)
}

fn is_place(index: &Index) -> bool {
    matches!(index, Index::At(at) if *at >= 0)
}

/// Returns whether a list that was filled by index has holes: then its last place is not its length.
fn has_holes<T>(list: &BTreeMap<Index, T>) -> bool {
    let places = list.keys().filter(|index| is_place(index));
    places.zip(0..).any(|(index, at)| *index != Index::At(at))
}

fn is_set(index: Option<&Index>) -> bool {
    !matches!(index, None | Some(Index::None(_)))
}

/// Returns the text that JavaScript appends for a value.
fn joined(value: Value<'_>) -> String {
    match value.kind() {
        Kind::Array => value.items().map(joined).collect::<Vec<_>>().join(","),
        Kind::Object => "[object Object]".into(),
        _ => script_text(Some(value)),
    }
}

impl NodeChoice {
    fn add(&mut self, choice: Value<'_>) {
        if let Some(finish) = text(Some(choice), "finish_reason").filter(|f| !f.is_empty()) {
            self.finish = Some(finish);
        }
        // A `message` next to the delta replaces the joined text.
        if let Some(message) = field(Some(choice), "message") {
            self.role = text(Some(message), "role").is_some_and(|role| !role.is_empty());
            self.content = text(Some(message), "content").unwrap_or_default();
            self.calls = None;
        }
        let Some(delta) = field(Some(choice), "delta") else { return };
        self.role |= text(Some(delta), "role").is_some_and(|role| !role.is_empty());
        if let Some(content) = field(Some(delta), "content") {
            self.content.push_str(&joined(content));
        }
        let Some(pieces) = field(Some(delta), "tool_calls") else { return };
        let calls = self.calls.get_or_insert_default();
        for piece in pieces.items() {
            let call = calls.entry(Index::of(piece, "index")).or_default();
            if let Some(kind) = text(Some(piece), "type").filter(|kind| !kind.is_empty()) {
                call.kind = Some(kind);
            }
            let Some(function) = field(Some(piece), "function") else { continue };
            let (name, arguments) = call.function.get_or_insert_default();
            if let Some(new) = text(Some(function), "name").filter(|n| !n.is_empty()) {
                *name = new;
            }
            arguments.push_str(&text(Some(function), "arguments").unwrap_or_default());
        }
    }

    /// Emits the end of the call at hand.
    fn end_call(&mut self) -> Result<(), Raised> {
        let Some(index) = self.current.clone().filter(|index| is_set(Some(index))) else {
            return Ok(());
        };
        if self.done.contains(&index) {
            return Ok(());
        }
        let call = self.calls.as_ref().and_then(|calls| calls.get(&index));
        let call = call.ok_or_else(|| throw("no tool call snapshot"))?;
        if call.kind.is_none() {
            return Err(throw("tool call snapshot missing `type`"));
        }
        if call.kind.as_deref() == Some("function") {
            self.done.insert(index);
        }
        Ok(())
    }

    /// The events that follow from a chunk's choice.
    fn emit(&mut self, choice: Value<'_>) -> Result<(), Raised> {
        if self.finish.is_some() {
            self.end_call()?;
        }
        let pieces = field(field(Some(choice), "delta"), "tool_calls");
        for piece in pieces.into_iter().flat_map(Value::items) {
            let index = Index::of(piece, "index");
            if self.current.as_ref() != Some(&index) {
                self.end_call()?;
            }
            self.current = Some(index);
        }
        Ok(())
    }
}

impl Helper for NodeChatStream {
    fn add(&mut self, chunk: Value<'_>) -> Result<(), Raised> {
        let choices = self.choices.get_or_insert_default();
        let list = chunk.get("choices").filter(|c| c.kind() == Kind::Array);
        let list = list.ok_or_else(|| Raised::new("TypeError", "chunk.choices is not iterable"))?;
        for choice in list.items() {
            if choice.is_null() {
                return Err(nothing(Some(choice), "delta"));
            }
            choices.entry(Index::of(choice, "index")).or_default().add(choice);
        }
        Ok(())
    }

    fn after(&mut self, chunk: Value<'_>) -> Result<(), Raised> {
        let Some(choices) = &mut self.choices else { return Ok(()) };
        for choice in chunk.get("choices").into_iter().flat_map(Value::items) {
            if let Some(snapshot) = choices.get_mut(&Index::of(choice, "index")) {
                snapshot.emit(choice)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Final, Raised> {
        let none = || throw("request ended without sending any chunks");
        let choices = self.choices.take().ok_or_else(none)?;
        let mut last = Final::default();
        let listed = || choices.iter().filter(|(index, _)| is_place(index));
        for (index, choice) in listed() {
            let number = index.script();
            let Some(finish) = &choice.finish else {
                return Err(throw(format!("missing finish_reason for choice {number}")));
            };
            if !choice.role {
                return Err(throw(format!("missing role for choice {number}")));
            }
            let at = number.parse().unwrap_or(u32::MAX);
            last.finish.insert(at, finish.clone());
            if !choice.content.is_empty() {
                last.content.insert(at, choice.content.clone());
            }
            let calls = choice.calls.iter().flatten().filter(|(index, _)| is_place(index));
            for (place, call) in calls {
                let missing = |what: &str| {
                    let place = place.script();
                    throw(format!("missing choices[{number}].tool_calls[{place}].{what}"))
                };
                if call.kind.is_none() {
                    return Err(missing("type"));
                }
                let Some((name, arguments)) = &call.function else {
                    return Err(missing("function.name"));
                };
                last.tools.push(ClientToolCall {
                    choice: at,
                    name: Some(name.clone()).filter(|n| !n.is_empty()),
                    arguments: arguments.clone(),
                    ..ClientToolCall::default()
                });
            }
        }
        // Code that iterates over a list sees a hole as `undefined`.
        if listed().any(|(_, choice)| choice.calls.as_ref().is_some_and(has_holes)) {
            return Err(undefined("type"));
        }
        if has_holes(&choices) {
            return Err(undefined("message"));
        }
        Ok(last)
    }
}
