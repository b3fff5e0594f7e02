//! OpenAI Responses: a stream of typed events about one response and its output items.
//!
//! Every piece of text comes twice or more: in deltas, in the `.done` of its part, in the item's
//! `.done` and in the last event's whole response. Deltas are the answer; what comes whole is read
//! only where no delta of it came, because there are servers that send nothing else. Items are reported
//! apart by `output_index`: GitHub Copilot gives every event other ids.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::emit::{emit_text, model_once};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, ToolPiece, Usage, Varying, error_text,
};
use crate::frame;
use crate::json::{Kind, Value};

mod requests;
use requests::{read, write};

/// The dialect `openai-responses`.
pub(super) struct OpenAiResponses;

impl Dialect for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn about(&self) -> &'static str {
        "OpenAI Responses and compatible servers"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/responses", read, write))
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(&["completed", "incomplete", "failed", "cancelled"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json.filter(|j| !super::openai_realtime::is_message(*j))?;
        match json.str("type") {
            // Gateways that drop the `type` leave the event's name.
            None if payload.event.starts_with("response.") => Some(Evidence::certain(format!(
                "event {}",
                crate::text::preview(payload.event, 40)
            ))),
            Some(t) if t.starts_with("response.") => Some(Evidence::member("type", t)),
            // A keep-alive or an error: only this dialect numbers its events.
            Some(t) if t == "error" || t == "keepalive" => {
                json.get("sequence_number").map(|_| Evidence::likely("sequence_number"))
            }
            _ => json
                .str("object")
                .filter(|o| o == "response")
                .map(|o| Evidence::member("object", o)),
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<OpenAiResponsesDecoder>::default()
    }
}

/// The parts of an answer that come in deltas and again whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PartKind {
    Text,
    Refusal,
    Reasoning,
    Summary,
    Call,
    Arguments,
}

/// How many items are known to be announced.
const MAX_ANNOUNCED: usize = 4096;

/// How many parts are matched by their text; more are taken in order.
const MAX_MATCHED: usize = 64;

/// A text's length and hash: enough to know it again, however it was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    len: u64,
    hash: u64,
}

impl Default for Print {
    fn default() -> Self {
        Self { len: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Print {
    fn of(text: &str) -> Self {
        let mut print = Self::default();
        print.add(text);
        print
    }

    /// FNV-1a: the same for a text and for its pieces.
    fn add(&mut self, text: &str) {
        self.len += text.len() as u64;
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[derive(Default)]
struct OpenAiResponsesDecoder {
    told_model: bool,
    /// What was reported already: (which kind, the item, the part of it).
    emitted: BTreeMap<(PartKind, u64, u64), Print>,
    /// The items that were announced.
    announced: BTreeSet<u64>,
    /// An error was reported; the failed response that follows it repeats it.
    failed: bool,
    /// A response ended. Over WebSocket another may follow it.
    over: bool,
    /// The part that the last payload was a delta of, if it was nothing else.
    last: Option<(PartKind, u64, u64)>,
}

impl Decoder for OpenAiResponsesDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        self.last.map(|_| &[Varying::SequenceNumber, Varying::Obfuscation][..])
    }

    fn repeat(&mut self, text: &str) {
        // Of a call the text is not kept.
        let last = self.last.filter(|(part, ..)| *part != PartKind::Arguments);
        if let Some(emitted) = last.and_then(|last| self.emitted.get_mut(&last)) {
            emitted.add(text);
        }
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        self.last = None;
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            return;
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                let message = Cow::Borrowed(payload.data);
                self.error(InBandError { message, kind: None, shape: ErrorShape::Text }, emit);
            }
            return;
        };
        // Gateways that drop the `type` leave the event's name, and the other way round.
        let kind = json.str("type").unwrap_or(Cow::Borrowed(payload.event));
        match kind.as_ref() {
            "response.output_text.delta" => {
                self.delta(json, PartKind::Text, "content_index", emit);
            }
            "response.reasoning_summary_text.delta" => {
                self.delta(json, PartKind::Summary, "summary_index", emit);
            }
            // The second name is what servers of open models used before OpenAI had one.
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                self.delta(json, PartKind::Reasoning, "content_index", emit);
            }
            "response.refusal.delta" => self.delta(json, PartKind::Refusal, "content_index", emit),
            "response.function_call_arguments.delta" | "response.mcp_call_arguments.delta" => {
                self.arguments(json, "delta", false, emit);
            }
            "response.custom_tool_call_input.delta" => self.arguments(json, "delta", true, emit),
            // What is spoken, and what the server itself runs.
            "response.audio.transcript.delta"
            | "response.code_interpreter_call_code.delta"
            | "response.shell_call_command.delta" => {
                emit_text(Channel::Other, Path::new("delta", 0), json.str("delta"), emit);
            }
            "response.output_text.done" => self.done(json, PartKind::Text, "text", emit),
            "response.reasoning_summary_text.done" => {
                self.done(json, PartKind::Summary, "text", emit);
            }
            "response.reasoning_text.done" | "response.reasoning.done" => {
                self.done(json, PartKind::Reasoning, "text", emit)
            }
            "response.refusal.done" => self.done(json, PartKind::Refusal, "refusal", emit),
            "response.function_call_arguments.done" | "response.mcp_call_arguments.done"
                if self.is_new(json, PartKind::Arguments) =>
            {
                self.arguments(json, "arguments", false, emit);
            }
            "response.custom_tool_call_input.done" if self.is_new(json, PartKind::Arguments) => {
                self.arguments(json, "input", true, emit);
            }
            "response.created" => {
                if self.over {
                    *self = Self { told_model: self.told_model, ..Self::default() };
                    emit(DecodeEvent::Begun);
                }
                self.other(json, payload, emit);
            }
            // Perplexity's, of what it looks up.
            "response.reasoning.started" => {
                emit_text(Channel::Reasoning, Path::new("thought", 0), json.str("thought"), emit);
            }
            "response.output_item.added" => {
                if self.announced.len() < MAX_ANNOUNCED {
                    self.announced.insert(output_index(json));
                }
                self.begin_call(json, emit);
            }
            "response.output_item.done" => {
                if let Some(item) = json.get("item") {
                    self.item(item, output_index(json), &IN_EVENT, emit);
                }
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.done"
            | "response.cancelled" => {
                self.response(json.get("response"), &IN_RESPONSE, emit);
                // Perplexity has the error beside the type, and no response.
                let failed = kind == "response.failed" && !self.failed;
                if failed && (json.get("response").is_none() || json.get("error").is_some()) {
                    self.error(error_of(json), emit);
                }
                self.over = true;
                emit(DecodeEvent::Terminal);
            }
            "error" | "response.error" => self.error(error_of(json), emit),
            _ if payload.kind == frame::FrameKind::Body && json.get("output").is_some() => {
                self.response(Some(json), &IN_BODY, emit);
                emit(DecodeEvent::Terminal);
            }
            _ => self.other(json, payload, emit),
        }
    }
}

/// The paths of an item's parts: in its own event, in the whole response, in a body of its own.
struct OpenAiResponsesPaths {
    text: &'static str,
    summary: &'static str,
    call: &'static str,
    usage: &'static str,
}

static IN_EVENT: OpenAiResponsesPaths = OpenAiResponsesPaths {
    text: "item.content[#].text",
    summary: "item.summary[#].text",
    call: "item",
    usage: "response.usage",
};

static IN_RESPONSE: OpenAiResponsesPaths = OpenAiResponsesPaths {
    text: "response.output[#].content[#].text",
    summary: "response.output[#].summary[#].text",
    call: "response.output[#]",
    usage: "response.usage",
};

static IN_BODY: OpenAiResponsesPaths = OpenAiResponsesPaths {
    text: "output[#].content[#].text",
    summary: "output[#].summary[#].text",
    call: "output[#]",
    usage: "usage",
};

impl OpenAiResponsesPaths {
    /// A path of part `part` of item `item`.
    fn of(&self, template: &'static str, item: u64, part: usize) -> Path {
        if self.call == "item" {
            Path::new(template, part)
        } else {
            Path::new(template, item as usize).second(part)
        }
    }
}

impl OpenAiResponsesDecoder {
    fn is_new(&self, json: Value<'_>, part: PartKind) -> bool {
        !self.emitted.contains_key(&(part, output_index(json), 0))
    }

    fn delta(
        &mut self,
        json: Value<'_>,
        part: PartKind,
        index: &str,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let text = json.str("delta");
        let key = (part, output_index(json), count(json, index));
        self.emitted.entry(key).or_default().add(text.as_deref().unwrap_or_default());
        self.last = Some(key);
        emit_text(part.channel(), Path::new("delta", 0), text, emit);
    }

    /// A part that is whole.
    fn done(
        &mut self,
        json: Value<'_>,
        part: PartKind,
        member: &'static str,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let index = if part == PartKind::Summary { "summary_index" } else { "content_index" };
        let (item, number) = (output_index(json), count(json, index));
        let text = json.str(member).unwrap_or_default();
        if !self.emitted.contains_key(&(part, item, number)) && !self.knows(part, item, &text) {
            self.emitted.insert((part, item, number), Print::of(&text));
            emit_text(part.channel(), Path::new(member, 0), Some(text), emit);
        }
    }

    fn arguments(
        &mut self,
        json: Value<'_>,
        member: &'static str,
        free_text: bool,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let Some(text) = json.str(member).filter(|t| !t.is_empty()) else { return };
        let index = output_index(json);
        self.emitted.insert((PartKind::Arguments, index, 0), Print::default());
        self.last = (member == "delta").then_some((PartKind::Arguments, index, 0));
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice: 0,
            path: Path::new(member, 0),
            index: Some(index),
            id: None,
            name: json.str("name").filter(|n| !n.is_empty()),
            arguments: Some(text),
            free_text,
        })));
    }

    /// An item begins: of a call, the name and id stand here and nowhere else until its end.
    fn begin_call(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(item) = json.get("item").filter(|i| is_call(*i)) else { return };
        // Arguments that are here already come again, in deltas or at the item's end.
        self.call(item, None, output_index(json), Path::new(IN_EVENT.call, 0), emit);
    }

    fn call<'a>(
        &mut self,
        item: Value<'a>,
        arguments: Option<Cow<'a, str>>,
        index: u64,
        path: Path,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let arguments =
            arguments.filter(|a| !a.is_empty() && self.is_first(PartKind::Arguments, index));
        if !self.is_first(PartKind::Call, index) && arguments.is_none() {
            return;
        }
        let given = |key| item.str(key).filter(|t| !t.is_empty());
        let id = given("call_id").or_else(|| given("id"));
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice: 0,
            path,
            index: Some(index),
            id,
            name: given("name").or_else(|| given("type")),
            arguments,
            free_text: item.str("type").is_some_and(|t| t == "custom_tool_call"),
        })));
    }

    /// Whether nothing of that kind was reported of an item; it counts as reported from here on.
    fn is_first(&mut self, part: PartKind, index: u64) -> bool {
        self.emitted.insert((part, index, 0), Print::default()).is_none()
    }

    /// Whether a whole text was reported before under another number: of a part of the same item, or,
    /// where the item was never announced, of any.
    fn knows(&self, part: PartKind, item: u64, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        let print = Print::of(text);
        let of = |from, to| self.emitted.range((part, from, 0)..=(part, to, u64::MAX));
        match self.announced.contains(&item) || self.announced.is_empty() {
            true => of(item, item).any(|(_, emitted)| *emitted == print),
            false => of(0, u64::MAX).any(|(_, emitted)| *emitted == print),
        }
    }

    /// The parts of a whole item that were not reported yet. Some servers number parts otherwise in
    /// the end: what has the number or the text of one that was reported is known, and of the rest as
    /// many as are left of those.
    fn news<'a>(
        &self,
        index: u64,
        parts: impl Iterator<Item = (usize, PartKind, Cow<'a, str>)>,
    ) -> Vec<(usize, PartKind, Cow<'a, str>)> {
        let kinds = [PartKind::Text, PartKind::Refusal, PartKind::Reasoning, PartKind::Summary];
        let emitted = kinds
            .iter()
            .flat_map(|kind| self.emitted.range((*kind, index, 0)..=(*kind, index, u64::MAX)));
        let mut left: BTreeMap<(PartKind, u64), Print> =
            emitted.map(|((kind, _, number), print)| ((*kind, *number), *print)).collect();
        let mut news: Vec<_> = parts.collect();
        news.retain(|(i, kind, text)| match left.get(&(*kind, *i as u64)) {
            Some(print) if *print == Print::of(text) => {
                left.remove(&(*kind, *i as u64));
                false
            }
            _ => true,
        });
        if left.len() <= MAX_MATCHED && news.len() <= MAX_MATCHED {
            news.retain(|(_, kind, text)| {
                let print = Print::of(text);
                let same = left.iter().find(|((k, _), p)| k == kind && **p == print);
                let same = same.map(|(key, _)| *key);
                same.and_then(|key| left.remove(&key)).is_none()
            });
        }
        news.retain(|(i, kind, text)| {
            if left.remove(&(*kind, *i as u64)).is_some() {
                return false;
            }
            let other = left.range((*kind, 0)..=(*kind, u64::MAX)).next().map(|(key, _)| *key);
            other.and_then(|key| left.remove(&key)).is_none() && !self.knows(*kind, index, text)
        });
        news
    }

    /// An item that is whole: what of it was not reported before.
    fn item(
        &mut self,
        item: Value<'_>,
        index: u64,
        paths: &'static OpenAiResponsesPaths,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        if is_call(item) {
            let given = item.get("input").or_else(|| item.get("arguments"));
            let arguments = given.and_then(|a| match a.kind() {
                Kind::Object => Some(Cow::Borrowed(a.source())),
                _ => a.as_str(),
            });
            let path = Path::new(paths.call, index as usize);
            return self.call(item, arguments, index, path, emit);
        }
        // A thought that came in pieces is not reported again under its other name.
        let thinks = item.get("type").is_some_and(|t| t.is("reasoning"));
        if thinks && [PartKind::Summary, PartKind::Reasoning].iter().any(|p| self.came(*p, index)) {
            return;
        }
        let parts = |key| item.get(key).into_iter().flat_map(Value::items).enumerate();
        let summary = parts("summary")
            .map(|(i, part)| (i, PartKind::Summary, part.str("text").unwrap_or_default()));
        let content = parts("content").map(|(i, content)| {
            let (part, member) = match content.str("type").as_deref() {
                Some("refusal") => (PartKind::Refusal, "refusal"),
                Some("reasoning_text") => (PartKind::Reasoning, "text"),
                _ => (PartKind::Text, "text"),
            };
            (i, part, content.str(member).unwrap_or_default())
        });
        let mut summed_up = String::new();
        for (i, part, text) in self.news(index, summary.chain(content)) {
            self.emitted.insert((part, index, i as u64), Print::of(&text));
            let template = if part == PartKind::Summary { paths.summary } else { paths.text };
            let (channel, path) = (part.channel(), paths.of(template, index, i));
            let duplicate = thinks && part != PartKind::Summary && text == summed_up;
            if part == PartKind::Summary {
                summed_up.push_str(&text);
            }
            if !text.is_empty() {
                emit(DecodeEvent::Text { choice: 0, channel, path, text, duplicate });
            }
        }
    }

    /// Whether anything of that kind was reported of an item.
    fn came(&self, part: PartKind, index: u64) -> bool {
        self.emitted.range((part, index, 0)..=(part, index, u64::MAX)).next().is_some()
    }

    /// A whole response, at its end.
    fn response(
        &mut self,
        response: Option<Value<'_>>,
        paths: &'static OpenAiResponsesPaths,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let Some(response) = response else { return };
        self.model(response, emit);
        // Its list leaves out what the stream had (Copilot, ChatGPT), so that places in it are no
        // output indices: it is read only for kinds of which nothing came before it.
        let came = |parts: &[PartKind]| self.emitted.keys().any(|(part, ..)| parts.contains(part));
        let text = came(&[PartKind::Text, PartKind::Refusal]);
        let thought = came(&[PartKind::Reasoning, PartKind::Summary]);
        let called = came(&[PartKind::Call, PartKind::Arguments]);
        let output = response.get("output").into_iter().flat_map(Value::items);
        for (index, item) in output.enumerate() {
            let reasoning = item.get("type").is_some_and(|t| t.is("reasoning"));
            let came = if is_call(item) {
                called
            } else if reasoning {
                thought
            } else {
                text
            };
            if !came {
                self.item(item, index as u64, paths, emit);
            }
        }
        if let Some(usage) = response.get("usage").map(usage_of).filter(Usage::is_given) {
            emit(DecodeEvent::Usage { path: Path::new(paths.usage, 0), usage });
        }
        let repeated = self.failed;
        if let Some(error) = response.get("error").filter(|e| e.kind() == Kind::Object)
            && !repeated
        {
            let kind = word(error, "code").or_else(|| word(error, "type"));
            let message = error_text(error);
            self.error(InBandError { message, kind, shape: ErrorShape::Object }, emit);
        }
        // After an error, the status only says again that there was one.
        if let Some(reason) = response.str("status").filter(|_| !repeated) {
            emit(DecodeEvent::Finish { choice: 0, reason });
            if let Some(cause) = response.get("incomplete_details").and_then(|d| d.str("reason")) {
                emit(DecodeEvent::Cause { choice: 0, cause });
            }
        }
    }

    fn error(&mut self, error: InBandError<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        self.failed = true;
        emit(DecodeEvent::Error(error));
    }

    fn model(&mut self, response: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        model_once(&mut self.told_model, || response.str("model"), emit);
    }

    /// An event that adds no text: it may name the model, or be an error without saying so.
    fn other(
        &mut self,
        json: Value<'_>,
        payload: &Payload<'_>,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        if let Some(response) = json.get("response") {
            return self.model(response, emit);
        }
        let is_error = json.get("error").is_some_and(|e| !e.is_null())
            || payload.event == "error"
            || (json.get("type").is_none()
                && (json.get("detail").is_some() || json.get("message").is_some()));
        if is_error {
            self.error(error_of(json), emit);
        }
    }
}

impl PartKind {
    fn channel(self) -> Channel {
        match self {
            PartKind::Text => Channel::Content,
            PartKind::Refusal => Channel::Refusal,
            PartKind::Reasoning | PartKind::Summary => Channel::Reasoning,
            PartKind::Call | PartKind::Arguments => Channel::Tool,
        }
    }
}

fn count(json: Value<'_>, key: &str) -> u64 {
    json.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn output_index(json: Value<'_>) -> u64 {
    count(json, "output_index")
}

/// Whether an item is a tool call: one that the client has to answer, or one that the server runs
/// itself (`web_search_call`), whose name is its type.
fn is_call(item: Value<'_>) -> bool {
    item.str("type").is_some_and(|t| t.ends_with("_call"))
}

fn word<'a>(json: Value<'a>, key: &str) -> Option<Cow<'a, str>> {
    let value = json.get(key).filter(|v| !v.is_null())?;
    Some(value.as_str().unwrap_or(Cow::Borrowed(value.source()))).filter(|w| !w.is_empty())
}

/// An error event: flat as the schema has it, or nested as OpenAI sends it.
fn error_of(json: Value<'_>) -> InBandError<'_> {
    let nested = json.get("error").filter(|e| !e.is_null());
    let error = nested.unwrap_or(json);
    let shape = match nested.map(Value::kind) {
        None => ErrorShape::Flat,
        Some(Kind::String) => ErrorShape::Text,
        Some(_) => ErrorShape::Object,
    };
    let kind = word(error, "code");
    let kind = kind.or_else(|| nested.and_then(|e| word(e, "type")));
    InBandError { message: error_text(error), kind, shape }
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |path: &[&str]| usage.at(path).and_then(Value::as_u64);
    Usage {
        input: count(&["input_tokens"]),
        output: count(&["output_tokens"]),
        reasoning: count(&["output_tokens_details", "reasoning_tokens"]),
        cached: count(&["input_tokens_details", "cached_tokens"]),
        total: count(&["total_tokens"]),
    }
}

#[cfg(test)]
#[path = "openai_responses_tests.rs"]
mod tests;
