//! Coze: chats and workflows of ByteDance's platform, in named events.

use std::collections::BTreeSet;

use super::emit::{emit_call, emit_error_in, emit_failure, emit_text, word};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage};
use crate::json::{Kind, Tape, Value};

/// The dialect `coze`.
pub(super) struct Coze;

impl Dialect for Coze {
    fn name(&self) -> &'static str {
        "coze"
    }

    fn about(&self) -> &'static str {
        "Coze chats and workflows"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&["requires_action"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let by = || format!("event {}", crate::text::preview(payload.event, 40));
        let json = payload.json.filter(|j| j.kind() == Kind::Object);
        let has = |key| json.is_some_and(|j| j.get(key).is_some());
        match payload.event {
            // Mistral's conversations have `conversation.response.` events.
            name if ["conversation.chat.", "conversation.message.", "conversation.audio."]
                .iter()
                .any(|subject| name.starts_with(subject)) =>
            {
                Some(Evidence::certain(by()))
            }
            "Message" if has("content") => Some(Evidence::certain(by())),
            "Error" if has("error_message") => Some(Evidence::certain(by())),
            "error" if has("code") && has("msg") => Some(Evidence::likely("code and msg")),
            "done" if has("debug_url") => Some(Evidence::likely("debug_url")),
            _ => None,
        }
    }

    fn allows(&self, payload: &Payload<'_>) -> bool {
        matches!(payload.event, "done" | "Done")
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<CozeDecoder>::default()
    }
}

/// Reads one chat.
#[derive(Default)]
struct CozeDecoder {
    /// The messages whose text arrived in pieces.
    streamed: BTreeSet<String>,
    failed: bool,
}

impl Decoder for CozeDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if matches!(payload.event, "done" | "Done") {
            if payload.data.contains("[DONE]") {
                emit(DecodeEvent::Sentinel);
            }
            return emit(DecodeEvent::Terminal);
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        match payload.event {
            "conversation.message.delta" => {
                self.streamed.extend(json.str("id").map(Into::into));
                message(json, emit);
            }
            "conversation.message.completed" => self.completed(json, emit),
            "conversation.chat.completed" => usage(json, emit),
            "conversation.chat.requires_action" => {
                usage(json, emit);
                let calls = json.at(&["required_action", "submit_tool_outputs", "tool_calls"]);
                for (i, call) in calls.into_iter().flat_map(Value::items).enumerate() {
                    let path = Path::new("required_action.submit_tool_outputs.tool_calls[#]", i);
                    super::openai_chat::tool(
                        call,
                        call.get("function"),
                        0,
                        Some(i as u64),
                        path,
                        emit,
                    );
                }
                let reason = "requires_action".into();
                emit(DecodeEvent::Finish { choice: 0, reason });
                emit(DecodeEvent::Terminal);
            }
            "conversation.chat.failed" => {
                let last = json.get("last_error").filter(|e| e.get("msg").is_some());
                self.fail(last.unwrap_or(json), emit);
            }
            "error" | "Error" => self.fail(json, emit),
            // A piece of a workflow's output.
            "Message" => {
                emit_text(Channel::Content, Path::new("content", 0), json.str("content"), emit);
            }
            "Interrupt" => emit(DecodeEvent::Terminal),
            _ if json.get("msg").is_some() && json.get("code").is_some() => self.fail(json, emit),
            _ => {}
        }
    }
}

impl CozeDecoder {
    fn fail(&mut self, error: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if !std::mem::replace(&mut self.failed, true) {
            match word(error, "msg") {
                Some(text) => emit_failure(text, word(error, "code"), emit),
                None => emit_error_in(error, emit),
            }
        }
    }

    /// Reports a message that is whole: an answer that arrived in pieces is not reported again.
    fn completed(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let id = json.str("id").unwrap_or_default();
        match json.str("type").as_deref() {
            Some("answer") if !self.streamed.contains(&*id) => message(json, emit),
            Some("answer") => {
                let texts =
                    [(Channel::Reasoning, "reasoning_content"), (Channel::Content, "content")];
                for (channel, key) in texts {
                    if let Some(text) = json.str(key).filter(|text| !text.is_empty()) {
                        emit(DecodeEvent::Whole { choice: 0, channel, text });
                    }
                }
            }
            Some("function_call") => {
                // The call is JSON in the content.
                let text = json.str("content").unwrap_or_default();
                let mut tape = Tape::new();
                let call = tape.parse(&text).ok().and_then(|()| tape.root(&text));
                let Some(call) = call else { return };
                let arguments = call.get("arguments").and_then(super::emit::arguments_of);
                let path = Path::new("content", 0);
                emit_call(path, Some(id), call.str("name"), arguments, emit);
            }
            _ => {}
        }
    }
}

fn message(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let thought = json.str("reasoning_content");
    emit_text(Channel::Reasoning, Path::new("reasoning_content", 0), thought, emit);
    emit_text(Channel::Content, Path::new("content", 0), json.str("content"), emit);
}

fn usage(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let count = |key: &str| json.at(&["usage", key]).and_then(Value::as_u64);
    let usage = Usage {
        input: count("input_count"),
        output: count("output_count"),
        total: count("token_count"),
        ..Usage::default()
    };
    if usage.is_given() {
        emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use crate::frame;

    fn events(events: &[(&str, &str)]) -> Vec<String> {
        script_of_events(frame::FrameKind::Event, "auto", events)
    }

    #[test]
    fn answers_come_once() {
        let emitted = events(&[
            (
                "conversation.message.delta",
                r#"{"id":"m","type":"answer","content":"fo","reasoning_content":"hm"}"#,
            ),
            ("conversation.message.delta", r#"{"id":"m","type":"answer","content":"ur"}"#),
            ("conversation.message.completed", r#"{"id":"m","type":"answer","content":"four"}"#),
            (
                "conversation.message.completed",
                r#"{"id":"f","type":"function_call","content":"{\"name\":\"add\",\"arguments\":{\"a\":1}}"}"#,
            ),
            ("conversation.message.completed", r#"{"id":"q","type":"follow_up","content":"why?"}"#),
            (
                "conversation.chat.completed",
                r#"{"usage":{"token_count":3,"output_count":2,"input_count":1}}"#,
            ),
            ("done", r#""[DONE]""#),
        ]);
        assert_eq!(
            emitted,
            [
                "reasoning 0 reasoning_content: hm",
                "content 0 content: fo",
                "content 0 content: ur",
                "whole content 0: four",
                r#"tool None content f add {"a":1}"#,
                "usage usage 1 2 - - 3",
                "sentinel",
                "terminal",
            ]
        );
    }

    #[test]
    fn failures_in_each_shape() {
        for (event, data) in [
            ("conversation.chat.failed", r#"{"last_error":{"code":5000,"msg":"boom"}}"#),
            ("conversation.chat.failed", r#"{"code":5000,"msg":"boom"}"#),
            ("error", r#"{"code":5000,"msg":"boom"}"#),
        ] {
            assert_eq!(events(&[(event, data)]), ["error Object 5000: boom"], "{data}");
        }
        let workflow = [
            ("Message", r#"{"content":"a","node_title":"End"}"#),
            ("Error", r#"{"error_code":5000,"error_message":"boom"}"#),
        ];
        assert_eq!(events(&workflow), ["content 0 content: a", "error Object 5000: boom"]);
    }
}
