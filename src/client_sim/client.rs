//! The description of a client in a row of the table.

use super::sse::SseRules;
use super::{EventTransport, Reader};
use crate::inspect::Standing;

/// One client, and how it reads.
#[derive(Debug)]
pub struct Client {
    /// Its name in options and output. One client has a row for each dialect that it speaks.
    pub name: &'static str,
    /// The version that was measured.
    pub version: &'static str,
    /// Description of what counts as received by its caller.
    pub gives: &'static str,
    /// The dialect that it speaks.
    pub dialect: &'static str,
    /// Transports from which it reads an answer.
    pub transports: &'static [EventTransport],
    /// Its relation to the dialect's vendor.
    pub standing: Standing,
    /// The address of whoever reported, or of the code that was read.
    pub evidence: &'static str,
    pub(super) sse: SseRules,
    pub(super) done: DoneHandling,
    pub(super) junk: Junk,
    /// `NaN` and its like are numbers to its JSON reader.
    pub(super) reads_nan: bool,
    /// The members of a delta that it reads as reasoning; the first that is there counts.
    pub(super) reasoning: &'static [&'static str],
    /// It reads every choice, or only the first of a chunk.
    pub(super) all_choices: bool,
    pub(super) cut: Truncation,
    pub(super) family: Family,
    pub(super) reader: fn() -> Box<dyn Reader>,
}

impl Client {
    /// Its name with its version.
    pub fn title(&self) -> String {
        if self.name.contains(self.version) {
            self.name.to_owned()
        } else {
            format!("{} {}", self.name, self.version)
        }
    }

    /// Returns whether a body with this transport reaches this client's decoder. Text over HTTP does,
    /// whatever its form: a client of server-sent events that receives lines of JSON or a web page reads
    /// something from it. A binary message or one of a WebSocket is another case.
    pub(super) fn receives(&self, transport: Option<EventTransport>) -> bool {
        let is_text = |transport: Option<EventTransport>| {
            matches!(transport, None | Some(EventTransport::Sse | EventTransport::Ndjson))
        };
        let mut reads = self.transports.iter().map(|own| Some(*own));
        reads.any(|own| own == transport || is_text(own) && is_text(transport))
    }
}

/// Effect of `[DONE]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DoneHandling {
    /// Data that begins so ends the stream.
    Ends,
    /// Data that is exactly so is passed over; what follows is read.
    PassedOver,
    /// It is nothing special.
    Unknown,
}

/// Effect of a payload that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Junk {
    /// Ends the stream with an error of this class.
    Raises(&'static str),
    /// Is reported, and the stream continues.
    Reported,
    /// Is nothing to it.
    PassedOver,
}

/// Effect of a truncated body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truncation {
    /// An error of this class and words.
    Raises(&'static str, &'static str),
    /// The same, but behind `[DONE]` too; and with `Connection: close` a body that is cut counts
    /// as whole.
    Fetch(&'static str, &'static str),
    /// The errors of httpx as they are; nothing behind `[DONE]`.
    Httpx,
    /// Those of urllib3, which does not mind `Content-Length`.
    Urllib3,
    /// Nothing: it counts as an end.
    Ends,
}

/// Family whose behavior it shares, where that is more than a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    OpenAiPython,
    OpenAiNode,
    VercelAi,
    LangChain,
    LiteLlm {
        /// Text in front of the message of an error inside the stream.
        wrap: &'static str,
        /// `litellm.drop_params` is set.
        drop_params: bool,
        /// A finish that it does not know is `stop`.
        unknown_is_stop: bool,
        /// Reasoning that is no string ends in an error when the chunks are put together.
        odd_reasoning_raises: bool,
    },
    Anthropic,
    AnthropicNode,
    GoogleGenAi,
    Codex,
    Botocore,
    Cohere,
    MistralAi,
}

impl Family {
    /// The class of the errors that an SDK throws by itself.
    pub(super) fn own_error(self) -> &'static str {
        if self == Family::AnthropicNode { "AnthropicError" } else { "OpenAIError" }
    }
}
