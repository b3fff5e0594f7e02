//! `responses.stream()` of openai-node: `lib/responses/ResponseAccumulator.ts`.

use super::Raised;
use super::responses::{ItemPart, OutputItem, last};
use super::sdk::{Final, Helper};
use super::value::compact;
use super::value::{Index, field, nothing, script_text, text, undefined};
use crate::json::Value;

/// The snapshot of the response.
#[derive(Debug, Default)]
pub(super) struct NodeResponseStream {
    snapshot: Option<ResponseSnapshot>,
}

#[derive(Debug)]
struct ResponseSnapshot {
    output: Vec<OutputItem>,
    status: Option<String>,
}

fn throw(message: impl Into<String>) -> Raised {
    Raised::new("OpenAIError", message)
}

fn type_error(message: &str) -> Raised {
    Raised::new("TypeError", message)
}

impl ResponseSnapshot {
    fn of(response: Option<Value<'_>>) -> Result<Self, Raised> {
        let Some(response) = response.filter(|r| !r.is_null()) else {
            return Err(type_error("Cannot convert undefined or null to object"));
        };
        let output = OutputItem::all(Some(response));
        let snapshot = Self {
            output: output.clone().unwrap_or_default(),
            status: text(Some(response), "status"),
        };
        if field(Some(response), "output_text").is_none() {
            if output.is_none() {
                return Err(type_error("rsp.output is not iterable"));
            }
            snapshot.joins()?;
        }
        Ok(snapshot)
    }

    /// Joining the text of all messages asks each for its content.
    fn joins(&self) -> Result<(), Raised> {
        let without = |item: &OutputItem| item.kind == "message" && item.content.is_none();
        match self.output.iter().any(without) {
            true => Err(type_error("output.content is not iterable")),
            false => Ok(()),
        }
    }

    fn item(&mut self, event: Value<'_>) -> Result<&mut OutputItem, Raised> {
        let index = Index::of(event, "output_index");
        let at = index.brackets(self.output.len());
        at.and_then(|at| self.output.get_mut(at))
            .ok_or_else(|| throw(format!("missing output at index {}", index.script())))
    }
}

fn part<'a>(
    parts: Option<&'a mut Vec<ItemPart>>,
    index: &Index,
) -> Result<&'a mut ItemPart, Raised> {
    let missing = || throw(format!("missing content at index {}", index.script()));
    let parts = parts.ok_or_else(missing)?;
    let at = index.brackets(parts.len());
    at.and_then(|at| parts.get_mut(at)).ok_or_else(missing)
}

/// The part of a kind; another one is an error.
fn of_kind<'a>(
    parts: Option<&'a mut Vec<ItemPart>>,
    index: &Index,
    kind: &str,
) -> Result<&'a mut ItemPart, Raised> {
    let part = part(parts, index)?;
    if part.kind != kind {
        let found = if part.kind.is_empty() { "undefined" } else { &part.kind };
        return Err(throw(format!("expected content to be '{kind}', got {found}")));
    }
    Ok(part)
}

fn push(text: &mut Option<String>, event: Value<'_>) {
    let text = text.get_or_insert_with(|| "undefined".into());
    text.push_str(&script_text(event.get("delta")));
}

/// Kinds of items that have a status and nothing else that an event changes.
const WITH_STATUS: &[(&str, &[&str])] = &[
    ("response.code_interpreter_call.", &["in_progress", "interpreting", "completed"]),
    ("response.file_search_call.", &["in_progress", "searching", "completed"]),
    ("response.web_search_call.", &["in_progress", "searching", "completed"]),
    ("response.image_generation_call.", &["in_progress", "generating", "completed"]),
    ("response.mcp_call.", &["in_progress", "completed", "failed"]),
];

/// Events that change nothing.
const WITHOUT_STATE: &[&str] = &[
    "response.audio.delta",
    "response.audio.done",
    "response.audio.transcript.delta",
    "response.audio.transcript.done",
    "response.image_generation_call.partial_image",
    "response.mcp_list_tools.in_progress",
    "response.mcp_list_tools.completed",
    "response.mcp_list_tools.failed",
    "keepalive",
];

/// Returns whether an event only changes the status of its item.
fn is_with_status(event: &str) -> bool {
    WITH_STATUS
        .iter()
        .any(|(kind, states)| event.strip_prefix(kind).is_some_and(|state| states.contains(&state)))
}

impl ResponseSnapshot {
    fn add(&mut self, kind: &str, event: Value<'_>) -> Result<(), Raised> {
        match kind {
            "response.created"
            | "response.queued"
            | "response.in_progress"
            | "response.completed"
            | "response.failed"
            | "response.incomplete" => *self = Self::of(event.get("response"))?,
            "response.output_item.added" | "response.output_item.done" => {
                self.output_item(kind, event)?;
            }
            "response.content_part.added" | "response.content_part.done" => {
                self.content_part(kind, event)?;
            }
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.output_text.done"
            | "response.refusal.done"
            | "response.output_text.annotation.added" => self.text(kind, event)?,
            "response.reasoning_text.delta" | "response.reasoning_text.done" => {
                self.reasoning(kind, event)?;
            }
            "response.reasoning_summary_part.added"
            | "response.reasoning_summary_part.done"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning_summary_text.done" => self.summary(kind, event)?,
            "response.function_call_arguments.delta"
            | "response.mcp_call_arguments.delta"
            | "response.custom_tool_call_input.delta"
            | "response.code_interpreter_call_code.delta"
            | "response.function_call_arguments.done"
            | "response.mcp_call_arguments.done"
            | "response.custom_tool_call_input.done"
            | "response.code_interpreter_call_code.done" => self.arguments(kind, event)?,
            // The helper emits every event under its type, and an event named `error` rejects its promise.
            "error" => {
                let message = text(Some(event), "message").unwrap_or_else(|| compact(event));
                return Err(Raised::new("Object", message));
            }
            other if WITHOUT_STATE.contains(&other) => {}
            other if is_with_status(other) => drop(self.item(event)?),
            _ => {
                return Err(throw(format!("Unhandled response stream event: {}", compact(event))));
            }
        }
        Ok(())
    }

    fn output_item(&mut self, kind: &str, event: Value<'_>) -> Result<(), Raised> {
        let done = kind.ends_with("done");
        if done {
            self.item(event)?;
        }
        let Some(item) = field(Some(event), "item").map(OutputItem::of) else {
            return Err(nothing(event.get("item"), "type"));
        };
        let message = item.kind == "message";
        if done {
            *self.item(event)? = item;
        } else {
            self.output.push(item);
        }
        if message { self.joins() } else { Ok(()) }
    }

    fn content_part(&mut self, kind: &str, event: Value<'_>) -> Result<(), Raised> {
        let item = self.item(event)?;
        let Some(new) = field(Some(event), "part").map(ItemPart::of) else {
            return Err(nothing(event.get("part"), "type"));
        };
        let thought = new.kind == "reasoning_text";
        let fits = (item.kind == "message" && !thought) || (item.kind == "reasoning" && thought);
        if fits && kind.ends_with("done") {
            *part(item.content.as_mut(), &Index::of(event, "content_index"))? = new;
        } else if fits && (thought || item.content.is_some()) {
            item.content.get_or_insert_default().push(new);
        } else if fits {
            return Err(undefined("push"));
        }
        Ok(())
    }

    /// Text, a refusal or an annotation of a message.
    fn text(&mut self, kind: &str, event: Value<'_>) -> Result<(), Raised> {
        let item = self.item(event)?;
        if item.kind != "message" {
            return Ok(());
        }
        let (wanted, name) = match kind.contains("refusal") {
            true => ("refusal", "refusal"),
            false => ("output_text", "text"),
        };
        let index = Index::of(event, "content_index");
        let part = of_kind(item.content.as_mut(), &index, wanted)?;
        if kind.ends_with("delta") {
            push(&mut part.text, event);
        } else if kind.ends_with("done") {
            part.text = text(Some(event), name);
        }
        Ok(())
    }

    fn reasoning(&mut self, kind: &str, event: Value<'_>) -> Result<(), Raised> {
        let item = self.item(event)?;
        if item.kind != "reasoning" {
            return Ok(());
        }
        let index = Index::of(event, "content_index");
        let part = of_kind(item.content.as_mut(), &index, "reasoning_text")?;
        if kind.ends_with("done") {
            part.text = text(Some(event), "text");
        } else {
            push(&mut part.text, event);
        }
        Ok(())
    }

    fn summary(&mut self, kind: &str, event: Value<'_>) -> Result<(), Raised> {
        let item = self.item(event)?;
        if item.kind != "reasoning" {
            return Ok(());
        }
        let new = || field(Some(event), "part").map(ItemPart::of).unwrap_or_default();
        if kind == "response.reasoning_summary_part.added" {
            let Some(summary) = &mut item.summary else { return Err(undefined("push")) };
            summary.push(new());
            return Ok(());
        }
        let part = part(item.summary.as_mut(), &Index::of(event, "summary_index"))?;
        match kind {
            "response.reasoning_summary_text.delta" => push(&mut part.text, event),
            "response.reasoning_summary_text.done" => part.text = text(Some(event), "text"),
            _ => *part = new(),
        }
        Ok(())
    }

    /// The arguments or the input of a call, where the event fits the item.
    fn arguments(&mut self, kind: &str, event: Value<'_>) -> Result<(), Raised> {
        let item = self.item(event)?;
        let (owner, name) = match kind {
            _ if kind.contains("custom_tool") => ("custom_tool_call", "input"),
            _ if kind.contains("mcp") => ("mcp_call", "arguments"),
            _ if kind.contains("code_interpreter") => ("code_interpreter_call", "code"),
            _ => ("function_call", "arguments"),
        };
        if item.kind != owner || name == "code" {
            return Ok(());
        }
        let slot = if name == "input" { &mut item.input } else { &mut item.arguments };
        if kind.ends_with("done") {
            *slot = text(Some(event), name);
        } else {
            push(slot, event);
        }
        Ok(())
    }
}

impl Helper for NodeResponseStream {
    fn add(&mut self, event: Value<'_>) -> Result<(), Raised> {
        let kind = event.str("type").unwrap_or_default();
        if let Some(snapshot) = &mut self.snapshot {
            return snapshot.add(&kind, event);
        }
        if kind != "response.created" {
            let kind = if kind.is_empty() { "undefined" } else { &kind };
            let words = "When snapshot hasn't been set yet, expected 'response.created' event, got";
            return Err(throw(format!("{words} {kind}")));
        }
        self.snapshot = Some(ResponseSnapshot::of(event.get("response"))?);
        Ok(())
    }

    fn finish(&mut self) -> Result<Final, Raised> {
        let none = || throw("request ended without sending any events");
        let snapshot = self.snapshot.take().ok_or_else(none)?;
        if snapshot.output.iter().any(|item| item.kind == "message" && item.content.is_none()) {
            return Err(undefined("map"));
        }
        Ok(last(&snapshot.output, snapshot.status))
    }
}
