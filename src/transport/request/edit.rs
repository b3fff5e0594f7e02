//! Edits of a body that is sent byte for byte: each changes one span.

use std::ops::Range;

use super::RequestError;
use crate::dialect::request::user_text::prompt_in;
use crate::json::{ErrorKind, Kind, Tape, Value};

/// Reason that a body cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is not text.
    #[error("the body is not UTF-8: {0}")]
    NotUtf8(#[from] std::str::Utf8Error),
    /// It is not JSON.
    #[error("the body is not JSON: line {line}, column {column}: {kind}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// Kind of the error there.
        kind: ErrorKind,
    },
    /// It is JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// There is no message to replace.
    #[error("the body has no user message whose text PROMPT could replace")]
    NoPrompt,
    /// There is no message to lengthen.
    #[error(
        "the body has no user message whose text could be made longer: \
         give one with a text, or let PROMPT compose it"
    )]
    NoText,
}

/// Returns the `model` field of a JSON body.
pub(crate) fn model_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut tape = Tape::new();
    tape.parse(text).ok()?;
    tape.root(text)?.str("model").map(Into::into)
}

/// Sets the model of a body that is sent byte for byte: only the value's own span changes; where
/// there is none, a field is put in front.
///
/// # Errors
/// When the body is not a JSON object.
pub fn set_model(body: &[u8], model: &str) -> Result<Vec<u8>, RequestError> {
    let value = serde_json::to_string(model).unwrap_or_default();
    edit(body, |root| {
        if let Some(old) = root.get("model") {
            return Ok((old.span(), value));
        }
        let at = root.span().start + 1;
        let comma = if root.is_empty() { "" } else { "," };
        Ok((at..at, format!("\"model\":{value}{comma}")))
    })
}

/// Sets the text of the last user message of a body: only its own span changes.
///
/// # Errors
/// When the body is not a JSON object with a user message whose content is text.
pub fn set_prompt(body: &[u8], prompt: &str) -> Result<Vec<u8>, RequestError> {
    let value = serde_json::to_string(prompt).unwrap_or_default();
    edit(body, |root| match prompt_in(root) {
        Some(text) => Ok((text.span(), value)),
        None => Err(BodyError::NoPrompt),
    })
}

pub(in crate::transport) fn edit(
    body: &[u8],
    change: impl FnOnce(Value<'_>) -> Result<(Range<usize>, String), BodyError>,
) -> Result<Vec<u8>, RequestError> {
    let text = std::str::from_utf8(body).map_err(BodyError::NotUtf8)?;
    let mut tape = Tape::new();
    tape.parse(text).map_err(|e| {
        let (line, column) = crate::json::line_column(text, e.offset);
        BodyError::NotJson { line, column, kind: e.kind }
    })?;
    let root = tape.root(text).filter(|r| r.kind() == Kind::Object);
    let root = root.ok_or(BodyError::NotAnObject)?;
    let (span, new) = change(root)?;
    Ok(format!("{}{new}{}", &text[..span.start], &text[span.end..]).into_bytes())
}
