//! The vocabulary of decoders: what a payload adds to the answer.

use std::borrow::Cow;

use super::error::InBandError;
use super::{Path, Usage};

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
