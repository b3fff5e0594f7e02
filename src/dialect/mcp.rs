//! The Model Context Protocol over streamable HTTP: JSON-RPC messages, one per event. What arrives before the
//! response (progress, the server's own requests) is no part of it.

use super::emit::{emit_error_in, emit_failure, emit_text};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, a2a};
use crate::frame;
use crate::journal::Head;
use crate::json::{Kind, Value};

/// The dialect `mcp`.
pub(super) struct Mcp;

impl Dialect for Mcp {
    fn name(&self) -> &'static str {
        "mcp"
    }

    fn about(&self) -> &'static str {
        "Model Context Protocol over streamable HTTP"
    }

    fn ending(&self) -> EndingRules {
        EndingRules { resumable: true, ..EndingRules::by_event_alone(&[]) }
    }

    fn in_head(&self, head: &Head) -> Option<&'static str> {
        const MARK: &str = "mcp-session-id";
        head.header(MARK).map(|_| MARK)
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        // The first event of a stream that can be resumed has an id and nothing else.
        if payload.kind == frame::FrameKind::Event
            && payload.data.is_empty()
            && payload.id.is_some()
        {
            return Some(Evidence::guess("an id and no data"));
        }
        // The older transport first sends the address to post to.
        if payload.event == "endpoint" && payload.json.is_none() && !payload.data.is_empty() {
            return Some(Evidence::certain("event endpoint"));
        }
        let json = match payload.json? {
            list if list.kind() == Kind::Array => list.items().next()?,
            json => json,
        };
        json.get("jsonrpc").filter(|v| v.is("2.0"))?;
        if a2a::is_result(json) {
            return None;
        }
        if let Some(method) = json.str("method") {
            const METHODS: &[&str] =
                &["notifications/", "sampling/", "elicitation/", "roots/", "tools/", "resources/"];
            let known = METHODS.iter().any(|m| method.starts_with(m));
            return Some(match known {
                true => Evidence::member("method", method),
                false => Evidence::likely("a JSON-RPC method"),
            });
        }
        match json.get("result") {
            Some(result) => Some(match RESULTS.iter().find(|key| result.get(key).is_some()) {
                Some(key) => Evidence::certain(format!("jsonrpc and result.{key}")),
                None => Evidence::likely("a JSON-RPC result"),
            }),
            None => json.get("error").map(|_| Evidence::guess("a JSON-RPC error")),
        }
    }

    fn allows(&self, payload: &Payload<'_>) -> bool {
        let batch = payload.json.is_some_and(|j| j.kind() == Kind::Array);
        batch || payload.data.trim().is_empty() || payload.event == "endpoint"
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<McpDecoder>::default()
    }
}

/// Keys that only results of this protocol have.
const RESULTS: &[&str] = &[
    "content",
    "structuredContent",
    "tools",
    "protocolVersion",
    "resources",
    "resourceTemplates",
    "contents",
    "prompts",
    "messages",
    "completion",
    "serverInfo",
    "capabilities",
];

#[derive(Default)]
struct McpDecoder {
    /// The stream is the server's own: answers to many requests, and no last one.
    endless: bool,
}

impl Decoder for McpDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json else {
            if payload.event == "endpoint" && !self.endless {
                self.endless = true;
                emit(DecodeEvent::Terminal);
            } else if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        match json.kind() {
            Kind::Array => json.items().for_each(|message| read(message, emit)),
            _ => read(json, emit),
        }
    }
}

fn read(message: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    if let Some(error) = message.get("error").filter(|e| !e.is_null()) {
        emit_error_in(error, emit);
        return emit(DecodeEvent::Terminal);
    }
    let Some(result) = message.get("result") else { return };
    let content = || result.get("content").into_iter().flat_map(Value::items).enumerate();
    if result.get("isError").and_then(Value::as_bool) == Some(true) {
        let text: Vec<_> = content().filter_map(|(_, part)| part.str("text")).collect();
        let text = if text.is_empty() { "the tool failed".into() } else { text.join("\n") };
        emit_failure(text.into(), Some("isError".into()), emit);
    } else {
        for (i, part) in content() {
            let path = Path::new("result.content[#].text", i);
            emit_text(Channel::Content, path, part.str("text"), emit);
        }
    }
    let contents = result.get("contents").into_iter().flat_map(Value::items);
    for (i, part) in contents.enumerate() {
        let path = Path::new("result.contents[#].text", i);
        emit_text(Channel::Content, path, part.str("text"), emit);
    }
    emit(DecodeEvent::Terminal);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{script, script_of_events};
    use super::*;

    #[test]
    fn the_response_ends_it_whatever_came_before() {
        let events = script(
            "auto",
            &[
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#,
                r#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}"#,
                r#"{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"four"}]}}"#,
            ],
        );
        assert_eq!(events, ["content 0 result.content[0].text: four", "terminal"]);
    }

    #[test]
    fn errors_of_the_protocol_and_of_the_tool() {
        let events = script(
            "mcp",
            &[
                r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"Unknown tool"}}"#,
                r#"{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"no"}],"isError":true}}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "error Object -32602: Unknown tool",
                "terminal",
                "error Object isError: no",
                "terminal",
            ]
        );
    }

    #[test]
    fn a_batch_and_the_older_transport() {
        let list = r#"[{"jsonrpc":"2.0","id":1,"result":{"tools":[]}},{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"a"}]}}]"#;
        let emitted = script("auto", &[list]);
        assert_eq!(emitted, ["terminal", "content 0 result.content[0].text: a", "terminal"]);
        let events = [("endpoint", "/messages/?session_id=1"), ("message", "")];
        assert_eq!(script_of_events(frame::FrameKind::Event, "auto", &events), ["terminal"]);
    }
}
