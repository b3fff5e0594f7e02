//! OpenAI Responses as `@ai-sdk/openai` reads them: events that it has a schema for are held against it,
//! one that does not fit is reported and passed over, and the rest is none of its business. Text is what
//! the deltas had; what a call is, its last event says.

use std::collections::BTreeMap;

use super::ai::{AiParts, PartChannel, is, is_or_null, mistyped};
use super::value::text;
use super::{ClientRun, Reader};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::<AiResponsesReader>::default()
}

/// Progress of a part of a summary.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Summary {
    Active,
    /// It is over, and ends when the next one begins.
    Over,
    Ended,
}

#[derive(Debug, Default)]
struct AiResponsesReader {
    parts: AiParts,
    /// The parts of the summary of each thought that is open, by the item's id.
    thoughts: BTreeMap<String, BTreeMap<u64, Summary>>,
    called: bool,
    refused: bool,
    /// An error was reported.
    failed: bool,
    /// Reason that it ended: the provider's word, or the client's word for that.
    finish: Option<String>,
    /// An event was passed on: an error before that is one of the call.
    begun: bool,
}

impl Reader for AiResponsesReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        if data == "[DONE]" {
            return;
        }
        run.parse(data, &mut |run, json| match is_typed(json) {
            true => self.typed(run, json),
            false => mistyped(run),
        });
        if run.given.error.is_some() {
            self.failed |= run.given.finish.get(&0).is_some_and(|finish| finish == "error");
        }
    }

    fn close(&mut self, run: &mut ClientRun) {
        // The client always returns a finish reason, if only one that says it is unknown.
        match (&self.finish, self.failed) {
            (_, true) => {
                run.given.finish.insert(0, "error".into());
            }
            (finish, false) => {
                let finish = finish.clone();
                self.parts.finish(run, finish.as_deref());
            }
        }
    }
}

impl AiResponsesReader {
    fn typed(&mut self, run: &mut ClientRun, event: Value<'_>) {
        let kind = text(Some(event), "type").unwrap_or_default();
        let of = |name| text(Some(event), name).unwrap_or_default();
        let item = event.get("item");
        let begins = matches!(kind.as_str(), "response.created" | "response.failed" | "error");
        self.begun |= !begins && MODELED.contains(&kind.as_str());
        match kind.as_str() {
            "response.output_item.added" => self.added(run, item),
            "response.output_item.done" => self.done(run, item),
            "response.output_text.delta" => {
                self.parts.delta(run, PartChannel::Text, &of("item_id"), &of("delta"));
            }
            "response.refusal.delta" => {
                self.refused = true;
                self.parts.delta(run, PartChannel::Text, &of("item_id"), &of("delta"));
            }
            "response.refusal.done" => self.refused = true,
            "response.reasoning_summary_part.added" => self.summary(run, event, Summary::Active),
            "response.reasoning_summary_part.done" => self.summary(run, event, Summary::Over),
            "response.reasoning_summary_text.delta" => {
                let index = event.get("summary_index").map_or("", |index| index.source());
                let id = format!("{}:{index}", of("item_id"));
                self.parts.delta(run, PartChannel::Reasoning, &id, &of("delta"));
            }
            "response.code_interpreter_call_code.done" => {
                self.parts.call(run, "code_interpreter", "{}");
            }
            "response.completed" | "response.incomplete" if !self.failed => {
                let details = event.get("response").and_then(|r| r.get("incomplete_details"));
                let word = match (self.called, self.refused) {
                    (true, _) => "tool-calls",
                    (_, true) => "content-filter",
                    _ => "stop",
                };
                self.finish = Some(text(details, "reason").unwrap_or_else(|| word.into()));
            }
            "response.failed" => {
                let response = event.get("response");
                let error = response.and_then(|r| r.get("error")).filter(|e| !e.is_null());
                self.finish = Some("error".into());
                if let Some(error) = error {
                    self.fail(run, text(Some(error), "message").unwrap_or_default());
                }
            }
            "error" => {
                let nested = event.get("error").and_then(|e| text(Some(e), "message"));
                self.fail(run, nested.unwrap_or_else(|| of("message")));
            }
            _ => {}
        }
    }

    /// An error of the provider.
    fn fail(&mut self, run: &mut ClientRun, words: String) {
        if !self.begun {
            return run.break_off("AI_APICallError", words);
        }
        if !std::mem::replace(&mut self.failed, true) {
            run.report("Object", words);
        }
    }

    fn added(&mut self, run: &mut ClientRun, item: Option<Value<'_>>) {
        let of = |name| text(item, name).unwrap_or_default();
        match of("type").as_str() {
            "message" => self.parts.start(PartChannel::Text, &of("id")),
            "reasoning" => {
                let parts = BTreeMap::from([(0, Summary::Active)]);
                self.thoughts.insert(of("id"), parts);
                self.parts.start(PartChannel::Reasoning, &format!("{}:0", of("id")));
            }
            kind @ ("web_search_call" | "file_search_call" | "image_generation_call") => {
                self.parts.call(run, kind.trim_end_matches("_call"), "{}");
            }
            _ => {}
        }
    }

    fn done(&mut self, run: &mut ClientRun, item: Option<Value<'_>>) {
        let of = |name| text(item, name).unwrap_or_default();
        let source = |name| {
            let value = item.and_then(|item| item.get(name));
            value.map_or("{}", |value| value.source()).to_owned()
        };
        match of("type").as_str() {
            "message" => self.parts.end(run, PartChannel::Text, &of("id")),
            "function_call" => {
                self.called = true;
                self.parts.call(run, &of("name"), &of("arguments"));
            }
            "custom_tool_call" => {
                self.called = true;
                self.parts.call(run, &of("name"), &source("input"));
            }
            "computer_call" => self.parts.call(run, "computer_use", "{}"),
            "mcp_call" | "mcp_approval_request" => {
                self.parts.call(run, &format!("mcp.{}", of("name")), &of("arguments"));
            }
            "local_shell_call" => self.parts.call(run, "local_shell", &source("action")),
            "shell_call" => self.parts.call(run, "shell", &source("action")),
            "apply_patch_call" if of("status") == "completed" => {
                self.called = true;
                self.parts.call(run, "apply_patch", &source("operation"));
            }
            "tool_search_call" => self.parts.call(run, "tool_search", &source("arguments")),
            "reasoning" => match self.thoughts.remove(&of("id")) {
                Some(parts) => {
                    for (index, _) in parts.iter().filter(|(_, at)| **at != Summary::Ended) {
                        let id = format!("{}:{index}", of("id"));
                        self.parts.end(run, PartChannel::Reasoning, &id);
                    }
                }
                None => unknown_thought(run),
            },
            _ => {}
        }
    }

    /// A part of a summary begins or is over.
    fn summary(&mut self, run: &mut ClientRun, event: Value<'_>, at: Summary) {
        let id = text(Some(event), "item_id").unwrap_or_default();
        let index = event.get("summary_index").and_then(Value::as_u64).unwrap_or(0);
        if at == Summary::Active && index == 0 {
            return;
        }
        let Some(parts) = self.thoughts.get_mut(&id) else { return unknown_thought(run) };
        parts.insert(index, at);
        if at == Summary::Over {
            return;
        }
        for (other, at) in parts.iter_mut().filter(|(_, at)| **at == Summary::Over) {
            *at = Summary::Ended;
            self.parts.end(run, PartChannel::Reasoning, &format!("{id}:{other}"));
        }
        self.parts.start(PartChannel::Reasoning, &format!("{id}:{index}"));
    }
}

/// A thought that was never announced ends the whole stream.
fn unknown_thought(run: &mut ClientRun) {
    let words = "Cannot read properties of undefined (reading 'summaryParts')";
    run.break_off("TypeError", words);
}

/// The events that it has a schema for.
const MODELED: &[&str] = &[
    "error",
    "response.apply_patch_call_operation_diff.delta",
    "response.apply_patch_call_operation_diff.done",
    "response.code_interpreter_call_code.delta",
    "response.code_interpreter_call_code.done",
    "response.completed",
    "response.created",
    "response.custom_tool_call_input.delta",
    "response.failed",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.image_generation_call.partial_image",
    "response.incomplete",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.annotation.added",
    "response.output_text.delta",
    "response.refusal.delta",
    "response.refusal.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
];

/// The schema of an event, as far as streams break it.
fn is_typed(event: Value<'_>) -> bool {
    let Some(kind) = text(Some(event), "type") else { return false };
    let strings = |names: &[&str]| names.iter().all(|name| is(event, name, Kind::String));
    let numbered = |name: &str| is(event, name, Kind::Number);
    match kind.as_str() {
        "response.output_text.delta" | "response.refusal.delta" => strings(&["item_id", "delta"]),
        "response.refusal.done" => strings(&["item_id", "refusal"]),
        "response.completed" | "response.incomplete" => is_response(event, &[]),
        "response.failed" => numbered("sequence_number") && is_response(event, &[]),
        "response.created" => {
            is_response(event, &["id", "model"])
                && event.at(&["response", "created_at"]).is_some_and(|at| at.kind() == Kind::Number)
        }
        "response.output_item.added" => numbered("output_index") && is_item(event, false),
        "response.output_item.done" => numbered("output_index") && is_item(event, true),
        "response.function_call_arguments.done" => {
            strings(&["item_id", "arguments"]) && numbered("output_index")
        }
        "response.code_interpreter_call_code.done" => {
            strings(&["item_id", "code"]) && numbered("output_index")
        }
        "response.function_call_arguments.delta"
        | "response.custom_tool_call_input.delta"
        | "response.code_interpreter_call_code.delta"
        | "response.apply_patch_call_operation_diff.delta" => {
            strings(&["item_id", "delta"]) && numbered("output_index")
        }
        "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done" => {
            strings(&["item_id"]) && numbered("summary_index")
        }
        "response.reasoning_summary_text.delta" => {
            strings(&["item_id", "delta"]) && numbered("summary_index")
        }
        "error" => {
            let nested = event.get("error").is_some_and(|error| {
                is(error, "type", Kind::String) && is(error, "message", Kind::String)
            });
            numbered("sequence_number") && (nested || strings(&["message"]))
        }
        _ => true,
    }
}

fn is_response(event: Value<'_>, words: &[&str]) -> bool {
    event.get("response").filter(|r| r.kind() == Kind::Object).is_some_and(|response| {
        let usage = response.get("usage").filter(|usage| !usage.is_null());
        words.iter().all(|word| is(response, word, Kind::String))
            && usage.is_none_or(|usage| {
                is(usage, "input_tokens", Kind::Number) && is(usage, "output_tokens", Kind::Number)
            })
    })
}

fn is_item(event: Value<'_>, done: bool) -> bool {
    let Some(item) = event.get("item").filter(|item| item.kind() == Kind::Object) else {
        return false;
    };
    let strings = |names: &[&str]| names.iter().all(|name| is(item, name, Kind::String));
    let Some(kind) = text(Some(item), "type") else { return false };
    let status = || !done || strings(&["status"]);
    match kind.as_str() {
        "message" => strings(&["id"]) && is_or_null(item, "phase", Kind::String),
        "reasoning" => strings(&["id"]) && is_or_null(item, "encrypted_content", Kind::String),
        "function_call" => strings(&["id", "call_id", "name", "arguments"]) && status(),
        "custom_tool_call" => strings(&["id", "call_id", "name", "input"]) && status(),
        "web_search_call" | "computer_call" => strings(&["id", "status"]),
        "file_search_call" => strings(&["id"]) && (!done || is(item, "queries", Kind::Array)),
        "image_generation_call" => strings(&["id"]) && (!done || strings(&["result"])),
        "mcp_call" if done => strings(&["id", "status", "arguments", "name", "server_label"]),
        "mcp_call" => strings(&["id", "status"]),
        "mcp_list_tools" => strings(&["id"]) && (!done || is(item, "tools", Kind::Array)),
        "mcp_approval_request" if done => strings(&["id", "server_label", "name", "arguments"]),
        "mcp_approval_request" => strings(&["id"]),
        "local_shell_call" => strings(&["id", "call_id"]) && is(item, "action", Kind::Object),
        "shell_call" | "shell_call_output" | "apply_patch_call" => {
            strings(&["id", "call_id", "status"])
        }
        "code_interpreter_call" => strings(&["id", "container_id"]),
        _ => true,
    }
}
