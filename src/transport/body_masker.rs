//! Secrets in the bytes of an answer's body, also inside of a content coding, where the bytes do not show them.

use bytes::{Bytes, BytesMut};

use crate::inspect::ContentDecoder;
use crate::journal::{FoundRun, Head, Masker, RUN, SecretSearch, Secrets, Span};

/// The most bytes that wait for the end of their block: more than a block of zstd has.
const MOST_UNDECIDED: usize = 256 << 10;

/// The most bytes of decoded text that are searched: a few on the wire can unpack to any number.
const MOST_SEARCHED: u64 = 256 << 20;

/// The maximum length of the withheld text that a note quotes, in characters.
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
        let is_withheld = coded.withheld.is_some();
        let decided = if is_withheld { None } else { coded.look(&read) };
        let (mut bytes, mut masked) = (Bytes::new(), Vec::new());
        if let Some(end) = decided {
            coded.undecided.extend_from_slice(&read.split_to(end));
            (bytes, masked) = self.masker.feed(std::mem::take(&mut coded.undecided).freeze());
        }
        if coded.withheld.is_some() {
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

    /// Returns whether bytes are withheld in which nobody has looked for a secret.
    pub(crate) fn withholds_unsearched(&self) -> bool {
        let withheld = self.coded.as_ref().and_then(|coded| coded.withheld.as_ref());
        matches!(withheld, Some(Withheld::Unsearched))
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
        let withheld = coded.withheld.as_ref()?;
        if std::mem::replace(&mut coded.reported, true) {
            return None;
        }
        let name = crate::text::preview(coded.decoder.name(), 20);
        Some(match withheld {
            Withheld::Secret(said) => {
                let mut note = format!(
                    "The answer quotes a secret of yours inside of its {name} coding, where it cannot be \
                     masked: it is not kept from there on."
                );
                if let Some(said) = said {
                    note += &format!(" It says: {said}");
                }
                note
            }
            Withheld::Unsearched => format!(
                "The answer's {name} coding holds more than is searched for your secrets: it is not kept \
                 from there on."
            ),
        })
    }
}

/// Reason that a body is not kept from some byte on.
enum Withheld {
    /// A secret is in it; what the block that holds it says, masked, where that can be told.
    Secret(Option<String>),
    /// It is more than is searched.
    Unsearched,
}

/// Undoes a body's content coding beside the recording, only to see whether a secret is in it.
struct Coded {
    decoder: ContentDecoder,
    secrets: Secrets,
    search: SecretSearch,
    /// The text that the last byte decoded to.
    piece: Vec<u8>,
    /// The bytes of a block whose end has not arrived: what it holds is not known.
    undecided: BytesMut,
    /// Number of bytes that were decoded.
    decoded: u64,
    withheld: Option<Withheld>,
    reported: bool,
}

impl Coded {
    /// Of a body that is coded, where there is a secret to be found.
    fn of(head: &Head, secrets: &Secrets) -> Option<Self> {
        let decoder = ContentDecoder::of_head(head)?;
        let secrets = (!secrets.is_empty()).then(|| secrets.clone())?;
        Some(Self {
            decoder,
            secrets,
            search: SecretSearch::default(),
            piece: Vec::new(),
            undecided: BytesMut::new(),
            decoded: 0,
            withheld: None,
            reported: false,
        })
    }

    /// Looks into the next read, until a byte completes a run of a secret in what is decoded. Returns the end of the
    /// last byte up to which all is known, and has no secret; `None` if that is before this read.
    fn look(&mut self, read: &[u8]) -> Option<usize> {
        let mut decided = None;
        for (i, byte) in read.iter().enumerate() {
            self.piece.clear();
            // The inspection reports damage; this only searches what was decoded before it.
            let _ = self.decoder.feed(&[*byte], &mut self.piece);
            self.decoded += self.piece.len() as u64;
            if let Some(found) = self.search.find(&self.piece, &self.secrets) {
                // Of what is split into pieces some are kept: to tell the rest would show it.
                let said = (found == FoundRun::Verbatim).then(|| self.said()).flatten();
                self.withheld = Some(Withheld::Secret(said));
                break;
            }
            let held = decided.map_or(self.undecided.len() + i, |end| i - end);
            if self.decoded > MOST_SEARCHED || held > MOST_UNDECIDED {
                self.withheld = Some(Withheld::Unsearched);
                break;
            }
            if !self.decoder.is_inside_block() {
                decided = Some(i + 1);
            }
        }
        decided
    }

    /// The text of a block that the last byte completed, masked: it may be all that the answer says. `None` where it
    /// is no block.
    fn said(&self) -> Option<String> {
        let mut masker = Masker::new(self.secrets.clone());
        let (said, _) = masker.feed(Bytes::copy_from_slice(&self.piece));
        let said = [said, masker.finish().0].concat();
        let text = String::from_utf8_lossy(&said);
        (said.len() > RUN).then(|| crate::text::preview(text.trim(), MOST_SAID))
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
        let (kept, held, note) = keep("zstd", &wire, 1_000);
        assert!(kept.is_empty() && held <= MOST_UNDECIDED + 1_000, "{held}");
        assert!(note.unwrap().contains("more than is searched"));
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
        assert!(coded.decoded == 4 << 17 && coded.withheld.is_none());
        coded.decoded = MOST_SEARCHED - (3 << 17);
        assert_eq!(coded.look(&block.repeat(1000)), Some(12));
        assert!(matches!(coded.withheld, Some(Withheld::Unsearched)));
    }

    #[test]
    fn a_block_after_many_empty_ones_is_withheld_whole() {
        // Frames of empty blocks that end nowhere, then one with the key, all in one read.
        let mut wire = b"\x28\xb5\x2f\xfd\x00\x38".to_vec();
        wire.extend_from_slice(&[0, 0, 0].repeat(MOST_UNDECIDED / 3 - 20));
        let text = format!("some text and {KEY} in a block");
        let mut end = vec![0; 3 * 60];
        end.extend_from_slice(&((text.len() << 3) as u32 | 1).to_le_bytes()[..3]);
        end.extend_from_slice(text.as_bytes());
        for at in [wire.len(), wire.len() + 30] {
            let wire = [&wire[..], &end].concat();
            let mut masker = BodyMasker::new(secrets());
            masker.head(&head("zstd"), &secrets());
            let mut kept = masker.feed(Bytes::copy_from_slice(&wire[..at])).0.to_vec();
            kept.extend_from_slice(&masker.feed(Bytes::copy_from_slice(&wire[at..])).0);
            kept.extend_from_slice(&masker.finish().0);
            assert!(kept.len() == wire.len() && kept.ends_with(&vec![b'*'; text.len() + 3]));
        }
    }

    #[test]
    fn a_secret_in_pieces_is_found_under_a_coding() {
        let delta = |text: &str| format!("data: {{\"delta\":{{\"content\":\"{text}\"}}}}\n\n");
        let pieces: Vec<String> =
            KEY.as_bytes().chunks(4).map(|p| delta(&String::from_utf8_lossy(p))).collect();
        let escaped: String = KEY.bytes().map(|b| format!("\\u{b:04x}")).collect();
        let escaped = [delta("some text before it"), delta(&escaped), delta("after")];
        for texts in [&pieces[..], &escaped] {
            for (coding, wire) in [("gzip", gzip(texts)), ("zstd", zstd(texts))] {
                let (kept, _, note) = keep(coding, &wire, 9);
                assert!(note.unwrap().ends_with("from there on."), "{coding}");
                let text = decoded(coding, &kept);
                // What the strings say, the last one as far as it is whole.
                let said = |rest: &str| {
                    let mut rest = rest.split('"').next().unwrap_or_default();
                    loop {
                        match serde_json::from_str::<String>(&format!("\"{rest}\"")) {
                            Ok(said) => break said,
                            Err(_) => rest = &rest[..rest.len() - 1],
                        }
                    }
                };
                let said: String = text.split("\"content\":\"").skip(1).map(said).collect();
                assert!(secrets().find(said.as_bytes()).is_empty(), "{coding}: {said}");
            }
        }
    }

    #[test]
    fn only_coded_bodies_are_decoded_and_only_where_there_is_a_secret() {
        assert!(Coded::of(&head("identity"), &secrets()).is_none());
        assert!(Coded::of(&head("gzip"), &Secrets::default()).is_none());
        let mut two = head("identity");
        two.headers.push(("Content-Encoding".into(), "zstd".into()));
        assert_eq!(Coded::of(&two, &secrets()).unwrap().decoder.name(), "zstd");
        let (kept, ..) = keep("identity", b"text without it", 4);
        assert_eq!(kept, b"text without it");
    }
}
