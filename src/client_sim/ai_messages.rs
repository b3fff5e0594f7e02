//! Anthropic Messages as `@ai-sdk/anthropic` reads them: every event is held against a schema, one that
//! does not fit is reported and passed over, and the blocks become parts.

use std::collections::BTreeMap;

use super::ai::{AiParts, PartChannel, is, is_or_null, mistyped};
use super::value::text;
use super::{ClientRun, Reader};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::<AiMessagesReader>::default()
}

/// An open block.
#[derive(Debug)]
enum OpenBlock {
    Text,
    Reasoning,
    Call(OpenCall),
}

/// A call that is not closed, which its caller has nothing of yet.
#[derive(Debug)]
struct OpenCall {
    name: String,
    input: String,
    /// Text that its own tools put in front of the first piece.
    prefix: Option<&'static str>,
}

#[derive(Debug, Default)]
struct AiMessagesReader {
    parts: AiParts,
    /// By the index as JavaScript writes it.
    blocks: BTreeMap<String, OpenBlock>,
    /// The kind of the block that was opened last.
    kind: String,
    /// The message that is open, by its id.
    message: Option<String>,
    stop: Option<String>,
    /// True if it produced something. An error before that is one of the call.
    begun: bool,
}

impl Reader for AiMessagesReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        if data == "[DONE]" {
            return;
        }
        run.parse(data, &mut |run, json| match is_typed(json) {
            true => self.typed(run, json),
            false => mistyped(run),
        });
        if let Some(error) = run.given.error.take_if(|_| !self.begun) {
            run.break_off("AI_APICallError", error.message);
        }
    }

    fn close(&mut self, run: &mut ClientRun) {
        self.parts.close(run);
    }
}

impl AiMessagesReader {
    fn typed(&mut self, run: &mut ClientRun, event: Value<'_>) {
        let kind = text(Some(event), "type").unwrap_or_default();
        let index = event.get("index").map_or("", |index| index.source());
        match kind.as_str() {
            "message_start" => self.start(run, event),
            "content_block_start" => self.open(run, index, event.get("content_block")),
            "content_block_delta" => self.delta(run, index, event.get("delta")),
            "content_block_stop" => self.stop(run, index),
            "message_delta" => self.stop = text(event.get("delta"), "stop_reason"),
            "message_stop" => {
                self.begun = true;
                self.message = None;
                self.parts.finish(run, self.stop.as_deref());
            }
            "error" => {
                let words = text(event.get("error"), "message").unwrap_or_default();
                run.report("Object", words);
            }
            _ => {}
        }
    }

    fn start(&mut self, run: &mut ClientRun, event: Value<'_>) {
        let message = event.get("message");
        let id = message.and_then(|m| m.get("id")).map_or("", |id| id.source());
        if let Some(open) = &self.message {
            if open != id {
                let words = format!("Received message_start for message {id}");
                run.report("AI_InvalidResponseDataError", words);
                run.stopped = true;
                self.parts.close(run);
            }
            return;
        }
        self.begun = true;
        self.message = Some(id.to_owned());
        self.stop = text(message, "stop_reason").or(self.stop.take());
        let blocks = message.and_then(|m| m.get("content"));
        for block in blocks.into_iter().flat_map(Value::items) {
            let input = block.get("input").filter(|input| !input.is_null());
            let name = text(Some(block), "name").unwrap_or_default();
            self.parts.call(run, &name, input.map_or("{}", |input| input.source()));
        }
    }

    fn open(&mut self, run: &mut ClientRun, index: &str, block: Option<Value<'_>>) {
        let Some(block) = block else { return };
        let kind = text(Some(block), "type").unwrap_or_default();
        if kind == "fallback" {
            return;
        }
        self.begun = true;
        let name = text(Some(block), "name").unwrap_or_default();
        let input = block.get("input").filter(|i| i.kind() == Kind::Object && !i.is_empty());
        let input = input.map_or("", |input| input.source()).to_owned();
        match kind.as_str() {
            "text" | "compaction" => {
                self.parts.start(PartChannel::Text, index);
                self.blocks.insert(index.to_owned(), OpenBlock::Text);
            }
            "thinking" | "redacted_thinking" => {
                self.parts.start(PartChannel::Reasoning, index);
                self.blocks.insert(index.to_owned(), OpenBlock::Reasoning);
            }
            "tool_use" => {
                let call = OpenCall { name, input, prefix: None };
                self.blocks.insert(index.to_owned(), OpenBlock::Call(call));
            }
            "server_tool_use" => {
                if let Some(call) = server_call(name, input) {
                    self.blocks.insert(index.to_owned(), OpenBlock::Call(call));
                }
            }
            "mcp_tool_use" => {
                self.parts.call(run, &name, block.get("input").map_or("{}", |i| i.source()));
            }
            _ => {}
        }
        self.kind = kind;
    }

    fn delta(&mut self, run: &mut ClientRun, index: &str, delta: Option<Value<'_>>) {
        let of = |name| text(delta, name).unwrap_or_default();
        let kind = of("type");
        self.begun |= kind != "input_json_delta";
        match kind.as_str() {
            "text_delta" => self.parts.delta(run, PartChannel::Text, index, &of("text")),
            "compaction_delta" => self.parts.delta(run, PartChannel::Text, index, &of("content")),
            "thinking_delta" => {
                self.parts.delta(run, PartChannel::Reasoning, index, &of("thinking"))
            }
            "signature_delta" if self.kind == "thinking" => {
                self.parts.delta(run, PartChannel::Reasoning, index, "");
            }
            "input_json_delta" => {
                let piece = of("partial_json");
                let Some(OpenBlock::Call(call)) = self.blocks.get_mut(index) else { return };
                if let Some(prefix) = call.prefix.filter(|_| call.input.is_empty()) {
                    call.input.push_str(prefix);
                    call.input.push_str(piece.get(1..).unwrap_or_default());
                } else {
                    call.input.push_str(&piece);
                }
            }
            _ => {}
        }
    }

    fn stop(&mut self, run: &mut ClientRun, index: &str) {
        match self.blocks.remove(index) {
            Some(OpenBlock::Text) => self.parts.end(run, PartChannel::Text, index),
            Some(OpenBlock::Reasoning) => self.parts.end(run, PartChannel::Reasoning, index),
            Some(OpenBlock::Call(call)) => self.parts.call(run, &call.name, &call.input),
            None => {}
        }
        self.kind.clear();
    }
}

/// A call that the provider runs, where the SDK knows its tool.
fn server_call(name: String, input: String) -> Option<OpenCall> {
    let prefix = match name.as_str() {
        "text_editor_code_execution" => Some(r#"{"type": "text_editor_code_execution","#),
        "bash_code_execution" => Some(r#"{"type": "bash_code_execution","#),
        "code_execution" => Some(r#"{"type": "programmatic-tool-call","#),
        "web_fetch" | "web_search" | "tool_search_tool_regex" | "tool_search_tool_bm25" => None,
        "advisor" => return Some(OpenCall { name, input: "{}".into(), prefix: None }),
        _ => return None,
    };
    let name = if prefix.is_some() { "code_execution".into() } else { name };
    Some(OpenCall { name, input, prefix })
}

/// The schema of an event, as far as streams break it.
fn is_typed(event: Value<'_>) -> bool {
    let Some(kind) = text(Some(event), "type") else { return false };
    let indexed = is(event, "index", Kind::Number);
    match kind.as_str() {
        "message_start" => event.get("message").is_some_and(is_message),
        "content_block_start" => indexed && event.get("content_block").is_some_and(is_block),
        "content_block_delta" => indexed && event.get("delta").is_some_and(is_delta),
        "content_block_stop" => indexed,
        "message_delta" => {
            let delta = event.get("delta").filter(|delta| delta.kind() == Kind::Object);
            let usage = event.get("usage").filter(|usage| usage.kind() == Kind::Object);
            let words = ["stop_reason", "stop_sequence"];
            let counts = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
            delta.is_some_and(|d| words.iter().all(|word| is_or_null(d, word, Kind::String)))
                && usage.is_some_and(|u| {
                    is(u, "output_tokens", Kind::Number)
                        && counts.iter().all(|count| is_or_null(u, count, Kind::Number))
                })
        }
        "error" => event.get("error").is_some_and(|error| {
            is(error, "type", Kind::String) && is(error, "message", Kind::String)
        }),
        "message_stop" | "ping" => true,
        _ => false,
    }
}

fn is_message(message: Value<'_>) -> bool {
    let words = ["id", "model", "role", "stop_reason"];
    let counts = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    let call = |block: Value<'_>| {
        text(Some(block), "type").as_deref() == Some("tool_use")
            && is(block, "id", Kind::String)
            && is(block, "name", Kind::String)
    };
    words.iter().all(|word| is_or_null(message, word, Kind::String))
        && is_or_null(message, "content", Kind::Array)
        && message.get("content").into_iter().flat_map(Value::items).all(call)
        && message.get("usage").is_some_and(|usage| {
            is(usage, "input_tokens", Kind::Number)
                && counts.iter().all(|count| is_or_null(usage, count, Kind::Number))
        })
}

fn is_block(block: Value<'_>) -> bool {
    let strings = |names: &[&str]| names.iter().all(|name| is(block, name, Kind::String));
    let input = |null: bool| {
        let input = block.get("input");
        input.is_none_or(|i| i.kind() == Kind::Object || null && i.is_null())
    };
    match text(Some(block), "type").unwrap_or_default().as_str() {
        "text" => strings(&["text"]),
        "thinking" => strings(&["thinking"]),
        "redacted_thinking" => strings(&["data"]),
        "compaction" => is_or_null(block, "content", Kind::String),
        "tool_use" => strings(&["id", "name"]) && input(false),
        "server_tool_use" => strings(&["id", "name"]) && input(true),
        "mcp_tool_use" => strings(&["id", "name", "server_name"]),
        "mcp_tool_result" => {
            strings(&["tool_use_id"])
                && is(block, "is_error", Kind::Bool)
                && is(block, "content", Kind::Array)
        }
        "web_search_tool_result" => {
            strings(&["tool_use_id"])
                && block.get("content").is_some_and(|content| match content.kind() {
                    Kind::Array => content.items().all(|result| {
                        ["url", "title", "encrypted_content"]
                            .iter()
                            .all(|name| is(result, name, Kind::String))
                    }),
                    _ => is(content, "error_code", Kind::String),
                })
        }
        "web_fetch_tool_result"
        | "code_execution_tool_result"
        | "bash_code_execution_tool_result"
        | "text_editor_code_execution_tool_result"
        | "tool_search_tool_result"
        | "advisor_tool_result" => strings(&["tool_use_id"]) && is(block, "content", Kind::Object),
        "fallback" => true,
        _ => false,
    }
}

fn is_delta(delta: Value<'_>) -> bool {
    let string = |name| is(delta, name, Kind::String);
    match text(Some(delta), "type").unwrap_or_default().as_str() {
        "input_json_delta" => string("partial_json"),
        "text_delta" => string("text"),
        "thinking_delta" => string("thinking"),
        "signature_delta" => string("signature"),
        "compaction_delta" => is_or_null(delta, "content", Kind::String),
        "citations_delta" => delta.get("citation").is_some_and(is_citation),
        _ => false,
    }
}

fn is_citation(citation: Value<'_>) -> bool {
    let strings = |names: &[&str]| names.iter().all(|name| is(citation, name, Kind::String));
    let numbers = |names: &[&str]| names.iter().all(|name| is(citation, name, Kind::Number));
    // A title may be null, but must be present.
    let titled = || {
        let title = citation.get("document_title");
        title.is_some_and(|title| title.is_null() || title.kind() == Kind::String)
    };
    strings(&["cited_text"])
        && match text(Some(citation), "type").unwrap_or_default().as_str() {
            "web_search_result_location" => strings(&["url", "title", "encrypted_index"]),
            "page_location" => {
                titled() && numbers(&["document_index", "start_page_number", "end_page_number"])
            }
            "char_location" => {
                titled() && numbers(&["document_index", "start_char_index", "end_char_index"])
            }
            _ => false,
        }
}
