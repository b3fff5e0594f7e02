//! Choosing what is compared with what.

use std::sync::Arc;

use super::requests;
use crate::action::{Draft, Effect};
use crate::text::count;
use crate::tui::ProviderInfo;
use crate::tui::model::{Model, SideExchange};
use crate::tui::screen::{List, ListChoice, Prompt};
use crate::tui::theme::Role;

/// A choice for B.
#[derive(Debug, Clone, PartialEq)]
enum CompareTarget {
    /// The other side of a gateway, in the same pair; nothing is sent.
    OtherSide,
    /// An exchange of the session; nothing is sent.
    Exchange(SideExchange),
    /// A recording in a file to be named; nothing is sent.
    File,
    /// Another request of the session, sent together with the editor's.
    Request(Arc<Draft>),
    /// A body in a file to be named, sent together with the editor's.
    Body,
    /// A provider, a row of the list of providers.
    Provider(usize),
    /// A provider whose key is not set.
    Keyless,
}

/// A list, and what each of its rows means.
struct Targets {
    list: List,
    targets: Vec<CompareTarget>,
}

/// The sign of what can be sent, or compared, at once.
const READY: Option<(&str, Role)> = Some(("✔", Role::Ok));

impl Targets {
    fn add(
        &mut self,
        target: CompareTarget,
        label: String,
        note: &str,
        sign: Option<(&'static str, Role)>,
    ) {
        self.list.add(label, note);
        if let Some(sign) = sign {
            self.list.sign(sign);
        }
        self.targets.push(target);
    }

    /// The other side of a call that is shown, and the other exchanges.
    fn add_exchanges(&mut self, model: &Model, a: Option<SideExchange>) {
        if let (Some(pair), None) = (model.paired_call(), model.comparison_state()) {
            let upstream = pair.upstream.last().copied().unwrap_or_default();
            let label =
                format!("both sides of the gateway: exchanges {upstream} and {}", pair.client);
            self.add(
                CompareTarget::OtherSide,
                label,
                &format!("paired by {}", pair.by.name()),
                READY,
            );
        }
        for exchange in model.exchanges().iter().filter(|e| Some((e.id, e.live)) != a) {
            let (sign, word, role) = exchange.mark();
            let frames = count(exchange.inspection.frames().len() as u64, "frame");
            let label = format!("exchange {}  {}", exchange.id, exchange.title());
            let note = format!("{word} · {frames} · {}", exchange.inspection.verdict());
            let place = (exchange.id, exchange.live);
            self.add(CompareTarget::Exchange(place), label, &note, Some((sign, role)));
        }
    }

    /// The providers, with `from` first, and what the request in the editor may get from files; a recording
    /// only where there is an exchange `has_first` to compare it with.
    fn add_providers(&mut self, model: &Model, from: &str, has_first: bool) {
        // The current provider first, and those without their key last: they could not be used.
        let mut providers: Vec<_> = model.providers().iter().enumerate().collect();
        providers.sort_by_key(|(_, p)| p.name != from);
        let without = |p: &ProviderInfo| p.key_variable.is_some() && !p.key_is_set;
        let (missing, ready): (Vec<_>, Vec<_>) =
            providers.into_iter().partition(|(_, p)| without(p));
        for (row, provider) in ready {
            let label = format!("send to {}", provider.name);
            self.add(CompareTarget::Provider(row), label, &provider.dialect, READY);
        }
        if has_first {
            self.add(
                CompareTarget::File,
                "a file …".to_owned(),
                "a recording as B; nothing is sent",
                None,
            );
        }
        let label = "send a body from a file …".to_owned();
        self.add(
            CompareTarget::Body,
            label,
            "as B, byte for byte; the rest as in the editor",
            READY,
        );
        if !missing.is_empty() {
            let label = format!("{} more …", missing.len());
            let note = "providers whose key is not set";
            self.add(CompareTarget::Keyless, label, note, Some(("·", Role::Dim)));
        }
    }
}

/// Asks what the shown exchange, or the request in the editor, is to be compared with.
pub(in crate::tui) fn pick(model: &mut Model) {
    let a = model.first_side();
    let from = model.request().draft().provider.clone();
    let to = if from.is_empty() { "its address" } else { &from };
    let of = a.map_or(String::new(), |(id, _)| format!("exchange {id} "));
    // Shown once in the title and not in every row.
    let title =
        format!("Compare {of}with … (or type PROVIDER:MODEL, an address, a file) · A goes to {to}");
    let mut all = Targets { list: List::new("", |_, _| {}), targets: Vec::new() };
    all.add_exchanges(model, a);
    let own = model.request().to_send();
    for (id, other) in model.other_requests() {
        let label = format!("send exchange {id}'s request as B");
        let note = requests::of_drafts(&own, &other);
        all.add(CompareTarget::Request(other), label, &note, READY);
    }
    all.add_providers(model, &from, a.is_some());
    let Targets { list, targets } = all;
    let take = move |model: &mut Model, choice: ListChoice| match choice
        .row
        .and_then(|row| targets.get(row))
    {
        Some(target) => chosen(model, target),
        None => typed(model, &choice.typed),
    };
    model.push(list.titled(&title, take).or_typed());
}

/// Chooses among the providers whose key is not set.
fn pick_keyless(model: &mut Model) {
    let without = |p: &&ProviderInfo| p.key_variable.is_some() && !p.key_is_set;
    let missing: Vec<ProviderInfo> = model.providers().iter().filter(without).cloned().collect();
    let names: Vec<String> = missing.iter().map(|p| p.name.clone()).collect();
    let mut list = List::new("Send to a provider whose key is not set", move |model, choice| {
        let name = choice.row.and_then(|row| names.get(row));
        let row = name.and_then(|n| model.providers().iter().position(|p| p.name == *n));
        if let Some(row) = row {
            pick_model(model, row);
        }
    });
    for provider in missing {
        let key = provider.key_variable.as_deref().unwrap_or_default();
        list.add(&provider.name, format!("{} · {key} is not set", provider.dialect));
        list.sign(("·", Role::Dim));
    }
    model.push(list);
}

/// B as on the command line: an address, a provider, `PROVIDER:MODEL`, a file.
fn typed(model: &mut Model, text: &str) {
    let named = |name: &str| model.providers().iter().position(|p| p.name == name);
    if text.contains("://") {
        model.send_to_address(text);
    } else if let Some(row) = named(text) {
        pick_model(model, row);
    } else if let Some((provider, name)) = text.split_once(':').filter(|(p, _)| named(p).is_some())
    {
        send(model, provider, name);
    } else {
        model.effect(Effect::LoadBeside(text.into()));
    }
}

/// B was chosen.
fn chosen(model: &mut Model, target: &CompareTarget) {
    match target {
        CompareTarget::OtherSide => drop(model.compare_pair()),
        CompareTarget::Exchange(b) => {
            if let Some(a) = model.first_side() {
                model.compare([a, *b], None);
            }
        }
        CompareTarget::Provider(row) => pick_model(model, *row),
        CompareTarget::Keyless => pick_keyless(model),
        CompareTarget::File => {
            model.push(Prompt::file(
                "Compare with the recording in the file",
                "",
                |model, path| {
                    model.effect(Effect::LoadBeside(path.into()));
                },
            ));
        }
        CompareTarget::Request(other) => model.send_beside(other),
        CompareTarget::Body => {
            model.push(Prompt::file("Send as B the body in the file", "", |model, path| {
                model.send_body_beside(path.into());
            }));
        }
    }
}

/// The models that a provider may be asked for: at the same provider or a gateway the present
/// one, its own, those it lists.
fn models(model: &Model, provider: &ProviderInfo) -> Vec<(String, String)> {
    let draft = model.request().draft();
    let present = (draft.model.clone(), "as in the request".to_owned());
    let own = (provider.model.clone(), format!("{}'s usual model", provider.name));
    let mut models = vec![present, own];
    // Another provider has another name for the model.
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

fn pick_model(model: &mut Model, row: usize) {
    let Some(provider) = model.providers().get(row).cloned() else { return };
    let models = models(model, &provider);
    let title = format!("Model of B, at {}: choose, or type a name", provider.name);
    let names: Vec<String> = models.iter().map(|m| m.0.clone()).collect();
    let mut list = List::new(&title, move |model, choice| {
        let listed = choice.row.and_then(|row| names.get(row).cloned());
        send(model, &provider.name, &listed.unwrap_or(choice.typed));
    })
    .or_typed();
    for (name, about) in models {
        list.add(name, about);
    }
    model.push(list);
}

/// Provider and model of B are chosen: the request is translated and both are sent.
fn send(model: &mut Model, provider: &str, name: &str) {
    match model.translation(provider, Some(name)) {
        Some(Ok(mut translation)) => {
            translation.beside = true;
            model.push(translation);
        }
        Some(Err(why)) => {
            model.notify_error(&format!("The request cannot be translated for {provider}: {why}"));
        }
        None => {
            let body = model.request().with_model(name).map(String::into_bytes);
            let body = body.unwrap_or_else(|| model.request().to_send().body);
            model.send_both(provider, name, body);
        }
    }
}
