//! OpenAI Responses as LiteLLM reads them
//! (`litellm/completion_extras/litellm_responses_transformation/transformation.py`): each event is made into a
//! chunk of Chat, and only a terminal event ends the stream.

use std::collections::BTreeMap;

use super::head::litellm;
use super::value::{python, text};
use super::{ClientRun, Reader, calls};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::<LiteLlmResponsesReader>::default()
}

/// Text in front of its message about a delta without text.
const UNREADABLE: &str = "Error parsing chunk: Chat provider: ";

#[derive(Debug, Default)]
struct LiteLlmResponsesReader {
    /// The number of the call at each output index, as it is written.
    calls: BTreeMap<String, u64>,
    ended: bool,
}

impl Reader for LiteLlmResponsesReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        if data == "[DONE]" {
            run.done = true;
            return;
        }
        run.parse(data, &mut |run, json| {
            if json.kind() == Kind::Object {
                self.typed(run, json);
            }
        });
    }

    fn close(&mut self, run: &mut ClientRun) {
        if !self.ended {
            let words = "litellm.MidStreamFallbackError: litellm.APIConnectionError: openai closed the \
                         responses stream before any terminal event (response.completed, \
                         response.incomplete or response.failed)";
            run.fail("MidStreamFallbackError", words);
        }
    }
}

impl LiteLlmResponsesReader {
    fn typed(&mut self, run: &mut ClientRun, event: Value<'_>) {
        run.given.chunks += 1;
        let Some(kind) = event.get("type") else {
            return run.raise("", "'GenericEvent' object has no attribute 'type'");
        };
        match kind.as_str().unwrap_or_default().as_ref() {
            "response.output_item.added" => self.item(run, event),
            "response.output_item.done" if event.get("item").is_some_and(Value::is_null) => {
                run.raise("", "'NoneType' object has no attribute 'get'");
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                match text(Some(event), "delta").filter(|delta| !delta.is_empty()) {
                    Some(delta) => {
                        let index = self.index(event);
                        calls::at(run, 0, Some(index)).arguments.push_str(&delta);
                    }
                    None => {
                        run.raise("", format!("{UNREADABLE}Invalid function argument delta {{"))
                    }
                }
            }
            "response.output_text.delta" => match event.get("delta").filter(|d| !d.is_null()) {
                Some(delta) => add(&mut run.given.content, 0, delta),
                None => run.raise("", format!("{UNREADABLE}Invalid text delta {{")),
            },
            "response.reasoning_summary_text.delta" => {
                // The index of the summary part becomes the index of the choice.
                let part = event.get("summary_index").and_then(Value::as_u64).unwrap_or(0);
                if let Some(delta) = event.get("delta") {
                    add(&mut run.given.reasoning, u32::try_from(part).unwrap_or(u32::MAX), delta);
                }
            }
            "response.completed" => self.end(run, event, true),
            "response.incomplete" => self.end(run, event, false),
            "response.failed" => failed(run, event.at(&["response", "error"])),
            "error" => failed(run, event.get("error")),
            _ => {}
        }
    }

    fn item(&mut self, run: &mut ClientRun, event: Value<'_>) {
        let Some(item) = event.get("item") else { return };
        if item.is_null() {
            return run.raise("", "'NoneType' object has no attribute 'get'");
        }
        let given = |name: &str| text(Some(item), name).filter(|word| !word.is_empty());
        let (name, arguments) = match given("type").as_deref() {
            Some("function_call") => (given("name"), given("arguments")),
            Some("custom_tool_call") => {
                (given("name").or_else(|| Some("custom_tool".into())), given("input"))
            }
            _ => return,
        };
        let arguments = arguments.or_else(|| text(Some(event), "arguments")).unwrap_or_default();
        let index = self.index(event);
        let tool = calls::at(run, 0, Some(index));
        tool.name = tool.name.take().or(name);
        tool.arguments.push_str(&arguments);
    }

    /// The number of the call at an event's output index.
    fn index(&mut self, event: Value<'_>) -> u64 {
        let next = self.calls.len() as u64;
        let index = event.get("output_index").map_or("0", Value::source);
        *self.calls.entry(index.to_owned()).or_insert(next)
    }

    fn end(&mut self, run: &mut ClientRun, event: Value<'_>, completed: bool) {
        self.ended = true;
        run.ended = true;
        let response = event.get("response");
        if response.is_some_and(Value::is_null) {
            return run.raise("", "'NoneType' object has no attribute 'get'");
        }
        let output = response.and_then(|response| response.get("output"));
        if output.is_some_and(Value::is_null) {
            return run.raise("", "'NoneType' object is not iterable");
        }
        let is_call = |item: Value<'_>| {
            let kind = text(Some(item), "type");
            matches!(kind.as_deref(), Some("function_call" | "custom_tool_call"))
        };
        let called = output.is_some_and(|output| output.items().any(is_call));
        let reason = event.at(&["response", "incomplete_details", "reason"]);
        let finish = match (completed, called) {
            (true, true) => "tool_calls",
            (true, false) => "stop",
            (false, _) if reason.is_some_and(|r| r.is("content_filter")) => "content_filter",
            (false, _) => "length",
        };
        run.given.finish.insert(0, finish.to_owned());
    }
}

fn add(channel: &mut BTreeMap<u32, String>, choice: u32, words: Value<'_>) {
    if let Some(words) = words.as_str().filter(|words| !words.is_empty()) {
        channel.entry(choice).or_default().push_str(&words);
    }
}

/// The provider says that it failed. A flat `error` event has no words to LiteLLM.
fn failed(run: &mut ClientRun, error: Option<Value<'_>>) {
    let error = error.filter(|error| error.kind() == Kind::Object);
    let field = |name: &str| error.and_then(|e| e.get(name)).filter(|value| !value.is_null());
    let words = field("message").map(|m| m.as_str().map_or_else(|| python(m), Into::into));
    let words = words.unwrap_or_else(|| "Response API in-stream error".into());
    let code = |name| field(name).map(|c| c.as_str().map_or_else(|| c.source().into(), Into::into));
    let given: [Option<String>; 2] = [code("code"), text(error, "type")];
    let (class, words) = litellm(status(&given), &words);
    match class {
        "InternalServerError" | "RateLimitError" | "Timeout" => {
            run.fail("MidStreamFallbackError", format!("litellm.MidStreamFallbackError: {words}"));
        }
        class => run.fail(class, words),
    }
}

/// The HTTP status that LiteLLM takes an error's code or type for.
fn status(given: &[Option<String>; 2]) -> u16 {
    let mut given = given.iter().flatten().map(String::as_str);
    if given.clone().any(|word| word.starts_with("rate_limit") || word == "insufficient_quota") {
        return 429;
    }
    let known = |word: &str| match word {
        "server_error" => Some(500),
        "vector_store_timeout" => Some(504),
        "invalid_prompt"
        | "invalid_request_error"
        | "context_length_exceeded"
        | "content_policy_violation"
        | "model_not_found" => Some(400),
        word if word.contains("image") => Some(400),
        word => word.parse().ok().filter(|number| (400..600).contains(number)),
    };
    given.find_map(known).unwrap_or(500)
}
