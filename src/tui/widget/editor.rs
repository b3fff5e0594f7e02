//! The text editor: `tui-textarea`, with keys of ours and JSON colors painted over.
//!
//! The widget keeps its scroll position in a cell that drawing moves. That is the one thing that
//! drawing changes beside caches, and it settles: the second draw of a state changes nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;
use tui_textarea::{CursorMove, TextArea, WrapMode};

use super::{json, secrets};
use crate::json::{Tape, line_column};
use crate::tui::theme::Theme;

/// A line longer than this is not colored.
const MAX_COLOURED: usize = 64 << 10;

/// How many replaced texts are kept for undo.
const MAX_REPLACED: usize = 20;

/// A text being edited.
#[derive(Debug, Clone)]
pub(crate) struct Editor {
    area: TextArea<'static>,
    one_line: bool,
    /// The texts that were replaced as a whole, each with its own history; undo goes back to them.
    before: Vec<TextArea<'static>>,
    /// Those that undo went back from.
    after: Vec<TextArea<'static>>,
}

impl Editor {
    /// An editor for many lines.
    pub(crate) fn new(text: &str) -> Self {
        Self { area: fresh(text), one_line: false, before: Vec::new(), after: Vec::new() }
    }

    /// An editor for one line, with the cursor at its end.
    pub(crate) fn line(text: &str) -> Self {
        let mut editor = Self { one_line: true, ..Self::new(&text.replace('\n', " ")) };
        editor.area.move_cursor(CursorMove::End);
        editor.focus(true);
        editor
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether the text is that.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        let mut lines = self.area.lines().iter();
        text.split(|b| *b == b'\n').all(|t| lines.next().is_some_and(|l| l.as_bytes() == t))
            && lines.next().is_none()
    }

    /// Begins with a text: no undo goes behind it.
    pub(crate) fn fill(&mut self, text: &str) {
        self.before.clear();
        self.after.clear();
        self.put(fresh(text));
    }

    /// Replaces the text; the old one comes back with one undo.
    pub(crate) fn set(&mut self, text: &str) {
        if self.text() == text {
            return;
        }
        self.after.clear();
        let old = self.put(fresh(text));
        if self.before.len() == MAX_REPLACED {
            self.before.remove(0);
        }
        self.before.push(old);
    }

    /// Another text in the place of this one, with the cursor as visible as it was.
    fn put(&mut self, mut area: TextArea<'static>) -> TextArea<'static> {
        area.set_cursor_style(self.area.cursor_style());
        std::mem::replace(&mut self.area, area)
    }

    /// Inserts pasted text at the cursor.
    pub(crate) fn paste(&mut self, text: &str) {
        self.after.clear();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.area.insert_str(if self.one_line { text.replace('\n', " ") } else { text });
    }

    /// Takes a key; tells whether it meant anything.
    pub(crate) fn key(&mut self, key: KeyEvent) -> bool {
        let changed = self.key_in_area(key);
        // The area's own redo ends with an edit; so does that of replaced texts.
        if changed && !is_step(key.code) {
            self.after.clear();
        }
        changed
    }

    fn key_in_area(&mut self, key: KeyEvent) -> bool {
        let word = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
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
            (KeyCode::PageUp, _) => {
                self.area.scroll(tui_textarea::Scrolling::PageUp);
                return true;
            }
            (KeyCode::PageDown, _) => {
                self.area.scroll(tui_textarea::Scrolling::PageDown);
                return true;
            }
            (KeyCode::Char('w'), true) | (KeyCode::Backspace, true) => {
                return self.area.delete_word();
            }
            // In a prompt as in a shell: what was filled in goes with one key.
            (KeyCode::Char('u'), true) if self.one_line => return self.area.delete_line_by_head(),
            (KeyCode::Char('k'), true) => return self.area.delete_line_by_end(),
            (KeyCode::Char('a'), true) => CursorMove::Head,
            (KeyCode::Char('e'), true) => CursorMove::End,
            (KeyCode::Enter, _) if self.one_line => return false,
            (KeyCode::Tab, _) if self.one_line => return false,
            _ => return self.area.input_without_shortcuts(key),
        };
        self.area.move_cursor(step);
        true
    }

    /// Undoes the last edit.
    pub(crate) fn undo(&mut self) {
        if !self.area.undo()
            && let Some(area) = self.before.pop()
        {
            let newer = self.put(area);
            self.after.push(newer);
        }
    }

    /// Does the undone edit again.
    pub(crate) fn redo(&mut self) {
        if !self.area.redo()
            && let Some(area) = self.after.pop()
        {
            let older = self.put(area);
            self.before.push(older);
        }
    }

    /// Scrolls by lines.
    pub(crate) fn scroll(&mut self, rows: isize) {
        self.area.scroll((rows.clamp(-1000, 1000) as i16, 0));
    }

    /// Puts the cursor where was clicked, in rows and columns of the drawn area.
    pub(crate) fn click(&mut self, row: u16, column: u16) {
        let (top, left) = self.area.scroll_offset();
        let to = self.area.screen_to_data(usize::from(top + row), usize::from(left + column));
        let clamp = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        self.area.move_cursor(CursorMove::Jump(clamp(to.0), clamp(to.1)));
    }

    /// Where and why the text is not JSON: line, column, reason.
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

    /// Draws the text, with colors if it is JSON.
    pub(crate) fn draw(&self, theme: &Theme, colored: bool, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        (&self.area).render(area, buf);
        if colored {
            self.color(theme, area, buf);
        }
    }

    /// Draws a line, with dots over what is a secret in it; the text itself stays.
    pub(crate) fn draw_guarded(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        self.draw(theme, false, area, buf);
        let (top, left) = self.area.scroll_offset();
        for row in 0..area.height {
            let Some(line) = self.area.lines().get(usize::from(top + row)) else { return };
            let secret = secrets::of(line);
            let mut column = 0;
            for (i, c) in line.char_indices() {
                let wide = width_at(c, column);
                if secret.iter().any(|s| s.contains(&i)) {
                    for x in column..column + wide {
                        let Some(x) = x.checked_sub(usize::from(left)) else { continue };
                        if x < usize::from(area.width)
                            && let Some(cell) = buf.cell_mut((area.x + x as u16, area.y + row))
                        {
                            cell.set_symbol("•");
                        }
                    }
                }
                column += wide;
            }
        }
    }

    fn color(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let (top, left) = self.area.scroll_offset();
        let mut marks = Vec::new();
        for row in 0..area.height {
            let Some(line) = self.area.lines().get(usize::from(top + row)) else { break };
            if line.len() > MAX_COLOURED {
                continue;
            }
            marks.clear();
            json::marks(line, 0, &mut marks);
            // Columns of the screen, not bytes: tabs and wide characters take more or less.
            let mut column = 0;
            for (i, c) in line.char_indices() {
                let wide = width_at(c, column);
                let k = marks.partition_point(|m| m.0.end <= i);
                if let Some((range, role)) = marks.get(k)
                    && range.start <= i
                {
                    paint(buf, area, left, row, column..column + wide, theme.of(*role));
                }
                column += wide;
                if column >= usize::from(left) + usize::from(area.width) {
                    break;
                }
            }
        }
    }
}

/// How many columns the area gives a character that begins at `column`.
fn width_at(c: char, column: usize) -> usize {
    match c {
        '\t' => 4 - column % 4,
        c => unicode_width::UnicodeWidthChar::width(c).unwrap_or(0),
    }
}

/// Whether a key only moves.
fn is_step(code: KeyCode) -> bool {
    use KeyCode::{Down, End, Home, Left, PageDown, PageUp, Right, Up};
    matches!(code, Left | Right | Up | Down | Home | End | PageUp | PageDown)
}

fn paint(
    buf: &mut Buffer,
    area: Rect,
    left: u16,
    row: u16,
    columns: std::ops::Range<usize>,
    style: Style,
) {
    for column in columns {
        let Some(x) = column.checked_sub(usize::from(left)) else { continue };
        if x >= usize::from(area.width) {
            return;
        }
        if let Some(cell) = buf.cell_mut((area.x + x as u16, area.y + row)) {
            // The cursor and a selection keep their own look.
            if cell.bg == ratatui::style::Color::Reset
                && !cell.modifier.contains(ratatui::style::Modifier::REVERSED)
            {
                cell.set_style(style);
            }
        }
    }
}

fn fresh(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_cursor_line_style(Style::new());
    area.set_cursor_style(Style::new());
    area.set_wrap_mode(WrapMode::None);
    area.set_max_histories(200);
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, c: char) {
        editor.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }

    #[test]
    fn a_prompt_is_emptied_with_one_key() {
        let mut prompt = Editor::line("20 4");
        prompt.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        typed(&mut prompt, '7');
        assert_eq!(prompt.text(), "7");
    }

    #[test]
    fn undo_ends_at_the_text_that_was_filled_in() {
        let mut editor = Editor::new("");
        editor.fill("{\n}");
        typed(&mut editor, 'a');
        for _ in 0..5 {
            editor.undo();
        }
        assert_eq!(editor.text(), "{\n}");
    }

    #[test]
    fn a_replaced_text_comes_back_whole_and_goes_again() {
        let mut editor = Editor::new("one");
        typed(&mut editor, 'a');
        editor.set("two");
        typed(&mut editor, 'b');
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(editor.text());
            editor.undo();
        }
        assert_eq!(told, ["btwo", "two", "aone", "one"]);
        for _ in 0..4 {
            editor.redo();
        }
        assert_eq!(editor.text(), "btwo");
        editor.undo();
        editor.undo();
        typed(&mut editor, 'c');
        editor.redo();
        assert_eq!(editor.text(), "acone");
    }
}
