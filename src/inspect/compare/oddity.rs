//! Legal but unusual features in the bytes of a stream that a gateway may stumble over.

use super::Difference;
use super::side::ComparedSide;
use crate::frame::Framing;
use crate::inspect::Inspection;
use crate::rule::Code;

/// Something legal that many parsers of event streams do not expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Oddity {
    /// The body begins with a byte order mark.
    ByteOrderMark,
    /// Lines end with CR LF, or with CR alone.
    CarriageReturns,
    /// Comment lines.
    Comments,
    /// `data:` without a space after it.
    #[strum(serialize = "data-without-space")]
    NoSpace,
    /// Blocks with a `retry:` and no data.
    RetryBlocks,
}

impl Oddity {
    /// All of them.
    pub const ALL: [Oddity; 5] = [
        Oddity::ByteOrderMark,
        Oddity::CarriageReturns,
        Oddity::Comments,
        Oddity::NoSpace,
        Oddity::RetryBlocks,
    ];

    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns its description, as part of a sentence.
    pub fn phrase(self) -> &'static str {
        match self {
            Oddity::ByteOrderMark => "the byte order mark",
            Oddity::CarriageReturns => "the carriage returns at the ends of lines",
            Oddity::Comments => "the comments",
            Oddity::NoSpace => "`data:` without a space",
            Oddity::RetryBlocks => "the retry: blocks without data",
        }
    }

    /// The same event stream without this: to the HTML standard its events are the same.
    pub fn without(self, body: &[u8]) -> Vec<u8> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        match self {
            Oddity::ByteOrderMark => body.strip_prefix(MARK).unwrap_or(body).to_vec(),
            Oddity::CarriageReturns => {
                let lines = lines(body);
                let each = lines.iter().map(|(text, end)| [*text, line_feed(end)].concat());
                each.collect::<Vec<_>>().concat()
            }
            Oddity::Comments => blocks(body, |block| {
                let rest = block.iter().filter(|(text, _)| !text.starts_with(b":"));
                let rest: Vec<_> = rest.copied().collect();
                let comments = block.len() > rest.len();
                // A block that has only comments is dropped together with its blank line.
                (!comments || rest.iter().any(|(text, _)| !text.is_empty())).then_some(rest)
            }),
            Oddity::NoSpace => {
                let mut out = Vec::with_capacity(body.len());
                for (text, end) in lines(body) {
                    match text.strip_prefix(b"data:") {
                        Some(rest) if !rest.starts_with(b" ") && !rest.is_empty() => {
                            out.extend_from_slice(b"data: ");
                            out.extend_from_slice(rest);
                        }
                        _ => out.extend_from_slice(text),
                    }
                    out.extend_from_slice(end);
                }
                out
            }
            Oddity::RetryBlocks => blocks(body, |block| {
                let has = |name: &[u8]| block.iter().any(|(text, _)| text.starts_with(name));
                (!has(b"retry") || has(b"data")).then(|| block.to_vec())
            }),
        }
    }

    /// Those in the bytes of an event stream.
    pub fn of(seen: &Inspection) -> Vec<Oddity> {
        if seen.framing() != Some(Framing::Sse) {
            return Vec::new();
        }
        let body = seen.body();
        Self::ALL.into_iter().filter(|o| o.without(body) != body).collect()
    }
}

/// Returns the line end that replaces any other.
fn line_feed(end: &[u8]) -> &'static [u8] {
    if end.is_empty() { b"" } else { b"\n" }
}

/// A line, and its end.
type RawLine<'a> = (&'a [u8], &'a [u8]);

/// The lines of an event stream, which end with LF, CR LF or CR.
fn lines(body: &[u8]) -> Vec<RawLine<'_>> {
    let (mut lines, mut from) = (Vec::new(), 0);
    while from < body.len() {
        let rest = &body[from..];
        let text = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let end = match &rest[text..] {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        lines.push((&rest[..text], &rest[text..text + end]));
        from += text + end;
    }
    lines
}

/// The stream with each of its blocks, its blank line included, replaced by what is made of it.
fn blocks<'a>(
    body: &'a [u8],
    make: impl Fn(&[RawLine<'a>]) -> Option<Vec<RawLine<'a>>>,
) -> Vec<u8> {
    let lines = lines(body);
    let blocks = lines.split_inclusive(|(text, _)| text.is_empty());
    let kept = blocks.filter_map(make).flatten();
    kept.flat_map(|(text, end)| [text, end]).flatten().copied().collect()
}

/// Returns what the other call may have stumbled over, if it has nothing of an answer that the direct one
/// has.
pub(super) fn suspects(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    differences: &[Difference],
) -> Vec<Oddity> {
    let known = [Code::GwTimeout, Code::GwRefused];
    let explained = differences.iter().any(|d| known.contains(&d.code));
    let lost = a.length() > 0 && b.length() == 0 && b.seen.is_over() && !b.was_stopped();
    if !lost || explained || a.error().is_some() {
        return Vec::new();
    }
    Oddity::of(a.seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity_goes_alone_and_the_events_stay() {
        let odd = b"\xef\xbb\xbf: hi\r\n\r\nretry: 9\r\n\r\ndata:a\r\n: in\r\ndata: b\r\n\r\n";
        let without = |o: Oddity| String::from_utf8_lossy(&o.without(odd)).into_owned();
        assert_eq!(
            without(Oddity::CarriageReturns),
            "\u{feff}: hi\n\nretry: 9\n\ndata:a\n: in\ndata: b\n\n"
        );
        assert_eq!(without(Oddity::ByteOrderMark), String::from_utf8_lossy(&odd[3..]));
        let rest = &without(Oddity::ByteOrderMark);
        let comments = Oddity::Comments.without(rest.as_bytes());
        assert_eq!(comments, b"retry: 9\r\n\r\ndata:a\r\ndata: b\r\n\r\n");
        assert!(without(Oddity::NoSpace).contains("data: a\r\n"));
        assert!(!without(Oddity::RetryBlocks).contains("retry"));
        for plain in ["data: a\n\n", "", "data: a", "data:\n\n", "retry: 1\ndata: a\n\n"] {
            for o in Oddity::ALL {
                assert_eq!(o.without(plain.as_bytes()), plain.as_bytes(), "{o:?} {plain:?}");
            }
        }
    }
}
