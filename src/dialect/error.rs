//! Errors inside a stream, and the texts of error values.

use std::borrow::Cow;

use crate::json::{Kind, Value};

/// An error that arrived as a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct InBandError<'a> {
    /// The most informative text there is.
    pub message: Cow<'a, str>,
    /// The provider's type or code of it, if there is one.
    pub kind: Option<Cow<'a, str>>,
    /// In which of the known shapes.
    pub shape: ErrorShape,
}

/// The shapes of in-band errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"error":{…}}`, or a binary message that is declared an exception.
    Object,
    /// `{"error":"…"}`.
    Text,
    /// `{"object":"error","message":…}`, `{"detail":…}`: no `error` member.
    Flat,
    /// An error beside `choices`.
    WithChoices,
}

/// Returns the most informative text of a provider's error value: its `message`, or what serves as one.
/// FastAPI puts a list of complaints under `detail`, Mistral an object under `message`.
pub fn error_text<'a>(error: Value<'a>) -> Cow<'a, str> {
    if let Some(text) = error.as_str() {
        return text;
    }
    for key in TEXTS {
        match error.get(key) {
            Some(v) if v.as_str().is_some_and(|s| !s.is_empty()) => {
                return v.as_str().unwrap_or_default();
            }
            Some(v) if matches!(v.kind(), Kind::Object | Kind::Array) => {
                return complaint(v).unwrap_or(Cow::Borrowed(v.source()));
            }
            _ => {}
        }
    }
    Cow::Borrowed(error.source())
}

/// Keys of an error's text, the most informative first.
const TEXTS: [&str; 9] = [
    "message",
    "errorText",
    "error",
    "detail",
    "msg",
    "error_message",
    "errorMessage",
    "errors",
    "title",
];

/// FastAPI's `[{"loc":["body","tool_choice"],"msg":"…"}]`, bare or under `detail`, as a sentence.
fn complaint<'a>(value: Value<'a>) -> Option<Cow<'a, str>> {
    if let Some(text) = ["message", "detail"].iter().find_map(|k| value.str(k)) {
        return Some(text);
    }
    let list = value.get("detail").unwrap_or(value);
    let first = list.items().next()?;
    let msg = first.str("msg").or_else(|| first.str("message"))?;
    let place: Vec<_> = first
        .get("loc")
        .map(|l| l.items().map(|v| v.as_str().unwrap_or(Cow::Borrowed(v.source()))).collect())
        .unwrap_or_default();
    Some(if place.is_empty() { msg } else { Cow::Owned(format!("{}: {msg}", place.join("."))) })
}
