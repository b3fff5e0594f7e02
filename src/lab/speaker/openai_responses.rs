//! OpenAI Responses: numbered events about items and their parts, and the whole response at the
//! end.

use serde_json::{Value, json};

use super::gathered::{Gathered, GatheredCall, GatheredChoice, TokenTally};
use super::openai_chat::refusal;
use super::{Endpoint, Manner, Speaker, Speech, SpokenFrame, StreamPolicy};
use crate::lab::envelope::Envelope;
use crate::lab::step::{ErrorBody, ReasoningField, TokenCounts};

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "openai-responses",
    path: "/responses",
    query: "",
    streams: StreamPolicy::IfAsked,
    envelope: Envelope::Sse,
    choices: false,
    id: "resp_lab",
    new: |manner| Box::new(OpenAiResponsesSpeaker { manner, ..OpenAiResponsesSpeaker::default() }),
    refusal,
};

/// The speaker that produces this dialect on the wire.
#[derive(Default)]
struct OpenAiResponsesSpeaker {
    manner: Manner,
    tally: TokenTally,
    /// Events so far.
    sequence: u64,
    started: bool,
    /// Items that are complete.
    items: Vec<Value>,
    /// The item that is open, its text so far in it.
    open: Option<ResponsesItem>,
    finish: Option<String>,
    failed: bool,
}

/// One item of the output.
enum ResponsesItem {
    Message(String),
    Refusal(String),
    Reasoning(String),
    Call(GatheredCall),
}

impl ResponsesItem {
    /// Returns the beginning of the ids of such items.
    fn id(&self) -> &'static str {
        match self {
            Self::Message(_) | Self::Refusal(_) => "msg_lab",
            Self::Reasoning(_) => "rs_lab",
            Self::Call(_) => "fc_lab",
        }
    }

    /// Its one part, with this text; a call has none.
    fn part(&self, text: &str) -> Value {
        match self {
            Self::Message(_) => {
                json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
            }
            Self::Refusal(_) => json!({ "type": "refusal", "refusal": text }),
            Self::Reasoning(_) => json!({ "type": "summary_text", "text": text }),
            Self::Call(_) => Value::Null,
        }
    }

    /// Returns it as it is in the output, before or after it was said.
    fn value(&self, id: &str, done: bool) -> Value {
        let status = if done { "completed" } else { "in_progress" };
        match self {
            Self::Message(text) | Self::Refusal(text) => {
                let content = if done { json!([self.part(text)]) } else { json!([]) };
                json!({
                    "id": id, "type": "message", "status": status, "content": content,
                    "role": "assistant",
                })
            }
            Self::Reasoning(text) => {
                let summary = if done { json!([self.part(text)]) } else { json!([]) };
                json!({ "id": id, "type": "reasoning", "summary": summary })
            }
            Self::Call(tool) => json!({
                "id": id, "type": "function_call", "status": status,
                "arguments": tool.arguments, "call_id": tool.id, "name": tool.name,
            }),
        }
    }
}

impl OpenAiResponsesSpeaker {
    fn event(&mut self, name: &'static str, members: Value) -> SpokenFrame {
        let mut data = json!({ "type": name, "sequence_number": self.sequence });
        self.sequence += 1;
        if let (Some(data), Value::Object(members)) = (data.as_object_mut(), members) {
            data.extend(members);
        }
        SpokenFrame::event(name, data)
    }

    /// An event about the open item; parts of it are numbered where there can be several.
    fn about(
        &mut self,
        name: &'static str,
        item: &ResponsesItem,
        mut members: Value,
    ) -> SpokenFrame {
        members["item_id"] = self.item_id(item).into();
        members["output_index"] = self.items.len().into();
        match item {
            ResponsesItem::Message(_) | ResponsesItem::Refusal(_) => {
                members["content_index"] = 0.into()
            }
            ResponsesItem::Reasoning(_) => members["summary_index"] = 0.into(),
            ResponsesItem::Call(_) => {}
        }
        self.event(name, members)
    }

    /// Unlike in every answer and item: made of the answer's own id.
    fn item_id(&self, item: &ResponsesItem) -> String {
        let own = self.manner.id.strip_prefix(ROW.id).unwrap_or_default();
        format!("{}{own}{:02}", item.id(), self.items.len())
    }

    fn response(&self, status: &str) -> Value {
        json!({
            "id": self.manner.id, "object": "response", "created_at": self.manner.created,
            "status": status, "error": null, "incomplete_details": null, "instructions": null,
            "metadata": {}, "model": self.manner.model, "output": self.items,
            "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "usage": null,
        })
    }

    fn start(&mut self, out: &mut Vec<SpokenFrame>) {
        if self.started {
            return;
        }
        self.started = true;
        let response = json!({ "response": self.response("in_progress") });
        for name in ["response.created", "response.in_progress"] {
            out.push(self.event(name, response.clone()));
        }
    }

    /// Opens an item, and closes the one before.
    fn open(&mut self, item: ResponsesItem, out: &mut Vec<SpokenFrame>) {
        self.start(out);
        self.close(out);
        let value = item.value(&self.item_id(&item), false);
        let added = json!({ "output_index": self.items.len(), "item": value });
        out.push(self.event("response.output_item.added", added));
        let part = json!({ "part": item.part("") });
        match item {
            ResponsesItem::Message(_) | ResponsesItem::Refusal(_) => {
                out.push(self.about("response.content_part.added", &item, part));
            }
            ResponsesItem::Reasoning(_) => {
                out.push(self.about("response.reasoning_summary_part.added", &item, part));
            }
            ResponsesItem::Call(_) => {}
        }
        self.open = Some(item);
    }

    /// Closes the open item: its text again, its part, and itself.
    fn close(&mut self, out: &mut Vec<SpokenFrame>) {
        let Some(item) = self.open.take() else { return };
        let part = |text: &str| json!({ "part": item.part(text) });
        match &item {
            ResponsesItem::Message(text) => {
                let done = json!({ "text": text, "logprobs": [] });
                out.push(self.about("response.output_text.done", &item, done));
                out.push(self.about("response.content_part.done", &item, part(text)));
            }
            ResponsesItem::Refusal(text) => {
                let done = json!({ "refusal": text });
                out.push(self.about("response.refusal.done", &item, done));
                out.push(self.about("response.content_part.done", &item, part(text)));
            }
            ResponsesItem::Reasoning(text) => {
                let done = json!({ "text": text });
                out.push(self.about("response.reasoning_summary_text.done", &item, done));
                out.push(self.about("response.reasoning_summary_part.done", &item, part(text)));
            }
            ResponsesItem::Call(tool) => {
                let done = json!({ "name": tool.name, "arguments": tool.arguments });
                out.push(self.about("response.function_call_arguments.done", &item, done));
            }
        }
        let value = item.value(&self.item_id(&item), true);
        let done = json!({ "output_index": self.items.len(), "item": value });
        out.push(self.event("response.output_item.done", done));
        self.items.push(value);
    }

    /// A piece of text for an item of this kind.
    fn piece(
        &mut self,
        name: &'static str,
        fresh: ResponsesItem,
        piece: &str,
        out: &mut Vec<SpokenFrame>,
    ) {
        let goes_on = match (&self.open, &fresh) {
            (Some(open), fresh) => std::mem::discriminant(open) == std::mem::discriminant(fresh),
            (None, _) => false,
        };
        if !goes_on {
            self.open(fresh, out);
        }
        let Some(mut item) = self.open.take() else { return };
        let mut members = json!({ "delta": piece });
        match &mut item {
            ResponsesItem::Message(text) => {
                members["logprobs"] = json!([]);
                *text += piece;
            }
            ResponsesItem::Refusal(text) | ResponsesItem::Reasoning(text) => *text += piece,
            ResponsesItem::Call(tool) => tool.arguments += piece,
        }
        out.push(self.about(name, &item, members));
        self.open = Some(item);
    }

    /// The event that ends the stream, with all of the response.
    fn end(&mut self, error: Option<&ErrorBody>, out: &mut Vec<SpokenFrame>) {
        self.start(out);
        self.close(out);
        let counts = self.manner.counts(self.tally);
        let finish = self.finish.clone();
        let (name, response) = match error {
            Some(error) => {
                let mut response = self.response("failed");
                let code = error.code.as_ref().unwrap_or(&error.kind);
                response["error"] = json!({ "code": code, "message": error.message });
                ("response.failed", response)
            }
            None => {
                let response = self.ended(finish.as_deref(), &counts);
                let name = match response["status"].as_str() {
                    Some("incomplete") => "response.incomplete",
                    Some("failed") => "response.failed",
                    _ => "response.completed",
                };
                (name, response)
            }
        };
        out.push(self.event(name, json!({ "response": response })));
    }

    /// Returns a response that has ended for this reason.
    fn ended(&self, finish: Option<&str>, counts: &TokenCounts) -> Value {
        let (status, reason) = match finish {
            None | Some("stop" | "tool_calls") => ("completed", None),
            Some("error") => ("failed", None),
            Some("length") => ("incomplete", Some("max_output_tokens")),
            // `content_filter` is a reason here, too; other values are sent unchanged.
            other => ("incomplete", other),
        };
        let mut response = self.response(status);
        if let Some(reason) = reason {
            response["incomplete_details"] = json!({ "reason": reason });
        }
        response["usage"] = usage(counts);
        response
    }
}

impl Speaker for OpenAiResponsesSpeaker {
    fn speak(&mut self, _choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        match speech {
            Speech::Role(_) => self.start(out),
            Speech::Content(text) => {
                let fresh = ResponsesItem::Message(String::new());
                self.piece("response.output_text.delta", fresh, text, out);
            }
            Speech::Refusal(text) => {
                let fresh = ResponsesItem::Refusal(String::new());
                self.piece("response.refusal.delta", fresh, text, out);
            }
            Speech::Reasoning(text, _) => {
                let fresh = ResponsesItem::Reasoning(String::new());
                self.piece("response.reasoning_summary_text.delta", fresh, text, out);
            }
            Speech::ToolStart { id, name, .. } => {
                let (id, name) = (id.clone(), name.clone());
                self.open(
                    ResponsesItem::Call(GatheredCall { id, name, arguments: String::new() }),
                    out,
                );
            }
            Speech::ToolArguments { text, .. } => {
                let fresh = ResponsesItem::Call(GatheredCall::default());
                self.piece("response.function_call_arguments.delta", fresh, text, out);
            }
            // The reason is reported at the very end.
            Speech::Finish(reason) => {
                self.close(out);
                self.finish = Some(reason.clone());
            }
            Speech::Error(body) => {
                self.failed = true;
                // Nested, as in recordings; the documentation has it flat.
                let error = json!({
                    "type": body.kind, "code": body.code, "message": body.message,
                    "param": body.param,
                });
                let members = json!({ "error": error });
                out.push(self.event("error", members));
                // No response exists yet that could fail.
                if self.started {
                    self.end(Some(body), out);
                }
            }
            // The failure already ended the stream.
            Speech::Done if self.failed => {}
            Speech::Done => self.end(None, out),
            // Usage is sent with the whole response; a delta exists only in Chat.
            Speech::Usage(_) | Speech::Delta(_) => {}
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let mut all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choice = all.only();
        let finish = choice.finish.clone();
        for item in items(choice) {
            let value = item.value(&self.item_id(&item), true);
            self.items.push(value);
        }
        self.ended(finish.as_deref(), &counts)
    }
}

/// The items of a whole answer.
fn items(choice: GatheredChoice) -> Vec<ResponsesItem> {
    let reasoning =
        choice.reasoning.map(|(_, text): (ReasoningField, _)| ResponsesItem::Reasoning(text));
    let content = Some(choice.content).filter(|it| !it.is_empty()).map(ResponsesItem::Message);
    let refusal = choice.refusal.map(ResponsesItem::Refusal);
    let calls = choice.tools.into_values().map(ResponsesItem::Call);
    [reasoning, content, refusal].into_iter().flatten().chain(calls).collect()
}

fn usage(counts: &TokenCounts) -> Value {
    json!({
        "input_tokens": counts.input,
        "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": counts.output,
        "output_tokens_details": { "reasoning_tokens": counts.reasoning },
        "total_tokens": counts.total.unwrap_or(counts.input + counts.output),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    fn names(frames: &[String]) -> Vec<&str> {
        frames.iter().filter_map(|it| it.split(' ').next()).collect()
    }

    fn json_of(frame: &str) -> Value {
        serde_json::from_str(frame.split_once(' ').unwrap().1).unwrap()
    }

    #[test]
    fn every_item_is_added_filled_and_done() {
        let frames = frames(&ROW, &everything());
        assert_eq!(
            names(&frames),
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
                "response.output_item.done",
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.output_item.added",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "response.output_item.done",
                "response.completed",
            ]
        );
        for (number, frame) in frames.iter().enumerate() {
            let json = json_of(frame);
            assert_eq!(json["sequence_number"], number);
            assert!(frame.starts_with(json["type"].as_str().unwrap()));
        }
        let (text, done) = (json_of(&frames[11]), json_of(&frames[12]));
        assert_eq!((&text["item_id"], &text["output_index"]), (&json!("msg_lab101"), &json!(1)));
        assert_eq!((&text["delta"], &done["text"]), (&json!("lo"), &json!("Hello")));
        // The last event repeats what the others had, like an answer that is not streamed.
        let last = json_of(&frames[20]);
        assert_eq!(last["response"], whole(&ROW, &everything()));
        assert_eq!(last["response"]["output"][2]["arguments"], "{\"a\":1}");
        assert_eq!(last["response"]["usage"]["total_tokens"], 10);
    }

    #[test]
    fn the_last_event_says_how_it_ended() {
        let end = |reason: &str| {
            let spoken = [Speech::Finish(reason.to_owned()), Speech::Done];
            let frames = frames(&ROW, &spoken);
            let details = json_of(&frames[2])["response"]["incomplete_details"]["reason"].clone();
            (names(&frames)[2].to_owned(), details)
        };
        assert_eq!(end("stop"), ("response.completed".to_owned(), Value::Null));
        assert_eq!(end("length"), ("response.incomplete".to_owned(), json!("max_output_tokens")));
        assert_eq!(end("odd"), ("response.incomplete".to_owned(), json!("odd")));
        assert_eq!(end("error"), ("response.failed".to_owned(), Value::Null));
    }

    #[test]
    fn an_error_is_the_end() {
        let spoken = [Speech::Role("assistant".to_owned()), boom(), Speech::Done];
        let frames = frames(&ROW, &spoken);
        assert_eq!(names(&frames)[2..], ["error", "response.failed"]);
        assert_eq!(json_of(&frames[2])["error"]["message"], "boom");
        assert_eq!(json_of(&frames[3])["response"]["error"]["code"], "500");
    }

    #[test]
    fn refusals_are_parts_of_their_own() {
        let spoken = [Speech::Content("a".to_owned()), Speech::Refusal("No.".to_owned())];
        let frames = frames(&ROW, &spoken);
        let last = json_of(frames.last().unwrap());
        assert_eq!(
            (&last["type"], &last["output_index"]),
            (&json!("response.refusal.delta"), &json!(1))
        );
    }
}
