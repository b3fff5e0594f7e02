//! Notifications outside of the screen: the end of a long stream, a stall.

use super::Model;
use crate::action::Effect;
use crate::config::Notifications;
use crate::journal::ExchangeId;

/// The record of what the user was notified of, so that nothing is reported twice.
#[derive(Debug, Default)]
pub(super) struct Notified {
    /// The exchanges that ran at the last event.
    running: Vec<ExchangeId>,
    /// The exchange whose stall was reported.
    stalled: Option<ExchangeId>,
}

impl Model {
    /// Returns how the user is notified.
    pub(in crate::tui) fn notifies(&self) -> Notifications {
        self.settings.notify
    }

    /// Reports what happened since the last event, if the user wants to know.
    pub(in crate::tui) fn notify_outside(&mut self) {
        if !self.settings.notify.is_on() {
            return;
        }
        let before = std::mem::take(&mut self.notified.running);
        let running = self.exchanges.iter().filter(|e| e.is_arriving());
        self.notified.running = running.clone().map(|e| e.id).collect();
        let stalled = running.clone().find(|e| e.is_stalled(self.now)).map(|e| e.id);
        let news = stalled.filter(|id| self.notified.stalled != Some(*id));
        self.notified.stalled = stalled;
        let after = self.settings.notify.after;
        let long = self.exchanges.iter().filter(|e| {
            let took = e.last.zip(e.origin()).map(|(end, from)| end.saturating_sub(from));
            before.contains(&e.id) && !e.is_arriving() && took.is_some_and(|took| took >= after)
        });
        let ended = long.map(|e| format!("{}: {}", e.title(), e.inspection.short_verdict()));
        let title = |id: ExchangeId| self.exchanges.iter().find(|e| e.id == id).map(|e| e.title());
        let stall = news.and_then(title).map(|title| format!("{title}: the stream stalls"));
        let all: Vec<String> = ended.chain(stall).collect();
        for text in all {
            self.effect(Effect::Notify(crate::text::preview(&text, 200)));
        }
    }
}
