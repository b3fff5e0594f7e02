//! Dialects: how families of providers speak, from a frame's payload to what it adds to the answer.
//!
//! One file per dialect, one row in [`DIALECTS`]. A decoder reads one payload after the other and reports
//! [`DecodeEvent`]s; it judges nothing (that is `inspect`'s) and keeps only what it needs to understand the
//! next payload. Each fact has the JSON path that it was read from.

mod a2a;
mod ag_ui;
mod aisdk;
mod anthropic;
mod azure;
mod bedrock;
mod bedrock_agent;
mod bedrock_invoke;
mod cohere;
mod cohere_v1;
mod coze;
mod dashscope;
mod dify;
mod emit;
mod evidence;
mod gemini;
mod gemini_interactions;
mod langgraph;
mod langserve;
mod llamacpp;
mod lmstudio;
mod mcp;
mod minor;
mod mistral;
mod mistral_conversations;
mod of_chat;
mod ollama;
mod openai_assistants;
mod openai_chat;
mod openai_completions;
mod openai_media;
mod openai_realtime;
mod openai_responses;
mod path;
pub mod request;
mod unknown;
mod usage;
mod variant;
mod watsonx;
mod workers_ai;
mod writer_completions;

pub(crate) use bedrock_invoke::inner as invoke_piece;
pub use evidence::{Confidence, Evidence};
pub use path::Path;
pub use request::RequestSide;
pub use unknown::plain_error;
pub use usage::Usage;
pub use variant::{UsageAt, VARIANTS, Variant};

use std::borrow::Cow;

use crate::frame;
use crate::journal::Head;
use crate::json::Value;

/// Every dialect, in the order in which `auto` asks them.
pub const DIALECTS: &[&dyn Dialect] = &[
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &openai_completions::OpenAiCompletions,
    &ollama::Ollama,
    &gemini::Gemini { array: false },
    &gemini::Gemini { array: true },
    &gemini_interactions::GeminiInteractions,
    &anthropic::Anthropic,
    &mistral::Mistral,
    &mistral_conversations::MistralConversations,
    &azure::Azure,
    &cohere::Cohere,
    &cohere_v1::CohereV1,
    &bedrock::Converse,
    &bedrock_invoke::Invoke,
    &bedrock_agent::Agent,
    &dashscope::DashScope,
    &lmstudio::LmStudio,
    &llamacpp::LlamaCpp,
    &writer_completions::WriterCompletions,
    &aisdk::AiSdkUi,
    &aisdk::AiSdkData,
    &mcp::Mcp,
    &a2a::A2a,
    &ag_ui::AgUi,
    &langgraph::LangGraph,
    &langserve::LangServe,
    &dify::Dify,
    &coze::Coze,
    &openai_realtime::OpenAiRealtime,
    &openai_media::TRANSCRIPTION,
    &openai_media::SPEECH,
    &openai_media::IMAGES,
    &openai_assistants::OpenAiAssistants,
    &workers_ai::WorkersAi,
    &watsonx::Watsonx,
    &minor::REPLICATE,
    &minor::TGI,
    &minor::SGLANG,
    &minor::TRITON,
    &minor::VLLM,
    &minor::CODY,
    &minor::FLOWISE,
    &minor::FastGpt,
];

/// A decoder for streams of no known dialect: errors are plain enough in any.
pub(crate) fn unknown() -> Box<dyn Decoder> {
    Box::<unknown::Unknown>::default()
}

/// The way that one family of providers speaks.
pub trait Dialect: Sync {
    /// Its name in configuration, options and output.
    fn name(&self) -> &'static str;

    /// One line for lists.
    fn about(&self) -> &'static str;

    /// Returns how its requests are made; `None` where only its streams are known.
    fn request(&self) -> Option<RequestSide> {
        None
    }

    /// Returns how its streams end.
    fn ending(&self) -> EndingRules;

    /// Returns the evidence that a payload is of this dialect: how sure that is, and by what.
    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence>;

    /// The dialect whose payloads these are too: dialects of one family read each other's.
    fn family(&self) -> &'static str {
        if self.speaks_chat() { openai_chat::OpenAiChat.name() } else { self.name() }
    }

    /// A decoder for one stream.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// The members of an HTTP error's JSON in any of which the dialect's own SDKs find its text.
    fn error_members(&self) -> &'static [&'static str] {
        &["error"]
    }

    /// Returns whether its payloads are chunks of Chat Completions, so that what is said of those applies.
    fn speaks_chat(&self) -> bool {
        false
    }

    /// Returns which of the response headers says that this is spoken, if one does.
    fn in_head(&self, _head: &Head) -> Option<&'static str> {
        None
    }

    /// Returns whether a payload that is no JSON object is still one of the dialect's: a list, plain text,
    /// nothing at all.
    fn allows(&self, _payload: &Payload<'_>) -> bool {
        false
    }
}

/// Reads the payloads of one stream, in order.
pub trait Decoder: Send + Sync {
    /// Reports what `payload` adds.
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>));

    /// Returns the members that may differ as well, if a payload that is the last one with other texts adds
    /// what that did, with the new texts, whatever they are. Nothing here looks at those members. Of two
    /// texts that differ from each other in both payloads, each may be anything.
    fn repeats(&self) -> Option<&'static [Varying]> {
        None
    }

    /// Takes note of the text of a payload that repeats the last one, which is not decoded.
    fn repeat(&mut self, _text: &str) {}

    /// Reports what a block adds that has a name and no data, which the standard does not dispatch.
    fn decode_name(&mut self, _name: &str, _emit: &mut dyn FnMut(DecodeEvent<'_>)) {}
}

/// A member at the top of a payload that may have another value in each of a stream's payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Varying {
    /// `id`, which some servers make anew for each chunk.
    Id,
    /// `created`, which some count on.
    Created,
    /// `created_at`, as Ollama writes it.
    CreatedAt,
    /// `sequence_number`.
    SequenceNumber,
    /// `obfuscation`: padding, so that the length of a message does not reveal the length of its text.
    Obfuscation,
}

impl Varying {
    /// Its key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Created => "created",
            Self::CreatedAt => "created_at",
            Self::SequenceNumber => "sequence_number",
            Self::Obfuscation => "obfuscation",
        }
    }

    /// Returns whether it is a whole number; the others are strings.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Created | Self::SequenceNumber)
    }
}

/// One frame's payload.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// The kind of frame that carries it.
    pub kind: frame::FrameKind,
    /// The SSE event type; `message` where there is none.
    pub event: &'a str,
    /// The text.
    pub data: &'a str,
    /// The text's JSON, where it is JSON.
    pub json: Option<Value<'a>>,
    /// The last event id, where the stream has set one.
    pub id: Option<&'a str>,
}

/// Returns a model's name as it appears in an address: percent-encoded, except for the colons that Bedrock's
/// and Gemini's own documents leave as they are.
pub fn in_address(model: &str) -> String {
    let mut encoded = String::new();
    for byte in model.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b':' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The way that a dialect's streams end.
#[derive(Debug, Clone, Copy)]
pub struct EndingRules {
    /// `data: [DONE]` ends it.
    pub sentinel: bool,
    /// It has a terminal event of its own.
    pub terminal: bool,
    /// The finish reasons of its documents; none where its streams never say why they end, or in
    /// anybody's words.
    pub finishes: &'static [&'static str],
    /// A whole answer may lack a finish reason.
    pub optional_finish: bool,
    /// Without its terminal event an answer is not whole, whatever else it says.
    pub strict: bool,
    /// A stream whose events have ids may be closed before its end, to be resumed by the last one.
    pub resumable: bool,
}

impl EndingRules {
    const NONE: Self = Self {
        sentinel: false,
        terminal: false,
        finishes: &[],
        optional_finish: false,
        strict: false,
        resumable: false,
    };

    /// Returns the rules for streams that end with `data: [DONE]`.
    const fn by_sentinel(finishes: &'static [&'static str]) -> Self {
        Self { sentinel: true, finishes, ..Self::NONE }
    }

    /// Returns the rules for streams in which a separate event says that everything has arrived.
    const fn by_event(finishes: &'static [&'static str]) -> Self {
        Self { terminal: true, finishes, ..Self::NONE }
    }

    /// An event of its own ends it, and it need not say why.
    const fn by_event_alone(finishes: &'static [&'static str]) -> Self {
        Self { terminal: true, finishes, optional_finish: true, strict: true, ..Self::NONE }
    }

    /// Only the end of the body ends it.
    const fn by_close(finishes: &'static [&'static str]) -> Self {
        Self { finishes, ..Self::NONE }
    }
}

/// The parts of an answer that are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Channel {
    /// The answer proper.
    Content,
    /// The model's thoughts, in separate fields.
    Reasoning,
    /// A refusal.
    Refusal,
    /// A piece of a tool call.
    Tool,
    /// Text that is none of these (an audio transcript).
    Other,
}

impl Channel {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One thing that a payload adds to the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum DecodeEvent<'a> {
    /// Text of a channel (never [`Channel::Tool`]).
    Text {
        /// The choice.
        choice: u32,
        /// The channel.
        channel: Channel,
        /// Its JSON path.
        path: Path,
        /// The text; not empty.
        text: Cow<'a, str>,
        /// True if the same text arrived in another field of the same payload and counts there.
        duplicate: bool,
    },
    /// The text of a channel, repeated whole: all since it was last repeated so.
    Whole {
        /// The choice.
        choice: u32,
        /// The channel.
        channel: Channel,
        /// The text.
        text: Cow<'a, str>,
    },
    /// A piece of a tool call. Boxed: it is much larger than the others, and much rarer than text.
    Tool(Box<ToolPiece<'a>>),
    /// A choice said why it ended.
    Finish {
        /// The choice.
        choice: u32,
        /// The provider's word.
        reason: Cow<'a, str>,
    },
    /// The cause of its finish that a choice states, beside the word for that.
    Cause {
        /// The choice.
        choice: u32,
        /// The provider's word.
        cause: Cow<'a, str>,
    },
    /// Usage, its JSON path, and what it said.
    Usage {
        /// Its JSON path.
        path: Path,
        /// The counts in it.
        usage: Usage,
    },
    /// The model that answers.
    Model(Cow<'a, str>),
    /// An error inside the stream.
    Error(InBandError<'a>),
    /// `[DONE]`.
    Sentinel,
    /// The dialect's terminal event.
    Terminal,
    /// The beginning of another answer on the same stream, whose end has yet to arrive.
    Begun,
}

/// A piece of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolPiece<'a> {
    /// The choice.
    pub choice: u32,
    /// Its JSON path.
    pub path: Path,
    /// The provider's index, if it sent one.
    pub index: Option<u64>,
    /// The call's id, if it is here.
    pub id: Option<Cow<'a, str>>,
    /// The function's name, if it is here.
    pub name: Option<Cow<'a, str>>,
    /// The arguments' next piece; for a JSON object its source.
    pub arguments: Option<Cow<'a, str>>,
    /// The tool takes text of any kind, which is never JSON by right.
    pub free_text: bool,
}

/// An error that arrived as a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct InBandError<'a> {
    /// The most informative text there is.
    pub message: Cow<'a, str>,
    /// The provider's type or code of it, if there is one.
    pub kind: Option<Cow<'a, str>>,
    /// In which of the known shapes.
    pub shape: ErrorShape,
}

/// The shapes of in-band errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"error":{…}}`, or a binary message that is declared an exception.
    Object,
    /// `{"error":"…"}`.
    Text,
    /// `{"object":"error","message":…}`, `{"detail":…}`: no `error` member.
    Flat,
    /// An error beside `choices`.
    WithChoices,
}

/// The number of a choice, as it is written. What no client could count by (a negative number, a
/// fraction, a string, more than 32 bits) gets a number of its own from the top, made of its text,
/// so that it is never merged into another choice.
pub fn choice_number(index: Value<'_>) -> u32 {
    match valid_choice(index) {
        Some(number) => number,
        None if index.is_null() => 0,
        None => {
            let bytes = index.source().bytes();
            u32::MAX - bytes.fold(0u32, |hash, b| (hash * 31 + u32::from(b)) % 65_521)
        }
    }
}

/// The first of the choice numbers that represent an invalid index.
const STAND_INS: u32 = u32::MAX - 65_521;

/// The number of a choice, if it is one.
pub fn valid_choice(index: Value<'_>) -> Option<u32> {
    index.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| !is_stand_in(*n))
}

/// Returns whether a choice's number represents an invalid index.
pub fn is_stand_in(choice: u32) -> bool {
    choice >= STAND_INS
}

/// The dialect of that name.
pub fn find(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().find(|d| d.name() == name).copied()
}

/// The names of all dialects, in the order of the table.
pub fn names() -> Vec<&'static str> {
    DIALECTS.iter().map(|d| d.name()).collect()
}

/// The dialect that is surest of a payload. Where two are equally sure, that is worth no more than
/// a guess, and says so: the order of [`DIALECTS`] decides nothing.
pub fn recognize(payload: &Payload<'_>) -> Option<(&'static dyn Dialect, Evidence)> {
    let mut best: Option<(&'static dyn Dialect, Evidence)> = None;
    for dialect in DIALECTS {
        let Some(sign) = dialect.recognizes(payload) else { continue };
        match &mut best {
            Some((_, held)) if held.confidence == sign.confidence => {
                *held = Evidence::guess(format!("{}, which {} has too", held.by, dialect.name()));
            }
            Some((_, held)) if held.confidence > sign.confidence => {}
            best => *best = Some((*dialect, sign)),
        }
    }
    best
}

/// The dialect that the response headers name, and the header that does.
pub fn by_head(head: &Head) -> Option<(&'static dyn Dialect, Evidence)> {
    DIALECTS.iter().find_map(|dialect| {
        let header = dialect.in_head(head)?;
        Some((*dialect, Evidence::certain(format!("the header {header}"))))
    })
}

/// Returns the most informative text of a provider's error value: its `message`, or what serves as one.
/// FastAPI puts a list of complaints under `detail`, Mistral an object under `message`.
pub fn error_text<'a>(error: Value<'a>) -> Cow<'a, str> {
    if let Some(text) = error.as_str() {
        return text;
    }
    for key in TEXTS {
        match error.get(key) {
            Some(v) if v.as_str().is_some_and(|s| !s.is_empty()) => {
                return v.as_str().unwrap_or_default();
            }
            Some(v) if matches!(v.kind(), crate::json::Kind::Object | crate::json::Kind::Array) => {
                return complaint(v).unwrap_or(Cow::Borrowed(v.source()));
            }
            _ => {}
        }
    }
    Cow::Borrowed(error.source())
}

/// Keys of an error's text, the most informative first.
const TEXTS: [&str; 9] = [
    "message",
    "errorText",
    "error",
    "detail",
    "msg",
    "error_message",
    "errorMessage",
    "errors",
    "title",
];

/// FastAPI's `[{"loc":["body","tool_choice"],"msg":"…"}]`, bare or under `detail`, as a sentence.
fn complaint<'a>(value: Value<'a>) -> Option<Cow<'a, str>> {
    if let Some(text) = ["message", "detail"].iter().find_map(|k| value.str(k)) {
        return Some(text);
    }
    let list = value.get("detail").unwrap_or(value);
    let first = list.items().next()?;
    let msg = first.str("msg").or_else(|| first.str("message"))?;
    let place: Vec<_> = first
        .get("loc")
        .map(|l| l.items().map(|v| v.as_str().unwrap_or(Cow::Borrowed(v.source()))).collect())
        .unwrap_or_default();
    Some(if place.is_empty() { msg } else { Cow::Owned(format!("{}: {msg}", place.join("."))) })
}

#[cfg(test)]
mod tests;
