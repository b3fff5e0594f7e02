//! Speakers: how a dialect says what a scenario means.
//!
//! To add a dialect, write a file beside this one and a row in [`SPEAKERS`].

mod openai_chat;

use serde_json::{Map, Value};

use super::step::{Counts, ErrorBody, ReasoningField};

/// One thing to say, in no dialect.
#[derive(Clone, Debug)]
pub(super) enum Speech {
    Role(String),
    Content(String),
    Reasoning(String, ReasoningField),
    Refusal(String),
    /// A tool call begins …
    ToolStart {
        index: u32,
        id: String,
        name: String,
    },
    /// … and goes on.
    ToolArguments {
        index: u32,
        text: String,
    },
    Finish(String),
    /// `None`: the counts of this very answer, if asked for.
    Usage(Option<Counts>),
    Error(ErrorBody),
    Done,
    /// A delta in the words of OpenAI Chat; other dialects leave it out.
    Delta(Map<String, Value>),
}

/// One frame, before it is put into its envelope.
pub(super) struct Frame {
    /// The SSE event's name, where the dialect has names.
    pub(super) event: Option<&'static str>,
    pub(super) data: Data,
}

/// What a frame carries.
pub(super) enum Data {
    Json(Map<String, Value>),
    Text(String),
}

/// What stands around the data of a frame.
#[derive(Clone, Copy)]
pub(super) struct Envelope {
    pub(super) prefix: &'static str,
    pub(super) end: &'static str,
}

impl Envelope {
    pub(super) const SSE: Self = Self { prefix: "data: ", end: "\n\n" };
}

/// Who answers, and how: all that differs from exchange to exchange.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) id: String,
    pub(super) model: String,
    /// Unix time in seconds.
    pub(super) created: u64,
    pub(super) input_tokens: u64,
    /// The request asked for usage.
    pub(super) include_usage: bool,
    /// The scenario puts running usage into every frame.
    pub(super) usage_every: bool,
}

/// Turns speech into the frames of one dialect, for one answer.
pub(super) trait Speaker: Send {
    /// The frame that says this; `None` if the dialect has no word for it.
    fn frame(&mut self, choice: u32, speech: &Speech) -> Option<Frame>;

    /// The answer to a request that wants no stream.
    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value;

    /// What its frames are wrapped in.
    fn envelope(&self) -> Envelope {
        Envelope::SSE
    }

    /// The content type of its streams.
    fn content_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }
}

/// One dialect.
pub(super) struct Row {
    /// Its name, as in `--dialect`.
    pub(super) dialect: &'static str,
    /// How its endpoint's path ends, whatever stands before.
    pub(super) path_end: &'static str,
    pub(super) new: fn(Manner) -> Box<dyn Speaker>,
    /// The body of a refusal: message, type, param, code.
    pub(super) refusal: fn(&str, &str, Option<&str>, Option<&str>) -> Value,
}

/// The dialects that the lab speaks.
pub(super) const SPEAKERS: &[Row] = &[openai_chat::ROW];

/// The dialect of a path, if it is an endpoint at all.
pub(super) fn at(path: &str) -> Option<&'static Row> {
    SPEAKERS.iter().find(|row| path.ends_with(row.path_end))
}
