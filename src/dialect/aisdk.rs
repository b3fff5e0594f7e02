//! Vercel's AI SDK, from the application's server to the browser: the UI message stream of its
//! versions 5 to 7, and the data stream of 3 and 4, which is lines with a code in front.

use std::collections::BTreeSet;

use super::emit::{arguments_of, emit_call, emit_failure, emit_text};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage, Varying,
    error_text,
};
use crate::frame;
use crate::journal::Head;
use crate::json::{Kind, Value};

/// The dialect `aisdk-ui`.
pub(super) struct AiSdkUi;

/// The dialect `aisdk-data`.
pub(super) struct AiSdkData;

const FINISHES: &[&str] =
    &["stop", "length", "content-filter", "tool-calls", "error", "other", "unknown"];

impl Dialect for AiSdkUi {
    fn name(&self) -> &'static str {
        "aisdk-ui"
    }

    fn about(&self) -> &'static str {
        "Vercel AI SDK UI message stream (versions 5 to 7)"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(FINISHES)
    }

    fn in_head(&self, head: &Head) -> Option<&'static str> {
        const MARK: &str = "x-vercel-ai-ui-message-stream";
        head.header(MARK).map(|_| MARK)
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        if payload.kind != frame::FrameKind::Event {
            return None;
        }
        let json = payload.json?;
        let kind = json.str("type")?;
        let has = |key| json.get(key).is_some();
        let certain = match kind.as_ref() {
            "text-start" | "text-end" | "reasoning-start" | "reasoning-end" => has("id"),
            "text-delta" | "reasoning-delta" => has("id") && has("delta"),
            "start-step" | "finish-step" => !has("usage"),
            "tool-input-start"
            | "tool-input-delta"
            | "tool-input-available"
            | "tool-input-error"
            | "tool-output-available"
            | "tool-output-error"
            | "tool-output-denied"
            | "tool-approval-response" => has("toolCallId"),
            "tool-approval-request" => has("approvalId"),
            "source-url" | "source-document" => has("sourceId"),
            "message-metadata" => has("messageMetadata"),
            "start" => has("messageId") || has("messageMetadata"),
            "error" => has("errorText"),
            _ => false,
        };
        if certain {
            return Some(Evidence::member("type", &kind));
        }
        let likely = match kind.as_ref() {
            "start" => json.len() == 1,
            "finish" => json.len() == 1 || has("finishReason") || has("messageMetadata"),
            "file" | "reasoning-file" => has("mediaType") && has("url"),
            name => name.starts_with("data-") && has("data"),
        };
        likely.then(|| Evidence::likely(format!("type {}", crate::text::preview(&kind, 40))))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<AiSdkUiDecoder>::default()
    }
}

/// Reads the parts of a UI message.
#[derive(Default)]
struct AiSdkUiDecoder {
    /// The calls whose input arrived in pieces.
    streamed: BTreeSet<String>,
}

impl Decoder for AiSdkUiDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        Some(&[])
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            return emit(DecodeEvent::Sentinel);
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        let id = || json.str("toolCallId");
        match json.str("type").as_deref() {
            Some("text-delta") => {
                emit_text(Channel::Content, Path::new("delta", 0), json.str("delta"), emit);
            }
            Some("reasoning-delta") => {
                emit_text(Channel::Reasoning, Path::new("delta", 0), json.str("delta"), emit);
            }
            Some("tool-input-start") => {
                emit_call(Path::new("toolCallId", 0), id(), json.str("toolName"), None, emit);
            }
            Some("tool-input-delta") => {
                self.streamed.extend(id().map(Into::into));
                let text = json.str("inputTextDelta");
                emit_call(Path::new("inputTextDelta", 0), id(), None, text, emit);
            }
            Some("tool-input-available" | "tool-input-error") => {
                let whole = json.get("input").and_then(arguments_of);
                let input = whole.filter(|_| id().is_none_or(|id| !self.streamed.contains(&*id)));
                emit_call(Path::new("input", 0), id(), json.str("toolName"), input, emit);
            }
            Some("error") => emit_failure(error_text(json), None, emit),
            Some("abort") => {
                let why = json.str("reason").filter(|r| !r.is_empty());
                let why = why.unwrap_or_else(|| "the run was aborted".into());
                emit_failure(why, Some("abort".into()), emit);
                emit(DecodeEvent::Terminal);
            }
            Some("finish") => {
                if let Some(reason) = json.str("finishReason") {
                    emit(DecodeEvent::Finish { choice: 0, reason });
                }
                emit(DecodeEvent::Terminal);
            }
            None if json.get("error").is_some_and(|e| !e.is_null()) => {
                super::emit::emit_error_in(json.get("error").unwrap_or(json), emit);
            }
            _ => {}
        }
    }
}

impl Dialect for AiSdkData {
    fn name(&self) -> &'static str {
        "aisdk-data"
    }

    fn about(&self) -> &'static str {
        "Vercel AI SDK data stream (versions 3 and 4)"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(FINISHES)
    }

    fn in_head(&self, head: &Head) -> Option<&'static str> {
        const MARK: &str = "x-vercel-ai-data-stream";
        head.header(MARK).map(|_| MARK)
    }

    /// The framing has found the codes: no other lines have them.
    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        (payload.kind == frame::FrameKind::Line && payload.event.len() == 1)
            .then(|| Evidence::certain("lines with a code in front"))
    }

    fn allows(&self, payload: &Payload<'_>) -> bool {
        payload.json.is_some()
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<AiSdkDataDecoder>::default()
    }
}

/// Reads the data stream's lines, whose codes are the events' names.
#[derive(Default)]
struct AiSdkDataDecoder {
    /// The calls whose arguments arrived in pieces.
    streamed: BTreeSet<String>,
}

impl Decoder for AiSdkDataDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json else { return };
        let id = || json.str("toolCallId");
        match payload.event {
            "0" => emit_text(Channel::Content, Path::new("0", 0), json.as_str(), emit),
            "g" => emit_text(Channel::Reasoning, Path::new("g", 0), json.as_str(), emit),
            "3" => emit_failure(error_text(json), None, emit),
            "9" => {
                let whole = json.get("args").and_then(arguments_of);
                let arguments =
                    whole.filter(|_| id().is_none_or(|id| !self.streamed.contains(&*id)));
                emit_call(Path::new("9.args", 0), id(), json.str("toolName"), arguments, emit);
            }
            "b" => emit_call(Path::new("b", 0), id(), json.str("toolName"), None, emit),
            "c" => {
                self.streamed.extend(id().map(Into::into));
                let text = json.str("argsTextDelta");
                emit_call(Path::new("c.argsTextDelta", 0), id(), None, text, emit);
            }
            "d" => {
                if let Some(usage) = json.get("usage").map(usage_of).filter(Usage::is_given) {
                    emit(DecodeEvent::Usage { path: Path::new("d.usage", 0), usage });
                }
                if let Some(reason) = json.str("finishReason") {
                    emit(DecodeEvent::Finish { choice: 0, reason });
                }
                emit(DecodeEvent::Terminal);
            }
            _ => {}
        }
    }
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    Usage {
        input: count("promptTokens"),
        output: count("completionTokens"),
        total: count("totalTokens"),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{script, script_of_events};
    use super::*;

    #[test]
    fn parts_of_a_message() {
        let events = script(
            "auto",
            &[
                r#"{"type":"start","messageId":"m"}"#,
                r#"{"type":"reasoning-delta","id":"r","delta":"hm"}"#,
                r#"{"type":"tool-input-start","toolCallId":"c","toolName":"add"}"#,
                r#"{"type":"tool-input-delta","toolCallId":"c","inputTextDelta":"{}"}"#,
                r#"{"type":"tool-input-available","toolCallId":"c","toolName":"add","input":{}}"#,
                r#"{"type":"tool-input-available","toolCallId":"d","toolName":"sub","input":{"a":1}}"#,
                r#"{"type":"text-delta","id":"t","delta":"four"}"#,
                r#"{"type":"finish","finishReason":"stop"}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            events,
            [
                "reasoning 0 delta: hm",
                "tool None toolCallId c add -",
                "tool None inputTextDelta c - {}",
                "tool None input c add -",
                r#"tool None input d sub {"a":1}"#,
                "content 0 delta: four",
                "finish 0 stop",
                "terminal",
                "sentinel",
            ]
        );
    }

    #[test]
    fn lines_with_codes() {
        let events = script_of_events(
            frame::FrameKind::Line,
            "auto",
            &[
                ("f", r#"{"messageId":"m"}"#),
                ("g", r#""hm""#),
                ("9", r#"{"toolCallId":"c","toolName":"add","args":{"a":2}}"#),
                ("0", r#""four""#),
                ("3", r#""An error occurred.""#),
                (
                    "d",
                    r#"{"finishReason":"stop","usage":{"promptTokens":9,"completionTokens":null}}"#,
                ),
            ],
        );
        assert_eq!(
            events,
            [
                "reasoning 0 g: hm",
                r#"tool None 9.args c add {"a":2}"#,
                "content 0 0: four",
                "error Object -: An error occurred.",
                "usage d.usage 9 - - - -",
                "finish 0 stop",
                "terminal",
            ]
        );
    }
}
