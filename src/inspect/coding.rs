//! Undoes content codings piece by piece, so that the bytes on the wire and the decoded bytes are both
//! accounted for. `accept-encoding: identity` is sent, but servers compress anyway.

use std::io::Write;

use brotli_decompressor::DecompressorWriter;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use zstd::stream::raw::{Decoder as ZstdContext, InBuffer, Operation as _, OutBuffer};

use crate::frame::web_socket::MAX_INFLATION;
use crate::journal::Head;

/// The longest decoded body, in bytes: a few kilobytes can unpack to any size.
pub(super) const MAX_DECODED: usize = 1 << 30;

/// Reason that bytes cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// The coding has no decoder here.
    #[error("unknown content coding {0:?}")]
    Unknown(String),
    /// They are not of this coding, or end too early.
    #[error("{0}")]
    Damaged(String),
    /// They decode to too much.
    #[error("decodes to more than {MAX_DECODED} bytes")]
    TooLong,
}

impl CodingError {
    /// The words of a decoder.
    fn damaged(why: impl std::fmt::Display) -> Self {
        Self::Damaged(why.to_string())
    }
}

/// Undoes one content coding.
pub struct ContentDecoder {
    name: String,
    state: DecoderState,
}

enum DecoderState {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Deflate(Box<ZlibDecoder<Vec<u8>>>),
    Brotli(Box<DecompressorWriter<Vec<u8>>>),
    Zstd(Box<ZstdDecoder>),
    /// There is no decoder for this coding.
    Unknown,
    Failed,
}

impl Clone for ContentDecoder {
    /// Returns another of the same name, which decodes nothing more: a decoder's state cannot be copied.
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), state: DecoderState::Failed }
    }
}

impl std::fmt::Debug for ContentDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Coding({})", self.name)
    }
}

impl ContentDecoder {
    /// The coding that a `content-encoding` value names; `None` for none at all.
    pub fn of(value: &str) -> Option<Self> {
        // A list of one, which may name it beside what changes nothing.
        let named = value.split(',').map(str::trim);
        let mut named = named.filter(|c| !c.is_empty() && !c.eq_ignore_ascii_case("identity"));
        let name = match (named.next(), named.next()) {
            (None, _) => return None,
            (Some(one), None) => one.to_ascii_lowercase(),
            (Some(_), Some(_)) => value.trim().to_ascii_lowercase(),
        };
        let state = match name.as_str() {
            "gzip" | "x-gzip" => DecoderState::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            "deflate" => DecoderState::Deflate(Box::new(ZlibDecoder::new(Vec::new()))),
            "br" => DecoderState::Brotli(Box::new(DecompressorWriter::new(Vec::new(), 4096))),
            // It fails where there is no memory for it.
            "zstd" => ZstdDecoder::new().map_or(DecoderState::Unknown, DecoderState::Zstd),
            _ => DecoderState::Unknown,
        };
        Some(Self { name, state })
    }

    /// The coding that a head names, in one field or in several.
    pub(crate) fn of_head(head: &Head) -> Option<Self> {
        let fields = head.headers.iter();
        let fields = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        let values: Vec<&str> = fields.map(|(_, value)| value.as_str()).collect();
        Self::of(&values.join(","))
    }

    /// The coding's name, lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether there is a decoder for it here. Most clients read the bytes as they are where they
    /// have none.
    pub fn is_known(&self) -> bool {
        matches!(self.name.as_str(), "gzip" | "x-gzip" | "deflate" | "br" | "zstd")
    }

    /// Returns to how many bytes one byte decodes at most. Brotli and zstd have no such bound, but only crafted
    /// input exceeds it.
    pub(super) fn most_per_byte(&self) -> u64 {
        match self.state {
            DecoderState::Unknown | DecoderState::Failed => 1,
            _ => MAX_INFLATION,
        }
    }

    /// Decodes the next bytes, appending to `out`.
    ///
    /// # Errors
    /// Some bytes are not of this coding. What was decoded before them is in `out`; later calls do
    /// nothing.
    pub fn feed(&mut self, wire: &[u8], out: &mut Vec<u8>) -> Result<(), CodingError> {
        let result = match &mut self.state {
            DecoderState::Gzip(d) => write(&mut **d, MultiGzDecoder::get_mut, wire, out),
            DecoderState::Deflate(d) => write(&mut **d, ZlibDecoder::get_mut, wire, out),
            DecoderState::Brotli(d) => write(&mut **d, DecompressorWriter::get_mut, wire, out),
            DecoderState::Zstd(d) => d.feed(wire, out),
            DecoderState::Unknown => Err(CodingError::Unknown(self.name.clone())),
            DecoderState::Failed => return Ok(()),
        };
        self.settle(result, out)
    }

    /// Returns whether the last bytes belong to a block of zstd whose end has not arrived: what they hold is not decoded
    /// yet.
    pub(crate) fn is_inside_block(&self) -> bool {
        matches!(&self.state, DecoderState::Zstd(d) if d.is_inside_block)
    }

    /// Stops decoding: what follows is not the body's own bytes. Returns whether anything more could have
    /// been decoded.
    pub(super) fn stop(&mut self) -> bool {
        !matches!(std::mem::replace(&mut self.state, DecoderState::Failed), DecoderState::Failed)
    }

    /// The body is over.
    ///
    /// # Errors
    /// The coded data ends too early.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CodingError> {
        let result = match &mut self.state {
            DecoderState::Gzip(d) => {
                d.try_finish().map_err(CodingError::damaged).map(|()| out.append(d.get_mut()))
            }
            DecoderState::Deflate(d) => {
                d.try_finish().map_err(CodingError::damaged).map(|()| out.append(d.get_mut()))
            }
            DecoderState::Brotli(d) => {
                d.close().map_err(CodingError::damaged).map(|()| out.append(d.get_mut()))
            }
            DecoderState::Zstd(d) => d.finish(),
            DecoderState::Unknown | DecoderState::Failed => Ok(()),
        };
        self.settle(result, out)
    }

    fn settle(
        &mut self,
        result: Result<(), CodingError>,
        out: &mut Vec<u8>,
    ) -> Result<(), CodingError> {
        let result = result.and_then(|()| {
            if out.len() <= MAX_DECODED {
                return Ok(());
            }
            out.truncate(MAX_DECODED);
            Err(CodingError::TooLong)
        });
        if result.is_err() {
            // The bytes that a decoder produced before it failed are correct.
            match &mut self.state {
                DecoderState::Gzip(d) => out.append(d.get_mut()),
                DecoderState::Deflate(d) => out.append(d.get_mut()),
                DecoderState::Brotli(d) => out.append(d.get_mut()),
                _ => {}
            }
            self.state = DecoderState::Failed;
        }
        result
    }
}

/// Feeds a decoder byte by byte, taking out what each byte decodes to. In the call that fails a
/// decoder drops what it had decoded in it: were whole reads fed, where a damaged body ends would
/// hang on how it was cut into reads. So it is always that of the last good byte.
fn write<D: Write>(
    decoder: &mut D,
    sink: fn(&mut D) -> &mut Vec<u8>,
    wire: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CodingError> {
    for byte in wire.chunks(1) {
        decoder.write_all(byte).and_then(|()| decoder.flush()).map_err(CodingError::damaged)?;
        out.append(sink(decoder));
        if out.len() > MAX_DECODED {
            // `settle` reports the error.
            break;
        }
    }
    Ok(())
}

/// Undoes Zstandard, one frame after the other.
struct ZstdDecoder {
    context: ZstdContext<'static>,
    /// The place for what is decoded in one step.
    piece: [u8; 4096],
    is_inside_frame: bool,
    /// The last byte was one of the frame, and nothing was decoded with it.
    is_inside_block: bool,
}

impl ZstdDecoder {
    fn new() -> std::io::Result<Box<Self>> {
        let context = ZstdContext::new()?;
        Ok(Box::new(Self {
            context,
            piece: [0; 4096],
            is_inside_frame: false,
            is_inside_block: false,
        }))
    }

    /// Decodes byte by byte, as [`write()`] does.
    fn feed(&mut self, wire: &[u8], out: &mut Vec<u8>) -> Result<(), CodingError> {
        for byte in wire.chunks(1) {
            let mut input = InBuffer::around(byte);
            let before = out.len();
            loop {
                let mut output = OutBuffer::around(&mut self.piece[..]);
                let run = self.context.run(&mut input, &mut output);
                let decoded = output.pos();
                out.extend_from_slice(&self.piece[..decoded]);
                self.is_inside_frame = run.map_err(CodingError::damaged)? > 0;
                if out.len() > MAX_DECODED {
                    // The caller reports the error.
                    return Ok(());
                }
                // Asked again after the end of a frame, it would begin another one.
                let is_empty = decoded < self.piece.len() || !self.is_inside_frame;
                if is_empty && input.pos() == byte.len() {
                    break;
                }
            }
            self.is_inside_block = self.is_inside_frame && out.len() == before;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), CodingError> {
        match self.is_inside_frame {
            true => Err(CodingError::Damaged("the last frame is incomplete".into())),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(coding: &str, wire: &[u8], cut: usize) -> (Vec<u8>, Result<(), CodingError>) {
        decode_pieces(coding, wire.chunks(cut.max(1)))
    }

    fn decode_pieces<'a>(
        coding: &str,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<u8>, Result<(), CodingError>) {
        let mut coding = ContentDecoder::of(coding).unwrap();
        let mut out = Vec::new();
        let mut result = Ok(());
        for piece in pieces {
            result = result.and(coding.feed(piece, &mut out));
        }
        result = result.and(coding.finish(&mut out));
        (out, result)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        e.write_all(text).unwrap();
        e.finish().unwrap()
    }

    #[test]
    fn gzip_decodes_the_same_for_any_cut() {
        let wire = gzip(b"data: hello hello hello\n\n");
        for cut in 1..wire.len() {
            let (out, result) = decode("gzip", &wire, cut);
            assert_eq!((out.as_slice(), result), (&b"data: hello hello hello\n\n"[..], Ok(())));
        }
    }

    #[test]
    fn damage_is_told_and_what_came_before_is_kept() {
        assert!(decode("gzip", b"data: plain\n\n", 5).1.is_err());
        let wire = gzip(b"data: hello\n\n");
        assert!(decode("gzip", &wire[..wire.len() - 4], 99).1.is_err());
        assert!(decode("compress", b"x", 1).1.unwrap_err().to_string().contains("compress"));
        for none in ["", "identity", " Identity , ", ","] {
            assert!(ContentDecoder::of(none).is_none());
        }
        assert_eq!(ContentDecoder::of("identity, GZIP,").unwrap().name(), "gzip");
        assert!(!ContentDecoder::of("gzip, br").unwrap().is_known());
        // Members of gzip follow one another.
        let two = [gzip(b"data: a\n\n"), gzip(b"data: b\n\n")].concat();
        assert_eq!(decode("gzip", &two, 3), (b"data: a\n\ndata: b\n\n".to_vec(), Ok(())));
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        e.write_all(text).unwrap();
        e.finish().unwrap()
    }

    /// Texts, each in a block, as servers flush them; the frame ends in a checksum, or not.
    fn zstd(texts: &[&str], checksum: bool) -> Vec<u8> {
        let mut e = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        e.include_checksum(checksum).unwrap();
        for text in texts {
            e.write_all(text.as_bytes()).unwrap();
            e.flush().unwrap();
        }
        e.finish().unwrap()
    }

    #[test]
    fn zstd_decodes_as_it_arrives() {
        let texts = ["data: hello\n\n", "data: hello again\n\n", "data: [DONE]\n\n"];
        let ends: Vec<usize> = (1..=texts.len()).map(|n| zstd(&texts[..n], true).len()).collect();
        let wire = zstd(&texts, true);
        let mut coding = ContentDecoder::of("zstd").unwrap();
        let mut out = Vec::new();
        let mut seen = Vec::new();
        for (at, byte) in wire.iter().enumerate() {
            let before = out.len();
            coding.feed(&[*byte], &mut out).unwrap();
            if out.len() > before && at < ends[0] {
                seen.push(String::from_utf8(out.clone()).unwrap());
            }
        }
        // The first text is there before the second block begins.
        assert_eq!(seen.last().unwrap(), texts[0]);
        assert_eq!((out, coding.finish(&mut Vec::new())), (texts.concat().into_bytes(), Ok(())));
    }

    #[test]
    fn frames_of_zstd_follow_one_another_and_none_may_be_cut() {
        let long = "0123456789".repeat(5_000);
        let (one, two) = (zstd(&["one\n"], false), zstd(&[&long], true));
        // A frame that decoders skip, between them.
        let wire = [&one[..], b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc", &two].concat();
        let (out, result) = decode("zstd", &wire, 7);
        assert_eq!((out, result), (format!("one\n{long}").into_bytes(), Ok(())));
        for cut in 1..two.len() {
            let (out, result) = decode("zstd", &two[..cut], 7);
            assert!(result.is_err() && long.as_bytes().starts_with(&out), "{cut}");
        }
        assert_eq!(decode("zstd", b"", 1), (Vec::new(), Ok(())));
        // Output that fills the decoder's place exactly.
        for len in [4095, 4096, 4097, 8192, 65_536] {
            for checksum in [false, true] {
                let text = &"0123456789".repeat(7_000)[..len];
                let (out, result) = decode("zstd", &zstd(&[text], checksum), 9);
                assert_eq!((out.len(), result), (len, Ok(())));
            }
        }
        let (out, result) = decode("zstd", &[&one[..], b"<html>"].concat(), 3);
        assert!(out == b"one\n" && result.is_err());
    }

    /// 13 chat chunks of 793 bytes together, as `brotli -q 9` makes them.
    const BROTLI: &[u8] = &[
        0x1b, 0x18, 0x03, 0x00, 0xc4, 0x68, 0x73, 0x9d, 0x92, 0x76, 0x9f, 0x81, 0x99, 0xa4, 0x2a,
        0x2e, 0x10, 0xb6, 0x03, 0xa0, 0xe1, 0x03, 0x85, 0x09, 0x2e, 0x8f, 0x20, 0xc1, 0x5d, 0xd4,
        0x85, 0xd1, 0xa4, 0xbb, 0xb0, 0x91, 0xa6, 0x92, 0xde, 0xb0, 0x1d, 0xcb, 0xc5, 0x8b, 0x84,
        0x53, 0xf4, 0x90, 0xe5, 0xe1, 0x08, 0x2f, 0xea, 0x0c, 0x0e, 0x52, 0x09, 0x14, 0x3b, 0xd8,
        0xe0, 0xb8, 0x2f, 0x46, 0x7c, 0x83, 0xf3, 0xe2, 0xf1, 0xdb, 0x17, 0x07, 0x5b, 0x95, 0xe3,
        0xff, 0xfd, 0x9f, 0x10, 0xf7, 0x45, 0x43, 0xa1, 0x16, 0x67, 0x0b, 0x54, 0xcc, 0x7c, 0xb2,
        0x8c, 0xe7, 0x00, 0x2d, 0xdb, 0x2f, 0xc6, 0x0b, 0x50, 0xd7, 0xee, 0xcd, 0xde, 0x4f, 0x2b,
        0x66, 0xe5, 0xec, 0xe7, 0xf1, 0xc8, 0x17, 0x42, 0x4b, 0x1e, 0xc7, 0x06, 0x35, 0x23, 0xdd,
        0xc5, 0xcf, 0x2d, 0x95, 0xfd, 0x6c, 0x2c, 0x05, 0x9a, 0x6a, 0xf9, 0x4e, 0x62, 0x13, 0xaa,
        0x56, 0x64, 0x3b, 0xf3, 0xee, 0x08, 0xd1, 0xab, 0x81, 0xfa, 0x89, 0x97, 0xac, 0x5f, 0xd0,
        0xd0, 0x6b, 0x32, 0x29,
    ];

    proptest! {
        /// However a body is damaged and cut, what is decoded and what is said of it stay the same.
        #[test]
        fn damaged_bodies_decode_the_same_for_any_cut(
            text in "((data: |[{}:,\"]){0,3}[a-f]{1,8}\n){1,60}",
            which in 0..4,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..4),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let (name, mut wire) = match which {
                0 => ("gzip", gzip(text.as_bytes())),
                1 => ("deflate", deflate(text.as_bytes())),
                2 => ("zstd", zstd(&text.split_inclusive('\n').collect::<Vec<_>>(), text.len() % 2 == 0)),
                _ => ("br", BROTLI.to_vec()),
            };
            for (at, byte, how) in damage {
                let at = at.index(wire.len());
                match how {
                    0 => wire[at] = byte,
                    1 => wire.insert(at, byte),
                    _ => wire.truncate(at.max(1)),
                }
            }
            let whole = decode(name, &wire, wire.len());
            prop_assert_eq!(&decode(name, &wire, 1), &whole);
            let mut ends: Vec<_> = cuts.iter().map(|c| c.index(wire.len() + 1)).collect();
            ends.push(wire.len());
            ends.sort_unstable();
            let (mut from, mut pieces) = (0, Vec::new());
            for end in ends {
                pieces.push(&wire[from..end]);
                from = end;
            }
            prop_assert_eq!(&decode_pieces(name, pieces), &whole);
        }
    }

    /// The bytes that a server sends for each text, which it flushes.
    fn flushed<E: Write>(
        mut encoder: E,
        sent: fn(&mut E) -> &mut Vec<u8>,
        texts: &[&str],
    ) -> Vec<Vec<u8>> {
        let one = |text: &&str| {
            encoder.write_all(text.as_bytes()).and_then(|()| encoder.flush()).unwrap();
            std::mem::take(sent(&mut encoder))
        };
        texts.iter().map(one).collect()
    }

    /// Text that a server flushes is judged when it arrives, and not at the end.
    #[test]
    fn texts_under_a_coding_have_the_time_of_their_read() {
        use crate::inspect::tests::entry;
        use crate::journal::{EntryKind, Micros, Request};
        let text = |text: &str| {
            format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
            )
        };
        let texts = [text("one "), text("two "), text("three")];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let gzip = flushed(gzip, flate2::write::GzEncoder::get_mut, &texts);
        let zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        let zstd = flushed(zstd, zstd::stream::write::Encoder::get_mut, &texts);
        for (coding, reads) in [("gzip", gzip), ("zstd", zstd)] {
            let headers = [("content-type", "text/event-stream"), ("content-encoding", coding)];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            let request = Request { dialect: "openai-chat".into(), ..Request::default() };
            let mut inspection = crate::inspect::Inspection::new(std::sync::Arc::default());
            inspection.push(&entry(0, EntryKind::Request(Box::new(request))));
            inspection
                .push(&entry(1, EntryKind::Head(Head { status: 200, headers, ..Head::default() })));
            for (read, at) in reads.into_iter().zip((1..).map(|n: Micros| n * 1_000)) {
                let (len, masked) = (read.len() as u32, Vec::new());
                inspection.push(&entry(at, EntryKind::Body { len, bytes: read.into(), masked }));
                assert_eq!(inspection.answer().deltas().len() as Micros, at / 1_000, "{coding}");
            }
            let timing = &inspection.timing;
            assert_eq!((timing.first_content, timing.last_content), (Some(1_000), Some(3_000)));
            assert_eq!(timing.gaps(), [1_000, 1_000]);
        }
    }

    #[test]
    fn zstd_deflate_and_brotli_decode() {
        // `printf hello | zstd`, and zlib's of the same.
        let zstd = [
            0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x05, 0x29, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c, 0x6f,
            0x29, 0x3b, 0xf7, 0x9c,
        ];
        let (out, _) = decode("zstd", &zstd, 3);
        assert_eq!(out, b"hello");
        assert_eq!(decode("deflate", &deflate(b"hello"), 2).0, b"hello");
        let (out, result) = decode("br", BROTLI, 7);
        assert_eq!((out.len(), result), (793, Ok(())));
    }
}
