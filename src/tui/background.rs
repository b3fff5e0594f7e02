//! The terminal's background, light or dark: asked of it without waiting, its answer picked out of the keys.

use std::io::{self, Write};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// Asks for the color of the background (OSC 11). A terminal that does not know that says nothing, and
/// nothing waits for it.
///
/// # Errors
/// The terminal is gone.
pub(super) fn ask(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"\x1b]11;?\x1b\\")
}

/// Returns whether the background is light by what the environment says: `COLORFGBG`, as some terminals set
/// it.
pub fn by_environment(colors: &str) -> Option<bool> {
    let background: u8 = colors.rsplit(';').next()?.trim().parse().ok()?;
    Some(!matches!(background, 0..=6 | 8))
}

/// Picks the answer out of the keys: to the reader of keys it is Alt and `]`, letters, and an end.
#[derive(Debug, Default)]
pub(super) struct BackgroundAnswer {
    /// Events that may be an answer, so far.
    held: Vec<Event>,
    text: String,
}

/// A longer answer is none.
const LONGEST: usize = 40;

impl BackgroundAnswer {
    /// Takes an event; returns those that are none of the answer's, and whether the background is light
    /// once that is known.
    pub(super) fn take(&mut self, event: Event) -> (Vec<Event>, Option<bool>) {
        let (code, modifiers) = match &event {
            Event::Key(KeyEvent { code: KeyCode::Char(c), modifiers, .. }) => (*c, *modifiers),
            _ => return (self.give_back(event), None),
        };
        if self.held.is_empty() {
            if (code, modifiers) == (']', KeyModifiers::ALT) {
                self.held.push(event);
                return (Vec::new(), None);
            }
            return (vec![event], None);
        }
        let ends =
            matches!((code, modifiers), ('\\', KeyModifiers::ALT) | ('g', KeyModifiers::CONTROL));
        if ends && self.text.starts_with("11;") {
            let light = is_light(&self.text);
            self.held.clear();
            self.text.clear();
            return (Vec::new(), light);
        }
        let begins = "11;".starts_with(&self.text) || self.text.starts_with("11;");
        let plain = !modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        self.text.push(code);
        let goes_on = "11;".starts_with(&self.text) || self.text.starts_with("11;");
        if plain && begins && goes_on && self.text.len() <= LONGEST {
            self.held.push(event);
            return (Vec::new(), None);
        }
        (self.give_back(event), None)
    }

    /// It was no answer.
    fn give_back(&mut self, event: Event) -> Vec<Event> {
        self.text.clear();
        let mut all = std::mem::take(&mut self.held);
        all.push(event);
        all
    }
}

/// Returns whether the color of an answer is light: `11;rgb:ffff/ffff/ffff`, with one to four digits each.
fn is_light(answer: &str) -> Option<bool> {
    let color = answer.split_once("rgb:").or_else(|| answer.split_once("rgba:"))?.1;
    let mut parts = color.split('/').map(|part| {
        let most = 16_u32.checked_pow(part.len() as u32)?.checked_sub(1).filter(|m| *m > 0)?;
        Some(f64::from(u32::from_str_radix(part, 16).ok()?) / f64::from(most))
    });
    let (r, g, b) = (parts.next()??, parts.next()??, parts.next()??);
    Some(0.299 * r + 0.587 * g + 0.114 * b > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that a text is to the reader of keys.
    fn keys(text: &str) -> Vec<Event> {
        let mut alt = KeyModifiers::NONE;
        let mut keys = Vec::new();
        for c in text.chars() {
            let (c, modifiers) = match c {
                '\x1b' => {
                    alt = KeyModifiers::ALT;
                    continue;
                }
                '\x07' => ('g', KeyModifiers::CONTROL),
                c => (c, std::mem::replace(&mut alt, KeyModifiers::NONE)),
            };
            keys.push(Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers)));
        }
        keys
    }

    #[track_caller]
    fn taken(text: &str, light: Option<bool>, passes: &str) {
        let mut answer = BackgroundAnswer::default();
        let (mut passed, mut found) = (Vec::new(), None);
        for key in keys(text) {
            let (events, light) = answer.take(key);
            passed.extend(events);
            found = found.or(light);
        }
        assert_eq!((passed, found), (keys(passes), light), "{text:?}");
    }

    #[test]
    fn an_answer_is_taken_and_keys_pass() {
        taken("a\x1b]11;rgb:ffff/ffff/e000\x1b\\b", Some(true), "ab");
        taken("\x1b]11;rgb:1e1e/1e1e/2e2e\x07x", Some(false), "x");
        taken("\x1b]11;rgb:f/f/f\x07", Some(true), "");
        taken("\x1b]11;what\x07", None, "");
        // These may be key presses.
        taken("\x1b]x", None, "\x1b]x");
        taken("\x1b]11x", None, "\x1b]11x");
        taken("ab\x07", None, "ab\x07");
    }

    #[test]
    fn the_environment_may_say_it() {
        assert_eq!(by_environment("0;15"), Some(true));
        assert_eq!(by_environment("15;default;0"), Some(false));
        assert_eq!(by_environment("15;0"), Some(false));
        assert_eq!(by_environment("0;7"), Some(true));
        assert_eq!(by_environment("what"), None);
    }
}
