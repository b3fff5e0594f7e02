//! Entries as they arrive.

use std::sync::Arc;

use super::{Exchange, Model};
use crate::action::Folded;
use crate::inspect::Inspection;
use crate::journal::{Entry, EntryKind, ExchangeId};
use crate::rule::Code;
use crate::tui::pane::{frames, request};
use crate::tui::screen::ScreenCommand;

impl Model {
    /// Takes in an entry of a stream that runs.
    pub(in crate::tui) fn entry(&mut self, entry: &Entry) {
        if !self.repetition_takes(entry) {
            self.take(entry, false);
        }
    }

    /// Takes in an entry of what another program sends and receives.
    pub(in crate::tui) fn tapped(&mut self, entry: &Entry) {
        self.pairs.entry(entry);
        self.take(entry, true);
    }

    fn take(&mut self, entry: &Entry, tapped: bool) {
        let begins = matches!(entry.kind, EntryKind::Request(_) | EntryKind::Bare { .. });
        let known = self.exchanges.iter().rposition(|e| e.id == entry.exchange && e.live);
        let index = match known {
            // A second request under the same number begins another exchange.
            Some(i) if !(begins && self.exchanges[i].inspection.request.is_some()) => i,
            _ => {
                self.begin_exchange(entry.exchange, tapped);
                self.exchanges.len() - 1
            }
        };
        self.exchanges[index].push(entry);
    }

    fn begin_exchange(&mut self, id: ExchangeId, tapped: bool) {
        let inspection = self.new_inspection();
        let mut exchange = Exchange::new(id, inspection, true);
        exchange.tapped = tapped;
        self.exchanges.push(exchange);
        let index = self.exchanges.len() - 1;
        let ours = !tapped && std::mem::take(&mut self.sending);
        if ours {
            self.drafts.begun(id);
        }
        // A stream that was not sent from here was piped in: the user wants to look at it.
        if !ours && index == 0 && !self.request.is_typing() {
            self.focus(frames::ID);
        }
        // Requests of another program must not take away what the user looks at.
        let looks_on = self.exchange().is_some_and(|e| e.follow && !e.is_pointed());
        if ours || index == 0 || looks_on {
            self.show(index);
        }
    }

    pub(super) fn new_inspection(&self) -> Inspection {
        Inspection::new(Arc::clone(&self.settings.options))
    }

    /// Reports that the journal failed while the stream continues: as a finding of the exchange, and at once.
    pub(in crate::tui) fn trouble(&mut self, id: Option<ExchangeId>, text: String) {
        self.notify_error(&text);
        let at = Some(self.now);
        let index = id
            .and_then(|id| self.exchanges.iter().rposition(|e| e.id == id && e.live))
            .or_else(|| self.exchanges.iter().rposition(|e| e.live));
        if let Some(exchange) = index.and_then(|i| self.exchanges.get_mut(i)) {
            let kind = EntryKind::note(Code::SaveFailed, text);
            exchange.push(&Entry { exchange: exchange.id, at, kind });
        }
    }

    /// Notes that a request could not be sent.
    pub(in crate::tui) fn not_sent(&mut self) {
        self.sending = false;
        self.drafts.forget();
        self.repetition_not_sent();
    }

    /// Adds a recording's exchanges to the session's.
    pub(super) fn join(&mut self, exchanges: Vec<Folded>) {
        self.exchanges.extend(exchanges.into_iter().map(Exchange::recorded));
    }

    /// Shows an exchange of the session by its number; returns whether it is there.
    pub(in crate::tui) fn show_number(&mut self, id: ExchangeId) -> bool {
        let Some(index) = self.exchanges.iter().rposition(|e| e.id == id && e.live) else {
            self.notify("Another file was opened since: its exchanges are gone from here");
            return false;
        };
        self.show(index);
        self.command(ScreenCommand::Leave(request::ID, frames::ID));
        true
    }
}
