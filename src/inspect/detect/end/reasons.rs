//! Meanings of the words of finish reasons.

use crate::inspect::Facts;

/// Returns whether a finish reason means that the token limit was reached.
pub(in crate::inspect) fn is_length(reason: &str) -> bool {
    matches!(
        reason,
        "length"
            | "LENGTH"
            | "max_tokens"
            | "MAX_TOKENS"
            | "max_output_tokens"
            | "model_length"
            | "limit"
            | "model_context_window_exceeded"
            | "ERROR_LIMIT"
    )
}

impl Facts {
    /// Returns whether the token limit ended a choice.
    pub fn ended_by_length(&self) -> bool {
        let answer = self.answer();
        answer.finish().any(|(choice, text)| is_length(answer.cause(choice).unwrap_or(text)))
    }
}

/// Returns whether a finish reason means that a filter ended the answer.
pub(in crate::inspect) fn is_filter(reason: &str) -> bool {
    matches!(
        reason,
        "content_filter"
            | "content-filter"
            | "content_filtered"
            | "CONTENT_FILTERED"
            | "guardrail_intervened"
            | "sensitive"
            | "safety"
            | "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR"
            | "ERROR_TOXIC"
    )
}

/// A choice's finish as it is reported: the word, and the cause beside it.
pub(in crate::inspect::detect) fn finish_words(facts: &Facts, choice: u32, reason: &str) -> String {
    match facts.answer().cause(choice) {
        Some(cause) => format!("\"{reason}\", {cause}"),
        None => format!("\"{reason}\""),
    }
}
