//! Secrets never enter the journal.
//!
//! A secret is a credential that this program sent (its decoded form too), or the value of a header,
//! URL parameter or body key whose name says so ([`super::is_secret_name`]). In whatever passes here, every run of [`RUN`] or more bytes
//! of a secret is replaced by as many `*`, so that offsets and lengths stay true. Servers like to
//! quote keys in error messages, sometimes in part: hence runs, and not whole secrets only.
//!
//! In a body with a content coding the bytes do not show what they hold, and to mask a part of them
//! would spoil the rest. The client undoes gzip, deflate and brotli as they come; from the byte on
//! that completes a run, all are `*`, and nobody can decode on. Not seen is a secret inside of
//! zstd (decoded at the end only), of several codings on each other, of a coding that nobody here
//! knows, and after damage that stops this program's decoder and not another's. All of this is
//! rare: requests ask for `accept-encoding: identity`.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::credential::{self, credential, sorted};
use super::joined::Joined;

/// The shortest run of a secret that is masked, in bytes.
pub const RUN: usize = 8;

/// A span of bytes, as (offset, length).
pub type Span = (u64, u64);

/// The secrets of an exchange, as the set of all their runs of [`RUN`] bytes.
///
/// `Debug` shows how many runs there are, and none of them.
#[derive(Clone, Default)]
pub struct Secrets {
    secrets: Vec<Vec<u8>>,
    windows: HashSet<u64>,
    /// A bit for the hash of each window: one load says "surely not" for nearly every byte.
    filter: Vec<u64>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} runs)", self.windows.len())
    }
}

fn slot(window: u64) -> (usize, u64) {
    let hash = window.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
    ((hash >> 6) as usize, 1 << (hash & 63))
}

fn window(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |w, b| w << 8 | u64::from(*b))
}

impl Secrets {
    /// Adds a secret. One that is shorter than [`RUN`] bytes is masked only where its place is
    /// known (a header's value), never in running text: it would be found everywhere.
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim().as_bytes();
        // Stars stand for what was masked already.
        if secret.len() < RUN
            || secret.iter().all(|b| *b == b'*')
            || self.secrets.iter().any(|s| s == secret)
        {
            return;
        }
        self.filter.resize(64, 0);
        for run in secret.windows(RUN) {
            let w = window(run);
            let (i, bit) = slot(w);
            self.filter[i] |= bit;
            self.windows.insert(w);
        }
        self.secrets.push(secret.to_vec());
        // Strings within strings are read without their backslashes ([`Joined`]).
        if secret.contains(&b'\\') {
            let plain: Vec<u8> = secret.iter().copied().filter(|b| *b != b'\\').collect();
            self.add(&String::from_utf8_lossy(&plain));
        }
    }

    /// Adds the credential in a header's value; of Basic authentication the decoded user and
    /// password too.
    pub fn add_header(&mut self, value: &str) {
        let secret = credential(value);
        self.add(secret);
        if value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic ")) {
            self.add_basic(secret);
        }
    }

    /// Adds what a credential of Basic authentication decodes to.
    fn add_basic(&mut self, encoded: &str) {
        let bytes = STANDARD_NO_PAD.decode(encoded.trim_end_matches('='));
        let Some(text) = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return };
        self.add(&text);
        for half in text.splitn(2, ':') {
            self.add(half);
        }
    }

    /// Adds a user and a password, together also as Basic authentication sends them.
    pub fn add_login(&mut self, user: &str, password: &str) {
        if user.is_empty() && password.is_empty() {
            return;
        }
        self.add(user);
        self.add(password);
        let both = format!("{user}:{password}");
        self.add(&STANDARD.encode(&both));
        self.add(&both);
    }

    /// Adds the values of secret names in text that is not JSON, and all that looks like a key;
    /// returns where they stand, ascending.
    pub fn add_from_text(&mut self, text: &str, is_json: bool) -> Vec<Range<usize>> {
        let mut spans = match is_json {
            true => credential::in_addresses(text),
            false => credential::beside_names(text),
        };
        spans.extend(credential::of_known_shape(text));
        let spans = sorted(spans);
        for span in &spans {
            self.add(&text[span.clone()]);
        }
        spans
    }

    /// Whether the last eight bytes of `window` are a run of a secret.
    pub(super) fn has_window(&self, window: u64) -> bool {
        let (at, bit) = slot(window);
        self.filter.get(at).is_some_and(|bits| bits & bit != 0) && self.windows.contains(&window)
    }

    /// Whether `bytes` occur in a secret: at most [`RUN`] of them.
    pub(super) fn has_inside(&self, bytes: &[u8]) -> bool {
        self.secrets.iter().any(|s| memchr::memmem::find(s, bytes).is_some())
    }

    /// Takes in all of another's.
    pub fn extend(&mut self, other: &Secrets) {
        for secret in &other.secrets {
            self.add(&String::from_utf8_lossy(secret));
        }
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Where `bytes` hold runs of secrets: ascending, apart from each other.
    pub fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        if self.is_empty() || bytes.len() < RUN {
            return found;
        }
        let mut w = window(&bytes[..RUN - 1]);
        for (i, b) in bytes.iter().enumerate().skip(RUN - 1) {
            w = w << 8 | u64::from(*b);
            let (at, bit) = slot(w);
            if self.filter[at] & bit == 0 || !self.windows.contains(&w) {
                continue;
            }
            let start = i + 1 - RUN;
            match found.last_mut() {
                Some(last) if last.end >= start => last.end = i + 1,
                _ => found.push(start..i + 1),
            }
        }
        found
    }

    /// `text` with its secrets masked.
    pub fn mask(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for run in self.find(&bytes) {
            bytes[run].fill(b'*');
        }
        // A run can end inside a character only if the secret does; what is left is then replaced.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How many bytes at the end of `bytes` could be the beginning of a run: less than [`RUN`].
    fn open_tail(&self, bytes: &[u8]) -> usize {
        (1..RUN.min(bytes.len() + 1))
            .rev()
            .find(|k| {
                let tail = &bytes[bytes.len() - k..];
                self.secrets.iter().any(|s| s[..s.len() - (RUN - k)].windows(*k).any(|w| w == tail))
            })
            .unwrap_or(0)
    }
}

/// Masks a body as it arrives, read by read.
///
/// A secret can be cut by the end of a read. The bytes that may begin one are held back until the
/// next read (or the end) decides; at most seven.
#[derive(Debug, Default)]
pub struct Masker {
    secrets: Secrets,
    /// The bytes before `held` that a run could still reach back to, unmasked.
    context: Vec<u8>,
    held: Vec<u8>,
    /// Offset in the body of the first byte of `held`.
    offset: u64,
    joined: Joined,
    /// Spans that strings complete, as offsets in the body; settled when their bytes are.
    completed: Vec<Range<u64>>,
}

impl Masker {
    /// A masker for one body.
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Takes one read and gives the bytes that are settled by it, with the masked spans (offsets in
    /// the body).
    pub fn feed(&mut self, read: bytes::Bytes) -> (bytes::Bytes, Vec<Span>) {
        if self.secrets.is_empty() {
            return (read, Vec::new());
        }
        let mut bytes = std::mem::take(&mut self.held);
        let at = self.offset + bytes.len() as u64;
        let spans = self.joined.feed(&read, &self.secrets);
        self.completed.extend(spans.iter().map(|s| at + s.start as u64..at + s.end as u64));
        bytes.extend_from_slice(&read);
        let open = self.secrets.open_tail(&bytes);
        self.settle(bytes, open)
    }

    /// Takes one read of `len` bytes that must not be told: it, and what was held back before it,
    /// becomes `*`.
    pub fn withhold(&mut self, len: usize) -> (bytes::Bytes, Vec<Span>) {
        self.context.clear();
        let len = std::mem::take(&mut self.held).len() + len;
        let masked = vec![(self.offset, len as u64)];
        self.offset += len as u64;
        (vec![b'*'; len].into(), masked)
    }

    /// The body is over: gives what was still held back.
    pub fn finish(&mut self) -> (bytes::Bytes, Vec<Span>) {
        let bytes = std::mem::take(&mut self.held);
        self.settle(bytes, 0)
    }

    fn settle(&mut self, bytes: Vec<u8>, open: usize) -> (bytes::Bytes, Vec<Span>) {
        let before = self.context.len();
        let mut all = std::mem::take(&mut self.context);
        all.extend_from_slice(&bytes);
        let end = all.len() - open;
        self.held = all[end..].to_vec();
        self.context = all[..end][end.saturating_sub(RUN - 1)..].to_vec();
        let mut runs = self.secrets.find(&all);
        if !self.completed.is_empty() {
            let place = |at: u64| before + at.saturating_sub(self.offset) as usize;
            runs.extend(self.completed.iter().map(|s| place(s.start)..place(s.end)));
            let settled = self.offset + (end - before) as u64;
            self.completed.retain(|s| s.end > settled);
            runs = sorted(runs);
        }
        let mut masked = Vec::new();
        for run in runs {
            let run = run.start.max(before)..run.end.min(end);
            if !run.is_empty() {
                masked.push((self.offset + (run.start - before) as u64, run.len() as u64));
                all[run].fill(b'*');
            }
        }
        let settled = bytes::Bytes::copy_from_slice(&all[before..end]);
        self.offset += settled.len() as u64;
        (settled, masked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> Secrets {
        let mut s = Secrets::default();
        s.add("sk-abcdefghij0123456789");
        s
    }

    #[test]
    fn runs_are_masked_and_shorter_ones_are_not() {
        let s = secrets();
        assert_eq!(s.mask("key sk-abcdefghij0123456789!"), "key ***********************!");
        assert_eq!(s.mask("ends in j0123456789."), "ends in ***********.");
        assert_eq!(s.mask("sk-abcd"), "sk-abcd");
        assert_eq!(format!("{s:?}"), "Secrets(16 runs)");
    }

    proptest! {
        /// However the body is cut into reads, the settled bytes are those of one read, and no run
        /// is ever handed on.
        #[test]
        fn cuts_change_nothing(parts in prop::collection::vec("(sk-|abcdefgh|ij01|23456789|x|sk-abcdefghij0123456789){0,3}", 0..8)) {
            let whole: String = parts.concat();
            let s = secrets();
            let mut masker = Masker::new(s.clone());
            let mut out = Vec::new();
            let mut spans = 0;
            for p in &parts {
                let (bytes, masked) = masker.feed(bytes::Bytes::copy_from_slice(p.as_bytes()));
                out.extend_from_slice(&bytes);
                spans += masked.iter().map(|m| m.1).sum::<u64>();
                prop_assert!(s.find(&out).is_empty());
            }
            out.extend_from_slice(&masker.finish().0);
            prop_assert_eq!(String::from_utf8(out).unwrap(), s.mask(&whole));
            let stars = s.find(whole.as_bytes()).iter().map(|r| r.len() as u64).sum::<u64>();
            prop_assert!(spans <= stars);
        }
    }
}
