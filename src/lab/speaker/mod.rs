//! Speakers: how a dialect says what a scenario means.
//!
//! To add a dialect, write a file beside this one and a row in [`SPEAKERS`].

mod anthropic;
mod bedrock;
mod bedrock_invoke;
mod cohere;
mod gathered;
mod gemini;
mod mistral;
mod ollama;
mod openai_chat;
mod openai_completions;
mod openai_responses;

use serde_json::{Map, Value};

use self::gathered::TokenTally;
use super::envelope::Envelope;
use super::step::{ErrorBody, ReasoningField, TokenCounts};
use super::turn::Declared;

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
    /// … and continues.
    ToolArguments {
        index: u32,
        text: String,
    },
    Finish(String),
    /// `None`: the counts of this very answer, if asked for.
    Usage(Option<TokenCounts>),
    Error(ErrorBody),
    Done,
    /// A delta in the words of OpenAI Chat; other dialects leave it out.
    Delta(Map<String, Value>),
}

/// One frame, before it is put into its envelope.
#[derive(Debug)]
pub(super) struct SpokenFrame {
    /// The event's name, where the dialect has names: of SSE's `event:`, of AWS's `:event-type`
    /// (or `:exception-type`, if it ends in `Exception`).
    pub(super) event: Option<&'static str>,
    pub(super) data: Data,
}

/// The content of a frame.
#[derive(Debug)]
pub(super) enum Data {
    Json(Map<String, Value>),
    Text(String),
    /// Text without any envelope, such as the end of an array.
    Bare(String),
}

impl SpokenFrame {
    /// A frame without a name. What is no object goes out as its text.
    pub(super) fn json(value: Value) -> Self {
        Self { event: None, data: Data::from(value) }
    }

    /// A frame with a name.
    pub(super) fn event(name: &'static str, value: Value) -> Self {
        Self { event: Some(name), data: Data::from(value) }
    }
}

impl From<Value> for Data {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(map) => Self::Json(map),
            other => Self::Text(other.to_string()),
        }
    }
}

/// The identity and manner of an answer: all that differs from exchange to exchange.
#[derive(Clone, Debug, Default)]
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
    /// The `usage` step of the answer, before or after what is being said. Dialects that report usage
    /// together with the finish reason have to know beforehand.
    pub(super) usage: Option<UsageStep>,
    /// The tools that the request declares.
    pub(super) tools: Vec<Declared>,
}

impl Manner {
    /// Returns the counts of a dialect that reports them without being asked: those that the scenario
    /// specifies, or otherwise the true ones so far.
    fn counts(&self, tally: TokenTally) -> TokenCounts {
        match self.usage {
            Some(UsageStep::Given(counts)) => counts,
            Some(UsageStep::True) | None => tally.counts(self.input_tokens),
        }
    }
}

/// A `usage` step.
#[derive(Clone, Copy, Debug)]
pub(super) enum UsageStep {
    /// The true counts.
    True,
    /// These.
    Given(TokenCounts),
}

/// Turns speech into the frames of one dialect, for one answer.
pub(super) trait Speaker: Send {
    /// Adds the frames that say this to `out`; none if the dialect has no word for it. The first of them
    /// takes the scenario's time, the others arrive with it.
    fn speak(&mut self, choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>);

    /// The answer to a request that wants no stream.
    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value;
}

/// One endpoint of a dialect. A dialect may have several.
pub(super) struct Endpoint {
    /// Its name, as in `--dialect`.
    pub(super) dialect: &'static str,
    /// The end of its path, whatever precedes it; `{model}` in it is the placeholder of the model.
    pub(super) path: &'static str,
    /// A parameter that must be in the query, such as `alt=sse`; empty: none.
    pub(super) query: &'static str,
    pub(super) streams: StreamPolicy,
    pub(super) envelope: Envelope,
    /// True if one stream can hold several answers.
    pub(super) choices: bool,
    /// The beginning of an answer's id.
    pub(super) id: &'static str,
    pub(super) new: fn(Manner) -> Box<dyn Speaker>,
    /// The body of a refusal.
    pub(super) refusal: fn(&Refusal<'_>) -> Value,
}

impl Endpoint {
    /// The header that an error with this status has besides, where the body doesn't say enough.
    pub(super) fn error_header(&self, status: u16) -> Option<(&'static str, &'static str)> {
        let aws = self.envelope == Envelope::Messages;
        aws.then(|| ("x-amzn-errortype", bedrock::error_type(status)))
    }
}

/// The condition under which an endpoint streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamPolicy {
    /// If the body has `"stream": true`.
    IfAsked,
    /// Unless the body has `"stream": false`.
    Unless,
    Always,
    Never,
}

/// An error instead of an answer: why the lab doesn't play, or what a scenario plays.
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) message: &'a str,
    /// OpenAI's word for what kind it is, if the scenario has one.
    pub(super) kind: Option<&'a str>,
    /// The member of the request that is wrong.
    pub(super) param: Option<&'a str>,
    /// OpenAI's word for it.
    pub(super) code: Option<&'a str>,
}

/// The dialects that the lab speaks. Of two that share a path, the first answers, and the other
/// one where the path begins with its name (`/mistral/v1/chat/completions`).
pub(super) const SPEAKERS: &[Endpoint] = &[
    openai_chat::ROW,
    openai_completions::ROW,
    openai_responses::ROW,
    anthropic::ROW,
    mistral::ROW,
    gemini::ROW,
    gemini::WHOLE,
    gemini::ARRAY,
    ollama::ROW,
    ollama::GENERATE,
    cohere::ROW,
    bedrock::ROW,
    bedrock::WHOLE,
    bedrock_invoke::ROW,
    bedrock_invoke::WHOLE,
];

/// The names of all dialects that the lab speaks, without repetition.
pub(super) fn dialects() -> Vec<&'static str> {
    let mut names: Vec<&str> = SPEAKERS.iter().map(|row| row.dialect).collect();
    names.dedup();
    names
}

/// Returns the endpoint of a path and query, and the model in the path, percent-decoded.
pub(super) fn at(path: &str, query: &str) -> Option<(&'static Endpoint, Option<String>)> {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let named = SPEAKERS.iter().any(|row| row.dialect == first);
    SPEAKERS.iter().filter(|row| !named || row.dialect == first).find_map(|row| {
        let asked = row.query.is_empty() || query.split('&').any(|it| it == row.query);
        let Some((before, after)) = row.path.split_once("{model}") else {
            return (asked && path.ends_with(row.path)).then_some((row, None));
        };
        let (_, rest) = path.split_once(before)?;
        let model = rest.strip_suffix(after).filter(|it| asked && !it.is_empty())?;
        let model = percent_encoding::percent_decode_str(model).decode_utf8_lossy();
        Some((row, Some(model.into_owned())))
    })
}

/// A scenario's finish reason, which is one of Chat's, in a dialect's word. Any other goes out as
/// it is.
pub(super) fn finish_word<'a>(reason: &'a str, words: &[(&str, &'a str)]) -> &'a str {
    words.iter().find(|(chat, _)| *chat == reason).map_or(reason, |(_, own)| own)
}

#[cfg(test)]
mod tests;
