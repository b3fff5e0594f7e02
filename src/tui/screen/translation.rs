//! The body said in another dialect: what becomes of it, before it is done.

use similar::ChangeTag;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use super::{ActionOutcome, ReadingScreen, Screen};
use crate::action::{Action, Context};
use crate::dialect::Dialect;
use crate::dialect::request::{Disposition, Translation};
use crate::text::{Newlines, count, preview, visible};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::widget::{Doc, diff, json};

/// Number of lines beyond which a diff costs more than it shows.
const DIFFED: usize = 2000;

/// Largest part of a line of the diff that is shown: an image would fill the screen.
const LINE: usize = 300;

/// A translation that waits for the user's word.
pub(in crate::tui) struct TranslationScreen {
    /// The provider that was chosen.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// The body is for B of a comparison; the editor's stays.
    pub beside: bool,
    /// The body in its dialect.
    pub body: String,
    /// The disposition of each part of the old one.
    reading: ReadingScreen,
}

impl TranslationScreen {
    /// Shows what a translation makes of a body.
    pub(in crate::tui) fn new(
        (provider, model): (&str, &str),
        from: &dyn Dialect,
        to: &dyn Dialect,
        before: &str,
        done: &Translation,
    ) -> Self {
        let body = json::pretty(&done.body);
        let mut doc = Doc::new();
        summary(done, &mut doc);
        notes(done, &mut doc);
        doc.line();
        compared(&json::pretty(before), &body, &mut doc);
        let title = format!("{} → {}", from.name(), to.name());
        let reading = ReadingScreen::new(title, doc);
        let (provider, model) = (provider.to_owned(), model.to_owned());
        Self { provider, model, beside: false, body, reading }
    }
}

impl Screen for TranslationScreen {
    fn contexts(&self, _: &Model) -> Vec<Context> {
        vec![Context::Translation, Context::Movement, Context::Everywhere]
    }

    fn offers(&self, _: &Model) -> Vec<Action> {
        vec![Action::Translate, Action::KeepBody, Action::Back, Action::Down]
    }

    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        match action {
            Action::Translate | Action::KeepBody => {
                model.translated(self, action == Action::Translate);
                ActionOutcome::Closed
            }
            Action::Back => {
                model.notify(match self.beside {
                    true => "Nothing was sent",
                    false => "The provider is unchanged",
                });
                ActionOutcome::Closed
            }
            _ if self.reading.scroll_by_action(action, model.size()) => ActionOutcome::Done,
            _ => ActionOutcome::Ignored,
        }
    }

    fn click(&mut self, model: &mut Model, at: Position) -> ActionOutcome {
        self.reading.click(model, at)
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, _: Position) {
        self.reading.by(rows, model.size());
    }

    fn draw(&self, model: &Model, _: bool, buf: &mut Buffer) {
        self.reading.draw_text(model.theme(), model.size(), buf);
    }
}

fn sign(disposition: Disposition) -> (&'static str, Role) {
    match disposition {
        Disposition::Lost => ("✖", Role::Error),
        Disposition::Changed => ("≈", Role::Warn),
        Disposition::Added => ("+", Role::Ok),
        Disposition::Elsewhere => ("→", Role::Dim),
    }
}

fn summary(done: &Translation, doc: &mut Doc) {
    let shown = [Disposition::Lost, Disposition::Changed, Disposition::Added];
    let some: Vec<_> = shown.into_iter().filter(|f| done.count(*f) > 0).collect();
    if some.is_empty() {
        doc.plain("Everything in the body can be translated").line();
        return;
    }
    for (i, disposition) in some.into_iter().enumerate() {
        let text = format!("{} {}", done.count(disposition), disposition.name());
        doc.plain(if i > 0 { ", " } else { "" }).push(sign(disposition).1, &text);
    }
    doc.plain(" when translated:").line();
}

fn notes(done: &Translation, doc: &mut Doc) {
    for note in &done.notes {
        let (sign, role) = sign(note.disposition);
        let shown = |text: &str, most| visible(&preview(text, most), Newlines::Show).into_owned();
        doc.line().push(role, &format!("{sign} {:<9} ", note.disposition.name()));
        doc.push(Role::Label, &shown(&note.path, 120));
        if !note.value.is_empty() {
            doc.plain("  ").plain(&shown(&note.value, 120));
        }
        doc.line().push(Role::Dim, &format!("            {}", shown(&note.why, 200)));
    }
    if !done.notes.is_empty() {
        doc.line();
    }
}

/// The old body and the new one; where they are too long, the new one.
fn compared(before: &str, after: &str, doc: &mut Doc) {
    let mut line = |role, sign: &str, text: &str| {
        let text = preview(text.trim_end_matches('\n'), LINE);
        doc.push(role, &format!("{sign}{}", visible(&text, Newlines::Show))).line();
    };
    let lines = before.lines().count() + after.lines().count();
    if lines > DIFFED {
        let words = format!("The new body, {}:", count(after.lines().count() as u64, "line"));
        line(Role::Label, "", &words);
        after.lines().take(DIFFED).for_each(|l| line(Role::Text, "  ", l));
        return;
    }
    line(Role::Label, "", "The body, before and after:");
    let [old, new] = [before, after].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let steps = diff::diff(&old, &new);
    for change in steps.iter().flat_map(|step| step.iter_changes(&old[..], &new[..])) {
        match change.tag() {
            ChangeTag::Equal => line(Role::Dim, "  ", change.value()),
            ChangeTag::Delete => line(Role::Error, "- ", change.value()),
            ChangeTag::Insert => line(Role::Ok, "+ ", change.value()),
        }
    }
}
