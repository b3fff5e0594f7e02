//! Cloudflare's Workers AI with its own shape: pieces of a response, padded so that their lengths reveal
//! nothing.

use super::emit::{arguments_of, emit_call, emit_error_in, emit_failure, emit_text};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage};
use crate::json::{Kind, Value};

/// The dialect `workers-ai`.
pub(super) struct WorkersAi;

impl Dialect for WorkersAi {
    fn name(&self) -> &'static str {
        "workers-ai"
    }

    fn about(&self) -> &'static str {
        "Cloudflare Workers AI, native shape"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let response = json.get("response")?;
        let text = matches!(response.kind(), Kind::String | Kind::Null);
        // Ollama's pieces have the same field, next to others.
        if !text || ["model", "done", "choices", "type"].iter().any(|k| json.get(k).is_some()) {
            return None;
        }
        if json.str("p").is_some() {
            return Some(Evidence::certain("response beside p"));
        }
        const KNOWN: &[&str] = &["response", "usage", "tool_calls", "p"];
        let only = json.entries().all(|(key, _)| KNOWN.iter().any(|k| key.is(k)));
        only.then(|| Evidence::likely("response alone"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<WorkersAiDecoder>::default()
    }
}

/// Reads the pieces.
#[derive(Default)]
struct WorkersAiDecoder {
    calls: usize,
}

impl Decoder for WorkersAiDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            return emit(DecodeEvent::Terminal);
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        let filled = |v: &Value<'_>| !(v.is_null() || v.kind() == Kind::Array && v.is_empty());
        if let Some(error) = json.get("error").filter(filled) {
            emit_error_in(error, emit);
        } else if json.get("errors").is_some_and(|e| filled(&e)) || payload.event == "error" {
            emit_error_in(json, emit);
        }
        emit_text(Channel::Content, Path::new("response", 0), json.str("response"), emit);
        for (i, call) in json.get("tool_calls").into_iter().flat_map(Value::items).enumerate() {
            let function = call.get("function").unwrap_or(call);
            let arguments = function.get("arguments").and_then(arguments_of);
            let id = call.str("id").filter(|id| !id.is_empty());
            let id = id.unwrap_or_else(|| format!("call {}", self.calls).into());
            let name = function.str("name");
            if name.is_none() && arguments.is_none() {
                continue;
            }
            self.calls += 1;
            emit_call(Path::new("tool_calls[#]", i), Some(id), name, arguments, emit);
        }
        let usage = json.get("usage").filter(|u| u.kind() == Kind::Object).map(Usage::openai);
        if let Some(usage) = usage.filter(Usage::is_given) {
            emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn pieces_usage_and_the_end() {
        let events = script(
            "auto",
            &[
                r#"{"response":"four","p":"abc"}"#,
                r#"{"response":"","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
                r#"{"response":null,"tool_calls":[{"name":"f","arguments":{"a":1}}]}"#,
                r#"{"errors":[{"code":3030,"message":"boom"}]}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            events,
            [
                "content 0 response: four",
                "usage usage 1 2 - - 3",
                r#"tool None tool_calls[0] call 0 f {"a":1}"#,
                "error Object -: boom",
                "sentinel",
                "terminal",
            ]
        );
    }
}
