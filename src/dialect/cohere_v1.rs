//! Cohere's first API, `/v1/chat` and `/v1/generate`: one object per line, distinguished by `event_type`. Its
//! last line repeats the whole answer.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::request::{
    ChatRequest, ChatRole, Located, Notes, Numbers, Param, TrackedValue, TurnPart, lose_effort,
    only_text, read_common, read_prompt, read_stop, usage_always, write_model, write_numbers,
    write_stop, write_stream, write_system,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, ToolPiece, Usage,
    cohere::{error, whole},
    emit::emit_text,
    error_text,
};
use crate::json::{Kind, Value};

/// The dialect `cohere-v1`.
pub(super) struct CohereV1;

impl Dialect for CohereV1 {
    fn name(&self) -> &'static str {
        "cohere-v1"
    }

    fn about(&self) -> &'static str {
        "Cohere v1 chat (NDJSON)"
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
            "ERROR_LIMIT",
            "ERROR_TOXIC",
            "ERROR",
            "USER_CANCEL",
            "TIMEOUT",
        ])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let kind = json.str("event_type")?;
        let known = match kind.as_ref() {
            "stream-start" => json.get("generation_id").is_some(),
            "text-generation" => json.get("text").is_some(),
            "search-queries-generation"
            | "search-results"
            | "citation-generation"
            | "tool-calls-chunk"
            | "tool-calls-generation"
            | "stream-end"
            | "stream-error" => true,
            _ => false,
        };
        known.then(|| Evidence::member("event_type", kind))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<CohereV1Decoder>::default()
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

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    request.system.extend(body.get("preamble").and_then(TrackedValue::located_text));
    for turn in body.get("chat_history").into_iter().flat_map(TrackedValue::items) {
        let role = match turn.look_str("role") {
            "USER" => ChatRole::User,
            "CHATBOT" => ChatRole::Assistant,
            "SYSTEM" => {
                request.system.extend(turn.get("message").and_then(TrackedValue::located_text));
                turn.tag("role");
                continue;
            }
            _ => continue,
        };
        if let Some(text) = turn.get("message").and_then(TrackedValue::located_text) {
            turn.tag("role");
            request.push(role, Located { value: TurnPart::Text(text.value), at: text.at });
        }
    }
    read_prompt(body.get("message"), &mut request);
    read_stop(body.get("stop_sequences"), &mut request);
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    request
}

/// Writes the body, in which the user's last message is separate from the earlier ones.
fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    let mut turns = request.alternating();
    let last = turns.pop_if(|turn| turn.role == ChatRole::User);
    let mut history = Vec::new();
    for turn in &turns {
        let role = if turn.role == ChatRole::User { "USER" } else { "CHATBOT" };
        history.push(json!({"role": role, "message": only_text(turn, notes)}));
    }
    let message = last.map(|turn| only_text(&turn, notes)).unwrap_or_default();
    body.insert("message".into(), json!(message));
    write_system(request, "preamble", &mut body);
    if !history.is_empty() {
        body.insert("chat_history".into(), history.into());
    }
    for tool in &request.tools {
        notes.lost(&tool.at, "tools have no JSON schema here");
    }
    if let Some(choice) = &request.choice {
        notes.lost(&choice.at, "tools have no JSON schema here");
    }
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["stop_sequences"], &mut body);
    lose_effort(request, notes);
    write_stream(request, &mut body, notes);
    usage_always(request, notes);
    body
}

/// The kinds of content that arrived in pieces, so that they are not reported again where they arrive whole.
#[derive(Default)]
struct CohereV1Decoder {
    text: bool,
    plan: bool,
    calls: bool,
}

impl Decoder for CohereV1Decoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        match json.str("event_type").unwrap_or_default().as_ref() {
            "text-generation" => {
                self.text = true;
                emit_text(Channel::Content, Path::new("text", 0), json.str("text"), emit);
            }
            "tool-calls-chunk" => self.piece(json, emit),
            "tool-calls-generation" => {
                if !std::mem::replace(&mut self.plan, true) {
                    emit_text(Channel::Other, Path::new("text", 0), json.str("text"), emit);
                }
                self.calls(json, "tool_calls[#]", emit);
            }
            "stream-end" => self.end(json, emit),
            "stream-error" => {
                let message = json.str("err").unwrap_or_else(|| error_text(json));
                let kind = json.str("finish_reason");
                emit(DecodeEvent::Error(InBandError { message, kind, shape: ErrorShape::Flat }));
                emit(DecodeEvent::Terminal);
            }
            "" => error(json, payload, emit),
            _ => {}
        }
    }
}

impl CohereV1Decoder {
    /// The next piece of a call, or of what the model says it will do with its tools: for the
    /// user, but not the answer.
    fn piece(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let delta = json.get("tool_call_delta").filter(|d| d.kind() == Kind::Object);
        let plan = [
            ("text", json.str("text")),
            ("tool_call_delta.text", delta.and_then(|d| d.str("text"))),
        ];
        for (path, text) in plan {
            self.plan |= text.as_ref().is_some_and(|t| !t.is_empty());
            emit_text(Channel::Other, Path::new(path, 0), text, emit);
        }
        let Some(delta) = delta else { return };
        let name = delta.str("name").filter(|n| !n.is_empty());
        let arguments = delta.str("parameters");
        if name.is_none() && arguments.is_none() {
            return;
        }
        self.calls = true;
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice: 0,
            path: Path::new("tool_call_delta", 0),
            index: delta.get("index").and_then(whole),
            id: None,
            name,
            arguments,
            free_text: false,
        })));
    }

    /// Calls that are whole; they have no ids.
    fn calls(
        &mut self,
        json: Value<'_>,
        path: &'static str,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let calls = json.get("tool_calls").filter(|c| c.kind() == Kind::Array && !c.is_empty());
        let Some(calls) = calls.filter(|_| !std::mem::replace(&mut self.calls, true)) else {
            return;
        };
        for (i, call) in calls.items().enumerate() {
            let parameters = call.get("parameters").filter(|p| !p.is_null());
            emit(DecodeEvent::Tool(Box::new(ToolPiece {
                choice: 0,
                path: Path::new(path, i),
                index: Some(i as u64),
                id: None,
                name: call.str("name").filter(|n| !n.is_empty()),
                arguments: parameters.map(|p| p.as_str().unwrap_or(Cow::Borrowed(p.source()))),
                free_text: false,
            })));
        }
    }

    fn end(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let reason = json.str("finish_reason").filter(|r| !r.is_empty());
        if let Some(response) = json.get("response") {
            if !self.text {
                let generated = response.get("generations").and_then(|g| g.items().next());
                let path = if generated.is_some() {
                    "response.generations[0].text"
                } else {
                    "response.text"
                };
                let text = generated.unwrap_or(response).str("text");
                emit_text(Channel::Content, Path::new(path, 0), text, emit);
            }
            self.calls(response, "response.tool_calls[#]", emit);
            usage(response, emit);
        }
        if let Some(reason) = reason.clone().filter(|r| matches!(r.as_ref(), "ERROR" | "TIMEOUT")) {
            let content = json.str("error").filter(|e| !e.is_empty());
            let message = content.unwrap_or_else(|| format!("finish_reason {reason}").into());
            let kind = Some(reason);
            emit(DecodeEvent::Error(InBandError { message, kind, shape: ErrorShape::Flat }));
        }
        if let Some(reason) = reason {
            emit(DecodeEvent::Finish { choice: 0, reason });
        }
        emit(DecodeEvent::Terminal);
    }
}

/// Reports the usage: `tokens` is what the model saw, `billed_units` what older servers send instead,
/// `token_count` what the oldest do.
fn usage(response: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    const PLACES: &[(&[&str], &str, [&str; 2])] = &[
        (&["meta", "tokens"], "response.meta.tokens", ["input_tokens", "output_tokens"]),
        (
            &["meta", "billed_units"],
            "response.meta.billed_units",
            ["input_tokens", "output_tokens"],
        ),
        (&["token_count"], "response.token_count", ["prompt_tokens", "response_tokens"]),
    ];
    for (place, path, [input, output]) in PLACES {
        let Some(given) = response.at(place) else { continue };
        let count = |key: &str| given.get(key).and_then(whole);
        let usage = Usage {
            input: count(input),
            output: count(output),
            reasoning: None,
            cached: response.at(&["meta", "cached_tokens"]).and_then(whole),
            total: count("total_tokens"),
        };
        if usage.is_given() {
            return emit(DecodeEvent::Usage { path: Path::new(path, 0), usage });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of;
    use crate::frame::FrameKind;

    #[test]
    fn the_last_line_repeats_what_came() {
        let s = script_of(
            FrameKind::Line,
            "auto",
            &[
                r#"{"is_finished":false,"event_type":"stream-start","generation_id":"g"}"#,
                r#"{"is_finished":false,"event_type":"text-generation","text":"Hi"}"#,
                r#"{"is_finished":false,"event_type":"citation-generation","citations":[{"text":"Hi"}]}"#,
                r#"{"is_finished":true,"event_type":"stream-end","response":{"text":"Hi","meta":{"billed_units":{"input_tokens":3,"output_tokens":2},"tokens":{"input_tokens":70.0,"output_tokens":2.0},"cached_tokens":4}},"finish_reason":"COMPLETE"}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "content 0 text: Hi",
                "usage response.meta.tokens 70 2 - 4 -",
                "finish 0 COMPLETE",
                "terminal"
            ]
        );
    }

    #[test]
    fn calls_come_in_pieces_and_again_whole() {
        let s = script_of(
            FrameKind::Line,
            "auto",
            &[
                r#"{"event_type":"tool-calls-chunk","text":"I will look."}"#,
                r#"{"event_type":"tool-calls-chunk","tool_call_delta":{"index":0.0,"name":"f"}}"#,
                r#"{"event_type":"tool-calls-chunk","tool_call_delta":{"index":0,"parameters":"{\"a\": 1}"}}"#,
                r#"{"event_type":"tool-calls-generation","text":"I will look.","tool_calls":[{"name":"f","parameters":{"a":1}}]}"#,
                r#"{"event_type":"stream-end","finish_reason":"COMPLETE","response":{"text":"","tool_calls":[{"name":"f","parameters":{"a":1}}]}}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "other 0 text: I will look.",
                "tool Some(0) tool_call_delta - f -",
                "tool Some(0) tool_call_delta - - {\"a\": 1}",
                "finish 0 COMPLETE",
                "terminal"
            ]
        );
        let whole = r#"{"event_type":"tool-calls-generation","tool_calls":[{"name":"f","parameters":{"a":1}}]}"#;
        let s = script_of(FrameKind::Line, "auto", &[whole]);
        assert_eq!(s, ["tool Some(0) tool_calls[0] - f {\"a\":1}"]);
    }

    #[test]
    fn what_came_only_at_the_end_and_errors() {
        let s = script_of(
            FrameKind::Line,
            "auto",
            &[
                r#"{"event_type":"stream-end","finish_reason":"ERROR","response":{"generations":[{"text":"a"}],"token_count":{"prompt_tokens":3,"response_tokens":1,"total_tokens":4}}}"#,
                r#"{"event_type":"stream-error","finish_reason":"ERROR","err":"boom"}"#,
                r#"{"message":"invalid api token"}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "content 0 response.generations[0].text: a",
                "usage response.token_count 3 1 - - 4",
                "error Flat ERROR: finish_reason ERROR",
                "finish 0 ERROR",
                "terminal",
                "error Flat ERROR: boom",
                "terminal",
                "error Flat -: invalid api token"
            ]
        );
    }
}
