//! The parts that every screen is drawn with: the footer, and what is drawn where there is no room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use unicode_width::UnicodeWidthStr;

use super::layout::MIN;
use super::model::Model;
use super::screen::Screen;
use super::theme::{Role, Theme};
use super::widget::line;
use crate::action::Action;

/// Returns whether there is no room for anything.
pub(super) fn is_too_small(screen: Rect) -> bool {
    screen.width < MIN.0 || screen.height < MIN.1
}

/// Says that the terminal is too small.
pub(super) fn too_small(model: &Model, area: Rect, buf: &mut Buffer) {
    let text =
        format!("terminal too small: {}×{}, need {}×{}", area.width, area.height, MIN.0, MIN.1);
    // The screen is narrower than the sentence: show as much as fits, line by line.
    let chars: Vec<char> = text.chars().collect();
    for (y, piece) in chars.chunks(usize::from(area.width.max(1))).enumerate() {
        if y < usize::from(area.height) {
            let row = Rect { y: area.y + y as u16, height: 1, ..area };
            let piece: String = piece.iter().collect();
            line::put(buf, row, &[(&piece, model.theme().of(Role::Text))]);
        }
    }
}

/// `NO_COLOR`: attributes stay, colors go.
pub(super) fn without_color(theme: &Theme, area: Rect, buf: &mut Buffer) {
    if theme.color {
        return;
    }
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
                cell.underline_color = Color::Reset;
            }
        }
    }
}

/// Draws the keys that count on the top screen, or the notice.
pub(super) fn footer(model: &Model, top: &dyn Screen, area: Rect, buf: &mut Buffer) {
    let theme = model.theme();
    let contexts = top.contexts(model);
    if let Some(notice) = model.notice() {
        let (sign, role) = if notice.is_error { ("✖ ", Role::Error) } else { ("", Role::Text) };
        // The key for help, which lists all other keys, stays visible.
        let help = model.keys().key_for(&contexts, Action::Help).unwrap_or_default();
        let keys = [
            ("  ", theme.of(Role::Text)),
            (&*help, theme.of(Role::Key)),
            (" ", theme.of(Role::Text)),
            (Action::Help.short(), theme.of(Role::Dim)),
            (" ", theme.of(Role::Text)),
        ];
        let edge = if help.is_empty() { area.right() } else { line::put_right(buf, area, &keys) };
        let area = Rect { width: edge - area.x, ..area };
        let taken = if notice.is_error { 3 } else { 1 };
        let text = line::fit(&notice.text, usize::from(area.width).saturating_sub(taken));
        line::put(
            buf,
            area,
            &[(" ", theme.of(Role::Text)), (sign, theme.of(role)), (&text, theme.of(role))],
        );
        return;
    }
    let mut x = area.x;
    let mut shown = Vec::new();
    for action in top.offers(model) {
        let Some(key) = model.keys().key_for(&contexts, action) else { continue };
        // This key has several meanings; show only the current one.
        let label = match action {
            Action::Interrupt if model.only_piped() => "quit",
            Action::Interrupt if model.is_running() || model.loading().is_some() => "stop",
            _ => top.label(model, action).unwrap_or(action.short()),
        };
        // Two actions may be the same to whoever reads it.
        if shown.contains(&(key.clone(), label)) {
            continue;
        }
        let wide = (key.width() + label.width() + 2 + 2) as u16;
        // What does not fit whole is left out, not truncated.
        if x + wide > area.right() {
            continue;
        }
        let place = Rect { x, width: wide, ..area };
        line::put(
            buf,
            place,
            &[
                (" ", theme.of(Role::Text)),
                (&key, theme.of(Role::Key)),
                (" ", theme.of(Role::Text)),
                (label, theme.of(Role::Dim)),
            ],
        );
        x += wide;
        shown.push((key, label));
    }
}
