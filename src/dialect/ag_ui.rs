//! AG-UI, between an agent and a user interface: typed events about a run, its messages and calls.

use std::borrow::Cow;

use super::emit::{emit_call, emit_failure, emit_text, error_kind};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage, error_text,
};
use crate::json::{Kind, Value};

/// The dialect `ag-ui`.
pub(super) struct AgUi;

impl Dialect for AgUi {
    fn name(&self) -> &'static str {
        "ag-ui"
    }

    fn about(&self) -> &'static str {
        "AG-UI agent events"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let kind = payload.json?.str("type")?;
        const SUBJECTS: &[&str] = &[
            "RUN_",
            "STEP_",
            "TEXT_MESSAGE_",
            "TOOL_CALL_",
            "REASONING_",
            "THINKING_",
            "SUBAGENT_",
            "ACTIVITY_",
        ];
        const WHAT: &[&str] = &[
            "STARTED", "FINISHED", "ERROR", "START", "CONTENT", "END", "CHUNK", "ARGS", "RESULT",
            "SNAPSHOT", "DELTA", "VALUE",
        ];
        let subject = SUBJECTS.iter().any(|s| kind.starts_with(s));
        let known = subject && WHAT.iter().any(|w| kind.ends_with(w))
            || matches!(&*kind, "STATE_SNAPSHOT" | "STATE_DELTA" | "MESSAGES_SNAPSHOT");
        if known {
            return Some(Evidence::member("type", kind));
        }
        matches!(&*kind, "RAW" | "CUSTOM").then(|| Evidence::likely(format!("type {kind}")))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<AgUiDecoder>::default()
    }
}

/// Reads the events of one run after the other.
#[derive(Default)]
struct AgUiDecoder {
    over: bool,
}

impl Decoder for AgUiDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        let delta = || json.str("delta");
        let at = || Path::new("delta", 0);
        match json.str("type").as_deref().unwrap_or(payload.event) {
            "RUN_STARTED" if self.over => {
                self.over = false;
                emit(DecodeEvent::Begun);
            }
            "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK" => {
                emit_text(Channel::Content, at(), delta(), emit);
            }
            "REASONING_MESSAGE_CONTENT"
            | "REASONING_MESSAGE_CHUNK"
            | "THINKING_TEXT_MESSAGE_CONTENT" => {
                emit_text(Channel::Reasoning, at(), delta(), emit);
            }
            "TOOL_CALL_START" | "TOOL_CALL_ARGS" | "TOOL_CALL_CHUNK" => {
                let (id, name) = (json.str("toolCallId"), json.str("toolCallName"));
                emit_call(at(), id, name, delta(), emit);
            }
            "RUN_FINISHED" => self.finished(json, emit),
            "RUN_ERROR" => {
                // Some servers leave out the message.
                let text = json.str("message").filter(|m| !m.is_empty());
                let text = text.unwrap_or(Cow::Borrowed("the run failed"));
                emit_failure(text, error_kind_of(json), emit);
                self.end(emit);
            }
            "error" => emit_failure(error_text(json), error_kind(json), emit),
            _ if json.get("type").is_none() && json.get("error").is_some_and(|e| !e.is_null()) => {
                super::emit::emit_error_in(json.get("error").unwrap_or(json), emit);
            }
            _ => {}
        }
    }
}

impl AgUiDecoder {
    fn end(&mut self, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        self.over = true;
        emit(DecodeEvent::Terminal);
    }

    fn finished(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let outcome = json.get("outcome");
        let word = outcome.and_then(|o| o.as_str().or_else(|| o.str("type")));
        if let Some(word) = word.filter(|w| matches!(&**w, "error" | "failed" | "failure")) {
            let text = outcome.map(error_text).filter(|_| outcome.is_some_and(|o| !o.is_empty()));
            emit_failure(text.unwrap_or("the run failed".into()), Some(word), emit);
        }
        let usage = json.get("usage").map(usage_of).filter(Usage::is_given);
        if let Some(usage) = usage {
            emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
        }
        self.end(emit);
    }
}

fn error_kind_of(json: Value<'_>) -> Option<Cow<'_, str>> {
    super::emit::word(json, "code")
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    Usage {
        input: count("inputTokens"),
        output: count("outputTokens"),
        reasoning: count("reasoningTokens"),
        cached: count("cachedInputTokens"),
        total: count("totalTokens"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn runs_messages_and_calls() {
        let events = script(
            "auto",
            &[
                r#"{"type":"RUN_STARTED","threadId":"t","runId":"1"}"#,
                r#"{"type":"THINKING_TEXT_MESSAGE_CONTENT","delta":"hm"}"#,
                r#"{"type":"TOOL_CALL_START","toolCallId":"c","toolCallName":"add"}"#,
                r#"{"type":"TOOL_CALL_ARGS","toolCallId":"c","delta":"{}"}"#,
                r#"{"type":"TEXT_MESSAGE_CHUNK","messageId":"m","delta":"four"}"#,
                r#"{"type":"RUN_FINISHED","threadId":"t","runId":"1","outcome":{"type":"success"}}"#,
                r#"{"type":"RUN_STARTED","threadId":"t","runId":"2"}"#,
                r#"{"type":"RUN_ERROR","code":529}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "reasoning 0 delta: hm",
                "tool None delta c add -",
                "tool None delta c - {}",
                "content 0 delta: four",
                "terminal",
                "begun",
                "error Object 529: the run failed",
                "terminal",
            ]
        );
    }
}
