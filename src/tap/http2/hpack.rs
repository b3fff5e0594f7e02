//! Header blocks of HTTP/2 (HPACK, RFC 7541): read with the state that their sender keeps, and written without
//! any.
//!
//! Why not a crate: one that says which fields must never be indexed and is safe against damaged blocks is not
//! to be found, and a reader alone is short.

use std::collections::VecDeque;

use bytes::Bytes;

use super::huffman;
use crate::transport::http1::head::MAX_HEAD;

/// The largest table that is kept for a connection; a sender that may use a larger one is not followed.
const MAX_TABLE: usize = 1 << 20;

/// The cost of a table's entry beside its text.
const OVERHEAD: usize = 32;

/// Reason that a header block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockError {
    #[error("a header block ends inside a field")]
    Short,
    #[error("a header block has a number that is too large")]
    Number,
    #[error("a header block names entry {0} of a table that has no such entry")]
    Index(usize),
    #[error("a header block has a string that is not of its Huffman code")]
    Huffman,
    #[error("a header block changes the size of the table behind its first field")]
    LateSize,
    #[error("a header block asks for a table of {0} bytes; up to 1 MiB is kept")]
    Table(usize),
    #[error("the fields of a header block are longer than 1 MiB")]
    Long,
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderField {
    pub(super) name: Bytes,
    pub(super) value: Bytes,
    /// It is a secret that no one in between may put into a table.
    pub(super) never_indexed: bool,
}

/// A header block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct DecodedBlock {
    /// The changes of the table's size at its beginning, as they were written.
    pub(super) sizes: Vec<u8>,
    /// The fields, in order.
    pub(super) fields: Vec<HeaderField>,
}

/// The state of one direction.
#[derive(Debug)]
pub(super) struct HpackDecoder {
    /// The newest entry first.
    table: VecDeque<(Bytes, Bytes)>,
    size: usize,
    most: usize,
}

/// The bytes of a block that are left.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    /// A number whose first bits are the last `bits` of the first byte.
    fn number(&mut self, bits: u32) -> Result<usize, BlockError> {
        let (first, mut rest) = self.0.split_first().ok_or(BlockError::Short)?;
        let mask = (1_usize << bits) - 1;
        let mut value = usize::from(*first) & mask;
        if value == mask {
            let mut shift = 0;
            loop {
                let (next, after) = rest.split_first().ok_or(BlockError::Short)?;
                rest = after;
                // Four bytes are more than any length or size here needs.
                if shift > 21 {
                    return Err(BlockError::Number);
                }
                value += usize::from(next & 0x7f) << shift;
                shift += 7;
                if next & 0x80 == 0 {
                    break;
                }
            }
        }
        self.0 = rest;
        Ok(value)
    }

    fn string(&mut self) -> Result<Bytes, BlockError> {
        let coded = self.0.first().ok_or(BlockError::Short)? & 0x80 != 0;
        let len = self.number(7)?;
        let (text, rest) = self.0.split_at_checked(len).ok_or(BlockError::Short)?;
        self.0 = rest;
        match coded {
            true => huffman::decode(text).map(Bytes::from).ok_or(BlockError::Huffman),
            false => Ok(Bytes::copy_from_slice(text)),
        }
    }
}

impl HpackDecoder {
    pub(super) fn new() -> Self {
        Self { table: VecDeque::new(), size: 0, most: 4096 }
    }

    /// Reads a whole block. After an error that is not [`BlockError::Long`] no other block can be read.
    ///
    /// # Errors
    /// It is damaged, or beyond the bounds.
    pub(super) fn block(&mut self, bytes: &[u8]) -> Result<DecodedBlock, BlockError> {
        let mut input = Input(bytes);
        let mut block = DecodedBlock::default();
        let (mut long, mut len) = (false, 0);
        while let Some(first) = input.0.first() {
            let before = input.0;
            let field = match first.leading_zeros() {
                0 => {
                    let (name, value) = self.entry(input.number(7)?)?;
                    HeaderField { name, value, never_indexed: false }
                }
                1 => {
                    let field = self.literal(&mut input, 6, false)?;
                    self.insert(&field);
                    field
                }
                2 if !block.fields.is_empty() || long => return Err(BlockError::LateSize),
                2 => {
                    self.resize(input.number(5)?)?;
                    block.sizes.extend_from_slice(&before[..before.len() - input.0.len()]);
                    // Only the smallest and the last size have an effect, so no encoder needs this many.
                    if block.sizes.len() > 64 {
                        return Err(BlockError::LateSize);
                    }
                    continue;
                }
                zeros => self.literal(&mut input, 4, zeros == 3)?,
            };
            // One byte of the block can refer to a whole entry, so bound the result.
            len += field.name.len() + field.value.len() + OVERHEAD;
            long |= len > MAX_HEAD;
            if !long {
                block.fields.push(field);
            }
        }
        if long { Err(BlockError::Long) } else { Ok(block) }
    }

    fn literal(
        &self,
        input: &mut Input<'_>,
        bits: u32,
        never_indexed: bool,
    ) -> Result<HeaderField, BlockError> {
        let name = match input.number(bits)? {
            0 => input.string()?,
            index => self.entry(index)?.0,
        };
        Ok(HeaderField { name, value: input.string()?, never_indexed })
    }

    fn entry(&self, index: usize) -> Result<(Bytes, Bytes), BlockError> {
        let nth = index.checked_sub(1).ok_or(BlockError::Index(index))?;
        if let Some((name, value)) = STATIC.get(nth) {
            let text = |text: &'static str| Bytes::from_static(text.as_bytes());
            return Ok((text(name), text(value)));
        }
        self.table.get(nth - STATIC.len()).cloned().ok_or(BlockError::Index(index))
    }

    fn insert(&mut self, field: &HeaderField) {
        self.size += field.name.len() + field.value.len() + OVERHEAD;
        self.table.push_front((field.name.clone(), field.value.clone()));
        self.evict();
    }

    fn resize(&mut self, most: usize) -> Result<(), BlockError> {
        if most > MAX_TABLE {
            return Err(BlockError::Table(most));
        }
        self.most = most;
        self.evict();
        Ok(())
    }

    fn evict(&mut self) {
        while self.size > self.most
            && let Some((name, value)) = self.table.pop_back()
        {
            self.size -= name.len() + value.len() + OVERHEAD;
        }
    }
}

/// Writes a field as a literal that no table takes in.
pub(super) fn write(field: &HeaderField, out: &mut Vec<u8>) {
    out.push(if field.never_indexed { 0x10 } else { 0 });
    for text in [&field.name, &field.value] {
        number(text.len(), 7, out);
        out.extend_from_slice(text);
    }
}

/// Writes a number whose first bits are the last `bits` of a byte.
fn number(value: usize, bits: u32, out: &mut Vec<u8>) {
    let mask = (1 << bits) - 1;
    if value < mask {
        return out.push(value as u8);
    }
    out.push(mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The entries that every table begins with (RFC 7541, appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
#[path = "hpack_tests.rs"]
mod tests;
