//! The secrets of an exchange, and their places in a text.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::credential::{self, RUN, credential, sorted};

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
        // Stars replace what was already masked.
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
        if value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("aws4-")) {
            return self.add_signature(secret);
        }
        self.add(secret);
        if value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic ")) {
            self.add_basic(secret);
        }
    }

    /// Adds what is secret of a signature of AWS: the id of the key and the signature itself. The day, the
    /// region, the service and the names of headers are words that appear in addresses and other headers too.
    fn add_signature(&mut self, parts: &str) {
        for part in parts.split(',') {
            match part.trim().split_once('=') {
                Some(("Credential", scope)) => {
                    self.add(scope.split('/').next().unwrap_or_default())
                }
                Some(("SignedHeaders", _)) => {}
                Some((_, value)) => self.add(value),
                None => self.add(part),
            }
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

    /// Adds the values of secret names in text that is not JSON, and all that looks like a key; returns where
    /// they are, ascending.
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

    /// Returns whether the last eight bytes of `window` are a run of a secret.
    pub(super) fn has_window(&self, window: u64) -> bool {
        let (at, bit) = slot(window);
        self.filter.get(at).is_some_and(|bits| bits & bit != 0) && self.windows.contains(&window)
    }

    /// Returns whether `bytes` occur in a secret: at most [`RUN`] of them.
    pub(super) fn has_inside(&self, bytes: &[u8]) -> bool {
        self.secrets.iter().any(|s| memchr::memmem::find(s, bytes).is_some())
    }

    /// Takes in all of another's.
    pub fn extend(&mut self, other: &Secrets) {
        for secret in &other.secrets {
            self.add(&String::from_utf8_lossy(secret));
        }
    }

    /// Returns whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Returns where `bytes` hold runs of secrets: ascending, apart from each other.
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

    /// Returns how many bytes at the end of `bytes` could be the beginning of a run: less than [`RUN`].
    pub(super) fn open_tail(&self, bytes: &[u8]) -> usize {
        (1..RUN.min(bytes.len() + 1))
            .rev()
            .find(|k| {
                let tail = &bytes[bytes.len() - k..];
                self.secrets.iter().any(|s| s[..s.len() - (RUN - k)].windows(*k).any(|w| w == tail))
            })
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_signature_the_scope_is_no_secret() {
        let mut secrets = Secrets::default();
        secrets.add_header(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE1234567890/20260102/eu-west-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature=609c5278fe73b4702cad19d41fd6a7f9",
        );
        let public = b"/model/bedrock%2Fhello?day=20260102 content-type;host";
        assert!(secrets.find(public).is_empty());
        assert_eq!(secrets.find(b"AKIDEXAMPLE1234567890"), [Range { start: 0, end: 21 }]);
        assert_eq!(
            secrets.find(b"609c5278fe73b4702cad19d41fd6a7f9"),
            [Range { start: 0, end: 32 }]
        );
    }
}
