//! What is compared with what, and the sending of both.

use super::Compare;
use crate::action::{Draft, Effect};
use crate::journal::{Entry, ExchangeId};
use crate::text::{count, preview};
use crate::tui::overlay::{List, Overlay, Picks, Purpose};
use crate::tui::theme::Role;
use crate::tui::{App, ProviderInfo};

/// What B can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) enum Target {
    /// An exchange of the session; nothing is sent.
    Exchange(ExchangeId, bool),
    /// A provider, a row of the list of providers.
    Provider(usize),
    /// A file to be named.
    File,
}

impl App {
    /// The exchange that is A where nothing is sent.
    fn first_side(&self) -> Option<(ExchangeId, bool)> {
        let shown = self.exchange().map(|e| (e.id, e.live));
        self.compare.as_ref().map(|c| c.places[0]).or(shown)
    }

    /// Asks what the shown exchange, or the request in the editor, is to be compared with.
    pub(in crate::tui) fn pick_beside(&mut self) {
        let a = self.first_side();
        let mut list = List::new(Picks::Beside, "Compare with …");
        let mut targets = Vec::new();
        let of = a.map_or(String::new(), |(id, _)| format!("with exchange {id} as A · "));
        for exchange in self.exchanges.iter().filter(|e| Some((e.id, e.live)) != a) {
            let (sign, word, role) = exchange.mark();
            let frames = count(exchange.seen.frames().len() as u64, "frame");
            let label = format!("exchange {}  {}", exchange.id, exchange.title());
            list.add(label, format!("{of}{word} · {frames} · {}", exchange.seen.verdict()));
            list.sign((sign, role));
            targets.push(Target::Exchange(exchange.id, exchange.live));
        }
        if a.is_some() {
            list.add("a file …", format!("{of}a recording as B"));
            targets.push(Target::File);
        }
        let from = &self.request.draft.provider;
        // The present provider first, those without their key last.
        let without = |p: &ProviderInfo| p.key_variable.is_some() && !p.key_is_set;
        let mut providers: Vec<_> = self.providers.iter().enumerate().collect();
        providers.sort_by_key(|(_, p)| (p.name != *from, without(p)));
        for (row, provider) in providers {
            let missing = without(provider);
            let key = match (&provider.key_variable, missing) {
                (Some(name), true) => format!(" · {name} is not set"),
                _ => String::new(),
            };
            let note = format!("A goes to {from}, both at once · {}", provider.dialect);
            list.add(format!("send to {}", provider.name), format!("{note}{key}"));
            list.sign(if missing { ("·", Role::Dim) } else { ("✔", Role::Ok) });
            targets.push(Target::Provider(row));
        }
        self.targets = targets;
        self.overlays.push(Overlay::List(list));
    }

    /// B was chosen.
    pub(in crate::tui) fn beside(&mut self, row: usize) {
        match self.targets.get(row).cloned() {
            Some(Target::Exchange(id, live)) => {
                if let Some(a) = self.first_side() {
                    self.compare = Some(Compare::new([a, (id, live)], None));
                }
            }
            Some(Target::Provider(row)) => self.pick_model_beside(row),
            Some(Target::File) => {
                self.ask(Purpose::Beside, "Compare with the recording in the file", "");
            }
            None => {}
        }
    }

    /// The models that a provider may be asked for: at the same provider or a gateway the present
    /// one, its own, those it lists.
    fn models_beside(&self, row: usize) -> Vec<(String, String)> {
        let Some(provider) = self.providers.get(row) else { return Vec::new() };
        let draft = &self.request.draft;
        let present = (draft.model.clone(), "as in the request".to_owned());
        let own = (provider.model.clone(), format!("{}'s usual model", provider.name));
        let mut models = vec![present, own];
        // Elsewhere a model has another name.
        if provider.name != draft.provider {
            models.swap(0, 1);
        }
        models.extend(provider.models.iter().cloned());
        let mut once: Vec<(String, String)> = Vec::new();
        for model in models {
            if !model.0.is_empty() && once.iter().all(|m| m.0 != model.0) {
                once.push(model);
            }
        }
        once
    }

    fn pick_model_beside(&mut self, row: usize) {
        let name = self.providers.get(row).map_or("", |p| &p.name);
        let title = format!("Model of B, at {name} (choose, or type a name)");
        let mut list = List::new(Picks::ModelBeside(row), &title).or_typed();
        for (model, about) in self.models_beside(row) {
            list.add(model, about);
        }
        self.overlays.push(Overlay::List(list));
    }

    /// Provider and model of B are chosen: the request is put into its words.
    pub(in crate::tui) fn model_beside(
        &mut self,
        provider: usize,
        row: Option<usize>,
        typed: &str,
    ) {
        let listed = row.and_then(|r| self.models_beside(provider).into_iter().nth(r));
        let model = listed.map_or_else(|| typed.to_owned(), |m| m.0);
        let Some(name) = self.providers.get(provider).map(|p| p.name.clone()) else { return };
        match self.translation(&name, Some(&model)) {
            Some(Ok(mut translating)) => {
                translating.beside = true;
                self.overlays.push(Overlay::Translating(Box::new(translating)));
            }
            Some(Err(why)) => {
                self.complain(&format!("The request cannot be said in {name}'s words: {why}."));
            }
            None => {
                let body = self.request.with_model(&model).map(String::into_bytes);
                let body = body.unwrap_or_else(|| self.request.to_send().body);
                self.send_both(&name, &model, body);
            }
        }
    }

    /// Sends the request in the editor, and the same with this body to this provider.
    pub(in crate::tui) fn send_both(&mut self, provider: &str, model: &str, body: Vec<u8>) {
        let a = self.request.to_send();
        let mut b = Draft { provider: provider.into(), model: model.into(), body, ..a.clone() };
        if provider != a.provider {
            (b.url, b.dialect) = (None, None);
            // A's key is no business of B's.
            let secret =
                |name: &str| crate::journal::HEADERS.iter().any(|h| h.eq_ignore_ascii_case(name));
            b.headers.retain(|(name, _)| !secret(name));
        }
        self.send_drafts(Box::new([a, b]));
    }

    pub(super) fn send_drafts(&mut self, drafts: Box<[Draft; 2]>) {
        if self.is_running() {
            self.complain("A stream is running: stop it first.");
            return;
        }
        self.sending = true;
        self.request.stop_typing();
        self.effects.push(Effect::Compare(drafts));
    }

    /// Both are on their way.
    pub(in crate::tui) fn comparing(&mut self, drafts: Box<[Draft; 2]>, ids: [ExchangeId; 2]) {
        let before = self.compare.take();
        let mut compare = Compare::new(ids.map(|id| (id, true)), Some(drafts));
        // Sent again, it is looked at as before.
        if let Some(before) = before.filter(|b| b.drafts == compare.drafts) {
            (compare.tab, compare.link) = (before.tab, before.link);
            compare.wanted = before.wanted;
        }
        self.compare = Some(compare);
    }

    /// The exchanges of a file join the session's.
    pub(in crate::tui) fn joined(&mut self, name: &str, entries: &[Entry]) {
        let a = self.first_side();
        let from = self.exchanges.len();
        for entry in entries {
            self.entry(entry, false);
        }
        for exchange in &mut self.exchanges[from..] {
            exchange.rest();
            exchange.file = Some(preview(name, 60));
        }
        match (a, &self.exchanges[from..]) {
            (Some(a), [only]) => {
                self.compare = Some(Compare::new([a, (only.id, false)], None));
            }
            (_, []) => self.complain(&format!("{name} holds no exchange.")),
            _ => {
                self.say(format!("{name} holds several exchanges: choose one."));
                self.pick_beside();
            }
        }
    }
}
