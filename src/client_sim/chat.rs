//! OpenAI's chunks, as the clients of OpenAI Chat read them.

use super::client::{DoneHandling, Family};
use super::sdk::Gate;
use super::value::{compact, python_type};
use super::{ClientRun, Reader, calls, litellm_messages};
use crate::json::{Kind, Value};

/// Message of an error that has none.
const NO_WORDS: &str = "An error occurred during streaming";

/// The members of a delta that hold reasoning, with any provider.
const REASONING: &[&str] =
    &["reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking"];

/// The reader of the clients that pass chunks on.
#[derive(Debug)]
pub(super) struct ChatChunksReader;

/// Makes one.
pub(super) fn chunks() -> Box<dyn Reader> {
    Box::new(ChatChunksReader)
}

impl Reader for ChatChunksReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        match run.client.done {
            DoneHandling::Ends if data.starts_with("[DONE]") => run.done = true,
            DoneHandling::PassedOver if data == "[DONE]" => {}
            _ => run.parse(data, &mut read),
        }
    }

    fn close(&mut self, run: &mut ClientRun) {
        close(run);
    }
}

/// Reads one payload.
fn read(run: &mut ClientRun, json: Value<'_>) {
    if !in_band_error(run, json) && is_chunk(run, json) {
        deliver(run, json);
    }
}

/// Adds what a careful loop reads from a chunk.
pub(super) fn deliver(run: &mut ClientRun, json: Value<'_>) {
    run.given.chunks += 1;
    let choices = json.get("choices");
    let mut any = false;
    for choice in choices.into_iter().flat_map(Value::items) {
        if !any || run.client.all_choices {
            one(run, choice);
        }
        any = true;
    }
    // Once a chunk without text follows a finish, LiteLLM keeps that finish.
    if any && let Family::LiteLlm { .. } = run.client.family {
        let mut text = choices.into_iter().flat_map(Value::items).map(|c| c.get("delta"));
        run.notes.finish_settled |= !run.given.finish.is_empty() && text.all(is_empty);
    }
    if !any {
        let what = match choices.map(Value::kind) {
            Some(Kind::Array) => &mut run.notes.choices_empty,
            _ => &mut run.notes.choices_none,
        };
        *what += 1;
    }
}

/// OpenAI's gate: `[DONE]` ends a stream, and an `error` in a payload raises.
pub(super) const GATE: Gate = Gate { admits, is_error: in_band_error };

fn admits(run: &mut ClientRun, _event: &str, data: &str) -> bool {
    run.done |= data.starts_with("[DONE]") && run.client.done == DoneHandling::Ends;
    !run.done
}

/// Raises an error in the stream, if the client treats it as one.
fn in_band_error(run: &mut ClientRun, json: Value<'_>) -> bool {
    let Some(error) = json.get("error").filter(|e| is_truthy(run, *e)) else { return false };
    let text = error.str("message").filter(|m| !m.is_empty());
    match run.client.family {
        Family::OpenAiNode => {
            let words = text.map_or_else(|| compact(error), |s| s.into_owned());
            run.raise("APIError", words);
        }
        Family::VercelAi => match error.str("message") {
            Some(text) => run.report("Object", text),
            None => mistyped(run),
        },
        _ => run.raise("APIError", text.as_deref().unwrap_or(NO_WORDS)),
    }
    true
}

/// Truth as Python has it, or JavaScript, where objects are always true.
fn is_truthy(run: &ClientRun, value: Value<'_>) -> bool {
    let script = matches!(run.client.family, Family::OpenAiNode | Family::VercelAi);
    match value.kind() {
        Kind::Null => false,
        Kind::Bool => value.as_bool() == Some(true),
        Kind::Number => value.as_f64() != Some(0.0),
        Kind::String | Kind::Key => !value.text_bytes().is_empty(),
        Kind::Array | Kind::Object => script || !value.is_empty(),
    }
}

fn mistyped(run: &mut ClientRun) {
    run.report("AI_TypeValidationError", "Type validation failed: Value: ");
}

/// Returns whether the payload is a chunk to the client. If not, the client reacts to it.
fn is_chunk(run: &mut ClientRun, json: Value<'_>) -> bool {
    let object = json.kind() == Kind::Object;
    match run.client.family {
        Family::VercelAi if !is_typed(json) => {
            mistyped(run);
            return false;
        }
        Family::LangChain if !object => {
            let words = format!("{} object has no attribute 'model_dump'", python_type(json));
            run.raise("AttributeError", words);
            return false;
        }
        Family::LiteLlm { .. } if json.is_null() => return false,
        Family::LiteLlm { .. } if !object => {
            run.raise("", format!("{} object has no attribute 'choices'", python_type(json)));
            return false;
        }
        Family::LangChain if has_odd_arguments(json) => {
            run.raise("ValidationError", "1 validation error for AIMessageChunk");
            return false;
        }
        _ => {}
    }
    true
}

fn pieces(delta: Option<Value<'_>>) -> impl Iterator<Item = Value<'_>> {
    delta.and_then(|d| d.get("tool_calls")).into_iter().flat_map(Value::items)
}

fn has_odd_arguments(json: Value<'_>) -> bool {
    let choice = json.get("choices").and_then(|c| c.items().next());
    pieces(choice.and_then(|c| c.get("delta"))).any(|piece| {
        let arguments = piece.at(&["function", "arguments"]);
        arguments.is_some_and(|a| !a.is_null() && a.kind() != Kind::String)
    })
}

/// The schema of `ai`'s provider for OpenAI-compatible servers, as far as streams break it.
fn is_typed(json: Value<'_>) -> bool {
    let string = |v: Option<Value<'_>>| v.is_none_or(|v| v.is_null() || v.kind() == Kind::String);
    let choices = json.get("choices").filter(|c| c.kind() == Kind::Array);
    choices.is_some_and(|choices| {
        choices.items().all(|choice| {
            let Some(delta) = choice.get("delta").filter(|d| !d.is_null()) else {
                return string(choice.get("finish_reason"));
            };
            string(delta.get("reasoning"))
                && string(delta.get("reasoning_content"))
                && string(choice.get("finish_reason"))
                && (string(delta.get("content"))
                    || delta.get("content").is_some_and(|c| c.kind() == Kind::Array))
                && pieces(Some(delta)).all(|piece| {
                    piece
                        .get("function")
                        .is_some_and(|f| string(f.get("name")) && string(f.get("arguments")))
                })
        })
    })
}

/// Returns whether a field has content.
fn is_full(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Null => false,
        Kind::String => !value.text_bytes().is_empty(),
        Kind::Array | Kind::Object => !value.is_empty(),
        _ => true,
    }
}

/// Returns whether a delta holds nothing that LiteLLM passes on.
fn is_empty(delta: Option<Value<'_>>) -> bool {
    let members = ["content", "tool_calls", "function_call", "reasoning_content", "reasoning"];
    delta.is_none_or(|d| members.iter().all(|m| !d.get(m).is_some_and(is_full)))
}

fn one(run: &mut ClientRun, choice: Value<'_>) {
    let odd = choice.get("index").and_then(Value::as_str);
    if odd.is_some_and(|index| index.parse::<u32>().is_err())
        && matches!(run.client.family, Family::LiteLlm { .. })
    {
        run.given.elsewhere = Some("its caller gets a choice whose index is no number".into());
    }
    let first_only = !run.client.all_choices;
    let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
    let index = if first_only { 0 } else { u32::try_from(index).unwrap_or(u32::MAX) };
    let delta = choice.get("delta").filter(|d| d.kind() == Kind::Object);
    if let Some(delta) = delta {
        content(run, index, delta);
        reasoning(run, index, delta);
    } else {
        run.notes.delta_none += 1;
    }
    for piece in pieces(delta) {
        calls::add(run, index, piece);
        if run.stopped {
            return;
        }
    }
    if let Some(reason) = choice.str("finish_reason").filter(|r| !r.is_empty()) {
        finish(run, index, &reason);
    }
}

fn add(channel: &mut std::collections::BTreeMap<u32, String>, choice: u32, text: &str) {
    if !text.is_empty() {
        channel.entry(choice).or_default().push_str(text);
    }
}

fn content(run: &mut ClientRun, choice: u32, delta: Value<'_>) {
    let Some(content) = delta.get("content") else { return };
    if let Some(text) = content.as_str() {
        add(&mut run.given.content, choice, &text);
    } else if content.kind() == Kind::Array && run.client.family == Family::VercelAi {
        // Mistral's parts.
        for part in content.items() {
            if let Some(text) = part.str("text") {
                add(&mut run.given.content, choice, &text);
            }
            for thought in part.get("thinking").into_iter().flat_map(Value::items) {
                add(&mut run.given.reasoning, choice, &thought.str("text").unwrap_or_default());
            }
        }
    } else if !content.is_null() {
        run.notes.content_odd += 1;
    }
}

fn reasoning(run: &mut ClientRun, choice: u32, delta: Value<'_>) {
    let mine = run.client.reasoning.iter().find_map(|name| delta.get(name).filter(|v| is_full(*v)));
    match mine.map(|v| (v, v.as_str())) {
        Some((_, Some(text))) => add(&mut run.given.reasoning, choice, &text),
        Some((_, None)) => run.notes.reasoning_odd += 1,
        None => {}
    }
    if mine.is_none()
        && let Some(name) = REASONING.iter().find(|name| delta.get(name).is_some_and(is_full))
    {
        run.notes.unread(name);
    }
}

fn finish(run: &mut ClientRun, choice: u32, reason: &str) {
    let Family::LiteLlm { unknown_is_stop, .. } = run.client.family else {
        run.given.finish.insert(choice, reason.to_owned());
        return;
    };
    if reason == "error" {
        run.raise("", "openai raised a streaming error - finish_reason: error");
        return;
    }
    // LiteLLM reports only the first choice's finish, and in OpenAI's words.
    let known = match unknown_is_stop {
        true => litellm_messages::finish(reason),
        false => old_finish(reason),
    };
    if run.notes.finish_settled {
        return;
    }
    run.notes.finish_renamed = (known != reason).then(|| reason.to_owned());
    run.given.finish.insert(0, known.to_owned());
}

/// A finish in the words of the older LiteLLM, which passes on what it does not know.
fn old_finish(reason: &str) -> &str {
    match reason {
        "eos_token" | "stop_sequence" | "end_turn" | "STOP" | "COMPLETE" | "ERROR" => "stop",
        "max_tokens" | "MAX_TOKENS" => "length",
        "tool_use" => "tool_calls",
        "content_filtered" | "SAFETY" | "RECITATION" | "ERROR_TOXIC" => "content_filter",
        "FINISH_REASON_UNSPECIFIED" => "finish_reason_unspecified",
        "MALFORMED_FUNCTION_CALL" => "malformed_function_call",
        other => other,
    }
}

/// Handles the end of the body, if it caused no error.
fn close(run: &mut ClientRun) {
    match run.client.family {
        Family::LiteLlm { odd_reasoning_raises, .. } => {
            run.given.fabricated = run.given.finish.is_empty();
            run.given.finish.entry(0).or_insert_with(|| "stop".into());
            if odd_reasoning_raises && run.notes.reasoning_odd > 0 {
                run.fail(
                    "APIError",
                    "litellm.APIError: Error building chunks for logging/streaming usage calculation",
                );
            }
        }
        Family::LangChain if run.given.chunks == 0 => {
            run.fail("ValueError", "No generation chunks were returned");
        }
        Family::VercelAi => {
            calls::close(run);
            if !run.stopped && run.given.finish.is_empty() {
                let words = "Response stream ended without a finish reason.";
                run.report("AI_InvalidResponseDataError", words);
            }
        }
        _ => {}
    }
}
