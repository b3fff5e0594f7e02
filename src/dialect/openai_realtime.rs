//! OpenAI's Realtime API: one JSON message each, with an `event_id`, about a session and the
//! responses in it. What is spoken has its transcript as text.

use std::borrow::Cow;

use super::emit::{emit_call, emit_error_in, emit_failure, emit_text, error_kind, model_once};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage, error_text,
};
use crate::json::{Kind, Value};

/// The dialect `openai-realtime`.
pub(super) struct OpenAiRealtime;

impl Dialect for OpenAiRealtime {
    fn name(&self) -> &'static str {
        "openai-realtime"
    }

    fn about(&self) -> &'static str {
        "OpenAI Realtime (WebSocket messages)"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&["completed", "cancelled", "incomplete"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let kind = json.str("type")?;
        if is_message(json) {
            return Some(Evidence::member("type", kind));
        }
        matches!(&*kind, "session.created" | "session.updated" | "input_audio_buffer.committed")
            .then(|| Evidence::likely(format!("type {kind}")))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<OpenAiRealtimeDecoder>::default()
    }
}

/// Returns whether an event is one of a session's: those of Responses are numbered instead.
pub(super) fn is_message(json: Value<'_>) -> bool {
    const SUBJECTS: &[&str] = &[
        "session.",
        "response.",
        "conversation.",
        "input_audio_buffer.",
        "output_audio_buffer.",
        "rate_limits.",
        "mcp_list_tools.",
        "transcription_session.",
    ];
    json.get("event_id").is_some()
        && json.get("sequence_number").is_none()
        && json.str("type").is_some_and(|kind| {
            kind == "error" || SUBJECTS.iter().any(|subject| kind.starts_with(subject))
        })
}

/// Reads the messages of one session.
#[derive(Default)]
struct OpenAiRealtimeDecoder {
    model_named: bool,
    /// A response ended before the one at hand.
    over: bool,
    /// True if text or a call of the current response arrived.
    came: bool,
    /// Its error was reported.
    failed: bool,
}

impl Decoder for OpenAiRealtimeDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        let kind = json.str("type").unwrap_or(Cow::Borrowed(payload.event));
        let delta = || json.str("delta");
        let at = || Path::new("delta", 0);
        match kind.as_ref() {
            "session.created" => {
                let model = || json.at(&["session", "model"]).and_then(Value::as_str);
                model_once(&mut self.model_named, model, emit);
            }
            "response.created" => {
                if self.over {
                    emit(DecodeEvent::Begun);
                }
                *self = Self { model_named: self.model_named, ..Self::default() };
            }
            "response.output_text.delta"
            | "response.text.delta"
            | "response.output_audio_transcript.delta"
            | "response.audio_transcript.delta"
            | "session.output_transcript.delta" => {
                self.came |= delta().is_some_and(|d| !d.is_empty());
                emit_text(Channel::Content, at(), delta(), emit);
            }
            // Speech of the user.
            "conversation.item.input_audio_transcription.delta"
            | "session.input_transcript.delta" => {
                emit_text(Channel::Other, at(), delta(), emit);
            }
            "conversation.item.input_audio_transcription.failed" => {
                if let Some(error) = json.get("error") {
                    emit_error_in(error, emit);
                }
            }
            "response.output_item.added" => {
                if let Some(item) = json.get("item").filter(|i| is_call(*i)) {
                    self.came = true;
                    let id = item.str("call_id").or_else(|| item.str("id"));
                    emit_call(Path::new("item", 0), id, item.str("name"), None, emit);
                }
            }
            "response.function_call_arguments.delta" => {
                self.came = true;
                let id = json.str("call_id").or_else(|| json.str("item_id"));
                emit_call(at(), id, None, delta(), emit);
            }
            "response.done" => self.done(json, emit),
            "session.closed" => emit(DecodeEvent::Terminal),
            "error" => {
                self.failed = true;
                let error = json.get("error").filter(|e| !e.is_null()).unwrap_or(json);
                emit_error_in(error, emit);
            }
            _ => {}
        }
    }
}

/// Returns whether an item is a call that the client has to answer.
fn is_call(item: Value<'_>) -> bool {
    item.str("type").is_some_and(|t| t == "function_call")
}

impl OpenAiRealtimeDecoder {
    /// The last message of a response, whatever became of it.
    fn done(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        self.over = true;
        let Some(response) = json.get("response") else { return emit(DecodeEvent::Terminal) };
        let usage = response.get("usage").map(usage_of).filter(Usage::is_given);
        if let Some(usage) = usage {
            emit(DecodeEvent::Usage { path: Path::new("response.usage", 0), usage });
        }
        let details = response.get("status_details").filter(|d| !d.is_null());
        let status = response.str("status").unwrap_or_default();
        match &*status {
            "failed" => {
                let error = details.and_then(|d| d.get("error")).filter(|e| !e.is_null());
                if !std::mem::replace(&mut self.failed, true) {
                    let text = error.map(error_text);
                    let text = text.unwrap_or(Cow::Borrowed("the response failed"));
                    emit_failure(text, error.and_then(error_kind), emit);
                }
            }
            // Audio alone is an answer, too, so missing text is no fault.
            "" => {}
            "completed" if !self.came => {}
            _ => {
                emit(DecodeEvent::Finish { choice: 0, reason: status });
                if let Some(cause) = details.and_then(|d| d.str("reason")) {
                    emit(DecodeEvent::Cause { choice: 0, cause });
                }
            }
        }
        emit(DecodeEvent::Terminal);
    }
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |path: &[&str]| usage.at(path).and_then(Value::as_u64);
    Usage {
        input: count(&["input_tokens"]),
        output: count(&["output_tokens"]),
        reasoning: None,
        cached: count(&["input_token_details", "cached_tokens"]),
        total: count(&["total_tokens"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of;
    use crate::frame;

    #[test]
    fn responses_one_after_the_other() {
        let events = script_of(
            frame::FrameKind::Line,
            "auto",
            &[
                r#"{"type":"session.created","event_id":"e1","session":{"model":"gpt-realtime"}}"#,
                r#"{"type":"response.created","event_id":"e2","response":{}}"#,
                r#"{"type":"response.output_audio_transcript.delta","event_id":"e3","delta":"Hi"}"#,
                r#"{"type":"response.done","event_id":"e4","response":{"status":"completed","usage":{"total_tokens":3}}}"#,
                r#"{"type":"response.created","event_id":"e5","response":{}}"#,
                r#"{"type":"response.output_item.added","event_id":"e6","item":{"type":"function_call","call_id":"c","name":"f"}}"#,
                r#"{"type":"response.function_call_arguments.delta","event_id":"e7","call_id":"c","delta":"{}"}"#,
                r#"{"type":"response.done","event_id":"e8","response":{"status":"incomplete","status_details":{"reason":"max_output_tokens"}}}"#,
                r#"{"type":"response.created","event_id":"e9","response":{}}"#,
                r#"{"type":"response.done","event_id":"e10","response":{"status":"failed","status_details":{"error":{"type":"server_error","code":"x"}}}}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "model gpt-realtime",
                "content 0 delta: Hi",
                "usage response.usage - - - - 3",
                "finish 0 completed",
                "terminal",
                "begun",
                "tool None item c f -",
                "tool None delta c - {}",
                "finish 0 incomplete",
                "cause 0 max_output_tokens",
                "terminal",
                "begun",
                r#"error Object x: {"type":"server_error","code":"x"}"#,
                "terminal",
            ]
        );
    }
}
