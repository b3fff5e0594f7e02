//! A speaker's memory of what it has said: counts, and whole answers.

use std::collections::BTreeMap;

use super::Speech;
use crate::lab::step::{ReasoningField, TokenCounts};

/// Tokens so far. A piece is a token here, and reasoning is a part of the output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TokenTally {
    output: u64,
    reasoning: u64,
}

impl TokenTally {
    pub(super) fn count(&mut self, speech: &Speech) {
        let reasoning = matches!(speech, Speech::Reasoning(..));
        let output = matches!(
            speech,
            Speech::Content(_) | Speech::Refusal(_) | Speech::ToolArguments { .. }
        );
        self.reasoning += u64::from(reasoning);
        self.output += u64::from(reasoning || output);
    }

    pub(super) fn counts(&self, input: u64) -> TokenCounts {
        TokenCounts { input, output: self.output, reasoning: self.reasoning, total: None }
    }
}

/// An answer that is no stream.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) choices: BTreeMap<u32, GatheredChoice>,
    /// The counts that the scenario specifies.
    given: Option<TokenCounts>,
    tally: TokenTally,
}

impl Gathered {
    pub(super) fn new(spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Self {
        let mut all = Self::default();
        for (index, speech) in spoken {
            all.tally.count(&speech);
            match speech {
                Speech::Usage(counts) => all.given = counts.or(all.given),
                Speech::Error(_) | Speech::Done | Speech::Role(_) | Speech::Delta(_) => {}
                speech => all.choices.entry(index).or_default().take(&speech),
            }
        }
        all
    }

    /// Returns the counts that the scenario specifies, or otherwise the true ones.
    pub(super) fn counts(&self, input: u64) -> TokenCounts {
        self.given.unwrap_or_else(|| self.tally.counts(input))
    }

    /// Returns the answer, in dialects that have only one.
    pub(super) fn only(&mut self) -> GatheredChoice {
        self.choices.remove(&0).unwrap_or_default()
    }
}

/// One choice of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct GatheredChoice {
    pub(super) content: String,
    pub(super) reasoning: Option<(ReasoningField, String)>,
    pub(super) refusal: Option<String>,
    /// By index.
    pub(super) tools: BTreeMap<u32, GatheredCall>,
    pub(super) finish: Option<String>,
}

/// One call of a tool.
#[derive(Clone, Debug, Default)]
pub(super) struct GatheredCall {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON, if the scenario wants it to be.
    pub(super) arguments: String,
}

impl GatheredCall {
    /// The arguments as JSON; as a string where they are none.
    pub(super) fn input(&self) -> serde_json::Value {
        let text = self.arguments.as_str();
        if text.is_empty() {
            return serde_json::json!({});
        }
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    }
}

/// A call whose arguments are still being said, in dialects that send calls whole.
#[derive(Debug, Default)]
pub(super) struct Pending(Option<(u32, GatheredCall)>);

impl Pending {
    /// Keeps a piece of a call. Returns the call, with its index, that this speech ends, if it ends one.
    pub(super) fn take(&mut self, speech: &Speech) -> Option<(u32, GatheredCall)> {
        match (speech, &mut self.0) {
            (Speech::ToolArguments { text, .. }, Some((_, tool))) => tool.arguments += text,
            (Speech::ToolArguments { .. }, None) => {}
            (Speech::ToolStart { index, id, name }, _) => {
                let (id, name) = (id.clone(), name.clone());
                return self
                    .0
                    .replace((*index, GatheredCall { id, name, arguments: String::new() }));
            }
            _ => return self.0.take(),
        }
        None
    }
}

impl GatheredChoice {
    /// Adds one piece.
    pub(super) fn take(&mut self, speech: &Speech) {
        match speech {
            Speech::Content(text) => self.content += text,
            Speech::Refusal(text) => *self.refusal.get_or_insert_default() += text,
            Speech::Reasoning(text, field) => {
                self.reasoning.get_or_insert((*field, String::new())).1 += text;
            }
            Speech::ToolStart { index, id, name } => {
                let (id, name) = (id.clone(), name.clone());
                self.tools.insert(*index, GatheredCall { id, name, arguments: String::new() });
            }
            Speech::ToolArguments { index, text } => {
                self.tools.entry(*index).or_default().arguments += text;
            }
            Speech::Finish(reason) => self.finish = Some(reason.clone()),
            Speech::Role(_)
            | Speech::Usage(_)
            | Speech::Error(_)
            | Speech::Done
            | Speech::Delta(_) => {}
        }
    }
}
