//! OpenAI's Assistants, retired and still imitated: objects whose event name says what happened.

use std::borrow::Cow;

use super::emit::{emit_error_in, emit_failure, emit_text, model_once};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, ToolPiece, Usage,
    openai_chat,
};
use crate::json::{Kind, Value};

/// The dialect `openai-assistants`.
pub(super) struct OpenAiAssistants;

impl Dialect for OpenAiAssistants {
    fn name(&self) -> &'static str {
        "openai-assistants"
    }

    fn about(&self) -> &'static str {
        "OpenAI Assistants runs (retired)"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&["completed", "incomplete", "cancelled", "requires_action"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        if payload.event.starts_with("thread.") {
            let name = crate::text::preview(payload.event, 40);
            return Some(Evidence::certain(format!("event {name}")));
        }
        let object = json.str("object")?;
        (object == "thread" || object.starts_with("thread."))
            .then(|| Evidence::member("object", object))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<OpenAiAssistantsDecoder>::default()
    }
}

/// Reads one run.
#[derive(Default)]
struct OpenAiAssistantsDecoder {
    model_named: bool,
    /// True if text or a call arrived.
    came: bool,
    failed: bool,
}

impl Decoder for OpenAiAssistantsDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            return emit(DecodeEvent::Terminal);
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                self.fail(payload.data.into(), None, emit);
            }
            return;
        };
        model_once(&mut self.model_named, || json.str("model"), emit);
        match name_of(payload, json).as_ref() {
            "thread.message.delta" => {
                let content = json.at(&["delta", "content"]);
                for (i, part) in content.into_iter().flat_map(Value::items).enumerate() {
                    let text = part.at(&["text", "value"]).and_then(Value::as_str);
                    self.came |= text.as_ref().is_some_and(|t| !t.is_empty());
                    let path = Path::new("delta.content[#].text.value", i);
                    emit_text(Channel::Content, path, text, emit);
                    let refusal = part.str("refusal");
                    let path = Path::new("delta.content[#].refusal", i);
                    emit_text(Channel::Refusal, path, refusal, emit);
                }
            }
            "thread.message.completed" if self.came => {
                let parts = json.get("content").into_iter().flat_map(Value::items);
                let texts = parts.filter_map(|part| part.at(&["text", "value"])?.as_str());
                let text = texts.collect::<Vec<_>>().concat().into();
                emit(DecodeEvent::Whole { choice: 0, channel: Channel::Content, text });
            }
            "thread.message.completed" | "thread.message.incomplete" if !self.came => {
                for (i, part) in json.get("content").into_iter().flat_map(Value::items).enumerate()
                {
                    let text = part.at(&["text", "value"]).and_then(Value::as_str);
                    self.came |= text.as_ref().is_some_and(|t| !t.is_empty());
                    let path = Path::new("content[#].text.value", i);
                    emit_text(Channel::Content, path, text, emit);
                }
            }
            "thread.run.step.delta" => {
                let calls = json.at(&["delta", "step_details", "tool_calls"]);
                for (i, call) in calls.into_iter().flat_map(Value::items).enumerate() {
                    let path = Path::new("delta.step_details.tool_calls[#]", i);
                    self.call(call, i, path, emit);
                }
            }
            name => self.run(name, json, emit),
        }
    }
}

/// Returns what an event is called: by its name, or by its object where gateways drop that.
fn name_of<'a>(payload: &Payload<'a>, json: Value<'a>) -> Cow<'a, str> {
    if payload.event != "message" {
        return Cow::Borrowed(payload.event);
    }
    let object = json.str("object").unwrap_or_default();
    match json.str("status") {
        Some(status) if object == "thread.run" || object == "thread.message" => {
            Cow::Owned(format!("{object}.{status}"))
        }
        _ => object,
    }
}

impl OpenAiAssistantsDecoder {
    fn run(&mut self, name: &str, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(status) = name.strip_prefix("thread.run.") else {
            if name == "error" || json.get("error").is_some_and(|e| !e.is_null()) {
                self.failed = true;
                let nested = json.get("error").filter(|e| !e.is_null());
                emit_error_in(nested.unwrap_or(json), emit);
            }
            return;
        };
        match status {
            "completed" | "incomplete" | "cancelled" => {
                let usage = json.get("usage").filter(|u| u.kind() == Kind::Object);
                if let Some(usage) = usage.map(Usage::openai).filter(Usage::is_given) {
                    emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
                }
                // An answer may be a file or an image, so missing text is no fault.
                if self.came || status != "completed" {
                    emit(DecodeEvent::Finish { choice: 0, reason: status.into() });
                }
                if let Some(cause) = json.at(&["incomplete_details", "reason"]) {
                    let cause = cause.as_str().unwrap_or_default();
                    emit(DecodeEvent::Cause { choice: 0, cause });
                }
            }
            "requires_action" => {
                let calls = json.at(&["required_action", "submit_tool_outputs", "tool_calls"]);
                let calls = calls.into_iter().flat_map(Value::items).enumerate();
                for (i, call) in calls.filter(|_| !self.came) {
                    const AT: &str = "required_action.submit_tool_outputs.tool_calls[#]";
                    let function = call.get("function");
                    openai_chat::tool(call, function, 0, Some(i as u64), Path::new(AT, i), emit);
                }
                emit(DecodeEvent::Finish { choice: 0, reason: status.into() });
            }
            "failed" | "expired" => {
                let error = json.get("last_error").filter(|e| !e.is_null());
                match error {
                    _ if self.failed => {}
                    Some(error) => emit_error_in(error, emit),
                    None => {
                        let text =
                            format!("the run {status}").replace("run expired", "run has expired");
                        self.fail(text.into(), Some(status.into()), emit);
                    }
                }
            }
            _ => return,
        }
        emit(DecodeEvent::Terminal);
    }

    fn fail<'a>(
        &mut self,
        message: Cow<'a, str>,
        kind: Option<Cow<'a, str>>,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        self.failed = true;
        emit_failure(message, kind, emit);
    }

    fn call(
        &mut self,
        call: Value<'_>,
        position: usize,
        path: Path,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        self.came = true;
        let index = call.get("index").and_then(Value::as_u64).or(Some(position as u64));
        if let Some(function) = call.get("function") {
            return openai_chat::tool(call, Some(function), 0, index, path, emit);
        }
        // A tool that the server runs itself is named after its type.
        let arguments = call.at(&["code_interpreter", "input"]).and_then(Value::as_str);
        let (id, name) = (call.str("id"), call.str("type"));
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice: 0,
            path,
            index,
            id,
            name,
            arguments,
            // The code that the interpreter runs.
            free_text: true,
        })));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use crate::frame;

    fn emitted(events: &[(&str, &str)]) -> Vec<String> {
        script_of_events(frame::FrameKind::Event, "auto", events)
    }

    #[test]
    fn a_run_with_a_call() {
        let events = emitted(&[
            ("thread.run.created", r#"{"object":"thread.run","status":"queued","model":"m"}"#),
            (
                "thread.message.delta",
                r#"{"object":"thread.message.delta","delta":{"content":[{"index":0,"text":{"value":"a"}}]}}"#,
            ),
            (
                "thread.run.step.delta",
                r#"{"object":"thread.run.step.delta","delta":{"step_details":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}}"#,
            ),
            (
                "thread.run.requires_action",
                r#"{"object":"thread.run","status":"requires_action","required_action":{"submit_tool_outputs":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}}}"#,
            ),
            ("done", "[DONE]"),
        ]);
        assert_eq!(
            events,
            [
                "model m",
                "content 0 delta.content[0].text.value: a",
                "tool Some(0) delta.step_details.tool_calls[0] c f {}",
                "finish 0 requires_action",
                "terminal",
                "sentinel",
                "terminal",
            ]
        );
    }

    #[test]
    fn a_run_that_failed_also_without_event_names() {
        let failed = r#"{"object":"thread.run","status":"failed","last_error":{"code":"server_error","message":"boom"}}"#;
        for name in ["thread.run.failed", "message"] {
            assert_eq!(emitted(&[(name, failed)]), ["error Object server_error: boom", "terminal"]);
        }
        let expired = r#"{"object":"thread.run","status":"expired","last_error":null}"#;
        let events = emitted(&[("thread.run.expired", expired)]);
        assert_eq!(events, ["error Object expired: the run has expired", "terminal"]);
    }
}
