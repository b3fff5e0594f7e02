//! The effect of the keys on a text: the usual ones, and emacs'. Vim's are in `vim`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_textarea::{CursorMove, Scrolling};

use super::steps::TypingRun;
use super::{Editor, Typed};
use crate::config::keys::Preset;

impl Editor {
    /// Handles a key; returns what it did.
    pub(crate) fn typed(&mut self, key: KeyEvent) -> Typed {
        let typed = match self.preset {
            Preset::Vim if !self.one_line => self.vim_key(key),
            Preset::Emacs if !self.one_line => match self.emacs_key(key) {
                Typed::Ignored => self.plain_key(key),
                typed => typed,
            },
            _ => self.plain_key(key),
        };
        if typed == Typed::Changed {
            // An edit discards the redo history.
            self.after.clear();
            self.marked = false;
            self.wrap();
        }
        typed
    }

    /// Moves the cursor; `selects` what it passes.
    fn go(&mut self, step: CursorMove, selects: bool) -> Typed {
        self.steps.end_run();
        match selects || self.marked {
            true if !self.area.is_selecting() => self.area.start_selection(),
            true => {}
            false => self.area.cancel_selection(),
        }
        self.area.move_cursor(step);
        Typed::Moved
    }

    /// An edit that is a step of its own.
    pub(super) fn edited(&mut self, edits: usize) -> Typed {
        self.steps.add(edits, None);
        if edits > 0 { Typed::Changed } else { Typed::Moved }
    }

    /// Inserts a character in place of what is selected.
    fn insert_char(&mut self, c: char) -> Typed {
        let erased = self.erase_selection();
        self.area.insert_char(c);
        self.steps.add(erased + 1, Some(TypingRun::of(c)));
        Typed::Changed
    }

    /// Erases a character, or what is selected.
    fn erase(&mut self, forward: bool) -> Typed {
        let selected = self.erase_selection();
        if selected > 0 {
            return self.edited(selected);
        }
        let erased = match forward {
            true => self.area.delete_next_char(),
            false => self.area.delete_char(),
        };
        self.steps.add(usize::from(erased), Some(TypingRun::Erasing));
        if erased { Typed::Changed } else { Typed::Moved }
    }

    /// The usual keys.
    pub(super) fn plain_key(&mut self, key: KeyEvent) -> Typed {
        let word = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let selects = key.modifiers.contains(KeyModifiers::SHIFT) && !self.one_line;
        let step = match (key.code, word) {
            (KeyCode::Left, true) => CursorMove::WordBack,
            (KeyCode::Right, true) => CursorMove::WordForward,
            (KeyCode::Left, false) => CursorMove::Back,
            (KeyCode::Right, false) => CursorMove::Forward,
            (KeyCode::Up, _) => CursorMove::Up,
            (KeyCode::Down, _) => CursorMove::Down,
            (KeyCode::Home, true) => CursorMove::Top,
            (KeyCode::End, true) => CursorMove::Bottom,
            (KeyCode::Home, false) => CursorMove::Head,
            (KeyCode::End, false) => CursorMove::End,
            (KeyCode::PageUp, _) => return self.page(Scrolling::PageUp),
            (KeyCode::PageDown, _) => return self.page(Scrolling::PageDown),
            (KeyCode::Char('w'), true) | (KeyCode::Backspace, true) => {
                let edits = self.area.delete_word();
                return self.edited(edits.into());
            }
            (KeyCode::Delete, true) => {
                let edits = self.area.delete_next_word();
                return self.edited(edits.into());
            }
            // In a prompt, as in a shell, one key removes the pre-filled text.
            (KeyCode::Char('u'), true) if self.one_line => {
                let edits = self.area.delete_line_by_head();
                return self.edited(edits.into());
            }
            (KeyCode::Char('k'), true) => {
                let edits = self.area.delete_line_by_end();
                return self.edited(edits.into());
            }
            (KeyCode::Char('a'), true) => CursorMove::Head,
            (KeyCode::Char('e'), true) => CursorMove::End,
            (KeyCode::Enter | KeyCode::Tab, _) if self.one_line => return Typed::Ignored,
            (KeyCode::Enter, _) => {
                let erased = self.erase_selection();
                self.area.insert_newline();
                return self.edited(erased + 1);
            }
            (KeyCode::Tab, _) => {
                let erased = self.erase_selection();
                let edits = erased + usize::from(self.area.insert_tab());
                return self.edited(edits);
            }
            (KeyCode::Backspace, false) => return self.erase(false),
            (KeyCode::Delete, false) => return self.erase(true),
            (KeyCode::Char(c), false) => return self.insert_char(c),
            _ => return Typed::Ignored,
        };
        self.go(step, selects)
    }

    fn page(&mut self, by: Scrolling) -> Typed {
        self.steps.end_run();
        self.area.scroll(by);
        Typed::Moved
    }

    /// Emacs' keys.
    fn emacs_key(&mut self, key: KeyEvent) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let KeyCode::Char(c) = key.code else { return Typed::Ignored };
        let step = match (c, control, alt) {
            ('f', true, false) => CursorMove::Forward,
            ('b', true, false) => CursorMove::Back,
            ('n', true, false) => CursorMove::Down,
            ('p', true, false) => CursorMove::Up,
            ('a', true, false) => CursorMove::Head,
            ('e', true, false) => CursorMove::End,
            ('f', false, true) => CursorMove::WordForward,
            ('b', false, true) => CursorMove::WordBack,
            ('<', false, true) => CursorMove::Top,
            ('>', false, true) => CursorMove::Bottom,
            ('v', true, false) => return self.page(Scrolling::PageDown),
            ('v', false, true) => return self.page(Scrolling::PageUp),
            (' ', true, false) => {
                self.area.start_selection();
                self.marked = true;
                return Typed::Moved;
            }
            ('g', true, false) => {
                self.marked = false;
                self.area.cancel_selection();
                self.forget_search();
                return Typed::Moved;
            }
            ('w', true, false) => {
                let edits = self.area.cut();
                return self.edited(edits.into());
            }
            ('w', false, true) => {
                self.area.copy();
                self.marked = false;
                return Typed::Moved;
            }
            ('y', true, false) => {
                let erased = self.erase_selection();
                let edits = erased + usize::from(self.area.paste());
                return self.edited(edits);
            }
            ('d', true, false) => return self.erase(true),
            ('h', true, false) => return self.erase(false),
            ('d', false, true) => {
                let edits = self.area.delete_next_word();
                return self.edited(edits.into());
            }
            // Terminals send one of these for Control and the slash.
            ('_' | '/' | '7', true, false) => {
                self.undo();
                return Typed::Restored;
            }
            _ => return Typed::Ignored,
        };
        self.go(step, false)
    }
}
