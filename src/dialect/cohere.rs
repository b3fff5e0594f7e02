//! Cohere v2 chat: typed events about one message.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::emit::emit_text;
use super::request::{
    ChatRequest, Effort, Notes, Numbers, Param, ToolChoice, TrackedValue, chat, put, read_common,
    read_same, read_stop, usage_always, write_model, write_numbers, write_same, write_stop,
    write_stream,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, ToolPiece, Usage, Varying, error_text,
};
use crate::json::{Kind, Value};

/// The dialect `cohere-v2`.
pub(super) struct Cohere;

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        "cohere-v2"
    }

    fn about(&self) -> &'static str {
        "Cohere v2 chat"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/chat", read, write))
    }

    fn error_members(&self) -> &'static [&'static str] {
        &["message"]
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(&[
            "COMPLETE",
            "STOP_SEQUENCE",
            "MAX_TOKENS",
            "TOOL_CALL",
            "ERROR",
            "TIMEOUT",
        ])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let kind = json.str("type")?;
        let known = match kind.as_ref() {
            "message-start" | "content-start" | "content-delta" | "tool-plan-delta"
            | "tool-call-start" | "tool-call-delta" | "citation-start" => {
                json.at(&["delta", "message"]).is_some()
            }
            "message-end" => json.at(&["delta", "finish_reason"]).is_some(),
            _ => false,
        };
        known.then(|| Evidence::member("type", kind))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(CohereDecoder)
    }
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["p"]),
    (Param::TopK, &["k"]),
    (Param::Seed, &["seed"]),
    (Param::PresencePenalty, &["presence_penalty"]),
    (Param::FrequencyPenalty, &["frequency_penalty"]),
];

/// Members as Chat Completions has them, too.
const SAME: &[&str] = &["logprobs"];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    chat::read_messages(body.get("messages"), &mut request);
    chat::read_tools(body.get("tools"), "parameters", &mut request);
    chat::read_choice(body.get("tool_choice"), &mut request);
    read_stop(body.get("stop_sequences"), &mut request);
    if let Some(thinking) = body.get("thinking") {
        let budget = thinking.get("token_budget").filter(|b| b.look().is_i64());
        let effort = match (thinking.look_str("type"), budget) {
            ("disabled", _) => Some(thinking.located(Effort::Off)),
            ("enabled", Some(budget)) => {
                budget.take().as_i64().map(|tokens| budget.located(Effort::of_tokens(tokens)))
            }
            ("enabled", None) => Some(thinking.located(Effort::Auto)),
            _ => None,
        };
        if effort.is_some() {
            thinking.tag("type");
        }
        request.effort = effort;
    }
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    read_same(body, SAME, &mut request);
    request
}

fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    body.insert("messages".into(), chat::write_messages(request, notes));
    chat::write_tools(request, &mut body);
    match request.choice.as_ref().map(|c| (&c.value, &c.at)) {
        None => {}
        Some((ToolChoice::None, _)) => put(&mut body, &["tool_choice"], json!("NONE")),
        Some((ToolChoice::Required, _)) => put(&mut body, &["tool_choice"], json!("REQUIRED")),
        Some((ToolChoice::Auto, at)) => notes.elsewhere(at, "the model chooses by default"),
        Some((ToolChoice::Tool(_), at)) => {
            notes.changed(at, "no certain function can be asked for: \"REQUIRED\"");
            put(&mut body, &["tool_choice"], json!("REQUIRED"));
        }
    }
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["stop_sequences"], &mut body);
    if let Some(effort) = &request.effort {
        let thinking = match effort.value.tokens() {
            Some(0) => json!({"type": "disabled"}),
            None => json!({"type": "enabled"}),
            Some(budget) => {
                if effort.value != Effort::Tokens(budget) {
                    notes.changed(&effort.at, format!("a budget of {budget} tokens replaces it"));
                }
                json!({"type": "enabled", "token_budget": budget})
            }
        };
        body.insert("thinking".into(), thinking);
    }
    write_stream(request, &mut body, notes);
    usage_always(request, notes);
    write_same(request, SAME, &mut body);
    body
}

/// The decoder.
struct CohereDecoder;

impl Decoder for CohereDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        Some(&[])
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        // Undocumented, but most recorded streams end with it.
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
        let message = json.at(&["delta", "message"]);
        match json.str("type").unwrap_or_default().as_ref() {
            "content-start" | "content-delta" => {
                if let Some(content) = message.and_then(|m| m.get("content")) {
                    let text = Path::new("delta.message.content.text", 0);
                    let thinking = Path::new("delta.message.content.thinking", 0);
                    emit_text(Channel::Content, text, content.str("text"), emit);
                    emit_text(Channel::Reasoning, thinking, content.str("thinking"), emit);
                }
            }
            // What the model plans to do with its tools: meant for the user, but not part of the answer.
            "tool-plan-delta" => {
                let path = Path::new("delta.message.tool_plan", 0);
                emit_text(Channel::Other, path, message.and_then(|m| m.str("tool_plan")), emit);
            }
            "tool-call-start" | "tool-call-delta" => {
                if let Some(calls) = message.and_then(|m| m.get("tool_calls")) {
                    call(calls, json.get("index").and_then(Value::as_u64), emit);
                }
            }
            "message-end" => end(json, emit),
            "message-start" | "content-end" | "tool-call-end" | "citation-start"
            | "citation-end" | "debug" => {}
            _ => error(json, payload, emit),
        }
    }
}

/// One call: the documents have an object under `tool_calls`, in spite of the name.
fn call(calls: Value<'_>, index: Option<u64>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let call = if calls.kind() == Kind::Array { calls.items().next() } else { Some(calls) };
    let Some(call) = call.filter(|c| c.kind() == Kind::Object) else { return };
    let function = |key: &str| call.at(&["function", key]).and_then(Value::as_str);
    emit(DecodeEvent::Tool(Box::new(ToolPiece {
        choice: 0,
        path: Path::new("delta.message.tool_calls", 0),
        index,
        id: call.str("id").filter(|id| !id.is_empty()),
        name: function("name").filter(|n| !n.is_empty()),
        arguments: function("arguments"),
        free_text: false,
    })));
}

/// The last event has the finish, the usage, and what went wrong.
fn end(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(delta) = json.get("delta") {
        let reason = delta.str("finish_reason").filter(|r| !r.is_empty());
        let text = delta.get("error").filter(|e| !matches!(e.raw(), b"null" | b"\"\""));
        let failed = reason.as_deref().is_some_and(|r| matches!(r, "ERROR" | "TIMEOUT"));
        if text.is_some() || failed {
            let message = match text {
                Some(error) => error_text(error),
                None => format!("finish_reason {}", reason.as_deref().unwrap_or_default()).into(),
            };
            let kind = reason.clone();
            emit(DecodeEvent::Error(InBandError { message, kind, shape: ErrorShape::Flat }));
        }
        if let Some(reason) = reason {
            emit(DecodeEvent::Finish { choice: 0, reason });
        }
        usage(delta.get("usage"), emit);
    }
    emit(DecodeEvent::Terminal);
}

/// `tokens` is what the model saw; `billed_units` leaves out what Cohere itself puts around the
/// prompt. Both may be written as floats.
fn usage(given: Option<Value<'_>>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let count = |path: &[&str]| given.and_then(|u| u.at(path)).and_then(whole);
    let usage = Usage {
        input: count(&["tokens", "input_tokens"]),
        output: count(&["tokens", "output_tokens"]),
        reasoning: None,
        cached: count(&["cached_tokens"]),
        total: None,
    };
    if usage.is_given() {
        emit(DecodeEvent::Usage { path: Path::new("delta.usage", 0), usage });
    }
}

/// A count, which may be written as a float.
pub(super) fn whole(value: Value<'_>) -> Option<u64> {
    value.as_u64().or_else(|| {
        let n = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..9e15).contains(n))?;
        Some(n as u64)
    })
}

/// An error, for both versions.
pub(super) fn error(json: Value<'_>, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let (error, shape) = match json.get("error").filter(|e| !e.is_null()) {
        Some(error) if error.kind() == Kind::String => (error, ErrorShape::Text),
        Some(error) => (error, ErrorShape::Object),
        // `{"id":…,"message":"invalid api token"}`
        None if payload.event == "error" || json.get("message").is_some() => {
            (json, ErrorShape::Flat)
        }
        None => return,
    };
    emit(DecodeEvent::Error(InBandError { message: error_text(error), kind: None, shape }));
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn thoughts_plans_calls_and_text_stay_apart() {
        let events = script(
            "cohere-v2",
            &[
                r#"{"type":"message-start","delta":{"message":{"role":"assistant"}}}"#,
                r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}"#,
                r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"hm"}}}}"#,
                r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"a"}}}}"#,
                r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"p"}}}"#,
                r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"t","function":{"name":"f","arguments":""}}}}}"#,
                r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{}"}}}}}"#,
                r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"tokens":{"input_tokens":3.0,"output_tokens":7}}}}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            events,
            [
                "reasoning 0 delta.message.content.thinking: hm",
                "content 0 delta.message.content.text: a",
                "other 0 delta.message.tool_plan: p",
                "tool Some(0) delta.message.tool_calls t f ",
                "tool Some(0) delta.message.tool_calls - - {}",
                "finish 0 TOOL_CALL",
                "usage delta.usage 3 7 - - -",
                "terminal",
                "sentinel",
            ]
        );
    }

    #[test]
    fn a_finish_that_is_an_error_is_one() {
        let events = script(
            "cohere-v2",
            &[
                r#"{"type":"message-end","delta":{"error":"out of memory","finish_reason":"ERROR"}}"#,
                r#"{"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "error Flat ERROR: out of memory",
                "finish 0 ERROR",
                "terminal",
                "error Flat TIMEOUT: finish_reason TIMEOUT",
                "finish 0 TIMEOUT",
                "terminal",
            ]
        );
    }
}
