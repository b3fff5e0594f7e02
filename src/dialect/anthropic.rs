//! Anthropic Messages: typed events about numbered content blocks.
//!
//! The JSON says in `type` what the SSE `event` line says too; this decoder reads `type`, because
//! gateways drop the lines. A call's index is its block's, so calls are seldom numbered from 0.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::emit::emit_text;
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, ToolPiece, Usage, Varying, error_text,
};
use crate::json::{Kind, Value};

mod requests;
pub(super) use requests::{read, write, write_rest};

/// The dialect `anthropic`.
pub(super) struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn about(&self) -> &'static str {
        "Anthropic Messages, also on Vertex and Azure"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            path: "/messages",
            key_header: ("x-api-key", ""),
            headers: &[("anthropic-version", "2023-06-01")],
            read,
            write,
        })
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(&[
            "end_turn",
            "max_tokens",
            "stop_sequence",
            "tool_use",
            "pause_turn",
            "compaction",
            "refusal",
            "model_context_window_exceeded",
        ])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let object = |key: &str| json.get(key).is_some_and(|v| v.kind() == Kind::Object);
        let Some(kind) = json.str("type") else { return untyped(payload, json) };
        let known = match kind.as_ref() {
            "message_start" => object("message"),
            "content_block_start" => object("content_block"),
            "content_block_delta" => object("delta") && json.get("index").is_some(),
            "content_block_stop" => json.get("index").is_some(),
            "message_delta" => object("delta"),
            "message_stop" => true,
            "completion" => json.get("completion").is_some() && json.get("stop_reason").is_some(),
            // A message that was not streamed.
            "message" => {
                json.get("content").is_some_and(|c| c.kind() == Kind::Array)
                    && json.get("stop_reason").is_some()
            }
            // OpenAI's errors have `code` and `param`, and its events a sequence number.
            "error" => {
                let ours = json.get("sequence_number").is_none()
                    && json.get("error").is_some_and(|e| {
                        e.str("type").is_some()
                            && e.str("message").is_some()
                            && e.get("code").is_none()
                            && e.get("param").is_none()
                    });
                return ours.then(|| Evidence::guess("an error with type \"error\""));
            }
            _ => false,
        };
        known.then(|| Evidence::member("type", kind))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<AnthropicDecoder>::default()
    }
}

/// An event without its `type`, which gateways drop: its event line names it, or its delta does.
fn untyped(payload: &Payload<'_>, json: Value<'_>) -> Option<Evidence> {
    let key = match payload.event {
        "message_start" => "message",
        "content_block_start" => "content_block",
        "content_block_delta" | "message_delta" => "delta",
        _ => {
            let delta = json.at(&["delta", "type"]).and_then(Value::as_str)?;
            let known = matches!(
                &*delta,
                "text_delta" | "thinking_delta" | "input_json_delta" | "signature_delta"
            );
            return (known && json.get("index").is_some())
                .then(|| Evidence::member("delta.type", delta));
        }
    };
    json.get(key)
        .is_some_and(|v| v.kind() == Kind::Object)
        .then(|| Evidence::certain(format!("event {}", payload.event)))
}

/// The decoder. Every event names its block, so little has to be remembered.
#[derive(Default)]
pub(super) struct AnthropicDecoder {
    /// The call inputs that the beginnings of blocks contain, by the block. Such an input is used only if no
    /// pieces of it arrive, as in clients.
    held: BTreeMap<u64, String>,
}

impl Decoder for AnthropicDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        Some(&[])
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        // Not part of the dialect, but gateways that speak OpenAI's API still send it.
        if payload.data.starts_with("[DONE]") {
            return emit(DecodeEvent::Sentinel);
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                let message = Cow::Borrowed(payload.data);
                emit(DecodeEvent::Error(InBandError {
                    message,
                    kind: None,
                    shape: ErrorShape::Text,
                }));
            }
            return;
        };
        // Some gateways drop the `type` but keep the event name, others the reverse.
        let kind = json.str("type").unwrap_or(Cow::Borrowed(payload.event));
        match kind.as_ref() {
            "content_block_delta" => {
                if json.at(&["delta", "partial_json"]).is_some() {
                    self.held.remove(&index(json).unwrap_or_default());
                }
                delta(json, emit);
            }
            "content_block_start" => {
                if let Some(block) = json.get("content_block") {
                    started(block, index(json), emit);
                    if let Some(input) = input(block) {
                        self.held.insert(index(json).unwrap_or_default(), input.to_owned());
                    }
                }
            }
            "content_block_stop" => {
                if let Some(input) = self.held.remove(&index(json).unwrap_or_default()) {
                    let path = Path::new("content_block.input", 0);
                    call(index(json), path, None, Some(input.into()), emit);
                }
            }
            "message_start" => {
                if let Some(message) = json.get("message") {
                    filled(message, emit);
                    usage(message.get("usage"), "message.usage", emit);
                }
            }
            "message_delta" => {
                finish(json.at(&["delta", "stop_reason"]), emit);
                usage(json.get("usage"), "usage", emit);
            }
            "message_stop" => emit(DecodeEvent::Terminal),
            // The API before Messages: the next piece of one text, and its end.
            "completion" => completion(json, emit),
            "message" => whole(json, emit),
            _ => error(json, payload, emit),
        }
    }
}

fn completion(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    model(json, emit);
    let text = json.str("completion");
    emit_text(Channel::Content, Path::new("completion", 0), text, emit);
    finish(json.get("stop_reason"), emit);
    if json.get("stop_reason").is_some_and(|r| !r.is_null()) {
        emit(DecodeEvent::Terminal);
    }
}

fn index(json: Value<'_>) -> Option<u64> {
    json.get("index").and_then(Value::as_u64)
}

fn call<'a>(
    index: Option<u64>,
    path: Path,
    block: Option<Value<'a>>,
    arguments: Option<Cow<'a, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let named = |key| block.and_then(|b| b.str(key)).filter(|s| !s.is_empty());
    let (id, name) = (named("id"), named("name"));
    emit(DecodeEvent::Tool(Box::new(ToolPiece {
        choice: 0,
        path,
        index,
        id,
        name,
        arguments,
        free_text: false,
    })));
}

fn delta(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let Some(delta) = json.get("delta") else { return };
    // Look at the fields, not at `type`: a signature or a citation has none of them.
    emit_text(Channel::Content, Path::new("delta.text", 0), delta.str("text"), emit);
    emit_text(Channel::Reasoning, Path::new("delta.thinking", 0), delta.str("thinking"), emit);
    // A compaction delta is what remains of a shortened conversation; the model did not write it for the
    // user.
    if delta.get("type").is_some_and(|t| t.is("compaction_delta")) {
        emit_text(Channel::Other, Path::new("delta.content", 0), delta.str("content"), emit);
    }
    if let Some(piece) = delta.str("partial_json") {
        call(index(json), Path::new("delta.partial_json", 0), None, Some(piece), emit);
    }
}

/// A block begins; what it holds already counts as its first delta.
fn started(block: Value<'_>, index: Option<u64>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let at = |template| Path::new(template, 0);
    match block.str("type").unwrap_or_default().as_ref() {
        "thinking" => {
            emit_text(
                Channel::Reasoning,
                at("content_block.thinking"),
                block.str("thinking"),
                emit,
            );
        }
        kind if is_call(kind) => call(index, at("content_block"), Some(block), None, emit),
        "text" => emit_text(Channel::Content, at("content_block.text"), block.str("text"), emit),
        _ => {}
    }
}

/// `tool_use`, and the calls that the provider runs itself: `server_tool_use`, `mcp_tool_use`.
fn is_call(kind: &str) -> bool {
    kind.ends_with("tool_use")
}

/// The input that a block brings along. The empty object is only the place where the pieces go.
fn input(block: Value<'_>) -> Option<&str> {
    let input = block.get("input").filter(|i| i.kind() == Kind::Object && !i.is_empty())?;
    Some(input.source())
}

/// A message that was not streamed: all of it at once.
fn whole(message: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    const PATHS: [&str; 3] = ["content[#].text", "content[#].thinking", "content[#]"];
    content(message, PATHS, emit);
    usage(message.get("usage"), "usage", emit);
}

/// The message of a `message_start`. Calls that a program made are whole there, and so is the
/// reason for which the message ended.
fn filled(message: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    const PATHS: [&str; 3] =
        ["message.content[#].text", "message.content[#].thinking", "message.content[#]"];
    content(message, PATHS, emit);
}

/// The blocks of a message, by the paths of texts, thoughts and calls.
fn content(
    message: Value<'_>,
    [texts, thoughts, calls]: [&'static str; 3],
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    model(message, emit);
    for (i, block) in message.get("content").into_iter().flat_map(Value::items).enumerate() {
        match block.str("type").unwrap_or_default().as_ref() {
            "text" => emit_text(Channel::Content, Path::new(texts, i), block.str("text"), emit),
            "thinking" => {
                let text = block.str("thinking");
                emit_text(Channel::Reasoning, Path::new(thoughts, i), text, emit);
            }
            kind if is_call(kind) => {
                let source = block.get("input").map(|i| Cow::Borrowed(i.source()));
                call(Some(i as u64), Path::new(calls, i), Some(block), source, emit);
            }
            _ => {}
        }
    }
    finish(message.get("stop_reason"), emit);
}

fn model(message: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(model) = message.str("model").filter(|m| !m.is_empty()) {
        emit(DecodeEvent::Model(model));
    }
}

fn finish(reason: Option<Value<'_>>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(reason) = reason.and_then(Value::as_str).filter(|r| !r.is_empty()) {
        emit(DecodeEvent::Finish { choice: 0, reason });
    }
}

/// Reports the usage. `input_tokens` leaves out what was read from or written to the cache, and stays as it
/// is: a sum would be a number that no one sent.
fn usage(given: Option<Value<'_>>, at: &'static str, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let Some(given) = given.filter(|u| u.kind() == Kind::Object) else { return };
    let count = |path: &[&str]| given.at(path).and_then(Value::as_u64);
    let usage = Usage {
        input: count(&["input_tokens"]),
        output: count(&["output_tokens"]),
        reasoning: count(&["output_tokens_details", "thinking_tokens"]),
        cached: count(&["cache_read_input_tokens"]),
        total: None,
    };
    if usage.is_given() {
        emit(DecodeEvent::Usage { path: Path::new(at, 0), usage });
    }
}

fn error(json: Value<'_>, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let word = |v: Option<Value<'_>>| v.and_then(Value::as_str).map(|s| Cow::Owned(s.into_owned()));
    let given = json.get("error").filter(|e| !e.is_null());
    let (message, kind, shape) = match given {
        Some(error) if error.kind() == Kind::String => (error_text(error), None, ErrorShape::Text),
        Some(error) => (error_text(error), word(error.get("type")), ErrorShape::Object),
        None if payload.event == "error" || json.get("type").is_some_and(|t| t.is("error")) => {
            (error_text(json), word(json.get("code")), ErrorShape::Flat)
        }
        None => return,
    };
    emit(DecodeEvent::Error(InBandError { message, kind, shape }));
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn blocks_become_channels_and_calls() {
        let events = script(
            "anthropic",
            &[
                r#"{"type":"message_start","message":{"model":"m","usage":{"input_tokens":3}}}"#,
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}"#,
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}"#,
                r#"{"type":"message_stop"}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "model m",
                "usage message.usage 3 - - - -",
                "reasoning 0 delta.thinking: hm",
                "tool Some(1) content_block t f -",
                "tool Some(1) delta.partial_json - - {}",
                "finish 0 tool_use",
                "usage usage - 7 - - -",
                "terminal",
            ]
        );
    }

    #[test]
    fn input_that_stands_at_the_beginning_counts_where_no_pieces_come() {
        let start = |index: u64| {
            format!(
                r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"server_tool_use","id":"t","name":"f","input":{{"a":1}}}}}}"#
            )
        };
        let events = script(
            "anthropic",
            &[
                &start(0),
                r#"{"type":"content_block_stop","index":0}"#,
                &start(1),
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
                r#"{"type":"content_block_stop","index":1}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "tool Some(0) content_block t f -",
                r#"tool Some(0) content_block.input - - {"a":1}"#,
                "tool Some(1) content_block t f -",
                r#"tool Some(1) delta.partial_json - - {"a":1}"#,
            ]
        );
    }

    #[test]
    fn older_completions_and_compaction() {
        let events = script(
            "anthropic",
            &[
                r#"{"type":"completion","completion":" a","stop_reason":null,"model":"m"}"#,
                r#"{"type":"completion","completion":"","stop_reason":"stop_sequence","model":"m"}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"short"}}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "model m",
                "content 0 completion:  a",
                "model m",
                "finish 0 stop_sequence",
                "terminal",
                "other 0 delta.content: short",
            ]
        );
    }

    #[test]
    fn an_error_is_told_with_its_type() {
        let events = script(
            "anthropic",
            &[r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#],
        );
        assert_eq!(events, ["error Object overloaded_error: Overloaded"]);
    }

    #[test]
    fn a_message_that_was_not_streamed_is_read_whole() {
        let events = script(
            "anthropic",
            &[
                r#"{"type":"message","model":"m","stop_reason":"end_turn","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"x":1}}]}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "model m",
                "content 0 content[0].text: a",
                "tool Some(1) content[1] t f {\"x\":1}",
                "finish 0 end_turn",
            ]
        );
    }
}
