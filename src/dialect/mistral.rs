//! Mistral: Chat Completions with reasoning as typed parts of `content`.
//!
//! The chunks are Chat Completions' and are read by its decoder, lists of parts included; what is
//! Mistral's own is the name, the request, and a finish `error`.

use super::{
    Decoder, Dialect, EndingRules, Payload, RequestParts, RequestSide, Sign,
    openai_chat::OpenAiChat,
};
use crate::json::Value;

/// The dialect `mistral`.
pub(super) struct Mistral;

impl Dialect for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn about(&self) -> &'static str {
        "Mistral's Chat Completions"
    }

    fn request(&self) -> RequestSide {
        RequestSide { body: request_body, ..OpenAiChat.request() }
    }

    fn ending(&self) -> EndingRules {
        EndingRules {
            sentinel: true,
            terminal: false,
            finishes: &["stop", "length", "model_length", "tool_calls", "error"],
        }
    }

    fn recognises(&self, payload: &Payload<'_>) -> Option<Sign> {
        let json = payload.json?;
        if is_mistral(json) {
            // Who else serves the model under this very name would have to leave that out, too.
            let model = crate::text::preview(&json.str("model")?, 40);
            return Some(Sign::likely(format!("model \"{model}\" and no fingerprint")));
        }
        is_refusal(json).then(|| Sign::likely("a flat error with raw_status_code"))
    }

    fn family(&self) -> &'static str {
        OpenAiChat.name()
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        OpenAiChat.decoder()
    }
}

/// Whether a chunk of Chat Completions comes from Mistral itself: one of its models under the name
/// that its API has for it, and no fingerprint, which others who serve these models send.
pub(super) fn is_mistral(chunk: Value<'_>) -> bool {
    const FAMILIES: &[&str] = &[
        "mistral-",
        "magistral-",
        "ministral-",
        "codestral-",
        "devstral-",
        "pixtral-",
        "voxtral-",
        "open-mistral-",
        "open-mixtral-",
    ];
    let chat = chunk.get("object").is_some_and(|o| o.is("chat.completion.chunk"));
    chat && chunk.get("system_fingerprint").is_none()
        && chunk.str("model").is_some_and(|model| {
            let version = model.rsplit('-').next().unwrap_or_default();
            let dated = version.len() == 4 && version.bytes().all(|b| b.is_ascii_digit());
            (dated || version == "latest") && FAMILIES.iter().any(|f| model.starts_with(f))
        })
}

/// Whether a body is one of Mistral's errors: flat, with the status once more.
fn is_refusal(body: Value<'_>) -> bool {
    body.get("object").is_some_and(|o| o.is("error")) && body.get("raw_status_code").is_some()
}

/// As OpenAI's, but for `stream_options`, which Mistral answers with 422: it sends usage anyway.
fn request_body(parts: &RequestParts<'_>) -> String {
    let mut messages = Vec::new();
    if let Some(system) = parts.system {
        messages.push(serde_json::json!({"role": "system", "content": system}));
    }
    messages.push(serde_json::json!({"role": "user", "content": parts.prompt}));
    let body = serde_json::json!({"model": parts.model, "messages": messages, "stream": true});
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::fact_tests::facts;

    #[test]
    fn typed_parts_become_reasoning_and_content() {
        let told = facts(
            &mut *Mistral.decoder(),
            &[
                r#"{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}]}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            told,
            [
                "Reasoning choices[0].delta.content[0].thinking[0].text: hm",
                "Content choices[0].delta.content[1].text: a",
                "Content choices[0].delta.content: b",
                "finish stop",
                "sentinel",
            ]
        );
    }

    #[test]
    fn only_the_apis_own_names_are_mistral() {
        let chunk = |model: &str, more: &str| {
            let text = format!(
                r#"{{"object":"chat.completion.chunk","model":"{model}","choices":[]{more}}}"#
            );
            let mut tape = crate::json::Tape::new();
            tape.parse(&text).unwrap();
            is_mistral(tape.root(&text).unwrap())
        };
        assert!(chunk("mistral-large-latest", ""));
        assert!(chunk("magistral-medium-2507", ""));
        assert!(!chunk("mistral-nemo", ""));
        assert!(!chunk("mistralai/mistral-large-2411", ""));
        assert!(!chunk("mistral-large-latest", r#","system_fingerprint":"x""#));
    }
}
