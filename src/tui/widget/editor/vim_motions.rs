//! Targets of vim's motions, and contents of its text objects. The cursor stays.

use tui_textarea::{CursorMove, TextArea};

use super::Editor;
use super::steps::TypingRun;

/// A place in the text: line and character.
pub(super) type TextPosition = (usize, usize);

/// The way that a motion counts under an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    /// Up to the place.
    Before,
    /// The character at the place too.
    Through,
    /// Whole lines.
    Lines,
}

pub(super) fn jump(area: &mut TextArea<'static>, to: TextPosition) {
    let clamp = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    area.move_cursor(CursorMove::Jump(clamp(to.0), clamp(to.1)));
}

pub(super) fn cursor(area: &TextArea<'static>) -> TextPosition {
    let at = area.cursor();
    (at.0, at.1)
}

pub(super) fn length(area: &TextArea<'static>, line: usize) -> usize {
    area.lines().get(line).map_or(0, |l| l.chars().count())
}

/// The bracket that closes what this one opens.
fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

impl Editor {
    /// The word or the quoted text around the cursor.
    pub(super) fn vim_object(&self, c: char, around: bool) -> Option<(TextPosition, TextPosition)> {
        let (row, column) = cursor(&self.area);
        let line: Vec<char> = self.area.lines().get(row)?.chars().collect();
        match c {
            'w' => {
                let run = TypingRun::of(*line.get(column)?);
                let same = |n: &usize| line.get(*n).is_some_and(|c| TypingRun::of(*c) == run);
                let from = (0..=column).rev().take_while(same).last()?;
                let to = (column..line.len()).take_while(same).last()? + 1;
                Some(((row, from), (row, to)))
            }
            '"' | '\'' => {
                let escaped = |n: usize| n > 0 && line[n - 1] == '\\';
                let quotes: Vec<usize> =
                    (0..line.len()).filter(|n| line[*n] == c && !escaped(*n)).collect();
                let pair = quotes.chunks_exact(2).find(|pair| pair[1] >= column)?;
                let within = if around { (pair[0], pair[1] + 1) } else { (pair[0] + 1, pair[1]) };
                Some(((row, within.0), (row, within.1)))
            }
            '(' | ')' | 'b' => self.vim_between('(', around),
            '[' | ']' => self.vim_between('[', around),
            '{' | '}' | 'B' => self.vim_between('{', around),
            _ => None,
        }
    }

    /// Returns what is between the brackets around the cursor, which may be lines apart.
    fn vim_between(&self, open: char, around: bool) -> Option<(TextPosition, TextPosition)> {
        let at = cursor(&self.area);
        let stands_on = |c| self.vim_letter_at(at) == Some(c);
        let start = if stands_on(open) { at } else { self.vim_unmatched(at, open)? };
        let end = self.vim_matching(start)?;
        Some(if around { (start, (end.0, end.1 + 1)) } else { ((start.0, start.1 + 1), end) })
    }

    fn vim_letter_at(&self, at: TextPosition) -> Option<char> {
        self.area.lines().get(at.0)?.chars().nth(at.1)
    }

    /// Returns the bracket that is open at a place.
    fn vim_unmatched(&self, at: TextPosition, open: char) -> Option<TextPosition> {
        let mut depth = 0_usize;
        for (row, line) in self.area.lines()[..=at.0].iter().enumerate().rev() {
            let most = if row == at.0 { at.1 } else { usize::MAX };
            let letters: Vec<char> = line.chars().take(most).collect();
            for (column, c) in letters.into_iter().enumerate().rev() {
                match c {
                    c if c == closing(open) => depth += 1,
                    c if c == open && depth == 0 => return Some((row, column)),
                    c if c == open => depth -= 1,
                    _ => {}
                }
            }
        }
        None
    }

    /// The bracket that belongs to the one at a place.
    fn vim_matching(&self, at: TextPosition) -> Option<TextPosition> {
        let bracket = self.vim_letter_at(at)?;
        if matches!(bracket, ')' | ']' | '}') {
            let open = ['(', '[', '{'].into_iter().find(|open| closing(*open) == bracket)?;
            return self.vim_unmatched(at, open);
        }
        let mut depth = 0_usize;
        for (row, line) in self.area.lines().iter().enumerate().skip(at.0) {
            let from = if row == at.0 { at.1 } else { 0 };
            for (column, c) in line.chars().enumerate().skip(from) {
                if c == bracket {
                    depth += 1;
                } else if c == closing(bracket) {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some((row, column));
                    }
                }
            }
        }
        None
    }

    /// Returns the target of `%`: from the next bracket of the line to the one that belongs to it.
    fn vim_percent(&self, from: TextPosition) -> Option<TextPosition> {
        let is_bracket = |c: char| matches!(c, '(' | ')' | '[' | ']' | '{' | '}');
        let line = self.area.lines().get(from.0)?.chars().enumerate();
        let (column, _) = line.skip(from.1).find(|(_, c)| is_bracket(*c))?;
        self.vim_matching((from.0, column))
    }

    /// Returns where a motion begins and ends, if the letter is one. The cursor stays.
    pub(super) fn vim_motion(&mut self, c: char) -> Option<(TextPosition, TextPosition, Motion)> {
        let from = cursor(&self.area);
        let changes = self.vim.operator == Some('c');
        // Changing a word leaves the blank after it.
        let c = if c == 'w' && changes { 'e' } else { c };
        let (step, motion) = match c {
            'h' => (CursorMove::Back, Motion::Before),
            'l' | ' ' => (CursorMove::Forward, Motion::Before),
            'w' | 'W' => (CursorMove::WordForward, Motion::Before),
            'b' | 'B' => (CursorMove::WordBack, Motion::Before),
            'e' | 'E' => (CursorMove::WordEnd, Motion::Through),
            '{' => (CursorMove::ParagraphBack, Motion::Before),
            '}' => (CursorMove::ParagraphForward, Motion::Before),
            '%' => return Some((from, self.vim_percent(from)?, Motion::Through)),
            'j' | 'k' | '0' | '^' | '$' | 'G' => return self.vim_line_motion(c, from),
            _ => return None,
        };
        for _ in 0..self.vim.count.max(1) {
            self.area.move_cursor(step);
        }
        let mut to = cursor(&self.area);
        jump(&mut self.area, from);
        // A word's operator ends with its line.
        if c.eq_ignore_ascii_case(&'w') && self.vim.operator.is_some() && to.0 > from.0 {
            to = (from.0, length(&self.area, from.0));
        }
        Some((from, to, motion))
    }

    /// A motion by lines, or within one.
    fn vim_line_motion(
        &self,
        c: char,
        from: TextPosition,
    ) -> Option<(TextPosition, TextPosition, Motion)> {
        let last = self.area.lines().len() - 1;
        let count = self.vim.count;
        let to = match c {
            'j' => ((from.0 + count.max(1)).min(last), from.1),
            'k' => (from.0.saturating_sub(count.max(1)), from.1),
            'G' if count > 0 => ((count - 1).min(last), 0),
            'G' => (last, 0),
            '0' => return Some((from, (from.0, 0), Motion::Before)),
            '^' => {
                let line = self.area.lines()[from.0].chars();
                let blank = line.take_while(|c| c.is_whitespace()).count();
                return Some((from, (from.0, blank), Motion::Before));
            }
            _ => return Some((from, (from.0, length(&self.area, from.0)), Motion::Before)),
        };
        Some((from, to, Motion::Lines))
    }
}
