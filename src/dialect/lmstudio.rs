//! LM Studio's own chat, `/api/v1/chat`: named events about loading, reading, thinking, tools and the message.
//! After an error, too, `chat.end` follows, with what there is of the answer.
//!
//! Tools are the server's: it calls them and continues. No event says why the model stopped.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::emit::model_once;
use super::request::{
    ChatRequest, ChatRole, Effort, Located, Notes, Numbers, Param, TrackedValue, TurnPart, image,
    joined_prompt, read_common, read_prompt, usage_always, write_model, write_numbers,
    write_stream, write_system,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    ToolPiece, Usage, openai_chat,
};
use crate::frame;
use crate::json::{Kind, Value};

/// The dialect `lmstudio`.
pub(super) struct LmStudio;

impl Dialect for LmStudio {
    fn name(&self) -> &'static str {
        "lmstudio"
    }

    fn about(&self) -> &'static str {
        "LM Studio's native chat"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/api/v1/chat", read, write))
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        if payload.kind == frame::FrameKind::Body {
            return is_result(json).then(|| Evidence::likely("output and stats"));
        }
        let kind = json.str("type")?;
        let (subject, what) = kind.split_once('.')?;
        let known = match subject {
            "chat" => matches!(what, "start" | "end"),
            "message" | "reasoning" => matches!(what, "start" | "delta" | "end"),
            "model_load" | "prompt_processing" => matches!(what, "start" | "progress" | "end"),
            "tool_call" => matches!(what, "start" | "arguments" | "success" | "failure"),
            _ => false,
        };
        known.then(|| Evidence::member("type", &kind))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<LmStudioDecoder>::default()
    }
}

/// Returns whether this is the answer as it arrives where nothing is streamed.
fn is_result(json: Value<'_>) -> bool {
    json.get("output").is_some_and(|o| o.kind() == Kind::Array)
        && json.get("stats").is_some_and(|s| s.kind() == Kind::Object)
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_output_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
    (Param::TopK, &["top_k"]),
];

const EFFORTS: &[&str] = &["low", "medium", "high"];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    request.system.extend(body.get("system_prompt").and_then(TrackedValue::located_text));
    if let Some(input) = body.get("input") {
        read_prompt(Some(input), &mut request);
        for item in input.items() {
            let (key, part): (_, fn(String) -> TurnPart) = match item.look_str("type") {
                "text" | "message" => ("content", TurnPart::Text),
                "image" => ("data_url", |url| image(&url)),
                _ => continue,
            };
            if let Some(text) = item.get(key).and_then(TrackedValue::located_text) {
                item.tag("type");
                request.push(ChatRole::User, Located { value: part(text.value), at: text.at });
            }
        }
    }
    request.effort = body.get("reasoning").and_then(TrackedValue::located_text).map(|e| {
        let value = match e.value.as_str() {
            "off" => Effort::Off,
            "on" => Effort::Auto,
            word => Effort::of_word(word),
        };
        Located { value, at: e.at }
    });
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    request
}

/// Writes the body. The server keeps conversations by itself: earlier turns can only be in the prompt.
fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    let events = ChatRequest { system: Vec::new(), ..request.clone() };
    body.insert("input".into(), json!(joined_prompt(&events, notes)));
    write_system(request, "system_prompt", &mut body);
    for tool in &request.tools {
        notes.lost(&tool.at, "tools are the server's own");
    }
    if let Some(choice) = &request.choice {
        notes.lost(&choice.at, "tools are the server's own");
    }
    write_numbers(request, NUMBERS, &mut body, notes);
    for stop in &request.stop {
        notes.lost(&stop.at, "there are no stop texts");
    }
    if let Some(effort) = &request.effort {
        let word = match &effort.value {
            Effort::Off => "off",
            Effort::Auto => "on",
            other => other.word(EFFORTS),
        };
        if !matches!(effort.value, Effort::Off | Effort::Auto)
            && Effort::of_word(word) != effort.value
        {
            notes.changed(&effort.at, format!("{word:?} is the nearest there is"));
        }
        body.insert("reasoning".into(), json!(word));
    }
    write_stream(request, &mut body, notes);
    usage_always(request, notes);
    body
}

#[derive(Default)]
struct LmStudioDecoder {
    model_named: bool,
    /// True if something of the answer arrived; the end repeats all of it.
    emitted: bool,
    /// Number of calls that have begun; they carry neither index nor id.
    calls: u64,
    /// The last call has no arguments yet.
    open: bool,
}

impl Decoder for LmStudioDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let json = payload.json.filter(|j| j.kind() == Kind::Object);
        let kind = json.and_then(|j| j.str("type")).unwrap_or(Cow::Borrowed(payload.event));
        if let Some(json) = json {
            self.model(json, emit);
            let text = json.str("content");
            match kind.as_ref() {
                "message.delta" => {
                    return self.emit_text(Channel::Content, Path::new("content", 0), text, emit);
                }
                "reasoning.delta" => {
                    return self.emit_text(Channel::Reasoning, Path::new("content", 0), text, emit);
                }
                "tool_call.start" => return self.begin(json.str("tool"), emit),
                "tool_call.arguments" | "tool_call.success" => {
                    return self.arguments(json, json.str("tool"), "arguments", emit);
                }
                "tool_call.failure" => {
                    if let Some(call) = json.get("metadata") {
                        self.arguments(call, call.str("tool_name"), "metadata.arguments", emit);
                    }
                    return;
                }
                "chat.end" => {
                    if let Some(result) = json.get("result") {
                        self.result(result, &IN_END, emit);
                    }
                    return emit(DecodeEvent::Terminal);
                }
                _ if payload.kind == frame::FrameKind::Body && is_result(json) => {
                    self.result(json, &IN_BODY, emit);
                    return emit(DecodeEvent::Terminal);
                }
                _ => {}
            }
        }
        if let Some(error) = openai_chat::error_in(payload) {
            emit(DecodeEvent::Error(error));
        }
    }
}

/// Paths of the parts of a whole answer: in the last event, and in a separate body.
struct LmStudioPaths {
    content: &'static str,
    call: &'static str,
    stats: &'static str,
}

static IN_END: LmStudioPaths = LmStudioPaths {
    content: "result.output[#].content",
    call: "result.output[#]",
    stats: "result.stats",
};

static IN_BODY: LmStudioPaths =
    LmStudioPaths { content: "output[#].content", call: "output[#]", stats: "stats" };

impl LmStudioDecoder {
    fn model(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        model_once(&mut self.model_named, || json.str("model_instance_id"), emit);
    }

    fn emit_text(
        &mut self,
        channel: Channel,
        path: Path,
        text: Option<Cow<'_, str>>,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            self.emitted = true;
            emit(DecodeEvent::Text { choice: 0, channel, path, text, duplicate: false });
        }
    }

    fn begin(&mut self, name: Option<Cow<'_, str>>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        (self.emitted, self.open) = (true, true);
        self.calls += 1;
        self.call(name, Path::new("tool", 0), None, emit);
    }

    /// Reports a call's arguments, whole. They arrive once separately and again with the call's outcome.
    fn arguments(
        &mut self,
        json: Value<'_>,
        name: Option<Cow<'_, str>>,
        path: &'static str,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        if self.calls == 0 {
            self.begin(name, emit);
        }
        let given = json.get("arguments").filter(|a| !a.is_null());
        if let Some(arguments) = given.filter(|_| std::mem::take(&mut self.open)) {
            let arguments = Cow::Borrowed(arguments.source());
            self.call(None, Path::new(path, 0), Some(arguments), emit);
        }
    }

    fn call(
        &self,
        name: Option<Cow<'_, str>>,
        path: Path,
        arguments: Option<Cow<'_, str>>,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let index = Some(self.calls.saturating_sub(1));
        let name = name.filter(|n| !n.is_empty());
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice: 0,
            path,
            index,
            id: None,
            name,
            arguments,
            free_text: false,
        })));
    }

    /// Reports the whole answer: its counts, and of its text and calls what never arrived in pieces.
    fn result(
        &mut self,
        result: Value<'_>,
        paths: &LmStudioPaths,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        self.model(result, emit);
        let output = result.get("output").filter(|_| !self.emitted);
        for (i, item) in output.into_iter().flat_map(Value::items).enumerate() {
            let content = item.str("content");
            match item.str("type").unwrap_or_default().as_ref() {
                "message" => {
                    self.emit_text(Channel::Content, Path::new(paths.content, i), content, emit)
                }
                "reasoning" => {
                    self.emit_text(Channel::Reasoning, Path::new(paths.content, i), content, emit);
                }
                "tool_call" => {
                    self.calls += 1;
                    let arguments = item.get("arguments").map(|a| Cow::Borrowed(a.source()));
                    self.call(item.str("tool"), Path::new(paths.call, i), arguments, emit);
                }
                _ => {}
            }
        }
        let count = |key| result.at(&["stats", key]).and_then(Value::as_u64);
        let usage = Usage {
            input: count("input_tokens"),
            output: count("total_output_tokens"),
            reasoning: count("reasoning_output_tokens"),
            cached: None,
            total: None,
        };
        if usage.is_given() {
            emit(DecodeEvent::Usage { path: Path::new(paths.stats, 0), usage });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{script, script_of};
    use crate::frame::FrameKind;

    const END: &str = r#"{"type":"chat.end","result":{"model_instance_id":"m","output":[{"type":"reasoning","content":"hm"},{"type":"tool_call","tool":"f","arguments":{"a":1},"output":"x"},{"type":"message","content":"Hi"}],"stats":{"input_tokens":3,"total_output_tokens":7,"reasoning_output_tokens":2}}}"#;

    #[test]
    fn thought_tool_and_message() {
        let s = script(
            "auto",
            &[
                r#"{"type":"chat.start","model_instance_id":"m"}"#,
                r#"{"type":"model_load.progress","model_instance_id":"m","progress":0.5}"#,
                r#"{"type":"reasoning.delta","content":"hm"}"#,
                r#"{"type":"tool_call.start","tool":"f"}"#,
                r#"{"type":"tool_call.arguments","tool":"f","arguments":{"a": 1}}"#,
                r#"{"type":"tool_call.success","tool":"f","arguments":{"a": 1},"output":"x"}"#,
                r#"{"type":"tool_call.start","tool":"g"}"#,
                r#"{"type":"tool_call.failure","reason":"bad","metadata":{"type":"invalid_arguments","tool_name":"g","arguments":{}}}"#,
                r#"{"type":"message.delta","content":"Hi"}"#,
                END,
            ],
        );
        assert_eq!(
            s,
            [
                "model m",
                "reasoning 0 content: hm",
                "tool Some(0) tool - f -",
                "tool Some(0) arguments - - {\"a\": 1}",
                "tool Some(1) tool - g -",
                "tool Some(1) metadata.arguments - - {}",
                "content 0 content: Hi",
                "usage result.stats 3 7 2 - -",
                "terminal"
            ]
        );
    }

    #[test]
    fn an_error_is_followed_by_the_end() {
        let s = script(
            "lmstudio",
            &[
                r#"{"type":"error","error":{"type":"internal_error","message":"boom"}}"#,
                r#"{"type":"chat.end","result":{"output":[],"stats":{}}}"#,
            ],
        );
        assert_eq!(s, ["error Object internal_error: boom", "terminal"]);
    }

    #[test]
    fn what_came_only_at_the_end_is_read_there() {
        let whole = END.strip_prefix(r#"{"type":"chat.end","result":"#).unwrap();
        let whole = whole.strip_suffix('}').unwrap();
        for (s, at) in [
            (script("auto", &[END]), "result."),
            (script_of(FrameKind::Body, "auto", &[whole]), ""),
        ] {
            assert_eq!(
                s,
                [
                    "model m".to_owned(),
                    format!("reasoning 0 {at}output[0].content: hm"),
                    format!("tool Some(0) {at}output[1] - f {{\"a\":1}}"),
                    format!("content 0 {at}output[2].content: Hi"),
                    format!("usage {at}stats 3 7 2 - -"),
                    "terminal".to_owned()
                ]
            );
        }
    }
}
