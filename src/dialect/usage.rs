//! Token counts, as the provider sends them.

use crate::json::Value;

/// Token counts; `None` where the provider sent none. Never computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input: Option<u64>,
    /// Tokens of the answer.
    pub output: Option<u64>,
    /// Tokens of the reasoning (within `output` or beside it, as the provider counts).
    pub reasoning: Option<u64>,
    /// Tokens of the prompt that were read from a cache.
    pub cached: Option<u64>,
    /// The total, as sent.
    pub total: Option<u64>,
}

impl Usage {
    /// Takes over every count that `later` has.
    pub fn update(&mut self, later: Usage) {
        self.input = later.input.or(self.input);
        self.output = later.output.or(self.output);
        self.reasoning = later.reasoning.or(self.reasoning);
        self.cached = later.cached.or(self.cached);
        self.total = later.total.or(self.total);
    }

    /// Returns whether there is any count.
    pub fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Reads OpenAI's `usage` object. Of what imitators put beside its counts, only `reasoning_tokens`
    /// at the top is read, and only where there are no details; the rest (`cached_tokens`,
    /// `prompt_cache_hit_tokens`) means other things with each of them and stays in the JSON, where
    /// the shape table shows it.
    pub fn openai(usage: Value<'_>) -> Self {
        let count = |path: &[&str]| usage.at(path).and_then(Value::as_u64);
        Self {
            input: count(&["prompt_tokens"]),
            output: count(&["completion_tokens"]),
            reasoning: match usage.get("completion_tokens_details").filter(|d| !d.is_null()) {
                Some(details) => details.get("reasoning_tokens").and_then(Value::as_u64),
                None => count(&["reasoning_tokens"]),
            },
            cached: count(&["prompt_tokens_details", "cached_tokens"]),
            total: count(&["total_tokens"]),
        }
    }
}
