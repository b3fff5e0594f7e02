//! Chunks inside the body: a transfer coding that was applied twice.

/// The chunk sizes of HTTP/1.1 that are part of a body.
#[derive(Debug, PartialEq)]
pub(super) struct Chunks {
    /// Offset of the first size.
    pub(super) offset: usize,
    /// Number of chunks that have exactly the size written before them.
    pub(super) count: u64,
}

/// The largest number of possible size lines that are followed.
const MAX_TRIED: usize = 1000;

/// A single chunk smaller than this may be chance.
const TELLING: usize = 4;

/// Finds chunks in a body: a line with a hexadecimal number, that many bytes, a line end, and so on.
pub(super) fn find(body: &[u8]) -> Option<Chunks> {
    let mut at = 0;
    let mut tried = 0;
    while at < body.len() && tried < MAX_TRIED {
        if size(&body[at..]).is_some_and(|(size, _)| size > 0) {
            tried += 1;
            let (count, bytes) = follow(&body[at..]);
            if count > 1 || (count == 1 && bytes >= TELLING) {
                return Some(Chunks { offset: at, count });
            }
        }
        at = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |end| at + end + 1);
    }
    None
}

/// Returns how many chunks follow one another from here, and how many bytes they hold.
fn follow(mut rest: &[u8]) -> (u64, usize) {
    let (mut count, mut bytes) = (0, 0);
    while let Some((size, begin)) = size(rest).filter(|(size, _)| *size > 0) {
        let Some(after) = begin.checked_add(size).and_then(|end| rest.get(end..)) else { break };
        let Some(after) = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")) else {
            break;
        };
        count += 1;
        bytes += size;
        rest = after;
    }
    (count, bytes)
}

/// A line that is a chunk's size: the size, and where the chunk begins.
fn size(bytes: &[u8]) -> Option<(usize, usize)> {
    /// Digits and extensions of a size line are shorter than this.
    const LONGEST: usize = 256;
    let end = memchr::memchr(b'\n', &bytes[..bytes.len().min(LONGEST)])?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let digits = line.split(';').next().unwrap_or_default().trim_end();
    let hex = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let size = hex.then(|| usize::from_str_radix(digits, 16).ok()).flatten()?;
    Some((size, end + 1))
}

#[cfg(test)]
mod tests {
    use super::{Chunks, find};

    #[test]
    fn sizes_that_fit_are_chunks() {
        let body = b"8\r\ndata: a\n\r\n9;x=y\r\n\ndata: b\n\r\n0\r\n\r\n";
        assert_eq!(find(body), Some(Chunks { offset: 0, count: 2 }));
        // Chunks that begin in the middle of a line, and are truncated.
        assert_eq!(find(b": hi\n\n6\r\ndata: \r\nff\r\n{"), Some(Chunks { offset: 6, count: 1 }));
        for body in
            [&b"add\nbed\nface\n"[..], b"data: 8\n\n", b"8\ndata: abc\n\n", b"", b"0\r\n\r\n"]
        {
            assert_eq!(find(body), None, "{body:?}");
        }
    }
}
