//! Finish words by what they mean: each dialect has its own for the same end.

use super::side::Side;
use crate::inspect::rule::{is_filter, is_length};

/// What a finish word says, in whatever dialect.
#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    /// The model had said all.
    Stop,
    /// A bound on the length was reached.
    Length,
    /// Tools are to be called.
    Tools,
    /// A filter, or the model itself, refused.
    Filter,
    /// Responses and Interactions say why elsewhere: for its length, or because of a filter.
    Incomplete,
    /// A word of its own.
    Other(&'a str),
}

fn meaning(word: &str) -> Meaning<'_> {
    match word {
        "stop" | "STOP" | "end_turn" | "stop_sequence" | "STOP_SEQUENCE" | "COMPLETE"
        | "completed" | "FINISH" | "eos" | "eos_token" | "word" => Meaning::Stop,
        "tool_calls" | "tool_use" | "TOOL_CALL" | "function_call" | "requires_action" => {
            Meaning::Tools
        }
        "incomplete" => Meaning::Incomplete,
        "refusal" => Meaning::Filter,
        word if is_length(word) => Meaning::Length,
        word if is_filter(word) => Meaning::Filter,
        other => Meaning::Other(other),
    }
}

/// Whether the finish `x` of `a` and the finish `y` of `b`, in dialects of their own, say the same.
pub(super) fn alike(a: &Side<'_>, x: &str, b: &Side<'_>, y: &str) -> bool {
    match (meaning(x), meaning(y)) {
        (Meaning::Stop, Meaning::Tools) => calls_unsaid(a),
        (Meaning::Tools, Meaning::Stop) => calls_unsaid(b),
        (Meaning::Incomplete, Meaning::Length | Meaning::Filter)
        | (Meaning::Length | Meaning::Filter, Meaning::Incomplete) => true,
        (x, y) => x == y,
    }
}

/// Whether it calls tools in a dialect that has no finish word for that (Gemini, Responses).
fn calls_unsaid(side: &Side<'_>) -> bool {
    let words = side.seen.dialect().map_or(&[][..], |d| d.ending().finishes);
    let has_word = words.iter().any(|w| meaning(w) == Meaning::Tools);
    !has_word && !side.seen.answer().tools().is_empty()
}
