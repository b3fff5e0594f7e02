//! Text from the wire, made safe to show.
//!
//! A terminal obeys control characters, and a bidi mark can reorder what a reader sees. Nothing that arrived
//! over the wire goes to a screen or into JSON output before it has passed here: it is shown as what it is,
//! never emitted and never dropped.

mod json;
mod mojibake;
mod page;

pub use json::{SafeFormatter, to_json, write_json};
pub use mojibake::mojibake;
pub use page::{Page, Style};

use std::borrow::Cow;
use std::fmt::Write as _;

/// Treatment of line feeds and carriage returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newlines {
    /// LF stays a line break (CR is shown): for text that is laid out in lines.
    Keep,
    /// Shown as `␊` and `␍`: for one-line previews and raw bytes.
    Show,
}

/// Returns whether a character must not reach a terminal as it is: controls (C0, DEL, C1), the bidi controls
/// and isolates, the line and paragraph separators, and the other characters that change what is around them
/// without showing (zero width, byte order mark, tags, fillers, variation selectors beyond those of emoji).
/// Joiners stay: scripts and emoji are written with them.
pub fn is_hazard(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}'
        | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
}

/// Bytes as text, those that are not UTF-8 replaced as the Encoding Standard does. The standard
/// library's own is slower by far where nothing needs replacing, which is nearly always.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Returns how many bytes at the beginning are printable ASCII.
#[inline]
pub(crate) fn printable(bytes: &[u8]) -> usize {
    let is_printable = |byte: &u8| (0x20..0x80).contains(byte);
    // The compiler makes vectors of it.
    let (blocks, _) = bytes.as_chunks::<64>();
    let is_whole =
        |block: &&[u8; 64]| block.iter().fold(true, |all, byte| all & is_printable(byte));
    let mut at = 64 * blocks.iter().take_while(is_whole).count();
    let (words, _) = bytes[at..].as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The lowest bit is right: a borrow goes up.
        let others = (word | (word.wrapping_sub(SPACES) & !word)) & HIGH_BITS;
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| is_printable(byte)).count()
}

const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);

/// `text` with every hazard replaced by something visible: a tab by `→`, C0 by its control
/// picture, C1 by `\x9b`, the rest by `⟨U+202E⟩`.
pub fn visible(text: &str, newlines: Newlines) -> Cow<'_, str> {
    let stays = |c: char| !is_hazard(c) || (c == '\n' && newlines == Newlines::Keep);
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) || text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if stays(c) { out.push(c) } else { push_hazard(&mut out, c) }
    }
    Cow::Owned(out)
}

/// Bytes as text: valid UTF-8 as in [`visible`], every other byte as `\xff`.
pub fn visible_bytes(bytes: &[u8], newlines: Newlines) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return visible(text, newlines);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(&visible(chunk.valid(), newlines));
        for b in chunk.invalid() {
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    Cow::Owned(out)
}

fn push_hazard(out: &mut String, c: char) {
    let code = c as u32;
    match c {
        '\t' => out.push('→'),
        '\0'..='\x1f' => out.push(char::from_u32(0x2400 + code).unwrap_or('␀')),
        '\x7f' => out.push('␡'),
        '\u{80}'..='\u{9f}' => {
            let _ = write!(out, "\\x{code:02x}");
        }
        _ => {
            let _ = write!(out, "⟨U+{code:04X}⟩");
        }
    }
}

/// The first `max` characters of `text` on one line, made visible, with `…` where it was cut.
pub fn preview(text: &str, max: usize) -> String {
    // Truncate the source first: a hazard can grow to ten characters, and a truncated one would be lost.
    let end = text.char_indices().nth(max).map_or(text.len(), |(i, _)| i);
    let shown = visible(&text[..end], Newlines::Show);
    let cut = end < text.len();
    if !cut {
        return shown.into_owned();
    }
    let keep = shown.char_indices().nth(max.saturating_sub(1)).map_or(shown.len(), |(i, _)| i);
    format!("{}…", &shown[..keep])
}

/// A line cut to `max` columns of the screen, at the end of a word if one ends in its second half.
pub fn clip(line: &str, max: usize) -> Cow<'_, str> {
    let room = max.saturating_sub(1);
    let (mut width, mut end, mut word) = (0, 0, 0);
    for (i, c) in line.char_indices() {
        width += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if width <= room {
            end = i + c.len_utf8();
        }
        if c == ' ' && width <= room + 1 {
            word = i;
        }
        if width > max {
            let end = if word > end / 2 { word } else { end };
            return format!("{}…", line[..end].trim_end()).into();
        }
    }
    line.into()
}

/// `1,204` for 1204: groups of three, as every sentence and screen shows counts.
pub fn group(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// A time in RFC 3339 without the fraction of its second.
pub fn to_the_second(created: &str) -> String {
    match created.split_once('.') {
        Some((second, rest)) if rest.ends_with('Z') => format!("{second}Z"),
        _ => created.to_owned(),
    }
}

/// `"1 frame"`, `"2 frames"`: a count with its noun.
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", group(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever another byte is among blocks, words and single bytes.
    #[test]
    fn printable_bytes_end_at_the_first_other_one() {
        for len in 0..200 {
            let mut text = vec![b' '; len];
            assert_eq!(printable(&text), len);
            for at in 0..len {
                for other in [0, b'\n', 0x1f, 0x80, 0xff] {
                    text[at] = other;
                    assert_eq!(printable(&text), at, "{other} at {at} of {len}");
                }
                text[at] = b'~';
            }
        }
    }

    #[test]
    fn hazards_are_shown_and_never_emitted() {
        let wire = "a\x1b[31m\t\x07\u{9b}2J\u{202e}x\n\u{7f}\u{feff}";
        let shown = visible(wire, Newlines::Show);
        assert_eq!(shown, "a␛[31m→␇\\x9b2J⟨U+202E⟩x␊␡⟨U+FEFF⟩");
        assert!(!shown.chars().any(is_hazard));
        assert_eq!(visible("a\nb", Newlines::Keep), "a\nb");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_as_bytes() {
        assert_eq!(visible_bytes(b"a\xff\xc3\xa9\xe9\x82", Newlines::Show), "a\\xffé\\xe9\\x82");
    }

    #[test]
    fn previews_are_cut_in_characters() {
        assert_eq!(preview("héllo", 5), "héllo");
        assert_eq!(preview("héllo!", 5), "héll…");
    }

    #[test]
    fn lines_are_clipped_at_a_word() {
        assert_eq!(clip("one two three", 13), "one two three");
        assert_eq!(clip("one two three", 12), "one two…");
        assert_eq!(clip("one two three", 8), "one two…");
        assert_eq!(clip("a bcdefghijkl", 8), "a bcdef…", "half of the line is not given up");
        assert_eq!(clip("日本語 日本語", 9), "日本語…");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(group(1204), "1,204");
        assert_eq!(count(1, "frame"), "1 frame");
        assert_eq!(count(1_000_000, "frame"), "1,000,000 frames");
    }
}
