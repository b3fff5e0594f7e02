//! Drawing of the editor: the widget's own cells, with the colors of JSON and dots over secrets.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Widget;

use super::Editor;
use crate::tui::theme::{Role, Theme};
use crate::tui::widget::{json, secrets};

/// A line longer than this is not colored.
const MAX_COLORED: usize = 64 << 10;

/// In fewer columns a structured text is easier to read where its lines are cut.
const WORTH_WRAPPING: u16 = 40;

/// So many bytes before what is on the screen are searched for the name of a secret.
const BEFORE: usize = 4 << 10;

/// A row on the screen: which line, and which of its characters.
struct ScreenRow {
    line: usize,
    from: usize,
    to: Option<usize>,
}

impl Editor {
    /// Prepares the layout of the text for a place before it is drawn there. While one types it is computed: keys
    /// that move by rows use it.
    pub(crate) fn lay_out(&mut self, area: Rect, is_typing: bool) {
        self.narrow = area.width < WORTH_WRAPPING;
        self.wrap();
        if is_typing && !area.is_empty() {
            (&self.area).render(area, &mut Buffer::empty(area));
        }
    }

    /// Draws the text; if it is JSON with its colors, and with dots over what is a secret in it.
    pub(crate) fn draw(&self, theme: &Theme, is_json: bool, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        (&self.area).render(area, buf);
        if is_json {
            self.color(theme, area, buf);
            self.cover(area, buf);
        }
    }

    /// Puts dots over the secrets that are on the screen; the text itself stays.
    fn cover(&self, area: Rect, buf: &mut Buffer) {
        let (_, left) = self.area.scroll_offset();
        for (row, shown) in (0..).zip(self.rows(area.height)) {
            let Some(line) = self.area.lines().get(shown.line) else { return };
            let byte = |n: usize| line.char_indices().nth(n).map_or(line.len(), |(i, _)| i);
            let most = shown.from + usize::from(left) + usize::from(area.width);
            let (from, to) = (byte(shown.from), byte(shown.to.unwrap_or(most).min(most)));
            // A secret's name is shortly before its value, however long the line is.
            let mut begin = from.saturating_sub(BEFORE);
            while !line.is_char_boundary(begin) {
                begin -= 1;
            }
            let secret = secrets::of(&line[begin..to]);
            let mut column = 0;
            for (i, c) in line[from..to].char_indices() {
                let wide = width_at(c, column);
                if secret.iter().any(|s| s.contains(&(from + i - begin))) {
                    put_dots(buf, area, (left, row), column..column + wide);
                }
                column += wide;
            }
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
                    put_dots(buf, area, (left, row), column..column + wide);
                }
                column += wide;
            }
        }
    }

    /// The rows that are on the screen.
    fn rows(&self, height: u16) -> Vec<ScreenRow> {
        let (top, _) = self.area.scroll_offset();
        let begins = |row: u16| {
            let at = self.area.screen_to_data(usize::from(top) + usize::from(row), 0);
            (at.0, at.1)
        };
        let mut rows = Vec::new();
        let mut at = begins(0);
        for row in 0..height {
            let next = begins(row + 1);
            let to = (next.0 == at.0 && next.1 > at.1).then_some(next.1);
            rows.push(ScreenRow { line: at.0, from: at.1, to });
            // After the last row the position no longer changes.
            if next == at {
                break;
            }
            at = next;
        }
        rows
    }

    fn color(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let (_, left) = self.area.scroll_offset();
        let background = theme.of(Role::Text).bg.unwrap_or(Color::Reset);
        let mut marks = Vec::new();
        let mut marked = None;
        for (row, shown) in (0..).zip(self.rows(area.height)) {
            let Some(line) = self.area.lines().get(shown.line) else { break };
            if line.len() > MAX_COLORED {
                continue;
            }
            if marked != Some(shown.line) {
                marks.clear();
                json::marks(line, 0, &mut marks);
                marked = Some(shown.line);
            }
            let end = shown.to.unwrap_or(usize::MAX);
            let within = line.char_indices().enumerate();
            let within = within.skip(shown.from).take_while(|(n, _)| *n < end);
            // Columns of the screen, not bytes: tabs and wide characters take more or less.
            let mut column = 0;
            for (_, (i, c)) in within {
                let wide = width_at(c, column);
                let k = marks.partition_point(|m| m.0.end <= i);
                if let Some((range, role)) = marks.get(k)
                    && range.start <= i
                {
                    let style = theme.of(*role);
                    paint(buf, (area, background), left, row, column..column + wide, style);
                }
                column += wide;
                if column >= usize::from(left) + usize::from(area.width) {
                    break;
                }
            }
        }
    }
}

/// Puts a dot into each of these columns of a row that are on the screen.
fn put_dots(
    buf: &mut Buffer,
    area: Rect,
    (left, row): (u16, u16),
    columns: std::ops::Range<usize>,
) {
    for column in columns {
        let Some(x) = column.checked_sub(usize::from(left)) else { continue };
        if x < usize::from(area.width)
            && let Some(cell) = buf.cell_mut((area.x + x as u16, area.y + row))
        {
            cell.set_symbol("•");
        }
    }
}

/// Returns how many columns the area uses for a character that begins at `column`.
fn width_at(c: char, column: usize) -> usize {
    match c {
        '\t' => 4 - column % 4,
        c => unicode_width::UnicodeWidthChar::width(c).unwrap_or(0),
    }
}

fn paint(
    buf: &mut Buffer,
    (area, background): (Rect, Color),
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
            // The cursor, a selection and a hit keep their own look.
            if cell.bg == background && !cell.modifier.contains(Modifier::REVERSED) {
                cell.set_style(style);
            }
        }
    }
}
