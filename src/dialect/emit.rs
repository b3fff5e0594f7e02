//! What decoders tell alike.

use std::borrow::Cow;

use super::{Channel, DecodeEvent, Path};

/// Tells a choice's text, if there is any.
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

/// Tells the model that answers, the first time that it has a name.
pub(super) fn model_once<'a>(
    told: &mut bool,
    model: impl FnOnce() -> Option<Cow<'a, str>>,
    emit: &mut dyn FnMut(DecodeEvent<'_>),
) {
    if !*told && let Some(model) = model().filter(|m| !m.is_empty()) {
        *told = true;
        emit(DecodeEvent::Model(model));
    }
}
