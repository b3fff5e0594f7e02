//! Recordings that are opened: the beginning of a long one is shown while the rest is read.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Drafts, Exchange, Model};
use crate::action::{Action, Context, Effect, Opened};
use crate::journal::ExchangeId;
use crate::rule::Code;
use crate::tui::pane::frames;
use crate::tui::work;

/// A recording that is being read and folded, elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) struct Loading {
    /// The file's name.
    pub name: String,
    /// Number of thousandths of the work that are done.
    pub permille: u16,
}

/// The user's selection in the beginning of a recording.
struct Selected {
    exchange: ExchangeId,
    frame: Option<u32>,
    finding: Option<(usize, Code)>,
    choice: u32,
}

impl Model {
    /// Begins to open the recording that the program was started with.
    pub(super) fn begin_loading(&mut self, path: PathBuf) {
        self.loading = Some(Loading { name: path.display().to_string(), permille: 0 });
        self.focus(frames::ID);
        self.effect(Effect::LoadFile(path));
    }

    /// The recording that is being opened.
    pub(in crate::tui) fn loading(&self) -> Option<&Loading> {
        self.loading.as_ref()
    }

    /// Returns a sentence about the progress of the recording that is being opened.
    pub(in crate::tui) fn opening(&self) -> String {
        let Some(loading) = &self.loading else { return String::new() };
        let name = crate::text::preview(&loading.name, 60);
        let stop = self.key_of(Context::Everywhere, Action::Interrupt);
        format!("Opening {name}: {} %. {stop} stops", loading.permille / 10)
    }

    /// Sets the progress of the recording that is being opened.
    pub(in crate::tui) fn set_loading(&mut self, loading: Loading) {
        self.loading = Some(loading);
    }

    /// No recording is being opened any more, and what was shown of one goes.
    pub(in crate::tui) fn stop_loading(&mut self) {
        self.loading = None;
        self.forget_beginning();
    }

    /// Returns whether only the beginning of a recording is shown so far.
    pub(in crate::tui) fn shows_beginning(&self) -> bool {
        self.exchanges.iter().any(|e| e.is_part)
    }

    /// Returns whether an action must wait: it is about all of a session, and only the beginning is there.
    pub(in crate::tui) fn must_wait(&self, action: Action) -> bool {
        self.shows_beginning()
            && matches!(
                action,
                Action::SaveSession | Action::ExportMarkdown | Action::Compare | Action::Play
            )
    }

    /// The beginning of the recording that is being opened is there: it is shown where nothing else is.
    pub(in crate::tui) fn begun(&mut self, opened: Opened) {
        if self.loading.is_none() || !self.exchanges.is_empty() || self.is_live() {
            return;
        }
        self.file = Some(opened.name);
        self.exchanges = opened.exchanges.into_iter().map(Exchange::beginning).collect();
        self.show(0);
        if self.request.is_untouched() {
            self.take_request();
        }
    }

    /// A recording was read: it takes the place of the session, unless a stream runs.
    pub(in crate::tui) fn loaded(&mut self, opened: Opened) {
        self.loading = None;
        let begun = self.shows_beginning();
        let selected = self.forget_beginning();
        if self.is_live() {
            self.notify_error("A stream is running: the file was not opened");
            return;
        }
        self.effect(Effect::BeginSession(Arc::clone(&opened.entries)));
        self.notify(format!("opened {}", opened.name));
        self.open(opened);
        // The user may have changed the pane while it was read.
        if !begun {
            self.focus(frames::ID);
        }
        if let Some(selected) = selected {
            self.select_again(&selected);
        }
    }

    /// Shows a recording in place of the session so far.
    pub(super) fn open(&mut self, opened: Opened) {
        self.drop_session();
        self.recorded = Arc::clone(&opened.entries);
        self.drafts = Drafts::default();
        self.pairs = opened.pairs;
        self.join(opened.exchanges);
        self.file = Some(opened.name);
        self.show(0);
        // Show a recording's request next to it, unless the user has begun another one.
        if self.request.is_untouched() {
            self.take_request();
        }
    }

    /// Frees the memory of the session, which takes longer than a drawing where it is large.
    fn drop_session(&mut self) {
        let exchanges = std::mem::take(&mut self.exchanges);
        let is_large = exchanges.iter().any(|e| e.inspection.wire_len() > work::MUCH);
        let recorded = std::mem::take(&mut self.recorded);
        let gone = (exchanges, recorded, self.playback.take(), self.comparison.take());
        if is_large {
            // If no thread can be started, it is freed here.
            let _ = work::aside("free", move || drop(gone));
        }
    }

    /// Removes the beginning of a recording from the screen, and returns what was selected in it.
    fn forget_beginning(&mut self) -> Option<Selected> {
        if !self.shows_beginning() {
            return None;
        }
        let shown = self.exchange().filter(|e| e.is_part);
        let selected = shown.map(|e| Selected {
            exchange: e.id,
            frame: e.frame,
            finding: e.finding.and_then(|i| Some((i, e.inspection.findings().get(i)?.code))),
            choice: e.choice,
        });
        // If only the first frame is selected, the user has not moved yet.
        let moved = |s: &Selected| {
            self.shown > 0 || s.frame != Some(0) || s.finding.is_some() || s.choice > 0
        };
        let selected = selected.filter(moved);
        self.exchanges.retain(|e| !e.is_part);
        self.file = None;
        self.show(self.exchanges.len().saturating_sub(1));
        selected
    }

    /// Selects in the whole recording what was selected in its beginning.
    fn select_again(&mut self, selected: &Selected) {
        let Some(index) = self.exchanges.iter().position(|e| e.id == selected.exchange) else {
            return;
        };
        self.show(index);
        let Some(exchange) = self.exchange_mut() else { return };
        if let Some(frame) = selected.frame {
            exchange.select(frame as usize);
        }
        let finding = |i: usize| exchange.inspection.findings().get(i).map(|f| f.code);
        if let Some((i, code)) = selected.finding
            && finding(i) == Some(code)
        {
            exchange.select_finding(i);
        }
        exchange.choice = selected.choice;
    }
}
