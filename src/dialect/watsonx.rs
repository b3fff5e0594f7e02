//! IBM watsonx.ai text generation. Its chat route speaks Chat Completions.

use super::emit::{emit_error_in, emit_failure, emit_text, model_once};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage};
use crate::json::{Kind, Value};

/// The dialect `watsonx`.
pub(super) struct Watsonx;

impl Dialect for Watsonx {
    fn name(&self) -> &'static str {
        "watsonx"
    }

    fn about(&self) -> &'static str {
        "IBM watsonx.ai text generation"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_close(&[
            "eos_token",
            "max_tokens",
            "stop_sequence",
            "token_limit",
            "time_limit",
            "cancelled",
            "error",
        ])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let first = json.get("results")?.items().next()?;
        first.get("generated_text")?;
        Some(Evidence::certain("results[].generated_text"))
    }

    fn error_members(&self) -> &'static [&'static str] {
        &["errors"]
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<WatsonxDecoder>::default()
    }
}

/// Reads the results.
#[derive(Default)]
struct WatsonxDecoder {
    model_named: bool,
    /// The prompt is counted in the first frame, and is 0 in those after it.
    usage: Usage,
}

impl Decoder for WatsonxDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        if let Some(first) = json.get("errors").and_then(|e| e.items().next()) {
            return emit_error_in(first, emit);
        }
        if payload.event == "error" || json.get("error").is_some_and(|e| !e.is_null()) {
            return emit_error_in(json.get("error").unwrap_or(json), emit);
        }
        let model = || json.str("model_id").or_else(|| json.str("modelId"));
        model_once(&mut self.model_named, model, emit);
        for (i, result) in json.get("results").into_iter().flat_map(Value::items).enumerate() {
            let path = Path::new("results[#].generated_text", i);
            emit_text(Channel::Content, path, result.str("generated_text"), emit);
            let count = |key: &str| result.get(key).and_then(Value::as_u64);
            let most = |a: Option<u64>, b: Option<u64>| a.max(b);
            self.usage.input = most(self.usage.input, count("input_token_count"));
            self.usage.output = most(self.usage.output, count("generated_token_count"));
            let reason = result.str("stop_reason").map(|r| r.to_ascii_lowercase());
            if let Some(reason) = reason.filter(|r| !r.is_empty() && r != "not_finished") {
                if self.usage.is_given() {
                    let path = Path::new("results[#].generated_token_count", i);
                    emit(DecodeEvent::Usage { path, usage: self.usage });
                }
                emit(DecodeEvent::Finish { choice: 0, reason: reason.into() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use crate::frame;

    #[test]
    fn results_and_errors() {
        let events = script_of_events(
            frame::FrameKind::Event,
            "auto",
            &[
                (
                    "message",
                    r#"{"model_id":"m","results":[{"generated_text":"","generated_token_count":0,"input_token_count":5,"stop_reason":"not_finished"}]}"#,
                ),
                (
                    "message",
                    r#"{"model_id":"m","results":[{"generated_text":"four","generated_token_count":2,"input_token_count":0,"stop_reason":"EOS_TOKEN"}]}"#,
                ),
                (
                    "error",
                    r#"{"errors":[{"code":"c","message":"boom"}],"trace":"t","status_code":500}"#,
                ),
            ],
        );
        assert_eq!(
            events,
            [
                "model m",
                "content 0 results[0].generated_text: four",
                "usage results[0].generated_token_count 5 2 - - -",
                "finish 0 eos_token",
                "error Object c: boom",
            ]
        );
    }
}
