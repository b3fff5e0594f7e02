//! A list to choose from, narrowed by typing.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::{ActionOutcome, Screen, boxed, centered};
use crate::action::{Action, Context};
use crate::tui::model::Model;
use crate::tui::theme::{Role, Theme};
use crate::tui::widget::editor::Editor;
use crate::tui::widget::{Scroll, line, moved};

/// Takes what was chosen.
type TakeChoice = Box<dyn FnMut(&mut Model, ListChoice)>;

/// Does something else with a row.
type Extra = Box<dyn FnMut(&mut Model, usize)>;

/// Receives which row the cursor is on, or that nothing was chosen.
type Move = Box<dyn FnMut(&mut Model, Option<usize>)>;

/// Adds rows; returns whether that is done.
type Late = Box<dyn FnMut(&Model, &mut List) -> bool>;

/// One row.
#[derive(Debug, Clone, Default)]
pub(super) struct ListItem {
    /// The text at its left, which is searched.
    label: String,
    /// The text beside it.
    note: String,
    /// Another name by which it is found.
    alias: &'static str,
    /// A sign before it, with its role.
    sign: Option<(&'static str, Role)>,
}

impl ListItem {
    fn draw(&self, theme: &Theme, chosen: bool, label_width: usize, place: Rect, buf: &mut Buffer) {
        let (sign, sign_role) = self.sign.unwrap_or((" ", Role::Text));
        let label = line::fit(&self.label, label_width);
        let pad = " ".repeat(label_width.saturating_sub(label.chars().count()) + 2);
        let room = usize::from(place.width).saturating_sub(label_width + 7);
        let note = line::fit(&self.note, room);
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

/// The choice that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) struct ListChoice {
    /// The row, as the list was made.
    pub row: Option<usize>,
    /// The text that was typed.
    pub typed: String,
}

/// The row that is what the user has typed.
const TYPED: usize = usize::MAX;

/// A list over the panes.
pub(in crate::tui) struct List {
    take: TakeChoice,
    /// The other things that can be done with a row.
    extras: Vec<(Action, Extra)>,
    /// Receives where the cursor is.
    moved: Option<Move>,
    /// Adds rows that are not known yet.
    late: Option<Late>,
    title: String,
    items: Vec<ListItem>,
    filter: Editor,
    /// True if what is typed can be chosen though no row says it.
    free: bool,
    /// The text that is shown where no row matches.
    empty: String,
    /// The rows that match, the best first; [`TYPED`] is what is typed.
    shown: Vec<usize>,
    at: usize,
    scroll: Scroll,
}

impl List {
    /// An empty list; `take` gets what is chosen.
    pub(in crate::tui) fn new(
        title: &str,
        take: impl FnMut(&mut Model, ListChoice) + 'static,
    ) -> Self {
        Self {
            take: Box::new(take),
            extras: Vec::new(),
            moved: None,
            late: None,
            title: title.to_owned(),
            items: Vec::new(),
            filter: Editor::line(""),
            free: false,
            empty: "No matches".to_owned(),
            shown: Vec::new(),
            at: 0,
            scroll: Scroll::default(),
        }
    }

    /// The same list under another title, with another use.
    pub(in crate::tui) fn titled(
        self,
        title: &str,
        take: impl FnMut(&mut Model, ListChoice) + 'static,
    ) -> Self {
        Self { title: title.to_owned(), take: Box::new(take), ..self }
    }

    /// Adds rows later: `late` is asked after every event until it has added them.
    pub(in crate::tui) fn and_later(
        self,
        late: impl FnMut(&Model, &mut List) -> bool + 'static,
    ) -> Self {
        Self { late: Some(Box::new(late)), ..self }
    }

    /// Lets something else be done with rows; `extra` gets the row, as the list was made.
    pub(in crate::tui) fn on(
        mut self,
        action: Action,
        extra: impl FnMut(&mut Model, usize) + 'static,
    ) -> Self {
        self.extras.push((action, Box::new(extra)));
        self
    }

    /// Calls `moved` with the row of the cursor, as the list was made; nothing when the list is left
    /// without a choice.
    pub(in crate::tui) fn on_move(
        self,
        moved: impl FnMut(&mut Model, Option<usize>) + 'static,
    ) -> Self {
        Self { moved: Some(Box::new(moved)), ..self }
    }

    /// The cursor may be on another row now.
    fn report(&mut self, model: &mut Model) {
        let row = self.choice().and_then(|choice| choice.row);
        if let Some(moved) = &mut self.moved {
            moved(model, row);
        }
    }

    /// Lets what is typed be chosen, too.
    pub(in crate::tui) fn or_typed(mut self) -> Self {
        self.free = true;
        self
    }

    /// Says this where there is no row.
    pub(in crate::tui) fn saying(mut self, empty: &str) -> Self {
        empty.clone_into(&mut self.empty);
        self
    }

    /// Adds a row.
    pub(in crate::tui) fn add(&mut self, label: impl Into<String>, note: impl Into<String>) {
        self.shown.push(self.items.len());
        self.items.push(ListItem { label: label.into(), note: note.into(), ..ListItem::default() });
    }

    /// Sets another name by which the last row is found.
    pub(in crate::tui) fn alias(&mut self, name: &'static str) {
        if let Some(item) = self.items.last_mut() {
            item.alias = name;
        }
    }

    /// Sets the sign of the last row.
    pub(in crate::tui) fn sign(&mut self, sign: (&'static str, Role)) {
        if let Some(item) = self.items.last_mut() {
            item.sign = Some(sign);
        }
    }

    /// Begins at a row.
    pub(in crate::tui) fn start_at(mut self, row: usize) -> Self {
        self.at = row.min(self.items.len().saturating_sub(1));
        self
    }

    /// Returns what is chosen now.
    pub(in crate::tui) fn choice(&self) -> Option<ListChoice> {
        let row = self.shown.get(self.at).copied()?;
        let typed = self.filter.text().trim().to_owned();
        Some(ListChoice { row: Some(row).filter(|r| *r != TYPED), typed })
    }

    fn narrow(&mut self) {
        let needle = self.filter.text().trim().to_lowercase();
        // If any text may be typed, scattered letters are not a match.
        let whole = |text: &str| !self.free || text.to_lowercase().contains(&needle);
        let mut ranking = Ranking::new(&needle);
        let mut found: Vec<(u32, usize)> = Vec::new();
        for (i, item) in self.items.iter().enumerate() {
            // A match in the label counts more than one in the note.
            let label = ranking.score(&item.label).filter(|_| whole(&item.label));
            let note = ranking.score(&item.note).filter(|_| whole(&item.note));
            let alias = ranking.score(item.alias).filter(|_| !item.alias.is_empty());
            let label = label.max(alias).map(|s| 2 * s + 1);
            if let Some(score) = label.max(note) {
                // A label that begins with the typed text ranks before one that contains it, and that before
                // one that only has its letters.
                let names = [item.label.as_str(), item.alias].map(str::to_lowercase);
                let plain = match needle.as_str() {
                    "" => 0,
                    needle if names.iter().any(|name| name.starts_with(needle)) => 2000,
                    needle if item.alias.contains(needle) => 1500,
                    needle if names.iter().any(|name| name.contains(needle)) => 1000,
                    _ => 0,
                };
                found.push((score + plain, i));
            }
        }
        found.sort_by_key(|(score, i)| (std::cmp::Reverse(*score), *i));
        self.shown = found.into_iter().map(|f| f.1).collect();
        // The typed text may itself be a name, even if a longer name begins with it.
        let is_typed = |item: &ListItem| item.label.to_lowercase() == needle;
        if self.free && !needle.is_empty() && !self.items.iter().any(is_typed) {
            self.shown.push(TYPED);
        }
        self.at = 0;
        self.scroll = Scroll::default();
    }

    /// Moves the choice.
    fn step(&mut self, by: isize, screen: Rect) {
        let len = self.shown.len();
        self.at = moved(Some(self.at), by, len).unwrap_or(0);
        self.scroll.reveal(self.at, usize::from(self.rows(screen).height), len);
    }

    /// Returns its area.
    pub(in crate::tui) fn area(&self, screen: Rect) -> Rect {
        // The height is that of the whole list, so that typing does not make it jump.
        let widest = |of: fn(&ListItem) -> &String| {
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

    fn draw_rows(&self, theme: &Theme, screen: Rect, buf: &mut Buffer) {
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
            let words = if self.free { "Type a name" } else { &self.empty };
            line::put(buf, rows, &[("  ", theme.of(Role::Text)), (words, theme.of(Role::Dim))]);
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
            let typed = || ListItem {
                label: self.filter.text().trim().to_owned(),
                note: "as typed".to_owned(),
                ..ListItem::default()
            };
            let item = match self.shown.get(index) {
                Some(&TYPED) => typed(),
                Some(i) => self.items.get(*i).cloned().unwrap_or_default(),
                None => break,
            };
            let place = Rect { y: rows.y + row as u16, height: 1, ..rows };
            item.draw(theme, index == self.at, label_width, place, buf);
        }
    }
}

impl Screen for List {
    fn contexts(&self, _: &Model) -> Vec<Context> {
        vec![Context::List, Context::Movement, Context::Everywhere]
    }

    fn offers(&self, _: &Model) -> Vec<Action> {
        let mut offered = vec![Action::Accept, Action::Back, Action::Down, Action::Up];
        offered.extend(self.extras.iter().map(|(action, _)| *action));
        offered
    }

    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        let page = isize::try_from(self.rows(model.size()).height).unwrap_or(1).max(1);
        match (action, action.scrolls(page)) {
            (Action::Back, _) => {
                if let Some(moved) = &mut self.moved {
                    moved(model, None);
                }
                ActionOutcome::Closed
            }
            (Action::Accept, _) => {
                if let Some(choice) = self.choice() {
                    (self.take)(model, choice);
                }
                ActionOutcome::Closed
            }
            (action, _) if self.extras.iter().any(|(extra, _)| *extra == action) => {
                let row = self.choice().and_then(|choice| choice.row);
                let extra = self.extras.iter_mut().find(|(extra, _)| *extra == action);
                match (extra, row) {
                    (Some((_, extra)), Some(row)) => extra(model, row),
                    _ => return ActionOutcome::Ignored,
                }
                ActionOutcome::Closed
            }
            (_, Some(by)) => {
                self.step(by, model.size());
                self.report(model);
                ActionOutcome::Done
            }
            _ => ActionOutcome::Ignored,
        }
    }

    fn key(&mut self, model: &mut Model, key: KeyEvent) -> bool {
        let own = matches!(key.code, KeyCode::Up | KeyCode::Down | KeyCode::Enter | KeyCode::Tab);
        if !own && self.filter.key(key) {
            self.narrow();
            self.report(model);
        }
        true
    }

    fn paste(&mut self, _: &mut Model, text: &str) -> bool {
        self.filter.paste(text);
        self.narrow();
        true
    }

    fn click(&mut self, model: &mut Model, at: Position) -> ActionOutcome {
        if !self.area(model.size()).contains(at) {
            // A click outside closes the list.
            return ActionOutcome::Closed;
        }
        let rows = self.rows(model.size());
        let row = self.scroll.top + usize::from(at.y.saturating_sub(rows.y));
        if !rows.contains(at) || row >= self.shown.len() {
            return ActionOutcome::Done;
        }
        self.at = row;
        self.act(model, Action::Accept)
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, _: Position) {
        self.step(rows, model.size());
    }

    fn settle(&mut self, model: &mut Model) {
        let Some(mut late) = self.late.take() else { return };
        if late(model, self) {
            let chosen = self.shown.get(self.at).copied();
            self.narrow();
            self.at = chosen.and_then(|c| self.shown.iter().position(|s| *s == c)).unwrap_or(0);
        } else {
            self.late = Some(late);
        }
    }

    fn draw(&self, model: &Model, _: bool, buf: &mut Buffer) {
        self.draw_rows(model.theme(), model.size(), buf);
    }
}

/// The ranking of texts by how well they match what was typed.
struct Ranking {
    pattern: Pattern,
    matcher: Matcher,
    buffer: Vec<char>,
}

impl Ranking {
    fn new(needle: &str) -> Self {
        Self {
            pattern: Pattern::parse(needle, CaseMatching::Ignore, Normalization::Smart),
            matcher: Matcher::new(Config::DEFAULT),
            buffer: Vec::new(),
        }
    }

    /// The score of a text, more where it matches better; `None` where it does not.
    fn score(&mut self, text: &str) -> Option<u32> {
        self.pattern.score(Utf32Str::new(text, &mut self.buffer), &mut self.matcher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(text: &str, needle: &str) -> Option<u32> {
        Ranking::new(needle).score(text)
    }

    #[test]
    fn letters_match_in_order_and_whole_words_first() {
        assert!(score("save session", "save") > score("send as vexed", "save"));
        assert!(score("next problem", "nprob").is_some());
        assert_eq!(score("next", "txen"), None);
        assert!(score("anything", "").is_some());
    }
}
