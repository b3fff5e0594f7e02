//! What decoders tell alike.

use std::borrow::Cow;

use super::{Channel, Fact, Path};

/// Tells a choice's text, if there is any.
pub(super) fn say_in(
    choice: u32,
    channel: Channel,
    path: Path,
    text: Option<Cow<'_, str>>,
    tell: &mut dyn FnMut(Fact<'_>),
) {
    if let Some(text) = text.filter(|t| !t.is_empty()) {
        tell(Fact::Text { choice, channel, path, text, duplicate: false });
    }
}

/// The same where there is but one choice.
pub(super) fn say(
    channel: Channel,
    path: Path,
    text: Option<Cow<'_, str>>,
    tell: &mut dyn FnMut(Fact<'_>),
) {
    say_in(0, channel, path, text, tell);
}

/// Tells the model that answers, the first time that it has a name.
pub(super) fn model_once<'a>(
    told: &mut bool,
    model: impl FnOnce() -> Option<Cow<'a, str>>,
    tell: &mut dyn FnMut(Fact<'_>),
) {
    if !*told && let Some(model) = model().filter(|m| !m.is_empty()) {
        *told = true;
        tell(Fact::Model(model));
    }
}
