//! Secrets in JSON strings that escapes (`\u0073k-`) or deltas take apart.
//!
//! The bytes on the wire do not show them: they appear when the strings are unescaped, and joined
//! delta by delta. A lexer follows the values of each key through the stream; from the byte on that
//! completes a run of a secret, its bytes are masked. No more than `RUN - 1` bytes of it are left.

use std::collections::HashMap;
use std::ops::Range;

use super::mask::{RUN, Secrets};

/// How many keys are followed at the same time.
const MAX_KEYS: usize = 256;

/// How long a key is told apart from others.
const MAX_KEY: usize = 64;

/// The last bytes of a key's values.
#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    window: u64,
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Outside,
    /// In a string that is a value.
    Value,
    /// In a string that may be a key.
    Key,
}

/// The lexer. Its state lasts from read to read.
#[derive(Debug, Default)]
pub(super) struct Joined {
    state: State,
    /// Bytes of an escape so far, `\` and `\u00` included.
    escape: Vec<u8>,
    /// What follows is a value.
    after_colon: bool,
    key: Vec<u8>,
    tail: Tail,
    tails: HashMap<Vec<u8>, Tail>,
}

impl Joined {
    /// Takes the next bytes; returns the spans of them that complete runs, ascending.
    pub(super) fn feed(&mut self, bytes: &[u8], secrets: &Secrets) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for (i, byte) in bytes.iter().copied().enumerate() {
            if self.state == State::Outside {
                self.outside(byte);
                continue;
            }
            // No string goes on after its line: this one was none.
            if byte == b'\n' {
                self.end();
                self.after_colon = false;
                continue;
            }
            let Some(c) = self.unescape(byte) else { continue };
            let width = self.escape.len().max(1);
            self.escape.clear();
            let Some(c) = c else {
                self.end();
                continue;
            };
            if self.state == State::Key {
                if self.key.len() < MAX_KEY {
                    self.key.push(c);
                }
                continue;
            }
            self.tail =
                Tail { window: self.tail.window << 8 | u64::from(c), len: self.tail.len + 1 };
            if self.tail.len >= RUN && secrets.has_window(self.tail.window) {
                let start = (i + 1).saturating_sub(width);
                match found.last_mut() {
                    Some(last) if last.end >= start => last.end = i + 1,
                    _ => found.push(start..i + 1),
                }
            }
        }
        found
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'"' if self.after_colon => {
                self.state = State::Value;
                self.tail = self.tails.get(&self.key).copied().unwrap_or_default();
            }
            b'"' => {
                self.state = State::Key;
                self.key.clear();
            }
            b':' => self.after_colon = true,
            b'[' | b' ' | b'\t' => {}
            _ => self.after_colon = false,
        }
    }

    /// The string is over.
    fn end(&mut self) {
        if self.state == State::Value {
            let has_room = self.tails.len() < MAX_KEYS;
            match self.tails.get_mut(&self.key) {
                Some(tail) => *tail = self.tail,
                None if has_room => {
                    self.tails.insert(self.key.clone(), self.tail);
                }
                None => {}
            }
        }
        self.state = State::Outside;
        self.after_colon = false;
        self.escape.clear();
    }

    /// Takes a byte of a string: `None` in the middle of an escape, `Some(None)` at the string's
    /// end, else the character that it completes (0 for one that is not ASCII).
    fn unescape(&mut self, byte: u8) -> Option<Option<u8>> {
        if self.escape.is_empty() {
            return match byte {
                b'"' => Some(None),
                b'\\' => {
                    self.escape.push(byte);
                    None
                }
                _ => Some(Some(byte)),
            };
        }
        self.escape.push(byte);
        match (self.escape.len(), self.escape[1]) {
            (2, b'u') => None,
            (2, b'n') => Some(Some(b'\n')),
            (2, b't') => Some(Some(b'\t')),
            (2, b'r') => Some(Some(b'\r')),
            (2, other) => Some(Some(other)),
            (n, _) if n < 6 => None,
            _ => {
                let digits = std::str::from_utf8(&self.escape[2..6]).ok();
                let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
                Some(Some(
                    code.and_then(|c| u8::try_from(c).ok()).filter(u8::is_ascii).unwrap_or(0),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(reads: &[&str]) -> String {
        let mut secrets = Secrets::default();
        secrets.add("sk-abcdefghij0123456789");
        let mut joined = Joined::default();
        let mut out = String::new();
        for read in reads {
            let mut bytes = read.as_bytes().to_vec();
            for span in joined.feed(&bytes, &secrets) {
                bytes[span].fill(b'*');
            }
            out.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        out
    }

    #[test]
    fn escapes_hide_nothing() {
        assert_eq!(
            masked(&[r#"{"m":"\u0073k-abcdefghij","n":1}"#]),
            r#"{"m":"\u0073k-abcd******","n":1}"#
        );
        assert_eq!(
            masked(&[r#"{"m":"sk-abcd\u0065\u0066\u0067"}"#]),
            r#"{"m":"sk-abcd******************"}"#
        );
    }

    #[test]
    fn deltas_hide_nothing_however_they_are_cut() {
        let frames = |pieces: &[&str]| -> String {
            let frame = |p: &&str| {
                format!(
                    "data: {{\"id\":\"chatcmpl-1\",\"choices\":[{{\"delta\":{{\"content\":\"{p}\"}}}}]}}\n\n"
                )
            };
            pieces.iter().map(frame).collect()
        };
        let sent = frames(&["your key: sk-a", "bcdef", "ghij", "0123", "456789", " is wrong"]);
        let want = frames(&["your key: sk-a", "bcd**", "****", "****", "******", " is wrong"]);
        assert_eq!(masked(&[&sent]), want);
        for cut in 1..sent.len() {
            assert_eq!(masked(&[&sent[..cut], &sent[cut..]]), want, "cut at {cut}");
        }
    }
}
