//! llama.cpp's own `/completion`: objects with the next piece of text, and one with `stop: true`
//! that says why it ended and how long it took.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::emit::{emit_text_in, model_once};
use super::request::{
    ChatRequest, Notes, Numbers, Param, TrackedValue, joined_prompt, lose_effort, lose_tools,
    read_common, read_prompt, read_stop, usage_always, write_numbers, write_stop, write_stream,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    Usage, openai_chat,
};
use crate::json::{Kind, Value};

/// The dialect `llamacpp`.
pub(super) struct LlamaCpp;

impl Dialect for LlamaCpp {
    fn name(&self) -> &'static str {
        "llamacpp"
    }

    fn about(&self) -> &'static str {
        "llama.cpp's native completion"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/completion", read, write))
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(&["none", "eos", "limit", "word"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let is = json.get("content").is_some_and(|c| c.kind() == Kind::String)
            && json.get("stop").is_some_and(|s| s.kind() == Kind::Bool)
            && json.get("choices").is_none();
        is.then(|| Evidence::certain("content and stop, no choices"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<LlamaCppDecoder>::default()
    }
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["n_predict"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
    (Param::TopK, &["top_k"]),
    (Param::Seed, &["seed"]),
    (Param::PresencePenalty, &["presence_penalty"]),
    (Param::FrequencyPenalty, &["frequency_penalty"]),
];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    read_prompt(body.get("prompt"), &mut request);
    read_stop(body.get("stop"), &mut request);
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    request
}

/// Writes the body. There are no roles and no model: the server has one, and the text continues where this
/// ends.
fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    if let Some(model) = &request.model {
        notes.elsewhere(&model.at, "the server has one model");
    }
    body.insert("prompt".into(), json!(joined_prompt(request, notes)));
    lose_tools(request, notes);
    write_numbers(request, NUMBERS, &mut body, notes);
    if !request.numbers.contains_key(&Param::MaxTokens) {
        notes.added("n_predict", "it would write without end");
        body.insert("n_predict".into(), json!(1024));
    }
    write_stop(request, &["stop"], &mut body);
    lose_effort(request, notes);
    write_stream(request, &mut body, notes);
    usage_always(request, notes);
    body
}

#[derive(Default)]
struct LlamaCppDecoder {
    model_named: bool,
}

impl Decoder for LlamaCppDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            return emit(DecodeEvent::Sentinel);
        }
        if let Some(error) = openai_chat::error_in(payload) {
            return emit(DecodeEvent::Error(error));
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        // The index distinguishes several prompts in one request.
        let choice = json.get("index").and_then(Value::as_u64).unwrap_or(0) as u32;
        model_once(&mut self.model_named, || json.str("model"), emit);
        emit_text_in(choice, Channel::Content, Path::new("content", 0), json.str("content"), emit);
        // Every piece carries the counts so far; the last ones are the usage.
        if json.get("stop").and_then(Value::as_bool) != Some(true) {
            return;
        }
        let count = |path: &[&str]| json.at(path).and_then(Value::as_u64);
        let usage = Usage {
            input: count(&["tokens_evaluated"]),
            output: count(&["tokens_predicted"]),
            reasoning: None,
            cached: count(&["timings", "cache_n"]),
            total: None,
        };
        if usage.is_given() {
            emit(DecodeEvent::Usage { path: Path::new("tokens_predicted", 0), usage });
        }
        if let Some(reason) = stop(json) {
            emit(DecodeEvent::Finish { choice, reason });
        }
        emit(DecodeEvent::Terminal);
    }
}

/// Returns why it stopped; older servers have a flag for each reason.
fn stop(json: Value<'_>) -> Option<Cow<'_, str>> {
    let flags = [("stopped_eos", "eos"), ("stopped_limit", "limit"), ("stopped_word", "word")];
    let flagged = |key| json.get(key).and_then(Value::as_bool) == Some(true);
    json.str("stop_type").filter(|r| !r.is_empty()).or_else(|| {
        flags.iter().find(|(flag, _)| flagged(flag)).map(|(_, reason)| Cow::Borrowed(*reason))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn pieces_and_the_last_object() {
        let s = script(
            "auto",
            &[
                r#"{"index":1,"content":"Hi","tokens":[1],"stop":false,"tokens_predicted":1,"tokens_evaluated":14}"#,
                r#"{"index":1,"content":"","stop":true,"model":"m","tokens_predicted":8,"tokens_evaluated":14,"stop_type":"limit","timings":{"cache_n":13}}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "content 1 content: Hi",
                "model m",
                "usage tokens_predicted 14 8 - 13 -",
                "finish 1 limit",
                "terminal"
            ]
        );
    }

    #[test]
    fn the_flags_of_older_servers_and_an_error() {
        let s = script(
            "llamacpp",
            &[
                r#"{"content":"","stop":true,"stopped_eos":false,"stopped_limit":false,"stopped_word":true}"#,
                r#"{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}"#,
            ],
        );
        assert_eq!(
            s,
            ["finish 0 word", "terminal", "error Object exceed_context_size_error: too long"]
        );
    }
}
