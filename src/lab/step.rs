//! The steps of a scenario, and the beats that they are played in.
//!
//! Most steps are *speech*: they say what an answer consists of, and the
//! speaker of the dialect turns them into bytes. The others are the same in
//! every dialect.

use serde::Deserialize;

/// The time before a frame, in ms: one number, or a range to draw from.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Gap {
    Fixed(f64),
    Range([f64; 2]),
}

impl Default for Gap {
    fn default() -> Self {
        Self::Range([20.0, 40.0])
    }
}

/// One step: a verb, and what differs for it alone.
#[derive(Debug)]
pub(super) struct ScenarioStep {
    pub(super) verb: Verb,
    /// The choice that speaks.
    pub(super) choice: u32,
    pub(super) prefix: Option<String>,
    pub(super) end: Option<String>,
    pub(super) set: Option<String>,
    pub(super) gap: Option<Gap>,
}

/// The action of a step.
#[derive(Debug)]
pub(super) enum Verb {
    /// `role = "assistant"`
    Role(String),
    /// `content = "text"`, cut into pieces, or `content = ["exact", " pieces"]`
    Content(TextPieces),
    /// `reasoning = "text"`, with `field`: which member of the delta
    Reasoning(TextPieces, ReasoningField),
    /// `refusal = "text"`
    Refusal(TextPieces),
    /// `generate = 20000`: so many pieces of made-up content;
    /// `whole = true`: all in one frame
    Generate { pieces: usize, whole: bool },
    /// `tool_call = { index = 0, id = "…", name = "…", arguments = "…" }`
    ToolCall(ScenarioToolCall),
    /// `finish = "stop"`
    Finish(String),
    /// `usage = true`: the true counts, if the request asked for them;
    /// `usage = { input = 1, … }`: these, always
    Usage(Option<TokenCounts>),
    /// `error = { message = "…", type = "…", code = "…", param = "…" }`
    Error(ErrorBody),
    /// `done = true`: the dialect's sentinel
    Done,
    /// `delta = '{…}'`: a delta of this JSON (OpenAI Chat only)
    Delta(String),
    /// `data = '…'`: one frame with this data
    Data(String),
    /// `comment = " keep-alive"`: what follows the colon
    Comment(String),
    /// `raw = '…'`: bytes of the body
    Raw(String),
    /// `wire = '…'`: bytes of the connection, past the transfer coding
    Wire(String),
    /// `wait = 500`: ms
    Wait(f64),
    /// `cut = true`: the connection ends here (FIN), without the body's end
    Cut,
    /// `reset = true`: and here with RST
    Reset,
    /// `stall = true`: silence until the client stops waiting; `stall = { comment = " keep-alive", every =
    /// 2000 }`: comments only
    Stall(Option<Drip>),
}

/// A text, to be cut into pieces or cut already.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TextPieces {
    Text(String),
    Exact(Vec<String>),
}

impl TextPieces {
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Self::Text(text) => super::text::pieces(text),
            Self::Exact(pieces) => pieces.clone(),
        }
    }
}

/// The place where OpenAI-like providers put reasoning. Other dialects have one place for it and don't look
/// here.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReasoningField {
    /// DeepSeek and most others.
    #[default]
    ReasoningContent,
    /// vLLM since 2026, Groq, Cerebras.
    Reasoning,
    /// OpenRouter: `reasoning` and, again, `reasoning_details`.
    ReasoningDetails,
    /// Mistral: `content` as a list with a part of type `thinking`.
    Thinking,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioToolCall {
    #[serde(default)]
    pub(super) index: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: TextPieces,
}

/// Token counts.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenCounts {
    pub(super) input: u64,
    pub(super) output: u64,
    #[serde(default)]
    pub(super) reasoning: u64,
    /// `None`: the sum.
    pub(super) total: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorBody {
    pub(super) message: String,
    #[serde(rename = "type", default = "server_error")]
    pub(super) kind: String,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
}

fn server_error() -> String {
    "server_error".to_owned()
}

/// Comments during a stall.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drip {
    pub(super) comment: String,
    /// ms
    pub(super) every: f64,
}

/// A step as it is in the file: every verb is a field, and exactly one of them may be there. (An enum would
/// say so by itself, but could not have fields beside the verb.)
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStep {
    role: Option<String>,
    content: Option<TextPieces>,
    reasoning: Option<TextPieces>,
    refusal: Option<TextPieces>,
    generate: Option<usize>,
    tool_call: Option<ScenarioToolCall>,
    finish: Option<String>,
    usage: Option<TrueOr<TokenCounts>>,
    error: Option<ErrorBody>,
    done: Option<bool>,
    delta: Option<String>,
    data: Option<String>,
    comment: Option<String>,
    raw: Option<String>,
    wire: Option<String>,
    wait: Option<f64>,
    cut: Option<bool>,
    reset: Option<bool>,
    stall: Option<TrueOr<Drip>>,
    // Options next to the verb.
    field: Option<ReasoningField>,
    #[serde(default)]
    whole: bool,
    #[serde(default)]
    choice: u32,
    prefix: Option<String>,
    end: Option<String>,
    set: Option<String>,
    gap: Option<Gap>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TrueOr<T> {
    Flag(bool),
    Value(T),
}

impl<T> TrueOr<T> {
    fn is_false(&self) -> bool {
        matches!(self, Self::Flag(false))
    }

    fn value(self) -> Option<T> {
        match self {
            Self::Flag(_) => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// The error in a step, for the author of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum StepError {
    /// A verb is switched off.
    #[error("a step is left out by leaving it out, not by `false`")]
    False,
    /// It does nothing.
    #[error("a step without a verb")]
    NoVerb,
    /// It does two things.
    #[error("a step with two verbs")]
    TwoVerbs,
    /// `field` is beside another verb.
    #[error("`field` goes with `reasoning`")]
    Field,
    /// `whole` is beside another verb.
    #[error("`whole` goes with `generate`")]
    Whole,
    /// A value is not an object.
    #[error("`set` and `delta` must be JSON objects")]
    NotAnObject,
}

impl ScenarioStep {
    /// Checks a step.
    pub(super) fn new(raw: RawStep) -> Result<Self, StepError> {
        let field = raw.field;
        let whole = raw.whole;
        // There is nothing that `done = false` could mean.
        let flags = [raw.done, raw.cut, raw.reset];
        let values =
            [raw.usage.as_ref().map(TrueOr::is_false), raw.stall.as_ref().map(TrueOr::is_false)];
        if flags.contains(&Some(false)) || values.contains(&Some(true)) {
            return Err(StepError::False);
        }
        let flag = |it: Option<bool>, verb| it.map(|_| verb);
        let mut verbs = [
            raw.role.map(Verb::Role),
            raw.content.map(Verb::Content),
            raw.reasoning.map(|it| Verb::Reasoning(it, field.unwrap_or_default())),
            raw.refusal.map(Verb::Refusal),
            raw.generate.map(|pieces| Verb::Generate { pieces, whole }),
            raw.tool_call.map(Verb::ToolCall),
            raw.finish.map(Verb::Finish),
            raw.usage.map(|it| Verb::Usage(it.value())),
            raw.error.map(Verb::Error),
            flag(raw.done, Verb::Done),
            raw.delta.map(Verb::Delta),
            raw.data.map(Verb::Data),
            raw.comment.map(Verb::Comment),
            raw.raw.map(Verb::Raw),
            raw.wire.map(Verb::Wire),
            raw.wait.map(Verb::Wait),
            flag(raw.cut, Verb::Cut),
            flag(raw.reset, Verb::Reset),
            raw.stall.map(|it| Verb::Stall(it.value())),
        ]
        .into_iter()
        .flatten();
        let verb = verbs.next().ok_or(StepError::NoVerb)?;
        if verbs.next().is_some() {
            return Err(StepError::TwoVerbs);
        }
        if field.is_some() && !matches!(verb, Verb::Reasoning(..)) {
            return Err(StepError::Field);
        }
        if whole && !matches!(verb, Verb::Generate { .. }) {
            return Err(StepError::Whole);
        }
        let objects = [raw.set.as_deref(), verb.object()];
        if objects.into_iter().flatten().any(|it| !is_object(it)) {
            return Err(StepError::NotAnObject);
        }
        Ok(Self {
            verb,
            choice: raw.choice,
            prefix: raw.prefix,
            end: raw.end,
            set: raw.set,
            gap: raw.gap,
        })
    }
}

impl Verb {
    fn object(&self) -> Option<&str> {
        match self {
            Self::Delta(json) => Some(json),
            _ => None,
        }
    }
}

/// Returns whether a text is a JSON object, once its placeholders are filled in.
pub(super) fn is_object(text: &str) -> bool {
    let filled = text.replace("$SEQ", "1").replace("$CREATED", "1");
    serde_json::from_str::<serde_json::Map<_, _>>(&filled).is_ok()
}
