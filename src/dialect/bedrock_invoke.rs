//! AWS Bedrock InvokeModelWithResponseStream: the model's own stream, piece by piece in base64.
//!
//! Each message's payload is `{"bytes":"…"}`, and what that decodes to is a payload as the model's
//! maker has it: Anthropic's, Nova's, Titan's, Llama's, Cohere's, Mistral's, or a chunk of Chat
//! Completions. Paths are those of the inner JSON. The last piece has AWS's own counts beside the model's.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use serde_json::{Map, Value as Json, json};

use super::emit::{emit_text, emit_text_in};
use super::request::{ChatRequest, Notes, TrackedValue, in_address};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    Usage, anthropic, bedrock,
    cohere_v1::CohereV1,
    openai_chat::{self, OpenAiChat},
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

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            headers: bedrock::ACCEPT,
            ..RequestSide::bearer("/model/{model}/invoke-with-response-stream", read, write)
        })
    }

    fn error_members(&self) -> &'static [&'static str] {
        &["message", "Message"]
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(&[
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
            // Cohere's
            "COMPLETE",
            "MAX_TOKENS",
            "ERROR_LIMIT",
            "ERROR_TOXIC",
            "ERROR",
        ])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let is_chunk = payload.kind == frame::FrameKind::Message && payload.event == "chunk";
        // Bedrock's agents send such chunks too, with plain text in them.
        let text = payload.json.filter(|_| is_chunk).and_then(inner)?;
        let mut tape = Tape::new();
        tape.parse(&text).ok()?;
        let object = tape.root(&text).is_some_and(|j| j.kind() == Kind::Object);
        object.then(|| Evidence::certain("event \"chunk\" with JSON in bytes"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(InvokeDecoder {
            anthropic: anthropic::AnthropicDecoder::default(),
            chat: OpenAiChat.decoder(),
            cohere: CohereV1.decoder(),
            tape: Tape::new(),
            counted: false,
        })
    }
}

/// Anthropic's, but for the version in the body, and the model and the streaming in the address.
fn read(body: TrackedValue<'_>) -> ChatRequest {
    body.tag("anthropic_version");
    ChatRequest { stream: Some(true.into()), ..anthropic::read(body) }
}

fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    body.insert("anthropic_version".into(), json!("bedrock-2023-05-31"));
    notes.added("anthropic_version", "it must be there");
    in_address(request, notes);
    anthropic::write_rest(request, &mut body, notes);
    body
}

/// Returns what the payload's `bytes` decode to.
pub(crate) fn inner(json: Value<'_>) -> Option<String> {
    let bytes = STANDARD.decode(json.str("bytes")?.as_bytes()).ok()?;
    Some(crate::text::lossy(&bytes).into_owned())
}

struct InvokeDecoder {
    /// Reads Anthropic's events.
    anthropic: anthropic::AnthropicDecoder,
    /// Reads chunks of Chat Completions.
    chat: Box<dyn Decoder>,
    /// Reads Cohere's lines.
    cohere: Box<dyn Decoder>,
    /// For the inner JSON, used again for each piece.
    tape: Tape,
    /// True if the model sent its own counts, which take precedence over AWS's.
    counted: bool,
}

impl Decoder for InvokeDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if bedrock::exception(payload, emit) {
            return;
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        let mut tape = std::mem::take(&mut self.tape);
        if payload.kind != frame::FrameKind::Message {
            bedrock::refusal(json, emit);
        } else if let Some(text) = inner(json)
            && tape.parse(&text).is_ok()
            && let Some(json) = tape.root(&text).filter(|j| j.kind() == Kind::Object)
        {
            let piece = Payload {
                kind: payload.kind,
                event: "message",
                data: &text,
                json: Some(json),
                id: None,
            };
            self.piece(&piece, json, emit);
        }
        self.tape = tape;
    }
}

impl InvokeDecoder {
    fn piece(
        &mut self,
        piece: &Payload<'_>,
        json: Value<'_>,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let counted = &mut self.counted;
        let mut events = |fact: DecodeEvent<'_>| {
            *counted |= matches!(fact, DecodeEvent::Usage { .. });
            emit(fact);
        };
        if json.get("type").is_some_and(|t| t.kind() == Kind::String) {
            self.anthropic.decode(piece, &mut events);
        } else if let Some(choices) = json.get("choices") {
            self.chat.decode(piece, &mut events);
            for (i, choice) in choices.items().enumerate().filter(|(_, c)| c.get("delta").is_none())
            {
                whole_choice(choice, i, &mut events);
            }
        } else if json.get("event_type").is_some() {
            self.cohere.decode(piece, &mut events);
        } else if let Some((list, [path, text, reason])) =
            LISTS.iter().find_map(|(key, of)| Some((json.get(key)?, *of)))
        {
            for (i, item) in list.items().enumerate() {
                emit_text(Channel::Content, Path::new(path, i), item.str(text), &mut events);
                finish(item.str(reason), 0, &mut events);
            }
        } else if let Some((key, reason)) = TEXTS
            .iter()
            .find(|(key, _)| json.get(key).is_some())
            .or_else(|| TEXTS.iter().find(|(_, reason)| json.get(reason).is_some()))
        {
            emit_text(Channel::Content, Path::new(key, 0), json.str(key), &mut events);
            finish(json.str(reason), 0, &mut events);
        } else {
            for (key, value) in json.entries() {
                let name = key.as_str().unwrap_or_default();
                if value.kind() == Kind::Object {
                    bedrock::event(&name, value, true, &mut events);
                }
            }
        }
        // The model's own finish reason does not mention the guardrail that ended the answer.
        if json.get("amazon-bedrock-guardrailAction").is_some_and(|a| a.is("INTERVENED")) {
            emit(DecodeEvent::Cause { choice: 0, cause: "guardrail_intervened".into() });
        }
        if let Some(metrics) = json.get("amazon-bedrock-invocationMetrics") {
            if !self.counted {
                usage(metrics, emit);
            }
            // For every model, the piece with the metrics is the last one.
            emit(DecodeEvent::Terminal);
        }
    }
}

/// Pieces that are a text, and in the last one why it ended: Llama's, Titan's, Anthropic's older
/// completions, Cohere's Command.
const TEXTS: &[(&str, &str)] = &[
    ("generation", "stop_reason"),
    ("outputText", "completionReason"),
    ("completion", "stop_reason"),
    ("text", "finish_reason"),
];

/// The same in a list: Mistral's, and Command's when it does not stream. The list's name, the path
/// of a text in it, and the members of its items.
const LISTS: &[(&str, [&str; 3])] = &[
    ("outputs", ["outputs[#].text", "text", "stop_reason"]),
    ("generations", ["generations[#].text", "text", "finish_reason"]),
];

/// A choice that is no delta: DeepSeek's text, the messages of Mistral's larger models. Their
/// reason has another name than Chat Completions'.
fn whole_choice(choice: Value<'_>, position: usize, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0) as u32;
    let path = |template| Path::new(template, position);
    emit_text_in(index, Channel::Content, path("choices[#].text"), choice.str("text"), emit);
    if let Some(message) = choice.get("message") {
        let text = message.str("content");
        emit_text_in(index, Channel::Content, path("choices[#].message.content"), text, emit);
        for (i, call) in message.get("tool_calls").into_iter().flat_map(Value::items).enumerate() {
            let path = path("choices[#].message.tool_calls[#]").second(i);
            openai_chat::tool(call, call.get("function"), index, Some(i as u64), path, emit);
        }
    }
    finish(choice.str("stop_reason"), index, emit);
}

fn finish(reason: Option<Cow<'_, str>>, choice: u32, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(reason) = reason.filter(|r| !r.is_empty()) {
        emit(DecodeEvent::Finish { choice, reason });
    }
}

fn usage(metrics: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let count = |key: &str| metrics.get(key).and_then(Value::as_u64);
    let usage = Usage {
        input: count("inputTokenCount"),
        output: count("outputTokenCount"),
        reasoning: None,
        cached: count("cacheReadInputTokenCount"),
        total: None,
    };
    if usage.is_given() {
        emit(DecodeEvent::Usage { path: Path::new("amazon-bedrock-invocationMetrics", 0), usage });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use super::*;

    fn emitted(pieces: &[&str]) -> Vec<String> {
        let wrapped: Vec<_> = pieces
            .iter()
            .map(|p| format!(r#"{{"bytes":"{}","p":"ab"}}"#, STANDARD.encode(p)))
            .collect();
        let payloads: Vec<_> = wrapped.iter().map(|p| ("chunk", p.as_str())).collect();
        script_of_events(frame::FrameKind::Message, "bedrock-invoke", &payloads)
    }

    #[test]
    fn each_makers_pieces_are_read() {
        let llama = emitted(&[
            r#"{"generation":"a","prompt_token_count":3,"stop_reason":null}"#,
            r#"{"generation":"","stop_reason":"stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}"#,
        ]);
        let metrics = "usage amazon-bedrock-invocationMetrics 3 2 - - -";
        assert_eq!(llama, ["content 0 generation: a", "finish 0 stop", metrics, "terminal"]);
        let nova = emitted(&[
            r#"{"contentBlockDelta":{"delta":{"text":"a"},"contentBlockIndex":0}}"#,
            r#"{"metadata":{"usage":{"inputTokens":3,"outputTokens":2}},"amazon-bedrock-invocationMetrics":{"inputTokenCount":9}}"#,
        ]);
        let usage = "usage metadata.usage 3 2 - - -";
        assert_eq!(
            nova,
            ["content 0 contentBlockDelta.delta.text: a", usage, "terminal", "terminal"]
        );
        let claude = emitted(&[r#"{"type":"content_block_delta","index":0,"delta":{"text":"a"}}"#]);
        assert_eq!(claude, ["content 0 delta.text: a"]);
        let gpt = emitted(&[r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#]);
        assert_eq!(gpt, ["content 0 choices[0].delta.content: a"]);
    }

    #[test]
    fn texts_of_other_makers() {
        let command = emitted(&[
            r#"{"index":0,"is_finished":false,"text":" a"}"#,
            r#"{"finish_reason":"COMPLETE","index":0,"is_finished":true,"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}"#,
        ]);
        let metrics = "usage amazon-bedrock-invocationMetrics 3 2 - - -";
        assert_eq!(command, ["content 0 text:  a", "finish 0 COMPLETE", metrics, "terminal"]);
        let command_r =
            emitted(&[r#"{"event_type":"text-generation","is_finished":false,"text":"a"}"#]);
        assert_eq!(command_r, ["content 0 text: a"]);
        let mistral = emitted(&[
            r#"{"outputs":[{"text":"a","stop_reason":null}]}"#,
            r#"{"outputs":[{"text":"","stop_reason":"stop"}]}"#,
        ]);
        assert_eq!(mistral, ["content 0 outputs[0].text: a", "finish 0 stop"]);
        let large = emitted(&[
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"stop_reason":null}]}"#,
            r#"{"choices":[{"index":0,"message":{"content":"","tool_calls":[{"id":"i","function":{"name":"f","arguments":"{}"}}]},"stop_reason":"tool_calls"}]}"#,
        ]);
        let call = r#"tool Some(0) choices[0].message.tool_calls[0] i f {}"#;
        assert_eq!(large, ["content 0 choices[0].message.content: a", call, "finish 0 tool_calls"]);
        let deepseek = emitted(&[r#"{"choices":[{"text":"a","stop_reason":"length"}]}"#]);
        assert_eq!(deepseek, ["content 0 choices[0].text: a", "finish 0 length"]);
        let completion = [
            r#"{"type":"completion","completion":" a","stop_reason":null,"stop":null}"#,
            r#"{"completion":" b","stop_reason":"stop_sequence","stop":"\n\nHuman:"}"#,
        ];
        assert_eq!(
            emitted(&completion),
            ["content 0 completion:  a", "content 0 completion:  b", "finish 0 stop_sequence"]
        );
    }

    #[test]
    fn damaged_pieces_tell_nothing() {
        let payloads = [("chunk", r#"{"bytes":"%%%"}"#), ("chunk", r#"{"bytes":"aGk="}"#)];
        assert!(
            script_of_events(frame::FrameKind::Message, "bedrock-invoke", &payloads).is_empty()
        );
    }
}
