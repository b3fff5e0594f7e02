//! The text editor: `tui-textarea`, with keys of ours and JSON colors painted over.
//!
//! The widget keeps its scroll position and its wrapped lines in cells that drawing moves. That is the
//! one thing that drawing changes beside caches, and it settles: the second draw of a state changes
//! nothing.

mod keys;
mod paint;
mod steps;
mod vim;
mod vim_motions;

use crossterm::event::KeyEvent;
use ratatui::style::Style;
use tui_textarea::{CursorMove, TextArea, WrapMode};

use self::steps::Steps;
use self::vim::Vim;
use crate::config::keys::Preset;
use crate::json::{Tape, line_column};
use crate::tui::theme::{Role, Theme};

/// Largest number of replaced texts that are kept for undo.
const MAX_REPLACED: usize = 20;

/// Largest number of edits that are kept for undo.
const MAX_EDITS: usize = 10_000;

/// A text with more bytes or lines is not wrapped: the widget counts its rows in 16 bits.
const MAX_WRAPPED: (usize, usize) = (1 << 20, 30_000);

/// The effect of a key on the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Nothing: the key has no meaning here.
    Ignored,
    /// The cursor moved, or what is selected changed.
    Moved,
    /// The text changed.
    Changed,
    /// The text is as it was before, or as it was undone.
    Restored,
    /// It asks for something that is not the editor's to do.
    Asked(Wish),
}

/// A request of an editor's keys to whoever holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Ask for a text, and find it.
    Find,
    /// Find the next place of that text, or the previous one.
    FindNext(bool),
    /// Open the list of commands.
    Palette,
}

/// A text being edited.
#[derive(Debug, Clone)]
pub(crate) struct Editor {
    area: TextArea<'static>,
    one_line: bool,
    /// Long lines are continued on the next row.
    wraps: bool,
    /// There is too little room for that.
    narrow: bool,
    steps: Steps,
    /// The texts that were replaced as a whole, each with its own history; undo goes back to them.
    before: Vec<(TextArea<'static>, Steps)>,
    /// Those that undo went back from.
    after: Vec<(TextArea<'static>, Steps)>,
    preset: Preset,
    vim: Vim,
    /// Emacs' mark is set: moving selects.
    marked: bool,
}

impl Editor {
    /// An editor for many lines.
    pub(crate) fn new(text: &str) -> Self {
        let mut editor = Self {
            area: fresh(text),
            one_line: false,
            wraps: false,
            narrow: false,
            steps: Steps::default(),
            before: Vec::new(),
            after: Vec::new(),
            preset: Preset::Default,
            vim: Vim::default(),
            marked: false,
        };
        editor.wrap();
        editor
    }

    /// An editor for one line, with the cursor at its end.
    pub(crate) fn line(text: &str) -> Self {
        let mut editor = Self { one_line: true, ..Self::new(&text.replace('\n', " ")) };
        editor.area.move_cursor(CursorMove::End);
        editor.focus(true);
        editor
    }

    /// Shows dots for what is typed.
    pub(crate) fn hide(&mut self) {
        self.area.set_mask_char('•');
    }

    /// Takes the keys of a preset.
    pub(crate) fn set_preset(&mut self, preset: Preset) {
        self.preset = preset;
        self.focus(false);
    }

    /// Continues long lines on the next row, or not; returns whether it does from now on.
    pub(crate) fn toggle_wrap(&mut self) -> bool {
        self.wraps = !self.wraps;
        self.wrap();
        self.wraps
    }

    /// Sets whether long lines are continued on the next row.
    pub(crate) fn set_wrap(&mut self, wraps: bool) {
        self.wraps = wraps;
        self.wrap();
    }

    fn wrap(&mut self) {
        let lines = self.area.lines();
        let fits = lines.len() <= MAX_WRAPPED.1
            && lines.iter().map(String::len).sum::<usize>() <= MAX_WRAPPED.0;
        let mode =
            if self.wraps && fits && !self.narrow { WrapMode::WordOrGlyph } else { WrapMode::None };
        if self.area.wrap_mode() != mode {
            self.area.set_wrap_mode(mode);
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Returns whether the text is the one passed.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        let mut lines = self.area.lines().iter();
        text.split(|b| *b == b'\n').all(|t| lines.next().is_some_and(|l| l.as_bytes() == t))
            && lines.next().is_none()
    }

    /// Begins with a text: no undo goes behind it.
    pub(crate) fn fill(&mut self, text: &str) {
        self.before.clear();
        self.after.clear();
        self.put((fresh(text), Steps::default()));
    }

    /// Replaces the text; one undo restores the old one.
    pub(crate) fn set(&mut self, text: &str) {
        if self.text() == text {
            return;
        }
        self.after.clear();
        let old = self.put((fresh(text), Steps::default()));
        if self.before.len() == MAX_REPLACED {
            self.before.remove(0);
        }
        self.before.push(old);
    }

    /// Another text in the place of this one, with the cursor as visible as it was.
    fn put(&mut self, (area, steps): (TextArea<'static>, Steps)) -> (TextArea<'static>, Steps) {
        let style = self.area.cursor_style();
        let old =
            (std::mem::replace(&mut self.area, area), std::mem::replace(&mut self.steps, steps));
        self.area.set_cursor_style(style);
        self.wrap();
        old
    }

    /// Inserts pasted text at the cursor.
    pub(crate) fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = if self.one_line { text.replace('\n', " ") } else { text };
        self.insert(&text);
    }

    /// Inserts text in place of what is selected, as one step.
    fn insert(&mut self, text: &str) {
        self.after.clear();
        let edits = self.erase_selection() + usize::from(self.area.insert_str(text));
        self.steps.add(edits, None);
        self.marked = false;
        self.wrap();
    }

    /// Erases what is selected; returns how many edits that was.
    fn erase_selection(&mut self) -> usize {
        let selects = self.area.selection_range().is_some_and(|(from, to)| from != to);
        if !selects {
            self.area.cancel_selection();
        }
        usize::from(selects && self.area.delete_char())
    }

    /// Handles a key; returns whether it meant anything.
    pub(crate) fn key(&mut self, key: KeyEvent) -> bool {
        matches!(self.typed(key), Typed::Moved | Typed::Changed)
    }

    /// Undoes the last step.
    pub(crate) fn undo(&mut self) {
        match self.steps.undo() {
            Some(edits) => {
                for _ in 0..edits {
                    self.area.undo();
                }
            }
            None => {
                if let Some(older) = self.before.pop() {
                    let newer = self.put(older);
                    self.after.push(newer);
                }
            }
        }
        self.wrap();
    }

    /// Does the undone step again.
    pub(crate) fn redo(&mut self) {
        match self.steps.redo() {
            Some(edits) => {
                for _ in 0..edits {
                    self.area.redo();
                }
            }
            None => {
                if let Some(newer) = self.after.pop() {
                    let older = self.put(newer);
                    self.before.push(older);
                }
            }
        }
        self.wrap();
    }

    /// Selects the whole text.
    pub(crate) fn select_all(&mut self) {
        self.area.select_all();
    }

    /// Returns what is selected, if anything is.
    pub(crate) fn selected(&self) -> Option<String> {
        let (from, to) = self.area.selection_range().filter(|(from, to)| from != to)?;
        let lines = self.area.lines().iter().enumerate();
        let within = lines.skip(from.0).take(to.0 - from.0 + 1).map(|(row, line)| {
            let skip = if row == from.0 { from.1 } else { 0 };
            let end = if row == to.0 { to.1 } else { usize::MAX };
            line.chars().skip(skip).take(end.saturating_sub(skip)).collect::<String>()
        });
        Some(within.collect::<Vec<_>>().join("\n"))
    }

    /// Erases what is selected.
    pub(crate) fn cut(&mut self) {
        self.after.clear();
        let edits = usize::from(self.area.cut());
        self.steps.add(edits, None);
        self.marked = false;
    }

    /// Searches for a text from the cursor on; returns which place of how many is found.
    pub(crate) fn find(&mut self, needle: &str, style: Style) -> Option<(usize, usize)> {
        let plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || c == ' ';
        let escape = |c: char| if plain(c) { vec![c] } else { vec!['\\', c] };
        let mut pattern: String = needle.chars().flat_map(escape).collect();
        // Lower case matches both cases, as in the other searches.
        if !needle.chars().any(char::is_uppercase) {
            pattern.insert_str(0, "(?i)");
        }
        self.area.set_search_pattern(if needle.is_empty() { "" } else { &pattern }).ok()?;
        self.area.set_search_style(style);
        self.find_at(|area| area.search_forward(true))
    }

    /// Goes to the next place of the text that was searched for, or the previous one.
    pub(crate) fn find_next(&mut self, forward: bool) -> Option<(usize, usize)> {
        self.find_at(|area| match forward {
            true => area.search_forward(false),
            false => area.search_back(false),
        })
    }

    /// Forgets what was searched for: nothing is marked any more.
    pub(crate) fn forget_search(&mut self) {
        let _ = self.area.set_search_pattern("");
    }

    fn find_at(
        &mut self,
        go: impl FnOnce(&mut TextArea<'static>) -> bool,
    ) -> Option<(usize, usize)> {
        self.area.cancel_selection();
        if !go(&mut self.area) {
            return None;
        }
        let cursor = self.area.cursor();
        let pattern = self.area.search_pattern()?;
        let mut places = Vec::new();
        for (row, line) in self.area.lines().iter().enumerate() {
            places
                .extend(pattern.find_iter(line).map(|m| (row, line[..m.start()].chars().count())));
        }
        let at = places.iter().position(|p| *p == (cursor.0, cursor.1))?;
        Some((at + 1, places.len()))
    }

    /// Leaves what is typed: of vim's modes first the inserting and the selecting one. Returns whether
    /// the editor is left.
    pub(crate) fn leave(&mut self) -> bool {
        let left = self.preset != Preset::Vim || self.vim.leave(&mut self.area);
        self.steps.end_run();
        if left {
            self.forget_search();
            self.area.cancel_selection();
            self.marked = false;
        }
        left
    }

    /// Returns what is shown about the keys at the text: `typing`, or vim's mode.
    pub(crate) fn mode(&self) -> &'static str {
        if self.preset == Preset::Vim { self.vim.mode() } else { "typing" }
    }

    /// Scrolls by lines.
    pub(crate) fn scroll(&mut self, rows: isize) {
        self.area.scroll((rows.clamp(-1000, 1000) as i16, 0));
    }

    /// Puts the cursor where was clicked, in rows and columns of the drawn area.
    pub(crate) fn click(&mut self, row: u16, column: u16) {
        self.steps.end_run();
        self.area.cancel_selection();
        let (top, left) = self.area.scroll_offset();
        let to = self.area.screen_to_data(usize::from(top + row), usize::from(left + column));
        let clamp = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        self.area.move_cursor(CursorMove::Jump(clamp(to.0), clamp(to.1)));
    }

    /// Returns where and why the text is not JSON: line, column, reason.
    pub(crate) fn json_error(&self) -> Option<(usize, usize, String)> {
        let text = self.text();
        let error = Tape::new().parse(&text).err()?;
        let (line, column) = line_column(&text, error.offset);
        Some((line, column, error.kind.to_string()))
    }

    /// Shows a cursor, because keys go here now, or none.
    pub(crate) fn focus(&mut self, typing: bool) {
        let style = if typing { Style::new().reversed() } else { Style::new() };
        self.area.set_cursor_style(style);
    }

    /// Shows selections as the theme has it.
    pub(crate) fn set_theme(&mut self, theme: &Theme) {
        self.area.set_selection_style(theme.of(Role::Selected));
    }
}

fn fresh(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_cursor_line_style(Style::new());
    area.set_cursor_style(Style::new());
    area.set_wrap_mode(WrapMode::None);
    area.set_max_histories(MAX_EDITS);
    area
}

#[cfg(test)]
mod tests;
