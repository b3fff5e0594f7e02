//! A list to choose from, narrowed by typing.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{boxed, centered};
use crate::action::Action;
use crate::tui::Theme;
use crate::tui::theme::Role;
use crate::tui::widget::editor::Editor;
use crate::tui::widget::{Scroll, line};

/// What a list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Picks {
    Provider,
    Model,
    Exchange,
    Command,
    Copy,
    /// What B of a comparison is.
    Beside,
    /// The model of B, at the provider of that row.
    ModelBeside(usize),
}

/// One row.
#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    /// What stands at its left, and is searched.
    label: String,
    /// What stands beside it.
    note: String,
    /// A sign before it, with its role.
    sign: Option<(&'static str, Role)>,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// From which list.
    pub of: Picks,
    /// Which row, as the list was made.
    pub row: Option<usize>,
    /// What was typed.
    pub typed: String,
}

/// The row that is what the user has typed.
const TYPED: usize = usize::MAX;

/// A list over the panes.
#[derive(Debug)]
pub(crate) struct List {
    of: Picks,
    title: String,
    items: Vec<Item>,
    filter: Editor,
    /// What is typed can be chosen though no row says it.
    free: bool,
    /// The rows that match, the best first; [`TYPED`] is what is typed.
    shown: Vec<usize>,
    at: usize,
    scroll: Scroll,
}

impl List {
    /// An empty list.
    pub(crate) fn new(of: Picks, title: &str) -> Self {
        Self {
            of,
            title: title.to_owned(),
            items: Vec::new(),
            filter: Editor::line(""),
            free: false,
            shown: Vec::new(),
            at: 0,
            scroll: Scroll::default(),
        }
    }

    /// Lets what is typed be chosen, too.
    pub(crate) fn or_typed(mut self) -> Self {
        self.free = true;
        self
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, label: impl Into<String>, note: impl Into<String>) {
        self.shown.push(self.items.len());
        self.items.push(Item { label: label.into(), note: note.into(), sign: None });
    }

    /// Gives the last row a sign.
    pub(crate) fn sign(&mut self, sign: (&'static str, Role)) {
        if let Some(item) = self.items.last_mut() {
            item.sign = Some(sign);
        }
    }

    /// Begins at a row.
    pub(crate) fn start_at(mut self, row: usize) -> Self {
        self.at = row.min(self.items.len().saturating_sub(1));
        self
    }

    /// What is chosen now.
    pub(crate) fn choice(&self) -> Option<Choice> {
        let row = self.shown.get(self.at).copied()?;
        let typed = self.filter.text().trim().to_owned();
        Some(Choice { of: self.of, row: Some(row).filter(|r| *r != TYPED), typed })
    }

    /// A key that types.
    pub(crate) fn key(&mut self, key: KeyEvent) {
        let own = matches!(key.code, KeyCode::Up | KeyCode::Down | KeyCode::Enter | KeyCode::Tab);
        if !own && self.filter.key(key) {
            self.narrow();
        }
    }

    /// A paste.
    pub(crate) fn paste(&mut self, text: &str) {
        self.filter.paste(text);
        self.narrow();
    }

    fn narrow(&mut self) {
        let needle = self.filter.text().trim().to_lowercase();
        // Where anything may be typed, letters that are merely scattered in a row do not mean it.
        let whole = |text: &str| !self.free || text.contains(&needle);
        let score = |text: &str| {
            let text = text.to_lowercase();
            score(&text, &needle).filter(|_| whole(&text))
        };
        let mut found: Vec<(i32, usize)> = self
            .items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| {
                let label = score(&item.label);
                let note = score(&item.note).map(|s| s - 50);
                Some((label.max(note)?, i))
            })
            .collect();
        found.sort_by_key(|(score, i)| (std::cmp::Reverse(*score), *i));
        self.shown = found.into_iter().map(|f| f.1).collect();
        // A name that a longer one begins with can be meant, too.
        let is_typed = |item: &Item| item.label.to_lowercase() == needle;
        if self.free && !needle.is_empty() && !self.items.iter().any(is_typed) {
            self.shown.push(TYPED);
        }
        self.at = 0;
        self.scroll = Scroll::default();
    }

    /// Moves the choice.
    pub(crate) fn step(&mut self, by: isize, screen: Rect) {
        self.at = self.at.saturating_add_signed(by).min(self.shown.len().saturating_sub(1));
        let height = usize::from(self.rows(screen).height);
        self.scroll.reveal(self.at, height, self.shown.len());
    }

    /// Moves the choice, if that is what the action means.
    pub(crate) fn act(&mut self, action: Action, screen: Rect) -> bool {
        let page = (self.rows(screen).height as isize).max(1);
        let by = match action {
            Action::Up => -1,
            Action::Down => 1,
            Action::PageUp => -page,
            Action::PageDown => page,
            Action::Top => isize::MIN / 2,
            Action::Bottom => isize::MAX / 2,
            _ => return false,
        };
        self.step(by, screen);
        true
    }

    /// Where it stands.
    pub(crate) fn area(&self, screen: Rect) -> Rect {
        // The height is that of the whole list, so that typing does not make it jump.
        let widest = |of: fn(&Item) -> &String| {
            self.items.iter().map(|i| of(i).chars().count()).max().unwrap_or(0)
        };
        let wide = widest(|i| &i.label) + widest(|i| &i.note) + 10;
        let wide = wide.clamp(90, 150) as u16;
        centered(screen, wide, (self.items.len() as u16).clamp(3, 24) + 4)
    }

    fn rows(&self, screen: Rect) -> Rect {
        let area = self.area(screen);
        Rect {
            x: area.x + 1,
            y: area.y + 3,
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(4),
        }
    }

    /// A click: the first chooses the row, on a chosen row it accepts.
    pub(crate) fn click(&mut self, at: Position, screen: Rect) -> Option<Choice> {
        let rows = self.rows(screen);
        if !rows.contains(at) {
            return None;
        }
        let row = self.scroll.top + usize::from(at.y - rows.y);
        if row >= self.shown.len() {
            return None;
        }
        self.at = row;
        self.choice()
    }

    /// Draws it.
    pub(crate) fn draw(&self, theme: &Theme, screen: Rect, buf: &mut Buffer) {
        let area = self.area(screen);
        let inner = boxed(theme, area, &self.title, buf);
        if inner.is_empty() {
            return;
        }
        let input = Rect { height: 1, ..inner };
        let x = line::put(buf, input, &[(" ⌕ ", theme.of(Role::Dim))]);
        let field = Rect { x, width: input.right().saturating_sub(x), ..input };
        self.filter.draw(theme, false, field, buf);
        if inner.height < 2 {
            return;
        }
        let rule = Rect { y: inner.y + 1, height: 1, ..inner };
        line::put(buf, rule, &[(&"─".repeat(usize::from(rule.width)), theme.of(Role::Line))]);
        let rows = self.rows(screen);
        if self.shown.is_empty() {
            let said = if self.free { "Type a name." } else { "Nothing matches." };
            line::put(buf, rows, &[("  ", theme.of(Role::Text)), (said, theme.of(Role::Dim))]);
            return;
        }
        let mut scroll = self.scroll;
        scroll.reveal(self.at, usize::from(rows.height), self.shown.len());
        let typed = self.filter.text().chars().count();
        let typed = if self.shown.contains(&TYPED) { typed } else { 0 };
        let widest = self.items.iter().map(|i| i.label.chars().count()).max().unwrap_or(0);
        let widest = widest.max(typed);
        let notes = self.items.iter().map(|i| i.note.chars().count()).max().unwrap_or(0);
        // Short notes leave the room to the labels.
        let width = usize::from(rows.width);
        let label_width = widest.min((width / 2).max(width.saturating_sub(notes + 8)));
        for row in 0..usize::from(rows.height) {
            let index = scroll.top + row;
            let typed = || Item {
                label: self.filter.text().trim().to_owned(),
                note: "as it is typed".to_owned(),
                sign: None,
            };
            let item = match self.shown.get(index) {
                Some(&TYPED) => typed(),
                Some(i) => self.items.get(*i).cloned().unwrap_or_default(),
                None => break,
            };
            let place = Rect { y: rows.y + row as u16, height: 1, ..rows };
            let (sign, sign_role) = item.sign.unwrap_or((" ", Role::Text));
            let label = line::fit(&item.label, label_width);
            let pad = " ".repeat(label_width.saturating_sub(label.chars().count()) + 2);
            let room = usize::from(rows.width).saturating_sub(label_width + 7);
            let note = line::fit(&item.note, room);
            let chosen = index == self.at;
            line::put(
                buf,
                place,
                &[
                    (if chosen { " ▸" } else { "  " }, theme.of(Role::Mark)),
                    (sign, theme.of(sign_role)),
                    (" ", theme.of(Role::Text)),
                    (&label, theme.of(Role::Text)),
                    (&pad, theme.of(Role::Text)),
                    (&note, theme.of(Role::Dim)),
                ],
            );
            if chosen {
                let over = Rect { x: place.x + 3, width: place.width.saturating_sub(4), ..place };
                buf.set_style(over, theme.of(Role::Selected));
            }
        }
    }
}

/// How well `needle`'s letters stand in `text`, in their order; `None` if they do not.
fn score(text: &str, needle: &str) -> Option<i32> {
    if let Some(at) = text.find(needle) {
        return Some(if at == 0 { 200 } else { 150 - at.min(100) as i32 });
    }
    let mut rest = text.char_indices();
    let (mut score, mut last) = (100, None);
    for c in needle.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = rest.find(|(_, t)| *t == c)?;
        if let Some(last) = last
            && at != last + 1
        {
            score -= 5;
        }
        last = Some(at);
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_match_in_order_and_whole_words_first() {
        assert!(score("save session", "save") > score("send as vexed", "save"));
        assert!(score("next problem", "nprob").is_some());
        assert_eq!(score("next", "txen"), None);
        assert!(score("anything", "").is_some());
    }
}
