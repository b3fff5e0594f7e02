//! Requests: one neutral form between all dialects, and what each can and cannot say of it.
//!
//! A dialect reads its own body into an [`ChatRequest`] and writes an [`ChatRequest`] as its own body. Whatever of a
//! body no reader took is known by that alone ([`TrackedJson`]), so a dialect need not list what it
//! ignores, and nothing can be forgotten silently.

pub(super) mod chat;
mod fields;
mod shared;
mod tracked;
mod translate;
pub(crate) mod user_text;

pub use fields::likely_field;
pub(super) use shared::{
    arguments_object, image, image_url, in_address, joined_prompt, lose_effort, lose_tools,
    media_of, only_text, put, read_common, read_effort_word, read_prompt, read_same, read_stop,
    usage_always, write_effort_word, write_model, write_numbers, write_same, write_stop,
    write_stream, write_system,
};
pub use tracked::{TrackedJson, TrackedValue};
pub use translate::{TranslateError, Translation, are_alike, by_address, translate};

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value};

/// The way that a dialect's requests are made.
#[derive(Debug, Clone, Copy)]
pub struct RequestSide {
    /// Path after the provider's base URL; `{model}` in it represents the model.
    pub path: &'static str,
    /// The header that carries the key, and what precedes the key in it.
    pub key_header: (&'static str, &'static str),
    /// Headers that every request has, name and value.
    pub headers: &'static [(&'static str, &'static str)],
    /// Takes from a body what an [`ChatRequest`] can hold.
    pub read: fn(TrackedValue<'_>) -> ChatRequest,
    /// Writes a body, members in the order of the dialect's documents, and notes what it cannot
    /// say or says otherwise.
    pub write: fn(&ChatRequest, &mut Notes) -> Map<String, Value>,
}

impl RequestSide {
    /// With the key as a bearer token, and no headers that every request has.
    pub(super) const fn bearer(
        path: &'static str,
        read: fn(TrackedValue<'_>) -> ChatRequest,
        write: fn(&ChatRequest, &mut Notes) -> Map<String, Value>,
    ) -> Self {
        Self { path, key_header: ("authorization", "Bearer "), headers: &[], read, write }
    }
}

/// A value, and the JSON path that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The JSON path; empty where no body has it in so many words.
    pub at: String,
}

impl<T> From<T> for Located<T> {
    fn from(value: T) -> Self {
        Self { value, at: String::new() }
    }
}

/// A request without a dialect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// The model.
    pub model: Option<Located<String>>,
    /// System prompts, in order.
    pub system: Vec<Located<String>>,
    /// The conversation.
    pub turns: Vec<Turn>,
    /// The functions that may be called.
    pub tools: Vec<ToolDefinition>,
    /// Rule for whether they must be called.
    pub choice: Option<Located<ToolChoice>>,
    /// Parameters that are one number each.
    pub numbers: BTreeMap<Param, Located<serde_json::Number>>,
    /// Texts at which to stop.
    pub stop: Vec<Located<String>>,
    /// The amount of thinking.
    pub effort: Option<Located<Effort>>,
    /// True if the answer arrives as a stream.
    pub stream: Option<Located<bool>>,
    /// True if a stream reports its usage.
    pub usage: Option<Located<bool>>,
    /// Members that some dialects have by the same name and in the same shape.
    pub same: Vec<(&'static str, Located<Value>)>,
}

/// The side that speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatRole {
    /// The user, and the tools' results.
    User,
    /// The model.
    Assistant,
}

/// The parts that one side says at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The side.
    pub role: ChatRole,
    /// The parts, in order.
    pub parts: Vec<Located<TurnPart>>,
}

/// A piece of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnPart {
    /// Text.
    Text(String),
    /// An image by its address.
    ImageUrl(String),
    /// An image itself.
    Image {
        /// Its media type.
        media: String,
        /// Its bytes in base64.
        data: String,
    },
    /// The model calls a function.
    Call {
        /// The call's id.
        id: Located<String>,
        /// The function.
        name: String,
        /// Its arguments; a string when they are not JSON.
        arguments: Value,
    },
    /// The result of the function.
    Result {
        /// The call's id.
        id: Located<String>,
        /// The function.
        name: Located<String>,
        /// The result as text.
        text: String,
    },
}

/// A function that may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    /// The JSON path where it was declared.
    pub at: String,
    /// Its name.
    pub name: String,
    /// Description of what it does.
    pub description: Option<String>,
    /// Its arguments' JSON schema.
    pub schema: Option<Value>,
}

/// A rule for whether functions are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Tool(String),
}

/// A parameter that is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Param {
    /// The longest answer, in tokens.
    MaxTokens,
    /// Sampling's temperature.
    Temperature,
    /// Nucleus sampling.
    TopP,
    /// Sampling among so many tokens.
    TopK,
    /// Sampling's seed.
    Seed,
    /// A penalty for what was there.
    PresencePenalty,
    /// A penalty for what was there often.
    FrequencyPenalty,
}

/// The places of a dialect's numbers: the first row of a parameter is where it is written, the others are
/// read too.
pub type Numbers = &'static [(Param, &'static [&'static str])];

/// The amount of thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effort {
    /// Not at all.
    Off,
    /// As the model likes.
    Auto,
    /// By a word: `low`, `medium`, `high` and what else there is.
    Word(String),
    /// So many tokens.
    Tokens(u64),
}

/// Words as budgets, as Google documents them for its OpenAI endpoint; beyond `high` by doubling.
const BUDGETS: &[(&str, u64)] = &[
    ("low", 1024),
    ("medium", 8192),
    ("high", 24576),
    // These are only read; no budget is translated to one of them.
    ("minimal", 1024),
    ("xhigh", 49152),
    ("max", 49152),
];

impl Effort {
    /// Returns the effort that a word means.
    pub fn of_word(word: &str) -> Self {
        match word {
            "none" => Effort::Off,
            "auto" | "dynamic" => Effort::Auto,
            word => Effort::Word(word.to_owned()),
        }
    }

    /// Returns the effort that a budget means: 0 is none, a negative one the model's choice (Google's words).
    pub fn of_tokens(tokens: i64) -> Self {
        match u64::try_from(tokens) {
            Ok(0) => Effort::Off,
            Ok(tokens) => Effort::Tokens(tokens),
            Err(_) => Effort::Auto,
        }
    }

    /// As one of the words that a dialect knows, the nearest there is.
    pub fn word(&self, known: &[&'static str]) -> &'static str {
        let of = |word: &str| known.iter().find(|k| **k == word).copied();
        let least = || of("none").or_else(|| of("minimal")).or_else(|| of("low"));
        let word = match self {
            Effort::Off => least(),
            Effort::Auto => of("medium"),
            Effort::Word(word) => of(word).or_else(|| match word.as_str() {
                "minimal" | "low" => of("low"),
                "medium" => of("medium"),
                _ => of("high"),
            }),
            Effort::Tokens(n) => {
                let nearest = BUDGETS[..3].iter().min_by_key(|(_, tokens)| tokens.abs_diff(*n));
                nearest.and_then(|(word, _)| of(word))
            }
        };
        word.or_else(|| known.last().copied()).unwrap_or("high")
    }

    /// As a budget of tokens; 0 is none. `None` when the model chooses.
    pub fn tokens(&self) -> Option<u64> {
        match self {
            Effort::Off => Some(0),
            Effort::Auto => None,
            Effort::Tokens(tokens) => Some(*tokens),
            Effort::Word(word) => {
                let row = BUDGETS.iter().find(|(known, _)| known == word);
                Some(row.map_or(8192, |(_, tokens)| *tokens))
            }
        }
    }
}

impl ChatRequest {
    /// The smallest request there is: a model, a prompt, and a stream that counts its tokens.
    pub fn minimal(model: &str, prompt: &str, system: Option<&str>) -> Self {
        let text = TurnPart::Text(prompt.to_owned());
        Self {
            model: Some(model.to_owned().into()),
            system: system.map(|s| s.to_owned().into()).into_iter().collect(),
            turns: vec![Turn { role: ChatRole::User, parts: vec![text.into()] }],
            stream: Some(true.into()),
            usage: Some(true.into()),
            ..Self::default()
        }
    }

    /// Adds a part to the current turn of its side, or begins one.
    pub fn push(&mut self, role: ChatRole, part: Located<TurnPart>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.push(part),
            _ => self.turns.push(Turn { role, parts: vec![part] }),
        }
    }

    /// The turns such that the sides take turns.
    pub fn alternating(&self) -> Vec<Turn> {
        let mut merged = Self::default();
        for turn in &self.turns {
            for part in &turn.parts {
                merged.push(turn.role, part.clone());
            }
        }
        merged.turns
    }

    /// Assigns ids to calls without one, and to results the id or the name of the call that they lack: a
    /// result without an id is that of the first call of its name that has none yet.
    pub fn complete(&mut self) {
        let mut names: HashMap<String, String> = HashMap::new();
        let mut waiting: HashMap<String, VecDeque<String>> = HashMap::new();
        for part in self.turns.iter_mut().flat_map(|t| &mut t.parts) {
            match &mut part.value {
                TurnPart::Call { id, name, .. } => {
                    if id.value.is_empty() {
                        id.value = format!("call_{}", names.len() + 1);
                    }
                    names.insert(id.value.clone(), name.clone());
                    waiting.entry(name.clone()).or_default().push_back(id.value.clone());
                }
                TurnPart::Result { id, name, .. } => {
                    if id.value.is_empty()
                        && let Some(call) =
                            waiting.get_mut(&name.value).and_then(VecDeque::pop_front)
                    {
                        id.value = call;
                    }
                    if name.value.is_empty()
                        && let Some(called) = names.get(&id.value)
                    {
                        name.value.clone_from(called);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The disposition of something that a body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Disposition {
    /// The other dialect cannot say it: it is gone.
    Lost,
    /// It is said otherwise, and not quite the same.
    Changed,
    /// It was not said, and is now.
    Added,
    /// It need not be said in the body: it is in the address, or goes without saying.
    Elsewhere,
}

impl Disposition {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A word about one place of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its disposition.
    pub disposition: Disposition,
    /// Its JSON path: in the source, and of something added in the target.
    pub path: String,
    /// The value there as JSON; cut after 200 bytes.
    pub value: String,
    /// The reason, or what it is now.
    pub why: String,
}

/// Notes being taken.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    list: Vec<Note>,
}

impl Notes {
    /// It is gone.
    pub fn lost(&mut self, at: &str, why: impl Into<String>) {
        self.note(Disposition::Lost, at, why);
    }

    /// It is not quite the same.
    pub fn changed(&mut self, at: &str, why: impl Into<String>) {
        self.note(Disposition::Changed, at, why);
    }

    /// It goes without saying.
    pub fn elsewhere(&mut self, at: &str, why: impl Into<String>) {
        self.note(Disposition::Elsewhere, at, why);
    }

    /// It is new; `at` is its path in the target.
    pub fn added(&mut self, at: &str, why: impl Into<String>) {
        self.note(Disposition::Added, at, why);
    }

    /// Nothing is said of what was never said.
    fn note(&mut self, disposition: Disposition, at: &str, why: impl Into<String>) {
        if !at.is_empty() {
            let path = at.to_owned();
            self.list.push(Note { disposition, path, value: String::new(), why: why.into() });
        }
    }

    /// All of them, in the order taken.
    pub fn into_list(self) -> Vec<Note> {
        self.list
    }
}

#[cfg(test)]
mod tests;
