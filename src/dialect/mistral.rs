//! Mistral: Chat Completions with reasoning as typed parts of `content`.
//!
//! The chunks are Chat Completions' and are read by its decoder, lists of parts included; what is
//! Mistral's own is the name, the request, and a finish `error`.

use serde_json::{Map, Value as Json};

use super::of_chat::is_mistral;
use super::request::{
    ChatRequest, Notes, Numbers, Param, TrackedValue, chat, read_common, read_effort_word,
    read_same, read_stop, usage_always, write_effort_word, write_model, write_numbers, write_same,
    write_stop, write_stream,
};
use super::{
    Decoder, Dialect, EndingRules, Evidence, Payload, RequestSide, openai_chat::OpenAiChat,
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

    fn request(&self) -> Option<RequestSide> {
        OpenAiChat.request().map(|side| RequestSide { read, write, ..side })
    }

    fn error_members(&self) -> &'static [&'static str] {
        &["error", "message", "detail"]
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_sentinel(&["stop", "length", "model_length", "tool_calls", "error"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        if is_mistral(json) {
            // Another server of the same model name would have to leave out the fingerprint, too.
            let model = crate::text::preview(&json.str("model")?, 40);
            return Some(Evidence::likely(format!("model \"{model}\" and no fingerprint")));
        }
        is_refusal(json).then(|| Evidence::likely("a flat error with raw_status_code"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        OpenAiChat.decoder()
    }

    fn speaks_chat(&self) -> bool {
        true
    }
}

/// Returns whether a body is one of Mistral's errors: flat, with the status once more.
fn is_refusal(body: Value<'_>) -> bool {
    body.get("object").is_some_and(|o| o.is("error")) && body.get("raw_status_code").is_some()
}

/// As OpenAI's, but for `stream_options`, which Mistral answers with 422: it sends usage anyway.
const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
    (Param::TopK, &["top_k"]),
    (Param::Seed, &["random_seed"]),
    (Param::PresencePenalty, &["presence_penalty"]),
    (Param::FrequencyPenalty, &["frequency_penalty"]),
];

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Members as Chat Completions has them, too.
const SAME: &[&str] = &[
    "n",
    "response_format",
    "parallel_tool_calls",
    "logprobs",
    "top_logprobs",
    "prediction",
    "metadata",
    "prompt_cache_key",
];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    chat::read_messages(body.get("messages"), &mut request);
    chat::read_tools(body.get("tools"), "parameters", &mut request);
    chat::read_choice(body.get("tool_choice"), &mut request);
    read_stop(body.get("stop"), &mut request);
    read_effort_word(body.get("reasoning_effort"), &mut request);
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    read_same(body, SAME, &mut request);
    request
}

/// Writes the body. `stream_options` is an error here (422): usage arrives without it.
fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    body.insert("messages".into(), chat::write_messages(request, notes));
    chat::write_tools(request, &mut body);
    chat::write_choice(request, "any", &mut body);
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["stop"], &mut body);
    write_effort_word(request, EFFORTS, &["reasoning_effort"], &mut body, notes);
    write_stream(request, &mut body, notes);
    usage_always(request, notes);
    write_same(request, SAME, &mut body);
    body
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;
    use super::*;

    #[test]
    fn typed_parts_become_reasoning_and_content() {
        let events = script(
            "mistral",
            &[
                r#"{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}]}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            events,
            [
                "reasoning 0 choices[0].delta.content[0].thinking[0].text: hm",
                "content 0 choices[0].delta.content[1].text: a",
                "content 0 choices[0].delta.content: b",
                "finish 0 stop",
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
