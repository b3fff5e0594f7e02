//! Breaks of a long text into lines of one width.
//!
//! A channel grows by a few characters at a time and is looked at all the while, so the breaks are kept and
//! only what is new is looked at. Dropping them changes nothing but the time of the next draw.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::text::{Newlines, is_hazard, visible};

/// Largest number of bytes that are laid out between two drawings.
const SLICE: usize = 1 << 20;

/// The lines of one text at one width.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wrap {
    /// Break where the line is full, not between words: for bytes, whose blanks mean nothing.
    hard: bool,
    /// An indented line goes on below its text, or the second column of its table.
    hangs: bool,
    width: usize,
    /// The byte at which each line begins; never empty once updated.
    starts: Vec<usize>,
    /// Number of bytes of the text that were looked at.
    done: usize,
}

impl Wrap {
    /// Lines that are broken where they are full.
    pub(crate) fn hard() -> Self {
        Self { hard: true, ..Self::default() }
    }

    /// Lines that go on below their text where they are indented, or below the second column of a table.
    pub(crate) fn hanging() -> Self {
        Self { hangs: true, ..Self::default() }
    }

    /// The column at which a line is drawn.
    pub(crate) fn indent(&self, text: &str, index: usize) -> usize {
        let Some(at) = self.starts.get(index).filter(|_| self.hangs) else { return 0 };
        let line = text[..*at].rfind('\n').map_or(0, |end| end + 1);
        if line < *at { self.hang(&text[line..]) } else { 0 }
    }

    /// The column at which the line that a text begins with goes on; it keeps a part of its width.
    fn hang(&self, text: &str) -> usize {
        let line = text.split('\n').next().unwrap_or_default();
        let words = line.trim_start_matches(' ');
        let lead = line.len() - words.len();
        if !self.hangs || lead == 0 {
            return 0;
        }
        let column = words.find("  ").map_or(0, |gap| {
            let after = words[gap..].trim_start_matches(' ');
            words[..words.len() - after.len()].chars().map(char_width).sum()
        });
        (lead + column).min(self.width / 2)
    }

    /// Takes in `text`, which must begin with the text of the last call (or be known to be
    /// another, after [`Wrap::reset`]).
    pub(crate) fn update(&mut self, text: &str, width: usize) {
        let width = width.max(1);
        if width != self.width || text.len() < self.done || self.starts.is_empty() {
            self.reset();
            self.width = width;
        } else if text.len() == self.done {
            return;
        }
        // Only the last line can still change.
        let from = self.starts.pop().unwrap_or(0);
        self.starts.push(from);
        self.lay(text, from);
        self.done = text.len();
    }

    /// Does the same, but of a long text no more than can be laid out between two drawings; returns whether
    /// that was all of it. Until then the lines end where it stopped.
    pub(crate) fn update_some(&mut self, text: &str, width: usize) -> bool {
        let known = if width.max(1) == self.width { self.done } else { 0 };
        let mut to = known.saturating_add(SLICE).min(text.len());
        while !text.is_char_boundary(to) {
            to += 1;
        }
        self.update(text.get(..to).unwrap_or(text), width);
        to == text.len()
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.starts.clear();
        self.starts.push(0);
        self.done = 0;
    }

    fn lay(&mut self, text: &str, from: usize) {
        let bytes = text.as_bytes();
        let mut starts = std::mem::take(&mut self.starts);
        let (mut column, mut start, mut blank) = (0, from, None);
        // The column at which the line at hand goes on.
        let goes_on = |from: usize| if self.hangs { self.hang(&text[from..]) } else { 0 };
        let begins = |from: usize| text[..from].rfind('\n').map_or(0, |end| end + 1);
        let mut hang = if self.hangs { goes_on(begins(from)) } else { 0 };
        if from > 0 && bytes.get(from - 1) != Some(&b'\n') {
            column = hang;
        }
        let mut i = from;
        while i < bytes.len() {
            let b = bytes[i];
            if b == b'\n' {
                i += 1;
                starts.push(i);
                hang = goes_on(i);
                (column, start, blank) = (0, i, None);
                continue;
            }
            let (wide, len) = if (0x20..0x7f).contains(&b) {
                (1, 1)
            } else {
                let c = text[i..].chars().next().unwrap_or(' ');
                (char_width(c), c.len_utf8())
            };
            if column + wide > self.width && i > start {
                if b == b' ' && !self.hard {
                    // One blank may hang over the edge: the line ends with it.
                    i += 1;
                    starts.push(i);
                    (column, start, blank) = (hang, i, None);
                    continue;
                }
                let next = blank.filter(|at| *at > start && !self.hard).unwrap_or(i);
                starts.push(next);
                (column, start, blank) = (hang, next, None);
                i = next;
                continue;
            }
            column += wide;
            i += len;
            if b == b' ' {
                blank = Some(i);
            }
        }
        self.starts = starts;
    }

    /// Returns the number of lines.
    pub(crate) fn len(&self) -> usize {
        self.starts.len().max(1)
    }

    /// The bytes of a line, its line feed included, in a text of `len` bytes.
    pub(crate) fn line(&self, index: usize, len: usize) -> Range<usize> {
        let from = self.starts.get(index).copied().unwrap_or(len).min(len);
        let to = self.starts.get(index + 1).copied().unwrap_or(self.done).min(len);
        from..to
    }

    /// Returns the line that byte `at` is on.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|s| *s <= at).saturating_sub(1)
    }

    /// The byte at a column of a line; the line's last character where it is shorter.
    pub(crate) fn offset_at(&self, text: &str, line: usize, column: usize) -> usize {
        let range = self.line(line, text.len());
        let (mut x, mut last) = (0, range.start);
        for (i, c) in text.get(range.clone()).unwrap_or_default().char_indices() {
            if c == '\n' {
                break;
            }
            last = range.start + i;
            x += char_width(c);
            if x > column {
                break;
            }
        }
        last
    }
}

/// Returns how many columns a character takes once it is made visible.
pub(crate) fn char_width(c: char) -> usize {
    if is_hazard(c) {
        let mut buffer = [0; 4];
        let shown = visible(c.encode_utf8(&mut buffer), Newlines::Show);
        return shown.chars().map(|c| c.width().unwrap_or(0)).sum();
    }
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, width: usize) -> Vec<&str> {
        let mut wrap = Wrap::default();
        wrap.update(text, width);
        (0..wrap.len()).map(|i| &text[wrap.line(i, text.len())]).collect()
    }

    #[test]
    fn an_indented_line_goes_on_at_its_column() {
        let text = "head is long\n  k   does a thing\n";
        let mut wrap = Wrap::hanging();
        wrap.update(text, 12);
        let lines: Vec<_> = (0..wrap.len())
            .map(|i| (wrap.indent(text, i), &text[wrap.line(i, text.len())]))
            .collect();
        let expected = [(0, "head is long\n"), (0, "  k   does a "), (6, "thing\n"), (0, "")];
        assert_eq!(lines, expected);
    }

    #[test]
    fn breaks_after_blanks_and_in_long_words() {
        assert_eq!(lines("one two three", 8), ["one two ", "three"]);
        assert_eq!(lines("one two three", 7), ["one two ", "three"]);
        assert_eq!(lines("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(lines("a\n\nb\n", 4), ["a\n", "\n", "b\n", ""]);
        assert_eq!(lines("日本語", 4), ["日本", "語"]);
        assert_eq!(lines("\x1b\x1b\u{9b}", 2), ["\x1b\x1b", "\u{9b}"]);
        assert_eq!(lines("", 4), [""]);
    }

    #[test]
    fn growing_gives_the_same_lines_as_at_once() {
        let text =
            "Let me think about  this: 日本 a-very-long-word-indeed\n\nand\x1b[31m more é text ";
        for width in 1..20 {
            let mut grown = Wrap::default();
            for (i, _) in text.char_indices() {
                grown.update(&text[..i], width);
            }
            grown.update(text, width);
            let mut whole = Wrap::default();
            whole.update(text, width);
            assert_eq!(grown.starts, whole.starts, "width {width}");
        }
    }

    #[test]
    fn a_long_text_is_laid_out_in_slices_with_the_same_lines() {
        let text = "Let me think: é and a-long-word. ".repeat(SLICE / 10);
        let mut whole = Wrap::default();
        whole.update(&text, 30);
        let mut some = Wrap::default();
        let mut steps = 1;
        while !some.update_some(&text, 30) {
            let last = some.line(some.len() - 1, text.len());
            assert!(last.len() <= 60 && last.end == some.done, "{last:?}");
            steps += 1;
        }
        assert!(steps > 2 && some.starts == whole.starts, "{steps}");
        // Another width begins anew, and so does a shorter text.
        assert!(!some.update_some(&text, 31) && some.update_some("short", 31));
        assert_eq!(some.len(), 1);
    }

    #[test]
    fn places_are_found_again() {
        let text = "one two three";
        let mut wrap = Wrap::default();
        wrap.update(text, 8);
        assert_eq!((wrap.line_of(4), wrap.line_of(8)), (0, 1));
        assert_eq!((wrap.offset_at(text, 1, 2), wrap.offset_at(text, 1, 99)), (10, 12));
    }
}
