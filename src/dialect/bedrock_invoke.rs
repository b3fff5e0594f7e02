//! AWS Bedrock InvokeModelWithResponseStream: the model's own stream, piece by piece in base64.
//!
//! Each message's payload is `{"bytes":"…"}`, and what that decodes to is a payload as the model's
//! maker has it: Anthropic's, Nova's, Titan's, Llama's, or a chunk of Chat Completions. Paths are
//! those of the inner JSON. The last piece has AWS's own counts beside the model's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{
    Channel, Decoder, Dialect, EndingRules, Fact, Path, Payload, RequestParts, RequestSide, Sign,
    Usage, anthropic, bedrock, openai_chat::OpenAiChat,
};
use crate::frame;
use crate::json::{Kind, Tape, Value};

/// The dialect `bedrock-invoke`.
pub(super) struct Invoke;

impl Dialect for Invoke {
    fn name(&self) -> &'static str {
        "bedrock-invoke"
    }

    fn about(&self) -> &'static str {
        "AWS Bedrock InvokeModelWithResponseStream; requests as Anthropic's models take them"
    }

    fn request(&self) -> RequestSide {
        RequestSide {
            path: "/model/{model}/invoke-with-response-stream",
            key_header: ("authorization", "Bearer "),
            headers: bedrock::ACCEPT,
            body: request_body,
        }
    }

    fn ending(&self) -> EndingRules {
        EndingRules {
            sentinel: false,
            terminal: true,
            finishes: &[
                // Anthropic's and Nova's
                "end_turn",
                "tool_use",
                "max_tokens",
                "stop_sequence",
                "pause_turn",
                "refusal",
                "guardrail_intervened",
                "content_filtered",
                "model_context_window_exceeded",
                // Titan's
                "FINISH",
                "LENGTH",
                "CONTENT_FILTERED",
                // Llama's and Chat Completions'
                "stop",
                "length",
                "tool_calls",
                "content_filter",
            ],
        }
    }

    fn recognises(&self, payload: &Payload<'_>) -> Option<Sign> {
        let is_chunk = payload.kind == frame::Kind::Message && payload.event == "chunk";
        // Bedrock's agents send such chunks too, with plain text in them.
        let text = payload.json.filter(|_| is_chunk).and_then(inner)?;
        let mut tape = Tape::new();
        tape.parse(&text).ok()?;
        let object = tape.root(&text).is_some_and(|j| j.kind() == Kind::Object);
        object.then(|| Sign::certain("event \"chunk\" with JSON in bytes"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Pieces { chat: OpenAiChat.decoder(), tape: Tape::new(), counted: false })
    }
}

fn request_body(parts: &RequestParts<'_>) -> String {
    let mut body = serde_json::json!({
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": parts.prompt}],
    });
    if let Some(system) = parts.system {
        body["system"] = system.into();
    }
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

/// What the payload's `bytes` decode to.
fn inner(json: Value<'_>) -> Option<String> {
    let bytes = STANDARD.decode(json.str("bytes")?.as_bytes()).ok()?;
    Some(crate::text::lossy(&bytes).into_owned())
}

struct Pieces {
    /// Reads chunks of Chat Completions.
    chat: Box<dyn Decoder>,
    /// For the inner JSON, used again for each piece.
    tape: Tape,
    /// The model gave counts of its own, which go before AWS's.
    counted: bool,
}

impl Decoder for Pieces {
    fn decode(&mut self, payload: &Payload<'_>, tell: &mut dyn FnMut(Fact<'_>)) {
        if bedrock::exception(payload, tell) {
            return;
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        let mut tape = std::mem::take(&mut self.tape);
        if payload.kind != frame::Kind::Message {
            bedrock::refusal(json, tell);
        } else if let Some(text) = inner(json)
            && tape.parse(&text).is_ok()
            && let Some(json) = tape.root(&text).filter(|j| j.kind() == Kind::Object)
        {
            let piece =
                Payload { kind: payload.kind, event: "message", data: &text, json: Some(json) };
            self.piece(&piece, json, tell);
        }
        self.tape = tape;
    }
}

impl Pieces {
    fn piece(&mut self, piece: &Payload<'_>, json: Value<'_>, tell: &mut dyn FnMut(Fact<'_>)) {
        let counted = &mut self.counted;
        let mut told = |fact: Fact<'_>| {
            *counted |= matches!(fact, Fact::Usage { .. });
            tell(fact);
        };
        if json.get("type").is_some_and(|t| t.kind() == Kind::String) {
            anthropic::Messages.decode(piece, &mut told);
        } else if json.get("choices").is_some() {
            self.chat.decode(piece, &mut told);
        } else if json.get("generation").is_some() {
            text(json, "generation", "stop_reason", &mut told);
        } else if json.get("outputText").is_some() {
            text(json, "outputText", "completionReason", &mut told);
        } else {
            for (key, value) in json.entries() {
                let name = key.as_str().unwrap_or_default();
                if value.kind() == Kind::Object {
                    bedrock::event(&name, value, true, &mut told);
                }
            }
        }
        if let Some(metrics) = json.get("amazon-bedrock-invocationMetrics") {
            if !self.counted {
                usage(metrics, tell);
            }
            // Whatever the model, nothing comes after its piece with the metrics.
            tell(Fact::Terminal);
        }
    }
}

/// Llama's and Titan's pieces: a text, and in the last one why it ended.
fn text(json: Value<'_>, key: &'static str, reason: &'static str, tell: &mut dyn FnMut(Fact<'_>)) {
    if let Some(text) = json.str(key).filter(|t| !t.is_empty()) {
        let path = Path::new(key, 0);
        let (choice, channel, duplicate) = (0, Channel::Content, false);
        tell(Fact::Text { choice, channel, path, text, duplicate });
    }
    if let Some(reason) = json.str(reason).filter(|r| !r.is_empty()) {
        tell(Fact::Finish { choice: 0, reason });
    }
}

fn usage(metrics: Value<'_>, tell: &mut dyn FnMut(Fact<'_>)) {
    let count = |key: &str| metrics.get(key).and_then(Value::as_u64);
    let usage = Usage {
        input: count("inputTokenCount"),
        output: count("outputTokenCount"),
        reasoning: None,
        cached: count("cacheReadInputTokenCount"),
        total: None,
    };
    if usage.is_given() {
        tell(Fact::Usage { path: Path::new("amazon-bedrock-invocationMetrics", 0), usage });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::fact_tests::facts_of;

    fn told(pieces: &[&str]) -> Vec<String> {
        let wrapped: Vec<_> = pieces
            .iter()
            .map(|p| format!(r#"{{"bytes":"{}","p":"ab"}}"#, STANDARD.encode(p)))
            .collect();
        let payloads: Vec<_> = wrapped.iter().map(|p| ("chunk", p.as_str())).collect();
        facts_of(&mut *Invoke.decoder(), frame::Kind::Message, &payloads)
    }

    #[test]
    fn each_makers_pieces_are_read() {
        let llama = told(&[
            r#"{"generation":"a","prompt_token_count":3,"stop_reason":null}"#,
            r#"{"generation":"","stop_reason":"stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}"#,
        ]);
        let metrics = "usage amazon-bedrock-invocationMetrics Some(3) Some(2)";
        assert_eq!(llama, ["Content generation: a", "finish stop", metrics, "terminal"]);
        let nova = told(&[
            r#"{"contentBlockDelta":{"delta":{"text":"a"},"contentBlockIndex":0}}"#,
            r#"{"metadata":{"usage":{"inputTokens":3,"outputTokens":2}},"amazon-bedrock-invocationMetrics":{"inputTokenCount":9}}"#,
        ]);
        let usage = "usage metadata.usage Some(3) Some(2)";
        assert_eq!(
            nova,
            ["Content contentBlockDelta.delta.text: a", usage, "terminal", "terminal"]
        );
        let claude = told(&[r#"{"type":"content_block_delta","index":0,"delta":{"text":"a"}}"#]);
        assert_eq!(claude, ["Content delta.text: a"]);
        let gpt = told(&[r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#]);
        assert_eq!(gpt, ["Content choices[0].delta.content: a"]);
    }

    #[test]
    fn damaged_pieces_tell_nothing() {
        let payloads = [("chunk", r#"{"bytes":"%%%"}"#), ("chunk", r#"{"bytes":"aGk="}"#)];
        let mut decoder = Invoke.decoder();
        assert!(facts_of(&mut *decoder, frame::Kind::Message, &payloads).is_empty());
    }
}
