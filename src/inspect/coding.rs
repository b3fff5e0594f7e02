//! Content codings undone, piece by piece, so that what came over the wire and what it decodes to
//! are both accounted for. `accept-encoding: identity` is sent, but servers compress all the same.

use std::io::{Read, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{GzDecoder, ZlibDecoder};

/// The longest decoded body, in bytes: a few kilobytes can unpack to any size.
pub(super) const MAX_DECODED: usize = 1 << 30;

/// Undoes one content coding.
pub struct Coding {
    name: String,
    state: State,
}

enum State {
    Gzip(Box<GzDecoder<Vec<u8>>>),
    Deflate(Box<ZlibDecoder<Vec<u8>>>),
    Brotli(Box<DecompressorWriter<Vec<u8>>>),
    /// The decoder reads a whole frame at a time: all input is kept until the end.
    Zstd(Vec<u8>),
    /// Nobody knows this coding.
    Unknown,
    Failed,
}

impl std::fmt::Debug for Coding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Coding({})", self.name)
    }
}

impl Coding {
    /// The coding that a `content-encoding` value names; `None` for none at all.
    pub fn of(value: &str) -> Option<Self> {
        let name = value.trim().to_ascii_lowercase();
        let state = match name.as_str() {
            "" | "identity" => return None,
            "gzip" | "x-gzip" => State::Gzip(Box::new(GzDecoder::new(Vec::new()))),
            "deflate" => State::Deflate(Box::new(ZlibDecoder::new(Vec::new()))),
            "br" => State::Brotli(Box::new(DecompressorWriter::new(Vec::new(), 4096))),
            "zstd" => State::Zstd(Vec::new()),
            _ => State::Unknown,
        };
        Some(Self { name, state })
    }

    /// The coding's name, lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Decodes the next bytes, appending to `out`.
    ///
    /// # Errors
    /// A sentence about the first bytes that are not of this coding. What was decoded before them
    /// is in `out`; later calls do nothing.
    pub fn feed(&mut self, wire: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let result = match &mut self.state {
            State::Gzip(d) => write(d, wire).map(|()| out.append(d.get_mut())),
            State::Deflate(d) => write(d, wire).map(|()| out.append(d.get_mut())),
            State::Brotli(d) => write(d, wire).map(|()| out.append(d.get_mut())),
            State::Zstd(all) => {
                all.extend_from_slice(wire);
                Ok(())
            }
            State::Unknown => Err(format!("nobody here knows the content coding {:?}", self.name)),
            State::Failed => return Ok(()),
        };
        self.settle(result, out)
    }

    /// The body is over.
    ///
    /// # Errors
    /// A sentence, when the coded data ends too early.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let result = match &mut self.state {
            State::Gzip(d) => {
                d.try_finish().map_err(|e| e.to_string()).map(|()| out.append(d.get_mut()))
            }
            State::Deflate(d) => {
                d.try_finish().map_err(|e| e.to_string()).map(|()| out.append(d.get_mut()))
            }
            State::Brotli(d) => {
                d.close().map_err(|e| e.to_string()).map(|()| out.append(d.get_mut()))
            }
            State::Zstd(all) => unzstd(&std::mem::take(all), out),
            State::Unknown | State::Failed => Ok(()),
        };
        self.settle(result, out)
    }

    fn settle(&mut self, result: Result<(), String>, out: &mut Vec<u8>) -> Result<(), String> {
        let result = result.and_then(|()| {
            if out.len() <= MAX_DECODED {
                return Ok(());
            }
            out.truncate(MAX_DECODED);
            Err(format!("decodes to more than {MAX_DECODED} bytes"))
        });
        if result.is_err() {
            // What a decoder had put out before it failed was decoded truly.
            match &mut self.state {
                State::Gzip(d) => out.append(d.get_mut()),
                State::Deflate(d) => out.append(d.get_mut()),
                State::Brotli(d) => out.append(d.get_mut()),
                _ => {}
            }
            self.state = State::Failed;
        }
        result
    }
}

/// Feeds a decoder bounded pieces, flushing each, so that what can be decoded is decoded at once.
fn write(decoder: &mut impl Write, wire: &[u8]) -> Result<(), String> {
    decoder.write_all(wire).and_then(|()| decoder.flush()).map_err(|e| e.to_string())
}

fn unzstd(wire: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(wire).map_err(|e| e.to_string())?;
    let mut limited = (&mut decoder).take(MAX_DECODED as u64 + 1);
    limited.read_to_end(out).map(drop).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(coding: &str, wire: &[u8], cut: usize) -> (Vec<u8>, Result<(), String>) {
        let mut coding = Coding::of(coding).unwrap();
        let mut out = Vec::new();
        let mut result = Ok(());
        for piece in wire.chunks(cut.max(1)) {
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
        assert!(decode("compress", b"x", 1).1.unwrap_err().contains("compress"));
        assert!(Coding::of("identity").is_none());
    }

    #[test]
    fn zstd_and_deflate_decode() {
        // `printf hello | zstd`, and zlib's of the same.
        let zstd = [
            0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x05, 0x29, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c, 0x6f,
            0x29, 0x3b, 0xf7, 0x9c,
        ];
        let (out, _) = decode("zstd", &zstd, 3);
        assert_eq!(out, b"hello");
        let mut e = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        e.write_all(b"hello").unwrap();
        assert_eq!(decode("deflate", &e.finish().unwrap(), 2).0, b"hello");
    }
}
