//! LangGraph's server: a run's events, named by the mode that was requested. Messages are lists of a chunk and
//! its metadata; states and updates arrive whole.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::emit::{Growing, emit_error_in, emit_failure, emit_text_in};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, ToolPiece, Usage,
};
use crate::journal::Head;
use crate::json::{Kind, Value};

/// The dialect `langgraph`.
pub(super) struct LangGraph;

impl Dialect for LangGraph {
    fn name(&self) -> &'static str {
        "langgraph"
    }

    fn about(&self) -> &'static str {
        "LangGraph server runs"
    }

    /// Newer servers send `end`, others only close.
    fn ending(&self) -> EndingRules {
        EndingRules { optional_finish: true, ..EndingRules::by_close(&[]) }
    }

    fn in_head(&self, head: &Head) -> Option<&'static str> {
        let place = head.header("content-location")?;
        (place.contains("/runs/") || place.ends_with("/runs")).then_some("content-location")
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let named = || Evidence::certain(format!("event {}", mode(payload.event)));
        match mode_of(payload) {
            "metadata" => (json.get("run_id").is_some() && json.get("attempt").is_some())
                .then(|| Evidence::certain("run_id and attempt")),
            "messages" => {
                let mut items = json.items();
                let (chunk, about) = (items.next()?, items.next()?);
                let graph = about.get("langgraph_node").is_some()
                    || chunk.str("type").is_some_and(|t| t.contains("Message"))
                    || chunk.get("additional_kwargs").is_some();
                graph.then(named)
            }
            "messages/partial" | "messages/complete" => (json.kind() == Kind::Array).then(named),
            "messages/metadata" => Some(named()),
            "values" | "updates" | "checkpoints" | "tasks" | "debug" => {
                let by = || format!("event {}", mode(payload.event));
                (json.kind() == Kind::Object && json.get("type").is_none())
                    .then(|| Evidence::likely(by()))
            }
            _ => None,
        }
    }

    fn allows(&self, _payload: &Payload<'_>) -> bool {
        true
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<LangGraphDecoder>::default()
    }
}

/// An event's name without the namespace of a subgraph.
fn mode(event: &str) -> &str {
    event.split('|').next().unwrap_or(event)
}

/// The mode of an event, recognized by its shape where a gateway dropped the name.
fn mode_of<'a>(payload: &Payload<'a>) -> &'a str {
    let named = mode(payload.event);
    let Some(json) = payload.json.filter(|_| named == "message") else { return named };
    let about = json.items().nth(1);
    if about.is_some_and(|a| a.get("langgraph_node").is_some()) {
        return "messages";
    }
    match json.get("run_id").and(json.get("attempt")) {
        Some(_) if json.len() == 2 => "metadata",
        _ => named,
    }
}

/// Reads one run. Its nodes speak at the same time, so each message is an answer of its own.
#[derive(Default)]
struct LangGraphDecoder {
    /// The choice of each message, by its id.
    choices: BTreeMap<String, u32>,
    /// The text of messages that arrive whole.
    texts: Growing,
    /// True if messages arrive in pieces: states only repeat them.
    streamed: bool,
    failed: bool,
}

impl Decoder for LangGraphDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json else {
            if payload.event == "error" && !payload.data.is_empty() {
                self.failed = true;
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        match mode_of(payload) {
            "messages" => {
                self.streamed = true;
                if let Some(chunk) = json.items().next().filter(|c| is_answer(*c)) {
                    self.message(chunk, Whole::Unless, &IN_TUPLE, emit);
                }
            }
            "messages/partial" | "messages/complete" => {
                self.streamed = true;
                for message in json.items().filter(|m| is_answer(*m)) {
                    self.message(message, Whole::Yes, &IN_LIST, emit);
                }
            }
            // A state holds the whole conversation: the new message is the last one.
            "values" if !self.streamed => {
                let last = json.get("messages").and_then(|m| m.items().last());
                if let Some(message) = last.filter(|m| is_answer(*m)) {
                    self.message(message, Whole::Yes, &IN_STATE, emit);
                }
            }
            "updates" if !self.streamed => {
                for (_, update) in json.entries() {
                    let messages = update.get("messages").into_iter().flat_map(Value::items);
                    for message in messages.filter(|m| is_answer(*m)) {
                        self.message(message, Whole::Yes, &IN_STATE, emit);
                    }
                }
            }
            // Matches even if a gateway dropped the event name.
            "message" if json.str("error").is_some() => {
                self.failed = true;
                let (kind, text) = (json.str("error"), json.str("message"));
                emit_failure(text.or(json.str("error")).unwrap_or_default(), kind, emit);
            }
            "error" => {
                self.failed = true;
                let kind = json.str("error").filter(|_| json.get("message").is_some());
                match json.str("message") {
                    Some(message) => emit_failure(message, kind, emit),
                    None => emit_error_in(json, emit),
                }
            }
            "end" => {
                let status = json.str("status").unwrap_or_default();
                if matches!(&*status, "error" | "timeout") && !self.failed {
                    emit_failure(format!("the run ended with status {status}").into(), None, emit);
                }
                emit(DecodeEvent::Terminal);
            }
            _ => {}
        }
    }

    fn decode_name(&mut self, name: &str, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if name == "end" {
            emit(DecodeEvent::Terminal);
        }
    }
}

/// Returns whether a message is the model's: chunks and whole ones of LangChain, or of the plain kind.
fn is_answer(message: Value<'_>) -> bool {
    match message.str("type").or_else(|| message.str("role")) {
        Some(kind) => matches!(&*kind, "AIMessageChunk" | "AIMessage" | "ai" | "assistant"),
        None => message.get("content").is_some(),
    }
}

/// Rule for whether a message is whole in an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    /// Unless its type says that it is a chunk.
    Unless,
}

/// The paths of a message's parts.
struct LangGraphPaths {
    content: &'static str,
    block: &'static str,
    reasoning: &'static str,
    call: &'static str,
    usage: &'static str,
}

macro_rules! paths {
    ($under:literal) => {
        LangGraphPaths {
            content: concat!($under, ".content"),
            block: concat!($under, ".content[#].text"),
            reasoning: concat!($under, ".additional_kwargs.reasoning_content"),
            call: concat!($under, ".tool_calls[#]"),
            usage: concat!($under, ".usage_metadata"),
        }
    };
}

static IN_TUPLE: LangGraphPaths = paths!("[0]");
static IN_LIST: LangGraphPaths = paths!("[]");
static IN_STATE: LangGraphPaths = paths!("messages[]");

impl LangGraphDecoder {
    fn message(
        &mut self,
        message: Value<'_>,
        whole: Whole,
        paths: &'static LangGraphPaths,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let chunk = message.str("type").is_some_and(|t| t.ends_with("Chunk"));
        let whole = whole == Whole::Yes || !chunk;
        let id = message.str("id").unwrap_or_default().into_owned();
        let next = self.choices.len() as u32;
        let choice = *self.choices.entry(id.clone()).or_insert(next);
        let mut text = |channel: Channel, path: Path, words: Cow<'_, str>| {
            let key = format!("{id} {} {}", channel.name(), path);
            let words = match whole {
                true => self.texts.rest(&key, words),
                false => {
                    self.texts.add(&key, &words);
                    words
                }
            };
            emit_text_in(choice, channel, path, Some(words), emit);
        };
        if let Some(thought) = message.at(&["additional_kwargs", "reasoning_content"]) {
            let thought = thought.as_str().unwrap_or_default();
            text(Channel::Reasoning, Path::new(paths.reasoning, 0), thought);
        }
        match message.get("content") {
            Some(list) if list.kind() == Kind::Array => {
                for (i, block) in list.items().enumerate() {
                    let path = Path::new(paths.block, i);
                    let field = |key: &str| block.str(key);
                    match block.str("type").as_deref() {
                        Some("reasoning" | "thinking") => {
                            let thought = field("reasoning").or_else(|| field("thinking"));
                            let thought = thought.or_else(|| field("text")).unwrap_or_default();
                            text(Channel::Reasoning, path, thought);
                        }
                        _ => {
                            let plain = block.as_str().or_else(|| field("text"));
                            text(Channel::Content, path, plain.unwrap_or_default());
                        }
                    }
                }
            }
            Some(content) => {
                let words = content.as_str().unwrap_or_default();
                text(Channel::Content, Path::new(paths.content, 0), words);
            }
            None => {}
        }
        self.calls(message, choice, whole, &id, paths, emit);
        about(message, choice, paths, emit);
    }

    fn calls(
        &mut self,
        message: Value<'_>,
        choice: u32,
        whole: bool,
        id: &str,
        paths: &'static LangGraphPaths,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let key = if whole { "tool_calls" } else { "tool_call_chunks" };
        for (i, call) in message.get(key).into_iter().flat_map(Value::items).enumerate() {
            let given = |key| call.str(key).filter(|t| !t.is_empty());
            let arguments = call.get("args").and_then(super::emit::arguments_of);
            let arguments = match arguments {
                Some(all) if whole => {
                    let key = format!("{id} call {}", given("id").unwrap_or_default());
                    Some(self.texts.rest(&key, all))
                }
                other => other,
            };
            if given("id").is_none() && given("name").is_none() && arguments.is_none() {
                continue;
            }
            emit(DecodeEvent::Tool(Box::new(ToolPiece {
                choice,
                path: Path::new(paths.call, i),
                index: call.get("index").and_then(Value::as_u64).or(Some(i as u64)),
                id: given("id"),
                name: given("name"),
                arguments,
                free_text: false,
            })));
        }
    }
}

/// Reports what a message says about itself: its usage, and why it ends.
fn about(
    message: Value<'_>,
    choice: u32,
    paths: &'static LangGraphPaths,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let usage = message.get("usage_metadata").map(usage_of).filter(Usage::is_given);
    if let Some(usage) = usage {
        emit(DecodeEvent::Usage { path: Path::new(paths.usage, 0), usage });
    }
    let about = message.get("response_metadata");
    let reason = about.and_then(|a| a.str("finish_reason").or_else(|| a.str("stop_reason")));
    if let Some(reason) = reason.filter(|r| !r.is_empty()) {
        emit(DecodeEvent::Finish { choice, reason });
    }
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |path: &[&str]| usage.at(path).and_then(Value::as_u64);
    Usage {
        input: count(&["input_tokens"]),
        output: count(&["output_tokens"]),
        reasoning: count(&["output_token_details", "reasoning"]),
        cached: count(&["input_token_details", "cache_read"]),
        total: count(&["total_tokens"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use crate::frame;

    fn emitted(events: &[(&str, &str)]) -> Vec<String> {
        script_of_events(frame::FrameKind::Event, "langgraph", events)
    }

    #[test]
    fn chunks_are_grouped_by_their_message_and_states_only_repeat() {
        let events = emitted(&[
            ("metadata", r#"{"run_id":"r","attempt":1}"#),
            (
                "messages",
                r#"[{"content":"a","type":"AIMessageChunk","id":"1"},{"langgraph_node":"x"}]"#,
            ),
            (
                "messages|sub:1",
                r#"[{"content":[{"type":"text","text":"b"}],"type":"AIMessageChunk","id":"2"},{"langgraph_node":"y"}]"#,
            ),
            (
                "messages",
                r#"[{"content":"c","type":"AIMessageChunk","id":"1","response_metadata":{"finish_reason":"stop"}},{"langgraph_node":"x"}]"#,
            ),
            ("messages", r#"[{"content":"42","type":"tool","id":"3"},{"langgraph_node":"t"}]"#),
            ("updates", r#"{"x":{"messages":[{"type":"ai","content":"ac","id":"1"}]}}"#),
            ("end", "null"),
        ]);
        assert_eq!(
            events,
            [
                "content 0 [0].content: a",
                "content 1 [0].content[0].text: b",
                "content 0 [0].content: c",
                "finish 0 stop",
                "terminal",
            ]
        );
    }

    #[test]
    fn whole_messages_are_told_once() {
        let events = emitted(&[
            ("messages/partial", r#"[{"content":"He","type":"ai","id":"1"}]"#),
            ("messages/partial", r#"[{"content":"Hello","type":"ai","id":"1"}]"#),
            (
                "messages/complete",
                r#"[{"content":"Hello","type":"ai","id":"1","tool_calls":[{"id":"c","name":"f","args":{"a":1}}]}]"#,
            ),
            ("error", r#"{"error":"RateLimitError","message":"429"}"#),
        ]);
        assert_eq!(
            events,
            [
                "content 0 [].content: He",
                "content 0 [].content: llo",
                r#"tool Some(0) [].tool_calls[0] c f {"a":1}"#,
                "error Object RateLimitError: 429",
            ]
        );
    }

    #[test]
    fn without_messages_the_states_are_the_answer() {
        let events = emitted(&[
            ("values", r#"{"messages":[{"type":"human","content":"hi","id":"h"}]}"#),
            (
                "values",
                r#"{"messages":[{"type":"human","content":"hi","id":"h"},{"type":"ai","content":"four","id":"1"}]}"#,
            ),
            (
                "values",
                r#"{"messages":[{"type":"human","content":"hi","id":"h"},{"type":"ai","content":"four","id":"1"}]}"#,
            ),
        ]);
        assert_eq!(events, ["content 0 messages[].content: four"]);
    }
}
