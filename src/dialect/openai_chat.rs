//! OpenAI Chat Completions, and the many who imitate it.
//!
//! Reasoning has no place in OpenAI's own schema, so everybody invented one; all of them are read
//! here, and each delta says which it was (`reference`: the providers' documents, and recorded
//! streams in `tests/corpus`).

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::emit::model_once;
use super::request::{
    ChatRequest, Notes, Numbers, Param, TrackedValue, chat, read_common, read_effort_word,
    read_same, read_stop, write_effort_word, write_model, write_numbers, write_same, write_stop,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, ToolPiece, Usage, Varying, error_text,
};
use crate::frame;
use crate::json::{Kind, Value};

/// The dialect `openai-chat`.
pub(super) struct OpenAiChat;

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai-chat"
    }

    fn about(&self) -> &'static str {
        "OpenAI Chat Completions and compatible servers"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/chat/completions", read, write))
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_sentinel(&[
            "stop",
            "length",
            "tool_calls",
            "content_filter",
            "function_call",
        ])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json.filter(|j| !super::of_chat::is_mistral(*j))?;
        if super::of_chat::is_fastgpt(payload) {
            return None;
        }
        // Groq adds this to an error about a malformed tool call.
        if json.at(&["error", "failed_generation"]).is_some() {
            return Some(Evidence::likely("error.failed_generation"));
        }
        // MiniMax sends a refusal inside an emptied chunk.
        if json.get("choices").is_some_and(Value::is_null) && json.get("base_resp").is_some() {
            return Some(Evidence::likely("base_resp"));
        }
        match json.str("object") {
            Some(o) if o.starts_with("chat.completion") || o.starts_with("chat.reasoning") => {
                return Some(Evidence::member("object", o));
            }
            Some(o) if o == "text_completion" => return None,
            _ => {}
        }
        match json.get("choices").filter(|c| c.kind() == Kind::Array)?.items().next() {
            // Azure's first chunk, of both its dialects.
            None => Some(Evidence::guess("empty choices")),
            Some(c) if c.get("delta").is_some() => Some(Evidence::certain("choices[].delta")),
            Some(c) if c.get("message").is_some() => Some(Evidence::likely("choices[].message")),
            Some(c) if c.get("text").is_none() => {
                c.get("finish_reason").map(|_| Evidence::likely("choices[].finish_reason"))
            }
            Some(_) => None,
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<OpenAiChatDecoder>::default()
    }

    fn speaks_chat(&self) -> bool {
        true
    }
}

/// The keys of the numbers. Reasoning models accept only `max_completion_tokens`; the imitators all accept
/// `max_tokens`.
const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_tokens"]),
    (Param::MaxTokens, &["max_completion_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
    (Param::Seed, &["seed"]),
    (Param::PresencePenalty, &["presence_penalty"]),
    (Param::FrequencyPenalty, &["frequency_penalty"]),
];

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

/// Members that others have from here.
const SAME: &[&str] = &[
    "n",
    "response_format",
    "parallel_tool_calls",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "prediction",
    "metadata",
    "store",
    "user",
    "safety_identifier",
    "prompt_cache_key",
];

pub(super) fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    chat::read_messages(body.get("messages"), &mut request);
    chat::read_tools(body.get("tools"), "parameters", &mut request);
    chat::read_choice(body.get("tool_choice"), &mut request);
    read_stop(body.get("stop"), &mut request);
    read_effort_word(body.get("reasoning_effort"), &mut request);
    chat::read_stream(body, &mut request);
    read_same(body, SAME, &mut request);
    request
}

pub(super) fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    body.insert("messages".into(), chat::write_messages(request, notes));
    chat::write_tools(request, &mut body);
    chat::write_choice(request, "required", &mut body);
    // A request with a reasoning effort is for a reasoning model.
    let numbers = if request.effort.is_some() { &NUMBERS[1..] } else { NUMBERS };
    write_numbers(request, numbers, &mut body, notes);
    write_stop(request, &["stop"], &mut body);
    write_effort_word(request, EFFORTS, &["reasoning_effort"], &mut body, notes);
    chat::write_stream(request, &mut body, notes);
    write_same(request, SAME, &mut body);
    body
}

/// The decoder. The dialect's chunks are self-contained: it needs to know nothing of the earlier ones.
#[derive(Default)]
struct OpenAiChatDecoder {
    /// The model was emitted; every chunk repeats it.
    model_named: bool,
}

impl Decoder for OpenAiChatDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        Some(&[Varying::Id, Varying::Created, Varying::Obfuscation])
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        // Some clients use startsWith, others equality; treat every payload that begins like this as the
        // sentinel.
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            return;
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if let Some(error) = error_in(payload) {
                emit(DecodeEvent::Error(error));
            }
            return;
        };
        let chunk = ChunkFields::of(json);
        if let Some(error) = error(&chunk, json, payload) {
            emit(DecodeEvent::Error(error));
        }
        model_once(&mut self.model_named, || chunk.model.and_then(Value::as_str), emit);
        usage(chunk.usage, Path::new("usage", 0), emit);
        usage(chunk.x_groq.and_then(|x| x.get("usage")), Path::new("x_groq.usage", 0), emit);
        let choices = chunk.choices.into_iter().flat_map(Value::items);
        for (position, choice) in choices.enumerate() {
            read_choice(choice, position, payload.kind == frame::FrameKind::Body, emit);
        }
    }
}

/// The members of a chunk that are read. Found in one pass, because a look-up is a pass as well,
/// and a stream has a million chunks.
#[derive(Default)]
struct ChunkFields<'a> {
    choices: Option<Value<'a>>,
    model: Option<Value<'a>>,
    usage: Option<Value<'a>>,
    error: Option<Value<'a>>,
    x_groq: Option<Value<'a>>,
    base_resp: Option<Value<'a>>,
}

impl<'a> ChunkFields<'a> {
    fn of(json: Value<'a>) -> Self {
        let mut chunk = Self::default();
        for (key, value) in json.entries() {
            match key.raw() {
                b"\"choices\"" => chunk.choices = Some(value),
                b"\"model\"" => chunk.model = Some(value),
                b"\"usage\"" => chunk.usage = Some(value),
                b"\"error\"" => chunk.error = Some(value),
                b"\"x_groq\"" => chunk.x_groq = Some(value),
                b"\"base_resp\"" => chunk.base_resp = Some(value),
                _ => {}
            }
        }
        chunk
    }
}

fn usage(value: Option<Value<'_>>, path: Path, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let given = value.filter(|v| v.kind() == Kind::Object);
    if let Some(usage) = given.map(Usage::openai).filter(Usage::is_given) {
        emit(DecodeEvent::Usage { path, usage });
    }
}

/// The error that a payload is, for dialects that write theirs as this one does.
pub(super) fn error_in<'a>(payload: &Payload<'a>) -> Option<InBandError<'a>> {
    let object = match payload.json {
        // Google wraps its errors in a list, also where it speaks this dialect.
        Some(list) if list.kind() == Kind::Array => {
            list.items().next().filter(|i| i.get("error").is_some())
        }
        json => json.filter(|j| j.kind() == Kind::Object),
    };
    match object {
        Some(json) => error(&ChunkFields::of(json), json, payload),
        None => text_error(payload),
    }
}

/// `event: error` with plain text: the text is the error.
fn text_error<'a>(payload: &Payload<'a>) -> Option<InBandError<'a>> {
    let text = payload.event == "error" && !payload.data.is_empty();
    let message = Cow::Borrowed(payload.data);
    text.then_some(InBandError { message, kind: None, shape: ErrorShape::Text })
}

/// Every shape of error that such a body has been seen to carry.
fn error<'a>(
    chunk: &ChunkFields<'a>,
    json: Value<'a>,
    payload: &Payload<'a>,
) -> Option<InBandError<'a>> {
    let truthy = |v: &Value<'_>| !matches!(v.raw(), b"null" | b"false" | b"0" | b"\"\"" | b"{}");
    let word = |v: Option<Value<'_>>| {
        v.filter(|v| !v.is_null())
            .map(|v| v.as_str().unwrap_or(Cow::Borrowed(v.source())).into_owned())
            .filter(|s| !s.is_empty() && s != "None")
    };
    let groq = || chunk.x_groq.and_then(|x| x.get("error")).filter(truthy);
    // MiniMax sends a status code with every answer; 0 means success.
    let minimax = || chunk.base_resp.filter(|r| r.get("status_code").is_some_and(|c| truthy(&c)));
    let found = if let Some(error) = chunk.error.filter(truthy) {
        let shape = match error.kind() {
            _ if chunk.choices.is_some_and(|c| !c.is_empty()) => ErrorShape::WithChoices,
            Kind::String => ErrorShape::Text,
            _ => ErrorShape::Object,
        };
        let kind = word(error.get("type")).or_else(|| word(error.get("code")));
        Some((error_text(error), kind.or_else(|| word(json.get("code"))), shape))
    } else if let Some(error) = groq() {
        Some((error_text(error), None, ErrorShape::Text))
    } else if let Some(answer) = minimax() {
        let message = answer.str("status_msg").unwrap_or(Cow::Borrowed(answer.source()));
        let spoke = chunk.choices.is_some_and(|c| !c.is_empty());
        let shape = if spoke { ErrorShape::WithChoices } else { ErrorShape::Flat };
        Some((message, word(answer.get("status_code")), shape))
    } else if chunk.choices.is_none() && is_flat_error(json, payload) {
        let kind = word(json.get("type")).or_else(|| word(json.get("code")));
        // IBM sends a list of errors.
        let first = json.get("errors").and_then(|e| e.items().next());
        let kind = kind.or_else(|| word(first.and_then(|e| e.get("code"))));
        Some((error_text(json), kind, ErrorShape::Flat))
    } else {
        None
    };
    found.map(|(message, kind, shape)| InBandError { message, kind: kind.map(Cow::Owned), shape })
}

/// An error that has no `error` member: vLLM's, FastAPI's, Cerebras'.
fn is_flat_error(json: Value<'_>, payload: &Payload<'_>) -> bool {
    json.str("object").is_some_and(|o| o == "error")
        || json.str("type").is_some_and(|t| t == "error")
        || json.get("detail").is_some()
        || (json.get("message").is_some() && json.get("code").is_some())
        || payload.event == "error"
}

fn read_choice(
    choice: Value<'_>,
    position: usize,
    whole: bool,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let (mut index, mut delta, mut message, mut finish, mut used) = (0, None, None, None, None);
    let mut failed = None;
    for (key, value) in choice.entries() {
        match key.raw() {
            b"\"index\"" => index = super::choice_number(value),
            b"\"delta\"" => delta = Some(value).filter(|d| d.kind() == Kind::Object),
            b"\"message\"" => message = Some(value).filter(|_| whole),
            b"\"finish_reason\"" => finish = value.as_str(),
            b"\"usage\"" => used = Some(value),
            b"\"error\"" => failed = Some(value).filter(|e| e.kind() == Kind::Object),
            _ => {}
        }
    }
    // OpenRouter puts the error of a single choice inside that choice.
    if let Some(error) = failed {
        let code = error.get("code").filter(|c| !c.is_null());
        let kind = code.map(|c| c.as_str().unwrap_or(Cow::Borrowed(c.source())));
        let shape = ErrorShape::WithChoices;
        emit(DecodeEvent::Error(InBandError { message: error_text(error), kind, shape }));
    }
    // A `message` next to deltas repeats the answer (Perplexity, MiniMax). It is the answer itself only where
    // there are no deltas, in a body that is not a stream.
    if let Some(delta) = delta {
        read_delta(delta, index, position, &IN_DELTA, emit);
    } else if let Some(message) = message {
        read_delta(message, index, position, &IN_MESSAGE, emit);
    }
    if let Some(reason) = finish {
        emit(DecodeEvent::Finish { choice: index, reason });
    }
    usage(used, Path::new("choices[#].usage", position), emit);
}

/// The paths of the fields that are read, under `delta` and under `message`.
struct OpenAiChatPaths {
    content: &'static str,
    content_text: &'static str,
    content_thinking: &'static str,
    reasoning_content: &'static str,
    reasoning: &'static str,
    reasoning_text: &'static str,
    thinking: &'static str,
    /// Lists of thoughts: the member of an item that is text, and its path.
    reasoning_details: [(&'static str, &'static str); 2],
    thinking_blocks: [(&'static str, &'static str); 1],
    reasoning_steps: [(&'static str, &'static str); 1],
    refusal: &'static str,
    tool_calls: &'static str,
    function_call: &'static str,
    transcript: &'static str,
}

macro_rules! paths {
    ($under:literal) => {
        OpenAiChatPaths {
            content: concat!("choices[#].", $under, ".content"),
            content_text: concat!("choices[#].", $under, ".content[#].text"),
            content_thinking: concat!("choices[#].", $under, ".content[#].thinking[#].text"),
            reasoning_content: concat!("choices[#].", $under, ".reasoning_content"),
            reasoning: concat!("choices[#].", $under, ".reasoning"),
            reasoning_text: concat!("choices[#].", $under, ".reasoning_text"),
            thinking: concat!("choices[#].", $under, ".thinking"),
            reasoning_details: [
                ("text", concat!("choices[#].", $under, ".reasoning_details[#].text")),
                ("summary", concat!("choices[#].", $under, ".reasoning_details[#].summary")),
            ],
            thinking_blocks: [(
                "thinking",
                concat!("choices[#].", $under, ".thinking_blocks[#].thinking"),
            )],
            reasoning_steps: [(
                "thought",
                concat!("choices[#].", $under, ".reasoning_steps[#].thought"),
            )],
            refusal: concat!("choices[#].", $under, ".refusal"),
            tool_calls: concat!("choices[#].", $under, ".tool_calls[#]"),
            function_call: concat!("choices[#].", $under, ".function_call"),
            transcript: concat!("choices[#].", $under, ".audio.transcript"),
        }
    };
}

/// Members of a list's items that hold text, with their paths.
type Members = &'static [(&'static str, &'static str)];

static IN_DELTA: OpenAiChatPaths = paths!("delta");
static IN_MESSAGE: OpenAiChatPaths = paths!("message");

fn read_delta(
    delta: Value<'_>,
    choice: u32,
    position: usize,
    paths: &'static OpenAiChatPaths,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let mut text = |channel, path, text: Cow<'_, str>, duplicate| {
        if !text.is_empty() {
            emit(DecodeEvent::Text { choice, channel, path, text, duplicate });
        }
    };
    let (mut tools, mut function, mut content_field) = (None, None, None);
    let (mut reasoning_content, mut reasoning) = (None, None);
    let (mut reasoning_text, mut thinking) = (None, None);
    let (mut details, mut blocks, mut steps) = (None, None, None);
    // One pass over the fields: a delta has few, and long streams have a million deltas.
    for (key, value) in delta.entries() {
        match key.raw() {
            b"\"content\"" => content_field = Some(value),
            b"\"reasoning_content\"" => reasoning_content = Some(value),
            b"\"reasoning\"" => reasoning = Some(value),
            // GitHub Copilot's.
            b"\"reasoning_text\"" => reasoning_text = Some(value),
            // Sent by gateways that keep Ollama's or Anthropic's name.
            b"\"thinking\"" => thinking = Some(value),
            b"\"reasoning_details\"" => details = Some(value),
            // LiteLLM's field, next to `reasoning_content`.
            b"\"thinking_blocks\"" => blocks = Some(value),
            // Perplexity's field in its concise streaming mode.
            b"\"reasoning_steps\"" => steps = Some(value),
            b"\"refusal\"" => {
                let path = Path::new(paths.refusal, position);
                text(Channel::Refusal, path, value.as_str().unwrap_or_default(), false);
            }
            b"\"tool_calls\"" => tools = Some(value),
            b"\"function_call\"" => function = Some(value),
            b"\"audio\"" => {
                let path = Path::new(paths.transcript, position);
                text(Channel::Other, path, value.str("transcript").unwrap_or_default(), false);
            }
            _ => {}
        }
    }
    let plain = [
        (reasoning_content, paths.reasoning_content),
        (reasoning, paths.reasoning),
        (reasoning_text, paths.reasoning_text),
        (thinking, paths.thinking),
    ];
    let lists = [
        (details, &paths.reasoning_details[..]),
        (blocks, &paths.thinking_blocks),
        (steps, &paths.reasoning_steps),
    ];
    thoughts(plain, lists, position, &mut text);
    match content_field {
        Some(v) if v.kind() == Kind::Array => content_list(v, position, paths, &mut text),
        Some(v) => {
            let path = Path::new(paths.content, position);
            text(Channel::Content, path, v.as_str().unwrap_or_default(), false);
        }
        None => {}
    }
    for (i, call) in tools.into_iter().flat_map(Value::items).enumerate() {
        let path = Path::new(paths.tool_calls, position).second(i);
        let index = call.get("index").and_then(Value::as_u64);
        // A custom tool takes text of any kind instead of arguments.
        let function = call.get("function").or_else(|| call.get("custom"));
        tool(call, function, choice, index, path, emit);
    }
    if let Some(call) = function.filter(|f| f.kind() == Kind::Object) {
        tool(call, Some(call), choice, Some(0), Path::new(paths.function_call, position), emit);
    }
}

/// Reports what was thought: in the fields that have it as a text, then in those that list it. Text that one
/// field repeats from another counts there.
fn thoughts(
    plain: [(Option<Value<'_>>, &'static str); 4],
    lists: [(Option<Value<'_>>, Members); 3],
    position: usize,
    text: &mut impl FnMut(Channel, Path, Cow<'_, str>, bool),
) {
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for (value, path) in plain {
        let Some(content) = value.map(loose_text).filter(|t| !t.is_empty()) else { continue };
        let duplicate = seen.contains(&content);
        text(Channel::Reasoning, Path::new(path, position), content.clone(), duplicate);
        seen.push(content);
    }
    for (list, members) in lists.into_iter().filter_map(|(list, members)| Some((list?, members))) {
        let parts: Vec<_> =
            list.items().enumerate().filter_map(|(i, item)| thought(i, item, members)).collect();
        let joined: String = parts.iter().map(|p| p.2.as_ref()).collect();
        let duplicate = seen.iter().any(|s| *s == joined);
        for (i, template, content) in parts {
            text(Channel::Reasoning, Path::new(template, position).second(i), content, duplicate);
        }
        seen.push(joined.into());
    }
}

/// Text where a string belongs; of an object or list (`reasoning: {"text": …}`) the text inside,
/// or else its source: it is shown, and found fault with elsewhere. Lists in a list are only their
/// source: the wire decides how deep they go.
fn loose_text<'a>(value: Value<'a>) -> Cow<'a, str> {
    match value.kind() {
        Kind::String => value.as_str().unwrap_or_default(),
        Kind::Null => Cow::Borrowed(""),
        Kind::Array => {
            let text = |item: Value<'a>| match item.kind() {
                Kind::Array => Cow::Borrowed(item.source()),
                _ => loose_text(item),
            };
            value.items().map(text).collect::<String>().into()
        }
        Kind::Object => ["text", "content", "summary", "thinking"]
            .iter()
            .find_map(|k| value.str(k))
            .unwrap_or(Cow::Borrowed(value.source())),
        _ => Cow::Borrowed(value.source()),
    }
}

/// An item of a list of thoughts, as (position, path, the text). Encrypted items have `data`, which
/// is no text.
fn thought<'a>(
    position: usize,
    item: Value<'a>,
    members: Members,
) -> Option<(usize, &'static str, Cow<'a, str>)> {
    members.iter().find_map(|(member, path)| {
        let text = item.str(member).filter(|t| !t.is_empty())?;
        Some((position, *path, text))
    })
}

/// Content as a list of typed parts (Mistral): text, and thinking, which is reasoning.
fn content_list(
    list: Value<'_>,
    position: usize,
    paths: &'static OpenAiChatPaths,
    text: &mut impl FnMut(Channel, Path, Cow<'_, str>, bool),
) {
    for (i, part) in list.items().enumerate() {
        let path = Path::new(paths.content_thinking, position).second(i);
        match part.get("thinking") {
            Some(thinking) if thinking.kind() == Kind::Array => {
                for (j, piece) in thinking.items().enumerate() {
                    let content = piece.str("text").unwrap_or_default();
                    text(Channel::Reasoning, path.third(j), content, false);
                }
            }
            Some(thinking) => {
                text(Channel::Reasoning, path, thinking.as_str().unwrap_or_default(), false);
            }
            None => {
                let path = Path::new(paths.content_text, position).second(i);
                text(Channel::Content, path, part.str("text").unwrap_or_default(), false);
            }
        }
    }
}

/// A call, or a piece of one, as Chat Completions and its relatives write it.
pub(super) fn tool(
    call: Value<'_>,
    function: Option<Value<'_>>,
    choice: u32,
    index: Option<u64>,
    path: Path,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let member = |key: &str| function.and_then(|f| f.get(key));
    let arguments = member("arguments").or_else(|| member("input")).and_then(|a| match a.kind() {
        Kind::String => a.as_str(),
        Kind::Null => None,
        _ => Some(Cow::Borrowed(a.source())),
    });
    let id = call.str("id").filter(|id| !id.is_empty());
    let name = member("name").and_then(Value::as_str).filter(|n| !n.is_empty());
    let free_text =
        call.get("custom").is_some() || call.get("type").is_some_and(|t| t.is("custom"));
    let piece = ToolPiece { choice, path, index, id, name, arguments, free_text };
    emit(DecodeEvent::Tool(Box::new(piece)));
}

#[cfg(test)]
#[path = "openai_chat_tests.rs"]
mod tests;
