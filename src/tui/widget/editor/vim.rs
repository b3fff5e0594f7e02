//! Vim's keys, as far as the body of a request needs them: motions with counts, the operators `d`,
//! `c` and `y` over motions, lines and objects (`i"`, `a{`), inserting, selecting, searching, and `.`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_textarea::{CursorMove, Scrolling, TextArea};

use super::vim_motions::{Motion, TextPosition, cursor, jump, length};
use super::{Editor, Typed, Wish};

/// The meaning of keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    /// They move and command.
    #[default]
    Normal,
    /// They type.
    Insert,
    /// They move, and select what they pass; whole lines or not.
    Visual { lines: bool },
}

/// A command of more keys cannot be repeated.
const MAX_KEYS: usize = 1000;

/// The text that was cut or copied last.
#[derive(Debug, Clone, Default)]
struct Register {
    text: String,
    /// Whole lines.
    lines: bool,
}

/// The state of vim's keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Vim {
    mode: Mode,
    pub(super) count: usize,
    pub(super) operator: Option<char>,
    /// The first of two keys.
    prefix: Option<char>,
    register: Register,
    /// The keys of the command in progress.
    keys: Vec<KeyEvent>,
    /// True if that command has changed the text.
    changed: bool,
    /// The keys of the last command that changed the text.
    last_change: Vec<KeyEvent>,
}

impl Vim {
    /// The mode's name.
    pub(super) fn mode(&self) -> &'static str {
        match self.mode {
            Mode::Normal => "NORMAL",
            Mode::Insert => "INSERT",
            Mode::Visual { lines: false } => "VISUAL",
            Mode::Visual { lines: true } => "VISUAL LINE",
        }
    }

    /// Goes back to the normal mode; returns whether it was that already, and nothing was begun.
    pub(super) fn leave(&mut self, area: &mut TextArea<'static>) -> bool {
        let begun = self.count > 0 || self.operator.is_some() || self.prefix.is_some();
        let left = self.mode == Mode::Normal && !begun;
        if self.mode == Mode::Insert && area.cursor().1 > 0 {
            area.move_cursor(CursorMove::Back);
        }
        if !left {
            area.cancel_selection();
        }
        self.mode = Mode::Normal;
        self.forget();
        self.end_command();
        left
    }

    /// Takes note of a key and of what it did, for `.`.
    fn note(&mut self, key: KeyEvent, typed: Typed) {
        if self.keys.len() < MAX_KEYS {
            self.keys.push(key);
        }
        self.changed |= typed == Typed::Changed;
        let waits = self.count > 0 || self.operator.is_some() || self.prefix.is_some();
        if self.mode == Mode::Normal && !waits {
            self.end_command();
        }
    }

    /// The command is over: if it changed something, it can be repeated.
    fn end_command(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        if std::mem::take(&mut self.changed) && keys.len() < MAX_KEYS {
            self.last_change = keys;
        }
    }

    /// Forgets what was begun.
    fn forget(&mut self) {
        (self.count, self.operator, self.prefix) = (0, None, None);
    }
}

impl Editor {
    /// A key of vim's.
    pub(super) fn vim_key(&mut self, key: KeyEvent) -> Typed {
        let begins = self.vim.mode == Mode::Normal && self.vim.keys.is_empty();
        if begins && key.code == KeyCode::Char('.') {
            return self.vim_repeat();
        }
        let typed = self.vim_does(key);
        self.vim.note(key, typed);
        typed
    }

    /// Does the last change again.
    fn vim_repeat(&mut self) -> Typed {
        let keys = self.vim.last_change.clone();
        let mut changed = Typed::Moved;
        for key in keys {
            if self.vim_does(key) == Typed::Changed {
                changed = Typed::Changed;
            }
        }
        self.vim.leave(&mut self.area);
        changed
    }

    fn vim_does(&mut self, key: KeyEvent) -> Typed {
        if self.vim.mode == Mode::Insert {
            return self.plain_key(key);
        }
        self.steps.end_run();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char(c) if control => self.vim_control(c),
            KeyCode::Char(c) => self.vim_letter(c),
            KeyCode::Enter => self.vim_letter('j'),
            KeyCode::Backspace => self.vim_letter('h'),
            KeyCode::Delete => self.vim_letter('x'),
            _ => {
                self.vim.forget();
                self.plain_key(KeyEvent::new(key.code, KeyModifiers::NONE))
            }
        }
    }

    fn vim_control(&mut self, c: char) -> Typed {
        self.vim.forget();
        match c {
            'r' => {
                self.redo();
                Typed::Restored
            }
            'd' => self.vim_scroll(Scrolling::HalfPageDown),
            'u' => self.vim_scroll(Scrolling::HalfPageUp),
            'f' => self.vim_scroll(Scrolling::PageDown),
            'b' => self.vim_scroll(Scrolling::PageUp),
            _ => Typed::Ignored,
        }
    }

    fn vim_scroll(&mut self, by: Scrolling) -> Typed {
        self.area.scroll(by);
        Typed::Moved
    }

    fn vim_letter(&mut self, c: char) -> Typed {
        if let Some(prefix) = self.vim.prefix.take() {
            return self.vim_second(prefix, c);
        }
        match c {
            '1'..='9' | '0' if c != '0' || self.vim.count > 0 => {
                let digit = c as usize - '0' as usize;
                self.vim.count = (self.vim.count * 10 + digit).min(100_000);
                return Typed::Moved;
            }
            'g' | 'r' | 'f' | 't' => {
                self.vim.prefix = Some(c);
                return Typed::Moved;
            }
            'i' | 'a' if self.vim.operator.is_some() => {
                self.vim.prefix = Some(c);
                return Typed::Moved;
            }
            _ => {}
        }
        let visual = matches!(self.vim.mode, Mode::Visual { .. });
        let count = self.vim.count;
        if let Some(operator) = self.vim.operator {
            if c == operator {
                let line = cursor(&self.area).0;
                return self.vim_operate((line, 0), (line + count.max(1) - 1, 0), Motion::Lines);
            }
            return match self.vim_motion(c) {
                Some((from, to, motion)) => self.vim_operate(from, to, motion),
                None => self.vim_nothing(),
            };
        }
        if visual {
            return self.vim_visual(c);
        }
        if let Some((_, to, _)) = self.vim_motion(c) {
            // In normal mode the cursor is on a character.
            let last = length(&self.area, to.0).saturating_sub(1);
            jump(&mut self.area, (to.0, to.1.min(last)));
            self.vim.forget();
            return Typed::Moved;
        }
        self.vim_command(c, count.max(1))
    }

    fn vim_nothing(&mut self) -> Typed {
        self.vim.forget();
        Typed::Ignored
    }

    /// The second of two keys.
    fn vim_second(&mut self, prefix: char, c: char) -> Typed {
        let at = cursor(&self.area);
        let count = self.vim.count.max(1);
        match (prefix, c) {
            ('g', 'g') => {
                let to = (self.vim.count.saturating_sub(1), 0);
                self.vim_go(at, to, Motion::Lines)
            }
            ('r', c) => {
                self.vim.forget();
                if at.1 >= length(&self.area, at.0) {
                    return Typed::Moved;
                }
                let erased = usize::from(self.area.delete_next_char());
                self.area.insert_char(c);
                self.area.move_cursor(CursorMove::Back);
                self.edited(erased + 1)
            }
            ('f' | 't', c) => {
                let line = self.area.lines()[at.0].chars().enumerate();
                let mut places = line.skip(at.1 + 1).filter(|(_, found)| *found == c);
                match places.nth(count - 1) {
                    Some((n, _)) => {
                        let to = if prefix == 't' { n - 1 } else { n };
                        self.vim_go(at, (at.0, to), Motion::Through)
                    }
                    None => self.vim_nothing(),
                }
            }
            ('i' | 'a', c) => match self.vim_object(c, prefix == 'a') {
                Some((from, to)) => self.vim_operate(from, to, Motion::Before),
                None => self.vim_nothing(),
            },
            _ => self.vim_nothing(),
        }
    }

    /// Goes to a place, or does there what was begun.
    fn vim_go(&mut self, from: TextPosition, to: TextPosition, motion: Motion) -> Typed {
        if self.vim.operator.is_some() {
            return self.vim_operate(from, to, motion);
        }
        self.vim.forget();
        jump(&mut self.area, to);
        Typed::Moved
    }

    /// Does what was begun with what is between two places.
    fn vim_operate(&mut self, from: TextPosition, to: TextPosition, motion: Motion) -> Typed {
        let operator = self.vim.operator.unwrap_or('y');
        self.vim.forget();
        self.area.cancel_selection();
        let (first, last) = if from <= to { (from, to) } else { (to, from) };
        if motion == Motion::Lines {
            return self.vim_lines(operator, first.0, last.0);
        }
        let end = (last.0, last.1 + usize::from(motion == Motion::Through));
        jump(&mut self.area, first);
        self.area.start_selection();
        jump(&mut self.area, end);
        self.vim.register = Register { text: self.selected().unwrap_or_default(), lines: false };
        if operator == 'y' {
            self.area.cancel_selection();
            jump(&mut self.area, first);
            return Typed::Moved;
        }
        let edits = usize::from(self.area.cut());
        if operator == 'c' {
            self.vim.mode = Mode::Insert;
        }
        self.edited(edits)
    }

    /// Does something with whole lines.
    fn vim_lines(&mut self, operator: char, first: usize, last: usize) -> Typed {
        let all = self.area.lines().len();
        let last = last.min(all - 1);
        let text = self.area.lines()[first..=last].join("\n");
        self.vim.register = Register { text, lines: true };
        let end = (last, length(&self.area, last));
        let (from, to) = match operator {
            'y' => {
                jump(&mut self.area, (first, 0));
                return Typed::Moved;
            }
            // The changed line remains, empty.
            'c' => ((first, 0), end),
            _ if last + 1 < all => ((first, 0), (last + 1, 0)),
            _ if first > 0 => ((first - 1, length(&self.area, first - 1)), end),
            _ => ((0, 0), end),
        };
        jump(&mut self.area, from);
        self.area.start_selection();
        jump(&mut self.area, to);
        let edits = usize::from(self.area.cut());
        if operator == 'c' {
            self.vim.mode = Mode::Insert;
        } else {
            let line = cursor(&self.area).0;
            jump(&mut self.area, (line, 0));
        }
        self.edited(edits)
    }

    /// A key while something is selected.
    fn vim_visual(&mut self, c: char) -> Typed {
        let lines = self.vim.mode == Mode::Visual { lines: true };
        let selected = self.area.selection_range();
        match c {
            'd' | 'x' | 'c' | 's' | 'y' => {
                self.vim.mode = Mode::Normal;
                self.vim.operator = Some(match c {
                    'x' => 'd',
                    's' => 'c',
                    c => c,
                });
                let Some((from, to)) = selected else { return self.vim_nothing() };
                let motion = if lines { Motion::Lines } else { Motion::Through };
                self.vim_operate(from, to, motion)
            }
            'v' | 'V' => {
                self.vim.mode = Mode::Normal;
                self.area.cancel_selection();
                self.vim.forget();
                Typed::Moved
            }
            _ => match self.vim_motion(c) {
                Some((_, to, _)) => {
                    self.vim.forget();
                    jump(&mut self.area, to);
                    Typed::Moved
                }
                None => self.vim_nothing(),
            },
        }
    }

    /// A command of the normal mode.
    fn vim_command(&mut self, c: char, count: usize) -> Typed {
        self.vim.forget();
        let at = cursor(&self.area);
        match c {
            'd' | 'c' | 'y' => {
                self.vim.operator = Some(c);
                self.vim.count = if count > 1 { count } else { 0 };
                Typed::Moved
            }
            'x' | 'X' | 'D' | 'C' | 's' | 'S' | 'Y' => self.vim_short(c, at, count),
            'i' | 'I' | 'a' | 'A' | 'o' | 'O' => self.vim_insert(c, at),
            'p' | 'P' => self.vim_put(c == 'p', at),
            'J' if at.0 + 1 < self.area.lines().len() => {
                self.area.move_cursor(CursorMove::Jump(at.0 as u16, u16::MAX));
                let erased = usize::from(self.area.delete_next_char());
                self.area.insert_char(' ');
                self.edited(erased + 1)
            }
            'u' => {
                self.undo();
                Typed::Restored
            }
            'v' | 'V' => {
                self.vim.mode = Mode::Visual { lines: c == 'V' };
                self.area.start_selection();
                Typed::Moved
            }
            '/' => Typed::Asked(Wish::Find),
            'n' => Typed::Asked(Wish::FindNext(true)),
            'N' => Typed::Asked(Wish::FindNext(false)),
            ':' => Typed::Asked(Wish::Palette),
            _ => Typed::Ignored,
        }
    }

    /// Does the commands that are short for an operator with its motion.
    fn vim_short(&mut self, c: char, at: TextPosition, count: usize) -> Typed {
        let end = length(&self.area, at.0);
        let (operator, from, to, motion) = match c {
            'x' => ('d', at, (at.0, (at.1 + count).min(end)), Motion::Before),
            'X' => ('d', (at.0, at.1.saturating_sub(count)), at, Motion::Before),
            's' => ('c', at, (at.0, (at.1 + count).min(end)), Motion::Before),
            'D' => ('d', at, (at.0, end), Motion::Before),
            'C' => ('c', at, (at.0, end), Motion::Before),
            'S' => ('c', at, (at.0 + count - 1, 0), Motion::Lines),
            _ => ('y', at, (at.0 + count - 1, 0), Motion::Lines),
        };
        self.vim.operator = Some(operator);
        self.vim_operate(from, to, motion)
    }

    /// The commands that begin to type.
    fn vim_insert(&mut self, c: char, at: TextPosition) -> Typed {
        self.vim.mode = Mode::Insert;
        let end = length(&self.area, at.0);
        let line = |n: usize| (at.0, n);
        match c {
            'I' => {
                let blank = self.area.lines()[at.0].chars().take_while(|c| c.is_whitespace());
                let blank = blank.count();
                jump(&mut self.area, line(blank));
            }
            'a' => jump(&mut self.area, line((at.1 + 1).min(end))),
            'A' => jump(&mut self.area, line(end)),
            'o' => {
                jump(&mut self.area, line(end));
                self.area.insert_newline();
                return self.edited(1);
            }
            'O' => {
                jump(&mut self.area, line(0));
                self.area.insert_newline();
                jump(&mut self.area, line(0));
                return self.edited(1);
            }
            _ => {}
        }
        Typed::Moved
    }

    /// Puts what was cut or copied before or after the cursor.
    fn vim_put(&mut self, after: bool, at: TextPosition) -> Typed {
        let Register { text, lines } = self.vim.register.clone();
        if text.is_empty() && !lines {
            return Typed::Moved;
        }
        let text = match (lines, after) {
            (true, true) => {
                let end = length(&self.area, at.0);
                jump(&mut self.area, (at.0, end));
                format!("\n{text}")
            }
            (true, false) => {
                jump(&mut self.area, (at.0, 0));
                format!("{text}\n")
            }
            (false, true) => {
                let end = length(&self.area, at.0);
                jump(&mut self.area, (at.0, (at.1 + 1).min(end)));
                text
            }
            (false, false) => text,
        };
        let edits = usize::from(self.area.insert_str(&text));
        if lines {
            jump(&mut self.area, (if after { at.0 + 1 } else { at.0 }, 0));
        }
        self.edited(edits)
    }
}
