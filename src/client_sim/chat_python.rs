//! `chat.completions.stream()` of openai-python: `lib/streaming/chat/_completions.py` and `_deltas.py`.

use serde_json::{Map, Value as Json};

use super::sdk::{Final, Helper};
use super::value::no_attribute;
use super::{ClientToolCall, Raised};
use crate::json::{Kind, Value};

/// The snapshot of the completion: of each choice its index, its message and its finish.
#[derive(Debug, Default)]
pub(super) struct PythonChatStream {
    choices: Option<Vec<PythonChoice>>,
}

#[derive(Debug, Default)]
struct PythonChoice {
    message: Map<String, Json>,
    finish: Option<String>,
}

fn type_error(message: impl Into<String>) -> Raised {
    Raised::new("TypeError", message)
}

fn python_type(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(n) if n.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

/// A place in a list, as Python's brackets find it.
fn place(index: &Json, len: usize) -> Result<usize, Raised> {
    let Some(at) = index.as_i64() else {
        let kind = python_type(index);
        return Err(type_error(format!("list indices must be integers or slices, not {kind}")));
    };
    let found = usize::try_from(at)
        .ok()
        .or_else(|| usize::try_from(at.checked_neg()?).ok().and_then(|back| len.checked_sub(back)));
    let out_of_range = || Raised::new("IndexError", "list index out of range");
    found.filter(|at| *at < len).ok_or_else(out_of_range)
}

fn is_indexed(value: &Json) -> bool {
    let entry = |e: &Json| e.as_object().is_some_and(|o| o.contains_key("index"));
    value.as_array().is_some_and(|list| list.iter().any(entry))
}

/// Merges a delta into what is there, as `accumulate_delta` does.
fn accumulate(to: &mut Map<String, Json>, delta: &Map<String, Json>) -> Result<(), Raised> {
    for (key, new) in delta {
        let slot = to.entry(key.clone()).or_insert(Json::Null);
        if slot.is_null() {
            if !is_indexed(new) {
                *slot = new.clone();
                continue;
            }
            *slot = Json::Array(Vec::new());
        }
        if key == "index" || key == "type" {
            *slot = new.clone();
            continue;
        }
        match (slot, new) {
            (Json::String(text), Json::String(more)) => text.push_str(more),
            (Json::Object(inner), Json::Object(more)) => accumulate(inner, more)?,
            (Json::Array(list), Json::Array(more)) => merge(list, new, more)?,
            (slot @ Json::Number(_), Json::Number(more)) => {
                let sum = slot.as_f64().unwrap_or_default() + more.as_f64().unwrap_or_default();
                *slot = Json::from(sum);
            }
            _ => {}
        }
    }
    Ok(())
}

fn merge(list: &mut Vec<Json>, new: &Json, more: &[Json]) -> Result<(), Raised> {
    let plain = |value: &Json| matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_));
    if list.iter().all(plain) && (!list.is_empty() || !is_indexed(new)) {
        list.extend_from_slice(more);
        return Ok(());
    }
    for entry in more {
        let Some(fields) = entry.as_object() else {
            return Err(type_error("Unexpected list delta entry is not a dictionary: "));
        };
        let Some(index) = fields.get("index") else {
            let words = "Expected list delta entry to have an `index` key; ";
            return Err(Raised::new("RuntimeError", words));
        };
        if !index.is_i64() && !index.is_boolean() {
            let words = "Unexpected, list delta entry `index` value is not an integer; ";
            return Err(type_error(words));
        }
        match place(index, list.len()).ok().and_then(|at| list.get_mut(at)) {
            Some(Json::Object(there)) => accumulate(there, fields)?,
            Some(_) => return Err(type_error("not handled yet")),
            None => {
                let at = index.as_i64().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
                list.insert(at.min(list.len()), entry.clone());
            }
        }
    }
    Ok(())
}

fn calls(message: &Map<String, Json>) -> &[Json] {
    message.get("tool_calls").and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn is_function(call: &Json) -> bool {
    call.get("type").and_then(Json::as_str) == Some("function")
}

/// A value of the wire as one that is kept.
fn kept(value: Value<'_>) -> Json {
    serde_json::from_str(value.source()).unwrap_or_default()
}

impl PythonChoice {
    /// Takes in the delta of a chunk's choice.
    fn add(&mut self, choice: &Json) -> Result<(), Raised> {
        let Some(delta) = choice.get("delta").and_then(Json::as_object) else {
            return Err(no_attribute("NoneType", "to_dict"));
        };
        let before: Vec<bool> = calls(&self.message).iter().map(is_function).collect();
        accumulate(&mut self.message, delta)?;
        let after = calls(&self.message);
        if before.iter().zip(after).any(|(was, now)| *was && !is_function(now)) {
            return Err(Raised::new("AssertionError", ""));
        }
        Ok(())
    }

    /// Does what follows for a choice once its delta is in: the finish, and the check of each call.
    fn settle(&mut self, choice: &Json) -> Result<(), Raised> {
        if let Some(finish) = choice.get("finish_reason").and_then(Json::as_str)
            && !finish.is_empty()
        {
            self.finish = Some(finish.to_owned());
        }
        let pieces = choice.pointer("/delta/tool_calls").and_then(Json::as_array);
        let calls = calls(&self.message);
        for piece in pieces.into_iter().flatten() {
            let at = place(piece.get("index").unwrap_or(&Json::Null), calls.len())?;
            let function = piece.get("function").is_some_and(|f| !f.is_null());
            if calls.get(at).is_some_and(is_function) && !function {
                return Err(Raised::new("AssertionError", ""));
            }
        }
        match choice.get("logprobs") {
            None | Some(Json::Null | Json::Object(_)) => Ok(()),
            Some(other) => Err(no_attribute(python_type(other), "content")),
        }
    }
}

impl Helper for PythonChatStream {
    fn skips(&self, event: Value<'_>) -> bool {
        event.kind() == Kind::Object
            && event.str("object").as_deref() != Some("chat.completion.chunk")
    }

    fn add(&mut self, event: Value<'_>) -> Result<(), Raised> {
        if event.kind() != Kind::Object {
            return Err(no_attribute(
                super::value::python_type(event).trim_matches('\''),
                "object",
            ));
        }
        let not_iterable = || type_error("'NoneType' object is not iterable");
        let Some(list) = event.get("choices") else {
            return Err(match self.choices {
                None => Raised::new("KeyError", "'choices'"),
                Some(_) => not_iterable(),
            });
        };
        if list.kind() != Kind::Array {
            return Err(not_iterable());
        }
        let new: Vec<Json> = list.items().map(kept).collect();
        let index = |choice: &Json| choice.get("index").cloned().unwrap_or_default();
        let first = self.choices.is_none();
        let choices = self.choices.get_or_insert_default();
        if first {
            choices.resize_with(new.len(), PythonChoice::default);
            for choice in &new {
                let at = place(&index(choice), new.len()).map_err(|raised| match raised.class {
                    "IndexError" => Raised::new("IndexError", "list assignment index out of range"),
                    _ => raised,
                })?;
                if let Some(slot) = choices.get_mut(at) {
                    slot.add(choice)?;
                }
            }
        }
        for choice in &new {
            let at = match place(&index(choice), choices.len()) {
                Ok(at) => at,
                Err(raised) if raised.class != "IndexError" => return Err(raised),
                Err(_) => {
                    choices.push(PythonChoice::default());
                    choices.len() - 1
                }
            };
            let is_new = at + 1 == choices.len();
            if let Some(slot) = choices.get_mut(at) {
                if !first {
                    slot.add(choice)?;
                }
                slot.settle(choice)?;
            }
            // The events look the choice up again, and may find it at another position.
            if is_new {
                place(&index(choice), choices.len())?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Final, Raised> {
        let Some(choices) = self.choices.take() else {
            return Err(Raised::new("AssertionError", ""));
        };
        let mut last = Final::default();
        for (number, choice) in (0u32..).zip(&choices) {
            match choice.finish.as_deref() {
                Some("length") => {
                    let words = "Could not parse response content as the length limit was reached";
                    return Err(Raised::new("LengthFinishReasonError", words));
                }
                Some("content_filter") => {
                    let words = "Could not parse response content as the request was rejected by the content filter";
                    return Err(Raised::new("ContentFilterFinishReasonError", words));
                }
                finish => last.finish.extend(finish.map(|f| (number, f.to_owned()))),
            }
            if let Some(text) = choice.message.get("content").and_then(Json::as_str)
                && !text.is_empty()
            {
                last.content.insert(number, text.to_owned());
            }
            for call in calls(&choice.message) {
                let of = |name: &str| call.pointer(name).and_then(Json::as_str);
                last.tools.push(ClientToolCall {
                    choice: number,
                    name: of("/function/name").filter(|n| !n.is_empty()).map(str::to_owned),
                    arguments: of("/function/arguments").unwrap_or_default().to_owned(),
                    ..ClientToolCall::default()
                });
            }
        }
        Ok(last)
    }
}
