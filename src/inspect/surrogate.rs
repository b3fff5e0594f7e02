//! Characters that were cut in two: a UTF-16 surrogate without its partner.
//!
//! JSON may escape a character outside the Basic Multilingual Plane as two surrogates. A program
//! that slices UTF-16 strings can send them in two deltas, each of which alone is no character.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::dialect::Channel;

/// The lone surrogates of one payload.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Lone {
    /// The first of them.
    pub(super) first: u16,
    /// A high one at the end of a string: its partner may begin the next delta.
    high_at_end: Option<u16>,
    /// A low one at the beginning of a string.
    low_at_start: Option<u16>,
}

impl Lone {
    /// Finds the surrogates in a JSON text that have no partner.
    pub(super) fn find(json: &str) -> Option<Self> {
        let bytes = json.as_bytes();
        let mut found: Option<Self> = None;
        let mut at = 0;
        while let Some(next) = memchr::memchr(b'\\', &bytes[at..]) {
            at += next;
            let Some(unit) = escape(bytes, at) else {
                // The escaped character does not begin another escape.
                at += 2;
                if at > bytes.len() {
                    break;
                }
                continue;
            };
            let is_high = (0xd800..0xdc00).contains(&unit);
            if is_high && escape(bytes, at + 6).is_some_and(|u| (0xdc00..0xe000).contains(&u)) {
                at += 12;
                continue;
            }
            if (0xd800..0xe000).contains(&unit) {
                let lone = found.get_or_insert(Self { first: unit, ..Self::default() });
                if is_high && bytes.get(at + 6) == Some(&b'"') {
                    lone.high_at_end = Some(unit);
                }
                if !is_high && at.checked_sub(1).and_then(|i| bytes.get(i)) == Some(&b'"') {
                    lone.low_at_start = Some(unit);
                }
            }
            at += 6;
        }
        found
    }
}

/// The code unit of a `\uXXXX` at `at`.
fn escape(bytes: &[u8], at: usize) -> Option<u16> {
    let text = bytes.get(at..at + 6).filter(|t| t.starts_with(b"\\u"))?;
    u16::from_str_radix(std::str::from_utf8(&text[2..]).ok()?, 16).ok()
}

/// Joins the halves of a character that two deltas of one channel carry.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// The high surrogate at the end of what a channel had so far.
    waiting: BTreeMap<(Channel, u32), u16>,
}

impl Joiner {
    /// Returns whether no half waits for its partner.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns what a delta adds. A half at its end is held back for the next one, which gets the whole
    /// character, or U+FFFD if the other half does not arrive.
    pub(super) fn join<'a>(
        &mut self,
        channel: Channel,
        choice: u32,
        text: Cow<'a, str>,
        lone: Option<Lone>,
    ) -> Cow<'a, str> {
        const LOST: char = '\u{fffd}';
        if lone.is_none() && self.waiting.is_empty() {
            return text;
        }
        let lone = lone.unwrap_or_default();
        let mut text = text;
        if let Some(high) = self.waiting.remove(&(channel, choice)) {
            let low = lone.low_at_start.filter(|_| text.starts_with(LOST));
            let whole = low.and_then(|low| char::decode_utf16([high, low]).next()?.ok());
            text = match whole {
                Some(whole) => format!("{whole}{}", &text[LOST.len_utf8()..]).into(),
                None => format!("{LOST}{text}").into(),
            };
        }
        if let Some(high) = lone.high_at_end.filter(|_| text.ends_with(LOST)) {
            self.waiting.insert((channel, choice), high);
            let end = text.len() - LOST.len_utf8();
            text = match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
                Cow::Owned(mut text) => {
                    text.truncate(end);
                    Cow::Owned(text)
                }
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_without_its_partner_is_found() {
        let lone = |json| Lone::find(json).map(|l| l.first);
        assert_eq!(lone(r#"{"a":"\ud83d\ude00 \u00e9"}"#), None);
        assert_eq!(lone(r#"{"a":"\\ud83d"}"#), None);
        assert_eq!(lone(r#"{"a":"x\uD83D"}"#), Some(0xd83d));
        assert_eq!(lone(r#"{"a":"\ude00y"}"#), Some(0xde00));
        assert_eq!(lone(r#"{"a":"\ud83d\ud83d\ude00"}"#), Some(0xd83d));
        assert_eq!(lone("\\"), None);
    }

    #[test]
    fn halves_in_two_deltas_are_one_character() {
        let mut joiner = Joiner::default();
        let mut join = |json: &str, text: &'static str| {
            joiner.join(Channel::Content, 0, text.into(), Lone::find(json)).into_owned()
        };
        assert_eq!(join(r#""Hi \ud83d""#, "Hi \u{fffd}"), "Hi ");
        assert_eq!(join(r#""\ude00!""#, "\u{fffd}!"), "😀!");
        assert_eq!(join(r#""\ud83d""#, "\u{fffd}"), "");
        assert_eq!(join(r#""x""#, "x"), "\u{fffd}x");
        assert_eq!(join(r#""y""#, "y"), "y");
    }
}
