//! What lies over the panes: a stack, of which the top gets the keys.

mod list;
mod reading;
mod translating;

pub(super) use list::{Choice, List, Picks};
pub(super) use reading::Reading;
pub(super) use translating::Translating;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::App;
use super::theme::{Role, Theme};
use super::widget::editor::Editor;
use super::widget::{Doc, line};
use crate::action::Action;

/// Something over the panes.
#[derive(Debug)]
pub(super) enum Overlay {
    /// A list to choose from.
    List(List),
    /// A text to read.
    Reading(Reading),
    /// A translation of the body that waits for the user's word.
    Translating(Box<Translating>),
    /// What a request that is sent many times comes to.
    Repeating,
    /// A line to type.
    Prompt(Prompt),
    /// A question.
    Confirm(String),
}

/// A line to type.
#[derive(Debug)]
pub(super) struct Prompt {
    /// What becomes of it.
    pub purpose: Purpose,
    /// What is asked for.
    pub title: String,
    /// What is typed.
    pub input: Editor,
    /// What stands there was proposed and is selected: what is typed takes its place.
    pub proposed: bool,
    /// Why what was typed was not taken.
    pub refused: Option<String>,
}

impl Prompt {
    /// A key that types.
    fn key(&mut self, key: KeyEvent) {
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
    }

    /// A paste.
    fn paste(&mut self, text: &str) {
        self.make_room(true);
        self.input.paste(text);
    }

    /// Why it was refused, as a text; empty where it was not.
    fn reason(&self) -> Doc {
        let mut doc = Doc::new();
        if let Some(why) = &self.refused {
            doc.push(Role::Error, why);
        }
        doc
    }

    fn area(&self, screen: Rect) -> Rect {
        let width = line_area(screen, 0).width.saturating_sub(4);
        let more = if self.refused.is_some() { self.reason().lines(width) as u16 } else { 0 };
        line_area(screen, more)
    }

    fn draw(&self, theme: &Theme, screen: Rect, buf: &mut Buffer) {
        let area = boxed(theme, self.area(screen), &self.title, buf);
        let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let line = Rect { height: area.height.min(1), ..area };
        self.input.draw_guarded(theme, line, buf);
        if self.proposed {
            let wide = self.input.text().width().min(usize::from(line.width));
            buf.set_style(Rect { width: wide as u16, ..line }, theme.of(Role::Selected));
        }
        let below = Rect { y: line.bottom(), height: area.height - line.height, ..area };
        if self.refused.is_some() {
            self.reason().draw(theme, 0, below, buf);
        }
    }

    /// Ends the selection, with what was selected if something takes its place; tells whether that
    /// was so.
    fn make_room(&mut self, replaces: bool) -> bool {
        let gone = std::mem::take(&mut self.proposed) && replaces;
        if gone {
            self.input = Editor::line("");
        }
        gone
    }
}

/// What a report is to be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Session,
    Comparison,
    Repetition,
}

/// What a typed line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Url,
    Method,
    Header(Option<usize>),
    Curl,
    SaveSession,
    /// The report of the session, of the comparison or of the repetition.
    ExportMarkdown(Subject),
    OpenFile,
    LoadRequest,
    SaveRequest,
    Beside,
    BodyBeside,
    Search,
    Repeat,
}

impl Purpose {
    /// Whether the line names a file.
    fn is_file(self) -> bool {
        match self {
            Purpose::SaveSession
            | Purpose::ExportMarkdown(_)
            | Purpose::OpenFile
            | Purpose::LoadRequest
            | Purpose::SaveRequest
            | Purpose::Beside
            | Purpose::BodyBeside => true,
            Purpose::Url
            | Purpose::Method
            | Purpose::Header(_)
            | Purpose::Curl
            | Purpose::Search
            | Purpose::Repeat => false,
        }
    }
}

impl App {
    /// Asks for a line.
    pub(super) fn ask(&mut self, purpose: Purpose, title: &str, text: &str) {
        let input = Editor::line(text);
        // Where the value of a header is to be typed anew its name stays.
        let proposed = !text.is_empty() && !text.ends_with(": ");
        let title = title.to_owned();
        let prompt = Prompt { purpose, title, input, proposed, refused: None };
        self.overlays.push(Overlay::Prompt(prompt));
    }

    /// What was typed cannot be taken: it stands there again, with the reason.
    pub(super) fn ask_again(&mut self, prompt: Prompt, why: &str) {
        let refused = Some(crate::text::preview(why, 500));
        self.overlays.push(Overlay::Prompt(Prompt { proposed: false, refused, ..prompt }));
    }

    /// A typed line is confirmed.
    fn confirm_typed(&mut self) {
        let Some(Overlay::Prompt(prompt)) = self.overlays.pop() else { return };
        let before = self.effects.len();
        match self.typed(prompt.purpose, &prompt.input.text()) {
            Err(why) => self.ask_again(prompt, &why),
            // Whether a file can be read or written is told later.
            Ok(()) if prompt.purpose.is_file() && self.effects.len() > before => {
                self.asked = Some(prompt);
            }
            Ok(()) => {}
        }
    }

    /// Lays a text over the panes.
    pub(super) fn read(&mut self, reading: Reading) {
        self.overlays.push(Overlay::Reading(reading));
    }

    /// An action while something lies over the panes; tells whether it meant anything there.
    pub(super) fn overlay_act(&mut self, action: Action) -> bool {
        let size = self.size;
        match self.overlays.last_mut() {
            None => return false,
            Some(Overlay::Confirm(_)) => match action {
                Action::Yes => {
                    self.overlays.pop();
                    self.effects.push(crate::action::Effect::Quit);
                }
                Action::No | Action::Back => {
                    self.overlays.pop();
                }
                _ => {}
            },
            Some(Overlay::Prompt(_)) => match action {
                Action::Back => {
                    self.overlays.pop();
                }
                Action::Accept => self.confirm_typed(),
                _ => return false,
            },
            Some(Overlay::Reading(reading)) => match action {
                Action::Back | Action::Accept => {
                    self.overlays.pop();
                }
                Action::Help if reading.is_help() => {
                    self.overlays.pop();
                }
                Action::NextProblem | Action::PreviousProblem if reading.explains() => {
                    let forward = action == Action::NextProblem;
                    if self.compare.is_some() {
                        self.overlays.pop();
                        self.explain_next(forward);
                    } else if self.problem(forward) {
                        self.overlays.pop();
                        self.explain();
                    }
                }
                _ => return reading.act(action, size),
            },
            Some(Overlay::Translating(translating)) => match action {
                Action::Translate | Action::KeepBody => {
                    if let Some(Overlay::Translating(translating)) = self.overlays.pop() {
                        self.translated(*translating, action == Action::Translate);
                    }
                }
                Action::Back => {
                    let said = match translating.beside {
                        true => "Nothing was sent.",
                        false => "The provider stays as it was.",
                    };
                    self.overlays.pop();
                    self.say(said);
                }
                _ => return translating.reading.act(action, size),
            },
            Some(Overlay::Repeating) => return self.repeat_act(action),
            Some(Overlay::List(list)) => match action {
                Action::Back => {
                    self.overlays.pop();
                }
                Action::Accept => {
                    let choice = list.choice();
                    self.overlays.pop();
                    if let Some(choice) = choice {
                        self.chosen(choice);
                    }
                }
                _ => return list.act(action, size),
            },
        }
        true
    }

    /// A key that is bound to nothing here: it types.
    pub(super) fn overlay_key(&mut self, key: KeyEvent) {
        match self.overlays.last_mut() {
            Some(Overlay::Prompt(prompt)) => {
                prompt.key(key);
            }
            Some(Overlay::List(list)) => list.key(key),
            Some(_) | None => {}
        }
    }

    pub(super) fn overlay_paste(&mut self, text: &str) {
        match self.overlays.last_mut() {
            Some(Overlay::Prompt(prompt)) => prompt.paste(text),
            Some(Overlay::List(list)) => list.paste(text),
            Some(_) | None => {}
        }
    }

    pub(super) fn overlay_click(&mut self, at: Position) {
        let size = self.size;
        match self.overlays.last_mut() {
            Some(Overlay::List(list)) if list.area(size).contains(at) => {
                if let Some(choice) = list.click(at, size) {
                    self.overlays.pop();
                    self.chosen(choice);
                }
            }
            Some(Overlay::Reading(reading)) if reading.area(size).contains(at) => {}
            Some(Overlay::Translating(t)) if t.reading.area(size).contains(at) => {}
            Some(Overlay::Prompt(prompt)) if prompt.area(size).contains(at) => {
                let area = prompt.area(size);
                prompt.proposed = false;
                prompt.input.click(0, at.x.saturating_sub(area.x + 2));
            }
            Some(Overlay::Confirm(_) | Overlay::Repeating) => {}
            // A click beside it closes it.
            Some(_) => {
                self.overlays.pop();
            }
            None => {}
        }
    }

    pub(super) fn overlay_wheel(&mut self, rows: isize) {
        let size = self.size;
        match self.overlays.last_mut() {
            Some(Overlay::List(list)) => list.step(rows, size),
            Some(Overlay::Reading(reading)) => reading.by(rows, size),
            Some(Overlay::Translating(translating)) => translating.reading.by(rows, size),
            Some(Overlay::Repeating) => {
                self.repeat_act(if rows > 0 { Action::Down } else { Action::Up });
            }
            Some(Overlay::Prompt(_) | Overlay::Confirm(_)) | None => {}
        }
    }

    /// Draws what lies over the panes.
    pub(super) fn draw_overlays(&self, buf: &mut Buffer) {
        for overlay in &self.overlays {
            match overlay {
                Overlay::List(list) => list.draw(&self.theme, self.size, buf),
                Overlay::Reading(reading) => reading.draw(&self.theme, self.size, buf),
                Overlay::Translating(t) => t.reading.draw(&self.theme, self.size, buf),
                Overlay::Repeating => self.draw_repeat(buf),
                Overlay::Prompt(prompt) => prompt.draw(&self.theme, self.size, buf),
                Overlay::Confirm(question) => {
                    let area = boxed(&self.theme, line_area(self.size, 0), "", buf);
                    let text = format!(" {question}");
                    line::put(
                        buf,
                        area,
                        &[(&line::fit(&text, area.width.into()), self.theme.of(Role::Title))],
                    );
                }
            }
        }
    }
}

/// Clears a place and draws a border round it; gives what is inside.
pub(super) fn boxed(theme: &Theme, area: Rect, title: &str, buf: &mut Buffer) -> Rect {
    use ratatui::widgets::Block;
    Clear.render(area, buf);
    let block = Block::bordered()
        .border_type(ratatui::widgets::BorderType::Rounded)
        .border_style(theme.of(Role::Focus));
    let inner = block.inner(area);
    block.render(area, buf);
    if !title.is_empty() && area.width > 4 {
        let room = Rect { x: area.x + 2, width: area.width - 4, height: 1, ..area };
        let title = format!(" {} ", line::fit(title, usize::from(room.width).saturating_sub(2)));
        line::put(buf, room, &[(&title, theme.of(Role::Title))]);
    }
    inner
}

/// A box of at most that size in the middle of the screen.
pub(super) fn centered(screen: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(screen.width.saturating_sub(2));
    let height = height.min(screen.height.saturating_sub(2));
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    }
}

/// A box for one line and so many rows below it.
fn line_area(screen: Rect, more: u16) -> Rect {
    centered(screen, 90, 3 + more)
}
