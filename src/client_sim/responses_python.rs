//! `responses.stream()` of openai-python: `lib/streaming/responses/_responses.py`.

use std::collections::BTreeMap;

use super::Raised;
use super::responses::{ItemPart, OutputItem, last};
use super::sdk::{Final, Helper};
use super::value::{Index, field, no_attribute, not_joined, text};
use crate::json::{Kind, Value};

/// Properties that two items have to share to count as one.
type ItemIdentity = (String, Option<String>, Option<String>);

/// The state of the stream.
#[derive(Debug, Default)]
pub(super) struct PythonResponseStream {
    /// The id of the response, once it was created.
    created: Option<Option<String>>,
    added: BTreeMap<Index, OutputItem>,
    done: BTreeMap<Index, OutputItem>,
    places: BTreeMap<ItemIdentity, Index>,
    completed: Option<Final>,
}

fn raise(message: impl Into<String>) -> Raised {
    Raised::new("RuntimeError", message)
}

fn conflict() -> Raised {
    raise("Response snapshot has conflicting output identities.")
}

fn identity(item: &OutputItem) -> ItemIdentity {
    let by_call = ["function_call", "custom_tool_call", "shell_call", "shell_call_output"];
    let id = item.id.clone().filter(|_| !by_call.contains(&item.kind.as_str()));
    (item.kind.clone(), id, item.call_id.clone())
}

fn is_compatible(before: &OutputItem, after: &OutputItem) -> bool {
    let may_gain = ["function_call", "custom_tool_call"].contains(&before.kind.as_str());
    before.id == after.id || (before.id.is_none() && may_gain)
}

/// A missing index is a key like any other to a dictionary.
fn key(event: Value<'_>) -> Index {
    match Index::of(event, "output_index") {
        Index::None(_) => Index::None("None"),
        index => index,
    }
}

impl PythonResponseStream {
    fn item(&mut self, index: &Index) -> Result<&mut OutputItem, Raised> {
        self.added.get_mut(index).ok_or_else(|| {
            raise(format!(
                "Received a content event for output index {} before receiving its output item",
                index.script()
            ))
        })
    }

    /// The part that a text event is about.
    fn part(&mut self, event: Value<'_>) -> Result<&mut ItemPart, Raised> {
        let item = self.item(&key(event))?;
        if item.kind != "message" {
            return Err(Raised::new("AssertionError", ""));
        }
        let none = || Raised::new("TypeError", "'NoneType' object is not subscriptable");
        let content = item.content.as_mut().ok_or_else(none)?;
        let at = Index::of(event, "content_index").python(content.len())?;
        match content.get_mut(at) {
            Some(part) if part.kind == "output_text" => Ok(part),
            _ => Err(Raised::new("AssertionError", "")),
        }
    }

    /// The first event, which begins the response.
    fn create(&mut self, kind: &str, response: Option<Value<'_>>) -> Result<(), Raised> {
        if kind != "response.created" {
            let kind = if kind.is_empty() { "None" } else { kind };
            let words = "Expected to have received `response.created` before";
            return Err(raise(format!("{words} `{kind}`")));
        }
        let Some(response) = response else {
            return Err(no_attribute("NoneType", "to_dict"));
        };
        self.created = Some(text(Some(response), "id"));
        let items = OutputItem::all(Some(response)).unwrap_or_default();
        self.added = (0..).map(Index::At).zip(items).collect();
        Ok(())
    }

    fn open_item(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let Some(item) = field(Some(event), "item") else { return Ok(()) };
        let index = key(event);
        if self.added.contains_key(&index) {
            let index = index.script();
            return Err(raise(format!("Duplicate response output index {index}.")));
        }
        self.added.insert(index, OutputItem::of(item));
        Ok(())
    }

    fn open_part(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let item = self.item(&key(event))?;
        if item.kind == "message" {
            let none = || no_attribute("NoneType", "append");
            let content = item.content.as_mut().ok_or_else(none)?;
            let part = field(Some(event), "part");
            content.push(ItemPart::of(part.ok_or_else(|| no_attribute("NoneType", "to_dict"))?));
        }
        Ok(())
    }

    fn arguments(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let item = self.item(&key(event))?;
        if item.kind != "function_call" {
            return Err(Raised::new("AssertionError", ""));
        }
        match (&mut item.arguments, event.str("delta")) {
            (Some(arguments), Some(delta)) => arguments.push_str(&delta),
            _ => return Err(not_joined()),
        }
        Ok(())
    }

    fn lifecycle(&mut self, response: Option<Value<'_>>) -> Result<(), Raised> {
        let mut seen = BTreeMap::new();
        for item in OutputItem::all(response).unwrap_or_default() {
            if seen.insert(identity(&item), item).is_some() {
                return Err(conflict());
            }
        }
        for (identity, item) in seen {
            if let Some(index) = self.places.get(&identity)
                && let Some(done) = self.done.get_mut(index)
            {
                if !is_compatible(done, &item) {
                    return Err(conflict());
                }
                *done = item;
            }
        }
        Ok(())
    }

    fn done(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let index = key(event);
        let Some(item) = field(Some(event), "item").map(OutputItem::of) else {
            return Err(no_attribute("NoneType", "type"));
        };
        if let Some(added) = self.added.get(&index)
            && (identity(added) != identity(&item) || !is_compatible(added, &item))
        {
            return Err(raise("Completed output item identity changed."));
        }
        let is = identity(&item);
        if self.places.get(&is).is_some_and(|place| *place != index) {
            return Err(conflict());
        }
        if let Some(before) = self.done.get(&index) {
            self.places.remove(&identity(before));
        }
        self.places.insert(is, index.clone());
        self.done.insert(index, item);
        Ok(())
    }

    fn complete(&mut self, response: Option<Value<'_>>) -> Result<(), Raised> {
        let output = OutputItem::all(response);
        let whole: BTreeMap<_, _> =
            output.iter().flatten().map(|item| (identity(item), item)).collect();
        for item in self.done.values() {
            if whole.get(&identity(item)).is_some_and(|last| !is_compatible(item, last)) {
                return Err(raise("Completed response output identity changed."));
            }
        }
        for (index, item) in &self.added {
            let last = whole.get(&identity(item));
            if !self.done.contains_key(index) && last.is_none_or(|l| !is_compatible(item, l)) {
                return Err(raise("Cannot complete response with unfinished output items."));
            }
        }
        let status = text(response, "status");
        self.completed = Some(match &output {
            Some(output) => last(output, status),
            None => last(self.done.values(), status),
        });
        Ok(())
    }
}

impl Helper for PythonResponseStream {
    fn add(&mut self, event: Value<'_>) -> Result<(), Raised> {
        if event.kind() != Kind::Object {
            return Err(no_attribute(super::value::python_type(event).trim_matches('\''), "type"));
        }
        let kind = event.str("type").unwrap_or_default();
        let response = field(Some(event), "response");
        let Some(id) = &self.created else {
            return self.create(&kind, response);
        };
        let is_lifecycle = [
            "response.created",
            "response.queued",
            "response.in_progress",
            "response.completed",
            "response.failed",
            "response.incomplete",
        ]
        .contains(&kind.as_ref());
        if is_lifecycle && text(response, "id") != *id {
            return Err(raise("Lifecycle response identity changed."));
        }
        match kind.as_ref() {
            "response.created" | "response.queued" | "response.in_progress" => {
                self.lifecycle(response)
            }
            "response.output_item.added" => self.open_item(event),
            "response.content_part.added" => self.open_part(event),
            "response.output_text.delta" => {
                let delta = text(Some(event), "delta");
                let part = self.part(event)?;
                match (&mut part.text, delta) {
                    (Some(text), Some(delta)) => text.push_str(&delta),
                    _ => return Err(not_joined()),
                }
                Ok(())
            }
            "response.output_text.done" => self.part(event).map(|_| ()),
            "response.function_call_arguments.delta" => self.arguments(event),
            "response.output_item.done" => self.done(event),
            "response.completed" => self.complete(response),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<Final, Raised> {
        let none = || raise("Didn't receive a `response.completed` event.");
        self.completed.take().ok_or_else(none)
    }
}
