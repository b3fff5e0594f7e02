//! Secrets never enter the journal.
//!
//! A secret is a credential that this program sent (its decoded form too), or the value of a header, URL
//! parameter or body key whose name says so ([`super::is_secret_name`]). In whatever passes here, every run of
//! [`RUN`] or more bytes of a secret is replaced by as many `*`, so that offsets and lengths stay true. Servers
//! like to quote keys in error messages, sometimes in part: hence runs, and not whole secrets only.
//!
//! In a body with a content coding the bytes do not show what they hold, and masking a part of them would spoil
//! the rest. The client undoes gzip, deflate, brotli and zstd as they arrive. From the byte on that completes a run
//! (of zstd from the block on that holds it), all are `*`, and no one can decode further. Not seen is a secret inside
//! of several codings on each other, of a coding that this program does not know, and after damage that stops
//! this program's decoder and not another's. All of this is rare: requests ask for `accept-encoding: identity`.

use std::ops::Range;

use super::credential::{RUN, sorted};
use super::joined::Joined;
use super::secrets::{Secrets, Span};

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

    /// Takes one read and returns the bytes that are settled by it, with the masked spans (offsets in the
    /// body).
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

    /// Takes one read of `len` bytes that must not be shown: it, and what was held back before it,
    /// becomes `*`.
    pub fn withhold(&mut self, len: usize) -> (bytes::Bytes, Vec<Span>) {
        self.context.clear();
        let len = std::mem::take(&mut self.held).len() + len;
        let masked = vec![(self.offset, len as u64)];
        self.offset += len as u64;
        (vec![b'*'; len].into(), masked)
    }

    /// Ends the body and returns what was still held back.
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

/// The way a run of a secret is in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundRun {
    /// As it is.
    Verbatim,
    /// In JSON strings, split by escapes or deltas.
    Joined,
}

/// Looks for secrets in a text that arrives piece by piece.
#[derive(Debug, Default)]
pub struct SecretSearch {
    joined: Joined,
    /// The end of the text so far, in which a run can begin.
    tail: Vec<u8>,
}

impl SecretSearch {
    /// Takes the next piece, and returns whether it completes a run.
    pub fn find(&mut self, piece: &[u8], secrets: &Secrets) -> Option<FoundRun> {
        if piece.is_empty() || secrets.is_empty() {
            return None;
        }
        let joined = !self.joined.feed(piece, secrets).is_empty();
        self.tail.extend_from_slice(piece);
        let verbatim = !secrets.find(&self.tail).is_empty();
        self.tail.drain(..self.tail.len().saturating_sub(RUN - 1));
        match (verbatim, joined) {
            (true, _) => Some(FoundRun::Verbatim),
            (false, true) => Some(FoundRun::Joined),
            (false, false) => None,
        }
    }
}

/// Finds secrets in messages that are there whole, also in strings that span several of them.
#[derive(Debug, Clone, Default)]
pub struct MessageMasker(Joined);

impl MessageMasker {
    /// Returns where the next message holds runs of secrets, ascending.
    pub fn find(&mut self, message: &[u8], secrets: &Secrets) -> Vec<Range<usize>> {
        if secrets.is_empty() {
            return Vec::new();
        }
        let mut found = self.0.feed(message, secrets);
        // No string continues in the next message.
        self.0.feed(b"\n", secrets);
        found.extend(secrets.find(message));
        sorted(found)
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
        /// The settled bytes are those of one read, however the body is split into reads. No run is ever
        /// passed on.
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
