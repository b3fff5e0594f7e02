//! Secrets in the bytes of an answer's body, also inside of a content coding, where the bytes do not show them.

use bytes::{Bytes, BytesMut};

use crate::inspect::ContentDecoder;
use crate::journal::{Head, Masker, RUN, Secrets, Span};

/// The most bytes that wait for the end of their block: more than a block of zstd has.
const MOST_UNDECIDED: usize = 256 << 10;

/// The most bytes of decoded text that are searched: the inspection decodes no more either, and a few bytes can unpack to
/// any number.
const MOST_SEARCHED: u64 = 1 << 30;

/// The most characters of withheld text that are told.
const MOST_SAID: usize = 300;

/// Masks a body as it arrives, read by read.
#[derive(Default)]
pub(crate) struct BodyMasker {
    masker: Masker,
    coded: Option<Coded>,
}

impl BodyMasker {
    /// A masker for one body.
    pub(crate) fn new(secrets: Secrets) -> Self {
        Self { masker: Masker::new(secrets), coded: None }
    }

    /// Takes the head of the answer, which says whether its body is coded.
    pub(crate) fn head(&mut self, head: &Head, secrets: &Secrets) {
        self.coded = Coded::of(head, secrets).or(self.coded.take());
    }

    /// Takes a read and returns the bytes that are settled by it, with the masked spans (offsets in the body).
    pub(crate) fn feed(&mut self, mut read: Bytes) -> (Bytes, Vec<Span>) {
        let Some(coded) = &mut self.coded else { return self.masker.feed(read) };
        let was_found = coded.found;
        let decided = if was_found { None } else { coded.look(&read) };
        let (mut bytes, mut masked) = (Bytes::new(), Vec::new());
        if let Some(end) = decided {
            coded.undecided.extend_from_slice(&read.split_to(end));
            (bytes, masked) = self.masker.feed(std::mem::take(&mut coded.undecided).freeze());
        }
        if coded.found {
            // It, and what follows, which cannot be decoded without it.
            let len = std::mem::take(&mut coded.undecided).len() + read.len();
            let (stars, span) = self.masker.withhold(len);
            bytes = [bytes, stars].concat().into();
            masked.extend(span);
        } else {
            coded.undecided.extend_from_slice(&read);
        }
        (bytes, masked)
    }

    /// Ends the body and returns what was still held back.
    pub(crate) fn finish(&mut self) -> (Bytes, Vec<Span>) {
        let undecided = self.coded.as_mut().map(|coded| std::mem::take(&mut coded.undecided));
        let (bytes, mut masked) = self.masker.feed(undecided.unwrap_or_default().freeze());
        let (rest, more) = self.masker.finish();
        masked.extend(more);
        ([bytes, rest].concat().into(), masked)
    }

    /// The note, once, when something is withheld.
    pub(crate) fn note(&mut self) -> Option<String> {
        let coded = self.coded.as_mut()?;
        let is_new = coded.found && !std::mem::replace(&mut coded.reported, true);
        is_new.then(|| {
            let name = crate::text::preview(coded.decoder.name(), 20);
            let mut note = format!(
                "The answer quotes a secret of yours inside of its {name} coding, where it cannot be \
                 masked: it is not kept from there on."
            );
            // A block that is withheld may be all that the answer says.
            let said = coded.secrets.mask(&String::from_utf8_lossy(&coded.tail));
            let said = said.get(coded.before..).unwrap_or(&said);
            if said.len() > RUN {
                note += &format!(" It says: {}", crate::text::preview(said.trim(), MOST_SAID));
            }
            note
        })
    }
}

/// Undoes a body's content coding beside the recording, only to see whether a secret is in it.
struct Coded {
    decoder: ContentDecoder,
    secrets: Secrets,
    /// The data that was decoded last: a run can begin in it. Once a run is found, what it was found in.
    tail: Vec<u8>,
    /// Number of bytes in it that were decoded before the last read byte.
    before: usize,
    /// The bytes of a block whose end has not arrived: what it holds is not known.
    undecided: BytesMut,
    /// Number of bytes that were decoded.
    decoded: u64,
    found: bool,
    reported: bool,
}

impl Coded {
    /// Of a body that is coded, where there is a secret to be found.
    fn of(head: &Head, secrets: &Secrets) -> Option<Self> {
        let decoder = head.header("content-encoding").and_then(ContentDecoder::of)?;
        let secrets = (!secrets.is_empty()).then(|| secrets.clone())?;
        let (tail, undecided) = (Vec::new(), BytesMut::new());
        let (found, reported) = (false, false);
        Some(Self { decoder, secrets, tail, before: 0, undecided, decoded: 0, found, reported })
    }

    /// Looks into the next read, until a byte completes a run of a secret in what is decoded. Returns the end of the
    /// last byte up to which all is known, and has no secret; `None` if that is before this read.
    fn look(&mut self, read: &[u8]) -> Option<usize> {
        let mut decided = None;
        for (i, byte) in read.iter().enumerate() {
            if self.decoded > MOST_SEARCHED {
                return Some(read.len());
            }
            self.before = self.tail.len();
            // The inspection reports damage; this only searches what was decoded before it.
            let _ = self.decoder.feed(&[*byte], &mut self.tail);
            self.decoded += (self.tail.len() - self.before) as u64;
            if !self.secrets.find(&self.tail).is_empty() {
                self.found = true;
                break;
            }
            self.tail.drain(..self.tail.len().saturating_sub(RUN - 1));
            if !self.decoder.is_inside_block() || self.undecided.len() + i > MOST_UNDECIDED {
                decided = Some(i + 1);
            }
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const KEY: &str = "sk-abcdefghij0123456789";

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add(KEY);
        secrets
    }

    fn head(coding: &str) -> Head {
        let headers = vec![("content-encoding".into(), coding.into())];
        Head { headers, ..Head::default() }
    }

    /// The bytes that are kept of a body in reads of so many, how many were held back at most, and the note.
    fn keep(coding: &str, wire: &[u8], size: usize) -> (Vec<u8>, usize, Option<String>) {
        let mut masker = BodyMasker::new(secrets());
        masker.head(&head(coding), &secrets());
        let (mut kept, mut held, mut stars) = (Vec::new(), 0, 0);
        for (i, read) in wire.chunks(size).enumerate() {
            let (bytes, masked) = masker.feed(Bytes::copy_from_slice(read));
            kept.extend_from_slice(&bytes);
            stars += masked.iter().map(|span| span.1).sum::<u64>();
            held = held.max((i * size + read.len()).saturating_sub(kept.len()));
        }
        let (bytes, masked) = masker.finish();
        kept.extend_from_slice(&bytes);
        stars += masked.iter().map(|span| span.1).sum::<u64>();
        assert_eq!(kept.len(), wire.len());
        let note = masker.note();
        assert!(masker.note().is_none());
        // What is withheld is the end of the body.
        let end = wire.len() - stars as usize;
        assert!(kept[..end] == wire[..end] && kept[end..].iter().all(|byte| *byte == b'*'));
        (kept[..end].to_vec(), held, note)
    }

    fn gzip(texts: &[String]) -> Vec<u8> {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        texts.iter().for_each(|text| coder.write_all(text.as_bytes()).unwrap());
        coder.finish().unwrap()
    }

    /// Each text is in a block.
    fn zstd(texts: &[String]) -> Vec<u8> {
        let mut coder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        for text in texts {
            coder.write_all(text.as_bytes()).unwrap();
            coder.flush().unwrap();
        }
        coder.finish().unwrap()
    }

    fn decoded(coding: &str, wire: &[u8]) -> String {
        let mut decoded = Vec::new();
        ContentDecoder::of(coding).unwrap().feed(wire, &mut decoded).unwrap();
        String::from_utf8(decoded).unwrap()
    }

    #[test]
    fn what_is_kept_holds_no_run_and_does_not_hang_on_the_cut() {
        let before: Vec<String> =
            (0..5).map(|i| format!("{i} some text before it, ").repeat(4)).collect();
        let said = format!("some text before it {KEY} and more of the text before it");
        let texts = [before.clone(), vec![said, "after".into()]].concat();
        for (coding, wire) in [("gzip", gzip(&texts)), ("zstd", zstd(&texts))] {
            let (kept, _, note) = keep(coding, &wire, wire.len());
            let note = note.unwrap();
            assert!(note.contains(coding) && secrets().find(note.as_bytes()).is_empty());
            let says =
                format!("It says: {}", "some text before it *********************** and more");
            assert_eq!(note.contains(&says), coding == "zstd", "{note}");
            for size in 1..wire.len() {
                assert_eq!(keep(coding, &wire, size).0, kept, "{coding} {size}");
            }
            let decoded = decoded(coding, &kept);
            assert!(secrets().find(decoded.as_bytes()).is_empty());
            // Of gzip what precedes the run is kept, of zstd the blocks before that with the secret.
            match coding {
                "gzip" => assert!(decoded.ends_with("before it sk-abcd"), "{decoded}"),
                _ => assert_eq!(decoded, before.concat()),
            }
            let clean = [before.clone(), vec!["after".into()]].concat();
            let clean = if coding == "gzip" { gzip(&clean) } else { zstd(&clean) };
            for size in [1, 7, clean.len()] {
                let (kept, held, note) = keep(coding, &clean, size);
                assert_eq!((kept, note), (clean.clone(), None));
                assert!(held < 120, "{coding} {size}: {held}");
            }
        }
    }

    #[test]
    fn no_length_on_the_wire_makes_it_hold_back_much() {
        // A frame that decoders skip, of 4 GB by its header.
        let wire = [&b"\x50\x2a\x4d\x18\xff\xff\xff\xff"[..], &vec![b'a'; 1_000_000]].concat();
        let (kept, held, _) = keep("zstd", &wire, 1_000);
        assert!(kept.len() == wire.len() && held <= MOST_UNDECIDED + 1_000, "{held}");
    }

    #[test]
    fn not_all_that_a_few_bytes_unpack_to_is_searched() {
        // Blocks of 128 KiB, each in four bytes: a frame with a window of 128 KiB, and no end.
        let block = [2, 0, 16, b'A'];
        let mut coded = Coded::of(&head("zstd"), &secrets()).unwrap();
        assert_eq!(coded.look(b"\x28\xb5\x2f\xfd\x00\x38"), None);
        for _ in 0..4 {
            assert_eq!(coded.look(&block), Some(4));
        }
        assert_eq!(coded.decoded, 4 << 17);
        coded.decoded = MOST_SEARCHED + 1;
        assert_eq!(
            (coded.look(&block.repeat(1000)), coded.decoded),
            (Some(4000), MOST_SEARCHED + 1)
        );
    }

    #[test]
    fn only_coded_bodies_are_decoded_and_only_where_there_is_a_secret() {
        assert!(Coded::of(&head("identity"), &secrets()).is_none());
        assert!(Coded::of(&head("gzip"), &Secrets::default()).is_none());
        let (kept, ..) = keep("identity", b"text without it", 4);
        assert_eq!(kept, b"text without it");
    }
}
