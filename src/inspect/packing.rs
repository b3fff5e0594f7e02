//! The packing of tokens and usage into frames: facts that some clients trip over, and no faults.

use super::Facts;
use crate::dialect::Channel;
use crate::json::{Kind, Tape, Value};

/// Number of frames from the end that are searched for the usage.
const TAIL: usize = 8;

/// Tokens by the provider's own count, and the deltas that brought them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// Tokens of the output that are in deltas.
    pub tokens: u64,
    /// Deltas of text, reasoning and calls.
    pub deltas: u64,
}

impl Packing {
    /// Returns the tokens that a delta brings on average.
    pub fn per_delta(self) -> f64 {
        self.tokens as f64 / self.deltas as f64
    }
}

impl Facts {
    /// Returns how many tokens the deltas brought; `None` without usage or deltas.
    pub fn packing(&self) -> Option<Packing> {
        let answer = self.answer();
        let usage = answer.usage;
        let output = usage.output?;
        let channels = [Channel::Content, Channel::Reasoning, Channel::Tool];
        let deltas: u64 = channels.iter().map(|c| answer.count(*c)).sum();
        // Reasoning that is counted but not shown is in no delta. Gemini and xAI do not count it in the
        // output, which the total reveals.
        let hidden = match usage.reasoning {
            Some(n) if !answer.has(Channel::Reasoning) => n,
            _ => 0,
        };
        let apart = usage.input.zip(usage.total).is_some_and(|(input, total)| {
            input.checked_add(output).and_then(|n| n.checked_add(hidden)) == Some(total)
        });
        let tokens = if apart { output } else { output.saturating_sub(hidden) };
        (deltas > 0).then_some(Packing { tokens, deltas })
    }

    /// Returns whether the usage arrived in a chunk without choices, as with `include_usage`.
    pub fn usage_is_alone(&self) -> bool {
        let mut tape = Tape::new();
        let last = self.frames().iter().rev().take(TAIL);
        last.filter_map(|frame| frame.data(self.body())).any(|data| {
            let json = tape.parse(&data).ok().and_then(|()| tape.root(&data));
            let usage = json.and_then(|json| json.get("usage"));
            usage.is_some_and(|usage| usage.kind() == Kind::Object)
                && json.and_then(|json| json.get("choices")).is_some_and(is_empty_list)
        })
    }
}

fn is_empty_list(value: Value<'_>) -> bool {
    value.kind() == Kind::Array && value.is_empty()
}
