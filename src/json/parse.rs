//! The parser: one pass, no recursion (depth costs memory, never the stack), no copy.

use super::{Kind, Node, Tape};

/// Reason that a text is not JSON, and the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct Error {
    /// Byte offset in the text where reading stopped.
    pub offset: usize,
    /// The kind of error there.
    pub kind: ErrorKind,
}

/// The kind of error; the display text is fit for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The text is empty or only white space.
    #[error("no JSON value")]
    Empty,
    /// The text ends inside a value.
    #[error("the text ends inside a value")]
    Eof,
    /// A byte that is not allowed there.
    #[error("unexpected character")]
    Unexpected,
    /// An object key is missing or is not a string.
    #[error("expected a key in double quotes")]
    Key,
    /// The colon after a key is missing.
    #[error("expected ':' after the key")]
    Colon,
    /// Two items with no comma between, or a bracket that does not match.
    #[error("expected ',' or the closing bracket")]
    Comma,
    /// A number that JSON does not spell so.
    #[error("malformed number")]
    Number,
    /// A backslash sequence that JSON does not know.
    #[error("unknown escape in a string")]
    Escape,
    /// A control character below U+0020 inside a string.
    #[error("raw control character in a string")]
    Control,
    /// A complete value, and then something else.
    #[error("more text after the value")]
    Trailing,
    /// Longer than the tape can address (4 GiB).
    #[error("too long")]
    TooLong,
}

/// The position of the parser in the grammar.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Value,
    /// After `[`: a value or `]`.
    FirstItem,
    /// After `{`: a key or `}`.
    FirstKey,
    Key,
    /// After a value: `,`, a closing bracket, or the end.
    After,
}

pub(super) fn parse(tape: &mut Tape, bytes: &[u8]) -> Result<(), Error> {
    tape.nodes.clear();
    tape.stack.clear();
    tape.nonfinite = false;
    let fail = |offset, kind| Err(Error { offset, kind });
    if bytes.len() >= u32::MAX as usize {
        return fail(0, ErrorKind::TooLong);
    }
    let mut at = At::Value;
    let mut i = skip_space(bytes, 0);
    if i == bytes.len() {
        return fail(i, ErrorKind::Empty);
    }
    loop {
        let Some(&b) = bytes.get(i) else {
            if at == At::After && tape.stack.is_empty() {
                return Ok(());
            }
            return fail(i, ErrorKind::Eof);
        };
        match at {
            At::After => {
                let Some(&open) = tape.stack.last() else {
                    return fail(i, ErrorKind::Trailing);
                };
                let object = tape.nodes[open as usize].kind == Kind::Object;
                match (b, object) {
                    (b',', true) => at = At::Key,
                    (b',', false) => at = At::Value,
                    (b'}', true) | (b']', false) => close(tape, i),
                    _ => return fail(i, ErrorKind::Comma),
                }
                i += 1;
            }
            At::FirstItem if b == b']' => {
                close(tape, i);
                i += 1;
                at = At::After;
            }
            At::FirstKey if b == b'}' => {
                close(tape, i);
                i += 1;
                at = At::After;
            }
            At::FirstKey | At::Key => {
                if b != b'"' {
                    return fail(i, ErrorKind::Key);
                }
                let (end, escaped) = string(bytes, i)?;
                push(tape, Kind::Key, escaped, i, end);
                i = skip_space(bytes, end);
                match bytes.get(i) {
                    Some(b':') => i += 1,
                    Some(_) => return fail(i, ErrorKind::Colon),
                    None => return fail(i, ErrorKind::Eof),
                }
                at = At::Value;
            }
            At::Value | At::FirstItem => {
                at = At::After;
                match b {
                    b'{' | b'[' => {
                        let kind = if b == b'{' { Kind::Object } else { Kind::Array };
                        tape.stack.push(tape.nodes.len() as u32);
                        push(tape, kind, false, i, i + 1);
                        at = if b == b'{' { At::FirstKey } else { At::FirstItem };
                        i += 1;
                    }
                    _ => {
                        let value = scalar(bytes, i)?;
                        push(tape, value.kind, value.escaped, i, value.end);
                        tape.nonfinite |= value.nonfinite;
                        i = value.end;
                    }
                }
            }
        }
        i = skip_space(bytes, i);
    }
}

fn skip_space(bytes: &[u8], mut i: usize) -> usize {
    while matches!(bytes.get(i), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        i += 1;
    }
    i
}

fn push(tape: &mut Tape, kind: Kind, escaped: bool, start: usize, end: usize) {
    let next = tape.nodes.len() as u32 + 1;
    tape.nodes.push(Node { kind, escaped, start: start as u32, end: end as u32, next });
}

fn close(tape: &mut Tape, i: usize) {
    let next = tape.nodes.len() as u32;
    if let Some(open) = tape.stack.pop() {
        let node = &mut tape.nodes[open as usize];
        node.end = i as u32 + 1;
        node.next = next;
    }
}

/// A value that holds no others.
pub(super) struct Scalar {
    pub(super) kind: Kind,
    /// A string with a backslash in it.
    pub(super) escaped: bool,
    /// `NaN` or an infinity.
    pub(super) nonfinite: bool,
    /// The byte after it.
    pub(super) end: usize,
}

/// The value that begins at `i` and is no container.
pub(super) fn scalar(bytes: &[u8], i: usize) -> Result<Scalar, Error> {
    let word = |word: &[u8], kind| {
        let nonfinite = kind == Kind::Number;
        Ok(Scalar { kind, escaped: false, nonfinite, end: self::word(bytes, i, word)? })
    };
    match bytes.get(i) {
        Some(b'"') => {
            let (end, escaped) = string(bytes, i)?;
            Ok(Scalar { kind: Kind::String, escaped, nonfinite: false, end })
        }
        Some(b't') => word(b"true", Kind::Bool),
        Some(b'f') => word(b"false", Kind::Bool),
        Some(b'n') => word(b"null", Kind::Null),
        Some(b'N') => word(b"NaN", Kind::Number),
        Some(b'I') => word(b"Infinity", Kind::Number),
        Some(b'-') if bytes.get(i + 1) == Some(&b'I') => word(b"-Infinity", Kind::Number),
        Some(b'-' | b'0'..=b'9') => {
            let end = number(bytes, i)?;
            Ok(Scalar { kind: Kind::Number, escaped: false, nonfinite: false, end })
        }
        Some(_) => Err(Error { offset: i, kind: ErrorKind::Unexpected }),
        None => Err(Error { offset: i, kind: ErrorKind::Eof }),
    }
}

/// Returns the position after `word`, which is expected at `i`.
fn word(bytes: &[u8], i: usize, word: &[u8]) -> Result<usize, Error> {
    let rest = &bytes[i..];
    if rest.starts_with(word) {
        return Ok(i + word.len());
    }
    let same = rest.iter().zip(word).take_while(|(a, b)| a == b).count();
    let kind = if same == rest.len() { ErrorKind::Eof } else { ErrorKind::Unexpected };
    Err(Error { offset: i + same, kind })
}

/// The place after the string that opens at `i`, and whether it holds a backslash; `None` where it
/// does not end, or is no JSON.
pub(crate) fn string_end(bytes: &[u8], i: usize) -> Option<(usize, bool)> {
    string(bytes, i).ok()
}

/// The end of the string that opens at `i`, and whether it holds a backslash.
fn string(bytes: &[u8], i: usize) -> Result<(usize, bool), Error> {
    let mut at = i + 1;
    let mut escaped = false;
    loop {
        let stop = plain(bytes, at);
        match bytes.get(stop) {
            None => return Err(Error { offset: bytes.len(), kind: ErrorKind::Eof }),
            Some(b'"') => return Ok((stop + 1, escaped)),
            Some(b'\\') => {
                escaped = true;
                at = escape(bytes, stop)?;
            }
            Some(_) => return Err(Error { offset: stop, kind: ErrorKind::Control }),
        }
    }
}

/// The first byte from `at` on that ends plain string text: a quote, a backslash or a control
/// character. Eight bytes at a step: most strings of a stream are shorter than what a vectorised
/// search needs to get going.
fn plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero = |w: u64| w.wrapping_sub(ONES) & !w & HIGHS;
    while let Some(chunk) = bytes.get(at..at + 8).and_then(|c| <[u8; 8]>::try_from(c).ok()) {
        let w = u64::from_le_bytes(chunk);
        let control = w.wrapping_sub(ONES * 0x20) & !w & HIGHS;
        let hit =
            control | zero(w ^ (ONES * u64::from(b'"'))) | zero(w ^ (ONES * u64::from(b'\\')));
        if hit != 0 {
            // A borrow can mark a later byte falsely, never an earlier one.
            return at + hit.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\')).unwrap_or(rest.len())
}

/// The byte after the escape at `at`.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Error> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            for k in 2..6 {
                match bytes.get(at + k) {
                    Some(h) if h.is_ascii_hexdigit() => {}
                    Some(_) => return Err(Error { offset: at + k, kind: ErrorKind::Escape }),
                    None => return Err(Error { offset: at + k, kind: ErrorKind::Eof }),
                }
            }
            Ok(at + 6)
        }
        Some(_) => Err(Error { offset: at, kind: ErrorKind::Escape }),
        None => Err(Error { offset: at + 1, kind: ErrorKind::Eof }),
    }
}

fn number(bytes: &[u8], i: usize) -> Result<usize, Error> {
    let digits = |mut at: usize| {
        while matches!(bytes.get(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        at
    };
    let bad = |offset| {
        let kind = if offset == bytes.len() { ErrorKind::Eof } else { ErrorKind::Number };
        Err(Error { offset, kind })
    };
    let int = if bytes[i] == b'-' { i + 1 } else { i };
    let mut at = digits(int);
    if at == int {
        return bad(at);
    }
    if bytes[int] == b'0' && at > int + 1 {
        return Err(Error { offset: int, kind: ErrorKind::Number });
    }
    if bytes.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        if end == at + 1 {
            return bad(end);
        }
        at = end;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits(at + 1 + sign);
        if end == at + 1 + sign {
            return bad(end);
        }
        at = end;
    }
    Ok(at)
}
