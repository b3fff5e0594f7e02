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
mod choice;
mod cohere;
mod cohere_v1;
mod coze;
mod dashscope;
mod decode_event;
mod dify;
mod emit;
mod error;
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
pub use choice::{choice_number, is_stand_in, valid_choice};
pub use decode_event::{Channel, DecodeEvent, ToolPiece};
pub use error::{ErrorShape, InBandError, error_text};
pub use evidence::{Confidence, Evidence};
pub use path::Path;
pub use request::RequestSide;
pub use unknown::plain_error;
pub use usage::Usage;
pub use variant::{UsageAt, VARIANTS, Variant};

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

#[cfg(test)]
mod tests;
