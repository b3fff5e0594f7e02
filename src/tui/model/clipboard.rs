//! Text for the clipboard.

use super::Model;
use crate::action::Effect;
use crate::text::count;
use crate::tui::BugReport;
use crate::tui::pane::Copyable;

/// The longest text that goes to the clipboard: terminals drop longer escape sequences.
const CLIPBOARD: usize = 74_000;

/// Texts to copy that belong to no single pane.
pub(in crate::tui) static COPIES: &[Copyable] = &[
    Copyable {
        name: "report",
        about: "a bug report of the shown exchange, in Markdown",
        text: |model| {
            let exchange = model.exchange()?;
            let report = BugReport::Exchanges(&[(exchange.id, &exchange.inspection)]);
            Some(("report".to_owned(), (model.tools().to_markdown)(report)))
        },
    },
    Copyable {
        name: "stream",
        about: "the whole body of the answer",
        text: |model| {
            let body = model.exchange()?.inspection.body();
            Some(("stream".to_owned(), String::from_utf8_lossy(body).into_owned()))
        },
    },
];

impl Model {
    /// Copies what a pane offers.
    pub(in crate::tui) fn copy(&mut self, what: &Copyable) {
        match (what.text)(self).filter(|(_, text)| !text.is_empty()) {
            None => self.notify(format!("Nothing to copy: {}", what.name)),
            Some((name, text)) => self.copy_text(name, text),
        }
    }

    /// Puts a text into the clipboard, unless it is too long for that.
    pub(in crate::tui) fn copy_text(&mut self, what: String, text: String) {
        if text.len() <= CLIPBOARD {
            self.effect(Effect::Copy { what, text });
            return;
        }
        let bytes = count(text.len() as u64, "byte");
        let cap = count(CLIPBOARD as u64, "byte");
        self.notify_error(&format!(
            "Not copied: {what} has {bytes}; terminals accept at most {cap}"
        ));
    }
}
