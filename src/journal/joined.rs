//! Secrets in JSON strings that are split by escapes (`\u0073k-`) or deltas.
//!
//! The bytes on the wire do not show them: they appear when the strings are unescaped, and joined delta by
//! delta. A lexer follows the values of each key through the stream. From the byte on that completes a run of a
//! secret, its bytes are masked. No more than `RUN - 1` bytes of it are left.
//!
//! Deltas of several choices or tool calls alternate under one key, and what distinguishes them may be behind
//! the text. So a value is read as the continuation of every earlier one under its key that ended like the
//! inside of a secret ([`Tails`]). Strings may hold JSON whose strings are escaped once more: backslashes count
//! as one, however many there are.

use std::collections::HashMap;
use std::ops::Range;

use super::credential::RUN;
use super::secrets::Secrets;

/// The largest number of keys that are followed at the same time.
const MAX_KEYS: usize = 256;

/// The length up to which a key is distinguished from others.
const MAX_KEY: usize = 64;

/// The largest number of ends of earlier values that are remembered for a key: this many short ones, and this
/// many others.
const MAX_TAILS: usize = 24;

/// The last bytes of a value, unescaped: at most `RUN - 1`, as a window and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tail {
    window: u64,
    len: usize,
}

impl Tail {
    fn push(&mut self, byte: u8) {
        self.window = self.window << 8 | u64::from(byte);
        self.len += 1;
    }

    /// Returns whether it has less than half of a run.
    fn is_short(&self) -> bool {
        self.len < RUN / 2
    }

    /// Returns its longest end that is inside of a secret; empty where there is none.
    fn open(self, secrets: &Secrets) -> Self {
        let bytes = self.window.to_be_bytes();
        let most = self.len.min(RUN - 1);
        let len = (1..=most).rev().find(|n| secrets.has_inside(&bytes[8 - n..])).unwrap_or(0);
        let kept = if len == 0 { 0 } else { self.window & (u64::MAX >> (64 - 8 * len)) };
        Self { window: kept, len }
    }
}

/// Ends of earlier values of a key that may begin a secret: the latest last.
type Tails = Vec<Tail>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum LexerState {
    #[default]
    Outside,
    /// In a string that is a value.
    Value,
    /// In a string that may be a key, or an item of a list.
    Key,
}

/// An escape so far.
#[derive(Clone, Debug, Default)]
struct Escape {
    /// Backslashes in a row.
    backslashes: usize,
    /// The digits of `\uXXXX`, once its `u` is there.
    digits: Option<Vec<u8>>,
    /// Number of bytes that it has.
    width: usize,
}

/// The lexer. Its state lasts from read to read.
#[derive(Debug, Clone, Default)]
pub(super) struct Joined {
    state: LexerState,
    escape: Escape,
    /// True if a value follows.
    after_colon: bool,
    key: Vec<u8>,
    /// The ends that the present string may continue, with what it has so far: the empty one is first.
    tails: Tails,
    /// The length of the string so far, unescaped.
    len: usize,
    ended: HashMap<Vec<u8>, Tails>,
}

impl Joined {
    /// Takes the next bytes; returns the spans of them that complete runs, ascending.
    pub(super) fn feed(&mut self, bytes: &[u8], secrets: &Secrets) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for (i, byte) in bytes.iter().copied().enumerate() {
            if self.state == LexerState::Outside {
                self.outside(byte);
                continue;
            }
            // No string continues after its line, so this was not a string.
            if byte == b'\n' {
                self.end(secrets);
                continue;
            }
            if byte == b'"' && self.escape.backslashes.is_multiple_of(2) {
                self.end(secrets);
                continue;
            }
            self.escape.width += 1;
            let Some(c) = self.unescape(byte) else { continue };
            let width = std::mem::take(&mut self.escape).width;
            if self.take(c, secrets) {
                let start = (i + 1).saturating_sub(width);
                match found.last_mut() {
                    Some(last) if last.end >= start => last.end = i + 1,
                    _ => found.push(start..i + 1),
                }
            }
        }
        found
    }

    /// Takes a character of the present string; returns whether it completes a run.
    fn take(&mut self, c: u8, secrets: &Secrets) -> bool {
        self.len += 1;
        if self.state == LexerState::Key && self.key.len() < MAX_KEY {
            self.key.push(c);
        }
        if self.len == RUN {
            // What precedes the string is out of reach: all continuations are the same.
            self.tails.truncate(1);
        }
        let mut completes = false;
        for tail in &mut self.tails {
            tail.push(c);
            completes |= tail.len >= RUN && secrets.has_window(tail.window);
        }
        completes
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.state = if self.after_colon { LexerState::Value } else { LexerState::Key };
                if self.state == LexerState::Key {
                    self.key.clear();
                }
                self.len = 0;
                self.tails.clear();
                self.tails.push(Tail::default());
                if self.state == LexerState::Value
                    && let Some(ended) = self.ended.get(&self.key)
                {
                    self.tails.extend_from_slice(ended);
                }
            }
            b':' => self.after_colon = true,
            b'[' | b' ' | b'\t' => {}
            _ => self.after_colon = false,
        }
    }

    /// The string is over.
    fn end(&mut self, secrets: &Secrets) {
        if self.state == LexerState::Value && self.len > 0 {
            self.remember(secrets);
        }
        self.state = LexerState::Outside;
        self.after_colon = false;
        self.escape = Escape::default();
    }

    /// Keeps how the value ended. What it may have continued stays: another value may instead.
    fn remember(&mut self, secrets: &Secrets) {
        if self.ended.len() >= MAX_KEYS && !self.ended.contains_key(&self.key) {
            return;
        }
        let ended: Tails = self.tails.iter().map(|tail| tail.open(secrets)).collect();
        if ended.iter().all(|tail| tail.len == 0) {
            return;
        }
        let known = match self.ended.get_mut(&self.key) {
            Some(known) => known,
            None => self.ended.entry(self.key.clone()).or_default(),
        };
        for tail in ended.into_iter().filter(|tail| tail.len > 0) {
            known.retain(|other| *other != tail);
            known.push(tail);
        }
        // A few bytes match the inside of a secret by chance: they must not push out longer matches. But old
        // tails are dropped before new ones, or a secret that begins would never be followed.
        for of in [Tail::is_short, |tail: &Tail| !tail.is_short()] {
            while known.iter().filter(|tail| of(tail)).count() > MAX_TAILS {
                let Some(oldest) = known.iter().position(of) else { return };
                known.remove(oldest);
            }
        }
    }

    /// Takes a byte of a string; returns the character that it completes (0 for one that is not
    /// ASCII), and nothing in the middle of an escape.
    fn unescape(&mut self, byte: u8) -> Option<u8> {
        let escape = &mut self.escape;
        if let Some(digits) = &mut escape.digits {
            digits.push(byte);
            if digits.len() < 4 {
                return None;
            }
            let code = std::str::from_utf8(digits).ok();
            let code = code.and_then(|d| u32::from_str_radix(d, 16).ok());
            let ascii = code.and_then(|c| u8::try_from(c).ok()).filter(u8::is_ascii);
            return match ascii {
                // A backslash that is written as a code escapes what follows.
                Some(b'\\') => {
                    escape.digits = None;
                    escape.backslashes = 1;
                    None
                }
                other => Some(other.unwrap_or(0)),
            };
        }
        match (byte, escape.backslashes) {
            (b'\\', n) => {
                escape.backslashes = n + 1;
                None
            }
            (b'u', 1..) => {
                escape.digits = Some(Vec::with_capacity(4));
                None
            }
            (b'n', 1..) => Some(b'\n'),
            (b't', 1..) => Some(b'\t'),
            (b'r', 1..) => Some(b'\r'),
            (other, _) => Some(other),
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

    /// Remains of earlier values do not keep a secret from being followed.
    #[test]
    fn a_secret_is_found_after_many_others_that_were_taken_apart() {
        let mut secrets = Secrets::default();
        let all: Vec<String> = (0..12).map(|i| format!("Zq7s{i:02}Xw{i:02}vLmKp9{i}")).collect();
        all.iter().for_each(|secret| secrets.add(secret));
        for width in [1, 2, 3, 5, 7] {
            let mut joined = Joined::default();
            for secret in all.iter().chain(&all) {
                let mut shown = String::new();
                for piece in secret.as_bytes().chunks(width) {
                    let piece = str::from_utf8(piece).unwrap();
                    let mut bytes = format!("data: {{\"content\":\"{piece}\"}}\n\n").into_bytes();
                    for span in joined.feed(&bytes, &secrets) {
                        bytes[span].fill(b'*');
                    }
                    let text = String::from_utf8(bytes).unwrap();
                    shown.push_str(text.split('"').nth(3).unwrap());
                }
                assert!(
                    secret
                        .as_bytes()
                        .windows(RUN)
                        .all(|run| !shown.as_bytes().windows(RUN).any(|w| w == run)),
                    "{width}: {secret} as {shown}"
                );
            }
        }
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

    #[test]
    fn escapes_within_escapes_hide_nothing() {
        let escaped = |backslashes: &str| -> String {
            "sk-abcdefghij".bytes().map(|b| format!("{backslashes}u{b:04x}")).collect()
        };
        for backslashes in ["\\", "\\\\", "\\\\\\\\", "\\u005c"] {
            let got = masked(&[&format!(
                r#"{{"arguments":"{{\"k\":\"{}\"}}","n":"x"}}"#,
                escaped(backslashes)
            )]);
            let unit = backslashes.len() + 5;
            let stars = got.matches('*').count();
            assert!((6 * unit..=6 * unit + 3).contains(&stars), "{backslashes}: {got}");
            assert!(got.ends_with(r#"","n":"x"}"#), "{got}");
        }
        assert!(masked(&[r#"{"error":{"\u0073k-abcdefghij":1}}"#]).contains("abcd******"));
    }

    /// Deltas of choices alternate, whatever order their fields have and however short they are.
    #[test]
    fn values_that_alternate_hide_nothing() {
        let secret = "sk-abcdefghij0123456789";
        for width in 1..8 {
            let mut sent = String::new();
            for piece in secret.as_bytes().chunks(width) {
                let piece = std::str::from_utf8(piece).unwrap();
                for (index, text) in [(0, piece), (1, "some other text"), (2, piece), (3, "e")] {
                    sent += &format!(
                        "data: {{\"delta\":{{\"content\":\"{text}\"}},\"index\":{index}}}\n\n"
                    );
                }
            }
            let got = masked(&[&sent]);
            for index in [0, 2] {
                let joined: String = got
                    .lines()
                    .filter(|l| l.ends_with(&format!("\"index\":{index}}}")))
                    .map(|l| l.split('"').nth(5).unwrap())
                    .collect();
                assert_eq!(joined, format!("sk-abcd{}", "*".repeat(16)), "{width} bytes, {index}");
            }
            assert_eq!(got.matches("some other text").count(), secret.len().div_ceil(width));
        }
    }
}
