//! Secrets inside of a compressed answer: the bytes on the wire do not show them.

use crate::inspect::ContentDecoder;
use crate::journal::{Head, RUN, Secrets};

/// Undoes a body's content coding beside the recording, only to see whether a secret is in it.
pub(crate) struct Coded {
    coding: ContentDecoder,
    secrets: Secrets,
    /// The data that was decoded last: a run can begin in it.
    tail: Vec<u8>,
    found: bool,
    reported: bool,
}

impl Coded {
    /// Of a body that is coded, where there is a secret to be found.
    pub(crate) fn of(head: &Head, secrets: &Secrets) -> Option<Self> {
        // zstd is decoded only at the end, and that is too late.
        let coding = head.header("content-encoding").and_then(ContentDecoder::of);
        let coding = coding.filter(|c| c.name() != "zstd")?;
        let secrets = (!secrets.is_empty()).then(|| secrets.clone())?;
        Some(Self { coding, secrets, tail: Vec::new(), found: false, reported: false })
    }

    /// Takes the next read, and returns how many bytes at its beginning may be kept: all, until a byte
    /// completes a run of a secret in what is decoded. From that byte on none, for what follows cannot be
    /// decoded without it.
    pub(crate) fn keeps(&mut self, read: &[u8]) -> usize {
        if self.found {
            return 0;
        }
        for (i, byte) in read.iter().enumerate() {
            // The inspection reports damage; this only searches what was decoded before it.
            let _ = self.coding.feed(&[*byte], &mut self.tail);
            if !self.secrets.find(&self.tail).is_empty() {
                self.found = true;
                return i;
            }
            self.tail.drain(..self.tail.len().saturating_sub(RUN - 1));
        }
        read.len()
    }

    /// The note, once, when something is withheld.
    pub(crate) fn note(&mut self) -> Option<String> {
        let is_new = self.found && !std::mem::replace(&mut self.reported, true);
        is_new.then(|| {
            format!(
                "The answer quotes a secret of yours inside of its {} coding, where it cannot be \
                 masked: it is not kept from there on.",
                crate::text::preview(self.coding.name(), 20)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_kept_holds_no_run_and_does_not_hang_on_the_cut() {
        let mut secrets = Secrets::default();
        secrets.add("sk-abcdefghij0123456789");
        let text = format!("{} sk-abcdefghij0123456789 and more", "some text before it ".repeat(5));
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        coder.write_all(text.as_bytes()).unwrap();
        let wire = coder.finish().unwrap();
        let head = |coding: &str| Head {
            headers: vec![("content-encoding".into(), coding.into())],
            ..Head::default()
        };
        let keep = |size: usize| -> usize {
            let mut coded = Coded::of(&head("gzip"), &secrets).unwrap();
            let kept = wire.chunks(size).map(|read| coded.keeps(read)).sum();
            assert!(coded.note().unwrap().contains("gzip") && coded.note().is_none());
            kept
        };
        let kept = keep(wire.len());
        assert!((1..wire.len()).all(|size| keep(size) == kept));
        let mut decoded = Vec::new();
        ContentDecoder::of("gzip").unwrap().feed(&wire[..kept], &mut decoded).unwrap();
        assert!(secrets.find(&decoded).is_empty());
        let decoded = String::from_utf8(decoded).unwrap();
        assert!(decoded.contains("before it  sk-a"), "{decoded}");
        assert!(Coded::of(&head("identity"), &secrets).is_none());
        assert!(Coded::of(&head("gzip"), &Secrets::default()).is_none());
    }
}
