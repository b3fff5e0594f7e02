//! A line to type.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use unicode_width::UnicodeWidthStr;

use super::{ActionOutcome, Screen, boxed, line_area};
use crate::action::{Action, Context, Effect};
use crate::tui::model::{Model, PromptError};
use crate::tui::theme::Role;
use crate::tui::widget::Doc;
use crate::tui::widget::editor::Editor;

/// Takes what was typed.
type TakeText = Box<dyn FnMut(&mut Model, &str) -> Result<(), PromptError>>;

/// A line to type.
pub(in crate::tui) struct Prompt {
    title: String,
    input: Editor,
    /// True if the text was proposed and is selected: what is typed replaces it.
    proposed: bool,
    /// Reason that what was typed was not accepted.
    refused: Option<String>,
    /// The names that what is typed may become.
    offered: Option<String>,
    /// It names a file: whether that can be read or written shows later.
    is_file: bool,
    take: TakeText,
}

impl Prompt {
    /// Asks for a line; `take` gets what was typed, or returns why it cannot be taken.
    pub(in crate::tui) fn new(
        title: &str,
        text: &str,
        take: impl FnMut(&mut Model, &str) -> Result<(), PromptError> + 'static,
    ) -> Self {
        Self {
            title: title.to_owned(),
            input: Editor::line(text),
            // If only a header's value is to be typed again, its name stays.
            proposed: !text.is_empty() && !text.ends_with(": "),
            refused: None,
            offered: None,
            is_file: false,
            take: Box::new(take),
        }
    }

    /// Shows dots for what is typed.
    pub(in crate::tui) fn hidden(mut self) -> Self {
        self.input.hide();
        self
    }

    /// Asks for the name of a file. Without a name nothing happens.
    pub(in crate::tui) fn file(
        title: &str,
        text: &str,
        mut take: impl FnMut(&mut Model, &str) + 'static,
    ) -> Self {
        let take = move |model: &mut Model, name: &str| {
            take(model, name);
            Ok(())
        };
        Self { is_file: true, ..Self::new(title, text, take) }
    }

    /// Returns why it was refused, or what it may become, as a text; mostly empty.
    fn reason(&self) -> Doc {
        let mut doc = Doc::new();
        if let Some(why) = &self.refused {
            doc.push(Role::Error, why);
        } else if let Some(names) = &self.offered {
            doc.push(Role::Dim, names);
        }
        doc
    }

    fn area(&self, screen: Rect) -> Rect {
        let width = line_area(screen, 0).width.saturating_sub(4);
        let says = self.refused.is_some() || self.offered.is_some();
        let more = if says { self.reason().lines(width) as u16 } else { 0 };
        line_area(screen, more)
    }

    /// Ends the selection, with what was selected if something takes its place; returns whether
    /// that was so.
    fn make_room(&mut self, replaces: bool) -> bool {
        let gone = std::mem::take(&mut self.proposed) && replaces;
        if gone {
            self.input = Editor::line("");
        }
        gone
    }

    fn confirm(&mut self, model: &mut Model) -> ActionOutcome {
        let text = self.input.text();
        let named = !text.trim().is_empty();
        if self.is_file && !named {
            return ActionOutcome::Closed;
        }
        let text = if self.is_file { text.trim() } else { &text };
        match (self.take)(model, text) {
            Err(why) => {
                self.refuse(&why.to_string());
                ActionOutcome::Done
            }
            Ok(()) if self.is_file => ActionOutcome::Waits,
            Ok(()) => ActionOutcome::Closed,
        }
    }
}

impl Screen for Prompt {
    fn contexts(&self, _: &Model) -> Vec<Context> {
        vec![Context::Prompt, Context::Everywhere]
    }

    fn offers(&self, _: &Model) -> Vec<Action> {
        vec![Action::Accept, Action::Back]
    }

    fn label(&self, _: &Model, action: Action) -> Option<&'static str> {
        (action == Action::Accept).then_some("confirm")
    }

    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        match action {
            Action::Back => ActionOutcome::Closed,
            Action::Accept => self.confirm(model),
            _ => ActionOutcome::Ignored,
        }
    }

    fn key(&mut self, model: &mut Model, key: KeyEvent) -> bool {
        self.offered = None;
        if key.code == KeyCode::Tab && self.is_file {
            self.proposed = false;
            model.effect(Effect::CompletePath(self.input.text()));
            return true;
        }
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let replaces = match key.code {
            KeyCode::Char(_) => plain,
            KeyCode::Backspace | KeyCode::Delete => true,
            _ => false,
        };
        let emptied = self.make_room(replaces) && !matches!(key.code, KeyCode::Char(_));
        if !emptied {
            self.input.key(key);
        }
        true
    }

    fn paste(&mut self, _: &mut Model, text: &str) -> bool {
        self.make_room(true);
        self.input.paste(text);
        true
    }

    fn click(&mut self, model: &mut Model, at: Position) -> ActionOutcome {
        let area = self.area(model.size());
        // A click outside closes the prompt.
        if !area.contains(at) {
            return ActionOutcome::Closed;
        }
        self.proposed = false;
        self.input.click(0, at.x.saturating_sub(area.x + 2));
        ActionOutcome::Done
    }

    fn complete(&mut self, typed: &str, names: &[String]) {
        // The user has typed more in the meantime.
        if !self.is_file || self.input.text() != typed {
            return;
        }
        let Some(first) = names.first() else {
            self.offered = Some("No file begins so".to_owned());
            return;
        };
        let alike = |name: &String| {
            let same = name.chars().zip(first.chars()).take_while(|(a, b)| a == b);
            same.map(|(c, _)| c.len_utf8()).sum::<usize>()
        };
        let common = names.iter().map(alike).min().unwrap_or(0);
        self.input = Editor::line(&first[..common]);
        if names.len() > 1 {
            let last = |name: &String| {
                let end = name.trim_end_matches('/').rfind('/').map_or(0, |i| i + 1);
                name[end..].to_owned()
            };
            let all: Vec<String> = names.iter().map(last).collect();
            self.offered = Some(crate::text::preview(&all.join("  "), 300));
        }
    }

    fn refuse(&mut self, why: &str) {
        self.proposed = false;
        self.refused = Some(crate::text::preview(why, 500));
    }

    fn draw(&self, model: &Model, _: bool, buf: &mut Buffer) {
        let theme = model.theme();
        let area = boxed(theme, self.area(model.size()), &self.title, buf);
        let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let row = Rect { height: area.height.min(1), ..area };
        self.input.draw_guarded(theme, row, buf);
        if self.proposed {
            let wide = self.input.text().width().min(usize::from(row.width));
            buf.set_style(Rect { width: wide as u16, ..row }, theme.of(Role::Selected));
        }
        let below = Rect { y: row.bottom(), height: area.height - row.height, ..area };
        self.reason().draw(theme, 0, below, buf);
    }
}
