//! Ollama's own API, `/api/chat` and `/api/generate`: one JSON object a line.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::emit::{emit_text, model_once};
use super::request::{
    ChatRequest, ChatRole, Effort, Notes, Numbers, Param, ToolChoice, TrackedValue, TurnPart,
    arguments_object, chat, media_of, read_common, read_same, read_stop, usage_always, write_model,
    write_numbers, write_same, write_stop, write_stream,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    ToolPiece, Usage, Varying, openai_chat,
};
use crate::json::{Kind, Value};

/// The dialect `ollama`.
pub(super) struct Ollama;

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    fn about(&self) -> &'static str {
        "Ollama's native API (NDJSON)"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/api/chat", read, write))
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(&["stop", "length", "load", "unload"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        if json.get("done")?.kind() != Kind::Bool || json.get("choices").is_some() {
            return None;
        }
        let by = if json.get("message").is_some_and(|m| m.kind() == Kind::Object) {
            "message beside done"
        } else if json.get("response").is_some_and(|r| r.kind() == Kind::String) {
            "response beside done"
        } else {
            return None;
        };
        let dated = json.get("created_at").is_some();
        Some(if dated { Evidence::certain(by) } else { Evidence::likely(by) })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<OllamaDecoder>::default()
    }
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["options", "num_predict"]),
    (Param::Temperature, &["options", "temperature"]),
    (Param::TopP, &["options", "top_p"]),
    (Param::TopK, &["options", "top_k"]),
    (Param::Seed, &["options", "seed"]),
    (Param::PresencePenalty, &["options", "presence_penalty"]),
    (Param::FrequencyPenalty, &["options", "frequency_penalty"]),
];

/// The words of models that do not take `true` and `false`.
const EFFORTS: &[&str] = &["low", "medium", "high"];

/// Members as Chat Completions has them, too.
const SAME: &[&str] = &["logprobs", "top_logprobs"];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    chat::read_messages(body.get("messages"), &mut request);
    chat::read_tools(body.get("tools"), "parameters", &mut request);
    read_stop(body.at(&["options", "stop"]), &mut request);
    request.effort = body.get("think").and_then(|think| {
        let effort = match (think.bool(), think.text()) {
            (Some(true), _) => Effort::Auto,
            (Some(false), _) => Effort::Off,
            (_, Some(word)) => Effort::of_word(&word),
            _ => return None,
        };
        Some(think.located(effort))
    });
    // Ollama streams unless the request says otherwise.
    request.stream =
        Some(body.get("stream").and_then(TrackedValue::located_bool).unwrap_or(true.into()));
    request.usage = Some(true.into());
    read_same(body, SAME, &mut request);
    request
}

fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    body.insert("messages".into(), messages(request, notes));
    chat::write_tools(request, &mut body);
    match request.choice.as_ref().map(|c| (&c.value, &c.at)) {
        None => {}
        Some((ToolChoice::Auto, at)) => notes.elsewhere(at, "the model always chooses"),
        Some((_, at)) => notes.lost(at, "the model always chooses"),
    }
    if let Some(effort) = &request.effort {
        let think = match &effort.value {
            Effort::Off => json!(false),
            Effort::Auto => json!(true),
            other => {
                let word = other.word(EFFORTS);
                if *other != Effort::of_word(word) {
                    notes.changed(&effort.at, format!("{word:?} is the nearest there is"));
                }
                json!(word)
            }
        };
        body.insert("think".into(), think);
    }
    if request.stream.is_some() {
        write_stream(request, &mut body, notes);
    } else {
        notes.added("stream", "it streams by default");
        body.insert("stream".into(), json!(false));
    }
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["options", "stop"], &mut body);
    usage_always(request, notes);
    write_same(request, SAME, &mut body);
    body
}

/// Returns the messages: contents are text, images are beside them in base64, and calls have no ids.
fn messages(request: &ChatRequest, notes: &mut Notes) -> Json {
    let mut messages: Vec<_> =
        request.system.iter().map(|s| json!({"role": "system", "content": s.value})).collect();
    for turn in &request.turns {
        let (mut texts, mut images, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for part in &turn.parts {
            match &part.value {
                TurnPart::Text(text) => texts.push(text.as_str()),
                TurnPart::Image { media, data } => {
                    let why = format!("{media} is left to the image's bytes");
                    match media == media_of(data) {
                        true => notes.elsewhere(&part.at, why),
                        false => notes.changed(&part.at, why),
                    }
                    images.push(json!(data));
                }
                TurnPart::ImageUrl(_) => notes.lost(&part.at, "images are only taken in base64"),
                TurnPart::Call { id, name, arguments } => {
                    notes.elsewhere(&id.at, "calls are known by their order");
                    let arguments = arguments_object(arguments, &part.at, notes);
                    calls.push(json!({"function": {"name": name, "arguments": arguments}}));
                }
                TurnPart::Result { id, name, text } => {
                    notes.elsewhere(&id.at, "results are known by the function's name");
                    let name = &name.value;
                    messages.push(json!({"role": "tool", "tool_name": name, "content": text}));
                }
            }
        }
        if texts.is_empty() && images.is_empty() && calls.is_empty() {
            continue;
        }
        let role = if turn.role == ChatRole::User { "user" } else { "assistant" };
        let mut message = json!({"role": role, "content": texts.join("\n")});
        for (key, list) in [("images", images), ("tool_calls", calls)] {
            if !list.is_empty() {
                message[key] = list.into();
            }
        }
        messages.push(message);
    }
    messages.into()
}

#[derive(Default)]
struct OllamaDecoder {
    model_named: bool,
    /// Indices of the calls so far. Every call arrives whole, so none is ever continued.
    calls: BTreeSet<u64>,
}

impl Decoder for OllamaDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        Some(&[Varying::CreatedAt])
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if let Some(error) = openai_chat::error_in(payload) {
            emit(DecodeEvent::Error(error));
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        model_once(&mut self.model_named, || json.str("model"), emit);
        // A generated line has `response` and `thinking` at the top, a chat's has a message.
        let message = json.get("message").filter(|m| m.kind() == Kind::Object);
        let fields = match message {
            Some(_) => [
                (Channel::Reasoning, "thinking", "message.thinking"),
                (Channel::Content, "content", "message.content"),
            ],
            None => [
                (Channel::Reasoning, "thinking", "thinking"),
                (Channel::Content, "response", "response"),
            ],
        };
        let speaker = message.unwrap_or(json);
        for (channel, member, path) in fields {
            emit_text(channel, Path::new(path, 0), speaker.str(member), emit);
        }
        let calls = speaker.get("tool_calls").into_iter().flat_map(Value::items);
        for (position, call) in calls.enumerate() {
            self.call(call, position, emit);
        }
        let usage = usage_of(json);
        if usage.is_given() {
            emit(DecodeEvent::Usage { path: Path::new("eval_count", 0), usage });
        }
        if let Some(reason) = json.str("done_reason").filter(|r| !r.is_empty()) {
            emit(DecodeEvent::Finish { choice: 0, reason });
        }
        if json.get("done").and_then(Value::as_bool) == Some(true) {
            emit(DecodeEvent::Terminal);
        }
    }
}

impl OllamaDecoder {
    fn call(&mut self, call: Value<'_>, position: usize, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let function = call.get("function").unwrap_or(call);
        // Older servers send no index, others send 0 for all calls: count them instead.
        let given = function.get("index").and_then(Value::as_u64);
        let index = given.filter(|i| !self.calls.contains(i));
        let index = index.unwrap_or_else(|| self.calls.last().map_or(0, |last| last + 1));
        self.calls.insert(index);
        let arguments = function.get("arguments").and_then(|a| match a.kind() {
            Kind::String => a.as_str(),
            Kind::Null => None,
            _ => Some(Cow::Borrowed(a.source())),
        });
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice: 0,
            path: Path::new("message.tool_calls[#]", position),
            index: Some(index),
            id: call.str("id").filter(|i| !i.is_empty()),
            name: function.str("name").filter(|n| !n.is_empty()),
            arguments,
            free_text: false,
        })));
    }
}

fn usage_of(json: Value<'_>) -> Usage {
    let count = |key| json.get(key).and_then(Value::as_u64);
    Usage { input: count("prompt_eval_count"), output: count("eval_count"), ..Usage::default() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of;
    use crate::frame::FrameKind;

    #[test]
    fn a_chat() {
        let s = script_of(
            FrameKind::Line,
            "auto",
            &[
                r#"{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
                r#"{"model":"m","message":{"content":"Hi"},"done":false}"#,
                r#"{"model":"m","message":{"content":"","tool_calls":[{"function":{"index":0,"name":"f","arguments":{"a": 1}}},{"function":{"index":0,"name":"g","arguments":{}}}]},"done":false}"#,
                r#"{"model":"m","message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":2}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "model m",
                "reasoning 0 message.thinking: hm",
                "content 0 message.content: Hi",
                "tool Some(0) message.tool_calls[0] - f {\"a\": 1}",
                "tool Some(1) message.tool_calls[1] - g {}",
                "usage eval_count 1 2 - - -",
                "finish 0 stop",
                "terminal"
            ]
        );
    }

    #[test]
    fn generated_text_and_an_error_line() {
        let s = script_of(
            FrameKind::Line,
            "auto",
            &[
                r#"{"model":"m","response":"Hi","done":false}"#,
                r#"{"error":"model runner has stopped"}"#,
            ],
        );
        assert_eq!(
            s,
            ["model m", "content 0 response: Hi", "error Text -: model runner has stopped"]
        );
    }
}
