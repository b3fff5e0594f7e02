//! Mistral's conversations and agents: events about one response, its messages, calls and the tools
//! that run at Mistral.

use super::emit::{emit_call, emit_error_in, emit_text, model_once};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage};
use crate::json::{Kind, Value};

/// The dialect `mistral-conversations`.
pub(super) struct MistralConversations;

/// Subjects that the events are named for; each has a `type` of the same name in its JSON.
const SUBJECTS: &[&str] = &[
    "conversation.response.",
    "message.output.",
    "function.call.",
    "tool.execution.",
    "agent.handoff.",
];

impl Dialect for MistralConversations {
    fn name(&self) -> &'static str {
        "mistral-conversations"
    }

    fn about(&self) -> &'static str {
        "Mistral's conversations and agents"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let kind = payload.json?.str("type")?;
        let known = SUBJECTS.iter().any(|subject| kind.starts_with(subject));
        known.then(|| Evidence::member("type", kind))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<MistralConversationsDecoder>::default()
    }
}

/// Reads one response after the other.
#[derive(Default)]
struct MistralConversationsDecoder {
    model_named: bool,
}

impl Decoder for MistralConversationsDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data == "[DONE]" {
            return emit(DecodeEvent::Sentinel);
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        let kind = json.str("type").unwrap_or(payload.event.into());
        match &*kind {
            "conversation.response.started" => emit(DecodeEvent::Begun),
            "conversation.response.done" => {
                let usage = json.get("usage").filter(|u| u.kind() == Kind::Object);
                if let Some(usage) = usage.map(Usage::openai).filter(Usage::is_given) {
                    emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
                }
                emit(DecodeEvent::Terminal);
            }
            "conversation.response.error" => emit_error_in(json, emit),
            "message.output.delta" => {
                model_once(&mut self.model_named, || json.str("model"), emit);
                if let Some(content) = json.get("content") {
                    chunk(content, "content", emit);
                }
            }
            "function.call.delta" => {
                let path = Path::new("arguments", 0);
                emit_call(
                    path,
                    json.str("tool_call_id"),
                    json.str("name"),
                    json.str("arguments"),
                    emit,
                );
            }
            _ => {
                // An error that a gateway in between inserted.
                if let Some(error) = json.get("error").filter(|e| !e.is_null()) {
                    emit_error_in(error, emit);
                } else if payload.event == "error" {
                    emit_error_in(json, emit);
                }
            }
        }
    }
}

/// A message's content: text, or a part of one kind or another.
fn chunk(content: Value<'_>, path: &'static str, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(text) = content.as_str() {
        return emit_text(Channel::Content, Path::new(path, 0), Some(text), emit);
    }
    match content.str("type").as_deref() {
        Some("text") => {
            emit_text(Channel::Content, Path::new("content.text", 0), content.str("text"), emit);
        }
        Some("thinking") => {
            for (i, part) in content.get("thinking").into_iter().flat_map(Value::items).enumerate()
            {
                let path = Path::new("content.thinking[#].text", i);
                emit_text(Channel::Reasoning, path, part.str("text"), emit);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn messages_thoughts_and_calls() {
        let events = script(
            "mistral-conversations",
            &[
                r#"{"type":"conversation.response.started","conversation_id":"conv_1"}"#,
                r#"{"type":"message.output.delta","id":"m","model":"mistral-medium-latest","content":{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}}"#,
                r#"{"type":"message.output.delta","id":"m","model":"mistral-medium-latest","content":"Hi"}"#,
                r#"{"type":"function.call.delta","id":"f","tool_call_id":"c1","name":"look","arguments":"{}"}"#,
                r#"{"type":"conversation.response.done","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "begun",
                "model mistral-medium-latest",
                "reasoning 0 content.thinking[0].text: hm",
                "content 0 content: Hi",
                "tool None arguments c1 look {}",
                "usage usage 1 2 - - 3",
                "terminal",
            ]
        );
    }

    #[test]
    fn an_error_ends_it() {
        let events = script(
            "mistral-conversations",
            &[r#"{"type":"conversation.response.error","message":"overloaded","code":3505}"#],
        );
        assert_eq!(events, ["error Object 3505: overloaded"]);
    }
}
