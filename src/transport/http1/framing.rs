//! The end of a body: the framing of HTTP/1.1, read from a copy and never judged.
//!
//! Everything that any common client accepts is accepted here (line feeds alone, extensions, leading zeros);
//! where nothing can be made of the bytes the reader says so and looks no further.

use std::ops::Range;

/// The way in which the end of a body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// One thing in a body; ranges are of the bytes that were fed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyPart {
    /// Bytes of the body.
    Data(Range<usize>),
    /// A chunk's extension, without its semicolon.
    Extension(Vec<u8>),
    /// The trailer section, with its blank line.
    Trailers(Vec<u8>),
    /// The body is complete.
    End,
    /// These bytes are no body in this framing.
    Lost {
        /// The reason, as a sentence.
        why: String,
        /// It is a bound of this program, and no mistake of the server.
        is_limit: bool,
    },
}

/// Reason that a chunked body cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum ChunkError {
    #[error("invalid chunk size {0}")]
    Size(String),
    #[error("invalid chunk: its data is followed by {0}")]
    NoLineEnd(String),
    #[error("a chunk extension or trailer of more than 1 MiB")]
    LongLine,
}

/// The longest line of a chunked body that is looked at, in bytes.
const MAX_LINE: usize = 1 << 20;

/// Reads one body.
#[derive(Debug)]
pub(crate) struct BodyReader {
    state: BodyState,
    line: Vec<u8>,
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Length(u64),
    Size,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
    Lost,
}

impl BodyReader {
    /// A body of this framing.
    pub(crate) fn new(framing: BodyFraming) -> Self {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => BodyState::Done,
            BodyFraming::Length(n) => BodyState::Length(n),
            BodyFraming::Chunked => BodyState::Size,
            BodyFraming::UntilClose => BodyState::UntilClose,
        };
        Self { state, line: Vec::new(), trailers: Vec::new() }
    }

    /// Returns whether it is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.state == BodyState::Done
    }

    /// Returns whether it ends with the connection.
    pub(crate) fn is_until_close(&self) -> bool {
        self.state == BodyState::UntilClose
    }

    /// Returns whether the reader has stopped following it.
    pub(crate) fn is_lost(&self) -> bool {
        self.state == BodyState::Lost
    }

    /// Reads on, and returns how many of these bytes belong to the body: what follows its end does
    /// not. `found` gets its parts in order; [`BodyPart::End`] is not among them where a body has no
    /// byte at all.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut found: impl FnMut(BodyPart)) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                BodyState::Done => return at,
                BodyState::Lost => return bytes.len(),
                BodyState::UntilClose => {
                    found(BodyPart::Data(at..bytes.len()));
                    at = bytes.len();
                }
                BodyState::Length(left) | BodyState::Chunk(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    found(BodyPart::Data(at..at + take));
                    at += take;
                    let left = left - take as u64;
                    self.state = match (self.state, left) {
                        (BodyState::Length(_), 0) => {
                            found(BodyPart::End);
                            BodyState::Done
                        }
                        (BodyState::Length(_), left) => BodyState::Length(left),
                        (_, 0) => BodyState::ChunkEnd,
                        (_, left) => BodyState::Chunk(left),
                    };
                }
                BodyState::Size | BodyState::ChunkEnd | BodyState::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        self.line.extend_from_slice(rest);
                        if self.line.len() > MAX_LINE {
                            self.lose(&ChunkError::LongLine, found);
                        }
                        return bytes.len();
                    };
                    self.line.extend_from_slice(&rest[..=end]);
                    at += end + 1;
                    let line = std::mem::take(&mut self.line);
                    if let Err(why) = self.line(&line, &mut found) {
                        self.lose(&why, &mut found);
                        return bytes.len();
                    }
                }
            }
        }
        at
    }

    fn lose(&mut self, why: &ChunkError, mut found: impl FnMut(BodyPart)) {
        self.state = BodyState::Lost;
        found(BodyPart::Lost { why: why.to_string(), is_limit: *why == ChunkError::LongLine });
    }

    /// One line of a chunked body, with its line end.
    fn line(&mut self, line: &[u8], found: &mut impl FnMut(BodyPart)) -> Result<(), ChunkError> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match self.state {
            BodyState::ChunkEnd if text.is_empty() => self.state = BodyState::Size,
            BodyState::ChunkEnd => {
                return Err(ChunkError::NoLineEnd(shown(text)));
            }
            BodyState::Trailers => {
                self.trailers.extend_from_slice(line);
                if text.is_empty() {
                    let trailers = std::mem::take(&mut self.trailers);
                    // A blank line alone is not a trailer section.
                    if trailers.len() > line.len() {
                        found(BodyPart::Trailers(trailers));
                    }
                    found(BodyPart::End);
                    self.state = BodyState::Done;
                }
            }
            _ => {
                let (size, extension) = match memchr::memchr(b';', text) {
                    Some(at) => (&text[..at], Some(&text[at + 1..])),
                    None => (text, None),
                };
                let size = size.trim_ascii();
                let digits = std::str::from_utf8(size).ok().map(|s| s.trim_start_matches('0'));
                let n = match digits {
                    _ if size.is_empty() => None,
                    Some("") => Some(0),
                    Some(d) if d.bytes().all(|b| b.is_ascii_hexdigit()) => {
                        u64::from_str_radix(d, 16).ok()
                    }
                    _ => None,
                };
                let n = n.ok_or_else(|| ChunkError::Size(shown(text)))?;
                if let Some(extension) = extension {
                    found(BodyPart::Extension(extension.to_vec()));
                }
                self.state = if n == 0 { BodyState::Trailers } else { BodyState::Chunk(n) };
            }
        }
        Ok(())
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", crate::text::preview(&String::from_utf8_lossy(bytes), 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a body fed in pieces of `size`, data joined, and how much was left over.
    fn read(framing: BodyFraming, bytes: &[u8], size: usize) -> (Vec<u8>, Vec<BodyPart>, usize) {
        let mut body = BodyReader::new(framing);
        let (mut data, mut parts, mut used) = (Vec::new(), Vec::new(), 0);
        for piece in bytes.chunks(size) {
            let n = body.feed(piece, |part| match part {
                BodyPart::Data(range) => data.extend_from_slice(&piece[range]),
                other => parts.push(other),
            });
            used += n;
            if n < piece.len() {
                break;
            }
        }
        (data, parts, bytes.len() - used)
    }

    #[test]
    fn a_chunked_body_is_read_however_it_is_cut() {
        let wire =
            b"4\r\nwiki\r\n0005 ; n=\"v\"\r\npedia\r\nb\nin \r\nchunks\r\n0\r\nA: b\r\n\r\nHTTP/1.1 200";
        for size in 1..wire.len() {
            let (data, parts, left) = read(BodyFraming::Chunked, wire, size);
            assert_eq!(data, b"wikipediain \r\nchunks", "{size}");
            let expected = [
                BodyPart::Extension(b" n=\"v\"".to_vec()),
                BodyPart::Trailers(b"A: b\r\n\r\n".to_vec()),
                BodyPart::End,
            ];
            assert_eq!(parts, expected, "{size}");
            assert_eq!(left, 12);
        }
    }

    #[test]
    fn what_is_no_chunk_is_said_once() {
        for (wire, why) in [
            (&b"zz\r\nabc\r\n"[..], "invalid chunk size \"zz\""),
            (b"1\r\nab\r\n", "invalid chunk: its data is followed by \"b\""),
            (b"\r\n", "invalid chunk size \"\""),
            (b"fffffffffffffffff\r\n", "invalid chunk size \"fffffffffffffffff\""),
            (b"+1\r\n", "invalid chunk size \"+1\""),
        ] {
            let (_, parts, left) = read(BodyFraming::Chunked, wire, 2);
            assert_eq!(
                (parts, left),
                (vec![BodyPart::Lost { why: why.into(), is_limit: false }], 0)
            );
        }
    }

    #[test]
    fn a_length_ends_where_it_says() {
        let (data, parts, left) = read(BodyFraming::Length(5), b"hello more", 3);
        assert_eq!((data, parts), (b"hello".to_vec(), vec![BodyPart::End]));
        assert_eq!(left, 5);
        assert!(
            BodyReader::new(BodyFraming::Length(0)).is_done()
                && BodyReader::new(BodyFraming::None).is_done()
        );
    }
}
