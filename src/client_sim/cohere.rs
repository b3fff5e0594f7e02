//! Cohere's second chat API, as its SDK reads it (`cohere/v2/raw_client.py`): what does not fit a type is
//! skipped with a line in the log, and nothing in the stream is raised.

use super::value::text;
use super::{ClientRun, Reader, calls};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::new(CohereReader)
}

#[derive(Debug)]
struct CohereReader;

impl Reader for CohereReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        if data == "[DONE]" {
            run.done = true;
            return;
        }
        let before = run.given.chunks;
        let mut is_json = false;
        run.parse(data, &mut |run, json| {
            is_json = true;
            deliver(run, json);
        });
        // Data that is not JSON becomes an event without any of the fields that are read.
        run.given.chunks = run.given.chunks.max(before + u64::from(!is_json && !data.is_empty()));
    }
}

/// Adds what a careful loop reads from an event.
fn deliver(run: &mut ClientRun, event: Value<'_>) {
    if !is_typed(event) {
        return;
    }
    run.given.chunks += 1;
    let kind = text(Some(event), "type");
    let index = event.get("index").and_then(Value::as_u64);
    let message = event.at(&["delta", "message"]);
    let function = event.at(&["delta", "message", "tool_calls", "function"]);
    match kind.as_deref() {
        // Without a type the first matching event type counts: the one for text.
        None | Some("content-start" | "content-delta") => {
            let content = message.and_then(|message| message.get("content"));
            for (channel, name) in
                [(&mut run.given.content, "text"), (&mut run.given.reasoning, "thinking")]
            {
                if let Some(words) = text(content, name).filter(|words| !words.is_empty()) {
                    channel.entry(0).or_default().push_str(&words);
                }
            }
            if kind.is_none() && function.is_some() {
                run.given.elsewhere = Some("which type it takes a call without one for".into());
            }
        }
        Some("tool-call-start" | "tool-call-delta") => {
            let name = text(function, "name").filter(|name| !name.is_empty());
            let arguments = text(function, "arguments").unwrap_or_default();
            let tool = calls::at(run, 0, index);
            tool.name = tool.name.take().or(name);
            tool.arguments.push_str(&arguments);
        }
        Some("message-end") => {
            let reason = text(event.get("delta"), "finish_reason").filter(|r| !r.is_empty());
            if let Some(reason) = reason {
                run.given.finish.insert(0, reason);
            }
        }
        _ => {}
    }
}

/// Its types, as far as streams break them.
fn is_typed(event: Value<'_>) -> bool {
    const KINDS: &[&str] = &[
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "citation-start",
        "citation-end",
        "message-end",
        "debug",
    ];
    let Some(kind) = event.get("type") else { return event.kind() == Kind::Object };
    let Some(kind) = kind.as_str().filter(|kind| KINDS.contains(&kind.as_ref())) else {
        return false;
    };
    let is = |path: &[&str], kind: Kind| {
        event.at(path).is_none_or(|field| field.is_null() || field.kind() == kind)
    };
    let object = |path: &[&str]| is(path, Kind::Object);
    let index = event.get("index").is_none_or(|index| {
        let digits = index.as_str().is_some_and(|index| index.trim().parse::<i64>().is_ok());
        index.is_null() || index.kind() == Kind::Number || digits
    });
    let message = index && object(&["delta"]) && object(&["delta", "message"]);
    message
        && match kind.as_ref() {
            "content-start" | "content-delta" => {
                object(&["delta", "message", "content"])
                    && is(&["delta", "message", "content", "text"], Kind::String)
                    && is(&["delta", "message", "content", "thinking"], Kind::String)
            }
            "tool-call-start" | "tool-call-delta" => {
                object(&["delta", "message", "tool_calls"])
                    && object(&["delta", "message", "tool_calls", "function"])
                    && is(&["delta", "message", "tool_calls", "function", "name"], Kind::String)
                    && is(
                        &["delta", "message", "tool_calls", "function", "arguments"],
                        Kind::String,
                    )
            }
            _ => true,
        }
}
