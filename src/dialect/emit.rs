//! Reports that decoders have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Channel, DecodeEvent, ErrorShape, InBandError, Path, ToolPiece, error_text};
use crate::json::Value;

/// Reports a choice's text, if there is any.
pub(super) fn emit_text_in(
    choice: u32,
    channel: Channel,
    path: Path,
    text: Option<Cow<'_, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    if let Some(text) = text.filter(|t| !t.is_empty()) {
        emit(DecodeEvent::Text { choice, channel, path, text, duplicate: false });
    }
}

/// The same where there is but one choice.
pub(super) fn emit_text(
    channel: Channel,
    path: Path,
    text: Option<Cow<'_, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    emit_text_in(0, channel, path, text, emit);
}

/// Reports the model that answers, the first time that it has a name.
pub(super) fn model_once<'a>(
    events: &mut bool,
    model: impl FnOnce() -> Option<Cow<'a, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    if !*events && let Some(model) = model().filter(|m| !m.is_empty()) {
        *events = true;
        emit(DecodeEvent::Model(model));
    }
}

/// Reports an error that a protocol sends in its own way.
pub(super) fn emit_failure<'a>(
    message: Cow<'a, str>,
    kind: Option<Cow<'a, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    emit(DecodeEvent::Error(InBandError { message, kind, shape: ErrorShape::Object }));
}

/// Reports the error that a value describes: its text, and its code or type.
pub(super) fn emit_error_in(error: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    emit_failure(error_text(error), error_kind(error), emit);
}

/// The code or type of an error's value.
pub(super) fn error_kind<'a>(error: Value<'a>) -> Option<Cow<'a, str>> {
    ["code", "type", "error_code", "error_type", "status_code", "status"]
        .iter()
        .find_map(|key| word(error, key).filter(|w| w != "error" && w != "failed"))
}

/// A member as a word: a string that is not empty, or a number.
pub(super) fn word<'a>(json: Value<'a>, key: &str) -> Option<Cow<'a, str>> {
    let value = json.get(key)?;
    match value.kind() {
        crate::json::Kind::String => value.as_str().filter(|w| !w.is_empty()),
        crate::json::Kind::Number => Some(Cow::Borrowed(value.source())),
        _ => None,
    }
}

/// Reports a piece of a tool call that is known by its id.
pub(super) fn emit_call<'a>(
    path: Path,
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    arguments: Option<Cow<'a, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    let id = id.filter(|id| !id.is_empty());
    let name = name.filter(|name| !name.is_empty());
    let piece = ToolPiece { choice: 0, path, index: None, id, name, arguments, free_text: false };
    emit(DecodeEvent::Tool(Box::new(piece)));
}

/// A call's arguments as text: a string as it is, anything else as its JSON.
pub(super) fn arguments_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value.kind() {
        crate::json::Kind::Null => None,
        crate::json::Kind::String => value.as_str(),
        _ => Some(Cow::Borrowed(value.source())),
    }
}

/// Texts that a stream repeats from their beginning each time it says more.
#[derive(Default)]
pub(super) struct Growing(BTreeMap<String, String>);

impl Growing {
    /// Returns what `whole` adds to the text of that key so far. A text that does not begin with the one
    /// before adds all of itself.
    pub(super) fn rest<'a>(&mut self, key: &str, whole: Cow<'a, str>) -> Cow<'a, str> {
        let held = self.0.entry(key.to_owned()).or_default();
        let from = if whole.starts_with(held.as_str()) { held.len() } else { 0 };
        held.push_str(&whole[from..]);
        match whole {
            Cow::Borrowed(text) => Cow::Borrowed(&text[from..]),
            Cow::Owned(text) => Cow::Owned(text[from..].to_owned()),
        }
    }

    /// Takes in a piece of the text of that key.
    pub(super) fn add(&mut self, key: &str, piece: &str) {
        match self.0.get_mut(key) {
            Some(held) => held.push_str(piece),
            None => drop(self.0.insert(key.to_owned(), piece.to_owned())),
        }
    }

    /// The text of that key so far.
    pub(super) fn held(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_told_once() {
        let mut texts = Growing::default();
        let mut rest = |key: &str, text: &'static str| texts.rest(key, text.into()).into_owned();
        assert_eq!(rest("a", "Hel"), "Hel");
        assert_eq!(rest("a", "Hello"), "lo");
        assert_eq!(rest("a", "Hello"), "");
        assert_eq!(rest("b", "Hello"), "Hello");
        // A server that sends pieces after all.
        assert_eq!(rest("a", " there"), " there");
        assert_eq!(texts.held("a"), "Hello there");
    }
}
