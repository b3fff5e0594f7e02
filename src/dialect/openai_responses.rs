//! OpenAI Responses: a stream of typed events about one response and its output items.
//!
//! Every piece of text arrives twice or more: in deltas, in the `.done` of its part, in the item's `.done` and
//! in the last event's whole response. Deltas are the answer; what arrives whole is read only where no delta of
//! it arrived, because there are servers that send nothing else. Items are reported apart by `output_index`:
//! GitHub Copilot uses other ids in every event.

use std::borrow::Cow;

use super::emit::{emit_text, model_once};
use super::{
    DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path, Payload,
    RequestSide, ToolPiece, Varying, error_text,
};
use crate::frame;
use crate::json::{Kind, Value};

mod events;
mod reported;
mod requests;
mod whole;

use events::ResponsesEvent;
use reported::{PartKind, Print, ReportedPart, ReportedParts};
use requests::{read, write};
use whole::{IN_BODY, IN_EVENT, IN_RESPONSE};

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
            // Some gateways drop the `type` but keep the event name.
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

#[derive(Default)]
struct OpenAiResponsesDecoder {
    model_named: bool,
    reported: ReportedParts,
    /// An error was reported; the failed response that follows it repeats it.
    failed: bool,
    /// A response ended. Over WebSocket another may follow it.
    over: bool,
    /// The part that the last payload was a delta of, if it was nothing else.
    last: Option<ReportedPart>,
    /// That part as far as payloads continued it that were not decoded ([`Decoder::repeat`]).
    repeated: Option<(ReportedPart, Print)>,
}

impl Decoder for OpenAiResponsesDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        self.last.map(|_| &[Varying::SequenceNumber, Varying::Obfuscation][..])
    }

    fn repeat(&mut self, text: &str) {
        // The text of a call is not kept.
        let last = self.last.filter(|(part, ..)| *part != PartKind::Arguments);
        if let Some(part) = last {
            let reported = &self.reported;
            self.repeated.get_or_insert_with(|| (part, reported.print(part))).1.add(text);
        }
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        self.last = None;
        if let Some((part, print)) = self.repeated.take() {
            self.reported.put(part, print);
        }
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
        // Some gateways drop the `type` but keep the event name, others the reverse.
        let kind = json.str("type").unwrap_or(Cow::Borrowed(payload.event));
        match ResponsesEvent::of(&kind) {
            ResponsesEvent::Add(part, index) => self.delta(json, part, index, emit),
            ResponsesEvent::Restate(part, member) => self.done(json, part, member, emit),
            ResponsesEvent::Call { member, free_text } => {
                self.arguments(json, member, free_text, emit)
            }
            ResponsesEvent::RestateCall { member, free_text }
                if !self.reported.has((PartKind::Arguments, output_index(json), 0)) =>
            {
                self.arguments(json, member, free_text, emit);
            }
            ResponsesEvent::Tell(channel, member) => {
                emit_text(channel, Path::new(member, 0), json.str(member), emit);
            }
            ResponsesEvent::Begin => {
                if self.over {
                    *self = Self { model_named: self.model_named, ..Self::default() };
                    emit(DecodeEvent::Begun);
                }
                self.other(json, payload, emit);
            }
            ResponsesEvent::OpenItem => {
                self.reported.announce(output_index(json));
                self.begin_call(json, emit);
            }
            ResponsesEvent::CloseItem => {
                if let Some(item) = json.get("item") {
                    self.item(item, output_index(json), &IN_EVENT, emit);
                }
            }
            ResponsesEvent::End { failed } => self.end(json, failed, emit),
            ResponsesEvent::Fail => self.error(error_of(json), emit),
            _ if payload.kind == frame::FrameKind::Body && json.get("output").is_some() => {
                self.response(Some(json), &IN_BODY, emit);
                emit(DecodeEvent::Terminal);
            }
            _ => self.other(json, payload, emit),
        }
    }
}

impl OpenAiResponsesDecoder {
    fn delta(
        &mut self,
        json: Value<'_>,
        part: PartKind,
        index: &str,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let text = json.str("delta");
        let key = (part, output_index(json), count(json, index));
        self.reported.add(key, text.as_deref().unwrap_or_default());
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
        let reported = &mut self.reported;
        if !reported.has((part, item, number)) && !reported.knows(part, item, &text) {
            reported.set((part, item, number), &text);
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
        // The text of a call is not kept.
        self.reported.set((PartKind::Arguments, index, 0), "");
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

    /// Begins an item: the name and id of a call are here and nowhere else until its end.
    fn begin_call(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(item) = json.get("item").filter(|i| is_call(*i)) else { return };
        // Arguments that are already in the item are repeated, in deltas or at the item's end.
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
        let arguments = arguments
            .filter(|a| !a.is_empty() && self.reported.is_first(PartKind::Arguments, index));
        if !self.reported.is_first(PartKind::Call, index) && arguments.is_none() {
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

    /// The last event of a response.
    fn end(&mut self, json: Value<'_>, failed: bool, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        self.response(json.get("response"), &IN_RESPONSE, emit);
        // Perplexity puts the error next to the type, and sends no response.
        let fails = failed && !self.failed;
        if fails && (json.get("response").is_none() || json.get("error").is_some()) {
            self.error(error_of(json), emit);
        }
        self.over = true;
        emit(DecodeEvent::Terminal);
    }

    fn error(&mut self, error: InBandError<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        self.failed = true;
        emit(DecodeEvent::Error(error));
    }

    fn model(&mut self, response: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        model_once(&mut self.model_named, || response.str("model"), emit);
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

fn count(json: Value<'_>, key: &str) -> u64 {
    json.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn output_index(json: Value<'_>) -> u64 {
    count(json, "output_index")
}

/// Returns whether an item is a tool call: one that the client has to answer, or one that the server runs
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

#[cfg(test)]
#[path = "openai_responses_tests.rs"]
mod tests;
