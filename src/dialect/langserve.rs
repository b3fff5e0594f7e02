//! LangServe: what a runnable puts out, piece by piece, in events that are named `data`.

use super::emit::{emit_error_in, emit_failure, emit_text};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload};
use crate::json::{Kind, Value};

/// The dialect `langserve`.
pub(super) struct LangServe;

impl Dialect for LangServe {
    fn name(&self) -> &'static str {
        "langserve"
    }

    fn about(&self) -> &'static str {
        "LangServe (stream, stream_log, stream_events)"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        match payload.event {
            "metadata" => (json.get("run_id").is_some() && json.get("attempt").is_none())
                .then(|| Evidence::likely("run_id")),
            "data" => Some(Evidence::certain("event data")),
            _ => None,
        }
    }

    fn allows(&self, payload: &Payload<'_>) -> bool {
        matches!(payload.event, "data" | "end")
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(LangServeDecoder)
    }
}

/// Reads what a runnable puts out.
struct LangServeDecoder;

impl Decoder for LangServeDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        match (payload.event, payload.json) {
            ("data", Some(json)) => data(json, emit),
            ("error", Some(json)) => emit_error_in(json, emit),
            ("error", None) if !payload.data.is_empty() => {
                emit_failure(payload.data.into(), None, emit);
            }
            ("end", _) => emit(DecodeEvent::Terminal),
            _ => {}
        }
    }

    /// The last event has no data.
    fn decode_name(&mut self, name: &str, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if name == "end" {
            emit(DecodeEvent::Terminal);
        }
    }
}

fn data(json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(ops) = json.get("ops").filter(|o| o.kind() == Kind::Array) {
        for (i, op) in ops.items().enumerate() {
            if op.str("path").is_some_and(|p| p == "/streamed_output/-")
                && let Some(value) = op.get("value")
            {
                chunk(
                    value,
                    [Path::new("ops[#].value", i), Path::new("ops[#].value.content", i)],
                    emit,
                );
            }
        }
    } else if json.str("event").is_some() {
        let chunk_of = json.at(&["data", "chunk"]);
        if json.str("event").is_some_and(|e| e == "on_chat_model_stream")
            && let Some(value) = chunk_of
        {
            chunk(value, [Path::new("data.chunk", 0), Path::new("data.chunk.content", 0)], emit);
        }
    } else {
        chunk(json, [Path::new("", 0), Path::new("content", 0)], emit);
    }
}

/// A piece of output: a text, or a message with one.
fn chunk(value: Value<'_>, paths: [Path; 2], emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let [plain, content] = paths;
    if let Some(text) = value.as_str() {
        return emit_text(Channel::Content, plain, Some(text), emit);
    }
    match value.get("content") {
        Some(list) if list.kind() == Kind::Array => {
            for block in list.items() {
                emit_text(Channel::Content, content, block.str("text"), emit);
            }
        }
        Some(text) => emit_text(Channel::Content, content, text.as_str(), emit),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use crate::frame;

    #[test]
    fn texts_messages_logs_and_events() {
        let events = script_of_events(
            frame::FrameKind::Event,
            "langserve",
            &[
                ("metadata", r#"{"run_id":"r"}"#),
                ("data", r#""a""#),
                ("data", r#"{"content":"b","type":"AIMessageChunk"}"#),
                (
                    "data",
                    r#"{"ops":[{"op":"add","path":"/streamed_output/-","value":"c"},{"op":"add","path":"/logs/x","value":"no"}]}"#,
                ),
                ("data", r#"{"event":"on_chat_model_stream","data":{"chunk":{"content":"d"}}}"#),
                ("error", r#"{"status_code":500,"message":"Internal Server Error"}"#),
            ],
        );
        assert_eq!(
            events,
            [
                "content 0 : a",
                "content 0 content: b",
                "content 0 ops[0].value: c",
                "content 0 data.chunk.content: d",
                "error Object 500: Internal Server Error",
            ]
        );
    }
}
