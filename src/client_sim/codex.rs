//! OpenAI Responses as Codex reads them: the answer is the items of `response.output_item.done`, whatever
//! was streamed before and whatever the final object says, and only `response.completed` ends it.

use super::value::text;
use super::{ClientRun, ClientToolCall, Reader};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::<CodexReader>::default()
}

/// Name under which it reports a turn that failed.
pub(super) const FAILED: &str = "turn.failed";
/// Text in front of the message of an error in the stream.
pub(super) const DISCONNECTED: &str = "stream disconnected before completion: ";

/// Message for a request that does not fit the model.
const TOO_LONG: &str = "Codex ran out of room in the model's context window.";

#[derive(Debug, Default)]
struct CodexReader {
    completed: bool,
}

impl Reader for CodexReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        run.parse(data, &mut |run, json| self.typed(run, json));
    }

    fn close(&mut self, run: &mut ClientRun) {
        if !self.completed {
            run.fail(FAILED, format!("{DISCONNECTED}stream closed before response.completed"));
        }
    }
}

impl CodexReader {
    fn typed(&mut self, run: &mut ClientRun, event: Value<'_>) {
        let error = event.get("error").or_else(|| event.at(&["response", "error"]));
        if text(error, "code").is_some_and(|code| code == "context_length_exceeded") {
            return run.fail(FAILED, TOO_LONG);
        }
        match event.str("type").as_deref() {
            Some("response.output_item.done") => item(run, event.get("item")),
            Some("response.completed") => match lacking(event.get("response")) {
                Some(name) => {
                    let why = format!("failed to parse ResponseCompleted: missing field `{name}`");
                    run.fail(FAILED, format!("{DISCONNECTED}{why}"));
                }
                None => {
                    // The client stops reading here.
                    (self.completed, run.done) = (true, true);
                    run.given.finish.insert(0, "completed".into());
                }
            },
            Some("response.failed") => {
                let error = event.at(&["response", "error"]);
                let words = text(error, "message").unwrap_or_default();
                run.fail(FAILED, format!("{DISCONNECTED}{words}"));
            }
            Some("response.incomplete") => {
                let details = event.at(&["response", "incomplete_details"]);
                let reason = text(details, "reason").unwrap_or_else(|| "unknown".into());
                run.fail(FAILED, format!("Incomplete response returned, reason: {reason}"));
            }
            _ => {}
        }
    }
}

/// A whole item.
fn item(run: &mut ClientRun, item: Option<Value<'_>>) {
    let parts = |list: &str| {
        let list = item.and_then(|item| item.get(list));
        list.into_iter().flat_map(Value::items)
    };
    match text(item, "type").as_deref() {
        Some("message") => {
            let texts =
                parts("content").filter(|p| p.get("type").is_some_and(|t| t.is("output_text")));
            let joined: String = texts.filter_map(|part| text(Some(part), "text")).collect();
            if !joined.is_empty() {
                run.given.content.entry(0).or_default().push_str(&joined);
            }
        }
        Some("reasoning") => {
            let joined: String = parts("summary").filter_map(|p| text(Some(p), "text")).collect();
            if !joined.is_empty() {
                run.given.reasoning.entry(0).or_default().push_str(&joined);
            }
        }
        Some("function_call" | "custom_tool_call") => {
            let arguments = text(item, "arguments").or_else(|| text(item, "input"));
            run.given.tools.push(ClientToolCall {
                name: text(item, "name"),
                arguments: arguments.unwrap_or_default(),
                ..ClientToolCall::default()
            });
        }
        _ => {}
    }
}

/// The first field that it requires of the final object and does not find.
fn lacking(response: Option<Value<'_>>) -> Option<&'static str> {
    let response = response.filter(|response| response.kind() == Kind::Object)?;
    if response.str("id").is_none() {
        return Some("id");
    }
    let usage = response.get("usage").filter(|usage| usage.kind() == Kind::Object)?;
    const COUNTS: &[&str] = &["input_tokens", "output_tokens", "total_tokens"];
    if let Some(count) = COUNTS.iter().find(|count| usage.get(count).is_none()) {
        return Some(count);
    }
    const DETAILS: &[(&str, &str)] =
        &[("input_tokens_details", "cached_tokens"), ("output_tokens_details", "reasoning_tokens")];
    let lacks = |(details, count): &&(&str, &str)| {
        let details = usage.get(details).filter(|details| details.kind() == Kind::Object);
        details.is_some_and(|details| details.get(count).is_none())
    };
    DETAILS.iter().find(lacks).map(|(_, count)| *count)
}
