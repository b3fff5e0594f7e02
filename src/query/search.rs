//! Searching a text in an exchange: its headers, the channels' joined text (so that deltas do not
//! hide it), strings behind JSON escapes, and the raw bytes.

use crate::dialect::Channel;
use crate::inspect::Inspection;
use crate::journal::Headers;

/// The most places that one search returns per exchange.
const MAX_HITS: usize = 10_000;

/// A text to search; ASCII capitals count if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needle {
    text: Vec<u8>,
    exact: bool,
}

impl Needle {
    /// A needle; `None` of an empty text.
    pub fn new(text: &str) -> Option<Self> {
        let exact = text.bytes().any(|b| b.is_ascii_uppercase());
        (!text.is_empty()).then(|| Self { text: text.as_bytes().to_vec(), exact })
    }

    /// The length in bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// The byte offset of the first occurrence at or after `from`.
    pub fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        if self.exact {
            return memchr::memmem::find(rest, &self.text).map(|i| i + from);
        }
        let lead = *self.text.first()?;
        let fits = |i: &usize| {
            let end = i + self.len();
            rest.get(*i..end).is_some_and(|t| t.eq_ignore_ascii_case(&self.text))
        };
        memchr::memchr2_iter(lead, lead.to_ascii_uppercase(), rest).find(fits).map(|i| i + from)
    }

    /// The byte offset of the last occurrence.
    pub fn rfind(&self, text: &[u8]) -> Option<usize> {
        if self.exact {
            return memchr::memmem::rfind(text, &self.text);
        }
        let lead = *self.text.first()?;
        let fits = |i: &usize| {
            text.get(*i..i + self.len()).is_some_and(|t| t.eq_ignore_ascii_case(&self.text))
        };
        memchr::memchr2_iter(lead, lead.to_ascii_uppercase(), text).rev().find(fits)
    }

    /// Returns whether it occurs.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.find(text, 0).is_some()
    }

    /// The byte offsets of its occurrences, which do not overlap.
    pub fn all<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let mut from = 0;
        std::iter::from_fn(move || {
            let at = self.find(text, from)?;
            from = at + self.len();
            Some(at)
        })
    }
}

/// The place where a text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// In the headers of the request or of the response.
    Headers,
    /// In a frame, or in text that begins in it.
    Frame(u32),
}

/// One place of a text; occurrences in one frame are one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The index of the exchange among those that were searched.
    pub exchange: usize,
    /// The place in it.
    pub spot: Spot,
}

/// Every place of `needle` in an exchange, in the order of the stream, at most 10,000.
/// `exchange` is the index that the hits bear.
pub fn search(needle: &Needle, inspection: &Inspection, exchange: usize) -> Vec<Hit> {
    let mut spots = Vec::new();
    let heads = [
        inspection.request.as_ref().map(|r| &r.headers),
        inspection.head.as_ref().map(|h| &h.headers),
    ];
    if heads.into_iter().flatten().any(|headers| in_headers(needle, headers)) {
        spots.push(Spot::Headers);
    }
    spots.extend(in_text(needle, inspection).take(MAX_HITS).map(Spot::Frame));
    spots.extend(in_bytes(needle, inspection).take(MAX_HITS).map(Spot::Frame));
    spots.extend(behind_escapes(needle, inspection).take(MAX_HITS).map(Spot::Frame));
    spots.sort_unstable();
    spots.dedup();
    spots.truncate(MAX_HITS);
    spots.into_iter().map(|spot| Hit { exchange, spot }).collect()
}

fn in_headers(needle: &Needle, headers: &Headers) -> bool {
    headers.iter().any(|(name, value)| needle.is_in(format!("{name}: {value}").as_bytes()))
}

/// The frames in which an occurrence in a channel's joined text begins.
fn in_text<'a>(needle: &'a Needle, inspection: &'a Inspection) -> impl Iterator<Item = u32> + 'a {
    let answer = inspection.answer();
    let channels = [Channel::Content, Channel::Reasoning, Channel::Refusal, Channel::Other];
    let texts = channels.into_iter().flat_map(move |channel| {
        answer.texts(channel).flat_map(move |(choice, text)| {
            let frame = move |at| answer.delta_at(channel, choice, at).map(|d| d.frame);
            needle.all(text.as_bytes()).filter_map(frame)
        })
    });
    let calls = answer.tools().iter().filter(|call| needle.is_in(call.arguments.as_bytes()));
    texts.chain(calls.map(|call| call.first))
}

/// The frames whose bytes have it.
fn in_bytes<'a>(needle: &'a Needle, inspection: &'a Inspection) -> impl Iterator<Item = u32> + 'a {
    let frames = inspection.frames();
    needle.all(inspection.body()).map(move |at| {
        let frame = frames.partition_point(|f| f.end() <= at as u64);
        frame.min(frames.len().saturating_sub(1)) as u32
    })
}

/// The frames that have it behind escapes such as `\u00e7` or `\"`.
fn behind_escapes<'a>(
    needle: &'a Needle,
    inspection: &'a Inspection,
) -> impl Iterator<Item = u32> + 'a {
    let body = inspection.body();
    inspection.frames().iter().enumerate().filter_map(move |(index, frame)| {
        let bytes = frame.bytes(body);
        memchr::memchr(b'\\', bytes)?;
        needle.is_in(&unescaped(bytes)).then_some(index as u32)
    })
}

/// Bytes with the escapes of JSON strings resolved, wherever they occur. A surrogate pair is joined,
/// half of one is left out.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let escaped = if byte == b'\\' { bytes.get(i + 1) } else { None };
        let Some(escaped) = escaped else {
            out.push(byte);
            i += 1;
            continue;
        };
        i += 2;
        match escaped {
            b'u' => {
                let unit = |at: usize| {
                    let hex = bytes.get(at..at + 4).and_then(|h| str::from_utf8(h).ok())?;
                    u16::from_str_radix(hex, 16).ok()
                };
                let Some(first) = unit(i) else { continue };
                i += 4;
                let second = (bytes.get(i..i + 2) == Some(b"\\u")).then(|| unit(i + 2)).flatten();
                let pair = char::decode_utf16([first].into_iter().chain(second)).next();
                if let Some(Ok(c)) = pair {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    if c > '\u{ffff}' {
                        i += 6;
                    }
                }
            }
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            other => out.push(*other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_count_if_there_are_any() {
        let text = b"Facade FACADE facade";
        let places = |n: &str| Needle::new(n).unwrap().all(text).collect::<Vec<_>>();
        assert_eq!(places("facade"), [0, 7, 14]);
        assert_eq!(Needle::new("facade").unwrap().rfind(text), Some(14));
        assert_eq!(places("Facade"), [0]);
        assert!(places("facades").is_empty());
        assert_eq!(Needle::new(""), None);
    }

    #[test]
    fn escapes_are_resolved_and_broken_ones_do_not_panic() {
        let of = |s: &str| String::from_utf8_lossy(&unescaped(s.as_bytes())).into_owned();
        assert_eq!(of(r#""fa\u00e7ade \"x\" \ud83d\ude00\n""#), "\"façade \"x\" 😀\n\"");
        assert_eq!(of(r"\ud83d rest \u12"), " rest 12");
        assert_eq!(of(r"end\"), r"end\");
    }
}
