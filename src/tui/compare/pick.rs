//! What is compared with what, and the sending of both.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Compare, requests};
use crate::action::{Draft, Effect, Opened, Pair};
use crate::journal::ExchangeId;
use crate::text::{count, preview};
use crate::tui::overlay::{List, Overlay, Picks, Purpose};
use crate::tui::theme::Role;
use crate::tui::{App, ProviderInfo};

/// What B can be.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tui) enum Target {
    /// An exchange of the session; nothing is sent.
    Exchange(ExchangeId, bool),
    /// A recording in a file to be named; nothing is sent.
    File,
    /// Another request of the session, sent together with the editor's.
    Request(Arc<Draft>),
    /// A body in a file to be named, sent together with the editor's.
    Body,
    /// A provider, a row of the list of providers.
    Provider(usize),
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
        let from = self.request.draft.provider.clone();
        let to = if from.is_empty() { "its address" } else { &from };
        let of = a.map_or(String::new(), |(id, _)| format!("exchange {id} "));
        // Said once here and not with every row.
        let title = format!("Compare {of}with … · sending: A (editor) to {to}, both at once");
        let mut list = List::new(Picks::Beside, &title);
        let mut targets = Vec::new();
        for exchange in self.exchanges.iter().filter(|e| Some((e.id, e.live)) != a) {
            let (sign, word, role) = exchange.mark();
            let frames = count(exchange.seen.frames().len() as u64, "frame");
            let label = format!("exchange {}  {}", exchange.id, exchange.title());
            list.add(label, format!("{word} · {frames} · {}", exchange.seen.verdict()));
            list.sign((sign, role));
            targets.push(Target::Exchange(exchange.id, exchange.live));
        }
        let own = self.request.to_send();
        for (id, other) in self.other_requests() {
            let label = format!("send exchange {id}'s request as B");
            list.add(label, requests::of_drafts(&own, &other));
            list.sign(("✔", Role::Ok));
            targets.push(Target::Request(other));
        }
        // The present provider first; those without their key would come to nothing: last.
        let mut providers: Vec<_> = self.providers.iter().enumerate().collect();
        providers.sort_by_key(|(_, p)| p.name != from);
        let without = |p: &ProviderInfo| p.key_variable.is_some() && !p.key_is_set;
        let (missing, ready): (Vec<_>, Vec<_>) =
            providers.into_iter().partition(|(_, p)| without(p));
        for (row, provider) in ready {
            list.add(format!("send to {}", provider.name), &provider.dialect);
            list.sign(("✔", Role::Ok));
            targets.push(Target::Provider(row));
        }
        if a.is_some() {
            list.add("a file …", "a recording as B; nothing is sent");
            targets.push(Target::File);
        }
        list.add("send a body from a file …", "as B, byte for byte, all else as in the editor");
        list.sign(("✔", Role::Ok));
        targets.push(Target::Body);
        for (row, provider) in missing {
            let key = provider.key_variable.as_deref().unwrap_or_default();
            let note = format!("{} · {key} is not set", provider.dialect);
            list.add(format!("send to {}", provider.name), note);
            list.sign(("·", Role::Dim));
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
            Some(Target::Request(other)) => {
                let drafts = [self.request.to_send(), Draft::clone(&other)];
                self.send_pair(Box::new(Pair { drafts, apart: true }));
            }
            Some(Target::Body) => {
                self.ask(Purpose::BodyBeside, "Send as B the body in the file", "");
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
        let title = format!("Model of B, at {name}: choose, or type a name");
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
            b.headers.retain(|(name, _)| !crate::journal::is_secret_name(name));
        }
        self.send_pair(Box::new(Pair { drafts: [a, b], apart: false }));
    }

    /// Sends the request in the editor, and the same with the body in this file.
    pub(in crate::tui) fn send_body_beside(&mut self, path: PathBuf) {
        let draft = Box::new(self.request.to_send());
        self.send_two(Effect::CompareWith { draft, path });
    }

    pub(super) fn send_pair(&mut self, pair: Box<Pair>) {
        self.send_two(Effect::Compare(pair));
    }

    fn send_two(&mut self, effect: Effect) {
        if self.is_running() {
            self.complain("A stream is running: stop it first.");
            return;
        }
        self.sending = true;
        self.request.stop_typing();
        self.effects.push(effect);
    }

    /// Both are on their way.
    pub(in crate::tui) fn comparing(&mut self, pair: Box<Pair>, ids: [ExchangeId; 2]) {
        for (id, draft) in ids.iter().zip(&pair.drafts) {
            self.sent.keep(*id, draft);
        }
        let before = self.compare.take();
        let mut compare = Compare::new(ids.map(|id| (id, true)), Some(pair));
        // Sent again, it is looked at as before.
        if let Some(before) = before.filter(|b| b.pair == compare.pair) {
            (compare.tab, compare.link) = (before.tab, before.link);
            compare.wanted = before.wanted;
        }
        self.compare = Some(compare);
    }

    /// The exchanges of a file join the session's.
    pub(in crate::tui) fn joined(&mut self, opened: Opened) {
        let a = self.first_side();
        let (from, name) = (self.exchanges.len(), opened.name);
        self.join(opened.exchanges);
        for exchange in &mut self.exchanges[from..] {
            exchange.file = Some(preview(&name, 60));
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
